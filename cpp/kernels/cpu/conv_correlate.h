// Weights against a field, with the tile of gemm: the rows of a tile are output channels, its columns are
// places in the field that follow one another in memory, its k runs over input channels and taps. Serves
// conv2d and the way back to its input, which is a correlation of the gradient, one for each phase of the
// stride.
#pragma once

#include "kernels/cpu/conv_end.h"
#include "kernels/cpu/conv_field.h"
#include "kernels/cpu/conv_patch.h"
#include "kernels/cpu/gemm_pack.h"

namespace lamina::LAMINA_ISA {

// What a thread lays out before it multiplies, in bytes; and places along k (channels and taps) at a time, so
// that a tile of weights stays in the first-level cache.
constexpr int64_t kFieldBytes = 512 << 10;
constexpr int64_t kPlacesDeep = 384;

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
  int64_t lane;        // of sums: the windows of a strip along the field's pitch, in whole tiles
  int64_t threads;

  int64_t depth() const { return channels * conv.kh * conv.kw; }
  int64_t weight_size() const { return chunks_of(groups * outputs * depth(), 16) * 16; }
  int64_t offset_size() const { return chunks_of(depth(), 16) * 16; }  // of int32
  // The fields, a little more because whole tiles are read, and the sums of a tile of outputs.
  int64_t fields_size() const { return chunks_of(batch * field_size, 16) * 16 + 8 * Vec<T>::width; }
  int64_t sums_size() const { return batch * min_of(outputs, TileSize<T>::rows) * lane; }
  int64_t buffer_size() const { return fields_size() + sums_size(); }
  size_t bytes() const {
    return static_cast<size_t>(weight_size() + threads * buffer_size()) * sizeof(T) +
           static_cast<size_t>(offset_size()) * sizeof(int32_t);
  }
  int64_t strips() const { return chunks_of(windows_h, strip); }
  int64_t batches() const { return chunks_of(images, batch); }

