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

// Sums (n, pitch) of which some lanes are channels, the first of them `channel`, to planes that start `step`
// apart at y + at.
template <class T>
static void turn_out(const T* from, int64_t pitch, int64_t n, int lanes, const End<T>& end, int64_t channel,
                     int64_t at, int64_t step, T* y) {
  using V = Vec<T>;
  constexpr int width = V::width, columns = kBlockColumns<V>;
  for (int64_t i = 0; i < n; i += width) {
    const int64_t m = min_of(width, n - i);
    for (int lane = 0; lane < lanes; lane += columns) {
      V column[columns];
      load_columns(from + i * pitch + lane, pitch, column);
      for (int j = 0; j < min_of(columns, lanes - lane); j++) {
        const int64_t to = at + (lane + j) * step + i;
        const V value = end_of(end, column[j], channel + lane + j, to, m);
        m == width ? store(y + to, value) : put_n(y + to, value, m);
      }
    }
  }
  if (end.activation > Epilogue::Relu) activate(end.activation, y + at, step, lanes, n);
}

}  // namespace lamina::LAMINA_ISA
