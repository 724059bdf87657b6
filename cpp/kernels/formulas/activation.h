// Laws of one operand that are activations of networks. A gradient that a kink or a flat part blocks is 0
// whatever g holds.
#pragma once

#include "kernels/formulas/arithmetic.h"

namespace lamina::LAMINA_ISA {

// Gaussian error linear unit (Hendrycks & Gimpel, 2016), tanh form: x sigmoid(2u) with u = sqrt(2 / pi) (x +
// 0.044715 x^3), for (1 + tanh u) / 2 = sigmoid(2u). Gives 2u.
template <class V>
LAMINA_INLINE V gelu_tanh_angle(V x) {
  return x * fma(x * x, constant<V>(2 * 0.7978845608028654 * 0.044715), constant<V>(2 * 0.7978845608028654));
}

// SELU's constants (Klambauer et al., 2017).
constexpr double kSeluScale = 1.0507009873554804934193349852946;
constexpr double kSeluAlpha = 1.6732632423543772848170429916717;

template <>
struct UnaryLaw<UnaryOp::Relu> {
  template <class V>
  LAMINA_INLINE V value(V x, V, V) {
    return max(zero<V>(), x);
  }
  template <class V>
  LAMINA_INLINE V gradient(V g, V y, V, V) {
    return select(y <= zero<V>(), zero<V>(), g);
  }
};

template <>
struct UnaryLaw<UnaryOp::Relu6> {
  template <class V>
  LAMINA_INLINE V value(V x, V, V) {
    return min(constant<V>(6), max(zero<V>(), x));
  }
  template <class V>
  LAMINA_INLINE V gradient(V g, V x, V, V) {
    return select((zero<V>() < x) & (x < constant<V>(6)), g, zero<V>());
  }
};

template <>
struct UnaryLaw<UnaryOp::Sigmoid> {
  template <class V>
  LAMINA_INLINE V value(V x, V, V) {
    return sigmoid(x);
  }
  template <class V>
  LAMINA_INLINE V gradient(V g, V y, V, V) {
    return g * (y * (constant<V>(1) - y));
  }
};

template <>
struct UnaryLaw<UnaryOp::LogSigmoid> {
  template <class V>
  LAMINA_INLINE V value(V x, V, V) {
    return min(zero<V>(), x) - log1p_of_fraction(exp(-abs(x)));
  }
  template <class V>
  LAMINA_INLINE V gradient(V g, V x, V, V) {
    return g * sigmoid(-x);
  }
};

// x P(N < x) for a standard normal N: x minus the upper tail's share on the right, the lower tail's share on
// the left.
template <>
struct UnaryLaw<UnaryOp::Gelu> {
  template <class V>
  LAMINA_INLINE V value(V x, V, V) {
    return max(zero<V>(), x) - gelu_lost(x);
  }
  template <class V>
  LAMINA_INLINE V gradient(V g, V x, V, V) {
    const V lost = gelu_slope_lost(x);
    return g * select(x < zero<V>(), lost, constant<V>(1) - lost);
  }
};

template <>
struct UnaryLaw<UnaryOp::GeluTanh> {
  template <class V>
  LAMINA_INLINE V value(V x, V, V) {
    // Below it is 0, by way of numbers too small to be normal, which take a hundred times as long.
    x = max(constant<V>(kSingle<V> ? -9.9 : -20), x);
    return x * sigmoid(gelu_tanh_angle(x));
  }
  template <class V>
  LAMINA_INLINE V gradient(V g, V x, V, V) {
    // Beyond 16 the slope is 0 or 1; x^3 would overflow.
    x = min(constant<V>(16), max(constant<V>(-16), x));
    const V s = sigmoid(gelu_tanh_angle(x)), one = constant<V>(1);
    const V turn =
        fma(x * x, constant<V>(6 * 0.7978845608028654 * 0.044715), constant<V>(2 * 0.7978845608028654));
    return g * (s * fma(x * turn, one - s, one));
  }
};

template <>
struct UnaryLaw<UnaryOp::Silu> {
  template <class V>
  LAMINA_INLINE V value(V x, V, V) {
    return silu(x);
  }
  template <class V>
  LAMINA_INLINE V gradient(V g, V x, V, V) {
    const V s = sigmoid(x), one = constant<V>(1);
    return g * (s * fma(x, one - s, one));
  }
};

// x tanh(softplus(x)) (Misra, 2019); tanh(log(1 + e)) = w / (w + 2) with w = e (e + 2).
template <>
struct UnaryLaw<UnaryOp::Mish> {
  template <class V>
  LAMINA_INLINE V value(V x, V, V) {
    const V e = exp(min(constant<V>(20), x)), w = e * (e + constant<V>(2));
    return select(constant<V>(20) < x, x, x * quotient(w, w + constant<V>(2)));
  }
  template <class V>
  LAMINA_INLINE V gradient(V g, V x, V, V) {
    const V one = constant<V>(1), two = constant<V>(2);
    const V e = exp(min(constant<V>(20), x)), w = e * (e + two), t = quotient(w, w + two);
    // 1 - t^2 = 4 (w + 1) / (w + 2)^2 and e / (1 + e) is the slope of softplus.
    const V slope =
        fma(x * quotient(e, one + e), quotient(constant<V>(4) * (w + one), (w + two) * (w + two)), t);
    return g * select(constant<V>(20) < x, one, slope);
  }
};

template <>
struct UnaryLaw<UnaryOp::Softsign> {
  template <class V>
  LAMINA_INLINE V value(V x, V, V) {
    return x / (constant<V>(1) + abs(x));
  }
  template <class V>
  LAMINA_INLINE V gradient(V g, V x, V, V) {
    const V d = constant<V>(1) + abs(x);
    return g / (d * d);
  }
};

template <>
struct UnaryLaw<UnaryOp::Hardsigmoid> {
  template <class V>
  LAMINA_INLINE V value(V x, V, V) {
    return min(constant<V>(6), max(zero<V>(), x + constant<V>(3))) * constant<V>(1.0 / 6);
  }
  template <class V>
  LAMINA_INLINE V gradient(V g, V x, V, V) {
    return select((constant<V>(-3) < x) & (x < constant<V>(3)), g * constant<V>(1.0 / 6), zero<V>());
  }
};

template <>
struct UnaryLaw<UnaryOp::Hardswish> {
  template <class V>
  LAMINA_INLINE V value(V x, V, V) {
    return x * (min(constant<V>(6), max(zero<V>(), x + constant<V>(3))) * constant<V>(1.0 / 6));
  }
  template <class V>
  LAMINA_INLINE V gradient(V g, V x, V, V) {
    const V middle = g * (fma(constant<V>(2), x, constant<V>(3)) * constant<V>(1.0 / 6));
    return select(x <= constant<V>(-3), zero<V>(), select(constant<V>(3) <= x, g, middle));
  }
};

template <>
struct UnaryLaw<UnaryOp::Tanhshrink> {
  template <class V>
  LAMINA_INLINE V value(V x, V, V) {
    return x - tanh(x);
  }
  template <class V>
  LAMINA_INLINE V gradient(V g, V x, V, V) {
    const V t = tanh(x);
    return g * (t * t);
  }
};

template <>
struct UnaryLaw<UnaryOp::Selu> {
  template <class V>
  LAMINA_INLINE V value(V x, V, V) {
    const V low = constant<V>(kSeluScale * kSeluAlpha) * expm1(x);
    return select(zero<V>() < x, constant<V>(kSeluScale) * x, low);
  }
  template <class V>
  LAMINA_INLINE V gradient(V g, V x, V, V) {
    const V low = constant<V>(kSeluScale * kSeluAlpha) * exp(x);
    return g * select(zero<V>() < x, constant<V>(kSeluScale), low);
  }
};

template <>
struct UnaryLaw<UnaryOp::LeakyRelu> {
  template <class V>
  LAMINA_INLINE V value(V x, V a, V) {
    return select(zero<V>() < x, x, x * a);
  }
  template <class V>
  LAMINA_INLINE V gradient(V g, V x, V a, V) {
    return select(zero<V>() < x, g, g * a);
  }
};

template <>
struct UnaryLaw<UnaryOp::Elu> {
  template <class V>
  LAMINA_INLINE V value(V x, V a, V) {
    return select(zero<V>() < x, x, a * expm1(x));
  }
  template <class V>
  LAMINA_INLINE V gradient(V g, V x, V a, V) {
    return select(zero<V>() < x, g, g * (a * exp(x)));
  }
};

template <>
struct UnaryLaw<UnaryOp::Celu> {
  template <class V>
  LAMINA_INLINE V value(V x, V a, V) {
    return select(zero<V>() < x, x, a * expm1(x / a));
  }
  template <class V>
  LAMINA_INLINE V gradient(V g, V x, V a, V) {
    return select(zero<V>() < x, g, g * exp(x / a));
  }
};

// log(1 + e^(beta x)) / beta, linear above the threshold.
template <>
struct UnaryLaw<UnaryOp::Softplus> {
  template <class V>
  LAMINA_INLINE V value(V x, V a, V b) {
    const V z = x * a, y = max(zero<V>(), z) + log1p_of_fraction(exp(-abs(z)));
    return select(b < z, x, y * (constant<V>(1) / a));
  }
  template <class V>
  LAMINA_INLINE V gradient(V g, V x, V a, V b) {
    return select(b < x * a, g, g * sigmoid(x * a));
  }
};

template <>
struct UnaryLaw<UnaryOp::Hardtanh> {
  template <class V>
  LAMINA_INLINE V value(V x, V a, V b) {
    return min(b, max(a, x));
  }
  template <class V>
  LAMINA_INLINE V gradient(V g, V x, V a, V b) {
    return select((a < x) & (x < b), g, zero<V>());
  }
};

template <>
struct UnaryLaw<UnaryOp::Hardshrink> {
  template <class V>
  LAMINA_INLINE V value(V x, V a, V) {
    return select((-a <= x) & (x <= a), zero<V>(), x);
  }
  template <class V>
  LAMINA_INLINE V gradient(V g, V x, V a, V) {
    return select((x < -a) | (a < x), g, zero<V>());
  }
};

template <>
struct UnaryLaw<UnaryOp::Softshrink> {
  template <class V>
  LAMINA_INLINE V value(V x, V a, V) {
    return select(a < x, x - a, select(x < -a, x + a, x * zero<V>()));
  }
  template <class V>
  LAMINA_INLINE V gradient(V g, V x, V a, V) {
    return select((x < -a) | (a < x), g, zero<V>());
  }
};

template <>
struct UnaryLaw<UnaryOp::Threshold> {
  template <class V>
  LAMINA_INLINE V value(V x, V a, V b) {
    return select(x <= a, b, x);
  }
  template <class V>
  LAMINA_INLINE V gradient(V g, V x, V a, V) {
    return select(x <= a, zero<V>(), g);
  }
};

// x^2 / (2 a) within a of 0, |x| - a / 2 outside.
template <>
struct UnaryLaw<UnaryOp::SmoothL1> {
  template <class V>
  LAMINA_INLINE V value(V x, V a, V) {
    const V half = constant<V>(0.5), distance = abs(x);
    return select(distance < a, half * x * x / a, distance - half * a);
  }
  template <class V>
  LAMINA_INLINE V gradient(V g, V x, V a, V) {
    return select(a <= x, g, select(x <= -a, -g, g * (x / a)));
  }
};

template <>
struct UnaryLaw<UnaryOp::Clamp> {
  template <class V>
  LAMINA_INLINE V value(V x, V a, V b) {
    return min(b, max(a, x));
  }
  template <class V>
  LAMINA_INLINE V gradient(V g, V x, V a, V b) {
    return select((a <= x) & (x <= b), g, zero<V>());
  }
};

}  // namespace lamina::LAMINA_ISA
