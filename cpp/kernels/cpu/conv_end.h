// What is done to the result of a convolution while it is in the cache: a shift for each channel, another
// tensor, an activation.
#pragma once

#include "kernels/cpu/gemm_problem.h"

namespace lamina::LAMINA_ISA {

// y = activation(convolution + shift + add)
template <class T>
struct End {
  const T* shift;  // (channels of y), or null
  const T* add;    // of y's shape, or null
  Epilogue activation;
  const T* packed;  // weights, laid out before, or null

  static End of(const ConvEnd& e) {
    return {static_cast<const T*>(e.shift), static_cast<const T*>(e.add), e.activation,
            static_cast<const T*>(e.packed)};
  }
  bool is_empty() const { return !shift && !add && activation == Epilogue::None; }
};

// A vector of some channel, which goes to y + at. What is no rectifier is left to activate().
template <class T, class N>
LAMINA_INLINE Vec<T> end_of(const End<T>& end, Vec<T> value, int64_t channel, int64_t at, N lanes) {
  using V = Vec<T>;
  if (end.shift) value += set<V>(end.shift[channel]);
  if (end.add) value += get_lanes(end.add + at, lanes);
  if (end.activation == Epilogue::Relu) value = max(zero<V>(), value);
  return value;
}

// n values of some channel, at y + at, which has just been written.
template <class T>
static void finish_run(const End<T>& end, T* y, int64_t channel, int64_t at, int64_t n) {
  for_vectors<Vec<T>>(n, [&](int64_t i, auto lanes) {
    put_lanes(y + at + i, end_of(end, get_lanes(y + at + i, lanes), channel, at + i, lanes), lanes);
  });
  activate(end.activation, y + at, 0, 1, n);
}

}  // namespace lamina::LAMINA_ISA
