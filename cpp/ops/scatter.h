// The gradients of scatter's reductions: see scatter.cpp.
#pragma once

#include "tensor/tensor.h"

namespace lamina::ops {

// Of x and of `part`, which was written to `places` along dim with Mul, Max or Min and gave y.
Tensors scatter_grad(const Tensor& g, const Tensor& x, const Tensor& part, const Tensor& y, int dim,
                     const Tensor& places, WriteMode mode);

}  // namespace lamina::ops
