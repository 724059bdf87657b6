// Laws of two and three float operands.
#pragma once

#include "kernels/kernels.h"

namespace lamina::LAMINA_ISA {

template <BinaryOp op>
struct BinaryLaw;
template <TernaryOp op>
struct TernaryLaw;

template <>
struct BinaryLaw<BinaryOp::Add> {
  template <class V>
  LAMINA_INLINE V value(V x, V y, V a) {
    return fma(a, y, x);
  }
};

template <>
struct BinaryLaw<BinaryOp::Sub> {
  template <class V>
  LAMINA_INLINE V value(V x, V y, V a) {
    return fnma(a, y, x);
  }
};

template <>
struct BinaryLaw<BinaryOp::Mul> {
  template <class V>
  LAMINA_INLINE V value(V x, V y, V) {
    return x * y;
  }
};

template <>
struct BinaryLaw<BinaryOp::Div> {
  template <class V>
  LAMINA_INLINE V value(V x, V y, V) {
    return x / y;
  }
};

template <>
struct BinaryLaw<BinaryOp::FloorDiv> {
  template <class V>
  LAMINA_INLINE V value(V x, V y, V) {
    return floor_divide(x, y);
  }
};

template <>
struct BinaryLaw<BinaryOp::TruncDiv> {
  template <class V>
  LAMINA_INLINE V value(V x, V y, V) {
    return trunc(x / y);
  }
};

template <>
struct BinaryLaw<BinaryOp::Remainder> {
  template <class V>
  LAMINA_INLINE V value(V x, V y, V) {
    return remainder(x, y);
  }
};

template <>
struct BinaryLaw<BinaryOp::Fmod> {
  template <class V>
  LAMINA_INLINE V value(V x, V y, V) {
    return fmod(x, y);
  }
};

template <>
struct BinaryLaw<BinaryOp::Pow> {
  template <class V>
  LAMINA_INLINE V value(V x, V y, V) {
    return pow(x, y);
  }
};

template <>
struct BinaryLaw<BinaryOp::Atan2> {
  template <class V>
  LAMINA_INLINE V value(V x, V y, V) {
    return atan2(x, y);
  }
};

template <>
struct BinaryLaw<BinaryOp::Hypot> {
  template <class V>
  LAMINA_INLINE V value(V x, V y, V) {
    return hypot(x, y);
  }
};

// max and min give their second operand where one is NaN, and where both are equal.
template <>
struct BinaryLaw<BinaryOp::Maximum> {
  template <class V>
  LAMINA_INLINE V value(V x, V y, V) {
    return select(isnan(y), y, max(y, x));
  }
};

template <>
struct BinaryLaw<BinaryOp::Minimum> {
  template <class V>
  LAMINA_INLINE V value(V x, V y, V) {
    return select(isnan(y), y, min(y, x));
  }
};

template <>
struct BinaryLaw<BinaryOp::Fmax> {
  template <class V>
  LAMINA_INLINE V value(V x, V y, V) {
    return select(isnan(y), x, max(x, y));
  }
};

template <>
struct BinaryLaw<BinaryOp::Fmin> {
  template <class V>
  LAMINA_INLINE V value(V x, V y, V) {
    return select(isnan(y), x, min(x, y));
  }
};

template <>
struct BinaryLaw<BinaryOp::Copysign> {
  template <class V>
  LAMINA_INLINE V value(V x, V y, V) {
    return copysign(x, y);
  }
};

template <>
struct BinaryLaw<BinaryOp::Xlogy> {
  template <class V>
  LAMINA_INLINE V value(V x, V y, V) {
    return select(isnan(y), y, select(x == zero<V>(), zero<V>(), x * log(y)));
  }
};

template <>
struct BinaryLaw<BinaryOp::Logaddexp> {
  template <class V>
  LAMINA_INLINE V value(V x, V y, V) {
    return logaddexp(x, y);
  }
};

template <>
struct BinaryLaw<BinaryOp::Logaddexp2> {
  template <class V>
  LAMINA_INLINE V value(V x, V y, V) {
    return logaddexp2(x, y);
  }
};

template <>
struct BinaryLaw<BinaryOp::Nextafter> {
  template <class V>
  LAMINA_INLINE V value(V x, V y, V) {
    return nextafter(x, y);
  }
};

// From whichever end is nearer, so that both are exact.
template <>
struct TernaryLaw<TernaryOp::Lerp> {
  template <class V>
  LAMINA_INLINE V value(V x, V y, V z, V) {
    return select(abs(z) < constant<V>(0.5), fma(z, y - x, x), fnma(y - x, constant<V>(1) - z, y));
  }
};

template <>
struct TernaryLaw<TernaryOp::Addcmul> {
  template <class V>
  LAMINA_INLINE V value(V x, V y, V z, V a) {
    return fma(a * y, z, x);
  }
};

template <>
struct TernaryLaw<TernaryOp::Addcdiv> {
  template <class V>
  LAMINA_INLINE V value(V x, V y, V z, V a) {
    return x + (a * y) / z;
  }
};

template <>
struct TernaryLaw<TernaryOp::Clamp> {
  template <class V>
  LAMINA_INLINE V value(V x, V y, V z, V) {
    return select(isnan(x), x, select(isnan(y), y, select(isnan(z), z, min(z, max(y, x)))));
  }
};

template <>
struct TernaryLaw<TernaryOp::NanToNum> {
  template <class V>
  LAMINA_INLINE V value(V x, V y, V z, V a) {
    return select(isnan(x), a, select(x == infinity<V>(), y, select(x == -infinity<V>(), z, x)));
  }
};

}  // namespace lamina::LAMINA_ISA
