// Complex tensors by their parts: every op on them is composed of real ops on looks at their memory, and no
// kernel knows them. Values only; the files that call this say how to go back.
#pragma once

#include "ops/walk.h"

namespace lamina::ops {

// Looks at the memory of a complex x: as (..., 2) reals, its real parts, its imaginary parts.
Tensor pairs(const Tensor& x);
Tensor real_part(const Tensor& x);
Tensor imag_part(const Tensor& x);
// The complex look at pairs that view_as_complex accepts.
Tensor complex_look(const Tensor& pairs);
bool fits_complex(const Tensor& pairs);
// A new tensor of two real ones of one shape.
Tensor joined(const Tensor& real, const Tensor& imag);

// x as f makes it of its parts, recorded: for what treats real and imaginary parts alike. f leaves the last
// dimension, of size 2, where it is.
template <class F>
Tensor by_parts(const Tensor& x, F f) {
  return view_as_complex(f(view_as_real(x)));
}
// All of `dims`, counted from the front, for a tensor that gains one dimension at the back. Empty: all.
Dims dims_of(const Tensor& x, const Dims& dims, const char* op);

[[noreturn]] void refuse_complex(const char* op, Dtype dtype);
inline void real_only(const char* op, const Tensor& x) {
  if (is_complex(x.dtype())) refuse_complex(op, x.dtype());
}
// The op's word in the name of its node: "erfinv" of ErfinvBackward0.
[[noreturn]] void refuse_complex_node(const char* node, Dtype dtype);

Tensor complex_abs(const Tensor& x);  // recorded
Tensor complex_unary(const char* node, UnaryOp op, const Tensor& x);
Tensor complex_binary(const char* name, BinaryOp op, const Operand& x, const Operand& y, Dtype dtype,
                      double alpha);
Tensor complex_compare(const char* name, CompareOp op, const Operand& x, const Operand& y, Dtype dtype);
Tensor complex_predicate(const char* name, PredicateOp op, const Tensor& x);
Tensor complex_prod(const Tensor& rows);  // (..., n) -> (...)
Tensor complex_cumprod(const Tensor& x, int dim);

}  // namespace lamina::ops
