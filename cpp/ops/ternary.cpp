// Elementwise ops of three operands: where, lerp, addcmul, addcdiv, and nan_to_num, whose numbers are
// operands.
#include "ops/complex.h"

namespace lamina::ops {
namespace {

Tensor ternary(TernaryOp op, const Tensor& x, const Tensor& y, const Tensor& z, Dtype dtype, const char* name,
               double p0 = 0) {
  if (is_complex(dtype))  // where alone
    return complex_look(ternary(op, unsqueeze(x, x.ndim()), pairs(y), pairs(z), real_of(dtype), name));
  const Shape shape = broadcast(broadcast(x.shape(), y.shape(), name), z.shape(), name);
  const Tensor out = elementwise_result(shape, dtype, {&x, &y, &z});
  Walk walk;
  if (WalkBuilder(shape).operand(out).operand(x).operand(y).operand(z).build(&walk))
    x.kernels().ternary(op, dtype, walk, &p0);
  return out;
}

void same_float(const char* op, const Tensor& x, const Tensor& y, const Tensor& z) {
  if (!is_floating(x.dtype()) || x.dtype() != y.dtype() || x.dtype() != z.dtype())
    fail<TypeError>(op, ": expected one floating dtype, got ", name_of(x.dtype()), ", ", name_of(y.dtype()),
                    " and ", name_of(z.dtype()));
}

Tensor as_tensor(const Operand& x, Dtype dtype) {
  return x.is_scalar() ? full(Shape(), x.scalar(), dtype) : to(x.tensor(), dtype);
}

}  // namespace

Tensor where(const Tensor& condition, const Operand& x, const Operand& y) {
  if (condition.dtype() != Dtype::Bool)
    fail<TypeError>("where: expected condition to be a bool tensor, got ", name_of(condition.dtype()));
  const Dtype dtype = result_type(x, y);
  const Tensor a = as_tensor(x, dtype), b = as_tensor(y, dtype);
  const Tensor out = ternary(TernaryOp::Where, condition, a, b, dtype, "where");
  if (recording(a, b))
    record("WhereBackward0", out, {&a, &b},
           [c = Saved(condition), as = a.shape(), bs = b.shape()](Back& back) -> Tensors {
             const Tensor& g = back.grad();
             const Tensor mask = c.get(back);
             return {back.needs(0) ? reduce_to(where(mask, g, 0), as) : Tensor(),
                     back.needs(1) ? reduce_to(where(mask, 0, g), bs) : Tensor()};
           });
  return out;
}

Tensor lerp(const Tensor& x, const Tensor& y, const Operand& weight) {
  const Tensor w = as_tensor(weight, x.dtype());
  if (is_complex(x.dtype()) && y.dtype() == x.dtype()) return add(x, mul(w, sub(y, x)));
  same_float("lerp", x, y, w);
  const Tensor out = ternary(TernaryOp::Lerp, x, y, w, x.dtype(), "lerp");
  if (recording(x, y, w))
    record("LerpBackward0", out, {&x, &y, &w},
           [x = Saved(x), y = Saved(y), w = Saved(w)](Back& back) -> Tensors {
             const Tensor& g = back.grad();
             const Tensor xs = x.get(back), ys = y.get(back), ws = w.get(back);
             return {back.needs(0) ? reduce_to(mul(g, sub(1, ws)), xs.shape()) : Tensor(),
                     back.needs(1) ? reduce_to(mul(g, ws), ys.shape()) : Tensor(),
                     back.needs(2) ? reduce_to(mul(g, sub(ys, xs)), ws.shape()) : Tensor()};
           });
  return out;
}

Tensor addcmul(const Tensor& x, const Tensor& y, const Tensor& z, Scalar value) {
  const Dtype dtype = promote(promote(x.dtype(), y.dtype()), z.dtype());
  if (!is_floating(dtype) || value.is_complex()) return add(x, mul(mul(y, z), value));
  const Tensor a = to(x, dtype), b = to(y, dtype), c = to(z, dtype);
  const double v = value.to_double();
  const Tensor out = ternary(TernaryOp::Addcmul, a, b, c, dtype, "addcmul", v);
  if (recording(a, b, c))
    record("AddcmulBackward0", out, {&a, &b, &c},
           [xs = a.shape(), b = Saved(b), c = Saved(c), v](Back& back) -> Tensors {
             const Tensor& g = back.grad();
             const Tensor y = b.get(back), z = c.get(back);
             return {back.needs(0) ? reduce_to(g, xs) : Tensor(),
                     back.needs(1) ? reduce_to(mul(mul(g, z), v), y.shape()) : Tensor(),
                     back.needs(2) ? reduce_to(mul(mul(g, y), v), z.shape()) : Tensor()};
           });
  return out;
}

Tensor addcdiv(const Tensor& x, const Tensor& y, const Tensor& z, Scalar value) {
  const Dtype dtype = promote(promote(x.dtype(), y.dtype()), z.dtype());
  if (is_complex(dtype)) return add(x, mul(div(y, z), value));
  if (!is_floating(dtype))
    fail<TypeError>("addcdiv: Integer division with addcdiv is not supported; convert to a floating dtype");
  const Tensor a = to(x, dtype), b = to(y, dtype), c = to(z, dtype);
  const double v = value.to_double();
  const Tensor out = ternary(TernaryOp::Addcdiv, a, b, c, dtype, "addcdiv", v);
  if (recording(a, b, c))
    record("AddcdivBackward0", out, {&a, &b, &c},
           [xs = a.shape(), b = Saved(b), c = Saved(c), v](Back& back) -> Tensors {
             const Tensor& g = back.grad();
             const Tensor y = b.get(back), z = c.get(back);
             return {back.needs(0) ? reduce_to(g, xs) : Tensor(),
                     back.needs(1) ? reduce_to(mul(div(g, z), v), y.shape()) : Tensor(),
                     back.needs(2) ? reduce_to(mul(mul(g, div(div(y, z), z)), -v), z.shape()) : Tensor()};
           });
  return out;
}

Tensor nan_to_num(const Tensor& x, double nan, double posinf, double neginf) {
  const Tensor high = full(Shape(), Scalar(posinf), x.dtype()),
               low = full(Shape(), Scalar(neginf), x.dtype());
  const Tensor out = ternary(TernaryOp::NanToNum, x, high, low, x.dtype(), "nan_to_num", nan);
  if (recording(x))
    record("NanToNumBackward0", out, {&x},
           [x = Saved(x)](Back& back) -> Tensors { return {where(isfinite(x.get(back)), back.grad(), 0)}; });
  return out;
}

}  // namespace lamina::ops
