// The stack of decoder layers, held by Python as one object.
#include "bind/decoder.h"

#include "ops/decoder.h"

namespace lamina::bind {
namespace {

using py::arg;
using GivenProduct = std::tuple<Tensor, MaybeTensor, std::string, int64_t>;

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
      .def(py::init<int64_t, int64_t, int64_t, double>(), arg("heads"), arg("kv_heads"), arg("size"),
           arg("eps"))
      .def(
          "add",
          [](ops::Decoder& decoder, const Tensor& input_norm, const std::vector<GivenProduct>& qkv,
             const GivenProduct& output, const Tensor& post_norm, const std::vector<GivenProduct>& gate_up,
             const GivenProduct& down) {
            decoder.add(
                {input_norm, post_norm, products(qkv), products(gate_up), product(output), product(down)});
          },
          arg("input_norm"), arg("qkv"), arg("output"), arg("post_norm"), arg("gate_up"), arg("down"))
      .def("__len__", &ops::Decoder::layers)
      .def(
          "run",
          [](const ops::Decoder& decoder, const Tensor& x, const Tensors& keys, const Tensors& values,
             int64_t used, const Tensor& cosine, const Tensor& sine, const MaybeTensor& mask,
             bool causal) { return decoder.run(x, keys, values, used, cosine, sine, mask, causal); },
          arg("x"), arg("keys"), arg("values"), arg("used"), arg("cosine"), arg("sine"),
          arg("mask") = py::none(), arg("causal") = false, Free());
}

}  // namespace lamina::bind
