// The menu: one declaration per op, one word per op on every floor. Shapes are written (n, c, h, w); errors
// as the words say. Each op checks its input, allocates, calls one kernel and says how to go back; most are
// differentiable to any order.
#pragma once

#include <optional>

#include "base/random.h"
#include "tensor/tensor.h"

namespace lamina {

// A tensor or a Python number. Numbers are weak: they change the kind of the result (bool < int < float <
// complex), not its size.
class Operand {
 public:
  Operand(const Tensor& tensor) : tensor_(tensor) {}
  Operand(Scalar scalar) : scalar_(scalar) {
    if (scalar.is_complex()) tensor_ = complex_number(scalar);
  }
  Operand(double value) : scalar_(value) {}
  Operand(int value) : scalar_(value) {}
  bool is_scalar() const { return !tensor_.defined(); }
  const Tensor& tensor() const { return tensor_; }
  Scalar scalar() const { return scalar_; }

 private:
  static Tensor complex_number(Scalar scalar);  // as weak as a number: only real numbers stay scalars
  Tensor tensor_;
  Scalar scalar_;
};
Dtype result_type(const Operand& x, const Operand& y);

using Dims = Shape;  // a list of dimensions; empty: all of them
using MaybeDtype = std::optional<Dtype>;
struct Pair {
  Tensor first, second;
};
enum class Reduction : uint8_t { None, Mean, Sum };

namespace ops {

// ---- creation (creation.cpp)
Tensor full(const Shape& shape, Scalar value, Dtype dtype);
Tensor full_like(const Tensor& x, Scalar value, MaybeDtype dtype = {});
Tensor arange(Scalar start, Scalar end, Scalar step, Dtype dtype);
Tensor linspace(double start, double end, int64_t steps, Dtype dtype);
Tensor eye(int64_t n, int64_t m, Dtype dtype);

// ---- random (random.cpp)
Tensor uniform_(const Tensor& x, double from, double to, Generator& generator);
Tensor normal_(const Tensor& x, double mean, double std, Generator& generator);
Tensor bernoulli_(const Tensor& x, double p, Generator& generator);
Tensor exponential_(const Tensor& x, double rate, Generator& generator);
Tensor cauchy_(const Tensor& x, double median, double sigma, Generator& generator);
Tensor log_normal_(const Tensor& x, double mean, double std, Generator& generator);
Tensor geometric_(const Tensor& x, double p, Generator& generator);
Tensor random_(const Tensor& x, int64_t from, int64_t to, Generator& generator);
Tensor randperm(int64_t n, Generator& generator);
Tensor dropout(const Tensor& x, double p, Generator& generator);

// ---- copy (copy.cpp)
Tensor to(const Tensor& x, Dtype dtype, bool copy = false);
Tensor clone(const Tensor& x);
Tensor contiguous(const Tensor& x);
Tensor copy_(const Tensor& x, const Tensor& source);  // broadcasts and converts
Tensor fill_(const Tensor& x, const Operand& value);
Tensor cat(const Tensors& xs, int64_t dim);
Tensor stack(const Tensors& xs, int64_t dim);

// ---- views (view.cpp)
Tensor view(const Tensor& x, const Shape& shape);
Tensor reshape(const Tensor& x, const Shape& shape);
Tensor permute(const Tensor& x, const Dims& dims);
Tensor transpose(const Tensor& x, int64_t dim0, int64_t dim1);
Tensor expand(const Tensor& x, const Shape& shape);  // -1 keeps a size
Tensor squeeze(const Tensor& x, const Dims& dims);
Tensor unsqueeze(const Tensor& x, int64_t dim);
Tensor select(const Tensor& x, int64_t dim, int64_t index);
Tensor slice(const Tensor& x, int64_t dim, int64_t start, int64_t stop, int64_t step);
Tensors split_with_sizes(const Tensor& x, const std::vector<int64_t>& sizes,
                         int64_t dim);  // one node for all pieces
Tensors unbind(const Tensor& x, int64_t dim);
Tensor diagonal(const Tensor& x, int64_t offset, int64_t dim1, int64_t dim2);
Tensor as_strided(const Tensor& x, const Shape& shape, const Shape& strides, std::optional<int64_t> offset);
Tensor unfold(const Tensor& x, int64_t dim, int64_t size, int64_t step);

// ---- complex numbers (view.cpp, complex.cpp): (...) complex <-> (..., 2) real
Tensor view_as_real(const Tensor& x);
Tensor view_as_complex(const Tensor& x);
Tensor real(const Tensor& x);  // views; real and conj of a real tensor are itself
Tensor imag(const Tensor& x);
Tensor conj(const Tensor& x);
Tensor angle(const Tensor& x);
Tensor sgn(const Tensor& x);
Tensor complex(const Tensor& real, const Tensor& imag);
Tensor polar(const Tensor& abs, const Tensor& angle);

// ---- elementwise, one operand (unary.cpp, activation.cpp)
Tensor neg(const Tensor& x);
Tensor abs(const Tensor& x);
Tensor sign(const Tensor& x);
Tensor square(const Tensor& x);
Tensor sqrt(const Tensor& x);
Tensor rsqrt(const Tensor& x);
Tensor reciprocal(const Tensor& x);
Tensor bitwise_not(const Tensor& x);
Tensor exp(const Tensor& x);
Tensor exp2(const Tensor& x);
Tensor expm1(const Tensor& x);
Tensor log(const Tensor& x);
Tensor log2(const Tensor& x);
Tensor log10(const Tensor& x);
Tensor log1p(const Tensor& x);
Tensor logit(const Tensor& x);
Tensor sin(const Tensor& x);
Tensor cos(const Tensor& x);
Tensor tan(const Tensor& x);
Tensor asin(const Tensor& x);
Tensor acos(const Tensor& x);
Tensor atan(const Tensor& x);
Tensor sinh(const Tensor& x);
Tensor cosh(const Tensor& x);
Tensor tanh(const Tensor& x);
Tensor asinh(const Tensor& x);
Tensor acosh(const Tensor& x);
Tensor atanh(const Tensor& x);
Tensor erf(const Tensor& x);
Tensor erfc(const Tensor& x);
Tensor erfinv(const Tensor& x);
Tensor lgamma(const Tensor& x);
Tensor digamma(const Tensor& x);
Tensor polygamma(int64_t n, const Tensor& x);  // the n-th derivative of digamma
Tensor sinc(const Tensor& x);
Tensor floor(const Tensor& x);
Tensor ceil(const Tensor& x);
Tensor round(const Tensor& x);
Tensor trunc(const Tensor& x);
Tensor frac(const Tensor& x);
Tensor relu(const Tensor& x);
Tensor relu6(const Tensor& x);
Tensor sigmoid(const Tensor& x);
Tensor logsigmoid(const Tensor& x);
Tensor gelu(const Tensor& x, bool tanh_form);
Tensor silu(const Tensor& x);
Tensor mish(const Tensor& x);
Tensor softsign(const Tensor& x);
Tensor hardsigmoid(const Tensor& x);
Tensor hardswish(const Tensor& x);
Tensor tanhshrink(const Tensor& x);
Tensor selu(const Tensor& x);
Tensor leaky_relu(const Tensor& x, double slope);
Tensor elu(const Tensor& x, double alpha);
Tensor celu(const Tensor& x, double alpha);
Tensor softplus(const Tensor& x, double beta, double threshold);
Tensor hardtanh(const Tensor& x, double lo, double hi);
Tensor hardshrink(const Tensor& x, double lambda);
Tensor softshrink(const Tensor& x, double lambda);
Tensor threshold(const Tensor& x, double threshold, double value);
Tensor prelu(const Tensor& x, const Tensor& weight);  // weight: 1 value, or one per channel (dim 1)
Tensor smooth_l1(const Tensor& x, double beta);  // x^2 / (2 beta) within beta of 0, |x| - beta / 2 outside
Tensor clamp(const Tensor& x, std::optional<Scalar> lo, std::optional<Scalar> hi);
Tensor isnan(const Tensor& x);
Tensor isinf(const Tensor& x);
Tensor isposinf(const Tensor& x);
Tensor isneginf(const Tensor& x);
Tensor isfinite(const Tensor& x);
Tensor logical_not(const Tensor& x);
Tensor signbit(const Tensor& x);

// ---- elementwise, two and three operands (binary.cpp, ternary.cpp); shapes broadcast, dtypes promote
Tensor add(const Operand& x, const Operand& y, Scalar alpha = 1);
Tensor sub(const Operand& x, const Operand& y, Scalar alpha = 1);
Tensor mul(const Operand& x, const Operand& y);
Tensor div(const Operand& x, const Operand& y);
Tensor floor_divide(const Operand& x, const Operand& y);
Tensor trunc_divide(const Operand& x, const Operand& y);
Tensor remainder(const Operand& x, const Operand& y);
Tensor fmod(const Operand& x, const Operand& y);
Tensor pow(const Operand& x, const Operand& y);
Tensor atan2(const Operand& x, const Operand& y);
Tensor hypot(const Operand& x, const Operand& y);
Tensor maximum(const Operand& x, const Operand& y);
Tensor minimum(const Operand& x, const Operand& y);
Tensor fmax(const Operand& x, const Operand& y);
Tensor fmin(const Operand& x, const Operand& y);
Tensor copysign(const Operand& x, const Operand& y);
Tensor xlogy(const Operand& x, const Operand& y);
Tensor logaddexp(const Operand& x, const Operand& y);
Tensor logaddexp2(const Operand& x, const Operand& y);
Tensor nextafter(const Operand& x, const Operand& y);
Tensor bitwise_and(const Operand& x, const Operand& y);
Tensor bitwise_or(const Operand& x, const Operand& y);
Tensor bitwise_xor(const Operand& x, const Operand& y);
Tensor bitwise_left_shift(const Operand& x, const Operand& y);
Tensor bitwise_right_shift(const Operand& x, const Operand& y);
Tensor eq(const Operand& x, const Operand& y);
Tensor ne(const Operand& x, const Operand& y);
Tensor lt(const Operand& x, const Operand& y);
Tensor le(const Operand& x, const Operand& y);
Tensor gt(const Operand& x, const Operand& y);
Tensor ge(const Operand& x, const Operand& y);
Tensor logical_and(const Operand& x, const Operand& y);
Tensor logical_or(const Operand& x, const Operand& y);
Tensor logical_xor(const Operand& x, const Operand& y);
Tensor where(const Tensor& condition, const Operand& x, const Operand& y);
Tensor lerp(const Tensor& x, const Tensor& y, const Operand& weight);
Tensor addcmul(const Tensor& x, const Tensor& y, const Tensor& z, Scalar value);
Tensor addcdiv(const Tensor& x, const Tensor& y, const Tensor& z, Scalar value);
Tensor nan_to_num(const Tensor& x, double nan, double posinf, double neginf);  // of floats

// ---- reductions (reduce.cpp); dims empty: all; negative dims count from the back
Tensor sum(const Tensor& x, const Dims& dims, bool keepdim, MaybeDtype dtype = {});
Tensor mean(const Tensor& x, const Dims& dims, bool keepdim, MaybeDtype dtype = {});
Tensor prod(const Tensor& x, const Dims& dims, bool keepdim, MaybeDtype dtype = {});
Tensor amax(const Tensor& x, const Dims& dims, bool keepdim);
Tensor amin(const Tensor& x, const Dims& dims, bool keepdim);
Tensor any(const Tensor& x, const Dims& dims, bool keepdim);
Tensor all(const Tensor& x, const Dims& dims, bool keepdim);
Tensor var(const Tensor& x, const Dims& dims, double correction, bool keepdim);
Tensor std(const Tensor& x, const Dims& dims, double correction, bool keepdim);
Tensor vector_norm(const Tensor& x, double order, const Dims& dims, bool keepdim, MaybeDtype dtype = {});
Tensor count_nonzero(const Tensor& x, const Dims& dims);

// ---- along one dimension (rows.cpp, sort.cpp, softmax.cpp)
Pair max(const Tensor& x, int64_t dim, bool keepdim);  // values, int64 indices of the first
Pair min(const Tensor& x, int64_t dim, bool keepdim);
Tensor argmax(const Tensor& x, std::optional<int64_t> dim, bool keepdim);
Tensor argmin(const Tensor& x, std::optional<int64_t> dim, bool keepdim);
Tensor cumsum(const Tensor& x, int64_t dim, MaybeDtype dtype = {});
Tensor cumprod(const Tensor& x, int64_t dim, MaybeDtype dtype = {});
Pair cummax(const Tensor& x, int64_t dim);
Pair cummin(const Tensor& x, int64_t dim);
Tensor logcumsumexp(const Tensor& x, int64_t dim);
Pair sort(const Tensor& x, int64_t dim, bool descending);
Pair topk(const Tensor& x, int64_t k, int64_t dim, bool largest);
// The place of each value in an ascending row (the last dimension), int64: before equal ones, or behind.
Tensor searchsorted(const Tensor& sorted, const Tensor& values, bool right);
Tensor flip(const Tensor& x, const Dims& dims);
Tensor softmax(const Tensor& x, int64_t dim, MaybeDtype dtype = {});
Tensor log_softmax(const Tensor& x, int64_t dim, MaybeDtype dtype = {});
Tensor logsumexp(const Tensor& x, const Dims& dims, bool keepdim);
// logp (n, classes, ...), target int64 (n, ...) in [0, classes) or ignore_index; weight (classes) or
// undefined.
Tensor nll_loss(const Tensor& logp, const Tensor& target, const Tensor& weight, int64_t ignore_index,
                Reduction reduction);
// The same of logits.
Tensor cross_entropy(const Tensor& x, const Tensor& target, const Tensor& weight, int64_t ignore_index,
                     Reduction reduction, double smoothing);
// log_probs (t, n, classes); sequence i has label_count[i] of the labels from first_label[i] on, and
// step_count[i] steps. Gives (n).
Tensor ctc_loss(const Tensor& log_probs, const Tensor& labels, const std::vector<int64_t>& first_label,
                const std::vector<int64_t>& label_count, const std::vector<int64_t>& step_count,
                int64_t blank, bool zero_infinity);

// ---- index (index.cpp)
// x[indices]: one int64 or bool tensor, or an undefined one (":"), per leading dimension of x.
Tensor index(const Tensor& x, const Tensors& indices);
Tensor index_put_(const Tensor& x, const Tensors& indices, const Tensor& values, bool accumulate);
Tensor index_select(const Tensor& x, int64_t dim, const Tensor& index);
Tensor index_add(const Tensor& x, int64_t dim, const Tensor& index, const Tensor& source, Scalar alpha);
Tensor gather(const Tensor& x, int64_t dim, const Tensor& index);
Tensor scatter(const Tensor& x, int64_t dim, const Tensor& index, const Tensor& source, WriteMode mode);
Tensor masked_fill(const Tensor& x, const Tensor& mask, const Operand& value);
Tensor masked_select(const Tensor& x, const Tensor& mask);
Tensor nonzero(const Tensor& x);  // (count, ndim) int64
Tensor embedding(const Tensor& weight, const Tensor& index, std::optional<int64_t> padding);
Tensor tril(const Tensor& x, int64_t diagonal);
Tensor triu(const Tensor& x, int64_t diagonal);

// ---- matrix products (matmul.cpp)
Tensor matmul(const Tensor& x, const Tensor& y);
Tensor linear(const Tensor& x, const Tensor& weight,
              const Tensor& bias);  // (..., in), (out, in), (out) or undefined
Tensor addmm(const Tensor& x, const Tensor& a, const Tensor& b, Scalar beta, Scalar alpha);
Tensor baddbmm(const Tensor& x, const Tensor& a, const Tensor& b, Scalar beta, Scalar alpha);

// ---- attention (attention.cpp): (..., l, e), (..., s, e), (..., s, d) -> (..., l, d); mask (..., l, s) or
// undefined, bool (true: is seen) or floating (added). scale: 1 / sqrt(e) unless given. grouped: dimension -3
// of key and value divides that of query.
Tensor scaled_dot_product_attention(const Tensor& query, const Tensor& key, const Tensor& value,
                                    const Tensor& mask, double dropout_p, bool causal,
                                    std::optional<double> scale, bool grouped, Generator& generator);

// ---- weights of few bits (quantized.cpp): x (..., in), blocks (outs padded to 16, bytes of a row),
// interleaved as kernels.h says, of GGUF's type of that name. No derivative.
Tensor quantized_linear(const Tensor& x, const Tensor& blocks, const std::string& type, int64_t outs,
                        const Tensor& bias);

// ---- images (conv.cpp, pool.cpp): x (n, c, h, w) or (c, h, w)
struct Window {
  Dims stride, padding, dilation;  // two values each
};
// may_wait: where nothing is recorded, the result is computed when it is looked at, together with the batch
// norm, addition and activation that may follow.
Tensor conv2d(const Tensor& x, const Tensor& weight, const Tensor& bias, const Window& window, int64_t groups,
              bool may_wait = false);
Tensor conv_transpose2d(const Tensor& x, const Tensor& weight, const Tensor& bias, const Window& window,
                        const Dims& output_padding, int64_t groups);  // weight (in, out / groups, kh, kw)
// Values and int64 indices in the plane; these may be undefined where they are not asked for.
Pair max_pool2d(const Tensor& x, const Dims& kernel, const Window& window, bool ceil_mode,
                bool with_indices = true);
Tensor avg_pool2d(const Tensor& x, const Dims& kernel, const Window& window, bool ceil_mode,
                  bool count_include_pad, std::optional<int64_t> divisor);

// ---- images resized (resample.cpp): the last dimensions of x, one entry of each list for each of them
enum class Interpolation : uint8_t { Nearest, NearestExact, Linear, Cubic, Mean /* over bins */ };
// steps: how far apart the places are that neighbouring new values are read from. With align_corners the
// first one is the first old place, else half a step behind the edge; antialias stretches the law over a
// step.
Tensor interpolate(const Tensor& x, Interpolation mode, const Dims& size, const std::vector<double>& steps,
                   bool align_corners, bool antialias);
enum class Border : uint8_t { Reflect, Replicate, Circular };
Tensor pad_from_inside(const Tensor& x, Border mode, const Dims& before, const Dims& after);

// ---- normalisation (norm.cpp)
Tensor layer_norm(const Tensor& x, const Shape& normalized, const Tensor& weight, const Tensor& bias,
                  double eps);
Tensor rms_norm(const Tensor& x, const Shape& normalized, const Tensor& weight, double eps);
Tensor group_norm(const Tensor& x, int64_t groups, const Tensor& weight, const Tensor& bias, double eps);
Tensor batch_norm(const Tensor& x, const Tensor& weight, const Tensor& bias, const Tensor& running_mean,
                  const Tensor& running_var, bool training, double momentum, double eps);

// ---- recurrent layers (recurrent.cpp)
// x (total, input): packed rows, sizes[t] of them at step t, never growing. h, c (layers * directions, batch,
// ...), undefined for zeros. Weights of each layer and direction: ih, hh, bias_ih, bias_hh, hr, the last
// three or one may be undefined. Gives y (total, directions * out), the last h, and of Lstm the last c.
// Between layers, dropout.
Tensors recurrent(Cell cell, const Tensor& x, const std::vector<int64_t>& sizes, const Tensor& h,
                  const Tensor& c, const Tensors& weights, bool bidirectional, double dropout_p,
                  Generator& generator);

// ---- optimizers (optim.cpp): in place, not recorded
void sgd_step(const Tensors& params, const Tensors& grads, const Tensors& momentum_buffers,
              const std::vector<bool>& first, const OptimStep& step);
void adam_step(const Tensors& params, const Tensors& grads, const Tensors& exp_avgs,
               const Tensors& exp_avg_sqs, const Tensors& max_exp_avg_sqs, const OptimStep& step);
void rmsprop_step(const Tensors& params, const Tensors& grads, const Tensors& square_avgs,
                  const Tensors& grad_avgs, const Tensors& momentum_buffers, const OptimStep& step);
void adagrad_step(const Tensors& params, const Tensors& grads, const Tensors& sums, const OptimStep& step);

}  // namespace ops
}  // namespace lamina
