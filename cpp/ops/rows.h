// Ops along one dimension see a tensor as contiguous (outer, n, inner).
#pragma once

#include "ops/walk.h"

namespace lamina {

struct RowView {
  Tensor x;  // contiguous
  int dim;
  Rows rows;

  RowView(const Tensor& input, int64_t dim_number, const char* op);
  Shape reduced(bool keepdim) const;
  bool empty() const { return x.numel() == 0; }
};

namespace ops {
void check_floating(const char* op, const Tensor& x);
}

}  // namespace lamina
