// Reductions over any dimensions.
#include <algorithm>
#include <cmath>

#include "ops/complex.h"

namespace lamina::ops {
namespace {

// Which dimensions are reduced; empty `dims` means all.
struct Plan {
  bool reduced[kMaxDim] = {};
  Shape kept;      // the result with keepdim
  Shape squeezed;  // without
  int64_t count = 1;

  Plan(const Tensor& x, const Dims& dims, const char* op) {
    if (dims.empty()) std::fill(reduced, reduced + kMaxDim, true);
    for (int64_t number : dims) {
      const int d = wrap_dim(number, x.ndim(), op);
      if (reduced[d]) fail<ShapeError>(op, ": dim ", d, " appears multiple times in the list of dims ", dims);
      reduced[d] = true;
    }
    for (int d = 0; d < x.ndim(); ++d) {
      kept.push_back(reduced[d] ? 1 : x.size(d));
      if (reduced[d])
        count *= x.size(d);
      else
        squeezed.push_back(x.size(d));
    }
  }
  const Shape& shape(bool keepdim) const { return keepdim ? kept : squeezed; }
};

// Dimensions of one side of a reduction, merged where every given stride allows, densest last.
int gather_dims(const Tensor& x, const Shape* out_strides, const Plan& plan, bool reduced, int64_t* shape,
                int64_t* in, int64_t* out) {
  int order[kMaxDim], n = 0;
  for (int d = 0; d < x.ndim(); ++d)
    if (plan.reduced[d] == reduced && x.size(d) != 1) order[n++] = d;
  std::stable_sort(order, order + n, [&](int a, int b) { return x.strides()[a] > x.strides()[b]; });
  int ndim = 0;
  for (int k = 0; k < n; ++k) {
    const int d = order[k];
    const int64_t step = out_strides ? (*out_strides)[d] : 0;
    const bool merge = ndim && in[ndim - 1] == x.strides()[d] * x.size(d) &&
                       (!out_strides || out[ndim - 1] == step * x.size(d));
    if (!merge) shape[ndim++] = 1;
    shape[ndim - 1] *= x.size(d);
    in[ndim - 1] = x.strides()[d];
    if (out_strides) out[ndim - 1] = step;
  }
  return ndim;
}

// The result for a reduction of no elements.
Scalar neutral(ReduceOp op) {
  switch (op) {
    case ReduceOp::Prod:
      return 1;
    case ReduceOp::All:
      return true;
    case ReduceOp::Any:
      return false;
    default:
      return 0;
  }
}

Tensor reduce(ReduceOp op, const Tensor& x, const Plan& plan, bool keepdim, Dtype out_dtype, const char* name,
              double scale = 1) {
  const bool adds = op == ReduceOp::Sum || op == ReduceOp::Prod;
  // The kernel writes sums of integers as int64.
  if (adds && !is_floating(x.dtype()) && out_dtype != Dtype::Int64)
    return to(reduce(op, x, plan, keepdim, Dtype::Int64, name, scale), out_dtype);
  const Tensor kept = empty(plan.kept, out_dtype);
  const Tensor out = alias(kept, plan.shape(keepdim), contiguous_strides(plan.shape(keepdim)), 0);
  if (plan.count == 0) {
    if (op == ReduceOp::Max || op == ReduceOp::Min) {
      if (plan.shape(false).empty()) fail<ShapeError>(name, ": Expected elements, non-zero in number");
      fail<IndexError>(name, ": Expected reduction dim to have non-zero size, got ", x.shape());
    }
    return fill_(out, scale == 1 ? neutral(op) : Scalar(std::nan("")));
  }
  if (out.numel() == 0) return out;
  Reduce r{};
  r.op = op;
  r.in_dtype = x.dtype();
  r.out_dtype = out_dtype;
  r.in = x.data();
  r.out = out.data();
  r.scale = scale;
  r.kept_ndim =
      gather_dims(x, &kept.strides(), plan, false, r.kept_shape, r.kept_in_strides, r.kept_out_strides);
  r.reduced_ndim = gather_dims(x, nullptr, plan, true, r.reduced_shape, r.reduced_strides, nullptr);
  const Scratch scratch(x.backend(), x.kernels().reduce_scratch(r));
  x.kernels().reduce(r, scratch.data());
  return out;
}

// g of the reduced shape, spread over x's shape again (a view).
Tensor spread(const Tensor& g, const Shape& kept, const Shape& shape) {
  return expand(reshape(g, kept), shape);
}

Dtype sum_type(const Tensor& x, MaybeDtype dtype) {
  return dtype ? *dtype : is_inexact(x.dtype()) ? x.dtype() : Dtype::Int64;
}

// The input as the kernel wants it: of the type that is asked for, where that is not what it makes from x by
// itself.
Tensor sum_input(const Tensor& x, Dtype out) {
  return x.dtype() == out || (out == Dtype::Int64 && !is_inexact(x.dtype())) ? x : to(x, out);
}

Tensor scaled_sum(const Tensor& input, const Dims& dims, bool keepdim, Dtype dtype, const char* name,
                  const char* node, bool mean) {
  const Tensor x = sum_input(input, dtype);
  if (is_complex(dtype)) {
    const Dims over = dims_of(x, dims, name);
    if (over.empty()) return clone(x);
    return by_parts(x, [&](const Tensor& parts) {
      return scaled_sum(parts, over, keepdim, real_of(dtype), name, node, mean);
    });
  }
  const Plan plan(x, dims, name);
  const double scale = mean ? 1.0 / static_cast<double>(plan.count) : 1;
  const Tensor y = reduce(ReduceOp::Sum, x, plan, keepdim, dtype, name, scale);
  if (recording(x))
    record(node, y, {&x}, [kept = plan.kept, shape = x.shape(), scale](Back& back) -> Tensors {
      return {spread(scale == 1 ? back.grad() : mul(back.grad(), scale), kept, shape)};
    });
  return y;
}

Tensor extreme(ReduceOp op, const Tensor& x, const Dims& dims, bool keepdim, const char* name,
               const char* node) {
  const Plan plan(x, dims, name);
  const Tensor y = reduce(op, x, plan, keepdim, x.dtype(), name);
  if (recording(x))  // equal extremes share the gradient
    record(node, y, {&x},
           [x = Saved(x), y = Saved::output(y), kept = plan.kept, dims](Back& back) -> Tensors {
             const Tensor xs = x.get(back);
             const Tensor mask = to(eq(xs, reshape(y.get(back), kept)), xs.dtype());
             const Tensor share = div(reshape(back.grad(), kept), sum(mask, dims, true));
             return {mul(mask, share)};
           });
  return y;
}

// x with the reduced dimensions behind the kept ones, as one.
Tensor rows_of(const Tensor& x, const Plan& plan) {
  Dims order;
  for (bool pass : {false, true})
    for (int d = 0; d < x.ndim(); ++d)
      if (plan.reduced[d] == pass) order.push_back(d);
  Shape shape = plan.squeezed;
  shape.push_back(plan.count);
  return reshape(permute(x, order), shape);
}

void floating(const char* op, const Tensor& x) {
  if (!is_floating(x.dtype())) fail<TypeError>(op, ": expected a floating dtype, got ", name_of(x.dtype()));
}

}  // namespace

Tensor sum(const Tensor& x, const Dims& dims, bool keepdim, MaybeDtype dtype) {
  return scaled_sum(x, dims, keepdim, sum_type(x, dtype), "sum", "SumBackward0", false);
}

Tensor mean(const Tensor& x, const Dims& dims, bool keepdim, MaybeDtype dtype) {
  if (!is_inexact(dtype.value_or(x.dtype())))
    fail<TypeError>(
        "mean: could not infer output dtype. Input dtype must be either a floating point or complex dtype. "
        "Got: ",
        name_of(x.dtype()));
  return scaled_sum(x, dims, keepdim, dtype.value_or(x.dtype()), "mean", "MeanBackward0", true);
}

Tensor prod(const Tensor& input, const Dims& dims, bool keepdim, MaybeDtype dtype) {
  const Dtype out = sum_type(input, dtype);
  const Tensor x = sum_input(input, out);
  const Plan plan(x, dims, "prod");
  const Tensor y = is_complex(out) ? reshape(complex_prod(rows_of(detach(x), plan)), plan.shape(keepdim))
                                   : reduce(ReduceOp::Prod, x, plan, keepdim, out, "prod");
  if (!recording(x)) return y;
  record("ProdBackward0", y, {&x},
         [x = Saved(x), y = Saved::output(y), kept = plan.kept, dims](Back& back) -> Tensors {
           const Tensor xs = x.get(back);
           // Without zeros: y / x. Where one factor is zero, its gradient is the product of the others; with
           // two, none has any.
           const Tensor zero = eq(xs, 0);
           const Tensor safe = masked_fill(xs, zero, 1);
           const Tensor zeros = sum(to(zero, xs.dtype()), dims, true);
           const Tensor others = prod(safe, dims, true);
           const Tensor factor = where(zero, to(eq(zeros, 1), xs.dtype()), to(eq(zeros, 0), xs.dtype()));
           return {mul(reshape(back.grad(), kept), conj(mul(factor, div(others, safe))))};
         });
  return y;
}

Tensor amax(const Tensor& x, const Dims& dims, bool keepdim) {
  return extreme(ReduceOp::Max, x, dims, keepdim, "amax", "AmaxBackward0");
}
Tensor amin(const Tensor& x, const Dims& dims, bool keepdim) {
  return extreme(ReduceOp::Min, x, dims, keepdim, "amin", "AminBackward0");
}

Tensor any(const Tensor& x, const Dims& dims, bool keepdim) {
  if (is_complex(x.dtype())) return any(ne(x, 0), dims, keepdim);
  const Tensor y = reduce(ReduceOp::Any, x, Plan(x, dims, "any"), keepdim, Dtype::Bool, "any");
  return x.dtype() == Dtype::UInt8 ? to(y, Dtype::UInt8) : y;  // PyTorch's bool of old
}
Tensor all(const Tensor& x, const Dims& dims, bool keepdim) {
  if (is_complex(x.dtype())) return all(ne(x, 0), dims, keepdim);
  const Tensor y = reduce(ReduceOp::All, x, Plan(x, dims, "all"), keepdim, Dtype::Bool, "all");
  return x.dtype() == Dtype::UInt8 ? to(y, Dtype::UInt8) : y;
}

Tensor var(const Tensor& x, const Dims& dims, double correction, bool keepdim) {
  if (is_complex(x.dtype()))
    return add(var(real(x), dims, correction, keepdim), var(imag(x), dims, correction, keepdim));
  floating("var", x);
  const Plan plan(x, dims, "var");
  const Tensor y = empty(plan.shape(keepdim), x.dtype());
  if (y.numel()) {
    if (plan.count == 0) {
      fill_(y, std::nan(""));
    } else {
      GradMode off(false);
      const Tensor rows = contiguous(rows_of(x, plan));
      x.kernels().moments({x.dtype(), y.numel(), plan.count, 1}, rows.data(), correction, nullptr, y.data());
    }
  }
  if (recording(x))
    record("VarBackward0", y, {&x},
           [x = Saved(x), kept = plan.kept, dims, n = plan.count, correction](Back& back) -> Tensors {
             const Tensor xs = x.get(back);
             const Tensor centred = sub(xs, mean(xs, dims, true));
             const double scale = 2 / std::max(static_cast<double>(n) - correction, 0.0);
             return {mul(mul(reshape(back.grad(), kept), scale), centred)};
           });
  return y;
}

Tensor std(const Tensor& x, const Dims& dims, double correction, bool keepdim) {
  if (is_complex(x.dtype())) return sqrt(var(x, dims, correction, keepdim));
  floating("std", x);
  if (!recording(x)) return sqrt(var(x, dims, correction, keepdim));
  const Plan plan(x, dims, "std");
  const Tensor y = [&] {
    GradMode off(false);
    return sqrt(var(x, dims, correction, keepdim));
  }();
  // d std = d var / (2 std), and 0 where the values do not differ.
  record("StdBackward0", y, {&x},
         [x = Saved(x), y = Saved::output(y), kept = plan.kept, dims, n = plan.count,
          correction](Back& back) -> Tensors {
           const Tensor xs = x.get(back), ys = reshape(y.get(back), kept);
           const double scale = 1 / std::max(static_cast<double>(n) - correction, 0.0);
           const Tensor part = masked_fill(div(reshape(back.grad(), kept), ys), eq(ys, 0), 0);
           return {mul(mul(part, scale), sub(xs, mean(xs, dims, true)))};
         });
  return y;
}

Tensor vector_norm(const Tensor& input, double order, const Dims& dims, bool keepdim, MaybeDtype dtype) {
  const Tensor x = to(input, dtype.value_or(is_inexact(input.dtype()) ? input.dtype() : default_float()));
  if (is_complex(x.dtype())) return vector_norm(abs(x), order, dims, keepdim, {});
  floating("vector_norm", x);
  if (size_of(x.dtype()) == 2)  // powers of halves overflow where their root does not
    return to(vector_norm(to(x, Dtype::Float32), order, dims, keepdim, {}), x.dtype());
  if (order == INFINITY) return amax(abs(x), dims, keepdim);
  if (order == -INFINITY) return amin(abs(x), dims, keepdim);
  if (order == 0) return sum(square(sign(x)), dims, keepdim);
  const Plan plan(x, dims, "vector_norm");
  const Tensor y = [&] {
    GradMode off(false);
    if (order == 2) return sqrt(reduce(ReduceOp::SumSquares, x, plan, keepdim, x.dtype(), "vector_norm"));
    if (order == 1) return reduce(ReduceOp::SumAbs, x, plan, keepdim, x.dtype(), "vector_norm");
    return pow(sum(pow(abs(x), order), dims, keepdim), 1 / order);
  }();
  if (!recording(x)) return y;
  record("LinalgVectorNormBackward0", y, {&x},
         [x = Saved(x), y = Saved::output(y), kept = plan.kept, order](Back& back) -> Tensors {
           const Tensor xs = x.get(back), ys = reshape(y.get(back), kept), g = reshape(back.grad(), kept);
           if (order == 1) return {mul(g, sign(xs))};
           // d|x|_p / dx = x |x|^(p-2) / |x|_p^(p-1), 0 where the norm is 0
           const Tensor zero = eq(ys, 0);
           const Tensor powered =
               order == 2 ? xs : mul(xs, masked_fill(pow(abs(xs), order - 2), eq(xs, 0), 0));
           const Tensor scaled = div(g, order == 2 ? ys : pow(ys, order - 1));
           return {mul(powered, masked_fill(scaled, zero, 0))};
         });
  return y;
}

Tensor count_nonzero(const Tensor& x, const Dims& dims) {
  if (is_complex(x.dtype())) return count_nonzero(ne(x, 0), dims);
  if (dims.empty()) {
    const Tensor dense = contiguous(x);
    return full(
        Shape(),
        Scalar(x.numel() ? x.kernels().count_nonzero(x.dtype(), dense.data(), x.numel()) : int64_t{0}),
        Dtype::Int64);
  }
  return sum(ne(x, 0), dims, false);
}

}  // namespace lamina::ops
