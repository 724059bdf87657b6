// The tile of the matrix product: rows x vectors accumulators that stay in registers while k runs, written
// once for every ISA and both float types. gemm and conv choose blocks and hand tiles over; nothing here
// knows threads or memory.
#pragma once

#include "kernels/cpu/element.h"

namespace lamina::LAMINA_ISA {

// Rows of a matrix that are fetched before their turn: no hardware foresees steps of a whole row.
constexpr int64_t kAhead = 16;

// Two vectors of b, one broadcast value of a and one spare register: the other registers hold the tile.
template <class T>
struct TileSize {
  static constexpr int vectors = 2;
  static constexpr int rows = (kRegisters - vectors - 2) / vectors;
  static constexpr int columns = vectors * Vec<T>::width;
};

// How k runs. Steps: a and b go on by a_k and b_k. Near: so, where c is known to lie in the cache. Copied:
// so, while rows of b are fetched ahead of their turn and, where b_copy is set, copied for the tiles that
// follow (which costs little beside the multiplications). ListedB: a list says where each row of b starts,
// for a packed a (a_row 1, a_k rows). ListedA: a list says where each column of a starts.
enum class Reading { Steps, Near, Copied, ListedB, ListedA };

// c = alpha * a @ b + beta * c + bias + add, then relu. a is read value by value, so any strides do; a row of
// b is read as vectors and must be dense and readable over full vectors (pack_b pads it).
template <class T>
struct Tile {
  int64_t k;
  const T* a;
  int64_t a_row, a_k;
  const T* b;
  int64_t b_k;
  const int32_t* list;  // ListedB, ListedA: k offsets
  T* b_copy;            // Copied: null, or to (k, TileSize::columns)
  T* c;
  int64_t c_row;
  int last;  // columns in the last vector, 1 .. width
  T alpha, beta;
  const T* column_bias;  // or null
  const T* row_bias;     // or null
  const T* add;          // or null; rows as far apart as those of c
  bool relu;
};

template <class T>
using TileFunction = void (*)(const Tile<T>&);

// One vector of the finished tile; n columns of it are real.
template <class T>
LAMINA_INLINE void finish(const Tile<T>& t, Vec<T> sum, int row, int column, int n) {
  using V = Vec<T>;
  T* c = t.c + row * t.c_row + column;
  sum = sum * set<V>(t.alpha);
  if (t.beta != T(0)) sum = fma(set<V>(t.beta), load_n<V>(c, n), sum);
  if (t.column_bias) sum += load_n<V>(t.column_bias + column, n);
  if (t.row_bias) sum += set<V>(t.row_bias[row]);
  if (t.add) sum += load_n<V>(t.add + row * t.c_row + column, n);
  if (t.relu) sum = max(zero<V>(), sum);
  if (n == V::width) {
    store(c, sum);
  } else {
    store_n(c, sum, n);
  }
}

template <class T, int rows, int vectors, Reading reading>
static void multiply_tile(const Tile<T>& t) {
  using V = Vec<T>;
  V sum[rows][vectors];
  for (int i = 0; i < rows; i++) {
    for (int v = 0; v < vectors; v++) sum[i][v] = zero<V>();
  }
  // A pointer for each three rows: the other two are reached by an index register, so none is spilled.
  constexpr int groups = (rows + 2) / 3;
  constexpr bool listed_a = reading == Reading::ListedA, listed_b = reading == Reading::ListedB;
  const int64_t a_row = listed_b ? 1 : t.a_row, a_k = listed_b ? rows : t.a_k, b_k = t.b_k;
  const T* a[groups];
  for (int g = 0; g < groups; g++) a[g] = t.a + 3 * g * a_row;
  const T* b = t.b;
  const int64_t k = t.k;
  const auto step = [&](int64_t p) __attribute__((always_inline)) {
    const T* b_row = listed_b ? b + t.list[p] : b;
    const int64_t at = listed_a ? t.list[p] : 0;
    V b_vector[vectors];
    for (int v = 0; v < vectors; v++) {
      b_vector[v] = load<V>(b_row + v * V::width);
      if constexpr (reading == Reading::Copied) {
        if (t.b_copy) store(t.b_copy + p * TileSize<T>::columns + v * V::width, b_vector[v]);
        __builtin_prefetch(b_row + kAhead * b_k + v * V::width);
      }
    }
#pragma GCC unroll 16
    for (int i = 0; i < rows; i++) {
      const V a_value = set<V>((a[i / 3] + at)[(i % 3) * a_row]);
#pragma GCC unroll 4
      for (int v = 0; v < vectors; v++) sum[i][v] = fma(a_value, b_vector[v], sum[i][v]);
    }
    for (int g = 0; g < groups && !listed_a; g++) a[g] += a_k;
    if (!listed_b) b += b_k;
  };
  // The tile of c comes while k runs, a vector with each step: all at once would hold up the loads of a and
  // b.
  int64_t p = 0;
  for (const int64_t first = reading == Reading::Near ? 0 : min_of(rows * vectors, k); p < first; p++) {
    __builtin_prefetch(t.c + p / vectors * t.c_row + p % vectors * V::width);
    step(p);
  }
  for (; p < k; p++) step(p);
  const bool plain =
      t.alpha == T(1) && !t.column_bias && !t.row_bias && !t.add && !t.relu && t.last == V::width;
  if (plain && t.beta == T(0)) {
#pragma GCC unroll 16
    for (int i = 0; i < rows; i++) {
#pragma GCC unroll 4
      for (int v = 0; v < vectors; v++) store(t.c + i * t.c_row + v * V::width, sum[i][v]);
    }
    return;
  }
  if (plain && t.beta == T(1)) {
#pragma GCC unroll 16
    for (int i = 0; i < rows; i++) {
#pragma GCC unroll 4
      for (int v = 0; v < vectors; v++) {
        T* c = t.c + i * t.c_row + v * V::width;
        store(c, sum[i][v] + load<V>(c));
      }
    }
    return;
  }
#pragma GCC unroll 16
  for (int i = 0; i < rows; i++) {
#pragma GCC unroll 4
    for (int v = 0; v < vectors; v++) {
      finish(t, sum[i][v], i, v * V::width, v == vectors - 1 ? t.last : V::width);
    }
  }
}

template <class T, Reading reading, int most = TileSize<T>::rows>
TileFunction<T> tile_function(int rows, int vectors) {
  static_assert(TileSize<T>::vectors == 2);
  if (rows == most) {
    return vectors == 2 ? multiply_tile<T, most, 2, reading> : multiply_tile<T, most, 1, reading>;
  }
  if constexpr (most > 1) return tile_function<T, reading, most - 1>(rows, vectors);
  return nullptr;
}

// n rows cut into the fewest tiles, of heights that differ by at most one: no thin tile is left at the end.
struct Cut {
  int64_t count, height, taller;  // the first `taller` tiles have height + 1 rows

  int64_t start(int64_t i) const { return i * height + min_of(i, taller); }
  int rows(int64_t i) const { return static_cast<int>(height + (i < taller)); }
};
LAMINA_INLINE Cut cut_of(int64_t n, int64_t most) {
  const int64_t count = max_of(1, chunks_of(n, most));
  return {count, n / count, n % count};
}

}  // namespace lamina::LAMINA_ISA
