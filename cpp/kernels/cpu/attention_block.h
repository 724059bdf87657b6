// What both directions of attention share. Scores are held transposed, keys down and queries across: a tile
// of gemm then reads keys value by value, as it reads any a, and the softmax runs down the lanes of its
// vectors. A panel is the queries of one tile. Only a block of keys is looked at a time; no matrix of scores
// exists.
#pragma once

#include "kernels/cpu/gemm_pack.h"
#include "kernels/cpu/philox.h"
#include "simd/flush.h"
#include "simd/math.h"

namespace lamina::LAMINA_ISA {

constexpr int64_t kQueryBlock = 128;  // a multiple of every tile's width
constexpr int64_t kKeyBlock = 112;    // whole tiles of AVX-512, and of others almost

template <class T>
constexpr int64_t kPanel = TileSize<T>::columns;
template <class T>
constexpr int64_t kPanels = kQueryBlock / kPanel<T>;
template <class T>
LAMINA_INLINE int64_t padded(int64_t columns) {
  return chunks_of(columns, kPanel<T>) * kPanel<T>;
}

// Scratch memory handed out piece by piece, each 64-byte aligned; with a null base it only counts.
struct Arena {
  char* base;
  size_t used = 0;

  template <class T>
  T* take(int64_t n) {
    char* at = base ? base + used : nullptr;
    used += static_cast<size_t>(chunks_of(n * static_cast<int64_t>(sizeof(T)), 64) * 64);
    return reinterpret_cast<T*>(at);
  }
};

// Rows of one head: (rows, columns) of S.
template <class S>
struct HeadRows {
  S* data;
  int64_t row, column;

