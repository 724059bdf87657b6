// The contract between ops and a device: enums, plain parameter structs and one struct of function pointers.
// No bodies. Every check has been made by the caller: a kernel cannot fail, does not allocate, and knows no
// Tensor. Strides count elements unless a name says bytes. Results never depend on the number of threads.
#pragma once

#include "base/dtype.h"
#include "base/limits.h"
#include "kernels/gemm.h"
#include "kernels/image.h"
#include "kernels/loss.h"
#include "kernels/optim.h"
#include "kernels/quantized.h"
#include "kernels/recurrent.h"

namespace lamina {

// A walk over up to kMaxOperands arrays of one common shape. Operand 0 is the output. A stride of 0 repeats a
// value. The caller has merged dimensions where it could, put the densest one last, and dropped those of size
// 1; a one-element walk has ndim 0. No size is 0.
struct Walk {
  int ndim;
  int operands;
  int64_t shape[kMaxDim];
  int64_t strides[kMaxOperands][kMaxDim];
  void* data[kMaxOperands];
};

// ---- elementwise

// out = f(x). Float types everywhere; Neg, Abs, Sign, Square, Relu and Clamp for integers too, BitwiseNot for
// integers and bool only (logical not on bool), Floor/Ceil/Round/Trunc on integers are copies made by the
// caller. p0, p1 are the parameters named in brackets; p may be null where there are none (Add and Sub of
// BinaryOp then take p0 = 1).
// clang-format off
enum class UnaryOp : uint8_t {
  Neg, Abs, Sign, Square, Cube, Sqrt, Rsqrt, Reciprocal, BitwiseNot,
  Exp, Exp2, Expm1, Log, Log2, Log10, Log1p,
  Logit, Sin, Cos, Tan, Asin, Acos, Atan, Sinh, Cosh, Tanh, Asinh, Acosh, Atanh,
  Erf, Erfc, Erfinv, Lgamma, Digamma, Sinc,
  Floor, Ceil, Round /* half to even */, Trunc, Frac,
  Relu, Relu6, Sigmoid, LogSigmoid, Gelu, GeluTanh, Silu, Mish, Softsign, Hardsigmoid, Hardswish,
  Tanhshrink, Selu, LeakyRelu /* slope */, Elu /* alpha */, Celu /* alpha */,
  Softplus /* beta, threshold */, Hardtanh /* lo, hi */, Hardshrink /* lambda */, Softshrink /* lambda */,
  Threshold /* threshold, value */, SmoothL1 /* beta */, Clamp /* lo, hi; +-inf = open */,
  count
};
// clang-format on

// out = f(x, y) in one dtype for all three.
// clang-format off
enum class BinaryOp : uint8_t {
  Add /* x + p0*y */, Sub /* x - p0*y */, Mul, Div /* floats */, FloorDiv, TruncDiv,
  Remainder /* sign of y */, Fmod /* sign of x */, Pow, Atan2, Hypot, Maximum, Minimum /* both hand NaN on */,
  Fmax, Fmin /* both drop NaN */, Copysign, Xlogy, Logaddexp, Logaddexp2, Nextafter,
  BitwiseAnd, BitwiseOr, BitwiseXor /* integers, bool */, ShiftLeft, ShiftRight /* integers */,
  count
};
// clang-format on

// out (bool) = f(x, y), x and y of one dtype; Logical* read any dtype as x != 0.
enum class CompareOp : uint8_t { Eq, Ne, Lt, Le, Gt, Ge, LogicalAnd, LogicalOr, LogicalXor, count };

// out (bool) = f(x).
enum class PredicateOp : uint8_t { IsNan, IsInf, IsPosInf, IsNegInf, IsFinite, LogicalNot, Signbit, count };

enum class TernaryOp : uint8_t {
  Where,     // x (bool) ? y : z; any dtype for out, y, z
  Lerp,      // x + z * (y - x), in the form that is exact at z = 1
  Addcmul,   // x + p0 * y * z
  Addcdiv,   // x + p0 * y / z
  Clamp,     // min(max(x, y), z), NaN handed on
  NanToNum,  // p0 for NaN, y for inf, z for -inf
  count
};

// ---- reductions

enum class ReduceOp : uint8_t {
  Sum,
  Prod,
  Max,
  Min /* hand NaN on */,
  Any,
  All /* out bool */,
  SumSquares,
  SumAbs,
  count
};

// out[kept] = reduce over the reduced dims of in[kept, reduced]. out has its own strides (kept dims). The
// caller has merged dims where it could and sorted them densest last. Empty reductions do not arrive here.
// Sum/Prod: float types accumulate in float (halves too; long sums in several accumulators, blocked/pairwise
// so that the error does not grow with n), float64 in double, bool and integers give int64. Max/Min keep the
// dtype. SumSquares and SumAbs: floats.
struct Reduce {
  ReduceOp op;
  Dtype in_dtype;
  Dtype out_dtype;
  const void* in;
  void* out;
  double scale;  // Sum of floats is multiplied by it at the end: mean = sum with 1/n
  int kept_ndim;
  int64_t kept_shape[kMaxDim];
  int64_t kept_in_strides[kMaxDim];
  int64_t kept_out_strides[kMaxDim];
  int reduced_ndim;
  int64_t reduced_shape[kMaxDim];
  int64_t reduced_strides[kMaxDim];
};

// The rest works on contiguous (outer, n, inner) and reduces, scans or sorts along n.
struct Rows {
  Dtype dtype;
  int64_t outer;
  int64_t n;
  int64_t inner;
};

enum class ScanOp : uint8_t { Sum, Prod, LogSumExp, count };

// ---- normalisation

// layer_norm / rms_norm / group_norm: rows of n values, each normalised by itself; weight and bias (nullable)
// have n values, or with channel_size > 0: one value per channel, channel = (row * n + i) / channel_size %
// channels.
struct RowNorm {
  Dtype dtype;
  int64_t rows, n;
  int64_t channel_size, channels;  // 0: affine per position in the row
  double eps;
  bool rms;  // no mean subtracted
};
// batch_norm over (n, c, spatial).
struct BatchNorm {
  Dtype dtype;
  int64_t n, c, spatial;
  double eps;
};

// ---- index

// Walk operands: 0 = the side that has the walk's shape ("values"), 1 = the indexed side ("table", its stride
// along the indexed dim left out of the walk), 2 = int64 index. Element of the table: walk offset + index *
// stride, index in [-size, size).
struct Index {
  Dtype dtype;
  Walk walk;
  int64_t size;
  int64_t stride;
};
enum class WriteMode : uint8_t { Assign, Add, Mul, Max, Min, count };

// ---- random

// Counter-based (Philox 4x32-10): element i depends on (seed, offset, i) alone. `offset` counts blocks of
// four 32-bit numbers.
struct Random {
  uint64_t seed;
  uint64_t offset;
};
enum class Distribution : uint8_t {
  Uniform /* [a, b) */,
  Normal /* mean a, std b */,
  Bernoulli /* p = a */,
  Exponential /* rate a */,
  Integer /* [lo, hi) */,
  Cauchy /* median a, sigma b */,
  LogNormal /* mean a, std b */,
  Geometric /* p = a */,
  count
};
// Blocks that n elements of a call use up, so that the next call starts behind them: four elements to a
// block, two where one takes 64 bits. dropout counts as Bernoulli, permutation as Integer.
static constexpr int64_t random_blocks(Distribution distribution, Dtype dtype, int64_t n) {
  const bool wide = distribution == Distribution::Integer || distribution == Distribution::Geometric ||
                    (dtype == Dtype::Float64 && distribution != Distribution::Bernoulli);
  return wide ? (n + 1) / 2 : (n + 3) / 4;
}

// ---- attention

// One of the arrays of attention: (batch, heads, rows, columns).
struct AttentionSide {
  void* data;
  int64_t batch, head, row, column;  // strides
};
// out = softmax(scale * q @ k^T + mask) @ v for each head; kv_heads divides heads, and head h looks at k and
// v of head h * kv_heads / heads. A query that sees nothing gets zeros.
struct Attention {
  Dtype dtype;
  int64_t batch, heads, kv_heads;
  int64_t queries, keys;
  int64_t size, value_size;          // columns of q and k, and of v and out
  AttentionSide q, k, v, mask, out;  // mask (queries x keys, added, of dtype): data null where there is none
  bool causal;                       // query i sees keys 0 to i
  double scale;
  double dropout;  // of weights, by numbers that depend on (random, head, query, key) alone
  Random random;
};

// Blocks of random numbers that dropout uses up.
static constexpr int64_t attention_random_blocks(const Attention& a) {
  return a.batch * a.heads * ((a.keys + 7) / 8) * ((a.queries + 63) / 64 * 64);
}

// ---- the table

// One per ISA or device; every entry is filled. *_scratch functions give bytes of scratch memory (64-byte
// aligned, may be 0) which the caller lends.
struct Kernels {
  const char* name;

