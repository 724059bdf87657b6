// What the elementwise files share: the loops that make Blocks of laws, and the choice among Blocks.
#pragma once

#include "kernels/cpu/blocks.h"
// clang-format off
#include "simd/math.h"
#include "kernels/formulas.h"  // written in the vocabulary of the line above
// clang-format on

namespace lamina::LAMINA_ISA {

// Full vectors, and the last one of `lanes` elements: one copy of the law serves both.
template <class V>
LAMINA_INLINE V load_lanes(const void* p, int64_t i, int64_t lanes) {
  const auto* x = static_cast<const typename V::Element*>(p) + i;
  return lanes == V::width ? load<V>(x) : load_n<V>(x, static_cast<int>(lanes));
}
template <class V>
LAMINA_INLINE void store_lanes(void* p, int64_t i, V x, int64_t lanes) {
  auto* y = static_cast<typename V::Element*>(p) + i;
  if (lanes == V::width) {
    store(y, x);
  } else {
    store_n(y, x, static_cast<int>(lanes));
  }
}
// Bytes by which operands of heavy laws are fetched ahead: while one vector is worked on, few others are
// under way, and memory would idle.
constexpr int64_t kFetchAhead = 2048;
LAMINA_INLINE void fetch_ahead(const void* p, int64_t bytes) {
  __builtin_prefetch(static_cast<const char*>(p) + bytes + kFetchAhead, 0, 2);
}
template <class V>
LAMINA_INLINE V parameter(const double* p, int i) {
  return constant<V>(p[i]);
}

// A list of numbers 0 ... n-1 as template arguments, to instantiate a Block for every op of a kind.
template <int... op>
struct Ops {};
template <int n, int... op>
struct OpsUpTo : OpsUpTo<n - 1, n - 1, op...> {};
template <int... op>
struct OpsUpTo<0, op...> {
  using Type = Ops<op...>;
};
template <class Op>
using AllOps = typename OpsUpTo<static_cast<int>(Op::count)>::Type;

// Parameters of a call that names none: alpha = 1.
constexpr double kNoParameters[2] = {1, 0};

// Runs a law whose operands all have one dtype.
LAMINA_INLINE void run_uniform(Block block, Dtype dtype, const Walk& walk, const double* p, int64_t grain) {
  const Dtype dtypes[kMaxOperands] = {dtype, dtype, dtype, dtype, dtype};
  run_blocks(block, walk, dtypes, p ? p : kNoParameters, grain);
}

// Elements of a law that are worth a thread: few operations, or an elementary function.
LAMINA_INLINE int64_t grain_of(bool heavy) { return heavy ? kHeavyGrain : kGrain; }
constexpr bool is_heavy(UnaryOp op) {
  return (op >= UnaryOp::Exp && op <= UnaryOp::Sinc) || (op >= UnaryOp::Sigmoid && op <= UnaryOp::Mish) ||
         (op >= UnaryOp::Tanhshrink && op <= UnaryOp::Softplus && op != UnaryOp::LeakyRelu);
}

Block integer_unary(UnaryOp op, Dtype dtype);
Block integer_binary(BinaryOp op, Dtype dtype);
Block integer_ternary(TernaryOp op, Dtype dtype);

}  // namespace lamina::LAMINA_ISA
