// The laws of integers and bool, for unary, binary and ternary.
#include "kernels/cpu/elementwise.h"

namespace lamina::LAMINA_ISA {
namespace {

// A parameter as an integer: infinities mean the type's own ends.
template <class T>
T integer_parameter(double x) {
  constexpr T lowest = kSigned<T> ? static_cast<T>(Wrapping<T>(1) << (8 * sizeof(T) - 1)) : T(0);
  constexpr T highest = static_cast<T>(~static_cast<Wrapping<T>>(lowest));
  if (!(x > static_cast<double>(lowest))) return lowest;
  return x >= static_cast<double>(highest) ? highest : static_cast<T>(x);
}

template <UnaryOp op, class T>
void unary_block(void* out, const void* const* in, int64_t n, const double* p) {
  const T a = integer_parameter<T>(p[0]), b = integer_parameter<T>(p[1]);
  const T* x = static_cast<const T*>(in[0]);
  T* y = static_cast<T*>(out);
#pragma GCC ivdep
  for (int64_t i = 0; i < n; i++) y[i] = integer_law<op>(x[i], a, b);
}

template <BinaryOp op, class T>
void binary_block(void* out, const void* const* in, int64_t n, const double* p) {
  // alpha wraps like the product that it goes into.
  const T a = static_cast<T>(static_cast<int64_t>(p[0]));
  const T *x = static_cast<const T*>(in[0]), *y = static_cast<const T*>(in[1]);
  T* z = static_cast<T*>(out);
#pragma GCC ivdep
  for (int64_t i = 0; i < n; i++) z[i] = integer_law<op>(x[i], y[i], a);
}

template <TernaryOp op, class T>
void ternary_block(void* out, const void* const* in, int64_t n, const double* p) {
  const T a = static_cast<T>(static_cast<int64_t>(p[0]));
  const T *x = static_cast<const T*>(in[0]), *y = static_cast<const T*>(in[1]),
          *z = static_cast<const T*>(in[2]);
  T* to = static_cast<T*>(out);
#pragma GCC ivdep
  for (int64_t i = 0; i < n; i++) to[i] = integer_law<op>(x[i], y[i], z[i], a);
}

template <class T>
Block unary_of(UnaryOp op) {
  switch (op) {
    case UnaryOp::Neg:
      return unary_block<UnaryOp::Neg, T>;
    case UnaryOp::Abs:
      return unary_block<UnaryOp::Abs, T>;
    case UnaryOp::Sign:
      return unary_block<UnaryOp::Sign, T>;
    case UnaryOp::Square:
      return unary_block<UnaryOp::Square, T>;
    case UnaryOp::BitwiseNot:
      return unary_block<UnaryOp::BitwiseNot, T>;
    case UnaryOp::Relu:
      return unary_block<UnaryOp::Relu, T>;
    case UnaryOp::Clamp:
      return unary_block<UnaryOp::Clamp, T>;
    default:
      return nullptr;
  }
}

template <class T>
Block binary_of(BinaryOp op) {
  switch (op) {
    case BinaryOp::Add:
      return binary_block<BinaryOp::Add, T>;
    case BinaryOp::Sub:
      return binary_block<BinaryOp::Sub, T>;
    case BinaryOp::Mul:
      return binary_block<BinaryOp::Mul, T>;
    case BinaryOp::FloorDiv:
      return binary_block<BinaryOp::FloorDiv, T>;
    case BinaryOp::TruncDiv:
      return binary_block<BinaryOp::TruncDiv, T>;
    case BinaryOp::Remainder:
      return binary_block<BinaryOp::Remainder, T>;
    case BinaryOp::Fmod:
      return binary_block<BinaryOp::Fmod, T>;
    case BinaryOp::Pow:
      return binary_block<BinaryOp::Pow, T>;
    case BinaryOp::Maximum:
    case BinaryOp::Fmax:
      return binary_block<BinaryOp::Maximum, T>;
    case BinaryOp::Minimum:
    case BinaryOp::Fmin:
      return binary_block<BinaryOp::Minimum, T>;
    case BinaryOp::BitwiseAnd:
      return binary_block<BinaryOp::BitwiseAnd, T>;
    case BinaryOp::BitwiseOr:
      return binary_block<BinaryOp::BitwiseOr, T>;
    case BinaryOp::BitwiseXor:
      return binary_block<BinaryOp::BitwiseXor, T>;
    case BinaryOp::ShiftLeft:
      return binary_block<BinaryOp::ShiftLeft, T>;
    case BinaryOp::ShiftRight:
      return binary_block<BinaryOp::ShiftRight, T>;
    default:
      return nullptr;
  }
}

template <class T>
Block ternary_of(TernaryOp op) {
  if (op == TernaryOp::Addcmul) return ternary_block<TernaryOp::Addcmul, T>;
  if (op == TernaryOp::Clamp) return ternary_block<TernaryOp::Clamp, T>;
  return nullptr;
}

// Bool is bytes of 0 and 1: sums and products are "or" and "and", the rest are the laws of uint8.
void bool_not_block(void* out, const void* const* in, int64_t n, const double*) {
  const auto* x = static_cast<const uint8_t*>(in[0]);
  auto* y = static_cast<uint8_t*>(out);
#pragma GCC ivdep
  for (int64_t i = 0; i < n; i++) y[i] = x[i] ^ 1;
}
void bool_add_block(void* out, const void* const* in, int64_t n, const double* p) {
  const uint8_t alpha = p[0] != 0;
  const auto *x = static_cast<const uint8_t*>(in[0]), *y = static_cast<const uint8_t*>(in[1]);
  auto* z = static_cast<uint8_t*>(out);
#pragma GCC ivdep
  for (int64_t i = 0; i < n; i++) z[i] = x[i] | (y[i] & alpha);
}

// choose(T()) for the integer type of this dtype.
template <class F>
Block with_integer(Dtype dtype, F choose) {
  switch (dtype) {
    case Dtype::Bool:
    case Dtype::UInt8:
      return choose(uint8_t());
    case Dtype::Int8:
      return choose(int8_t());
    case Dtype::Int16:
      return choose(int16_t());
    case Dtype::Int32:
      return choose(int32_t());
    default:
      return choose(int64_t());
  }
}

}  // namespace

Block integer_unary(UnaryOp op, Dtype dtype) {
  if (dtype == Dtype::Bool && op == UnaryOp::BitwiseNot) return bool_not_block;
  return with_integer(dtype, [&](auto zero) { return unary_of<decltype(zero)>(op); });
}
Block integer_binary(BinaryOp op, Dtype dtype) {
  if (dtype == Dtype::Bool && op == BinaryOp::Add) return bool_add_block;
  return with_integer(dtype, [&](auto zero) { return binary_of<decltype(zero)>(op); });
}
Block integer_ternary(TernaryOp op, Dtype dtype) {
  return with_integer(dtype, [&](auto zero) { return ternary_of<decltype(zero)>(op); });
}

}  // namespace lamina::LAMINA_ISA
