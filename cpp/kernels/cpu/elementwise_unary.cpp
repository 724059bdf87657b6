// unary: the float laws of one operand. Those of integers are in elementwise_integer.cpp.
#include "kernels/cpu/elementwise.h"
#include "kernels/cpu/table.h"

namespace lamina::LAMINA_ISA {
namespace {

template <UnaryOp op, class V>
void unary_block(void* out, const void* const* in, int64_t n, const double* p) {
  const V a = parameter<V>(p, 0), b = parameter<V>(p, 1);
  const void* first = in[0];
  for (int64_t i = 0; i < n; i += V::width) {
    const int64_t lanes = min_of(V::width, n - i);
    if constexpr (is_heavy(op)) fetch_ahead(first, i * sizeof(typename V::Element));
    store_lanes(out, i, UnaryLaw<op>::value(load_lanes<V>(first, i, lanes), a, b), lanes);
  }
}

template <UnaryOp op, class V>
constexpr Block block_of() {
  if constexpr (op == UnaryOp::BitwiseNot) {
    return nullptr;
  } else {
    return unary_block<op, V>;
  }
}

template <class V, int... op>
Block choose(UnaryOp wanted, Ops<op...>) {
  static constexpr Block blocks[] = {block_of<static_cast<UnaryOp>(op), V>()...};
  return blocks[static_cast<int>(wanted)];
}

}  // namespace

void unary(UnaryOp op, Dtype dtype, const Walk& walk, const double* p) {
  Block block;
  if (!is_floating(dtype)) {
    block = integer_unary(op, dtype);
  } else if (dtype == Dtype::Float64) {
    block = choose<F64>(op, AllOps<UnaryOp>());
  } else {
    block = choose<F32>(op, AllOps<UnaryOp>());
  }
  run_uniform(block, dtype, walk, p, grain_of(is_heavy(op)));
}

}  // namespace lamina::LAMINA_ISA
