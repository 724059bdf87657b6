// The blocked product, for everything that is not thin. c is cut into cells, each one thread's from beginning
// to end: no thread waits for another. In a cell a block of b stays in the second-level cache while the tiles
// of a pass by, each against all panels of b. k is cut by its length alone, and each value of c is one chain
// of additions along k whatever the cell and the tile, so results do not depend on the number of threads.
#pragma once

#include "kernels/cpu/gemm_pack.h"
#include "kernels/cpu/gemm_problem.h"
#include "simd/flush.h"

namespace lamina::LAMINA_ISA {

// Bytes of a row of a block along k, and of a block of b.
constexpr int64_t kDepthBytes = 1280;
constexpr int64_t kBlockBytes = 1 << 20;

// Whether c is better computed turned, as b^T a^T: a large b dense along k, as the weights of a layer are, is
// then read in place, tile by tile, and only the short a is packed. Writing c turned costs too much to cut k,
// so k is short.
constexpr int64_t kTurnedDepth = 1024, kTurnedNumbers = 1 << 18;
template <class S>
static bool is_turned(const Product<S>& p) {
  constexpr int64_t columns = TileSize<Compute<S>>::columns;
  return !kIsHalf<S> && p.b_k == 1 && p.b_column != 1 && p.c_column == 1 && p.m % columns == 0 &&
         p.m <= 4 * columns && p.k <= kTurnedDepth && p.k * p.n >= kTurnedNumbers;
}

struct Blocking {
  bool pack_a,
      pack_b;  // pack_b: before the tiles; else the first tile copies the panels it reads, or none does
  bool copy_b;
  int64_t k;               // of a block
  int64_t tiles, panels;   // in c
  int64_t down, across;    // cells
  int64_t a_size, b_size;  // elements of scratch for a thread

  int64_t cells() const { return down * across; }
};

// Tiles of c are cut into `down` parts and panels into `across`: the least work for the busiest thread, where
// packing a tile counts as a third of multiplying it with a panel, and packing a panel as one tile; then, for
// about the same, as many cells as there may be, so that a thread that is held up is helped by the others.
static void cut_cells(Blocking& b, int64_t most_panels, int64_t threads) {
  const int64_t least_across = chunks_of(b.panels, most_panels);
  double least = 0;
  b.down = 0;
  for (int64_t down = 1; down <= min_of(b.tiles, 2 * threads); down++) {
    const int64_t across = max_of(least_across, min_of(b.panels, chunks_of(threads, down)));
    const int64_t tiles = chunks_of(b.tiles, down), panels = chunks_of(b.panels, across);
    const double cell = double(tiles * panels) + tiles / 3.0 + double(panels);
    const double work = cell * double(chunks_of(down * across, threads));
    if (b.down == 0 || work < least * (down * across > b.cells() ? 1.01 : 0.99)) {
      least = b.down == 0 || work < least ? work : least;
      b.down = down;
      b.across = across;
    }
  }
}

template <class S>
static Blocking blocking_of(const Product<S>& p, int64_t threads) {
  using T = Compute<S>;
  constexpr int64_t size = sizeof(T), tile_rows = TileSize<T>::rows, tile_columns = TileSize<T>::columns;
  Blocking b = {};
  // A half holds no partial sum, so its k is not cut.
  const int64_t k = max_of(1, p.k);
  const bool whole = kIsHalf<S> || (p.c_column != 1 && k <= kTurnedDepth);
  b.k = whole ? k : chunks_of(k, chunks_of(k, kDepthBytes / size));
  b.tiles = chunks_of(p.m, tile_rows);
  b.panels = chunks_of(p.n, tile_columns);
  cut_cells(b, max_of(1, kBlockBytes / (b.k * tile_columns * size)), threads);
  const int64_t panels = chunks_of(b.panels, b.across), tiles = chunks_of(b.tiles, b.down);
  b.pack_b = kIsHalf<S> || p.b_column != 1;
  b.copy_b = !b.pack_b && (tiles > 2 || p.b_k * size > 1024);
  b.pack_a = kIsHalf<S> || panels > 4 || (panels > 2 && p.a_k != 1 && p.a_row != 1);
  const bool ragged = p.n % Vec<T>::width != 0;
  b.a_size = b.pack_a ? chunks_of(tile_rows * b.k, 16) * 16 : 0;
  b.b_size = b.pack_b || b.copy_b || ragged ? panels * tile_columns * b.k : 0;
  return b;
}

// A tile of a c that is stored otherwise than the tile writes it.
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
  if constexpr (!kIsHalf<S>) {
    if (p.c_row == 1) {
      for (int i = 0; i < rows; i += Vec<T>::width) {
        const int n = static_cast<int>(min_of(Vec<T>::width, rows - i));
        pack_turned(buffer + i * pitch, pitch, n, columns, c + i, p.c_column, c);
      }
      return;
    }
  }
  write_part(buffer, pitch, rows, columns, c, p.c_row, p.c_column);
}

// A cell of c, or what is left of it along k.
template <class S>
struct Cell {
  Product<S> product;
  bool first, last;  // of the blocks along k
  Cut tiles;
  Compute<S>*a_packed, *b_packed;
};

