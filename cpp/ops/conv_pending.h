// Convolutions that wait for what follows them, so that batch norm, addition and activation are done while
// the result is in the cache. Only where nothing is recorded.
#pragma once

#include "ops/walk.h"
#include "tensor/derived.h"

namespace lamina::ops {

// y = activation(conv2d(x, w) + shift + add)
struct PendingConv final : Pending {
  Conv2d p = {};
  Tensor x, w, shift, add;  // contiguous
  Tensor packed;            // w as the kernel reads it best, if that is kept: then w may be undefined
  bool is_final = false;    // w: recorded, or changed by a batch norm already
  Sources norm;             // weight, bias, mean and variance of that batch norm, and its eps
  double eps = 0;
  Ref<PendingConv> first;  // or the convolution of `first`, which reads x; its w and packed are the chain's
  Epilogue activation = Epilogue::None;

  void run(void* out) override;
};

// The result of a convolution, computed when it is looked at; at once where its operands are shared with
// others.
Tensor put_off(const Shape& y, Ref<PendingConv> work);

// A convolution of x that goes along with the one that x waits for; undefined where it cannot.
Tensor join_conv(const Tensor& x, Ref<PendingConv> work, const Shape& y);

// The ops that may join a convolution; undefined where they cannot, and then nothing has happened.
Tensor join_batch_norm(const Tensor& x, const Tensor& w, const Tensor& b, const Tensor& mean,
                       const Tensor& var, double eps);
Tensor join_add(const Tensor& x, const Tensor& y);
Tensor join_activation(const Tensor& x, UnaryOp op, double p0, double p1);

}  // namespace lamina::ops
