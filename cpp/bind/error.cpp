// The exceptions of the core as Python classes.
#include <new>

#include "bind/tensor_type.h"

namespace lamina::bind {
namespace {

PyObject* shape_error;
PyObject* dtype_error;
PyObject* bounds_error;
PyObject* not_implemented;

PyObject* new_error(py::module_& m, const char* name, const char* doc, PyObject* first, PyObject* second) {
  const std::string full = std::string("lamina.") + name;
  PyObject* bases = second ? PyTuple_Pack(2, first, second) : PyTuple_Pack(1, first);
  PyObject* type = PyErr_NewExceptionWithDoc(full.c_str(), doc, bases, nullptr);
  Py_XDECREF(bases);
  if (!type) throw py::error_already_set();
  m.attr(name) = py::reinterpret_borrow<py::object>(type);
  return type;
}

}  // namespace

void make_errors(py::module_& m) {
  shape_error = new_error(m, "ShapeError", "Shapes or values that an op cannot take.", PyExc_ValueError,
                          PyExc_RuntimeError);
  dtype_error = new_error(m, "DtypeError", "Element types that an op cannot take.", PyExc_TypeError,
                          PyExc_RuntimeError);
  bounds_error = new_error(m, "BoundsError", "An index or dimension out of range.", PyExc_IndexError,
                           PyExc_RuntimeError);
  new_error(m, "FileFormatError", "A file that is not what it claims to be.", PyExc_ValueError, nullptr);
  not_implemented = PyExc_NotImplementedError;  // already a RuntimeError
  py::register_exception_translator([](std::exception_ptr p) {
    if (!p) return;
    try {
      std::rethrow_exception(p);
    } catch (const Error&) {
      raise_python_error();
    }
  });
}

void raise_python_error() noexcept {
  try {
    throw;
  } catch (py::error_already_set& e) {
    e.restore();
  } catch (const py::builtin_exception& e) {
    e.set_error();
  } catch (const ShapeError& e) {
    PyErr_SetString(shape_error, e.what());
  } catch (const TypeError& e) {
    PyErr_SetString(dtype_error, e.what());
  } catch (const IndexError& e) {
    PyErr_SetString(bounds_error, e.what());
  } catch (const MemoryError& e) {
    PyErr_SetString(PyExc_MemoryError, e.what());
  } catch (const NotImplementedError& e) {
    PyErr_SetString(not_implemented, e.what());
  } catch (const std::bad_alloc&) {
    PyErr_NoMemory();
  } catch (const std::exception& e) {
    PyErr_SetString(PyExc_RuntimeError, e.what());
  } catch (...) {
    PyErr_SetString(PyExc_RuntimeError, "unknown C++ exception");
  }
}

}  // namespace lamina::bind
