// sin, cos, tan and their inverses; sin and cos of pi x.
#pragma once

#include "simd/math/basic.h"

namespace lamina::LAMINA_ISA {

// An angle = n pi/2 + (r + low), |r| <= pi/4; low is what r could not hold (0 in float).
template <class V>
struct Quadrant {
  V r, low;
  typename V::Int n;
};

// Up to here n has at most 20 bits, so that its products with the 33-bit parts of pi/2 are exact. Beyond:
// libm.
constexpr double kFarAngle = 1e6;

template <class V>
LAMINA_INLINE Quadrant<V> quadrant_of(V x) {
  const auto turns = [](F64 a) { return round(a * constant<F64>(0x1.45f306dc9c883p-1)); };
  constexpr double part1 = 0x1.921fb544p+0, part2 = 0x1.0b4611a6p-34, part3 = 0x1.3198a2e037073p-69;
  if constexpr (kSingle<V>) {
    const V r = through_double(
        [&](F64 a) {
          const F64 n = turns(a);
          return fnma(n, constant<F64>(part2 + part3), fnma(n, constant<F64>(part1), a));
        },
        x);
    return {r, zero<V>(), to_int(through_double(turns, x))};
  } else {
    const V n = turns(x);
    const V first = fnma(n, constant<V>(part1), x);  // exact
    const V shift = n * constant<V>(part2);          // exact
    const V second = first - shift;
    const V back = second - first;
    const V lost = (first - (second - back)) - (shift + back);
    const V small = fnma(n, constant<V>(part3), lost);
    const V r = second + small;
    return {r, (second - r) + small, to_int(n)};
  }
}

template <class V>
LAMINA_INLINE V sin_near_zero(V r, V low) {
  const V z = r * r;
  if constexpr (kSingle<V>) {
    return fma(r * z, polynomial(z, -0.1666665494, 0.008332177916, -0.0001951726684), r);
  } else {
    const V p = polynomial(z, -0.16666666666666632, 0.00833333333332241843, -0.000198412698298120082,
                           2.7557313693474621e-6, -2.50507583722798368e-8, 1.58968112349772185e-10);
    return r + fma(r * z, p, fnma(constant<V>(0.5) * z, low, low));
  }
}
template <class V>
LAMINA_INLINE V cos_near_zero(V r, V low) {
  const V z = r * r, half = constant<V>(0.5) * z, one = constant<V>(1);
  if constexpr (kSingle<V>) {
    const V p = polynomial(z, 0.04166664687, -0.001388736756, 2.443845196e-5);
    return fma(z * z, p, one - half);
  } else {
    const V p = polynomial(z, 0.0416666666666665995, -0.00138888888888741316, 0.000024801587289487171,
                           -2.7557314353829945e-7, 2.08757234842009e-9, -1.13596590993823713e-11);
    const V head = one - half;
    return head + (((one - head) - half) + fma(z * z, p, -(r * low)));
  }
}

// Bit 1 of n is a half turn, which changes the sign; bit 0 exchanges sine and cosine.
template <class V>
LAMINA_INLINE V with_half_turn(V y, typename V::Int n) {
  return from_bits(bits(y) ^ (shl<8 * sizeof(typename V::Element) - 2>(n) & sign_bit<V>()));
}
template <class V>
LAMINA_INLINE auto is_even(typename V::Int n) {
  return (n & integer<V>(1)) == integer<V>(0);
}

// y, and libm's answer where the angle is far (or NaN, or infinite).
template <class V, class F32Function, class F64Function>
LAMINA_INLINE V unless_far(V x, V y, F32Function single, F64Function twice) {
  const auto far = ~(abs(x) < constant<V>(kFarAngle));
  if (__builtin_expect(!any(far), 1)) return y;
  if constexpr (kSingle<V>) {
    return select(far, lanewise(single, x), y);
  } else {
    return select(far, lanewise(twice, x), y);
  }
}

template <class V>
LAMINA_INLINE V sin(V x) {
  const Quadrant<V> q = quadrant_of(x);
  const V s = sin_near_zero(q.r, q.low), c = cos_near_zero(q.r, q.low);
  const V y = select(x == zero<V>(), x, with_half_turn(select(is_even<V>(q.n), s, c), q.n));
  return unless_far(
      x, y, [](float a) { return ::sinf(a); }, [](double a) { return ::sin(a); });
}

template <class V>
LAMINA_INLINE V cos(V x) {
  const Quadrant<V> q = quadrant_of(x);
  const V s = sin_near_zero(q.r, q.low), c = cos_near_zero(q.r, q.low);
  const V y = with_half_turn(select(is_even<V>(q.n), c, s), q.n + integer<V>(1));
  return unless_far(
      x, y, [](float a) { return ::cosf(a); }, [](double a) { return ::cos(a); });
}

template <class V>
LAMINA_INLINE V tan(V x) {
  const Quadrant<V> q = quadrant_of(x);
  const V s = sin_near_zero(q.r, q.low), c = cos_near_zero(q.r, q.low);
  const auto even = is_even<V>(q.n);
  const V y = select(x == zero<V>(), x, select(even, s, c) / select(even, c, -s));
  return unless_far(
      x, y, [](float a) { return ::tanf(a); }, [](double a) { return ::tan(a); });
}

// sin(pi x), exact at whole x, by the distance to the next half.
template <class V>
LAMINA_INLINE V sin_pi(V x) {
  const V half = constant<V>(0.5), two = constant<V>(2);
  // Reduced to [-1, 1] first: n below must be a small integer. Far from zero every x is even.
  const V turn = x - two * round(half * x);
  const V n = round(two * turn);
  const V r = constant<V>(0x1.921fb54442d18p+1) * fnma(n, half, turn);
  const auto whole = to_int(n);
  const V s = sin_near_zero(r, zero<V>()), c = cos_near_zero(r, zero<V>());
  return with_half_turn(select(is_even<V>(whole), s, c), whole);
}
template <class V>
LAMINA_INLINE V cos_pi(V x) {
  const V half = constant<V>(0.5), two = constant<V>(2);
  const V turn = x - two * round(half * x);
  const V n = round(two * turn);
  const V r = constant<V>(0x1.921fb54442d18p+1) * fnma(n, half, turn);
  const auto whole = to_int(n);
  const V s = sin_near_zero(r, zero<V>()), c = cos_near_zero(r, zero<V>());
  return with_half_turn(select(is_even<V>(whole), c, s), whole + integer<V>(1));
}

// ---- inverses ----

template <class V>
LAMINA_INLINE V half_pi() {
  return constant<V>(0x1.921fb54442d18p+0);
}

// atan(t) for t in [0, 1].
LAMINA_INLINE F32 atan_to_one(F32 t) {
  const F32 z = t * t;
  const F32 p = polynomial(z, -0.3333330186, 0.1999863853, -0.1426524477, 0.1095757434, -0.08419456554,
                           0.05823454247, -0.03145572057, 0.0110644617, -0.00182721932);
  return fma(t * z, p, t);
}

template <class V>
LAMINA_INLINE V atan(V x) {
  if constexpr (!kSingle<V>) {
    return lanewise([](double a) { return ::atan(a); }, x);
  } else {
    const V a = abs(x), one = constant<V>(1);
    const V t = atan_to_one(select(one < a, one / a, a));
    return copysign(select(one < a, half_pi<V>() - t, t), x);
  }
}

// The angle of the point (x, y), with IEEE's answers for zeros and infinities of either sign.
template <class V>
LAMINA_INLINE V atan2(V y, V x) {
  if constexpr (!kSingle<V>) {
    return lanewise([](double b, double a) { return ::atan2(b, a); }, y, x);
  } else {
    const V a = abs(x), b = abs(y), low = min(a, b), high = max(a, b);
    V ratio = select(low == high, constant<V>(1), low / high);
    ratio = select(high == zero<V>(), high, ratio);
    V t = atan_to_one(ratio);
    t = select(a < b, half_pi<V>() - t, t);
    t = select(bits(x) < integer<V>(0), constant<V>(0x1.921fb54442d18p+1) - t, t);
    return select(isnan(x) | isnan(y), x + y, copysign(t, y));
  }
}

// asin(t) for t in [0, 1/2], z = t^2.
LAMINA_INLINE F32 asin_to_half(F32 t, F32 z) {
  const F32 p =
      polynomial(z, 0.1666665987, 0.07500510907, 0.04451572127, 0.03181760825, 0.01440260722, 0.03756520962);
  return fma(t * z, p, t);
}

// Above 1/2: asin(a) = pi/2 - 2 asin(sqrt((1 - a) / 2)).
template <class V>
LAMINA_INLINE V asin(V x) {
  if constexpr (!kSingle<V>) {
    return lanewise([](double a) { return ::asin(a); }, x);
  } else {
    const V a = abs(x), half = constant<V>(0.5);
    const auto large = half < a;
    const V z = select(large, half - half * a, a * a);
    const V t = asin_to_half(select(large, sqrt(z), a), z);
    return copysign(select(large, half_pi<V>() - (t + t), t), x);
  }
}

template <class V>
LAMINA_INLINE V acos(V x) {
  if constexpr (!kSingle<V>) {
    return lanewise([](double a) { return ::acos(a); }, x);
  } else {
    const V a = abs(x), half = constant<V>(0.5);
    const auto large = half < a;
    const V z = select(large, half - half * a, a * a);
    const V t = asin_to_half(select(large, sqrt(z), a), z), twice = t + t;
    const V far = select(x < zero<V>(), constant<V>(0x1.921fb54442d18p+1) - twice, twice);
    return select(large, far, half_pi<V>() - copysign(t, x));
  }
}

}  // namespace lamina::LAMINA_ISA
