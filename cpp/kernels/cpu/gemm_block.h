// The blocked product, for everything that is not thin: k is cut into blocks by its length alone, a and b are
// packed where that pays, and the tiles of c are shared between the threads of a team. Each value of c is one
// chain of additions along k whatever the tile and the thread, so results do not depend on the number of
// threads.
#pragma once

#include "kernels/cpu/gemm_pack.h"
#include "kernels/cpu/gemm_problem.h"

namespace lamina::LAMINA_ISA {

// Bytes along k of a block (a panel of b then stays in the first-level cache), and the most rows of a,
// columns of b and bytes of either that are packed at a time.
constexpr int64_t kBlockDepth = 1024;
constexpr int64_t kPackSide = 4096;
constexpr int64_t kPackBytes = 8 << 20;
constexpr int64_t kResidentBytes = 640 << 10;  // of a, in the second-level cache while panels of b pass by

// The threads that work on one product, inside a parallel region or alone.
struct Team {
  int self, size;

  void wait() const {
    if (size > 1) {
#pragma omp barrier
    }
  }
  int64_t begin(int64_t n) const { return n * self / size; }
  int64_t end(int64_t n) const { return n * (self + 1) / size; }
};

struct Blocking {
  bool pack_a, pack_b;
  int64_t k, rows, columns;  // of a block
  int64_t a_size, b_size;    // elements of scratch
};

template <class S>
static Blocking blocking_of(const Product<S>& p) {
  using T = Compute<S>;
  constexpr int64_t size = sizeof(T), tile_rows = TileSize<T>::rows, tile_columns = TileSize<T>::columns;
  Blocking b;
  // A half holds no partial sum, so its k is not cut.
  b.k =
      kIsHalf<S> ? max_of(1, p.k) : chunks_of(max_of(1, p.k), chunks_of(max_of(1, p.k), kBlockDepth / size));
  const int64_t side = max_of(tile_columns, min_of(kPackSide, kPackBytes / (b.k * size)));
  b.rows = min_of(p.m, side);
  b.columns = min_of(p.n, side / tile_columns * tile_columns);
  const int64_t panels = chunks_of(b.columns, tile_columns);
  // In place, b costs nothing to prepare, but its rows must be dense and lie close enough for the caches.
  b.pack_b = kIsHalf<S> || p.b_column != 1 || p.m > 8 * tile_rows || p.b_k * size > 2048;
  b.pack_a = kIsHalf<S> || panels > 4 || (panels > 2 && p.a_k != 1 && p.a_row != 1);
  const bool ragged = p.n % Vec<T>::width != 0;
  b.a_size = b.pack_a ? chunks_of(b.rows * b.k * size, 64) * 64 / size : 0;
  b.b_size = (b.pack_b ? panels : ragged ? 1 : 0) * tile_columns * b.k;
  return b;
}

// One round: a block of c, against a block of k.
template <class S>
struct Round {
  Product<S> product;          // the block itself
  bool first, last;            // of the blocks along k
  Cut tiles;                   // along m
  int64_t panels;              // along n
  const Compute<S>* a_packed;  // or null
  const Compute<S>* b_packed;  // or null
  const Compute<S>* b_tail;    // the last panel, where b is not packed but ragged; or null
};

// A tile of a c that is stored otherwise than the tile writes it, or takes an activation that is not done in
// registers.
template <class S>
static void multiply_apart(const Product<S>& p, const Tile<Compute<S>>& tile,
                           TileFunction<Compute<S>> function, S* c, const S* column_bias, const S* row_bias,
                           bool last, int rows, int columns) {
  using T = Compute<S>;
  constexpr int pitch = TileSize<T>::columns;
  alignas(64) T buffer[TileSize<T>::rows * pitch];
  T bias_of_columns[pitch], bias_of_rows[TileSize<T>::rows];
  Tile<T> t = tile;
  t.c = buffer;
  t.c_row = pitch;
  if (column_bias) read_part(column_bias, 0, 1, 1, columns, bias_of_columns, 0);
  if (row_bias) read_part(row_bias, 0, 1, 1, rows, bias_of_rows, 0);
  t.column_bias = column_bias ? bias_of_columns : nullptr;
  t.row_bias = row_bias ? bias_of_rows : nullptr;
  if (t.beta != T(0)) read_part(c, p.c_row, p.c_column, rows, columns, buffer, pitch);
  function(t);
  if (last) activate(p.epilogue, buffer, pitch, rows, columns);
  write_part(buffer, pitch, rows, columns, c, p.c_row, p.c_column);
}

// Tiles [tile_begin, tile_end) of one panel.
template <class S>
static void multiply_panel(const Round<S>& round, int64_t tile_begin, int64_t tile_end, int64_t panel) {
  using T = Compute<S>;
  constexpr int width = Vec<T>::width, tile_columns = TileSize<T>::columns;
  const Product<S>& p = round.product;
  const bool apart = kIsHalf<S> || p.c_column != 1 || (round.last && p.epilogue > Epilogue::Relu);
  const int64_t column = panel * tile_columns;
  const int columns = static_cast<int>(min_of(tile_columns, p.n - column)), vectors = columns > width ? 2 : 1;
  const int height = static_cast<int>(round.tiles.height);
  const TileFunction<T> functions[2] = {tile_function<T, false>(height, vectors),
                                        tile_function<T, false>(height + 1, vectors)};
  const bool tail = round.b_tail && panel == round.panels - 1;
  const S* column_bias = round.last && p.column_bias ? p.column_bias + column : nullptr;
  Tile<T> t = {};
  t.k = p.k;
  t.b_k = round.b_packed || tail ? tile_columns : p.b_k;
  t.c_row = p.c_row;
  t.last = columns - (vectors - 1) * width;
  t.alpha = p.alpha;
  t.beta = round.first ? p.beta : T(1);
  t.relu = round.last && p.epilogue == Epilogue::Relu;
  if (round.b_packed) {
    t.b = round.b_packed + column * p.k;
  } else if (tail) {
    t.b = round.b_tail;
  } else if constexpr (!kIsHalf<S>) {
    t.b = p.b + column;
  }
  for (int64_t tile = tile_begin; tile < tile_end; tile++) {
    const int64_t row = round.tiles.start(tile);
    const int rows = round.tiles.rows(tile);
    const S* row_bias = round.last && p.row_bias ? p.row_bias + row : nullptr;
    S* c = p.c + row * p.c_row + column * p.c_column;
    t.a_row = round.a_packed ? 1 : p.a_row;
    t.a_k = round.a_packed ? rows : p.a_k;
    if (round.a_packed) {
      t.a = round.a_packed + row * p.k;
    } else if constexpr (!kIsHalf<S>) {
      t.a = p.a + row * p.a_row;
    }
    if (apart) {
      multiply_apart(p, t, functions[rows - height], c, column_bias, row_bias, round.last, rows, columns);
    } else if constexpr (!kIsHalf<S>) {
      t.c = c;
      t.column_bias = column_bias;
      t.row_bias = row_bias;
      functions[rows - height](t);
    }
  }
}

// The part of the grid of tiles and panels that is this thread's: the team is laid out as rows x columns of
// threads so that the largest share is as small as it can be.
template <class S>
static void multiply_share(const Round<S>& round, Team team) {
  int down = 1, across = team.size;
  int64_t least = round.tiles.count * round.panels;
  for (int d = 1; d <= team.size; d++) {
    const int64_t share = chunks_of(round.tiles.count, d) * chunks_of(round.panels, team.size / d);
    if (share <= least) {
      least = share;
      down = d;
      across = team.size / d;
    }
  }
  if (team.self >= down * across) return;
  const Team along_m = {team.self / across, down}, along_n = {team.self % across, across};
  const int64_t tile_bytes =
      TileSize<Compute<S>>::rows * max_of(1, round.product.k) * int64_t(sizeof(Compute<S>));
  const int64_t step = max_of(1, kResidentBytes / tile_bytes), end = along_m.end(round.tiles.count);
  for (int64_t tile = along_m.begin(round.tiles.count); tile < end; tile += step) {
    for (int64_t panel = along_n.begin(round.panels); panel < along_n.end(round.panels); panel++) {
      multiply_panel(round, tile, min_of(end, tile + step), panel);
    }
  }
}

template <class S>
static void pack_a_share(const Round<S>& round, Compute<S>* to, Team team) {
  const Product<S>& p = round.product;
  for (int64_t tile = team.begin(round.tiles.count); tile < team.end(round.tiles.count); tile++) {
    const int64_t row = round.tiles.start(tile);
    pack_a(p.a + row * p.a_row, p.a_row, p.a_k, round.tiles.rows(tile), p.k, to + row * p.k);
  }
}

template <class S>
static void pack_b_share(const Round<S>& round, Compute<S>* to, Team team) {
  constexpr int tile_columns = TileSize<Compute<S>>::columns;
  const Product<S>& p = round.product;
  for (int64_t panel = team.begin(round.panels); panel < team.end(round.panels); panel++) {
    const int64_t column = panel * tile_columns;
    const int columns = static_cast<int>(min_of(tile_columns, p.n - column));
    pack_b(p.b + column * p.b_column, p.b_k, p.b_column, columns, p.k, to + column * p.k);
  }
}

template <class S>
static void multiply_blocks(const Product<S>& whole, const Blocking& blocking, Compute<S>* scratch,
                            Team team) {
  using T = Compute<S>;
  constexpr int64_t tile_columns = TileSize<T>::columns;
  T* a_packed = scratch;
  T* b_packed = scratch + blocking.a_size;
  for (int64_t column = 0; column < whole.n; column += blocking.columns) {
    for (int64_t k = 0; k == 0 || k < whole.k; k += blocking.k) {
      for (int64_t row = 0; row < whole.m; row += blocking.rows) {
        Round<S> round = {};
        round.product = whole.from(row, column, k);
        Product<S>& p = round.product;
        p.m = min_of(blocking.rows, whole.m - row);
        p.n = min_of(blocking.columns, whole.n - column);
        p.k = min_of(blocking.k, whole.k - k);
        round.first = k == 0;
        round.last = k + blocking.k >= whole.k;
        round.tiles = cut_of(p.m, TileSize<T>::rows);
        round.panels = chunks_of(p.n, tile_columns);
        const bool packs = blocking.a_size || blocking.b_size;
        // Nobody may still be reading what is packed over.
        if (packs && (column || k || row)) team.wait();
        if (blocking.pack_b) {
          if (row == 0) pack_b_share(round, b_packed, team);
          round.b_packed = b_packed;
        } else if (p.n % Vec<T>::width != 0) {
          const int64_t start = (round.panels - 1) * tile_columns;
          if (row == 0 && team.self == 0) {
            pack_b(p.b + start, p.b_k, 1, static_cast<int>(p.n - start), p.k, b_packed);
          }
          round.b_tail = b_packed;
        }
        if (blocking.pack_a) {
          pack_a_share(round, a_packed, team);
          round.a_packed = a_packed;
        }
        if (packs) team.wait();
        multiply_share(round, team);
      }
    }
  }
}

}  // namespace lamina::LAMINA_ISA
