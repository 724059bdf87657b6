// The stack of decoder.h out of the ops of the menu. Checks of shapes are theirs, but for the caches.
#include "ops/decoder.h"

#include "ops/walk.h"

namespace lamina::ops {
namespace {

const char* kOp = "decoder";

Tensor multiply(const Product& p, const Tensor& x) {
  if (p.type.empty()) return linear(x, p.weight, p.bias);
  return quantized_linear(x, p.weight, p.type, p.outs, p.bias);
}

Tensor multiply(const std::vector<Product>& products, const Tensor& x) {
  if (products.size() == 1) return multiply(products[0], x);
  Tensors parts;
  for (const Product& p : products) parts.push_back(multiply(p, x));
  return cat(parts, -1);
}

// x (n, l, heads, size): numbers i and i + size / 2 of each head are turned. sine has the sign of its half.
Tensor turned(const Tensor& x, const Tensor& cosine, const Tensor& sine) {
  const int64_t size = x.size(3), half = size / 2;
  const Tensor swapped = cat({slice(x, 3, half, size, 1), slice(x, 3, 0, half, 1)}, 3);
  return addcmul(mul(x, cosine), swapped, sine, 1);
}

void check_room(const Tensor& table, const Shape& wanted, int64_t used, int64_t fresh, const char* what) {
  if (table.ndim() != 4 || table.size(0) != wanted[0] || table.size(1) != wanted[1] ||
      table.size(3) != wanted[3])
    fail<ShapeError>(kOp, ": expected ", what, " of shape ", wanted,
                     " with room for tokens in dimension 2, got ", table.shape());
  if (used < 0 || used + fresh > table.size(2))
    fail<ShapeError>(kOp, ": ", what, " have room for ", table.size(2), " tokens, got ", used, " and ", fresh,
                     " more");
}

}  // namespace

Decoder::Decoder(int64_t heads, int64_t kv_heads, int64_t size, double eps, std::optional<double> scale,
                 const std::string& activation)
    : heads_(heads), kv_heads_(kv_heads), size_(size), eps_(eps), scale_(scale), gelu_(activation == "gelu") {
  if (!gelu_ && activation != "silu")
    fail<ShapeError>(kOp, ": the activation must be silu or gelu, got ", activation);
  if (heads < 1 || kv_heads < 1 || heads % kv_heads || size < 2 || size % 2)
    fail<ShapeError>(kOp, ": ", heads, " heads of size ", size, " cannot share ", kv_heads, " keys");
}

void Decoder::add(DecoderLayer layer) {
  const auto outs = [](const std::vector<Product>& products) {
    int64_t sum = 0;
    for (const Product& p : products) sum += p.outs;
    return sum;
  };
  if (outs(layer.qkv) != (heads_ + 2 * kv_heads_) * size_)
    fail<ShapeError>(kOp, ": queries, keys and values have ", outs(layer.qkv),
                     " numbers, but the heads ask for ", (heads_ + 2 * kv_heads_) * size_);
  if (outs(layer.gate_up) % 2)
    fail<ShapeError>(kOp, ": gate and up have ", outs(layer.gate_up), " numbers together");
  if (layer.norms.size() != 4 || layer.q_norm.defined() != layer.k_norm.defined() || layer.kind < 0)
    fail<ShapeError>(kOp, ": expected 4 normalisations, of queries and keys both or none, and a kind, got ",
                     layer.norms.size(), " and kind ", layer.kind);
  layers_.push_back(std::move(layer));
}

Tensor Decoder::norm(const Tensor& x, const Tensor& weight) const {
  return weight.defined() ? rms_norm(x, weight.shape(), weight, eps_) : x;
}

Tensor Decoder::attention(const DecoderLayer& layer, const Tensor& x, const Tensor& keys,
                          const Tensor& values, int64_t used, const DecoderView& known) const {
  const int64_t n = x.size(0), l = x.size(1), end = used + l;
  const Shape wanted{n, kv_heads_, end, size_};
  check_room(keys, wanted, used, l, "keys");
  check_room(values, wanted, used, l, "values");
  const Tensor heads = view(multiply(layer.qkv, x), {n, l, heads_ + 2 * kv_heads_, size_});
  Tensor qk = slice(heads, 2, 0, heads_ + kv_heads_, 1);
  if (layer.q_norm.defined())
    qk = cat({norm(slice(qk, 2, 0, heads_, 1), layer.q_norm),
              norm(slice(qk, 2, heads_, heads_ + kv_heads_, 1), layer.k_norm)},
             2);
  qk = turned(qk, known.cosine, known.sine);
  const auto rows = [&](const Tensor& from, int64_t first, int64_t count) {
    return transpose(slice(from, 2, first, first + count, 1), 1, 2);
  };
  copy_(slice(keys, 2, used, end, 1), rows(qk, heads_, kv_heads_));
  copy_(slice(values, 2, used, end, 1), rows(heads, heads_ + kv_heads_, kv_heads_));
  const Tensor mixed = scaled_dot_product_attention(rows(qk, 0, heads_), slice(keys, 2, 0, end, 1),
                                                    slice(values, 2, 0, end, 1), known.mask, 0, known.causal,
                                                    scale_, heads_ != kv_heads_, default_generator());
  return multiply(layer.output, reshape(transpose(mixed, 1, 2), {n, l, heads_ * size_}));
}

Tensor Decoder::mlp(const DecoderLayer& layer, const Tensor& x) const {
  const Tensor both = multiply(layer.gate_up, x);
  const int64_t width = both.size(2) / 2;
  const Tensor gate = slice(both, 2, 0, width, 1), up = slice(both, 2, width, 2 * width, 1);
  return multiply(layer.down, mul(gelu_ ? gelu(gate, true) : silu(gate), up));
}

Tensor Decoder::run(const Tensor& input, const Tensors& keys, const Tensors& values, int64_t used,
                    const std::vector<DecoderView>& views) const {
  if (input.ndim() != 3) fail<ShapeError>(kOp, ": expected an input (n, l, hidden), got ", input.shape());
  if (keys.size() != layers_.size() || values.size() != layers_.size())
    fail<ShapeError>(kOp, ": ", layers_.size(), " layers, but keys of ", keys.size(), " and values of ",
                     values.size());
  const GradMode off(false);
  Tensor x = input;
  for (size_t i = 0; i < layers_.size(); i++) {
    const DecoderLayer& layer = layers_[i];
    if (layer.kind >= static_cast<int64_t>(views.size()))
      fail<ShapeError>(kOp, ": a layer of kind ", layer.kind, ", but ", views.size(), " views");
    const Tensor mixed =
        attention(layer, norm(x, layer.norms[0]), keys[i], values[i], used, views[layer.kind]);
    x = ops::add(x, norm(mixed, layer.norms[1]));
    x = ops::add(x, norm(mlp(layer, norm(x, layer.norms[2])), layer.norms[3]));
  }
  return x;
}

}  // namespace lamina::ops
