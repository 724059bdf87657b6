// Defining one function as lamina.name(x, ...) and as x.name(...).
#pragma once

#include <pybind11/stl.h>

#include "bind/tensor_type.h"
#include "ops/inplace.h"

namespace lamina::bind {

inline py::object tensor_class() {
  return py::reinterpret_borrow<py::object>(reinterpret_cast<PyObject*>(tensor_type));
}

template <class F, class... Extra>
void method(const char* name, F f, const Extra&... extra) {
  py::object type = tensor_class();
  const py::object sibling = py::getattr(type, name, py::none());
  py::setattr(
      type, name,
      py::cpp_function(std::move(f), py::name(name), py::is_method(type), py::sibling(sibling), extra...));
}

// `self` names the first argument of the function; of the method it is the tensor itself.
template <class F, class... Extra>
void both(py::module_& m, const char* name, F f, const py::arg& self, const Extra&... extra) {
  m.def(name, f, self, extra...);
  method(name, f, extra...);
}

// name_(...): the method that puts f's result into x itself.
template <class... Args, class... Extra>
void inplace_method(const char* name, std::function<Tensor(const Tensor&, Args...)> f,
                    const Extra&... extra) {
  method((std::string(name) + "_").c_str(),
         [f](const Tensor& x, Args... args) { return ops::assign_(x, f(x, args...)); }, extra...);
}

using Free = py::call_guard<NoGil>;

// x = f(x), where the way back of f may look at x: while recording, f reads a copy that outlives the old
// values.
template <class F>
Tensor rewrite(const Tensor& x, F f) {
  return ops::assign_(x, f(grad_enabled() ? ops::clone(x) : x));
}

// What `out=` does with a result: None gives the result itself, a tensor takes its values (and its shape,
// where that differs).
Tensor into_out(const Tensor& result, const MaybeTensor& out);

// The named tuples of max, sort, topk, ...
py::object named_pair(const char* type, const char* second, const Pair& pair);

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
void bind_system(py::module_& m);

}  // namespace lamina::bind
