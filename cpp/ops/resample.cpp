// The last dimensions of x made anew, each by a table that says which old places a new one is made of:
// images resized, means over bins, borders taken from inside. The way back is the same with the table turned.
#include <algorithm>
#include <cmath>

#include "ops/walk.h"

namespace lamina::ops {
namespace {

// One dimension: new place i is made of the entries starts[i] to starts[i + 1].
struct Table {
  int64_t ins = 0;
  std::vector<int64_t> starts{0}, places{};
  std::vector<double> weights{};
  std::vector<TapPart> parts{};

  explicit Table(int64_t size) : ins(size) {}
  int64_t outs() const { return static_cast<int64_t>(starts.size()) - 1; }
  void tap(int64_t place, double weight) {
    places.push_back(place);
    weights.push_back(weight);
  }
  void end_place() { starts.push_back(static_cast<int64_t>(places.size())); }
  Taps taps() const {
    const bool runs = places.empty() && weights.empty();
    return {ins,
            outs(),
            static_cast<int64_t>(parts.size()),
            runs ? nullptr : starts.data(),
            places.data(),
            weights.data(),
            parts.data()};
  }
  // Cuts the new places into runs of old ones as they are, and the rest, whose parts reach only so far.
  void cut() {
    constexpr int64_t short_run = 8, long_run = 4096;
    std::vector<int64_t> run(outs() + 1, 0);  // how far the run goes on from here
    for (int64_t i = outs() - 1; i >= 0; --i) {
      if (starts[i + 1] != starts[i] + 1 || weights[starts[i]] != 1) continue;
      run[i] = run[i + 1] && places[starts[i + 1]] == places[starts[i]] + 1 ? run[i + 1] + 1 : 1;
    }
    for (int64_t i = 0; i < outs();) {
      TapPart part{i, i, ins, 0, run[i] >= short_run};
      const int64_t most = part.run ? std::min(run[i], long_run) : kTapPart;
      for (; part.end < outs() && part.end - i < most; ++part.end) {
        if (!part.run && run[part.end] >= short_run) break;
        int64_t low = part.low, high = part.high;
        for (int64_t k = starts[part.end]; k < starts[part.end + 1]; ++k) {
          low = std::min(low, places[k]);
          high = std::max(high, places[k] + 1);
        }
        if (!part.run && part.end > i && high - low > kTapReach) break;
        part.low = low, part.high = high;
      }
      if (part.low > part.high) part.low = part.high = 0;  // of nothing
      i = part.end;
      parts.push_back(part);
    }
  }
};
using Tables = std::vector<Table>;  // of the last dimensions

Table turned(const Table& table) {
  Table back(table.outs());
  back.starts.assign(table.ins + 1, 0);
  for (int64_t place : table.places) ++back.starts[place + 1];
  for (int64_t i = 0; i < table.ins; ++i) back.starts[i + 1] += back.starts[i];
  back.places.resize(table.places.size());
  back.weights.resize(table.places.size());
  std::vector<int64_t> next(back.starts.begin(), back.starts.end() - 1);
  for (int64_t i = 0; i < table.outs(); ++i) {
    for (int64_t k = table.starts[i]; k < table.starts[i + 1]; ++k) {
      const int64_t at = next[table.places[k]]++;
      back.places[at] = i;
      back.weights[at] = table.weights[k];
    }
  }
  back.cut();
  return back;
}

// The columns of a pass along the rows alone.
Table unchanged(int64_t size) {
  constexpr int64_t run = 4096;
  Table table(size);
  for (int64_t i = 0; i < size; i += run) {
    const int64_t end = std::min(i + run, size);
    table.parts.push_back({i, end, i, end, true});
  }
  return table;
}
Table one() {
  Table table(1);
  table.tap(0, 1);
  table.end_place();
  return table;
}

// Dimensions dim and dim + 1 by the tables of rows and columns.
Tensor plane_pass(const Tensor& x, int dim, const Table& rows, const Table& columns) {
  Shape shape = x.shape();
  Resample p{x.dtype(), 1, rows.taps(), columns.taps()};
  for (int d = 0; d < dim; ++d) p.planes *= shape[d];
  shape[dim] = rows.outs();
  shape[dim + 1] = columns.outs();
  const Tensor y = empty(shape, x.dtype());
  if (y.numel()) x.kernels().resample(p, x.data(), y.data());
  return y;
}
Tensor depth_pass(const Tensor& x, int dim, const Table& table) {
  Shape shape = x.shape();
  int64_t behind = 1;
  for (int d = dim + 1; d < x.ndim(); ++d) behind *= shape[d];
  const Table all = unchanged(behind);
  Resample p{x.dtype(), 1, table.taps(), all.taps()};
  p.columns.outs = behind;
  for (int d = 0; d < dim; ++d) p.planes *= shape[d];
  shape[dim] = table.outs();
  const Tensor y = empty(shape, x.dtype());
  if (y.numel()) x.kernels().resample(p, x.data(), y.data());
  return y;
}

Tensor resampled(const Tensor& input, const Tables& tables) {
  const Tensor x = contiguous(detach(input));
  const int count = static_cast<int>(tables.size()), first = x.ndim() - count;
  Tensor y;
  if (count == 1) {
    Shape shape = x.shape();
    shape[first] = tables[0].outs();
    y = reshape(plane_pass(unsqueeze(x, first), first, one(), tables[0]), shape);
  } else if (count == 2) {
    y = plane_pass(x, first, tables[0], tables[1]);
  } else if (tables[0].outs() < tables[0].ins) {  // the smaller one in the middle
    y = plane_pass(depth_pass(x, first, tables[0]), first + 1, tables[1], tables[2]);
  } else {
    y = depth_pass(plane_pass(x, first + 1, tables[1], tables[2]), first, tables[0]);
  }
  if (recording(input))
    record("ResampleBackward0", y, {&input}, [tables](Back& back) -> Tensors {
      Tables ways;
      for (const Table& table : tables) ways.push_back(turned(table));
      return {resampled(back.grad(), ways)};
    });
  return y;
}

// Any dtype: halves in float, what is no float by picking (laws that make new numbers do not come here).
Tensor by_tables(const Tensor& x, Tables tables) {
  if (is_half(x.dtype())) return to(resampled(to(x, Dtype::Float32), tables), x.dtype());
  if (is_floating(x.dtype())) {
    return resampled(x, tables);
  }
  Tensor y = x;
  const int first = x.ndim() - static_cast<int>(tables.size());
  for (size_t i = 0; i < tables.size(); ++i) {
    const Tensor index = empty({tables[i].outs()}, Dtype::Int64);
    std::copy(tables[i].places.begin(), tables[i].places.end(), index.data_as<int64_t>());
    y = index_select(y, first + static_cast<int64_t>(i), index);
  }
  return y;
}

// ---- interpolation

double cubic(double x, double a) {
  if (x <= 1) return ((a + 2) * x - (a + 3)) * x * x + 1;
  return x < 2 ? ((a * x - 5 * a) * x + 8 * a) * x - 4 * a : 0;
}

// PyTorch computes the places in the precision of the values, R, and rounding may move a place.
template <class R>
Table interpolation(Interpolation mode, int64_t size, int64_t count, double wide_step, bool align_corners) {
  const R step = static_cast<R>(wide_step), half = R(0.5);
  const int64_t last = size - 1;
  Table table(size);
  for (int64_t i = 0; i < count; ++i) {
    const R target = static_cast<R>(i);
    if (mode == Interpolation::Nearest || mode == Interpolation::NearestExact) {
      const R place = std::floor((target + (mode == Interpolation::Nearest ? R(0) : half)) * step);
      table.tap(place < static_cast<R>(last) ? static_cast<int64_t>(place) : last, 1);
    } else {
      R source = align_corners ? target * step : (target + half) * step - half;
      if (mode == Interpolation::Linear) source = std::max(source, R(0));
      const R floor = std::min(std::floor(source), static_cast<R>(last));
      const int64_t low = std::clamp(static_cast<int64_t>(floor), int64_t(-2), last);
      const R t = source - floor;
      if (mode == Interpolation::Linear) {
        table.tap(low, R(1) - t);
        table.tap(std::min(low + 1, last), t);
      } else {
        const R away[4] = {t + R(1), t, R(1) - t, R(2) - t};
        for (int k = 0; k < 4; ++k)
          table.tap(std::clamp(low + k - 1, int64_t(0), last), static_cast<R>(cubic(away[k], -0.75)));
      }
    }
    table.end_place();
  }
  return table;
}

// A kernel that is stretched over at least one step.
Table smooth(Interpolation mode, int64_t size, int64_t count, double step) {
  const double stretch = std::max(step, 1.0), reach = (mode == Interpolation::Linear ? 1 : 2) * stretch;
  Table table(size);
  for (int64_t i = 0; i < count; ++i) {
    const double centre = step * (static_cast<double>(i) + 0.5);
    const int64_t low = std::max(static_cast<int64_t>(centre - reach + 0.5), int64_t(0));
    const int64_t high = std::min(static_cast<int64_t>(centre + reach + 0.5), size);
    double sum = 0;
    for (int64_t place = low; place < high; ++place) {
      const double away = std::abs((static_cast<double>(place) - centre + 0.5) / stretch);
      table.tap(place, mode == Interpolation::Linear ? std::max(1 - away, 0.0) : cubic(away, -0.5));
      sum += table.weights.back();
    }
    table.end_place();
    for (int64_t k = table.starts[i]; k < table.starts[i + 1]; ++k) table.weights[k] /= sum;
  }
  return table;
}

Table means(int64_t size, int64_t count) {
  Table table(size);
  for (int64_t i = 0; i < count; ++i) {
    const int64_t low = i * size / count, high = ((i + 1) * size + count - 1) / count;
    for (int64_t place = low; place < high; ++place) table.tap(place, 1.0 / static_cast<double>(high - low));
    table.end_place();
  }
  return table;
}

// Where what lies at place i of the padded dimension comes from. What is left after a cut comes round.
int64_t inside(Border mode, int64_t i, int64_t size, int64_t left, int64_t right) {
  if (mode == Border::Replicate) return std::clamp(i, int64_t(0), size - 1);
  if (mode == Border::Reflect) return size - 1 - std::abs(size - 1 - std::abs(i));
  const int64_t period = right - left, rest = (i - left) % period;
  return left + (rest < 0 ? rest + period : rest);
}

void check_dims(const char* op, const Tensor& x, size_t dims) {
  if (dims < 1 || dims > 3 || x.ndim() < static_cast<int>(dims))
    fail<ShapeError>(op, ": expected sizes for the last one to three dimensions, got ", dims, " for ",
                     x.shape());
}

}  // namespace

Tensor interpolate(const Tensor& x, Interpolation mode, const Dims& size, const std::vector<double>& steps,
                   bool align_corners, bool antialias) {
  check_dims("interpolate", x, steps.size());
  const int first = x.ndim() - size.size();
  const bool picks = mode == Interpolation::Nearest || mode == Interpolation::NearestExact;
  if (!is_floating(x.dtype()) && !picks)
    fail<TypeError>("interpolate: expected a floating dtype, got ", name_of(x.dtype()));
  Tables tables;
  for (int i = 0; i < size.size(); ++i) {
    const int64_t old = x.size(first + i);
    if (static_cast<size_t>(size.size()) != steps.size() || old < 1 || size[i] < 0 || !(steps[i] >= 0) ||
        !std::isfinite(steps[i]))
      fail<ShapeError>("interpolate: cannot resize ", x.shape(), " to ", size);
    if (mode == Interpolation::Mean)
      tables.push_back(means(old, size[i]));
    else if (antialias && !picks)
      tables.push_back(smooth(mode, old, size[i], steps[i]));
    else if (x.dtype() == Dtype::Float64)
      tables.push_back(interpolation<double>(mode, old, size[i], steps[i], align_corners));
    else
      tables.push_back(interpolation<float>(mode, old, size[i], steps[i], align_corners));
    tables.back().cut();
  }
  return by_tables(x, std::move(tables));
}

Tensor pad_from_inside(const Tensor& x, Border mode, const Dims& before, const Dims& after) {
  check_dims("pad", x, static_cast<size_t>(before.size()));
  const int first = x.ndim() - before.size();
  Tables tables;
  for (int d = 0; d < before.size(); ++d) {
    const int64_t size = x.size(first + d);
    const int64_t most = mode == Border::Reflect ? size - 1 : mode == Border::Circular ? size : INT64_MAX / 4;
    const int64_t left = std::max(int64_t(0), -before[d]), right = size - std::max(int64_t(0), -after[d]);
    if (size < 1 || before[d] > most || after[d] > most || size + before[d] + after[d] < 0 ||
        (mode == Border::Circular && right <= left && size + before[d] + after[d] > 0))
      fail<ShapeError>("pad: cannot widen dimension ", first + d, " of ", x.shape(), " by ", before[d],
                       " and ", after[d]);
    Table table(size);
    for (int64_t i = -before[d]; i < size + after[d]; ++i) {
      table.tap(inside(mode, i, size, left, right), 1);
      table.end_place();
    }
    table.cut();
    tables.push_back(std::move(table));
  }
  return by_tables(x, std::move(tables));
}

}  // namespace lamina::ops
