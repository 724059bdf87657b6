// Views, copies, joining, and new tensors of known contents.
#include "bind/define.h"
#include "ops/inplace.h"

namespace lamina::bind {

Shape sizes_from(const py::args& args, const char* op) {
  Shape shape;
  PyObject* source = args.size() == 1 ? PyTuple_GET_ITEM(args.ptr(), 0) : args.ptr();
  if (!shape_from(source, &shape))
    fail<TypeError>(op, ": expected sizes as ints or one sequence of ints, got ",
                    std::string(py::str(py::repr(args))));
  return shape;
}

namespace {

using py::arg;

// `view` of another dtype: the same bytes, the last dimension rescaled.
Tensor view_as_dtype(const Tensor& x, Dtype dtype) {
  const int64_t from = static_cast<int64_t>(x.item_size()), to = static_cast<int64_t>(size_of(dtype));
  Shape shape = x.shape(), strides = x.strides();
  int64_t offset = x.offset();
  if (from != to) {
    if (x.ndim() == 0 || strides.back() != 1 || (shape.back() * from) % to || (offset * from) % to)
      fail<ShapeError>("view: cannot view ", x.shape(), " of ", name_of(x.dtype()), " as ", name_of(dtype));
    shape.back() = shape.back() * from / to;
    for (int d = 0; d + 1 < x.ndim(); ++d) {
      if ((strides[d] * from) % to)
        fail<ShapeError>("view: strides ", x.strides(), " do not allow to view ", name_of(x.dtype()), " as ",
                         name_of(dtype));
      strides[d] = strides[d] * from / to;
    }
    offset = offset * from / to;
  }
  Tensor y = alias(x, shape, strides, offset);
  y.impl()->dtype = dtype;
  return y;
}

void bind_views(py::module_& m) {
  method(
      "view", [](const Tensor& x, Dtype dtype) { return view_as_dtype(x, dtype); }, arg("dtype"));
  const auto sized = [](const char* op, Tensor (*f)(const Tensor&, const Shape&)) {
    method(op, [op, f](const Tensor& x, const py::args& sizes) { return f(x, sizes_from(sizes, op)); });
  };
  method(
      "view", [](const Tensor& x, const Shape& size) { return ops::view(x, size); }, arg("size"));
  method(
      "reshape", [](const Tensor& x, const Shape& shape) { return ops::reshape(x, shape); }, arg("shape"));
  method(
      "permute", [](const Tensor& x, const Shape& dims) { return ops::permute(x, dims); }, arg("dims"));
  method(
      "expand", [](const Tensor& x, const Shape& size) { return ops::expand(x, size); }, arg("size"));
  sized("view", ops::view);
  sized("reshape", ops::reshape);
  sized("permute", ops::permute);
  sized("expand", ops::expand);
  m.def("reshape", &ops::reshape, arg("input"), arg("shape"));
  m.def("permute", &ops::permute, arg("input"), arg("dims"));
  for (const char* name : {"transpose", "swapaxes", "swapdims"})
    both(m, name, &ops::transpose, arg("input"), arg("dim0"), arg("dim1"));
  both(
      m, "t",
      [](const Tensor& x) {
        if (x.ndim() > 2)
          fail<ShapeError>("t: expects a tensor with <= 2 dimensions, but self is ", x.ndim(), "D");
        return x.ndim() == 2 ? ops::transpose(x, 0, 1) : ops::view(x, x.shape());
      },
      arg("input"));
  both(
      m, "squeeze", [](const Tensor& x) { return ops::squeeze(x, {}); }, arg("input"));
  both(
      m, "squeeze",
      [](const Tensor& x, const Shape& dim) {
        return dim.empty() ? ops::view(x, x.shape()) : ops::squeeze(x, dim);
      },
      arg("input"), arg("dim"));
  both(m, "unsqueeze", &ops::unsqueeze, arg("input"), arg("dim"));
  both(m, "select", &ops::select, arg("input"), arg("dim"), arg("index"));
  both(
      m, "narrow",
      [](const Tensor& x, int64_t dim, int64_t start, int64_t length) {
        const int d = wrap_dim(dim, x.ndim(), "narrow");
        const int64_t size = x.ndim() ? x.size(d) : 0;
        if (start < -size || start > size)
          fail<IndexError>("narrow: start out of range (expected to be in range of [", -size, ", ", size,
                           "], but got ", start, ")");
        if (start < 0) start += size;
        if (length < 0 || start > size - length)
          fail<ShapeError>("narrow: start (", start, ") + length (", length, ") exceeds dimension size (",
                           size, ")");
        return ops::slice(x, d, start, start + length, 1);
      },
      arg("input"), arg("dim"), arg("start"), arg("length"));
}

void bind_pieces(py::module_& m) {
  both(
      m, "split_with_sizes",
      [](const Tensor& x, const std::vector<int64_t>& sizes, int64_t dim) {
        return py::tuple(py::cast(ops::split_with_sizes(x, sizes, dim)));
      },
      arg("input"), arg("split_sizes"), arg("dim") = 0);
  both(
      m, "unbind", [](const Tensor& x, int64_t dim) { return py::tuple(py::cast(ops::unbind(x, dim))); },
      arg("input"), arg("dim") = 0);
  m.def("slice", &ops::slice, arg("input"), arg("dim"), arg("start"), arg("stop"), arg("step") = 1);
  both(m, "diagonal", &ops::diagonal, arg("input"), arg("offset") = 0, arg("dim1") = 0, arg("dim2") = 1);
  both(m, "as_strided", &ops::as_strided, arg("input"), arg("size"), arg("stride"),
       arg("storage_offset") = py::none());
  method("unfold", &ops::unfold, arg("dimension"), arg("size"), arg("step"));
}

void bind_copies(py::module_& m) {
  both(m, "clone", &ops::clone, arg("input"), Free());
  m.def("to", &ops::to, arg("input"), arg("dtype"), arg("copy") = false, Free());
  method("_to", &ops::to, arg("dtype"), arg("copy") = false, Free());
  method("contiguous", &ops::contiguous, Free());
  method(
      "copy_", [](const Tensor& x, const Tensor& source, bool) { return ops::copy_(x, source); },
      arg("other"), arg("non_blocking") = false, Free());
  both(m, "fill_", &ops::fill_, arg("input"), arg("value"), Free());
  both(
      m, "zero_", [](const Tensor& x) { return ops::fill_(x, 0); }, arg("input"), Free());
  method(
      "_assign", [](const Tensor& x, const Tensor& value) { return ops::assign_(x, value); }, arg("value"),
      Free());
  method("_become", &ops::become_, arg("view"));
  m.def(
      "_into_out", [](const Tensor& result, const MaybeTensor& out) { return into_out(result, out); },
      arg("result"), arg("out"), Free());
  for (const char* name : {"cat", "concat", "concatenate"})
    function_out(m, name, &ops::cat, arg("tensors"), arg("dim") = 0, Free());
  function_out(m, "stack", &ops::stack, arg("tensors"), arg("dim") = 0, Free());
  both(
      m, "flip", [](const Tensor& x, const Shape& dims) { return ops::flip(x, dims); }, arg("input"),
      arg("dims"), Free());
  method("flip",
         [](const Tensor& x, const py::args& dims) { return ops::flip(x, sizes_from(dims, "flip")); });
}

void bind_new(py::module_& m) {
  m.def(
      "empty", [](const Shape& shape, Dtype dtype) { return empty(shape, dtype); }, arg("size"),
      arg("dtype"));
  m.def(
      "empty_like",
      [](const Tensor& x, MaybeDtype dtype) { return empty_like(x, dtype.value_or(x.dtype())); },
      arg("input"), arg("dtype") = py::none());
  m.def(
      "empty_strided",
      [](const Shape& shape, const Shape& strides, Dtype dtype) {
        return empty_strided(shape, strides, dtype);
      },
      arg("size"), arg("stride"), arg("dtype"));
  m.def("full", &ops::full, arg("size"), arg("fill_value"), arg("dtype"), Free());
  m.def("full_like", &ops::full_like, arg("input"), arg("fill_value"), arg("dtype") = py::none(), Free());
  m.def("arange", &ops::arange, arg("start"), arg("end"), arg("step"), arg("dtype"), Free());
  m.def("linspace", &ops::linspace, arg("start"), arg("end"), arg("steps"), arg("dtype"), Free());
  m.def("eye", &ops::eye, arg("n"), arg("m"), arg("dtype"), Free());
}

}  // namespace

void bind_shape(py::module_& m) {
  bind_views(m);
  bind_pieces(m);
  bind_copies(m);
  bind_new(m);
}

}  // namespace lamina::bind
