// Max and average pooling of planes (h, w) and the ways back. A row of the output is built tap by tap: for
// each place in the window one pass over the row, which suits any stride, padding and dilation.
#include "kernels/cpu/table.h"
#include "kernels/cpu/window.h"

namespace lamina::LAMINA_ISA {

namespace {

constexpr int64_t kPart = 256;  // outputs of a row built at a time

// body(values, span, offset) for each tap of output row oy and outputs [begin, end): values[i - span.begin]
// is what output i sees there, offset its place relative to the window's first.
template <class S, class F>
void for_taps(const Pool2d& p, const S* plane, int64_t oy, int64_t begin, int64_t end, F&& body) {
  Compute<S> buffer[kPart + Lanes<S>::width];
  for (int64_t ky = 0; ky < p.kh; ky++) {
    const int64_t iy = oy * p.stride_h - p.pad_h + ky * p.dilation_h;
    if (iy < 0 || iy >= p.h) continue;
    for (int64_t kx = 0; kx < p.kw; kx++) {
      const int64_t shift = kx * p.dilation_w - p.pad_w;
      const Span span = valid_span(begin, end, p.stride_w, shift, p.w);
      if (span.begin >= span.end) continue;
      const int64_t ix = span.begin * p.stride_w + shift;
      const S* row = plane + iy * p.w + ix;
      if constexpr (!kIsHalf<S>) {
        if (p.stride_w == 1) {  // in place
          body(row, span, ky * p.dilation_h * p.w + kx * p.dilation_w);
          continue;
        }
      }
      read_row_beyond(row, p.stride_w, span.end - span.begin, p.w - ix, buffer);
      body(buffer, span, ky * p.dilation_h * p.w + kx * p.dilation_w);
    }
  }
}

// Output rows, of all planes, worth one share of work.
int64_t rows_per_share(const Pool2d& p) { return max_of(1, kGrain / max_of(1, p.ow * p.kh * p.kw)); }

template <class S>
void max_row(const Pool2d& p, const S* plane, int64_t oy, int64_t begin, int64_t end, S* y,
             int64_t* indices) {
  using V = Lanes<S>;
  using I = typename V::Int;
  using Offset = typename I::Element;
  Compute<S> best[kPart + V::width];
  Offset place[kPart + V::width];
  for (int64_t i = 0; i < end - begin; i++) {
    best[i] = -static_cast<Compute<S>>(__builtin_inff());
    place[i] = -1;
  }
  for_taps(p, plane, oy, begin, end, [&](const Compute<S>* values, Span span, int64_t offset) {
    const I here = set<I>(static_cast<Offset>(offset));
    for (int64_t i = span.begin; i < span.end; i += V::width) {
      const int n = static_cast<int>(min_of(V::width, span.end - i));
      Compute<S>* best_at = best + (i - begin);
      Offset* place_at = place + (i - begin);
      const V value = load_n<V>(values + (i - span.begin), n), old = load<V>(best_at);
      const I old_place = load<I>(place_at);
      const auto wins = (value > old) | isnan(value) | (set<I>(0) > old_place);
      store_n(best_at, select(wins, value, old), n);
      store_n(place_at, select(wins, here, old_place), n);
    }
  });
  for (int64_t i = begin; i < end; i += V::width) {
    put_n(y + i, load<V>(best + (i - begin)), min_of(V::width, end - i));
  }
  const int64_t window = (oy * p.stride_h - p.pad_h) * p.w - p.pad_w;
  for (int64_t i = begin; i < end; i++) indices[i] = window + i * p.stride_w + place[i - begin];
}

template <class S>
void max_pool(const Pool2d& p, const S* x, S* y, int64_t* indices) {
  parallel_range(p.planes * p.oh, rows_per_share(p), [&](int64_t first, int64_t past) {
    for (int64_t r = first; r < past; r++) {
      for (int64_t begin = 0; begin < p.ow; begin += kPart) {
        max_row(p, x + r / p.oh * p.h * p.w, r % p.oh, begin, min_of(p.ow, begin + kPart), y + r * p.ow,
                indices + r * p.ow);
      }
    }
  });
}

// Windows may overlap, so a plane is one thread's.
template <class S>
void max_pool_grad(const Pool2d& p, const S* g, const int64_t* indices, S* dx) {
  const int64_t in = p.h * p.w, out = p.oh * p.ow;
  parallel_range(p.planes, max_of(1, kGrain / max_of(1, in + out)), [&](int64_t first, int64_t past) {
    memset(dx + first * in, 0, static_cast<size_t>((past - first) * in) * sizeof(S));
    for (int64_t plane = first; plane < past; plane++) {
      for (int64_t i = plane * out; i < (plane + 1) * out; i++) {
        S& to = dx[plane * in + indices[i]];
        to = element_of<S>(value_of(to) + value_of(g[i]));
      }
    }
  });
}

// What an average divides by. The window counts with its padding, but not beyond it; or without.
int64_t covered(int64_t o, int64_t stride, int64_t pad, int64_t k, int64_t size, bool with_pad) {
  const int64_t begin = o * stride - pad, end = min_of(begin + k, size + pad);
  return with_pad ? end - begin : min_of(end, size) - max_of(begin, 0);
}
template <class T>
void divisors(const Pool2d& p, int64_t oy, int64_t begin, int64_t end, T* to) {
  const int64_t rows = covered(oy, p.stride_h, p.pad_h, p.kh, p.h, p.count_include_pad);
  for (int64_t i = begin; i < end; i++) {
    to[i - begin] = static_cast<T>(
        p.divisor ? p.divisor : rows * covered(i, p.stride_w, p.pad_w, p.kw, p.w, p.count_include_pad));
  }
}

template <class S>
void average_row(const Pool2d& p, const S* plane, int64_t oy, int64_t begin, int64_t end, S* y) {
  using V = Lanes<S>;
  Compute<S> sum[kPart + V::width] = {}, divisor[kPart + V::width];
  for_taps(p, plane, oy, begin, end, [&](const Compute<S>* values, Span span, int64_t) {
    for (int64_t i = span.begin; i < span.end; i += V::width) {
      const int n = static_cast<int>(min_of(V::width, span.end - i));
      Compute<S>* at = sum + (i - begin);
      store_n(at, load<V>(at) + load_n<V>(values + (i - span.begin), n), n);
    }
  });
  divisors(p, oy, begin, end, divisor);
  for (int64_t i = begin; i < end; i += V::width) {
    put_n(y + i, load<V>(sum + (i - begin)) / load<V>(divisor + (i - begin)), min_of(V::width, end - i));
  }
}

template <class S>
void average_pool(const Pool2d& p, const S* x, S* y) {
  parallel_range(p.planes * p.oh, rows_per_share(p), [&](int64_t first, int64_t past) {
    for (int64_t r = first; r < past; r++) {
      for (int64_t begin = 0; begin < p.ow; begin += kPart) {
        average_row(p, x + r / p.oh * p.h * p.w, r % p.oh, begin, min_of(p.ow, begin + kPart), y + r * p.ow);
      }
    }
  });
}

template <class S>
void spread_row(const Pool2d& p, const S* g, int64_t oy, int64_t begin, int64_t end, S* plane) {
  using V = Lanes<S>;
  Compute<S> share[kPart + V::width];
  divisors(p, oy, begin, end, share);
  for (int64_t i = begin; i < end; i += V::width) {
    const int n = static_cast<int>(min_of(V::width, end - i));
    store_n(share + (i - begin), get_n(g + i, n) / load<V>(share + (i - begin)), n);
  }
  for (int64_t ky = 0; ky < p.kh; ky++) {
    const int64_t iy = oy * p.stride_h - p.pad_h + ky * p.dilation_h;
    if (iy < 0 || iy >= p.h) continue;
    for (int64_t kx = 0; kx < p.kw; kx++) {
      const int64_t shift = kx * p.dilation_w - p.pad_w;
      const Span span = valid_span(begin, end, p.stride_w, shift, p.w);
      S* to = plane + iy * p.w + shift;
      for (int64_t i = span.begin; i < span.end; i++) {
        to[i * p.stride_w] = element_of<S>(value_of(to[i * p.stride_w]) + share[i - begin]);
      }
    }
  }
}

template <class S>
void average_pool_grad(const Pool2d& p, const S* g, S* dx) {
  const int64_t in = p.h * p.w, out = p.oh * p.ow;
  parallel_range(
      p.planes, max_of(1, kGrain / max_of(1, in + out * p.kh * p.kw)), [&](int64_t first, int64_t past) {
        memset(dx + first * in, 0, static_cast<size_t>((past - first) * in) * sizeof(S));
        for (int64_t r = first * p.oh; r < past * p.oh; r++) {
          for (int64_t begin = 0; begin < p.ow; begin += kPart) {
            spread_row(p, g + r * p.ow, r % p.oh, begin, min_of(p.ow, begin + kPart), dx + r / p.oh * in);
          }
        }
      });
}

}  // namespace

void max_pool2d(const Pool2d& p, const void* x, void* y, int64_t* indices) {
  by_float(p.dtype, [&](auto type) {
    using S = decltype(type);
    max_pool(p, static_cast<const S*>(x), static_cast<S*>(y), indices);
  });
}

void max_pool2d_grad(const Pool2d& p, const void* g, const int64_t* indices, void* dx) {
  by_float(p.dtype, [&](auto type) {
    using S = decltype(type);
    max_pool_grad(p, static_cast<const S*>(g), indices, static_cast<S*>(dx));
  });
}

void avg_pool2d(const Pool2d& p, const void* x, void* y) {
  by_float(p.dtype, [&](auto type) {
    using S = decltype(type);
    average_pool(p, static_cast<const S*>(x), static_cast<S*>(y));
  });
}

void avg_pool2d_grad(const Pool2d& p, const void* g, void* dx) {
  by_float(p.dtype, [&](auto type) {
    using S = decltype(type);
    average_pool_grad(p, static_cast<const S*>(g), static_cast<S*>(dx));
  });
}

}  // namespace lamina::LAMINA_ISA
