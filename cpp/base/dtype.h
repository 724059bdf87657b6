// The element types: their sizes, names, kinds, and PyTorch's rules of promotion between them.
#pragma once

#include <cstddef>
#include <cstdint>

namespace lamina {

enum class Dtype : uint8_t {
  Bool,
  UInt8,
  Int8,
  Int16,
  Int32,
  Int64,
  Float16,
  BFloat16,
  Float32,
  Float64,
};
constexpr int kDtypes = 10;

// Storage types of the two halves; arithmetic on them goes through float.
struct Half {
  uint16_t bits;
};
struct BFloat16 {
  uint16_t bits;
};

constexpr size_t size_of(Dtype dtype) {
  constexpr size_t sizes[kDtypes] = {1, 1, 1, 2, 4, 8, 2, 2, 4, 8};
  return sizes[static_cast<int>(dtype)];
}

const char* name_of(Dtype dtype);

constexpr bool is_floating(Dtype dtype) { return dtype >= Dtype::Float16; }
constexpr bool is_half(Dtype dtype) { return dtype == Dtype::Float16 || dtype == Dtype::BFloat16; }
constexpr bool is_integral(Dtype dtype) { return dtype > Dtype::Bool && dtype < Dtype::Float16; }

// The smallest type that holds both kinds, as in PyTorch: uint8 with a signed type goes one size up,
// float16 with bfloat16 gives float32, a float with an integer stays that float.
Dtype promote(Dtype a, Dtype b);

// The float type that an integer becomes in exp, sqrt, true division, ...
Dtype default_float();
void set_default_float(Dtype dtype);

// One value of any type: integers keep 64 bits, floats keep double.
struct Scalar {
  enum class Kind : uint8_t { Bool, Int, Float };
  Kind kind = Kind::Float;
  union {
    double f;
    int64_t i;
  };

  Scalar() : f(0) {}
  Scalar(double value) : kind(Kind::Float), f(value) {}
  Scalar(int64_t value) : kind(Kind::Int), i(value) {}
  Scalar(int value) : kind(Kind::Int), i(value) {}
  Scalar(bool value) : kind(Kind::Bool), i(value) {}

  double to_double() const { return kind == Kind::Float ? f : static_cast<double>(i); }
  int64_t to_int() const { return kind == Kind::Float ? static_cast<int64_t>(f) : i; }
};

}  // namespace lamina
