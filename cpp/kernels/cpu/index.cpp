// Reading and writing the places of a table that an index names, and counting and finding what is not zero.
#include "kernels/cpu/element.h"
#include "kernels/cpu/table.h"

namespace lamina::LAMINA_ISA {
namespace {

constexpr int kValues = 0, kTable = 1, kIndex = 2;

// One run along the walk's last dim: element j of the table lies at index[j * step[2]] * stride + j *
// step[1].
struct Step {
  int64_t value, table, index, stride, size;  // in elements; size: of the table along the indexed dim

  explicit Step(const Index& x)
      : value(inner_stride(x.walk, kValues)),
        table(inner_stride(x.walk, kTable)),
        index(inner_stride(x.walk, kIndex)),
        stride(x.stride),
        size(x.size) {
    if (x.walk.ndim == 0) index = 0;
  }
  int64_t place(int64_t i) const { return (i < 0 ? i + size : i) * stride; }
};

// What moves is bytes, not numbers: one type per element size.
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

template <class T>
void read_run(const Step& s, T* values, const T* table, const int64_t* index, int64_t n) {
  if (s.index == 0) {
    const T* from = table + s.place(*index);
    if (s.value == 1 && s.table == 1) {
      memcpy(values, from, static_cast<size_t>(n) * sizeof(T));
    } else {
      for (int64_t j = 0; j < n; j++) values[j * s.value] = from[j * s.table];
    }
  } else {
    for (int64_t j = 0; j < n; j++) values[j * s.value] = table[j * s.table + s.place(index[j * s.index])];
  }
}

template <WriteMode mode, class T>
LAMINA_INLINE T merged(T old, T x) {
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

template <WriteMode mode, class T>
void write_run(const Step& s, const T* values, T* table, const int64_t* index, int64_t n) {
  if (s.index != 0) {
    for (int64_t j = 0; j < n; j++) {
      T* to = table + j * s.table + s.place(index[j * s.index]);
      *to = mode == WriteMode::Assign ? values[j * s.value] : merged<mode>(*to, values[j * s.value]);
    }
    return;
  }
  T* __restrict to = table + s.place(*index);
  if constexpr (mode == WriteMode::Add && kIsFloat<T>) {
    if (s.value == 1 && s.table == 1) {
      return for_vectors<Lanes<T>>(n, [&](int64_t j, auto lanes) {
        put_lanes(to + j, get_lanes(to + j, lanes) + get_lanes(values + j, lanes), lanes);
      });
    }
  }
  for (int64_t j = 0; j < n; j++) {
    T& place = to[j * s.table];
    place = mode == WriteMode::Assign ? values[j * s.value] : merged<mode>(place, values[j * s.value]);
  }
}

// Runs of the last dim of `walk`, each with its element size, over [begin, end).
template <class T, class F>
void for_index_runs(const Walk& walk, int64_t begin, int64_t end, F&& body) {
  const int64_t sizes[3] = {sizeof(T), sizeof(T), sizeof(int64_t)};
  for_runs(walk, sizes, begin, end, [&](char* const* data, int64_t n) {
    body(reinterpret_cast<T*>(data[kValues]), reinterpret_cast<T*>(data[kTable]),
         reinterpret_cast<const int64_t*>(data[kIndex]), n);
  });
}

// The part [begin, end) of dim `dim` of the walk.
template <class T>
Walk part_of(const Walk& walk, int dim, int64_t begin, int64_t end) {
  Walk part = walk;
  part.shape[dim] = end - begin;
  part.data[kValues] = static_cast<T*>(walk.data[kValues]) + begin * walk.strides[kValues][dim];
  part.data[kTable] = static_cast<T*>(walk.data[kTable]) + begin * walk.strides[kTable][dim];
  part.data[kIndex] = static_cast<int64_t*>(walk.data[kIndex]) + begin * walk.strides[kIndex][dim];
  return part;
}

// Writes share the work in ways that keep every place of the table to one thread, which then sees its writes
// in the order of the walk: parts of a dim along which the table itself moves, or else parts of the indexed
// dim.
template <WriteMode mode, class T>
void write_of(const Index& x) {
  const Walk& walk = x.walk;
  const Step step(x);
  const int64_t n = elements_of(walk);
  const auto write = [&](T* values, T* table, const int64_t* index, int64_t m) {
    write_run<mode>(step, values, table, index, m);
  };
  if (n <= kGrain) return for_index_runs<T>(walk, 0, n, write);
  int best = -1;
  for (int i = 0; i < walk.ndim; i++) {
    if (walk.strides[kTable][i] != 0 && (best < 0 || walk.shape[i] > walk.shape[best])) best = i;
  }
  constexpr int64_t kLine = 64 / sizeof(T);
  if (best >= 0 && walk.shape[best] >= 8 * kLine) {
    const int64_t grain = max_of(4 * kLine, chunks_of(kGrain, n / walk.shape[best]) / kLine * kLine);
    return parallel_range(walk.shape[best], grain, [&](int64_t begin, int64_t end) {
      const Walk part = part_of<T>(walk, best, begin, end);
      for_index_runs<T>(part, 0, elements_of(part), write);
    });
  }
  const bool rows = step.index == 0 && walk.ndim > 1 && walk.shape[walk.ndim - 1] >= 8;
  if (!rows) return for_index_runs<T>(walk, 0, n, write);
  parallel_range(x.size, max_of(1, chunks_of(x.size, 8)), [&](int64_t begin, int64_t end) {
    for_index_runs<T>(walk, 0, n, [&](T* values, T* table, const int64_t* index, int64_t m) {
      const int64_t place = *index < 0 ? *index + x.size : *index;
      if (place >= begin && place < end) write(values, table, index, m);
    });
  });
}

template <WriteMode mode>
void write_numbers(const Index& x) {
  by_dtype(x.dtype, [&](auto type) { write_of<mode, decltype(type)>(x); });
}

constexpr int64_t kParts = 1024;  // of an array that is searched
int64_t part_size(int64_t n) { return max_of(kGrain, chunks_of(n, kParts)); }

template <class T>
bool is_set(T x) {
  return x != T(0);
}
bool is_set(Half x) { return (x.bits & 0x7fff) != 0; }
bool is_set(BFloat16 x) { return (x.bits & 0x7fff) != 0; }

template <class T>
int64_t count_of(const T* x, int64_t n) {
  constexpr int64_t kBlock = 8192;
  int64_t total = 0;
  for (int64_t i = 0; i < n; i += kBlock) {
    int32_t count = 0;
    for (int64_t j = i; j < min_of(n, i + kBlock); j++) count += is_set(x[j]);
    total += count;
  }
  return total;
}

// How many of each part of [0, n) are set.
template <class T>
void count_parts(const T* x, int64_t n, int64_t* counts) {
  const int64_t part = part_size(n);
  parallel(chunks_of(n, part),
           [&](int64_t i) { counts[i] = count_of(x + i * part, min_of(part, n - i * part)); });
}

}  // namespace

void index_bounds(const int64_t* index, int64_t n, int64_t* lo, int64_t* hi) {
  const int64_t part = part_size(n);
  int64_t lows[kParts], highs[kParts];
  parallel(chunks_of(n, part), [&](int64_t i) {
    int64_t low = index[i * part], high = low;
    for (int64_t j = i * part; j < min_of(n, (i + 1) * part); j++) {
      low = index[j] < low ? index[j] : low;
      high = index[j] > high ? index[j] : high;
    }
    lows[i] = low;
    highs[i] = high;
  });
  *lo = n > 0 ? lows[0] : 0;
  *hi = n > 0 ? highs[0] : 0;
  for (int64_t i = 1; i < chunks_of(n, part); i++) {
    *lo = min_of(*lo, lows[i]);
    *hi = max_of(*hi, highs[i]);
  }
}

void index_read(const Index& x) {
  const Step step(x);
  by_size(x.dtype, [&](auto type) {
    using T = decltype(type);
    parallel_range(elements_of(x.walk), kGrain, [&](int64_t begin, int64_t end) {
      for_index_runs<T>(x.walk, begin, end, [&](T* values, const T* table, const int64_t* index, int64_t n) {
        read_run(step, values, table, index, n);
      });
    });
  });
}

void index_write(const Index& x, WriteMode mode) {
  switch (mode) {
    case WriteMode::Add:
      return write_numbers<WriteMode::Add>(x);
    case WriteMode::Mul:
      return write_numbers<WriteMode::Mul>(x);
    case WriteMode::Max:
      return write_numbers<WriteMode::Max>(x);
    case WriteMode::Min:
      return write_numbers<WriteMode::Min>(x);
    default:
      return by_size(x.dtype, [&](auto type) { write_of<WriteMode::Assign, decltype(type)>(x); });
  }
}

int64_t count_nonzero(Dtype dtype, const void* in, int64_t n) {
  int64_t total = 0;
  by_dtype(dtype, [&](auto type) {
    int64_t counts[kParts];
    count_parts(static_cast<const decltype(type)*>(in), n, counts);
    for (int64_t i = 0; i < chunks_of(n, part_size(n)); i++) total += counts[i];
  });
  return total;
}

void nonzero(Dtype dtype, const void* in, int64_t n, int64_t* positions) {
  by_dtype(dtype, [&](auto type) {
    using T = decltype(type);
    const T* x = static_cast<const T*>(in);
    const int64_t part = part_size(n);
    int64_t counts[kParts], starts[kParts];
    count_parts(x, n, counts);
    int64_t start = 0;
    for (int64_t i = 0; i < chunks_of(n, part); i++) {
      starts[i] = start;
      start += counts[i];
    }
    parallel(chunks_of(n, part), [&](int64_t i) {
      int64_t* out = positions + starts[i];
      int64_t* const end = out + counts[i];
      for (int64_t j = i * part; out < end; j++) {  // writes every position, keeps those that are set
        *out = j;
        out += is_set(x[j]);
      }
    });
  });
}

}  // namespace lamina::LAMINA_ISA