  void (*unary)(UnaryOp, Dtype, const Walk&, const double* p);
  // out = g * f'(x): operands out, g, s, where s is the input x, or the output y where slope_from_output(op).
  void (*unary_grad)(UnaryOp, Dtype, const Walk&, const double* p);
  void (*binary)(BinaryOp, Dtype, const Walk&, const double* p);
  void (*compare)(CompareOp, Dtype, const Walk&);
  void (*predicate)(PredicateOp, Dtype, const Walk&);
  void (*ternary)(TernaryOp, Dtype, const Walk&, const double* p);
  void (*copy)(Dtype to, Dtype from,
               const Walk&);  // operands out, in; float to integer truncates, anything to bool is != 0
  void (*fill)(Dtype, const Walk&, Scalar);  // operand out
  void (*arange)(Dtype, void* out, int64_t n, Scalar start, Scalar step);

  void (*reduce)(const Reduce&, void* scratch);
  size_t (*reduce_scratch)(const Reduce&);
  // index of the first max (min) as int64, and the value; NaN wins. values or indices may be null.
  void (*arg_reduce)(bool max, const Rows&, const void* in, void* values,
                     int64_t* indices);  // in (outer, n, inner) -> (outer, inner)
  // mean and variance (divided by n - correction, NaN where that is <= 0) over n; mean may be null.
  void (*moments)(const Rows&, const void* in, double correction, void* mean, void* var);
  void (*scan)(ScanOp, Dtype in, const Rows& out, const void* x,
               void* y);  // integers and bool accumulate in int64 (out dtype)
  // the largest (smallest) so far and its latest place; NaN wins. float32, float64, int64
  void (*running_extreme)(bool max, const Rows&, const void* x, void* y, int64_t* places);
  // stable; NaN counts as largest. indices int64 positions along n.
  void (*sort)(bool descending, const Rows&, const void* in, void* values, int64_t* indices, void* scratch);
  size_t (*sort_scratch)(const Rows&);
  // the k largest (smallest) in order; out (outer, k, inner).
  void (*topk)(bool largest, int64_t k, const Rows&, const void* in, void* values, int64_t* indices,
               void* scratch);
  size_t (*topk_scratch)(int64_t k, const Rows&);

