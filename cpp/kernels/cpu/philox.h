// Philox 4x32-10, a counter turned into four random 32-bit words (Salmon, Moraes, Dror and Shaw, "Parallel
// random numbers: as easy as 1, 2, 3", SC 2011), many counters at a time. What is made of the words is in
// random.cpp.
#pragma once

#include "kernels/cpu/element.h"

namespace lamina::LAMINA_ISA {
namespace {

constexpr int kBatch = 64;  // blocks
constexpr int kLane = 16;   // blocks that one turn of the loop below works on

// at[k][b] is word k of block b.
struct Words {
  alignas(64) uint32_t at[4][kBatch];
};

// Blocks first, first + 1, ...: `count` of them, at most kBatch.
__attribute__((noinline)) void philox(uint64_t seed, uint64_t first, int64_t count, Words& words) {
  uint32_t* __restrict c0 = words.at[0];
  uint32_t* __restrict c1 = words.at[1];
  uint32_t* __restrict c2 = words.at[2];
  uint32_t* __restrict c3 = words.at[3];
  for (int64_t i = 0; i < count; i++) {
    const uint64_t counter = first + static_cast<uint64_t>(i);
    c0[i] = static_cast<uint32_t>(counter);
    c1[i] = static_cast<uint32_t>(counter >> 32);
    c2[i] = c3[i] = 0;
  }
  uint32_t k0 = static_cast<uint32_t>(seed), k1 = static_cast<uint32_t>(seed >> 32);
  for (int round = 0; round < 10; round++) {
    for (int64_t i = 0; i < count; i++) {
      const uint64_t p0 = uint64_t(0xD2511F53) * c0[i], p1 = uint64_t(0xCD9E8D57) * c2[i];
      c0[i] = static_cast<uint32_t>(p1 >> 32) ^ c1[i] ^ k0;
      c1[i] = static_cast<uint32_t>(p1);
      c2[i] = static_cast<uint32_t>(p0 >> 32) ^ c3[i] ^ k1;
      c3[i] = static_cast<uint32_t>(p0);
    }
    k0 += 0x9E3779B9;
    k1 += 0xBB67AE85;
  }
}

// body(begin, count, words) over the elements [0, n), `per_block` of them to a block, in batches and in
// parallel.
template <int per_block, class F>
void for_batches(int64_t n, Random r, F&& body) {
  constexpr int64_t kElements = kBatch * per_block;
  parallel_range(chunks_of(n, kElements), kGrain / 4 / kElements, [&](int64_t from, int64_t to) {
    Words words = {};
    for (int64_t batch = from; batch < to; batch++) {
      const int64_t begin = batch * kElements;
      const int64_t count = min_of(kElements, n - begin);
      philox(r.seed, r.offset + static_cast<uint64_t>(batch * kBatch), chunks_of(count, per_block), words);
      body(begin, count, words);
    }
  });
}

// The words in the order of the elements: word k of block b is element 4 * b + k.
LAMINA_INLINE void in_order(const Words& words, uint32_t* out) {
  for (int b = 0; b < kBatch; b++) {
    for (int k = 0; k < 4; k++) out[4 * b + k] = words.at[k][b];
  }
}

}  // namespace
}  // namespace lamina::LAMINA_ISA
