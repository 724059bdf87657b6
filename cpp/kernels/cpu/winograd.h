// Convolution by Winograd's F(4x4, 3x3), and the way back to its input, which is the same with other weights.
// Every one of the 36 points is a matrix product of tiles by channels and weights: a quarter of the
// multiplications. A thread keeps a block of tiles in its second-level cache from the input to the output.
// Weights at the points are four times as large: where they leave that cache, computing them again is
// cheaper.
#pragma once

#include "kernels/cpu/conv_end.h"
#include "kernels/cpu/winograd_tile.h"

namespace lamina::LAMINA_ISA {

constexpr int64_t kWinogradTiles = 128;      // of a block, at most, but for wide images
constexpr int64_t kWinogradBytes = 5 << 18;  // of a block, at all points; or of weights that are kept
constexpr int64_t kWinogradDepth = 64;       // channels at a time
constexpr int64_t kWeightTiles = 3;          // bringing weights to the points costs as much as so many tiles

template <class T>
struct Winograd {
  Tiling in;
  int64_t outputs, out_h, out_w;
  int64_t output_step, channel_step;  // of the weights
  bool backward;
  bool keeps;            // all weights at the points; else they are brought there for each block again
  int64_t depth;         // channels at a time
  int64_t lines, parts;  // lines of tiles in a block; parts of the outputs
  int64_t threads;

  static constexpr int columns = TileSize<T>::columns;
  int64_t tiles() const { return lines * in.across; }
  int64_t blocks() const { return chunks_of(in.lines(), lines); }
  int64_t panels() const { return chunks_of(outputs, columns); }
  int64_t part_panels() const { return chunks_of(panels(), parts); }
  int64_t out_row() const { return part_panels() * columns; }
  // A line more than the values at a point: points a power of two apart would fight for the same lines of the
  // cache.
  int64_t in_step() const { return tiles() * depth + 16; }
  int64_t out_step() const { return tiles() * out_row() + 16; }
  int64_t weight_step() const { return depth * columns + 16; }
  int64_t weight_size() const { return kSquare * weight_step(); }  // of a panel and `depth` channels
  int64_t kept_size() const { return keeps ? panels() * chunks_of(in.channels, depth) * weight_size() : 0; }
  int64_t line_size() const {
    return chunks_of(in.pitch() + Vec<T>::width, 16) * 16 * kPoints * Vec<T>::width;
  }
  int64_t buffer_size() const {
    return kSquare * (in_step() + out_step()) + line_size() + (keeps ? 0 : weight_size());
  }
  size_t bytes() const { return static_cast<size_t>(kept_size() + threads * buffer_size()) * sizeof(T); }