  void (*softmax)(bool log, const Rows&, const void* x, void* y);
  void (*softmax_grad)(bool log, const Rows&, const void* g, const void* y, void* dx);
  // y (outer, inner). With `shift`, which gets a number near the largest x (or 0): less that.
  void (*logsumexp)(const Rows&, const void* x, void* y, void* shift);
  // logp (n, classes, inner), target int64 (n, inner), weight (classes) or null. loss (n, inner) = -w * logp,
  // 0 where target == ignore; total = {sum of losses, sum of weights} in double, summed in a fixed order. Any
  // of loss, total may be null. With `sums`, logp is made of logits and of the sums in it.
  void (*nll_loss)(const Rows&, const void* logp, const CrossEntropy* sums, const int64_t* target,
                   const void* weight, int64_t ignore, void* loss, double* total);
  // dx = -w * g (scaled by `scale`) at the target, else 0. g has (n, inner) values, or one where g_single.
  void (*nll_loss_grad)(const Rows&, const void* g, bool g_single, const int64_t* target, const void* weight,
                        int64_t ignore, double scale, void* dx);
  // dx = g * scale * slope; g as above.
  void (*cross_entropy_grad)(const CrossEntropy&, const void* x, const void* g, bool g_single, double scale,
                             void* dx);
  // loss (batch): inf where no way has so few steps. ways: see CtcLoss.
  void (*ctc_loss)(const CtcLoss&, const void* logp, void* loss, void* ways, void* scratch);
  // dx = g * (p - the share of ways through the class), as if the p of a step summed to 1; where loss is inf
  // NaN, or 0 with `zero_infinity`. 0 behind a sequence's end.
  void (*ctc_loss_grad)(const CtcLoss&, const void* logp, const void* loss, const void* ways, const void* g,
                        bool zero_infinity, void* dx, void* scratch);
  size_t (*ctc_loss_scratch)(const CtcLoss&);

