// AArch64 NEON: the vocabulary that simd.h lists, 4 floats or 2 doubles wide.
#pragma once

#include <arm_neon.h>

namespace lamina::LAMINA_ISA {

constexpr int kRegisters = 32;

struct M32 {
  uint32x4_t v;  // all bits of a lane set, or none
};
struct M64 {
  uint64x2_t v;
};
struct I32 {
  using Element = int32_t;
  using Mask = M32;
  static constexpr int width = 4;
  int32x4_t v;
};
struct I64 {
  using Element = int64_t;
  using Mask = M64;
  static constexpr int width = 2;
  int64x2_t v;
};
struct F32 {
  using Element = float;
  using Int = I32;
  using Mask = M32;
  static constexpr int width = 4;
  float32x4_t v;
};
struct F64 {
  using Element = double;
  using Int = I64;
  using Mask = M64;
  static constexpr int width = 2;
  float64x2_t v;
};

template <class V>
constexpr int kBlockColumns = V::width;

LAMINA_INLINE M32 operator&(M32 a, M32 b) { return {vandq_u32(a.v, b.v)}; }
LAMINA_INLINE M32 operator|(M32 a, M32 b) { return {vorrq_u32(a.v, b.v)}; }
LAMINA_INLINE M32 operator^(M32 a, M32 b) { return {veorq_u32(a.v, b.v)}; }
LAMINA_INLINE M32 operator~(M32 a) { return {vmvnq_u32(a.v)}; }
LAMINA_INLINE bool any(M32 a) { return vmaxvq_u32(a.v) != 0; }
LAMINA_INLINE bool all(M32 a) { return vminvq_u32(a.v) != 0; }
LAMINA_INLINE M64 operator&(M64 a, M64 b) { return {vandq_u64(a.v, b.v)}; }
LAMINA_INLINE M64 operator|(M64 a, M64 b) { return {vorrq_u64(a.v, b.v)}; }
LAMINA_INLINE M64 operator^(M64 a, M64 b) { return {veorq_u64(a.v, b.v)}; }
LAMINA_INLINE M64 operator~(M64 a) { return {veorq_u64(a.v, vdupq_n_u64(~uint64_t(0)))}; }
LAMINA_INLINE bool any(M64 a) { return vmaxvq_u32(vreinterpretq_u32_u64(a.v)) != 0; }
LAMINA_INLINE bool all(M64 a) { return vminvq_u32(vreinterpretq_u32_u64(a.v)) != 0; }

// ---- float -------------------------------------------------------------------------------------------

LAMINA_INLINE F32 load(const float* p) { return {vld1q_f32(p)}; }
LAMINA_INLINE void store(float* p, F32 a) { vst1q_f32(p, a.v); }
LAMINA_INLINE void stream(float* p, F32 a) { store(p, a); }
LAMINA_INLINE void stream_line(void* to, const void* from) { memcpy(to, from, 64); }
LAMINA_INLINE void stream_fence() {}
LAMINA_INLINE F32 set(float x) { return {vdupq_n_f32(x)}; }
LAMINA_INLINE F32 operator+(F32 a, F32 b) { return {vaddq_f32(a.v, b.v)}; }
LAMINA_INLINE F32 operator-(F32 a, F32 b) { return {vsubq_f32(a.v, b.v)}; }
LAMINA_INLINE F32 operator*(F32 a, F32 b) { return {vmulq_f32(a.v, b.v)}; }
LAMINA_INLINE F32 operator/(F32 a, F32 b) { return {vdivq_f32(a.v, b.v)}; }
LAMINA_INLINE F32 fma(F32 a, F32 b, F32 c) { return {vfmaq_f32(c.v, a.v, b.v)}; }
LAMINA_INLINE F32 fnma(F32 a, F32 b, F32 c) { return {vfmsq_f32(c.v, a.v, b.v)}; }
LAMINA_INLINE F32 sqrt(F32 a) { return {vsqrtq_f32(a.v)}; }
LAMINA_INLINE F32 floor(F32 a) { return {vrndmq_f32(a.v)}; }
LAMINA_INLINE F32 ceil(F32 a) { return {vrndpq_f32(a.v)}; }
LAMINA_INLINE F32 trunc(F32 a) { return {vrndq_f32(a.v)}; }
LAMINA_INLINE F32 round(F32 a) { return {vrndnq_f32(a.v)}; }
LAMINA_INLINE M32 operator==(F32 a, F32 b) { return {vceqq_f32(a.v, b.v)}; }
LAMINA_INLINE M32 operator<(F32 a, F32 b) { return {vcltq_f32(a.v, b.v)}; }
LAMINA_INLINE M32 operator<=(F32 a, F32 b) { return {vcleq_f32(a.v, b.v)}; }
LAMINA_INLINE F32 select(M32 m, F32 a, F32 b) { return {vbslq_f32(m.v, a.v, b.v)}; }
// NEON would hand a NaN on from either side; the vocabulary asks for the second operand.
LAMINA_INLINE F32 min(F32 a, F32 b) { return select(a < b, a, b); }
LAMINA_INLINE F32 max(F32 a, F32 b) { return select(b < a, a, b); }
LAMINA_INLINE float reduce_add(F32 a) { return vaddvq_f32(a.v); }
LAMINA_INLINE float reduce_max(F32 a) { return vmaxvq_f32(a.v); }
LAMINA_INLINE float reduce_min(F32 a) { return vminvq_f32(a.v); }
LAMINA_INLINE I32 bits(F32 a) { return {vreinterpretq_s32_f32(a.v)}; }
LAMINA_INLINE I32 to_int(F32 a) { return {vcvtq_s32_f32(a.v)}; }

// ---- double ------------------------------------------------------------------------------------------

LAMINA_INLINE F64 load(const double* p) { return {vld1q_f64(p)}; }
LAMINA_INLINE void store(double* p, F64 a) { vst1q_f64(p, a.v); }
LAMINA_INLINE void stream(double* p, F64 a) { store(p, a); }
LAMINA_INLINE F64 set(double x) { return {vdupq_n_f64(x)}; }
LAMINA_INLINE F64 operator+(F64 a, F64 b) { return {vaddq_f64(a.v, b.v)}; }
LAMINA_INLINE F64 operator-(F64 a, F64 b) { return {vsubq_f64(a.v, b.v)}; }
LAMINA_INLINE F64 operator*(F64 a, F64 b) { return {vmulq_f64(a.v, b.v)}; }
LAMINA_INLINE F64 operator/(F64 a, F64 b) { return {vdivq_f64(a.v, b.v)}; }
LAMINA_INLINE F64 fma(F64 a, F64 b, F64 c) { return {vfmaq_f64(c.v, a.v, b.v)}; }
LAMINA_INLINE F64 fnma(F64 a, F64 b, F64 c) { return {vfmsq_f64(c.v, a.v, b.v)}; }
LAMINA_INLINE F64 sqrt(F64 a) { return {vsqrtq_f64(a.v)}; }
LAMINA_INLINE F64 floor(F64 a) { return {vrndmq_f64(a.v)}; }
LAMINA_INLINE F64 ceil(F64 a) { return {vrndpq_f64(a.v)}; }
LAMINA_INLINE F64 trunc(F64 a) { return {vrndq_f64(a.v)}; }
LAMINA_INLINE F64 round(F64 a) { return {vrndnq_f64(a.v)}; }
LAMINA_INLINE M64 operator==(F64 a, F64 b) { return {vceqq_f64(a.v, b.v)}; }
LAMINA_INLINE M64 operator<(F64 a, F64 b) { return {vcltq_f64(a.v, b.v)}; }
LAMINA_INLINE M64 operator<=(F64 a, F64 b) { return {vcleq_f64(a.v, b.v)}; }
LAMINA_INLINE F64 select(M64 m, F64 a, F64 b) { return {vbslq_f64(m.v, a.v, b.v)}; }
LAMINA_INLINE F64 min(F64 a, F64 b) { return select(a < b, a, b); }
LAMINA_INLINE F64 max(F64 a, F64 b) { return select(b < a, a, b); }
LAMINA_INLINE double reduce_add(F64 a) { return vaddvq_f64(a.v); }
LAMINA_INLINE double reduce_max(F64 a) { return vmaxvq_f64(a.v); }
LAMINA_INLINE double reduce_min(F64 a) { return vminvq_f64(a.v); }
LAMINA_INLINE I64 bits(F64 a) { return {vreinterpretq_s64_f64(a.v)}; }
LAMINA_INLINE I64 to_int(F64 a) { return {vcvtq_s64_f64(a.v)}; }

LAMINA_INLINE F64 widen_low(F32 a) { return {vcvt_f64_f32(vget_low_f32(a.v))}; }
LAMINA_INLINE F64 widen_high(F32 a) { return {vcvt_high_f64_f32(a.v)}; }
LAMINA_INLINE F32 narrow(F64 low, F64 high) { return {vcvt_high_f32_f64(vcvt_f32_f64(low.v), high.v)}; }

// ---- moving lanes ------------------------------------------------------------------------------------

LAMINA_INLINE void load_columns(const float* p, int64_t step, F32* columns) {
  const float32x4_t r0 = vld1q_f32(p), r1 = vld1q_f32(p + step);
  const float32x4_t r2 = vld1q_f32(p + 2 * step), r3 = vld1q_f32(p + 3 * step);
  const float64x2_t even01 = vreinterpretq_f64_f32(vtrn1q_f32(r0, r1));
  const float64x2_t odd01 = vreinterpretq_f64_f32(vtrn2q_f32(r0, r1));
  const float64x2_t even23 = vreinterpretq_f64_f32(vtrn1q_f32(r2, r3));
  const float64x2_t odd23 = vreinterpretq_f64_f32(vtrn2q_f32(r2, r3));
  columns[0] = {vreinterpretq_f32_f64(vtrn1q_f64(even01, even23))};
  columns[1] = {vreinterpretq_f32_f64(vtrn1q_f64(odd01, odd23))};
  columns[2] = {vreinterpretq_f32_f64(vtrn2q_f64(even01, even23))};
  columns[3] = {vreinterpretq_f32_f64(vtrn2q_f64(odd01, odd23))};
}
LAMINA_INLINE void load_columns(const double* p, int64_t step, F64* columns) {
  const float64x2_t r0 = vld1q_f64(p), r1 = vld1q_f64(p + step);
  columns[0] = {vtrn1q_f64(r0, r1)};
  columns[1] = {vtrn2q_f64(r0, r1)};
}

// a in a register: a compiler may otherwise read it from memory again at each use.
LAMINA_INLINE F32 held(F32 a) {
  asm("" : "+w"(a.v));
  return a;
}
LAMINA_INLINE F64 held(F64 a) {
  asm("" : "+w"(a.v));
  return a;
}
// Lanes 0, 2, 4 ... of a and then of b.
LAMINA_INLINE F32 even_lanes(F32 a, F32 b) { return {vuzp1q_f32(a.v, b.v)}; }
LAMINA_INLINE F64 even_lanes(F64 a, F64 b) { return {vuzp1q_f64(a.v, b.v)}; }

// ---- integers ----------------------------------------------------------------------------------------

LAMINA_INLINE I32 load(const int32_t* p) { return {vld1q_s32(p)}; }
LAMINA_INLINE void store(int32_t* p, I32 a) { vst1q_s32(p, a.v); }
LAMINA_INLINE I32 set(int32_t x) { return {vdupq_n_s32(x)}; }
LAMINA_INLINE I32 operator+(I32 a, I32 b) { return {vaddq_s32(a.v, b.v)}; }
LAMINA_INLINE I32 operator-(I32 a, I32 b) { return {vsubq_s32(a.v, b.v)}; }
LAMINA_INLINE I32 operator*(I32 a, I32 b) { return {vmulq_s32(a.v, b.v)}; }
LAMINA_INLINE I32 operator&(I32 a, I32 b) { return {vandq_s32(a.v, b.v)}; }
LAMINA_INLINE I32 operator|(I32 a, I32 b) { return {vorrq_s32(a.v, b.v)}; }
LAMINA_INLINE I32 operator^(I32 a, I32 b) { return {veorq_s32(a.v, b.v)}; }
LAMINA_INLINE M32 operator==(I32 a, I32 b) { return {vceqq_s32(a.v, b.v)}; }
LAMINA_INLINE M32 operator>(I32 a, I32 b) { return {vcgtq_s32(a.v, b.v)}; }
LAMINA_INLINE I32 select(M32 m, I32 a, I32 b) { return {vbslq_s32(m.v, a.v, b.v)}; }
LAMINA_INLINE F32 from_bits(I32 a) { return {vreinterpretq_f32_s32(a.v)}; }
LAMINA_INLINE F32 to_float(I32 a) { return {vcvtq_f32_s32(a.v)}; }
template <int k>
LAMINA_INLINE I32 shl(I32 a) {
  return {vshlq_n_s32(a.v, k)};
}
template <int k>
LAMINA_INLINE I32 shr(I32 a) {
  return {vreinterpretq_s32_u32(vshrq_n_u32(vreinterpretq_u32_s32(a.v), k))};
}
template <int k>
LAMINA_INLINE I32 sar(I32 a) {
  return {vshrq_n_s32(a.v, k)};
}

LAMINA_INLINE I64 load(const int64_t* p) { return {vld1q_s64(p)}; }
LAMINA_INLINE void store(int64_t* p, I64 a) { vst1q_s64(p, a.v); }
LAMINA_INLINE I64 set(int64_t x) { return {vdupq_n_s64(x)}; }
LAMINA_INLINE I64 operator+(I64 a, I64 b) { return {vaddq_s64(a.v, b.v)}; }
LAMINA_INLINE I64 operator-(I64 a, I64 b) { return {vsubq_s64(a.v, b.v)}; }
LAMINA_INLINE I64 operator&(I64 a, I64 b) { return {vandq_s64(a.v, b.v)}; }
LAMINA_INLINE I64 operator|(I64 a, I64 b) { return {vorrq_s64(a.v, b.v)}; }
LAMINA_INLINE I64 operator^(I64 a, I64 b) { return {veorq_s64(a.v, b.v)}; }
LAMINA_INLINE M64 operator==(I64 a, I64 b) { return {vceqq_s64(a.v, b.v)}; }
LAMINA_INLINE M64 operator>(I64 a, I64 b) { return {vcgtq_s64(a.v, b.v)}; }
LAMINA_INLINE I64 select(M64 m, I64 a, I64 b) { return {vbslq_s64(m.v, a.v, b.v)}; }
LAMINA_INLINE F64 from_bits(I64 a) { return {vreinterpretq_f64_s64(a.v)}; }
LAMINA_INLINE F64 to_double(I64 a) { return {vcvtq_f64_s64(a.v)}; }
template <int k>
LAMINA_INLINE I64 shl(I64 a) {
  return {vshlq_n_s64(a.v, k)};
}
template <int k>
LAMINA_INLINE I64 shr(I64 a) {
  return {vreinterpretq_s64_u64(vshrq_n_u64(vreinterpretq_u64_s64(a.v), k))};
}
template <int k>
LAMINA_INLINE I64 sar(I64 a) {
  return {vshrq_n_s64(a.v, k)};
}

// The first n lanes by way of an array: there are no masked loads and stores.
template <class V>
LAMINA_INLINE V load_first(const typename V::Element* p, int n) {
  typename V::Element lanes[V::width] = {};
  memcpy(lanes, p, n * sizeof *p);
  return load(static_cast<const typename V::Element*>(lanes));
}
template <class V>
LAMINA_INLINE void store_first(typename V::Element* p, V a, int n) {
  typename V::Element lanes[V::width];
  store(static_cast<typename V::Element*>(lanes), a);
  memcpy(p, lanes, n * sizeof *p);
}
LAMINA_INLINE F32 load_n(const float* p, int n) { return load_first<F32>(p, n); }
LAMINA_INLINE F64 load_n(const double* p, int n) { return load_first<F64>(p, n); }
LAMINA_INLINE I32 load_n(const int32_t* p, int n) { return load_first<I32>(p, n); }
LAMINA_INLINE I64 load_n(const int64_t* p, int n) { return load_first<I64>(p, n); }
LAMINA_INLINE void store_n(float* p, F32 a, int n) { store_first(p, a, n); }
LAMINA_INLINE void store_n(double* p, F64 a, int n) { store_first(p, a, n); }
LAMINA_INLINE void store_n(int32_t* p, I32 a, int n) { store_first(p, a, n); }
LAMINA_INLINE void store_n(int64_t* p, I64 a, int n) { store_first(p, a, n); }

// ---- halves ------------------------------------------------------------------------------------------

LAMINA_INLINE uint16x4_t load4_n(const uint16_t* p, int n) {
  uint16_t lanes[4] = {};
  memcpy(lanes, p, 2 * n);
  return vld1_u16(lanes);
}
LAMINA_INLINE void store4_n(uint16_t* p, uint16x4_t a, int n) {
  uint16_t lanes[4];
  vst1_u16(lanes, a);
  memcpy(p, lanes, 2 * n);
}

LAMINA_INLINE F32 from_half(uint16x4_t a) { return {vcvt_f32_f16(vreinterpret_f16_u16(a))}; }
LAMINA_INLINE uint16x4_t to_half(F32 a) { return vreinterpret_u16_f16(vcvt_f16_f32(a.v)); }
template <class V>
LAMINA_INLINE F32 load_half(const Half* p) {
  return from_half(vld1_u16(&p->bits));
}
template <class V>
LAMINA_INLINE F32 load_half_n(const Half* p, int n) {
  return from_half(load4_n(&p->bits, n));
}
LAMINA_INLINE void store_half(Half* p, F32 a) { vst1_u16(&p->bits, to_half(a)); }
LAMINA_INLINE void store_half_n(Half* p, F32 a, int n) { store4_n(&p->bits, to_half(a), n); }

LAMINA_INLINE F32 from_bfloat(uint16x4_t a) { return {vreinterpretq_f32_u32(vshll_n_u16(a, 16))}; }
LAMINA_INLINE uint16x4_t to_bfloat(F32 a) {
  const I32 b = bits(a);
  const I32 rounded = b + set(int32_t(0x7fff)) + (shr<16>(b) & set(int32_t(1)));
  const I32 quiet_nan = b | set(int32_t(0x400000));
  return vshrn_n_u32(vreinterpretq_u32_s32(select(a == a, rounded, quiet_nan).v), 16);
}
template <class V>
LAMINA_INLINE F32 load_half(const BFloat16* p) {
  return from_bfloat(vld1_u16(&p->bits));
}
template <class V>
LAMINA_INLINE F32 load_half_n(const BFloat16* p, int n) {
  return from_bfloat(load4_n(&p->bits, n));
}
LAMINA_INLINE void store_half(BFloat16* p, F32 a) { vst1_u16(&p->bits, to_bfloat(a)); }
LAMINA_INLINE void store_half_n(BFloat16* p, F32 a, int n) { store4_n(&p->bits, to_bfloat(a), n); }

}  // namespace lamina::LAMINA_ISA
