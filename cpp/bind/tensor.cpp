// Attributes of tensors: shape, dtype, gradient, history, and reading single values.
#include "bind/define.h"
#include "ops/inplace.h"

namespace lamina::bind {
namespace {

using py::arg;

template <class Get>
void property(const char* name, Get get) {
  py::object type = tensor_class();
  const py::object getter = py::cpp_function(std::move(get), py::name(name), py::is_method(type));
  py::setattr(type, name, py::module_::import("builtins").attr("property")(getter));
}
template <class Get, class Set>
void property(const char* name, Get get, Set set) {
  py::object type = tensor_class();
  const py::object getter = py::cpp_function(std::move(get), py::name(name), py::is_method(type));
  const py::object setter = py::cpp_function(std::move(set), py::name(name), py::is_method(type));
  py::setattr(type, name, py::module_::import("builtins").attr("property")(getter, setter));
}

py::object nested(const Tensor& x, int dim, int64_t offset) {
  if (dim == x.ndim()) return py::reinterpret_steal<py::object>(scalar_object(x, offset));
  py::list list(x.size(dim));
  for (int64_t i = 0; i < x.size(dim); ++i) list[i] = nested(x, dim + 1, offset + i * x.strides()[dim]);
  return std::move(list);
}

// x.data = y: the same object looks at other memory.
void set_data(const Tensor& x, const Tensor& y) {
  if (x.dtype() != y.dtype() && requires_grad(x) && !is_inexact(y.dtype()))
    fail<TypeError>("data: a tensor that requires grad must stay floating, got ", name_of(y.dtype()));
  TensorImpl& impl = *x.impl();
  const TensorImpl& from = *y.impl();
  impl.storage = from.storage;
  impl.shape = from.shape;
  impl.strides = from.strides;
  impl.offset = from.offset;
  impl.numel = from.numel;
  impl.dtype = from.dtype;
  impl.base = nullptr;
}

Tensor data_of(const Tensor& x) {
  Tensor y = alias(x);
  y.impl()->unversioned = true;
  return y;
}

void set_grad_checked(const Tensor& x, const MaybeTensor& grad) {
  const Tensor& g = grad.tensor;
  if (g.defined()) {
    if (g.shape() != x.shape())
      fail<ShapeError>("grad: assigned grad has data of a different size: ", g.shape(),
                       " for a tensor of shape ", x.shape());
    if (g.dtype() != x.dtype())
      fail<TypeError>("grad: assigned grad has data of a different type: ", name_of(g.dtype()), " for ",
                      name_of(x.dtype()));
    if (g.same(x)) fail<Error>("grad: can't assign Variable as its own grad");
  }
  set_grad(x, g);
}

void bind_geometry() {
  property("shape", [](const Tensor& x) { return x.shape(); });
  method("size", [](const Tensor& x) { return x.shape(); });
  method(
      "size",
      [](const Tensor& x, int64_t dim) {
        const int d = wrap_dim(dim, x.ndim(), "size");
        if (x.ndim() == 0)
          fail<IndexError>("size: Dimension specified as ", dim, " but tensor has no dimensions");
        return x.size(d);
      },
      arg("dim"));
  property("ndim", [](const Tensor& x) { return x.ndim(); });
  for (const char* name : {"dim", "ndimension"}) method(name, [](const Tensor& x) { return x.ndim(); });
  for (const char* name : {"numel", "nelement"}) method(name, [](const Tensor& x) { return x.numel(); });
  method("stride", [](const Tensor& x) {
    return py::tuple(py::cast(std::vector<int64_t>(x.strides().begin(), x.strides().end())));
  });
  method(
      "stride", [](const Tensor& x, int64_t dim) { return x.strides()[wrap_dim(dim, x.ndim(), "stride")]; },
      arg("dim"));
  method("storage_offset", [](const Tensor& x) { return x.offset(); });
  method("data_ptr", [](const Tensor& x) {
    x.storage().share();
    return reinterpret_cast<uintptr_t>(x.data());
  });
  method("element_size", [](const Tensor& x) { return x.item_size(); });
  property("itemsize", [](const Tensor& x) { return x.item_size(); });
  property("nbytes", [](const Tensor& x) { return x.numel() * static_cast<int64_t>(x.item_size()); });
  property("dtype", [](const Tensor& x) { return x.dtype(); });
  method("is_floating_point", [](const Tensor& x) { return is_floating(x.dtype()); });
  method("is_complex", [](const Tensor& x) { return is_complex(x.dtype()); });
  property("_version", [](const Tensor& x) { return x.version(); });
  method("_bump_version", [](const Tensor& x) { x.bump_version(); });
  method("_shares_storage",
         [](const Tensor& x, const Tensor& y) { return x.storage_ref() == y.storage_ref(); });
  method("_storage_nbytes", [](const Tensor& x) { return x.storage().bytes(); });
  property("_base",
           [](const Tensor& x) { return MaybeTensor{x.impl()->base ? Tensor(x.impl()->base) : Tensor()}; });
}

void bind_history() {
  property(
      "requires_grad", [](const Tensor& x) { return requires_grad(x); },
      [](const Tensor& x, bool on) { set_requires_grad(x, on); });
  method(
      "requires_grad_",
      [](const Tensor& x, bool on) {
        set_requires_grad(x, on);
        return x;
      },
      arg("requires_grad") = true);
  property(
      "grad", [](const Tensor& x) { return MaybeTensor{grad_of(x)}; }, set_grad_checked);
  property("is_leaf", [](const Tensor& x) { return is_leaf(x); });
  property("data", data_of, set_data);
  method("detach", [](const Tensor& x) { return detach(x); });
  method("detach_", [](const Tensor& x) {
    if (x.impl()->grad_meta) x.impl()->grad_meta = nullptr;
    return x;
  });
  method("retain_grad", [](const Tensor& x) { retain_grad(x); });
  property("retains_grad",
           [](const Tensor& x) { return x.impl()->grad_meta && x.impl()->grad_meta->retained != nullptr; });
}

}  // namespace

void bind_tensor(py::module_&) {
  bind_geometry();
  bind_history();
  method("item", [](const Tensor& x) {
    if (x.numel() != 1)
      fail<Error>("item: a Tensor with ", x.numel(), " elements cannot be converted to Scalar");
    return py::reinterpret_steal<py::object>(scalar_object(x, 0));
  });
  method("tolist", [](const Tensor& x) { return nested(x, 0, 0); });
}

}  // namespace lamina::bind
