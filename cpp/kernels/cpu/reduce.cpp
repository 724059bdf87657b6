// Reductions over any dims of any strided array: how runs and rows are found, cut and shared between threads.
// What is done to them is in reduce_law.h. A result depends on shapes and strides only: cuts are fixed,
// partial results are joined in a fixed order.
#include "kernels/cpu/reduce_law.h"
#include "kernels/cpu/table.h"

namespace lamina::LAMINA_ISA {
namespace {

constexpr int64_t kRun = 32768;       // elements of a run that one thread reduces at a time
constexpr int64_t kRowGroup = 256;    // rows that are joined into one partial row
constexpr int64_t kWidth = 2048;      // lanes of a partial row that one thread holds at a time
constexpr int64_t kManyOutputs = 64;  // outputs that are parallel work enough, so that runs stay whole

// Visits the places of a shape in order and keeps the offset of each in `arrays` arrays.
template <int arrays>
struct Steps {
  int ndim;
  const int64_t* shape;
  const int64_t* strides[arrays];
  int64_t place[kMaxDim];
  int64_t offset[arrays];

  void start(int64_t index) {
    for (int k = 0; k < arrays; k++) offset[k] = 0;
    for (int i = ndim - 1; i >= 0; i--) {
      place[i] = index % shape[i];
      index /= shape[i];
      for (int k = 0; k < arrays; k++) offset[k] += place[i] * strides[k][i];
    }
  }
  void next() {
    for (int i = ndim - 1; i >= 0; i--) {
      for (int k = 0; k < arrays; k++) offset[k] += strides[k][i];
      if (++place[i] < shape[i]) return;
      for (int k = 0; k < arrays; k++) offset[k] -= shape[i] * strides[k][i];
      place[i] = 0;
    }
  }
};

int64_t product(const int64_t* shape, int ndim) {
  int64_t n = 1;
  for (int i = 0; i < ndim; i++) n *= shape[i];
  return n;
}

struct Plan {
  const ReduceLoops* loops;
  bool by_rows;
  int64_t units;  // parts of one reduction, each with a partial result

  // Runs along the last reduced dim, one output at a time.
  int64_t outputs, segments, length;  // segments: runs of `length` that one output has
  int64_t pieces, group;              // a unit is one of `pieces` of a segment, or `group` segments

