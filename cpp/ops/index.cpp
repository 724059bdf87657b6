// Reading and writing by index tensors. Every index is checked here, before a kernel sees it.
#include <algorithm>

#include "ops/complex.h"
#include "ops/inplace.h"
#include "ops/mask.h"
#include "ops/scatter.h"

namespace lamina::ops {
namespace {

// Only x[index] counts from the back; the ops with a dimension refuse negative indices, as PyTorch's do.
Tensor checked_index(const Tensor& index, int64_t size, int dim, const char* op, bool wraps = false) {
  if (!is_integral(index.dtype()))
    fail<TypeError>(op, ": expected an integer index tensor, got ", name_of(index.dtype()));
  const Tensor whole = to(detach(index), Dtype::Int64);
  if (whole.numel() == 0) return whole;
  const Tensor dense = contiguous(whole);
  int64_t lo, hi;
  dense.kernels().index_bounds(dense.data_as<int64_t>(), dense.numel(), &lo, &hi);
  if (lo < (wraps ? -size : 0) || hi >= size)
    fail<IndexError>(op, ": index ", hi >= size ? hi : lo, " is out of bounds for dimension ", dim,
                     " with size ", size);
  return whole;
}

// One indexed access: which shape it has, how the table is walked, which index steers it.
struct Access {
  Shape shape;          // of the values
  Shape table_strides;  // of the table in that shape, 0 along what the index replaces
  Tensor index;         // int64
  Shape index_strides;  // in that shape
  int64_t size = 1, stride = 0;

  // The kernel's view of `values` (this shape) against `table`; false where there is nothing to do.
  bool kernel(const Tensor& values, const Tensor& table, Index* out) const {
    if (is_complex(table.dtype())) return of_pairs().kernel(pairs(values), pairs(table), out);
    out->dtype = table.dtype();
    out->size = size;
    out->stride = stride;
    WalkBuilder builder(shape);
    builder.operand(values)
        .operand(table.data(), shape, table_strides)
        .operand(index.data(), shape, index_strides);
    return builder.build(&out->walk);
  }

