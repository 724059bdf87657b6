// Dot products of channels of a gradient and shifted channels of an input, both laid out along the same
// pitch: a tile of them runs along the places at once. For few output channels, which would leave lanes of
// gemm's tile empty.
#pragma once

#include "kernels/cpu/gemm_tile.h"

namespace lamina::LAMINA_ISA {

// Output channels and taps in a tile: the registers hold their sums, the gradient's vectors and one of the
// input.
constexpr int kDotRows = kRegisters == 32 ? 4 : 3;
constexpr int kDotColumns = kRegisters == 32 ? 6 : 4;

template <class T>
struct Dots {
  const T* g;  // (rows, places) of the first image
  int64_t g_row, g_image;
  const T* x;
  int64_t x_image;
  const int32_t* offset;  // of each column in x
  int64_t images, places;
  const T* window;  // 1 where there is a window, else 0; null where it makes no difference
  T* sums;          // (rows, columns), added to
  int64_t sums_row;
};
template <class T>
using DotFunction = void (*)(const Dots<T>&);

// A place without a window holds 0 in g, but whatever the input has there in x: `masked` keeps inf and NaN
// out.
template <class T, int rows, int columns, bool masked>
static void multiply_dots(const Dots<T>& d) {
  using V = Vec<T>;
  V sum[rows][columns];
  for (int r = 0; r < rows; r++) {
    for (int c = 0; c < columns; c++) sum[r][c] = zero<V>();
  }
  for (int64_t image = 0; image < d.images; image++) {
    const T* g = d.g + image * d.g_image;
    const T* x[columns];
    for (int c = 0; c < columns; c++) x[c] = d.x + image * d.x_image + d.offset[c];
    for (int64_t i = 0; i < d.places; i += V::width) {
      V g_vector[rows];
      for (int r = 0; r < rows; r++) g_vector[r] = load<V>(g + r * d.g_row + i);
#pragma GCC unroll 8
      for (int c = 0; c < columns; c++) {
        V x_vector = held(load<V>(x[c] + i));
        if constexpr (masked) x_vector = select(load<V>(d.window + i) == zero<V>(), zero<V>(), x_vector);
#pragma GCC unroll 4
        for (int r = 0; r < rows; r++) sum[r][c] = fma(g_vector[r], x_vector, sum[r][c]);
      }
    }
  }
  for (int r = 0; r < rows; r++) {
    for (int c = 0; c < columns; c++) d.sums[r * d.sums_row + c] += reduce_add(sum[r][c]);
  }
}

template <class T, bool masked, int most_rows = kDotRows, int most_columns = kDotColumns>
DotFunction<T> dot_function(int rows, int columns) {
  if (rows < most_rows) {
    if constexpr (most_rows > 1) return dot_function<T, masked, most_rows - 1, most_columns>(rows, columns);
  }
  if (columns < most_columns) {
    if constexpr (most_columns > 1)
      return dot_function<T, masked, most_rows, most_columns - 1>(rows, columns);
  }
  return multiply_dots<T, most_rows, most_columns, masked>;
}

template <class T>
static bool all_finite(const T* x, int64_t n) {
  using V = Vec<T>;
  V sum = zero<V>();
  for_vectors<V>(n, [&](int64_t i, auto lanes) { sum = fma(get_lanes(x + i, lanes), zero<V>(), sum); });
  return !any(isnan(sum));
}

}  // namespace lamina::LAMINA_ISA
