// Threads, memory, and the instruction sets of this machine.
#include "bind/define.h"

namespace lamina::bind {

void bind_system(py::module_& m) {
  m.def("num_threads", &num_threads);
  m.def("set_num_threads", &set_num_threads, py::arg("n"));
  m.def(
      "isa", [] { return cpu().kernels().name; }, "The instruction set that kernels use now.");
  m.def("isas", &cpu_isas, "Those this machine runs, best first.");
  m.def("use_isa", &use_isa, py::arg("name"),
        "Switch to another instruction set; results differ in rounding only.");
  m.def(
      "empty_cache", [] { cpu().empty_cache(); }, "Give unused memory back to the operating system.");
  m.def(
      "memory_stats",
      [] {
        const MemoryStats s = cpu().memory_stats();
        py::dict d;
        d["live"] = s.live;
        d["cached"] = s.cached;
        d["peak"] = s.peak;
        d["system"] = s.system;
        d["reused"] = s.reused;
        return d;
      },
      "Bytes lent (live), kept for reuse (cached), most ever lent (peak); calls to the system, requests met "
      "from the cache.");
}

}  // namespace lamina::bind
