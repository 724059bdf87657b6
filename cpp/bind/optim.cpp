// Optimizer steps: one crossing of the border for all parameters of a group.
#include "bind/define.h"

namespace lamina::bind {

void bind_optim(py::module_& m) {
  using py::arg;
  m.def(
      "sgd_step",
      [](const Tensors& params, const Tensors& grads, const Tensors& buffers, double lr, double momentum,
         double dampening, double weight_decay, bool nesterov, bool maximize,
         const std::vector<bool>& first) {
        OptimStep s{};
        s.kind = OptimStep::Kind::Sgd;
        s.lr = lr, s.momentum = momentum, s.dampening = dampening, s.weight_decay = weight_decay;
        s.nesterov = nesterov, s.maximize = maximize;
        ops::sgd_step(params, grads, buffers, first, s);
      },
      arg("params"), arg("grads"), arg("momentum_buffers"), arg("lr"), arg("momentum"), arg("dampening"),
      arg("weight_decay"), arg("nesterov"), arg("maximize"), arg("first"), Free());
  m.def(
      "adam_step",
      [](const Tensors& params, const Tensors& grads, const Tensors& exp_avgs, const Tensors& exp_avg_sqs,
         const Tensors& maxima, int64_t step, double lr, double beta1, double beta2, double eps,
         double weight_decay, bool decoupled, bool amsgrad, bool maximize) {
        OptimStep s{};
        s.kind = OptimStep::Kind::Adam;
        s.step = step, s.lr = lr, s.beta1 = beta1, s.beta2 = beta2, s.eps = eps,
        s.weight_decay = weight_decay;
        s.decoupled = decoupled, s.amsgrad = amsgrad, s.maximize = maximize;
        ops::adam_step(params, grads, exp_avgs, exp_avg_sqs, maxima, s);
      },
      arg("params"), arg("grads"), arg("exp_avgs"), arg("exp_avg_sqs"), arg("max_exp_avg_sqs"), arg("step"),
      arg("lr"), arg("beta1"), arg("beta2"), arg("eps"), arg("weight_decay"), arg("decoupled"),
      arg("amsgrad"), arg("maximize"), Free());
  m.def(
      "rmsprop_step",
      [](const Tensors& params, const Tensors& grads, const Tensors& square_avgs, const Tensors& grad_avgs,
         const Tensors& buffers, double lr, double alpha, double eps, double weight_decay, double momentum,
         bool centered, bool maximize) {
        OptimStep s{};
        s.kind = OptimStep::Kind::RmsProp;
        s.lr = lr, s.beta2 = alpha, s.eps = eps, s.weight_decay = weight_decay, s.momentum = momentum;
        s.centered = centered, s.maximize = maximize;
        ops::rmsprop_step(params, grads, square_avgs, grad_avgs, buffers, s);
      },
      arg("params"), arg("grads"), arg("square_avgs"), arg("grad_avgs"), arg("momentum_buffers"), arg("lr"),
      arg("alpha"), arg("eps"), arg("weight_decay"), arg("momentum"), arg("centered"), arg("maximize"),
      Free());
  m.def(
      "adagrad_step",
      [](const Tensors& params, const Tensors& grads, const Tensors& sums, int64_t step, double lr,
         double lr_decay, double eps, double weight_decay, bool maximize) {
        OptimStep s{};
        s.kind = OptimStep::Kind::Adagrad;
        s.step = step, s.lr = lr, s.beta1 = lr_decay, s.eps = eps, s.weight_decay = weight_decay,
        s.maximize = maximize;
        ops::adagrad_step(params, grads, sums, s);
      },
      arg("params"), arg("grads"), arg("sums"), arg("step"), arg("lr"), arg("lr_decay"), arg("eps"),
      arg("weight_decay"), arg("maximize"), Free());
}

}  // namespace lamina::bind
