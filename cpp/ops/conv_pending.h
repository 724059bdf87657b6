// Convolutions that wait for what follows them, so that batch norm, addition and activation are done while
// the result is in the cache. Only where nothing is recorded.
#pragma once

#include "ops/walk.h"

namespace lamina::ops {

// y = activation(conv2d(x, w) + shift + add)
struct PendingConv final : Pending {
  Conv2d p = {};
  Tensor x, w, shift, add;  // contiguous
  Tensor packed;            // w as the kernel reads it best, if that is kept: then w may be undefined
  bool is_final = false;    // w: recorded, or changed by a batch norm already
  Epilogue activation = Epilogue::None;

  void run(void* out) override;
};

// The result of a convolution, computed when it is looked at; at once where its operands are shared with
// others.
Tensor put_off(const Shape& y, Ref<PendingConv> work);

// The ops that may join a convolution; undefined where they cannot, and then nothing has happened.
Tensor join_batch_norm(const Tensor& x, const Tensor& w, const Tensor& b, const Tensor& mean,
                       const Tensor& var, double eps);
Tensor join_add(const Tensor& x, const Tensor& y);
Tensor join_activation(const Tensor& x, UnaryOp op, double p0, double p1);

}  // namespace lamina::ops
