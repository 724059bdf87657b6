// Products with weights of few bits. How the blocks come to be is Python's; here they are bytes of a known
// layout.
#include "ops/walk.h"

namespace lamina::ops {
namespace {

BlockType type_from(const std::string& word) {
  const std::pair<const char*, BlockType> types[] = {{"Q4_0", BlockType::Q4_0},
                                                     {"Q4_1", BlockType::Q4_1},
                                                     {"Q8_0", BlockType::Q8_0},
                                                     {"Q4_K", BlockType::Q4_K},
                                                     {"Q6_K", BlockType::Q6_K}};
  for (const auto& [name, type] : types)
    if (word == name) return type;
  fail<ShapeError>("quantized_linear: no such type of blocks: ", word,
                   "; there are Q4_0, Q4_1, Q8_0, Q4_K and Q6_K");
}

}  // namespace

Tensor quantized_linear(const Tensor& x, const Tensor& blocks, const std::string& word, int64_t outs,
                        const Tensor& bias) {
  const char* op = "quantized_linear";
  const BlockType type = type_from(word);
  if (!is_floating(x.dtype())) fail<TypeError>(op, ": expected a floating input, got ", name_of(x.dtype()));
  if (blocks.dtype() != Dtype::UInt8)
    fail<TypeError>(op, ": expected blocks of dtype uint8, got ", name_of(blocks.dtype()));
  const int64_t tiles = (outs + kBlockRows - 1) / kBlockRows;
  const int64_t in = x.ndim() ? x.size(x.ndim() - 1) : 0;
  const int64_t row = (in + block_numbers(type) - 1) / block_numbers(type) * block_bytes(type);
  if (x.ndim() == 0 || outs < 1 || blocks.shape() != Shape{tiles * kBlockRows, row})
    fail<ShapeError>(op, ": input ", x.shape(), " and ", outs, " outputs ask for blocks ",
                     Shape{tiles * kBlockRows, row}, ", got ", blocks.shape());
  if (bias.defined() && (bias.ndim() != 1 || bias.size(0) != outs))
    fail<ShapeError>(op, ": bias ", bias.shape(), " does not fit ", outs, " outputs");
  if (recording(x) || recording(bias))
    fail<Error>(op, ": has no derivative; run it under no_grad(), or give weights that are not quantized");
  const Tensor xs = contiguous(to(x, Dtype::Float32));
  const Tensor bs = bias.defined() ? contiguous(to(bias, Dtype::Float32)) : bias, w = contiguous(blocks);
  Shape shape = x.shape();
  shape.back() = outs;
  const Tensor y = empty(shape, Dtype::Float32);
  if (y.numel()) {
    const QuantizedLinear q{type,
                            y.numel() / outs,
                            outs,
                            in,
                            xs.data_as<float>(),
                            w.data_as<uint8_t>(),
                            bs.defined() ? bs.data_as<float>() : nullptr,
                            y.data_as<float>()};
    const Scratch scratch(y.backend(), y.kernels().quantized_linear_scratch(q));
    y.kernels().quantized_linear(q, scratch.data());
  }
  return to(y, x.dtype());
}

}  // namespace lamina::ops
