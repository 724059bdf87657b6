// softmax, log_softmax and logsumexp along n of (outer, n, inner), with their slopes. The loss on top is in
// nll_loss.cpp.
#include "kernels/cpu/element.h"
#include "kernels/cpu/table.h"
#include "simd/math.h"

namespace lamina::LAMINA_ISA {
namespace {

constexpr int64_t kHeld = 16384;    // elements of a row whose exponentials are held in a buffer
constexpr int64_t kColumns = 1024;  // columns that are worked on together where inner > 1
constexpr int kRows = 8;            // rows that share one rescaling of the sums

template <class F>
void for_rows(const Rows& r, F&& body) {
  parallel_range(r.outer, max_of(1, kGrain / 4 / r.n), [&](int64_t begin, int64_t end) {
    for (int64_t i = begin; i < end; i++) body(i);
    stream_fence();
  });
}

// body(outer, first, columns) for every group of columns of (outer, n, inner).
template <class F>
void for_column_groups(const Rows& r, F&& body) {
  const int64_t groups = chunks_of(r.inner, kColumns);
  const int64_t grain = max_of(1, kGrain / 4 / (r.n * min_of(kColumns, r.inner)));
  parallel_range(r.outer * groups, grain, [&](int64_t begin, int64_t end) {
    for (int64_t i = begin; i < end; i++) {
      const int64_t first = i % groups * kColumns;
      body(i / groups, first, min_of(kColumns, r.inner - first));
    }
    stream_fence();
  });
}

// The largest value of a dense row; a NaN may get lost, the sum of exponentials finds it again.
template <class T>
Compute<T> row_max(const T* x, int64_t n) {
  using V = Lanes<T>;
  constexpr int w = V::width;
  const V none = set<V>(-__builtin_inff());
  V a = none, b = none, c = none, d = none;
  int64_t i = 0;
  for (; i + 4 * w <= n; i += 4 * w) {
    a = max(a, get(x + i));
    b = max(b, get(x + i + w));
    c = max(c, get(x + i + 2 * w));
    d = max(d, get(x + i + 3 * w));
  }
  for (; i + w <= n; i += w) a = max(a, get(x + i));
  if (i < n) b = max(b, first_lanes(get_n(x + i, n - i), none, n - i));
  return reduce_max(max(max(a, b), max(c, d)));
}

// Sum of exp(x - top) over a dense row; each term also goes to term(i, value, lanes). The next row is fetched
// meanwhile: otherwise memory would idle while the exponentials are computed.
template <class T, class F>
Compute<T> sum_exp(const T* x, int64_t n, Compute<T> top, F&& term) {
  using V = Lanes<T>;
  constexpr int w = V::width;
  constexpr int64_t kBlock = 4096;
  const V m = set<V>(top);
  double sum = 0;
  for (int64_t begin = 0; begin < n; begin += kBlock) {
    const int64_t end = min_of(n, begin + kBlock);
    V a = zero<V>(), b = zero<V>();
    int64_t i = begin;
    for (; i + 2 * w <= end; i += 2 * w) {
      __builtin_prefetch(x + n + i, 0, 2);
      __builtin_prefetch(x + n + i + w, 0, 2);
      const V e0 = exp(get(x + i) - m);
      const V e1 = exp(get(x + i + w) - m);
      a += e0;
      b += e1;
      term(i, e0, FullWidth<V>());
      term(i + w, e1, FullWidth<V>());
    }
    for (; i < end; i += w) {
      const int64_t lanes = min_of(w, end - i);
      const V e = first_lanes(exp(get_n(x + i, lanes) - m), zero<V>(), lanes);
      a += e;
      term(i, e, lanes);
    }
    sum += static_cast<double>(reduce_add(a + b));
  }
  return static_cast<Compute<T>>(sum);
}

template <class T>
void softmax_row(bool streamed, const T* x, T* y, int64_t n, Compute<T>* held) {
  using V = Lanes<T>;
  const Compute<T> top = row_max(x, n);
  if (n <= kHeld) {
    const Compute<T> sum =
        sum_exp(x, n, top, [&](int64_t i, V e, auto lanes) { put_lanes(held + i, e, lanes); });
    const V scale = set<V>(1 / sum);
    write_vectors(streamed, y, n, [&](int64_t i, auto lanes) { return get_lanes(held + i, lanes) * scale; });
  } else {
    const V m = set<V>(top), scale = set<V>(1 / sum_exp(x, n, top, [](int64_t, V, auto) {}));
    write_vectors(streamed, y, n,
                  [&](int64_t i, auto lanes) { return exp(get_lanes(x + i, lanes) - m) * scale; });
  }
}

template <class T>
void log_softmax_row(bool streamed, const T* x, T* y, int64_t n) {
  using V = Lanes<T>;
  const Compute<T> top = row_max(x, n);
  const double sum = static_cast<double>(sum_exp(x, n, top, [](int64_t, V, auto) {}));
  const V m = set<V>(top), log_sum = set<V>(static_cast<Compute<T>>(::log(sum)));
  write_vectors(streamed, y, n, [&](int64_t i, auto lanes) { return get_lanes(x + i, lanes) - m - log_sum; });
}

// An infinite value is not subtracted from itself: that would not be a number.
template <class V>
LAMINA_INLINE V finite_or_zero(V top) {
  return select(abs(top) == set<V>(__builtin_inff()), zero<V>(), top);
}

// The largest value of each column and the sum of exp(x - that), in one pass: the sum is rescaled where the
// rows at hand bring a larger value.
template <class T, int rows>
LAMINA_INLINE void add_rows(const T* x, int64_t inner, int64_t columns, Compute<T>* tops, Compute<T>* sums) {
  using V = Lanes<T>;
  for_vectors<V>(columns, [&](int64_t j, auto lanes) {
    V v[rows], top = get_lanes(tops + j, lanes), sum = get_lanes(sums + j, lanes);
    const V old = top;
    for (int k = 0; k < rows; k++) {
      v[k] = get_lanes(x + k * inner + j, lanes);
      __builtin_prefetch(x + (rows + k) * inner + j, 0, 2);
      top = max(v[k], top);
    }
    const V shift = finite_or_zero(top);
    sum = select(sum == zero<V>(), sum, sum * exp(old - shift));
    for (int k = 0; k < rows; k++) sum += exp(v[k] - shift);
    put_lanes(tops + j, top, lanes);
    put_lanes(sums + j, sum, lanes);
  });
}
// Leaves 0 in the place of an infinite top, with a sum of 0 or inf.
template <class T>
void column_sums(const T* x, int64_t n, int64_t inner, int64_t columns, Compute<T>* tops, Compute<T>* sums) {
  for (int64_t j = 0; j < columns; j++) {
    tops[j] = -__builtin_inff();
    sums[j] = 0;
  }
  int64_t i = 0;
  for (; i + kRows <= n; i += kRows) add_rows<T, kRows>(x + i * inner, inner, columns, tops, sums);
  for (; i < n; i++) add_rows<T, 1>(x + i * inner, inner, columns, tops, sums);
  for (int64_t j = 0; j < columns; j++) tops[j] = __builtin_isinf(tops[j]) ? 0 : tops[j];
}

template <class T>
void softmax_columns(bool log, bool streamed, const T* x, T* y, int64_t n, int64_t inner, int64_t columns) {
  using V = Lanes<T>;
  using C = Compute<T>;
  alignas(64) C shift[kColumns], sum[kColumns];
  column_sums(x, n, inner, columns, shift, sum);
  for_vectors<V>(columns, [&](int64_t j, auto lanes) {
    V s = get_lanes(sum + j, lanes);
    s = select(s == set<V>(__builtin_inff()), set<V>(__builtin_nanf("")), s);
    put_lanes(sum + j, log ? lamina::LAMINA_ISA::log(s) : set<V>(1) / s, lanes);
  });
  for (int64_t i = 0; i < n; i++) {
    const T* row = x + i * inner;
    write_vectors(streamed, y + i * inner, columns, [&](int64_t j, auto lanes) {
      __builtin_prefetch(row + kRows / 2 * inner + j, 0, 2);
      const V shifted = get_lanes(row + j, lanes) - get_lanes(shift + j, lanes);
      const V s = get_lanes(sum + j, lanes);
      return log ? shifted - s : exp(shifted) * s;
    });
  }
}

// dx = y * (g - sum(g * y)), or g - exp(y) * sum(g) where y is the logarithm.
template <class V>
LAMINA_INLINE V softmax_slope(bool log, V g, V y, V sum) {
  return log ? fnma(exp(y), sum, g) : y * (g - sum);
}

template <class T>
void softmax_grad_row(bool log, bool streamed, const T* g, const T* y, T* dx, int64_t n) {
  using V = Lanes<T>;
  constexpr int w = V::width;
  const auto part = [&](int64_t i, V acc, auto lanes) {
    const V gi = get_lanes(g + i, lanes);
    return log ? acc + gi : fma(gi, get_lanes(y + i, lanes), acc);
  };
  V a = zero<V>(), b = zero<V>(), c = zero<V>(), d = zero<V>();
  int64_t i = 0;
  for (; i + 4 * w <= n; i += 4 * w) {
    a = part(i, a, FullWidth<V>());
    b = part(i + w, b, FullWidth<V>());
    c = part(i + 2 * w, c, FullWidth<V>());
    d = part(i + 3 * w, d, FullWidth<V>());
  }
  for (; i < n; i += w) a = part(i, a, min_of(w, n - i));
  const V sum = set<V>(reduce_add((a + b) + (c + d)));
  write_vectors(streamed, dx, n, [&](int64_t j, auto lanes) {
    return softmax_slope<V>(log, get_lanes(g + j, lanes), get_lanes(y + j, lanes), sum);
  });
}

template <class T>
void softmax_grad_columns(bool log, bool streamed, const T* g, const T* y, T* dx, int64_t n, int64_t inner,
                          int64_t columns) {
  using V = Lanes<T>;
  alignas(64) Compute<T> sum[kColumns];
  for (int64_t j = 0; j < columns; j++) sum[j] = 0;
  for (int64_t i = 0; i < n; i++) {
    for_vectors<V>(columns, [&](int64_t j, auto lanes) {
      const V gi = get_lanes(g + i * inner + j, lanes);
      __builtin_prefetch(g + (i + kRows / 2) * inner + j, 0, 2);
      __builtin_prefetch(y + (i + kRows / 2) * inner + j, 0, 2);
      const V s = get_lanes(sum + j, lanes);
      put_lanes(sum + j, log ? s + gi : fma(gi, get_lanes(y + i * inner + j, lanes), s), lanes);
    });
  }
  for (int64_t i = 0; i < n; i++) {
    const T* gi = g + i * inner;
    const T* yi = y + i * inner;
    write_vectors(streamed, dx + i * inner, columns, [&](int64_t j, auto lanes) {
      __builtin_prefetch(gi + kRows / 2 * inner + j, 0, 2);
      __builtin_prefetch(yi + kRows / 2 * inner + j, 0, 2);
      return softmax_slope<V>(log, get_lanes(gi + j, lanes), get_lanes(yi + j, lanes),
                              get_lanes(sum + j, lanes));
    });
  }
}

template <class T>
void logsumexp_rows(const Rows& r, const T* x, T* y, T* shifts) {
  using C = Compute<T>;
  for_rows(r, [&](int64_t i) {
    const C top = row_max(x + i * r.n, r.n);
    const C shift = __builtin_isinf(top) ? C(0) : top;
    const double sum = static_cast<double>(sum_exp(x + i * r.n, r.n, shift, [](int64_t, Lanes<T>, auto) {}));
    y[i] = element_of<T>(static_cast<C>(::log(sum) + (shifts ? 0 : static_cast<double>(shift))));
    if (shifts) shifts[i] = element_of<T>(shift);
  });
}

template <class T>
void logsumexp_columns(const T* x, T* y, T* shifts, int64_t n, int64_t inner, int64_t columns) {
  using V = Lanes<T>;
  alignas(64) Compute<T> shift[kColumns], sum[kColumns];
  column_sums(x, n, inner, columns, shift, sum);
  for_vectors<V>(columns, [&](int64_t j, auto lanes) {
    const V log_sum = lamina::LAMINA_ISA::log(get_lanes(sum + j, lanes)), top = get_lanes(shift + j, lanes);
    put_lanes(y + j, shifts ? log_sum : log_sum + top, lanes);
    if (shifts) put_lanes(shifts + j, top, lanes);
  });
}

}  // namespace

void softmax(bool log, const Rows& r, const void* x, void* y) {
  by_float(r.dtype, [&](auto type) {
    using T = decltype(type);
    const T* in = static_cast<const T*>(x);
    T* out = static_cast<T*>(y);
    const bool streamed = is_streamed(r.dtype, r.outer * r.n * r.inner);
    if (r.inner == 1) {
      return for_rows(r, [&](int64_t i) {
        if (log) return log_softmax_row(streamed, in + i * r.n, out + i * r.n, r.n);
        alignas(64) Compute<T> held[kHeld];
        softmax_row(streamed, in + i * r.n, out + i * r.n, r.n, held);
      });
    }
    for_column_groups(r, [&](int64_t outer, int64_t first, int64_t columns) {
      const int64_t at = outer * r.n * r.inner + first;
      softmax_columns(log, streamed, in + at, out + at, r.n, r.inner, columns);
    });
  });
}

void softmax_grad(bool log, const Rows& r, const void* g, const void* y, void* dx) {
  by_float(r.dtype, [&](auto type) {
    using T = decltype(type);
    const T* grad = static_cast<const T*>(g);
    const T* out = static_cast<const T*>(y);
    T* in_grad = static_cast<T*>(dx);
    const bool streamed = is_streamed(r.dtype, r.outer * r.n * r.inner);
    if (r.inner == 1) {
      return for_rows(r, [&](int64_t i) {
        const int64_t at = i * r.n;
        softmax_grad_row(log, streamed, grad + at, out + at, in_grad + at, r.n);
      });
    }
    for_column_groups(r, [&](int64_t outer, int64_t first, int64_t columns) {
      const int64_t at = outer * r.n * r.inner + first;
      softmax_grad_columns(log, streamed, grad + at, out + at, in_grad + at, r.n, r.inner, columns);
    });
  });
}

void logsumexp(const Rows& r, const void* x, void* y, void* shift) {
  by_float(r.dtype, [&](auto type) {
    using T = decltype(type);
    const T* in = static_cast<const T*>(x);
    T *out = static_cast<T*>(y), *shifts = static_cast<T*>(shift);
    if (r.inner == 1) return logsumexp_rows(r, in, out, shifts);
    for_column_groups(r, [&](int64_t outer, int64_t first, int64_t columns) {
      const int64_t to = outer * r.inner + first;
      logsumexp_columns(in + outer * r.n * r.inner + first, out + to, shifts ? shifts + to : nullptr, r.n,
                        r.inner, columns);
    });
  });
}

}  // namespace lamina::LAMINA_ISA
