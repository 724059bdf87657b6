// lamina._core: which topics it consists of.
#include "bind/decoder.h"

PYBIND11_MODULE(_core, m) {
  using namespace lamina::bind;
  m.doc() = "The compiled core of lamina.";
  m.attr("__version__") = LAMINA_VERSION;
  make_errors(m);
  make_tensor_type(m);
  bind_dtype(m);
  bind_tensor(m);
  bind_numpy(m);
  bind_elementwise(m);
  bind_binary(m);
  bind_reduce(m);
  bind_shape(m);
  bind_memory_format(m);
  bind_index(m);
  bind_nn(m);
  bind_decoder(m);
  bind_random(m);
  bind_optim(m);
  bind_autograd(m);
  bind_mode(m);
  bind_system(m);
}
