// Weights against a field, with the tile of gemm: the rows of a tile are output channels, its columns are
// places in the field that follow one another in memory, its k runs over input channels and taps. Serves
// conv2d and the way back to its input, which is a correlation of the gradient, one for each phase of the
// stride.
#pragma once

#include "kernels/cpu/conv_field.h"
#include "kernels/cpu/gemm_pack.h"

namespace lamina::LAMINA_ISA {

constexpr int64_t kFieldBytes =
    256 << 10;  // about what a thread fills before it multiplies: half of a small second-level cache

// The windows of one class along an axis: those that use the same taps and are written with the same stride.
struct Class {
  int64_t first, count;  // windows, of the strip axis
  int64_t to;            // index in the output of the first
  int64_t residue;       // of the taps; -1: all taps
};

template <class T>
struct Correlation {
  bool backward;
  Conv2d conv;
  Axis down, across;                          // as the field sees the input
  int64_t windows_h, windows_w;               // of all classes
  int64_t images, channels, outputs, groups;  // channels and outputs per group
  int64_t in_plane, out_h, out_w;
  int64_t to_stride_h, to_stride_w;
  int64_t strip, batch;  // rows of windows and images of a piece of work
  Field field;
  int64_t field_size;  // of one image, one group
  int64_t threads;

  int64_t depth() const { return channels * conv.kh * conv.kw; }
  int64_t weight_size() const { return chunks_of(groups * outputs * depth(), 16) * 16; }
  int64_t offset_size() const { return chunks_of(depth(), 16) * 16; }  // of int32
  // Tiles read full vectors, so a little more than the field.
  int64_t buffer_size() const { return chunks_of(batch * field_size + TileSize<T>::columns, 16) * 16; }
  size_t bytes() const {
    return static_cast<size_t>(weight_size() + threads * buffer_size()) * sizeof(T) +
           static_cast<size_t>(offset_size()) * sizeof(int32_t);
  }
  int64_t strips() const { return chunks_of(windows_h, strip); }
  int64_t batches() const { return chunks_of(images, batch); }

