// Activation functions. Each has its law and slope in kernels/formulas.h; here stands the slope once more,
// built from ops, which is what derivatives of higher order differentiate and what the tests hold the fused
// one against.
#include <cmath>

#include "ops/complex.h"
#include "ops/unary.h"

namespace lamina::ops {
namespace {

constexpr double kRootHalf = 0.70710678118654752440;
constexpr double kInvRootTwoPi = 0.39894228040143267794;
constexpr double kSeluAlpha = 1.6732632423543772848170429916717;
constexpr double kSeluScale = 1.0507009873554804934193349852946;
constexpr double kRootTwoOverPi = 0.79788456080286535588;
constexpr double kGeluCubic = 0.044715;

Tensor step(const Tensor& condition, const Tensor& x) { return to(condition, x.dtype()); }  // 1 where true
Tensor between(const Tensor& x, double lo, double hi) { return step(logical_and(gt(x, lo), lt(x, hi)), x); }

Tensor sigmoid_slope(const Tensor& y) { return mul(y, sub(1, y)); }

// d/dx x * Phi(x) = Phi(x) + x * phi(x)
Tensor gelu_slope(const Slope& s) {
  const Tensor cdf = mul(add(erf(mul(s.x, kRootHalf)), 1), 0.5);
  const Tensor pdf = mul(exp(mul(square(s.x), -0.5)), kInvRootTwoPi);
  return add(cdf, mul(s.x, pdf));
}

// y = x/2 (1 + tanh u), u = sqrt(2/pi) (x + 0.044715 x^3)
Tensor gelu_tanh_slope(const Slope& s) {
  const Tensor x2 = square(s.x);
  const Tensor t = tanh(mul(mul(s.x, add(mul(x2, kGeluCubic), 1)), kRootTwoOverPi));
  const Tensor du = mul(add(mul(x2, 3 * kGeluCubic), 1), kRootTwoOverPi);
  return add(mul(add(t, 1), 0.5), mul(mul(mul(s.x, 0.5), sub(1, square(t))), du));
}

Tensor silu_slope(const Slope& s) {
  const Tensor y = sigmoid(s.x);
  return mul(y, add(mul(s.x, sub(1, y)), 1));
}

// y = x tanh(softplus x)
Tensor mish_slope(const Slope& s) {
  const Tensor t = tanh(softplus(s.x, 1, 20));
  return add(t, mul(mul(s.x, sub(1, square(t))), sigmoid(s.x)));
}

Tensor elu_slope(const Tensor& x, double alpha, double scale) {
  return where(gt(x, 0), scale, mul(exp(clamp(x, {}, Scalar(0.0))), alpha * scale));
}

const UnaryDef kRelu{"ReluBackward0", UnaryOp::Relu, [](const Slope& s) { return step(gt(s.y, 0), s.y); },
                     true};
const UnaryDef kRelu6{"HardtanhBackward0", UnaryOp::Relu6, [](const Slope& s) { return between(s.x, 0, 6); }};
const UnaryDef kSigmoid{"SigmoidBackward0", UnaryOp::Sigmoid,
                        [](const Slope& s) { return sigmoid_slope(s.y); }};
const UnaryDef kLogSigmoid{"LogSigmoidBackward0", UnaryOp::LogSigmoid,
                           [](const Slope& s) { return sigmoid(neg(s.x)); }};
const UnaryDef kGelu{"GeluBackward0", UnaryOp::Gelu, gelu_slope};
const UnaryDef kGeluTanh{"GeluBackward0", UnaryOp::GeluTanh, gelu_tanh_slope};
const UnaryDef kSilu{"SiluBackward0", UnaryOp::Silu, silu_slope};
const UnaryDef kMish{"MishBackward0", UnaryOp::Mish, mish_slope};
const UnaryDef kSoftsign{"SoftsignBackward0", UnaryOp::Softsign,
                         [](const Slope& s) { return reciprocal(square(add(abs(s.x), 1))); }};
const UnaryDef kHardsigmoid{"HardsigmoidBackward0", UnaryOp::Hardsigmoid,
                            [](const Slope& s) { return div(between(s.x, -3, 3), 6); }};
const UnaryDef kHardswish{"HardswishBackward0", UnaryOp::Hardswish, [](const Slope& s) {
                            const Tensor inner = add(div(s.x, 3), 0.5);
                            return where(lt(s.x, -3), 0.0, where(le(s.x, 3), inner, 1.0));
                          }};
const UnaryDef kTanhshrink{"TanhshrinkBackward0", UnaryOp::Tanhshrink,
                           [](const Slope& s) { return square(tanh(s.x)); }};
const UnaryDef kSelu{"EluBackward0", UnaryOp::Selu,
                     [](const Slope& s) { return elu_slope(s.x, kSeluAlpha, kSeluScale); }};
const UnaryDef kLeakyRelu{"LeakyReluBackward0", UnaryOp::LeakyRelu, [](const Slope& s) {
                            const Tensor positive = step(gt(s.x, 0), s.x);
                            return add(mul(positive, 1 - s.p[0]), s.p[0]);
                          }};
const UnaryDef kElu{"EluBackward0", UnaryOp::Elu, [](const Slope& s) { return elu_slope(s.x, s.p[0], 1); }};
const UnaryDef kCelu{"EluBackward0", UnaryOp::Celu, [](const Slope& s) {
                       return where(gt(s.x, 0), 1.0, exp(clamp(div(s.x, s.p[0]), {}, Scalar(0.0))));
                     }};
const UnaryDef kSoftplus{"SoftplusBackward0", UnaryOp::Softplus, [](const Slope& s) {
                           const Tensor scaled = mul(s.x, s.p[0]);
                           return where(gt(scaled, s.p[1]), 1.0, sigmoid(scaled));
                         }};
const UnaryDef kHardtanh{"HardtanhBackward0", UnaryOp::Hardtanh,
                         [](const Slope& s) { return between(s.x, s.p[0], s.p[1]); }};
const UnaryDef kHardshrink{"HardshrinkBackward0", UnaryOp::Hardshrink,
                           [](const Slope& s) { return step(gt(abs(s.x), s.p[0]), s.x); }};
const UnaryDef kSoftshrink{"SoftshrinkBackward0", UnaryOp::Softshrink,
                           [](const Slope& s) { return step(gt(abs(s.x), s.p[0]), s.x); }};
const UnaryDef kThreshold{"ThresholdBackward0", UnaryOp::Threshold,
                          [](const Slope& s) { return step(gt(s.x, s.p[0]), s.x); }};
const UnaryDef kSmoothL1{"SmoothL1LossBackward0", UnaryOp::SmoothL1, [](const Slope& s) {
                           return where(ge(abs(s.x), s.p[0]), sign(s.x), div(s.x, s.p[0]));
                         }};
const UnaryDef kClamp{"ClampBackward1", UnaryOp::Clamp,
                      [](const Slope& s) { return step(logical_and(ge(s.x, s.p[0]), le(s.x, s.p[1])), s.x); },
                      true};

Tensor floating_only(const UnaryDef& def, const Tensor& x, const char* op, double p0 = 0, double p1 = 0) {
  if (!is_floating(x.dtype())) fail<TypeError>(op, ": expected a floating dtype, got ", name_of(x.dtype()));
  return unary(def, x, p0, p1);
}

}  // namespace

Tensor relu(const Tensor& x) {
  if (x.dtype() == Dtype::Bool) fail<TypeError>("relu: not defined for bool tensors");
  return unary(kRelu, x);
}
Tensor relu6(const Tensor& x) { return floating_only(kRelu6, x, "relu6"); }
Tensor sigmoid(const Tensor& x) { return unary(kSigmoid, x); }
Tensor logsigmoid(const Tensor& x) { return floating_only(kLogSigmoid, x, "logsigmoid"); }
Tensor gelu(const Tensor& x, bool tanh_form) {
  return floating_only(tanh_form ? kGeluTanh : kGelu, x, "gelu");
}
Tensor silu(const Tensor& x) {
  return is_complex(x.dtype()) ? mul(x, sigmoid(x)) : floating_only(kSilu, x, "silu");
}
Tensor mish(const Tensor& x) { return floating_only(kMish, x, "mish"); }
Tensor softsign(const Tensor& x) { return floating_only(kSoftsign, x, "softsign"); }
Tensor hardsigmoid(const Tensor& x) { return floating_only(kHardsigmoid, x, "hardsigmoid"); }
Tensor hardswish(const Tensor& x) { return floating_only(kHardswish, x, "hardswish"); }
Tensor tanhshrink(const Tensor& x) { return floating_only(kTanhshrink, x, "tanhshrink"); }
Tensor selu(const Tensor& x) { return floating_only(kSelu, x, "selu"); }
Tensor leaky_relu(const Tensor& x, double slope) { return floating_only(kLeakyRelu, x, "leaky_relu", slope); }
Tensor elu(const Tensor& x, double alpha) { return floating_only(kElu, x, "elu", alpha); }
Tensor celu(const Tensor& x, double alpha) {
  if (alpha == 0) fail<ShapeError>("celu: alpha cannot be 0");
  return floating_only(kCelu, x, "celu", alpha);
}
Tensor softplus(const Tensor& x, double beta, double threshold) {
  return floating_only(kSoftplus, x, "softplus", beta, threshold);
}
Tensor hardtanh(const Tensor& x, double lo, double hi) {
  if (x.dtype() == Dtype::Bool) fail<TypeError>("hardtanh: not defined for bool tensors");
  return unary(is_floating(x.dtype()) ? kHardtanh : kClamp, x, lo, hi);
}
Tensor hardshrink(const Tensor& x, double lambda) {
  return floating_only(kHardshrink, x, "hardshrink", lambda);
}
Tensor smooth_l1(const Tensor& x, double beta) { return floating_only(kSmoothL1, x, "smooth_l1", beta); }
Tensor softshrink(const Tensor& x, double lambda) {
  if (!(lambda >= 0))
    fail<ShapeError>("softshrink: lambda must be greater or equal to 0, but found to be ", lambda);
  return floating_only(kSoftshrink, x, "softshrink", lambda);
}
Tensor threshold(const Tensor& x, double threshold, double value) {
  return floating_only(kThreshold, x, "threshold", threshold, value);
}

Tensor clamp(const Tensor& x, std::optional<Scalar> lo, std::optional<Scalar> hi) {
  if (!lo && !hi) fail<ShapeError>("clamp: At least one of 'min' or 'max' must not be None");
  real_only("clamp", x);
  if (x.dtype() == Dtype::Bool) fail<TypeError>("clamp: not defined for bool tensors");
  Dtype dtype = x.dtype();
  if (lo) dtype = result_type(Operand(x), Operand(*lo));
  if (hi) dtype = promote(dtype, result_type(Operand(x), Operand(*hi)));
  const double low = lo ? lo->to_double() : -INFINITY;
  const double high = hi ? hi->to_double() : INFINITY;
  if (std::isnan(low) || std::isnan(high)) return full_like(x, std::nan(""), dtype);
  return unary(kClamp, to(x, dtype), low, high);
}

Tensor prelu(const Tensor& x, const Tensor& weight) {
  if (!is_floating(x.dtype()) || weight.dtype() != x.dtype())
    fail<TypeError>("prelu: expected one floating dtype, got ", name_of(x.dtype()), " with weight ",
                    name_of(weight.dtype()));
  const int64_t channels = x.ndim() > 1 ? x.size(1) : 1;
  if (weight.ndim() > 1 || (weight.numel() != 1 && weight.numel() != channels))
    fail<ShapeError>("prelu: weight ", weight.shape(), " must have 1 value or one per channel, input is ",
                     x.shape());
  Shape shape;
  if (weight.numel() != 1) {
    shape = Shape(x.ndim(), 1);
    shape[1] = weight.numel();
  }
  const Tensor slope = reshape(weight, shape);
  return where(gt(x, 0), x, mul(x, slope));
}

}  // namespace lamina::ops
