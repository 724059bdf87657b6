// Laws of one operand that are elementary and special functions.
#pragma once

#include "kernels/formulas/arithmetic.h"

namespace lamina::LAMINA_ISA {

template <>
struct UnaryLaw<UnaryOp::Exp> {
  template <class V>
  LAMINA_INLINE V value(V x, V, V) {
    return exp(x);
  }
  template <class V>
  LAMINA_INLINE V gradient(V g, V y, V, V) {
    return g * y;
  }
};

template <>
struct UnaryLaw<UnaryOp::Exp2> {
  template <class V>
  LAMINA_INLINE V value(V x, V, V) {
    return exp2(x);
  }
  template <class V>
  LAMINA_INLINE V gradient(V g, V y, V, V) {
    return g * (y * constant<V>(0x1.62e42fefa39efp-1));
  }
};

template <>
struct UnaryLaw<UnaryOp::Expm1> {
  template <class V>
  LAMINA_INLINE V value(V x, V, V) {
    return expm1(x);
  }
  template <class V>
  LAMINA_INLINE V gradient(V g, V y, V, V) {
    return g * (y + constant<V>(1));
  }
};

template <>
struct UnaryLaw<UnaryOp::Log> {
  template <class V>
  LAMINA_INLINE V value(V x, V, V) {
    return log(x);
  }
  template <class V>
  LAMINA_INLINE V gradient(V g, V x, V, V) {
    return g / x;
  }
};

template <>
struct UnaryLaw<UnaryOp::Log2> {
  template <class V>
  LAMINA_INLINE V value(V x, V, V) {
    return log2(x);
  }
  template <class V>
  LAMINA_INLINE V gradient(V g, V x, V, V) {
    return g / (x * constant<V>(0x1.62e42fefa39efp-1));
  }
};

template <>
struct UnaryLaw<UnaryOp::Log10> {
  template <class V>
  LAMINA_INLINE V value(V x, V, V) {
    return log10(x);
  }
  template <class V>
  LAMINA_INLINE V gradient(V g, V x, V, V) {
    return g / (x * constant<V>(0x1.26bb1bbb55516p+1));
  }
};

template <>
struct UnaryLaw<UnaryOp::Log1p> {
  template <class V>
  LAMINA_INLINE V value(V x, V, V) {
    return log1p(x);
  }
  template <class V>
  LAMINA_INLINE V gradient(V g, V x, V, V) {
    return g / (x + constant<V>(1));
  }
};

template <>
struct UnaryLaw<UnaryOp::Logit> {
  template <class V>
  LAMINA_INLINE V value(V x, V, V) {
    return log(x / (constant<V>(1) - x));
  }
  template <class V>
  LAMINA_INLINE V gradient(V g, V x, V, V) {
    return g / (x * (constant<V>(1) - x));
  }
};

template <>
struct UnaryLaw<UnaryOp::Sin> {
  template <class V>
  LAMINA_INLINE V value(V x, V, V) {
    return sin(x);
  }
  template <class V>
  LAMINA_INLINE V gradient(V g, V x, V, V) {
    return g * cos(x);
  }
};

template <>
struct UnaryLaw<UnaryOp::Cos> {
  template <class V>
  LAMINA_INLINE V value(V x, V, V) {
    return cos(x);
  }
  template <class V>
  LAMINA_INLINE V gradient(V g, V x, V, V) {
    return -g * sin(x);
  }
};

template <>
struct UnaryLaw<UnaryOp::Tan> {
  template <class V>
  LAMINA_INLINE V value(V x, V, V) {
    return tan(x);
  }
  template <class V>
  LAMINA_INLINE V gradient(V g, V y, V, V) {
    return g * fma(y, y, constant<V>(1));
  }
};

template <>
struct UnaryLaw<UnaryOp::Asin> {
  template <class V>
  LAMINA_INLINE V value(V x, V, V) {
    return asin(x);
  }
  template <class V>
  LAMINA_INLINE V gradient(V g, V x, V, V) {
    return g / sqrt((constant<V>(1) - x) * (constant<V>(1) + x));
  }
};

template <>
struct UnaryLaw<UnaryOp::Acos> {
  template <class V>
  LAMINA_INLINE V value(V x, V, V) {
    return acos(x);
  }
  template <class V>
  LAMINA_INLINE V gradient(V g, V x, V, V) {
    return -g / sqrt((constant<V>(1) - x) * (constant<V>(1) + x));
  }
};

template <>
struct UnaryLaw<UnaryOp::Atan> {
  template <class V>
  LAMINA_INLINE V value(V x, V, V) {
    return atan(x);
  }
  template <class V>
  LAMINA_INLINE V gradient(V g, V x, V, V) {
    return g / fma(x, x, constant<V>(1));
  }
};

template <>
struct UnaryLaw<UnaryOp::Sinh> {
  template <class V>
  LAMINA_INLINE V value(V x, V, V) {
    return sinh(x);
  }
  template <class V>
  LAMINA_INLINE V gradient(V g, V x, V, V) {
    return g * cosh(x);
  }
};

template <>
struct UnaryLaw<UnaryOp::Cosh> {
  template <class V>
  LAMINA_INLINE V value(V x, V, V) {
    return cosh(x);
  }
  template <class V>
  LAMINA_INLINE V gradient(V g, V x, V, V) {
    return g * sinh(x);
  }
};

template <>
struct UnaryLaw<UnaryOp::Tanh> {
  template <class V>
  LAMINA_INLINE V value(V x, V, V) {
    return tanh(x);
  }
  template <class V>
  LAMINA_INLINE V gradient(V g, V y, V, V) {
    return g * ((constant<V>(1) - y) * (constant<V>(1) + y));
  }
};

template <>
struct UnaryLaw<UnaryOp::Asinh> {
  template <class V>
  LAMINA_INLINE V value(V x, V, V) {
    return asinh(x);
  }
  template <class V>
  LAMINA_INLINE V gradient(V g, V x, V, V) {
    return g / sqrt(fma(x, x, constant<V>(1)));
  }
};

template <>
struct UnaryLaw<UnaryOp::Acosh> {
  template <class V>
  LAMINA_INLINE V value(V x, V, V) {
    return acosh(x);
  }
  template <class V>
  LAMINA_INLINE V gradient(V g, V x, V, V) {
    return g / sqrt((x - constant<V>(1)) * (x + constant<V>(1)));
  }
};

template <>
struct UnaryLaw<UnaryOp::Atanh> {
  template <class V>
  LAMINA_INLINE V value(V x, V, V) {
    return atanh(x);
  }
  template <class V>
  LAMINA_INLINE V gradient(V g, V x, V, V) {
    return g / ((constant<V>(1) - x) * (constant<V>(1) + x));
  }
};

// Slope 2 / sqrt(pi) e^(-x^2).
template <>
struct UnaryLaw<UnaryOp::Erf> {
  template <class V>
  LAMINA_INLINE V value(V x, V, V) {
    return erf(x);
  }
  template <class V>
  LAMINA_INLINE V gradient(V g, V x, V, V) {
    return g * (exp_of_square(abs(x), 1).e * constant<V>(0x1.20dd750429b6dp+0));
  }
};

template <>
struct UnaryLaw<UnaryOp::Erfc> {
  template <class V>
  LAMINA_INLINE V value(V x, V, V) {
    return erfc(x);
  }
  template <class V>
  LAMINA_INLINE V gradient(V g, V x, V, V) {
    return -g * (exp_of_square(abs(x), 1).e * constant<V>(0x1.20dd750429b6dp+0));
  }
};

// Slope sqrt(pi) / 2 e^(y^2).
template <>
struct UnaryLaw<UnaryOp::Erfinv> {
  template <class V>
  LAMINA_INLINE V value(V x, V, V) {
    return erfinv(x);
  }
  template <class V>
  LAMINA_INLINE V gradient(V g, V x, V, V) {
    const V y = erfinv(x);
    return g * (exp(y * y) * constant<V>(0x1.c5bf891b4ef6bp-1));
  }
};

template <>
struct UnaryLaw<UnaryOp::Lgamma> {
  template <class V>
  LAMINA_INLINE V value(V x, V, V) {
    return lgamma(x);
  }
  template <class V>
  LAMINA_INLINE V gradient(V g, V x, V, V) {
    return g * digamma(x);
  }
};

template <>
struct UnaryLaw<UnaryOp::Digamma> {
  template <class V>
  LAMINA_INLINE V value(V x, V, V) {
    return digamma(x);
  }
  template <class V>
  LAMINA_INLINE V gradient(V g, V x, V, V) {
    return g * trigamma(x);
  }
};

// sin(pi x) / (pi x).
template <>
struct UnaryLaw<UnaryOp::Sinc> {
  template <class V>
  LAMINA_INLINE V value(V x, V, V) {
    const V angle = x * constant<V>(0x1.921fb54442d18p+1);
    return select(x == zero<V>(), constant<V>(1), sin_pi(x) / angle);
  }
  template <class V>
  LAMINA_INLINE V gradient(V g, V x, V, V) {
    // (cos(pi x) - sinc(x)) / x; below 1/8, where that cancels, its series.
    const V z = constant<V>(0x1.3bd3cc9be45dep+3) * x * x;
    const V series = constant<V>(-0x1.3bd3cc9be45dep+3) * x *
                     polynomial(z, 1.0 / 3, -1.0 / 30, 1.0 / 840, -1.0 / 45360, 1.0 / 3991680,
                                -1.0 / 518918400, 1.0 / 93405312000);
    return g * select(abs(x) < constant<V>(0.125), series, (cos_pi(x) - value(x, x, x)) / x);
  }
};

}  // namespace lamina::LAMINA_ISA
