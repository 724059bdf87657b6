// The blocked product, for everything that is not thin. c is cut into cells, each one thread's from beginning
// to end: no thread waits for another. In a cell a block of b stays in the second-level cache while the tiles
// of a pass by, each against all panels of b. k is cut by its length alone, and each value of c is one chain
// of additions along k whatever the cell and the tile, so results do not depend on the number of threads.
#pragma once

#include "kernels/cpu/gemm_pack.h"
#include "kernels/cpu/gemm_problem.h"
#include "simd/flush.h"

namespace lamina::LAMINA_ISA {

// Bytes of a row of a block along k, and of a block of b. The shorter the blocks, the more often c is read
// and written; longer ones would not leave a tile's rows in the first-level cache. Where a is dense along its
// rows they are shorter: its lines, often a power of two apart, fight for places in the second-level cache.
constexpr int64_t kDepthBytes = 2048, kShortDepthBytes = 1280;
constexpr int64_t kBlockBytes = 1 << 20;

// Up to here k is not cut where c is written turned, which costs too much to be done twice.
constexpr int64_t kWholeDepth = 1024;

// Whether c is better computed turned, as b^T a^T. A large b dense along k, as the weights of a layer are, is
// then read in place, tile by tile, and only the short a is packed. Of a narrow b, which fills its last panel
// badly, rows can be cut evenly; what it costs to turn the other operand is spent once, if that is kept.
constexpr int64_t kTurnedNumbers = 1 << 18;
template <class S>
static bool is_turned(const Product<S>& p) {
  constexpr int64_t columns = TileSize<Compute<S>>::columns;
  if (kIsHalf<S>) return false;
  if (p.a_kept) return p.n < 2 * columns && p.n % columns != 0 && p.m >= 4 * columns;
  return p.b_k == 1 && p.b_column != 1 && p.c_column == 1 && p.m % columns == 0 && p.m <= 4 * columns &&
         p.k <= kWholeDepth && p.k * p.n >= kTurnedNumbers;
}

// Rows of a that are dense along k are copied, not turned, to rows this far apart: far from a power of two.
static int64_t copied_pitch(int64_t k) { return chunks_of(k, 16) * 16 + 16; }

// Tiles that are packed at a time where a is dense along its rows: a line of memory holds parts of several.
constexpr int64_t kTogether = 4;

struct Blocking {
  bool pack_a;
  bool pack_b;  // before the tiles; else the first tile copies the panels it reads, or none does
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
  const bool whole = kIsHalf<S> || (p.c_column != 1 && k <= kWholeDepth);
  b.k = whole ? k : chunks_of(k, chunks_of(k, (p.a_k == 1 ? kDepthBytes : kShortDepthBytes) / size));
  b.tiles = chunks_of(p.m, tile_rows);
  b.panels = chunks_of(p.n, tile_columns);
  cut_cells(b, max_of(1, kBlockBytes / (b.k * tile_columns * size)), threads);
  const int64_t panels = chunks_of(b.panels, b.across), tiles = chunks_of(b.tiles, b.down);
  b.pack_b = kIsHalf<S> || p.b_column != 1;
  b.copy_b = !b.pack_b && (tiles > 2 || p.b_k * size > 1024);
  b.pack_a = kIsHalf<S> || panels > 4 || (panels > 2 && p.a_k != 1 && p.a_row != 1);
  const bool ragged = p.n % Vec<T>::width != 0;
  b.a_size = !b.pack_a ? 0 : p.a_k == 1 ? tile_rows * copied_pitch(b.k) : kTogether * tile_rows * (b.k + 16);
  b.b_size = b.pack_b || b.copy_b || ragged ? panels * tile_columns * b.k : 0;
  return b;
}

// An operand packed as a whole: its tiles or panels one after the other, each along all of k.
template <class T>
static int64_t packed_size(const Product<T>& p, const Blocking& blocking) {
  constexpr int64_t columns = TileSize<T>::columns;
  if (p.b_kept) return blocking.pack_b ? chunks_of(p.n, columns) * columns * p.k : 0;
  return p.a_kept ? p.m * p.k : 0;
}
template <class T>
static void pack_kept(const Product<T>& p, T* to) {
  constexpr int64_t columns = TileSize<T>::columns;
  const Cut cut = cut_of(p.m, TileSize<T>::rows);
  parallel(p.b_kept ? chunks_of(p.n, columns) : cut.count, [&](int64_t i) {
    const int64_t column = i * columns, row = cut.start(i);
    if (p.b_kept) {
      pack_b(p.b + column * p.b_column, p.b_k, p.b_column, static_cast<int>(min_of(columns, p.n - column)),
             p.k, to + column * p.k);
    } else {
      pack_a(p.a + row * p.a_row, p.a_row, p.a_k, cut.rows(i), p.k, to + row * p.k);
    }
  });
}

// A tile of a c that is stored otherwise than the tile writes it.
template <class S>
static void multiply_apart(const Product<S>& p, const Tile<Compute<S>>& tile,
                           TileFunction<Compute<S>> function, S* c, const S* column_bias, const S* row_bias,
                           const S* add, bool last, int rows, int columns) {
  using T = Compute<S>;
  constexpr int pitch = TileSize<T>::columns;
  alignas(64) T buffer[TileSize<T>::rows * pitch];
  alignas(64) T added[TileSize<T>::rows * pitch];
  T bias_of_columns[pitch], bias_of_rows[TileSize<T>::rows];
  Tile<T> t = tile;
  t.c = buffer;
  t.c_row = pitch;
  if (column_bias) read_part(column_bias, 0, 1, 1, columns, bias_of_columns, 0);
  if (row_bias) read_part(row_bias, 0, 1, 1, rows, bias_of_rows, 0);
  t.column_bias = column_bias ? bias_of_columns : nullptr;
  t.row_bias = row_bias ? bias_of_rows : nullptr;
  if (t.beta != T(0)) read_part(c, p.c_row, p.c_column, rows, columns, buffer, pitch);
  if (add) read_part(add, p.c_row, p.c_column, rows, columns, added, pitch);
  t.add = add ? added : nullptr;
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
  bool first, last;    // of the blocks along k
  Cut tiles;           // of c
  int64_t tile, past;  // the cell's; panel: its first; place: of the block along k; depth: all of k
  int64_t panel, place, depth;
  Compute<S>*a_block, *b_block;  // scratch

  int64_t row(int64_t i) const { return tiles.start(i) - tiles.start(tile); }
};

template <class S>
static void pack_together(const Cell<S>& cell, int64_t tile) {
  constexpr int64_t some = 32, most_rows = TileSize<Compute<S>>::rows;
  const Product<S>& p = cell.product;
  for (int64_t k = 0; k < p.k; k += some) {
    for (int64_t i = tile; i < min_of(tile + kTogether, cell.past); i++) {
      const int rows = cell.tiles.rows(i);
      pack_a(p.a + cell.row(i) * p.a_row + k * p.a_k, p.a_row, p.a_k, rows, min_of(some, p.k - k),
             cell.a_block + (i - tile) * most_rows * p.k + k * rows);
    }
  }
}

// Rows of a tile: from where all of a lies packed, or packed now, or as they are.
template <class S>
static void read_rows(const Cell<S>& cell, const Blocking& blocking, int64_t tile, Tile<Compute<S>>& t) {
  const Product<S>& p = cell.product;
  const int rows = cell.tiles.rows(tile);
  const S* a = p.a + cell.row(tile) * p.a_row;
  t.a_row = 1;
  t.a_k = rows;
  if (p.a_packed) {
    t.a = p.a_packed + cell.tiles.start(tile) * cell.depth + cell.place * rows;
  } else if (blocking.pack_a) {
    t.a = cell.a_block;
    if (p.a_k == 1) {
      t.a_row = copied_pitch(p.k);
      t.a_k = 1;
      for (int i = 0; i < rows; i++) copy_row(a + i * p.a_row, p.k, cell.a_block + i * t.a_row);
    } else {
      const int64_t place = (tile - cell.tile) % kTogether;
      if (place == 0) pack_together(cell, tile);
      t.a = cell.a_block + place * TileSize<Compute<S>>::rows * p.k;
    }
  } else if constexpr (!kIsHalf<S>) {
    t.a = a;
    t.a_row = p.a_row;
    t.a_k = p.a_k;
    if (p.a_k != 1 || p.c_column == 1) return;
    // Turned: the next tile comes while this one meets all panels.
    const int64_t next = min_of(cell.row(tile) + 2 * rows, p.m);
    for (int64_t i = cell.row(tile) + rows; i < next; i++) {
      for (int64_t k = 0; k < p.k; k += int64_t(64 / sizeof(Compute<S>)))
        __builtin_prefetch(p.a + i * p.a_row + k, 0, 2);
    }
  }
}

// A panel likewise. Returns whether the tile copies it for those that follow.
template <class S>
static bool read_panel(const Cell<S>& cell, const Blocking& blocking, int64_t column, int columns, bool first,
                       bool only, Tile<Compute<S>>& t) {
  using T = Compute<S>;
  constexpr int tile_columns = TileSize<T>::columns;
  const Product<S>& p = cell.product;
  t.b_k = tile_columns;
  if (p.b_packed) {
    t.b = p.b_packed + (cell.panel * tile_columns + column) * cell.depth + cell.place * tile_columns;
    return false;
  }
  const bool full = columns == tile_columns;
  const bool packs = blocking.pack_b || columns % Vec<T>::width != 0;
  const bool copies = !packs && blocking.copy_b && full && first;
  T* block = cell.b_block + column * p.k;
  if (packs && first) pack_b(p.b + column * p.b_column, p.b_k, p.b_column, columns, p.k, block);
  t.b = block;
  t.b_copy = only ? nullptr : block;  // which nobody reads again
  if constexpr (!kIsHalf<S>) {
    if (!packs && (copies || !blocking.copy_b || !full)) {
      t.b = p.b + column;
      t.b_k = p.b_k;
    }
  }
  return copies;
}

// What the next tile of a copies comes a piece with each panel, so that copying it waits for no memory.
template <class S>
static void fetch_rows(const Cell<S>& cell, int64_t tile, int64_t panel, int64_t panels) {
  constexpr int64_t line = 64 / sizeof(S);
  const Product<S>& p = cell.product;
  const S* a = p.a + cell.row(tile) * p.a_row;
  const int64_t each = chunks_of(p.k, line), all = cell.tiles.rows(tile) * each;
  for (int64_t i = all * panel / panels; i < all * (panel + 1) / panels; i++)
    __builtin_prefetch(a + i / each * p.a_row + i % each * line, 0, 2);
}

// One tile of rows against all panels.
template <class S>
static void multiply_row(const Cell<S>& cell, const Blocking& blocking, int64_t tile, bool only) {
  using T = Compute<S>;
  constexpr int width = Vec<T>::width, tile_columns = TileSize<T>::columns;
  const Product<S>& p = cell.product;
  const bool apart = kIsHalf<S> || p.c_column != 1, activates = cell.last && p.epilogue > Epilogue::Relu;
  const int64_t row = cell.row(tile);
  const int rows = cell.tiles.rows(tile);
  const bool first = tile == cell.tile;
  const bool fetches = blocking.pack_a && !p.a_packed && p.a_k == 1 && tile + 1 < cell.past;
  const S* row_bias = cell.last && p.row_bias ? p.row_bias + row : nullptr;
  Tile<T> t = {};
  t.k = p.k;
  t.c_row = p.c_row;
  t.alpha = p.alpha;
  t.beta = cell.first ? p.beta : T(1);
  t.relu = cell.last && p.epilogue == Epilogue::Relu;
  read_rows(cell, blocking, tile, t);
  const TileFunction<T> whole = tile_function<T, Reading::Steps>(rows, 2),
                        narrow = tile_function<T, Reading::Steps>(rows, 1),
                        copying = blocking.copy_b ? tile_function<T, Reading::Copied>(rows, 2) : whole;
  for (int64_t column = 0; column < p.n; column += tile_columns) {
    const int columns = static_cast<int>(min_of(tile_columns, p.n - column));
    if (fetches) fetch_rows(cell, tile + 1, column / tile_columns, chunks_of(p.n, tile_columns));
    const int vectors = columns > width ? 2 : 1;
    const bool copies = read_panel(cell, blocking, column, columns, first, only, t);
    const TileFunction<T> function = vectors == 1 ? narrow : copies ? copying : whole;
    t.last = columns - (vectors - 1) * width;
    const S* column_bias = cell.last && p.column_bias ? p.column_bias + column : nullptr;
    const int64_t at = row * p.c_row + column * p.c_column;
    if (apart) {
      const S* add = cell.last && p.add ? p.add + at : nullptr;
      multiply_apart(p, t, function, p.c + at, column_bias, row_bias, add, cell.last, rows, columns);
    } else if constexpr (!kIsHalf<S>) {
      t.c = p.c + at;
      t.column_bias = column_bias;
      t.row_bias = row_bias;
      t.add = cell.last && p.add ? p.add + at : nullptr;
      function(t);
      if (activates) activate(p.epilogue, t.c, p.c_row, rows, columns);
    }
  }
}

template <class S>
static void multiply_cell(const Product<S>& whole, const Blocking& blocking, int64_t index,
                          Compute<S>* scratch) {
  const FlushTiny flush;
  using T = Compute<S>;
  const int64_t down = index % blocking.down, across = index / blocking.down;
  Cell<S> cell = {};
  cell.tiles = cut_of(whole.m, TileSize<T>::rows);
  cell.tile = cell.tiles.count * down / blocking.down;
  cell.panel = blocking.panels * across / blocking.across;
  cell.depth = whole.k;
  cell.b_block = scratch;
  cell.a_block = scratch + blocking.b_size;
  cell.past = cell.tiles.count * (down + 1) / blocking.down;
  const int64_t row = cell.tiles.start(cell.tile), column = cell.panel * TileSize<T>::columns;
  const int64_t column_end =
      min_of(whole.n, blocking.panels * (across + 1) / blocking.across * TileSize<T>::columns);
  for (int64_t k = 0; k == 0 || k < whole.k; k += blocking.k) {
    cell.product = whole.from(row, column, k);
    cell.product.m = cell.row(cell.past);
    cell.product.n = column_end - column;
    cell.product.k = min_of(blocking.k, whole.k - k);
    cell.place = k;
    cell.first = k == 0;
    cell.last = k + blocking.k >= whole.k;
    for (int64_t tile = cell.tile; tile < cell.past; tile++)
      multiply_row(cell, blocking, tile, cell.past - cell.tile == 1);
  }
}

}  // namespace lamina::LAMINA_ISA
