// Along one dimension: extremes with their places, running sums and products, sorting.
#include "ops/rows.h"

#include <cmath>

#include "ops/complex.h"

namespace lamina {

RowView::RowView(const Tensor& input, int64_t dim_number, const char* op)
    : x(ops::contiguous(input)), dim(wrap_dim(dim_number, input.ndim(), op)), rows{input.dtype(), 1, 1, 1} {
  for (int d = 0; d < x.ndim(); ++d) (d < dim ? rows.outer : d > dim ? rows.inner : rows.n) *= x.size(d);
}

Shape RowView::reduced(bool keepdim) const {
  Shape shape = x.shape();
  if (x.ndim() == 0) return shape;
  if (keepdim)
    shape[dim] = 1;
  else
    shape.erase(dim);
  return shape;
}

namespace ops {
namespace {

// The gradient of values picked along dim goes where they came from. Indices have the shape of g.
Tensor scatter_back(const Tensor& g, const Tensor& indices, const Shape& shape, int dim) {
  return scatter(full(shape, 0, g.dtype()), dim, indices, g, WriteMode::Add);
}

void record_picked(const char* node, const Tensor& values, const Tensor& x, const Tensor& indices, int dim,
                   bool keepdim) {
  if (!recording(x)) return;
  record(node, values, {&x}, [indices, shape = x.shape(), dim, keepdim](Back& back) -> Tensors {
    const bool raise = !keepdim && shape.size() > 0;
    return {scatter_back(raise ? unsqueeze(back.grad(), dim) : back.grad(),
                         raise ? unsqueeze(indices, dim) : indices, shape, dim)};
  });
}

Pair arg_reduce(bool largest, const Tensor& input, int64_t dim, bool keepdim, const char* op,
                const char* node) {
  real_only(op, input);
  const RowView view(input, dim, op);
  if (view.rows.n == 0)
    fail<IndexError>(op, ": Expected reduction dim ", dim, " to have non-zero size, got ", input.shape());
  const Shape shape = view.reduced(keepdim);
  const Tensor values = empty(shape, input.dtype()), indices = empty(shape, Dtype::Int64);
  if (values.numel())
    input.kernels().arg_reduce(largest, view.rows, view.x.data(), values.data(), indices.data_as<int64_t>());
  record_picked(node, values, input, indices, view.dim, keepdim);
  return {values, indices};
}

Tensor arg_only(bool largest, const Tensor& x, std::optional<int64_t> dim, bool keepdim, const char* op) {
  if (!dim) {
    if (x.numel() == 0)
      fail<IndexError>(
          op, ": Expected reduction dim to be specified for input.numel() == 0. Specify the reduction dim.");
    const Tensor flat = arg_reduce(largest, reshape(detach(x), {-1}), 0, false, op, "").second;
    return keepdim ? reshape(flat, Shape(x.ndim(), 1)) : flat;
  }
  return arg_reduce(largest, detach(x), *dim, keepdim, op, "").second;
}

Tensor scan(ScanOp op, const Tensor& input, const RowView& view, Dtype out_dtype) {
  // The kernel writes those of integers as int64.
  if (!is_inexact(out_dtype) && out_dtype != Dtype::Int64)
    return to(scan(op, input, view, Dtype::Int64), out_dtype);
  const Tensor y = empty(input.shape(), out_dtype);
  Rows rows = view.rows;
  rows.dtype = out_dtype;
  if (y.numel()) input.kernels().scan(op, input.dtype(), rows, view.x.data(), y.data());
  return y;
}

Dtype scan_type(const Tensor& x) { return is_inexact(x.dtype()) ? x.dtype() : Dtype::Int64; }

// Sum of everything from each place to the end.
Tensor reverse_cumsum(const Tensor& x, int dim) { return flip(cumsum(flip(x, {dim}), dim), {dim}); }

Pair running_extreme(bool largest, const Tensor& x, int64_t dim, const char* op, const char* node) {
  // The kernel has one type of integers; halves go through float and come back as they were.
  real_only(op, x);
  const Dtype dtype = !is_floating(x.dtype()) ? Dtype::Int64
                      : is_half(x.dtype())    ? Dtype::Float32
                                              : x.dtype();
  const RowView view(to(detach(x), dtype), dim, op);
  Tensor y = empty(x.shape(), dtype);
  const Tensor indices = empty(x.shape(), Dtype::Int64);
  if (x.numel())
    x.kernels().running_extreme(largest, view.rows, view.x.data(), y.data(), indices.data_as<int64_t>());
  y = to(y, x.dtype());
  record_picked(node, y, x, indices, view.dim, true);
  return {y, indices};
}

void check_positions(const char* op, int64_t n) {  // the kernel keeps positions in 32 bits
  if (n > UINT32_MAX)
    fail<NotImplementedError>(op, ": rows of ", n, " elements are not supported, at most 2^32 - 1 are");
}

}  // namespace

Pair max(const Tensor& x, int64_t dim, bool keepdim) {
  return arg_reduce(true, x, dim, keepdim, "max", "MaxBackward0");
}
Pair min(const Tensor& x, int64_t dim, bool keepdim) {
  return arg_reduce(false, x, dim, keepdim, "min", "MinBackward0");
}
Tensor argmax(const Tensor& x, std::optional<int64_t> dim, bool keepdim) {
  return arg_only(true, x, dim, keepdim, "argmax");
}
Tensor argmin(const Tensor& x, std::optional<int64_t> dim, bool keepdim) {
  return arg_only(false, x, dim, keepdim, "argmin");
}

Tensor cumsum(const Tensor& input, int64_t dim, MaybeDtype dtype) {
  const Dtype out = dtype.value_or(scan_type(input));
  const Tensor x = out == scan_type(input) ? input : to(input, out);
  if (is_complex(out) && x.ndim())
    return by_parts(
        x, [at = wrap_dim(dim, x.ndim(), "cumsum")](const Tensor& parts) { return cumsum(parts, at); });
  const RowView view(x, dim, "cumsum");
  if (is_complex(out)) return clone(x);
  const Tensor y = scan(ScanOp::Sum, x, view, out);
  if (recording(x))
    record("CumsumBackward0", y, {&x},
           [d = view.dim](Back& back) -> Tensors { return {reverse_cumsum(back.grad(), d)}; });
  return y;
}

Tensor cumprod(const Tensor& input, int64_t dim, MaybeDtype dtype) {
  const Dtype out = dtype.value_or(scan_type(input));
  const Tensor x = out == scan_type(input) ? input : to(input, out);
  const RowView view(x, dim, "cumprod");
  const Tensor y = is_complex(out) ? complex_cumprod(detach(x), view.dim) : scan(ScanOp::Prod, x, view, out);
  if (recording(x))
    record("CumprodBackward0", y, {&x},
           [x = Saved(x), y = Saved::output(y), d = view.dim](Back& back) -> Tensors {
             const Tensor xs = conj(x.get(back)), ys = conj(y.get(back));
             const Tensor zero = eq(xs, 0);
             if (count_nonzero(zero, {}).data_as<int64_t>()[0] == 0)
               return {div(reverse_cumsum(mul(back.grad(), ys), d), xs)};
             if (recording(back.grad(), xs))
               fail<NotImplementedError>(
                   "cumprod: the second derivative with zeros in the input is not implemented");
             // With zeros: before the first, as above; at the first, the products that leave it out; behind
             // it, 0.
             const Tensor safe = masked_fill(xs, zero, 1);
             const Tensor behind = cumsum(to(zero, Dtype::Int64), d);
             const Tensor before_first = eq(behind, 0), at_first = logical_and(zero, eq(behind, 1));
             const Tensor plain = div(reverse_cumsum(mul(back.grad(), ys), d), safe);
             const Tensor without = where(le(behind, 1), cumprod(safe, d), 0);
             const Tensor first = where(eq(behind, 1), mul(back.grad(), without), 0);
             return {where(before_first, plain, where(at_first, reverse_cumsum(first, d), 0))};
           });
  return y;
}

Pair cummax(const Tensor& x, int64_t dim) {
  return running_extreme(true, x, dim, "cummax", "CummaxBackward0");
}
Pair cummin(const Tensor& x, int64_t dim) {
  return running_extreme(false, x, dim, "cummin", "CumminBackward0");
}

Tensor logcumsumexp(const Tensor& x, int64_t dim) {
  if (!is_floating(x.dtype()))
    fail<TypeError>("logcumsumexp: expected a floating dtype, got ", name_of(x.dtype()));
  const RowView view(x, dim, "logcumsumexp");
  const Tensor y = scan(ScanOp::LogSumExp, x, view, x.dtype());
  if (recording(x))  // dx_i = sum over j >= i of g_j exp(x_i - y_j), for g_j > 0 and g_j < 0 by logarithms
    record("LogcumsumexpBackward0", y, {&x},
           [x = Saved(x), y = Saved::output(y), d = view.dim](Back& back) -> Tensors {
             const Tensor& g = back.grad();
             const Tensor xs = x.get(back), ys = y.get(back);
             const Tensor size = sub(log(abs(masked_fill(g, eq(g, 0), 1))), ys);
             const auto part = [&](const Tensor& others) {
               const Tensor sums = logcumsumexp(flip(masked_fill(size, others, -INFINITY), {d}), d);
               return exp(add(flip(sums, {d}), xs));
             };
             return {sub(part(le(g, 0)), part(ge(g, 0)))};
           });
  return y;
}

Pair sort(const Tensor& x, int64_t dim, bool descending) {
  real_only("sort", x);
  const RowView view(x, dim, "sort");
  check_positions("sort", view.rows.n);
  const Tensor values = empty(x.shape(), x.dtype()), indices = empty(x.shape(), Dtype::Int64);
  if (x.numel()) {
    const Scratch scratch(x.backend(), x.kernels().sort_scratch(view.rows));
    x.kernels().sort(descending, view.rows, view.x.data(), values.data(), indices.data_as<int64_t>(),
                     scratch.data());
  }
  record_picked("SortBackward0", values, x, indices, view.dim, true);
  return {values, indices};
}

Pair topk(const Tensor& x, int64_t k, int64_t dim, bool largest) {
  real_only("topk", x);
  const RowView view(x, dim, "topk");
  check_positions("topk", view.rows.n);
  if (k < 0 || k > view.rows.n)
    fail<ShapeError>("topk: selected index k=", k, " out of range for dimension ", view.dim, " of size ",
                     view.rows.n);
  Shape shape = x.shape();
  if (x.ndim()) shape[view.dim] = k;
  const Tensor values = empty(shape, x.dtype()), indices = empty(shape, Dtype::Int64);
  if (values.numel()) {
    const Scratch scratch(x.backend(), x.kernels().topk_scratch(k, view.rows));
    x.kernels().topk(largest, k, view.rows, view.x.data(), values.data(), indices.data_as<int64_t>(),
                     scratch.data());
  }
  record_picked("TopkBackward0", values, x, indices, view.dim, true);
  return {values, indices};
}

Tensor searchsorted(const Tensor& sorted, const Tensor& values, bool right) {
  real_only("searchsorted", sorted);
  real_only("searchsorted", values);
  const int n = sorted.ndim();
  bool fits = n == 1 || n == values.ndim();
  for (int d = 0; d + 1 < n && fits; ++d) fits = sorted.size(d) == values.size(d);
  if (n == 0 || !fits)
    fail<ShapeError>("searchsorted: boundaries of ", sorted.shape(), " and input of ", values.shape(),
                     " must be equal in all dimensions but the last, unless the boundaries have 1");
  const bool floats = is_floating(sorted.dtype()) || is_floating(values.dtype());
  const auto holds = [](const Tensor& x) { return x.dtype() == Dtype::Float32 || is_half(x.dtype()); };
  const Dtype dtype = !floats                          ? Dtype::Int64
                      : holds(sorted) && holds(values) ? Dtype::Float32
                                                       : Dtype::Float64;
  const Tensor in = contiguous(to(detach(sorted), dtype)), wanted = contiguous(to(detach(values), dtype));
  const Tensor places = empty(values.shape(), Dtype::Int64);
  if (places.numel() == 0) return places;
  const int64_t size = in.size(n - 1), m = n == 1 ? wanted.numel() : wanted.size(n - 1);
  in.kernels().searchsorted(right, dtype, wanted.numel() / m, size, n == 1 ? 0 : size, m, in.data(),
                            wanted.data(), places.data_as<int64_t>());
  return places;
}

Tensor flip(const Tensor& x, const Dims& dims) {
  Tensor y = x;
  for (int64_t number : dims) {
    const int d = wrap_dim(number, x.ndim(), "flip");
    const int64_t n = x.ndim() ? x.size(d) : 1;
    y = x.ndim() ? index_select(y, d, arange(Scalar(n - 1), -1, -1, Dtype::Int64)) : clone(y);
  }
  return dims.empty() ? clone(x) : y;
}

}  // namespace ops
}  // namespace lamina
