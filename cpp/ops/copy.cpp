// Moving values: between dtypes, layouts and tensors.
#include "ops/complex.h"
#include "ops/inplace.h"

namespace lamina::ops {
namespace {

// Complex numbers of 8 bytes as integers of 8 bytes, where they lie as those do.
bool moves_whole(const Tensor& x) {
  return x.dtype() == Dtype::Complex64 && reinterpret_cast<uintptr_t>(x.data()) % sizeof(int64_t) == 0;
}
Tensor whole(const Tensor& x) {
  Tensor y = alias(x);
  y.impl()->dtype = Dtype::Int64;
  return y;
}

// out (any layout) = source, broadcast and converted.
void copy_values(const Tensor& out, const Tensor& source) {
  const bool to_complex = is_complex(out.dtype()), from_complex = is_complex(source.dtype());
  if (to_complex && from_complex) {
    if (moves_whole(out) && moves_whole(source)) return copy_values(whole(out), whole(source));
    return copy_values(pairs(out), pairs(source));
  }
  if (to_complex) {
    fill_values(imag_part(out), 0);
    return copy_values(real_part(out), source);
  }
  if (from_complex)
    return copy_values(out, out.dtype() == Dtype::Bool ? ne(detach(source), 0) : real_part(source));
  Walk walk;
  if (WalkBuilder(out.shape()).operand(out).operand(source).build(&walk))
    out.kernels().copy(out.dtype(), source.dtype(), walk);
}

void record_copy(const char* name, const Tensor& y, const Tensor& x) {
  if (recording(x) && is_inexact(y.dtype()))
    record(name, y, {&x}, [dtype = x.dtype()](Back& back) -> Tensors { return {to(back.grad(), dtype)}; });
}

}  // namespace

Tensor to(const Tensor& x, Dtype dtype, bool copy) {
  if (x.dtype() == dtype) return copy ? clone(x) : x;
  const Tensor y = empty_like(x, dtype);
  copy_values(y, x);
  record_copy("ToCopyBackward0", y, x);
  return y;
}

Tensor clone(const Tensor& x) {
  const Tensor y = empty_like(x);
  copy_values(y, x);
  record_copy("CloneBackward0", y, x);
  return y;
}

Tensor contiguous(const Tensor& x) {
  if (x.is_contiguous()) return x;
  const Tensor y = empty(x.shape(), x.dtype());
  copy_values(y, x);
  record_copy("CloneBackward0", y, x);
  return y;
}

Tensor copy_(const Tensor& x, const Tensor& source) {
  if (broadcast(x.shape(), source.shape(), "copy_") != x.shape())
    fail<ShapeError>("copy_: source of shape ", source.shape(), " does not broadcast to ", x.shape());
  check_inplace(x, "copy_");
  if (recording(x, source)) return assign_(x, to(expand(source, x.shape()), x.dtype(), true));
  const bool overlaps = x.storage_ref() == source.storage_ref();
  copy_values(x, overlaps ? clone(source) : source);
  x.bump_version();
  return x;
}

Tensor fill_(const Tensor& x, const Operand& value) {
  if (!value.is_scalar()) {
    if (value.tensor().ndim() != 0)
      fail<ShapeError>("fill_: only supports 0-dimension value tensor but got shape ",
                       value.tensor().shape());
    if (is_complex(value.tensor().dtype()) && !is_complex(x.dtype()))
      fail<TypeError>("fill_: a complex value cannot be converted to ", name_of(x.dtype()));
    return copy_(x, value.tensor());
  }
  check_inplace(x, "fill_");
  if (recording(x)) return assign_(x, full_like(x, value.scalar()));
  fill_values(x, value.scalar());
  x.bump_version();
  return x;
}

Tensor cat(const Tensors& inputs, int64_t dim_number) {
  if (inputs.empty()) fail<ShapeError>("cat: expected a non-empty list of Tensors");
  Dtype dtype = inputs[0].dtype();
  const Tensor* model = nullptr;
  Tensors xs;
  for (const Tensor& x : inputs) {
    dtype = promote(dtype, x.dtype());
    if (x.ndim() == 0) fail<ShapeError>("cat: zero-dimensional tensor cannot be concatenated");
    if (x.ndim() == 1 && x.numel() == 0) continue;  // an empty list of nothing fits everywhere
    xs.push_back(x);
  }
  if (xs.empty()) return to(inputs[0], dtype, true);
  model = &xs[0];
  const int dim = wrap_dim(dim_number, model->ndim(), "cat");
  Shape shape = model->shape();
  shape[dim] = 0;
  std::vector<int64_t> sizes;
  for (Tensor& x : xs) {
    bool fits = x.ndim() == shape.size();
    for (int d = 0; fits && d < shape.size(); ++d) fits = d == dim || x.size(d) == shape[d];
    if (!fits)
      fail<ShapeError>("cat: Sizes of tensors must match except in dimension ", dim, ": got ", x.shape(),
                       " beside ", model->shape());
    x = to(x, dtype);
    sizes.push_back(x.size(dim));
    shape[dim] += x.size(dim);
  }
  const Tensor y = empty(shape, dtype);
  int64_t start = 0;
  for (const Tensor& x : xs) {
    copy_values(alias(y, x.shape(), y.strides(), start * y.strides()[dim]), x);
    start += x.size(dim);
  }
  if (recording(xs))
    record("CatBackward0", Tensors{y}, xs, [sizes, dim](Back& back) -> Tensors {
      Tensors grads;
      int64_t start = 0;
      for (size_t i = 0; i < sizes.size(); start += sizes[i++])
        grads.push_back(back.needs(static_cast<int>(i)) ? slice(back.grad(), dim, start, start + sizes[i], 1)
                                                        : Tensor());
      return grads;
    });
  return y;
}

Tensor stack(const Tensors& xs, int64_t dim_number) {
  if (xs.empty()) fail<ShapeError>("stack: expected a non-empty list of Tensors");
  const int dim = wrap_dim(dim_number, xs[0].ndim() + 1, "stack");
  Tensors raised;
  for (const Tensor& x : xs) {
    if (x.shape() != xs[0].shape())
      fail<ShapeError>("stack: expects each tensor to be equal size, but got ", xs[0].shape(), " and ",
                       x.shape());
    raised.push_back(unsqueeze(x, dim));
  }
  return cat(raised, dim);
}

}  // namespace lamina::ops

namespace lamina {

void fill_values(const Tensor& x, Scalar value) {
  if (is_complex(x.dtype())) {
    fill_values(ops::real_part(x), value.real());
    return fill_values(ops::imag_part(x), value.imag);
  }
  value.to_double();  // refuses complex numbers
  Walk walk;
  if (WalkBuilder(x.shape()).operand(x).build(&walk)) x.kernels().fill(x.dtype(), walk, value);
}

}  // namespace lamina
