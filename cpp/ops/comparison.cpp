// Comparisons and logic of two operands: the results are bool.
#include "ops/complex.h"
#include "ops/pairwise.h"

namespace lamina::ops {
namespace {

Tensor compare(CompareOp op, const Operand& x, const Operand& y, const char* name) {
  const Dtype dtype = result_type(x, y);
  if (is_complex(dtype)) return complex_compare(name, op, x, y, dtype);
  const Two two(x, y, dtype, name);
  const Tensor out = two.result(Dtype::Bool);
  Walk walk;
  if (two.walk(out, &walk)) out.kernels().compare(op, two.dtype, walk);
  return out;
}

}  // namespace

Tensor eq(const Operand& x, const Operand& y) { return compare(CompareOp::Eq, x, y, "eq"); }
Tensor ne(const Operand& x, const Operand& y) { return compare(CompareOp::Ne, x, y, "ne"); }
Tensor lt(const Operand& x, const Operand& y) { return compare(CompareOp::Lt, x, y, "lt"); }
Tensor le(const Operand& x, const Operand& y) { return compare(CompareOp::Le, x, y, "le"); }
Tensor gt(const Operand& x, const Operand& y) { return compare(CompareOp::Gt, x, y, "gt"); }
Tensor ge(const Operand& x, const Operand& y) { return compare(CompareOp::Ge, x, y, "ge"); }
Tensor logical_and(const Operand& x, const Operand& y) {
  return compare(CompareOp::LogicalAnd, x, y, "logical_and");
}
Tensor logical_or(const Operand& x, const Operand& y) {
  return compare(CompareOp::LogicalOr, x, y, "logical_or");
}
Tensor logical_xor(const Operand& x, const Operand& y) {
  return compare(CompareOp::LogicalXor, x, y, "logical_xor");
}

}  // namespace lamina::ops