// One tile of rows against all panels.
template <class S>
static void multiply_row(const Cell<S>& cell, const Blocking& blocking, int64_t tile) {
  using T = Compute<S>;
  constexpr int width = Vec<T>::width, tile_columns = TileSize<T>::columns;
  const Product<S>& p = cell.product;
  const bool apart = kIsHalf<S> || p.c_column != 1, activates = cell.last && p.epilogue > Epilogue::Relu;
  const int64_t row = cell.tiles.start(tile);
  const int rows = cell.tiles.rows(tile);
  const S* row_bias = cell.last && p.row_bias ? p.row_bias + row : nullptr;
  Tile<T> t = {};
  t.k = p.k;
  t.c_row = p.c_row;
  t.alpha = p.alpha;
  t.beta = cell.first ? p.beta : T(1);
  t.relu = cell.last && p.epilogue == Epilogue::Relu;
  if (blocking.pack_a) {
    pack_a(p.a + row * p.a_row, p.a_row, p.a_k, rows, p.k, cell.a_packed);
    t.a = cell.a_packed;
    t.a_row = 1;
    t.a_k = rows;
  } else if constexpr (!kIsHalf<S>) {
    t.a = p.a + row * p.a_row;
    t.a_row = p.a_row;
    t.a_k = p.a_k;
    // The next tile comes while this one meets all panels.
    if (p.a_k == 1 && apart) {
      const int64_t next = min_of(row + 2 * rows, p.m);
      for (int64_t i = row + rows; i < next; i++) {
        for (int64_t k = 0; k < p.k; k += int64_t(64 / sizeof(T)))
          __builtin_prefetch(p.a + i * p.a_row + k, 0, 2);
      }
    }
  }
  const TileFunction<T> whole = tile_function<T, Reading::Steps>(rows, 2);
  const TileFunction<T> first =
      tile == 0 && blocking.copy_b ? tile_function<T, Reading::Copied>(rows, 2) : whole;
  for (int64_t column = 0; column < p.n; column += tile_columns) {
    const int columns = static_cast<int>(min_of(tile_columns, p.n - column)),
              vectors = columns > width ? 2 : 1;
    const bool full = columns == tile_columns, ragged = columns % width != 0;
    const bool packs = blocking.pack_b || ragged, copies = blocking.copy_b && full && tile == 0;
    t.b_copy = cell.b_packed + column * p.k;
    if (packs && tile == 0) pack_b(p.b + column * p.b_column, p.b_k, p.b_column, columns, p.k, t.b_copy);
    t.b = t.b_copy;
    if (copies && cell.tiles.count == 1) t.b_copy = nullptr;  // nobody reads it again
    t.b_k = tile_columns;
    if constexpr (!kIsHalf<S>) {
      if (!packs && (copies || !blocking.copy_b || !full)) {
        t.b = p.b + column;
        t.b_k = p.b_k;
      }
    }
    t.last = columns - (vectors - 1) * width;
    const TileFunction<T> function = vectors == 1 ? tile_function<T, Reading::Steps>(rows, 1)
                                     : copies     ? first
                                                  : whole;
    const S* column_bias = cell.last && p.column_bias ? p.column_bias + column : nullptr;
    S* c = p.c + row * p.c_row + column * p.c_column;
    if (apart) {
      multiply_apart(p, t, function, c, column_bias, row_bias, cell.last, rows, columns);
    } else if constexpr (!kIsHalf<S>) {
      t.c = c;
      t.column_bias = column_bias;
      t.row_bias = row_bias;
      function(t);
      if (activates) activate(p.epilogue, c, p.c_row, rows, columns);
    }
  }
}

template <class S>
static void multiply_cell(const Product<S>& whole, const Blocking& blocking, int64_t index,
                          Compute<S>* scratch) {
  const FlushTiny flush;
  using T = Compute<S>;
  const int64_t down = index % blocking.down, across = index / blocking.down;
  const Cut all = cut_of(whole.m, TileSize<T>::rows);
  const int64_t row = all.start(all.count * down / blocking.down);
  const int64_t row_end = all.start(all.count * (down + 1) / blocking.down);
  const int64_t column = blocking.panels * across / blocking.across * TileSize<T>::columns;
  const int64_t column_end =
      min_of(whole.n, blocking.panels * (across + 1) / blocking.across * TileSize<T>::columns);
  Cell<S> cell = {};
  cell.b_packed = scratch;
  cell.a_packed = scratch + blocking.b_size;
  cell.tiles = cut_of(row_end - row, TileSize<T>::rows);
  for (int64_t k = 0; k == 0 || k < whole.k; k += blocking.k) {
    cell.product = whole.from(row, column, k);
    cell.product.m = row_end - row;
    cell.product.n = column_end - column;
    cell.product.k = min_of(blocking.k, whole.k - k);
    cell.first = k == 0;
    cell.last = k + blocking.k >= whole.k;
    for (int64_t tile = 0; tile < cell.tiles.count; tile++) multiply_row(cell, blocking, tile);
  }
}

}  // namespace lamina::LAMINA_ISA
