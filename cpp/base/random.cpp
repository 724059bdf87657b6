// The generator behind lamina.manual_seed.
#include "base/random.h"

namespace lamina {

Generator& default_generator() {
  static Generator* generator = [] {
    auto* g = new Generator;
    g->retain();  // never released: it outlives every tensor
    return g;
  }();
  return *generator;
}

}  // namespace lamina
