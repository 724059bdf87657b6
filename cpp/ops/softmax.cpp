// softmax and its logarithm, logsumexp, and the negative log-likelihood of classes.
#include <limits>

#include "ops/rows.h"

namespace lamina::ops {
namespace {

// Float types as they are, or as `dtype` asks; integers have no softmax.
Tensor prepared(const char* op, const Tensor& input, MaybeDtype dtype) {
  const Tensor x = dtype ? to(input, *dtype) : input;
  if (!is_floating(x.dtype()))
    fail<TypeError>(op, ": not implemented for ", name_of(x.dtype()), "; convert or pass a floating dtype");
  return x;
}

// softmax: (g - sum(g y)) y. log_softmax: g - exp(y) sum(g).
Tensor softmax_grad(bool log, const Tensor& g, const Tensor& y, int dim) {
  if (recording(g, y)) {
    if (log) return sub(g, mul(exp(y), sum(g, {dim}, true)));
    return mul(sub(g, sum(mul(g, y), {dim}, true)), y);
  }
  const RowView gv(g, dim, "softmax"), yv(y, dim, "softmax");
  const Tensor dx = empty(g.shape(), g.dtype());
  if (dx.numel()) g.kernels().softmax_grad(log, gv.rows, gv.x.data(), yv.x.data(), dx.data());
  return dx;
}

Tensor softmax_of(bool log, const Tensor& input, int64_t dim, MaybeDtype dtype, const char* op,
                  const char* node) {
  const Tensor x = prepared(op, input, dtype);
  const RowView view(x, dim, op);
  const Tensor y = empty(x.shape(), x.dtype());
  if (y.numel()) x.kernels().softmax(log, view.rows, view.x.data(), y.data());
  if (recording(x))
    record(node, y, {&x}, [y = Saved::output(y), log, d = view.dim](Back& back) -> Tensors {
      return {softmax_grad(log, back.grad(), y.get(back), d)};
    });
  return y;
}

}  // namespace

Tensor softmax(const Tensor& x, int64_t dim, MaybeDtype dtype) {
  return softmax_of(false, x, dim, dtype, "softmax", "SoftmaxBackward0");
}
Tensor log_softmax(const Tensor& x, int64_t dim, MaybeDtype dtype) {
  return softmax_of(true, x, dim, dtype, "log_softmax", "LogSoftmaxBackward0");
}

Tensor logsumexp(const Tensor& input, const Dims& dims, bool keepdim) {
  const Tensor x = is_floating(input.dtype()) ? input : to(input, default_float());
  if (dims.size() != 1) {  // several at once: the dimensions behind, as one
    Dims order, front, wrapped;
    bool reduced[kMaxDim] = {};
    for (int64_t d : dims) reduced[wrap_dim(d, x.ndim(), "logsumexp")] = true;
    Shape kept = x.shape();
    for (int d = 0; d < x.ndim(); ++d) {
      if (dims.empty()) reduced[d] = true;
      if (reduced[d])
        kept[d] = 1;
      else {
        order.push_back(d);
        front.push_back(x.size(d));
      }
    }
    for (int d = 0; d < x.ndim(); ++d)
      if (reduced[d]) order.push_back(d);
    Shape rows = front;
    int64_t n = 1;
    for (int d = 0; d < x.ndim(); ++d) n *= reduced[d] ? x.size(d) : 1;
    rows.push_back(n);
    const Tensor y = logsumexp(reshape(permute(x, order), rows), {-1}, false);
    return keepdim ? reshape(y, kept) : y;
  }
  const RowView view(x, dims[0], "logsumexp");
  const Tensor y = empty(view.reduced(keepdim), x.dtype());
  if (view.rows.n == 0)
    fill_(y, -std::numeric_limits<double>::infinity());
  else if (y.numel())
    x.kernels().logsumexp(view.rows, view.x.data(), y.data());
  if (recording(x))
    record("LogsumexpBackward0", y, {&x},
           [x = Saved(x), kept = view.reduced(true), d = view.dim](Back& back) -> Tensors {
             return {mul(reshape(back.grad(), kept), softmax(x.get(back), d))};
           });
  return y;
}

namespace {

struct ClassTargets {
  Rows rows;  // (n, classes, inner)
  Tensor target, weight;
  Shape loss_shape;

