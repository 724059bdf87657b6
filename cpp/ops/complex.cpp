// Complex tensors: looks at their parts, arithmetic of two, comparisons, products.
#include "ops/complex.h"

#include <cctype>
#include <cmath>

#include "ops/inplace.h"

namespace lamina::ops {

Tensor pairs(const Tensor& x) {
  Shape shape = x.shape(), strides = x.strides();
  for (int64_t& stride : strides) stride *= 2;
  shape.push_back(2);
  strides.push_back(1);
  Tensor y = alias(x, shape, strides, 2 * x.offset());
  y.impl()->dtype = real_of(x.dtype());
  return y;
}

namespace {
Tensor part(const Tensor& x, int64_t which) {
  Shape strides = x.strides();
  for (int64_t& stride : strides) stride *= 2;
  Tensor y = alias(x, x.shape(), strides, 2 * x.offset() + which);
  y.impl()->dtype = real_of(x.dtype());
  return y;
}
}  // namespace

Tensor real_part(const Tensor& x) { return part(x, 0); }
Tensor imag_part(const Tensor& x) { return part(x, 1); }

bool fits_complex(const Tensor& x) {
  bool fits = x.ndim() && x.size(x.ndim() - 1) == 2 && x.strides().back() == 1 && x.offset() % 2 == 0;
  for (int d = 0; fits && d + 1 < x.ndim(); ++d) fits = x.strides()[d] % 2 == 0;
  return fits;
}

Tensor complex_look(const Tensor& x) {
  Shape shape = x.shape(), strides = x.strides();
  shape.erase(x.ndim() - 1);
  strides.erase(x.ndim() - 1);
  for (int64_t& stride : strides) stride /= 2;
  Tensor y = alias(x, shape, strides, x.offset() / 2);
  y.impl()->dtype = complex_of(x.dtype());
  return y;
}

Tensor joined(const Tensor& real, const Tensor& imag) {
  const Tensor z = empty_like(real, complex_of(real.dtype()));
  copy_(real_part(z), real);
  copy_(imag_part(z), imag);
  return z;
}

Dims dims_of(const Tensor& x, const Dims& dims, const char* op) {
  Dims out;
  for (int64_t d : dims) {
    const int at = wrap_dim(d, x.ndim(), op);
    if (x.ndim()) out.push_back(at);
  }
  for (int d = 0; dims.empty() && d < x.ndim(); ++d) out.push_back(d);
  return out;
}

void refuse_complex(const char* op, Dtype dtype) {
  fail<TypeError>(op, ": not defined for complex numbers, got ", name_of(dtype));
}

void refuse_complex_node(const char* node, Dtype dtype) {
  std::string word(node);
  word.erase(std::min(word.find("Backward"), word.size()));
  for (char& c : word) c = static_cast<char>(std::tolower(static_cast<unsigned char>(c)));
  refuse_complex(word.empty() ? "bitwise_not" : word.c_str(), dtype);
}

namespace {

// The real ops below write where they are told.
template <class F>
void write(const Tensor& place, F f) {
  Tensor result;
  {
    const IntoTarget target(place);
    result = f();
  }
  if (result.data() != place.data()) copy_(place, result);
}

// One operand brought to a complex dtype, or kept real, as something that broadcasts against pairs.
bool is_real(const Operand& x) { return x.is_scalar() || !is_complex(x.tensor().dtype()); }
Operand as_real(const Operand& x, Dtype dtype) {
  if (x.is_scalar()) return x;
  return unsqueeze(to(x.tensor(), real_of(dtype)), x.tensor().ndim());
}
Tensor as_complex(const Operand& x, Dtype dtype) {
  return x.is_scalar() ? full(Shape(), x.scalar(), dtype) : to(x.tensor(), dtype);
}

// (a + ib)(c + id), or with the conjugate of the second factor.
Tensor product(const Tensor& x, const Tensor& y, const Shape& shape, bool conjugated = false) {
  const Tensor z = elementwise_result(shape, x.dtype(), {&x, &y});
  const Tensor a = real_part(x), b = imag_part(x), c = real_part(y), d = imag_part(y);
  const Tensor real = real_part(z), imag = imag_part(z);
  const double sign = conjugated ? -1 : 1;
  write(real, [&] { return mul(a, c); });
  write(real, [&] { return addcmul(real, b, d, -sign); });
  write(imag, [&] { return mul(b, c); });
  write(imag, [&] { return addcmul(imag, a, d, sign); });
  return z;
}

// x / y = x conj(y / s) / (s |y / s|^2) with s the larger part of y, so that squares do not overflow.
Tensor quotient(const Tensor& x, const Tensor& y, const Shape& shape) {
  const Tensor scale = maximum(abs(real_part(y)), abs(imag_part(y)));
  const Tensor zero = logical_or(eq(scale, 0), isinf(scale)), safe = masked_fill(scale, zero, 1);
  const Tensor small = joined(div(real_part(y), safe), div(imag_part(y), safe));
  const Tensor norm = mul(add(square(real_part(small)), square(imag_part(small))), safe);
  const Tensor top = product(x, small, shape, true);
  return complex_look(div(pairs(top), unsqueeze(norm, norm.ndim())));
}

Tensor power(const Tensor& x, const Tensor& y) {
  const Tensor at_zero = where(eq(y, 0), 1.0, where(gt(real_part(y), 0), 0.0, INFINITY));
  const Tensor result = exp(mul(y, log(x)));
  return where(eq(x, 0), to(at_zero, result.dtype()), result);
}

}  // namespace

Tensor complex_binary(const char* name, BinaryOp op, const Operand& x, const Operand& y, Dtype dtype,
                      double alpha) {
  const GradMode off(false);
  const auto shape = [](const Operand& o) { return o.is_scalar() ? Shape() : o.tensor().shape(); };
  const Shape together = broadcast(shape(x), shape(y), name);
  switch (op) {
    case BinaryOp::Add:
      return complex_look(add(pairs(as_complex(x, dtype)), pairs(as_complex(y, dtype)), alpha));
    case BinaryOp::Sub:
      return complex_look(sub(pairs(as_complex(x, dtype)), pairs(as_complex(y, dtype)), alpha));
    case BinaryOp::Mul:
      if (is_real(x)) return complex_look(mul(as_real(x, dtype), pairs(as_complex(y, dtype))));
      if (is_real(y)) return complex_look(mul(pairs(as_complex(x, dtype)), as_real(y, dtype)));
      return product(as_complex(x, dtype), as_complex(y, dtype), together);
    case BinaryOp::Div:
      if (is_real(y)) return complex_look(div(pairs(as_complex(x, dtype)), as_real(y, dtype)));
      return quotient(as_complex(x, dtype), as_complex(y, dtype), together);
    case BinaryOp::Pow:
      return power(as_complex(x, dtype), as_complex(y, dtype));
    case BinaryOp::Xlogy: {
      const Tensor a = as_complex(x, dtype);
      return where(eq(a, 0), 0.0, mul(a, log(as_complex(y, dtype))));
    }
    case BinaryOp::Logaddexp: {
      const Tensor a = as_complex(x, dtype), b = as_complex(y, dtype);
      const Tensor first = ge(real_part(a), real_part(b)), top = where(first, a, b), low = where(first, b, a);
      return where(eq(a, b), add(a, std::log(2.0)), add(top, log1p(exp(sub(low, top)))));
    }
    default:
      refuse_complex(name, dtype);
  }
}

Tensor complex_compare(const char* name, CompareOp op, const Operand& x, const Operand& y, Dtype dtype) {
  const GradMode off(false);
  const Tensor a = as_complex(x, dtype), b = as_complex(y, dtype);
  const auto truth = [](const Tensor& z) { return ne(z, 0); };
  switch (op) {
    case CompareOp::Eq:
      return logical_and(eq(real_part(a), real_part(b)), eq(imag_part(a), imag_part(b)));
    case CompareOp::Ne:
      return logical_or(ne(real_part(a), real_part(b)), ne(imag_part(a), imag_part(b)));
    case CompareOp::LogicalAnd:
      return logical_and(truth(a), truth(b));
    case CompareOp::LogicalOr:
      return logical_or(truth(a), truth(b));
    case CompareOp::LogicalXor:
      return logical_xor(truth(a), truth(b));
    default:
      refuse_complex(name, dtype);
  }
}

Tensor complex_predicate(const char* name, PredicateOp op, const Tensor& x) {
  const Tensor a = real_part(x), b = imag_part(x);
  switch (op) {
    case PredicateOp::IsNan:
      return logical_or(isnan(a), isnan(b));
    case PredicateOp::IsInf:
      return logical_or(isinf(a), isinf(b));
    case PredicateOp::IsFinite:
      return logical_and(isfinite(a), isfinite(b));
    case PredicateOp::LogicalNot:
      return eq(x, 0);
    default:
      refuse_complex(name, x.dtype());
  }
}

Tensor complex_prod(const Tensor& rows) {
  const int dim = rows.ndim() - 1;
  Tensor x = rows;
  if (x.size(dim) == 0) {
    Shape shape = rows.shape();
    shape.erase(dim);
    return full(shape, 1, rows.dtype());
  }
  while (x.size(dim) > 1) {  // halves against each other, in a fixed order
    const int64_t n = x.size(dim), half = n / 2;
    const Tensor folded = mul(slice(x, dim, 0, half, 1), slice(x, dim, half, 2 * half, 1));
    x = n % 2 ? cat({folded, slice(x, dim, n - 1, n, 1)}, dim) : folded;
  }
  return contiguous(select(x, dim, 0));
}

Tensor complex_cumprod(const Tensor& x, int dim) {
  Tensor y = clone(x);
  for (int64_t step = 1; x.ndim() && step < x.size(dim); step *= 2) {
    const int64_t n = x.size(dim);
    const Tensor ahead = mul(slice(y, dim, step, n, 1), slice(y, dim, 0, n - step, 1));
    y = cat({slice(y, dim, 0, step, 1), ahead}, dim);
  }
  return y;
}

}  // namespace lamina::ops
