// Elementwise ops of one operand: arithmetic, powers, exponentials, trigonometry, rounding, predicates.
#include "ops/unary.h"

#include <cmath>

#include "ops/complex.h"
#include "ops/conv_pending.h"
#include "ops/inplace.h"

namespace lamina {

namespace {

// g * f'(x) by one kernel, or by ops where this way back is itself recorded.
Tensor unary_grad(const UnaryDef& def, const Tensor& g, const Tensor& s, const double* p) {
  if (recording(g, s) || is_complex(s.dtype())) {
    const Tensor none;
    const bool from_output = slope_from_output(def.op);
    return ops::mul(g, ops::conj(def.slope({from_output ? none : s, from_output ? s : none, p})));
  }
  const Tensor out = elementwise_result(g.shape(), g.dtype(), {&s, &g});
  Walk walk;
  if (WalkBuilder(g.shape()).operand(out).operand(g).operand(s).build(&walk))
    g.kernels().unary_grad(def.op, g.dtype(), walk, p);
  return out;
}

Tensor unary_value(const UnaryDef& def, const Tensor& x, double p0, double p1) {
  if (is_complex(x.dtype())) return ops::complex_unary(def.name, def.op, x);
  const Tensor y = elementwise_result(x.shape(), x.dtype(), {&x});
  const double p[2] = {p0, p1};
  Walk walk;
  if (WalkBuilder(x.shape()).operand(y).operand(x).build(&walk))
    x.kernels().unary(def.op, x.dtype(), walk, p);
  return y;
}

}  // namespace

Tensor unary(const UnaryDef& def, const Tensor& input, double p0, double p1) {
  if (const Tensor y = ops::join_activation(input, def.op, p0, p1); y.defined()) return y;
  const bool direct = is_inexact(input.dtype()) || def.integers;
  const Tensor x = direct ? input : ops::to(input, default_float());
  const Tensor y = unary_value(def, x, p0, p1);
  if (!recording(x)) return y;
  if (!def.slope) {
    record(def.name, y, {&x}, [](Back& back) -> Tensors { return {ops::full_like(back.grad(), 0)}; });
  } else {
    const Saved saved = slope_from_output(def.op) ? Saved::output(y) : Saved(x);
    record(def.name, y, {&x}, [&def, saved, p0, p1](Back& back) -> Tensors {
      const double p[2] = {p0, p1};
      return {unary_grad(def, back.grad(), saved.get(back), p)};
    });
  }
  return y;
}

namespace ops {
namespace {

constexpr double kTwoOverRootPi = 1.12837916709551257390;
constexpr double kLn2 = 0.69314718055994530942;
constexpr double kLn10 = 2.30258509299404568402;

const UnaryDef kNeg{"NegBackward0", UnaryOp::Neg, [](const Slope& s) { return full_like(s.x, -1); }, true};
const UnaryDef kAbs{"AbsBackward0", UnaryOp::Abs, [](const Slope& s) { return sign(s.x); }, true};
const UnaryDef kSign{"SignBackward0", UnaryOp::Sign, nullptr, true};
const UnaryDef kSquare{"PowBackward0", UnaryOp::Square, [](const Slope& s) { return mul(s.x, 2); }, true};
const UnaryDef kCube{"PowBackward0", UnaryOp::Cube, [](const Slope& s) { return mul(square(s.x), 3); }};
const UnaryDef kSqrt{"SqrtBackward0", UnaryOp::Sqrt, [](const Slope& s) { return div(0.5, s.y); }};
const UnaryDef kRsqrt{"RsqrtBackward0", UnaryOp::Rsqrt,
                      [](const Slope& s) { return mul(mul(square(s.y), s.y), -0.5); }};
const UnaryDef kReciprocal{"ReciprocalBackward0", UnaryOp::Reciprocal,
                           [](const Slope& s) { return neg(square(s.y)); }};
const UnaryDef kBitwiseNot{"", UnaryOp::BitwiseNot, nullptr, true};
const UnaryDef kExp{"ExpBackward0", UnaryOp::Exp, [](const Slope& s) { return s.y; }};
const UnaryDef kExp2{"Exp2Backward0", UnaryOp::Exp2, [](const Slope& s) { return mul(s.y, kLn2); }};
const UnaryDef kExpm1{"Expm1Backward0", UnaryOp::Expm1, [](const Slope& s) { return add(s.y, 1); }};
const UnaryDef kLog{"LogBackward0", UnaryOp::Log, [](const Slope& s) { return reciprocal(s.x); }};
const UnaryDef kLog2{"Log2Backward0", UnaryOp::Log2, [](const Slope& s) { return div(1 / kLn2, s.x); }};
const UnaryDef kLog10{"Log10Backward0", UnaryOp::Log10, [](const Slope& s) { return div(1 / kLn10, s.x); }};
const UnaryDef kLogit{"LogitBackward0", UnaryOp::Logit,
                      [](const Slope& s) { return reciprocal(mul(s.x, sub(1, s.x))); }};
const UnaryDef kLog1p{"Log1PBackward0", UnaryOp::Log1p,
                      [](const Slope& s) { return reciprocal(add(s.x, 1)); }};
const UnaryDef kSin{"SinBackward0", UnaryOp::Sin, [](const Slope& s) { return cos(s.x); }};
const UnaryDef kCos{"CosBackward0", UnaryOp::Cos, [](const Slope& s) { return neg(sin(s.x)); }};
const UnaryDef kTan{"TanBackward0", UnaryOp::Tan, [](const Slope& s) { return add(square(s.y), 1); }};
const UnaryDef kAsin{"AsinBackward0", UnaryOp::Asin,
                     [](const Slope& s) { return rsqrt(sub(1, square(s.x))); }};
const UnaryDef kAcos{"AcosBackward0", UnaryOp::Acos,
                     [](const Slope& s) { return neg(rsqrt(sub(1, square(s.x)))); }};
const UnaryDef kAtan{"AtanBackward0", UnaryOp::Atan,
                     [](const Slope& s) { return reciprocal(add(square(s.x), 1)); }};
const UnaryDef kSinh{"SinhBackward0", UnaryOp::Sinh, [](const Slope& s) { return cosh(s.x); }};
const UnaryDef kCosh{"CoshBackward0", UnaryOp::Cosh, [](const Slope& s) { return sinh(s.x); }};
const UnaryDef kTanh{"TanhBackward0", UnaryOp::Tanh, [](const Slope& s) { return sub(1, square(s.y)); }};
const UnaryDef kAsinh{"AsinhBackward0", UnaryOp::Asinh,
                      [](const Slope& s) { return rsqrt(add(square(s.x), 1)); }};
const UnaryDef kAcosh{"AcoshBackward0", UnaryOp::Acosh,
                      [](const Slope& s) {  // in two roots: of one, complex numbers have another branch
                        return mul(rsqrt(sub(s.x, 1)), rsqrt(add(s.x, 1)));
                      }};
const UnaryDef kAtanh{"AtanhBackward0", UnaryOp::Atanh,
                      [](const Slope& s) { return reciprocal(sub(1, square(s.x))); }};
const UnaryDef kErf{"ErfBackward0", UnaryOp::Erf,
                    [](const Slope& s) { return mul(exp(neg(square(s.x))), kTwoOverRootPi); }};
const UnaryDef kErfc{"ErfcBackward0", UnaryOp::Erfc,
                     [](const Slope& s) { return mul(exp(neg(square(s.x))), -kTwoOverRootPi); }};
const UnaryDef kErfinv{"ErfinvBackward0", UnaryOp::Erfinv,
                       [](const Slope& s) { return mul(exp(square(erfinv(s.x))), 1 / kTwoOverRootPi); }};
const UnaryDef kLgamma{"LgammaBackward0", UnaryOp::Lgamma, [](const Slope& s) { return digamma(s.x); }};
const UnaryDef kDigamma{"DigammaBackward0", UnaryOp::Digamma,
                        [](const Slope& s) { return polygamma(1, s.x); }};
// sinc(x) = sin(pi x) / (pi x); its slope (cos(pi x) - sinc(x)) / x is 0 at 0.
const UnaryDef kSinc{"SincBackward0", UnaryOp::Sinc, [](const Slope& s) {
                       const Tensor zero = eq(s.x, 0);
                       const Tensor x = masked_fill(s.x, zero, 1);
                       return masked_fill(div(sub(cos(mul(x, M_PI)), sinc(x)), x), zero, 0);
                     }};
const UnaryDef kFloor{"FloorBackward0", UnaryOp::Floor, nullptr};
const UnaryDef kCeil{"CeilBackward0", UnaryOp::Ceil, nullptr};
const UnaryDef kRound{"RoundBackward0", UnaryOp::Round, nullptr};
const UnaryDef kTrunc{"TruncBackward0", UnaryOp::Trunc, nullptr};
const UnaryDef kFrac{"FracBackward0", UnaryOp::Frac, [](const Slope& s) { return full_like(s.x, 1); }};

Tensor rounding(const UnaryDef& def, const Tensor& x) {
  return is_inexact(x.dtype()) ? unary(def, x) : clone(x);
}

void refuse_bool(const Tensor& x, const char* op) {
  if (x.dtype() == Dtype::Bool) fail<TypeError>(op, ": not defined for bool tensors; use logical_not or ~");
}

Tensor predicate(const char* name, PredicateOp op, const Tensor& x) {
  if (is_complex(x.dtype())) return complex_predicate(name, op, x);
  const Tensor y = elementwise_result(x.shape(), Dtype::Bool, {&x});
  Walk walk;
  if (WalkBuilder(x.shape()).operand(y).operand(x).build(&walk)) x.kernels().predicate(op, x.dtype(), walk);
  return y;
}

}  // namespace

Tensor neg(const Tensor& x) {
  refuse_bool(x, "neg");
  return unary(kNeg, x);
}
Tensor abs(const Tensor& x) {
  if (is_complex(x.dtype())) return complex_abs(x);
  return x.dtype() == Dtype::Bool ? clone(x) : unary(kAbs, x);
}
Tensor sign(const Tensor& x) { return x.dtype() == Dtype::Bool ? clone(x) : unary(kSign, x); }
Tensor square(const Tensor& x) {
  return x.dtype() == Dtype::Bool ? square(to(x, Dtype::Int64)) : unary(kSquare, x);
}
Tensor cube(const Tensor& x) { return unary(kCube, x); }
Tensor sqrt(const Tensor& x) { return unary(kSqrt, x); }
Tensor rsqrt(const Tensor& x) { return unary(kRsqrt, x); }
Tensor reciprocal(const Tensor& x) { return unary(kReciprocal, x); }
Tensor bitwise_not(const Tensor& x) {
  if (is_inexact(x.dtype()))
    fail<TypeError>("bitwise_not: expected integers or bool, got ", name_of(x.dtype()));
  return unary(kBitwiseNot, x);
}
Tensor exp(const Tensor& x) { return unary(kExp, x); }
Tensor exp2(const Tensor& x) { return unary(kExp2, x); }
Tensor expm1(const Tensor& x) { return unary(kExpm1, x); }
Tensor log(const Tensor& x) { return unary(kLog, x); }
Tensor log2(const Tensor& x) { return unary(kLog2, x); }
Tensor log10(const Tensor& x) { return unary(kLog10, x); }
Tensor logit(const Tensor& x) { return unary(kLogit, x); }
Tensor log1p(const Tensor& x) { return unary(kLog1p, x); }
Tensor sin(const Tensor& x) { return unary(kSin, x); }
Tensor cos(const Tensor& x) { return unary(kCos, x); }
Tensor tan(const Tensor& x) { return unary(kTan, x); }
Tensor asin(const Tensor& x) { return unary(kAsin, x); }
Tensor acos(const Tensor& x) { return unary(kAcos, x); }
Tensor atan(const Tensor& x) { return unary(kAtan, x); }
Tensor sinh(const Tensor& x) { return unary(kSinh, x); }
Tensor cosh(const Tensor& x) { return unary(kCosh, x); }
Tensor tanh(const Tensor& x) { return unary(kTanh, x); }
Tensor asinh(const Tensor& x) { return unary(kAsinh, x); }
Tensor acosh(const Tensor& x) { return unary(kAcosh, x); }
Tensor atanh(const Tensor& x) { return unary(kAtanh, x); }
Tensor erf(const Tensor& x) { return unary(kErf, x); }
Tensor erfc(const Tensor& x) { return unary(kErfc, x); }
Tensor erfinv(const Tensor& x) { return unary(kErfinv, x); }
Tensor lgamma(const Tensor& x) { return unary(kLgamma, x); }
Tensor digamma(const Tensor& x) { return unary(kDigamma, x); }
Tensor sinc(const Tensor& x) { return unary(kSinc, x); }
Tensor floor(const Tensor& x) { return rounding(kFloor, x); }
Tensor ceil(const Tensor& x) { return rounding(kCeil, x); }
Tensor round(const Tensor& x) { return rounding(kRound, x); }
Tensor trunc(const Tensor& x) { return rounding(kTrunc, x); }
Tensor frac(const Tensor& x) { return unary(kFrac, x); }

Tensor isnan(const Tensor& x) { return predicate("isnan", PredicateOp::IsNan, x); }
Tensor isinf(const Tensor& x) { return predicate("isinf", PredicateOp::IsInf, x); }
Tensor isposinf(const Tensor& x) { return predicate("isposinf", PredicateOp::IsPosInf, x); }
Tensor isneginf(const Tensor& x) { return predicate("isneginf", PredicateOp::IsNegInf, x); }
Tensor isfinite(const Tensor& x) { return predicate("isfinite", PredicateOp::IsFinite, x); }
Tensor logical_not(const Tensor& x) { return predicate("logical_not", PredicateOp::LogicalNot, x); }
Tensor signbit(const Tensor& x) { return predicate("signbit", PredicateOp::Signbit, x); }

Tensor unary_(const Tensor& x, UnaryFunction function) { return change(x, 0, function); }

}  // namespace ops
}  // namespace lamina
