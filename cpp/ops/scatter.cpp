// The ways back of scatter where several values meet in one place and are multiplied, or compared.
#include "ops/scatter.h"

#include "ops/ops.h"

namespace lamina::ops {
namespace {

// What all other factors of the same place multiply to, for the places themselves and for what was written.
struct Others {
  Tensor of_x, of_part;
};

Others other_factors(const Tensor& x, const Tensor& part, int dim, const Tensor& places) {
  const Dtype dtype = x.dtype();
  const Tensor x_zero = eq(x, 0), part_zero = eq(part, 0);
  const Tensor x_factor = masked_fill(x, x_zero, 1), part_factor = masked_fill(part, part_zero, 1);
  const Tensor product = scatter(x_factor, dim, places, part_factor, WriteMode::Mul);
  const Tensor zeros = scatter(to(x_zero, dtype), dim, places, to(part_zero, dtype), WriteMode::Add);
  const auto without = [dtype](const Tensor& whole, const Tensor& count, const Tensor& factor,
                               const Tensor& zero) {
    return masked_fill(div(whole, factor), gt(count, to(zero, dtype)), 0);
  };
  return {without(product, zeros, x_factor, x_zero),
          without(gather(product, dim, places), gather(zeros, dim, places), part_factor, part_zero)};
}

}  // namespace

Tensors scatter_grad(const Tensor& g, const Tensor& x, const Tensor& part, const Tensor& y, int dim,
                     const Tensor& places, WriteMode mode) {
  if (mode == WriteMode::Mul) {
    const Others others = other_factors(x, part, dim, places);
    return {mul(g, others.of_x), mul(gather(g, dim, places), others.of_part)};
  }
  // Whatever equals the extreme has an equal share in it.
  const Tensor from_x = to(eq(x, y), g.dtype()), from_part = to(eq(part, gather(y, dim, places)), g.dtype());
  const Tensor count = scatter(from_x, dim, places, from_part, WriteMode::Add);
  const Tensor share = div(g, masked_fill(count, eq(count, 0), 1));
  return {mul(share, from_x), mul(gather(share, dim, places), from_part)};
}

}  // namespace lamina::ops
