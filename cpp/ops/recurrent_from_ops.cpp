// A recurrent layer made of other ops, step by step: differentiable to any order, and right for sizes of
// zero.
#include <algorithm>

#include "ops/recurrent.h"

namespace lamina::ops {
namespace {

struct State {
  Tensor h, c;
};

State step(Cell cell, const Tensor& projected, const State& before, const Tensor* weight) {
  const int64_t hidden = weight[1].size(0) / gates_of(cell);
  const Tensor sums = linear(before.h, weight[1], weight[3]);
  if (cell == Cell::Gru) {
    const Tensors x = split_with_sizes(projected, {2 * hidden, hidden}, 1);
    const Tensors h = split_with_sizes(sums, {2 * hidden, hidden}, 1);
    const Tensors gates = split_with_sizes(sigmoid(add(x[0], h[0])), {hidden, hidden}, 1);
    const Tensor n = tanh(add(x[1], mul(gates[0], h[1])));
    return {add(n, mul(gates[1], sub(before.h, n))), Tensor()};
  }
  const Tensor both = add(projected, sums);
  if (cell == Cell::RnnTanh) return {tanh(both), Tensor()};
  if (cell == Cell::RnnRelu) return {relu(both), Tensor()};
  const Tensors gates = split_with_sizes(both, {hidden, hidden, hidden, hidden}, 1);
  const Tensor c = add(mul(sigmoid(gates[1]), before.c), mul(sigmoid(gates[0]), tanh(gates[2])));
  const Tensor h = mul(sigmoid(gates[3]), tanh(c));
  return {weight[4].defined() ? linear(h, weight[4], Tensor()) : h, c};
}

Tensor rows_of(const Tensor& x, int64_t begin, int64_t end) { return slice(x, 0, begin, end, 1); }

}  // namespace

Tensors recurrent_layer_from_ops(const RecurrentLayer& layer, const Tensors& in) {
  const PackedRows& rows = *layer.rows;
  const int64_t steps = rows.steps();
  Tensors ys, hs, cs;
  for (int d = 0; d < layer.directions; ++d) {
    const Tensor* weight = &in[kStates + d * kWeights];
    const Tensors inputs = split_with_sizes(linear(in[0], weight[0], weight[2]), rows.sizes, 0);
    const State first{select(in[1], 0, d), in[2].defined() ? select(in[2], 0, d) : Tensor()};
    State now = first;
    Tensors outputs(static_cast<size_t>(steps)), over_h, over_c;
    for (int64_t i = 0; i < steps; ++i) {
      const int64_t t = d == 0 ? i : steps - 1 - i, size = rows.sizes[t];
      const int64_t before = i == 0 ? (d == 0 ? rows.sizes[0] : 0) : rows.sizes[d == 0 ? t - 1 : t + 1];
      const auto fit = [&](const Tensor& x, const Tensor& start, Tensors* over) {
        if (!x.defined()) return x;
        if (size < before) over->push_back(rows_of(x, size, before));
        if (size < before) return rows_of(x, 0, size);
        if (size == before) return x;
        const Tensor joining = rows_of(start, before, size);
        return before == 0 ? joining : cat({x, joining}, 0);
      };
      now = step(layer.cell, inputs[t], {fit(now.h, first.h, &over_h), fit(now.c, first.c, &over_c)}, weight);
      outputs[t] = now.h;
    }
    const auto whole = [](const Tensor& x, Tensors& over) {
      if (over.empty()) return x;
      over.push_back(x);
      std::reverse(over.begin(), over.end());
      return cat(over, 0);
    };
    ys.push_back(cat(outputs, 0));
    hs.push_back(whole(now.h, over_h));
    if (now.c.defined()) cs.push_back(whole(now.c, over_c));
  }
  return {ys.size() == 1 ? ys[0] : cat(ys, 1), stack(hs, 0), cs.empty() ? Tensor() : stack(cs, 0)};
}

}  // namespace lamina::ops
