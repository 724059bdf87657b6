// What the fused recurrent layer and its equivalent in other ops share.
#pragma once

#include <memory>

#include "autograd/record.h"
#include "ops/ops.h"

namespace lamina::ops {

// Rows of packed sequences: sizes[t] at step t, from row offsets[t] on.
struct PackedRows {
  std::vector<int64_t> sizes, offsets;
  int64_t steps() const { return static_cast<int64_t>(sizes.size()); }
};

// One layer. Its tensors in one list: x (total, input); h (directions, batch, out); c (directions, batch,
// hidden) of Lstm, else undefined; then for each direction the kWeights of a RecurrentWeight.
struct RecurrentLayer {
  Cell cell;
  int directions;
  std::shared_ptr<const PackedRows> rows;
};
constexpr int kStates = 3, kWeights = 5;  // x, h, c; ih, hh, bias_ih, bias_hh, hr

// Both give y (total, directions * out), the last h and the last c (undefined but for Lstm).
Tensors recurrent_layer(const RecurrentLayer& layer, const Tensors& in);
Tensors recurrent_layer_from_ops(const RecurrentLayer& layer, const Tensors& in);

}  // namespace lamina::ops
