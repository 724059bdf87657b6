// Masks: filling and picking by them, the positions of what is true, and masks among indices.
#include "ops/mask.h"

#include "ops/walk.h"

namespace lamina::ops {
namespace {

// May dimensions [at, at + n) of x be walked as one?
bool dense(const Tensor& x, int at, int n) {
  for (int d = at; d + 1 < at + n; ++d)
    if (x.strides()[d] != x.strides()[d + 1] * x.size(d + 1)) return false;
  return true;
}

// A mask over dimensions that may be walked as one is a mask over one dimension of their length: its
// positions are single numbers.
void merge(Tensor* x, Tensors* indices) {
  int at = 0;
  for (Tensor& index : *indices) {
    const int n = index.defined() && index.dtype() == Dtype::Bool ? index.ndim() : 1;
    bool fits = n > 1 && at + n <= x->ndim() && dense(*x, at, n);
    for (int d = 0; fits && d < n; ++d) fits = index.size(d) == x->size(at + d);
    if (!fits) {
      at += n;
      continue;
    }
    Shape shape, strides;
    for (int d = 0; d < x->ndim(); ++d) {
      if (d > at && d < at + n) continue;
      shape.push_back(d == at ? index.numel() : x->size(d));
      strides.push_back(x->strides()[d == at ? at + n - 1 : d]);
    }
    *x = alias(*x, shape, strides, x->offset());
    index = reshape(index, {index.numel()});
    ++at;
  }
}

}  // namespace

Tensors without_masks(Tensor* table, const Tensors& raw) {
  Tensors out, indices = raw;
  merge(table, &indices);
  const Tensor& x = *table;
  for (const Tensor& index : indices) {
    if (!index.defined() || (index.dtype() != Dtype::Bool)) {
      out.push_back(index);
      continue;
    }
    const int at = static_cast<int>(out.size());
    for (int d = 0; d < index.ndim(); ++d)
      if (at + d >= x.ndim() || index.size(d) != x.size(at + d))
        fail<IndexError>("index: The shape of the mask ", index.shape(), " at index ", d,
                         " does not match the shape of the indexed tensor ", x.shape());
    const Tensor positions = nonzero(index);
    for (int d = 0; d < index.ndim(); ++d) out.push_back(select(positions, 1, d));
  }
  if (static_cast<int>(out.size()) > x.ndim())
    fail<IndexError>("index: too many indices for tensor of dimension ", x.ndim(), " (got ", out.size(), ")");
  out.resize(x.ndim());
  return out;
}

Tensor masked_fill(const Tensor& x, const Tensor& mask, const Operand& value) {
  if (mask.dtype() != Dtype::Bool)
    fail<TypeError>("masked_fill: only supports boolean masks, but got mask with dtype ",
                    name_of(mask.dtype()));
  if (!value.is_scalar() && value.tensor().ndim() != 0)
    fail<ShapeError>("masked_fill: only supports a 0-dimensional value tensor, but got tensor of shape ",
                     value.tensor().shape());
  if (!value.is_scalar() && is_complex(value.tensor().dtype()) && !is_complex(x.dtype()))
    fail<TypeError>("masked_fill: a complex value cannot be converted to ", name_of(x.dtype()));
  return where(
      mask, value.is_scalar() ? full(Shape(), value.scalar(), x.dtype()) : to(value.tensor(), x.dtype()), x);
}

Tensor masked_select(const Tensor& x, const Tensor& mask) {
  if (mask.dtype() != Dtype::Bool)
    fail<TypeError>("masked_select: expected BoolTensor for mask, got ", name_of(mask.dtype()));
  const Shape shape = broadcast(x.shape(), mask.shape(), "masked_select");
  return index(reshape(expand(x, shape), {-1}), {reshape(expand(mask, shape), {-1})});
}

Tensor nonzero(const Tensor& x) {
  if (is_complex(x.dtype())) return nonzero(ne(x, 0));
  const Tensor dense = contiguous(x);
  const int64_t count = x.numel() ? x.kernels().count_nonzero(x.dtype(), dense.data(), x.numel()) : 0;
  Tensor rest = empty({count}, Dtype::Int64);
  if (count) x.kernels().nonzero(x.dtype(), dense.data(), x.numel(), rest.data_as<int64_t>());
  const Tensor out = empty({count, x.ndim()}, Dtype::Int64);
  for (int d = x.ndim() - 1; d >= 0 && count; --d) {
    const Scalar size(x.size(d));
    copy_(select(out, 1, d), remainder(rest, size));
    rest = floor_divide(rest, size);
  }
  return out;
}

}  // namespace lamina::ops
