// Convolution of images. It is linear in the input and in the weight, so its gradients are three ops that are
// each other's.
#include "ops/autocast.h"
#include "ops/conv_pending.h"

namespace lamina::ops {
namespace {

struct Geometry {
  Conv2d p;
  Shape x, w, y;

  Geometry(const Shape& xs, const Shape& ws, Dtype dtype, const Window& window, int64_t groups)
      : p{}, x(xs), w(ws) {
    p.dtype = dtype;
    p.n = xs[0], p.c = xs[1], p.h = xs[2], p.w = xs[3];
    p.oc = ws[0], p.kh = ws[2], p.kw = ws[3];
    p.stride_h = window.stride[0], p.stride_w = window.stride[1];
    p.pad_h = window.padding[0], p.pad_w = window.padding[1];
    p.dilation_h = window.dilation[0], p.dilation_w = window.dilation[1];
    p.groups = groups;
    for (int i = 0; i < 2; ++i)
      if (window.stride[i] <= 0 || window.dilation[i] <= 0 || window.padding[i] < 0)
        fail<ShapeError>("conv2d: stride ", window.stride, " and dilation ", window.dilation,
                         " must be positive, padding ", window.padding, " not negative");
    if (groups <= 0 || ws[0] % groups || xs[1] != ws[1] * groups)
      fail<ShapeError>("conv2d: Given groups=", groups, ", weight of size ", ws, ", expected input ", xs,
                       " to have ", ws[1] * groups,
                       " channels, and output channels to be divisible by groups");
    if (ws[0] <= 0 || ws[1] <= 0 || p.h <= 0 || p.w <= 0)
      fail<ShapeError>("conv2d: input ", xs, " and weight ", ws,
                       " must have channels and places; only the batch may be empty");
    p.oh = output(p.h, p.kh, p.pad_h, p.dilation_h, p.stride_h);
    p.ow = output(p.w, p.kw, p.pad_w, p.dilation_w, p.stride_w);
    y = {p.n, p.oc, p.oh, p.ow};
  }

