// Random numbers into tensors. The generator hands out counters, the kernel makes element i from counter and
// seed alone.
#include <cmath>

#include "ops/complex.h"
#include "ops/inplace.h"

namespace lamina::ops {
namespace {

// Fills x (any layout) from a distribution; the numbers follow the logical order of elements.
Tensor fill_random(const Tensor& x, Distribution distribution, Scalar a, Scalar b, Generator& generator,
                   const char* op) {
  real_only(op, x);
  check_inplace(x, op);
  const bool direct = x.is_contiguous();
  const Tensor out = direct ? x : empty(x.shape(), x.dtype());
  if (x.numel()) {
    const Random random{generator.seed(),
                        generator.advance(random_blocks(distribution, x.dtype(), x.numel()))};
    x.kernels().random(distribution, x.dtype(), out.data(), x.numel(), random, a, b);
  }
  if (!direct || recording(x)) return assign_(x, direct ? detach(out) : out);
  x.bump_version();
  return x;
}

void floating(const char* op, const Tensor& x) {
  if (!is_floating(x.dtype())) fail<TypeError>(op, ": expected a floating dtype, got ", name_of(x.dtype()));
}

void probability(const char* op, double p) {
  if (!(p >= 0 && p <= 1)) fail<ShapeError>(op, ": expected 0 <= p <= 1, got ", p);
}

}  // namespace

namespace {
// Both parts of every complex number are drawn, in this order.
template <class F>
Tensor drawn(const Tensor& x, const char* op, F draw) {
  check_inplace(x, op);
  const Tensor values = empty(x.shape(), x.dtype());
  draw(pairs(values));
  return assign_(x, values);
}
}  // namespace

Tensor uniform_(const Tensor& x, double from, double to, Generator& generator) {
  if (is_complex(x.dtype()))
    return drawn(x, "uniform_", [&](const Tensor& parts) { uniform_(parts, from, to, generator); });
  floating("uniform_", x);
  if (!(from <= to))
    fail<ShapeError>("uniform_: expects to return a [from, to) range, but found from=", from, " > to=", to);
  return fill_random(x, Distribution::Uniform, from, to, generator, "uniform_");
}

Tensor normal_(const Tensor& x, double mean, double std, Generator& generator) {
  if (is_complex(x.dtype())) {  // each part has half of the variance, the real one the mean
    drawn(x, "normal_", [&](const Tensor& parts) { normal_(parts, 0, std / M_SQRT2, generator); });
    return mean == 0 ? x : add_(x, mean);
  }
  floating("normal_", x);
  if (!(std >= 0)) fail<ShapeError>("normal_: expects std >= 0.0, but found std ", std);
  return fill_random(x, Distribution::Normal, mean, std, generator, "normal_");
}

Tensor bernoulli_(const Tensor& x, double p, Generator& generator) {
  probability("bernoulli_", p);
  return fill_random(x, Distribution::Bernoulli, p, 0, generator, "bernoulli_");
}

Tensor exponential_(const Tensor& x, double rate, Generator& generator) {
  floating("exponential_", x);
  if (!(rate > 0)) fail<ShapeError>("exponential_: expects lambda > 0.0, but found lambda=", rate);
  return fill_random(x, Distribution::Exponential, rate, 0, generator, "exponential_");
}

Tensor cauchy_(const Tensor& x, double median, double sigma, Generator& generator) {
  floating("cauchy_", x);
  if (!(sigma > 0)) fail<ShapeError>("cauchy_: expects sigma > 0.0, but found sigma=", sigma);
  return fill_random(x, Distribution::Cauchy, median, sigma, generator, "cauchy_");
}

Tensor log_normal_(const Tensor& x, double mean, double std, Generator& generator) {
  floating("log_normal_", x);
  if (!(std > 0)) fail<ShapeError>("log_normal_: expects std > 0.0, but found std=", std);
  return fill_random(x, Distribution::LogNormal, mean, std, generator, "log_normal_");
}

Tensor geometric_(const Tensor& x, double p, Generator& generator) {
  if (!(p > 0 && p < 1)) fail<ShapeError>("geometric_: expects p to be in (0, 1), but got p=", p);
  return fill_random(x, Distribution::Geometric, p, 0, generator, "geometric_");
}

Tensor random_(const Tensor& x, int64_t from, int64_t to, Generator& generator) {
  if (from >= to)
    fail<ShapeError>("random_: expects 'from' to be less than 'to', but got from=", from, " >= to=", to);
  return fill_random(x, Distribution::Integer, Scalar(from), Scalar(to), generator, "random_");
}

Tensor randperm(int64_t n, Generator& generator) {
  if (n < 0) fail<ShapeError>("randperm: n must be non-negative, got ", n);
  const Tensor out = empty({n}, Dtype::Int64);
  if (n) out.kernels().permutation(out.data_as<int64_t>(), n, {generator.seed(), generator.advance(n)});
  return out;
}

Tensor dropout(const Tensor& x, double p, Generator& generator) {
  floating("dropout", x);
  probability("dropout", p);
  if (p == 0) return mul(x, 1);
  if (p == 1) return mul(x, 0);
  const Tensor dense = x.is_dense() ? x : contiguous(x);
  const Tensor y = empty_like(dense), mask = empty_like(dense, Dtype::Bool);
  if (x.numel()) {
    const Random random{generator.seed(),
                        generator.advance(random_blocks(Distribution::Bernoulli, x.dtype(), x.numel()))};
    x.kernels().dropout(x.dtype(), dense.data(), y.data(), mask.data_as<bool>(), x.numel(), p, random);
  }
  if (recording(dense))
    record("DropoutBackward0", y, {&dense}, [mask = Saved(mask), scale = 1 / (1 - p)](Back& back) -> Tensors {
      return {mul(mul(back.grad(), mask.get(back)), scale)};
    });
  return y;
}

}  // namespace lamina::ops
