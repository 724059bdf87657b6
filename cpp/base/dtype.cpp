// Names and promotion of element types.
#include "base/dtype.h"

#include <atomic>

#include "base/error.h"

namespace lamina {

const char* name_of(Dtype dtype) {
  static const char* names[kDtypes] = {"bool",    "uint8",   "int8",      "int16",
                                       "int32",   "int64",   "float16",   "bfloat16",
                                       "float32", "float64", "complex64", "complex128"};
  return names[static_cast<int>(dtype)];
}

Dtype promote(Dtype a, Dtype b) {
  if (a == b) return a;
  if (a > b) std::swap(a, b);  // the enum is ordered by kind, then by size
  if (a == Dtype::Float16 && b == Dtype::BFloat16) return Dtype::Float32;
  if (a == Dtype::UInt8 && b == Dtype::Int8) return Dtype::Int16;  // neither holds the other's values
  if (a == Dtype::Float64 && b == Dtype::Complex64) return Dtype::Complex128;
  return b;
}

void Scalar::refuse() { fail<TypeError>("expected a real number, got a complex one"); }

static std::atomic<Dtype> default_float_{Dtype::Float32};
Dtype default_float() { return default_float_.load(std::memory_order_relaxed); }
void set_default_float(Dtype dtype) {
  if (!is_floating(dtype))
    fail<TypeError>("set_default_dtype: expected a floating dtype, got ", name_of(dtype));
  default_float_ = dtype;
}

}  // namespace lamina
