// Numbers, shapes and dtypes between Python and C++.
#include <cmath>

#include "bind/tensor_type.h"

namespace lamina::bind {

namespace {

PyObject* dtype_objects[kDtypes];
PyObject* size_type = reinterpret_cast<PyObject*>(&PyTuple_Type);

struct DtypeBox {
  Dtype dtype;
};

bool is_numpy_scalar(PyObject* object) {
  static PyObject* generic = py::object(py::module_::import("numpy").attr("generic")).release().ptr();
  return PyObject_IsInstance(object, generic) == 1;
}

}  // namespace

bool scalar_from(PyObject* o, Scalar* out) {
  if (PyFloat_Check(o)) {
    *out = Scalar(PyFloat_AS_DOUBLE(o));
    return true;
  }
  if (PyBool_Check(o)) {
    *out = Scalar(o == Py_True);
    return true;
  }
  if (PyLong_Check(o)) {
    int overflow = 0;
    const long long value = PyLong_AsLongLongAndOverflow(o, &overflow);
    if (overflow) {  // larger than any integer type: meaningful for floats only
      const double f = PyLong_AsDouble(o);
      if (f == -1.0 && PyErr_Occurred()) throw py::error_already_set();
      *out = Scalar(f);
      return true;
    }
    *out = Scalar(static_cast<int64_t>(value));
    return true;
  }
  if (PyComplex_Check(o)) {
    *out = Scalar::complex(PyComplex_RealAsDouble(o), PyComplex_ImagAsDouble(o));
    return true;
  }
  if (is_tensor(o)) {  // a one-element tensor stands for its value where a number is asked for
    const Tensor& x = tensor_of(o);
    if (x.numel() != 1 || requires_grad(x)) return false;
    return scalar_from(py::reinterpret_steal<py::object>(scalar_object(x, 0)).ptr(), out);
  }
  if (!is_numpy_scalar(o)) return false;
  const py::object plain = py::reinterpret_borrow<py::object>(o).attr("item")();
  return (PyFloat_Check(plain.ptr()) || PyLong_Check(plain.ptr()) || PyComplex_Check(plain.ptr())) &&
         scalar_from(plain.ptr(), out);
}

namespace {
bool index_from(PyObject* o, int64_t* out) {
  if (PyFloat_Check(o) || !PyIndex_Check(o)) return false;
  const py::object number = py::reinterpret_steal<py::object>(PyNumber_Index(o));
  if (!number) {
    PyErr_Clear();
    return false;
  }
  *out = PyLong_AsLongLong(number.ptr());
  if (*out == -1 && PyErr_Occurred()) throw py::error_already_set();
  return true;
}
}  // namespace

bool shape_from(PyObject* o, Shape* out) {
  *out = Shape();
  int64_t value;
  if (!PySequence_Check(o) || is_tensor(o)) {
    if (!index_from(o, &value)) return false;
    out->push_back(value);
    return true;
  }
  if (PyUnicode_Check(o) || PyBytes_Check(o)) return false;
  const py::object fast =
      py::reinterpret_steal<py::object>(PySequence_Fast(o, "expected a sequence of ints"));
  if (!fast) {
    PyErr_Clear();
    return false;
  }
  const Py_ssize_t n = PySequence_Fast_GET_SIZE(fast.ptr());
  for (Py_ssize_t i = 0; i < n; ++i) {
    if (!index_from(PySequence_Fast_GET_ITEM(fast.ptr(), i), &value)) return false;
    out->push_back(value);
  }
  return true;
}

bool dtype_from(PyObject* o, Dtype* out) {
  for (int i = 0; i < kDtypes; ++i)
    if (dtype_objects[i] == o) {
      *out = static_cast<Dtype>(i);
      return true;
    }
  if (o == reinterpret_cast<PyObject*>(&PyFloat_Type))
    *out = Dtype::Float64;
  else if (o == reinterpret_cast<PyObject*>(&PyLong_Type))
    *out = Dtype::Int64;
  else if (o == reinterpret_cast<PyObject*>(&PyBool_Type))
    *out = Dtype::Bool;
  else if (o == reinterpret_cast<PyObject*>(&PyComplex_Type))
    *out = Dtype::Complex128;
  else
    return false;
  return true;
}

PyObject* dtype_object(Dtype dtype) { return dtype_objects[static_cast<int>(dtype)]; }

PyObject* shape_object(const Shape& shape) {
  PyObject* tuple = PyTuple_New(shape.size());
  if (!tuple) throw py::error_already_set();
  for (int i = 0; i < shape.size(); ++i) PyTuple_SET_ITEM(tuple, i, PyLong_FromLongLong(shape[i]));
  if (size_type == reinterpret_cast<PyObject*>(&PyTuple_Type)) return tuple;
  PyObject* size = PyObject_CallOneArg(size_type, tuple);
  Py_DECREF(tuple);
  if (!size) throw py::error_already_set();
  return size;
}

PyObject* scalar_object(const Tensor& x, int64_t offset) {
  const char* at = static_cast<const char*>(x.data()) + offset * static_cast<int64_t>(x.item_size());
  switch (x.dtype()) {
    case Dtype::Bool:
      return PyBool_FromLong(*reinterpret_cast<const uint8_t*>(at) != 0);
    case Dtype::UInt8:
      return PyLong_FromLong(*reinterpret_cast<const uint8_t*>(at));
    case Dtype::Int8:
      return PyLong_FromLong(*reinterpret_cast<const int8_t*>(at));
    case Dtype::Int16:
      return PyLong_FromLong(*reinterpret_cast<const int16_t*>(at));
    case Dtype::Int32:
      return PyLong_FromLong(*reinterpret_cast<const int32_t*>(at));
    case Dtype::Int64:
      return PyLong_FromLongLong(*reinterpret_cast<const int64_t*>(at));
    case Dtype::Float32:
      return PyFloat_FromDouble(*reinterpret_cast<const float*>(at));
    case Dtype::Float64:
      return PyFloat_FromDouble(*reinterpret_cast<const double*>(at));
    case Dtype::Complex64: {
      const auto* parts = reinterpret_cast<const float*>(at);
      return PyComplex_FromDoubles(parts[0], parts[1]);
    }
    case Dtype::Complex128: {
      const auto* parts = reinterpret_cast<const double*>(at);
      return PyComplex_FromDoubles(parts[0], parts[1]);
    }
    default:
      break;
  }
  float value;  // a half
  Walk walk;
  walk.ndim = 0;
  walk.operands = 2;
  walk.data[0] = &value;
  walk.data[1] = const_cast<char*>(at);
  x.kernels().copy(Dtype::Float32, x.dtype(), walk);
  return PyFloat_FromDouble(value);
}

std::shared_ptr<py::object> keep(py::object object) {
  return {new py::object(std::move(object)), [](py::object* kept) {
            if (!Py_IsInitialized()) return;  // the interpreter took it along
            const py::gil_scoped_acquire gil;
            delete kept;
          }};
}

void bind_dtype(py::module_& m) {
  py::class_<DtypeBox>(m, "dtype", "The element type of a tensor.")
      .def_property_readonly("is_floating_point", [](const DtypeBox& d) { return is_floating(d.dtype); })
      .def_property_readonly("is_complex", [](const DtypeBox& d) { return is_complex(d.dtype); })
      .def_property_readonly(
          "is_signed", [](const DtypeBox& d) { return d.dtype != Dtype::Bool && d.dtype != Dtype::UInt8; })
      .def("to_real", [](const DtypeBox& d) { return real_of(d.dtype); })
      .def("to_complex", [](const DtypeBox& d) { return complex_of(d.dtype); })
      .def_property_readonly("itemsize", [](const DtypeBox& d) { return size_of(d.dtype); })
      .def_property_readonly("name", [](const DtypeBox& d) { return name_of(d.dtype); })
      .def("__repr__", [](const DtypeBox& d) { return std::string("lamina.") + name_of(d.dtype); })
      .def("__reduce__", [](const DtypeBox& d) { return py::str(name_of(d.dtype)); });
  for (int i = 0; i < kDtypes; ++i) {
    py::object box = py::cast(DtypeBox{static_cast<Dtype>(i)});
    m.attr(name_of(static_cast<Dtype>(i))) = box;
    dtype_objects[i] = box.release().ptr();
  }
  m.def(
      "set_size_type", [](py::object type) { size_type = type.release().ptr(); },
      "The tuple class that shapes are given as.");
  m.def("get_default_dtype", [] { return default_float(); });
  m.def(
      "set_default_dtype", [](Dtype d) { set_default_float(d); }, py::arg("d"));
  m.def(
      "promote_types", [](Dtype a, Dtype b) { return promote(a, b); }, py::arg("type1"), py::arg("type2"));
  m.def("result_type", [](const Operand& a, const Operand& b) { return result_type(a, b); });
}

}  // namespace lamina::bind
