// The transforms of Winograd's F(4x4, 3x3) (Lavin and Gray, "Fast algorithms for convolutional neural
// networks", 2016), lane by lane. A product of polynomials is taken at the points 0, +-3/4, +-3/2 and
// infinity: the places 0, +-1, +-2 of that paper lose ten times as much to rounding (Barabasz et al., "Error
// analysis and improving the accuracy of Winograd convolution for deep neural networks", 2020); with these
// the error is about twice that of adding the products up one by one.
#pragma once

#include "kernels/cpu/element.h"
#include "simd/math.h"

namespace lamina::LAMINA_ISA {

constexpr int kPoints = 6;      // along an axis
constexpr int kTilePlaces = 4;  // outputs of a tile along an axis
constexpr int kTaps = 3;
constexpr int kSquare = kPoints * kPoints;

namespace point {
constexpr double p = 0.75, q = 1.5, p2 = p * p, q2 = q * q;
constexpr double of_zero = 1 / (p2 * q2), of_p = 1 / (2 * p2 * (p2 - q2)), of_q = 1 / (2 * q2 * (q2 - p2));
}  // namespace point

// With d(x) the polynomial of six inputs, row k of what multiplies it vanishes at all other points.
template <class V>
LAMINA_INLINE void points_of_input(const V* d, V* to) {
  using namespace point;
  const V both = constant<V>(-p2 - q2), product = constant<V>(p2 * q2);
  const V even_p = fnma(constant<V>(q2), d[2], d[4]), odd_p = fnma(constant<V>(q2), d[1], d[3]);
  const V even_q = fnma(constant<V>(p2), d[2], d[4]), odd_q = fnma(constant<V>(p2), d[1], d[3]);
  to[0] = fma(product, d[0], fma(both, d[2], d[4]));
  to[1] = fma(constant<V>(p), odd_p, even_p);
  to[2] = fnma(constant<V>(p), odd_p, even_p);
  to[3] = fma(constant<V>(q), odd_q, even_q);
  to[4] = fnma(constant<V>(q), odd_q, even_q);
  to[5] = fma(product, d[1], fma(both, d[3], d[5]));
}

// Three taps, as a polynomial, at the points; divided by what the rows above give there.
template <class V>
LAMINA_INLINE void points_of_taps(const V* w, V* to) {
  using namespace point;
  const V even_p = fma(constant<V>(p2), w[2], w[0]), even_q = fma(constant<V>(q2), w[2], w[0]);
  to[0] = w[0] * constant<V>(of_zero);
  to[1] = fma(constant<V>(p), w[1], even_p) * constant<V>(of_p);
  to[2] = fnma(constant<V>(p), w[1], even_p) * constant<V>(of_p);
  to[3] = fma(constant<V>(q), w[1], even_q) * constant<V>(of_q);
  to[4] = fnma(constant<V>(q), w[1], even_q) * constant<V>(of_q);
  to[5] = w[2];
}
// The transpose: what the taps' gradient gathers from the points.
template <class V>
LAMINA_INLINE void taps_of_points(const V* m, V* to) {
  using namespace point;
  const V sum_p = (m[1] + m[2]) * constant<V>(of_p), rest_p = (m[1] - m[2]) * constant<V>(of_p);
  const V sum_q = (m[3] + m[4]) * constant<V>(of_q), rest_q = (m[3] - m[4]) * constant<V>(of_q);
  to[0] = fma(constant<V>(of_zero), m[0], sum_p + sum_q);
  to[1] = fma(constant<V>(p), rest_p, constant<V>(q) * rest_q);
  to[2] = fma(constant<V>(p2), sum_p, fma(constant<V>(q2), sum_q, m[5]));
}

// Four outputs from the products at the points.
template <class V>
LAMINA_INLINE void output_of_points(const V* m, V* to) {
  using namespace point;
  const V sum_p = m[1] + m[2], rest_p = m[1] - m[2], sum_q = m[3] + m[4], rest_q = m[3] - m[4];
  to[0] = m[0] + sum_p + sum_q;
  to[1] = fma(constant<V>(p), rest_p, constant<V>(q) * rest_q);
  to[2] = fma(constant<V>(p2), sum_p, constant<V>(q2) * sum_q);
  to[3] = fma(constant<V>(p2 * p), rest_p, fma(constant<V>(q2 * q), rest_q, m[5]));
}
// The transpose: four gradients of outputs at the points.
template <class V>
LAMINA_INLINE void points_of_gradient(const V* g, V* to) {
  using namespace point;
  const V even_p = fma(constant<V>(p2), g[2], g[0]), odd_p = fma(constant<V>(p2), g[3], g[1]);
  const V even_q = fma(constant<V>(q2), g[2], g[0]), odd_q = fma(constant<V>(q2), g[3], g[1]);
  to[0] = g[0];
  to[1] = fma(constant<V>(p), odd_p, even_p);
  to[2] = fnma(constant<V>(p), odd_p, even_p);
  to[3] = fma(constant<V>(q), odd_q, even_q);
  to[4] = fnma(constant<V>(q), odd_q, even_q);
  to[5] = g[3];
}

// Both axes of a square: `read(row, column)` gives n * n vectors, `write(row, column, vector)` takes m * m.
template <class V, int n, int m, class Line, class Read, class Write>
LAMINA_INLINE void along_both(Line&& line, Read&& read, Write&& write) {
  V some[m][n];
#pragma GCC unroll 6
  for (int column = 0; column < n; column++) {
    V from[n], to[m];
#pragma GCC unroll 6
    for (int row = 0; row < n; row++) from[row] = read(row, column);
    line(from, to);
#pragma GCC unroll 6
    for (int row = 0; row < m; row++) some[row][column] = to[row];
  }
#pragma GCC unroll 6
  for (int row = 0; row < m; row++) {
    V to[m];
    line(some[row], to);
#pragma GCC unroll 6
    for (int column = 0; column < m; column++) write(row, column, to[column]);
  }
}

}  // namespace lamina::LAMINA_ISA
