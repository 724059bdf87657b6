// Numbers too small to be normal count as 0 while an object of this kind lives: a multiply-add that meets one
// takes a hundred times as long, and gradients of a sharp softmax are full of them.
#pragma once

#include "simd/simd.h"

namespace lamina::LAMINA_ISA {

class FlushTiny {
 public:
#if defined(__SSE__)
  FlushTiny() : before_(__builtin_ia32_stmxcsr()) { __builtin_ia32_ldmxcsr(before_ | 0x8040); }
  ~FlushTiny() { __builtin_ia32_ldmxcsr(before_); }
#else
  FlushTiny() {}
  ~FlushTiny() {}
#endif
  FlushTiny(const FlushTiny&) = delete;
  FlushTiny& operator=(const FlushTiny&) = delete;

#if defined(__SSE__)
 private:
  unsigned before_;
#endif
};

}  // namespace lamina::LAMINA_ISA
