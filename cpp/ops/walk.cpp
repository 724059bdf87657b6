// Building walks: the one place where shapes and strides become what kernels loop over.
#include "ops/walk.h"

#include <algorithm>
#include <cstring>

#include "ops/inplace.h"

namespace lamina {

WalkBuilder& WalkBuilder::operand(void* data, const Shape& shape, const Shape& strides) {
  const int i = count_++;
  data_[i] = data;
  single_[i] = false;
  if (shape == shape_) {
    // Sizes of 1 may carry any stride; what is contiguous apart from them is flat as well.
    int64_t expected = 1;
    bool dense = true;
    for (int d = shape.size() - 1; d >= 0 && dense; --d) {
      dense = shape[d] == 1 || strides[d] == expected;
      expected *= shape[d];
    }
    flat_ &= dense;
    strides_[i] = strides;
    return *this;
  }
  strides_[i] = Shape(shape_.size(), 0);
  const int lead = shape_.size() - shape.size();
  bool single = true;
  for (int d = 0; d < shape.size(); ++d) {
    if (shape[d] == 1) continue;
    strides_[i][lead + d] = strides[d];
    single = false;
  }
  single_[i] = single;
  flat_ &= single;
  return *this;
}

bool WalkBuilder::build_flat(Walk* walk) const {
  int64_t n = 1;
  for (int64_t size : shape_) n *= size;
  walk->ndim = n == 1 ? 0 : 1;
  walk->shape[0] = n;
  for (int i = 0; i < count_; ++i) walk->strides[i][0] = single_[i] ? 0 : 1;
  return n != 0;
}

bool WalkBuilder::build(Walk* walk) {
  walk->operands = count_;
  for (int i = 0; i < count_; ++i) walk->data[i] = data_[i];
  if (flat_) return build_flat(walk);
  int order[kMaxDim];
  int n = 0;
  for (int d = 0; d < shape_.size(); ++d) {
    if (shape_[d] == 0) return false;
    if (shape_[d] != 1) order[n++] = d;
  }
  // Outermost first: the largest stride of the output; ties (an output that repeats) by the next operand.
  std::stable_sort(order, order + n, [this](int a, int b) {
    for (int i = 0; i < count_; ++i)
      if (strides_[i][a] != strides_[i][b]) return strides_[i][a] > strides_[i][b];
    return false;
  });
  int ndim = 0;
  for (int k = 0; k < n; ++k) {
    const int d = order[k];
    bool merge = ndim > 0;
    for (int i = 0; i < count_ && merge; ++i)
      merge = walk->strides[i][ndim - 1] == strides_[i][d] * shape_[d];
    if (!merge) walk->shape[ndim++] = 1;
    walk->shape[ndim - 1] *= shape_[d];
    for (int i = 0; i < count_; ++i) walk->strides[i][ndim - 1] = strides_[i][d];
  }
  walk->ndim = ndim;
  return true;
}

Tensor elementwise_result(const Shape& shape, Dtype dtype, std::initializer_list<const Tensor*> inputs) {
  Tensor out = IntoTarget::take(shape, dtype);
  if (out.defined()) return out;
  for (const Tensor* x : inputs)
    if (x->defined() && x->shape() == shape) return empty_like(*x, dtype);
  return empty(shape, dtype);
}

Element::Element(Scalar value, Dtype dtype) {
  if (dtype == Dtype::Float32) {
    const float f = static_cast<float>(value.to_double());
    std::memcpy(bytes, &f, sizeof f);
    return;
  }
  Walk walk;
  walk.ndim = 0;
  walk.operands = 1;
  walk.data[0] = bytes;
  cpu().kernels().fill(dtype, walk, value);
}

Tensor reduce_to(const Tensor& g, const Shape& shape) {
  if (g.shape() == shape) return g;
  Dims dims;
  const int lead = g.ndim() - shape.size();
  for (int d = 0; d < g.ndim(); ++d)
    if (d < lead || (shape[d - lead] == 1 && g.size(d) != 1)) dims.push_back(d);
  const Tensor summed = dims.empty() ? g : ops::sum(g, dims, true);
  return lead ? ops::reshape(summed, shape) : summed;
}

Tensor Operand::complex_number(Scalar scalar) {
  const Tensor x = ops::full(Shape(), scalar, Dtype::Complex128);
  x.impl()->wrapped = true;
  return x;
}

// Kinds of operands, weakest first: a number, a 0-d tensor, a tensor. Within a kind dtypes promote; a weaker
// kind counts only where its category (bool, integer, float, complex) is higher.
Dtype result_type(const Operand& x, const Operand& y) {
  if (!x.is_scalar() && !y.is_scalar() && x.tensor().dtype() == y.tensor().dtype()) return x.tensor().dtype();
  const auto rank = [](const Operand& o) {
    return o.is_scalar() || o.tensor().impl()->wrapped ? 0 : o.tensor().ndim() == 0 ? 1 : 2;
  };
  const auto dtype = [](const Operand& o) {
    if (!o.is_scalar()) {
      if (!o.tensor().impl()->wrapped) return o.tensor().dtype();
      if (is_complex(o.tensor().dtype())) return complex_of(default_float());
      return is_floating(o.tensor().dtype()) ? default_float() : o.tensor().dtype();
    }
    switch (o.scalar().kind) {
      case Scalar::Kind::Bool:
        return Dtype::Bool;
      case Scalar::Kind::Int:
        return Dtype::Int64;
      default:
        return default_float();
    }
  };
  Dtype a = dtype(x), b = dtype(y);
  int ra = rank(x), rb = rank(y);
  if (ra == rb) return promote(a, b);
  if (ra < rb) {
    std::swap(a, b);
    std::swap(ra, rb);
  }
  if (is_floating(a) && is_complex(b)) return complex_of(a);
  return category_of(b) > category_of(a) ? promote(a, b) : a;
}

}  // namespace lamina
