// What each ReduceOp does: to one value, to a vector, along a dense or strided run, and from rows to a row.
// How the runs and rows of a tensor are found and shared between threads is in reduce.cpp.
#pragma once

#include <cmath>

#include "kernels/cpu/element.h"

namespace lamina::LAMINA_ISA {

// The inner loops of one op on one dtype. A total is what a long reduction adds up to (at most 8 bytes), a
// lane an element of an accumulated row.
struct ReduceLoops {
  size_t in_size, lane_size, out_size;
  uint64_t identity;  // a total
  void (*run)(const void* p, int64_t stride, int64_t n,
              uint64_t* total);               // total := total joined with n elements
  void (*join)(uint64_t* totals, int64_t n);  // totals[0] := all of them
  void (*write)(void* out, uint64_t total, double scale);
  // Reduces `count` short runs, `step` apart, each to a value of out.
  void (*short_runs)(const void* p, int64_t step, int64_t count, int64_t stride, int64_t n, double scale,
                     void* out, int64_t out_step);
  // acc := (first ? identity : acc) joined with the rows; element j of a row lies at j * stride
  void (*rows)(const char* const* rows, int count, int64_t stride, int64_t width, void* acc, bool first);
  void (*join_rows)(void* acc, const void* other, int64_t width);
  void (*write_row)(const void* acc, int64_t width, double scale, void* out, int64_t stride);
};

// Sum, Prod, SumSquares, SumAbs are in reduce_sum.cpp, the others in reduce_extreme.cpp.
const ReduceLoops& sum_loops(ReduceOp op, Dtype dtype);
const ReduceLoops& extreme_loops(ReduceOp op, Dtype dtype);

constexpr int kReduceRows = 8;  // rows that are joined in registers before they meet the accumulated row
constexpr int64_t kReduceRun =
    4096;  // elements whose partial result is held in the type they are computed in

namespace {

template <ReduceOp op, class T>
struct Law {
  static constexpr bool kSum =
      op == ReduceOp::Sum || op == ReduceOp::Prod || op == ReduceOp::SumSquares || op == ReduceOp::SumAbs;
  static constexpr bool kTruth = op == ReduceOp::Any || op == ReduceOp::All;
  static constexpr bool kFloat = kIsFloat<T>;
  static constexpr bool kVector = kFloat && !kTruth;

  using Sum = typename Either<kFloat, Compute<T>, int64_t>::Type;
  using Lane = typename Either<kTruth, uint8_t, typename Either<kSum, Sum, Compute<T>>::Type>::Type;
  using Total = typename Either<kSum && kFloat, double, Lane>::Type;
  using Out = typename Either<kTruth, bool, typename Either<kSum && !kFloat, int64_t, T>::Type>::Type;
  using V = typename Either<kVector, Lanes<typename Either<kVector, T, float>::Type>, F32>::Type;

  // The smallest value of an integer type; -inf of a float type. The largest likewise.
  template <class A>
  static constexpr A lowest() {
    if constexpr (kFloat) {
      return -__builtin_inf();
    } else if constexpr (A(-1) < A(0)) {
      return A(uint64_t(1) << (8 * sizeof(A) - 1));
    } else {
      return A(0);
    }
  }
  template <class A>
  static constexpr A identity() {
    if constexpr (op == ReduceOp::Max) return lowest<A>();
    if constexpr (op == ReduceOp::Min) return kFloat ? -lowest<A>() : A(~int64_t(lowest<A>()));
    return A(op == ReduceOp::Prod || op == ReduceOp::All);
  }

  static Lane of(T x) {
    if constexpr (kTruth) {
      return is_set(x);
    } else {
      const Lane v = static_cast<Lane>(value_of(x));
      if constexpr (op == ReduceOp::SumSquares) return v * v;
      if constexpr (op == ReduceOp::SumAbs) return v < 0 ? -v : v;
      return v;
    }
  }
  template <class A>
  static A join(A a, A b) {
    if constexpr (op == ReduceOp::Any) return a | b;
    if constexpr (op == ReduceOp::All) return a & b;
    if constexpr (op == ReduceOp::Max) return b != b ? b : (a < b ? b : a);
    if constexpr (op == ReduceOp::Min) return b != b ? b : (b < a ? b : a);
    if constexpr (kFloat) {
      return op == ReduceOp::Prod ? a * b : a + b;
    } else {  // integers wrap around
      const uint64_t x = static_cast<uint64_t>(a), y = static_cast<uint64_t>(b);
      return static_cast<A>(op == ReduceOp::Prod ? x * y : x + y);
    }
  }

