// Products of bfloat16 on the CPU's own units for them (simd/bfloat.h). c is cut into cells, cells into
// squares of kSquare; a and b are packed into tiles of 16 rows by 32 numbers along k, b in pairs along k.
// Each value of c is one chain along k, cut by its length alone.
#pragma once

#include "kernels/cpu/gemm_problem.h"
#include "simd/bfloat.h"

namespace lamina::LAMINA_ISA {

constexpr int64_t kSquare = 32;            // rows and columns of c, and numbers along k of a tile
constexpr int64_t kTileNumbers = 16 * 32;  // of a tile; two lie behind each other for a square
constexpr int64_t kDepth = 1024;           // of a block along k
constexpr int64_t kCellRows = 256, kCellColumns = 256;

#if defined(__AVX512BW__)

struct BFloatCells {
  int64_t rows, columns;  // of a cell
  int64_t down, across;
};
static BFloatCells bfloat_cells(const Product<BFloat16>& p, int64_t batch) {
  BFloatCells c = {kCellRows, kCellColumns, 0, 0};
  // Smaller cells where there would be too few; what a value is does not depend on it.
  while (c.rows > 2 * kSquare &&
         batch * chunks_of(p.m, c.rows) * chunks_of(p.n, c.columns) < 4 * most_threads()) {
    c.rows /= 2;
    c.columns /= 2;
  }
  c.down = chunks_of(p.m, c.rows);
  c.across = chunks_of(p.n, c.columns);
  return c;
}
struct BFloatScratch {
  float* sums;      // (cell rows, cell columns), square by square
  BFloat16 *a, *b;  // (squares, steps, 2 tiles)
  static constexpr size_t bytes = kCellRows * kCellColumns * 4 + (kCellRows + kCellColumns) * kDepth * 2;

