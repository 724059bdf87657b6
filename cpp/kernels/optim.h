// The part of the contract (kernels.h) that speaks of optimizers.
#pragma once

#include <cstdint>

#include "base/dtype.h"

namespace lamina {

// One parameter tensor of an optimizer step; all arrays have n contiguous values of one dtype (float32 or
// float64).
struct OptimItem {
  void* param;
  const void* grad;
  void* state[3];  // sgd: momentum; adam: m, v, v_max; rmsprop: square, grad average, momentum; adagrad: sum
  int64_t n;
  bool first;  // sgd: the momentum buffer is not yet filled, buffer := grad
};
struct OptimStep {
  enum class Kind : uint8_t { Sgd, Adam, RmsProp, Adagrad } kind;
  Dtype dtype;
  int64_t count;
  const OptimItem* items;
  int64_t step;  // adam, adagrad: 1 at the first call
  double lr, weight_decay, eps;
  double momentum, dampening;  // sgd; rmsprop (momentum)
  double beta1, beta2;         // adam; rmsprop alpha = beta2; adagrad lr_decay = beta1
  bool nesterov, maximize, decoupled /* AdamW */, amsgrad, centered;
};

}  // namespace lamina