  static V of(V x) {
    if constexpr (op == ReduceOp::SumSquares) return x * x;
    if constexpr (op == ReduceOp::SumAbs) return abs(x);
    return x;
  }
  static V join(V a, V b) {
    if constexpr (op == ReduceOp::Max) return select(isnan(b), b, max(b, a));
    if constexpr (op == ReduceOp::Min) return select(isnan(b), b, min(b, a));
    if constexpr (op == ReduceOp::Prod) return a * b;
    return a + b;
  }
  static Lane across(V v) {
    if constexpr (kSum && op != ReduceOp::Prod) {
      return reduce_add(v);
    } else {
      Lane lanes[V::width];
      store(lanes, v);
      for (int half = V::width / 2; half > 0; half /= 2) {
        for (int i = 0; i < half; i++) lanes[i] = join(lanes[i], lanes[i + half]);
      }
      return lanes[0];
    }
  }

  static Lane dense_vectors(const T* p, int64_t n) {
    constexpr int w = V::width;
    const V none = set<V>(identity<Lane>());
    if (n <= w) return across(first_lanes(of(get_n(p, n)), none, n));
    V a = none, b = none, c = none, d = none;
    int64_t i = 0;
    for (; i + 4 * w <= n; i += 4 * w) {
      a = join(a, of(get(p + i)));
      b = join(b, of(get(p + i + w)));
      c = join(c, of(get(p + i + 2 * w)));
      d = join(d, of(get(p + i + 3 * w)));
    }
    for (; i + w <= n; i += w) a = join(a, of(get(p + i)));
    if (i < n) b = join(b, first_lanes(of(get_n(p + i, n - i)), none, n - i));
    return across(join(join(a, b), join(c, d)));
  }

  // Small integers add up in lanes that are wide enough for kReduceRun / 64 of them.
  static int64_t sum_of_small(const T* p, int64_t n) {
    using Wide =
        typename Either<sizeof(T) == 2, int32_t, typename Either<T(2) == T(1), uint8_t, int16_t>::Type>::Type;
    constexpr int64_t kLanes = 64;
    Wide lanes[kLanes] = {};
    int64_t i = 0;
    for (; i + kLanes <= n; i += kLanes) {
      for (int64_t j = 0; j < kLanes; j++) lanes[j] = static_cast<Wide>(lanes[j] + p[i + j]);
    }
    int64_t sum = 0;
    for (int64_t j = 0; j < kLanes; j++) sum += lanes[j];
    for (; i < n; i++) sum += p[i];
    return sum;
  }

  // At most kReduceRun elements.
  __attribute__((noinline)) static Lane dense(const T* p, int64_t n) {
    if constexpr (kVector) {
      return dense_vectors(p, n);
    } else if constexpr (op == ReduceOp::Sum && sizeof(T) <= 2) {
      return sum_of_small(p, n);
    } else {
      Lane acc = identity<Lane>();
      for (int64_t i = 0; i < n; i++) acc = join(acc, of(p[i]));
      return acc;
    }
  }

  __attribute__((noinline)) static Lane strided(const T* p, int64_t stride, int64_t n) {
    Lane a = identity<Lane>();
    int64_t i = 0;
    if constexpr (kFloat) {  // floats are slow to add, so four accumulators take turns
      Lane b = a, c = a, d = a;
      for (; i + 4 <= n; i += 4) {
        a = join(a, of(p[i * stride]));
        b = join(b, of(p[(i + 1) * stride]));
        c = join(c, of(p[(i + 2) * stride]));
        d = join(d, of(p[(i + 3) * stride]));
      }
      a = join(join(a, b), join(c, d));
    }
    for (; i < n; i++) a = join(a, of(p[i * stride]));
    return a;
  }

  static Total load_total(uint64_t bits) {
    Total t;
    memcpy(&t, &bits, sizeof t);
    return t;
  }
  static void store_total(uint64_t* bits, Total t) { memcpy(bits, &t, sizeof t); }

  static void run(const void* data, int64_t stride, int64_t n, uint64_t* total) {
    const T* p = static_cast<const T*>(data);
    Total t = load_total(*total);
    for (int64_t i = 0; i < n; i += kReduceRun) {
      if (kTruth && t != identity<Total>()) break;
      const int64_t m = min_of(kReduceRun, n - i);
      t = join(t, static_cast<Total>(stride == 1 ? dense(p + i, m) : strided(p + i * stride, stride, m)));
    }
    store_total(total, t);
  }

  static void join_totals(uint64_t* totals, int64_t n) {
    for (int64_t step = 1; step < n; step *= 2) {
      for (int64_t i = 0; i + step < n; i += 2 * step) {
        store_total(totals + i, join(load_total(totals[i]), load_total(totals[i + step])));
      }
    }
  }