 private:
  int64_t output(int64_t size, int64_t kernel, int64_t pad, int64_t dilation, int64_t stride) const {
    int64_t span = 0, padded = 0;
    const bool overflow = __builtin_mul_overflow(dilation, kernel - 1, &span) ||
                          __builtin_mul_overflow(pad, int64_t{2}, &padded) ||
                          __builtin_add_overflow(padded, size, &padded);
    if (overflow || kernel <= 0 || padded < span + 1)
      fail<ShapeError>("conv2d: Kernel size can't be greater than actual input size: input ", x,
                       " with padding gives ", padded, ", kernel ", w, " needs ", span + 1);
    return (padded - span - 1) / stride + 1;
  }
};

struct Problem {  // what the three ops share
  Shape x, w;
  Window window;
  int64_t groups;
  Geometry geometry(Dtype dtype) const { return Geometry(x, w, dtype, window, groups); }
};

Tensor forward(const Problem& problem, const Tensor& x, const Tensor& w, const Tensor& bias);
Tensor grad_input(const Problem& problem, const Tensor& g, const Tensor& w);
Tensor grad_weight(const Problem& problem, const Tensor& g, const Tensor& x);

Ref<PendingConv> work_of(const Geometry& geo, const Tensor& x, const Tensor& w, const Tensor& bias) {
  Ref<PendingConv> work(new PendingConv);
  work->p = geo.p;
  work->x = contiguous(detach(x)), work->w = contiguous(detach(w));
  if (bias.defined()) work->shift = contiguous(detach(bias));
  return work;
}

Tensor forward(const Problem& problem, const Tensor& x, const Tensor& w, const Tensor& bias) {
  const Geometry geo = problem.geometry(x.dtype());
  const Tensor y = empty(geo.y, x.dtype());
  if (y.numel()) {
    const Ref<PendingConv> work = work_of(geo, x, w, bias);
    work->is_final = recording(x, w, bias);
    work->run(y.data());
  }
  if (recording(x, w, bias))
    record("ConvolutionBackward0", y, {&x, &w, &bias},
           [problem, x = Saved(x), w = Saved(w)](Back& back) -> Tensors {
             const Tensor& g = back.grad();
             return {back.needs(0) ? grad_input(problem, g, w.get(back)) : Tensor(),
                     back.needs(1) ? grad_weight(problem, g, x.get(back)) : Tensor(),
                     back.needs(2) ? sum(g, {0, 2, 3}, false) : Tensor()};
           });
  return y;
}

Tensor grad_input(const Problem& problem, const Tensor& g, const Tensor& w) {
  const Geometry geo = problem.geometry(g.dtype());
  const Tensor dx = empty(geo.x, g.dtype());
  if (g.numel() == 0)
    fill_(dx, 0);
  else if (dx.numel()) {
    const Tensor gd = contiguous(detach(g)), wd = contiguous(detach(w));
    const Scratch scratch(g.backend(), g.kernels().conv2d_grad_input_scratch(geo.p));
    g.kernels().conv2d_grad_input(geo.p, gd.data(), wd.data(), dx.data(), scratch.data());
  }
  if (recording(g, w))
    record("ConvolutionGradInput", dx, {&g, &w},
           [problem, g = Saved(g), w = Saved(w)](Back& back) -> Tensors {
             const Tensor& gg = back.grad();
             return {back.needs(0) ? forward(problem, gg, w.get(back), Tensor()) : Tensor(),
                     back.needs(1) ? grad_weight(problem, g.get(back), gg) : Tensor()};
           });
  return dx;
}

Tensor grad_weight(const Problem& problem, const Tensor& g, const Tensor& x) {
  const Geometry geo = problem.geometry(g.dtype());
  const Tensor dw = empty(geo.w, g.dtype());
  if (g.numel() == 0 || x.numel() == 0)
    fill_(dw, 0);
  else if (dw.numel()) {
    const Tensor gd = contiguous(detach(g)), xd = contiguous(detach(x));
    const Scratch scratch(g.backend(), g.kernels().conv2d_grad_weight_scratch(geo.p));
    g.kernels().conv2d_grad_weight(geo.p, gd.data(), xd.data(), dw.data(), scratch.data());
  }
  if (recording(g, x))
    record("ConvolutionGradWeight", dw, {&g, &x},
           [problem, g = Saved(g), x = Saved(x)](Back& back) -> Tensors {
             const Tensor& gg = back.grad();
             return {back.needs(0) ? forward(problem, x.get(back), gg, Tensor()) : Tensor(),
                     back.needs(1) ? grad_input(problem, g.get(back), gg) : Tensor()};
           });
  return dw;
}

}  // namespace

namespace {
// A linear f of both on complex numbers: f(a, c) - f(b, d) + i (f(a, d) + f(b, c)), plus a bias per channel.
template <class F>
Tensor of_complex(const Tensor& x, const Tensor& w, const Tensor& bias, F f) {
  const Tensor a = contiguous(real(x)), b = contiguous(imag(x)), c = contiguous(real(w)),
               d = contiguous(imag(w));
  const Tensor y = complex(sub(f(a, c), f(b, d)), add(f(a, d), f(b, c)));
  return bias.defined() ? add(y, reshape(bias, {bias.numel(), 1, 1})) : y;
}

bool all_complex(const Tensor& x, const Tensor& w, const Tensor& bias) {
  return is_complex(x.dtype()) && w.dtype() == x.dtype() && (!bias.defined() || bias.dtype() == x.dtype());
}
}  // namespace

Tensor conv2d(const Tensor& x, const Tensor& w, const Tensor& bias, const Window& window, int64_t groups,
              bool may_wait) {
  if (autocasting()) return autocast(conv2d, x, w, bias, window, groups, may_wait);
  if (x.ndim() == 3) return squeeze(conv2d(unsqueeze(x, 0), w, bias, window, groups, may_wait), {0});
  if (x.ndim() != 4 || w.ndim() != 4)
    fail<ShapeError>("conv2d: Expected 3D (unbatched) or 4D (batched) input and a 4D weight, but got input ",
                     x.shape(), " and weight ", w.shape());
  if (all_complex(x, w, bias))
    return of_complex(x, w, bias, [&](const Tensor& a, const Tensor& b) {
      return conv2d(a, b, Tensor(), window, groups, false);
    });
  if (!is_floating(x.dtype()) || x.dtype() != w.dtype() || (bias.defined() && bias.dtype() != x.dtype()))
    fail<TypeError>("conv2d: expected one floating dtype, got input ", name_of(x.dtype()), ", weight ",
                    name_of(w.dtype()), " and bias ", bias.defined() ? name_of(bias.dtype()) : "none");
  if (bias.defined() && (bias.ndim() != 1 || bias.size(0) != w.size(0)))
    fail<ShapeError>("conv2d: expected bias to be 1-dimensional with ", w.size(0), " elements, but got ",
                     bias.shape());
  if (is_half(x.dtype())) {
    const Tensor b = bias.defined() ? to(bias, Dtype::Float32) : bias;
    return to(conv2d(to(x, Dtype::Float32), to(w, Dtype::Float32), b, window, groups, false), x.dtype());
  }
  const Problem problem{x.shape(), w.shape(), window, groups};
  if (may_wait && x.dtype() == Dtype::Float32 && !recording(x, w, bias)) {
    const Geometry geo = problem.geometry(x.dtype());
    if (numel_of(geo.y, "conv2d")) {
      const Ref<PendingConv> work = work_of(geo, x, w, bias);
      if (const Tensor joined = join_conv(x, work, geo.y); joined.defined()) return joined;
      x.data();  // what x waits for comes first
      return put_off(geo.y, work);
    }
  }
  return forward(problem, x, w, bias);
}

namespace {
// conv2d of an output that was padded by a stride or more has more places than x: there x is 0.
Tensor with_zeros_behind(Tensor x, const Shape& shape) {
  for (int d = 2; d < 4; ++d) {
    Shape rest = x.shape();
    rest[d] = shape[d] - x.size(d);
    if (rest[d] > 0) x = cat({x, full(rest, 0, x.dtype())}, d);
  }
  return x;
}
}  // namespace

// What conv2d with this weight does to the gradient of its output: the same op, used forwards.
Tensor conv_transpose2d(const Tensor& x, const Tensor& w, const Tensor& bias, const Window& window,
                        const Dims& output_padding, int64_t groups) {
  if (autocasting()) return autocast(conv_transpose2d, x, w, bias, window, output_padding, groups);
  if (x.ndim() == 3)
    return squeeze(conv_transpose2d(unsqueeze(x, 0), w, bias, window, output_padding, groups), {0});
  if (x.ndim() != 4 || w.ndim() != 4)
    fail<ShapeError>(
        "conv_transpose2d: Expected 3D (unbatched) or 4D (batched) input and a 4D weight, but got input ",
        x.shape(), " and weight ", w.shape());
  if (all_complex(x, w, bias))
    return of_complex(x, w, bias, [&](const Tensor& a, const Tensor& b) {
      return conv_transpose2d(a, b, Tensor(), window, output_padding, groups);
    });
  if (!is_floating(x.dtype()) || x.dtype() != w.dtype() || (bias.defined() && bias.dtype() != x.dtype()))
    fail<TypeError>("conv_transpose2d: expected one floating dtype, got input ", name_of(x.dtype()),
                    " and weight ", name_of(w.dtype()));
  if (is_half(x.dtype())) {
    const Tensor b = bias.defined() ? to(bias, Dtype::Float32) : bias;
    return to(
        conv_transpose2d(to(x, Dtype::Float32), to(w, Dtype::Float32), b, window, output_padding, groups),
        x.dtype());
  }
  if (groups <= 0 || x.size(1) != w.size(0) || w.size(0) % groups)
    fail<ShapeError>("conv_transpose2d: Given groups=", groups, ", weight of size ", w.shape(),
                     ", expected input ", x.shape(), " to have ", w.size(0),
                     " channels, divisible by groups");
  if (w.numel() == 0 || x.size(1) == 0 || x.size(2) == 0 || x.size(3) == 0)
    fail<ShapeError>("conv_transpose2d: input ", x.shape(), " and weight ", w.shape(),
                     " must have channels and places; only the batch may be empty");
  Shape y{x.size(0), 0, 0, 0};
  if (__builtin_mul_overflow(w.size(1), groups, &y[1]))
    fail<ShapeError>("conv_transpose2d: too many channels");
  if (bias.defined() && (bias.ndim() != 1 || bias.size(0) != y[1]))
    fail<ShapeError>("conv_transpose2d: expected bias to be 1-dimensional with ", y[1], " elements, but got ",
                     bias.shape());
  for (int i = 0; i < 2; ++i) {
    const int64_t stride = window.stride[i], dilation = window.dilation[i], extra = output_padding[i];
    if (stride <= 0 || dilation <= 0 || window.padding[i] < 0)
      fail<ShapeError>("conv_transpose2d: stride and dilation must be positive, padding not negative");
    if (extra < 0 || (extra >= stride && extra >= dilation))
      fail<ShapeError>(
          "conv_transpose2d: output padding must be smaller than either stride or dilation, but got "
          "output_padding ",
          output_padding);
    const __int128 size = static_cast<__int128>(x.size(2 + i) - 1) * stride -
                          2 * static_cast<__int128>(window.padding[i]) +
                          static_cast<__int128>(dilation) * (w.size(2 + i) - 1) + extra + 1;
    if (size <= 0 || size > INT32_MAX)
      fail<ShapeError>("conv_transpose2d: input ", x.shape(), " and weight ", w.shape(),
                       " give an impossible output size");
    y[2 + i] = static_cast<int64_t>(size);
  }
  const Problem problem{y, w.shape(), window, groups};
  const Tensor out = grad_input(problem, with_zeros_behind(x, problem.geometry(x.dtype()).y), w);
  return bias.defined() ? add(out, reshape(bias, {1, y[1], 1, 1})) : out;
}

}  // namespace lamina::ops
