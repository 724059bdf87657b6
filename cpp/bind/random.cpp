// Generators and filling tensors from them.
#include <random>

#include "bind/define.h"

PYBIND11_DECLARE_HOLDER_TYPE(T, lamina::Ref<T>, true);

namespace lamina::bind {
namespace {

using py::arg;

Generator& chosen(Generator* generator) { return generator ? *generator : default_generator(); }

uint64_t seed_from(const py::object& seed) {
  const py::object number = py::reinterpret_steal<py::object>(PyNumber_Index(seed.ptr()));
  if (!number) throw py::error_already_set();
  const int64_t low = INT64_MIN;
  if (number < py::cast(low) || number > py::cast(UINT64_MAX))
    fail<ShapeError>("manual_seed: Overflow when unpacking long: ", std::string(py::str(number)));
  return PyLong_AsUnsignedLongLongMask(number.ptr());
}

void bind_generator(py::module_& m) {
  py::class_<Generator, Ref<Generator>>(m, "Generator",
                                        "A source of random numbers: a seed and how far it has counted.")
      .def(py::init([](const py::object& device) {
             py::module_::import("lamina.device_type").attr("check")(device);
             return Ref<Generator>(new Generator);
           }),
           arg("device") = "cpu")
      .def(
          "manual_seed",
          [](Generator& g, const py::object& seed) -> Generator& {
            g.set_seed(seed_from(seed));
            return g;
          },
          arg("seed"), py::return_value_policy::reference)
      .def("initial_seed", &Generator::seed)
      .def("seed",
           [](Generator& g) {
             std::random_device device;
             g.set_seed((static_cast<uint64_t>(device()) << 32 | device()) >> 11);
             return g.seed();
           })
      .def("_state", [](const Generator& g) { return py::make_tuple(g.seed(), g.offset()); })
      .def("_set_state", [](Generator& g, uint64_t seed, uint64_t offset) { g.set_state(seed, offset); });
  m.attr("default_generator") = py::cast(Ref<Generator>(&default_generator()));
  m.def("current_generator", [] { return Ref<Generator>(&default_generator()); });
  m.def(
      "use_generator", [](Generator* generator) { use_generator(Ref<Generator>(generator)); },
      arg("generator").none(true));
}

}  // namespace

void bind_random(py::module_& m) {
  bind_generator(m);
  const auto gen = arg("generator").none(true) = static_cast<Generator*>(nullptr);
  method(
      "uniform_",
      [](const Tensor& x, double a, double b, Generator* g) { return ops::uniform_(x, a, b, chosen(g)); },
      arg("from") = 0.0, arg("to") = 1.0, py::kw_only(), gen, Free());
  method(
      "normal_",
      [](const Tensor& x, double mean, double std, Generator* g) {
        return ops::normal_(x, mean, std, chosen(g));
      },
      arg("mean") = 0.0, arg("std") = 1.0, py::kw_only(), gen, Free());
  method(
      "bernoulli_", [](const Tensor& x, double p, Generator* g) { return ops::bernoulli_(x, p, chosen(g)); },
      arg("p") = 0.5, py::kw_only(), gen, Free());
  method(
      "exponential_",
      [](const Tensor& x, double rate, Generator* g) { return ops::exponential_(x, rate, chosen(g)); },
      arg("lambd") = 1.0, py::kw_only(), gen, Free());
  method(
      "cauchy_",
      [](const Tensor& x, double median, double sigma, Generator* g) {
        return ops::cauchy_(x, median, sigma, chosen(g));
      },
      arg("median") = 0.0, arg("sigma") = 1.0, py::kw_only(), gen, Free());
  method(
      "log_normal_",
      [](const Tensor& x, double mean, double std, Generator* g) {
        return ops::log_normal_(x, mean, std, chosen(g));
      },
      arg("mean") = 1.0, arg("std") = 2.0, py::kw_only(), gen, Free());
  method(
      "geometric_", [](const Tensor& x, double p, Generator* g) { return ops::geometric_(x, p, chosen(g)); },
      arg("p"), py::kw_only(), gen, Free());
  method(
      "random_",
      [](const Tensor& x, int64_t from, int64_t to, Generator* g) {
        return ops::random_(x, from, to, chosen(g));
      },
      arg("from"), arg("to"), py::kw_only(), gen, Free());
  m.def(
      "randperm", [](int64_t n, Generator* g) { return ops::randperm(n, chosen(g)); }, arg("n"), gen, Free());
  m.def(
      "dropout", [](const Tensor& x, double p, Generator* g) { return ops::dropout(x, p, chosen(g)); },
      arg("input"), arg("p"), gen, Free());
  m.def(
      "scaled_dot_product_attention",
      [](const Tensor& q, const Tensor& k, const Tensor& v, const MaybeTensor& mask, double dropout_p,
         bool causal, std::optional<double> scale, bool grouped) {
        return ops::scaled_dot_product_attention(q, k, v, mask, dropout_p, causal, scale, grouped,
                                                 default_generator());
      },
      arg("query"), arg("key"), arg("value"), arg("attn_mask") = py::none(), arg("dropout_p") = 0.0,
      arg("is_causal") = false, arg("scale") = py::none(), arg("enable_gqa") = false, Free());
}

}  // namespace lamina::bind
