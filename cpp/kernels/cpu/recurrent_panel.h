// Products of a few rows with a weight that is packed once and read at every step: panels as wide as gemm's
// tile, so that a step packs nothing. One or few rows meet several panels at a time, which hides the latency
// of the multiply-add. Each value is one chain of additions along k in blocks of fixed length, whatever the
// tile.
#pragma once

#include "kernels/cpu/gemm_pack.h"

namespace lamina::LAMINA_ISA {

// c = beta * c + a @ panel + bias.
template <class T>
struct PanelProduct {
  int64_t rows, k;
  const T* a;  // (rows, k), dense along k
  int64_t a_row;
  const T* panel;  // (k, TileSize::columns)
  T* c;
  int64_t c_row;
  int64_t columns;
  T beta;
  const T* bias;  // or null
};

// Steps along k for which a panel stays in the first-level cache while tiles of rows pass by.
constexpr int64_t kPanelDepth = 512;
// The most rows that go against several panels at a time, and how many panels.
constexpr int kWideRows = 3;
template <int rows>
constexpr int kWidePanels = kRegisters == 32 || rows == 1 ? 4 : 2;

template <class T>
static int64_t panels_of(int64_t columns) {
  return chunks_of(columns, TileSize<T>::columns);
}

template <class T>
static Tile<T> tile_of(const PanelProduct<T>& p, int64_t place) {
  const int width = Vec<T>::width;
  Tile<T> t = {};
  t.k = min_of(kPanelDepth, p.k - place);
  t.a = p.a + place;
  t.a_row = p.a_row;
  t.a_k = 1;
  t.b = p.panel + place * TileSize<T>::columns;
  t.b_k = TileSize<T>::columns;
  t.c = p.c;
  t.c_row = p.c_row;
  t.last = static_cast<int>(p.columns > width ? p.columns - width : p.columns);
  t.alpha = 1;
  t.beta = place == 0 ? p.beta : T(1);
  t.column_bias = place == 0 ? p.bias : nullptr;
  return t;
}

template <class T>
static void multiply_panel(const PanelProduct<T>& p) {
  const Cut cut = cut_of(p.rows, TileSize<T>::rows);
  const int vectors = p.columns > Vec<T>::width ? 2 : 1;
  for (int64_t place = 0; place < p.k; place += kPanelDepth) {
    Tile<T> t = tile_of(p, place);
    const T* a = t.a;
    for (int64_t i = 0; i < cut.count; i++) {
      t.a = a + cut.start(i) * p.a_row;
      t.c = p.c + cut.start(i) * p.c_row;
      tile_function<T, Reading::Steps>(cut.rows(i), vectors)(t);
    }
  }
}

// `panels` products of the same rows of a; second vectors that have no columns are left out at the end.
template <class T, int rows, int panels>
static void multiply_wide(const PanelProduct<T>* products) {
  using V = Vec<T>;
  constexpr int64_t columns = TileSize<T>::columns;
  for (int64_t place = 0; place < products[0].k; place += kPanelDepth) {
    V sum[panels][rows][2];
    const T* b[panels];
    for (int j = 0; j < panels; j++) {
      for (int i = 0; i < rows; i++) sum[j][i][0] = sum[j][i][1] = zero<V>();
      b[j] = products[j].panel + place * columns;
    }
    const T* a = products[0].a + place;
    const int64_t a_row = products[0].a_row, k = min_of(kPanelDepth, products[0].k - place);
    for (int64_t q = 0; q < k; q++) {
      V value[rows];
      for (int i = 0; i < rows; i++) value[i] = set<V>(a[i * a_row + q]);
#pragma GCC unroll 4
      for (int j = 0; j < panels; j++) {
        const V first = load<V>(b[j] + q * columns), second = load<V>(b[j] + q * columns + V::width);
#pragma GCC unroll 3
        for (int i = 0; i < rows; i++) {
          sum[j][i][0] = fma(value[i], first, sum[j][i][0]);
          sum[j][i][1] = fma(value[i], second, sum[j][i][1]);
        }
      }
    }
    for (int j = 0; j < panels; j++) {
      const Tile<T> t = tile_of(products[j], place);
      const bool two = products[j].columns > V::width;
      for (int i = 0; i < rows; i++) {
        finish(t, sum[j][i][0], i, 0, two ? V::width : t.last);
        if (two) finish(t, sum[j][i][1], i, V::width, t.last);
      }
    }
  }
}

template <class T, int rows>
static void multiply_few(const PanelProduct<T>* products, int64_t count) {
  constexpr int most = kWidePanels<rows>;
  for (; count >= most; count -= most, products += most) multiply_wide<T, rows, most>(products);
  if constexpr (most > 2) {
    if (count == 3) return multiply_wide<T, rows, 3>(products);
    if (count == 2) return multiply_wide<T, rows, 2>(products);
  }
  if (count == 1) multiply_wide<T, rows, 1>(products);
}

// Products of the same rows of a.
template <class T>
static void multiply_panels(const PanelProduct<T>* products, int64_t count) {
  if (count <= 0) return;
  switch (products[0].rows) {
    case 1:
      return multiply_few<T, 1>(products, count);
    case 2:
      return multiply_few<T, 2>(products, count);
    case kWideRows:
      return multiply_few<T, kWideRows>(products, count);
    default:
      for (int64_t j = 0; j < count; j++) multiply_panel(products[j]);
  }
}

// b (k, columns) with the strides given, to panels `step` panels apart.
template <class T>
static void pack_panels(const T* b, int64_t b_k, int64_t b_column, int64_t k, int64_t columns, int64_t step,
                        T* to) {
  constexpr int64_t width = TileSize<T>::columns;
  const int64_t size = k * width;
  parallel_range(panels_of<T>(columns), max_of(1, kGrain / max_of(1, size)), [&](int64_t begin, int64_t end) {
    for (int64_t j = begin; j < end; j++) {
      T* panel = to + j * step * size;
      const int n = static_cast<int>(min_of(width, columns - j * width));
      // The wide product reads both vectors of every panel.
      if (n <= Vec<T>::width) memset(panel, 0, size * sizeof(T));
      pack_b(b + j * width * b_column, b_k, b_column, n, k, panel);
    }
  });
}

}  // namespace lamina::LAMINA_ISA
