// Bool masks among indices: see mask.cpp.
#pragma once

#include "tensor/tensor.h"

namespace lamina::ops {

// Indices of *x with positions in place of masks, one slot per dimension of *x, which may become a look at
// the same memory with fewer dimensions.
Tensors without_masks(Tensor* x, const Tensors& indices);

}  // namespace lamina::ops
