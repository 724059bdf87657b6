// The polygamma functions, composed of other ops so that they can be differentiated to any order.
#include <cmath>

#include "ops/complex.h"

namespace lamina::ops {
namespace {

// Hurwitz' zeta function sum_k (q + k)^-s for integer s > 1 and q > 0: ten terms, and the rest by the formula
// of Euler and Maclaurin.
Tensor zeta(int s, const Tensor& q) {
  constexpr int kTerms = 10;
  // B_2j / (2j)!
  constexpr double kBernoulli[] = {1.0 / 12,          -1.0 / 720,
                                   1.0 / 30240,       -1.0 / 1209600,
                                   1.0 / 47900160,    -691.0 / 1307674368000,
                                   1.0 / 74724249600, -3617.0 / 10670622842880000};
  Tensor sum = pow(q, -s);
  for (int k = 1; k < kTerms; ++k) sum = add(sum, pow(add(q, k), -s));
  const Tensor a = add(q, kTerms);
  sum = add(sum, add(div(pow(a, 1 - s), s - 1), mul(pow(a, -s), 0.5)));
  double rising = s;  // s (s + 1) ... (s + 2j - 2)
  for (int j = 1; j <= 8; ++j) {
    sum = add(sum, mul(pow(a, -s - 2 * j + 1), kBernoulli[j - 1] * rising));
    rising *= static_cast<double>(s + 2 * j - 1) * (s + 2 * j);
  }
  return sum;
}

}  // namespace

Tensor polygamma(int64_t n, const Tensor& input) {
  if (n < 0) fail<ShapeError>("polygamma: expected n >= 0, got ", n);
  real_only("polygamma", input);
  const Tensor x = is_floating(input.dtype()) ? input : to(input, default_float());
  if (n == 0) return digamma(x);
  if (size_of(x.dtype()) == 2) return to(polygamma(n, to(x, Dtype::Float32)), x.dtype());
  const int s = static_cast<int>(std::min<int64_t>(n, 1000)) + 1;
  const Tensor positive = gt(x, 0);
  // Left of 0: all terms from x - floor(x) on, and those between, counted from the other side.
  const Tensor f = where(positive, 0.5, sub(x, floor(x))), rest = where(positive, 0.5, sub(ceil(x), x));
  const double sign = s % 2 ? -1 : 1;
  const Tensor between = sub(zeta(s, rest), zeta(s, where(positive, 1.0, sub(1, x))));
  const Tensor left = where(eq(f, 0), INFINITY, add(zeta(s, f), mul(between, sign)));  // poles at 0, -1, ...
  const Tensor sum = where(positive, zeta(s, where(positive, x, 1.0)), left);
  return mul(sum, sign * std::tgamma(static_cast<double>(s)));
}

}  // namespace lamina::ops
