// What a correlation does with one patch: windows of one class within a strip of an image, against the output
// channels of one tile. The sums go straight to the output where its rows allow it, else through a lane of
// their own.
#pragma once

#include "kernels/cpu/gemm_tile.h"

namespace lamina::LAMINA_ISA {

// So few output channels are done in runs of more vectors than gemm's tile has: there are no further rows to
// hide latency behind.
constexpr int64_t kRunRows = 3, kRunVectors = 8;
// What copying sums to the output costs, as places along k.
constexpr int64_t kDeliverDeep = 48;

// One class within one strip of one image, for the output channels of one tile.
template <class T>
struct Patch {
  int64_t rows, columns;  // windows
  const T* field;         // at the first window
  T* to;                  // where the first output of the first window goes
  int64_t to_row, to_column, to_channel;

  int64_t places(int64_t pitch) const { return (rows - 1) * pitch + columns; }
  // The places of all rows follow one another in the output as they do in the field.
  bool dense(int64_t pitch) const { return columns == pitch && to_column == 1 && to_row == pitch; }
  // Whether a row of windows at a time goes straight to the output: the vectors left unfilled at its end, of
  // which a single one takes two thirds of the time of two, must cost less than copying the sums.
  bool by_rows(int64_t pitch, int64_t depth) const {
    constexpr int64_t width = Vec<T>::width, tile_columns = TileSize<T>::columns;
    const int64_t left = columns % tile_columns;
    const int64_t thirds = columns / tile_columns * 6 + (left > width ? 6 : left > 0 ? 4 : 0);
    return to_column == 1 && thirds * width * depth <= 3 * pitch * (depth + kDeliverDeep);
  }
};

// From sums (outputs, lane), which keep the field's pitch, to the output.
template <class T>
static void deliver(const Patch<T>& patch, int64_t pitch, int outputs, const T* sums, int64_t lane) {
  using V = Vec<T>;
  for (int o = 0; o < outputs; o++) {
    T* to = patch.to + o * patch.to_channel;
    // Where rows follow one another, whole vectors may reach into the next row, which is written afterwards.
    const T* end =
        to + (patch.to_column == 1 && patch.to_row == patch.columns ? patch.rows * patch.columns : 0);
    for (int64_t row = 0; row < patch.rows; row++, to += patch.to_row) {
      const T* from = sums + o * lane + row * pitch;
      for (int64_t i = 0; i < patch.columns; i += V::width) {
        const int n = static_cast<int>(min_of(V::width, patch.columns - i));
        const V value = load<V>(from + i);
        if (to + i + V::width <= end) {
          store(to + i, value);
        } else if (patch.to_column == 1) {
          store_n(to + i, value, n);
        } else {
          alignas(64) T some[V::width];
          store(some, value);
          for (int j = 0; j < n; j++) to[(i + j) * patch.to_column] = some[j];
        }
      }
    }
  }
}

// All windows of a patch against some k, for at most kRunRows output channels, into sums (rows, lane).
template <class T, int rows>
static void correlate_run(const Tile<T>& tile, int64_t places, T* sums, int64_t lane) {
  using V = Vec<T>;
  constexpr int vectors = rows == 1 || kRegisters == 32 ? kRunVectors : kRunVectors / 2;
  for (int64_t begin = 0; begin < places; begin += vectors * V::width) {
    V sum[rows][vectors];
    for (int r = 0; r < rows; r++) {
      for (int v = 0; v < vectors; v++)
        sum[r][v] = tile.beta == T(0) ? zero<V>() : load<V>(sums + r * lane + begin + v * V::width);
    }
    for (int64_t p = 0; p < tile.k; p++) {
      const T* b = tile.b + tile.list[p] + begin;
      V weight[rows];
      for (int r = 0; r < rows; r++) weight[r] = set<V>(tile.a[p * rows + r]);
#pragma GCC unroll 8
      for (int v = 0; v < vectors; v++) {
        const V seen = held(load<V>(b + v * V::width));
#pragma GCC unroll 4
        for (int r = 0; r < rows; r++) sum[r][v] = fma(weight[r], seen, sum[r][v]);
      }
    }
    for (int r = 0; r < rows; r++) {
      for (int v = 0; v < vectors; v++) store(sums + r * lane + begin + v * V::width, sum[r][v]);
    }
  }
}

// All windows of a patch against some k: into sums, or where `direct` right to the output.
template <class T>
static void correlate_patch(Tile<T> tile, const Patch<T>& patch, int64_t pitch, int rows, bool direct,
                            T* sums, int64_t lane) {
  constexpr int width = Vec<T>::width, tile_columns = TileSize<T>::columns;
  tile.b = patch.field;
  if (rows <= kRunRows && !direct) {
    static_assert(kRunRows == 3);
    return (rows == 1   ? correlate_run<T, 1>
            : rows == 2 ? correlate_run<T, 2>
                        : correlate_run<T, 3>)(tile, patch.places(pitch), sums, lane);
  }
  const TileFunction<T> narrow = tile_function<T, Reading::ListedB>(rows, 1);
  const TileFunction<T> whole = tile_function<T, Reading::ListedB>(rows, 2);
  const bool in_rows = direct && !patch.dense(pitch);
  tile.c_row = direct ? patch.to_channel : lane;
  for (int64_t row = 0; row < (in_rows ? patch.rows : 1); row++) {
    tile.b = patch.field + row * pitch;
    tile.c = direct ? patch.to + row * patch.to_row : sums;
    for (int64_t left = in_rows ? patch.columns : patch.places(pitch); left > 0; left -= tile_columns) {
      tile.last =
          !direct || left >= tile_columns ? width : static_cast<int>(left > width ? left - width : left);
      (left > width ? whole : narrow)(tile);
      tile.b += tile_columns;
      tile.c += tile_columns;
    }
  }
}

}  // namespace lamina::LAMINA_ISA
