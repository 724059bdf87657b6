// Products of bytes, four to a lane of I32, for weights of few bits. Apart from the vocabulary of simd.h,
// because one family of kernels alone speaks of bytes.
#pragma once

#include "simd/simd.h"

namespace lamina::LAMINA_ISA {

#if defined(__AVX512BW__)

// sum + a0 b0 + a1 b1 + a2 b2 + a3 b3 in each lane, for a in [0, 127] and signed b. One instruction (VNNI)
// where the CPU has it, which the caller asks once; GCC lets no intrinsic beyond the ISA's flags into an
// inlined function.
template <bool vnni>
LAMINA_INLINE I32 dot_bytes(I32 sum, I32 a, I32 b) {
  if constexpr (vnni) {
    asm("vpdpbusd %2, %1, %0" : "+v"(sum.v) : "v"(a.v), "v"(b.v));
    return sum;
  } else {
    const __m512i pairs = _mm512_maddubs_epi16(a.v, b.v);
    return {_mm512_add_epi32(sum.v, _mm512_madd_epi16(pairs, _mm512_set1_epi16(1)))};
  }
}
LAMINA_INLINE I32 abs_bytes(I32 a) { return {_mm512_abs_epi8(a.v)}; }
// b where a is not negative, -b where it is; b is not -128.
LAMINA_INLINE I32 with_sign_of(I32 b, I32 a) {
  return {_mm512_mask_sub_epi8(b.v, _mm512_movepi8_mask(a.v), _mm512_setzero_si512(), b.v)};
}
LAMINA_INLINE bool has_vnni() { return __builtin_cpu_supports("avx512vnni"); }

#elif defined(__AVX2__)

template <bool vnni>
LAMINA_INLINE I32 dot_bytes(I32 sum, I32 a, I32 b) {
  const __m256i pairs = _mm256_maddubs_epi16(a.v, b.v);
  return {_mm256_add_epi32(sum.v, _mm256_madd_epi16(pairs, _mm256_set1_epi16(1)))};
}
LAMINA_INLINE I32 abs_bytes(I32 a) { return {_mm256_abs_epi8(a.v)}; }
LAMINA_INLINE I32 with_sign_of(I32 b, I32 a) { return {_mm256_sign_epi8(b.v, a.v)}; }
LAMINA_INLINE bool has_vnni() { return false; }

#else

// Lane by lane; compilers make of it what the CPU has.
template <class F>
LAMINA_INLINE I32 of_bytes(I32 a, I32 b, F&& f) {
  int32_t x[I32::width], y[I32::width];
  store(x, a);
  store(y, b);
  int8_t p[4 * I32::width], q[4 * I32::width];
  memcpy(p, x, sizeof(p));
  memcpy(q, y, sizeof(q));
  f(x, p, q);
  return load<I32>(x);
}
template <bool vnni>
LAMINA_INLINE I32 dot_bytes(I32 sum, I32 a, I32 b) {
  return sum + of_bytes(a, b, [](int32_t* x, const int8_t* p, const int8_t* q) {
           for (int i = 0; i < I32::width; i++) {
             x[i] = 0;
             for (int j = 4 * i; j < 4 * i + 4; j++) x[i] += p[j] * q[j];
           }
         });
}
// As in the other ISAs what leaves with_sign_of and abs_bytes multiplies to the product of a and b; here the
// sign stays with a.
LAMINA_INLINE I32 abs_bytes(I32 a) { return a; }
LAMINA_INLINE I32 with_sign_of(I32 b, I32) { return b; }
LAMINA_INLINE bool has_vnni() { return false; }

#endif

}  // namespace lamina::LAMINA_ISA
