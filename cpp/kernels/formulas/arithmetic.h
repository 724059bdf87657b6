// Laws of one operand that are arithmetic, rounding and signs.
#pragma once

#include "kernels/kernels.h"

namespace lamina::LAMINA_ISA {

template <UnaryOp op>
struct UnaryLaw;

template <>
struct UnaryLaw<UnaryOp::Neg> {
  template <class V>
  LAMINA_INLINE V value(V x, V, V) {
    return -x;
  }
  template <class V>
  LAMINA_INLINE V gradient(V g, V, V, V) {
    return -g;
  }
};

// Slope 0 at 0 (and at NaN), the middle of the subgradients.
template <>
struct UnaryLaw<UnaryOp::Abs> {
  template <class V>
  LAMINA_INLINE V value(V x, V, V) {
    return abs(x);
  }
  template <class V>
  LAMINA_INLINE V gradient(V g, V x, V, V) {
    return select(x < zero<V>(), -g, select(zero<V>() < x, g, zero<V>()));
  }
};

// 0 for NaN, as in PyTorch.
template <>
struct UnaryLaw<UnaryOp::Sign> {
  template <class V>
  LAMINA_INLINE V value(V x, V, V) {
    return select(x < zero<V>(), constant<V>(-1), select(zero<V>() < x, constant<V>(1), zero<V>()));
  }
  template <class V>
  LAMINA_INLINE V gradient(V, V, V, V) {
    return zero<V>();
  }
};

template <>
struct UnaryLaw<UnaryOp::Square> {
  template <class V>
  LAMINA_INLINE V value(V x, V, V) {
    return x * x;
  }
  template <class V>
  LAMINA_INLINE V gradient(V g, V x, V, V) {
    return g * (x + x);
  }
};

template <>
struct UnaryLaw<UnaryOp::Cube> {
  template <class V>
  LAMINA_INLINE V value(V x, V, V) {
    return x * x * x;
  }
  template <class V>
  LAMINA_INLINE V gradient(V g, V x, V, V) {
    return g * (constant<V>(3) * (x * x));
  }
};

template <>
struct UnaryLaw<UnaryOp::Sqrt> {
  template <class V>
  LAMINA_INLINE V value(V x, V, V) {
    return sqrt(x);
  }
  template <class V>
  LAMINA_INLINE V gradient(V g, V y, V, V) {
    return g / (y + y);
  }
};

template <>
struct UnaryLaw<UnaryOp::Rsqrt> {
  template <class V>
  LAMINA_INLINE V value(V x, V, V) {
    return constant<V>(1) / sqrt(x);
  }
  template <class V>
  LAMINA_INLINE V gradient(V g, V y, V, V) {
    return constant<V>(-0.5) * g * (y * y * y);
  }
};

template <>
struct UnaryLaw<UnaryOp::Reciprocal> {
  template <class V>
  LAMINA_INLINE V value(V x, V, V) {
    return constant<V>(1) / x;
  }
  template <class V>
  LAMINA_INLINE V gradient(V g, V y, V, V) {
    return -g * (y * y);
  }
};

template <>
struct UnaryLaw<UnaryOp::Floor> {
  template <class V>
  LAMINA_INLINE V value(V x, V, V) {
    return floor(x);
  }
  template <class V>
  LAMINA_INLINE V gradient(V, V, V, V) {
    return zero<V>();
  }
};

template <>
struct UnaryLaw<UnaryOp::Ceil> {
  template <class V>
  LAMINA_INLINE V value(V x, V, V) {
    return ceil(x);
  }
  template <class V>
  LAMINA_INLINE V gradient(V, V, V, V) {
    return zero<V>();
  }
};

template <>
struct UnaryLaw<UnaryOp::Round> {
  template <class V>
  LAMINA_INLINE V value(V x, V, V) {
    return round(x);
  }
  template <class V>
  LAMINA_INLINE V gradient(V, V, V, V) {
    return zero<V>();
  }
};

template <>
struct UnaryLaw<UnaryOp::Trunc> {
  template <class V>
  LAMINA_INLINE V value(V x, V, V) {
    return trunc(x);
  }
  template <class V>
  LAMINA_INLINE V gradient(V, V, V, V) {
    return zero<V>();
  }
};

template <>
struct UnaryLaw<UnaryOp::Frac> {
  template <class V>
  LAMINA_INLINE V value(V x, V, V) {
    return x - trunc(x);
  }
  template <class V>
  LAMINA_INLINE V gradient(V g, V, V, V) {
    return g;
  }
};

}  // namespace lamina::LAMINA_ISA
