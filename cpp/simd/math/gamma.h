// log |gamma| and its derivative digamma: by libm and by series, lane by lane.
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
// Stegun 6.3.5, 6.3.7, 6.3.18).
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
template <class V>
LAMINA_INLINE V digamma(V x) {
  return lanewise([](double a) { return digamma_of(a); }, x);
}

}  // namespace lamina::LAMINA_ISA
