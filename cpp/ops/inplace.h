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

// Puts the result of a computation into x: x then has the history of `value`. With `take` x also takes the
// memory of `value`, and what has kept x's old memory for the way back goes on with that.
Tensor assign_(const Tensor& x, const Tensor& value, bool take = false);

// May x, whose memory was its alone, take that of a `value` computed from it? Not if anybody outside looks at
// it.
bool can_take(const Tensor& x, const Tensor& value);

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

// x = f(x) with its history. `fresh`: f gives nobody its result but the way back. Where f keeps x for the way
// back and x cannot leave its memory to that, f reads a copy that outlives the old values.
template <class F>
Tensor rewrite(const Tensor& x, F f, bool fresh = false) {
  const int64_t owners = x.storage_ref()->owners();
  const Tensor value = f(x);
  if (value.storage_ref() == x.storage_ref()) return assign_(x, value);
  if (owners == 1 && (fresh || unseen(value)) && can_take(x, value)) return assign_(x, value, true);
  const bool kept = x.storage_ref()->owners() != owners;
  return assign_(x, kept ? f(clone(x)) : value);
}

// The same for one elementwise kernel that may also read y: straight into x where nothing is recorded.
template <class F>
Tensor change(const Tensor& x, const Operand& y, F f) {
  const bool other = !y.is_scalar() && !y.tensor().same(x);
  const bool overlaps = other && y.tensor().storage_ref() == x.storage_ref();
  const bool composed = is_complex(x.dtype()) || (!y.is_scalar() && is_complex(y.tensor().dtype()));
  if (recording(x) || (other && recording(y.tensor())) || overlaps || composed) return rewrite(x, f, !other);
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
