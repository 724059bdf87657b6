// Running sums, products, maxima, minima and log-sum-exps along n of (outer, n, inner). Sums and products of
// floats run in double.
#include <cmath>

#include "kernels/cpu/element.h"
#include "kernels/cpu/table.h"

namespace lamina::LAMINA_ISA {
namespace {

constexpr int64_t kColumns = 256;
constexpr int64_t kParts = 64;    // of a long row
constexpr int64_t kPart = 32768;  // elements that a part has at least

template <bool floats, class C>
struct Accumulator {
  using Type = double;
};
template <class C>
struct Accumulator<false, C> {
  using Type = C;
};

// The state of a scan over values of type C: how it starts, takes a value, takes the state of a later part,
// and is read.
template <ScanOp op, class C>
struct Running {
  static constexpr bool kFloat = C(0.5) != C(0);
  using A = typename Accumulator<kFloat && (op == ScanOp::Sum || op == ScanOp::Prod), C>::Type;
  A value;

  static Running start(C first) { return {static_cast<A>(first)}; }
  void take(A x) {
    if constexpr (op == ScanOp::Max) {
      value = x != x ? x : (value < x ? x : value);
    } else if constexpr (op == ScanOp::Min) {
      value = x != x ? x : (x < value ? x : value);
    } else if constexpr (kFloat) {
      value = op == ScanOp::Sum ? value + x : value * x;
    } else {  // integers wrap around
      const uint64_t a = static_cast<uint64_t>(value), b = static_cast<uint64_t>(x);
      value = static_cast<A>(op == ScanOp::Sum ? a + b : a * b);
    }
  }
  void join(const Running& later) { take(later.value); }
  C read() const { return static_cast<C>(value); }
};

// log(sum(exp(x))) as the largest x so far and the sum of exp(x - largest).
template <class C>
struct Running<ScanOp::LogSumExp, C> {
  double top, sum;

  static Running start(C first) { return {static_cast<double>(first), 1}; }
  void join(const Running& later) {
    if (later.top == top) {  // infinities too, whose difference is not a number
      sum += later.sum;
    } else if (later.top < top) {
      sum += later.sum * ::exp(later.top - top);
    } else {
      sum = sum * ::exp(top - later.top) + later.sum;
      top = later.top;
    }
  }
  void take(C x) { join(start(x)); }
  C read() const { return static_cast<C>(top + ::log(sum)); }
};

template <ScanOp op, class S, class T>
struct Scan {
  using C = Compute<T>;
  using R = Running<op, C>;

  static C input(S x) { return static_cast<C>(value_of(x)); }

  static R total(const S* x, int64_t n) {
    R state = R::start(input(x[0]));
    for (int64_t i = 1; i < n; i++) state.take(input(x[i]));
    return state;
  }
  // Goes on from `before`, null at the start of a row.
  static void row(const S* x, T* y, int64_t n, const R* before) {
    R state = R::start(input(x[0]));
    if (before != nullptr) {
      state = *before;
      state.take(input(x[0]));
    }
    y[0] = element_of<T>(state.read());
    for (int64_t i = 1; i < n; i++) {
      state.take(input(x[i]));
      y[i] = element_of<T>(state.read());
    }
  }
  static void long_row(const S* x, T* y, int64_t n) {
    const int64_t part = max_of(kPart, chunks_of(n, kParts));
    const int64_t parts = chunks_of(n, part);
    R before[kParts];  // what the parts up to and with this one add up to
    parallel(parts, [&](int64_t i) { before[i] = total(x + i * part, min_of(part, n - i * part)); });
    for (int64_t i = 1; i < parts; i++) {
      R sum = before[i - 1];
      sum.join(before[i]);
      before[i] = sum;
    }
    parallel(parts, [&](int64_t i) {
      row(x + i * part, y + i * part, min_of(part, n - i * part), i == 0 ? nullptr : before + i - 1);
    });
  }
  static void columns(const S* x, T* y, int64_t n, int64_t inner, int64_t width) {
    R state[kColumns];
    for (int64_t j = 0; j < width; j++) {
      state[j] = R::start(input(x[j]));
      y[j] = element_of<T>(state[j].read());
    }
    for (int64_t i = 1; i < n; i++) {
      const S* __restrict in = x + i * inner;
      T* __restrict out = y + i * inner;
      for (int64_t j = 0; j < width; j++) {
        state[j].take(input(in[j]));
        out[j] = element_of<T>(state[j].read());
      }
    }
  }

  static void all(const Rows& r, const S* x, T* y) {
    if (r.inner == 1 && r.outer < 8 && r.n >= 2 * kPart) {
      for (int64_t i = 0; i < r.outer; i++) long_row(x + i * r.n, y + i * r.n, r.n);
    } else if (r.inner == 1) {
      parallel_range(r.outer, max_of(1, kGrain / r.n), [&](int64_t begin, int64_t end) {
        for (int64_t i = begin; i < end; i++) row(x + i * r.n, y + i * r.n, r.n, nullptr);
      });
    } else {
      const int64_t groups = chunks_of(r.inner, kColumns);
      const int64_t grain = max_of(1, kGrain / (r.n * min_of(r.inner, kColumns)));
      parallel_range(r.outer * groups, grain, [&](int64_t begin, int64_t end) {
        for (int64_t i = begin; i < end; i++) {
          const int64_t first = i % groups * kColumns;
          const int64_t at = i / groups * r.n * r.inner + first;
          columns(x + at, y + at, r.n, r.inner, min_of(kColumns, r.inner - first));
        }
      });
    }
  }
};

template <ScanOp op>
void scan_of(Dtype in, const Rows& r, const void* x, void* y) {
  const auto same = [&](auto type) {
    using T = decltype(type);
    Scan<op, T, T>::all(r, static_cast<const T*>(x), static_cast<T*>(y));
  };
  if constexpr (op == ScanOp::LogSumExp) {
    by_float(in, same);
  } else if (in == r.dtype) {
    by_dtype(in, same);
  } else {
    by_dtype(in, [&](auto type) {
      using S = decltype(type);
      if constexpr (!kIsFloat<S>)
        Scan<op, S, int64_t>::all(r, static_cast<const S*>(x), static_cast<int64_t*>(y));
    });
  }
}

}  // namespace

void scan(ScanOp op, Dtype in, const Rows& out, const void* x, void* y) {
  switch (op) {
    case ScanOp::Prod:
      return scan_of<ScanOp::Prod>(in, out, x, y);
    case ScanOp::Max:
      return scan_of<ScanOp::Max>(in, out, x, y);
    case ScanOp::Min:
      return scan_of<ScanOp::Min>(in, out, x, y);
    case ScanOp::LogSumExp:
      return scan_of<ScanOp::LogSumExp>(in, out, x, y);
    default:
      return scan_of<ScanOp::Sum>(in, out, x, y);
  }
}

}  // namespace lamina::LAMINA_ISA
