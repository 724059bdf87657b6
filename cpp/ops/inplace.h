// Changing tensors in place: straight into their memory where nothing is recorded, with a rewritten history
// where it is.
#pragma once

#include "ops/walk.h"

namespace lamina {

// While it lives, the next elementwise result of x's shape and dtype is written into x itself.
class IntoTarget {
 public:
  explicit IntoTarget(const Tensor& x);
  ~IntoTarget();
  bool taken() const;
  static Tensor take(const Shape& shape, Dtype dtype);  // undefined where nothing waits

 private:
  const Tensor* before_;
};

// May x be changed in place now? Error for tensors that repeat a place in memory, and while recording for
// leaves that want a gradient (and views of them).
void check_inplace(const Tensor& x, const char* op);

namespace ops {

// The gradient of a tensor laid out as shape/strides from `origin`, given that of a look at the same storage
// through view_strides from view_offset. Places that the view repeats add up.
Tensor strided_grad(const Tensor& g, const Shape& shape, const Shape& strides, int64_t origin,
                    const Shape& view_strides, int64_t view_offset);

// Puts the result of a computation into x: x then has the history of `value`. With `take` it gets the memory
// of the result, which is laid out as x is, instead of a copy.
Tensor assign_(const Tensor& x, const Tensor& value, bool take = false);

// x itself looks at its memory as `view` does, which is a view of it, and takes over its history.
Tensor become_(const Tensor& x, const Tensor& view);

// In-place forms that compute straight into x where no gradient is recorded.
using UnaryFunction = Tensor (*)(const Tensor&);
Tensor unary_(const Tensor& x, UnaryFunction function);
using BinaryFunction = Tensor (*)(const Operand&, const Operand&);
Tensor binary_(const Tensor& x, const Operand& y, BinaryFunction function);
Tensor add_(const Tensor& x, const Operand& y, Scalar alpha = 1);

// Straight into x where nothing is recorded and no memory is shared.
Tensor index_add_(const Tensor& x, int64_t dim, const Tensor& index, const Tensor& source, Scalar alpha);
Tensor scatter_(const Tensor& x, int64_t dim, const Tensor& index, const Tensor& source, WriteMode mode);

// x = f(x), where f is one elementwise kernel that may also read y.
template <class F>
Tensor change(const Tensor& x, const Operand& y, F f) {
  const bool other = !y.is_scalar() && !y.tensor().same(x);
  const bool overlaps = other && y.tensor().storage_ref() == x.storage_ref();
  if (recording(x) || (other && recording(y.tensor())) || overlaps) {
    const int64_t owners = x.storage_ref()->owners();
    Tensor value = f(x);
    const bool fresh = value.storage_ref() != x.storage_ref() && value.dtype() == x.dtype() &&
                       value.shape() == x.shape() && value.strides() == x.strides();
    if (owners == 1 && !x.storage().is_shared() && fresh) return assign_(x, value, true);
    const bool kept =
        x.storage_ref()->owners() != owners;  // the way back needs the old x: compute from a copy of it
    return assign_(x, kept && value.storage_ref() != x.storage_ref() ? f(clone(x)) : value);
  }
  check_inplace(x, "in-place operation");
  bool into;
  Tensor result;
  {
    IntoTarget target(x);
    result = f(x);
    into = target.taken();
  }
  if (!into || result.storage_ref() != x.storage_ref() || result.offset() != x.offset())
    return assign_(x, result);
  x.bump_version();
  return x;
}

}  // namespace ops
}  // namespace lamina
