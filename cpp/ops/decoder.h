// A stack of decoder layers of the Llama family, run as a whole for inference. It is no op of its own: it
// composes those of the menu, so that a token costs one call from above instead of twenty per layer.
#pragma once

#include <optional>
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

// Several products of one input are one after the other in the result. Scales of normalisations that a layer
// lacks are undefined.
struct DecoderLayer {
  std::vector<Tensor> norms;  // (hidden) each: before and behind attention, before and behind the MLP
  Tensor q_norm, k_norm;      // (size), of each head
  std::vector<Product> qkv, gate_up;
  Product output, down;
  int64_t kind;  // which of the views given to `run` it has
};

// What layers of one kind know of the tokens. cosine and sine broadcast to (n, l, 1, size); mask broadcasts
// to (n, heads, l, used + l) and may be undefined; `causal` where it is and used is 0.
struct DecoderView {
  Tensor cosine, sine, mask;
  bool causal;
};

class Decoder {
 public:
  // scale of the scores: 1 / sqrt(size) unless given. activation: "silu", or "gelu" in its tanh form.
  Decoder(int64_t heads, int64_t kv_heads, int64_t size, double eps, std::optional<double> scale,
          const std::string& activation);
  void add(DecoderLayer layer);
  int64_t layers() const { return static_cast<int64_t>(layers_.size()); }

  // x (n, l, hidden) through all layers: attention with rotary positions, gated MLP. keys and values
  // (n, kv_heads, room, size) of each layer hold `used` tokens and get l more.
  Tensor run(const Tensor& x, const Tensors& keys, const Tensors& values, int64_t used,
             const std::vector<DecoderView>& views) const;

 private:
  Tensor norm(const Tensor& x, const Tensor& weight) const;
  Tensor attention(const DecoderLayer& layer, const Tensor& x, const Tensor& keys, const Tensor& values,
                   int64_t used, const DecoderView& view) const;
  Tensor mlp(const DecoderLayer& layer, const Tensor& x) const;
  int64_t heads_, kv_heads_, size_;
  double eps_;
  std::optional<double> scale_;
  bool gelu_;
  std::vector<DecoderLayer> layers_;
};

}  // namespace lamina::ops
