// What elementwise ops share: turning tensors into a walk, choosing a dtype, and where the result goes.
#pragma once

#include "autograd/record.h"
#include "ops/ops.h"

namespace lamina {

// Merges what can be merged, puts the densest dimension of operand 0 last, drops sizes of 1. Each tensor
// broadcasts to `shape`. False where there is nothing to do (no elements).
class WalkBuilder {
 public:
  explicit WalkBuilder(const Shape& shape) : shape_(shape) {}
  // One operand; size 1 or missing leading dimensions repeat.
  WalkBuilder& operand(const Tensor& x) {
    x.kernels();  // no complex tensor gets here
    return operand(x.data(), x.shape(), x.strides());
  }
  WalkBuilder& operand(void* data, const Shape& shape, const Shape& strides);
  // A single value that is repeated everywhere.
  WalkBuilder& value(const void* data) { return operand(const_cast<void*>(data), Shape(), Shape()); }
  bool build(Walk* walk);

 private:
  bool build_flat(Walk* walk) const;
  const Shape& shape_;
  int count_ = 0;
  bool flat_ = true;  // every operand is contiguous in the full shape, or one value
  bool single_[kMaxOperands];
  void* data_[kMaxOperands];
  Shape strides_[kMaxOperands];
};

// The result of an elementwise op over `inputs` broadcast to `shape`: laid out like the first dense input of
// that shape, or the target of an in-place form that is waiting for it.
Tensor elementwise_result(const Shape& shape, Dtype dtype, std::initializer_list<const Tensor*> inputs);

// A scalar as one element of `dtype`, for a walk's value().
struct Element {
  alignas(8) unsigned char bytes[8];
  Element(Scalar value, Dtype dtype);
};

// x (any layout) = value.
void fill_values(const Tensor& x, Scalar value);

// Sums g over what broadcasting had added, so that it has this shape again.
Tensor reduce_to(const Tensor& g, const Shape& shape);

}  // namespace lamina
