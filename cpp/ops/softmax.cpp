// softmax and its logarithm, and logsumexp. The losses on top: loss.cpp.
#include <limits>

#include "ops/rows.h"

namespace lamina::ops {

void check_floating(const char* op, const Tensor& x) {
  if (!is_floating(x.dtype()))
    fail<TypeError>(op, ": not implemented for ", name_of(x.dtype()), "; convert or pass a floating dtype");
}

namespace {

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
  const Tensor x = dtype ? to(input, *dtype) : input;
  check_floating(op, x);
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
  if (is_complex(input.dtype())) {
    const Tensor top = input.numel() ? amax(detach(real(input)), dims, true) : Tensor();
    if (!top.defined()) return log(sum(exp(input), dims, keepdim));
    const Tensor finite = masked_fill(top, isinf(top), 0),
                 y = log(sum(exp(sub(input, finite)), dims, keepdim));
    return add(y, reshape(finite, y.shape()));
  }
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
    x.kernels().logsumexp(view.rows, view.x.data(), y.data(), nullptr);
  if (recording(x))
    record("LogsumexpBackward0", y, {&x},
           [x = Saved(x), kept = view.reduced(true), d = view.dim](Back& back) -> Tensors {
             return {mul(reshape(back.grad(), kept), softmax(x.get(back), d))};
           });
  return y;
}

}  // namespace lamina::ops
