// Rules on shapes: counting, broadcasting, wrapping of dimension numbers.
#include "base/shape.h"

#include <algorithm>
#include <ostream>

namespace lamina {

std::ostream& operator<<(std::ostream& out, const Shape& shape) {
  out << '[';
  for (int i = 0; i < shape.size(); ++i) out << (i ? ", " : "") << shape[i];
  return out << ']';
}

int64_t numel_of(const Shape& shape, const char* op) {
  int64_t n = 1;
  bool zero = false, overflow = false;
  for (int64_t size : shape) {
    if (size < 0) fail<ShapeError>(op, ": negative size in shape ", shape);
    zero |= size == 0;
    overflow |= __builtin_mul_overflow(n, std::max<int64_t>(size, 1), &n);
  }
  if (overflow) fail<ShapeError>(op, ": shape ", shape, " has more elements than 64 bits can count");
  return zero ? 0 : n;
}

Shape contiguous_strides(const Shape& shape) {
  Shape strides = shape;
  int64_t step = 1;
  for (int i = shape.size() - 1; i >= 0; --i) {
    strides[i] = step;
    step *= std::max<int64_t>(shape[i], 1);
  }
  return strides;
}

Shape broadcast(const Shape& a, const Shape& b, const char* op) {
  if (a == b) return a;
  const Shape& longer = a.size() >= b.size() ? a : b;
  const Shape& shorter = a.size() >= b.size() ? b : a;
  Shape out = longer;
  const int lead = longer.size() - shorter.size();
  for (int i = 0; i < shorter.size(); ++i) {
    const int64_t x = longer[lead + i], y = shorter[i];
    if (x != y && x != 1 && y != 1)
      fail<ShapeError>(op, ": shapes ", a, " and ", b, " do not broadcast: size ", x, " against ", y,
                       " at dimension ", lead + i);
    out[lead + i] = x == 1 ? y : x;
  }
  return out;
}

int wrap_dim(int64_t dim, int ndim, const char* op) {
  const int64_t n = std::max(ndim, 1);
  if (dim < -n || dim >= n)
    fail<IndexError>(op, ": Dimension out of range (expected to be in range of [", -n, ", ", n - 1,
                     "], but got ", dim, ")");
  return static_cast<int>(dim < 0 ? dim + n : dim);
}

}  // namespace lamina