  explicit BFloatScratch(char* memory)
      : sums(reinterpret_cast<float*>(memory)),
        a(reinterpret_cast<BFloat16*>(memory + kCellRows * kCellColumns * 4)),
        b(a + kCellRows * kDepth) {}
};

// Turns 16 x 16 pairs.
LAMINA_INLINE void turn_pairs(const BFloat16* from, BFloat16* to) {
  const float* p = reinterpret_cast<const float*>(from);
  float* q = reinterpret_cast<float*>(to);
  for (int i = 0; i < 16; i += 4) {
    F32 column[4];
    load_columns(p + i, 16, column);
    for (int j = 0; j < 4; j++) store(q + (i + j) * 16, column[j]);
  }
}

// A tile of 16 lines of 32 numbers along k: line i and place p lie at i * line + p * k. `lines` and `depth`
// of them are real, the rest 0. In pairs: turned, so that a row holds the same two places of all lines.
static void pack_tile(const BFloat16* x, int64_t line, int64_t k, int64_t lines, int64_t depth, bool pairs,
                      BFloat16* to) {
  alignas(64) BFloat16 turned[kTileNumbers];
  const bool whole = lines == 16 && depth == kSquare;
  if (whole && k == 1) {
    BFloat16* rows = pairs ? turned : to;
    for (int64_t i = 0; i < 16; i++) memcpy(rows + i * kSquare, x + i * line, 64);
    if (pairs) turn_pairs(turned, to);
  } else if (whole && line == 1) {
    BFloat16* rows = pairs ? to : turned;
    for (int64_t p = 0; p < kSquare; p += 2) store_pairs(rows + p * 16, x + p * k, x + (p + 1) * k);
    if (!pairs) turn_pairs(turned, to);
  } else {
    memset(static_cast<void*>(to), 0, kTileNumbers * 2);
    for (int64_t i = 0; i < lines; i++) {
      for (int64_t p = 0; p < depth; p++)
        to[pairs ? p / 2 * kSquare + 2 * i + p % 2 : i * kSquare + p] = x[i * line + p * k];
    }
  }
}
// Lines of a block along k: (squares, steps, 2 tiles).
static void pack_lines(const BFloat16* x, int64_t line, int64_t k, int64_t lines, int64_t depth, bool pairs,
                       BFloat16* to) {
  const int64_t steps = chunks_of(depth, kSquare);
  for (int64_t i = 0; i < chunks_of(lines, kSquare) * kSquare; i += 16) {
    for (int64_t s = 0; s < steps; s++) {
      BFloat16* tile = to + ((i / kSquare * steps + s) * 2 + i / 16 % 2) * kTileNumbers;
      pack_tile(x + i * line + s * kSquare * k, line, k, max_of(0, min_of(16, lines - i)),
                min_of(kSquare, depth - s * kSquare), pairs, tile);
    }
  }
}

// The same as multiply_tiles, by dot products of pairs.
static void multiply_dots(const BFloat16* a, const BFloat16* b, int64_t steps, float* c) {
  constexpr int rows = 8;
  for (int64_t i = 0; i < kSquare; i += rows) {
    F32 sum[rows][2];
    for (int r = 0; r < rows; r++) {
      for (int v = 0; v < 2; v++) sum[r][v] = load<F32>(c + (i + r) * kSquare + v * 16);
    }
    for (int64_t s = 0; s < steps; s++) {
      const BFloat16 *rows_a = a + (s * 2 + i / 16) * kTileNumbers + i % 16 * kSquare,
                     *tiles = b + s * 2 * kTileNumbers;
      for (int64_t p = 0; p < 16; p++) {
        I32 pairs[2];
        for (int v = 0; v < 2; v++) memcpy(&pairs[v], tiles + v * kTileNumbers + p * kSquare, sizeof(I32));
        for (int r = 0; r < rows; r++) {
          int32_t pair;
          memcpy(&pair, rows_a + r * kSquare + 2 * p, 4);
          for (int v = 0; v < 2; v++) sum[r][v] = dot_pairs(sum[r][v], set<I32>(pair), pairs[v]);
        }
      }
    }
    for (int r = 0; r < rows; r++) {
      for (int v = 0; v < 2; v++) store(c + (i + r) * kSquare + v * 16, sum[r][v]);
    }
  }
}

// A square of sums to c.
static void finish_square(const Product<BFloat16>& p, float* sums, int64_t row, int64_t column, int64_t rows,
                          int64_t columns) {
  const bool activates = p.epilogue != Epilogue::None;
  for (int64_t i = 0; i < rows; i++) {
    BFloat16* c = p.c + (row + i) * p.c_row + column * p.c_column;
    float* line = sums + i * kSquare;
    const F32 row_bias = set<F32>(p.row_bias ? value_of(p.row_bias[row + i]) : 0.0f);
    for_vectors<F32>(columns, [&](int64_t j, auto lanes) {
      F32 v = fma(load<F32>(line + j), set<F32>(p.alpha), row_bias);
      if (p.column_bias) v += get_lanes(p.column_bias + column + j, lanes);
      if (p.beta != 0) {
        alignas(64) float old[F32::width];
        for (int64_t q = 0; q < lanes; q++) old[q] = value_of(c[(j + q) * p.c_column]);
        v = fma(set<F32>(p.beta), load_n<F32>(old, static_cast<int>(lanes)), v);
      }
      if (p.epilogue == Epilogue::Relu) v = max(zero<F32>(), v);
      if (p.c_column == 1 && !(activates && p.epilogue > Epilogue::Relu)) return put_lanes(c + j, v, lanes);
      store(line + j, v);
      if (p.epilogue > Epilogue::Relu) activate(p.epilogue, line + j, 0, 1, lanes);
      for (int64_t q = 0; q < lanes; q++) c[(j + q) * p.c_column] = element_of<BFloat16>(line[j + q]);
    });
  }
}

static void multiply_bfloat_cell(const Product<BFloat16>& p, BFloatUnit unit, const BFloatCells& cells,
                                 int64_t index, const BFloatScratch& w) {
  const int64_t row = index % cells.down * cells.rows, column = index / cells.down * cells.columns;
  const int64_t rows = min_of(cells.rows, p.m - row), columns = min_of(cells.columns, p.n - column);
  const int64_t down = chunks_of(rows, kSquare), across = chunks_of(columns, kSquare);
  constexpr int64_t square = kSquare * kSquare;
  memset(w.sums, 0, static_cast<size_t>(down * across * square) * 4);
  if (unit == BFloatUnit::Tiles) tiles_begin();
  for (int64_t k = 0; k < p.k; k += kDepth) {
    const int64_t depth = min_of(kDepth, p.k - k), steps = chunks_of(depth, kSquare);
    pack_lines(p.a + row * p.a_row + k * p.a_k, p.a_row, p.a_k, rows, depth, false, w.a);
    pack_lines(p.b + column * p.b_column + k * p.b_k, p.b_column, p.b_k, columns, depth, true, w.b);
    for (int64_t j = 0; j < across; j++) {
      for (int64_t i = 0; i < down; i++) {
        const BFloat16 *a = w.a + i * steps * 2 * kTileNumbers, *b = w.b + j * steps * 2 * kTileNumbers;
        float* c = w.sums + (i * across + j) * square;
        if (unit == BFloatUnit::Tiles) {
          multiply_tiles(a, b, steps, c);
        } else {
          multiply_dots(a, b, steps, c);
        }
      }
    }
  }
  if (unit == BFloatUnit::Tiles) tiles_end();
  for (int64_t i = 0; i < down; i++) {
    for (int64_t j = 0; j < across; j++) {
      finish_square(p, w.sums + (i * across + j) * square, row + i * kSquare, column + j * kSquare,
                    min_of(kSquare, rows - i * kSquare), min_of(kSquare, columns - j * kSquare));
    }
  }
}

static BFloatUnit bfloat_unit() {
  static int known = -1;
  int unit = __atomic_load_n(&known, __ATOMIC_RELAXED);
  if (unit < 0) {
    unit = static_cast<int>(find_bfloat_unit());
    __atomic_store_n(&known, unit, __ATOMIC_RELAXED);
  }
  return static_cast<BFloatUnit>(unit);
}

// Thin products are bound by reading b, and tiny ones by packing.
static bool takes_bfloat(const Gemm& g) {
  const int64_t least = min_of(g.m, g.n);
  return !g.add && least >= 8 && g.k >= 16 && g.m * g.n * g.k >= 1 << 15 && bfloat_unit() != BFloatUnit::None;
}
static size_t bfloat_scratch(const Gemm& g) {
  const Product<BFloat16> p = product_of<BFloat16>(g);
  const BFloatCells cells = bfloat_cells(p, g.batch);
  return static_cast<size_t>(min_of(most_threads(), g.batch * cells.down * cells.across)) *
         BFloatScratch::bytes;
}
static void multiply_bfloat(const Gemm& g, void* scratch) {
  const Product<BFloat16> p = product_of<BFloat16>(g);
  const BFloatCells cells = bfloat_cells(p, g.batch);
  const int64_t each = cells.down * cells.across;
  parallel(g.batch * each, [&](int64_t job) {
    char* own = static_cast<char*>(scratch) + static_cast<size_t>(thread_index()) * BFloatScratch::bytes;
    multiply_bfloat_cell(p.at(job / each), bfloat_unit(), cells, job % each, BFloatScratch(own));
  });
}

#else

static bool takes_bfloat(const Gemm&) { return false; }
static size_t bfloat_scratch(const Gemm&) { return 0; }
static void multiply_bfloat(const Gemm&, void*) {}

#endif

}  // namespace lamina::LAMINA_ISA
