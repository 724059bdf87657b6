// A stack of decoder layers of the Llama family, run as a whole for inference. It is no op of its own: it
// composes those of the menu, so that a token costs one call from above instead of twenty per layer.
#pragma once

#include <string>
#include <vector>

#include "ops/ops.h"

namespace lamina::ops {

// x (..., in) -> (..., out): a weight (out, in), or with a `type` blocks as quantized_linear takes them.
struct Product {
  Tensor weight, bias;  // bias may be undefined
  std::string type;     // empty: floating
  int64_t outs;
};

// Several products of one input are one after the other in the result.
struct DecoderLayer {
  Tensor input_norm, post_norm;  // (hidden)
  std::vector<Product> qkv, gate_up;
  Product output, down;
};

class Decoder {
 public:
  Decoder(int64_t heads, int64_t kv_heads, int64_t size, double eps);
  void add(DecoderLayer layer);
  int64_t layers() const { return static_cast<int64_t>(layers_.size()); }

  // x (n, l, hidden) through all layers: norm, attention with rotary positions, norm, SwiGLU. keys and values
  // (n, kv_heads, room, size) of each layer hold `used` tokens and get l more. cosine and sine broadcast to
  // (n, l, 1, size). mask broadcasts to (n, heads, l, used + l) and may be undefined; `causal` where it is
  // and used is 0.
  Tensor run(const Tensor& x, const Tensors& keys, const Tensors& values, int64_t used, const Tensor& cosine,
             const Tensor& sine, const Tensor& mask, bool causal) const;

 private:
  Tensor attention(const DecoderLayer& layer, const Tensor& x, const Tensor& keys, const Tensor& values,
                   int64_t used, const Tensor& cosine, const Tensor& sine, const Tensor& mask,
                   bool causal) const;
  int64_t heads_, kv_heads_, size_;
  double eps_;
  std::vector<DecoderLayer> layers_;
};

}  // namespace lamina::ops
