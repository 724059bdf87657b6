// Losses over classes: the negative log-likelihood, the cross entropy of logits with their softmax in one,
// and connectionist temporal classification.
#include <cmath>

#include "autograd/backward.h"
#include "ops/rows.h"

namespace lamina::ops {
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
  check_floating("nll_loss", input);
  const Tensor logp = contiguous(input);
  const ClassTargets t(logp, target, weight, ignore);
  double total[2] = {0, 0};
  const bool each = reduction == Reduction::None;
  const Tensor loss = each ? empty(t.loss_shape, logp.dtype()) : Tensor();
  if (t.target.numel())
    logp.kernels().nll_loss(t.rows, logp.data(), nullptr, t.target.data_as<int64_t>(), t.weights(), ignore,
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

namespace {

// By the ops that it is made of: for halves, and for derivatives of higher order.
Tensor cross_entropy_from_ops(const Tensor& x, const Tensor& target, const Tensor& weight, int64_t ignore,
                              Reduction reduction, double smoothing) {
  const int64_t dim = x.ndim() == 1 ? 0 : 1;
  const Tensor logp = log_softmax(x, dim);
  const Tensor nll = nll_loss(logp, target, weight, ignore, reduction);
  if (smoothing == 0) return nll;
  const int64_t classes = logp.size(static_cast<int>(dim));
  Tensor weighted = logp;
  if (weight.defined()) {
    Shape shape(logp.ndim(), 1);
    shape[static_cast<int>(dim)] = classes;
    weighted = mul(logp, reshape(weight, shape));
  }
  const Tensor keep = ne(target, Scalar(ignore));
  const Tensor even = mul(neg(sum(weighted, {dim}, false)), to(keep, logp.dtype()));
  Tensor smooth = even;
  if (reduction != Reduction::None) smooth = sum(even, {}, false);
  if (reduction == Reduction::Mean) {
    Tensor count = to(keep, logp.dtype());
    if (weight.defined()) {
      const Tensor safe = where(keep, target, 0);
      count = mul(count, reshape(index_select(weight, 0, reshape(safe, {-1})), safe.shape()));
    }
    smooth = div(smooth, sum(count, {}, false));
  }
  return add(mul(nll, 1 - smoothing), mul(smooth, smoothing / static_cast<double>(classes)));
}

// The sums over classes of logits, and what the kernels make of them.
struct Logits {
  ClassTargets t;
  Tensor shift, log_sum;
  CrossEntropy p;

  Logits(const Tensor& x, const Tensor& target, const Tensor& weight, int64_t ignore, double smoothing)
      : t(x, target, weight, ignore),
        shift(empty(t.loss_shape, x.dtype())),
        log_sum(empty(t.loss_shape, x.dtype())),
        p{x.dtype(),
          t.rows.outer,
          t.rows.n,
          t.rows.inner,
          t.target.data_as<int64_t>(),
          ignore,
          t.weights(),
          static_cast<double>(t.rows.n),
          smoothing,
          shift.data(),
          log_sum.data()} {
    x.kernels().logsumexp(t.rows, x.data(), log_sum.data(), shift.data());
    if (smoothing > 0 && t.weight.defined())
      p.weight_sum = to(sum(t.weight, {}, false), Dtype::Float64).data_as<double>()[0];
  }

  // The part of the loss that is spread over all classes, at each place.
  Tensor even(const Tensor& x) const {
    const int64_t dim = x.ndim() == 1 ? 0 : 1;
    Shape shape(x.ndim(), 1);
    shape[static_cast<int>(dim)] = x.size(static_cast<int>(dim));
    const Tensor weighted = t.weight.defined() ? mul(x, reshape(t.weight, shape)) : x;
    const Tensor far = sub(mul(add(shift, log_sum), p.weight_sum), sum(weighted, {dim}, false));
    return masked_fill(mul(far, p.smoothing / static_cast<double>(p.classes)), eq(t.target, Scalar(p.ignore)),
                       0);
  }
};

}  // namespace

Tensor cross_entropy(const Tensor& input, const Tensor& target, const Tensor& weight, int64_t ignore,
                     Reduction reduction, double smoothing) {
  if (!(smoothing >= 0 && smoothing <= 1))
    fail<ShapeError>("cross_entropy: label_smoothing must be between 0.0 and 1.0. Got: ", smoothing);
  check_floating("cross_entropy", input);
  const auto from_ops = [=](const Tensor& x) {
    return cross_entropy_from_ops(x, target, weight, ignore, reduction, smoothing);
  };
  if (is_half(input.dtype()) || input.numel() == 0 || recording(weight)) return from_ops(input);
  const Tensor x = contiguous(detach(input));
  const Logits logits(x, target, weight, ignore, smoothing);
  const ClassTargets& t = logits.t;
  const bool each = reduction == Reduction::None;
  double total[2] = {0, 0};
  Tensor y = each ? empty(t.loss_shape, x.dtype()) : Tensor();
  x.kernels().nll_loss(t.rows, x.data(), &logits.p, t.target.data_as<int64_t>(), t.weights(), ignore,
                       each ? y.data() : nullptr, each ? nullptr : total);
  const double scale = reduction == Reduction::Mean ? 1 / total[1] : 1;
  // 0 / 0 is NaN, as the mean of nothing is.
  if (!each) y = full(Shape(), reduction == Reduction::Mean ? total[0] / total[1] : total[0], x.dtype());
  if (smoothing > 0) {
    const GradMode off(false);
    const Tensor even = logits.even(x);
    y = add(mul(y, 1 - smoothing), each ? even : mul(sum(even, {}, false), scale));
  }
  if (recording(input))
    record("NllLossBackward0", y, {&input},
           [from_ops, kept = Saved(input), logits, scale, each](Back& back) -> Tensors {
             const Tensor x = kept.get(back), g = contiguous(back.grad());
             if (grad_enabled()) {
               const Tensor again = view(x, x.shape());
               return backward({from_ops(again)}, {g}, {again}, {true, true, false});
             }
             const Tensor dense = contiguous(x), dx = empty(x.shape(), x.dtype());
             x.kernels().cross_entropy_grad(logits.p, dense.data(), g.data(), !each, scale, dx.data());
             return {dx};
           });
  return y;
}

namespace {

// What is kept of a batch of sequences; all are int64, (batch) but for the labels.
struct Sequences {
  Tensor labels, first_label, label_count, step_count;
  CtcLoss p;

  size_t scratch() const { return labels.kernels().ctc_loss_scratch(p); }
};

Tensor int64_tensor(const std::vector<int64_t>& values) {
  const Tensor x = empty({static_cast<int64_t>(values.size())}, Dtype::Int64);
  std::copy(values.begin(), values.end(), x.data_as<int64_t>());
  return x;
}

Sequences sequences_of(const Tensor& logp, const Tensor& labels, const std::vector<int64_t>& first_label,
                       const std::vector<int64_t>& label_count, const std::vector<int64_t>& step_count,
                       int64_t blank) {
  Sequences s{contiguous(to(labels, Dtype::Int64)),
              int64_tensor(first_label),
              int64_tensor(label_count),
              int64_tensor(step_count),
              {}};
  const int64_t steps = logp.size(0), classes = logp.size(2);
  int64_t most = 0;
  for (int64_t b = 0; b < logp.size(1); ++b) {
    const int64_t first = first_label[b], count = label_count[b];
    if (count < 0 || step_count[b] < 0 || step_count[b] > steps || first < 0 ||
        first + count > labels.numel())
      fail<ShapeError>("ctc_loss: expected lengths within ", steps, " steps and ", labels.numel(),
                       " labels, got ", step_count[b], " and ", count);
    most = std::max(most, count);
    if (count == 0) continue;
    int64_t lo, hi;
    labels.kernels().index_bounds(s.labels.data_as<int64_t>() + first, count, &lo, &hi);
    if (lo < 0 || hi >= classes)
      fail<IndexError>("ctc_loss: expected targets in [0, ", classes, "), got ", lo < 0 ? lo : hi);
  }
  s.p = {logp.dtype(),
         steps,
         logp.size(1),
         classes,
         blank,
         s.labels.data_as<int64_t>(),
         s.first_label.data_as<int64_t>(),
         s.label_count.data_as<int64_t>(),
         s.step_count.data_as<int64_t>(),
         most};
  return s;
}

}  // namespace

Tensor ctc_loss(const Tensor& input, const Tensor& labels, const std::vector<int64_t>& first_label,
                const std::vector<int64_t>& label_count, const std::vector<int64_t>& step_count,
                int64_t blank, bool zero_infinity) {
  if (input.ndim() != 3 || (input.dtype() != Dtype::Float32 && input.dtype() != Dtype::Float64))
    fail<TypeError>("ctc_loss: expected log_probs (t, n, classes) in float32 or float64, got ",
                    name_of(input.dtype()), " of shape ", input.shape());
  const auto n = static_cast<size_t>(input.size(1));
  if (first_label.size() != n || label_count.size() != n || step_count.size() != n || blank < 0 ||
      blank >= input.size(2))
    fail<ShapeError>("ctc_loss: expected ", n, " lengths, and a blank among ", input.size(2),
                     " classes, got ", step_count.size(), " lengths and blank ", blank);
  const Tensor logp = contiguous(detach(input));
  const Sequences s = sequences_of(logp, labels, first_label, label_count, step_count, blank);
  const Tensor loss = empty({s.p.batch}, logp.dtype());
  const Tensor ways = empty({s.p.batch, s.p.steps, s.p.pitch()}, logp.dtype());
  {
    const Scratch scratch(logp.backend(), s.scratch());
    logp.kernels().ctc_loss(s.p, logp.data(), loss.data(), ways.data(), scratch.data());
  }
  const Tensor y = zero_infinity ? masked_fill(loss, eq(loss, Scalar(INFINITY)), 0) : loss;
  if (recording(input))
    record("CtcLossBackward0", y, {&input},
           [kept = Saved(input), s, ways, zero_infinity, loss = detach(loss)](Back& back) -> Tensors {
             const Tensor logp = contiguous(kept.get(back)), g = contiguous(back.grad());
             if (recording(g, logp))
               fail<NotImplementedError>("ctc_loss: the derivative of its gradient is not implemented");
             const Tensor dx = empty(logp.shape(), logp.dtype());
             const Scratch scratch(logp.backend(), s.scratch());
             logp.kernels().ctc_loss_grad(s.p, logp.data(), loss.data(), ways.data(), g.data(), zero_infinity,
                                          dx.data(), scratch.data());
             return {dx};
           });
  return y;
}

}  // namespace lamina::ops
