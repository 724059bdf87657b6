// The tile by which matrices are turned: both sides are touched in whole cache lines, once, by way of memory
// of our own. Columns of a large matrix fall on the same few lines of a cache, and would push each other out.
#pragma once

#include "kernels/cpu/loops.h"

namespace lamina::LAMINA_ISA {

// put(r, row) for each r < rows, row[c] = from[c * stride + r] for c < columns; rows <= max_rows, columns <=
// max_columns.
template <int max_rows, int max_columns, class T, class F>
LAMINA_INLINE void transpose_tile(const T* from, int64_t stride, int64_t rows, int64_t columns, F&& put) {
  alignas(64) T held[max_columns][max_rows + 64 / sizeof(T)];
  alignas(64) T row[max_columns];
  if (columns < max_columns) memset(held, 0, sizeof held);
  for (int64_t c = 0; c < columns; c++) memcpy(held[c], from + c * stride, rows * sizeof(T));
  for (int64_t r = 0; r < rows; r++) {
    for (int64_t c = 0; c < max_columns; c++) row[c] = held[c][r];
    put(r, static_cast<const T*>(row));
  }
}

}  // namespace lamina::LAMINA_ISA
