// Convolutions of each channel by itself, and their ways back: planes are turned so that the lanes are
// channels, which suits any size, stride and dilation; what lies in the padding is left out of the sums.
#pragma once

#include "kernels/cpu/conv_end.h"
#include "kernels/cpu/gemm_pack.h"
#include "kernels/cpu/window.h"

namespace lamina::LAMINA_ISA {

constexpr int64_t kTurnedBytes = 96 << 10;  // of the rows that are turned at a time
constexpr int kTogether = 8;                // neighbours that share a load of weights or sums

// With fewer channels most lanes would be empty.
LAMINA_INLINE bool is_depthwise(const Conv2d& c) {
  return c.groups == c.c && c.oc == c.c && c.c >= 8 && c.kh * c.kw <= 64;
}

// Places o of [0, size) and taps t of [0, taps) with 0 <= o * stride + t * dilation - pad < in.
struct Line {
  int64_t size, in, taps, stride, dilation, pad;

  int64_t at(int64_t o, int64_t tap) const { return o * stride + tap * dilation - pad; }
  Span taps_of(int64_t o) const { return valid_span(0, taps, dilation, at(o, 0), in); }
  Span places_of(int64_t tap) const { return valid_span(0, size, stride, at(0, tap), in); }
  // Places all of whose taps are inside.
  Span inner() const {
    const Span first = places_of(0), last = places_of(taps - 1);
    return {max_of(first.begin, last.begin),
            max_of(max_of(first.begin, last.begin), min_of(first.end, last.end))};
  }
};

template <class T>
struct Depthwise {
  Conv2d conv;
  Line down, across;
  int64_t strip;  // rows of windows at a time
  int64_t threads;

