// Autocast: while it is on, matrix products and convolutions take float32 as a half type. An op asks
// `autocasting()` first and calls itself through `autocast`, which converts its tensors.
#pragma once

#include "ops/ops.h"

namespace lamina::ops {

struct AutocastMode {  // of the thread
  bool enabled = false;
  Dtype dtype = Dtype::BFloat16;
  bool cache = true;  // a parameter is converted once, not at each use
};
AutocastMode& autocast_mode();
void clear_autocast_cache();

inline bool autocasting() { return autocast_mode().enabled; }

class AutocastOff {
 public:
  AutocastOff() : before_(autocast_mode().enabled) { autocast_mode().enabled = false; }
  ~AutocastOff() { autocast_mode().enabled = before_; }
  AutocastOff(const AutocastOff&) = delete;
  AutocastOff& operator=(const AutocastOff&) = delete;

 private:
  bool before_;
};

// Floating tensors but float64 in the dtype of autocast; all else as it is.
Tensor lowered(const Tensor& x);
template <class T>
const T& lowered(const T& x) {
  return x;
}

template <class Result, class... Parameters, class... Args>
Result autocast(Result (*op)(Parameters...), const Args&... args) {
  const AutocastOff off;
  return op(lowered(args)...);
}

}  // namespace lamina::ops
