// The loops of the reductions that pick or test: the largest, the smallest, any, all.
#include "kernels/cpu/reduce_law.h"

namespace lamina::LAMINA_ISA {

const ReduceLoops& extreme_loops(ReduceOp op, Dtype dtype) {
  switch (op) {
    case ReduceOp::Max:
      return loops_of<ReduceOp::Max>(dtype);
    case ReduceOp::Min:
      return loops_of<ReduceOp::Min>(dtype);
    case ReduceOp::Any:
      return loops_of<ReduceOp::Any>(dtype);
    default:
      return loops_of<ReduceOp::All>(dtype);
  }
}

}  // namespace lamina::LAMINA_ISA
