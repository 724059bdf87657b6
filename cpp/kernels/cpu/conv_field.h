// The field: a copy of some image rows, padded with zeros and split by the phase of the stride, in which
// every tap of a window is a fixed offset from the place of the window. So a convolution of any stride,
// padding and dilation reads its input in place, along dense rows, and no matrix of columns is ever built.
#pragma once

#include "kernels/cpu/window.h"

namespace lamina::LAMINA_ISA {

// Along one axis: window o and tap t look at input o * stride + t * dilation - pad = (o + shift) * stride +
// residue - pad, with t * dilation = shift * stride + residue. Each residue that occurs is a phase.
struct Axis {
  int64_t size;  // of the input
  int64_t taps, stride, dilation, pad;

  int64_t shift(int64_t tap) const { return tap * dilation / stride; }
  int64_t residue(int64_t tap) const { return tap * dilation % stride; }
  int64_t most_shift() const { return shift(taps - 1); }
  // Residues repeat after stride / gcd(stride, dilation) taps.
  int64_t phases() const {
    int64_t a = stride, b = dilation;
    while (b) {
      const int64_t rest = a % b;
      a = b;
      b = rest;
    }
    return min_of(taps, stride / a);
  }
};

// (channels, row phases, column phases, rows, pitch)
struct Field {
  Axis down, across;
  int64_t rows, pitch;
  int64_t plane;    // elements from phase to phase
  int64_t channel;  // elements from channel to channel

  // For `windows` rows of windows, each `width` wide.
  static Field of(Axis down, Axis across, int64_t windows, int64_t width) {
    Field f = {down, across, windows + down.most_shift(), width + across.most_shift(), 0, 0};
    f.plane = f.rows * f.pitch;
    f.channel = f.plane * down.phases() * across.phases();
    // Channels a multiple of 4 kB apart would fight for the same lines of the first-level cache.
    if (f.channel % 512 == 0) f.channel += 16;
    return f;
  }
  int64_t offset(int64_t ky, int64_t kx) const {
    const int64_t phase = ky % down.phases() * across.phases() + kx % across.phases();
    return phase * plane + down.shift(ky) * pitch + across.shift(kx);
  }
};

template <class T>
LAMINA_INLINE void clear(T* to, int64_t n) {
  for_vectors<Vec<T>>(n, [&](int64_t i, auto lanes) { put_lanes(to + i, zero<Vec<T>>(), lanes); });
}

// to[i] = 0 for i in [begin, end), and up to a vector more. Mostly that is a vector or two: `held` keeps the
// compiler from calling memset for them.
template <class T>
LAMINA_INLINE void clear_beyond(T* to, int64_t begin, int64_t end) {
  for (; begin < end; begin += Vec<T>::width) store(to + begin, held(zero<Vec<T>>()));
}

// One channel of the field, from the input's (h, w); its first row of windows is `first`. Rows are written in
// ascending order by whole vectors, which may reach into what is written next: up to a vector beyond the
// channel.
template <class T>
static void fill_channel(const Field& f, const T* from, int64_t first, T* to) {
  using V = Vec<T>;
  const T* end = to + f.channel;
  for (int64_t a = 0; a < f.down.phases(); a++) {
    for (int64_t b = 0; b < f.across.phases(); b++) {
      const int64_t start = f.across.residue(b) - f.across.pad, stride = f.across.stride;
      const Span span = valid_span(0, f.pitch, stride, start, f.across.size);
      const int64_t n = span.end - span.begin, ix = span.begin * stride + start;
      for (int64_t row = 0; row < f.rows; row++, to += f.pitch) {
        const int64_t iy = (first + row) * f.down.stride + f.down.residue(a) - f.down.pad;
        if (iy < 0 || iy >= f.down.size || n == 0) {
          clear_beyond(to, 0, f.pitch);
          continue;
        }
        clear_beyond(to, 0, span.begin);
        read_row_beyond(from + iy * f.across.size + ix, stride, n, f.across.size - ix, to + span.begin);
        clear_beyond(to, span.begin + chunks_of(n, V::width) * V::width, f.pitch);
      }
    }
  }
  if (to < end) clear_beyond(to, 0, end - to);
}

}  // namespace lamina::LAMINA_ISA
