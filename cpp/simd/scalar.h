// Plain C++, width 1: the vocabulary that simd.h lists, for CPUs without a header of their own and to judge
// the others.
#pragma once

namespace lamina::LAMINA_ISA {

constexpr int kRegisters = 16;

struct M32 {
  bool k;
};
struct M64 {
  bool k;
};
struct I32 {
  using Element = int32_t;
  using Mask = M32;
  static constexpr int width = 1;
  int32_t v;
};
struct I64 {
  using Element = int64_t;
  using Mask = M64;
  static constexpr int width = 1;
  int64_t v;
};
struct F32 {
  using Element = float;
  using Int = I32;
  using Mask = M32;
  static constexpr int width = 1;
  float v;
};
struct F64 {
  using Element = double;
  using Int = I64;
  using Mask = M64;
  static constexpr int width = 1;
  double v;
};

template <class V>
constexpr int kBlockColumns = 1;

LAMINA_INLINE M32 operator&(M32 a, M32 b) { return {bool(a.k & b.k)}; }
LAMINA_INLINE M32 operator|(M32 a, M32 b) { return {bool(a.k | b.k)}; }
LAMINA_INLINE M32 operator^(M32 a, M32 b) { return {bool(a.k ^ b.k)}; }
LAMINA_INLINE M32 operator~(M32 a) { return {!a.k}; }
LAMINA_INLINE bool any(M32 a) { return a.k; }
LAMINA_INLINE bool all(M32 a) { return a.k; }
LAMINA_INLINE M64 operator&(M64 a, M64 b) { return {bool(a.k & b.k)}; }
LAMINA_INLINE M64 operator|(M64 a, M64 b) { return {bool(a.k | b.k)}; }
LAMINA_INLINE M64 operator^(M64 a, M64 b) { return {bool(a.k ^ b.k)}; }
LAMINA_INLINE M64 operator~(M64 a) { return {!a.k}; }
LAMINA_INLINE bool any(M64 a) { return a.k; }
LAMINA_INLINE bool all(M64 a) { return a.k; }

template <class To, class From>
LAMINA_INLINE To same_bits(From x) {
  static_assert(sizeof(To) == sizeof(From));
  To y;
  memcpy(&y, &x, sizeof y);
  return y;
}

// ---- float -------------------------------------------------------------------------------------------

LAMINA_INLINE F32 load(const float* p) { return {*p}; }
LAMINA_INLINE F32 load_n(const float* p, int n) { return {n > 0 ? *p : 0.0f}; }
LAMINA_INLINE void store(float* p, F32 a) { *p = a.v; }
LAMINA_INLINE void store_n(float* p, F32 a, int n) {
  if (n > 0) *p = a.v;
}
LAMINA_INLINE void stream(float* p, F32 a) { *p = a.v; }
LAMINA_INLINE void stream_line(void* to, const void* from) { memcpy(to, from, 64); }
LAMINA_INLINE void stream_fence() {}
LAMINA_INLINE F32 set(float x) { return {x}; }
LAMINA_INLINE F32 operator+(F32 a, F32 b) { return {a.v + b.v}; }
LAMINA_INLINE F32 operator-(F32 a, F32 b) { return {a.v - b.v}; }
LAMINA_INLINE F32 operator*(F32 a, F32 b) { return {a.v * b.v}; }
LAMINA_INLINE F32 operator/(F32 a, F32 b) { return {a.v / b.v}; }
// Two roundings where the CPU has no fused instruction: nothing above may count on one.
#ifdef __FP_FAST_FMA
LAMINA_INLINE F32 fma(F32 a, F32 b, F32 c) { return {__builtin_fmaf(a.v, b.v, c.v)}; }
LAMINA_INLINE F32 fnma(F32 a, F32 b, F32 c) { return {__builtin_fmaf(-a.v, b.v, c.v)}; }
LAMINA_INLINE F64 fma(F64 a, F64 b, F64 c) { return {__builtin_fma(a.v, b.v, c.v)}; }
LAMINA_INLINE F64 fnma(F64 a, F64 b, F64 c) { return {__builtin_fma(-a.v, b.v, c.v)}; }
#else
LAMINA_INLINE F32 fma(F32 a, F32 b, F32 c) { return {a.v * b.v + c.v}; }
LAMINA_INLINE F32 fnma(F32 a, F32 b, F32 c) { return {c.v - a.v * b.v}; }
LAMINA_INLINE F64 fma(F64 a, F64 b, F64 c) { return {a.v * b.v + c.v}; }
LAMINA_INLINE F64 fnma(F64 a, F64 b, F64 c) { return {c.v - a.v * b.v}; }
// Takes the place of the one in simd.h, which needs a true fma. Double: by halves of 26 bits (Veltkamp,
// Dekker 1971).
LAMINA_INLINE F32 product_excess(F32 a, F32 b, F32 p) {
  return {static_cast<float>(p.v - static_cast<double>(a.v) * b.v)};
}
LAMINA_INLINE double upper_half(double a) {
  const double c = 0x1.0000002p27 * a;
  return c - (c - a);
}
LAMINA_INLINE F64 product_excess(F64 a, F64 b, F64 p) {
  const double ah = upper_half(a.v), al = a.v - ah, bh = upper_half(b.v), bl = b.v - bh;
  return {((p.v - ah * bh) - ah * bl - al * bh) - al * bl};
}
#endif
LAMINA_INLINE F32 min(F32 a, F32 b) { return {a.v < b.v ? a.v : b.v}; }
LAMINA_INLINE F32 max(F32 a, F32 b) { return {a.v > b.v ? a.v : b.v}; }
LAMINA_INLINE F32 sqrt(F32 a) { return {__builtin_sqrtf(a.v)}; }
LAMINA_INLINE F32 floor(F32 a) { return {__builtin_floorf(a.v)}; }
LAMINA_INLINE F32 ceil(F32 a) { return {__builtin_ceilf(a.v)}; }
LAMINA_INLINE F32 trunc(F32 a) { return {__builtin_truncf(a.v)}; }
LAMINA_INLINE F32 round(F32 a) { return {__builtin_rintf(a.v)}; }
LAMINA_INLINE M32 operator==(F32 a, F32 b) { return {a.v == b.v}; }
LAMINA_INLINE M32 operator<(F32 a, F32 b) { return {a.v < b.v}; }
LAMINA_INLINE M32 operator<=(F32 a, F32 b) { return {a.v <= b.v}; }
LAMINA_INLINE F32 select(M32 m, F32 a, F32 b) { return m.k ? a : b; }
LAMINA_INLINE float reduce_add(F32 a) { return a.v; }
LAMINA_INLINE float reduce_max(F32 a) { return a.v; }
LAMINA_INLINE float reduce_min(F32 a) { return a.v; }
LAMINA_INLINE I32 bits(F32 a) { return {same_bits<int32_t>(a.v)}; }
LAMINA_INLINE I32 to_int(F32 a) {
  return {a.v >= -0x1p31f && a.v < 0x1p31f ? static_cast<int32_t>(a.v) : INT32_MIN};
}

// ---- double ------------------------------------------------------------------------------------------

LAMINA_INLINE F64 load(const double* p) { return {*p}; }
LAMINA_INLINE F64 load_n(const double* p, int n) { return {n > 0 ? *p : 0.0}; }
LAMINA_INLINE void store(double* p, F64 a) { *p = a.v; }
LAMINA_INLINE void store_n(double* p, F64 a, int n) {
  if (n > 0) *p = a.v;
}
LAMINA_INLINE void stream(double* p, F64 a) { *p = a.v; }
LAMINA_INLINE F64 set(double x) { return {x}; }
LAMINA_INLINE F64 operator+(F64 a, F64 b) { return {a.v + b.v}; }
LAMINA_INLINE F64 operator-(F64 a, F64 b) { return {a.v - b.v}; }
LAMINA_INLINE F64 operator*(F64 a, F64 b) { return {a.v * b.v}; }
LAMINA_INLINE F64 operator/(F64 a, F64 b) { return {a.v / b.v}; }
LAMINA_INLINE F64 min(F64 a, F64 b) { return {a.v < b.v ? a.v : b.v}; }
LAMINA_INLINE F64 max(F64 a, F64 b) { return {a.v > b.v ? a.v : b.v}; }
LAMINA_INLINE F64 sqrt(F64 a) { return {__builtin_sqrt(a.v)}; }
LAMINA_INLINE F64 floor(F64 a) { return {__builtin_floor(a.v)}; }
LAMINA_INLINE F64 ceil(F64 a) { return {__builtin_ceil(a.v)}; }
LAMINA_INLINE F64 trunc(F64 a) { return {__builtin_trunc(a.v)}; }
LAMINA_INLINE F64 round(F64 a) { return {__builtin_rint(a.v)}; }
LAMINA_INLINE M64 operator==(F64 a, F64 b) { return {a.v == b.v}; }
LAMINA_INLINE M64 operator<(F64 a, F64 b) { return {a.v < b.v}; }
LAMINA_INLINE M64 operator<=(F64 a, F64 b) { return {a.v <= b.v}; }
LAMINA_INLINE F64 select(M64 m, F64 a, F64 b) { return m.k ? a : b; }
LAMINA_INLINE double reduce_add(F64 a) { return a.v; }
LAMINA_INLINE double reduce_max(F64 a) { return a.v; }
LAMINA_INLINE double reduce_min(F64 a) { return a.v; }
LAMINA_INLINE I64 bits(F64 a) { return {same_bits<int64_t>(a.v)}; }
LAMINA_INLINE I64 to_int(F64 a) {
  return {a.v >= -0x1p63 && a.v < 0x1p63 ? static_cast<int64_t>(a.v) : INT64_MIN};
}

LAMINA_INLINE F64 widen_low(F32 a) { return {a.v}; }
LAMINA_INLINE F64 widen_high(F32) { return {0.0}; }
LAMINA_INLINE F32 narrow(F64 low, F64) { return {static_cast<float>(low.v)}; }

// ---- moving lanes ------------------------------------------------------------------------------------

LAMINA_INLINE void load_columns(const float* p, int64_t, F32* columns) { columns[0] = {*p}; }
LAMINA_INLINE void load_columns(const double* p, int64_t, F64* columns) { columns[0] = {*p}; }

// a in a register: a compiler may otherwise read it from memory again at each use.
LAMINA_INLINE F32 held(F32 a) { return a; }
LAMINA_INLINE F64 held(F64 a) { return a; }
// Lanes 0, 2, 4 ... of a and then of b.
LAMINA_INLINE F32 even_lanes(F32 a, F32) { return a; }
LAMINA_INLINE F64 even_lanes(F64 a, F64) { return a; }

// ---- integers ----------------------------------------------------------------------------------------

LAMINA_INLINE I32 load(const int32_t* p) { return {*p}; }
LAMINA_INLINE I32 load_n(const int32_t* p, int n) { return {n > 0 ? *p : 0}; }
LAMINA_INLINE void store(int32_t* p, I32 a) { *p = a.v; }
LAMINA_INLINE void store_n(int32_t* p, I32 a, int n) {
  if (n > 0) *p = a.v;
}
LAMINA_INLINE I32 set(int32_t x) { return {x}; }
LAMINA_INLINE I32 operator+(I32 a, I32 b) { return {int32_t(uint32_t(a.v) + uint32_t(b.v))}; }
LAMINA_INLINE I32 operator-(I32 a, I32 b) { return {int32_t(uint32_t(a.v) - uint32_t(b.v))}; }
LAMINA_INLINE I32 operator*(I32 a, I32 b) { return {int32_t(uint32_t(a.v) * uint32_t(b.v))}; }
LAMINA_INLINE I32 operator&(I32 a, I32 b) { return {a.v & b.v}; }
LAMINA_INLINE I32 operator|(I32 a, I32 b) { return {a.v | b.v}; }
LAMINA_INLINE I32 operator^(I32 a, I32 b) { return {a.v ^ b.v}; }
LAMINA_INLINE M32 operator==(I32 a, I32 b) { return {a.v == b.v}; }
LAMINA_INLINE M32 operator>(I32 a, I32 b) { return {a.v > b.v}; }
LAMINA_INLINE I32 select(M32 m, I32 a, I32 b) { return m.k ? a : b; }
LAMINA_INLINE F32 from_bits(I32 a) { return {same_bits<float>(a.v)}; }
LAMINA_INLINE F32 to_float(I32 a) { return {static_cast<float>(a.v)}; }
template <int k>
LAMINA_INLINE I32 shl(I32 a) {
  return {int32_t(uint32_t(a.v) << k)};
}
template <int k>
LAMINA_INLINE I32 shr(I32 a) {
  return {int32_t(uint32_t(a.v) >> k)};
}
template <int k>
LAMINA_INLINE I32 sar(I32 a) {
  return {a.v >> k};
}

LAMINA_INLINE I64 load(const int64_t* p) { return {*p}; }
LAMINA_INLINE I64 load_n(const int64_t* p, int n) { return {n > 0 ? *p : 0}; }
LAMINA_INLINE void store(int64_t* p, I64 a) { *p = a.v; }
LAMINA_INLINE void store_n(int64_t* p, I64 a, int n) {
  if (n > 0) *p = a.v;
}
LAMINA_INLINE I64 set(int64_t x) { return {x}; }
LAMINA_INLINE I64 operator+(I64 a, I64 b) { return {int64_t(uint64_t(a.v) + uint64_t(b.v))}; }
LAMINA_INLINE I64 operator-(I64 a, I64 b) { return {int64_t(uint64_t(a.v) - uint64_t(b.v))}; }
LAMINA_INLINE I64 operator&(I64 a, I64 b) { return {a.v & b.v}; }
LAMINA_INLINE I64 operator|(I64 a, I64 b) { return {a.v | b.v}; }
LAMINA_INLINE I64 operator^(I64 a, I64 b) { return {a.v ^ b.v}; }
LAMINA_INLINE M64 operator==(I64 a, I64 b) { return {a.v == b.v}; }
LAMINA_INLINE M64 operator>(I64 a, I64 b) { return {a.v > b.v}; }
LAMINA_INLINE I64 select(M64 m, I64 a, I64 b) { return m.k ? a : b; }
LAMINA_INLINE F64 from_bits(I64 a) { return {same_bits<double>(a.v)}; }
LAMINA_INLINE F64 to_double(I64 a) { return {static_cast<double>(a.v)}; }
template <int k>
LAMINA_INLINE I64 shl(I64 a) {
  return {int64_t(uint64_t(a.v) << k)};
}
template <int k>
LAMINA_INLINE I64 shr(I64 a) {
  return {int64_t(uint64_t(a.v) >> k)};
}
template <int k>
LAMINA_INLINE I64 sar(I64 a) {
  return {a.v >> k};
}

// ---- halves ------------------------------------------------------------------------------------------

// float16 is 1 sign, 5 exponent (bias 15), 10 fraction bits. Moving exponent and fraction to where float has
// them leaves the number 2^112 too small, which one product repairs, subnormal numbers included; inf and NaN
// get float's exponent.
LAMINA_INLINE float half_to_float(uint16_t h) {
  const uint32_t size = uint32_t(h & 0x7fff) << 13;
  float x = same_bits<float>(size) * 0x1p112f;
  if (size >= 0x0f800000u) x = same_bits<float>(size | 0x7f800000u | (size > 0x0f800000u ? 0x400000u : 0));
  return same_bits<float>(same_bits<uint32_t>(x) | uint32_t(h & 0x8000) << 16);
}
// The reverse, to nearest even: below 2^-14 adding 0.5 lets the adder round to multiples of 2^-24.
LAMINA_INLINE uint16_t float_to_half(float x) {
  const uint32_t all = same_bits<uint32_t>(x), size = all & 0x7fffffff, sign = all >> 16 & 0x8000;
  if (size > 0x7f800000u) return uint16_t(sign | 0x7e00 | (size >> 13 & 0x3ff));
  if (size >= 0x47800000u) return uint16_t(sign | 0x7c00);
  if (size < 0x38800000u)
    return uint16_t(sign | (same_bits<uint32_t>(same_bits<float>(size) + 0.5f) - 0x3f000000u));
  return uint16_t(sign | (size - 0x38000000u + 0xfff + (size >> 13 & 1)) >> 13);
}
LAMINA_INLINE float bfloat_to_float(uint16_t b) { return same_bits<float>(uint32_t(b) << 16); }
LAMINA_INLINE uint16_t float_to_bfloat(float x) {
  const uint32_t b = same_bits<uint32_t>(x);
  return uint16_t((x == x ? b + 0x7fff + (b >> 16 & 1) : b | 0x400000) >> 16);
}

template <class V>
LAMINA_INLINE F32 load_half(const Half* p) {
  return {half_to_float(p->bits)};
}
template <class V>
LAMINA_INLINE F32 load_half_n(const Half* p, int n) {
  return {n > 0 ? half_to_float(p->bits) : 0.0f};
}
LAMINA_INLINE void store_half(Half* p, F32 a) { p->bits = float_to_half(a.v); }
LAMINA_INLINE void store_half_n(Half* p, F32 a, int n) {
  if (n > 0) store_half(p, a);
}
template <class V>
LAMINA_INLINE F32 load_half(const BFloat16* p) {
  return {bfloat_to_float(p->bits)};
}
template <class V>
LAMINA_INLINE F32 load_half_n(const BFloat16* p, int n) {
  return {n > 0 ? bfloat_to_float(p->bits) : 0.0f};
}
LAMINA_INLINE void store_half(BFloat16* p, F32 a) { p->bits = float_to_bfloat(a.v); }
LAMINA_INLINE void store_half_n(BFloat16* p, F32 a, int n) {
  if (n > 0) store_half(p, a);
}

}  // namespace lamina::LAMINA_ISA
