// Elementwise functions of two and three operands, comparisons, clamp and where.
#include "bind/define.h"
#include "ops/inplace.h"

namespace lamina::bind {
namespace {

// Where a number may stand for a tensor.
enum class Numbers : uint8_t { Nowhere, Second, Anywhere };
constexpr Numbers kNowhere = Numbers::Nowhere, kSecond = Numbers::Second, kAnywhere = Numbers::Anywhere;

struct Entry {
  const char* name;
  ops::BinaryFunction function;
  bool in_place;
  Numbers numbers;
};

const Entry kEntries[] = {
    {"mul", ops::mul, true, kAnywhere},
    {"multiply", ops::mul, true, kAnywhere},
    {"floor_divide", ops::floor_divide, true, kAnywhere},
    {"remainder", ops::remainder, true, kAnywhere},
    {"fmod", ops::fmod, true, kSecond},
    {"pow", ops::pow, true, kAnywhere},
    {"float_power", nullptr, true, kAnywhere},
    {"atan2", ops::atan2, true, kNowhere},
    {"arctan2", ops::atan2, true, kNowhere},
    {"hypot", ops::hypot, true, kNowhere},
    {"maximum", ops::maximum, false, kNowhere},
    {"minimum", ops::minimum, false, kNowhere},
    {"fmax", ops::fmax, false, kNowhere},
    {"fmin", ops::fmin, false, kNowhere},
    {"copysign", ops::copysign, true, kSecond},
    {"xlogy", ops::xlogy, true, kAnywhere},
    {"logaddexp", ops::logaddexp, false, kNowhere},
    {"logaddexp2", ops::logaddexp2, false, kNowhere},
    {"nextafter", ops::nextafter, true, kNowhere},
    {"bitwise_and", ops::bitwise_and, true, kAnywhere},
    {"bitwise_or", ops::bitwise_or, true, kAnywhere},
    {"bitwise_xor", ops::bitwise_xor, true, kAnywhere},
    {"bitwise_left_shift", ops::bitwise_left_shift, true, kAnywhere},
    {"bitwise_right_shift", ops::bitwise_right_shift, true, kAnywhere},
    {"eq", ops::eq, true, kSecond},
    {"ne", ops::ne, true, kSecond},
    {"not_equal", ops::ne, true, kSecond},
    {"lt", ops::lt, true, kSecond},
    {"less", ops::lt, true, kSecond},
    {"le", ops::le, true, kSecond},
    {"less_equal", ops::le, true, kSecond},
    {"gt", ops::gt, true, kSecond},
    {"greater", ops::gt, true, kSecond},
    {"ge", ops::ge, true, kSecond},
    {"greater_equal", ops::ge, true, kSecond},
    {"logical_and", ops::logical_and, true, kNowhere},
    {"logical_or", ops::logical_or, true, kNowhere},
    {"logical_xor", ops::logical_xor, true, kNowhere},
    {"true_divide", ops::div, true, kAnywhere},
};

Tensor float_power(const Operand& x, const Operand& y) {
  const auto wide = [](const Operand& o) {
    if (o.is_scalar()) return Operand(o.scalar().to_double());
    return Operand(ops::to(o.tensor(), promote(o.tensor().dtype(), Dtype::Float64)));
  };
  return ops::pow(wide(x), wide(y));
}

ops::BinaryFunction division(const std::optional<std::string>& mode) {
  if (!mode) return ops::div;
  if (*mode == "floor") return ops::floor_divide;
  if (*mode == "trunc") return ops::trunc_divide;
  fail<ShapeError>("div: expected rounding_mode to be one of None, 'trunc', or 'floor' but found '", *mode,
                   "'");
}

void bind_arithmetic(py::module_& m) {
  using py::arg;
  struct Scaled {
    const char* name;
    Tensor (*function)(const Operand&, const Operand&, Scalar);
  };
  const Scaled scaled[] = {{"add", ops::add}, {"sub", ops::sub}, {"subtract", ops::sub}};
  for (const Scaled& entry : scaled) {
    both_out(m, entry.name, entry.function, arg("input"), arg("other"), py::kw_only(),
             arg("alpha") = Scalar(1), Free());
  }
  const auto add_ = [](const Tensor& x, const Operand& y, Scalar alpha) { return ops::add_(x, y, alpha); };
  const auto sub_ = [](const Tensor& x, const Operand& y, Scalar alpha) {
    if (alpha.is_complex()) return ops::add_(x, y, Scalar::complex(-alpha.f, -alpha.imag));
    return ops::add_(x, y, alpha.is_fraction() ? Scalar(-alpha.f) : Scalar(-alpha.i));
  };
  method("add_", add_, arg("other"), py::kw_only(), arg("alpha") = Scalar(1), Free());
  // The factor first, x.add_(alpha, other): the order of PyTorch before 1.5, which it still takes.
  both(
      m, "add", [](const Tensor& x, Scalar alpha, const Tensor& y) { return ops::add(x, y, alpha); },
      arg("input"), arg("alpha"), arg("other"), Free());
  both(
      m, "sub", [](const Tensor& x, Scalar alpha, const Tensor& y) { return ops::sub(x, y, alpha); },
      arg("input"), arg("alpha"), arg("other"), Free());
  method(
      "add_", [add_](const Tensor& x, Scalar alpha, const Tensor& y) { return add_(x, y, alpha); },
      arg("alpha"), arg("other"), Free());
  method(
      "sub_", [sub_](const Tensor& x, Scalar alpha, const Tensor& y) { return sub_(x, y, alpha); },
      arg("alpha"), arg("other"), Free());
  for (const char* name : {"sub_", "subtract_"})
    method(name, sub_, arg("other"), py::kw_only(), arg("alpha") = Scalar(1), Free());
  for (const char* name : {"div", "divide"}) {
    both_out(
        m, name,
        [](const Operand& x, const Operand& y, const std::optional<std::string>& mode) {
          return division(mode)(x, y);
        },
        arg("input"), arg("other"), py::kw_only(), arg("rounding_mode") = py::none(), Free());
    method((std::string(name) + "_").c_str(),
           [](const Tensor& x, const Operand& y, const std::optional<std::string>& mode) {
             return ops::binary_(x, y, division(mode));
           },
           arg("other"), py::kw_only(), arg("rounding_mode") = py::none(), Free());
  }
  both(
      m, "rsub", [](const Tensor& x, const Operand& y, Scalar alpha) { return ops::sub(y, x, alpha); },
      arg("input"), arg("other"), py::kw_only(), arg("alpha") = Scalar(1), Free());
}

void bind_clamp(py::module_& m) {
  using py::arg;
  using Bound = std::optional<Operand>;
  const auto clamp = [](const Tensor& x, const Bound& lo, const Bound& hi) {
    const auto number = [](const Bound& b) {
      return b && b->is_scalar() ? std::optional<Scalar>(b->scalar()) : std::nullopt;
    };
    if ((!lo || lo->is_scalar()) && (!hi || hi->is_scalar())) return ops::clamp(x, number(lo), number(hi));
    Tensor y = x;
    if (lo) y = ops::maximum(y, *lo);
    return hi ? ops::minimum(y, *hi) : y;
  };
  for (const char* name : {"clamp", "clip"}) {
    both_out(m, name, clamp, arg("input"), arg("min") = py::none(), arg("max") = py::none(), Free());
    both(
        m, (std::string(name) + "_").c_str(),
        [clamp](const Tensor& x, const Bound& lo, const Bound& hi) {
          return ops::change(x, 0, [&](const Tensor& self) { return clamp(self, lo, hi); });
        },
        arg("input"), arg("min") = py::none(), arg("max") = py::none(), Free());
  }
}

void bind_ternary(py::module_& m) {
  using py::arg;
  m.def("where", &ops::where, arg("condition"), arg("input"), arg("other"), Free());
  method(
      "where",
      [](const Tensor& x, const Tensor& condition, const Operand& y) { return ops::where(condition, x, y); },
      arg("condition"), arg("other"), Free());
  function_out(m, "_nan_to_num", &ops::nan_to_num, arg("input"), arg("nan"), arg("posinf"), arg("neginf"),
               Free());
  both_out(m, "lerp", &ops::lerp, arg("input"), arg("end"), arg("weight"), Free());
  method(
      "lerp_",
      [](const Tensor& x, const Tensor& end, const Operand& weight) {
        return ops::rewrite(x, [&](const Tensor& self) { return ops::lerp(self, end, weight); });
      },
      arg("end"), arg("weight"), Free());
  const auto three = [&m](const char* name, const char* inplace,
                          Tensor (*f)(const Tensor&, const Tensor&, const Tensor&, Scalar)) {
    both_out(m, name, f, arg("input"), arg("tensor1"), arg("tensor2"), py::kw_only(),
             arg("value") = Scalar(1), Free());
    method(
        inplace,
        [f](const Tensor& x, const Tensor& a, const Tensor& b, Scalar value) {
          return ops::assign_(x, f(x, a, b, value));
        },
        arg("tensor1"), arg("tensor2"), py::kw_only(), arg("value") = Scalar(1), Free());
    both(
        m, name,
        [f](const Tensor& x, Scalar value, const Tensor& a, const Tensor& b) { return f(x, a, b, value); },
        arg("input"), arg("value"), arg("tensor1"), arg("tensor2"), Free());
    method(
        inplace,
        [f](const Tensor& x, Scalar value, const Tensor& a, const Tensor& b) {
          return ops::assign_(x, f(x, a, b, value));
        },
        arg("value"), arg("tensor1"), arg("tensor2"), Free());
  };
  three("addcmul", "addcmul_", ops::addcmul);
  three("addcdiv", "addcdiv_", ops::addcdiv);
}

template <class X, class Y>
void two(py::module_& m, const Entry& entry, ops::BinaryFunction f, const char* second) {
  using py::arg;
  both_out(
      m, entry.name, [f](const X& x, const Y& y) { return f(x, y); }, arg("input"), arg(second), Free());
  if (entry.in_place)
    method((std::string(entry.name) + "_").c_str(),
           [f](const Tensor& x, const Y& y) { return ops::binary_(x, y, f); }, arg(second), Free());
}

}  // namespace

void bind_binary(py::module_& m) {
  using py::arg;
  for (const Entry& entry : kEntries) {
    const ops::BinaryFunction f = entry.function ? entry.function : float_power;
    const bool power =
        entry.function == nullptr || entry.function == static_cast<ops::BinaryFunction>(ops::pow);
    const char* second = power ? "exponent" : "other";
    if (entry.numbers == Numbers::Anywhere)
      two<Operand, Operand>(m, entry, f, second);
    else if (entry.numbers == Numbers::Second)
      two<Tensor, Operand>(m, entry, f, second);
    else
      two<Tensor, Tensor>(m, entry, f, second);
  }
  bind_arithmetic(m);
  bind_clamp(m);
  bind_ternary(m);
}

}  // namespace lamina::bind