  static Out out_of(Total t, double scale) {
    if constexpr (op == ReduceOp::Sum && kFloat) t *= scale;
    if constexpr (kFloat && !kTruth) {
      return element_of<T>(static_cast<Compute<T>>(t));
    } else {
      return static_cast<Out>(t);
    }
  }
  static void write(void* out, uint64_t total, double scale) {
    *static_cast<Out*>(out) = out_of(load_total(total), scale);
  }

  static void short_runs(const void* data, int64_t step, int64_t count, int64_t stride, int64_t n,
                         double scale, void* out, int64_t out_step) {
    const T* p = static_cast<const T*>(data);
    Out* o = static_cast<Out*>(out);
    for (int64_t i = 0; i < count; i++) {
      const Lane v = stride == 1 && n > 8 ? dense(p + i * step, n) : strided(p + i * step, stride, n);
      o[i * out_step] = out_of(static_cast<Total>(v), scale);
    }
  }

  static V eight(const T* const* r, int64_t j, int64_t n) {
    V v[kReduceRows];
    for (int k = 0; k < kReduceRows; k++) v[k] = of(n == V::width ? get(r[k] + j) : get_n(r[k] + j, n));
    return join(join(join(v[0], v[1]), join(v[2], v[3])), join(join(v[4], v[5]), join(v[6], v[7])));
  }
  static void vector_rows(const T* const* r, int count, int64_t width, Lane* acc) {
    int k = 0;
    for (; k + kReduceRows <= count; k += kReduceRows) {
      for_vectors<V>(width, [&](int64_t j, auto n) {
        put_lanes(acc + j, join(get_lanes(acc + j, n), eight(r + k, j, n)), n);
      });
    }
    for (; k < count; k++) {
      for_vectors<V>(width, [&](int64_t j, auto n) {
        put_lanes(acc + j, join(get_lanes(acc + j, n), of(get_lanes(r[k] + j, n))), n);
      });
    }
  }
  static void rows(const char* const* data, int count, int64_t stride, int64_t width, void* out, bool first) {
    Lane* acc = static_cast<Lane*>(out);
    if (first) {
      for (int64_t j = 0; j < width; j++) acc[j] = identity<Lane>();
    }
    if constexpr (kVector) {
      if (stride == 1) return vector_rows(reinterpret_cast<const T* const*>(data), count, width, acc);
    }
    for (int k = 0; k < count; k++) {
      const T* __restrict p = reinterpret_cast<const T*>(data[k]);
      Lane* __restrict a = acc;
      if (stride == 1) {
        for (int64_t j = 0; j < width; j++) a[j] = join(a[j], of(p[j]));
      } else {
        for (int64_t j = 0; j < width; j++) a[j] = join(a[j], of(p[j * stride]));
      }
    }
  }
  static void join_rows(void* data, const void* other, int64_t width) {
    Lane* __restrict acc = static_cast<Lane*>(data);
    const Lane* __restrict o = static_cast<const Lane*>(other);
    for (int64_t j = 0; j < width; j++) acc[j] = join(acc[j], o[j]);
  }
  static void write_row(const void* data, int64_t width, double scale, void* out, int64_t stride) {
    const Lane* acc = static_cast<const Lane*>(data);
    Out* o = static_cast<Out*>(out);
    for (int64_t j = 0; j < width; j++) o[j * stride] = out_of(static_cast<Total>(acc[j]), scale);
  }

  static constexpr uint64_t identity_bits() {
    if constexpr (kSum && kFloat) {
      return op == ReduceOp::Prod ? 0x3ff0000000000000 : 0;
    } else if constexpr (kVector) {  // Max and Min: -inf and inf
      const uint64_t inf = sizeof(Lane) == 4 ? 0x7f800000 : 0x7ff0000000000000;
      return op == ReduceOp::Min ? inf : inf | uint64_t(1) << (8 * sizeof(Lane) - 1);
    } else {
      return static_cast<uint64_t>(identity<Total>());
    }
  }
  static constexpr ReduceLoops loops = {sizeof(T), sizeof(Lane), sizeof(Out), identity_bits(),
                                        run,       join_totals,  write,       short_runs,
                                        rows,      join_rows,    write_row};
};

template <ReduceOp op>
const ReduceLoops& loops_of(Dtype dtype) {
  const ReduceLoops* found = nullptr;
  if constexpr (op == ReduceOp::Any || op == ReduceOp::All) {
    by_pattern(dtype, [&](auto x) { found = &Law<op, decltype(x)>::loops; });
  } else if constexpr (op == ReduceOp::SumSquares || op == ReduceOp::SumAbs) {
    by_float(dtype, [&](auto x) { found = &Law<op, decltype(x)>::loops; });
  } else {
    by_dtype(dtype, [&](auto x) { found = &Law<op, decltype(x)>::loops; });
  }
  return *found;
}

}  // namespace
}  // namespace lamina::LAMINA_ISA
