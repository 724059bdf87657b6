// Products of a few rows with a weight that is packed once and read at every step: panels as wide as gemm's
// tile, so that a step packs nothing. One or few rows meet several panels at a time, which hides the latency
// of the multiply-add. Each value is one chain of additions along k in blocks of fixed length, whatever the
// tile.
#pragma once

#include "kernels/cpu/gemm_pack.h"

namespace lamina::LAMINA_ISA {

// c = a @ panel, or added to c.
template <class T>
struct PanelProduct {
  int64_t rows, k;
  const T* a;  // (rows, k), dense along k
  int64_t a_row;
  const T* panel;  // (k, TileSize::columns)
  T* c;
  int64_t c_row;
  int64_t columns;
  bool adds;
  // What lies behind a part of a panel is read next, so it is fetched meanwhile: by all of the products with
  // the same panel together, of which this is one.
  int64_t turn = 0, turns = 1;
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

// A part of a product whose sums stay in registers. Beside gemm's tile it ends in less, and fetches.
template <class T>
struct PanelTile {
  int64_t k;
  const T* a;
  int64_t a_row;
  const T* panel;
  T* c;
  int64_t c_row;
  int last;  // columns in the last vector
  bool adds;
  const T* next;  // cache lines that are fetched meanwhile
  int64_t next_lines;
};

template <class T>
LAMINA_INLINE void put_sum(const PanelTile<T>& t, Vec<T> sum, int row, int column, int n) {
  using V = Vec<T>;
  T* c = t.c + row * t.c_row + column;
  if (n == V::width) {
    store(c, t.adds ? sum + load<V>(c) : sum);
  } else {
    store_n(c, t.adds ? sum + load_n<V>(c, n) : sum, n);
  }
}

template <class T, int rows, int vectors>
static void panel_tile(const PanelTile<T>& t) {
  using V = Vec<T>;
  constexpr int64_t line = 64 / sizeof(T);
  V sum[rows][vectors];
  for (int i = 0; i < rows; i++) {
    for (int v = 0; v < vectors; v++) sum[i][v] = zero<V>();
  }
  // A pointer for each three rows: the other two are reached by an index register, so none is spilled.
  constexpr int groups = (rows + 2) / 3;
  const int64_t a_row = t.a_row, k = t.k;
  const T *a[groups], *b = t.panel;
  for (int g = 0; g < groups; g++) a[g] = t.a + 3 * g * a_row;
  const auto step = [&]() __attribute__((always_inline)) {
    V b_vector[vectors];
    for (int v = 0; v < vectors; v++) b_vector[v] = load<V>(b + v * V::width);
#pragma GCC unroll 16
    for (int i = 0; i < rows; i++) {
      const V a_value = set<V>(a[i / 3][(i % 3) * a_row]);
#pragma GCC unroll 4
      for (int v = 0; v < vectors; v++) sum[i][v] = fma(a_value, b_vector[v], sum[i][v]);
    }
    for (int g = 0; g < groups; g++) a[g]++;
    b += TileSize<T>::columns;
  };
  int64_t p = 0;
  for (const int64_t first = min_of(rows * vectors, k); p < first; p++) {
    __builtin_prefetch(t.c + p / vectors * t.c_row + p % vectors * V::width);
    step();
  }
  const T* next = t.next;
  for (const int64_t fetched = min_of(k, p + t.next_lines); p < fetched; p++) {
    __builtin_prefetch(next, 0, 2);  // to the second-level cache
    next += line;
    step();
  }
  for (; p < k; p++) step();
#pragma GCC unroll 16
  for (int i = 0; i < rows; i++) {
#pragma GCC unroll 4
    for (int v = 0; v < vectors; v++)
      put_sum(t, sum[i][v], i, v * V::width, v == vectors - 1 ? t.last : V::width);
  }
}

template <class T>
using PanelFunction = void (*)(const PanelTile<T>&);
template <class T, int most = TileSize<T>::rows>
static PanelFunction<T> panel_function(int rows, bool two) {
  if (rows == most) return two ? panel_tile<T, most, 2> : panel_tile<T, most, 1>;
  if constexpr (most > 1) return panel_function<T, most - 1>(rows, two);
  return nullptr;
}

template <class T>
static PanelTile<T> tile_of(const PanelProduct<T>& p, int64_t place) {
  const int width = Vec<T>::width;
  return {min_of(kPanelDepth, p.k - place),
          p.a + place,
          p.a_row,
          p.panel + place * TileSize<T>::columns,
          p.c,
          p.c_row,
          static_cast<int>(p.columns > width ? p.columns - width : p.columns),
          p.adds || place > 0,
          nullptr,
          0};
}

template <class T>
static void multiply_panel(const PanelProduct<T>& p) {
  constexpr int64_t width = TileSize<T>::columns, line = 64 / sizeof(T);
  const Cut cut = cut_of(p.rows, TileSize<T>::rows);
  const bool two = p.columns > Vec<T>::width;
  for (int64_t place = 0; place < p.k; place += kPanelDepth) {
    PanelTile<T> t = tile_of(p, place);
    const T* a = t.a;
    t.next_lines = chunks_of(t.k * width, line * cut.count * p.turns);
    t.next = t.panel + t.k * width + p.turn * cut.count * t.next_lines * line;
    for (int64_t i = 0; i < cut.count; i++) {
      t.a = a + cut.start(i) * p.a_row;
      t.c = p.c + cut.start(i) * p.c_row;
      panel_function<T>(cut.rows(i), two)(t);
      t.next += t.next_lines * line;
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
      const PanelTile<T> t = tile_of(products[j], place);
      const bool two = products[j].columns > V::width;
      for (int i = 0; i < rows; i++) {
        put_sum(t, sum[j][i][0], i, 0, two ? V::width : t.last);
        if (two) put_sum(t, sum[j][i][1], i, V::width, t.last);
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
