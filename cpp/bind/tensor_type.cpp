// The CPython type Tensor: life cycle, operators, indexing, truth and conversion. Named methods are added by
// the other files.
#include "bind/tensor_type.h"

#include <structmember.h>

#include <new>

#include "ops/inplace.h"

namespace lamina::bind {

PyTypeObject* tensor_type = nullptr;

namespace {

PyObject* place(PyTypeObject* type, const Tensor& tensor) {
  PyObject* object = type->tp_alloc(type, 0);
  if (!object) throw py::error_already_set();
  new (&reinterpret_cast<PyTensor*>(object)->tensor) Tensor(tensor);
  tensor.impl()->python = object;
  return object;
}

void dealloc(PyObject* self) {
  PyObject_GC_UnTrack(self);
  auto* object = reinterpret_cast<PyTensor*>(self);
  if (object->tensor.defined() && object->tensor.impl()->python == self)
    object->tensor.impl()->python = nullptr;
  if (object->weak) PyObject_ClearWeakRefs(self);
  Py_CLEAR(object->dict);
  object->tensor.~Tensor();
  PyTypeObject* type = Py_TYPE(self);
  type->tp_free(self);
  Py_DECREF(type);
}

int traverse(PyObject* self, visitproc visit, void* arg) {
  Py_VISIT(reinterpret_cast<PyTensor*>(self)->dict);
  Py_VISIT(Py_TYPE(self));
  return 0;
}

int clear(PyObject* self) {
  Py_CLEAR(reinterpret_cast<PyTensor*>(self)->dict);
  return 0;
}

PyObject* new_tensor(PyTypeObject* type, PyObject* args, PyObject* kwargs) {
  try {
    if (kwargs && PyDict_GET_SIZE(kwargs)) {
      PyErr_SetString(PyExc_TypeError,
                      "Tensor() takes sizes or data and no keywords; use lamina.tensor(data, dtype=...)");
      return nullptr;
    }
    // What Tensor(data) and Tensor(2, 3) mean is written in Python.
    const py::object made =
        py::module_::import("lamina").attr("_legacy_tensor")(*py::reinterpret_borrow<py::tuple>(args));
    return place(type, alias(tensor_of(made.ptr())));
  } catch (...) {
    raise_python_error();
    return nullptr;
  }
}

template <class F>
PyObject* guarded(F f) {
  try {
    return wrap(f());
  } catch (...) {
    raise_python_error();
    return nullptr;
  }
}

// Both sides of an operator as operands; false where one is nothing that lamina computes with.
bool operand_from(PyObject* object, std::optional<Operand>* out) {
  if (is_tensor(object)) {
    out->emplace(tensor_of(object));
    return true;
  }
  Scalar scalar;
  if (!scalar_from(object, &scalar)) return false;
  out->emplace(scalar);
  return true;
}

template <class F>
PyObject* two(PyObject* a, PyObject* b, F f) {
  try {
    std::optional<Operand> x, y;
    if (!operand_from(a, &x) || !operand_from(b, &y)) Py_RETURN_NOTIMPLEMENTED;
    return wrap(without_gil([&] { return f(*x, *y); }));
  } catch (...) {
    raise_python_error();
    return nullptr;
  }
}

template <ops::BinaryFunction F>
PyObject* binary_slot(PyObject* a, PyObject* b) {
  return two(a, b, F);
}
template <ops::BinaryFunction F>
PyObject* inplace_slot(PyObject* a, PyObject* b) {
  return two(a, b, [a](const Operand&, const Operand& y) { return ops::binary_(tensor_of(a), y, F); });
}
template <ops::UnaryFunction F>
PyObject* unary_slot(PyObject* a) {
  return guarded([a] { return without_gil([a] { return F(tensor_of(a)); }); });
}

Tensor plus(const Operand& x, const Operand& y) { return ops::add(x, y); }
Tensor minus(const Operand& x, const Operand& y) { return ops::sub(x, y); }
PyObject* add_inplace(PyObject* a, PyObject* b) {
  return two(a, b, [a](const Operand&, const Operand& y) { return ops::add_(tensor_of(a), y); });
}
PyObject* power(PyObject* a, PyObject* b, PyObject*) { return two(a, b, ops::pow); }
PyObject* power_inplace(PyObject* a, PyObject* b, PyObject*) { return inplace_slot<ops::pow>(a, b); }

PyObject* matmul(PyObject* a, PyObject* b) {
  if (!is_tensor(a) || !is_tensor(b)) Py_RETURN_NOTIMPLEMENTED;
  return guarded([&] { return without_gil([&] { return ops::matmul(tensor_of(a), tensor_of(b)); }); });
}

Tensor invert(const Tensor& x) {
  return x.dtype() == Dtype::Bool ? ops::logical_not(x) : ops::bitwise_not(x);
}

const Tensor& single(PyObject* self, const char* what) {
  const Tensor& x = tensor_of(self);
  if (x.numel() != 1)
    fail<ShapeError>(what, ": a Tensor with ", x.numel(), " elements cannot be converted to Scalar");
  return x;
}

int truth(PyObject* self) {
  try {
    const Tensor& x = tensor_of(self);
    if (x.numel() != 1)
      fail<Error>("Boolean value of Tensor with ",
                  x.numel() ? "more than one value is ambiguous" : "no values is ambiguous");
    const py::object value = py::reinterpret_steal<py::object>(scalar_object(x, 0));
    return PyObject_IsTrue(value.ptr());
  } catch (...) {
    raise_python_error();
    return -1;
  }
}

template <PyObject* (*Convert)(PyObject*)>
PyObject* convert_slot(PyObject* self) {
  try {
    const py::object value = py::reinterpret_steal<py::object>(scalar_object(single(self, "conversion"), 0));
    return Convert(value.ptr());
  } catch (...) {
    raise_python_error();
    return nullptr;
  }
}

PyObject* as_index(PyObject* self) {
  if (is_inexact(tensor_of(self).dtype()) || tensor_of(self).numel() != 1) {
    PyErr_SetString(PyExc_TypeError, "only integer tensors of a single element can be converted to an index");
    return nullptr;
  }
  return convert_slot<PyNumber_Long>(self);
}

PyObject* compare(PyObject* a, PyObject* b, int kind) {
  switch (kind) {
    case Py_LT:
      return two(a, b, ops::lt);
    case Py_LE:
      return two(a, b, ops::le);
    case Py_EQ:
      return two(a, b, ops::eq);
    case Py_NE:
      return two(a, b, ops::ne);
    case Py_GT:
      return two(a, b, ops::gt);
    default:
      return two(a, b, ops::ge);
  }
}

Py_ssize_t length(PyObject* self) {
  const Tensor& x = tensor_of(self);
  if (x.ndim() == 0) {
    PyErr_SetString(PyExc_TypeError, "len() of a 0-d tensor");
    return -1;
  }
  return x.size(0);
}

PyObject* subscript(PyObject* self, PyObject* key) {
  return guarded([&] { return get_item(tensor_of(self), key); });
}

int assign_subscript(PyObject* self, PyObject* key, PyObject* value) {
  try {
    if (!value) throw py::type_error("Tensor does not support deleting items");
    set_item(tensor_of(self), key, value);
    return 0;
  } catch (...) {
    raise_python_error();
    return -1;
  }
}

Py_hash_t identity_hash(PyObject* self) {
  return static_cast<Py_hash_t>(reinterpret_cast<uintptr_t>(self) >> 4);
}

template <class F>
PyType_Slot slot(int id, F* function) {
  return {id, reinterpret_cast<void*>(function)};
}

std::vector<PyType_Slot> slots() {
  using namespace ops;
  return {slot(Py_tp_dealloc, dealloc),
          slot(Py_tp_traverse, traverse),
          slot(Py_tp_clear, clear),
          slot(Py_tp_new, new_tensor),
          slot(Py_tp_hash, identity_hash),
          slot(Py_tp_richcompare, compare),
          slot(Py_mp_length, length),
          slot(Py_sq_length, length),
          slot(Py_mp_subscript, subscript),
          slot(Py_mp_ass_subscript, assign_subscript),
          slot(Py_nb_add, binary_slot<plus>),
          slot(Py_nb_subtract, binary_slot<minus>),
          slot(Py_nb_multiply, binary_slot<mul>),
          slot(Py_nb_true_divide, binary_slot<div>),
          slot(Py_nb_floor_divide, binary_slot<floor_divide>),
          slot(Py_nb_remainder, binary_slot<remainder>),
          slot(Py_nb_power, power),
          slot(Py_nb_matrix_multiply, bind::matmul),
          slot(Py_nb_and, binary_slot<bitwise_and>),
          slot(Py_nb_or, binary_slot<bitwise_or>),
          slot(Py_nb_xor, binary_slot<bitwise_xor>),
          slot(Py_nb_lshift, binary_slot<bitwise_left_shift>),
          slot(Py_nb_rshift, binary_slot<bitwise_right_shift>),
          slot(Py_nb_inplace_add, add_inplace),
          slot(Py_nb_inplace_subtract, inplace_slot<minus>),
          slot(Py_nb_inplace_multiply, inplace_slot<mul>),
          slot(Py_nb_inplace_true_divide, inplace_slot<div>),
          slot(Py_nb_inplace_floor_divide, inplace_slot<floor_divide>),
          slot(Py_nb_inplace_remainder, inplace_slot<remainder>),
          slot(Py_nb_inplace_power, power_inplace),
          slot(Py_nb_inplace_and, inplace_slot<bitwise_and>),
          slot(Py_nb_inplace_or, inplace_slot<bitwise_or>),
          slot(Py_nb_inplace_xor, inplace_slot<bitwise_xor>),
          slot(Py_nb_inplace_lshift, inplace_slot<bitwise_left_shift>),
          slot(Py_nb_inplace_rshift, inplace_slot<bitwise_right_shift>),
          slot(Py_nb_negative, unary_slot<neg>),
          slot(Py_nb_absolute, unary_slot<abs>),
          slot(Py_nb_invert, unary_slot<invert>),
          slot(
              Py_nb_positive, +[](PyObject* self) { return Py_NewRef(self); }),
          slot(Py_nb_bool, truth),
          slot(Py_nb_int, convert_slot<PyNumber_Long>),
          slot(Py_nb_float, convert_slot<PyNumber_Float>),
          slot(Py_nb_index, as_index),
          {0, nullptr}};
}

}  // namespace

PyObject* wrap(const Tensor& tensor) {
  if (!tensor.defined()) Py_RETURN_NONE;
  if (void* known = tensor.impl()->python) return Py_NewRef(static_cast<PyObject*>(known));
  return place(tensor_type, tensor);
}

void make_tensor_type(py::module_& m) {
  static PyMemberDef members[] = {
      {"__dictoffset__", T_PYSSIZET, offsetof(PyTensor, dict), READONLY, nullptr},
      {"__weaklistoffset__", T_PYSSIZET, offsetof(PyTensor, weak), READONLY, nullptr},
      {nullptr, 0, 0, 0, nullptr},
  };
  static PyGetSetDef getset[] = {
      {"__dict__", PyObject_GenericGetDict, PyObject_GenericSetDict, nullptr, nullptr}, {}};
  std::vector<PyType_Slot> all = slots();
  all.insert(all.begin(), {Py_tp_members, members});
  all.insert(all.begin(), {Py_tp_getset, getset});
  PyType_Spec spec{"lamina.Tensor", sizeof(PyTensor), 0,
                   Py_TPFLAGS_DEFAULT | Py_TPFLAGS_BASETYPE | Py_TPFLAGS_HAVE_GC, all.data()};
  tensor_type = reinterpret_cast<PyTypeObject*>(PyType_FromSpec(&spec));
  if (!tensor_type) throw py::error_already_set();
  m.attr("Tensor") = py::reinterpret_borrow<py::object>(reinterpret_cast<PyObject*>(tensor_type));
  py::object type = m.attr("Tensor");
  type.attr("__array_priority__") = 1000;  // NumPy arrays leave mixed operators to lamina
  type.attr("_make_subclass") = py::cpp_function(
      [](py::object cls, const Tensor& data, bool grad) {
        if (!PyType_Check(cls.ptr()) ||
            !PyType_IsSubtype(reinterpret_cast<PyTypeObject*>(cls.ptr()), tensor_type))
          throw py::type_error("_make_subclass: expected a class derived from Tensor");
        const Tensor x = alias(data);
        if (grad) set_requires_grad(x, true);
        return py::reinterpret_steal<py::object>(place(reinterpret_cast<PyTypeObject*>(cls.ptr()), x));
      },
      py::arg("cls"), py::arg("data"), py::arg("require_grad") = false);
}

}  // namespace lamina::bind