  // Rows along the last kept dim, joined into a row of outputs.
  int64_t outer, width, chunks;  // rows of outputs, their width, chunks they are cut into
  int64_t row_count, fold;       // a row is `fold` rows of the array that follow each other in memory
  int64_t rest;                  // rows of the array left over from that
};

void plan_runs(Plan& p) {
  const bool many = p.outputs >= kManyOutputs;
  p.pieces = p.group = p.units = 1;
  if (many || p.segments * p.length <= kRun) {
    p.group = p.segments;
  } else if (p.length >= kRun) {
    p.pieces = chunks_of(p.length, kRun);
    p.units = p.segments * p.pieces;
  } else {
    p.group = kRun / p.length;
    p.units = chunks_of(p.segments, p.group);
  }
}

void plan_rows(const Reduce& r, Plan& p) {
  const int kept = r.kept_ndim - 1;
  p.width = r.kept_shape[kept];
  p.outer = p.outputs / p.width;
  p.row_count = p.segments * p.length;
  p.fold = 1;
  p.rest = 0;
  // Narrow rows without gaps are read as fewer, wider ones.
  if (r.reduced_ndim == 1 && r.reduced_strides[0] == p.width && r.kept_in_strides[kept] == 1 &&
      p.width <= 64) {
    p.fold = min_of(256 / p.width, p.row_count);
    p.rest = p.row_count % p.fold;
    p.row_count /= p.fold;
    p.width *= p.fold;
  }
  p.chunks = chunks_of(p.width, kWidth);
  p.units = chunks_of(p.row_count, kRowGroup);
}

Plan plan_of(const Reduce& r) {
  Plan p;
  p.loops = r.op == ReduceOp::Max || r.op == ReduceOp::Min || r.op == ReduceOp::Any || r.op == ReduceOp::All
                ? &extreme_loops(r.op, r.in_dtype)
                : &sum_loops(r.op, r.in_dtype);
  p.outputs = product(r.kept_shape, r.kept_ndim);
  const int last = r.reduced_ndim - 1;
  p.length = last >= 0 ? r.reduced_shape[last] : 1;
  p.segments = last >= 0 ? product(r.reduced_shape, last) : 1;
  const int64_t step = last >= 0 ? r.reduced_strides[last] : 1;
  const int64_t kept_step = r.kept_ndim > 0 ? r.kept_in_strides[r.kept_ndim - 1] : 0;
  p.by_rows =
      r.kept_ndim > 0 && step != 1 && (kept_step < 0 ? -kept_step : kept_step) < (step < 0 ? -step : step);
  if (p.by_rows) {
    plan_rows(r, p);
  } else {
    plan_runs(p);
  }
  return p;
}

// Unit `unit` of the output whose first element is at `data`.
void reduce_unit(const Reduce& r, const Plan& p, const char* data, int64_t unit, uint64_t* total) {
  const int last = r.reduced_ndim - 1;
  const int64_t stride = last >= 0 ? r.reduced_strides[last] : 1;
  const int64_t size = static_cast<int64_t>(p.loops->in_size);
  if (p.segments == 1) {
    const int64_t begin = unit * kRun;
    const int64_t n = p.pieces == 1 ? p.length : min_of(kRun, p.length - begin);
    return p.loops->run(data + begin * stride * size, stride, n, total);
  }
  Steps<1> steps = {last, r.reduced_shape, {r.reduced_strides}, {}, {}};
  if (p.pieces > 1) {
    const int64_t begin = unit % p.pieces * kRun;
    steps.start(unit / p.pieces);
    const char* piece = data + (steps.offset[0] + begin * stride) * size;
    return p.loops->run(piece, stride, min_of(kRun, p.length - begin), total);
  }
  const int64_t begin = unit * p.group;
  const int64_t end = min_of(begin + p.group, p.segments);
  steps.start(begin);
  for (int64_t i = begin; i < end; i++, steps.next()) {
    p.loops->run(data + steps.offset[0] * size, stride, p.length, total);
  }
}

// Outputs of one short run each, in lines along the last kept dim.
void reduce_short_runs(const Reduce& r, const Plan& p) {
  const int last = r.kept_ndim - 1;
  const int64_t in_size = static_cast<int64_t>(p.loops->in_size),
                out_size = static_cast<int64_t>(p.loops->out_size);
  const int64_t line = last >= 0 ? r.kept_shape[last] : 1;
  const int64_t in_step = last >= 0 ? r.kept_in_strides[last] : 0,
                out_step = last >= 0 ? r.kept_out_strides[last] : 0;
  const int64_t stride = r.reduced_ndim > 0 ? r.reduced_strides[0] : 1;
  parallel_range(p.outputs, max_of(1, kGrain / p.length), [&](int64_t begin, int64_t end) {
    Steps<2> steps = {last < 0 ? 0 : last, r.kept_shape, {r.kept_in_strides, r.kept_out_strides}, {}, {}};
    steps.start(begin / line);
    for (int64_t first = begin % line; begin < end; first = 0, steps.next()) {
      const int64_t count = min_of(line - first, end - begin);
      p.loops->short_runs(static_cast<const char*>(r.in) + (steps.offset[0] + first * in_step) * in_size,
                          in_step, count, stride, p.length, r.scale,
                          static_cast<char*>(r.out) + (steps.offset[1] + first * out_step) * out_size,
                          out_step);
      begin += count;
    }
  });
}

void reduce_runs(const Reduce& r, const Plan& p, uint64_t* totals) {
  const ReduceLoops& loops = *p.loops;
  const char* in = static_cast<const char*>(r.in);
  char* out = static_cast<char*>(r.out);
  const auto kept = [&](int64_t index) {
    Steps<2> steps = {r.kept_ndim, r.kept_shape, {r.kept_in_strides, r.kept_out_strides}, {}, {}};
    steps.start(index);
    return steps;
  };
  if (p.units == 1) {
    const int64_t grain = max_of(1, kGrain / (p.segments * p.length));
    parallel_range(p.outputs, grain, [&](int64_t begin, int64_t end) {
      Steps<2> steps = kept(begin);
      for (int64_t i = begin; i < end; i++, steps.next()) {
        uint64_t total = loops.identity;
        reduce_unit(r, p, in + steps.offset[0] * static_cast<int64_t>(loops.in_size), 0, &total);
        loops.write(out + steps.offset[1] * static_cast<int64_t>(loops.out_size), total, r.scale);
      }
    });
    return;
  }
  parallel(p.outputs * p.units, [&](int64_t task) {
    const Steps<2> steps = kept(task / p.units);
    totals[task] = loops.identity;
    const char* data = in + steps.offset[0] * static_cast<int64_t>(loops.in_size);
    reduce_unit(r, p, data, task % p.units, totals + task);
  });
  Steps<2> steps = kept(0);
  for (int64_t i = 0; i < p.outputs; i++, steps.next()) {
    loops.join(totals + i * p.units, p.units);
    char* target = out + steps.offset[1] * static_cast<int64_t>(loops.out_size);
    loops.write(target, totals[i * p.units], r.scale);
  }
}

// Rows [begin, end) of one chunk, `width` lanes wide, of the output row whose first element is at `data`.
void reduce_rows_unit(const Reduce& r, const Plan& p, const char* data, int64_t begin, int64_t end,
                      int64_t first_lane, int64_t width, char* acc) {
  const ReduceLoops& loops = *p.loops;
  const int64_t size = static_cast<int64_t>(loops.in_size);
  const int64_t step = r.kept_in_strides[r.kept_ndim - 1];
  const int64_t folded_stride = r.reduced_strides[0] * p.fold;
  Steps<1> steps = {r.reduced_ndim, r.reduced_shape, {r.reduced_strides}, {}, {}};
  if (p.fold > 1) {
    steps = {1, &p.row_count, {&folded_stride}, {}, {}};
  }
  steps.start(begin);
  data += first_lane * step * size;
  const char* rows[kReduceRows];
  for (int64_t i = begin; i < end; i += kReduceRows) {
    const int count = static_cast<int>(min_of(kReduceRows, end - i));
    for (int k = 0; k < count; k++, steps.next()) rows[k] = data + steps.offset[0] * size;
    loops.rows(rows, count, step, width, acc, i == begin);
  }
  if (p.rest > 0 && end == p.row_count) {
    rows[0] = data + end * folded_stride * size;
    loops.rows(rows, 1, 1, p.rest * (p.width / p.fold), acc, false);
  }
}

// Folds a finished row and writes lanes [first_lane, first_lane + width) of it.
void write_rows(const Reduce& r, const Plan& p, int64_t outer, int64_t first_lane, int64_t width, char* acc) {
  const ReduceLoops& loops = *p.loops;
  const int last = r.kept_ndim - 1;
  if (p.fold > 1) {
    width /= p.fold;
    for (int64_t i = 1; i < p.fold; i++) loops.join_rows(acc, acc + i * width * loops.lane_size, width);
  }
  Steps<1> steps = {last, r.kept_shape, {r.kept_out_strides}, {}, {}};
  steps.start(outer);
  const int64_t stride = r.kept_out_strides[last];
  char* out = static_cast<char*>(r.out) +
              (steps.offset[0] + first_lane * stride) * static_cast<int64_t>(loops.out_size);
  loops.write_row(acc, width, r.scale, out, stride);
}

void reduce_rows(const Reduce& r, const Plan& p, char* scratch) {
  const int64_t lane = static_cast<int64_t>(p.loops->lane_size);
  const int64_t tasks = p.outer * p.units * p.chunks;
  const int64_t task_elements = min_of(p.row_count, kRowGroup) * min_of(p.width, kWidth);
  parallel_range(tasks, max_of(1, kGrain / task_elements), [&](int64_t from, int64_t to) {
    alignas(64) char held[kWidth * 8];
    Steps<1> steps = {r.kept_ndim - 1, r.kept_shape, {r.kept_in_strides}, {}, {}};
    for (int64_t task = from; task < to; task++) {
      const int64_t chunk = task % p.chunks;
      const int64_t unit = task / p.chunks % p.units;
      const int64_t outer = task / p.chunks / p.units;
      const int64_t first_lane = chunk * kWidth;
      const int64_t width = min_of(kWidth, p.width - first_lane);
      steps.start(outer);
      const char* data =
          static_cast<const char*>(r.in) + steps.offset[0] * static_cast<int64_t>(p.loops->in_size);
      char* acc = p.units == 1 ? held : scratch + ((outer * p.units + unit) * p.width + first_lane) * lane;
      reduce_rows_unit(r, p, data, unit * kRowGroup, min_of((unit + 1) * kRowGroup, p.row_count), first_lane,
                       width, acc);
      if (p.units == 1) write_rows(r, p, outer, first_lane, width, acc);
    }
  });
  if (p.units == 1) return;
  const int64_t join_elements = p.units * min_of(p.width, kWidth);
  parallel_range(p.outer * p.chunks, max_of(1, kGrain / join_elements), [&](int64_t from, int64_t to) {
    for (int64_t task = from; task < to; task++) {
      const int64_t first_lane = task % p.chunks * kWidth;
      const int64_t outer = task / p.chunks;
      const int64_t width = min_of(kWidth, p.width - first_lane);
      const auto row = [&](int64_t unit) {
        return scratch + ((outer * p.units + unit) * p.width + first_lane) * lane;
      };
      for (int64_t step = 1; step < p.units; step *= 2) {
        for (int64_t unit = 0; unit + step < p.units; unit += 2 * step) {
          p.loops->join_rows(row(unit), row(unit + step), width);
        }
      }
      write_rows(r, p, outer, first_lane, width, row(0));
    }
  });
}

}  // namespace

size_t reduce_scratch(const Reduce& r) {
  const Plan p = plan_of(r);
  if (p.units == 1) return 0;
  return p.by_rows ? static_cast<size_t>(p.outer * p.units * p.width) * p.loops->lane_size
                   : static_cast<size_t>(p.outputs * p.units) * sizeof(uint64_t);
}

void reduce(const Reduce& r, void* scratch) {
  const Plan p = plan_of(r);
  if (p.by_rows) {
    reduce_rows(r, p, static_cast<char*>(scratch));
  } else if (p.segments == 1 && p.length <= kReduceRun) {
    reduce_short_runs(r, p);
  } else {
    reduce_runs(r, p, static_cast<uint64_t*>(scratch));
  }
}

}  // namespace lamina::LAMINA_ISA
