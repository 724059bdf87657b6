// Elementwise functions of one operand, and activations.
#include <cmath>

#include "bind/define.h"

namespace lamina::bind {

namespace {

struct Entry {
  const char* name;
  ops::UnaryFunction function;
  bool in_place;
};

const Entry kEntries[] = {
    {"neg", ops::neg, true},
    {"negative", ops::neg, true},
    {"abs", ops::abs, true},
    {"absolute", ops::abs, true},
    {"sign", ops::sign, true},
    {"sgn", ops::sgn, true},
    {"square", ops::square, true},
    {"sqrt", ops::sqrt, true},
    {"rsqrt", ops::rsqrt, true},
    {"reciprocal", ops::reciprocal, true},
    {"bitwise_not", ops::bitwise_not, true},
    {"exp", ops::exp, true},
    {"exp2", ops::exp2, true},
    {"expm1", ops::expm1, true},
    {"log", ops::log, true},
    {"log2", ops::log2, true},
    {"log10", ops::log10, true},
    {"log1p", ops::log1p, true},
    {"sin", ops::sin, true},
    {"cos", ops::cos, true},
    {"tan", ops::tan, true},
    {"asin", ops::asin, true},
    {"arcsin", ops::asin, true},
    {"acos", ops::acos, true},
    {"arccos", ops::acos, true},
    {"atan", ops::atan, true},
    {"arctan", ops::atan, true},
    {"sinh", ops::sinh, true},
    {"cosh", ops::cosh, true},
    {"tanh", ops::tanh, true},
    {"asinh", ops::asinh, true},
    {"arcsinh", ops::asinh, true},
    {"acosh", ops::acosh, true},
    {"arccosh", ops::acosh, true},
    {"atanh", ops::atanh, true},
    {"arctanh", ops::atanh, true},
    {"erf", ops::erf, true},
    {"erfc", ops::erfc, true},
    {"erfinv", ops::erfinv, true},
    {"lgamma", ops::lgamma, true},
    {"digamma", ops::digamma, true},
    {"sinc", ops::sinc, true},
    {"floor", ops::floor, true},
    {"ceil", ops::ceil, true},
    {"trunc", ops::trunc, true},
    {"fix", ops::trunc, true},
    {"frac", ops::frac, true},
    {"relu", ops::relu, true},
    {"sigmoid", ops::sigmoid, true},
    {"logical_not", ops::logical_not, true},
    {"isnan", ops::isnan, false},
    {"isinf", ops::isinf, false},
    {"isposinf", ops::isposinf, false},
    {"isneginf", ops::isneginf, false},
    {"isfinite", ops::isfinite, false},
    {"signbit", ops::signbit, false},
};

// Activations that PyTorch keeps in nn.functional: functions of the core only.
const Entry kActivations[] = {
    {"relu6", ops::relu6, true},         {"logsigmoid", ops::logsigmoid, false},
    {"silu", ops::silu, true},           {"mish", ops::mish, true},
    {"softsign", ops::softsign, false},  {"hardsigmoid", ops::hardsigmoid, true},
    {"hardswish", ops::hardswish, true}, {"tanhshrink", ops::tanhshrink, false},
    {"selu", ops::selu, true},
};

Tensor round_to(const Tensor& x, int decimals) {
  if (decimals == 0) return ops::round(x);
  const double scale = std::pow(10.0, std::abs(decimals));
  if (decimals > 0) return ops::div(ops::round(ops::mul(x, scale)), scale);
  return ops::mul(ops::round(ops::div(x, scale)), scale);
}

bool tanh_form(const std::string& approximate) {
  if (approximate == "tanh") return true;
  if (approximate != "none")
    fail<ShapeError>("gelu: approximate argument must be either none or tanh, got '", approximate, "'");
  return false;
}

// name_(x, numbers...): a law with parameters, written over x.
template <class... Numbers, class... Args>
void numbered_(py::module_& m, const char* name, Tensor (*law)(const Tensor&, Numbers...),
               const Args&... args) {
  m.def(
      name,
      [law](const Tensor& x, Numbers... numbers) {
        return ops::change(x, 0, [&](const Tensor& self) { return law(self, numbers...); });
      },
      py::arg("input"), args..., Free());
}

void bind_complex(py::module_& m) {
  using py::arg;
  function(m, "view_as_real", &ops::view_as_real, arg("input"));
  function(m, "view_as_complex", &ops::view_as_complex, arg("input"));
  function(m, "real", &ops::real, arg("input"));
  function(m, "imag", &ops::imag, arg("input"));
  both(m, "conj", &ops::conj, arg("input"), Free());
  both(
      m, "resolve_conj", [](const Tensor& x) { return x; }, arg("input"));  // no view is conjugated
  both(
      m, "resolve_neg", [](const Tensor& x) { return x; }, arg("input"));
  both(
      m, "is_conj", [](const Tensor&) { return false; }, arg("input"));
  both(
      m, "is_neg", [](const Tensor&) { return false; }, arg("input"));
  both_out(m, "conj_physical", &ops::conj, arg("input"), Free());
  both(
      m, "conj_physical_", [](const Tensor& x) { return ops::unary_(x, ops::conj); }, arg("input"), Free());
  both_out(m, "angle", &ops::angle, arg("input"), Free());
  function_out(m, "complex", &ops::complex, arg("real"), arg("imag"), py::kw_only(), Free());
  function_out(m, "polar", &ops::polar, arg("abs"), arg("angle"), py::kw_only(), Free());
}

}  // namespace

void bind_elementwise(py::module_& m) {
  using py::arg;
  bind_complex(m);
  for (const Entry& entry : kEntries) {
    const ops::UnaryFunction f = entry.function;
    both_out(m, entry.name, f, arg("input"), Free());
    if (!entry.in_place) continue;
    const std::string name = std::string(entry.name) + "_";
    both(
        m, name.c_str(), [f](const Tensor& x) { return ops::unary_(x, f); }, arg("input"), Free());
  }
  for (const Entry& entry : kActivations) {
    const ops::UnaryFunction f = entry.function;
    function_out(m, entry.name, f, arg("input"), Free());
    if (entry.in_place)
      m.def((std::string(entry.name) + "_").c_str(), [f](const Tensor& x) { return ops::unary_(x, f); },
            arg("input"), Free());
  }
  both_out(m, "round", &round_to, arg("input"), py::kw_only(), arg("decimals") = 0, Free());
  method(
      "round_",
      [](const Tensor& x, int decimals) {
        if (decimals == 0) return ops::unary_(x, ops::round);
        return ops::rewrite(x, [decimals](const Tensor& self) { return round_to(self, decimals); });
      },
      py::kw_only(), arg("decimals") = 0, Free());
  function_out(
      m, "gelu",
      [](const Tensor& x, const std::string& approximate) { return ops::gelu(x, tanh_form(approximate)); },
      arg("input"), arg("approximate") = "none", Free());
  numbered_(m, "leaky_relu_", &ops::leaky_relu, arg("negative_slope") = 0.01);
  numbered_(m, "elu_", &ops::elu, arg("alpha") = 1.0);
  numbered_(m, "celu_", &ops::celu, arg("alpha") = 1.0);
  numbered_(m, "hardtanh_", &ops::hardtanh, arg("min_val") = -1.0, arg("max_val") = 1.0);
  numbered_(m, "threshold_", &ops::threshold, arg("threshold"), arg("value"));
  function_out(m, "leaky_relu", &ops::leaky_relu, arg("input"), arg("negative_slope") = 0.01, Free());
  function_out(m, "elu", &ops::elu, arg("input"), arg("alpha") = 1.0, Free());
  function_out(m, "celu", &ops::celu, arg("input"), arg("alpha") = 1.0, Free());
  function_out(m, "softplus", &ops::softplus, arg("input"), arg("beta") = 1.0, arg("threshold") = 20.0,
               Free());
  function_out(m, "hardtanh", &ops::hardtanh, arg("input"), arg("min_val") = -1.0, arg("max_val") = 1.0,
               Free());
  function_out(m, "hardshrink", &ops::hardshrink, arg("input"), arg("lambd") = 0.5, Free());
  function_out(m, "softshrink", &ops::softshrink, arg("input"), arg("lambd") = 0.5, Free());
  function_out(m, "threshold", &ops::threshold, arg("input"), arg("threshold"), arg("value"), Free());
  function_out(m, "polygamma", &ops::polygamma, arg("n"), arg("input"), Free());
  method(
      "polygamma", [](const Tensor& x, int64_t n) { return ops::polygamma(n, x); }, arg("n"), Free());
  method(
      "polygamma_",
      [](const Tensor& x, int64_t n) {
        return ops::rewrite(x, [n](const Tensor& self) { return ops::polygamma(n, self); });
      },
      arg("n"), Free());
  function_out(m, "_logit", &ops::logit, arg("input"), Free());
  m.def("_smooth_l1", &ops::smooth_l1, arg("input"), arg("beta"), Free());
  both(m, "prelu", &ops::prelu, arg("input"), arg("weight"), Free());
}

}  // namespace lamina::bind
