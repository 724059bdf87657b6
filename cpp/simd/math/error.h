// The error function, the normal distribution that GELU is made of, and the inverse.
#pragma once

#include "simd/math/exponential.h"
#include "simd/math/logarithm.h"

namespace lamina::LAMINA_ISA {

// e^(a^2) erfc(a), a = scale x >= 0, as t P(2t - 1) with t = 1 / (1 + c a), which decays as it does. A larger
// c needs more terms, but a rounding error in t then moves a by less.
template <class V>
LAMINA_INLINE V erfcx(V x, double scale) {
  constexpr double c = kSingle<V> ? 1.0 : 0.5;
  const V t = quotient(constant<V>(1), fma(constant<V>(c * scale), x, constant<V>(1)));
  const V u = fma(constant<V>(2), t, constant<V>(-1));
  if constexpr (kSingle<V>) {
    return t * long_polynomial(u, 0.8551671512, 0.2376808352, -0.09555636938, -0.01390646443, 0.02539511406,
                               -0.009568747444, -0.001220334785, 0.003761245598, -0.002361324598,
                               0.000351056156, 0.000592536313, -0.0004187602978, 8.405652445e-5);
  } else {
    return t * long_polynomial(u, 0.510791352621011489, 0.343580342206905284, 0.139736046278026969,
                               0.0182211157534409086, -0.0107553309447174104, -0.00323959253391845369,
                               0.0015453060289771041, 0.000418648031989292378, -0.000331536745048454965,
                               -0.0000171857240073977795, 0.0000722353176799798784, -0.0000170744204482730682,
                               -0.0000108478215756858765, 8.06036103716641002e-6, -5.63870004178398361e-7,
                               -1.82155667703371385e-6, 1.00400799230012467e-6, -2.11170845691880297e-9,
                               -2.91601234470758748e-7, 1.64717661479007887e-7, 6.15917278921154333e-9,
                               -5.89041549659083347e-8, 2.25497007217600338e-8, 8.39755387126954438e-9,
                               -6.65119100808899342e-9, -1.04230759588242486e-10, 5.57767197216979999e-10);
  }
}

// e^(-scale a^2) for a >= 0, and the a that it was taken of: beyond a bound e is 0, and a stays finite. The
// rounding error of the square would be multiplied by the square, so it is carried along.
template <class V>
struct SquareExp {
  V e, a;
};
template <class V>
LAMINA_INLINE SquareExp<V> exp_of_square(V a, double scale) {
  // Where scale * a^2 reaches 104 (746 in double).
  const double bound = scale == 1 ? (kSingle<V> ? 10.19 : 27.31) : (kSingle<V> ? 14.42 : 38.62);
  a = min(constant<V>(bound), a);
  const V b = constant<V>(-scale) * a, square = b * a;
  return {exp_of_difference(square, product_excess(b, a, square)), a};
}

// erf(x) / x for |x| <= 1, minus 1 so that the leading digits of the product are x's own.
template <class V>
LAMINA_INLINE V erf_near_zero(V x) {
  const V z = x * x;
  if constexpr (kSingle<V>) {
    return fma(x,
               polynomial(z, 0.128379166, -0.3761262714, 0.1128360018, -0.02685444469, 0.005189535333,
                          -0.0008020840074, 7.889112892e-5),
               x);
  } else {
    return fma(x,
               polynomial(z, 0.12837916709551257, -0.376126389031837524, 0.112837916709551204,
                          -0.0268661706451298679, 0.00522397762542360752, -0.000854832702195585178,
                          0.000120553329038058894, -0.0000149256475943235395, 1.64620459774588135e-6,
                          -1.63646495136599764e-7, 1.47924693333777853e-8, -1.21649669670548825e-9,
                          8.71046024809102097e-11, -4.23312260088416671e-12),
               x);
  }
}

// 1 - erf(a) as a power of two, for a >= 1.
template <class V>
LAMINA_INLINE V erf(V x) {
  V tail;
  if constexpr (kSingle<V>) {
    tail = exp2_at_least(polynomial(min(constant<V>(10.1), abs(x)), -0.0009852925523, -1.623902918,
                                    -0.9244445766, -0.145251616, 0.02973652798, -0.003788303648,
                                    0.0002195309272));
  } else {
    const SquareExp<V> at = exp_of_square(abs(x), 1);
    tail = at.e * erfcx(at.a, 1);
  }
  const V far = copysign(constant<V>(1) - tail, x);
  return select(abs(x) < constant<V>(1), erf_near_zero(x), far);
}

template <class V>
LAMINA_INLINE V erfc(V x) {
  const SquareExp<V> at = exp_of_square(abs(x), 1);
  const V tail = at.e * erfcx(at.a, 1);
  const V far = select(x < zero<V>(), constant<V>(2) - tail, tail);
  return select(abs(x) < constant<V>(0.5), constant<V>(1) - erf_near_zero(x), far);
}

// Of the standard normal distribution: e = e^(-x^2 / 2), both tails beyond |x| together, with their full
// relative accuracy, and a = |x|, bounded where the tails vanish.
template <class V>
struct Normal {
  V e, tails, a;
};
template <class V>
LAMINA_INLINE Normal<V> normal(V x) {
  const SquareExp<V> at = exp_of_square(abs(x), 0.5);
  return {at.e, at.e * erfcx(at.a, 0x1.6a09e667f3bcdp-1), at.a};
}

// What GELU takes from max(0, x), and its slope from that of max(0, x) where x > 0 (adds to it where x < 0):
// a tail(a) and tail(a) - a density(a), with a = |x|. float: the logarithm of the tail is nearly a parabola,
// and the slope over the density is as smooth; both to 4e-8.
template <class V>
LAMINA_INLINE V gelu_lost(V x) {
  if constexpr (kSingle<V>) {
    const V a = min(constant<V>(14), abs(x));
    return a * exp2_at_least(polynomial(a, -1, -1.151105646, -0.4592070106, -0.05248533652, 0.007014045187,
                                        -5.655504485e-5, -0.0002514522145, 6.792597011e-5, -9.435943308e-6,
                                        7.091987579e-7, -2.272073966e-8));
  } else {
    const Normal<V> at = normal(x);
    return constant<V>(0.5) * at.a * at.tails;
  }
}
template <class V>
LAMINA_INLINE V gelu_slope_lost(V x) {
  if constexpr (kSingle<V>) {
    const V a = min(constant<V>(14), abs(x));
    return exp2_at_least(a * a * constant<V>(-0.7213475204444817)) *
           polynomial(a, 0.499999983, -0.7978828826, 0.2499725728, -0.1328057864, 0.06192393232,
                      -0.02547181785, 0.009003847922, -0.002590090605, 0.0005636528114, -8.477100888e-5,
                      7.708780748e-6, -3.155431406e-7);
  } else {
    const Normal<V> at = normal(x);
    return fnma(at.a * at.e, constant<V>(0x1.9884533d43651p-2), constant<V>(0.5) * at.tails);
  }
}

// A start after M. Giles, "Approximating the erfinv function" (GPU Computing Gems, 2010): polynomials in w =
// -log(1 - x^2), and in sqrt(w) for the tail. Good for float; double takes two steps of Halley's method from
// there.
template <class V>
LAMINA_INLINE V erfinv_start(V x) {
  const V one = constant<V>(1), w = -log((one - x) * (one + x));
  const V u = w - constant<V>(2.5), t = sqrt(w) - constant<V>(3);
  const V middle =
      polynomial(u, 1.501409359, 0.2466402861, -0.00417738679, -0.00125274188, 0.0002183444478,
                 -4.963344225e-6, -3.462706916e-6, 4.66169605e-7, 2.323281607e-8, -8.790968687e-9);
  V tail;
  if constexpr (kSingle<V>) {
    tail = polynomial(t, 2.832976797, 1.001675048, 0.009445584558, -0.007638693048, 0.005684189356,
                      -0.003590590027, 0.001492842639, -6.972101347e-5, -0.0003160749017, 0.000124393023);
  } else {
    tail = polynomial(t, 2.832976774, 1.001697133, 0.009447872493, -0.007814632645, 0.005762152718,
                      -0.003226133381, 0.001141997863, -0.0002215098897, 1.782424038e-5);
  }
  return x * select(w < constant<V>(5), middle, tail);
}

template <class V>
LAMINA_INLINE V erfinv(V x) {
  V y = erfinv_start(x);
  const V a = abs(x), one = constant<V>(1);
  if constexpr (!kSingle<V>) {
    V b = abs(y);
    for (int step = 0; step < 2; step++) {
      // erf(b) - a, from the side where neither term is near 1.
      const V off = select(a < constant<V>(0.5), erf_near_zero(b) - a, (one - a) - erfc(b));
      const V newton = off * constant<V>(0x1.c5bf891b4ef6bp-1) / exp_of_square(b, 1).e;
      b = b - newton / fma(b, newton, one);
    }
    y = copysign(b, x);
  }
  y = select(a == one, copysign(infinity<V>(), x), y);
  return select(a <= one, y, not_a_number<V>());
}

}  // namespace lamina::LAMINA_ISA
