// Packing: parts of a and b copied into the order in which the tile reads them, the halves widened to float
// on the way.
#pragma once

#include "kernels/cpu/gemm_tile.h"

namespace lamina::LAMINA_ISA {

// to[p * to_k + r] = from[r * from_row + p], r < rows <= V::width: rows dense along k are turned, a block of
// columns at a time. Writes full vectors where they end before `end`, so what follows a row within it is
// overwritten later.
template <class T>
static void pack_turned(const T* from, int64_t from_row, int rows, int64_t k, T* to, int64_t to_k,
                        const T* end) {
  using V = Vec<T>;
  constexpr int step = kBlockColumns<V>;
  const T* row[V::width];
  for (int r = 0; r < V::width; r++) row[r] = from + min_of(r, rows - 1) * from_row;
  int64_t p = 0;
  for (; p + step <= k; p += step) {
    V column[step];
    load_columns(row, p, column);
    for (int q = 0; q < step; q++) {
      T* at = to + (p + q) * to_k;
      if (at + V::width <= end) {
        store(at, column[q]);
      } else {
        store_n(at, column[q], rows);
      }
    }
  }
  for (; p < k; p++) {
    for (int r = 0; r < rows; r++) to[p * to_k + r] = row[r][p];
  }
}

template <class S>
static void pack_turned_half(const S* from, int64_t from_row, int rows, int64_t k, float* to, int64_t to_k,
                             const float* end) {
  constexpr int64_t some = 64;
  float wide[F32::width * some];
  for (int64_t p = 0; p < k; p += some) {
    const int64_t n = min_of(some, k - p);
    for (int r = 0; r < rows; r++) {
      for (int64_t q = 0; q < n; q += F32::width) {
        store(wide + r * some + q, get_n(from + r * from_row + p + q, min_of(F32::width, n - q)));
      }
    }
    pack_turned(wide, some, rows, n, to + p * to_k, to_k, end);
  }
}

// A tile of a, (rows, k), packed to (k, rows).
template <class S>
static void pack_a(const S* a, int64_t a_row, int64_t a_k, int rows, int64_t k, Compute<S>* to) {
  using V = Lanes<S>;
  const Compute<S>* end = to + rows * k;
  if (a_k == 1) {
    // From the last rows up, as what these write beyond a row of `to` is overwritten by the first rows.
    for (int r = (rows - 1) / V::width * V::width; r >= 0; r -= V::width) {
      const int n = static_cast<int>(min_of(V::width, rows - r));
      if constexpr (kIsHalf<S>) {
        pack_turned_half(a + r * a_row, a_row, n, k, to + r, rows, end);
      } else {
        pack_turned(a + r * a_row, a_row, n, k, to + r, rows, end);
      }
    }
  } else if (a_row == 1) {
    for (int64_t p = 0; p < k; p++) {
      for (int r = 0; r < rows; r += V::width) {
        Compute<S>* at = to + p * rows + r;
        const int n = static_cast<int>(min_of(V::width, rows - r));
        const V v = get_n(a + p * a_k + r, n);
        if (at + V::width <= end) {
          store(at, v);
        } else {
          store_n(at, v, n);
        }
      }
    }
  } else {
    for (int64_t p = 0; p < k; p++) {
      for (int r = 0; r < rows; r++) to[p * rows + r] = value_of(a[r * a_row + p * a_k]);
    }
  }
}

// A panel of b, (k, columns), packed to (k, TileSize::columns); what is beyond the columns is defined but
// arbitrary.
template <class S>
static void pack_b(const S* b, int64_t b_k, int64_t b_column, int columns, int64_t k, Compute<S>* to) {
  using V = Lanes<S>;
  constexpr int pitch = TileSize<Compute<S>>::columns;
  for (int j = 0; j < columns; j += V::width) {
    const int n = static_cast<int>(min_of(V::width, columns - j));
    const S* from = b + j * b_column;
    if (b_column == 1 && n == V::width) {
      for (int64_t p = 0; p < k; p++) store(to + p * pitch + j, get(from + p * b_k));
    } else if (b_column == 1) {
      for (int64_t p = 0; p < k; p++) store(to + p * pitch + j, get_n(from + p * b_k, n));
    } else if (b_k == 1) {
      if constexpr (kIsHalf<S>) {
        pack_turned_half(from, b_column, n, k, to + j, pitch, to + k * pitch);
      } else {
        pack_turned(from, b_column, n, k, to + j, pitch, to + k * pitch);
      }
    } else {
      for (int64_t p = 0; p < k; p++) {
        for (int c = 0; c < V::width; c++) {
          to[p * pitch + j + c] = c < n ? value_of(from[p * b_k + c * b_column]) : Compute<S>(0);
        }
      }
    }
  }
}

}  // namespace lamina::LAMINA_ISA
