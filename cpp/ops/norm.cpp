// Normalisation over rows (layer, group, root mean square) and over batches.
#include <algorithm>

#include "ops/conv_pending.h"

namespace lamina::ops {
namespace {

void floating(const char* op, const Tensor& x) {
  if (!is_floating(x.dtype())) fail<TypeError>(op, ": expected a floating dtype, got ", name_of(x.dtype()));
}

Tensor dense(const Tensor& x) { return x.defined() ? contiguous(detach(x)) : x; }
const void* data_or_null(const Tensor& x) { return x.defined() ? x.data() : nullptr; }
Dtype stat_type(Dtype dtype) { return dtype == Dtype::Float64 ? Dtype::Float64 : Dtype::Float32; }

// The gradient of a normalisation by ops: y = (x - mean) rstd w + b over `dims`, with g and w of x's rank.
// dx = rstd (gw - mean(gw) - xhat mean(gw xhat)); without centring the first mean is left out.
struct NormGrad {
  Tensor dx, g_xhat;  // the second: g * xhat, from which dw is summed
};
NormGrad norm_grad_from_ops(const Tensor& g, const Tensor& x, const Tensor& w, const Dims& dims, double eps,
                            bool rms) {
  const Tensor centred = rms ? x : sub(x, mean(x, dims, true));
  const Tensor rstd = rsqrt(add(mean(square(centred), dims, true), eps));
  const Tensor xhat = mul(centred, rstd);
  const Tensor gw = w.defined() ? mul(g, w) : g;
  Tensor inner = sub(gw, mul(xhat, mean(mul(gw, xhat), dims, true)));
  if (!rms) inner = sub(inner, mean(gw, dims, true));
  return {mul(inner, rstd), mul(g, xhat)};
}

struct RowProblem {
  RowNorm p;
  Shape rows;    // x as the formulas see it: normalised over the last `dims`
  Shape affine;  // weight in that shape
  Dims dims;     // normalised dimensions of `rows`
  Shape weight;  // its own shape
};

Tensor row_norm(const char* node, const RowProblem& problem, const Tensor& x, const Tensor& w,
                const Tensor& b) {
  const Dtype stats = stat_type(x.dtype());
  const Tensor xd = dense(x), wd = dense(w), bd = dense(b);
  const Tensor y = empty(x.shape(), x.dtype()), mean = empty({problem.p.rows}, stats),
               rstd = empty({problem.p.rows}, stats);
  if (y.numel())
    x.kernels().row_norm(problem.p, xd.data(), data_or_null(wd), data_or_null(bd), y.data(), mean.data(),
                         rstd.data());
  if (!recording(x, w, b)) return y;
  record(node, y, {&x, &w, &b}, [problem, x = Saved(x), w = Saved(w), mean, rstd](Back& back) -> Tensors {
    const Tensor xs = x.get(back), ws = w.get(back);
    const Tensor& g = back.grad();
    if (recording(g, xs, ws)) {
      const Tensor gr = reshape(g, problem.rows);
      const NormGrad grad =
          norm_grad_from_ops(gr, reshape(xs, problem.rows), ws.defined() ? reshape(ws, problem.affine) : ws,
                             problem.dims, problem.p.eps, problem.p.rms);
      return {back.needs(0) ? reshape(grad.dx, xs.shape()) : Tensor(),
              back.needs(1) ? reshape(reduce_to(grad.g_xhat, problem.affine), problem.weight) : Tensor(),
              back.needs(2) ? reshape(reduce_to(gr, problem.affine), problem.weight) : Tensor()};
    }
    const Tensor xd = dense(xs), wd = dense(ws), gd = dense(g);
    const Tensor dx = back.needs(0) ? empty(xs.shape(), xs.dtype()) : Tensor();
    const Tensor dw = back.needs(1) ? full(problem.weight, 0, xs.dtype()) : Tensor(),
                 db = back.needs(2) ? full(problem.weight, 0, xs.dtype()) : Tensor();
    if (xs.numel()) {
      const Scratch scratch(xs.backend(), xs.kernels().row_norm_grad_scratch(problem.p));
      xs.kernels().row_norm_grad(problem.p, gd.data(), xd.data(), data_or_null(wd), mean.data(), rstd.data(),
                                 const_cast<void*>(data_or_null(dx)), const_cast<void*>(data_or_null(dw)),
                                 const_cast<void*>(data_or_null(db)), scratch.data());
    }
    return {dx, dw, db};
  });
  return y;
}

void check_affine(const char* op, const Tensor& t, const Shape& shape, Dtype dtype, const char* what) {
  if (!t.defined()) return;
  if (t.shape() != shape) fail<ShapeError>(op, ": expected ", what, " of shape ", shape, ", got ", t.shape());
  if (t.dtype() != dtype)
    fail<TypeError>(op, ": expected ", what, " of dtype ", name_of(dtype), ", got ", name_of(t.dtype()));
}

// A half input beside float32 weights, as autocast leaves them, is computed in float32.
bool half_beside_float(const Tensor& x, const Tensor& w) {
  return is_half(x.dtype()) && w.defined() && w.dtype() == Dtype::Float32;
}

RowProblem trailing(const char* op, const Tensor& x, const Shape& normalized, double eps, bool rms) {
  floating(op, x);
  const int lead = x.ndim() - normalized.size();
  bool fits = lead >= 0 && !normalized.empty();
  for (int d = 0; fits && d < normalized.size(); ++d) fits = x.size(lead + d) == normalized[d];
  if (!fits)
    fail<ShapeError>(op, ": Given normalized_shape=", normalized, ", expected input with shape [*, ",
                     normalized, "], but got input of size ", x.shape());
  const int64_t n = numel_of(normalized), rows = n ? x.numel() / n : 0;
  return {{x.dtype(), rows, n, 0, 0, eps, rms}, {rows, n}, {1, n}, {1}, normalized};
}

}  // namespace

Tensor layer_norm(const Tensor& x, const Shape& normalized, const Tensor& w, const Tensor& b, double eps) {
  if (half_beside_float(x, w)) return to(layer_norm(to(x, Dtype::Float32), normalized, w, b, eps), x.dtype());
  const RowProblem problem = trailing("layer_norm", x, normalized, eps, false);
  check_affine("layer_norm", w, normalized, x.dtype(), "weight");
  check_affine("layer_norm", b, normalized, x.dtype(), "bias");
  return row_norm("NativeLayerNormBackward0", problem, x, w, b);
}

Tensor rms_norm(const Tensor& x, const Shape& normalized, const Tensor& w, double eps) {
  if (half_beside_float(x, w)) return to(rms_norm(to(x, Dtype::Float32), normalized, w, eps), x.dtype());
  const RowProblem problem = trailing("rms_norm", x, normalized, eps, true);
  check_affine("rms_norm", w, normalized, x.dtype(), "weight");
  return row_norm("RmsNormBackward0", problem, x, w, Tensor());
}

Tensor group_norm(const Tensor& x, int64_t groups, const Tensor& w, const Tensor& b, double eps) {
  floating("group_norm", x);
  if (half_beside_float(x, w)) return to(group_norm(to(x, Dtype::Float32), groups, w, b, eps), x.dtype());
  if (x.ndim() < 2 || groups <= 0 || x.size(1) % groups)
    fail<ShapeError>(
        "group_norm: Expected number of channels in input to be divisible by num_groups, but got input of "
        "shape ",
        x.shape(), " and num_groups=", groups);
  const int64_t n = x.size(0), c = x.size(1), spatial = n * c ? x.numel() / (n * c) : 0;
  check_affine("group_norm", w, {c}, x.dtype(), "weight");
  check_affine("group_norm", b, {c}, x.dtype(), "bias");
  const RowNorm p{x.dtype(), n * groups, c / groups * spatial, std::max<int64_t>(spatial, 1), c, eps, false};
  return row_norm("NativeGroupNormBackward0",
                  {p, {n, groups, c / groups, spatial}, {1, groups, c / groups, 1}, {2, 3}, {c}}, x, w, b);
}

namespace {

void update_running(const Tensor& running, const Tensor& batch, double momentum, double scale) {
  if (!running.defined()) return;
  GradMode off(false);
  copy_(running, add(mul(running, 1 - momentum), mul(batch, momentum * scale)));
}

struct BatchProblem {
  BatchNorm p;
  bool training;
  Shape channel;  // (1, c, 1, ...)
  Dims dims;      // all but the channels
};

Tensors batch_norm_grad(const BatchProblem& problem, Back& back, const Tensor& x, const Tensor& w,
                        const Tensor& mean, const Tensor& var) {
  const Tensor& g = back.grad();
  const Shape c{problem.p.c};
  if (recording(g, x, w)) {
    const Tensor ws = w.defined() ? reshape(w, problem.channel) : w;
    NormGrad grad;
    if (problem.training) {
      grad = norm_grad_from_ops(g, x, ws, problem.dims, problem.p.eps, false);
    } else {
      const Tensor rstd = reshape(rsqrt(add(var, problem.p.eps)), problem.channel);
      grad = {mul(w.defined() ? mul(g, ws) : g, rstd),
              mul(g, mul(sub(x, reshape(mean, problem.channel)), rstd))};
    }
    return {back.needs(0) ? grad.dx : Tensor(),
            back.needs(1) ? sum(grad.g_xhat, problem.dims, false) : Tensor(),
            back.needs(2) ? sum(g, problem.dims, false) : Tensor()};
  }
  const Tensor xd = dense(x), wd = dense(w), gd = dense(g);
  const Tensor dx = back.needs(0) ? empty(x.shape(), x.dtype()) : Tensor();
  const Tensor dw = back.needs(1) ? full(c, 0, x.dtype()) : Tensor(),
               db = back.needs(2) ? full(c, 0, x.dtype()) : Tensor();
  if (x.numel())
    x.kernels().batch_norm_grad(problem.p, problem.training, gd.data(), xd.data(), data_or_null(wd),
                                mean.data(), var.data(), const_cast<void*>(data_or_null(dx)),
                                const_cast<void*>(data_or_null(dw)), const_cast<void*>(data_or_null(db)));
  return {dx, dw, db};
}

}  // namespace

Tensor batch_norm(const Tensor& x, const Tensor& w, const Tensor& b, const Tensor& running_mean,
                  const Tensor& running_var, bool training, double momentum, double eps) {
  floating("batch_norm", x);
  if (x.ndim() < 2)
    fail<ShapeError>("batch_norm: expected at least 2 dimensions (n, c, ...), got ", x.shape());
  if (is_half(x.dtype())) {
    const auto wide = [](const Tensor& t) { return t.defined() ? to(t, Dtype::Float32) : t; };
    const Tensor mean = wide(running_mean), var = wide(running_var);
    const Tensor y = batch_norm(wide(x), wide(w), wide(b), mean, var, training, momentum, eps);
    if (training && mean.defined() && !mean.same(running_mean)) copy_(running_mean, mean);
    if (training && var.defined() && !var.same(running_var)) copy_(running_var, var);
    return to(y, x.dtype());
  }
  const int64_t n = x.size(0), c = x.size(1), spatial = n * c ? x.numel() / (n * c) : 0;
  for (const Tensor* t : {&w, &b, &running_mean, &running_var})
    check_affine("batch_norm", *t, {c}, x.dtype(), "weight, bias and running statistics");
  if (!training && (!running_mean.defined() || !running_var.defined()))
    fail<ShapeError>("batch_norm: Expected running_mean and running_var to be defined when training=False");
  if (training && n * spatial <= 1)
    fail<ShapeError>("batch_norm: Expected more than 1 value per channel when training, got input size ",
                     x.shape());
  if (!training) {
    const Tensor joined = join_batch_norm(x, w, b, running_mean, running_var, eps);
    if (joined.defined()) return joined;
  }
  BatchProblem problem{{x.dtype(), n, c, spatial, eps}, training, Shape(x.ndim(), 1), {0}};
  problem.channel[1] = c;
  for (int d = 2; d < x.ndim(); ++d) problem.dims.push_back(d);
  const Tensor mean = training ? empty({c}, x.dtype()) : contiguous(clone(detach(running_mean)));
  const Tensor var = training ? empty({c}, x.dtype()) : contiguous(clone(detach(running_var)));
  const Tensor y = empty(x.shape(), x.dtype());
  const Tensor xd = dense(x), wd = dense(w), bd = dense(b);
  if (y.numel())
    x.kernels().batch_norm(problem.p, training, xd.data(), data_or_null(wd), data_or_null(bd), mean.data(),
                           var.data(), y.data());
  if (training) {
    const double count = static_cast<double>(n * spatial);
    update_running(running_mean, mean, momentum, 1);
    update_running(running_var, var, momentum, count / (count - 1));
  }
  if (recording(x, w, b))
    record("NativeBatchNormBackward0", y, {&x, &w, &b},
           [problem, x = Saved(x), w = Saved(w), mean, var](Back& back) -> Tensors {
             return batch_norm_grad(problem, back, x.get(back), w.get(back), mean, var);
           });
  return y;
}

}  // namespace lamina::ops
