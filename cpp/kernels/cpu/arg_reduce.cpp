// The first position of the largest or smallest value along n of (outer, n, inner). NaN wins.
#include "kernels/cpu/reduce_law.h"
#include "kernels/cpu/table.h"

namespace lamina::LAMINA_ISA {
namespace {

constexpr int64_t kColumns = 256;

template <ReduceOp op, class T>
struct Arg {
  using L = Law<op, T>;
  using C = Compute<T>;

  static bool better(C x, C best) {
    return static_cast<bool>(static_cast<int>(op == ReduceOp::Max ? x > best : x < best) |
                             (static_cast<int>(x != x) & static_cast<int>(best == best)));
  }

  // The best block is found by value alone, the position is looked for in that block.
  static int64_t row(const T* x, int64_t n, C* value) {
    constexpr int64_t kBlock = 1024;
    int64_t block = 0;
    C best = L::dense(x, min_of(n, kBlock));
    for (int64_t i = kBlock; i < n && best == best; i += kBlock) {
      const C v = L::dense(x + i, min_of(n - i, kBlock));
      if (better(v, best)) {
        best = v;
        block = i;
      }
    }
    int64_t i = block;
    if (best == best) {
      while (value_of(x[i]) != best) i++;
    } else {
      while (value_of(x[i]) == value_of(x[i])) i++;
    }
    *value = best;
    return i;
  }

  static void columns(const T* x, int64_t n, int64_t inner, int64_t width, C* best, int64_t* at) {
    for (int64_t j = 0; j < width; j++) {
      best[j] = value_of(x[j]);
      at[j] = 0;
    }
    for (int64_t i = 1; i < n; i++) {
      const T* __restrict p = x + i * inner;
      for (int64_t j = 0; j < width; j++) {
        const C v = value_of(p[j]);
        const bool b = better(v, best[j]);
        best[j] = b ? v : best[j];
        at[j] = b ? i : at[j];
      }
    }
  }

  static void all(const Rows& r, const T* x, T* values, int64_t* indices) {
    if (r.inner == 1) {
      return parallel_range(r.outer, max_of(1, kGrain / r.n), [&](int64_t begin, int64_t end) {
        for (int64_t i = begin; i < end; i++) {
          C value;
          const int64_t at = row(x + i * r.n, r.n, &value);
          if (indices != nullptr) indices[i] = at;
          if (values != nullptr) values[i] = x[i * r.n + at];
        }
      });
    }
    const int64_t groups = chunks_of(r.inner, kColumns);
    const int64_t grain = max_of(1, kGrain / (r.n * min_of(r.inner, kColumns)));
    parallel_range(r.outer * groups, grain, [&](int64_t begin, int64_t end) {
      C best[kColumns];
      int64_t at[kColumns];
      for (int64_t i = begin; i < end; i++) {
        const int64_t outer = i / groups, first = i % groups * kColumns;
        const int64_t width = min_of(kColumns, r.inner - first);
        columns(x + outer * r.n * r.inner + first, r.n, r.inner, width, best, at);
        const int64_t out = outer * r.inner + first;
        for (int64_t j = 0; values != nullptr && j < width; j++) values[out + j] = element_of<T>(best[j]);
        for (int64_t j = 0; indices != nullptr && j < width; j++) indices[out + j] = at[j];
      }
    });
  }
};

}  // namespace

void arg_reduce(bool max, const Rows& r, const void* in, void* values, int64_t* indices) {
  by_dtype(r.dtype, [&](auto type) {
    using T = decltype(type);
    if (max) {
      Arg<ReduceOp::Max, T>::all(r, static_cast<const T*>(in), static_cast<T*>(values), indices);
    } else {
      Arg<ReduceOp::Min, T>::all(r, static_cast<const T*>(in), static_cast<T*>(values), indices);
    }
  });
}

}  // namespace lamina::LAMINA_ISA
