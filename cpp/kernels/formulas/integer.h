// The elementwise laws of integers, on single values: the compiler's vectors are good enough for
// them. Everything is defined: sums and products wrap, division by 0 gives 0, the smallest number divided by
// -1 is itself.
#pragma once

#include "kernels/kernels.h"

namespace lamina::LAMINA_ISA {

// Unsigned and at least as wide as int, so that overflow is defined.
template <int bytes>
struct Unsigned {
  using Type = uint32_t;
};
template <>
struct Unsigned<8> {
  using Type = uint64_t;
};
template <class T>
using Wrapping = typename Unsigned<sizeof(T)>::Type;

template <class T>
constexpr bool kSigned = static_cast<T>(-1) < static_cast<T>(0);

template <class T>
LAMINA_INLINE T wrap_mul(T x, T y) {
  return static_cast<T>(static_cast<Wrapping<T>>(x) * static_cast<Wrapping<T>>(y));
}
template <class T>
LAMINA_INLINE T wrap_add(T x, T y) {
  return static_cast<T>(static_cast<Wrapping<T>>(x) + static_cast<Wrapping<T>>(y));
}
template <class T>
LAMINA_INLINE T wrap_neg(T x) {
  return static_cast<T>(Wrapping<T>(0) - static_cast<Wrapping<T>>(x));
}

template <class T>
LAMINA_INLINE T trunc_div(T x, T y) {
  if (y == 0) return 0;
  if constexpr (kSigned<T>) {
    if (y == static_cast<T>(-1)) return wrap_neg(x);
  }
  return static_cast<T>(x / y);
}
template <class T>
LAMINA_INLINE T trunc_mod(T x, T y) {
  if (y == 0) return 0;
  if constexpr (kSigned<T>) {
    if (y == static_cast<T>(-1)) return 0;
  }
  return static_cast<T>(x % y);
}
template <class T>
LAMINA_INLINE T floor_div(T x, T y) {
  const T q = trunc_div(x, y);
  const bool down = trunc_mod(x, y) != 0 && (x < 0) != (y < 0);
  return down ? static_cast<T>(q - 1) : q;
}
template <class T>
LAMINA_INLINE T floor_mod(T x, T y) {
  const T r = trunc_mod(x, y);
  return r != 0 && (x < 0) != (y < 0) ? static_cast<T>(r + y) : r;
}

// By squaring; a negative exponent leaves what is whole of 1 / x^|y|.
template <class T>
LAMINA_INLINE T power(T x, T y) {
  if (y < 0) return x == 1 ? T(1) : x == static_cast<T>(-1) ? static_cast<T>(y % 2 == 0 ? 1 : -1) : T(0);
  T result = 1;
  while (y != 0) {
    if (y & 1) result = wrap_mul(result, x);
    x = wrap_mul(x, x);
    y = static_cast<T>(y >> 1);
  }
  return result;
}

// A shift out of range moves every bit out.
template <class T>
LAMINA_INLINE T shift_left(T x, T y) {
  constexpr T width = 8 * sizeof(T);
  return y < 0 || y >= width ? T(0) : static_cast<T>(static_cast<Wrapping<T>>(x) << y);
}
template <class T>
LAMINA_INLINE T shift_right(T x, T y) {
  constexpr T width = 8 * sizeof(T);
  if (y < 0 || y >= width) return static_cast<T>(x < 0 ? -1 : 0);
  return static_cast<T>(x >> y);
}

template <UnaryOp op, class T>
LAMINA_INLINE T integer_law(T x, T lo, T hi) {
  if constexpr (op == UnaryOp::Neg) return wrap_neg(x);
  if constexpr (op == UnaryOp::Abs) return x < 0 ? wrap_neg(x) : x;
  if constexpr (op == UnaryOp::Sign) return static_cast<T>((x > 0) - (x < 0));
  if constexpr (op == UnaryOp::Square) return wrap_mul(x, x);
  if constexpr (op == UnaryOp::BitwiseNot) return static_cast<T>(~static_cast<Wrapping<T>>(x));
  if constexpr (op == UnaryOp::Relu) return x < 0 ? T(0) : x;
  if constexpr (op == UnaryOp::Clamp) {
    const T low = x < lo ? lo : x;
    return hi < low ? hi : low;
  }
}
template <BinaryOp op, class T>
LAMINA_INLINE T integer_law(T x, T y, T a) {
  if constexpr (op == BinaryOp::Add) return wrap_add(x, wrap_mul(a, y));
  if constexpr (op == BinaryOp::Sub) return wrap_add(x, wrap_neg(wrap_mul(a, y)));
  if constexpr (op == BinaryOp::Mul) return wrap_mul(x, y);
  if constexpr (op == BinaryOp::FloorDiv) return floor_div(x, y);
  if constexpr (op == BinaryOp::TruncDiv) return trunc_div(x, y);
  if constexpr (op == BinaryOp::Remainder) return floor_mod(x, y);
  if constexpr (op == BinaryOp::Fmod) return trunc_mod(x, y);
  if constexpr (op == BinaryOp::Pow) return power(x, y);
  if constexpr (op == BinaryOp::Maximum || op == BinaryOp::Fmax) return x < y ? y : x;
  if constexpr (op == BinaryOp::Minimum || op == BinaryOp::Fmin) return y < x ? y : x;
  if constexpr (op == BinaryOp::BitwiseAnd) return static_cast<T>(x & y);
  if constexpr (op == BinaryOp::BitwiseOr) return static_cast<T>(x | y);
  if constexpr (op == BinaryOp::BitwiseXor) return static_cast<T>(x ^ y);
  if constexpr (op == BinaryOp::ShiftLeft) return shift_left(x, y);
  if constexpr (op == BinaryOp::ShiftRight) return shift_right(x, y);
}

template <TernaryOp op, class T>
LAMINA_INLINE T integer_law(T x, T y, T z, T a) {
  if constexpr (op == TernaryOp::Addcmul) return wrap_add(x, wrap_mul(a, wrap_mul(y, z)));
  if constexpr (op == TernaryOp::Clamp) {
    const T low = x < y ? y : x;
    return z < low ? z : low;
  }
}

}  // namespace lamina::LAMINA_ISA
