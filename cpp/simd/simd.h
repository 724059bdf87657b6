// The vector vocabulary of the ISA being compiled (-DLAMINA_ISA=scalar|avx2|avx512|neon): includes that ISA's
// header and derives what is the same everywhere. Which ISA runs is decided by backend/; loops over arrays
// live in kernels/cpu/.
//
// Flags every ISA needs: -O3 -fno-math-errno -fno-trapping-math -ffp-contract=off; avx2: -mavx2 -mfma -mf16c
// -mbmi2; avx512: those and -mavx512f -mavx512bw -mavx512dq -mavx512vl.
#pragma once

#include <cstdint>
#include <cstring>

#include "base/dtype.h"

#ifndef LAMINA_ISA
#error "LAMINA_ISA names the ISA to compile for: scalar, avx2, avx512 or neon"
#endif

#define LAMINA_INLINE static inline __attribute__((always_inline))
#define LAMINA_QUOTE(text) #text
#define LAMINA_QUOTE_VALUE(macro) LAMINA_QUOTE(macro)
// clang-format off
#define LAMINA_HEADER(isa) LAMINA_QUOTE(simd/isa.h)
// clang-format on

// What an ISA header defines in namespace lamina::LAMINA_ISA, functions overloaded on the types:
//
// - F32 F64 (members Element, Int, Mask, width), I32 I64 (Element, Mask, width) as wide as they, M32 M64.
// - Masks: & | ^ ~ any all.
// - All four vectors: load, load_n (first n lanes, the rest 0, no read past the end), store, store_n, set,
//   + - == select.
// - Floats: stream (non-temporal, p aligned to the vector; stream_line(to, from) does 64 bytes of anything,
//   stream_fence comes after the last), * / fma fnma, min max (the second operand where one is NaN), sqrt
//   floor ceil trunc round (half to even), < <=, reduce_add reduce_max reduce_min (in a fixed order), bits,
//   to_int (truncates; F64: |x| < 2^51), widen_low widen_high (F32 to F64), narrow (two F64 to F32).
// - Integers: * (I32 only), & | ^ >, shl<k> shr<k> (logical) sar<k> (arithmetic), from_bits, to_float(I32),
//   to_double(I64) (|x| < 2^51).
// - kRegisters (vector registers), load_columns(p, step, columns): kBlockColumns<V> float vectors, the q-th
//   of them p[q], p[q + step], p[q + 2 * step], ...; even_lanes(a, b): lanes 0, 2, ... of a and then of b;
//   held(a): a, in a register.
// - Halves, p a Half* or BFloat16*: load_half<F32>(p), load_half_n<F32>(p, n), store_half(p, F32),
//   store_half_n(p, F32, n).
#include LAMINA_HEADER(LAMINA_ISA)

namespace lamina::LAMINA_ISA {

template <class T>
struct VecOf;
template <>
struct VecOf<float> {
  using Type = F32;
};
template <>
struct VecOf<double> {
  using Type = F64;
};
template <>
struct VecOf<int32_t> {
  using Type = I32;
};
template <>
struct VecOf<int64_t> {
  using Type = I64;
};
template <class T>
using Vec = typename VecOf<T>::Type;

template <class V>
LAMINA_INLINE V load(const typename V::Element* p) {
  return load(p);
}
template <class V>
LAMINA_INLINE V load_n(const typename V::Element* p, int n) {
  return load_n(p, n);
}
template <class V>
LAMINA_INLINE V set(typename V::Element x) {
  return set(x);
}
template <class V>
LAMINA_INLINE V zero() {
  return set(typename V::Element(0));
}

// The operators that follow from others. `Mask` makes them apply to vectors only.
template <class V, class = typename V::Mask>
LAMINA_INLINE V& operator+=(V& a, V b) {
  return a = a + b;
}
template <class V, class = typename V::Mask>
LAMINA_INLINE V& operator-=(V& a, V b) {
  return a = a - b;
}
template <class V, class = typename V::Mask>
LAMINA_INLINE V& operator*=(V& a, V b) {
  return a = a * b;
}
template <class V, class = typename V::Mask>
LAMINA_INLINE V& operator/=(V& a, V b) {
  return a = a / b;
}
template <class V, class M = typename V::Mask>
LAMINA_INLINE M operator!=(V a, V b) {
  return ~(a == b);
}
template <class V, class = typename V::Int>
LAMINA_INLINE auto operator>(V a, V b) {
  return b < a;
}
template <class V, class = typename V::Int>
LAMINA_INLINE auto operator>=(V a, V b) {
  return b <= a;
}
LAMINA_INLINE M32 operator<(I32 a, I32 b) { return b > a; }
LAMINA_INLINE M64 operator<(I64 a, I64 b) { return b > a; }
LAMINA_INLINE I32 operator~(I32 a) { return a ^ set(int32_t(-1)); }
LAMINA_INLINE I64 operator~(I64 a) { return a ^ set(int64_t(-1)); }

template <class V>
LAMINA_INLINE typename V::Int sign_bit() {
  using I = typename V::Int;
  return shl<int(8 * sizeof(typename V::Element)) - 1>(set<I>(1));
}
template <class V, class = typename V::Int>
LAMINA_INLINE V operator-(V a) {
  return from_bits(bits(a) ^ sign_bit<V>());
}
template <class V, class = typename V::Int>
LAMINA_INLINE V abs(V a) {
  return from_bits(bits(a) & ~sign_bit<V>());
}
// The size of a with the sign of b.
template <class V, class = typename V::Int>
LAMINA_INLINE V copysign(V a, V b) {
  return from_bits((bits(a) & ~sign_bit<V>()) | (bits(b) & sign_bit<V>()));
}
template <class V, class = typename V::Int>
LAMINA_INLINE auto isnan(V a) {
  return a != a;
}
// p - a * b, exact, for p = a * b as rounded.
template <class V, class = typename V::Int>
LAMINA_INLINE V product_excess(V a, V b, V p) {
  return fnma(a, b, p);
}
// a / b, finite numbers both, and b and its inverse normal; to a bit more than half of the last digit.
template <class V, class = typename V::Int>
LAMINA_INLINE V quotient(V a, V b) {
  return a / b;
}
LAMINA_INLINE F32 to_real(I32 a) { return to_float(a); }
LAMINA_INLINE F64 to_real(I64 a) { return to_double(a); }

// f, a function of F64, applied to float vectors: for laws whose intermediate values float cannot hold.
template <class F, class... V>
LAMINA_INLINE F32 through_double(F&& f, V... x) {
  if constexpr (F32::width == F64::width) {
    return narrow(f(widen_low(x)...), zero<F64>());
  } else {
    return narrow(f(widen_low(x)...), f(widen_high(x)...));
  }
}

}  // namespace lamina::LAMINA_ISA
