// The loops of the reductions that add or multiply.
#include "kernels/cpu/reduce_law.h"

namespace lamina::LAMINA_ISA {

const ReduceLoops& sum_loops(ReduceOp op, Dtype dtype) {
  switch (op) {
    case ReduceOp::Prod:
      return loops_of<ReduceOp::Prod>(dtype);
    case ReduceOp::SumSquares:
      return loops_of<ReduceOp::SumSquares>(dtype);
    case ReduceOp::SumAbs:
      return loops_of<ReduceOp::SumAbs>(dtype);
    default:
      return loops_of<ReduceOp::Sum>(dtype);
  }
}

}  // namespace lamina::LAMINA_ISA
