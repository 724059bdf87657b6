// Products of integers: right and shared between threads, not tuned. Sums are kept in 64 bits and wrap into
// the type.
#pragma once

#include "kernels/cpu/loops.h"

namespace lamina::LAMINA_ISA {

// Row i of c, some columns at a time. Unsigned: overflow wraps.
template <class T>
static void integer_row(const Gemm& g, const T* a, const T* b, T* c, int64_t i) {
  constexpr int64_t some = 128;
  const MatrixStride &at = g.a_stride, &bt = g.b_stride, &ct = g.c_stride;
  const uint64_t alpha = static_cast<uint64_t>(static_cast<int64_t>(g.alpha));
  const uint64_t beta = static_cast<uint64_t>(static_cast<int64_t>(g.beta));
  const T* bias = static_cast<const T*>(g.bias);
  for (int64_t begin = 0; begin < g.n; begin += some) {
    const int64_t n = min_of(some, g.n - begin);
    uint64_t sum[some] = {};
    for (int64_t p = 0; p < g.k; p++) {
      const uint64_t x = static_cast<uint64_t>(a[i * at.row + p * at.col]);
      const T* row = b + p * bt.row + begin * bt.col;
      if (bt.col == 1) {
        for (int64_t j = 0; j < n; j++) sum[j] += x * static_cast<uint64_t>(row[j]);
      } else {
        for (int64_t j = 0; j < n; j++) sum[j] += x * static_cast<uint64_t>(row[j * bt.col]);
      }
    }
    for (int64_t j = 0; j < n; j++) {
      T& to = c[i * ct.row + (begin + j) * ct.col];
      uint64_t value = alpha * sum[j];
      if (g.beta != 0) value += beta * static_cast<uint64_t>(to);
      if (bias) value += static_cast<uint64_t>(bias[g.bias_per_row ? i : begin + j]);
      to = static_cast<T>(value);
      if (g.epilogue == Epilogue::Relu && to < T(0)) to = T(0);
    }
  }
}

template <class T>
static void multiply_integers(const Gemm& g) {
  const int64_t grain = max_of(1, kGrain / max_of(1, g.n * g.k));
  parallel_range(g.batch * g.m, grain, [&](int64_t begin, int64_t end) {
    for (int64_t r = begin; r < end; r++) {
      const int64_t batch = r / g.m;
      integer_row(g, static_cast<const T*>(g.a) + batch * g.a_stride.batch,
                  static_cast<const T*>(g.b) + batch * g.b_stride.batch,
                  static_cast<T*>(g.c) + batch * g.c_stride.batch, r % g.m);
    }
  });
}

}  // namespace lamina::LAMINA_ISA
