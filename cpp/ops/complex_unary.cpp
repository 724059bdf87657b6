// Functions of one complex number z = a + ib, by real functions of a and b; and what takes one apart or puts
// it together: real, imag, conj, angle, sgn, complex, polar.
#include <cmath>

#include "ops/complex.h"

namespace lamina::ops {
namespace {

constexpr double kLn2 = 0.69314718055994530942;
constexpr double kLn10 = 2.30258509299404568402;

Tensor times_i(const Tensor& z) { return joined(neg(imag_part(z)), real_part(z)); }
Tensor times_minus_i(const Tensor& z) { return joined(imag_part(z), neg(real_part(z))); }

Tensor length(const Tensor& z) { return hypot(real_part(z), imag_part(z)); }

Tensor exponential(const Tensor& z) {
  const Tensor a = real_part(z), b = imag_part(z), r = exp(a);
  const Tensor imag = where(eq(b, 0), b, mul(r, sin(b)));  // else infinity times 0
  return joined(mul(r, cos(b)), imag);
}

// e^z - 1 = expm1(a) cos b - 2 sin(b / 2)^2 + i e^a sin b
Tensor exponential_less_one(const Tensor& z) {
  const Tensor a = real_part(z), b = imag_part(z);
  return joined(sub(mul(expm1(a), cos(b)), mul(square(sin(mul(b, 0.5))), 2)), mul(exp(a), sin(b)));
}

Tensor logarithm(const Tensor& z) { return joined(log(length(z)), atan2(imag_part(z), real_part(z))); }

// Re log(1 + z) = log1p(a (2 + a) + b^2) / 2
Tensor logarithm_of_more(const Tensor& z) {
  const Tensor a = real_part(z), b = imag_part(z);
  const Tensor near = mul(log1p(add(mul(a, add(a, 2)), square(b))), 0.5);
  const Tensor one_more = add(a, 1);
  return joined(where(lt(abs(a), 0.5), near, log(hypot(one_more, b))), atan2(b, one_more));
}

// With t = sqrt((|a| + |z|) / 2): t + i b / 2t right of the imaginary axis, |b| / 2t + i sign(b) t left of
// it.
Tensor square_root(const Tensor& z) {
  const Tensor a = real_part(z), b = imag_part(z);
  // Half of |z| first, so that the sum does not overflow.
  const Tensor t = sqrt(add(mul(abs(a), 0.5), mul(length(z), 0.5)));
  const Tensor other = masked_fill(div(mul(b, 0.5), t), eq(t, 0), 0);
  const Tensor right = ge(a, 0);
  return joined(where(right, t, abs(other)), where(right, where(eq(t, 0), b, other), copysign(t, b)));
}

Tensor hyperbolic_sine(const Tensor& z) {
  const Tensor a = real_part(z), b = imag_part(z);
  return joined(mul(sinh(a), cos(b)), mul(cosh(a), sin(b)));
}

Tensor hyperbolic_cosine(const Tensor& z) {
  const Tensor a = real_part(z), b = imag_part(z);
  return joined(mul(cosh(a), cos(b)), mul(sinh(a), sin(b)));
}

// With T = tanh a, t = tan b: (T (1 + t^2) + i t (1 - T^2)) / (1 + T^2 t^2), where 1 - T^2 = 1 / cosh(a)^2.
Tensor hyperbolic_tangent(const Tensor& z) {
  const Tensor a = real_part(z), b = imag_part(z);
  const Tensor th = tanh(a), t = tan(b), t2 = square(t);
  const Tensor below = add(mul(square(th), t2), 1);
  return joined(div(mul(th, add(t2, 1)), below), div(div(t, square(cosh(a))), below));
}

// The inverses: W. Kahan, "Branch cuts for complex elementary functions", 1987.
Tensor root_below(const Tensor& z) { return square_root(sub(1, z)); }  // sqrt(1 - z)
Tensor root_above(const Tensor& z) { return square_root(add(z, 1)); }  // sqrt(1 + z)
Tensor real_of_product(const Tensor& x, const Tensor& y) {             // Re x y
  return sub(mul(real_part(x), real_part(y)), mul(imag_part(x), imag_part(y)));
}
Tensor imag_of_rotated(const Tensor& x, const Tensor& y) {  // Im conj(x) y
  return sub(mul(real_part(x), imag_part(y)), mul(imag_part(x), real_part(y)));
}

Tensor inverse_sine(const Tensor& z) {
  const Tensor below = root_below(z), above = root_above(z);
  return joined(atan2(real_part(z), real_of_product(below, above)), asinh(imag_of_rotated(below, above)));
}

Tensor inverse_cosine(const Tensor& z) {
  const Tensor below = root_below(z), above = root_above(z);
  return joined(mul(atan2(real_part(below), real_part(above)), 2), asinh(imag_of_rotated(above, below)));
}

Tensor inverse_hyperbolic_cosine(const Tensor& z) {
  const Tensor below = square_root(sub(z, 1)), above = root_above(z);
  const Tensor inner = add(mul(real_part(below), real_part(above)), mul(imag_part(below), imag_part(above)));
  return joined(asinh(inner), mul(atan2(imag_part(below), real_part(above)), 2));
}

Tensor inverse_hyperbolic_tangent(const Tensor& z) {
  const Tensor a = real_part(z), b = imag_part(z), b2 = square(b);
  const Tensor left = sub(1, a);
  const Tensor real = mul(log1p(div(mul(a, 4), add(square(left), b2))), 0.25);
  return joined(real, mul(atan2(mul(b, 2), sub(mul(left, add(a, 1)), b2)), 0.5));
}

Tensor sine(const Tensor& z) { return times_minus_i(hyperbolic_sine(times_i(z))); }

// sin(pi z) / (pi z)
Tensor cardinal_sine(const Tensor& z) {
  const Tensor zero = eq(z, 0), turned = mul(masked_fill(z, zero, 1), M_PI);
  return masked_fill(div(sine(turned), turned), zero, 1);
}

Tensor logistic(const Tensor& z) { return reciprocal(add(exponential(neg(z)), 1)); }

}  // namespace

Tensor complex_unary(const char* node, UnaryOp op, const Tensor& z) {
  const GradMode off(false);
  switch (op) {
    // clang-format off
    case UnaryOp::Neg: return complex_look(neg(pairs(z)));
    case UnaryOp::Square: return mul(z, z);
    case UnaryOp::Sqrt: return square_root(z);
    case UnaryOp::Rsqrt: return reciprocal(square_root(z));
    case UnaryOp::Reciprocal: return div(full(Shape(), 1, z.dtype()), z);
    case UnaryOp::Exp: return exponential(z);
    case UnaryOp::Exp2: return exponential(mul(z, kLn2));
    case UnaryOp::Expm1: return exponential_less_one(z);
    case UnaryOp::Log: return logarithm(z);
    case UnaryOp::Log2: return mul(logarithm(z), 1 / kLn2);
    case UnaryOp::Log10: return mul(logarithm(z), 1 / kLn10);
    case UnaryOp::Log1p: return logarithm_of_more(z);
    case UnaryOp::Sin: return sine(z);
    case UnaryOp::Cos: return hyperbolic_cosine(times_i(z));
    case UnaryOp::Tan: return times_minus_i(hyperbolic_tangent(times_i(z)));
    case UnaryOp::Asin: return inverse_sine(z);
    case UnaryOp::Acos: return inverse_cosine(z);
    case UnaryOp::Atan: return times_minus_i(inverse_hyperbolic_tangent(times_i(z)));
    case UnaryOp::Sinh: return hyperbolic_sine(z);
    case UnaryOp::Cosh: return hyperbolic_cosine(z);
    case UnaryOp::Tanh: return hyperbolic_tangent(z);
    case UnaryOp::Asinh: return times_minus_i(inverse_sine(times_i(z)));
    case UnaryOp::Acosh: return inverse_hyperbolic_cosine(z);
    case UnaryOp::Atanh: return inverse_hyperbolic_tangent(z);
    case UnaryOp::Sinc: return cardinal_sine(z);
    case UnaryOp::Sigmoid: return logistic(z);
    // clang-format on
    default:
      refuse_complex_node(node, z.dtype());
  }
}

Tensor real(const Tensor& x) { return is_complex(x.dtype()) ? select(view_as_real(x), -1, 0) : x; }
Tensor imag(const Tensor& x) {
  if (!is_complex(x.dtype())) fail<TypeError>("imag: expected a complex tensor, got ", name_of(x.dtype()));
  return select(view_as_real(x), -1, 1);
}

Tensor conj(const Tensor& x) {
  if (!is_complex(x.dtype())) return x;
  const Tensor y = joined(real_part(x), neg(imag_part(x)));
  if (recording(x))
    record("ConjBackward0", y, {&x}, [](Back& back) -> Tensors { return {conj(back.grad())}; });
  return y;
}

Tensor angle(const Tensor& input) {
  if (is_complex(input.dtype())) return atan2(imag(input), real(input));
  const Tensor x = is_floating(input.dtype()) ? input : to(input, default_float());
  const Tensor turned = where(lt(x, 0), M_PI, recording(x) ? mul(x, 0) : full_like(x, 0));
  return where(isnan(x), x, turned);
}

Tensor complex_abs(const Tensor& x) {
  const Tensor y = length(x);
  if (recording(x))
    record("AbsBackward0", y, {&x},
           [x = Saved(x)](Back& back) -> Tensors { return {mul(back.grad(), sgn(x.get(back)))}; });
  return y;
}

Tensor sgn(const Tensor& x) {
  if (!is_complex(x.dtype())) return sign(x);
  const Tensor y = [&] {
    const GradMode off(false);
    return masked_fill(div(x, length(x)), eq(x, 0), 0);
  }();
  if (recording(x))  // g / |x| less its part along x
    record("SgnBackward0", y, {&x}, [x = Saved(x)](Back& back) -> Tensors {
      const Tensor xs = x.get(back), zero = eq(xs, 0), unit = sgn(xs);
      const Tensor scaled = div(back.grad(), masked_fill(abs(xs), zero, 1));
      const Tensor across = sub(scaled, mul(unit, real(mul(scaled, conj(unit)))));
      return {masked_fill(across, zero, 0)};
    });
  return y;
}

Tensor complex(const Tensor& real, const Tensor& imag) {
  if (real.dtype() != imag.dtype() || (real.dtype() != Dtype::Float32 && real.dtype() != Dtype::Float64))
    fail<TypeError>("complex: expected both inputs to be float32 or float64, got ", name_of(real.dtype()),
                    " and ", name_of(imag.dtype()));
  const Shape shape = broadcast(real.shape(), imag.shape(), "complex");
  return view_as_complex(stack({expand(real, shape), expand(imag, shape)}, -1));
}

Tensor polar(const Tensor& abs, const Tensor& angle) {
  if (abs.dtype() != angle.dtype() || (abs.dtype() != Dtype::Float32 && abs.dtype() != Dtype::Float64))
    fail<TypeError>("polar: expected both inputs to be float32 or float64, got ", name_of(abs.dtype()),
                    " and ", name_of(angle.dtype()));
  return complex(mul(abs, cos(angle)), mul(abs, sin(angle)));
}

}  // namespace lamina::ops