  int64_t classes() const { return backward ? conv.stride_h * conv.stride_w : 1; }
  Class class_h(int64_t i) const {
    return backward ? class_of(i / conv.stride_w, conv.stride_h, conv.pad_h, conv.h)
                    : Class{0, conv.oh, 0, -1};
  }
  Class class_w(int64_t i) const {
    return backward ? class_of(i % conv.stride_w, conv.stride_w, conv.pad_w, conv.w)
                    : Class{0, conv.ow, 0, -1};
  }
  int64_t taps_of(int64_t i) const {
    if (!backward) return conv.kh * conv.kw;
    return taps_along(i / conv.stride_w, conv.kh, conv.stride_h, conv.dilation_h) *
           taps_along(i % conv.stride_w, conv.kw, conv.stride_w, conv.dilation_w);
  }
  static int64_t taps_along(int64_t residue, int64_t taps, int64_t stride, int64_t dilation) {
    int64_t n = 0;
    for (int64_t t = 0; t < taps; t++) n += t * dilation % stride == residue;
    return n;
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
  // A lane holds whole tiles, or runs of correlate_run.
  const int64_t tile_columns = p.outputs <= kRunRows ? kRunVectors * Vec<T>::width : TileSize<T>::columns;
  constexpr int64_t room = kFieldBytes / int64_t(sizeof(T));
  const Field row = Field::of(p.down, p.across, 1, p.windows_w);
  const int64_t tile_rows = min_of(p.outputs, TileSize<T>::rows);
  const int64_t row_size = p.channels * row.channel / row.rows + tile_rows * row.pitch;
  const int64_t work = c.n * c.oc * c.oh * c.ow * (c.c / c.groups) * c.kh * c.kw;
  p.threads = work >> 16 ? most_threads() : 1;
  // Of few strips, as many as leave no thread without one.
  int64_t strips = chunks_of(p.windows_h, max_of(4, room / row_size - p.down.most_shift()));
  if (const int64_t others = c.n * p.groups; others * strips < 4 * p.threads && others % p.threads)
    strips = min_of(chunks_of(strips, p.threads) * p.threads, chunks_of(p.windows_h, 4));
  p.strip = chunks_of(p.windows_h, strips);
  p.field = Field::of(p.down, p.across, p.strip, p.windows_w);
  p.field_size = p.channels * p.field.channel;
  p.lane = chunks_of((p.strip - 1) * p.field.pitch + p.windows_w, tile_columns) * tile_columns;
  const int64_t fit = max_of(1, room / (p.field_size + tile_rows * p.lane));
  p.batch = max_of(1, min_of(fit, chunks_of(c.n * p.strips() * p.groups, 4 * p.threads)));
  return p;
}

// Channels whose taps are taken at a time along k.
LAMINA_INLINE int64_t channels_deep(int64_t channels, int64_t taps) {
  return chunks_of(channels, chunks_of(channels, max_of(1, kPlacesDeep / max_of(1, taps))));
}

// Weights to (group, class, tile, channel and tap, row of the tile).
template <class T>
static void pack_weights(const Correlation<T>& p, const T* w, T* weights) {
  const int64_t taps = p.conv.kh * p.conv.kw;
  const int64_t of_output = p.backward ? taps : p.channels * taps,
                of_channel = p.backward ? p.outputs * taps : taps;
  const Cut cut = cut_of(p.outputs, TileSize<T>::rows);
  const auto tiles = [&](int64_t i) {
    const int64_t group = i / cut.count, tile = i % cut.count, rows = cut.rows(tile);
    const T* from = w + group * p.outputs * p.depth() + cut.start(tile) * of_output;
    T* of_class = weights + group * p.outputs * p.depth();
    if (!p.backward)
      return pack_a(from, of_output, 1, static_cast<int>(rows), p.depth(),
                    of_class + cut.start(tile) * p.depth());
    for (int64_t c = 0; c < p.classes(); c++) {
      const Class down = p.class_h(c), across = p.class_w(c);
      T* to = of_class + cut.start(tile) * p.channels * p.taps_of(c);
      for (int64_t channel = 0; channel < p.channels; channel++) {
        for (int64_t tap = 0; tap < taps; tap++) {
          if (!p.uses(down, across, tap / p.conv.kw, tap % p.conv.kw)) continue;
          for (int64_t r = 0; r < rows; r++) *to++ = from[channel * of_channel + r * of_output + tap];
        }
      }
      of_class += p.outputs * p.channels * p.taps_of(c);
    }
  };
  if (p.threads == 1 || p.weight_size() < kGrain) {
    for (int64_t i = 0; i < p.groups * cut.count; i++) tiles(i);
  } else {
    parallel(p.groups * cut.count, tiles);
  }
}

// Where each (channel, tap) of the classes, one after the other, lies in the field.
template <class T>
static void list_offsets(const Correlation<T>& p, int32_t* to) {
  for (int64_t c = 0; c < p.classes(); c++) {
    const Class down = p.class_h(c), across = p.class_w(c);
    for (int64_t channel = 0; channel < p.channels; channel++) {
      for (int64_t tap = 0; tap < p.conv.kh * p.conv.kw; tap++) {
        const int64_t ky = tap / p.conv.kw, kx = tap % p.conv.kw;
        if (!p.uses(down, across, ky, kx)) continue;
        *to++ = static_cast<int32_t>(channel * p.field.channel + p.offset(ky, kx));
      }
    }
  }
}

// A strip of some images, in one group.
template <class T>
struct Piece {
  int64_t image, images, group, row;
  T *fields, *sums;
};

template <class T>
static void fill_fields(const Correlation<T>& p, const Piece<T>& piece, const T* in) {
  const int64_t in_image = p.groups * p.channels * p.in_plane;
  in += piece.image * in_image + piece.group * p.channels * p.in_plane;
  for (int64_t i = 0; i < piece.images; i++) {
    for (int64_t channel = 0; channel < p.channels; channel++) {
      fill_channel(p.field, in + i * in_image + channel * p.in_plane, piece.row,
                   piece.fields + i * p.field_size + channel * p.field.channel);
    }
  }
  clear(piece.fields + piece.images * p.field_size, 8 * Vec<T>::width);
}

// The windows of one class, with its weights (tile, channel and tap, row of the tile) and its offsets.
template <class T>
static void correlate_class(const Correlation<T>& p, const Piece<T>& piece, int64_t c, const T* weights,
                            const int32_t* offsets, const End<T>& end, T* out) {
  const Class down = p.class_h(c), across = p.class_w(c);
  const int64_t begin = max_of(piece.row, down.first);
  const int64_t past = min_of(min_of(piece.row + p.strip, p.windows_h), down.first + down.count);
  if (begin >= past || across.count <= 0) return;
  const int64_t taps = p.taps_of(c), deep = channels_deep(p.channels, taps), out_plane = p.out_h * p.out_w;
  const Cut cut = cut_of(p.outputs, TileSize<T>::rows);
  for (int64_t t = 0; t < cut.count; t++) {
    const int rows = cut.rows(t);
    const int64_t output = piece.group * p.outputs + cut.start(t);
    Patch<T> patch = {};
    patch.rows = past - begin;
    patch.columns = across.count;
    patch.to_row = p.to_stride_h * p.out_w;
    patch.to_column = p.to_stride_w;
    patch.to_channel = out_plane;
    const bool direct =
        patch.dense(p.field.pitch) || (rows > kRunRows && patch.by_rows(p.field.pitch, p.channels * taps));
    const bool in_tile = (direct || rows > kRunRows) && !end.add;  // the shift and the rectifier
    const auto of_image = [&](int64_t i) {
      patch.field = piece.fields + i * p.field_size + (begin - piece.row) * p.field.pitch + across.first;
      patch.to = out + ((piece.image + i) * p.groups * p.outputs + output) * out_plane + across.to +
                 (down.to + (begin - down.first) * p.to_stride_h) * p.out_w;
    };
    for (int64_t channel = 0; channel < p.channels; channel += deep) {
      Tile<T> tile = {};
      tile.k = min_of(deep, p.channels - channel) * taps;
      tile.a = weights + cut.start(t) * p.channels * taps + rows * channel * taps;
      tile.a_row = 1;
      tile.a_k = rows;
      tile.list = offsets + channel * taps;
      tile.alpha = T(1);
      tile.beta = channel == 0 ? T(0) : T(1);
      if (in_tile && channel + deep >= p.channels) {
        tile.row_bias = end.shift ? end.shift + output : nullptr;
        tile.relu = end.activation == Epilogue::Relu;
      }
      for (int64_t i = 0; i < piece.images; i++) {
        of_image(i);
        correlate_patch(tile, patch, p.field.pitch, rows, direct, piece.sums + i * rows * p.lane, p.lane);
      }
    }
    for (int64_t i = 0; i < piece.images; i++) {
      of_image(i);
      if (!direct) deliver(patch, p.field.pitch, rows, piece.sums + i * rows * p.lane, p.lane);
      if (in_tile && end.activation <= Epilogue::Relu) continue;
      for (int o = 0; o < rows; o++) {
        T* to = patch.to + o * out_plane;
        for (int64_t row = 0; row < patch.rows; row++, to += patch.to_row) {
          if (in_tile) {
            activate(end.activation, to, 0, 1, patch.columns);
          } else {
            finish_run(end, out, output + o, to - out, patch.columns);
          }
        }
      }
    }
  }
}

template <class T>
static void correlate(const Correlation<T>& p, const T* in, const T* w, const End<T>& end, T* out,
                      void* memory) {
  T* own_weights = static_cast<T*>(memory);
  T* buffers = own_weights + p.weight_size();
  int32_t* offsets = reinterpret_cast<int32_t*>(buffers + p.threads * p.buffer_size());
  const T* weights = end.packed ? end.packed : own_weights;
  if (!end.packed) pack_weights(p, w, own_weights);
  list_offsets(p, offsets);
  const int64_t pieces = p.batches() * p.strips() * p.groups;
  const auto work = [&](int64_t i) {
    const int64_t group = i % p.groups, strip = i / p.groups % p.strips(), batch = i / p.groups / p.strips();
    T* buffer = buffers + (p.threads > 1 ? thread_index() : 0) * p.buffer_size();
    const int64_t first = batch * p.batch, images = min_of(p.batch, p.images - first);
    const Piece<T> piece = {first, images, group, strip * p.strip, buffer, buffer + p.fields_size()};
    fill_fields(p, piece, in);
    const T* of_class = weights + group * p.outputs * p.depth();
    const int32_t* list = offsets;
    for (int64_t c = 0; c < p.classes(); c++) {
      correlate_class(p, piece, c, of_class, list, end, out);
      of_class += p.outputs * p.channels * p.taps_of(c);
      list += p.channels * p.taps_of(c);
    }
  };
  if (p.threads == 1) {
    for (int64_t i = 0; i < pieces; i++) work(i);
  } else {
    parallel(pieces, work);
  }
}

}  // namespace lamina::LAMINA_ISA
