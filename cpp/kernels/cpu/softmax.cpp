// softmax, log_softmax and logsumexp along n of (outer, n, inner), with their slopes. The loss on top is in
// nll_loss.cpp.
#include "kernels/cpu/element.h"
#include "kernels/cpu/table.h"
#include "simd/math.h"

namespace lamina::LAMINA_ISA {
namespace {

// Columns that are worked on together where inner > 1, fewer where n is so large that they would not fit in
// the cache.
constexpr int64_t kColumns = 1024;
constexpr int64_t kSlab = 131072;  // elements

int64_t columns_of(const Rows& r) { return max_of(64, min_of(kColumns, kSlab / r.n / 64 * 64)); }

// body(first element, columns) for every group of columns of (outer, n, inner).
template <class F>
void for_column_groups(const Rows& r, F&& body) {
  const int64_t columns = columns_of(r);
  const int64_t groups = chunks_of(r.inner, columns);
  const int64_t grain = max_of(1, kGrain / 4 / (r.n * min_of(columns, r.inner)));
  parallel_range(r.outer * groups, grain, [&](int64_t begin, int64_t end) {
    for (int64_t i = begin; i < end; i++) {
      const int64_t first = i % groups * columns;
      body(i / groups, first, min_of(columns, r.inner - first));
    }
  });
}

template <class F>
void for_rows(const Rows& r, F&& body) {
  parallel_range(r.outer, max_of(1, kGrain / 4 / r.n), [&](int64_t begin, int64_t end) {
    for (int64_t i = begin; i < end; i++) body(i);
  });
}

// What logsumexp subtracts from its exponents: inf - inf would not be a number.
template <class C>
LAMINA_INLINE C finite_or_zero(C top) {
  return __builtin_isinf(top) ? C(0) : top;
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

// Sum of exp(x - top) over a dense row; each term also goes to term(i, value, lanes).
template <class T, class F>
Compute<T> sum_exp(const T* x, int64_t n, Compute<T> top, F&& term) {
  using V = Lanes<T>;
  constexpr int w = V::width;
  const V m = set<V>(top);
  V a = zero<V>(), b = zero<V>();
  int64_t i = 0;
  for (; i + 2 * w <= n; i += 2 * w) {
    const V e0 = exp(get(x + i) - m);
    const V e1 = exp(get(x + i + w) - m);
    a += e0;
    b += e1;
    term(i, e0, FullWidth<V>());
    term(i + w, e1, FullWidth<V>());
  }
  for (; i < n; i += w) {
    const int64_t lanes = min_of(w, n - i);
    const V e = first_lanes(exp(get_n(x + i, lanes) - m), zero<V>(), lanes);
    a += e;
    term(i, e, lanes);
  }
  return reduce_add(a + b);
}

template <class T>
void softmax_row(bool log, const T* x, T* y, int64_t n) {
  using V = Lanes<T>;
  const Compute<T> top = row_max(x, n);
  const V m = set<V>(top);
  if (log) {
    const Compute<T> sum = sum_exp(x, n, top, [](int64_t, V, auto) {});
    const V log_sum = set<V>(static_cast<Compute<T>>(::log(static_cast<double>(sum))));
    for_vectors<V>(
        n, [&](int64_t i, auto lanes) { put_lanes(y + i, get_lanes(x + i, lanes) - m - log_sum, lanes); });
  } else if (kIsHalf<T>) {  // rounding twice would show, so the exponentials are not kept
    const V scale = set<V>(1 / sum_exp(x, n, top, [](int64_t, V, auto) {}));
    for_vectors<V>(
        n, [&](int64_t i, auto lanes) { put_lanes(y + i, exp(get_lanes(x + i, lanes) - m) * scale, lanes); });
  } else {
    const Compute<T> sum =
        sum_exp(x, n, top, [&](int64_t i, V e, auto lanes) { put_lanes(y + i, e, lanes); });
    const V scale = set<V>(1 / sum);
    for_vectors<V>(n,
                   [&](int64_t i, auto lanes) { put_lanes(y + i, get_lanes(y + i, lanes) * scale, lanes); });
  }
}

// The largest value of each column, which with `finite` becomes 0 where it is infinite, and the sum of exp(x
// - that).
template <class T>
void column_sums(const T* x, int64_t n, int64_t inner, int64_t columns, bool finite, Compute<T>* top,
                 Compute<T>* sum) {
  using V = Lanes<T>;
  for_vectors<V>(columns, [&](int64_t j, auto lanes) {
    put_lanes(top + j, get_lanes(x + j, lanes), lanes);
    put_lanes(sum + j, zero<V>(), lanes);
  });
  for (int64_t i = 1; i < n; i++) {
    const T* row = x + i * inner;
    for_vectors<V>(columns, [&](int64_t j, auto lanes) {
      put_lanes(top + j, max(get_lanes(top + j, lanes), get_lanes(row + j, lanes)), lanes);
    });
  }
  for (int64_t j = 0; finite && j < columns; j++) top[j] = finite_or_zero(top[j]);
  for (int64_t i = 0; i < n; i++) {
    const T* row = x + i * inner;
    for_vectors<V>(columns, [&](int64_t j, auto lanes) {
      const V e = exp(get_lanes(row + j, lanes) - get_lanes(top + j, lanes));
      put_lanes(sum + j, get_lanes(sum + j, lanes) + e, lanes);
    });
  }
}

template <class T>
void softmax_columns(bool log, const T* x, T* y, int64_t n, int64_t inner, int64_t columns) {
  using V = Lanes<T>;
  alignas(64) Compute<T> top[kColumns], sum[kColumns];
  column_sums(x, n, inner, columns, false, top, sum);
  if (log) {
    for_vectors<V>(columns, [&](int64_t j, auto lanes) {
      put_lanes(sum + j, lamina::LAMINA_ISA::log(get_lanes(sum + j, lanes)), lanes);
    });
  } else {
    for_vectors<V>(columns, [&](int64_t j, auto lanes) {
      put_lanes(sum + j, set<V>(1) / get_lanes(sum + j, lanes), lanes);
    });
  }
  for (int64_t i = 0; i < n; i++) {
    const T* row = x + i * inner;
    T* out = y + i * inner;
    for_vectors<V>(columns, [&](int64_t j, auto lanes) {
      const V shifted = get_lanes(row + j, lanes) - get_lanes(top + j, lanes);
      const V s = get_lanes(sum + j, lanes);
      put_lanes(out + j, log ? shifted - s : exp(shifted) * s, lanes);
    });
  }
}

// dx = y * (g - sum(g * y)), or g - exp(y) * sum(g) where y is the logarithm.
template <class T>
LAMINA_INLINE Lanes<T> softmax_slope(bool log, Lanes<T> g, Lanes<T> y, Lanes<T> sum) {
  return log ? fnma(exp(y), sum, g) : y * (g - sum);
}

template <class T>
void softmax_grad_row(bool log, const T* g, const T* y, T* dx, int64_t n) {
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
  for_vectors<V>(n, [&](int64_t j, auto lanes) {
    put_lanes(dx + j, softmax_slope<T>(log, get_lanes(g + j, lanes), get_lanes(y + j, lanes), sum), lanes);
  });
}

template <class T>
void softmax_grad_columns(bool log, const T* g, const T* y, T* dx, int64_t n, int64_t inner,
                          int64_t columns) {
  using V = Lanes<T>;
  alignas(64) Compute<T> sum[kColumns];
  for_vectors<V>(columns, [&](int64_t j, auto lanes) { put_lanes(sum + j, zero<V>(), lanes); });
  for (int64_t i = 0; i < n; i++) {
    for_vectors<V>(columns, [&](int64_t j, auto lanes) {
      const V gi = get_lanes(g + i * inner + j, lanes);
      const V s = get_lanes(sum + j, lanes);
      put_lanes(sum + j, log ? s + gi : fma(gi, get_lanes(y + i * inner + j, lanes), s), lanes);
    });
  }
  for (int64_t i = 0; i < n; i++) {
    for_vectors<V>(columns, [&](int64_t j, auto lanes) {
      const int64_t at = i * inner + j;
      put_lanes(dx + at,
                softmax_slope<T>(log, get_lanes(g + at, lanes), get_lanes(y + at, lanes),
                                 get_lanes(sum + j, lanes)),
                lanes);
    });
  }
}

template <class T>
void logsumexp_rows(const Rows& r, const T* x, T* y) {
  using C = Compute<T>;
  for_rows(r, [&](int64_t i) {
    const C top = row_max(x + i * r.n, r.n);
    const C shift = finite_or_zero(top);
    const C sum = sum_exp(x + i * r.n, r.n, shift, [](int64_t, Lanes<T>, auto) {});
    y[i] = element_of<T>(static_cast<C>(::log(static_cast<double>(sum)) + shift));
  });
}

template <class T>
void logsumexp_columns(const T* x, T* y, int64_t n, int64_t inner, int64_t columns) {
  using V = Lanes<T>;
  alignas(64) Compute<T> top[kColumns], sum[kColumns];
  column_sums(x, n, inner, columns, true, top, sum);
  for_vectors<V>(columns, [&](int64_t j, auto lanes) {
    put_lanes(y + j, lamina::LAMINA_ISA::log(get_lanes(sum + j, lanes)) + get_lanes(top + j, lanes), lanes);
  });
}

}  // namespace

void softmax(bool log, const Rows& r, const void* x, void* y) {
  by_float(r.dtype, [&](auto type) {
    using T = decltype(type);
    const T* in = static_cast<const T*>(x);
    T* out = static_cast<T*>(y);
    if (r.inner == 1)
      return for_rows(r, [&](int64_t i) { softmax_row(log, in + i * r.n, out + i * r.n, r.n); });
    for_column_groups(r, [&](int64_t outer, int64_t first, int64_t columns) {
      const int64_t at = outer * r.n * r.inner + first;
      softmax_columns(log, in + at, out + at, r.n, r.inner, columns);
    });
  });
}

void softmax_grad(bool log, const Rows& r, const void* g, const void* y, void* dx) {
  by_float(r.dtype, [&](auto type) {
    using T = decltype(type);
    const T* grad = static_cast<const T*>(g);
    const T* out = static_cast<const T*>(y);
    T* in_grad = static_cast<T*>(dx);
    if (r.inner == 1) {
      return for_rows(r, [&](int64_t i) {
        const int64_t at = i * r.n;
        softmax_grad_row(log, grad + at, out + at, in_grad + at, r.n);
      });
    }
    for_column_groups(r, [&](int64_t outer, int64_t first, int64_t columns) {
      const int64_t at = outer * r.n * r.inner + first;
      softmax_grad_columns(log, grad + at, out + at, in_grad + at, r.n, r.inner, columns);
    });
  });
}

void logsumexp(const Rows& r, const void* x, void* y) {
  by_float(r.dtype, [&](auto type) {
    using T = decltype(type);
    const T* in = static_cast<const T*>(x);
    T* out = static_cast<T*>(y);
    if (r.inner == 1) return logsumexp_rows(r, in, out);
    for_column_groups(r, [&](int64_t outer, int64_t first, int64_t columns) {
      logsumexp_columns(in + outer * r.n * r.inner + first, out + outer * r.inner + first, r.n, r.inner,
                        columns);
    });
  });
}

}  // namespace lamina::LAMINA_ISA
