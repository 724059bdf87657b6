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
  Complex64,  // two float32: the real part, the imaginary part
  Complex128,
};
constexpr int kDtypes = 12;

// Storage types of the two halves; arithmetic on them goes through float.
struct Half {
  uint16_t bits;
};
struct BFloat16 {
  uint16_t bits;
};

constexpr size_t size_of(Dtype dtype) {
  constexpr size_t sizes[kDtypes] = {1, 1, 1, 2, 4, 8, 2, 2, 4, 8, 8, 16};
  return sizes[static_cast<int>(dtype)];
}

const char* name_of(Dtype dtype);

// Floating or complex: what has a gradient.
constexpr bool is_inexact(Dtype dtype) { return dtype >= Dtype::Float16; }
constexpr bool is_complex(Dtype dtype) { return dtype >= Dtype::Complex64; }
constexpr bool is_floating(Dtype dtype) { return is_inexact(dtype) && !is_complex(dtype); }
constexpr bool is_half(Dtype dtype) { return dtype == Dtype::Float16 || dtype == Dtype::BFloat16; }
constexpr bool is_integral(Dtype dtype) { return dtype > Dtype::Bool && dtype < Dtype::Float16; }

// bool 0, integers 1, floats 2, complex numbers 3: what an op may raise but not lower.
constexpr int category_of(Dtype dtype) {
  return is_complex(dtype) ? 3 : is_floating(dtype) ? 2 : dtype == Dtype::Bool ? 0 : 1;
}
// The complex type with parts of this float (of float32 where it is smaller, or no float), and the other way.
constexpr Dtype complex_of(Dtype dtype) {
  return dtype == Dtype::Float64 || dtype == Dtype::Complex128 ? Dtype::Complex128 : Dtype::Complex64;
}
constexpr Dtype real_of(Dtype dtype) {
  return dtype == Dtype::Complex64 ? Dtype::Float32 : dtype == Dtype::Complex128 ? Dtype::Float64 : dtype;
}

// The smallest type that holds both kinds, as in PyTorch: uint8 with a signed type goes one size up,
// float16 with bfloat16 gives float32, a float with an integer stays that float, float64 with complex64 gives
// complex128.
Dtype promote(Dtype a, Dtype b);

// The float type that an integer becomes in exp, sqrt, true division, ...
Dtype default_float();
void set_default_float(Dtype dtype);

// One value of any type: integers keep 64 bits, floats keep double, complex numbers two of them.
struct Scalar {
  enum class Kind : uint8_t { Bool, Int, Float, Complex };
  Kind kind = Kind::Float;
  union {
    double f;
    int64_t i;
  };
  double imag = 0;

  Scalar() : f(0) {}
  Scalar(double value) : kind(Kind::Float), f(value) {}
  Scalar(int64_t value) : kind(Kind::Int), i(value) {}
  Scalar(int value) : kind(Kind::Int), i(value) {}
  Scalar(bool value) : kind(Kind::Bool), i(value) {}

  static Scalar complex(double real, double imag) {
    Scalar s(real);
    s.kind = Kind::Complex;
    s.imag = imag;
    return s;
  }

  bool is_complex() const { return kind == Kind::Complex; }
  bool is_fraction() const { return kind >= Kind::Float; }
  double real() const { return is_fraction() ? f : static_cast<double>(i); }
  int64_t to_int() const { return is_fraction() ? static_cast<int64_t>(f) : i; }
  double to_double() const {  // TypeError of a complex number
    if (is_complex()) refuse();
    return real();
  }

 private:
  [[noreturn]] static void refuse();
};

}  // namespace lamina
