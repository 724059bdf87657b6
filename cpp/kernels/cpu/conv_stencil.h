// Convolutions of each channel by itself with 3x3 or 5x5 taps, along the rows of planes: the lanes are
// neighbours, the sums of several rows stay in registers, and each vector of the input serves all of them.
// Nothing is turned, unlike in conv_depthwise.h, which does the planes that are narrower than a vector.
#pragma once

#include "kernels/cpu/conv_end.h"
#include "kernels/cpu/conv_field.h"

namespace lamina::LAMINA_ISA {

constexpr int64_t kStencilBytes =
    24 << 10;                          // of the rows that are laid out, which stay in the first-level cache
constexpr int kStencilRows = 8;        // rows of windows come in these groups
constexpr int64_t kStencilPlanes = 8;  // planes of a piece of work

// A way back from more padding than taps has padding below 0, which conv_depthwise.h can do.
LAMINA_INLINE bool is_stencil(const Conv2d& c) {
  return c.dtype == Dtype::Float32 && c.kh == c.kw && (c.kh == 3 || c.kh == 5) && c.stride_h == 1 &&
         c.stride_w == 1 && c.dilation_h == 1 && c.dilation_w == 1 && c.pad_w >= 0 &&
         4 * c.ow > 3 * Vec<float>::width;
}

template <class T>
struct Stencil {
  Conv2d conv;
  int64_t strip;  // rows of windows at a time
  int64_t pitch;  // of the rows that are laid out
  int64_t threads;

