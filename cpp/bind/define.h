// Defining one function as lamina.name(x, ...) and as x.name(...).
#pragma once

#include <pybind11/stl.h>

#include "bind/tensor_type.h"
#include "ops/inplace.h"

namespace lamina::bind {

inline py::object tensor_class() {
  return py::reinterpret_borrow<py::object>(reinterpret_cast<PyObject*>(tensor_type));
}

// NumPy's words for PyTorch's arguments (axis, keepdims, x, ...) are accepted from now on.
void take_numpy_words(const py::object& function);

// What `out=` does with a result: None gives the result itself, a tensor takes its values (and its shape,
// where that differs).
Tensor into_out(const Tensor& result, const MaybeTensor& out);

template <class F, class... Extra>
void function(py::module_& m, const char* name, F f, const Extra&... extra) {
  m.def(name, std::move(f), extra...);
  take_numpy_words(m.attr(name));
}

template <class F, class... Extra>
void method(const char* name, F f, const Extra&... extra) {
  py::object type = tensor_class();
  const py::object sibling = py::getattr(type, name, py::none());
  const py::cpp_function made(std::move(f), py::name(name), py::is_method(type), py::sibling(sibling),
                              extra...);
  take_numpy_words(made);
  py::setattr(type, name, made);
}

// `self` names the first argument of the function; of the method it is the tensor itself.
template <class F, class... Extra>
void both(py::module_& m, const char* name, F f, const py::arg& self, const Extra&... extra) {
  function(m, name, f, self, extra...);
  method(name, f, extra...);
}

template <class F, class... Args>
auto with_out(F f, Tensor (*)(Args...)) {
  return [f](Args... args, const MaybeTensor& out) { return into_out(f(args...), out); };
}

// A function of lamina with `out=` as its last argument.
template <class F, class... Extra>
void function_out(py::module_& m, const char* name, F f, const Extra&... extra) {
  const auto g = with_out(f, static_cast<py::detail::function_signature_t<F>*>(nullptr));
  if constexpr ((std::is_same_v<Extra, py::kw_only> || ...))
    function(m, name, g, extra..., py::arg("out") = py::none());
  else
    function(m, name, g, extra..., py::kw_only(), py::arg("out") = py::none());
}

// The same, and the method, which takes no `out=`.
template <class F, class... Extra>
void both_out(py::module_& m, const char* name, F f, const py::arg& self, const Extra&... extra) {
  function_out(m, name, f, self, extra...);
  method(name, f, extra...);
}

// name_(...): the method that puts f's result into x itself.
template <class... Args, class... Extra>
void inplace_method(const char* name, std::function<Tensor(const Tensor&, Args...)> f,
                    const Extra&... extra) {
  method((std::string(name) + "_").c_str(),
         [f](const Tensor& x, Args... args) {
           return ops::rewrite(x, [&](const Tensor& self) { return f(self, args...); });
         },
         extra...);
}

using Free = py::call_guard<NoGil>;

// Sizes given one by one or as one sequence: x.view(2, 3), x.view((2, 3)).
Shape sizes_from(const py::args& args, const char* op);

void bind_dtype(py::module_& m);
void bind_tensor(py::module_& m);
void bind_numpy(py::module_& m);
void bind_elementwise(py::module_& m);
void bind_binary(py::module_& m);
void bind_reduce(py::module_& m);
void bind_shape(py::module_& m);
void bind_memory_format(py::module_& m);
void bind_index(py::module_& m);
void bind_nn(py::module_& m);
void bind_random(py::module_& m);
void bind_optim(py::module_& m);
void bind_autograd(py::module_& m);
void bind_mode(py::module_& m);
void bind_system(py::module_& m);

}  // namespace lamina::bind