  // The same access to both parts of every complex number.
  Access of_pairs() const {
    Access a = *this;
    // A 0-d table may be asked for one element in one dimension, and the other way round.
    if (a.table_strides.size() != shape.size()) a.table_strides = Shape(shape.size(), 0);
    if (a.index_strides.size() != shape.size()) a.index_strides = Shape(shape.size(), 0);
    a.shape.push_back(2);
    for (int64_t& step : a.table_strides) step *= 2;
    a.table_strides.push_back(1);
    a.index_strides.push_back(0);
    a.stride *= 2;
    return a;
  }
};

Tensor read(const Tensor& x, const Access& access) {
  const Tensor y = empty(access.shape, x.dtype());
  Index index;
  if (access.kernel(y, x, &index)) x.backend().kernels().index_read(index);
  return y;
}

void write(const Tensor& x, const Access& access, const Tensor& values, WriteMode mode) {
  Index index;
  if (mode != WriteMode::Assign && mode != WriteMode::Add) real_only("scatter_reduce", x);
  const Tensor v = to(values, x.dtype());
  if (access.kernel(v, x, &index)) x.backend().kernels().index_write(index, mode);
}

Access along(const Tensor& x, int dim, const Tensor& index, const char* op) {
  Access a;
  a.shape = index.shape();
  a.table_strides = x.ndim() ? x.strides() : Shape(index.ndim(), 0);
  a.size = x.ndim() ? x.size(dim) : 1;
  a.index = checked_index(index, a.size, dim, op);
  a.index_strides = a.index.strides();
  if (x.ndim()) {
    a.stride = x.strides()[dim];
    a.table_strides[dim] = 0;
  }
  return a;
}

// x[:, index, :] for a 1-d index.
Access rows(const Tensor& x, int dim, const Tensor& index, const char* op) {
  if (index.ndim() > 1) fail<IndexError>(op, ": Index is supposed to be a vector, got shape ", index.shape());
  const int64_t count = index.numel();
  if (x.ndim() == 0 && count != 1)
    fail<IndexError>(op, ": Index to scalar can have only 1 value, got ", count, " values");
  Access a;
  a.shape = x.shape();
  a.table_strides = x.strides();
  a.size = x.ndim() ? x.size(dim) : 1;
  a.index = checked_index(index, a.size, dim, op);
  a.index_strides = Shape(x.ndim(), 0);
  if (x.ndim()) {
    a.stride = x.strides()[dim];
    a.shape[dim] = count;
    a.table_strides[dim] = 0;
    a.index_strides[dim] = index.ndim() ? a.index.strides()[0] : 0;
  }
  return a;
}

Shape shape_of_indices(const Tensors& indices) {
  Shape common;
  try {
    for (const Tensor& index : indices)
      if (index.defined()) common = broadcast(common, index.shape(), "index");
  } catch (const ShapeError& mismatch) {
    fail<IndexError>(mismatch.what());
  }
  return common;
}

// Several index tensors are folded into one that counts elements of the table.
Access advanced(const Tensor& given, const Tensors& raw) {
  Tensor x = given;
  const Tensors indices = without_masks(&x, raw);
  const Shape common = shape_of_indices(indices);
  int first = -1, last = -1, count = 0;
  for (int d = 0; d < x.ndim(); ++d) {
    if (!indices[d].defined()) continue;
    if (first < 0) first = d;
    last = d;
    ++count;
  }
  if (count == 0) fail<IndexError>("index: expected at least one index tensor");
  const bool adjacent = last - first + 1 == count;
  Access a;
  for (int d = 0; d < x.ndim(); ++d) {
    if (!indices[d].defined()) continue;
    const Tensor index = checked_index(indices[d], x.size(d), d, "index", true);
    if (count == 1) {
      a.index = index;
      a.size = x.size(d);
      a.stride = x.strides()[d];
    } else {
      const Tensor wrapped = where(lt(index, 0), add(index, Scalar(x.size(d))), index);
      const Tensor part = mul(wrapped, Scalar(x.strides()[d]));
      a.index = a.index.defined() ? add(a.index, part) : part;
    }
  }
  if (count > 1) {
    a.stride = 1;
    a.size = INT64_MAX;  // the parts have been checked
  }
  a.index = expand(a.index, common);
  const auto put_index = [&] {
    for (int d = 0; d < common.size(); ++d) {
      a.shape.push_back(common[d]);
      a.table_strides.push_back(0);
      a.index_strides.push_back(a.index.strides()[d]);
    }
  };
  if (!adjacent) put_index();
  for (int d = 0; d < x.ndim(); ++d) {
    if (adjacent && d == first) put_index();
    if (indices[d].defined()) continue;
    a.shape.push_back(x.size(d));
    a.table_strides.push_back(x.strides()[d]);
    a.index_strides.push_back(0);
  }
  return a;
}

void check_within(const Tensor& x, const Tensor& index, int dim, const char* op) {
  if (index.numel() == 0) return;
  if (index.ndim() != x.ndim() && !(index.ndim() <= 1 && x.ndim() <= 1))
    fail<ShapeError>(op, ": Index tensor must have the same number of dimensions as input tensor: ",
                     index.shape(), " against ", x.shape());
  for (int d = 0; d < index.ndim() && d < x.ndim(); ++d)
    if (d != dim && index.size(d) > x.size(d))
      fail<ShapeError>(op, ": Size does not match at dimension ", d, ": index ", index.shape(),
                       " must be no larger than ", x.shape(), " apart from dimension ", dim);
}

}  // namespace

Tensor index(const Tensor& x, const Tensors& indices) {
  const Tensor y = read(x, advanced(x, indices));
  if (recording(x))
    record("IndexBackward0", y, {&x}, [indices, shape = x.shape()](Back& back) -> Tensors {
      return {index_put_(full(shape, 0, back.grad().dtype()), indices, back.grad(), true)};
    });
  return y;
}

Tensor index_put_(const Tensor& x, const Tensors& indices, const Tensor& values, bool accumulate) {
  check_inplace(x, "index_put_");
  const Access access = advanced(x, indices);
  if (broadcast(values.shape(), access.shape, "index_put_") != access.shape)
    fail<ShapeError>("index_put_: shape mismatch: value tensor of shape ", values.shape(),
                     " cannot be broadcast to indexing result of shape ", access.shape);
  if (values.dtype() != x.dtype() && values.ndim() != 0)
    fail<TypeError>("index_put_: Index put requires the source and destination dtypes match, got ",
                    name_of(x.dtype()), " for the destination and ", name_of(values.dtype()),
                    " for the source.");
  const WriteMode mode = accumulate ? WriteMode::Add : WriteMode::Assign;
  if (!recording(x, values)) {
    write(x, access, x.storage_ref() == values.storage_ref() ? clone(values) : values, mode);
    x.bump_version();
    return x;
  }
  const Tensor y = contiguous(clone(detach(x)));
  write(y, advanced(y, indices), values, mode);
  record("IndexPutBackward0", y, {&x, &values},
         [indices, accumulate, shape = values.shape(), dtype = values.dtype()](Back& back) -> Tensors {
           const Tensor& g = back.grad();
           Tensor dx;
           if (back.needs(0))
             dx = accumulate ? g : index_put_(clone(g), indices, full(Shape(), 0, g.dtype()), false);
           return {dx, back.needs(1) ? to(reduce_to(index(g, indices), shape), dtype) : Tensor()};
         });
  return assign_(x, y);
}

Tensor index_select(const Tensor& x, int64_t dim_number, const Tensor& index) {
  const int dim = wrap_dim(dim_number, x.ndim(), "index_select");
  const Tensor y = read(x, rows(x, dim, index, "index_select"));
  if (recording(x))
    record("IndexSelectBackward0", y, {&x},
           [index = Saved(index), shape = x.shape(), dim](Back& back) -> Tensors {
             return {index_add(full(shape, 0, back.grad().dtype()), dim, index.get(back), back.grad(), 1)};
           });
  return y;
}

namespace {
Access checked_rows(const Tensor& x, int64_t dim_number, const Tensor& index, const Tensor& source) {
  const int dim = wrap_dim(dim_number, x.ndim(), "index_add");
  if (source.dtype() != x.dtype())
    fail<TypeError>("index_add: self and source expected to have the same dtype, but got ",
                    name_of(x.dtype()), " and ", name_of(source.dtype()));
  const Access access = rows(x, dim, index, "index_add");
  if (source.shape() != access.shape)
    fail<ShapeError>("index_add: source of shape ", source.shape(), " does not match the indexed part ",
                     access.shape);
  return access;
}

bool alone(const Tensor& x, const Tensor& index, const Tensor& source) {
  return !recording(x, source) && x.storage_ref() != index.storage_ref() &&
         x.storage_ref() != source.storage_ref();
}
}  // namespace

Tensor index_add_(const Tensor& x, int64_t dim, const Tensor& index, const Tensor& source, Scalar alpha) {
  if (!alone(x, index, source)) return assign_(x, index_add(x, dim, index, source, alpha));
  check_inplace(x, "index_add_");
  const Access access = checked_rows(x, dim, index, source);
  write(x, access, alpha.to_double() == 1 ? source : mul(source, alpha), WriteMode::Add);
  x.bump_version();
  return x;
}

Tensor index_add(const Tensor& x, int64_t dim_number, const Tensor& index, const Tensor& source,
                 Scalar alpha) {
  const int dim = wrap_dim(dim_number, x.ndim(), "index_add");
  const Tensor y = contiguous(clone(detach(x)));
  const Access access = checked_rows(y, dim, index, source);
  const double scale = alpha.to_double();
  write(y, access, scale == 1 ? source : mul(detach(source), alpha), WriteMode::Add);
  if (recording(x, source))
    record("IndexAddBackward0", y, {&x, &source}, [index = Saved(index), dim, scale](Back& back) -> Tensors {
      Tensor part;
      if (back.needs(1)) {
        part = index_select(back.grad(), dim, index.get(back));
        if (scale != 1) part = mul(part, scale);
      }
      return {back.needs(0) ? back.grad() : Tensor(), part};
    });
  return y;
}

Tensor gather(const Tensor& x, int64_t dim_number, const Tensor& index) {
  const int dim = wrap_dim(dim_number, x.ndim(), "gather");
  check_within(x, index, dim, "gather");
  const Tensor y = read(x, along(x, dim, index, "gather"));
  if (recording(x))
    record("GatherBackward0", y, {&x}, [index = Saved(index), shape = x.shape(), dim](Back& back) -> Tensors {
      return {
          scatter(full(shape, 0, back.grad().dtype()), dim, index.get(back), back.grad(), WriteMode::Add)};
    });
  return y;
}

namespace {
// The corner of source that index covers.
Tensor covered(const Tensor& x, int dim, const Tensor& index, const Tensor& source) {
  check_within(x, index, dim, "scatter");
  if (source.dtype() != x.dtype())
    fail<TypeError>("scatter: Expected self.dtype to be equal to src.dtype, got ", name_of(x.dtype()),
                    " and ", name_of(source.dtype()));
  if (source.ndim() != index.ndim())
    fail<ShapeError>("scatter: index ", index.shape(), " and src ", source.shape(),
                     " must have the same number of dimensions");
  Tensor part = source;
  for (int d = 0; d < index.ndim(); ++d) {
    if (index.size(d) > source.size(d))
      fail<ShapeError>("scatter: Expected index ", index.shape(), " to be no larger than src ",
                       source.shape());
    if (index.size(d) < source.size(d)) part = slice(part, d, 0, index.size(d), 1);
  }
  return part;
}
}  // namespace

Tensor scatter_(const Tensor& x, int64_t dim_number, const Tensor& index, const Tensor& source,
                WriteMode mode) {
  const int dim = wrap_dim(dim_number, x.ndim(), "scatter");
  if (index.numel() == 0) return x;
  if (!alone(x, index, source)) {
    const Tensor before = grad_enabled() && mode > WriteMode::Add ? clone(x) : x;
    return assign_(x, scatter(before, dim, index, source, mode));
  }
  check_inplace(x, "scatter_");
  write(x, along(x, dim, index, "scatter"), covered(x, dim, index, source), mode);
  x.bump_version();
  return x;
}

Tensor scatter(const Tensor& x, int64_t dim_number, const Tensor& index, const Tensor& source,
               WriteMode mode) {
  const int dim = wrap_dim(dim_number, x.ndim(), "scatter");
  if (index.numel() == 0) return clone(x);
  const Tensor part = covered(x, dim, index, source);
  const Tensor y = contiguous(clone(detach(x)));
  write(y, along(y, dim, index, "scatter"), detach(part), mode);
  if (!recording(x, part)) return y;
  if (mode != WriteMode::Add && mode != WriteMode::Assign) {
    record("ScatterReduceBackward0", y, {&x, &part},
           [index = Saved(index), x = Saved(x), part = Saved(part), y = Saved::output(y), dim,
            mode](Back& back) {
             return scatter_grad(back.grad(), x.get(back), part.get(back), y.get(back), dim, index.get(back),
                                 mode);
           });
    return y;
  }
  record(mode == WriteMode::Add ? "ScatterAddBackward0" : "ScatterBackward0", y, {&x, &part},
         [index = Saved(index), dim, mode](Back& back) -> Tensors {
           const Tensor places = index.get(back);
           const Tensor& g = back.grad();
           Tensor dx;
           if (back.needs(0))
             dx = mode == WriteMode::Add
                      ? g
                      : scatter(g, dim, places, full(places.shape(), 0, g.dtype()), WriteMode::Assign);
           return {dx, back.needs(1) ? gather(g, dim, places) : Tensor()};
         });
  return y;
}

Tensor embedding(const Tensor& weight, const Tensor& index, std::optional<int64_t> padding) {
  if (!is_integral(index.dtype()))
    fail<TypeError>("embedding: expected integer indices, got ", name_of(index.dtype()));
  if (weight.ndim() != 2) fail<ShapeError>("embedding: 'weight' must be 2-D, got ", weight.shape());
  const Tensor flat = reshape(to(index, Dtype::Int64), {-1});
  if (flat.numel()) {
    int64_t lo, hi;
    const Tensor dense = contiguous(flat);
    dense.kernels().index_bounds(dense.data_as<int64_t>(), dense.numel(), &lo, &hi);
    if (lo < 0 || hi >= weight.size(0))
      fail<IndexError>("embedding: index ", lo < 0 ? lo : hi, " is out of range for ", weight.size(0),
                       " embeddings");
  }
  Shape shape = index.shape();
  shape.push_back(weight.size(1));
  const Tensor y = reshape(read(weight, rows(weight, 0, flat, "embedding")), shape);
  if (recording(weight))
    record("EmbeddingBackward0", y, {&weight},
           [flat, table = weight.shape(), padding](Back& back) -> Tensors {
             Tensor g = reshape(back.grad(), {flat.numel(), table[1]});
             if (padding) g = masked_fill(g, unsqueeze(eq(flat, Scalar(*padding)), 1), 0);
             return {index_add(full(table, 0, g.dtype()), 0, flat, g, 1)};
           });
  return y;
}

namespace {
Tensor triangle(const Tensor& x, int64_t diagonal, bool lower, const char* op) {
  if (x.ndim() < 2) fail<ShapeError>(op, ": input tensor must have at least 2 dimensions, got ", x.shape());
  const int64_t n = x.size(x.ndim() - 2), m = x.size(x.ndim() - 1);
  const Tensor row = unsqueeze(arange(0, Scalar(n), 1, Dtype::Int64), 1);
  const Tensor shifted = sub(arange(0, Scalar(m), 1, Dtype::Int64), row);
  const Scalar at(diagonal);
  return where(lower ? le(shifted, at) : ge(shifted, at), x, full(Shape(), 0, x.dtype()));
}
}  // namespace
Tensor tril(const Tensor& x, int64_t diagonal) { return triangle(x, diagonal, true, "tril"); }
Tensor triu(const Tensor& x, int64_t diagonal) { return triangle(x, diagonal, false, "triu"); }

}  // namespace lamina::ops
