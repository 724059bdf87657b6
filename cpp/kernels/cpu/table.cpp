// Fills the table of this ISA.
#include "kernels/cpu/table.h"

#include "simd/simd.h"

namespace lamina::LAMINA_ISA {

static constexpr Kernels make_table() {
  Kernels table{};
  table.name = LAMINA_QUOTE_VALUE(LAMINA_ISA);
  table.unary = unary;
  table.unary_grad = unary_grad;
  table.binary = binary;
  table.compare = compare;
  table.predicate = predicate;
  table.ternary = ternary;
  table.copy = copy;
  table.fill = fill;
  table.arange = arange;
  table.reduce = reduce;
  table.reduce_scratch = reduce_scratch;
  table.arg_reduce = arg_reduce;
  table.moments = moments;
  table.scan = scan;
  table.running_extreme = running_extreme;
  table.sort = sort;
  table.sort_scratch = sort_scratch;
  table.topk = topk;
  table.topk_scratch = topk_scratch;
  table.softmax = softmax;
  table.softmax_grad = softmax_grad;
  table.logsumexp = logsumexp;
  table.nll_loss = nll_loss;
  table.nll_loss_grad = nll_loss_grad;
  table.cross_entropy_grad = cross_entropy_grad;
  table.ctc_loss = ctc_loss;
  table.ctc_loss_grad = ctc_loss_grad;
  table.ctc_loss_scratch = ctc_loss_scratch;
  table.gemm = gemm;
  table.gemm_scratch = gemm_scratch;
  table.gemm_pack = gemm_pack;
  table.gemm_pack_size = gemm_pack_size;
  table.attention = attention;
  table.attention_scratch = attention_scratch;
  table.attention_grad = attention_grad;
  table.attention_grad_scratch = attention_grad_scratch;
  table.quantized_linear = quantized_linear;
  table.quantized_linear_scratch = quantized_linear_scratch;
  table.conv2d = conv2d;
  table.conv2d_scratch = conv2d_scratch;
  table.conv2d_pack = conv2d_pack;
  table.conv2d_pack_size = conv2d_pack_size;
  table.conv2d_chain = conv2d_chain;
  table.conv2d_chain_scratch = conv2d_chain_scratch;
  table.conv2d_chain_pack = conv2d_chain_pack;
  table.conv2d_chain_pack_size = conv2d_chain_pack_size;
  table.conv2d_grad_input = conv2d_grad_input;
  table.conv2d_grad_input_scratch = conv2d_grad_input_scratch;
  table.conv2d_grad_weight = conv2d_grad_weight;
  table.conv2d_grad_weight_scratch = conv2d_grad_weight_scratch;
  table.max_pool2d = max_pool2d;
  table.max_pool2d_grad = max_pool2d_grad;
  table.avg_pool2d = avg_pool2d;
  table.avg_pool2d_grad = avg_pool2d_grad;
  table.resample = resample;
  table.row_norm = row_norm;
  table.row_norm_grad = row_norm_grad;
  table.row_norm_grad_scratch = row_norm_grad_scratch;
  table.batch_norm = batch_norm;
  table.batch_norm_grad = batch_norm_grad;
  table.recurrent = recurrent;
  table.recurrent_scratch = recurrent_scratch;
  table.recurrent_grad = recurrent_grad;
  table.recurrent_grad_scratch = recurrent_grad_scratch;
  table.index_bounds = index_bounds;
  table.searchsorted = searchsorted;
  table.index_read = index_read;
  table.index_write = index_write;
  table.count_nonzero = count_nonzero;
  table.nonzero = nonzero;
  table.random = random;
  table.permutation = permutation;
  table.dropout = dropout;
  table.optim_step = optim_step;
  table.set_threads = set_threads;
  return table;
}

const Kernels& kernels() {
  static constexpr Kernels table = make_table();
  return table;
}

}  // namespace lamina::LAMINA_ISA
