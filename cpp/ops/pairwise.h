// What ops of two operands share: bringing both to one dtype and onto one walk, and recording them.
#pragma once

#include "ops/walk.h"

namespace lamina::ops {

// An operand kept for the way back.
struct SavedOperand {
  Saved tensor;
  Scalar scalar;
  explicit SavedOperand(const Operand& x)
      : tensor(x.is_scalar() ? Saved() : Saved(x.tensor())), scalar(x.scalar()) {}
  Operand get(const Back& back) const {
    return tensor.defined() ? Operand(tensor.get(back)) : Operand(scalar);
  }
};

inline const Tensor& tensor_of(const Operand& x) { return x.tensor(); }  // undefined for a number
inline Shape shape_of(const Operand& x) { return x.is_scalar() ? Shape() : x.tensor().shape(); }
inline bool recording_any(const Operand& x, const Operand& y) {
  return recording(tensor_of(x), tensor_of(y));
}

inline Operand convert(const Operand& x, Dtype dtype) {
  return x.is_scalar() || x.tensor().dtype() == dtype ? x : Operand(to(x.tensor(), dtype));
}

inline Shape shape_together(const Operand& x, const Operand& y, const char* op) {
  if (x.is_scalar() || y.is_scalar()) return shape_of(x.is_scalar() ? y : x);
  return broadcast(x.tensor().shape(), y.tensor().shape(), op);
}

// Two operands of one dtype on a walk. Element holds the bytes of a number while the kernel runs.
struct Two {
  Operand x, y;
  Dtype dtype;
  Shape shape;
  Element x_value, y_value;

  Two(const Operand& a, const Operand& b, Dtype common, const char* op)
      : x(convert(a, common)),
        y(convert(b, common)),
        dtype(common),
        shape(shape_together(x, y, op)),
        x_value(x.is_scalar() ? x.scalar() : Scalar(), x.is_scalar() ? common : Dtype::Float32),
        y_value(y.is_scalar() ? y.scalar() : Scalar(), y.is_scalar() ? common : Dtype::Float32) {}
  Tensor result(Dtype out_dtype) const {
    return elementwise_result(shape, out_dtype, {&tensor_of(x), &tensor_of(y)});
  }
  bool walk(const Tensor& out, Walk* walk) const {
    WalkBuilder builder(shape);
    builder.operand(out);
    x.is_scalar() ? builder.value(x_value.bytes) : builder.operand(x.tensor());
    y.is_scalar() ? builder.value(y_value.bytes) : builder.operand(y.tensor());
    return builder.build(walk);
  }
};

inline Operand conjugate(const Operand& x) { return x.is_scalar() ? x : Operand(conj(x.tensor())); }

// Records z = f(x, y). `back(g, x, y, wants_x)` gives the gradient of one side before broadcasting is undone:
// g times the slope, which of complex numbers is conjugated.
template <class F>
void record_two(const char* name, const Tensor& z, const Operand& x, const Operand& y, F back) {
  const Tensor &tx = tensor_of(x), &ty = tensor_of(y);
  record(name, z, {&tx, &ty}, [x = SavedOperand(x), y = SavedOperand(y), back](Back& b) -> Tensors {
    const Operand xs = x.get(b), ys = y.get(b);
    const auto side = [&](int i, const Operand& operand) {
      if (!b.needs(i)) return Tensor();
      const Tensor g = conj(back(conj(b.grad()), xs, ys, i == 0));
      return to(reduce_to(g, operand.tensor().shape()), operand.tensor().dtype());
    };
    return {side(0, xs), side(1, ys)};
  });
}

}  // namespace lamina::ops
