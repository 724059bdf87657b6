// Views: other shapes and strides over the same storage. Changing them in place is inplace.cpp's.
#include <algorithm>

#include "ops/complex.h"
#include "ops/inplace.h"

namespace lamina::ops {
namespace {

// y, which looks at the storage of x, as a view of x: it remembers its base.
Tensor look(const Tensor& x, const Tensor& y) {
  TensorImpl& impl = *y.impl();
  impl.base = x.impl()->base ? x.impl()->base : x.ref();
  if (impl.base->grad_meta) impl.base_history = impl.base->grad_meta->history;
  return y;
}
Tensor look(const Tensor& x, const Shape& shape, const Shape& strides, int64_t offset) {
  return look(x, alias(x, shape, strides, offset));
}

// The same, recorded with `back` as its way to the gradient of x.
template <class F>
Tensor view_of(const char* name, const Tensor& x, const Tensor& made, F back) {
  const Tensor y = look(x, made);
  if (recording(x)) record(name, y, {&x}, std::move(back));
  return y;
}
template <class F>
Tensor view_of(const char* name, const Tensor& x, const Shape& shape, const Shape& strides, int64_t offset,
               F back) {
  return view_of(name, x, alias(x, shape, strides, offset), std::move(back));
}

}  // namespace

Tensor view(const Tensor& x, const Shape& wanted) {
  const Shape shape = infer_shape(wanted, x.numel(), "view");
  Shape strides;
  if (!view_strides(x, shape, &strides))
    fail<ShapeError>("view: view size is not compatible with input tensor's size and stride (", x.shape(),
                     " with strides ", x.strides(), " as ", shape, "). Use .reshape(...) instead.");
  return view_of("ViewBackward0", x, shape, strides, x.offset(),
                 [from = x.shape()](Back& back) -> Tensors { return {reshape(back.grad(), from)}; });
}

Tensor reshape(const Tensor& x, const Shape& wanted) {
  const Shape shape = infer_shape(wanted, x.numel(), "reshape");
  Shape strides;
  return view(view_strides(x, shape, &strides) ? x : contiguous(x), shape);
}

Tensor permute(const Tensor& x, const Dims& dims) {
  const int n = x.ndim();
  if (dims.size() != n)
    fail<ShapeError>("permute: ", dims.size(), " dimensions for a tensor of shape ", x.shape());
  Shape shape = x.shape(), strides = x.strides();
  Dims back_dims(n, -1);
  for (int i = 0; i < n; ++i) {
    const int d = wrap_dim(dims[i], n, "permute");
    if (back_dims[d] >= 0) fail<ShapeError>("permute: dimension ", d, " appears twice in ", dims);
    back_dims[d] = i;
    shape[i] = x.size(d);
    strides[i] = x.strides()[d];
  }
  return view_of("PermuteBackward0", x, shape, strides, x.offset(),
                 [back_dims](Back& back) -> Tensors { return {permute(back.grad(), back_dims)}; });
}

Tensor transpose(const Tensor& x, int64_t dim0, int64_t dim1) {
  const int a = wrap_dim(dim0, x.ndim(), "transpose"), b = wrap_dim(dim1, x.ndim(), "transpose");
  Shape shape = x.shape(), strides = x.strides();
  if (x.ndim()) {
    std::swap(shape[a], shape[b]);
    std::swap(strides[a], strides[b]);
  }
  return view_of("TransposeBackward0", x, shape, strides, x.offset(),
                 [a, b](Back& back) -> Tensors { return {transpose(back.grad(), a, b)}; });
}

Tensor expand(const Tensor& x, const Shape& wanted) {
  Shape shape = wanted;
  const int lead = shape.size() - x.ndim();
  if (lead < 0) fail<ShapeError>("expand: ", wanted, " has fewer dimensions than the tensor, ", x.shape());
  Shape strides(shape.size(), 0);
  for (int d = 0; d < shape.size(); ++d) {
    const int64_t size = d < lead ? 1 : x.size(d - lead);
    if (shape[d] == -1 && d >= lead) shape[d] = size;
    if (shape[d] < 0 || (size != 1 && shape[d] != size))
      fail<ShapeError>("expand: The expanded size ", wanted, " must match the existing size ", x.shape(),
                       " at non-singleton dimension ", d);
    if (d >= lead && size == shape[d]) strides[d] = x.strides()[d - lead];
  }
  return view_of("ExpandBackward0", x, shape, strides, x.offset(),
                 [from = x.shape()](Back& back) -> Tensors { return {reduce_to(back.grad(), from)}; });
}

Tensor squeeze(const Tensor& x, const Dims& dims) {
  Shape shape, strides;
  bool drop[kMaxDim] = {};
  for (int d = 0; d < x.ndim(); ++d) drop[d] = dims.empty();
  for (int64_t d : dims) drop[wrap_dim(d, x.ndim(), "squeeze")] = true;
  for (int d = 0; d < x.ndim(); ++d) {
    if (drop[d] && x.size(d) == 1) continue;
    shape.push_back(x.size(d));
    strides.push_back(x.strides()[d]);
  }
  return view_of("SqueezeBackward0", x, shape, strides, x.offset(),
                 [from = x.shape()](Back& back) -> Tensors { return {reshape(back.grad(), from)}; });
}

Tensor unsqueeze(const Tensor& x, int64_t dim_number) {
  const int dim = wrap_dim(dim_number, x.ndim() + 1, "unsqueeze");
  Shape shape = x.shape(), strides = x.strides();
  shape.insert(dim, 1);
  strides.insert(dim, dim < x.ndim() ? x.size(dim) * x.strides()[dim] : 1);
  return view_of("UnsqueezeBackward0", x, shape, strides, x.offset(),
                 [dim](Back& back) -> Tensors { return {squeeze(back.grad(), {dim})}; });
}

// The gradient of a complex number is the pair of those of its parts.
Tensor view_as_real(const Tensor& x) {
  if (!is_complex(x.dtype()))
    fail<TypeError>("view_as_real: expected a complex tensor, got ", name_of(x.dtype()));
  return view_of("ViewAsRealBackward0", x, pairs(x), [](Back& back) -> Tensors {
    return {view_as_complex(fits_complex(back.grad()) ? back.grad() : clone(contiguous(back.grad())))};
  });
}

Tensor view_as_complex(const Tensor& x) {
  if (x.dtype() != Dtype::Float32 && x.dtype() != Dtype::Float64)
    fail<TypeError>("view_as_complex: expected float32 or float64, got ", name_of(x.dtype()));
  if (!fits_complex(x))
    fail<ShapeError>(
        "view_as_complex: Tensor must have a last dimension of size 2 and stride 1, and other "
        "strides and an offset divisible by 2; got shape ",
        x.shape(), ", strides ", x.strides(), ", offset ", x.offset());
  return view_of("ViewAsComplexBackward0", x, complex_look(x), [](Back& back) -> Tensors {
    return {view_as_real(to(back.grad(), complex_of(back.grad().dtype())))};
  });
}

namespace {
// The gradient of a part: zeros with g in its place.
template <class F>
Tensor zeros_with(const Shape& shape, const Tensor& g, F part) {
  const Tensor whole = full(shape, 0, g.dtype());
  copy_(part(whole), g);
  return whole;
}
}  // namespace

Tensor select(const Tensor& x, int64_t dim_number, int64_t index) {
  if (x.ndim() == 0) fail<IndexError>("select: cannot be applied to a 0-dim tensor");
  const int dim = wrap_dim(dim_number, x.ndim(), "select");
  const int64_t size = x.size(dim);
  if (index < -size || index >= size)
    fail<IndexError>("select: index ", index, " is out of bounds for dimension ", dim, " with size ", size);
  if (index < 0) index += size;
  Shape shape = x.shape(), strides = x.strides();
  shape.erase(dim);
  strides.erase(dim);
  return view_of(
      "SelectBackward0", x, shape, strides, x.offset() + index * x.strides()[dim],
      [from = x.shape(), dim, index](Back& back) -> Tensors {
        return {zeros_with(from, back.grad(), [&](const Tensor& z) { return select(z, dim, index); })};
      });
}

Tensor slice(const Tensor& x, int64_t dim_number, int64_t start, int64_t stop, int64_t step) {
  if (x.ndim() == 0) fail<IndexError>("slice: cannot be applied to a 0-dim tensor");
  const int dim = wrap_dim(dim_number, x.ndim(), "slice");
  if (step <= 0) fail<ShapeError>("slice: step must be greater than zero, got ", step);
  const int64_t size = x.size(dim);
  const auto bound = [size](int64_t at) { return std::clamp<int64_t>(at < 0 ? at + size : at, 0, size); };
  start = bound(start);
  stop = std::max(bound(stop), start);
  Shape shape = x.shape(), strides = x.strides();
  shape[dim] = stop == start ? 0 : (stop - start - 1) / step + 1;
  if (shape[dim] > 1) strides[dim] *= step;
  return view_of("SliceBackward0", x, shape, strides,
                 x.offset() + (shape[dim] ? start * x.strides()[dim] : 0),
                 [from = x.shape(), dim, start, stop, step](Back& back) -> Tensors {
                   return {zeros_with(from, back.grad(),
                                      [&](const Tensor& z) { return slice(z, dim, start, stop, step); })};
                 });
}

namespace {
// All pieces of x along dim: their gradients are joined once, where that of n slices would be n tensors of
// x's size.
Tensors recorded_pieces(const char* name, const Tensor& x, const Tensors& pieces, int dim, bool joins) {
  if (!recording(x) || pieces.empty()) return pieces;
  std::vector<Shape> shapes;
  for (const Tensor& piece : pieces) shapes.push_back(piece.shape());
  record(name, pieces, Tensors{x}, [shapes, dim, joins, dtype = x.dtype()](Back& back) -> Tensors {
    Tensors grads;
    for (size_t i = 0; i < shapes.size(); ++i)
      grads.push_back(back.grads[i].defined() ? back.grads[i] : full(shapes[i], 0, dtype));
    return {joins ? cat(grads, dim) : stack(grads, dim)};
  });
  return pieces;
}
}  // namespace

Tensors split_with_sizes(const Tensor& x, const std::vector<int64_t>& sizes, int64_t dim_number) {
  const int dim = wrap_dim(dim_number, x.ndim(), "split_with_sizes");
  if (x.ndim() == 0) fail<ShapeError>("split_with_sizes: expects at least a 1-dimensional tensor");
  int64_t total = 0;
  bool fits = true;
  for (int64_t size : sizes)
    fits = fits && size >= 0 && size <= x.size(dim) && (total += size) <= x.size(dim);
  if (!fits || total != x.size(dim))
    fail<ShapeError>("split_with_sizes: expects split_sizes to sum exactly to ", x.size(dim),
                     " (the size of dimension ", dim, " of shape ", x.shape(), ")");
  Tensors pieces;
  int64_t start = 0;
  for (int64_t size : sizes) {
    Shape shape = x.shape();
    shape[dim] = size;
    pieces.push_back(look(x, shape, x.strides(), x.offset() + (size ? start * x.strides()[dim] : 0)));
    start += size;
  }
  return recorded_pieces("SplitWithSizesBackward0", x, pieces, dim, true);
}

Tensors unbind(const Tensor& x, int64_t dim_number) {
  if (x.ndim() == 0)
    fail<IndexError>("unbind: Dimension specified as ", dim_number, " but tensor has no dimensions");
  const int dim = wrap_dim(dim_number, x.ndim(), "unbind");
  Shape shape = x.shape(), strides = x.strides();
  shape.erase(dim);
  strides.erase(dim);
  Tensors pieces;
  for (int64_t i = 0; i < x.size(dim); ++i)
    pieces.push_back(look(x, shape, strides, x.offset() + i * x.strides()[dim]));
  return recorded_pieces("UnbindBackward0", x, pieces, dim, false);
}

Tensor diagonal(const Tensor& x, int64_t offset, int64_t dim1, int64_t dim2) {
  const int a = wrap_dim(dim1, x.ndim(), "diagonal"), b = wrap_dim(dim2, x.ndim(), "diagonal");
  if (a == b || x.ndim() < 2)
    fail<ShapeError>("diagonal: dimensions ", dim1, " and ", dim2, " must be two of shape ", x.shape());
  const int64_t down = std::max<int64_t>(-offset, 0), right = std::max<int64_t>(offset, 0);
  const int64_t n = std::max<int64_t>(std::min(x.size(a) - down, x.size(b) - right), 0);
  Shape shape = x.shape(), strides = x.strides();
  const int64_t step = strides[a] + strides[b];
  const int64_t start = n ? x.offset() + down * strides[a] + right * strides[b] : x.offset();
  for (int d : {std::max(a, b), std::min(a, b)}) {
    shape.erase(d);
    strides.erase(d);
  }
  shape.push_back(n);
  strides.push_back(step);
  return view_of(
      "DiagonalBackward0", x, shape, strides, start, [from = x.shape(), offset, a, b](Back& back) -> Tensors {
        return {zeros_with(from, back.grad(), [&](const Tensor& z) { return diagonal(z, offset, a, b); })};
      });
}

Tensor strided_grad(const Tensor& g, const Shape& shape, const Shape& strides, int64_t origin,
                    const Shape& view_strides, int64_t view_offset) {
  // Both geometries address one storage: add into an image of it, then look at it as the input did.
  const auto reach = [](const Shape& sizes, const Shape& steps, int64_t from) {
    int64_t last = from;
    for (int d = 0; d < sizes.size(); ++d) last += (sizes[d] - 1) * steps[d];
    return last + 1;
  };
  const int64_t low = std::min(origin, view_offset);
  int64_t size = 1;
  if (numel_of(shape)) size = std::max(size, reach(shape, strides, origin) - low);
  if (g.numel()) size = std::max(size, reach(g.shape(), view_strides, view_offset) - low);
  const auto positions = [size, low](const Shape& sizes, const Shape& steps, int64_t from) {
    return reshape(as_strided(arange(0, Scalar(size), 1, Dtype::Int64), sizes, steps, from - low), {-1});
  };
  Tensor image = full({size}, 0, g.dtype());
  image = index_add(image, 0, positions(g.shape(), view_strides, view_offset), reshape(g, {-1}), 1);
  if (overlaps_itself(shape, strides)) {  // elements of the input that share a place share its gradient
    const Tensor places = positions(shape, strides, origin);
    const Tensor ones = full({places.numel()}, 1, g.dtype());
    image = div(image, clamp(index_add(full({size}, 0, g.dtype()), 0, places, ones, 1), Scalar(1.0), {}));
  }
  return as_strided(image, shape, strides, origin - low);
}

Tensor as_strided(const Tensor& x, const Shape& shape, const Shape& strides, std::optional<int64_t> given) {
  const int64_t offset = given.value_or(x.offset());
  check_geometry(x.storage(), x.dtype(), shape, strides, offset, "as_strided");
  return view_of("AsStridedBackward0", x, shape, strides, offset,
                 [from = x.shape(), from_strides = x.strides(), origin = x.offset(), strides,
                  offset](Back& back) -> Tensors {
                   return {strided_grad(back.grad(), from, from_strides, origin, strides, offset)};
                 });
}

Tensor unfold(const Tensor& x, int64_t dim_number, int64_t size, int64_t step) {
  const int dim = wrap_dim(dim_number, x.ndim(), "unfold");
  const int64_t length = x.ndim() ? x.size(dim) : 1;
  if (size < 0 || size > length || step <= 0)
    fail<ShapeError>("unfold: windows of ", size, " by ", step, " do not fit dimension ", dim, " of size ",
                     length);
  Shape shape = x.shape(), strides = x.strides();
  if (x.ndim()) {
    shape[dim] = (length - size) / step + 1;
    strides[dim] *= step;
  }
  shape.push_back(size);
  strides.push_back(x.ndim() ? x.strides()[dim] : 1);
  return as_strided(x, shape, strides, x.offset());
}

}  // namespace lamina::ops
