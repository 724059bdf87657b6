// exp, exp2, expm1 and what follows from them: tanh, sigmoid, sinh, cosh.
#pragma once

#include "simd/math/basic.h"

namespace lamina::LAMINA_ISA {

// x = n ln 2 + rest, |rest| <= ln 2 / 2.
template <class V>
struct ExpParts {
  V n, rest;
};

// Beyond these exp is 0 or infinite. NaN passes.
template <class V>
LAMINA_INLINE V clamp_exponent(V x) {
  const V low = constant<V>(kSingle<V> ? -104.0 : -746.0), high = constant<V>(kSingle<V> ? 89.0 : 710.0);
  return min(high, max(low, x));
}

// ln 2 in two parts, the first so short that its product with n is exact without a fused multiply-add.
template <class V>
LAMINA_INLINE ExpParts<V> exp_parts(V x) {
  constexpr double high = kSingle<V> ? 0x1.63p-1 : 0x1.62e42feep-1;
  constexpr double low = kSingle<V> ? -0x1.bd0105c610ca8p-13 : 0x1.a39ef35793c76p-33;
  const V n = nearest_product(x, 0x1.71547652b82fep+0);
  return {n, fnma(n, constant<V>(low), fnma(n, constant<V>(high), x))};
}

// (e^r - 1 - r) / r^2 for |r| <= ln 2 / 2.
template <class V>
LAMINA_INLINE V exp_tail(V r) {
  if constexpr (kSingle<V>) {
    return polynomial(r, 0.4999999345, 0.166665207, 0.04166838746, 0.008368709338, 0.001381460268);
  } else {
    return polynomial(r, 0.500000000000000004, 0.166666666666666834, 0.0416666666666660963,
                      0.00833333333331704607, 0.00138888888891150363, 0.000198412698963539214,
                      0.0000248015869274260822, 2.7557234892170069e-6, 2.75575813484142192e-7,
                      2.51120261682940366e-8, 2.08267459513100903e-9);
  }
}
template <class V>
LAMINA_INLINE V exp_near_zero(V r) {
  const V one = constant<V>(1);
  return fma(fma(exp_tail(r), r, one), r, one);
}
template <class V>
LAMINA_INLINE V expm1_near_zero(V r) {
  return fma(r * r, exp_tail(r), r);
}

// e^(x - low), low small beside x, and x not beyond the bounds above.
template <class V>
LAMINA_INLINE V exp_of_difference(V x, V low) {
  const ExpParts<V> parts = exp_parts(x);
  return ldexp(exp_near_zero(parts.rest - low), parts.n);
}

template <class V>
LAMINA_INLINE V exp(V x) {
  const ExpParts<V> parts = exp_parts(clamp_exponent(x));
  return ldexp(exp_near_zero(parts.rest), parts.n);
}

// e^x / 2, finite for as long as that is.
template <class V>
LAMINA_INLINE V half_exp(V x) {
  const ExpParts<V> parts = exp_parts(min(constant<V>(kSingle<V> ? 90.0 : 711.0), x));
  return ldexp(exp_near_zero(parts.rest), parts.n - constant<V>(1));
}

template <class V>
LAMINA_INLINE V exp2(V x) {
  const V low = constant<V>(kSingle<V> ? -151.0 : -1076.0), high = constant<V>(kSingle<V> ? 129.0 : 1025.0);
  x = min(high, max(low, x));
  const V n = nearest_product(x, 1);
  return ldexp(exp_near_zero((x - n) * constant<V>(0x1.62e42fefa39efp-1)), n);
}

// 2^x for x that is hardly above 0, at least 2^-126: for what is added to larger numbers, as results too
// small to be normal take a hundred times as long. float.
LAMINA_INLINE F32 exp2_at_least(F32 x) {
  x = max(constant<F32>(-126), x);
  const F32 n = nearest_product(x, 1);
  return ldexp_normal(polynomial(x - n, 1, 0.6931472029, 0.2402264791, 0.05550332463, 0.009618437354,
                                 0.001339887786, 0.0001535337146),
                      n);
}

// e^x - 1 = 2 (s (e^rest - 1) + (s - 1/2)) with s = 2^(n-1), which is finite where 2^n is not.
template <class V>
LAMINA_INLINE V expm1(V x) {
  const V low = constant<V>(kSingle<V> ? -20.0 : -40.0), high = constant<V>(kSingle<V> ? 89.0 : 710.0);
  const ExpParts<V> parts = exp_parts(min(high, max(low, x)));
  const V s = exp2_of<V>(to_int(parts.n) - integer<V>(1));
  const V y = fma(s, expm1_near_zero(parts.rest), s - constant<V>(0.5));
  // So close to zero, x is the answer, and keeps its sign and its last bits.
  return select(abs(x) < constant<V>(kSingle<V> ? 0x1p-25 : 0x1p-54), x, y + y);
}

// A quotient whose division is left to the caller; `below` lies in [1, 2].
template <class V>
struct Fraction {
  V above, below;
};

// With t = e^(-2|x|) - 1: tanh |x| = -t / (2 + t), which loses nothing near zero. t is expm1 for what is
// never positive.
template <class V>
LAMINA_INLINE Fraction<V> tanh_fraction(V x) {
  const V low = constant<V>(kSingle<V> ? -20.0 : -40.0);
  const ExpParts<V> parts = exp_parts(max(low, constant<V>(-2) * abs(x)));
  const V s = ldexp_normal(constant<V>(1), parts.n);
  const V t = fma(s, expm1_near_zero(parts.rest), s - constant<V>(1));
  return {copysign(t, x), constant<V>(2) + t};
}
template <class V>
LAMINA_INLINE V tanh(V x) {
  const Fraction<V> q = tanh_fraction(x);
  return quotient(q.above, q.below);
}

// 1 / (1 + e^-x), by e^-|x| so that neither tail vanishes early.
template <class V>
LAMINA_INLINE Fraction<V> sigmoid_fraction(V x) {
  const V low = constant<V>(kSingle<V> ? -104.0 : -746.0), one = constant<V>(1);
  const V e = exp_of_difference(max(low, -abs(x)), zero<V>());
  return {select(x < zero<V>(), e, one), one + e};
}
template <class V>
LAMINA_INLINE V sigmoid(V x) {
  const Fraction<V> q = sigmoid_fraction(x);
  return quotient(q.above, q.below);
}

// x sigmoid(x) = x / (1 + e^-x), where that sum and its inverse are normal; beyond, x times next to nothing.
template <class V>
LAMINA_INLINE V silu(V x) {
  const V most = constant<V>(kSingle<V> ? 87.0 : 708.0), one = constant<V>(1);
  const V e = exp_of_difference(-min(most, max(-most, x)), zero<V>());
  return x * quotient(one, one + e);
}

template <class V>
LAMINA_INLINE V cosh(V x) {
  const V e = half_exp(abs(x));
  return e + constant<V>(0.25) / e;
}

template <class V>
LAMINA_INLINE V sinh(V x) {
  const V a = abs(x), z = a * a, e = half_exp(a);
  V p;
  if constexpr (kSingle<V>) {
    p = polynomial(z, 0.1666666649, 0.008333350599, 0.000198360661, 2.817440438e-6);
  } else {
    p = polynomial(z, 0.166666666666666674, 0.00833333333333313881, 0.000198412698414376796,
                   2.75573191553376566e-6, 2.50521233984095224e-8, 1.60572403531818627e-10,
                   7.75931184239148328e-13);
  }
  return copysign(select(a < constant<V>(1), fma(a * z, p, a), e - constant<V>(0.25) / e), x);
}

}  // namespace lamina::LAMINA_ISA
