// binary and ternary: the float laws of two and three operands. Those of integers are in
// elementwise_integer.cpp.
#include "kernels/cpu/elementwise.h"
#include "kernels/cpu/table.h"

namespace lamina::LAMINA_ISA {
namespace {

template <BinaryOp op, class V>
void binary_block(void* out, const void* const* in, int64_t n, const double* p) {
  const V a = parameter<V>(p, 0);
  const void *first = in[0], *second = in[1];
  for (int64_t i = 0; i < n; i += V::width) {
    const int64_t lanes = min_of(V::width, n - i);
    const V x = load_lanes<V>(first, i, lanes), y = load_lanes<V>(second, i, lanes);
    store_lanes(out, i, BinaryLaw<op>::value(x, y, a), lanes);
  }
}

template <TernaryOp op, class V>
void ternary_block(void* out, const void* const* in, int64_t n, const double* p) {
  const V a = parameter<V>(p, 0);
  const void *first = in[0], *second = in[1], *third = in[2];
  for (int64_t i = 0; i < n; i += V::width) {
    const int64_t lanes = min_of(V::width, n - i);
    const V x = load_lanes<V>(first, i, lanes), y = load_lanes<V>(second, i, lanes);
    const V z = load_lanes<V>(third, i, lanes);
    store_lanes(out, i, TernaryLaw<op>::value(x, y, z, a), lanes);
  }
}

template <BinaryOp op, class V>
constexpr Block block_of() {
  if constexpr (op >= BinaryOp::BitwiseAnd) {
    return nullptr;
  } else {
    return binary_block<op, V>;
  }
}

template <class V, int... op>
Block choose(BinaryOp wanted, Ops<op...>) {
  static constexpr Block blocks[] = {block_of<static_cast<BinaryOp>(op), V>()...};
  return blocks[static_cast<int>(wanted)];
}

template <class V>
Block choose(TernaryOp op) {
  switch (op) {
    case TernaryOp::Lerp:
      return ternary_block<TernaryOp::Lerp, V>;
    case TernaryOp::Addcmul:
      return ternary_block<TernaryOp::Addcmul, V>;
    case TernaryOp::Addcdiv:
      return ternary_block<TernaryOp::Addcdiv, V>;
    case TernaryOp::NanToNum:
      return ternary_block<TernaryOp::NanToNum, V>;
    default:
      return ternary_block<TernaryOp::Clamp, V>;
  }
}

constexpr bool is_heavy(BinaryOp op) { return op >= BinaryOp::Pow && op <= BinaryOp::Hypot; }

// x ? y : z for elements of one size; which half or integer they are makes no difference.
template <class T>
void where_block(void* out, const void* const* in, int64_t n, const double*) {
  const auto* x = static_cast<const uint8_t*>(in[0]);
  const auto *y = static_cast<const T*>(in[1]), *z = static_cast<const T*>(in[2]);
  auto* to = static_cast<T*>(out);
#pragma GCC ivdep
  for (int64_t i = 0; i < n; i++) to[i] = x[i] ? y[i] : z[i];
}

void where(Dtype dtype, const Walk& walk) {
  const int64_t size = bytes_of(dtype);
  const Dtype same = size == 1   ? Dtype::UInt8
                     : size == 2 ? Dtype::Int16
                     : size == 4 ? Dtype::Int32
                                 : Dtype::Int64;
  const Block block = size == 1   ? where_block<uint8_t>
                      : size == 2 ? where_block<uint16_t>
                      : size == 4 ? where_block<uint32_t>
                                  : where_block<uint64_t>;
  const Dtype dtypes[] = {same, Dtype::Bool, same, same};
  run_blocks(block, walk, dtypes, kNoParameters, kGrain);
}

}  // namespace

void binary(BinaryOp op, Dtype dtype, const Walk& walk, const double* p) {
  Block block;
  if (!is_floating(dtype)) {
    block = integer_binary(op, dtype);
  } else if (dtype == Dtype::Float64) {
    block = choose<F64>(op, AllOps<BinaryOp>());
  } else {
    block = choose<F32>(op, AllOps<BinaryOp>());
  }
  run_uniform(block, dtype, walk, p, grain_of(is_heavy(op)));
}

void ternary(TernaryOp op, Dtype dtype, const Walk& walk, const double* p) {
  if (op == TernaryOp::Where) {
    where(dtype, walk);
  } else if (!is_floating(dtype)) {
    run_uniform(integer_ternary(op, dtype), dtype, walk, p, kGrain);
  } else {
    run_uniform(dtype == Dtype::Float64 ? choose<F64>(op) : choose<F32>(op), dtype, walk, p, kGrain);
  }
}

}  // namespace lamina::LAMINA_ISA
