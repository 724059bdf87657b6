// compare and predicate: results are bool. Plain loops, which the compiler turns into vectors of bytes.
#include "kernels/cpu/elementwise.h"
#include "kernels/cpu/table.h"

namespace lamina::LAMINA_ISA {
namespace {

template <CompareOp op, class T>
LAMINA_INLINE bool holds(T x, T y) {
  if constexpr (op == CompareOp::Eq) return x == y;
  if constexpr (op == CompareOp::Ne) return x != y;
  if constexpr (op == CompareOp::Lt) return x < y;
  if constexpr (op == CompareOp::Le) return x <= y;
  if constexpr (op == CompareOp::Gt) return x > y;
  if constexpr (op == CompareOp::Ge) return x >= y;
  if constexpr (op == CompareOp::LogicalAnd) return (x != 0) & (y != 0);
  if constexpr (op == CompareOp::LogicalOr) return (x != 0) | (y != 0);
  if constexpr (op == CompareOp::LogicalXor) return (x != 0) ^ (y != 0);
}

template <PredicateOp op, class T>
LAMINA_INLINE bool holds(T x) {
  constexpr bool real = static_cast<T>(0.5) != static_cast<T>(0);
  if constexpr (op == PredicateOp::LogicalNot) return x == 0;
  if constexpr (op == PredicateOp::Signbit) {
    if constexpr (real)
      return __builtin_signbit(x) != 0;
    else
      return x < 0;
  }
  if constexpr (!real) return op == PredicateOp::IsFinite;
  const double size = x < 0 ? -x : x;
  if constexpr (op == PredicateOp::IsNan) return x != x;
  if constexpr (op == PredicateOp::IsInf) return size == __builtin_inf();
  if constexpr (op == PredicateOp::IsPosInf) return x == __builtin_inf();
  if constexpr (op == PredicateOp::IsNegInf) return x == -__builtin_inf();
  if constexpr (op == PredicateOp::IsFinite) return size < __builtin_inf();
}

template <CompareOp op, class T>
void compare_block(void* out, const void* const* in, int64_t n, const double*) {
  const T *x = static_cast<const T*>(in[0]), *y = static_cast<const T*>(in[1]);
  bool* z = static_cast<bool*>(out);
#pragma GCC ivdep
  for (int64_t i = 0; i < n; i++) z[i] = holds<op>(x[i], y[i]);
}
template <PredicateOp op, class T>
void predicate_block(void* out, const void* const* in, int64_t n, const double*) {
  const T* x = static_cast<const T*>(in[0]);
  bool* z = static_cast<bool*>(out);
#pragma GCC ivdep
  for (int64_t i = 0; i < n; i++) z[i] = holds<op>(x[i]);
}

template <class T, int... op>
Block choose(CompareOp wanted, Ops<op...>) {
  static constexpr Block blocks[] = {compare_block<static_cast<CompareOp>(op), T>...};
  return blocks[static_cast<int>(wanted)];
}
template <class T, int... op>
Block choose(PredicateOp wanted, Ops<op...>) {
  static constexpr Block blocks[] = {predicate_block<static_cast<PredicateOp>(op), T>...};
  return blocks[static_cast<int>(wanted)];
}

template <class Op>
Block choose_by_dtype(Op op, Dtype dtype) {
  switch (computed_in(dtype)) {
    case Dtype::Bool:
    case Dtype::UInt8:
      return choose<uint8_t>(op, AllOps<Op>());
    case Dtype::Int8:
      return choose<int8_t>(op, AllOps<Op>());
    case Dtype::Int16:
      return choose<int16_t>(op, AllOps<Op>());
    case Dtype::Int32:
      return choose<int32_t>(op, AllOps<Op>());
    case Dtype::Int64:
      return choose<int64_t>(op, AllOps<Op>());
    case Dtype::Float64:
      return choose<double>(op, AllOps<Op>());
    default:
      return choose<float>(op, AllOps<Op>());
  }
}

}  // namespace

void compare(CompareOp op, Dtype dtype, const Walk& walk) {
  const Dtype dtypes[] = {Dtype::Bool, dtype, dtype};
  run_blocks(choose_by_dtype(op, dtype), walk, dtypes, kNoParameters, kGrain);
}

void predicate(PredicateOp op, Dtype dtype, const Walk& walk) {
  const Dtype dtypes[] = {Dtype::Bool, dtype};
  run_blocks(choose_by_dtype(op, dtype), walk, dtypes, kNoParameters, kGrain);
}

}  // namespace lamina::LAMINA_ISA