  HeadRows from(int64_t first) const { return {data + first * row, row, column}; }
};
template <class S>
LAMINA_INLINE HeadRows<S> head_of(const AttentionSide& side, int64_t batch, int64_t head) {
  return {static_cast<S*>(side.data) + batch * side.batch + head * side.head, side.row, side.column};
}

// Rows as the tile reads them.
template <class T>
struct DenseRows {
  const T* data;
  int64_t row;
};

// Rows that already follow each other are read in place; others are copied: rows a power of two apart would
// fight for the same lines of the first-level cache. Copies are padded with zeros to whole panels.
template <class S>
static DenseRows<Compute<S>> dense_rows(HeadRows<const S> x, int64_t rows, int64_t columns, Compute<S>* to) {
  using T = Compute<S>;
  using V = Lanes<S>;
  const int64_t pitch = padded<T>(columns);
  if constexpr (!kIsHalf<S>) {
    if (x.column == 1 && x.row == columns && pitch == columns) return {x.data, x.row};
  }
  for (int64_t i = 0; i < rows; i++) {
    const S* from = x.data + i * x.row;
    T* row = to + i * pitch;
    if (x.column == 1) {
      for_vectors<V>(columns,
                     [&](int64_t j, auto lanes) { put_lanes(row + j, get_lanes(from + j, lanes), lanes); });
    } else {
      for (int64_t j = 0; j < columns; j++) row[j] = value_of(from[j * x.column]);
    }
    for (int64_t j = columns; j < pitch; j++) row[j] = 0;
  }
  return {to, pitch};
}

// A panel of rows turned: to (columns, kPanel), times scale. What is beyond the rows is 0.
template <class S>
static void turn_rows(HeadRows<const S> x, int64_t rows, int64_t columns, Compute<S> scale, Compute<S>* to) {
  using T = Compute<S>;
  using V = Lanes<S>;
  constexpr int64_t panel = kPanel<T>;
  pack_b(x.data, x.column, x.row, static_cast<int>(rows), columns, to);
  const int64_t vectors = chunks_of(rows, V::width);
  for (int64_t i = 0; i < columns; i++) {
    for (int64_t v = 0; v < panel / V::width; v++) {
      T* at = to + i * panel + v * V::width;
      store(at, v < vectors ? load<V>(at) * set<V>(scale) : zero<V>());
    }
  }
}

// The opposite: x (columns, kPanel) of compute numbers to `rows` rows of S, where part(v, j) makes of the
// vector of columns j.. of row q what is stored.
template <class S>
static void turn_back(const Compute<S>* x, int64_t rows, int64_t columns, HeadRows<S> to) {
  using T = Compute<S>;
  using V = Lanes<S>;
  constexpr int64_t panel = kPanel<T>;
  alignas(64) T turned[panel * V::width];
  for (int64_t j = 0; j < columns; j += V::width) {
    const int64_t n = min_of(V::width, columns - j);
    pack_turned(x + j * panel, panel, static_cast<int>(n), rows, turned, V::width, turned + panel * V::width);
    for (int64_t i = 0; i < rows; i++) {
      S* row = to.data + i * to.row + j * to.column;
      if (to.column == 1) {
        put_n(row, load_n<V>(turned + i * V::width, static_cast<int>(n)), n);
      } else {
        for (int64_t c = 0; c < n; c++) row[c * to.column] = element_of<S>(turned[i * V::width + c]);
      }
    }
  }
}

// c (rows, kPanel columns) = a (rows, k) @ b (k, columns), or added to c. Every c is padded to whole panels.
template <class T>
struct PanelProduct {
  const T* a;
  int64_t a_row, a_k;
  const T* b;
  int64_t b_k;
  T* c;
  int64_t c_row;
  int64_t rows, k;
  bool add;
};
template <class T>
static void multiply_panel(const PanelProduct<T>& p) {
  Tile<T> t = {};
  t.k = p.k;
  t.a_row = p.a_row;
  t.a_k = p.a_k;
  t.b = p.b;
  t.b_k = p.b_k;
  t.c_row = p.c_row;
  t.last = Vec<T>::width;
  t.alpha = 1;
  t.beta = p.add ? T(1) : T(0);
  const Cut cut = cut_of(p.rows, TileSize<T>::rows);
  const TileFunction<T> taller = tile_function<T, Reading::Near>(cut.rows(0), 2);
  const TileFunction<T> shorter = cut.height > 0 && cut.taller > 0
                                      ? tile_function<T, Reading::Near>(static_cast<int>(cut.height), 2)
                                      : taller;
  for (int64_t i = 0; i < cut.count; i++) {
    t.a = p.a + cut.start(i) * p.a_row;
    t.c = p.c + cut.start(i) * p.c_row;
    (i < cut.taller || cut.taller == 0 ? taller : shorter)(t);
  }
}

// e^x for x <= 0 or NaN: a softmax's numerator. In float the product with log2(e) may be rounded: that error
// grows with |x|, as the result vanishes. The polynomial is a minimax fit of 2^-r, 8.5e-8 at most beside it.
LAMINA_INLINE F32 exp_of_negative(F32 x) {
  constexpr double log2_e = 0x1.71547652b82fep+0;
  x = max(constant<F32>(-104), x);
  const F32 n = nearest_product(x, log2_e), r = fnma(x, constant<F32>(log2_e), n);
  return ldexp(
      polynomial(r, 1.0, -0.69314688444, 0.24022223055, -0.05550800264, 0.0096723837978, -0.0013253412908),
      n);
}
LAMINA_INLINE F64 exp_of_negative(F64 x) { return exp(x); }

// What query q of this head may see: keys [0, seen).
LAMINA_INLINE int64_t seen_by(const Attention& a, int64_t query) {
  return a.causal ? min_of(a.keys, query + 1) : a.keys;
}

// The scores of keys first + [0, rows) for the panel of queries from `query` on, (rows, kPanel) with this row
// step: adds the mask's panel and hides later keys.
template <class T>
static void hide_later(T* scores, int64_t row, int64_t first, int64_t rows, int64_t query) {
  using V = Vec<T>;
  const V hidden = set<V>(-__builtin_inff());
  for (int64_t i = max_of(0, query + 1 - first); i < rows; i++) {
    for (int64_t v = 0; v < kPanel<T>; v += V::width) {
      T* at = scores + i * row + v;
      store(at, first_lanes(hidden, load<V>(at), max_of(0, min_of(V::width, first + i - query - v))));
    }
  }
}
template <class T>
static void add_mask(T* scores, int64_t row, const T* mask, int64_t rows) {
  using V = Vec<T>;
  for (int64_t i = 0; i < rows; i++) {
    for (int64_t v = 0; v < kPanel<T>; v += V::width) {
      T* at = scores + i * row + v;
      store(at, load<V>(at) + load<V>(mask + i * kPanel<T> + v));
    }
  }
}
// The mask's part for a panel, (rows, kPanel). False where it hides everything.
template <class S>
static bool turn_mask(const Attention& a, int64_t batch, int64_t head, int64_t first, int64_t rows,
                      int64_t query, int64_t queries, Compute<S>* to) {
  using T = Compute<S>;
  using V = Vec<T>;
  const HeadRows<const S> mask = head_of<const S>(a.mask, batch, head);
  const S* from = mask.data + query * mask.row + first * mask.column;
  pack_b(from, mask.column, mask.row, static_cast<int>(queries), rows, to);
  const int64_t used = chunks_of(queries, V::width) * V::width;
  V top = set<V>(-__builtin_inff()), sum = zero<V>();
  for (int64_t i = 0; i < rows; i++) {
    for (int64_t v = 0; v < used; v += V::width) {
      const V m = load<V>(to + i * kPanel<T> + v);
      top = max(top, m);
      sum = sum + m;
    }
    for (int64_t v = used; v < kPanel<T>; v += V::width) store(to + i * kPanel<T> + v, zero<V>());
  }
  return reduce_max(top) != -__builtin_inff() || any(isnan(sum));
}

// What weights (rows, kPanel) of keys from `first` on are multiplied by: 0, or 1 / (1 - dropout). A block of
// random words belongs to one query and eight keys, 16 bits to each.
template <class T>
static void turn_dropout(const Attention& a, int64_t head, int64_t first, int64_t rows, int64_t query,
                         T* to) {
  constexpr int64_t panel = kPanel<T>;
  const uint32_t bound = static_cast<uint32_t>(a.dropout * 65536 + 0.5);
  const T keep = static_cast<T>(1 / (1 - a.dropout));
  const int64_t octets = chunks_of(a.keys, 8), queries = chunks_of(a.queries, 64) * 64;
  Words words = {};
  static_assert(panel <= kBatch);
  for (int64_t row = 0; row < rows; row += 8) {
    const int64_t block = (head * octets + (first + row) / 8) * queries + query;
    philox(a.random.seed, a.random.offset + static_cast<uint64_t>(block), panel, words);
    for (int64_t i = 0; i < min_of(8, rows - row); i++) {
      const uint32_t* from = words.at[i / 2];
      T* out = to + (row + i) * panel;
      const uint32_t shift = i % 2 * 16;
      for (int64_t j = 0; j < panel; j++) out[j] = ((from[j] >> shift) & 0xffff) < bound ? T(0) : keep;
    }
  }
}
template <class T>
static void drop(T* weights, int64_t row, const T* kept, int64_t rows) {
  using V = Vec<T>;
  for (int64_t i = 0; i < rows; i++) {
    for (int64_t v = 0; v < kPanel<T>; v += V::width) {
      T* at = weights + i * row + v;
      store(at, load<V>(at) * load<V>(kept + i * kPanel<T> + v));
    }
  }
}

template <class V>
LAMINA_INLINE V finite_or_zero(V top) {
  return select(abs(top) == set<V>(__builtin_inff()), zero<V>(), top);
}

}  // namespace lamina::LAMINA_ISA
