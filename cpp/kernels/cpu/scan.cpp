// Running sums, products and log-sum-exps along n of (outer, n, inner). Sums and products of floats run in
// double. Extremes: running_extreme.cpp.
#include <cmath>

#include "kernels/cpu/element.h"
#include "kernels/cpu/table.h"

namespace lamina::LAMINA_ISA {
namespace {

constexpr int64_t kColumns = 128;
constexpr int64_t kParts = 64;    // of a long row
constexpr int64_t kPart = 32768;  // elements that a part has at least

// ---- what is carried along
// -------------------------------------------------------------------------------------------

// The state of a scan over values of type C: how it starts, takes a value, takes the state of a later part,
// and is read.
template <ScanOp op, class C>
struct Running {
  static constexpr bool kFloat = C(0.5) != C(0);
  using A = typename Either<kFloat, double, C>::Type;
  A value;

  static Running start(C first) { return {static_cast<A>(first)}; }
  void take(A x) {
    if constexpr (kFloat) {
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

struct State {
  double words[2];
};

// ---- loops, by op and dtypes
// -----------------------------------------------------------------------------------------

struct ScanLoops {
  size_t in_size, out_size;
  void (*total)(const void* x, int64_t n, State* state);
  void (*join)(State* state, const State* later);
  void (*row)(const void* x, void* y, int64_t n,
              const State* before);  // `before` is null at the start of a row
  void (*columns)(const void* x, void* y, int64_t n, int64_t inner, int64_t width);
};

// A sum in double of what vectors hold.
LAMINA_INLINE F64 doubles(F64 v) { return v; }
LAMINA_INLINE F64 doubles(F32 v) {
  return F32::width == F64::width ? widen_low(v) : widen_low(v) + widen_high(v);
}
template <class T>
double sum_of(const T* x, int64_t n) {
  using V = Lanes<T>;
  F64 sum = zero<F64>();
  for_vectors<V>(n, [&](int64_t i, auto lanes) { sum += doubles(get_lanes(x + i, lanes)); });
  return reduce_add(sum);
}

template <ScanOp op, class S, class T>
struct Scan {
  using C = Compute<T>;
  using R = Running<op, C>;

  static R load_state(const State* state) {
    R r;
    memcpy(&r, state, sizeof r);
    return r;
  }
  static void store_state(State* state, const R& r) { memcpy(state, &r, sizeof r); }
  static C input(S x) { return static_cast<C>(value_of(x)); }

  static void total(const void* data, int64_t n, State* state) {
    const S* x = static_cast<const S*>(data);
    R r = R::start(input(x[0]));
    if constexpr (op == ScanOp::Sum && kIsFloat<S>) {
      r.value = sum_of(x, n);
    } else {
      for (int64_t i = 1; i < n; i++) r.take(input(x[i]));
    }
    store_state(state, r);
  }
  static void join(State* state, const State* later) {
    R r = load_state(state);
    r.join(load_state(later));
    store_state(state, r);
  }

  static void row(const void* data, void* out, int64_t n, const State* before) {
    const S* x = static_cast<const S*>(data);
    T* y = static_cast<T*>(out);
    R r = R::start(input(x[0]));
    if (before != nullptr) {
      const R first = r;
      r = load_state(before);
      r.join(first);
    }
    y[0] = element_of<T>(r.read());
    for (int64_t i = 1; i < n; i++) {
      r.take(input(x[i]));
      y[i] = element_of<T>(r.read());
    }
  }

  static void columns(const void* data, void* out, int64_t n, int64_t inner, int64_t width) {
    const S* __restrict x = static_cast<const S*>(data);
    T* __restrict y = static_cast<T*>(out);
    R state[kColumns];
    for (int64_t j = 0; j < width; j++) {
      state[j] = R::start(input(x[j]));
      y[j] = element_of<T>(state[j].read());
    }
    for (int64_t i = 1; i < n; i++) {
      x += inner;
      y += inner;
      for (int64_t j = 0; j < width; j++) {
        state[j].take(input(x[j]));
        y[j] = element_of<T>(state[j].read());
      }
    }
  }

  static constexpr ScanLoops loops = {sizeof(S), sizeof(T), total, join, row, columns};
};

template <ScanOp op>
const ScanLoops& loops_of(Dtype in) {
  const ScanLoops* loops = nullptr;
  if constexpr (op == ScanOp::LogSumExp) {
    by_float(in, [&](auto type) { loops = &Scan<op, decltype(type), decltype(type)>::loops; });
  } else {
    by_dtype(in, [&](auto type) {
      using S = decltype(type);
      using T = typename Either<kIsFloat<S>, S, int64_t>::Type;
      loops = &Scan<op, S, T>::loops;
    });
  }
  return *loops;
}

const ScanLoops& loops_of(ScanOp op, Dtype in) {
  switch (op) {
    case ScanOp::Prod:
      return loops_of<ScanOp::Prod>(in);
    case ScanOp::LogSumExp:
      return loops_of<ScanOp::LogSumExp>(in);
    default:
      return loops_of<ScanOp::Sum>(in);
  }
}

// ---- rows and columns of a tensor
// ------------------------------------------------------------------------------------

struct Arrays {
  const char* x;
  char* y;
  const ScanLoops& loops;

  const void* in(int64_t i) const { return x + i * static_cast<int64_t>(loops.in_size); }
  void* out(int64_t i) const { return y + i * static_cast<int64_t>(loops.out_size); }
};

void long_row(const Arrays& a, int64_t begin, int64_t n) {
  const int64_t part = max_of(kPart, chunks_of(n, kParts));
  const int64_t parts = chunks_of(n, part);
  State before[kParts];  // what the parts up to and with this one add up to
  parallel(parts,
           [&](int64_t i) { a.loops.total(a.in(begin + i * part), min_of(part, n - i * part), before + i); });
  for (int64_t i = 1; i < parts; i++) {
    const State own = before[i];
    before[i] = before[i - 1];
    a.loops.join(before + i, &own);
  }
  parallel(parts, [&](int64_t i) {
    const int64_t at = begin + i * part;
    a.loops.row(a.in(at), a.out(at), min_of(part, n - i * part), i == 0 ? nullptr : before + i - 1);
  });
}

}  // namespace

void scan(ScanOp op, Dtype in, const Rows& r, const void* x, void* y) {
  const Arrays a = {static_cast<const char*>(x), static_cast<char*>(y), loops_of(op, in)};
  if (r.inner == 1 && r.outer < 8 && r.n >= 2 * kPart) {
    for (int64_t i = 0; i < r.outer; i++) long_row(a, i * r.n, r.n);
  } else if (r.inner == 1) {
    parallel_range(r.outer, max_of(1, kGrain / r.n), [&](int64_t begin, int64_t end) {
      for (int64_t i = begin; i < end; i++) a.loops.row(a.in(i * r.n), a.out(i * r.n), r.n, nullptr);
    });
  } else {
    const int64_t groups = chunks_of(r.inner, kColumns);
    const int64_t grain = max_of(1, kGrain / (r.n * min_of(r.inner, kColumns)));
    parallel_range(r.outer * groups, grain, [&](int64_t begin, int64_t end) {
      for (int64_t i = begin; i < end; i++) {
        const int64_t first = i % groups * kColumns;
        const int64_t at = i / groups * r.n * r.inner + first;
        a.loops.columns(a.in(at), a.out(at), r.n, r.inner, min_of(kColumns, r.inner - first));
      }
    });
  }
}

}  // namespace lamina::LAMINA_ISA
