// log |gamma| and its derivatives digamma and trigamma: by libm and by series, lane by lane.
#pragma once

#include "simd/math/basic.h"

namespace lamina::LAMINA_ISA {

template <class V>
LAMINA_INLINE V lgamma(V x) {
  // lgamma itself writes a global variable.
  return lanewise(
      [](double a) {
        int sign;
        return ::lgamma_r(a, &sign);
      },
      x);
}

// Below 10: digamma(x) = digamma(x + 1) - 1/x. From there the asymptotic series log x - 1/2x - sum B_2k / (2k
// x^2k). Left of zero: digamma(x) = digamma(1 - x) - pi / tan(pi x) (Abramowitz &
// Stegun 6.3.5, 6.3.7,
// 6.3.18).
static inline double digamma_of(double x) {
  if (x == 0) return __builtin_copysign(__builtin_inf(), -x);
  double y = 0;
  if (x < 0) {
    const double fraction = x - __builtin_trunc(x);
    if (!(fraction != 0)) return __builtin_nan("");
    y = -M_PI / ::tan(M_PI * fraction);
    x = 1 - x;
  }
  for (; x < 10; x += 1) y -= 1 / x;
  const double z = 1 / (x * x);
  const double series =
      z *
      (1.0 / 12 -
       z * (1.0 / 120 - z * (1.0 / 252 - z * (1.0 / 240 - z * (1.0 / 132 - z * (691.0 / 32760 - z / 12))))));
  return y + ::log(x) - 0.5 / x - series;
}
// The same for its derivative: trigamma(x) = trigamma(x + 1) + 1/x^2, and (pi / sin(pi x))^2 - trigamma(1 -
// x) on the left.
static inline double trigamma_of(double x) {
  if (x <= 0) {
    const double root = M_PI / ::sin(M_PI * (x - __builtin_trunc(x)));
    return root * root - trigamma_of(1 - x);
  }
  double y = 0;
  for (; x < 10; x += 1) y += 1 / (x * x);
  const double z = 1 / (x * x);
  const double series =
      1.0 / 6 - z * (1.0 / 30 - z * (1.0 / 42 - z * (1.0 / 30 - z * (5.0 / 66 - z * (691.0 / 2730)))));
  return y + 1 / x + z / 2 + z / x * series;
}

template <class V>
LAMINA_INLINE V digamma(V x) {
  return lanewise([](double a) { return digamma_of(a); }, x);
}
template <class V>
LAMINA_INLINE V trigamma(V x) {
  return lanewise([](double a) { return trigamma_of(a); }, x);
}

}  // namespace lamina::LAMINA_ISA
