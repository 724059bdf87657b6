// The part of the contract (kernels.h) that speaks of matrix products.
#pragma once

#include <cstdint>

#include "base/dtype.h"

namespace lamina {

// c[b] = act(alpha * a[b] @ b[b] + beta * c[b] + bias + add), any strides (so transposes cost no copy). dtype
// float32, float64: fast; halves and integers: right (accumulate float / int64 respectively, then cast).
// Batches share b where stride_b.batch is 0.
struct MatrixStride {
  int64_t row, col, batch;
};
enum class Side : uint8_t { None, A, B };
enum class Epilogue : uint8_t { None, Relu, Relu6, Gelu, GeluTanh, Silu, Sigmoid, Tanh, Hardswish, count };
struct Gemm {
  Dtype dtype;
  int64_t batch, m, n, k;  // k may be 0: c = act(beta * c + bias)
  const void* a;           // (batch, m, k)
  const void* b;           // (batch, k, n)
  void* c;                 // (batch, m, n)
  MatrixStride a_stride, b_stride, c_stride;
  double alpha, beta;  // beta 0: c is not read
  const void* bias;    // null, or n values (bias_per_row false), or m values (true)
  bool bias_per_row;
  Epilogue epilogue;
  const void* add = nullptr;  // or as large as c and with its strides; floats only
  // The operand that is the same in many products, if any: it has no batches. It may be laid out once for all
  // of them, whatever the length of the other side; null where it was not.
  Side kept = Side::None;
  const void* packed = nullptr;
};

}  // namespace lamina
