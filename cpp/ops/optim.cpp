// Optimizer steps over all parameters of a group at once. In place, not recorded.
#include "ops/complex.h"
#include "ops/inplace.h"

namespace lamina::ops {
namespace {

// A tensor as the kernel wants it, contiguous and of the step's dtype; what is not so is copied and put back
// afterwards.
class Staged {
 public:
  Staged(const Tensor& x, Dtype dtype, bool written) : x_(x), written_(written) {
    direct_ = x.dtype() == dtype && x.is_contiguous();
    staged_ = direct_ ? x : contiguous(to(detach(x), dtype));
  }
  void* data() const { return staged_.data(); }
  void finish() const {
    if (!written_) return;
    if (direct_)
      x_.bump_version();
    else
      copy_(detach(x_), staged_), x_.bump_version();
  }

 private:
  Tensor x_, staged_;
  bool written_, direct_;
};

void check(const char* op, const Tensor& param, const Tensor& other, const char* what) {
  if (other.shape() != param.shape())
    fail<ShapeError>(op, ": ", what, " of shape ", other.shape(), " for a parameter of shape ",
                     param.shape());
}

// Complex tensors are as many reals.
Tensors as_reals(const Tensors& xs) {
  Tensors out = xs;
  for (Tensor& x : out)
    if (x.defined() && is_complex(x.dtype())) x = view_as_real(x);
  return out;
}

void run(const char* op, const Tensors& params, const Tensors& grads,
         std::initializer_list<const Tensors*> states, const std::vector<bool>& first, OptimStep step) {
  for (const Tensor& p : params) {
    if (!is_complex(p.dtype())) continue;
    GradMode off(false);
    std::vector<Tensors> real_states;
    for (const Tensors* state : states) real_states.push_back(as_reals(*state));
    real_states.resize(3);
    return run(op, as_reals(params), as_reals(grads), {&real_states[0], &real_states[1], &real_states[2]},
               first, step);
  }
  GradMode off(false);
  if (params.size() != grads.size())
    fail<ShapeError>(op, ": ", params.size(), " parameters but ", grads.size(), " gradients");
  for (const Tensors* state : states)
    if (!state->empty() && state->size() != params.size())
      fail<ShapeError>(op, ": ", params.size(), " parameters but ", state->size(), " states");
  for (size_t i = 0; i < params.size(); ++i) {  // all checks before the first change
    if (!is_floating(params[i].dtype()))
      fail<TypeError>(op, ": expected floating parameters, got ", name_of(params[i].dtype()));
    check_inplace(params[i], op);
    check(op, params[i], grads[i], "gradient");
    for (const Tensors* state : states)
      if (!state->empty()) check(op, params[i], (*state)[i], "state");
  }
  for (Dtype dtype : {Dtype::Float32, Dtype::Float64}) {
    std::vector<OptimItem> items;
    std::vector<Staged> staged;
    staged.reserve(params.size() * 5);
    for (size_t i = 0; i < params.size(); ++i) {
      const Tensor& p = params[i];
      if ((p.dtype() == Dtype::Float64) != (dtype == Dtype::Float64) || p.numel() == 0) continue;
      OptimItem item{};
      item.n = p.numel();
      item.first = i < first.size() && first[i];
      item.param = staged.emplace_back(p, dtype, true).data();
      item.grad = staged.emplace_back(grads[i], dtype, false).data();
      int slot = 0;
      for (const Tensors* state : states) {
        if (!state->empty()) {
          item.state[slot] = staged.emplace_back((*state)[i], dtype, true).data();
        }
        ++slot;
      }
      items.push_back(item);
    }
    if (items.empty()) continue;
    step.dtype = dtype;
    step.count = static_cast<int64_t>(items.size());
    step.items = items.data();
    params[0].kernels().optim_step(step);
    for (const Staged& s : staged) s.finish();
  }
}

}  // namespace

void sgd_step(const Tensors& params, const Tensors& grads, const Tensors& momentum_buffers,
              const std::vector<bool>& first, const OptimStep& step) {
  run("sgd_step", params, grads, {&momentum_buffers}, first, step);
}
void adam_step(const Tensors& params, const Tensors& grads, const Tensors& exp_avgs,
               const Tensors& exp_avg_sqs, const Tensors& max_exp_avg_sqs, const OptimStep& step) {
  run("adam_step", params, grads, {&exp_avgs, &exp_avg_sqs, &max_exp_avg_sqs}, {}, step);
}
void rmsprop_step(const Tensors& params, const Tensors& grads, const Tensors& square_avgs,
                  const Tensors& grad_avgs, const Tensors& momentum_buffers, const OptimStep& step) {
  run("rmsprop_step", params, grads, {&square_avgs, &grad_avgs, &momentum_buffers}, {}, step);
}
void adagrad_step(const Tensors& params, const Tensors& grads, const Tensors& sums, const OptimStep& step) {
  run("adagrad_step", params, grads, {&sums}, {}, step);
}

}  // namespace lamina::ops
