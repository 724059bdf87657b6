// AVX-512 (F, BW, DQ, VL): the vocabulary that simd.h lists, 16 floats or 8 doubles wide.
#pragma once

// g++ warns of the values that its own header leaves undefined on purpose.
#pragma GCC diagnostic push
#pragma GCC diagnostic ignored "-Wuninitialized"
#pragma GCC diagnostic ignored "-Wmaybe-uninitialized"
#include <immintrin.h>
#pragma GCC diagnostic pop

namespace lamina::LAMINA_ISA {

constexpr int kRegisters = 32;

struct M32 {
  __mmask16 k;
};
struct M64 {
  __mmask8 k;
};
struct I32 {
  using Element = int32_t;
  using Mask = M32;
  static constexpr int width = 16;
  __m512i v;
};
struct I64 {
  using Element = int64_t;
  using Mask = M64;
  static constexpr int width = 8;
  __m512i v;
};
struct F32 {
  using Element = float;
  using Int = I32;
  using Mask = M32;
  static constexpr int width = 16;
  __m512 v;
};
struct F64 {
  using Element = double;
  using Int = I64;
  using Mask = M64;
  static constexpr int width = 8;
  __m512d v;
};

template <class V>
constexpr int kBlockColumns = 16 / int(sizeof(typename V::Element));

LAMINA_INLINE M32 operator&(M32 a, M32 b) { return {__mmask16(a.k & b.k)}; }
LAMINA_INLINE M32 operator|(M32 a, M32 b) { return {__mmask16(a.k | b.k)}; }
LAMINA_INLINE M32 operator^(M32 a, M32 b) { return {__mmask16(a.k ^ b.k)}; }
LAMINA_INLINE M32 operator~(M32 a) { return {__mmask16(~a.k)}; }
LAMINA_INLINE bool any(M32 a) { return a.k != 0; }
LAMINA_INLINE bool all(M32 a) { return a.k == 0xffff; }
LAMINA_INLINE M64 operator&(M64 a, M64 b) { return {__mmask8(a.k & b.k)}; }
LAMINA_INLINE M64 operator|(M64 a, M64 b) { return {__mmask8(a.k | b.k)}; }
LAMINA_INLINE M64 operator^(M64 a, M64 b) { return {__mmask8(a.k ^ b.k)}; }
LAMINA_INLINE M64 operator~(M64 a) { return {__mmask8(~a.k)}; }
LAMINA_INLINE bool any(M64 a) { return a.k != 0; }
LAMINA_INLINE bool all(M64 a) { return a.k == 0xff; }

LAMINA_INLINE __mmask16 first16(int n) { return __mmask16((1u << n) - 1); }
LAMINA_INLINE __mmask8 first8(int n) { return __mmask8((1u << n) - 1); }

// ---- float -------------------------------------------------------------------------------------------

LAMINA_INLINE F32 load(const float* p) { return {_mm512_loadu_ps(p)}; }
LAMINA_INLINE F32 load_n(const float* p, int n) { return {_mm512_maskz_loadu_ps(first16(n), p)}; }
LAMINA_INLINE void store(float* p, F32 a) { _mm512_storeu_ps(p, a.v); }
LAMINA_INLINE void store_n(float* p, F32 a, int n) { _mm512_mask_storeu_ps(p, first16(n), a.v); }
LAMINA_INLINE void stream(float* p, F32 a) { _mm512_stream_ps(p, a.v); }
LAMINA_INLINE void stream_line(void* to, const void* from) {
  _mm512_stream_si512(static_cast<__m512i*>(to), _mm512_loadu_si512(from));
}
LAMINA_INLINE void stream_fence() { _mm_sfence(); }
LAMINA_INLINE F32 set(float x) { return {_mm512_set1_ps(x)}; }
LAMINA_INLINE F32 operator+(F32 a, F32 b) { return {_mm512_add_ps(a.v, b.v)}; }
LAMINA_INLINE F32 operator-(F32 a, F32 b) { return {_mm512_sub_ps(a.v, b.v)}; }
LAMINA_INLINE F32 operator*(F32 a, F32 b) { return {_mm512_mul_ps(a.v, b.v)}; }
LAMINA_INLINE F32 operator/(F32 a, F32 b) { return {_mm512_div_ps(a.v, b.v)}; }
LAMINA_INLINE F32 fma(F32 a, F32 b, F32 c) { return {_mm512_fmadd_ps(a.v, b.v, c.v)}; }
LAMINA_INLINE F32 fnma(F32 a, F32 b, F32 c) { return {_mm512_fnmadd_ps(a.v, b.v, c.v)}; }
LAMINA_INLINE F32 min(F32 a, F32 b) { return {_mm512_min_ps(a.v, b.v)}; }
LAMINA_INLINE F32 max(F32 a, F32 b) { return {_mm512_max_ps(a.v, b.v)}; }
LAMINA_INLINE F32 sqrt(F32 a) { return {_mm512_sqrt_ps(a.v)}; }
LAMINA_INLINE F32 floor(F32 a) {
  return {_mm512_roundscale_ps(a.v, _MM_FROUND_TO_NEG_INF | _MM_FROUND_NO_EXC)};
}
LAMINA_INLINE F32 ceil(F32 a) {
  return {_mm512_roundscale_ps(a.v, _MM_FROUND_TO_POS_INF | _MM_FROUND_NO_EXC)};
}
LAMINA_INLINE F32 trunc(F32 a) { return {_mm512_roundscale_ps(a.v, _MM_FROUND_TO_ZERO | _MM_FROUND_NO_EXC)}; }
LAMINA_INLINE F32 round(F32 a) {
  return {_mm512_roundscale_ps(a.v, _MM_FROUND_TO_NEAREST_INT | _MM_FROUND_NO_EXC)};
}
LAMINA_INLINE F32 ldexp(F32 a, F32 n) { return {_mm512_scalef_ps(a.v, n.v)}; }
LAMINA_INLINE F32 ldexp_normal(F32 a, F32 n) { return ldexp(a, n); }
LAMINA_INLINE M32 operator==(F32 a, F32 b) { return {_mm512_cmp_ps_mask(a.v, b.v, _CMP_EQ_OQ)}; }
LAMINA_INLINE M32 operator<(F32 a, F32 b) { return {_mm512_cmp_ps_mask(a.v, b.v, _CMP_LT_OQ)}; }
LAMINA_INLINE M32 operator<=(F32 a, F32 b) { return {_mm512_cmp_ps_mask(a.v, b.v, _CMP_LE_OQ)}; }
LAMINA_INLINE F32 select(M32 m, F32 a, F32 b) { return {_mm512_mask_blend_ps(m.k, b.v, a.v)}; }
LAMINA_INLINE float reduce_add(F32 a) { return _mm512_reduce_add_ps(a.v); }
LAMINA_INLINE float reduce_max(F32 a) { return _mm512_reduce_max_ps(a.v); }
LAMINA_INLINE float reduce_min(F32 a) { return _mm512_reduce_min_ps(a.v); }
LAMINA_INLINE I32 bits(F32 a) { return {_mm512_castps_si512(a.v)}; }
LAMINA_INLINE I32 to_int(F32 a) { return {_mm512_cvttps_epi32(a.v)}; }

// ---- double ------------------------------------------------------------------------------------------

LAMINA_INLINE F64 load(const double* p) { return {_mm512_loadu_pd(p)}; }
LAMINA_INLINE F64 load_n(const double* p, int n) { return {_mm512_maskz_loadu_pd(first8(n), p)}; }
LAMINA_INLINE void store(double* p, F64 a) { _mm512_storeu_pd(p, a.v); }
LAMINA_INLINE void store_n(double* p, F64 a, int n) { _mm512_mask_storeu_pd(p, first8(n), a.v); }
LAMINA_INLINE void stream(double* p, F64 a) { _mm512_stream_pd(p, a.v); }
LAMINA_INLINE F64 set(double x) { return {_mm512_set1_pd(x)}; }
LAMINA_INLINE F64 operator+(F64 a, F64 b) { return {_mm512_add_pd(a.v, b.v)}; }
LAMINA_INLINE F64 operator-(F64 a, F64 b) { return {_mm512_sub_pd(a.v, b.v)}; }
LAMINA_INLINE F64 operator*(F64 a, F64 b) { return {_mm512_mul_pd(a.v, b.v)}; }
LAMINA_INLINE F64 operator/(F64 a, F64 b) { return {_mm512_div_pd(a.v, b.v)}; }
LAMINA_INLINE F64 fma(F64 a, F64 b, F64 c) { return {_mm512_fmadd_pd(a.v, b.v, c.v)}; }
LAMINA_INLINE F64 fnma(F64 a, F64 b, F64 c) { return {_mm512_fnmadd_pd(a.v, b.v, c.v)}; }
LAMINA_INLINE F64 min(F64 a, F64 b) { return {_mm512_min_pd(a.v, b.v)}; }
LAMINA_INLINE F64 max(F64 a, F64 b) { return {_mm512_max_pd(a.v, b.v)}; }
LAMINA_INLINE F64 sqrt(F64 a) { return {_mm512_sqrt_pd(a.v)}; }
LAMINA_INLINE F64 floor(F64 a) {
  return {_mm512_roundscale_pd(a.v, _MM_FROUND_TO_NEG_INF | _MM_FROUND_NO_EXC)};
}
LAMINA_INLINE F64 ceil(F64 a) {
  return {_mm512_roundscale_pd(a.v, _MM_FROUND_TO_POS_INF | _MM_FROUND_NO_EXC)};
}
LAMINA_INLINE F64 trunc(F64 a) { return {_mm512_roundscale_pd(a.v, _MM_FROUND_TO_ZERO | _MM_FROUND_NO_EXC)}; }
LAMINA_INLINE F64 round(F64 a) {
  return {_mm512_roundscale_pd(a.v, _MM_FROUND_TO_NEAREST_INT | _MM_FROUND_NO_EXC)};
}
LAMINA_INLINE F64 ldexp(F64 a, F64 n) { return {_mm512_scalef_pd(a.v, n.v)}; }
LAMINA_INLINE F64 ldexp_normal(F64 a, F64 n) { return ldexp(a, n); }
LAMINA_INLINE M64 operator==(F64 a, F64 b) { return {_mm512_cmp_pd_mask(a.v, b.v, _CMP_EQ_OQ)}; }
LAMINA_INLINE M64 operator<(F64 a, F64 b) { return {_mm512_cmp_pd_mask(a.v, b.v, _CMP_LT_OQ)}; }
LAMINA_INLINE M64 operator<=(F64 a, F64 b) { return {_mm512_cmp_pd_mask(a.v, b.v, _CMP_LE_OQ)}; }
LAMINA_INLINE F64 select(M64 m, F64 a, F64 b) { return {_mm512_mask_blend_pd(m.k, b.v, a.v)}; }
LAMINA_INLINE double reduce_add(F64 a) { return _mm512_reduce_add_pd(a.v); }
LAMINA_INLINE double reduce_max(F64 a) { return _mm512_reduce_max_pd(a.v); }
LAMINA_INLINE double reduce_min(F64 a) { return _mm512_reduce_min_pd(a.v); }
LAMINA_INLINE I64 bits(F64 a) { return {_mm512_castpd_si512(a.v)}; }
LAMINA_INLINE I64 to_int(F64 a) { return {_mm512_cvttpd_epi64(a.v)}; }

LAMINA_INLINE F64 widen_low(F32 a) { return {_mm512_cvtps_pd(_mm512_castps512_ps256(a.v))}; }
LAMINA_INLINE F64 widen_high(F32 a) { return {_mm512_cvtps_pd(_mm512_extractf32x8_ps(a.v, 1))}; }
LAMINA_INLINE F32 narrow(F64 low, F64 high) {
  return {_mm512_insertf32x8(_mm512_castps256_ps512(_mm512_cvtpd_ps(low.v)), _mm512_cvtpd_ps(high.v), 1)};
}

// ---- moving lanes ------------------------------------------------------------------------------------

LAMINA_INLINE __m512 four_rows(const float* p, int64_t step) {
  __m512 r = _mm512_castps128_ps512(_mm_loadu_ps(p));
  r = _mm512_insertf32x4(r, _mm_loadu_ps(p + 4 * step), 1);
  r = _mm512_insertf32x4(r, _mm_loadu_ps(p + 8 * step), 2);
  return _mm512_insertf32x4(r, _mm_loadu_ps(p + 12 * step), 3);
}
LAMINA_INLINE void load_columns(const float* p, int64_t step, F32* columns) {
  const __m512 r0 = four_rows(p, step), r1 = four_rows(p + step, step);
  const __m512 r2 = four_rows(p + 2 * step, step), r3 = four_rows(p + 3 * step, step);
  const __m512d low01 = _mm512_castps_pd(_mm512_unpacklo_ps(r0, r1));
  const __m512d high01 = _mm512_castps_pd(_mm512_unpackhi_ps(r0, r1));
  const __m512d low23 = _mm512_castps_pd(_mm512_unpacklo_ps(r2, r3));
  const __m512d high23 = _mm512_castps_pd(_mm512_unpackhi_ps(r2, r3));
  columns[0] = {_mm512_castpd_ps(_mm512_unpacklo_pd(low01, low23))};
  columns[1] = {_mm512_castpd_ps(_mm512_unpackhi_pd(low01, low23))};
  columns[2] = {_mm512_castpd_ps(_mm512_unpacklo_pd(high01, high23))};
  columns[3] = {_mm512_castpd_ps(_mm512_unpackhi_pd(high01, high23))};
}
LAMINA_INLINE __m512d four_rows(const double* p, int64_t step) {
  __m512d r = _mm512_castpd128_pd512(_mm_loadu_pd(p));
  r = _mm512_insertf64x2(r, _mm_loadu_pd(p + 2 * step), 1);
  r = _mm512_insertf64x2(r, _mm_loadu_pd(p + 4 * step), 2);
  return _mm512_insertf64x2(r, _mm_loadu_pd(p + 6 * step), 3);
}
LAMINA_INLINE void load_columns(const double* p, int64_t step, F64* columns) {
  const __m512d r0 = four_rows(p, step), r1 = four_rows(p + step, step);
  columns[0] = {_mm512_unpacklo_pd(r0, r1)};
  columns[1] = {_mm512_unpackhi_pd(r0, r1)};
}

// Takes the place of the one in simd.h: four instructions beside an estimate, as a division holds up all
// others for sixteen cycles.
LAMINA_INLINE F32 quotient(F32 a, F32 b) {
  const F32 near = {_mm512_rcp14_ps(b.v)}, q = a * near;
  return fma(fnma(q, b, a), near, q);
}

// a in a register: a compiler may otherwise read it from memory again at each use.
LAMINA_INLINE F32 held(F32 a) {
  asm("" : "+v"(a.v));
  return a;
}
LAMINA_INLINE F64 held(F64 a) {
  asm("" : "+v"(a.v));
  return a;
}
// Lanes 0, 2, 4 ... of a and then of b.
LAMINA_INLINE F32 even_lanes(F32 a, F32 b) {
  const __m512i at = _mm512_setr_epi32(0, 2, 4, 6, 8, 10, 12, 14, 16, 18, 20, 22, 24, 26, 28, 30);
  return {_mm512_permutex2var_ps(a.v, at, b.v)};
}
LAMINA_INLINE F64 even_lanes(F64 a, F64 b) {
  return {_mm512_permutex2var_pd(a.v, _mm512_setr_epi64(0, 2, 4, 6, 8, 10, 12, 14), b.v)};
}

// ---- integers ----------------------------------------------------------------------------------------

LAMINA_INLINE I32 load(const int32_t* p) { return {_mm512_loadu_si512(p)}; }
LAMINA_INLINE I32 load_n(const int32_t* p, int n) { return {_mm512_maskz_loadu_epi32(first16(n), p)}; }
LAMINA_INLINE void store(int32_t* p, I32 a) { _mm512_storeu_si512(p, a.v); }
LAMINA_INLINE void store_n(int32_t* p, I32 a, int n) { _mm512_mask_storeu_epi32(p, first16(n), a.v); }
LAMINA_INLINE I32 set(int32_t x) { return {_mm512_set1_epi32(x)}; }
LAMINA_INLINE I32 operator+(I32 a, I32 b) { return {_mm512_add_epi32(a.v, b.v)}; }
LAMINA_INLINE I32 operator-(I32 a, I32 b) { return {_mm512_sub_epi32(a.v, b.v)}; }
LAMINA_INLINE I32 operator*(I32 a, I32 b) { return {_mm512_mullo_epi32(a.v, b.v)}; }
LAMINA_INLINE I32 operator&(I32 a, I32 b) { return {_mm512_and_si512(a.v, b.v)}; }
LAMINA_INLINE I32 operator|(I32 a, I32 b) { return {_mm512_or_si512(a.v, b.v)}; }
LAMINA_INLINE I32 operator^(I32 a, I32 b) { return {_mm512_xor_si512(a.v, b.v)}; }
LAMINA_INLINE M32 operator==(I32 a, I32 b) { return {_mm512_cmpeq_epi32_mask(a.v, b.v)}; }
LAMINA_INLINE M32 operator>(I32 a, I32 b) { return {_mm512_cmpgt_epi32_mask(a.v, b.v)}; }
LAMINA_INLINE I32 select(M32 m, I32 a, I32 b) { return {_mm512_mask_blend_epi32(m.k, b.v, a.v)}; }
LAMINA_INLINE F32 from_bits(I32 a) { return {_mm512_castsi512_ps(a.v)}; }
LAMINA_INLINE F32 to_float(I32 a) { return {_mm512_cvtepi32_ps(a.v)}; }
template <int k>
LAMINA_INLINE I32 shl(I32 a) {
  return {_mm512_slli_epi32(a.v, k)};
}
template <int k>
LAMINA_INLINE I32 shr(I32 a) {
  return {_mm512_srli_epi32(a.v, k)};
}
template <int k>
LAMINA_INLINE I32 sar(I32 a) {
  return {_mm512_srai_epi32(a.v, k)};
}

LAMINA_INLINE I64 load(const int64_t* p) { return {_mm512_loadu_si512(p)}; }
LAMINA_INLINE I64 load_n(const int64_t* p, int n) { return {_mm512_maskz_loadu_epi64(first8(n), p)}; }
LAMINA_INLINE void store(int64_t* p, I64 a) { _mm512_storeu_si512(p, a.v); }
LAMINA_INLINE void store_n(int64_t* p, I64 a, int n) { _mm512_mask_storeu_epi64(p, first8(n), a.v); }
LAMINA_INLINE I64 set(int64_t x) { return {_mm512_set1_epi64(x)}; }
LAMINA_INLINE I64 operator+(I64 a, I64 b) { return {_mm512_add_epi64(a.v, b.v)}; }
LAMINA_INLINE I64 operator-(I64 a, I64 b) { return {_mm512_sub_epi64(a.v, b.v)}; }
LAMINA_INLINE I64 operator&(I64 a, I64 b) { return {_mm512_and_si512(a.v, b.v)}; }
LAMINA_INLINE I64 operator|(I64 a, I64 b) { return {_mm512_or_si512(a.v, b.v)}; }
LAMINA_INLINE I64 operator^(I64 a, I64 b) { return {_mm512_xor_si512(a.v, b.v)}; }
LAMINA_INLINE M64 operator==(I64 a, I64 b) { return {_mm512_cmpeq_epi64_mask(a.v, b.v)}; }
LAMINA_INLINE M64 operator>(I64 a, I64 b) { return {_mm512_cmpgt_epi64_mask(a.v, b.v)}; }
LAMINA_INLINE I64 select(M64 m, I64 a, I64 b) { return {_mm512_mask_blend_epi64(m.k, b.v, a.v)}; }
LAMINA_INLINE F64 from_bits(I64 a) { return {_mm512_castsi512_pd(a.v)}; }
LAMINA_INLINE F64 to_double(I64 a) { return {_mm512_cvtepi64_pd(a.v)}; }
template <int k>
LAMINA_INLINE I64 shl(I64 a) {
  return {_mm512_slli_epi64(a.v, k)};
}
template <int k>
LAMINA_INLINE I64 shr(I64 a) {
  return {_mm512_srli_epi64(a.v, k)};
}
template <int k>
LAMINA_INLINE I64 sar(I64 a) {
  return {_mm512_srai_epi64(a.v, k)};
}

// ---- halves ------------------------------------------------------------------------------------------

template <class V>
LAMINA_INLINE F32 load_half(const Half* p) {
  return {_mm512_cvtph_ps(_mm256_loadu_si256(reinterpret_cast<const __m256i*>(p)))};
}
template <class V>
LAMINA_INLINE F32 load_half_n(const Half* p, int n) {
  return {_mm512_cvtph_ps(_mm256_maskz_loadu_epi16(first16(n), p))};
}
LAMINA_INLINE __m256i to_half(F32 a) {
  return _mm512_cvtps_ph(a.v, _MM_FROUND_TO_NEAREST_INT | _MM_FROUND_NO_EXC);
}
LAMINA_INLINE void store_half(Half* p, F32 a) {
  _mm256_storeu_si256(reinterpret_cast<__m256i*>(p), to_half(a));
}
LAMINA_INLINE void store_half_n(Half* p, F32 a, int n) {
  _mm256_mask_storeu_epi16(p, first16(n), to_half(a));
}

LAMINA_INLINE F32 from_bfloat(__m256i a) {
  return {_mm512_castsi512_ps(_mm512_slli_epi32(_mm512_cvtepu16_epi32(a), 16))};
}
// Round to nearest even by hand: the CPU's own conversion flushes subnormal numbers.
LAMINA_INLINE __m256i to_bfloat(F32 a) {
  const I32 b = bits(a);
  const I32 rounded = b + set(int32_t(0x7fff)) + (shr<16>(b) & set(int32_t(1)));
  const I32 quiet_nan = b | set(int32_t(0x400000));
  return _mm512_cvtepi32_epi16(shr<16>(select(a == a, rounded, quiet_nan)).v);
}
template <class V>
LAMINA_INLINE F32 load_half(const BFloat16* p) {
  return from_bfloat(_mm256_loadu_si256(reinterpret_cast<const __m256i*>(p)));
}
template <class V>
LAMINA_INLINE F32 load_half_n(const BFloat16* p, int n) {
  return from_bfloat(_mm256_maskz_loadu_epi16(first16(n), p));
}
LAMINA_INLINE void store_half(BFloat16* p, F32 a) {
  _mm256_storeu_si256(reinterpret_cast<__m256i*>(p), to_bfloat(a));
}
LAMINA_INLINE void store_half_n(BFloat16* p, F32 a, int n) {
  _mm256_mask_storeu_epi16(p, first16(n), to_bfloat(a));
}

}  // namespace lamina::LAMINA_ISA
