// Modes of the calling thread that Python switches: looking for anomalies, hooks of saved tensors, autocast.
#include "bind/define.h"
#include "ops/autocast.h"

namespace lamina::bind {
namespace {

using py::arg;

std::string here() {
  const py::gil_scoped_acquire gil;
  const py::object lines = py::module_::import("traceback").attr("format_stack")();
  return py::str("").attr("join")(lines).cast<std::string>();
}

void warn(const std::string& text) {
  const py::gil_scoped_acquire gil;
  if (PyErr_WarnEx(PyExc_UserWarning, text.c_str(), 1) != 0) throw py::error_already_set();
}

void bind_anomaly(py::module_& m) {
  anomaly().here = here;
  anomaly().report = warn;
  m.def("anomaly", [] { return std::make_pair(anomaly().on, anomaly().check_nan); });
  m.def(
      "set_anomaly",
      [](bool on, bool check_nan) {
        anomaly().on = on;
        anomaly().check_nan = check_nan;
      },
      arg("on"), arg("check_nan"));
}

Pack python_pack(const py::object& pack, const py::object& unpack) {
  return [pack = keep(pack), unpack = keep(unpack)](const Tensor& x) -> Unpack {
    const py::gil_scoped_acquire gil;
    return [packed = keep((*pack)(x)), unpack]() -> Tensor {
      const py::gil_scoped_acquire inner;
      const py::object result = (*unpack)(*packed);
      return is_tensor(result.ptr()) ? tensor_of(result.ptr()) : Tensor();
    };
  };
}

void bind_saved_tensors(py::module_& m) {
  m.def("walking_for_inputs", &walking_for_inputs);
  m.def(
      "push_saved_tensors_hooks",
      [](const py::object& pack, const py::object& unpack) {
        saved_tensors_hooks().push_back(python_pack(pack, unpack));
      },
      arg("pack"), arg("unpack"));
  m.def("pop_saved_tensors_hooks", [] {
    if (saved_tensors_hooks().empty()) fail<Error>("pop_saved_tensors_hooks: there are none");
    saved_tensors_hooks().pop_back();
  });
}

void bind_autocast(py::module_& m) {
  m.def("autocast_mode", [] {
    const ops::AutocastMode& mode = ops::autocast_mode();
    return py::make_tuple(mode.enabled, mode.dtype, mode.cache);
  });
  m.def(
      "set_autocast_mode",
      [](bool enabled, Dtype dtype, bool cache) {
        ops::autocast_mode() = {enabled, dtype, cache};
      },
      arg("enabled"), arg("dtype"), arg("cache"));
  m.def("clear_autocast_cache", &ops::clear_autocast_cache);
}

}  // namespace

void bind_mode(py::module_& m) {
  bind_anomaly(m);
  bind_saved_tensors(m);
  bind_autocast(m);
}

}  // namespace lamina::bind
