// How every op of one operand is defined: its kernel word, and its slope written with ops for derivatives of
// higher order.
#pragma once

#include "ops/walk.h"

namespace lamina {

// What a slope may look at: the input, the output, and the op's parameters.
struct Slope {
  const Tensor& x;
  const Tensor& y;
  const double* p;
};

struct UnaryDef {
  const char* name;
  UnaryOp op;
  // f'(x) from ops; of x where slope_from_output(op) is false, of y where it is true. Null: the derivative is
  // 0 everywhere.
  Tensor (*slope)(const Slope&);
  bool integers = false;  // has an integer form; else integers become the default float
};

Tensor unary(const UnaryDef& def, const Tensor& x, double p0 = 0, double p1 = 0);

namespace ops {
Tensor cube(const Tensor& x);  // what pow uses; floats
}

}  // namespace lamina
