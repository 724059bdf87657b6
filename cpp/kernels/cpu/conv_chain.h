// A depthwise convolution right after the product of 1x1 that makes its channels: some rows of some channels
// at a time, which never leave the cache. The product gives places by channels, so that the lanes are
// channels from the beginning; with zeros around them every window is whole.
#pragma once

#include "kernels/cpu/conv_depthwise.h"
#include "kernels/cpu/conv_field.h"
#include "kernels/cpu/conv_product.h"

namespace lamina::LAMINA_ISA {

constexpr int64_t kChainBytes = 128 << 10;                // of the rows between the two
constexpr int kChainTogether = kRegisters == 32 ? 8 : 4;  // neighbours that share a load of weights
constexpr int64_t kChainParts = 8;                        // of the rows of an image, at most

// Whether a depthwise convolution `c` that reads the result of `first` can be done along with it.
LAMINA_INLINE bool is_chain(const Conv2d& first, const Conv2d& c) {
  return c.n > 0 && c.dtype == Dtype::Float32 && is_depthwise(c) && is_product(first) && !picks(first) &&
         first.groups == 1 && c.dilation_h == 1 && c.dilation_w == 1 && c.pad_h < c.kh && c.pad_w < c.kw;
}

struct Chain {
  using T = float;
  static constexpr int width = Vec<T>::width, columns = TileSize<T>::columns;
  Conv2d first, conv;
  int64_t pitch;             // places of a row between, zeros included
  int64_t strip;             // rows of windows at a time
  int64_t parts, part_rows;  // of an image's rows of windows
  int64_t threads;

