// Every entry of the kernel table, declared in the namespace of the ISA being compiled. What they do and what
// the caller has checked is written in kernels.h; each is defined in the file of its family.
#pragma once

#include "kernels/kernels.h"

namespace lamina::LAMINA_ISA {

const Kernels& kernels();

void unary(UnaryOp, Dtype, const Walk&, const double* p);
void unary_grad(UnaryOp, Dtype, const Walk&, const double* p);
void binary(BinaryOp, Dtype, const Walk&, const double* p);
void compare(CompareOp, Dtype, const Walk&);
void predicate(PredicateOp, Dtype, const Walk&);
void ternary(TernaryOp, Dtype, const Walk&, const double* p);

void copy(Dtype to, Dtype from, const Walk&);
void fill(Dtype, const Walk&, Scalar);
void arange(Dtype, void* out, int64_t n, Scalar start, Scalar step);

void reduce(const Reduce&, void* scratch);
size_t reduce_scratch(const Reduce&);
void arg_reduce(bool max, const Rows&, const void* in, void* values, int64_t* indices);
void moments(const Rows&, const void* in, double correction, void* mean, void* var);
void scan(ScanOp, Dtype in, const Rows& out, const void* x, void* y);
void running_extreme(bool max, const Rows&, const void* x, void* y, int64_t* places);

void sort(bool descending, const Rows&, const void* in, void* values, int64_t* indices, void* scratch);
size_t sort_scratch(const Rows&);
void topk(bool largest, int64_t k, const Rows&, const void* in, void* values, int64_t* indices,
          void* scratch);
size_t topk_scratch(int64_t k, const Rows&);

void softmax(bool log, const Rows&, const void* x, void* y);
void softmax_grad(bool log, const Rows&, const void* g, const void* y, void* dx);
void logsumexp(const Rows&, const void* x, void* y, void* shift);
void nll_loss(const Rows&, const void* logp, const CrossEntropy* sums, const int64_t* target,
              const void* weight, int64_t ignore, void* loss, double* total);
void nll_loss_grad(const Rows&, const void* g, bool g_single, const int64_t* target, const void* weight,
                   int64_t ignore, double scale, void* dx);
void cross_entropy_grad(const CrossEntropy&, const void* x, const void* g, bool g_single, double scale,
                        void* dx);
void ctc_loss(const CtcLoss&, const void* logp, void* loss, void* ways, void* scratch);
void ctc_loss_grad(const CtcLoss&, const void* logp, const void* loss, const void* ways, const void* g,
                   bool zero_infinity, void* dx, void* scratch);
size_t ctc_loss_scratch(const CtcLoss&);

void gemm(const Gemm&, void* scratch);
size_t gemm_scratch(const Gemm&);
void gemm_pack(const Gemm&, void* packed);
size_t gemm_pack_size(const Gemm&);

void attention(const Attention&, void* lse, void* scratch);
size_t attention_scratch(const Attention&);
void attention_grad(const Attention&, const void* lse, const AttentionSide& g, const AttentionSide& dq,
                    const AttentionSide& dk, const AttentionSide& dv, void* scratch);
size_t attention_grad_scratch(const Attention&);

void quantized_linear(const QuantizedLinear&, void* scratch);
size_t quantized_linear_scratch(const QuantizedLinear&);

void conv2d(const Conv2d&, const ConvEnd&, const void* x, const void* w, void* y, void* scratch);
size_t conv2d_scratch(const Conv2d&);
void conv2d_pack(const Conv2d&, const void* w, void* packed);
size_t conv2d_pack_size(const Conv2d&);
void conv2d_chain(const Conv2d&, const ConvEnd&, const Conv2d&, const ConvEnd&, const void* x, const void* w,
                  void* y, void* scratch);
size_t conv2d_chain_scratch(const Conv2d&, const Conv2d&);
void conv2d_chain_pack(const Conv2d&, const void* w, void* packed);
size_t conv2d_chain_pack_size(const Conv2d&);
void conv2d_grad_input(const Conv2d&, const void* g, const void* w, void* dx, void* scratch);
size_t conv2d_grad_input_scratch(const Conv2d&);
void conv2d_grad_weight(const Conv2d&, const void* g, const void* x, void* dw, void* scratch);
size_t conv2d_grad_weight_scratch(const Conv2d&);

void max_pool2d(const Pool2d&, const void* x, void* y, int64_t* indices);
void max_pool2d_grad(const Pool2d&, const void* g, const int64_t* indices, void* dx);
void avg_pool2d(const Pool2d&, const void* x, void* y);
void avg_pool2d_grad(const Pool2d&, const void* g, void* dx);
void resample(const Resample&, const void* x, void* y);

void row_norm(const RowNorm&, const void* x, const void* w, const void* b, void* y, void* mean, void* rstd);
void row_norm_grad(const RowNorm&, const void* g, const void* x, const void* w, const void* mean,
                   const void* rstd, void* dx, void* dw, void* db, void* scratch);
size_t row_norm_grad_scratch(const RowNorm&);
void batch_norm(const BatchNorm&, bool training, const void* x, const void* w, const void* b, void* mean,
                void* var, void* y);
void batch_norm_grad(const BatchNorm&, bool training, const void* g, const void* x, const void* w,
                     const void* mean, const void* var, void* dx, void* dw, void* db);

void recurrent(const Recurrent&, const void* x, const RecurrentPass* passes, void* y, void* scratch);
size_t recurrent_scratch(const Recurrent&);
void recurrent_grad(const Recurrent&, const void* y, const void* grad_y, const RecurrentGrad* grads,
                    void* scratch);
size_t recurrent_grad_scratch(const Recurrent&);

void index_bounds(const int64_t* index, int64_t n, int64_t* lo, int64_t* hi);
void searchsorted(bool right, Dtype, int64_t rows, int64_t n, int64_t row_step, int64_t m, const void* sorted,
                  const void* wanted, int64_t* places);
void index_read(const Index&);
void index_write(const Index&, WriteMode);
int64_t count_nonzero(Dtype, const void* in, int64_t n);
void nonzero(Dtype, const void* in, int64_t n, int64_t* positions);

void random(Distribution, Dtype, void* out, int64_t n, Random, Scalar a, Scalar b);
void permutation(int64_t* out, int64_t n, Random);
void dropout(Dtype, const void* x, void* y, bool* mask, int64_t n, double p, Random);

void optim_step(const OptimStep&);

void set_threads(int n);

}  // namespace lamina::LAMINA_ISA
