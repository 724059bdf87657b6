// Layers' functions: matrix products, convolution, pooling, normalisation, losses.
#include "bind/define.h"

namespace lamina::bind {
namespace {

using py::arg;
using py::none;

Reduction reduction_from(const std::string& word) {
  if (word == "mean") return Reduction::Mean;
  if (word == "sum") return Reduction::Sum;
  if (word == "none") return Reduction::None;
  fail<ShapeError>("loss: ", word, " is not a valid value for reduction");
}

void bind_products(py::module_& m) {
  both_out(m, "matmul", &ops::matmul, arg("input"), arg("other"), Free());
  function_out(
      m, "linear",
      [](const Tensor& x, const Tensor& w, const MaybeTensor& b) { return ops::linear(x, w, b); },
      arg("input"), arg("weight"), arg("bias") = none(), Free());
  m.def(
      "quantized_linear",
      [](const Tensor& x, const Tensor& blocks, const std::string& type, int64_t outs,
         const MaybeTensor& bias) { return ops::quantized_linear(x, blocks, type, outs, bias); },
      arg("input"), arg("blocks"), arg("type"), arg("out_features"), arg("bias") = none(), Free());
  both_out(m, "addmm", &ops::addmm, arg("input"), arg("mat1"), arg("mat2"), py::kw_only(),
           arg("beta") = Scalar(1), arg("alpha") = Scalar(1), Free());
  both_out(m, "baddbmm", &ops::baddbmm, arg("input"), arg("batch1"), arg("batch2"), py::kw_only(),
           arg("beta") = Scalar(1), arg("alpha") = Scalar(1), Free());
}

// One value stands for both sides.
Dims two(Dims dims, const char* op, const char* what) {
  if (dims.size() == 1) dims.push_back(dims[0]);
  if (dims.size() != 2)
    fail<ShapeError>(op, ": expected ", what, " to be a single integer value or a list of 2 values, but got ",
                     dims);
  return dims;
}

ops::Window window(const char* op, const Dims& stride, const Dims& padding, const Dims& dilation) {
  return {two(stride, op, "stride"), two(padding, op, "padding"), two(dilation, op, "dilation")};
}

void bind_images(py::module_& m) {
  m.def(
      "conv2d",
      [](const Tensor& x, const Tensor& w, const MaybeTensor& b, const Dims& stride, const Dims& padding,
         const Dims& dilation, int64_t groups, bool may_wait) {
        return ops::conv2d(x, w, b, window("conv2d", stride, padding, dilation), groups, may_wait);
      },
      arg("input"), arg("weight"), arg("bias") = none(), arg("stride") = Shape{1}, arg("padding") = Shape{0},
      arg("dilation") = Shape{1}, arg("groups") = 1, arg("may_wait") = false, Free());
  m.def(
      "conv_transpose2d",
      [](const Tensor& x, const Tensor& w, const MaybeTensor& b, const Dims& stride, const Dims& padding,
         const Dims& output_padding, int64_t groups, const Dims& dilation) {
        return ops::conv_transpose2d(x, w, b, window("conv_transpose2d", stride, padding, dilation),
                                     two(output_padding, "conv_transpose2d", "output_padding"), groups);
      },
      arg("input"), arg("weight"), arg("bias") = none(), arg("stride") = Shape{1}, arg("padding") = Shape{0},
      arg("output_padding") = Shape{0}, arg("groups") = 1, arg("dilation") = Shape{1}, Free());
  m.def(
      "max_pool2d",
      [](const Tensor& x, const Dims& kernel, const Dims& stride, const Dims& padding, const Dims& dilation,
         bool ceil_mode, bool with_indices) {
        const Pair p = without_gil([&] {
          return ops::max_pool2d(x, two(kernel, "max_pool2d", "kernel_size"),
                                 window("max_pool2d", stride.empty() ? kernel : stride, padding, dilation),
                                 ceil_mode, with_indices);
        });
        return py::make_tuple(p.first, p.second.defined() ? py::cast(p.second) : py::none());
      },
      arg("input"), arg("kernel_size"), arg("stride") = Shape(), arg("padding") = Shape{0},
      arg("dilation") = Shape{1}, arg("ceil_mode") = false, arg("with_indices") = true);
  function_out(
      m, "avg_pool2d",
      [](const Tensor& x, const Dims& kernel, const Dims& stride, const Dims& padding, bool ceil_mode,
         bool count_include_pad, std::optional<int64_t> divisor) {
        return ops::avg_pool2d(x, two(kernel, "avg_pool2d", "kernel_size"),
                               window("avg_pool2d", stride.empty() ? kernel : stride, padding, Shape{1}),
                               ceil_mode, count_include_pad, divisor);
      },
      arg("input"), arg("kernel_size"), arg("stride") = Shape(), arg("padding") = Shape{0},
      arg("ceil_mode") = false, arg("count_include_pad") = true, arg("divisor_override") = none(), Free());
}

ops::Interpolation interpolation_from(const std::string& word) {
  if (word == "nearest") return ops::Interpolation::Nearest;
  if (word == "nearest-exact") return ops::Interpolation::NearestExact;
  if (word == "linear") return ops::Interpolation::Linear;
  if (word == "cubic") return ops::Interpolation::Cubic;
  if (word == "mean") return ops::Interpolation::Mean;
  fail<ShapeError>("interpolate: unknown mode ", word);
}

ops::Border border_from(const std::string& word) {
  if (word == "reflect") return ops::Border::Reflect;
  if (word == "replicate") return ops::Border::Replicate;
  if (word == "circular") return ops::Border::Circular;
  fail<ShapeError>("pad: unknown mode ", word);
}

void bind_resample(py::module_& m) {
  m.def(
      "interpolate",
      [](const Tensor& x, const std::string& mode, const Dims& size, const std::vector<double>& steps,
         bool align_corners, bool antialias) {
        return ops::interpolate(x, interpolation_from(mode), size, steps, align_corners, antialias);
      },
      arg("input"), arg("mode"), arg("size"), arg("steps"), arg("align_corners") = false,
      arg("antialias") = false, Free());
  m.def(
      "pad_from_inside",
      [](const Tensor& x, const std::string& mode, const Dims& before, const Dims& after) {
        return ops::pad_from_inside(x, border_from(mode), before, after);
      },
      arg("input"), arg("mode"), arg("before"), arg("after"), Free());
}

void bind_norms(py::module_& m) {
  m.def(
      "layer_norm",
      [](const Tensor& x, const Shape& shape, const MaybeTensor& w, const MaybeTensor& b, double eps) {
        return ops::layer_norm(x, shape, w, b, eps);
      },
      arg("input"), arg("normalized_shape"), arg("weight") = none(), arg("bias") = none(), arg("eps") = 1e-5,
      Free());
  m.def(
      "rms_norm",
      [](const Tensor& x, const Shape& shape, const MaybeTensor& w, std::optional<double> eps) {
        const double smallest = x.dtype() == Dtype::Float64   ? 2.220446049250313e-16
                                : x.dtype() == Dtype::Float32 ? 1.1920928955078125e-07
                                : x.dtype() == Dtype::Float16 ? 0.0009765625
                                                              : 0.0078125;
        return ops::rms_norm(x, shape, w, eps.value_or(smallest));
      },
      arg("input"), arg("normalized_shape"), arg("weight") = none(), arg("eps") = none(), Free());
  m.def(
      "group_norm",
      [](const Tensor& x, int64_t groups, const MaybeTensor& w, const MaybeTensor& b, double eps) {
        return ops::group_norm(x, groups, w, b, eps);
      },
      arg("input"), arg("num_groups"), arg("weight") = none(), arg("bias") = none(), arg("eps") = 1e-5,
      Free());
  m.def(
      "batch_norm",
      [](const Tensor& x, const MaybeTensor& w, const MaybeTensor& b, const MaybeTensor& mean,
         const MaybeTensor& var, bool training, double momentum,
         double eps) { return ops::batch_norm(x, w, b, mean, var, training, momentum, eps); },
      arg("input"), arg("weight"), arg("bias"), arg("running_mean"), arg("running_var"), arg("training"),
      arg("momentum"), arg("eps"), Free());
}

void bind_losses(py::module_& m) {
  m.def(
      "nll_loss",
      [](const Tensor& x, const Tensor& target, const MaybeTensor& weight, int64_t ignore,
         const std::string& reduction) {
        return ops::nll_loss(x, target, weight, ignore, reduction_from(reduction));
      },
      arg("input"), arg("target"), arg("weight") = none(), arg("ignore_index") = -100,
      arg("reduction") = "mean", Free());
  m.def(
      "cross_entropy",
      [](const Tensor& x, const Tensor& target, const MaybeTensor& weight, int64_t ignore,
         const std::string& reduction, double smoothing) {
        return ops::cross_entropy(x, target, weight, ignore, reduction_from(reduction), smoothing);
      },
      arg("input"), arg("target"), arg("weight") = none(), arg("ignore_index") = -100,
      arg("reduction") = "mean", arg("label_smoothing") = 0.0, Free());
  m.def("ctc_loss", &ops::ctc_loss, arg("log_probs"), arg("labels"), arg("first_label"), arg("label_count"),
        arg("step_count"), arg("blank"), arg("zero_infinity"), Free());
}

Cell cell_from(const std::string& word) {
  if (word == "RNN_TANH") return Cell::RnnTanh;
  if (word == "RNN_RELU") return Cell::RnnRelu;
  if (word == "LSTM") return Cell::Lstm;
  if (word == "GRU") return Cell::Gru;
  fail<ShapeError>("recurrent: expected mode RNN_TANH, RNN_RELU, LSTM or GRU, got ", word);
}

void bind_recurrent(py::module_& m) {
  m.def(
      "recurrent",
      [](const std::string& mode, const Tensor& x, const std::vector<int64_t>& sizes, const MaybeTensor& h,
         const MaybeTensor& c, const std::vector<MaybeTensor>& weights, bool bidirectional, double dropout) {
        return ops::recurrent(cell_from(mode), x, sizes, h, c, Tensors(weights.begin(), weights.end()),
                              bidirectional, dropout, default_generator());
      },
      arg("mode"), arg("input"), arg("sizes"), arg("h"), arg("c"), arg("weights"),
      arg("bidirectional") = false, arg("dropout") = 0.0, Free());
}

}  // namespace

void bind_nn(py::module_& m) {
  bind_products(m);
  bind_images(m);
  bind_resample(m);
  bind_norms(m);
  bind_losses(m);
  bind_recurrent(m);
}

}  // namespace lamina::bind
