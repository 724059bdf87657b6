// What is done to the result of a convolution while it is in the cache: bias, another tensor, activation.
#pragma once

#include "kernels/cpu/gemm_problem.h"

namespace lamina::LAMINA_ISA {

// y = activation(convolution + bias + add)
template <class T>
struct End {
  const T* bias;  // (channels of y), or null
  const T* add;   // of y's shape, or null
  Epilogue activation;

  bool is_empty() const { return !bias && !add && activation == Epilogue::None; }
};

// n values of some channel, which go to y + at. What is no rectifier is left to activate().
template <class T>
LAMINA_INLINE Vec<T> end_of(const End<T>& end, Vec<T> value, int64_t channel, int64_t at, int n) {
  using V = Vec<T>;
  if (end.bias) value += set<V>(end.bias[channel]);
  if (end.add) value += load_n<V>(end.add + at, n);
  if (end.activation == Epilogue::Relu) value = max(zero<V>(), value);
  return value;
}

}  // namespace lamina::LAMINA_ISA
