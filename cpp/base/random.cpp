// The generator behind lamina.manual_seed.
#include "base/random.h"

#include <utility>

namespace lamina {
namespace {

thread_local Ref<Generator> own_generator;

}  // namespace

Generator& default_generator() {
  if (own_generator) return *own_generator;
  static Generator* generator = [] {
    auto* g = new Generator;
    g->retain();  // never released: it outlives every tensor
    return g;
  }();
  return *generator;
}

void use_generator(Ref<Generator> generator) { own_generator = std::move(generator); }

}  // namespace lamina
