// The part of the contract (kernels.h) that speaks of weights of few bits.
#pragma once

#include <cstdint>

namespace lamina {

// The block types of GGUF (llama.cpp's ggml-common.h), byte for byte, but interleaved: in a row of blocks of
// kBlockRows rows, unit i (a scale, a byte, four bytes of quants) of each of the rows lies side by side.
enum class BlockType : uint8_t { Q4_0, Q4_1, Q8_0, Q4_K, Q6_K };
constexpr int64_t kBlockRows = 16;
static constexpr int64_t block_numbers(BlockType t) {
  return t == BlockType::Q4_K || t == BlockType::Q6_K ? 256 : 32;
}
static constexpr int64_t block_bytes(BlockType t) {
  switch (t) {
    case BlockType::Q4_0:
      return 18;
    case BlockType::Q4_1:
      return 20;
    case BlockType::Q8_0:
      return 34;
    case BlockType::Q4_K:
      return 144;
    case BlockType::Q6_K:
      return 210;
  }
  return 0;
}
// y = x @ w^T + bias; k may end within w's last block.
struct QuantizedLinear {
  BlockType type;
  int64_t m, n, k;
  const float* x;     // (m, k)
  const uint8_t* w;   // n rows, padded to whole kBlockRows
  const float* bias;  // (n) or null
  float* y;           // (m, n)
};

}  // namespace lamina
