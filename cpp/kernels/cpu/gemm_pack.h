// Packing: parts of a and b copied into the order in which the tile reads them, the halves widened to float
// on the way.
#pragma once

#include "kernels/cpu/gemm_tile.h"

namespace lamina::LAMINA_ISA {

// to[p * to_k + r] = from[r * from_row + p], r < rows <= V::width: rows dense along k are turned, a few
// columns at a time, from a copy of a piece that lies better in the first-level cache (rows a power of two
// apart fight for the same lines). Writes full vectors where they end before `end`: what follows a row within
// it is overwritten later.
template <class S>
static void pack_turned(const S* from, int64_t from_row, int rows, int64_t k, Compute<S>* to, int64_t to_k,
                        const Compute<S>* end) {
  using V = Lanes<S>;
  constexpr int step = kBlockColumns<V>;
  constexpr int64_t some = 64, pitch = some + V::width;
  alignas(64) Compute<S> piece[V::width * pitch];
  if (rows < V::width) memset(piece + rows * pitch, 0, (V::width - rows) * pitch * sizeof(Compute<S>));
  for (int64_t begin = 0; begin < k; begin += some) {
    const int64_t n = min_of(some, k - begin);
    for (int r = 0; r < rows; r++) {
      const S* source = from + r * from_row + begin;
      for_vectors<V>(
          n, [&](int64_t p, auto lanes) { store(piece + r * pitch + p, get_lanes(source + p, lanes)); });
    }
    for (int64_t p = 0; p < n; p += step) {
      V column[step];
      load_columns(piece + p, pitch, column);
      Compute<S>* at = to + (begin + p) * to_k;
      if (p + step <= n && at + (step - 1) * to_k + V::width <= end) {
        for (int q = 0; q < step; q++) store(at + q * to_k, column[q]);
      } else {
        for (int q = 0; q < step && p + q < n; q++) store_n(at + q * to_k, column[q], rows);
      }
    }
  }
}

template <class S>
LAMINA_INLINE void copy_row(const S* from, int64_t k, Compute<S>* to) {
  for_vectors<Lanes<S>>(k, [&](int64_t p, auto lanes) { store(to + p, get_lanes(from + p, lanes)); });
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
      pack_turned(a + r * a_row, a_row, n, k, to + r, rows, end);
    }
  } else if (a_row == 1) {
    for (int64_t p = 0; p < k; p++) {
      for (int r = 0; r < rows; r += V::width) {
        Compute<S>* at = to + p * rows + r;
        const int n = static_cast<int>(min_of(V::width, rows - r));
        const V v = get_n(a + p * a_k + r, n);
        __builtin_prefetch(a + (p + kAhead) * a_k + r);
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
      for (int64_t p = 0; p < k; p++) {
        __builtin_prefetch(from + (p + kAhead) * b_k);
        store(to + p * pitch + j, get(from + p * b_k));
      }
    } else if (b_column == 1) {
      for (int64_t p = 0; p < k; p++) store(to + p * pitch + j, get_n(from + p * b_k, n));
    } else if (b_k == 1) {
      pack_turned(from, b_column, n, k, to + j, pitch, to + k * pitch);
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
