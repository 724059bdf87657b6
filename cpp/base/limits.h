// The sizes that every floor agrees on.
#pragma once

namespace lamina {

constexpr int kMaxDim = 16;      // dimensions of a tensor
constexpr int kMaxOperands = 5;  // arrays in one walk of a kernel
constexpr int kAlignment = 64;   // bytes: a cache line and the widest vector

}  // namespace lamina
