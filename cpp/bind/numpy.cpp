// NumPy arrays and raw buffers: shared without a copy where layout, byte order and writability allow.
#include <pybind11/numpy.h>

#include "bind/define.h"

namespace lamina::bind {
namespace {

std::optional<Dtype> dtype_of(const py::dtype& dtype) {
  const char kind = dtype.kind();
  const auto size = dtype.itemsize();
  if (kind == 'b') return Dtype::Bool;
  if (kind == 'u' && size == 1) return Dtype::UInt8;
  if (kind == 'i') {
    if (size == 1) return Dtype::Int8;
    if (size == 2) return Dtype::Int16;
    if (size == 4) return Dtype::Int32;
    if (size == 8) return Dtype::Int64;
  }
  if (kind == 'f') {
    if (size == 2) return Dtype::Float16;
    if (size == 4) return Dtype::Float32;
    if (size == 8) return Dtype::Float64;
  }
  if (kind == 'c') {
    if (size == 8) return Dtype::Complex64;
    if (size == 16) return Dtype::Complex128;
  }
  return std::nullopt;
}

py::dtype numpy_dtype(Dtype dtype) {
  if (dtype == Dtype::BFloat16) fail<TypeError>("numpy: NumPy has no bfloat16; convert with .float() first");
  return py::dtype(name_of(dtype));
}

// May the tensor look at this array's own memory?
bool shareable(const py::array& array) {
  if (!array.writeable()) return false;
  if (!array.dtype().attr("isnative").cast<bool>()) return false;
  const auto size = array.itemsize();
  if (reinterpret_cast<uintptr_t>(array.data()) % static_cast<uintptr_t>(size)) return false;
  for (py::ssize_t d = 0; d < array.ndim(); ++d) {
    if (array.shape(d) > 1 && (array.strides(d) < 0 || array.strides(d) % size)) return false;
    if (array.strides(d) == 0 && array.shape(d) > 1) return false;
  }
  return true;
}

Tensor from_numpy(const py::object& object) {
  if (!py::isinstance<py::array>(object))
    throw py::type_error(std::string("from_numpy: expected np.ndarray (got ") +
                         Py_TYPE(object.ptr())->tp_name + ")");
  py::array array = py::reinterpret_borrow<py::array>(object);
  const std::optional<Dtype> dtype = dtype_of(array.dtype());
  if (!dtype)
    fail<TypeError>("from_numpy: can't convert np.ndarray of type ", std::string(py::str(array.dtype())),
                    ". The only supported types are: float64, float32, float16, complex64, complex128, "
                    "int64, int32, int16, int8, "
                    "uint8, and bool.");
  if (!shareable(array)) {
    const py::module_ numpy = py::module_::import("numpy");
    array = numpy.attr("array")(array, py::arg("dtype") = array.dtype().attr("newbyteorder")("="),
                                py::arg("copy") = true, py::arg("order") = "C");
  }
  Shape shape, strides;
  int64_t extent = array.size() ? 1 : 0;
  for (py::ssize_t d = 0; d < array.ndim(); ++d) {
    shape.push_back(array.shape(d));
    strides.push_back(array.shape(d) > 1 ? array.strides(d) / array.itemsize() : 1);
    if (array.size()) extent += (shape.back() - 1) * strides.back();
  }
  void* data = const_cast<void*>(array.data());
  const auto owner = keep(array);
  Ref<Storage> storage(new Storage(cpu(), data, static_cast<size_t>(extent * array.itemsize()), [owner] {}));
  auto* impl = new TensorImpl;
  const Tensor x(impl);
  impl->storage = storage;
  impl->shape = shape;
  impl->strides = array.size() ? strides : contiguous_strides(shape);
  impl->numel = numel_of(shape, "from_numpy");
  impl->dtype = *dtype;
  return x;
}

py::array to_numpy(const Tensor& x, bool force) {
  if (requires_grad(x) && !force)
    fail<Error>("Can't call numpy() on Tensor that requires grad. Use tensor.detach().numpy() instead.");
  const py::dtype dtype = numpy_dtype(x.dtype());
  std::vector<py::ssize_t> shape(x.shape().begin(), x.shape().end()), strides;
  for (int64_t s : x.strides()) strides.push_back(s * static_cast<py::ssize_t>(x.item_size()));
  // The array holds a tensor of its own, so that x may change what it looks at.
  const py::object owner = py::reinterpret_steal<py::object>(wrap(alias(x)));
  x.storage().share();
  return py::array(dtype, shape, strides, x.data(), owner);
}

Tensor from_buffer(const py::object& buffer, Dtype dtype, const Shape& shape, int64_t offset) {
  auto* raw = new Py_buffer;
  if (PyObject_GetBuffer(buffer.ptr(), raw, PyBUF_SIMPLE) != 0) {
    delete raw;
    throw py::error_already_set();
  }
  const std::shared_ptr<Py_buffer> held(raw, [](Py_buffer* b) {
    if (!Py_IsInitialized()) return;
    const py::gil_scoped_acquire gil;
    PyBuffer_Release(b);
    delete b;
  });
  const int64_t numel = numel_of(shape, "from_buffer"), size = static_cast<int64_t>(size_of(dtype));
  int64_t bytes = 0;
  if (__builtin_mul_overflow(numel, size, &bytes) || offset < 0 || offset > raw->len - bytes)
    fail<ShapeError>("from_buffer: shape ", shape, " of ", name_of(dtype), " at byte ", offset,
                     " leaves a buffer of ", raw->len, " bytes");
  char* data = static_cast<char*>(raw->buf) + offset;
  const bool direct = !raw->readonly && reinterpret_cast<uintptr_t>(data) % static_cast<uintptr_t>(size) == 0;
  if (!direct || bytes == 0) {
    const Tensor x = empty(shape, dtype);
    if (bytes) std::memcpy(x.data(), data, static_cast<size_t>(bytes));
    return x;
  }
  auto* impl = new TensorImpl;
  const Tensor x(impl);
  impl->storage = Ref<Storage>(new Storage(cpu(), data, static_cast<size_t>(bytes), [held] {}));
  impl->shape = shape;
  impl->strides = contiguous_strides(shape);
  impl->numel = numel;
  impl->dtype = dtype;
  return x;
}

py::memoryview to_bytes(const Tensor& x) {
  const Tensor dense = x.is_contiguous() ? x : ops::contiguous(detach(x));
  Tensor flat = alias(dense, {dense.numel() * static_cast<int64_t>(dense.item_size())}, {1}, 0);
  const int64_t start = dense.offset() * static_cast<int64_t>(dense.item_size());
  flat.impl()->dtype = Dtype::UInt8;
  flat.impl()->offset = start;
  return py::memoryview(to_numpy(flat, true));
}

}  // namespace

void bind_numpy(py::module_& m) {
  m.def("from_numpy", &from_numpy, py::arg("ndarray"));
  m.def("from_buffer", &from_buffer, py::arg("buffer"), py::arg("dtype"), py::arg("shape"),
        py::arg("offset") = 0);
  m.def("to_bytes", &to_bytes, py::arg("tensor"));
  method(
      "numpy", [](const Tensor& x, bool force) { return to_numpy(x, force); }, py::kw_only(),
      py::arg("force") = false);
}

}  // namespace lamina::bind