  int64_t strips() const { return chunks_of(conv.oh, strip); }
  int64_t taps() const { return conv.kh * conv.kw; }
  // What lies beyond them is read with its last vectors, but not used.
  int64_t rows_size() const { return chunks_of((strip + conv.kh - 1) * pitch, 16) * 16 + 4 * Vec<T>::width; }
  int64_t buffer_size() const { return rows_size() + chunks_of(taps(), 16) * 16 * Vec<T>::width; }
  size_t bytes() const { return static_cast<size_t>(threads * buffer_size()) * sizeof(T); }
  T* buffer(void* memory) const {
    return static_cast<T*>(memory) + (threads > 1 ? thread_index() : 0) * buffer_size();
  }
  // What is small is done by the caller alone, with the one buffer that there is then.
  template <class F>
  void share(int64_t chunks, F&& body) const {
    if (threads > 1) return parallel(chunks, body);
    for (int64_t i = 0; i < chunks; i++) body(i);
  }
};

template <class T>
static Stencil<T> stencil_of(const Conv2d& c) {
  Stencil<T> p = {};
  p.conv = c;
  p.pitch = c.ow + c.kw - 1;
  const int64_t fit = max_of(kStencilRows, kStencilBytes / int64_t(sizeof(T)) / p.pitch - c.kh);
  p.strip = chunks_of(chunks_of(c.oh, chunks_of(c.oh, fit)), kStencilRows) * kStencilRows;
  p.threads = c.n * c.c * c.oh * c.ow >> 13 ? most_threads() : 1;
  return p;
}

// Rows of windows from `first` on see these rows of a plane, with zeros around: (rows, pitch). Written in
// ascending order, by whole vectors that may reach into the next row.
template <class T>
static void fill_rows(const Stencil<T>& p, const T* plane, int64_t first, T* to) {
  using V = Vec<T>;
  const Conv2d& c = p.conv;
  const int64_t whole = c.w / V::width * V::width, rest = c.w - whole;
  const int64_t written = c.pad_w + chunks_of(c.w, V::width) * V::width;
  for (int64_t row = 0; row < p.strip + c.kh - 1; row++, to += p.pitch) {
    const int64_t iy = first + row - c.pad_h;
    if (iy < 0 || iy >= c.h) {
      clear_beyond(to, 0, p.pitch);
      continue;
    }
    const T* from = plane + iy * c.w;
    clear_beyond(to, 0, c.pad_w);
    for (int64_t i = 0; i < whole; i += V::width) store(to + c.pad_w + i, load<V>(from + i));
    if (rest) store(to + c.pad_w + whole, load_n<V>(from + whole, static_cast<int>(rest)));
    clear_beyond(to, written, p.pitch);
  }
}

// What one column of taps adds to rows x vectors windows; x at what the first of them sees, w at its first
// tap.
template <class T, int taps, int rows, int vectors>
LAMINA_INLINE void add_column(const T* x, int64_t pitch, const T* w, Vec<T> (&sum)[rows][vectors]) {
  using V = Vec<T>;
  V weight[taps];
  for (int j = 0; j < taps; j++) weight[j] = set<V>(w[j * taps]);
#pragma GCC unroll 16
  for (int i = 0; i < rows + taps - 1; i++) {
#pragma GCC unroll 2
    for (int v = 0; v < vectors; v++) {
      const V seen = held(load<V>(x + i * pitch + v * V::width));
#pragma GCC unroll 16
      for (int r = 0; r < rows; r++) {
        if (i - r >= 0 && i - r < taps) sum[r][v] = fma(seen, weight[i - r], sum[r][v]);
      }
    }
  }
}

// Some rows of windows of a plane, `columns` wide from x on, to y.
template <class T, int taps, int rows, int vectors>
static void sum_block(const Stencil<T>& p, const T* x, const T* w, const End<T>& end, int64_t channel,
                      int64_t real_rows, int64_t columns, T* y, int64_t at) {
  using V = Vec<T>;
  V sum[rows][vectors];
  for (int r = 0; r < rows; r++) {
    for (int v = 0; v < vectors; v++) sum[r][v] = zero<V>();
  }
  for (int kx = 0; kx < taps; kx++) {
    add_column<T, taps>(x + kx, p.pitch, w + kx, sum);
  }
  const int64_t last = columns - (vectors - 1) * V::width;
#pragma GCC unroll 16
  for (int r = 0; r < rows; r++) {
    if (r >= real_rows) break;
#pragma GCC unroll 2
    for (int v = 0; v < vectors; v++) {
      const int64_t to = at + r * p.conv.ow + v * V::width, n = v == vectors - 1 ? last : V::width;
      const V value = end_of(end, sum[r][v], channel, to, n);
      n == V::width ? store(y + to, value) : put_n(y + to, value, n);
    }
  }
}

template <class T, int taps>
static void stencil_plane(const Stencil<T>& p, const T* x, const T* w, const End<T>& end, int64_t plane,
                          T* seen_rows, T* y) {
  constexpr int width = Vec<T>::width;
  const Conv2d& c = p.conv;
  for (int64_t first = 0; first < c.oh; first += p.strip) {
    const int64_t past = min_of(c.oh, first + p.strip), begin = (plane * c.oh + first) * c.ow;
    fill_rows(p, x + plane * c.h * c.w, first, seen_rows);
    for (int64_t column = 0, left = c.ow; left > 0; column += 2 * width, left -= 2 * width) {
      const bool wide = left > width;
      const int64_t rows = wide ? kStencilRows / 2 : kStencilRows;
      for (int64_t oy = first; oy < past; oy += rows) {
        const T* from = seen_rows + (oy - first) * p.pitch + column;
        const int64_t at = begin + (oy - first) * c.ow + column;
        (wide ? sum_block<T, taps, kStencilRows / 2, 2>
              : sum_block<T, taps, kStencilRows, 1>)(p, from, w, end, plane % c.c, min_of(rows, past - oy),
                                                     min_of(left, 2 * width), y, at);
      }
    }
    if (end.activation > Epilogue::Relu) activate(end.activation, y + begin, 0, 1, (past - first) * c.ow);
  }
}

template <int n>
struct Taps {
  static constexpr int taps = n;
};
template <class F>
LAMINA_INLINE void by_taps(const Conv2d& c, F&& f) {
  c.kh == 3 ? f(Taps<3>()) : f(Taps<5>());
}

template <class T>
static void stencil(const Stencil<T>& p, const T* x, const T* w, bool reversed, const End<T>& end, T* y,
                    void* memory) {
  const int64_t planes = p.conv.n * p.conv.c, taps = p.taps();
  by_taps(p.conv, [&](auto kind) {
    p.share(chunks_of(planes, kStencilPlanes), [&](int64_t chunk) {
      for (int64_t i = chunk * kStencilPlanes; i < min_of(planes, (chunk + 1) * kStencilPlanes); i++) {
        const T* from = w + i % p.conv.c * taps;
        T weights[25];
        for (int64_t t = 0; t < taps; t++) weights[t] = from[reversed ? taps - 1 - t : t];
        stencil_plane<T, kind.taps>(p, x, weights, end, i, p.buffer(memory), y);
      }
    });
  });
}

// Adds to the taps what column kx of them has seen, (tap, lane); only `last` lanes of the last vector count.
template <class T, int taps, int rows, int vectors>
LAMINA_INLINE void add_seen(const T* x, int64_t pitch, const Vec<T> (&g)[rows][vectors], int last, T* sums) {
  using V = Vec<T>;
  V sum[taps][vectors];
  for (int j = 0; j < taps; j++) {
    for (int v = 0; v < vectors; v++) sum[j][v] = zero<V>();
  }
#pragma GCC unroll 16
  for (int i = 0; i < rows + taps - 1; i++) {
#pragma GCC unroll 2
    for (int v = 0; v < vectors; v++) {
      const T* from = x + i * pitch + v * V::width;
      const V seen = held(v == vectors - 1 ? load_n<V>(from, last) : load<V>(from));
#pragma GCC unroll 16
      for (int r = 0; r < rows; r++) {
        if (i - r >= 0 && i - r < taps) sum[i - r][v] = fma(seen, g[r][v], sum[i - r][v]);
      }
    }
  }
  for (int j = 0; j < taps; j++) {
    T* to = sums + j * taps * V::width;
    store(to, load<V>(to) + (vectors == 2 ? sum[j][0] + sum[j][vectors - 1] : sum[j][0]));
  }
}

// Adds to the taps what some rows of the gradient, `columns` wide, give with the input rows x.
template <class T, int taps, int rows, int vectors>
static void add_block(const T* x, int64_t pitch, const T* g, int64_t g_row, int64_t real_rows,
                      int64_t columns, T* sums) {
  using V = Vec<T>;
  const int last = static_cast<int>(columns - (vectors - 1) * V::width);
  V gradient[rows][vectors];
  for (int r = 0; r < rows; r++) {
    for (int v = 0; v < vectors; v++) {
      const T* from = g + r * g_row + v * V::width;
      gradient[r][v] = r >= real_rows ? zero<V>() : load_n<V>(from, v == vectors - 1 ? last : V::width);
    }
  }
  for (int kx = 0; kx < taps; kx++, sums += V::width) {
    add_seen<T, taps>(x + kx, pitch, gradient, last, sums);
  }
}

template <class T>
static void stencil_grad_weight(const Stencil<T>& p, const T* g, const T* x, T* dw, void* memory) {
  constexpr int width = Vec<T>::width, rows = kRegisters == 32 ? 4 : 2;
  const Conv2d& c = p.conv;
  const auto channel_of = [&](auto kind, int64_t channel) {
    T *seen_rows = p.buffer(memory), *sums = seen_rows + p.rows_size();
    for (int64_t t = 0; t < p.taps(); t++) store(sums + t * width, zero<Vec<T>>());
    for (int64_t i = 0; i < c.n * p.strips(); i++) {
      const int64_t plane = i / p.strips() * c.c + channel, first = i % p.strips() * p.strip;
      const int64_t past = min_of(c.oh, first + p.strip);
      fill_rows(p, x + plane * c.h * c.w, first, seen_rows);
      for (int64_t column = 0, left = c.ow; left > 0; column += 2 * width, left -= 2 * width) {
        for (int64_t oy = first; oy < past; oy += rows) {
          (left > width ? add_block<T, kind.taps, rows, 2>
                        : add_block<T, kind.taps, rows, 1>)(seen_rows + (oy - first) * p.pitch + column,
                                                            p.pitch, g + (plane * c.oh + oy) * c.ow + column,
                                                            c.ow, past - oy, min_of(left, 2 * width), sums);
        }
      }
    }
    for (int64_t t = 0; t < p.taps(); t++)
      dw[channel * p.taps() + t] = reduce_add(load<Vec<T>>(sums + t * width));
  };
  by_taps(c, [&](auto kind) { p.share(c.c, [&](int64_t channel) { channel_of(kind, channel); }); });
}

}  // namespace lamina::LAMINA_ISA
