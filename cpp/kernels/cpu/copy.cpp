// copy, fill, arange. A copy in one dtype moves elements by their size: run by run, or in tiles where the two
// sides have different densest dimensions. A cast is an elementwise law like any other.
#include "kernels/cpu/blocks.h"
#include "kernels/cpu/table.h"
#include "kernels/cpu/transpose.h"

namespace lamina::LAMINA_ISA {
namespace {

// ---- cast ----

// Truncated. What does not fit gives the lowest number in 32 and 64 bits; smaller types keep the low bits of
// the 64-bit number, as conversions on x86 do.
template <class To, class From>
LAMINA_INLINE To truncated(From x) {
  if constexpr (sizeof(To) == 4) {
    return x >= From(-0x1p31) && x < From(0x1p31) ? static_cast<To>(x) : INT32_MIN;
  } else {
    return static_cast<To>(x >= From(-0x1p63) && x < From(0x1p63) ? static_cast<int64_t>(x) : INT64_MIN);
  }
}

template <class T>
constexpr bool kReal = static_cast<T>(0.5) != static_cast<T>(0);

template <class To, class From>
void cast_block(void* out, const void* const* in, int64_t n, const double*) {
  const From* x = static_cast<const From*>(in[0]);
  To* y = static_cast<To*>(out);
#pragma GCC ivdep
  for (int64_t i = 0; i < n; i++) {
    if constexpr (kReal<From> && !kReal<To>) {
      y[i] = truncated<To>(x[i]);
    } else {
      y[i] = static_cast<To>(x[i]);
    }
  }
}
template <class From>
void truth_block(void* out, const void* const* in, int64_t n, const double*) {
  const From* x = static_cast<const From*>(in[0]);
  auto* y = static_cast<uint8_t*>(out);
#pragma GCC ivdep
  for (int64_t i = 0; i < n; i++) y[i] = x[i] != 0;
}

template <class From>
Block cast_from(Dtype to) {
  switch (computed_in(to)) {
    case Dtype::Bool:
      return truth_block<From>;
    case Dtype::UInt8:
      return cast_block<uint8_t, From>;
    case Dtype::Int8:
      return cast_block<int8_t, From>;
    case Dtype::Int16:
      return cast_block<int16_t, From>;
    case Dtype::Int32:
      return cast_block<int32_t, From>;
    case Dtype::Int64:
      return cast_block<int64_t, From>;
    case Dtype::Float64:
      return cast_block<double, From>;
    default:
      return cast_block<float, From>;
  }
}
Block cast_of(Dtype to, Dtype from) {
  switch (computed_in(from)) {
    case Dtype::Bool:
    case Dtype::UInt8:
      return cast_from<uint8_t>(to);
    case Dtype::Int8:
      return cast_from<int8_t>(to);
    case Dtype::Int16:
      return cast_from<int16_t>(to);
    case Dtype::Int32:
      return cast_from<int32_t>(to);
    case Dtype::Int64:
      return cast_from<int64_t>(to);
    case Dtype::Float64:
      return cast_from<double>(to);
    default:
      return cast_from<float>(to);
  }
}

// ---- copy ----

template <class T>
void copy_run(char* to, int64_t to_stride, const char* from, int64_t from_stride, int64_t n) {
  T* y = reinterpret_cast<T*>(to);
  const T* x = reinterpret_cast<const T*>(from);
  if (to_stride == 1 && from_stride == 1) {
    memcpy(to, from, n * sizeof(T));
  } else if (to_stride == 1 && from_stride == 0) {
    const T value = *x;
    for (int64_t i = 0; i < n; i++) y[i] = value;
  } else if (to_stride == 1) {
    for (int64_t i = 0; i < n; i++) y[i] = x[i * from_stride];
  } else {
    for (int64_t i = 0; i < n; i++) y[i * to_stride] = x[i * from_stride];
  }
}

template <class T>
void copy_runs(const Walk& walk) {
  const int64_t sizes[2] = {sizeof(T), sizeof(T)};
  const int64_t to_stride = inner_stride(walk, 0), from_stride = inner_stride(walk, 1);
  const int64_t n = elements_of(walk);
  const bool stream = to_stride == 1 && from_stride == 1 && worth_streaming(walk, sizeof(T));
  parallel_range(n, kGrain, [&](int64_t begin, int64_t end) {
    for_runs(walk, sizes, begin, end, [&](char* const* data, int64_t count) {
      if (stream) {
        stream_copy(data[0], data[1], count * sizeof(T));
      } else {
        copy_run<T>(data[0], to_stride, data[1], from_stride, count);
      }
    });
    if (stream) stream_fence();
  });
}

// The dimension along which the source is dense where the result is dense along the last one; -1: nothing to
// gain by tiles.
int transposed_dim(const Walk& walk) {
  const int last = walk.ndim - 1;
  if (walk.ndim < 2 || walk.strides[0][last] != 1 || walk.strides[1][last] <= 1) return -1;
  for (int i = last - 1; i >= 0; i--) {
    if (walk.strides[1][i] == 1) return walk.shape[i] >= 4 && walk.shape[last] >= 4 ? i : -1;
  }
  return -1;
}

template <class T>
constexpr int64_t kTile = 256 / sizeof(T);

// to[r][c] = from[c][r] for up to kTile rows and columns.
template <class T>
void copy_tile(T* to, int64_t to_stride, const T* from, int64_t from_stride, int64_t rows, int64_t columns,
               bool stream) {
  const int64_t bytes = columns * sizeof(T);
  transpose_tile<kTile<T>, kTile<T>>(from, from_stride, rows, columns, [&](int64_t r, const T* row) {
    if (stream) {
      stream_copy(to + r * to_stride, row, bytes);
    } else {
      memcpy(to + r * to_stride, row, bytes);
    }
  });
}

template <class T>
void copy_tiles(const Walk& walk, int row_dim) {
  constexpr int64_t tile = kTile<T>;
  const int last = walk.ndim - 1;
  const int64_t rows = walk.shape[row_dim], cols = walk.shape[last];
  const int64_t across = chunks_of(cols, tile), planes = elements_of(walk) / (rows * cols);
  const bool stream = worth_streaming(walk, sizeof(T));
  // One chunk: a band of tiles, across all columns.
  const int64_t bands = chunks_of(rows, tile);
  parallel_range(planes * bands, chunks_of(kGrain, across * tile * tile), [&](int64_t begin, int64_t end) {
    for (int64_t chunk = begin; chunk < end; chunk++) {
      const int64_t r = chunk % bands * tile;
      int64_t rest = chunk / bands;
      T* to = static_cast<T*>(walk.data[0]) + r * walk.strides[0][row_dim];
      const T* from = static_cast<const T*>(walk.data[1]) + r;
      for (int i = last - 1; i >= 0; i--) {
        if (i == row_dim) continue;
        to += rest % walk.shape[i] * walk.strides[0][i];
        from += rest % walk.shape[i] * walk.strides[1][i];
        rest /= walk.shape[i];
      }
      for (int64_t c = 0; c < cols; c += tile) {
        copy_tile(to + c, walk.strides[0][row_dim], from + c * walk.strides[1][last], walk.strides[1][last],
                  min_of(tile, rows - r), min_of(tile, cols - c), stream);
      }
    }
    if (stream) stream_fence();
  });
}

// Are runs dealt out, one element of each in turn, to a result that is dense along both dimensions?
bool interleaves(const Walk& walk) {
  const int last = walk.ndim - 1;
  return last >= 1 && walk.shape[last] <= 4 && walk.shape[last - 1] >= 4 && walk.strides[0][last] == 1 &&
         walk.strides[0][last - 1] == walk.shape[last] && walk.strides[1][last - 1] == 1;
}

template <class T, int ways>
void copy_dealt(const Walk& walk) {
  const int64_t sizes[2] = {sizeof(T), sizeof(T)}, apart = walk.strides[1][walk.ndim - 1];
  Walk runs = walk;
  runs.ndim--;
  parallel_range(elements_of(runs), kGrain / ways, [&](int64_t begin, int64_t end) {
    for_runs(runs, sizes, begin, end, [&](char* const* data, int64_t n) {
      T* y = reinterpret_cast<T*>(data[0]);
      const T* x = reinterpret_cast<const T*>(data[1]);
#pragma GCC ivdep
      for (int64_t i = 0; i < n; i++) {
        for (int k = 0; k < ways; k++) y[i * ways + k] = x[i + k * apart];
      }
    });
  });
}

template <class T>
void copy_elements(const Walk& walk) {
  if (interleaves(walk)) {
    const int64_t ways = walk.shape[walk.ndim - 1];
    return ways == 2 ? copy_dealt<T, 2>(walk) : ways == 3 ? copy_dealt<T, 3>(walk) : copy_dealt<T, 4>(walk);
  }
  const int row_dim = transposed_dim(walk);
  if (row_dim < 0) {
    copy_runs<T>(walk);
  } else {
    copy_tiles<T>(walk, row_dim);
  }
}

// ---- fill ----

template <class T>
void fill_elements(const Walk& walk, const void* value) {
  T x;
  memcpy(&x, value, sizeof x);
  const int64_t size = sizeof(T), n = elements_of(walk), stride = inner_stride(walk, 0);
  const bool stream = worth_streaming(walk, size);
  parallel_range(n, kGrain, [&](int64_t begin, int64_t end) {
    constexpr int64_t repeats = 4096 / sizeof(T);
    T block[repeats];
    if (stream) {
      for (T& y : block) y = x;
    }
    for_runs(walk, &size, begin, end, [&](char* const* data, int64_t count) {
      T* y = reinterpret_cast<T*>(data[0]);
      if (stream) {
        for (int64_t i = 0; i < count; i += repeats)
          stream_copy(y + i, block, min_of(repeats, count - i) * size);
      } else if (stride == 1) {
        for (int64_t i = 0; i < count; i++) y[i] = x;
      } else {
        for (int64_t i = 0; i < count; i++) y[i * stride] = x;
      }
    });
    if (stream) stream_fence();
  });
}

// The value as one element of dtype.
void write_element(Dtype dtype, Scalar value, void* to) {
  const void* in[1] = {&value.f};
  if (value.kind != Scalar::Kind::Float) in[0] = &value.i;
  const Dtype from = value.kind == Scalar::Kind::Float ? Dtype::Float64 : Dtype::Int64;
  float wide;
  cast_of(dtype, from)(is_half(dtype) ? &wide : to, in, 1, nullptr);
  if (is_half(dtype)) round_to_half(dtype, &wide, to, 1);
}

// ---- arange ----

LAMINA_INLINE double number_at(int64_t i, double start, double step) {
  return start + static_cast<double>(i) * step;
}
LAMINA_INLINE int64_t number_at(int64_t i, int64_t start, int64_t step) {
  return static_cast<int64_t>(static_cast<uint64_t>(start) +
                              static_cast<uint64_t>(i) * static_cast<uint64_t>(step));
}

// Counted in double or int64 and rounded once: no element depends on those before it.
template <class T>
void count_up(Dtype dtype, void* out, int64_t n, T start, T step) {
  const Block cast = cast_from<T>(dtype);
  parallel_range(n, kGrain, [&](int64_t begin, int64_t end) {
    constexpr int64_t block = 512;
    alignas(64) T numbers[block];
    alignas(64) float singles[block];
    for (int64_t i = begin; i < end; i += block) {
      const int64_t m = min_of(block, end - i);
      for (int64_t j = 0; j < m; j++) numbers[j] = number_at(i + j, start, step);
      const void* in[1] = {numbers};
      char* to = static_cast<char*>(out) + i * bytes_of(dtype);
      cast(is_half(dtype) ? static_cast<void*>(singles) : to, in, m, nullptr);
      if (is_half(dtype)) round_to_half(dtype, singles, to, m);
    }
  });
}

}  // namespace

void copy(Dtype to, Dtype from, const Walk& walk) {
  if (to != from) {
    const Dtype dtypes[] = {to, from};
    run_blocks(cast_of(to, from), walk, dtypes, nullptr, kGrain);
  } else if (bytes_of(to) == 1) {
    copy_elements<uint8_t>(walk);
  } else if (bytes_of(to) == 2) {
    copy_elements<uint16_t>(walk);
  } else if (bytes_of(to) == 4) {
    copy_elements<uint32_t>(walk);
  } else {
    copy_elements<uint64_t>(walk);
  }
}

void fill(Dtype dtype, const Walk& walk, Scalar value) {
  uint64_t element;
  write_element(dtype, value, &element);
  if (bytes_of(dtype) == 1) {
    fill_elements<uint8_t>(walk, &element);
  } else if (bytes_of(dtype) == 2) {
    fill_elements<uint16_t>(walk, &element);
  } else if (bytes_of(dtype) == 4) {
    fill_elements<uint32_t>(walk, &element);
  } else {
    fill_elements<uint64_t>(walk, &element);
  }
}

void arange(Dtype dtype, void* out, int64_t n, Scalar start, Scalar step) {
  if (is_floating(dtype)) {
    count_up<double>(dtype, out, n, start.to_double(), step.to_double());
  } else {
    count_up<int64_t>(dtype, out, n, start.to_int(), step.to_int());
  }
}

}  // namespace lamina::LAMINA_ISA
