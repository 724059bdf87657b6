// Products of bfloat16 summed in float, where the CPU has them: matrix tiles (AMX) and dot products
// (AVX512_BF16). Which of the two, or neither, is asked at run time; both read b in pairs along k.
#pragma once

#include "simd/simd.h"

#if defined(__AVX512BW__)
#include <cpuid.h>
#include <sys/syscall.h>
#include <unistd.h>
#endif

namespace lamina::LAMINA_ISA {

enum class BFloatUnit { None, Dots, Tiles };

#if defined(__AVX512BW__)

// The operating system gives tile registers only to a process that asks (arch_prctl ARCH_REQ_XCOMP_PERM).
static BFloatUnit find_bfloat_unit() {
  unsigned a, b, c, d, features = 0;
  if (!__get_cpuid_count(7, 0, &a, &b, &c, &d)) return BFloatUnit::None;
  const bool tiles = (d >> 22 & 1) && (d >> 24 & 1);
  if (__get_cpuid_count(7, 1, &a, &b, &c, &d)) features = a;
#if defined(__linux__) && defined(SYS_arch_prctl)
  constexpr long kRequestPermission = 0x1023, kTileData = 18;
  if (tiles && syscall(SYS_arch_prctl, kRequestPermission, kTileData) == 0) return BFloatUnit::Tiles;
#endif
  return features >> 5 & 1 ? BFloatUnit::Dots : BFloatUnit::None;
}

// sum += a0 b0 + a1 b1 in each lane. Assembly, as the ISA's flags do not cover it.
LAMINA_INLINE F32 dot_pairs(F32 sum, I32 a, I32 b) {
  asm("vdpbf16ps %2, %1, %0" : "+v"(sum.v) : "v"(a.v), "v"(b.v));
  return sum;
}

// Pairs (low[i], high[i]) of 16 numbers each.
LAMINA_INLINE void store_pairs(BFloat16* to, const BFloat16* low, const BFloat16* high) {
  const __m512i a = _mm512_cvtepu16_epi32(_mm256_loadu_si256(reinterpret_cast<const __m256i*>(low)));
  const __m512i b = _mm512_cvtepu16_epi32(_mm256_loadu_si256(reinterpret_cast<const __m256i*>(high)));
  _mm512_storeu_si512(to, _mm512_or_si512(a, _mm512_slli_epi32(b, 16)));
}

// Eight tiles of 16 rows of 64 bytes.
struct alignas(64) TileShape {
  uint8_t palette = 1, start = 0, reserved[14] = {};
  uint16_t row_bytes[16] = {64, 64, 64, 64, 64, 64, 64, 64};
  uint8_t rows[16] = {16, 16, 16, 16, 16, 16, 16, 16};
};
LAMINA_INLINE void tiles_begin() {
  const TileShape shape;
  asm volatile("ldtilecfg %0" ::"m"(shape));
}
LAMINA_INLINE void tiles_end() { asm volatile("tilerelease"); }

// c (32, 32) += a @ b: `steps` times a (2, 16, 32) and b (2, 16, 16 pairs), one behind the other.
static void multiply_tiles(const BFloat16* a, const BFloat16* b, int64_t steps, float* c) {
  asm volatile(
      "mov $128, %%r9\n\t"
      "tileloadd (%3, %%r9), %%tmm0\n\t"
      "tileloadd 64(%3, %%r9), %%tmm1\n\t"
      "tileloadd (%4, %%r9), %%tmm2\n\t"
      "tileloadd 64(%4, %%r9), %%tmm3\n\t"
      "mov $64, %%r8\n"
      "1:\n\t"
      "tileloadd (%0, %%r8), %%tmm4\n\t"
      "tileloadd (%1, %%r8), %%tmm6\n\t"
      "tileloadd 1024(%1, %%r8), %%tmm7\n\t"
      "tdpbf16ps %%tmm6, %%tmm4, %%tmm0\n\t"
      "tileloadd 1024(%0, %%r8), %%tmm5\n\t"
      "tdpbf16ps %%tmm7, %%tmm4, %%tmm1\n\t"
      "add $2048, %0\n\t"
      "tdpbf16ps %%tmm6, %%tmm5, %%tmm2\n\t"
      "add $2048, %1\n\t"
      "tdpbf16ps %%tmm7, %%tmm5, %%tmm3\n\t"
      "dec %2\n\t"
      "jnz 1b\n\t"
      "tilestored %%tmm0, (%3, %%r9)\n\t"
      "tilestored %%tmm1, 64(%3, %%r9)\n\t"
      "tilestored %%tmm2, (%4, %%r9)\n\t"
      "tilestored %%tmm3, 64(%4, %%r9)\n\t"
      : "+r"(a), "+r"(b), "+r"(steps)
      : "r"(c), "r"(c + 16 * 32)
      : "r8", "r9", "memory", "cc");
}

#else

static BFloatUnit find_bfloat_unit() { return BFloatUnit::None; }

#endif

}  // namespace lamina::LAMINA_ISA
