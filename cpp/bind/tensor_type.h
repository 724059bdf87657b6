// lamina.Tensor as a CPython type of its own (a pybind11 class would cost twice as much per small op), and
// how C++ values cross the border: Tensor, Operand, Scalar, Shape and Dtype become arguments and results of
// pybind11 functions by the casters below.
#pragma once

#include <pybind11/pybind11.h>

#include "autograd/backward.h"
#include "ops/ops.h"

namespace py = pybind11;

namespace lamina::bind {

struct PyTensor {
  PyObject_HEAD Tensor tensor;
  PyObject* dict;
  PyObject* weak;
};

extern PyTypeObject* tensor_type;

inline bool is_tensor(PyObject* object) { return PyObject_TypeCheck(object, tensor_type); }
inline const Tensor& tensor_of(PyObject* object) { return reinterpret_cast<PyTensor*>(object)->tensor; }
// A new reference; the same object as before while there is one. An undefined tensor is None.
PyObject* wrap(const Tensor& tensor);

// Makes the type and adds it to the module.
void make_tensor_type(py::module_& m);

// Raises the Python twin of the C++ exception in flight. To be called in a catch block.
void raise_python_error() noexcept;
void make_errors(py::module_& m);

// Number from Python: bool, int, float, complex, NumPy scalars. False where it is none.
bool scalar_from(PyObject* object, Scalar* out);
bool shape_from(PyObject* object, Shape* out);  // an int, or a sequence of ints
bool dtype_from(PyObject* object, Dtype* out);
PyObject* dtype_object(Dtype dtype);  // borrowed; one object per dtype
PyObject* shape_object(const Shape& shape);
PyObject* scalar_object(const Tensor& x, int64_t offset);  // the element at data + offset

// While it lives other Python threads run.
class NoGil {
 public:
  NoGil() : state_(PyEval_SaveThread()) {}
  ~NoGil() { PyEval_RestoreThread(state_); }
  NoGil(const NoGil&) = delete;
  NoGil& operator=(const NoGil&) = delete;

 private:
  PyThreadState* state_;
};

template <class F>
auto without_gil(F f) {
  NoGil guard;
  return f();
}

// A Python object kept inside C++ structures that may be freed by any thread.
std::shared_ptr<py::object> keep(py::object object);

// x[key] and x[key] = value (index.cpp)
Tensor get_item(const Tensor& x, PyObject* key);
void set_item(const Tensor& x, PyObject* key, PyObject* value);

// dim=None | int | tuple
struct MaybeDims {
  Dims dims;
};
// A tensor or None (undefined). A plain Tensor argument refuses None.
struct MaybeTensor {
  Tensor tensor;
  operator const Tensor&() const { return tensor; }
};

}  // namespace lamina::bind

namespace pybind11::detail {

template <>
struct type_caster<lamina::Tensor> {
  PYBIND11_TYPE_CASTER(lamina::Tensor, const_name("Tensor"));
  bool load(handle source, bool) {
    if (!lamina::bind::is_tensor(source.ptr())) return false;
    value = lamina::bind::tensor_of(source.ptr());
    return true;
  }
  static handle cast(const lamina::Tensor& tensor, return_value_policy, handle) {
    return lamina::bind::wrap(tensor);
  }
};

template <>
struct type_caster<lamina::bind::MaybeTensor> {
  PYBIND11_TYPE_CASTER(lamina::bind::MaybeTensor, const_name("Tensor | None"));
  bool load(handle source, bool) {
    if (source.is_none()) return true;
    if (!lamina::bind::is_tensor(source.ptr())) return false;
    value.tensor = lamina::bind::tensor_of(source.ptr());
    return true;
  }
  static handle cast(const lamina::bind::MaybeTensor& x, return_value_policy, handle) {
    return lamina::bind::wrap(x.tensor);
  }
};

template <>
struct type_caster<lamina::Scalar> {
  PYBIND11_TYPE_CASTER(lamina::Scalar, const_name("Number"));
  bool load(handle source, bool) { return lamina::bind::scalar_from(source.ptr(), &value); }
  static handle cast(const lamina::Scalar& scalar, return_value_policy, handle) {
    using Kind = lamina::Scalar::Kind;
    if (scalar.is_complex()) return PyComplex_FromDoubles(scalar.f, scalar.imag);
    if (scalar.kind == Kind::Float) return PyFloat_FromDouble(scalar.f);
    return scalar.kind == Kind::Bool ? PyBool_FromLong(scalar.i) : PyLong_FromLongLong(scalar.i);
  }
};

template <>
struct type_caster<lamina::Operand> {
  // Not default constructible: the macro's member needs a value.
  lamina::Operand value{0};
  static constexpr auto name = const_name("Tensor | Number");
  bool load(handle source, bool) {
    if (lamina::bind::is_tensor(source.ptr())) {
      value = lamina::Operand(lamina::bind::tensor_of(source.ptr()));
      return true;
    }
    lamina::Scalar scalar;
    if (!lamina::bind::scalar_from(source.ptr(), &scalar)) return false;
    value = lamina::Operand(scalar);
    return true;
  }
  template <class T>
  using cast_op_type = movable_cast_op_type<T>;
  operator lamina::Operand*() { return &value; }
  operator lamina::Operand&() { return value; }
  operator lamina::Operand&&() && { return std::move(value); }
};

template <>
struct type_caster<lamina::Shape> {
  PYBIND11_TYPE_CASTER(lamina::Shape, const_name("Size"));
  bool load(handle source, bool) { return lamina::bind::shape_from(source.ptr(), &value); }
  static handle cast(const lamina::Shape& shape, return_value_policy, handle) {
    return lamina::bind::shape_object(shape);
  }
};

template <>
struct type_caster<lamina::Dtype> {
  PYBIND11_TYPE_CASTER(lamina::Dtype, const_name("dtype"));
  bool load(handle source, bool) { return lamina::bind::dtype_from(source.ptr(), &value); }
  static handle cast(lamina::Dtype dtype, return_value_policy, handle) {
    return handle(lamina::bind::dtype_object(dtype)).inc_ref();
  }
};

template <>
struct type_caster<lamina::bind::MaybeDims> {
  PYBIND11_TYPE_CASTER(lamina::bind::MaybeDims, const_name("int | tuple[int, ...] | None"));
  bool load(handle source, bool) {
    return source.is_none() || lamina::bind::shape_from(source.ptr(), &value.dims);
  }
};

}  // namespace pybind11::detail
