// AVX2 with FMA and F16C: the vocabulary that simd.h lists, 8 floats or 4 doubles wide.
#pragma once

#include <immintrin.h>

namespace lamina::LAMINA_ISA {

constexpr int kRegisters = 16;

struct M32 {
  __m256 v;  // all bits of a lane set, or none
};
struct M64 {
  __m256d v;
};
struct I32 {
  using Element = int32_t;
  using Mask = M32;
  static constexpr int width = 8;
  __m256i v;
};
struct I64 {
  using Element = int64_t;
  using Mask = M64;
  static constexpr int width = 4;
  __m256i v;
};
struct F32 {
  using Element = float;
  using Int = I32;
  using Mask = M32;
  static constexpr int width = 8;
  __m256 v;
};
struct F64 {
  using Element = double;
  using Int = I64;
  using Mask = M64;
  static constexpr int width = 4;
  __m256d v;
};

template <class V>
constexpr int kBlockColumns = 16 / int(sizeof(typename V::Element));

LAMINA_INLINE M32 operator&(M32 a, M32 b) { return {_mm256_and_ps(a.v, b.v)}; }
LAMINA_INLINE M32 operator|(M32 a, M32 b) { return {_mm256_or_ps(a.v, b.v)}; }
LAMINA_INLINE M32 operator^(M32 a, M32 b) { return {_mm256_xor_ps(a.v, b.v)}; }
LAMINA_INLINE M32 operator~(M32 a) {
  return {_mm256_xor_ps(a.v, _mm256_castsi256_ps(_mm256_set1_epi32(-1)))};
}
LAMINA_INLINE bool any(M32 a) { return _mm256_movemask_ps(a.v) != 0; }
LAMINA_INLINE bool all(M32 a) { return _mm256_movemask_ps(a.v) == 0xff; }
LAMINA_INLINE M64 operator&(M64 a, M64 b) { return {_mm256_and_pd(a.v, b.v)}; }
LAMINA_INLINE M64 operator|(M64 a, M64 b) { return {_mm256_or_pd(a.v, b.v)}; }
LAMINA_INLINE M64 operator^(M64 a, M64 b) { return {_mm256_xor_pd(a.v, b.v)}; }
LAMINA_INLINE M64 operator~(M64 a) {
  return {_mm256_xor_pd(a.v, _mm256_castsi256_pd(_mm256_set1_epi32(-1)))};
}
LAMINA_INLINE bool any(M64 a) { return _mm256_movemask_pd(a.v) != 0; }
LAMINA_INLINE bool all(M64 a) { return _mm256_movemask_pd(a.v) == 0xf; }

LAMINA_INLINE __m256i first8(int n) {
  return _mm256_cmpgt_epi32(_mm256_set1_epi32(n), _mm256_setr_epi32(0, 1, 2, 3, 4, 5, 6, 7));
}
LAMINA_INLINE __m256i first4(int n) {
  return _mm256_cmpgt_epi64(_mm256_set1_epi64x(n), _mm256_setr_epi64x(0, 1, 2, 3));
}

// ---- float -------------------------------------------------------------------------------------------

LAMINA_INLINE F32 load(const float* p) { return {_mm256_loadu_ps(p)}; }
LAMINA_INLINE F32 load_n(const float* p, int n) { return {_mm256_maskload_ps(p, first8(n))}; }
LAMINA_INLINE void store(float* p, F32 a) { _mm256_storeu_ps(p, a.v); }
LAMINA_INLINE void store_n(float* p, F32 a, int n) { _mm256_maskstore_ps(p, first8(n), a.v); }
LAMINA_INLINE void stream(float* p, F32 a) { _mm256_stream_ps(p, a.v); }
LAMINA_INLINE void stream_line(void* to, const void* from) {
  const __m256i* x = static_cast<const __m256i*>(from);
  const __m256i first = _mm256_loadu_si256(x), second = _mm256_loadu_si256(x + 1);
  _mm256_stream_si256(static_cast<__m256i*>(to), first);
  _mm256_stream_si256(static_cast<__m256i*>(to) + 1, second);
}
LAMINA_INLINE void stream_fence() { _mm_sfence(); }
LAMINA_INLINE F32 set(float x) { return {_mm256_set1_ps(x)}; }
LAMINA_INLINE F32 operator+(F32 a, F32 b) { return {_mm256_add_ps(a.v, b.v)}; }
LAMINA_INLINE F32 operator-(F32 a, F32 b) { return {_mm256_sub_ps(a.v, b.v)}; }
LAMINA_INLINE F32 operator*(F32 a, F32 b) { return {_mm256_mul_ps(a.v, b.v)}; }
LAMINA_INLINE F32 operator/(F32 a, F32 b) { return {_mm256_div_ps(a.v, b.v)}; }
LAMINA_INLINE F32 fma(F32 a, F32 b, F32 c) { return {_mm256_fmadd_ps(a.v, b.v, c.v)}; }
LAMINA_INLINE F32 fnma(F32 a, F32 b, F32 c) { return {_mm256_fnmadd_ps(a.v, b.v, c.v)}; }
LAMINA_INLINE F32 min(F32 a, F32 b) { return {_mm256_min_ps(a.v, b.v)}; }
LAMINA_INLINE F32 max(F32 a, F32 b) { return {_mm256_max_ps(a.v, b.v)}; }
LAMINA_INLINE F32 sqrt(F32 a) { return {_mm256_sqrt_ps(a.v)}; }
LAMINA_INLINE F32 floor(F32 a) { return {_mm256_round_ps(a.v, _MM_FROUND_TO_NEG_INF | _MM_FROUND_NO_EXC)}; }
LAMINA_INLINE F32 ceil(F32 a) { return {_mm256_round_ps(a.v, _MM_FROUND_TO_POS_INF | _MM_FROUND_NO_EXC)}; }
LAMINA_INLINE F32 trunc(F32 a) { return {_mm256_round_ps(a.v, _MM_FROUND_TO_ZERO | _MM_FROUND_NO_EXC)}; }
LAMINA_INLINE F32 round(F32 a) {
  return {_mm256_round_ps(a.v, _MM_FROUND_TO_NEAREST_INT | _MM_FROUND_NO_EXC)};
}
LAMINA_INLINE M32 operator==(F32 a, F32 b) { return {_mm256_cmp_ps(a.v, b.v, _CMP_EQ_OQ)}; }
LAMINA_INLINE M32 operator<(F32 a, F32 b) { return {_mm256_cmp_ps(a.v, b.v, _CMP_LT_OQ)}; }
LAMINA_INLINE M32 operator<=(F32 a, F32 b) { return {_mm256_cmp_ps(a.v, b.v, _CMP_LE_OQ)}; }
LAMINA_INLINE F32 select(M32 m, F32 a, F32 b) { return {_mm256_blendv_ps(b.v, a.v, m.v)}; }
LAMINA_INLINE I32 bits(F32 a) { return {_mm256_castps_si256(a.v)}; }
LAMINA_INLINE I32 to_int(F32 a) { return {_mm256_cvttps_epi32(a.v)}; }

// Halves are folded onto each other: 4 + 4, then 2 + 2, then 1 + 1.
LAMINA_INLINE __m128 low4(F32 a) { return _mm256_castps256_ps128(a.v); }
LAMINA_INLINE __m128 high4(F32 a) { return _mm256_extractf128_ps(a.v, 1); }
LAMINA_INLINE float reduce_add(F32 a) {
  __m128 s = _mm_add_ps(low4(a), high4(a));
  s = _mm_add_ps(s, _mm_movehl_ps(s, s));
  return _mm_cvtss_f32(_mm_add_ss(s, _mm_movehdup_ps(s)));
}
LAMINA_INLINE float reduce_max(F32 a) {
  __m128 s = _mm_max_ps(low4(a), high4(a));
  s = _mm_max_ps(s, _mm_movehl_ps(s, s));
  return _mm_cvtss_f32(_mm_max_ss(s, _mm_movehdup_ps(s)));
}
LAMINA_INLINE float reduce_min(F32 a) {
  __m128 s = _mm_min_ps(low4(a), high4(a));
  s = _mm_min_ps(s, _mm_movehl_ps(s, s));
  return _mm_cvtss_f32(_mm_min_ss(s, _mm_movehdup_ps(s)));
}

// ---- double ------------------------------------------------------------------------------------------

LAMINA_INLINE F64 load(const double* p) { return {_mm256_loadu_pd(p)}; }
LAMINA_INLINE F64 load_n(const double* p, int n) { return {_mm256_maskload_pd(p, first4(n))}; }
LAMINA_INLINE void store(double* p, F64 a) { _mm256_storeu_pd(p, a.v); }
LAMINA_INLINE void store_n(double* p, F64 a, int n) { _mm256_maskstore_pd(p, first4(n), a.v); }
LAMINA_INLINE void stream(double* p, F64 a) { _mm256_stream_pd(p, a.v); }
LAMINA_INLINE F64 set(double x) { return {_mm256_set1_pd(x)}; }
LAMINA_INLINE F64 operator+(F64 a, F64 b) { return {_mm256_add_pd(a.v, b.v)}; }
LAMINA_INLINE F64 operator-(F64 a, F64 b) { return {_mm256_sub_pd(a.v, b.v)}; }
LAMINA_INLINE F64 operator*(F64 a, F64 b) { return {_mm256_mul_pd(a.v, b.v)}; }
LAMINA_INLINE F64 operator/(F64 a, F64 b) { return {_mm256_div_pd(a.v, b.v)}; }
LAMINA_INLINE F64 fma(F64 a, F64 b, F64 c) { return {_mm256_fmadd_pd(a.v, b.v, c.v)}; }
LAMINA_INLINE F64 fnma(F64 a, F64 b, F64 c) { return {_mm256_fnmadd_pd(a.v, b.v, c.v)}; }
LAMINA_INLINE F64 min(F64 a, F64 b) { return {_mm256_min_pd(a.v, b.v)}; }
LAMINA_INLINE F64 max(F64 a, F64 b) { return {_mm256_max_pd(a.v, b.v)}; }
LAMINA_INLINE F64 sqrt(F64 a) { return {_mm256_sqrt_pd(a.v)}; }
LAMINA_INLINE F64 floor(F64 a) { return {_mm256_round_pd(a.v, _MM_FROUND_TO_NEG_INF | _MM_FROUND_NO_EXC)}; }
LAMINA_INLINE F64 ceil(F64 a) { return {_mm256_round_pd(a.v, _MM_FROUND_TO_POS_INF | _MM_FROUND_NO_EXC)}; }
LAMINA_INLINE F64 trunc(F64 a) { return {_mm256_round_pd(a.v, _MM_FROUND_TO_ZERO | _MM_FROUND_NO_EXC)}; }
LAMINA_INLINE F64 round(F64 a) {
  return {_mm256_round_pd(a.v, _MM_FROUND_TO_NEAREST_INT | _MM_FROUND_NO_EXC)};
}
LAMINA_INLINE M64 operator==(F64 a, F64 b) { return {_mm256_cmp_pd(a.v, b.v, _CMP_EQ_OQ)}; }
LAMINA_INLINE M64 operator<(F64 a, F64 b) { return {_mm256_cmp_pd(a.v, b.v, _CMP_LT_OQ)}; }
LAMINA_INLINE M64 operator<=(F64 a, F64 b) { return {_mm256_cmp_pd(a.v, b.v, _CMP_LE_OQ)}; }
LAMINA_INLINE F64 select(M64 m, F64 a, F64 b) { return {_mm256_blendv_pd(b.v, a.v, m.v)}; }
LAMINA_INLINE I64 bits(F64 a) { return {_mm256_castpd_si256(a.v)}; }

LAMINA_INLINE __m128d low2(F64 a) { return _mm256_castpd256_pd128(a.v); }
LAMINA_INLINE __m128d high2(F64 a) { return _mm256_extractf128_pd(a.v, 1); }
LAMINA_INLINE double reduce_add(F64 a) {
  const __m128d s = _mm_add_pd(low2(a), high2(a));
  return _mm_cvtsd_f64(_mm_add_sd(s, _mm_unpackhi_pd(s, s)));
}
LAMINA_INLINE double reduce_max(F64 a) {
  const __m128d s = _mm_max_pd(low2(a), high2(a));
  return _mm_cvtsd_f64(_mm_max_sd(s, _mm_unpackhi_pd(s, s)));
}
LAMINA_INLINE double reduce_min(F64 a) {
  const __m128d s = _mm_min_pd(low2(a), high2(a));
  return _mm_cvtsd_f64(_mm_min_sd(s, _mm_unpackhi_pd(s, s)));
}

// 2^52 + 2^51: a double this large counts in ones, so that its low bits are an integer. Good for |x| < 2^51.
constexpr double kCounting = 0x1.8p52;
LAMINA_INLINE I64 to_int(F64 a) {
  const __m256d moved = _mm256_add_pd(trunc(a).v, _mm256_set1_pd(kCounting));
  return {_mm256_sub_epi64(_mm256_castpd_si256(moved), _mm256_castpd_si256(_mm256_set1_pd(kCounting)))};
}

LAMINA_INLINE F64 widen_low(F32 a) { return {_mm256_cvtps_pd(low4(a))}; }
LAMINA_INLINE F64 widen_high(F32 a) { return {_mm256_cvtps_pd(high4(a))}; }
LAMINA_INLINE F32 narrow(F64 low, F64 high) {
  return {_mm256_set_m128(_mm256_cvtpd_ps(high.v), _mm256_cvtpd_ps(low.v))};
}

// ---- moving lanes ------------------------------------------------------------------------------------

LAMINA_INLINE __m256 two_rows(const float* p, int64_t step) {
  return _mm256_set_m128(_mm_loadu_ps(p + 4 * step), _mm_loadu_ps(p));
}
LAMINA_INLINE void load_columns(const float* p, int64_t step, F32* columns) {
  const __m256 r0 = two_rows(p, step), r1 = two_rows(p + step, step);
  const __m256 r2 = two_rows(p + 2 * step, step), r3 = two_rows(p + 3 * step, step);
  const __m256d low01 = _mm256_castps_pd(_mm256_unpacklo_ps(r0, r1));
  const __m256d high01 = _mm256_castps_pd(_mm256_unpackhi_ps(r0, r1));
  const __m256d low23 = _mm256_castps_pd(_mm256_unpacklo_ps(r2, r3));
  const __m256d high23 = _mm256_castps_pd(_mm256_unpackhi_ps(r2, r3));
  columns[0] = {_mm256_castpd_ps(_mm256_unpacklo_pd(low01, low23))};
  columns[1] = {_mm256_castpd_ps(_mm256_unpackhi_pd(low01, low23))};
  columns[2] = {_mm256_castpd_ps(_mm256_unpacklo_pd(high01, high23))};
  columns[3] = {_mm256_castpd_ps(_mm256_unpackhi_pd(high01, high23))};
}
LAMINA_INLINE __m256d two_rows(const double* p, int64_t step) {
  return _mm256_set_m128d(_mm_loadu_pd(p + 2 * step), _mm_loadu_pd(p));
}
LAMINA_INLINE void load_columns(const double* p, int64_t step, F64* columns) {
  const __m256d r0 = two_rows(p, step), r1 = two_rows(p + step, step);
  columns[0] = {_mm256_unpacklo_pd(r0, r1)};
  columns[1] = {_mm256_unpackhi_pd(r0, r1)};
}

// a in a register: a compiler may otherwise read it from memory again at each use.
LAMINA_INLINE F32 held(F32 a) {
  asm("" : "+x"(a.v));
  return a;
}
LAMINA_INLINE F64 held(F64 a) {
  asm("" : "+x"(a.v));
  return a;
}
// Lanes 0, 2, 4 ... of a and then of b.
LAMINA_INLINE F32 even_lanes(F32 a, F32 b) {
  const __m256d pairs = _mm256_castps_pd(_mm256_shuffle_ps(a.v, b.v, 0x88));
  return {_mm256_castpd_ps(_mm256_permute4x64_pd(pairs, 0xd8))};
}
LAMINA_INLINE F64 even_lanes(F64 a, F64 b) {
  return {_mm256_permute4x64_pd(_mm256_unpacklo_pd(a.v, b.v), 0xd8)};
}

// ---- integers ----------------------------------------------------------------------------------------

LAMINA_INLINE I32 load(const int32_t* p) { return {_mm256_loadu_si256(reinterpret_cast<const __m256i*>(p))}; }
LAMINA_INLINE I32 load_n(const int32_t* p, int n) { return {_mm256_maskload_epi32(p, first8(n))}; }
LAMINA_INLINE void store(int32_t* p, I32 a) { _mm256_storeu_si256(reinterpret_cast<__m256i*>(p), a.v); }
LAMINA_INLINE void store_n(int32_t* p, I32 a, int n) { _mm256_maskstore_epi32(p, first8(n), a.v); }
LAMINA_INLINE I32 set(int32_t x) { return {_mm256_set1_epi32(x)}; }
LAMINA_INLINE I32 operator+(I32 a, I32 b) { return {_mm256_add_epi32(a.v, b.v)}; }
LAMINA_INLINE I32 operator-(I32 a, I32 b) { return {_mm256_sub_epi32(a.v, b.v)}; }
LAMINA_INLINE I32 operator*(I32 a, I32 b) { return {_mm256_mullo_epi32(a.v, b.v)}; }
LAMINA_INLINE I32 operator&(I32 a, I32 b) { return {_mm256_and_si256(a.v, b.v)}; }
LAMINA_INLINE I32 operator|(I32 a, I32 b) { return {_mm256_or_si256(a.v, b.v)}; }
LAMINA_INLINE I32 operator^(I32 a, I32 b) { return {_mm256_xor_si256(a.v, b.v)}; }
LAMINA_INLINE M32 operator==(I32 a, I32 b) { return {_mm256_castsi256_ps(_mm256_cmpeq_epi32(a.v, b.v))}; }
LAMINA_INLINE M32 operator>(I32 a, I32 b) { return {_mm256_castsi256_ps(_mm256_cmpgt_epi32(a.v, b.v))}; }
LAMINA_INLINE I32 select(M32 m, I32 a, I32 b) {
  return {_mm256_blendv_epi8(b.v, a.v, _mm256_castps_si256(m.v))};
}
LAMINA_INLINE F32 from_bits(I32 a) { return {_mm256_castsi256_ps(a.v)}; }
LAMINA_INLINE F32 to_float(I32 a) { return {_mm256_cvtepi32_ps(a.v)}; }
template <int k>
LAMINA_INLINE I32 shl(I32 a) {
  return {_mm256_slli_epi32(a.v, k)};
}
template <int k>
LAMINA_INLINE I32 shr(I32 a) {
  return {_mm256_srli_epi32(a.v, k)};
}
template <int k>
LAMINA_INLINE I32 sar(I32 a) {
  return {_mm256_srai_epi32(a.v, k)};
}

LAMINA_INLINE I64 load(const int64_t* p) { return {_mm256_loadu_si256(reinterpret_cast<const __m256i*>(p))}; }
LAMINA_INLINE I64 load_n(const int64_t* p, int n) {
  return {_mm256_maskload_epi64(reinterpret_cast<const long long*>(p), first4(n))};
}
LAMINA_INLINE void store(int64_t* p, I64 a) { _mm256_storeu_si256(reinterpret_cast<__m256i*>(p), a.v); }
LAMINA_INLINE void store_n(int64_t* p, I64 a, int n) {
  _mm256_maskstore_epi64(reinterpret_cast<long long*>(p), first4(n), a.v);
}
LAMINA_INLINE I64 set(int64_t x) { return {_mm256_set1_epi64x(x)}; }
LAMINA_INLINE I64 operator+(I64 a, I64 b) { return {_mm256_add_epi64(a.v, b.v)}; }
LAMINA_INLINE I64 operator-(I64 a, I64 b) { return {_mm256_sub_epi64(a.v, b.v)}; }
LAMINA_INLINE I64 operator&(I64 a, I64 b) { return {_mm256_and_si256(a.v, b.v)}; }
LAMINA_INLINE I64 operator|(I64 a, I64 b) { return {_mm256_or_si256(a.v, b.v)}; }
LAMINA_INLINE I64 operator^(I64 a, I64 b) { return {_mm256_xor_si256(a.v, b.v)}; }
LAMINA_INLINE M64 operator==(I64 a, I64 b) { return {_mm256_castsi256_pd(_mm256_cmpeq_epi64(a.v, b.v))}; }
LAMINA_INLINE M64 operator>(I64 a, I64 b) { return {_mm256_castsi256_pd(_mm256_cmpgt_epi64(a.v, b.v))}; }
LAMINA_INLINE I64 select(M64 m, I64 a, I64 b) {
  return {_mm256_blendv_epi8(b.v, a.v, _mm256_castpd_si256(m.v))};
}
LAMINA_INLINE F64 from_bits(I64 a) { return {_mm256_castsi256_pd(a.v)}; }
LAMINA_INLINE F64 to_double(I64 a) {
  const __m256i moved = _mm256_add_epi64(a.v, _mm256_castpd_si256(_mm256_set1_pd(kCounting)));
  return {_mm256_sub_pd(_mm256_castsi256_pd(moved), _mm256_set1_pd(kCounting))};
}
template <int k>
LAMINA_INLINE I64 shl(I64 a) {
  return {_mm256_slli_epi64(a.v, k)};
}
template <int k>
LAMINA_INLINE I64 shr(I64 a) {
  return {_mm256_srli_epi64(a.v, k)};
}
// There is no 64-bit arithmetic shift: shift the bits moved to unsigned order, and move back.
template <int k>
LAMINA_INLINE I64 sar(I64 a) {
  const __m256i top = _mm256_set1_epi64x(INT64_MIN);
  const __m256i shifted = _mm256_srli_epi64(_mm256_xor_si256(a.v, top), k);
  return {_mm256_sub_epi64(shifted, _mm256_srli_epi64(top, k))};
}

// ---- halves ------------------------------------------------------------------------------------------

LAMINA_INLINE __m128i load8(const void* p) { return _mm_loadu_si128(static_cast<const __m128i*>(p)); }
LAMINA_INLINE void store8(void* p, __m128i a) { _mm_storeu_si128(static_cast<__m128i*>(p), a); }
LAMINA_INLINE __m128i load8_n(const void* p, int n) {
  alignas(16) uint16_t lanes[8] = {};
  memcpy(lanes, p, 2 * n);
  return load8(lanes);
}
LAMINA_INLINE void store8_n(void* p, __m128i a, int n) {
  alignas(16) uint16_t lanes[8];
  store8(lanes, a);
  memcpy(p, lanes, 2 * n);
}

template <class V>
LAMINA_INLINE F32 load_half(const Half* p) {
  return {_mm256_cvtph_ps(load8(p))};
}
template <class V>
LAMINA_INLINE F32 load_half_n(const Half* p, int n) {
  return {_mm256_cvtph_ps(load8_n(p, n))};
}
LAMINA_INLINE __m128i to_half(F32 a) {
  return _mm256_cvtps_ph(a.v, _MM_FROUND_TO_NEAREST_INT | _MM_FROUND_NO_EXC);
}
LAMINA_INLINE void store_half(Half* p, F32 a) { store8(p, to_half(a)); }
LAMINA_INLINE void store_half_n(Half* p, F32 a, int n) { store8_n(p, to_half(a), n); }

LAMINA_INLINE F32 from_bfloat(__m128i a) {
  return {_mm256_castsi256_ps(_mm256_slli_epi32(_mm256_cvtepu16_epi32(a), 16))};
}
LAMINA_INLINE __m128i to_bfloat(F32 a) {
  const I32 b = bits(a);
  const I32 rounded = b + set(int32_t(0x7fff)) + (shr<16>(b) & set(int32_t(1)));
  const I32 quiet_nan = b | set(int32_t(0x400000));
  const __m256i high = shr<16>(select(a == a, rounded, quiet_nan)).v;
  return _mm_packus_epi32(_mm256_castsi256_si128(high), _mm256_extracti128_si256(high, 1));
}
template <class V>
LAMINA_INLINE F32 load_half(const BFloat16* p) {
  return from_bfloat(load8(p));
}
template <class V>
LAMINA_INLINE F32 load_half_n(const BFloat16* p, int n) {
  return from_bfloat(load8_n(p, n));
}
LAMINA_INLINE void store_half(BFloat16* p, F32 a) { store8(p, to_bfloat(a)); }
LAMINA_INLINE void store_half_n(BFloat16* p, F32 a, int n) { store8_n(p, to_bfloat(a), n); }

}  // namespace lamina::LAMINA_ISA