  int64_t blocks() const { return chunks_of(conv.c, Vec<T>::width); }
  int64_t strips() const { return chunks_of(conv.oh, strip); }
  int64_t taps() const { return conv.kh * conv.kw; }
  // Rows of the input that windows [first, past) look at.
  Span rows(int64_t first, int64_t past) const {
    const int64_t begin = max_of(0, down.at(first, 0));
    return {begin, max_of(begin, min_of(conv.h, down.at(past - 1, down.taps - 1) + 1))};
  }
  int64_t most_rows() const {
    if (strip == conv.oh) return conv.h;
    return min_of(conv.h, (strip - 1) * down.stride + (down.taps - 1) * down.dilation + 1);
  }
  // Whole vectors of places are turned back.
  int64_t x_size() const { return (most_rows() * conv.w + Vec<T>::width) * Vec<T>::width; }
  int64_t y_size() const { return (strip * conv.ow + Vec<T>::width) * Vec<T>::width; }
  int64_t buffer_size() const { return x_size() + y_size() + taps() * Vec<T>::width; }
  size_t bytes() const { return static_cast<size_t>(threads * buffer_size()) * sizeof(T); }
  // What is small is done by the caller alone, with the one buffer that there is then.
  template <class F>
  void share(int64_t chunks, F&& body) const {
    if (threads > 1) return parallel(chunks, body);
    for (int64_t i = 0; i < chunks; i++) body(i);
  }
};

// `whole`: all rows at a time.
template <class T>
static Depthwise<T> depthwise_of(const Conv2d& c, bool whole) {
  Depthwise<T> p = {};
  p.conv = c;
  p.down = {c.oh, c.h, c.kh, c.stride_h, c.dilation_h, c.pad_h};
  p.across = {c.ow, c.w, c.kw, c.stride_w, c.dilation_w, c.pad_w};
  const int64_t row = max_of(c.w * c.stride_h, c.ow) * Vec<T>::width * int64_t(sizeof(T));
  p.strip = whole ? c.oh : chunks_of(c.oh, chunks_of(c.oh, max_of(c.kh, kTurnedBytes / row)));
  p.threads = c.n * c.c * c.oh * c.ow >> 13 ? most_threads() : 1;
  return p;
}

// Steps of one make the way back to the input a convolution of the gradient, with the taps in reverse.
LAMINA_INLINE bool is_turnable(const Conv2d& c) { return c.stride_h == 1 && c.stride_w == 1; }
LAMINA_INLINE Conv2d turned_back(const Conv2d& c) {
  Conv2d back = c;
  back.h = c.oh, back.w = c.ow, back.oh = c.h, back.ow = c.w;
  back.pad_h = (c.kh - 1) * c.dilation_h - c.pad_h;
  back.pad_w = (c.kw - 1) * c.dilation_w - c.pad_w;
  return back;
}

// Planes (lanes, n) of which starts are `step` apart to (n, width); turn_out brings them back.
template <class T>
static void turn_in(const T* from, int64_t step, int lanes, int64_t n, T* to) {
  constexpr int width = Vec<T>::width;
  pack_turned(from, step, lanes, n, to, width, to + n * width);
}
// `together` neighbours of a row of outputs; x at the first one's first tap, weights (tap, lane).
template <class T, int together>
LAMINA_INLINE void sum_windows(const Depthwise<T>& p, const T* x, Span ky, Span kx, const T* weights, T* y) {
  using V = Vec<T>;
  const Conv2d& c = p.conv;
  V sum[together];
  for (int i = 0; i < together; i++) sum[i] = zero<V>();
  for (int64_t r = ky.begin; r < ky.end; r++) {
    for (int64_t k = kx.begin; k < kx.end; k++) {
      const V w = load<V>(weights + (r * c.kw + k) * V::width);
      const T* from = x + (r * c.dilation_h * c.w + k * c.dilation_w) * V::width;
#pragma GCC unroll 8
      for (int i = 0; i < together; i++) sum[i] = fma(w, load<V>(from + i * c.stride_w * V::width), sum[i]);
    }
  }
  for (int i = 0; i < together; i++) store(y + i * V::width, sum[i]);
}

// The gradient of a window to the inputs it has seen: the transpose of sum_windows.
template <class T>
LAMINA_INLINE void spread_window(const Depthwise<T>& p, T* x, Span ky, Span kx, const T* weights,
                                 const T* g) {
  using V = Vec<T>;
  const Conv2d& c = p.conv;
  const V of = load<V>(g);
  for (int64_t r = ky.begin; r < ky.end; r++) {
    for (int64_t k = kx.begin; k < kx.end; k++) {
      T* to = x + (r * c.dilation_h * c.w + k * c.dilation_w) * V::width;
      store(to, fma(load<V>(weights + (r * c.kw + k) * V::width), of, load<V>(to)));
    }
  }
}

// Adds what row oy of the gradient gives to the taps, (tap, lane); x begins with input row `top`.
template <class T>
static void add_taps(const Depthwise<T>& p, const T* x, int64_t top, const T* g, int64_t oy, T* sums) {
  using V = Vec<T>;
  const Conv2d& c = p.conv;
  const Span ky = p.down.taps_of(oy);
  for (int64_t r = ky.begin; r < ky.end; r++) {
    const T* row = x + (p.down.at(oy, r) - top) * c.w * V::width;
    for (int64_t k = 0; k < c.kw; k++) {
      const Span places = p.across.places_of(k);
      const T* from = row + p.across.at(places.begin, k) * V::width;
      const T* of = g + places.begin * V::width;
      T* to = sums + (r * c.kw + k) * V::width;
      V sum[4] = {load<V>(to), zero<V>(), zero<V>(), zero<V>()};
      int64_t n = places.end - places.begin;
      for (; n >= 4; n -= 4, from += 4 * c.stride_w * V::width, of += 4 * V::width) {
#pragma GCC unroll 4
        for (int i = 0; i < 4; i++)
          sum[i] = fma(load<V>(of + i * V::width), load<V>(from + i * c.stride_w * V::width), sum[i]);
      }
      for (; n > 0; n--, from += c.stride_w * V::width, of += V::width)
        sum[0] = fma(load<V>(of), load<V>(from), sum[0]);
      store(to, (sum[0] + sum[1]) + (sum[2] + sum[3]));
    }
  }
}

template <int n>
struct Together {
  static constexpr int together = n;
};
// body(ox, together, taps) for the places of a row, those with all taps inside in groups.
template <class T, class F>
LAMINA_INLINE void for_places(const Depthwise<T>& p, F&& body) {
  const Span inner = p.across.inner();
  int64_t ox = 0;
  for (; ox < inner.begin; ox++) body(ox, Together<1>(), p.across.taps_of(ox));
  for (; ox + kTogether <= inner.end; ox += kTogether) body(ox, Together<kTogether>(), Span{0, p.conv.kw});
  for (; ox < p.conv.ow; ox++) body(ox, Together<1>(), p.across.taps_of(ox));
}

template <class T>
static void depthwise(const Depthwise<T>& p, const T* x, const T* w, bool reversed, const End<T>& end, T* y,
                      void* memory) {
  constexpr int width = Vec<T>::width;
  const Conv2d& c = p.conv;
  const int64_t in_plane = c.h * c.w, out_plane = c.oh * c.ow;
  p.share(c.n * p.blocks() * p.strips(), [&](int64_t i) {
    const int64_t strip = i % p.strips(), block = i / p.strips() % p.blocks(),
                  image = i / p.strips() / p.blocks();
    const int64_t channel = block * width, first = strip * p.strip, past = min_of(c.oh, first + p.strip);
    const int lanes = static_cast<int>(min_of(width, c.c - channel));
    T* turned = static_cast<T*>(memory) + (p.threads > 1 ? thread_index() : 0) * p.buffer_size();
    T *sums = turned + p.x_size(), *weights = sums + p.y_size();
    const Span rows = p.rows(first, past);
    turn_in(x + (image * c.c + channel) * in_plane + rows.begin * c.w, in_plane, lanes,
            (rows.end - rows.begin) * c.w, turned);
    turn_in(w + channel * p.taps(), p.taps(), lanes, p.taps(), weights);
    for (int64_t a = 0, b = p.taps() - 1; reversed && a < b; a++, b--) {
      const Vec<T> one = load<Vec<T>>(weights + a * width), other = load<Vec<T>>(weights + b * width);
      store(weights + a * width, other);
      store(weights + b * width, one);
    }
    for (int64_t oy = first; oy < past; oy++) {
      const Span ky = p.down.taps_of(oy);
      const T* row = turned + (p.down.at(oy, 0) - rows.begin) * c.w * width;
      T* to = sums + (oy - first) * c.ow * width;
      for_places(p, [&](int64_t ox, auto many, Span kx) {
        sum_windows<T, many.together>(p, row + p.across.at(ox, 0) * width, ky, kx, weights, to + ox * width);
      });
    }
    turn_out(sums, width, (past - first) * c.ow, lanes, end, channel,
             (image * c.c + channel) * out_plane + first * c.ow, out_plane, y);
  });
}

template <class T>
static void depthwise_grad_input(const Depthwise<T>& p, const T* g, const T* w, T* dx, void* memory) {
  constexpr int width = Vec<T>::width;
  const Conv2d& c = p.conv;
  const int64_t in_plane = c.h * c.w, out_plane = c.oh * c.ow;
  p.share(c.n * p.blocks(), [&](int64_t i) {
    const int64_t channel = i % p.blocks() * width, image = i / p.blocks();
    const int lanes = static_cast<int>(min_of(width, c.c - channel));
    T* spread = static_cast<T*>(memory) + (p.threads > 1 ? thread_index() : 0) * p.buffer_size();
    T *turned = spread + p.x_size(), *weights = turned + p.y_size();
    turn_in(g + (image * c.c + channel) * out_plane, out_plane, lanes, out_plane, turned);
    turn_in(w + channel * p.taps(), p.taps(), lanes, p.taps(), weights);
    for (int64_t j = 0; j < in_plane; j++) store(spread + j * width, zero<Vec<T>>());
    for (int64_t oy = 0; oy < c.oh; oy++) {
      const Span ky = p.down.taps_of(oy);
      T* row = spread + p.down.at(oy, 0) * c.w * width;
      for (int64_t ox = 0; ox < c.ow; ox++) {
        spread_window(p, row + p.across.at(ox, 0) * width, ky, p.across.taps_of(ox), weights,
                      turned + (oy * c.ow + ox) * width);
      }
    }
    turn_out(spread, width, in_plane, lanes, End<T>{}, channel, (image * c.c + channel) * in_plane, in_plane,
             dx);
  });
}

template <class T>
static void depthwise_grad_weight(const Depthwise<T>& p, const T* g, const T* x, T* dw, void* memory) {
  constexpr int width = Vec<T>::width;
  const Conv2d& c = p.conv;
  const int64_t in_plane = c.h * c.w, out_plane = c.oh * c.ow;
  p.share(p.blocks(), [&](int64_t block) {
    const int64_t channel = block * width;
    const int lanes = static_cast<int>(min_of(width, c.c - channel));
    T* turned = static_cast<T*>(memory) + (p.threads > 1 ? thread_index() : 0) * p.buffer_size();
    T *gradient = turned + p.x_size(), *sums = gradient + p.y_size();
    for (int64_t i = 0; i < p.taps(); i++) store(sums + i * width, zero<Vec<T>>());
    for (int64_t i = 0; i < c.n * p.strips(); i++) {
      const int64_t first = i % p.strips() * p.strip, past = min_of(c.oh, first + p.strip);
      const int64_t plane = i / p.strips() * c.c + channel;
      const Span rows = p.rows(first, past);
      turn_in(x + plane * in_plane + rows.begin * c.w, in_plane, lanes, (rows.end - rows.begin) * c.w,
              turned);
      turn_in(g + plane * out_plane + first * c.ow, out_plane, lanes, (past - first) * c.ow, gradient);
      for (int64_t oy = first; oy < past; oy++) {
        add_taps(p, turned, rows.begin, gradient + (oy - first) * c.ow * width, oy, sums);
      }
    }
    for (int64_t i = 0; i < p.taps(); i++) {
      for (int lane = 0; lane < lanes; lane++) dw[(channel + lane) * p.taps() + i] = sums[i * width + lane];
    }
  });
}

}  // namespace lamina::LAMINA_ISA
