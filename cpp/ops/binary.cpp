// Elementwise arithmetic of two operands. Shapes broadcast, dtypes promote, numbers stay numbers.
#include <algorithm>
#include <cmath>

#include "ops/complex.h"
#include "ops/conv_pending.h"
#include "ops/inplace.h"
#include "ops/pairwise.h"
#include "ops/unary.h"

namespace lamina::ops {
namespace {

Tensor compute(BinaryOp op, const Operand& x, const Operand& y, Dtype dtype, const char* name,
               double p0 = 1) {
  if (is_complex(dtype)) return complex_binary(name, op, x, y, dtype, p0);
  const Two two(x, y, dtype, name);
  const Tensor out = two.result(dtype);
  Walk walk;
  if (two.walk(out, &walk)) out.kernels().binary(op, dtype, walk, &p0);
  return out;
}

Dtype float_type(const Operand& x, const Operand& y) {
  const Dtype dtype = result_type(x, y);
  return is_inexact(dtype) ? dtype : default_float();
}

bool zero_divisor(const Operand& y) {
  if (y.is_scalar()) return y.scalar().to_double() == 0;
  return y.tensor().numel() && !is_floating(y.tensor().dtype()) &&
         count_nonzero(y.tensor(), {}).data_as<int64_t>()[0] != y.tensor().numel();
}

void check_integer_division(const char* op, const Operand& y, Dtype dtype) {
  if (is_complex(dtype)) refuse_complex(op, dtype);
  if (!is_floating(dtype) && zero_divisor(y))
    fail<Error>(op, ": ZeroDivisionError: integer division by zero");
}

Dtype no_bool(const char* op, Dtype dtype) {
  if (dtype == Dtype::Bool)
    fail<TypeError>(op, ": not defined for two bool tensors; use logical ops or convert");
  return dtype;
}

// z = x + sign * alpha * y; nothing but shapes is kept for the way back.
Tensor add_scaled(BinaryOp op, const char* name, const char* node, const Operand& x, const Operand& y,
                  Scalar alpha) {
  const Dtype dtype = result_type(x, y);
  if (alpha.is_complex()) {
    if (!is_complex(dtype))
      fail<TypeError>(name, ": For non-complex input tensors, argument alpha must not be a complex number.");
    return op == BinaryOp::Sub ? sub(x, mul(y, alpha)) : add(x, mul(y, alpha));
  }
  if (alpha.is_fraction() && !is_inexact(dtype))
    fail<TypeError>(name,
                    ": For integral input tensors, argument alpha must not be a floating point number.");
  const Tensor z = compute(op, x, y, dtype, name, alpha.to_double());
  if (!recording_any(x, y)) return z;
  const Tensor &tx = tensor_of(x), &ty = tensor_of(y);
  const double scale = op == BinaryOp::Sub ? -alpha.to_double() : alpha.to_double();
  const Dtype x_dtype = tx.defined() ? tx.dtype() : dtype, y_dtype = ty.defined() ? ty.dtype() : dtype;
  record(node, z, {&tx, &ty},
         [xs = shape_of(x), ys = shape_of(y), scale, x_dtype, y_dtype](Back& b) -> Tensors {
           const Tensor& g = b.grad();
           return {b.needs(0) ? to(reduce_to(g, xs), x_dtype) : Tensor(),
                   b.needs(1) ? to(reduce_to(scale == 1 ? g : mul(g, scale), ys), y_dtype) : Tensor()};
         });
  return z;
}

// z is constant between its steps: its gradient is 0.
Tensor flat(const char* node, const Tensor& z, const Operand& x, const Operand& y) {
  if (is_inexact(z.dtype()) && recording_any(x, y))
    record_two(node, z, x, y,
               [](const Tensor& g, const Operand&, const Operand&, bool) { return full_like(g, 0); });
  return z;
}

// maximum and minimum: the larger side takes the gradient, equal sides half each.
Tensor extreme(BinaryOp op, const char* name, const char* node, const Operand& x, const Operand& y) {
  const Tensor z = compute(op, x, y, result_type(x, y), name);
  const bool larger = op == BinaryOp::Maximum || op == BinaryOp::Fmax;
  const bool drops_nan = op == BinaryOp::Fmax || op == BinaryOp::Fmin;
  if (recording_any(x, y))
    record_two(
        node, z, x, y, [larger, drops_nan](const Tensor& g, const Operand& x, const Operand& y, bool first) {
          if (drops_nan) {
            const Tensor takes_x =
                logical_or(larger ? ge(x, y) : le(x, y),
                           y.is_scalar() ? full(Shape(), std::isnan(y.scalar().to_double()), Dtype::Bool)
                                         : isnan(y.tensor()));
            return first ? where(takes_x, g, 0.0) : where(takes_x, 0.0, g);
          }
          const Tensor half = where(eq(x, y), mul(g, 0.5), g);
          return where(first == larger ? lt(x, y) : gt(x, y), 0.0, half);
        });
  return z;
}

Tensor bitwise(BinaryOp op, const char* name, const Operand& x, const Operand& y) {
  const Dtype dtype = result_type(x, y);
  if (is_inexact(dtype)) fail<TypeError>(name, ": expected integers or bool, got ", name_of(dtype));
  if (op == BinaryOp::ShiftLeft || op == BinaryOp::ShiftRight) no_bool(name, dtype);
  return compute(op, x, y, dtype, name);
}

}  // namespace

Tensor add(const Operand& x, const Operand& y, Scalar alpha) {
  if (!x.is_scalar() && !y.is_scalar() && alpha.real() == 1 && !alpha.is_complex()) {
    Tensor z = join_add(x.tensor(), y.tensor());
    if (!z.defined()) z = join_add(y.tensor(), x.tensor());
    if (z.defined()) return z;
  }
  return add_scaled(BinaryOp::Add, "add", "AddBackward0", x, y, alpha);
}

Tensor sub(const Operand& x, const Operand& y, Scalar alpha) {
  no_bool("sub", result_type(x, y));
  return add_scaled(BinaryOp::Sub, "sub", "SubBackward0", x, y, alpha);
}

Tensor mul(const Operand& x, const Operand& y) {
  const Tensor z = compute(BinaryOp::Mul, x, y, result_type(x, y), "mul");
  if (!recording_any(x, y)) return z;
  // Each factor is kept only for the other's gradient.
  const Tensor &tx = tensor_of(x), &ty = tensor_of(y);
  const Operand none{0};
  const bool grad_x = recording(tx), grad_y = recording(ty);
  const Dtype x_dtype = tx.defined() ? tx.dtype() : z.dtype(),
              y_dtype = ty.defined() ? ty.dtype() : z.dtype();
  record("MulBackward0", z, {&tx, &ty},
         [x = SavedOperand(grad_y ? x : none), y = SavedOperand(grad_x ? y : none), xs = shape_of(x),
          ys = shape_of(y), x_dtype, y_dtype](Back& b) -> Tensors {
           const Tensor& g = b.grad();
           return {b.needs(0) ? to(reduce_to(mul(g, conjugate(y.get(b))), xs), x_dtype) : Tensor(),
                   b.needs(1) ? to(reduce_to(mul(g, conjugate(x.get(b))), ys), y_dtype) : Tensor()};
         });
  return z;
}

Tensor div(const Operand& x, const Operand& y) {
  const Tensor z = compute(BinaryOp::Div, x, y, float_type(x, y), "div");
  if (recording_any(x, y))
    record_two("DivBackward0", z, x, y, [](const Tensor& g, const Operand& x, const Operand& y, bool first) {
      return first ? div(g, y) : neg(mul(g, div(div(x, y), y)));
    });
  return z;
}

Tensor floor_divide(const Operand& x, const Operand& y) {
  const Dtype dtype = no_bool("floor_divide", result_type(x, y));
  check_integer_division("floor_divide", y, dtype);
  return flat("DivBackward0", compute(BinaryOp::FloorDiv, x, y, dtype, "floor_divide"), x, y);
}

Tensor trunc_divide(const Operand& x, const Operand& y) {
  const Dtype dtype = no_bool("div", result_type(x, y));
  check_integer_division("div", y, dtype);
  return flat("DivBackward0", compute(BinaryOp::TruncDiv, x, y, dtype, "div"), x, y);
}

Tensor remainder(const Operand& x, const Operand& y) {
  const Dtype dtype = no_bool("remainder", result_type(x, y));
  check_integer_division("remainder", y, dtype);
  const Tensor z = compute(BinaryOp::Remainder, x, y, dtype, "remainder");
  if (recording_any(x, y))
    record_two("RemainderBackward0", z, x, y,
               [](const Tensor& g, const Operand& x, const Operand& y, bool first) {
                 return first ? g : neg(mul(g, floor_divide(x, y)));
               });
  return z;
}

Tensor fmod(const Operand& x, const Operand& y) {
  const Dtype dtype = no_bool("fmod", result_type(x, y));
  check_integer_division("fmod", y, dtype);
  const Tensor z = compute(BinaryOp::Fmod, x, y, dtype, "fmod");
  if (recording_any(x, y))
    record_two("FmodBackward0", z, x, y, [](const Tensor& g, const Operand& x, const Operand& y, bool first) {
      return first ? g : neg(mul(g, trunc_divide(x, y)));
    });
  return z;
}

namespace {
Tensor not_below_zero(const Operand& y) { return ge(y.is_scalar() ? y : Operand(real(y.tensor())), 0); }
}  // namespace

Tensor pow(const Operand& x, const Operand& y) {
  const Dtype dtype = result_type(x, y);
  if (!is_inexact(dtype) && y.is_scalar() && y.scalar().to_double() < 0)
    fail<Error>("pow: Integers to negative integer powers are not allowed.");
  if (y.is_scalar() && !x.is_scalar() &&
      x.tensor().dtype() == dtype) {  // the usual powers have kernels of their own
    const double e = y.scalar().to_double();
    if (e == 2 && dtype != Dtype::Bool) return square(x.tensor());
    if (e == 3 && is_floating(dtype)) return cube(x.tensor());
    if (is_inexact(dtype)) {
      if (e == 1) return add(x, 0);
      if (e == 0.5) return sqrt(x.tensor());
      if (e == -1) return reciprocal(x.tensor());
      if (e == -0.5) return rsqrt(x.tensor());
    }
  }
  const Tensor z = compute(BinaryOp::Pow, x, y, dtype, "pow");
  if (recording_any(x, y))
    record_two("PowBackward0", z, x, y, [](const Tensor& g, const Operand& x, const Operand& y, bool first) {
      if (first) {
        if (y.is_scalar()) {
          const double e = y.scalar().to_double();
          return e == 0 ? full_like(g, 0) : mul(g, mul(pow(x, e - 1), e));
        }
        return where(eq(y, 0), 0.0, mul(g, mul(y, pow(x, sub(y, 1)))));
      }
      const Tensor power = pow(x, y);
      const Tensor base = x.is_scalar() ? full(Shape(), x.scalar(), power.dtype()) : x.tensor();
      return where(logical_and(eq(base, 0), not_below_zero(y)), 0.0, mul(g, mul(power, log(base))));
    });
  return z;
}

namespace {
Operand squared(const Operand& x) {
  if (!x.is_scalar()) return square(x.tensor());
  const double value = x.scalar().to_double();
  return value * value;
}
}  // namespace

Tensor atan2(const Operand& x, const Operand& y) {
  const Tensor z = compute(BinaryOp::Atan2, x, y, float_type(x, y), "atan2");
  if (recording_any(x, y))
    record_two("Atan2Backward0", z, x, y,
               [](const Tensor& g, const Operand& x, const Operand& y, bool first) {
                 const Tensor r2 = add(squared(x), squared(y));
                 const Tensor part = div(g, r2);
                 return masked_fill(first ? mul(part, y) : neg(mul(part, x)), eq(r2, 0), 0);
               });
  return z;
}

Tensor hypot(const Operand& x, const Operand& y) {
  const Tensor z = compute(BinaryOp::Hypot, x, y, float_type(x, y), "hypot");
  if (recording_any(x, y))
    record_two("HypotBackward0", z, x, y,
               [](const Tensor& g, const Operand& x, const Operand& y, bool first) {
                 return mul(g, div(first ? x : y, hypot(x, y)));
               });
  return z;
}

Tensor maximum(const Operand& x, const Operand& y) {
  return extreme(BinaryOp::Maximum, "maximum", "MaximumBackward0", x, y);
}
Tensor minimum(const Operand& x, const Operand& y) {
  return extreme(BinaryOp::Minimum, "minimum", "MinimumBackward0", x, y);
}
Tensor fmax(const Operand& x, const Operand& y) {
  return extreme(BinaryOp::Fmax, "fmax", "FmaxBackward0", x, y);
}
Tensor fmin(const Operand& x, const Operand& y) {
  return extreme(BinaryOp::Fmin, "fmin", "FminBackward0", x, y);
}

Tensor copysign(const Operand& x, const Operand& y) {
  const Tensor z = compute(BinaryOp::Copysign, x, y, float_type(x, y), "copysign");
  if (recording_any(x, y))
    record_two("CopysignBackward0", z, x, y,
               [](const Tensor& g, const Operand& x, const Operand& y, bool first) {
                 if (!first) return full_like(g, 0);
                 return masked_fill(mul(g, mul(sign(x.tensor()), copysign(full_like(x.tensor(), 1), y))),
                                    eq(x, 0), 0);
               });
  return z;
}

Tensor xlogy(const Operand& x, const Operand& y) {
  const Tensor z = compute(BinaryOp::Xlogy, x, y, float_type(x, y), "xlogy");
  if (recording_any(x, y))
    record_two("XlogyBackward0", z, x, y,
               [](const Tensor& g, const Operand& x, const Operand& y, bool first) {
                 if (!first) return mul(g, div(x, y));
                 const Tensor base = y.is_scalar() ? full(Shape(), y.scalar(), g.dtype()) : y.tensor();
                 return mul(g, masked_fill(log(base), logical_and(eq(x, 0), le(base, 0)), 0));
               });
  return z;
}

Tensor logaddexp(const Operand& x, const Operand& y) {
  const Tensor z = compute(BinaryOp::Logaddexp, x, y, float_type(x, y), "logaddexp");
  if (recording_any(x, y))
    record_two("LogaddexpBackward0", z, x, y,
               [](const Tensor& g, const Operand& x, const Operand& y, bool first) {
                 return mul(g, exp(sub(first ? x : y, logaddexp(x, y))));
               });
  return z;
}

Tensor logaddexp2(const Operand& x, const Operand& y) {
  const Tensor z = compute(BinaryOp::Logaddexp2, x, y, float_type(x, y), "logaddexp2");
  if (recording_any(x, y))
    record_two("Logaddexp2Backward0", z, x, y,
               [](const Tensor& g, const Operand& x, const Operand& y, bool first) {
                 return mul(g, exp2(sub(first ? x : y, logaddexp2(x, y))));
               });
  return z;
}

Tensor nextafter(const Operand& x, const Operand& y) {
  const Tensor z = compute(BinaryOp::Nextafter, x, y, float_type(x, y), "nextafter");
  if (recording_any(x, y))
    record_two("NextafterBackward0", z, x, y,
               [](const Tensor& g, const Operand& x, const Operand& y, bool first) {
                 return first ? where(eq(x, y), 0.0, g) : full_like(g, 0);
               });
  return z;
}
Tensor bitwise_and(const Operand& x, const Operand& y) {
  return bitwise(BinaryOp::BitwiseAnd, "bitwise_and", x, y);
}
Tensor bitwise_or(const Operand& x, const Operand& y) {
  return bitwise(BinaryOp::BitwiseOr, "bitwise_or", x, y);
}
Tensor bitwise_xor(const Operand& x, const Operand& y) {
  return bitwise(BinaryOp::BitwiseXor, "bitwise_xor", x, y);
}
Tensor bitwise_left_shift(const Operand& x, const Operand& y) {
  return bitwise(BinaryOp::ShiftLeft, "bitwise_left_shift", x, y);
}
Tensor bitwise_right_shift(const Operand& x, const Operand& y) {
  return bitwise(BinaryOp::ShiftRight, "bitwise_right_shift", x, y);
}

Tensor binary_(const Tensor& x, const Operand& y, BinaryFunction function) {
  return change(x, y, [&](const Tensor& self) { return function(self, y); });
}
Tensor add_(const Tensor& x, const Operand& y, Scalar alpha) {
  return change(x, y, [&](const Tensor& self) { return add(self, y, alpha); });
}

}  // namespace lamina::ops
