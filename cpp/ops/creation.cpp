// New tensors with known contents.
#include <cmath>

#include "ops/walk.h"

namespace lamina::ops {

Tensor full(const Shape& shape, Scalar value, Dtype dtype) {
  const Tensor out = empty(shape, dtype);
  fill_values(out, value);
  return out;
}

Tensor full_like(const Tensor& x, Scalar value, MaybeDtype dtype) {
  const Tensor out = empty_like(x, dtype.value_or(x.dtype()));
  fill_values(out, value);
  return out;
}

Tensor arange(Scalar start, Scalar end, Scalar step, Dtype dtype) {
  const bool fraction = step.is_fraction() || start.is_fraction() || end.is_fraction();
  const auto fits = [](Scalar s) { return std::abs(s.to_double()) < 9e18; };
  if (dtype == Dtype::Int64 && fraction && fits(start) && fits(end) && fits(step)) {
    const auto whole = [](Scalar s) { return Scalar(static_cast<int64_t>(s.to_double())); };
    return arange(whole(start), whole(end), whole(step), dtype);  // PyTorch cuts all three first
  }
  if (is_complex(dtype)) return to(arange(start, end, step, real_of(dtype)), dtype);
  const double first = start.to_double(), last = end.to_double(), by = step.to_double();
  if (!std::isfinite(first) || !std::isfinite(last))
    fail<ShapeError>("arange: unsupported range ", first, " -> ", last);
  if (by == 0 || std::isnan(by)) fail<ShapeError>("arange: step must be nonzero, got ", by);
  if ((by > 0) != (last >= first) && last != first)
    fail<ShapeError>("arange: upper bound and lower bound inconsistent with step sign: ", first, " to ", last,
                     " by ", by);
  double count = std::ceil((last - first) / by);
  if (start.kind == Scalar::Kind::Int && end.kind == Scalar::Kind::Int && step.kind == Scalar::Kind::Int) {
    const __int128 gap = static_cast<__int128>(end.i) - start.i;
    const __int128 s = step.i;
    count = static_cast<double>((gap + s - (s > 0 ? 1 : -1)) / s);
  }
  if (count > 9e18) fail<ShapeError>("arange: ", count, " elements are more than 64 bits can count");
  const Tensor out = empty({static_cast<int64_t>(count)}, dtype);
  if (out.numel()) out.kernels().arange(dtype, out.data(), out.numel(), start, step);
  return out;
}

Tensor linspace(double start, double end, int64_t steps, Dtype dtype) {
  if (steps < 0) fail<ShapeError>("linspace: number of steps must be non-negative, got ", steps);
  if (steps == 0) return empty({0}, dtype);
  if (steps == 1) return full({1}, start, dtype);
  const double step = (end - start) / static_cast<double>(steps - 1);
  // From both ends, so that the last value is exactly `end`.
  const Tensor count = arange(0, Scalar(steps), 1, Dtype::Float64);
  const Tensor up = add(mul(count, step), start);
  const Tensor down = sub(end, mul(sub(static_cast<double>(steps - 1), count), step));
  return to(where(lt(count, static_cast<double>(steps / 2)), up, down), dtype);
}

Tensor eye(int64_t n, int64_t m, Dtype dtype) {
  if (n < 0 || m < 0) fail<ShapeError>("eye: sizes must be non-negative, got ", n, " and ", m);
  const Tensor out = full({n, m}, 0, dtype);
  const Tensor diagonal_view = alias(out, {std::min(n, m)}, {m + 1}, 0);
  fill_(diagonal_view, 1);
  return out;
}

}  // namespace lamina::ops