  void (*gemm)(const Gemm&, void* scratch);
  size_t (*gemm_scratch)(const Gemm&);
  // Lays out the operand that is kept; 0 bytes where the product reads it best as it is.
  void (*gemm_pack)(const Gemm&, void* packed);
  size_t (*gemm_pack_size)(const Gemm&);

  // lse (batch, heads, queries) float (double for float64), kept for the way back: the logarithm of the sum
  // of the exponentials, inf where a query sees nothing. May be null.
  void (*attention)(const Attention&, void* lse, void* scratch);
  size_t (*attention_scratch)(const Attention&);
  // g, the gradient of out; dq, dk, dv are written, as large as q, k, v.
  void (*attention_grad)(const Attention&, const void* lse, const AttentionSide& g, const AttentionSide& dq,
                         const AttentionSide& dk, const AttentionSide& dv, void* scratch);
  size_t (*attention_grad_scratch)(const Attention&);

  void (*quantized_linear)(const QuantizedLinear&, void* scratch);
  size_t (*quantized_linear_scratch)(const QuantizedLinear&);

  void (*conv2d)(const Conv2d&, const ConvEnd&, const void* x, const void* w, void* y, void* scratch);
  size_t (*conv2d_scratch)(const Conv2d&);
  // Lays out a weight for many convolutions; 0 bytes where it is read best as it is.
  void (*conv2d_pack)(const Conv2d&, const void* w, void* packed);
  size_t (*conv2d_pack_size)(const Conv2d&);
  // The convolution c of what `first` and its end make of x, which is written nowhere: first_end.packed holds
  // the weight as conv2d_chain_pack lays it out. 0 bytes of scratch: there is no way to do both at once.
  void (*conv2d_chain)(const Conv2d& first, const ConvEnd& first_end, const Conv2d& c, const ConvEnd& end,
                       const void* x, const void* w, void* y, void* scratch);
  size_t (*conv2d_chain_scratch)(const Conv2d& first, const Conv2d& c);
  void (*conv2d_chain_pack)(const Conv2d& first, const void* w, void* packed);
  size_t (*conv2d_chain_pack_size)(const Conv2d& first);
  void (*conv2d_grad_input)(const Conv2d&, const void* g, const void* w, void* dx, void* scratch);
  size_t (*conv2d_grad_input_scratch)(const Conv2d&);
  void (*conv2d_grad_weight)(const Conv2d&, const void* g, const void* x, void* dw, void* scratch);
  size_t (*conv2d_grad_weight_scratch)(const Conv2d&);
  void (*max_pool2d)(const Pool2d&, const void* x, void* y,
                     int64_t* indices);  // within the h*w plane, or null; NaN wins
  void (*max_pool2d_grad)(const Pool2d&, const void* g, const int64_t* indices, void* dx);
  void (*avg_pool2d)(const Pool2d&, const void* x, void* y);
  void (*avg_pool2d_grad)(const Pool2d&, const void* g, void* dx);
  void (*resample)(const Resample&, const void* x, void* y);

