// The gradient of 3x3 weights by Winograd's tiles: the transpose of winograd.h. At each of the 36 points it
// is a product, over all tiles, of the gradient's channels and the input's. Tiles are cut into parts by the
// shape alone, whose sums are added in order.
#pragma once

#include "kernels/cpu/winograd.h"

namespace lamina::LAMINA_ISA {

constexpr int64_t kGradientChannels = 64;  // of both sides, at a time
constexpr int64_t kGradientTiles = 56;     // at a time, but for wide images

template <class T>
struct WinogradWeight {
  Tiling x, g;
  int64_t parts;  // of the lines of tiles
  int64_t lines;  // at a time
  int64_t threads;

  static constexpr int64_t taps = kTaps * kTaps;
  int64_t across() const { return chunks_of(x.channels, kGradientChannels); }
  int64_t pieces() const { return parts * across() * chunks_of(g.channels, kGradientChannels); }
  int64_t size() const { return g.channels * x.channels * taps; }
  int64_t step() const { return lines * x.across * kGradientChannels + 16; }
  int64_t sum_step() const { return kGradientChannels * kGradientChannels + 16; }
  int64_t line_size() const { return x.pitch() * kPoints * Vec<T>::width; }
  int64_t buffer_size() const { return kSquare * (2 * step() + sum_step()) + line_size(); }
  size_t bytes() const {
    return static_cast<size_t>((parts > 1 ? parts * size() : 0) + threads * buffer_size()) * sizeof(T);
  }
};

template <class T>
static WinogradWeight<T> winograd_weight_of(const Conv2d& c) {
  WinogradWeight<T> p = {};
  const int64_t down = chunks_of(c.oh, kTilePlaces), across = chunks_of(c.ow, kTilePlaces);
  p.x = {c.n, c.c, c.h, c.w, c.pad_h, c.pad_w, down, across};
  p.g = {c.n, c.oc, c.oh, c.ow, 0, 0, down, across};
  p.parts = 1;
  p.parts = max_of(1, min_of(p.x.lines(), 8 / p.pieces()));
  p.lines = max_of(1, min_of(chunks_of(p.x.lines(), p.parts), kGradientTiles / across));
  p.threads = most_threads();
  return p;
}

// Sums at the points, (output, channel), to taps of (output, channel, tap) of which rows are `row` apart.
template <class T>
static bool deliver_taps(const WinogradWeight<T>& p, const T* sums, int64_t outputs, int64_t channels,
                         T* dw) {
  using V = Vec<T>;
  constexpr int width = V::width, step = kBlockColumns<V>, taps = kTaps * kTaps;
  alignas(64) T some[(taps + width - 1) / width * width * width] = {};
  V rest = zero<V>();
  for (int64_t o = 0; o < outputs; o++) {
    for (int64_t c = 0; c < channels; c += width) {
      const T* from = sums + o * kGradientChannels + c;
      along_both<V, kPoints, kTaps>(
          taps_of_points<V>,
          [&](int row, int column) { return load<V>(from + (row * kPoints + column) * p.sum_step()); },
          [&](int row, int column, V value) {
            rest = fma(value, zero<V>(), rest);
            store(some + (row * kTaps + column) * width, value);
          });
      T* to = dw + (o * p.x.channels + c) * taps;
      for (int tap = 0; tap < taps; tap += width) {
        const int n = static_cast<int>(min_of(width, taps - tap));
        for (int lane = 0; lane < width; lane += step) {
          V column[step];
          load_columns(some + tap * width + lane, width, column);
          for (int j = 0; j < step; j++) store_n(to + (lane + j) * taps + tap, column[j], n);
        }
      }
    }
  }
  return !any(isnan(rest));
}

// One part of the lines, for some outputs and some channels, to dw at the first of both.
template <class T>
static bool add_points(const WinogradWeight<T>& p, int64_t part, int64_t output, int64_t channel, const T* g,
                       const T* x, T* dw, T* buffer) {
  constexpr int width = Vec<T>::width, columns = TileSize<T>::columns;
  const int64_t outputs = min_of(kGradientChannels, p.g.channels - output);
  const int64_t channels = min_of(kGradientChannels, p.x.channels - channel);
  T *of_x = buffer, *of_g = of_x + kSquare * p.step(), *sums = of_g + kSquare * p.step();
  T* line_buffer = sums + kSquare * p.sum_step();
  const int64_t first = p.x.lines() * part / p.parts, last = p.x.lines() * (part + 1) / p.parts;
  const Cut cut = cut_of(outputs, TileSize<T>::rows);
  Tile<T> t = {};
  t.a_row = 1;
  t.a_k = t.b_k = t.c_row = kGradientChannels;
  t.last = width;
  t.alpha = T(1);
  for (int64_t line = first; line < last; line += p.lines) {
    const int64_t lines = min_of(p.lines, last - line);
    for (int64_t c = 0; c < channels; c += width) {
      tiles_to_points<T, kPoints>(p.x, x + (channel + c) * p.x.height * p.x.width, line, lines, line_buffer,
                                  of_x + c, kGradientChannels, p.step());
    }
    for (int64_t o = 0; o < outputs; o += width) {
      tiles_to_points<T, kTilePlaces>(p.g, g + (output + o) * p.g.height * p.g.width, line, lines,
                                      line_buffer, of_g + o, kGradientChannels, p.step());
    }
    t.k = lines * p.x.across;
    t.beta = line == first ? T(0) : T(1);
    for (int64_t i = 0; i < kSquare; i++) {
      for (int64_t c = 0; c < channels; c += columns) {
        const int vectors = channels - c > width ? 2 : 1;
        t.b = of_x + i * p.step() + c;
        for (int64_t j = 0; j < cut.count; j++) {
          t.a = of_g + i * p.step() + cut.start(j);
          t.c = sums + i * p.sum_step() + cut.start(j) * kGradientChannels + c;
          tile_function<T, Reading::Steps>(cut.rows(j), vectors)(t);
        }
      }
    }
  }
  return deliver_taps(p, sums, outputs, channels, dw + (output * p.x.channels + channel) * p.taps);
}

// Whether the result is as good as that of the plain way.
template <class T>
static bool winograd_weight(const WinogradWeight<T>& p, const T* g, const T* x, T* dw, void* memory) {
  T* sums = static_cast<T*>(memory);
  T* buffers = sums + (p.parts > 1 ? p.parts * p.size() : 0);
  int finite = 1;
  parallel(p.pieces(), [&](int64_t i) {
    const int64_t part = i % p.parts, channel = i / p.parts % p.across(), output = i / p.parts / p.across();
    if (!add_points(p, part, output * kGradientChannels, channel * kGradientChannels, g, x,
                    p.parts > 1 ? sums + part * p.size() : dw, buffers + thread_index() * p.buffer_size()))
      __atomic_store_n(&finite, 0, __ATOMIC_RELAXED);
  });
  if (p.parts > 1) {
    parallel_range(p.size(), kGrain, [&](int64_t begin, int64_t end) {
      for_vectors<Vec<T>>(end - begin, [&](int64_t i, auto lanes) {
        const T* from = sums + begin + i;
        Vec<T> total = get_lanes(from, lanes);
        for (int64_t part = 1; part < p.parts; part++) total += get_lanes(from + part * p.size(), lanes);
        put_lanes(dw + begin + i, total, lanes);
      });
    });
  }
  return finite != 0;
}

}  // namespace lamina::LAMINA_ISA
