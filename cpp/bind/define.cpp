// What all bound functions share: results put into `out=`, and NumPy's words for arguments.
#include "bind/define.h"

namespace lamina::bind {

Tensor into_out(const Tensor& result, const MaybeTensor& maybe) {
  const Tensor& out = maybe.tensor;
  if (!out.defined()) return result;
  if (recording(result) || recording(out))
    fail<Error>(
        "out=...: functions with out=... arguments don't support automatic differentiation, but one of the "
        "arguments requires grad.");
  if (category_of(result.dtype()) > category_of(out.dtype()))
    fail<TypeError>("out=...: result type ", name_of(result.dtype()),
                    " can't be cast to the desired output type ", name_of(out.dtype()));
  if (out.shape() != result.shape()) {
    const Tensor fresh = empty(result.shape(), out.dtype());
    TensorImpl& impl = *out.impl();
    impl.storage = fresh.storage_ref();
    impl.shape = fresh.shape();
    impl.strides = fresh.strides();
    impl.numel = fresh.numel();
    impl.offset = 0;
    impl.base = nullptr;
  }
  return ops::copy_(out, result);
}

namespace {

using Call = PyObject* (*)(PyObject*, PyObject* const*, size_t, PyObject*);
Call pybind_call = nullptr;  // one for all functions

PyObject* own_word(PyObject* word) {
  static const auto words = [] {
    std::vector<std::pair<PyObject*, PyObject*>> made;
    for (const auto& [numpy, own] :
         {std::pair{"axis", "dim"}, std::pair{"keepdims", "keepdim"}, std::pair{"x", "input"},
          std::pair{"a", "input"}, std::pair{"x1", "input"}, std::pair{"x2", "other"},
          std::pair{"axis0", "dim0"}, std::pair{"axis1", "dim1"}})
      made.emplace_back(PyUnicode_InternFromString(numpy), PyUnicode_InternFromString(own));
    return made;
  }();
  for (const auto& [numpy, own] : words)
    if (word == numpy || PyUnicode_Compare(word, numpy) == 0) return own;
  return word;
}

PyObject* call_with_own_words(PyObject* self, PyObject* const* args, size_t count, PyObject* names) {
  if (!names) return pybind_call(self, args, count, names);
  const py::object own = py::reinterpret_steal<py::object>(PyTuple_New(PyTuple_GET_SIZE(names)));
  if (!own) return nullptr;
  for (Py_ssize_t i = 0; i < PyTuple_GET_SIZE(names); ++i)
    PyTuple_SET_ITEM(own.ptr(), i, Py_NewRef(own_word(PyTuple_GET_ITEM(names, i))));
  return pybind_call(self, args, count, own.ptr());
}

}  // namespace

void take_numpy_words(const py::object& function) {
  PyObject* inner =
      PyInstanceMethod_Check(function.ptr()) ? PyInstanceMethod_GET_FUNCTION(function.ptr()) : function.ptr();
  PyMethodDef* def = reinterpret_cast<PyCFunctionObject*>(inner)->m_ml;
  const auto now = reinterpret_cast<Call>(reinterpret_cast<void*>(def->ml_meth));
  if (now == call_with_own_words) return;
  pybind_call = now;
  def->ml_meth = reinterpret_cast<PyCFunction>(reinterpret_cast<void*>(call_with_own_words));
}

}  // namespace lamina::bind