  ClassTargets(const Tensor& logp, const Tensor& target_, const Tensor& weight_, int64_t ignore) {
    const int n = logp.ndim();
    const int dim = n == 1 ? 0 : 1;
    if (n == 0) fail<ShapeError>("nll_loss: input tensor should be 1D or more, got shape ", logp.shape());
    if (target_.dtype() != Dtype::Int64 && target_.dtype() != Dtype::UInt8)
      fail<TypeError>("nll_loss: expected target of dtype int64, got ", name_of(target_.dtype()));
    loss_shape = logp.shape();
    loss_shape.erase(dim);
    if (target_.shape() != loss_shape)
      fail<ShapeError>("nll_loss: input ", logp.shape(), " asks for a target of shape ", loss_shape, ", got ",
                       target_.shape());
    const int64_t classes = logp.size(dim);
    if (weight_.defined() && (weight_.ndim() != 1 || weight_.size(0) != classes))
      fail<ShapeError>("nll_loss: weight tensor should be defined either for all ", classes,
                       " classes or no classes but got weight tensor of shape ", weight_.shape());
    rows = {logp.dtype(), 1, classes, 1};
    for (int d = 0; d < n; ++d)
      if (d != dim) (d < dim ? rows.outer : rows.inner) *= logp.size(d);
    target = contiguous(to(target_, Dtype::Int64));
    weight = weight_.defined() ? contiguous(to(weight_, logp.dtype())) : weight_;
    check_range(classes, ignore);
  }
  const void* weights() const { return weight.defined() ? weight.data() : nullptr; }

 private:
  void check_range(int64_t classes, int64_t ignore) const {
    if (target.numel() == 0) return;
    int64_t lo, hi;
    target.kernels().index_bounds(target.data_as<int64_t>(), target.numel(), &lo, &hi);
    if (lo >= 0 && hi < classes) return;
    const int64_t* values = target.data_as<int64_t>();
    for (int64_t i = 0; i < target.numel(); ++i)
      if (values[i] != ignore && (values[i] < 0 || values[i] >= classes))
        fail<IndexError>("nll_loss: Target ", values[i], " is out of bounds for ", classes, " classes");
  }
};

// -g w at the targets, from ops: what a derivative of higher order differentiates.
Tensor nll_grad_from_ops(const Tensor& g, const ClassTargets& t, const Shape& shape, int64_t ignore,
                         double scale) {
  const int dim = shape.size() == 1 ? 0 : 1;
  const Tensor keep = ne(t.target, Scalar(ignore));
  const Tensor safe = where(keep, t.target, 0);
  Tensor w = to(keep, g.dtype());
  if (t.weight.defined()) w = mul(w, reshape(index_select(t.weight, 0, reshape(safe, {-1})), safe.shape()));
  const Tensor value = mul(mul(expand(g, t.loss_shape), w), -scale);
  return scatter(full(shape, 0, g.dtype()), dim, unsqueeze(safe, dim), unsqueeze(value, dim), WriteMode::Add);
}

}  // namespace

Tensor nll_loss(const Tensor& input, const Tensor& target, const Tensor& weight, int64_t ignore,
                Reduction reduction) {
  const Tensor logp = contiguous(prepared("nll_loss", input, {}));
  const ClassTargets t(logp, target, weight, ignore);
  double total[2] = {0, 0};
  const bool each = reduction == Reduction::None;
  const Tensor loss = each ? empty(t.loss_shape, logp.dtype()) : Tensor();
  if (t.target.numel())
    logp.kernels().nll_loss(t.rows, logp.data(), t.target.data_as<int64_t>(), t.weights(), ignore,
                            each ? loss.data() : nullptr, each ? nullptr : total);
  const double scale = reduction == Reduction::Mean ? 1 / total[1] : 1;
  const double mean = total[0] / total[1];  // 0 / 0 is NaN, as the mean of nothing is
  const Tensor y = each ? loss : full(Shape(), reduction == Reduction::Mean ? mean : total[0], logp.dtype());
  if (recording(logp))
    record("NllLossBackward0", y, {&logp},
           [t, shape = logp.shape(), ignore, scale, each](Back& back) -> Tensors {
             const Tensor g = contiguous(back.grad());
             if (recording(g)) return {nll_grad_from_ops(g, t, shape, ignore, scale)};
             const Tensor dx = empty(shape, g.dtype());
             if (dx.numel())
               g.kernels().nll_loss_grad(t.rows, g.data(), !each, t.target.data_as<int64_t>(), t.weights(),
                                         ignore, scale, dx.data());
             return {dx};
           });
  return y;
}

}  // namespace lamina::ops