  // mean, rstd: one float (double for float64) per row, kept for the way back.
  void (*row_norm)(const RowNorm&, const void* x, const void* w, const void* b, void* y, void* mean,
                   void* rstd);
  void (*row_norm_grad)(const RowNorm&, const void* g, const void* x, const void* w, const void* mean,
                        const void* rstd, void* dx, void* dw, void* db,
                        void* scratch);  // any of dx, dw, db may be null
  size_t (*row_norm_grad_scratch)(const RowNorm&);
  // training: mean, var (biased) are computed and written; else they are read. y = (x - mean) / sqrt(var +
  // eps) * w + b.
  void (*batch_norm)(const BatchNorm&, bool training, const void* x, const void* w, const void* b, void* mean,
                     void* var, void* y);
  void (*batch_norm_grad)(const BatchNorm&, bool training, const void* g, const void* x, const void* w,
                          const void* mean, const void* var, void* dx, void* dw,
                          void* db);  // any of dx, dw, db may be null

  // x (total, input) -> y (total, directions * out), and the last states; one entry of passes for each
  // direction.
  void (*recurrent)(const Recurrent&, const void* x, const RecurrentPass* passes, void* y, void* scratch);
  size_t (*recurrent_scratch)(const Recurrent&);
  // grad_y (total, directions * out) may be null. Weights' and x's gradients are products of grad_gates.
  void (*recurrent_grad)(const Recurrent&, const void* y, const void* grad_y, const RecurrentGrad* grads,
                         void* scratch);
  size_t (*recurrent_grad_scratch)(const Recurrent&);

  void (*index_bounds)(const int64_t* index, int64_t n, int64_t* lo, int64_t* hi);
  // places (rows, m) of wanted (rows, m) in ascending rows of n; row_step 0: in the same row. float32,
  // float64 and int64. Left of equal ones, or right.
  void (*searchsorted)(bool right, Dtype, int64_t rows, int64_t n, int64_t row_step, int64_t m,
                       const void* sorted, const void* wanted, int64_t* places);
  void (*index_read)(const Index&);  // values = table[index]
  void (*index_write)(
      const Index&,
      WriteMode);  // table[index] op= values; repeated indices: applied in walk order, always the same bits
  int64_t (*count_nonzero)(Dtype, const void* in, int64_t n);
  void (*nonzero)(Dtype, const void* in, int64_t n, int64_t* positions);  // flat positions, ascending

  void (*random)(Distribution, Dtype, void* out, int64_t n, Random, Scalar a, Scalar b);
  void (*permutation)(int64_t* out, int64_t n, Random);
  // y = keep ? x / (1 - p) : 0, mask (bool) = keep.
  void (*dropout)(Dtype, const void* x, void* y, bool* mask, int64_t n, double p, Random);

  void (*optim_step)(const OptimStep&);

  void (*set_threads)(int n);  // how many threads the kernels of this table use from now on
};

// Which value unary_grad wants: the output where the slope is cheapest told from it, else the input.
static constexpr bool slope_from_output(UnaryOp op) {
  return op == UnaryOp::Sqrt || op == UnaryOp::Rsqrt || op == UnaryOp::Reciprocal || op == UnaryOp::Exp ||
         op == UnaryOp::Exp2 || op == UnaryOp::Expm1 || op == UnaryOp::Tan || op == UnaryOp::Tanh ||
         op == UnaryOp::Sigmoid || op == UnaryOp::Relu;
}

}  // namespace lamina
