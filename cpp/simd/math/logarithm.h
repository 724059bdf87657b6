// log, log2, log10, log1p and the inverse hyperbolic functions that follow from them.
#pragma once

#include "simd/math/basic.h"

namespace lamina::LAMINA_ISA {

// x = 2^k (1 + f), f in [sqrt(1/2) - 1, sqrt(2) - 1), and log(1 + f) = f + rest. For x positive and finite.
template <class V>
struct LogParts {
  V k, f, rest;
};

template <class V>
LAMINA_INLINE V log1p_rest(V f) {
  const V half_square = constant<V>(0.5) * f * f;
  if constexpr (kSingle<V>) {
    const V p = polynomial(f, 0.3333331259, -0.2500000954, 0.2000211934, -0.1666799902, 0.1421954271,
                           -0.1240553699, 0.1188818148, -0.1167592584, 0.06746899197);
    return fma(f * f * f, p, -half_square);
  } else {
    // log(1 + f) = 2 atanh(s), s = f / (2 + f), and 2 s = f - s f.
    const V s = f / (constant<V>(2) + f), z = s * s;
    const V p = z * polynomial(z, 0.666666666666673442, 0.399999999994146551, 0.285714287423915983,
                               0.222221985728404649, 0.181835643422218934, 0.153140501622446713,
                               0.147959535252082404);
    return fma(s, half_square + p, -half_square);
  }
}

template <class V>
LAMINA_INLINE LogParts<V> log_parts(V x) {
  constexpr int fraction = kSingle<V> ? 23 : 52;
  constexpr int64_t sqrt_half = kSingle<V> ? 0x3f3504f3 : 0x3fe6a09e667f3bcd;
  constexpr int64_t fraction_mask = (int64_t(1) << fraction) - 1;
  const auto subnormal = x < constant<V>(kSingle<V> ? 0x1p-126 : 0x1p-1022);
  const V lifted = select(subnormal, x * constant<V>(0x1p54), x);
  const auto above = bits(lifted) - integer<V>(sqrt_half);
  const V k = to_real(sar<fraction>(above)) - select(subnormal, constant<V>(54), zero<V>());
  const V f = from_bits((above & integer<V>(fraction_mask)) + integer<V>(sqrt_half)) - constant<V>(1);
  return {k, f, log1p_rest(f)};
}

// y, except where x has no finite logarithm.
template <class V>
LAMINA_INLINE V log_special(V x, V y) {
  y = select(x < infinity<V>(), y, x);
  y = select(x == zero<V>(), -infinity<V>(), y);
  return select(x < zero<V>(), not_a_number<V>(), y);
}

// k ln 2 + f + rest + low. The first part of ln 2 is so short that its product with k is exact.
template <class V>
LAMINA_INLINE V log_sum(const LogParts<V>& parts, V low) {
  constexpr double high = kSingle<V> ? 0x1.63p-1 : 0x1.62e42feep-1;
  constexpr double rest = kSingle<V> ? -0x1.bd0105c610ca8p-13 : 0x1.a39ef35793c76p-33;
  const V small = fma(parts.k, constant<V>(rest), parts.rest + low);
  return fma(parts.k, constant<V>(high), parts.f + small);
}

template <class V>
LAMINA_INLINE V log(V x) {
  return log_special(x, log_sum(log_parts(x), zero<V>()));
}

// k * base + (f + rest) * scale, where scale = high + low and base = base_high + base_low.
template <class V>
LAMINA_INLINE V log_to_base(V x, double high, double low, double base_high, double base_low) {
  const LogParts<V> parts = log_parts(x);
  const V sum = parts.f + parts.rest;
  const V lost = (parts.f - sum) + parts.rest;
  V small = fma(lost, constant<V>(high), sum * constant<V>(low));
  small = fma(parts.k, constant<V>(base_low), small);
  const V large = fma(sum, constant<V>(high), small);
  return log_special(x, fma(parts.k, constant<V>(base_high), large));
}

template <class V>
LAMINA_INLINE V log2(V x) {
  if constexpr (kSingle<V>) {
    return log_to_base(x, 0x1.715476p+0, 0x1.4ae0cp-26, 1, 0);
  } else {
    return log_to_base(x, 0x1.71547652b82fep+0, 0x1.777d0ffda0d24p-56, 1, 0);
  }
}

template <class V>
LAMINA_INLINE V log10(V x) {
  if constexpr (kSingle<V>) {
    return log_to_base(x, 0x1.bcb7b2p-2, -0x1.5b235ep-27, 0x1.344p-2, 0x1.3509f8p-18);
  } else {
    return log_to_base(x, 0x1.bcb7b1526e50ep-2, 0x1.95355baaafad3p-57, 0x1.34413509f6p-2,
                       0x1.9fef311f12b36p-42);
  }
}

// log(1 + x) from u = 1 + x as rounded: log(u) + (what rounding lost) / u.
template <class V>
LAMINA_INLINE V log1p(V x) {
  const V one = constant<V>(1), u = one + x, seen = u - one;
  const V lost = (one - (u - seen)) + (x - seen);
  const V y = log_special(u, log_sum(log_parts(u), lost / u));
  // The tiny keep their sign and bits; the infinite would give inf - inf above.
  const auto itself = (abs(x) < constant<V>(kSingle<V> ? 0x1p-25 : 0x1p-54)) | (x == infinity<V>());
  return select(itself, x, y);
}

// log(1 + x) for x in [0, 1].
template <class V>
LAMINA_INLINE V log1p_of_fraction(V x) {
  if constexpr (kSingle<V>) {
    return fma(x * x,
               polynomial(x, -0.4999964796, 0.3332132262, -0.2485716367, 0.1915365494, -0.1375380234,
                          0.0792045356, -0.03006579231, 0.005364824334),
               x);
  } else {
    return log1p(x);
  }
}

// log(a + sqrt(a^2 + 1)) = log1p(a + a^2 / (1 + sqrt(a^2 + 1))); a^2 would overflow where log(2a) is exact
// enough.
template <class V>
LAMINA_INLINE V asinh(V x) {
  if constexpr (!kSingle<V>) {
    return lanewise([](double a) { return ::asinh(a); }, x);
  } else {
    const V a = abs(x), z = a * a, one = constant<V>(1);
    const V small = log1p(a + z / (one + sqrt(z + one)));
    const V large = log(a) + constant<V>(0x1.62e42fefa39efp-1);
    return copysign(select(a < constant<V>(0x1p14), small, large), x);
  }
}

template <class V>
LAMINA_INLINE V acosh(V x) {
  if constexpr (!kSingle<V>) {
    return lanewise([](double a) { return ::acosh(a); }, x);
  } else {
    const V t = x - constant<V>(1);
    const V small = log1p(t + sqrt(t * (t + constant<V>(2))));
    const V y = select(x < constant<V>(0x1p14), small, log(x) + constant<V>(0x1.62e42fefa39efp-1));
    return select(x < constant<V>(1), not_a_number<V>(), y);
  }
}

template <class V>
LAMINA_INLINE V atanh(V x) {
  if constexpr (!kSingle<V>) {
    return lanewise([](double a) { return ::atanh(a); }, x);
  } else {
    const V a = abs(x);
    return copysign(constant<V>(0.5) * log1p((a + a) / (constant<V>(1) - a)), x);
  }
}

}  // namespace lamina::LAMINA_ISA
