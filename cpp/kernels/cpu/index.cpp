// Reading and writing the places of a table that an index names.
#include "kernels/cpu/element.h"
#include "kernels/cpu/table.h"

namespace lamina::LAMINA_ISA {
namespace {

constexpr int kValues = 0, kTable = 1, kIndex = 2;

// What a typed loop gets: `count` index entries in a line, and for each of them `width` elements of values
// and table in a line. Where the index moves along with every element, width is 1. All strides count
// elements.
struct Line {
  int64_t count, value_step, table_step, index_step;
  int64_t width, value_stride, table_stride;
  int64_t size, stride;  // of the table along the indexed dim
  int64_t begin, end;    // places along it that are touched, others are passed over

  int64_t place(int64_t i) const { return i < 0 ? i + size : i; }
};
using Loop = void (*)(const Line& line, void* values, void* table, const int64_t* index);

// The walk whose runs are lines, and the strides of a line.
struct Lines {
  Walk walk;
  Line line;

  explicit Lines(const Index& x) : walk(x.walk), line() {
    const int last = walk.ndim - 1;
    line.width = line.value_stride = line.table_stride = 1;
    if (last >= 0 && walk.strides[kIndex][last] == 0) {
      line.width = walk.shape[last];
      line.value_stride = walk.strides[kValues][last];
      line.table_stride = walk.strides[kTable][last];
      walk.ndim = last;
    }
    line.value_step = inner_stride(walk, kValues);
    line.table_step = inner_stride(walk, kTable);
    line.index_step = inner_stride(walk, kIndex);
    line.size = x.size;
    line.stride = x.stride;
    line.begin = 0;
    line.end = x.size;
  }
};

void for_lines(const Lines& lines, int64_t size, int64_t begin, int64_t end, Loop loop) {
  const int64_t sizes[3] = {size, size, sizeof(int64_t)};
  Line line = lines.line;
  for_runs(lines.walk, sizes, begin, end, [&](char* const* data, int64_t n) {
    line.count = n;
    loop(line, data[kValues], data[kTable], reinterpret_cast<const int64_t*>(data[kIndex]));
  });
}

// What is read or assigned is bytes, not numbers: one type per element size.
template <class F>
LAMINA_INLINE void by_size(Dtype dtype, F&& f) {
  switch (size_of(dtype)) {
    case 1:
      return f(uint8_t());
    case 2:
      return f(uint16_t());
    case 4:
      return f(uint32_t());
    default:
      return f(uint64_t());
  }
}

// Short rows are copied by vectors: a call of memcpy would cost more than they do.
template <class T>
LAMINA_INLINE void copy_row(T* to, const T* from, int64_t n) {
  const int64_t words = n * static_cast<int64_t>(sizeof(T)) / 4;
  if (sizeof(T) < 4 || words > 256) {
    memcpy(to, from, static_cast<size_t>(n) * sizeof(T));
  } else {
    float* const out = reinterpret_cast<float*>(to);
    const float* const in = reinterpret_cast<const float*>(from);
    for_vectors<F32>(words,
                     [&](int64_t i, auto lanes) { put_lanes(out + i, get_lanes(in + i, lanes), lanes); });
  }
}

template <class T>
void read(const Line& line, void* values, void* table, const int64_t* index) {
  T* to = static_cast<T*>(values);
  const T* from = static_cast<const T*>(table);
  const bool dense = line.value_stride == 1 && line.table_stride == 1;
  if (line.width == 1) {
    const Line l = line;
    for (int64_t i = 0; i < l.count; i++) {
      to[i * l.value_step] = from[i * l.table_step + l.place(index[i * l.index_step]) * l.stride];
    }
    return;
  }
  for (int64_t i = 0; i < line.count; i++) {
    const T* row = from + i * line.table_step + line.place(index[i * line.index_step]) * line.stride;
    T* out = to + i * line.value_step;
    if (dense) {
      copy_row(out, row, line.width);
    } else {
      for (int64_t j = 0; j < line.width; j++) out[j * line.value_stride] = row[j * line.table_stride];
    }
  }
}

template <WriteMode mode, class T>
LAMINA_INLINE T merged(T old, T x) {
  if constexpr (mode == WriteMode::Assign) {
    return x;
  } else {
    const Compute<T> a = value_of(old), b = value_of(x);
    if constexpr (mode == WriteMode::Max) return b != b || b > a ? x : old;
    if constexpr (mode == WriteMode::Min) return b != b || b < a ? x : old;
    if constexpr (kIsFloat<T>) {
      return element_of<T>(mode == WriteMode::Add ? a + b : a * b);
    } else {  // integers wrap around; for bool + is or
      const uint64_t c = static_cast<uint64_t>(a), d = static_cast<uint64_t>(b);
      return static_cast<T>(mode == WriteMode::Add ? c + d : c * d);
    }
  }
}

template <WriteMode mode, class T>
void write_dense(T* __restrict to, const T* __restrict from, int64_t n) {
  if constexpr (mode == WriteMode::Add && kIsFloat<T>) {
    for_vectors<Lanes<T>>(n, [&](int64_t j, auto lanes) {
      put_lanes(to + j, get_lanes(to + j, lanes) + get_lanes(from + j, lanes), lanes);
    });
  } else {
    for (int64_t j = 0; j < n; j++) to[j] = merged<mode>(to[j], from[j]);
  }
}

template <WriteMode mode, class T>
void write(const Line& line, void* values, void* table, const int64_t* index) {
  const T* from = static_cast<const T*>(values);
  T* to = static_cast<T*>(table);
  const bool dense = line.value_stride == 1 && line.table_stride == 1;
  if (line.width == 1) {
    const Line l = line;
    for (int64_t i = 0; i < l.count; i++) {
      T& place = to[i * l.table_step + l.place(index[i * l.index_step]) * l.stride];
      place = merged<mode>(place, from[i * l.value_step]);
    }
    return;
  }
  for (int64_t i = 0; i < line.count; i++) {
    const int64_t place = line.place(index[i * line.index_step]);
    if (place < line.begin || place >= line.end) continue;
    T* row = to + i * line.table_step + place * line.stride;
    const T* in = from + i * line.value_step;
    if (dense) {
      write_dense<mode>(row, in, line.width);
    } else {
      for (int64_t j = 0; j < line.width; j++) {
        row[j * line.table_stride] = merged<mode>(row[j * line.table_stride], in[j * line.value_stride]);
      }
    }
  }
}

template <WriteMode mode>
Loop loop_of(Dtype dtype) {
  Loop loop = nullptr;
  if constexpr (mode == WriteMode::Assign) {
    by_size(dtype, [&](auto type) { loop = write<mode, decltype(type)>; });
  } else {
    by_dtype(dtype, [&](auto type) { loop = write<mode, decltype(type)>; });
  }
  return loop;
}

Loop loop_of(WriteMode mode, Dtype dtype) {
  switch (mode) {
    case WriteMode::Add:
      return loop_of<WriteMode::Add>(dtype);
    case WriteMode::Mul:
      return loop_of<WriteMode::Mul>(dtype);
    case WriteMode::Max:
      return loop_of<WriteMode::Max>(dtype);
    case WriteMode::Min:
      return loop_of<WriteMode::Min>(dtype);
    default:
      return loop_of<WriteMode::Assign>(dtype);
  }
}

// The part [begin, end) of dim `dim` of an index operation.
Index part_of(const Index& x, int dim, int64_t begin, int64_t end) {
  Index part = x;
  part.walk.shape[dim] = end - begin;
  const int64_t size = static_cast<int64_t>(size_of(x.dtype));
  const int64_t sizes[3] = {size, size, sizeof(int64_t)};
  for (int k = 0; k < 3; k++) {
    part.walk.data[k] = static_cast<char*>(x.walk.data[k]) + begin * x.walk.strides[k][dim] * sizes[k];
  }
  return part;
}

}  // namespace

void index_read(const Index& x) {
  const Lines lines(x);
  const int64_t size = static_cast<int64_t>(size_of(x.dtype));
  by_size(x.dtype, [&](auto type) {
    const Loop loop = read<decltype(type)>;
    parallel_range(elements_of(lines.walk), max_of(1, kGrain / lines.line.width),
                   [&](int64_t begin, int64_t end) { for_lines(lines, size, begin, end, loop); });
  });
}

// Writes share the work in ways that keep every place of the table to one thread, which then sees its writes
// in the order of the walk: parts of a dim along which the table itself moves, or else parts of the indexed
// dim.
void index_write(const Index& x, WriteMode mode) {
  const int64_t size = static_cast<int64_t>(size_of(x.dtype));
  const Loop loop = loop_of(mode, x.dtype);
  const Lines lines(x);
  const int64_t entries = elements_of(lines.walk), n = entries * lines.line.width;
  if (n <= kGrain) return for_lines(lines, size, 0, entries, loop);
  int best = -1;
  for (int i = 0; i < x.walk.ndim; i++) {
    if (x.walk.strides[kTable][i] != 0 && (best < 0 || x.walk.shape[i] > x.walk.shape[best])) best = i;
  }
  const int64_t line = 64 / size;  // elements of a cache line, which two threads should not share
  if (best >= 0 && x.walk.shape[best] >= 8 * line) {
    const int64_t grain = max_of(4, chunks_of(kGrain * x.walk.shape[best] / n, line)) * line;
    return parallel_range(x.walk.shape[best], grain, [&](int64_t begin, int64_t end) {
      const Lines part(part_of(x, best, begin, end));
      for_lines(part, size, 0, elements_of(part.walk), loop);
    });
  }
  if (lines.line.width < 8) return for_lines(lines, size, 0, entries, loop);
  parallel_range(x.size, max_of(1, chunks_of(x.size, 8)), [&](int64_t begin, int64_t end) {
    Lines part = lines;
    part.line.begin = begin;
    part.line.end = end;
    for_lines(part, size, 0, entries, loop);
  });
}

}  // namespace lamina::LAMINA_ISA
