// Pooling of images: the largest or the mean of each window.
#include "ops/walk.h"

namespace lamina::ops {
namespace {

struct PoolGeometry {
  Pool2d p{};
  Shape x, y;

  PoolGeometry(const Tensor& input, const Dims& kernel, const Window& window, bool ceil_mode, const char* op)
      : x(input.shape()) {
    if (x.size() != 3 && x.size() != 4) fail<ShapeError>(op, ": Expected 3D or 4D input, got ", x);
    if (!is_floating(input.dtype()))
      fail<TypeError>(op, ": expected a floating dtype, got ", name_of(input.dtype()));
    const int n = x.size();
    for (int d = n - 3; d < n; ++d)
      if (x[d] == 0) fail<ShapeError>(op, ": input ", x, " must have channels and places");
    p.dtype = input.dtype();
    p.planes = 1;
    for (int d = 0; d < n - 2; ++d) p.planes *= x[d];
    p.h = x[n - 2], p.w = x[n - 1];
    p.kh = kernel[0], p.kw = kernel[1];
    p.stride_h = window.stride[0], p.stride_w = window.stride[1];
    p.pad_h = window.padding[0], p.pad_w = window.padding[1];
    p.dilation_h = window.dilation[0], p.dilation_w = window.dilation[1];
    for (int i = 0; i < 2; ++i) {
      if (kernel[i] <= 0 || window.stride[i] <= 0 || window.dilation[i] <= 0)
        fail<ShapeError>(op, ": kernel ", kernel, ", stride ", window.stride, " and dilation ",
                         window.dilation, " must be greater than zero");
      if (window.padding[i] < 0 || window.padding[i] > kernel[i] / 2)
        fail<ShapeError>(op,
                         ": pad should be at least 0 and at most half of effective kernel size, but got pad=",
                         window.padding, ", kernel_size=", kernel);
    }
    p.oh = output(p.h, p.kh, p.pad_h, p.dilation_h, p.stride_h, ceil_mode, op);
    p.ow = output(p.w, p.kw, p.pad_w, p.dilation_w, p.stride_w, ceil_mode, op);
    y = x;
    y[n - 2] = p.oh;
    y[n - 1] = p.ow;
  }

 private:
  int64_t output(int64_t size, int64_t kernel, int64_t pad, int64_t dilation, int64_t stride, bool ceil_mode,
                 const char* op) const {
    int64_t span = 0;
    if (__builtin_mul_overflow(dilation, kernel - 1, &span) || size + 2 * pad < span + 1)
      fail<ShapeError>(op, ": window of ", span + 1, " does not fit input ", x, " with padding ", pad,
                       ": Output size is too small");
    const int64_t room = size + 2 * pad - span - 1;
    int64_t out = room / stride + 1;
    // One more for the rest of the room, if its window starts inside.
    if (ceil_mode && room % stride && out <= (size + pad - 1) / stride) ++out;
    return out;
  }
};

Tensor as_float(const Tensor& x) { return to(x, Dtype::Float32); }

Tensor max_grad(const Tensor& g, const Tensor& indices, const PoolGeometry& geo) {
  const Tensor dx = empty(geo.x, g.dtype());
  const Tensor gd = contiguous(detach(g));
  if (dx.numel()) g.kernels().max_pool2d_grad(geo.p, gd.data(), indices.data_as<int64_t>(), dx.data());
  if (recording(g))
    record("MaxPool2DGrad", dx, {&g}, [indices, geo](Back& back) -> Tensors {
      const int64_t planes = geo.p.planes;
      const Tensor flat = reshape(back.grad(), {planes, geo.p.h * geo.p.w});
      return {reshape(gather(flat, 1, reshape(indices, {planes, geo.p.oh * geo.p.ow})), geo.y)};
    });
  return dx;
}

Tensor mean_forward(const Tensor& x, const PoolGeometry& geo);

Tensor mean_grad(const Tensor& g, const PoolGeometry& geo) {
  const Tensor dx = empty(geo.x, g.dtype());
  const Tensor gd = contiguous(detach(g));
  if (dx.numel()) g.kernels().avg_pool2d_grad(geo.p, gd.data(), dx.data());
  if (recording(g))
    record("AvgPool2DGrad", dx, {&g},
           [geo](Back& back) -> Tensors { return {mean_forward(back.grad(), geo)}; });
  return dx;
}

Tensor mean_forward(const Tensor& x, const PoolGeometry& geo) {
  const Tensor y = empty(geo.y, x.dtype());
  const Tensor xd = contiguous(detach(x));
  if (y.numel()) x.kernels().avg_pool2d(geo.p, xd.data(), y.data());
  if (recording(x))
    record("AvgPool2DBackward0", y, {&x},
           [geo](Back& back) -> Tensors { return {mean_grad(back.grad(), geo)}; });
  return y;
}

}  // namespace

Pair max_pool2d(const Tensor& x, const Dims& kernel, const Window& window, bool ceil_mode,
                bool with_indices) {
  const PoolGeometry geo(x, kernel, window, ceil_mode, "max_pool2d");
  if (is_half(x.dtype())) {
    const Pair p = max_pool2d(as_float(x), kernel, window, ceil_mode, with_indices);
    return {to(p.first, x.dtype()), p.second};
  }
  const Tensor y = empty(geo.y, x.dtype());
  const Tensor indices = with_indices || recording(x) ? empty(geo.y, Dtype::Int64) : Tensor();
  const Tensor xd = contiguous(detach(x));
  if (y.numel())
    x.kernels().max_pool2d(geo.p, xd.data(), y.data(),
                           indices.defined() ? indices.data_as<int64_t>() : nullptr);
  if (recording(x))
    record("MaxPool2DWithIndicesBackward0", y, {&x},
           [indices, geo](Back& back) -> Tensors { return {max_grad(back.grad(), indices, geo)}; });
  return {y, indices};
}

Tensor avg_pool2d(const Tensor& x, const Dims& kernel, const Window& window, bool ceil_mode,
                  bool count_include_pad, std::optional<int64_t> divisor) {
  if (divisor && *divisor == 0) fail<ShapeError>("avg_pool2d: divisor must be not zero");
  if (is_half(x.dtype()))
    return to(avg_pool2d(as_float(x), kernel, window, ceil_mode, count_include_pad, divisor), x.dtype());
  PoolGeometry geo(x, kernel, window, ceil_mode, "avg_pool2d");
  geo.p.count_include_pad = count_include_pad;
  geo.p.divisor = divisor.value_or(0);
  return mean_forward(x, geo);
}

}  // namespace lamina::ops
