// Two arguments: pow, hypot, fmod and what follows from it, logaddexp, nextafter.
#pragma once

#include "simd/math/exponential.h"
#include "simd/math/logarithm.h"

namespace lamina::LAMINA_ISA {

template <class V>
LAMINA_INLINE auto is_infinite(V x) {
  return abs(x) == infinity<V>();
}

// IEEE's pow. Float goes through double, whose e^(y log |x|) has bits to spare.
template <class V>
LAMINA_INLINE V pow(V x, V y) {
  if constexpr (!kSingle<V>) {
    return lanewise([](double a, double b) { return ::pow(a, b); }, x, y);
  } else {
    const V one = constant<V>(1), a = abs(x);
    V p = through_double([](F64 base, F64 exponent) { return exp(exponent * log(base)); }, a, y);
    const auto whole = y == trunc(y);
    const auto odd = whole & (abs(y) < constant<V>(0x1p24)) & ((to_int(y) & integer<V>(1)) == integer<V>(1));
    const auto below = bits(x) < integer<V>(0);  // -0 too
    p = select(below & odd, -p, p);
    p = select((x < zero<V>()) & ~whole & ~is_infinite(x), not_a_number<V>(), p);
    // 0 * inf and 1^inf above gave NaN; 1 to any power and any number to the power 0 are 1, NaN included.
    const auto is_one = (y == zero<V>()) | (x == one) | ((a == one) & is_infinite(y));
    return select(is_one, one, select(isnan(x) | isnan(y), x + y, p));
  }
}

template <class V>
LAMINA_INLINE V hypot(V x, V y) {
  if constexpr (!kSingle<V>) {
    return lanewise([](double a, double b) { return ::hypot(a, b); }, x, y);
  } else {
    const V h = through_double([](F64 a, F64 b) { return sqrt(a * a + b * b); }, x, y);
    return select(is_infinite(x) | is_infinite(y), infinity<V>(), h);
  }
}

// x - trunc(x / y) y, exact. In double the quotient of two floats is right up to 2^28, and so is its product
// with y.
template <class V>
LAMINA_INLINE V fmod(V x, V y) {
  if constexpr (!kSingle<V>) {
    return lanewise([](double a, double b) { return ::fmod(a, b); }, x, y);
  } else {
    const V r = through_double([](F64 a, F64 b) { return a - trunc(a / b) * b; }, x, y);
    const auto near = abs(x) < constant<V>(0x1p27) * abs(y);
    if (__builtin_expect(all(near & (abs(y) < infinity<V>())), 1)) return copysign(r, x);
    return lanewise([](float a, float b) { return ::fmodf(a, b); }, x, y);
  }
}

// fmod moved to the sign of y, as Python's %.
template <class V>
LAMINA_INLINE V remainder(V x, V y) {
  const V r = fmod(x, y);
  const auto moved = (r != zero<V>()) & ((r < zero<V>()) ^ (y < zero<V>()));
  return select(moved, r + y, r);
}

// floor(x / y) of the exact quotient, as Python's //: (x - fmod) / y is whole up to rounding.
template <class V>
LAMINA_INLINE V floor_divide(V x, V y) {
  const V one = constant<V>(1), r = fmod(x, y);
  V q = (x - r) / y;
  q = select((r != zero<V>()) & ((r < zero<V>()) ^ (y < zero<V>())), q - one, q);
  V whole = floor(q);
  whole = select(constant<V>(0.5) < q - whole, whole + one, whole);
  whole = select(q == zero<V>(), copysign(zero<V>(), x / y), whole);
  return select(y == zero<V>(), x / y, whole);
}

// log(e^x + e^y) = max + log1p(e^-|x - y|).
template <class V>
LAMINA_INLINE V logaddexp(V x, V y) {
  const V high = max(x, y), sum = high + log1p(exp(-abs(x - y)));
  return select(x == y, x + constant<V>(0x1.62e42fefa39efp-1), select(isnan(x), x, sum));
}
template <class V>
LAMINA_INLINE V logaddexp2(V x, V y) {
  const V high = max(x, y);
  const V sum = fma(log1p(exp2(-abs(x - y))), constant<V>(0x1.71547652b82fep+0), high);
  return select(x == y, x + constant<V>(1), select(isnan(x), x, sum));
}

template <class V>
LAMINA_INLINE V nextafter(V x, V y) {
  if constexpr (kSingle<V>) {
    return lanewise([](float a, float b) { return ::nextafterf(a, b); }, x, y);
  } else {
    return lanewise([](double a, double b) { return ::nextafter(a, b); }, x, y);
  }
}

}  // namespace lamina::LAMINA_ISA