  int64_t classes_h() const { return backward ? conv.stride_h : 1; }
  int64_t classes_w() const { return backward ? conv.stride_w : 1; }
  Class class_h(int64_t i) const {
    return backward ? class_of(i, conv.stride_h, conv.pad_h, conv.h) : Class{0, conv.oh, 0, -1};
  }
  Class class_w(int64_t i) const {
    return backward ? class_of(i, conv.stride_w, conv.pad_w, conv.w) : Class{0, conv.ow, 0, -1};
  }
  // Back: input i of the convolution is seen by output o through tap t where i + pad = o * stride + t *
  // dilation. With i + pad = u * stride + residue these are the taps of that residue and o = u - shift(t).
  // The field holds u - most_shift + j, so o is j = most_shift - shift(t) places on; u counts from pad /
  // stride.
  static Class class_of(int64_t residue, int64_t stride, int64_t pad, int64_t size) {
    const int64_t first = pad > residue ? chunks_of(pad - residue, stride) : 0;
    const int64_t last = (size - 1 + pad - residue) < 0 ? -1 : (size - 1 + pad - residue) / stride;
    return {first - pad / stride, max_of(0, last + 1 - first), first * stride + residue - pad, residue};
  }
  bool uses(const Class& h, const Class& w, int64_t ky, int64_t kx) const {
    return !backward || (ky * conv.dilation_h % conv.stride_h == h.residue &&
                         kx * conv.dilation_w % conv.stride_w == w.residue);
  }
  int64_t offset(int64_t ky, int64_t kx) const {
    if (!backward) return field.offset(ky, kx);
    return (down.most_shift() - ky * conv.dilation_h / conv.stride_h) * field.pitch + across.most_shift() -
           kx * conv.dilation_w / conv.stride_w;
  }
};

template <class T>
static Correlation<T> correlation_of(const Conv2d& c, bool backward) {
  Correlation<T> p = {};
  p.conv = c;
  p.backward = backward;
  p.images = c.n;
  p.groups = c.groups;
  p.channels = (backward ? c.oc : c.c) / c.groups;
  p.outputs = (backward ? c.c : c.oc) / c.groups;
  p.down = {c.h, c.kh, c.stride_h, c.dilation_h, c.pad_h};
  p.across = {c.w, c.kw, c.stride_w, c.dilation_w, c.pad_w};
  p.windows_h = c.oh;
  p.windows_w = c.ow;
  if (backward) {
    const int64_t shift_h = p.down.most_shift(), shift_w = p.across.most_shift();
    const int64_t skip_h = c.pad_h / c.stride_h, skip_w = c.pad_w / c.stride_w;
    p.windows_h = (c.h - 1 + c.pad_h) / c.stride_h - skip_h + 1;
    p.windows_w = (c.w - 1 + c.pad_w) / c.stride_w - skip_w + 1;
    p.down = {c.oh, shift_h + 1, 1, 1, shift_h - skip_h};
    p.across = {c.ow, shift_w + 1, 1, 1, shift_w - skip_w};
  }
  p.in_plane = p.down.size * p.across.size;
  p.out_h = backward ? c.h : c.oh;
  p.out_w = backward ? c.w : c.ow;
  p.to_stride_h = backward ? c.stride_h : 1;
  p.to_stride_w = backward ? c.stride_w : 1;
  // As many rows as fit, then as many images; but enough pieces for the threads. What a piece holds changes
  // no result.
  const Field row = Field::of(p.down, p.across, 1, p.windows_w);
  const int64_t row_bytes = p.channels * row.channel / row.rows * int64_t(sizeof(T));
  const int64_t strips =
      chunks_of(p.windows_h, max_of(4, kFieldBytes / max_of(1, row_bytes) - p.down.most_shift()));
  p.strip = chunks_of(p.windows_h, max_of(1, strips));
  p.field = Field::of(p.down, p.across, p.strip, p.windows_w);
  p.field_size = p.channels * p.field.channel;
  const int64_t fit = max_of(1, kFieldBytes / max_of(1, p.field_size * int64_t(sizeof(T))));
  const int64_t work = c.n * c.oc * c.oh * c.ow * (c.c / c.groups) * c.kh * c.kw;
  p.threads = work >> 16 ? most_threads() : 1;
  p.batch = max_of(1, min_of(fit, chunks_of(c.n, 8 * p.threads)));
  return p;
}

// Weights to (group, class, tile, channel and tap, row of the tile).
template <class T>
static void pack_weights(const Correlation<T>& p, const T* w, T* to) {
  const Conv2d& c = p.conv;
  const int64_t taps = c.kh * c.kw;
  const int64_t of_output = p.backward ? taps : p.channels * taps,
                of_channel = p.backward ? p.outputs * taps : taps;
  const Cut cut = cut_of(p.outputs, TileSize<T>::rows);
  for (int64_t g = 0; g < p.groups; g++) {
    for (int64_t a = 0; a < p.classes_h(); a++) {
      for (int64_t b = 0; b < p.classes_w(); b++) {
        const Class down = p.class_h(a), across = p.class_w(b);
        for (int64_t tile = 0; tile < cut.count; tile++) {
          const int rows = cut.rows(tile);
          const T* from = w + g * p.outputs * p.depth() + cut.start(tile) * of_output;
          if (!p.backward) {
            pack_a(from, of_output, 1, rows, p.depth(), to);
            to += rows * p.depth();
            continue;
          }
          for (int64_t channel = 0; channel < p.channels; channel++) {
            for (int64_t tap = 0; tap < taps; tap++) {
              if (!p.uses(down, across, tap / c.kw, tap % c.kw)) continue;
              for (int r = 0; r < rows; r++) *to++ = from[channel * of_channel + r * of_output + tap];
            }
          }
        }
      }
    }
  }
}

// Where each (channel, tap) of the classes, one after the other, lies in the field.
template <class T>
static void list_offsets(const Correlation<T>& p, int32_t* to) {
  for (int64_t a = 0; a < p.classes_h(); a++) {
    for (int64_t b = 0; b < p.classes_w(); b++) {
      const Class down = p.class_h(a), across = p.class_w(b);
      for (int64_t channel = 0; channel < p.channels; channel++) {
        for (int64_t ky = 0; ky < p.conv.kh; ky++) {
          for (int64_t kx = 0; kx < p.conv.kw; kx++) {
            if (!p.uses(down, across, ky, kx)) continue;
            *to++ = static_cast<int32_t>(channel * p.field.channel + p.offset(ky, kx));
          }
        }
      }
    }
  }
}

// One class within one strip of one image.
template <class T>
struct Patch {
  int64_t rows, columns;  // windows
  const T* field;         // at the first window
  T* to;                  // where the first output of the first window goes
  int64_t to_row, to_column, to_channel;
};

// Windows [begin, begin + count) of a patch, counted along the field's pitch, from a buffer (rows,
// TileSize::columns).
template <class T>
static void scatter(const Patch<T>& patch, int64_t pitch, int64_t begin, int64_t count, int rows,
                    const T* buffer) {
  using V = Vec<T>;
  for (int64_t at = begin; at < begin + count;) {
    const int64_t row = at / pitch, column = at % pitch;
    const int64_t n = min_of(patch.columns - column, begin + count - at);
    for (int r = 0; r < rows && n > 0; r++) {
      const T* from = buffer + r * TileSize<T>::columns + (at - begin);
      T* to = patch.to + r * patch.to_channel + row * patch.to_row + column * patch.to_column;
      if (patch.to_column == 1) {
        for_vectors<V>(n,
                       [&](int64_t i, auto lanes) { put_lanes(to + i, get_lanes(from + i, lanes), lanes); });
      } else {
        for (int64_t i = 0; i < n; i++) to[i * patch.to_column] = from[i];
      }
    }
    at += min_of(pitch - column, begin + count - at);
  }
}

// All windows of a patch, for the output channels of one tile.
template <class T>
static void correlate_patch(Tile<T> tile, const Patch<T>& patch, int64_t pitch, int rows) {
  constexpr int width = Vec<T>::width, tile_columns = TileSize<T>::columns;
  alignas(64) T buffer[TileSize<T>::rows * tile_columns];
  const TileFunction<T> functions[2] = {tile_function<T, Reading::Listed>(rows, 1),
                                        tile_function<T, Reading::Listed>(rows, 2)};
  const int64_t places = (patch.rows - 1) * pitch + patch.columns;
  const bool dense = patch.columns == pitch && patch.to_column == 1 && patch.to_row == pitch;
  tile.c_row = dense ? patch.to_channel : tile_columns;
  for (int64_t begin = 0; begin < places; begin += tile_columns) {
    const int count = static_cast<int>(min_of(tile_columns, places - begin)), vectors = count > width ? 2 : 1;
    tile.b = patch.field + begin;
    tile.c = dense ? patch.to + begin : buffer;
    tile.last = count - (vectors - 1) * width;
    functions[vectors - 1](tile);
    if (!dense) scatter(patch, pitch, begin, count, rows, buffer);
  }
}

// A strip of some images, in one group: fills their fields, then goes over the classes and the tiles of
// weights.
template <class T>
static void correlate_piece(const Correlation<T>& p, int64_t first_image, int64_t images, int64_t group,
                            int64_t first_row, const T* in, const T* weights, const int32_t* offsets,
                            const T* bias, T* out, T* fields) {
  const int64_t in_image = p.groups * p.channels * p.in_plane, out_plane = p.out_h * p.out_w;
  in += first_image * in_image + group * p.channels * p.in_plane;
  for (int64_t i = 0; i < images; i++) {
    for (int64_t channel = 0; channel < p.channels; channel++) {
      fill_channel(p.field, in + i * in_image + channel * p.in_plane, first_row,
                   fields + i * p.field_size + channel * p.field.channel);
    }
  }
  clear(fields + images * p.field_size, TileSize<T>::columns);
  const int64_t past_row = min_of(first_row + p.strip, p.windows_h);
  const Cut cut = cut_of(p.outputs, TileSize<T>::rows);
  Tile<T> tile = {};
  tile.a_row = 1;
  tile.alpha = T(1);
  weights += group * p.outputs * p.depth();
  for (int64_t a = 0; a < p.classes_h(); a++) {
    for (int64_t b = 0; b < p.classes_w(); b++) {
      const Class down = p.class_h(a), across = p.class_w(b);
      int64_t taps = 0;
      for (int64_t tap = 0; tap < p.conv.kh * p.conv.kw; tap++) {
        taps += p.uses(down, across, tap / p.conv.kw, tap % p.conv.kw);
      }
      tile.k = p.channels * taps;
      tile.b_offset = offsets;
      const int64_t begin = max_of(first_row, down.first), end = min_of(past_row, down.first + down.count);
      for (int64_t t = 0; t < cut.count && begin < end && across.count > 0; t++) {
        const int64_t output = group * p.outputs + cut.start(t);
        tile.a = weights + cut.start(t) * tile.k;
        tile.a_k = cut.rows(t);
        tile.row_bias = bias ? bias + output : nullptr;
        for (int64_t i = 0; i < images; i++) {
          Patch<T> patch = {};
          patch.rows = end - begin;
          patch.columns = across.count;
          patch.field = fields + i * p.field_size + (begin - first_row) * p.field.pitch + across.first;
          patch.to_row = p.to_stride_h * p.out_w;
          patch.to_column = p.to_stride_w;
          patch.to_channel = out_plane;
          patch.to = out + ((first_image + i) * p.groups * p.outputs + output) * out_plane + across.to +
                     (down.to + (begin - down.first) * p.to_stride_h) * p.out_w;
          correlate_patch(tile, patch, p.field.pitch, cut.rows(t));
        }
      }
      weights += p.outputs * tile.k;
      offsets += tile.k;
    }
  }
}

template <class T>
static void correlate(const Correlation<T>& p, const T* in, const T* w, const T* bias, T* out, void* memory) {
  T* weights = static_cast<T*>(memory);
  T* buffers = weights + p.weight_size();
  int32_t* offsets = reinterpret_cast<int32_t*>(buffers + p.threads * p.buffer_size());
  pack_weights(p, w, weights);
  list_offsets(p, offsets);
  const int64_t pieces = p.batches() * p.strips() * p.groups;
  const auto piece = [&](int64_t i, T* fields) {
    const int64_t group = i % p.groups, strip = i / p.groups % p.strips(), batch = i / p.groups / p.strips();
    const int64_t first = batch * p.batch;
    correlate_piece(p, first, min_of(p.batch, p.images - first), group, strip * p.strip, in, weights, offsets,
                    bias, out, fields);
  };
  if (p.threads == 1) {
    for (int64_t i = 0; i < pieces; i++) piece(i, buffers);
  } else {
    parallel(pieces, [&](int64_t i) { piece(i, buffers + thread_index() * p.buffer_size()); });
  }
}

}  // namespace lamina::LAMINA_ISA