  // About how many cycles a thread takes.
  double cost() const {
    const double rows = double(tiles() + cut_of(tiles(), TileSize<T>::rows).count);
    const double part = double(part_panels()), channels = double(in.channels);
    const double multiply = kSquare * channels * part * rows;
    const double turn = 110.0 * double(tiles()) * (channels / Vec<T>::width + 2 * part);
    const double weights = keeps ? 0 : channels * part * 6 * columns;
    const bool spills = buffer_size() * int64_t(sizeof(T)) > kWinogradBytes;
    return (multiply * (spills ? 1.3 : 1) + turn + weights) * double(chunks_of(blocks() * parts, threads));
  }
};

// Whether it pays: the same answer for any number of threads.
LAMINA_INLINE bool is_winograd(const Conv2d& c) {
  if (c.dtype != Dtype::Float32 || c.groups != 1 || c.kh != 3 || c.kw != 3 || c.stride_h != 1 ||
      c.stride_w != 1 || c.dilation_h != 1 || c.dilation_w != 1 || c.pad_h > 2 || c.pad_w > 2)
    return false;
  if (c.c % 16 != 0 || c.oc % 16 != 0) return false;
  const int64_t tiles = c.n * chunks_of(c.oh, kTilePlaces) * chunks_of(c.ow, kTilePlaces);
  // The other way multiplies 32 places at a time, those between the rows included.
  const int64_t places = c.n * chunks_of((c.oh - 1) * (c.ow + kTaps - 1) + c.ow, 32) * 32;
  return kSquare * (tiles + kWeightTiles) < kTaps * kTaps * places;
}

template <class T>
static Winograd<T> winograd_of(const Conv2d& c, bool backward) {
  Winograd<T> p = {};
  p.backward = backward;
  p.outputs = backward ? c.c : c.oc;
  p.out_h = backward ? c.h : c.oh;
  p.out_w = backward ? c.w : c.ow;
  p.in = {c.n,
          backward ? c.oc : c.c,
          backward ? c.oh : c.h,
          backward ? c.ow : c.w,
          backward ? 2 - c.pad_h : c.pad_h,
          backward ? 2 - c.pad_w : c.pad_w,
          chunks_of(p.out_h, kTilePlaces),
          chunks_of(p.out_w, kTilePlaces)};
  p.output_step = (backward ? 1 : c.c) * kTaps * kTaps;
  p.channel_step = (backward ? c.c : 1) * kTaps * kTaps;
  p.depth = min_of(p.in.channels, kWinogradDepth);
  p.keeps = kSquare * c.c * c.oc * int64_t(sizeof(T)) <= kWinogradBytes;
  p.threads = most_threads();
  Winograd<T> best = {};
  for (p.lines = 1; p.lines == 1 || (p.lines <= p.in.lines() && p.tiles() <= kWinogradTiles); p.lines++) {
    for (p.parts = 1; p.parts <= p.panels(); p.parts *= 2) {
      if (best.lines == 0 || p.cost() < best.cost()) best = p;
    }
  }
  return best;
}

// Weights of a panel of outputs and channels [begin, end) at the points, to (point, channel, column).
template <class T>
static void bring_weights(const Winograd<T>& p, const T* w, int64_t panel, int64_t begin, int64_t end,
                          T* to) {
  using V = Vec<T>;
  constexpr int width = V::width, step = kBlockColumns<V>, taps = kTaps * kTaps;
  for (int64_t o = panel * p.columns; o < min_of(p.outputs, (panel + 1) * p.columns); o += width) {
    for (int64_t channel = begin; channel < end; channel++) {
      // Columns of the last read overlap those before, so that nothing behind the weights is read.
      const T* from = w + o * p.output_step + channel * p.channel_step;
      V tap[taps];
      for (int i = 0; i < taps; i += step) {
        V column[step];
        const int first = i + step <= taps ? i : taps - step;
        load_columns(from + first, p.output_step, column);
        for (int j = 0; j < step; j++) tap[first + j] = column[j];
      }
      T* at = to + (channel - begin) * p.columns + o % p.columns;
      along_both<V, kTaps, kPoints>(
          points_of_taps<V>,
          [&](int r, int c) { return p.backward ? tap[taps - 1 - r * kTaps - c] : tap[r * kTaps + c]; },
          [&](int r, int c, V value) { store(at + (r * kPoints + c) * p.weight_step(), value); });
    }
  }
}

// Tiles (tile, channel) times weights of a panel at each point, to (tile, output).
template <class T>
static void multiply_points(const Winograd<T>& p, const T* in, const T* weights, int64_t tiles, int64_t depth,
                            bool first, int vectors, T* out) {
  const Cut cut = cut_of(tiles, TileSize<T>::rows);
  Tile<T> t = {};
  t.k = depth;
  t.a_row = p.depth;
  t.a_k = 1;
  t.b_k = p.columns;
  t.c_row = p.out_row();
  t.last = Vec<T>::width;
  t.alpha = T(1);
  t.beta = first ? T(0) : T(1);
  for (int64_t i = 0; i < kSquare; i++) {
    t.b = weights + i * p.weight_step();
    for (int64_t j = 0; j < cut.count; j++) {
      const int rows = cut.rows(j);
      t.a = in + i * p.in_step() + cut.start(j) * p.depth;
      t.c = out + i * p.out_step() + cut.start(j) * p.out_row();
      tile_function<T, Reading::Steps>(rows, vectors)(t);
    }
  }
}

// Outputs [first, first + lanes) of some lines of tiles from the points' products. Returns whether all are
// finite.
template <class T>
static bool deliver_tiles(const Winograd<T>& p, const T* points, int64_t line, int64_t lines, int64_t first,
                          const End<T>& end, T* buffer, T* y) {
  using V = Vec<T>;
  constexpr int width = V::width, step = kBlockColumns<V>;
  const int64_t plane = p.out_h * p.out_w, pitch = p.line_size() / kPoints / width;
  V rest = zero<V>();
  for (int64_t i = line; i < line + lines; i++) {
    for (int64_t k = 0; k < p.in.across; k++, points += p.out_row()) {
      T* to = buffer + k * kTilePlaces * width;
      along_both<V, kPoints, kTilePlaces>(
          output_of_points<V>,
          [&](int r, int c) { return load<V>(points + (r * kPoints + c) * p.out_step()); },
          [&](int r, int c, V value) { store(to + (r * pitch + c) * width, value); });
    }
    const int64_t top = i % p.in.down * kTilePlaces;
    for (int64_t r = 0; r < min_of(kTilePlaces, p.out_h - top); r++) {
      const int64_t start = (i / p.in.down * p.outputs + first) * plane + (top + r) * p.out_w;
      for (int64_t x = 0; x < p.out_w; x += width) {
        const int64_t n = min_of(width, p.out_w - x);
        for (int lane = 0; lane < width; lane += step) {
          V column[step];
          load_columns(buffer + (r * pitch + x) * width + lane, width, column);
          for (int j = 0; j < step; j++) {
            const int64_t at = start + (lane + j) * plane + x;
            rest = fma(first_lanes(column[j], zero<V>(), n), zero<V>(), rest);
            const V value = end_of(end, column[j], first + lane + j, at, n);
            n == width ? store(y + at, value) : put_n(y + at, value, n);
          }
        }
      }
      if (end.activation > Epilogue::Relu) activate(end.activation, y + start, plane, width, p.out_w);
    }
  }
  return !any(isnan(rest));
}

// Whether the result is as good as that of the plain way: where something is not finite, tiles spread it.
template <class T>
static bool winograd(const Winograd<T>& p, const T* x, const T* w, const End<T>& end, T* y, void* memory) {
  constexpr int width = Vec<T>::width;
  const int64_t steps = chunks_of(p.in.channels, p.depth);
  T *kept = static_cast<T*>(memory), *buffers = kept + p.kept_size();
  if (p.keeps) {
    parallel(p.panels() * steps, [&](int64_t i) {
      const int64_t channel = i % steps * p.depth;
      bring_weights(p, w, i / steps, channel, min_of(p.in.channels, channel + p.depth),
                    kept + i * p.weight_size());
    });
  }
  int finite = 1;
  parallel(p.blocks() * p.parts, [&](int64_t i) {
    const int64_t line = i / p.parts * p.lines, lines = min_of(p.lines, p.in.lines() - line);
    const int64_t first = i % p.parts * p.part_panels(), last = min_of(p.panels(), first + p.part_panels());
    T* in = buffers + thread_index() * p.buffer_size();
    T* out = in + kSquare * p.in_step();
    T* buffer = out + kSquare * p.out_step();
    T* brought = buffer + p.line_size();
    for (int64_t step = 0; step < steps; step++) {
      const int64_t begin = step * p.depth, past = min_of(p.in.channels, begin + p.depth);
      for (int64_t channel = begin; channel < past; channel += width) {
        tiles_to_points<T, kPoints>(p.in, x + channel * p.in.height * p.in.width, line, lines, buffer,
                                    in + channel - begin, p.depth, p.in_step());
      }
      for (int64_t panel = first; panel < last; panel++) {
        if (!p.keeps) bring_weights(p, w, panel, begin, past, brought);
        multiply_points(p, in, p.keeps ? kept + (panel * steps + step) * p.weight_size() : brought,
                        lines * p.in.across, past - begin, step == 0,
                        p.outputs - panel * p.columns > width ? 2 : 1, out + (panel - first) * p.columns);
      }
    }
    for (int64_t o = first * p.columns; o < min_of(p.outputs, last * p.columns); o += width) {
      if (!deliver_tiles(p, out + o - first * p.columns, line, lines, o, end, buffer, y))
        __atomic_store_n(&finite, 0, __ATOMIC_RELAXED);
    }
  });
  return finite != 0;
}

}  // namespace lamina::LAMINA_ISA
