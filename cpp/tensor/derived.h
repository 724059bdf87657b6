// What was computed from the content of some tensors alone, such as weights laid out for a kernel, and is
// kept with the first of them until one of them is written to.
#pragma once

#include <vector>

#include "tensor/tensor.h"

namespace lamina {

using Sources = std::vector<Tensor>;      // those that are undefined are none
using DerivedKey = std::vector<int64_t>;  // what is computed of them

struct Derived : Counted<Derived> {
  std::vector<uint64_t> stamps;  // of the sources
  DerivedKey key;
  Tensors values;  // empty: asked for once, so perhaps never again
  int64_t bytes = 0;
  ~Derived();
};

struct LookUp {
  Ref<Derived> place;  // null: nothing can be kept of these sources, or it is asked for the first time
  Tensors values;
};
LookUp look_up(const Sources& sources, const DerivedKey& key);
void keep(const Ref<Derived>& place, const Tensors& values);

// The values that `make` computes; none where they are not kept: when they are asked for the first time, when
// somebody outside may write to a source at any time, when too much is kept already.
template <class F>
Tensors derived(const Sources& sources, const DerivedKey& key, const F& make) {
  LookUp found = look_up(sources, key);
  if (found.place && found.values.empty()) {
    found.values = make();
    keep(found.place, found.values);
  }
  return found.values;
}

}  // namespace lamina
