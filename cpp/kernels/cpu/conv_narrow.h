// Narrow images, whose rows leave the columns of a tile half empty: the rows of a tile are places of one row
// of windows here, read value by value at the convolution's stride, and its columns are output channels. So
// the field is but the padded input, and no place between rows is computed.
#pragma once

#include "kernels/cpu/conv_correlate.h"

namespace lamina::LAMINA_ISA {

struct Narrow {
  Conv2d conv;
  Field field;
  int64_t strip, batch,
      parts;  // rows of windows and images of a piece of work, in so many parts of the outputs
  int64_t threads;

  static constexpr int columns = TileSize<float>::columns;
  int64_t depth() const { return conv.c * conv.kh * conv.kw; }
  int64_t panels() const { return chunks_of(conv.oc, columns); }
  int64_t weight_size() const { return panels() * columns * depth(); }
  int64_t offset_size() const { return chunks_of(depth(), 16) * 16; }
  int64_t field_size() const { return conv.c * field.channel; }
  int64_t places() const { return strip * conv.ow; }
  // Both a little more, as whole vectors are written and read.
  int64_t fields_size() const { return chunks_of(batch * field_size(), 16) * 16 + 32; }
  int64_t sums_size() const { return (batch * places() + 16) * columns; }
  int64_t buffer_size() const { return fields_size() + sums_size(); }
  size_t bytes() const {
    return static_cast<size_t>(weight_size() + offset_size() + threads * buffer_size()) * sizeof(float);
  }
  int64_t strips() const { return chunks_of(conv.oh, strip); }
  int64_t pieces() const { return chunks_of(conv.n, batch) * strips() * parts; }
};

static Narrow narrow_of(const Conv2d& c) {
  Narrow p = {};
  p.conv = c;
  const Axis down = {c.h, (c.kh - 1) * c.dilation_h + 1, 1, 1, c.pad_h};
  const Axis across = {c.w, (c.kw - 1) * c.dilation_w + 1, 1, 1, c.pad_w};
  const auto field_for = [&](int64_t strip) {
    return Field::of(down, across, (strip - 1) * c.stride_h + 1, (c.ow - 1) * c.stride_w + 1);
  };
  constexpr int64_t room = kFieldBytes / int64_t(sizeof(float));
  const int64_t work = c.n * c.oc * c.oh * c.ow * p.depth();
  p.threads = work >> 16 ? most_threads() : 1;
  p.parts = min_of(p.panels(), chunks_of(p.threads, c.n));
  p.strip = chunks_of(c.oh, chunks_of(p.threads, c.n * p.parts));
  while (p.strip > 1 && c.c * field_for(p.strip).channel > room) p.strip = chunks_of(p.strip, 2);
  p.field = field_for(p.strip);
  const int64_t fit = max_of(1, room / (p.field_size() + p.places() * p.columns));
  p.batch = max_of(1, min_of(fit, chunks_of(c.n * p.strips(), 4 * p.threads)));
  return p;
}

// Multiply-adds of vectors, for one place along k: whether fewer than where places are the columns. A tile of
// few rows waits for its own sums.
LAMINA_INLINE bool is_narrow(const Conv2d& c) {
  constexpr int width = Vec<float>::width, columns = TileSize<float>::columns;
  if (c.dtype != Dtype::Float32 || c.groups != 1 || c.oc < width || c.oc % width != 0) return false;
  const int64_t pitch = c.ow + (c.kw - 1) * c.dilation_w / c.stride_w;
  const int64_t places = pitch == c.ow ? c.oh * c.ow : (c.oh - 1) * pitch + c.ow;
  const int64_t across = chunks_of(places, columns) * (columns / width);
  const int64_t by_rows = c.oh * chunks_of(c.ow, width);
  const Cut of_row = cut_of(c.ow, TileSize<float>::rows);
  const int64_t each = of_row.count * max_of(4, of_row.rows(0));
  return 5 * c.oh * each * (c.oc / width) < 4 * c.oc * (by_rows < across ? by_rows : across);
}

static void pack_narrow(const Narrow& p, const float* w, float* to) {
  const auto panel = [&](int64_t i) {
    const int64_t first = i * p.columns, depth = p.depth();
    pack_b(w + first * depth, 1, depth, static_cast<int>(min_of(p.columns, p.conv.oc - first)), depth,
           to + first * depth);
  };
  if (p.threads > 1 && p.weight_size() >= kGrain) return parallel(p.panels(), panel);
  for (int64_t i = 0; i < p.panels(); i++) panel(i);
}

// All windows of a piece against one panel of weights, to sums (image, place, output).
static void multiply_narrow(const Narrow& p, int64_t images, int64_t rows, const float* fields,
                            const float* weights, const int32_t* offsets, int vectors, float* sums) {
  const Conv2d& c = p.conv;
  const int64_t taps = c.kh * c.kw, deep = channels_deep(c.c, taps);
  const Cut cut = cut_of(c.ow, TileSize<float>::rows);
  for (int64_t channel = 0; channel < c.c; channel += deep) {
    Tile<float> t = {};
    t.k = min_of(deep, c.c - channel) * taps;
    t.a_row = c.stride_w;
    t.b = weights + channel * taps * p.columns;
    t.b_k = t.c_row = p.columns;
    t.list = offsets + channel * taps;
    t.last = Vec<float>::width;
    t.alpha = 1;
    t.beta = channel == 0 ? 0.0f : 1.0f;
    for (int64_t i = 0; i < images * rows; i++) {
      for (int64_t j = 0; j < cut.count; j++) {
        const int64_t x = cut.start(j);
        t.a = fields + i / rows * p.field_size() + i % rows * c.stride_h * p.field.pitch + x * c.stride_w;
        t.c = sums + (i * c.ow + x) * p.columns;
        tile_function<float, Reading::ListedA>(cut.rows(j), vectors)(t);
      }
    }
  }
}

static void narrow(const Narrow& p, const float* x, const float* w, const End<float>& end, float* y,
                   void* memory) {
  const Conv2d& c = p.conv;
  float* own_weights = static_cast<float*>(memory);
  int32_t* offsets = reinterpret_cast<int32_t*>(own_weights + p.weight_size());
  float* buffers = own_weights + p.weight_size() + p.offset_size();
  if (!end.packed) pack_narrow(p, w, own_weights);
  const float* weights = end.packed ? end.packed : own_weights;
  for (int64_t i = 0; i < p.depth(); i++) {
    const int64_t channel = i / (c.kh * c.kw), ky = i / c.kw % c.kh, kx = i % c.kw;
    offsets[i] = static_cast<int32_t>(channel * p.field.channel + ky * c.dilation_h * p.field.pitch +
                                      kx * c.dilation_w);
  }
  const auto work = [&](int64_t index) {
    const int64_t part = index % p.parts, piece = index / p.parts;
    float* fields = buffers + (p.threads > 1 ? thread_index() : 0) * p.buffer_size();
    float* sums = fields + p.fields_size();
    const int64_t first = piece / p.strips() * p.batch, images = min_of(p.batch, c.n - first);
    const int64_t row = piece % p.strips() * p.strip, rows = min_of(p.strip, c.oh - row);
    for (int64_t i = 0; i < images * c.c; i++) {
      fill_channel(p.field, x + (first * c.c + i) * c.h * c.w, row * c.stride_h,
                   fields + i * p.field.channel);
    }
    const int64_t past = p.panels() * (part + 1) / p.parts;
    for (int64_t panel = p.panels() * part / p.parts; panel < past; panel++) {
      const int64_t output = panel * p.columns;
      const int64_t outputs = min_of(p.columns, c.oc - output);
      multiply_narrow(p, images, rows, fields, weights + output * p.depth(), offsets,
                      outputs > Vec<float>::width ? 2 : 1, sums);
      for (int64_t i = 0; i < images; i++) {
        turn_out(sums + i * rows * c.ow * p.columns, p.columns, rows * c.ow, static_cast<int>(outputs), end,
                 output, ((first + i) * c.oc + output) * c.oh * c.ow + row * c.ow, c.oh * c.ow, y);
      }
    }
  };
  if (p.threads > 1) return parallel(p.pieces(), work);
  for (int64_t i = 0; i < p.pieces(); i++) work(i);
}

}  // namespace lamina::LAMINA_ISA
