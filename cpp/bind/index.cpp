// x[key] and x[key] = value: slices, integers, None and ... become views, tensors and masks become an indexed
// access.
#include "bind/define.h"

namespace lamina::bind {
namespace {

// A key taken apart: `view` has every basic part applied; `indices` holds the tensors, one slot per dimension
// of it.
struct Key {
  Tensor view;
  Tensors indices;
  bool advanced = false;
};

Tensor index_tensor(PyObject* item) {
  if (is_tensor(item)) {
    const Tensor& x = tensor_of(item);
    if (is_inexact(x.dtype()))
      fail<IndexError>("index: tensors used as indices must be long, int, uint8 or bool tensors, got ",
                       name_of(x.dtype()));
    if (x.dtype() != Dtype::UInt8) return x;
    if (PyErr_WarnEx(PyExc_UserWarning, "index: a mask of dtype uint8 is deprecated, use one of bool", 1))
      throw py::error_already_set();
    return ops::to(x, Dtype::Bool);
  }
  const py::object array = py::module_::import("numpy").attr("asarray")(py::handle(item));
  const std::string kind = py::str(array.attr("dtype").attr("kind"));
  if (kind == "b") return tensor_of(py::module_::import("lamina._core").attr("from_numpy")(array).ptr());
  if (kind != "i" && kind != "u" && py::len(array.attr("ravel")()) != 0)
    fail<IndexError>(
        "index: only integers, slices, ellipsis, None and integer or bool tensors are valid indices (got ",
        Py_TYPE(item)->tp_name, ")");
  return tensor_of(
      py::module_::import("lamina._core").attr("from_numpy")(array.attr("astype")("int64")).ptr());
}

bool integer(PyObject* item) {
  if (PyBool_Check(item) || PyFloat_Check(item)) return false;
  if (PyLong_Check(item)) return true;
  if (is_tensor(item))
    return tensor_of(item).ndim() == 0 && is_integral(tensor_of(item).dtype()) &&
           tensor_of(item).dtype() != Dtype::UInt8;
  return PyIndex_Check(item) && !PySequence_Check(item);  // NumPy's integers
}

int64_t as_integer(PyObject* item) {
  const py::object number = py::reinterpret_steal<py::object>(PyNumber_Index(item));
  if (!number) throw py::error_already_set();
  const int64_t value = PyLong_AsLongLong(number.ptr());
  if (value == -1 && PyErr_Occurred()) throw py::error_already_set();
  return value;
}

// How many dimensions of x one item of a key uses up.
int dims_used(PyObject* item) {
  if (item == Py_None || item == Py_Ellipsis || PyBool_Check(item)) return 0;
  if (is_tensor(item) && (tensor_of(item).dtype() == Dtype::Bool || tensor_of(item).dtype() == Dtype::UInt8))
    return tensor_of(item).ndim();
  if (PyObject_HasAttrString(item, "dtype") && !is_tensor(item)) {
    const py::object array = py::reinterpret_borrow<py::object>(item);
    if (std::string(py::str(array.attr("dtype").attr("kind"))) == "b") return array.attr("ndim").cast<int>();
  }
  return 1;
}

// Whether a list stands for a tuple, x[[a, b]] for x[a, b]: NumPy's old rule, kept by PyTorch. It does if it
// is short and holds anything but numbers.
bool list_as_tuple(PyObject* key) {
  constexpr Py_ssize_t kShort = 32;
  if (!PyList_Check(key) || PyList_GET_SIZE(key) >= kShort) return false;
  for (Py_ssize_t i = 0; i < PyList_GET_SIZE(key); ++i) {
    PyObject* item = PyList_GET_ITEM(key, i);
    if (is_tensor(item) || PySequence_Check(item) || PySlice_Check(item) || item == Py_Ellipsis ||
        item == Py_None)
      return true;
  }
  return false;
}

std::vector<py::object> items_of(PyObject* key) {
  std::vector<py::object> items;
  if (PyTuple_Check(key) || list_as_tuple(key)) {
    for (Py_ssize_t i = 0; i < PySequence_Fast_GET_SIZE(key); ++i)
      items.push_back(py::reinterpret_borrow<py::object>(PySequence_Fast_GET_ITEM(key, i)));
  } else {
    items.push_back(py::reinterpret_borrow<py::object>(key));
  }
  return items;
}

void apply_slice(Key* key, PyObject* item, int dim) {
  Py_ssize_t start, stop, step;
  if (PySlice_Unpack(item, &start, &stop, &step) < 0) throw py::error_already_set();
  if (step <= 0) fail<ShapeError>("index: step must be greater than zero, got ", step);
  if (start == 0 && stop == PY_SSIZE_T_MAX && step == 1) return;
  key->view = ops::slice(key->view, dim, start, stop, step);
}

Key take_apart(const Tensor& x, PyObject* whole) {
  Key key{x, {}, false};
  const std::vector<py::object> items = items_of(whole);
  int used = 0, ellipses = 0;
  for (const py::object& item : items) {
    used += dims_used(item.ptr());
    ellipses += item.ptr() == Py_Ellipsis;
  }
  if (used > x.ndim())
    fail<IndexError>("index: too many indices for tensor of dimension ", x.ndim(), " (got ", used, ")");
  if (ellipses > 1) fail<IndexError>("index: an index can only have a single ellipsis ('...')");
  int dim = 0;  // of the view
  for (const py::object& object : items) {
    PyObject* item = object.ptr();
    if (item == Py_None) {
      key.view = ops::unsqueeze(key.view, dim++);
    } else if (item == Py_Ellipsis) {
      dim += x.ndim() - used;
    } else if (PySlice_Check(item)) {
      apply_slice(&key, item, dim++);
    } else if (PyBool_Check(item)) {  // a new dimension of size 1 or 0
      key.view = ops::unsqueeze(key.view, dim);
      key.indices.resize(dim + 1);
      key.indices[dim++] = ops::full({1}, Scalar(item == Py_True), Dtype::Bool);
      key.advanced = true;
    } else if (integer(item)) {
      key.view = ops::select(key.view, dim, as_integer(item));
    } else {
      Tensor index = index_tensor(item);
      key.indices.resize(dim);
      const int takes = index.dtype() == Dtype::Bool ? index.ndim() : 1;
      if (takes == 0) {  // a 0-d mask
        key.view = ops::unsqueeze(key.view, dim);
        index = ops::reshape(index, {1});
      }
      key.indices.push_back(index);
      // A mask over several dimensions stands in one slot; the slots behind it stay out until the op unfolds
      // it.
      dim += std::max(takes, 1);
      for (int i = 1; i < takes; ++i) key.indices.push_back(Tensor());
      key.advanced = true;
    }
  }
  return key;
}

// The op counts slots in its own way: a mask of n dimensions takes one.
Tensors op_indices(const Key& key) {
  Tensors out;
  for (size_t i = 0; i < key.indices.size(); ++i) {
    out.push_back(key.indices[i]);
    if (key.indices[i].defined() && key.indices[i].dtype() == Dtype::Bool)
      i += std::max(key.indices[i].ndim(), 1) - 1;
  }
  return out;
}

}  // namespace

Tensor get_item(const Tensor& x, PyObject* whole) {
  if (PyLong_Check(whole) && !PyBool_Check(whole)) return ops::select(x, 0, as_integer(whole));
  const Key key = take_apart(x, whole);
  if (!key.advanced)
    return key.view.same(x) ? ops::as_strided(x, x.shape(), x.strides(), x.offset()) : key.view;
  return without_gil([&] { return ops::index(key.view, op_indices(key)); });
}

void set_item(const Tensor& x, PyObject* whole, PyObject* value) {
  Tensor source;
  Scalar scalar;
  const bool number = !is_tensor(value) && scalar_from(value, &scalar);
  if (is_tensor(value))
    source = tensor_of(value);
  else if (!number)
    source = tensor_of(py::module_::import("lamina")
                           .attr("as_tensor")(py::handle(value), py::arg("dtype") = py::cast(x.dtype()))
                           .ptr());
  // As in NumPy, leading dimensions of size 1 of the value may be left over.
  while (source.defined() && source.ndim() && source.size(0) == 1) source = ops::squeeze(source, {0});
  const Key key = take_apart(x, whole);
  if (key.advanced) {
    const Tensor values = number ? ops::full(Shape(), scalar, x.dtype()) : source;
    without_gil([&] { return ops::index_put_(key.view, op_indices(key), values, false); });
    return;
  }
  if (number) {
    without_gil([&] { return ops::fill_(key.view, scalar); });
    return;
  }
  without_gil([&] { return ops::copy_(key.view, source); });
}

namespace {

using py::arg;

WriteMode mode_of(const std::optional<std::string>& reduce) {
  if (!reduce) return WriteMode::Assign;
  if (*reduce == "add" || *reduce == "sum") return WriteMode::Add;
  if (*reduce == "multiply" || *reduce == "prod") return WriteMode::Mul;
  if (*reduce == "amax") return WriteMode::Max;
  if (*reduce == "amin") return WriteMode::Min;
  fail<ShapeError>("scatter: reduce argument must be add, multiply, amax or amin, got '", *reduce, "'");
}

Tensor filled(const Tensor& x, const Tensor& index, const Operand& source) {
  return source.is_scalar() ? ops::full(index.shape(), source.scalar(), x.dtype()) : source.tensor();
}

Tensor scatter(const Tensor& x, int64_t dim, const Tensor& index, const Operand& source,
               const std::optional<std::string>& reduce) {
  return ops::scatter(x, dim, index, filled(x, index, source), mode_of(reduce));
}

Tensor scatter_(const Tensor& x, int64_t dim, const Tensor& index, const Operand& source,
                const std::optional<std::string>& reduce) {
  return ops::scatter_(x, dim, index, filled(x, index, source), mode_of(reduce));
}

Tensor scatter_add(const Tensor& x, int64_t dim, const Tensor& index, const Tensor& src) {
  return ops::scatter(x, dim, index, src, WriteMode::Add);
}

Tensor scatter_add_(const Tensor& x, int64_t dim, const Tensor& index, const Tensor& src) {
  return ops::scatter_(x, dim, index, src, WriteMode::Add);
}

Tensor put(const Tensor& x, const std::vector<MaybeTensor>& indices, const Tensor& values, bool accumulate) {
  Tensors list;
  for (const MaybeTensor& index : indices) list.push_back(index.tensor);
  return ops::index_put_(x, list, values, accumulate);
}

// f(x, ...) as a function and a method, and f_ as the method that puts its result into x.
template <class F, class... Extra>
void with_inplace(py::module_& m, const char* name, F f, const Extra&... extra) {
  both_out(m, name, f, arg("input"), extra...);
  inplace_method(name, std::function(f), extra...);
}

void bind_scatter(py::module_& m) {
  const auto none = arg("reduce") = py::none();
  for (const char* word : {"src", "value"}) {
    both_out(m, "scatter", &scatter, arg("input"), arg("dim"), arg("index"), arg(word), py::kw_only(), none,
             Free());
    method("scatter_", &scatter_, arg("dim"), arg("index"), arg(word), py::kw_only(), none, Free());
  }
  both_out(m, "scatter_add", &scatter_add, arg("input"), arg("dim"), arg("index"), arg("src"), Free());
  method("scatter_add_", &scatter_add_, arg("dim"), arg("index"), arg("src"), Free());
  const auto alpha = arg("alpha") = Scalar(1);
  both_out(m, "index_add", &ops::index_add, arg("input"), arg("dim"), arg("index"), arg("source"),
           py::kw_only(), alpha, Free());
  method("index_add_", &ops::index_add_, arg("dim"), arg("index"), arg("source"), py::kw_only(), alpha,
         Free());
  method("index_put_", &put, arg("indices"), arg("values"), arg("accumulate") = false, Free());
  both(
      m, "index_put",
      [](const Tensor& x, const std::vector<MaybeTensor>& indices, const Tensor& values, bool accumulate) {
        return put(ops::clone(x), indices, values, accumulate);
      },
      arg("input"), arg("indices"), arg("values"), arg("accumulate") = false, Free());
}

}  // namespace

void bind_index(py::module_& m) {
  both_out(m, "index_select", &ops::index_select, arg("input"), arg("dim"), arg("index"), Free());
  both_out(
      m, "gather",
      [](const Tensor& x, int64_t dim, const Tensor& index, bool sparse_grad) {
        if (sparse_grad) fail<NotImplementedError>("gather: gradients are dense, there are no sparse ones");
        return ops::gather(x, dim, index);
      },
      arg("input"), arg("dim"), arg("index"), py::kw_only(), arg("sparse_grad") = false, Free());
  with_inplace(m, "masked_fill", &ops::masked_fill, arg("mask"), arg("value"), Free());
  both_out(m, "masked_select", &ops::masked_select, arg("input"), arg("mask"), Free());
  with_inplace(m, "tril", &ops::tril, arg("diagonal") = 0, Free());
  with_inplace(m, "triu", &ops::triu, arg("diagonal") = 0, Free());
  m.def("_nonzero", &ops::nonzero, Free());
  m.def("_searchsorted", &ops::searchsorted, Free());
  m.def("embedding", &ops::embedding, arg("weight"), arg("indices"), arg("padding_idx") = py::none(), Free());
  bind_scatter(m);
}

}  // namespace lamina::bind
