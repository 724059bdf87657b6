// memory_format: the layout that a script may ask of a copy. Shapes and indices never show it.
#include "bind/define.h"

namespace lamina::bind {
namespace {

using py::arg;

enum class Layout { Preserve, Contiguous, ChannelsLast };
struct MemoryFormat {
  Layout layout;
  const char* name;
};

// x seen as (n, h, w, c), and back.
Tensor channels_behind(const Tensor& x) {
  if (x.ndim() != 4)
    fail<ShapeError>("memory_format: channels_last is a layout of 4 dimensions, got shape ", x.shape());
  return ops::permute(x, {0, 2, 3, 1});
}
Tensor channels_before(const Tensor& x) { return ops::permute(x, {0, 3, 1, 2}); }

bool lies_in(const Tensor& x, const MemoryFormat& format) {
  if (format.layout == Layout::ChannelsLast) return channels_behind(x).is_contiguous();
  return format.layout == Layout::Preserve || x.is_contiguous();
}

Tensor laid_out(const Tensor& x, const MemoryFormat& format) {
  if (lies_in(x, format)) return x;
  if (format.layout == Layout::ChannelsLast) return channels_before(ops::contiguous(channels_behind(x)));
  return ops::contiguous(x);
}

}  // namespace

void bind_memory_format(py::module_& m) {
  py::class_<MemoryFormat>(m, "memory_format", "The layout of a tensor's elements in memory.")
      .def("__repr__", [](const MemoryFormat& f) { return std::string("lamina.") + f.name; });
  const auto format = arg("memory_format");
  for (const MemoryFormat f : {MemoryFormat{Layout::Preserve, "preserve_format"},
                               MemoryFormat{Layout::Contiguous, "contiguous_format"},
                               MemoryFormat{Layout::ChannelsLast, "channels_last"}})
    m.attr(f.name) = py::cast(f);
  method("contiguous", &laid_out, format, Free());
  method("is_contiguous", [](const Tensor& x) { return x.is_contiguous(); });
  method("is_contiguous", &lies_in, format);
  both(
      m, "clone",
      [](const Tensor& x, const MemoryFormat& f) { return lies_in(x, f) ? ops::clone(x) : laid_out(x, f); },
      arg("input"), py::kw_only(), format, Free());
}

}  // namespace lamina::bind
