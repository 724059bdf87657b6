// The stack of decoder layers, held by Python as one object.
#include "bind/decoder.h"

#include "ops/decoder.h"

namespace lamina::bind {
namespace {

using py::arg;
using GivenProduct = std::tuple<Tensor, MaybeTensor, std::string, int64_t>;
using GivenView = std::tuple<Tensor, Tensor, MaybeTensor, bool>;

ops::Product product(const GivenProduct& given) {
  const auto& [weight, bias, type, outs] = given;
  return {weight, bias, type, outs};
}

std::vector<ops::Product> products(const std::vector<GivenProduct>& given) {
  std::vector<ops::Product> made;
  for (const GivenProduct& one : given) made.push_back(product(one));
  return made;
}

}  // namespace

void bind_decoder(py::module_& m) {
  py::class_<ops::Decoder>(m, "Decoder", "A stack of decoder layers of the Llama family, for inference.")
      .def(py::init<int64_t, int64_t, int64_t, double, std::optional<double>, const std::string&>(),
           arg("heads"), arg("kv_heads"), arg("size"), arg("eps"), arg("scale") = py::none(),
           arg("activation") = "silu")
      .def(
          "add",
          [](ops::Decoder& decoder, const std::vector<MaybeTensor>& norms, const MaybeTensor& q_norm,
             const MaybeTensor& k_norm, const std::vector<GivenProduct>& qkv, const GivenProduct& output,
             const std::vector<GivenProduct>& gate_up, const GivenProduct& down, int64_t kind) {
            const std::vector<Tensor> scales(norms.begin(), norms.end());
            decoder.add({scales, q_norm, k_norm, products(qkv), products(gate_up), product(output),
                         product(down), kind});
          },
          arg("norms"), arg("q_norm"), arg("k_norm"), arg("qkv"), arg("output"), arg("gate_up"), arg("down"),
          arg("kind") = 0)
      .def("__len__", &ops::Decoder::layers)
      .def(
          "run",
          [](const ops::Decoder& decoder, const Tensor& x, const Tensors& keys, const Tensors& values,
             int64_t used, const std::vector<GivenView>& given) {
            std::vector<ops::DecoderView> views;
            for (const auto& [cosine, sine, mask, causal] : given)
              views.push_back({cosine, sine, mask, causal});
            return decoder.run(x, keys, values, used, views);
          },
          arg("x"), arg("keys"), arg("values"), arg("used"), arg("views"), Free());
}

}  // namespace lamina::bind