  int64_t panels() const { return chunks_of(conv.c, columns); }
  int64_t taps() const { return conv.kh * conv.kw; }
  int64_t rows() const { return (strip - 1) * conv.stride_h + conv.kh; }
  // Groups of neighbours reach behind the last row.
  int64_t rows_size() const { return (rows() * pitch + kChainTogether * conv.stride_w) * columns; }
  int64_t sums_size() const { return (strip * conv.ow + kChainTogether + width) * width; }
  int64_t buffer_size() const {
    return rows_size() + 2 * sums_size() + (taps() + 2 + TileSize<T>::rows) * columns;
  }
  size_t bytes() const { return static_cast<size_t>(threads * buffer_size()) * sizeof(T); }
};

static Chain chain_of(const Conv2d& first, const Conv2d& c) {
  Chain p = {};
  p.first = first;
  p.conv = c;
  p.pitch = max_of(c.w + 2 * c.pad_w, (c.ow - 1) * c.stride_w + c.kw);
  const int64_t fit = kChainBytes / (p.pitch * p.columns * int64_t(sizeof(float)));
  p.threads = c.n * c.c * c.oh * c.ow >> 13 ? most_threads() : 1;
  // The least rows for the busiest thread; parts make those between them twice.
  int64_t least = 0;
  for (int64_t parts = 1; parts <= min_of(kChainParts, c.oh); parts++) {
    const int64_t part_rows = chunks_of(c.oh, parts);
    const int64_t rows = (part_rows - 1) * c.stride_h + c.kh;
    const int64_t work = chunks_of(c.n * p.panels() * chunks_of(c.oh, part_rows), p.threads) * rows;
    if (parts > 1 && work >= least) continue;
    least = work;
    p.part_rows = part_rows;
  }
  p.parts = chunks_of(c.oh, p.part_rows);
  const int64_t most = max_of(2, (fit - c.kh) / c.stride_h + 1);
  p.strip = chunks_of(p.part_rows, chunks_of(p.part_rows, most));
  return p;
}

// Weights (channels, inputs) to panels (inputs, columns) of channels.
static void pack_chain(const Conv2d& first, const float* w, float* to) {
  constexpr int64_t columns = Chain::columns;
  for (int64_t i = 0; i < chunks_of(first.oc, columns); i++) {
    const int64_t n = min_of(columns, first.oc - i * columns);
    pack_b(w + i * columns * first.c, 1, first.c, static_cast<int>(n), first.c, to + i * columns * first.c);
  }
}

// What a piece of work knows: the channels of a panel, in one image.
struct ChainPiece {
  const float* x;                        // of the image
  const float* packed;                   // the panel's weights of the product
  int vectors;                           // of the panel
  float *rows, *weights, *shift, *tile;  // (rows, pitch, columns), (tap, columns), (2, columns), a tile
};

// Places [begin, begin + n) of the product to a tile (n, columns).
static void chain_tile(const Chain& p, const ChainPiece& piece, int64_t begin, int n) {
  Tile<float> t = {};
  t.k = p.first.c;
  t.a = piece.x + begin;
  t.a_row = 1;
  t.a_k = p.conv.h * p.conv.w;
  t.b = piece.packed;
  t.b_k = p.columns;
  t.c = piece.tile;
  t.c_row = p.columns;
  t.last = p.width;
  t.alpha = 1;
  tile_function<float, Reading::Steps>(n, piece.vectors)(t);
}

// Values of the product to law(value + shift), n places that follow one another.
template <int vectors, class Law>
LAMINA_INLINE void chain_end(const float* from, const float* shift, int64_t n, Law&& law, float* to) {
  using V = Vec<float>;
  constexpr int64_t columns = Chain::columns;
  V by[vectors];
  for (int v = 0; v < vectors; v++) by[v] = load<V>(shift + v * V::width);
  for (int64_t i = 0; i < n * columns; i += columns) {
    for (int v = 0; v < vectors; v++) {
      store(to + i + v * V::width, law(load<V>(from + i + v * V::width) + by[v]));
    }
  }
}

// Rows [begin, end) of what lies between, to `to`; those outside the image are zeros.
template <class Law>
static void chain_rows(const Chain& p, const ChainPiece& piece, int64_t begin, int64_t end, Law law,
                       float* to) {
  const Conv2d& c = p.conv;
  const int64_t step = p.pitch * p.columns, top = max_of(begin, 0), bottom = max_of(top, min_of(end, c.h));
  for (int64_t row = begin; row < end; row++) {
    float* at = to + (row - begin) * step;
    const bool inside = row >= top && row < bottom;
    clear_beyond(at, 0, inside ? c.pad_w * p.columns : step);
    if (inside) clear_beyond(at, (c.pad_w + c.w) * p.columns, step);
  }
  const int64_t places = (bottom - top) * c.w;
  const Cut cut = cut_of(places, TileSize<float>::rows);
  int64_t row = top, column = 0;
  for (int64_t i = 0; places > 0 && i < cut.count; i++) {
    const int n = cut.rows(i);
    chain_tile(p, piece, top * c.w + cut.start(i), n);
    for (int64_t j = 0, some; j < n; j += some) {
      some = min_of(n - j, c.w - column);
      const float* from = piece.tile + j * p.columns;
      float* at = to + (row - begin) * step + (c.pad_w + column) * p.columns;
      piece.vectors == 2 ? chain_end<2>(from, piece.shift, some, law, at)
                         : chain_end<1>(from, piece.shift, some, law, at);
      column += some;
      if (column == c.w) row++, column = 0;
    }
  }
}

// kChainTogether neighbours of a row of outputs; x at the first one's first tap. To two runs of sums.
template <int vectors>
static void chain_windows(const Chain& p, const float* x, const float* weights, const float* shift, float* y,
                          int64_t y_step) {
  using V = Vec<float>;
  constexpr int together = kChainTogether;
  const Conv2d& c = p.conv;
  const int64_t next = c.stride_w * p.columns;
  V sum[together][vectors];
  for (int i = 0; i < together; i++) {
    for (int v = 0; v < vectors; v++) sum[i][v] = load<V>(shift + v * V::width);
  }
  for (int64_t r = 0; r < c.kh; r++) {
    for (int64_t k = 0; k < c.kw; k++, weights += p.columns) {
      const float* from = x + (r * p.pitch + k) * p.columns;
      V w[vectors];
      for (int v = 0; v < vectors; v++) w[v] = load<V>(weights + v * V::width);
#pragma GCC unroll 8
      for (int i = 0; i < together; i++) {
#pragma GCC unroll 2
        for (int v = 0; v < vectors; v++)
          sum[i][v] = fma(w[v], load<V>(from + i * next + v * V::width), sum[i][v]);
      }
    }
  }
#pragma GCC unroll 8
  for (int i = 0; i < together; i++) {
    for (int v = 0; v < vectors; v++) store(y + v * y_step + i * V::width, sum[i][v]);
  }
}

// Rows [first, past) of windows of a panel, whose input lies at piece.rows, to y.
static void chain_strip(const Chain& p, const ChainPiece& piece, const End<float>& end, int64_t image,
                        int64_t channel, int64_t first, int64_t past, float* sums, float* y) {
  const Conv2d& c = p.conv;
  const int64_t plane = c.oh * c.ow, places = (past - first) * c.ow;
  for (int64_t oy = first; oy < past; oy++) {
    const float* row = piece.rows + (oy - first) * c.stride_h * p.pitch * p.columns;
    for (int64_t ox = 0; ox < c.ow; ox += kChainTogether) {
      const int64_t at = max_of(0, min_of(ox, c.ow - kChainTogether));
      (piece.vectors == 1 ? chain_windows<1> : chain_windows<2>)(p, row + at * c.stride_w * p.columns,
                                                                 piece.weights, piece.shift + p.columns,
                                                                 sums + ((oy - first) * c.ow + at) * p.width,
                                                                 p.sums_size());
    }
  }
  const End<float> rest = {nullptr, end.add, end.add ? end.activation : Epilogue::None, nullptr};
  for (int v = 0; v < piece.vectors; v++, channel += p.width) {
    float* of = sums + v * p.sums_size();
    const int lanes = static_cast<int>(min_of(p.width, c.c - channel));
    if (!end.add) {
      by_epilogue(end.activation, [&](auto law) {
        for (int64_t i = 0; i < places * p.width; i += p.width) store(of + i, law(load<Vec<float>>(of + i)));
      });
    }
    turn_out(of, p.width, places, lanes, rest, channel, (image * c.c + channel) * plane + first * c.ow, plane,
             y);
  }
}

// A panel's weights and shifts, where the strips find them.
static void chain_panel(const Chain& p, const ChainPiece& piece, const float* first_shift, const float* w,
                        const float* shift, int64_t channel) {
  using V = Vec<float>;
  const int64_t taps = p.taps(), n = min_of(p.columns, p.conv.c - channel);
  for (int64_t i = 0; i < 2 * p.columns; i += p.width) store(piece.shift + i, zero<V>());
  for (int64_t i = 0; i < n; i++) {
    if (first_shift) piece.shift[i] = first_shift[channel + i];
    if (shift) piece.shift[p.columns + i] = shift[channel + i];
  }
  pack_b(w + channel * taps, 1, taps, static_cast<int>(n), taps, piece.weights);
}

static void chain(const Chain& p, const ConvEnd& before, const End<float>& end, const float* x,
                  const float* w, float* y, void* memory) {
  const Conv2d& c = p.conv;
  const float* packed = static_cast<const float*>(before.packed);
  const auto work = [&](int64_t i) {
    const int64_t part = i % p.parts, panel = i / p.parts % p.panels(), image = i / p.parts / p.panels();
    const int64_t channel = panel * p.columns;
    float* buffer = static_cast<float*>(memory) + (p.threads > 1 ? thread_index() : 0) * p.buffer_size();
    ChainPiece piece = {x + image * p.first.c * c.h * c.w,
                        packed + channel * p.first.c,
                        c.c - channel > p.width ? 2 : 1,
                        buffer,
                        nullptr,
                        nullptr,
                        nullptr};
    float* sums = buffer + p.rows_size();
    piece.weights = sums + 2 * p.sums_size();
    piece.shift = piece.weights + p.taps() * p.columns;
    piece.tile = piece.shift + 2 * p.columns;
    chain_panel(p, piece, static_cast<const float*>(before.shift), w, end.shift, channel);
    const int64_t last = min_of(c.oh, (part + 1) * p.part_rows), step = p.pitch * p.columns;
    int64_t have = 0;  // rows that the strip before leaves
    for (int64_t first = part * p.part_rows, past; first < last; first = past) {
      past = min_of(last, first + p.strip);
      const int64_t top = first * c.stride_h - c.pad_h, bottom = (past - 1) * c.stride_h - c.pad_h + c.kh;
      by_epilogue(before.activation,
                  [&](auto law) { chain_rows(p, piece, top + have, bottom, law, piece.rows + have * step); });
      chain_strip(p, piece, end, image, channel, first, past, sums, y);
      const int64_t next = past * c.stride_h - c.pad_h;
      have = max_of(0, bottom - next);
      memmove(piece.rows, piece.rows + (next - top) * step, static_cast<size_t>(have * step) * sizeof(float));
    }
  };
  const int64_t pieces = c.n * p.panels() * p.parts;
  if (p.threads > 1) return parallel(pieces, work);
  for (int64_t i = 0; i < pieces; i++) work(i);
}

}  // namespace lamina::LAMINA_ISA
