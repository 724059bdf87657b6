// The part of the contract (kernels.h) that speaks of losses over classes.
#pragma once

#include <cstdint>

#include "base/dtype.h"

namespace lamina {

// Cross entropy of logits (outer, classes, inner). For the class t of a place, with p the softmax of its
// logits, w the weights and s the smoothing:
//   (1 - s) w_t (-log p_t) + s / classes * sum over c of w_c (-log p_c).
// Both arrays of sums are (outer, inner): log p = (x - shift) - log_sum. float32 and float64.
struct CrossEntropy {
  Dtype dtype;
  int64_t outer, classes, inner;
  const int64_t* target;  // (outer, inner)
  int64_t ignore;
  const void* weight;  // (classes) or null: all 1
  double weight_sum;
  double smoothing;
  const void *shift, *log_sum;
};

// Connectionist temporal classification. float32 and float64.
struct CtcLoss {
  Dtype dtype;
  int64_t steps, batch, classes, blank;
  const int64_t* labels;                                  // of sequence b: from first_label[b] on
  const int64_t *first_label, *label_count, *step_count;  // (batch)
  int64_t most_labels;

  // Of `ways`, (batch, steps, pitch), in which a row holds two paddings and then, for each place among blank,
  // label, blank ... blank, the logarithm of the probability of being there.
  int64_t pitch() const { return 2 * most_labels + 3; }
};

}  // namespace lamina
