// The walk back through the graph.
#pragma once

#include "autograd/record.h"

namespace lamina {

// Adds the gradients of sum(roots * grads) to the .grad of every leaf, or, with `inputs`, returns them for
// these tensors alone (undefined where one is not reached). A missing root gradient is 1 for a one-element
// root. Error: a root without history; a graph whose saved tensors were freed; a saved tensor changed in
// place.
struct BackwardOptions {
  bool retain_graph = false;
  bool create_graph = false;
  bool accumulate = true;  // into .grad; false: collect for inputs
};
Tensors backward(const Tensors& roots, const Tensors& grads, const Tensors& inputs,
                 const BackwardOptions& options);

// Whether the walk that this thread is in returns gradients of `inputs` alone, so that no other .grad may
// change.
bool walking_for_inputs();

}  // namespace lamina
