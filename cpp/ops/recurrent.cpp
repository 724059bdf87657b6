// Recurrent layers: a layer and both its directions are one op. Second derivatives go through
// recurrent_from_ops.cpp.
#include "ops/recurrent.h"

#include "autograd/backward.h"
#include "ops/walk.h"

namespace lamina::ops {
namespace {

const void* data_or_null(const Tensor& x) { return x.defined() ? x.data() : nullptr; }
Tensor dense(const Tensor& x) { return x.defined() ? contiguous(detach(x)) : x; }
Tensor maybe_empty(bool wanted, const Shape& shape, Dtype dtype) {
  return wanted ? empty(shape, dtype) : Tensor();
}

// The entry of a direction in a tensor (directions, ...).
template <class T>
void* part(const Tensor& x, int direction) {
  if (!x.defined()) return nullptr;
  return static_cast<char*>(x.data()) + direction * (x.numel() / x.size(0)) * static_cast<int64_t>(sizeof(T));
}
void* part(const Tensor& x, int direction) {
  return x.defined() && x.dtype() == Dtype::Float64 ? part<double>(x, direction) : part<float>(x, direction);
}

Recurrent describe(const RecurrentLayer& layer, const Tensors& in, bool keeps) {
  Recurrent p{};
  p.cell = layer.cell;
  p.dtype = in[0].dtype();
  p.steps = layer.rows->steps();
  p.total = in[0].size(0);
  p.sizes = layer.rows->sizes.data();
  p.offsets = layer.rows->offsets.data();
  p.input = in[0].size(1);
  p.hidden = in[kStates].size(0) / gates_of(layer.cell);
  p.projection = in[kStates + 4].defined() ? in[kStates + 4].size(0) : 0;
  p.directions = layer.directions;
  p.keeps = keeps;
  return p;
}

RecurrentWeight weight_of(const Tensors& in, int direction) {
  const Tensor* w = &in[kStates + direction * kWeights];
  return {data_or_null(w[0]), data_or_null(w[1]), data_or_null(w[2]), data_or_null(w[3]), data_or_null(w[4])};
}

// Columns [begin, begin + n) of rows [first, last) of a matrix; a look, not a copy.
Tensor block(const Tensor& x, int64_t begin, int64_t n, int64_t first, int64_t last) {
  return alias(x, {last - first, n}, {x.strides()[0], 1}, x.offset() + first * x.strides()[0] + begin);
}

// What the forward pass keeps for the way back, for each direction.
struct Kept {
  Tensor gates[2], cells[2];
};

// Up to so many blocks of rows are cheaper to multiply one by one than to copy.
constexpr size_t kMostBlocks = 4;

struct LayerGrad {
  const RecurrentLayer& layer;
  const Tensors in;
  const Tensor y;
  const Recurrent p;
  Back& back;

  bool needs(int direction, int weight) const { return back.needs(kStates + direction * kWeights + weight); }

  // Runs the kernel; fills `grads` for h and c, and what the products below are made of.
  Tensor gates[2], bias[2], unprojected[2], projected[2];
  void run(const Kept& kept, Tensors& grads) {
    const Dtype dtype = p.dtype;
    const Tensor gy = dense(back.grads[0]), gh = dense(back.grads[1]), gc = dense(back.grads[2]);
    grads[1] = empty(in[1].shape(), dtype);
    grads[2] = maybe_empty(in[2].defined(), in[2].defined() ? in[2].shape() : Shape(), dtype);
    RecurrentGrad work[2] = {};
    for (int d = 0; d < p.directions; ++d) {
      gates[d] = empty({p.total, p.pitch()}, dtype);
      bias[d] = maybe_empty(needs(d, 2) || needs(d, 3), {gate_parts(p.cell) * p.hidden}, dtype);
      unprojected[d] = maybe_empty(p.projection, {p.total, p.hidden}, dtype);
      projected[d] = maybe_empty(p.projection, {p.total, p.projection}, dtype);
      work[d] = {weight_of(in, d),
                 part(in[1], d),
                 part(in[2], d),
                 data_or_null(kept.gates[d]),
                 data_or_null(kept.cells[d]),
                 part(gh, d),
                 part(gc, d),
                 part(grads[1], d),
                 part(grads[2], d),
                 gates[d].data(),
                 const_cast<void*>(data_or_null(bias[d])),
                 const_cast<void*>(data_or_null(unprojected[d])),
                 const_cast<void*>(data_or_null(projected[d]))};
    }
    const Scratch scratch(y.backend(), y.kernels().recurrent_grad_scratch(p));
    y.kernels().recurrent_grad(p, y.data(), data_or_null(gy), work, scratch.data());
  }

  // The states before each row, in blocks: those of a first step from h, the others from y.
  Tensors states_before(int d) const {
    const int64_t out = p.out(), column = d * out;
    const Tensor first = select(in[1], 0, d);
    Tensors parts;
    int64_t begin = 0, end = 0;  // rows of y that follow each other
    const auto flush = [&] {
      if (end > begin) parts.push_back(block(y, column, out, begin, end));
      begin = end = 0;
    };
    if (d == 0) parts.push_back(first);
    for (int64_t t = 0; t < p.steps; ++t) {
      const int64_t other = d == 0 ? t - 1 : t + 1;
      const int64_t from_y = other < 0 || other >= p.steps ? 0 : std::min(p.sizes[t], p.sizes[other]);
      if (from_y) {
        if (end != p.offsets[other]) flush(), begin = p.offsets[other];
        end = p.offsets[other] + from_y;
      }
      if (d == 1 && from_y < p.sizes[t]) flush(), parts.push_back(slice(first, 0, from_y, p.sizes[t], 1));
    }
    flush();
    return parts.size() <= kMostBlocks ? parts : Tensors{cat(parts, 0)};
  }

  // Adds the sum over rows of `factor` times gates [begin, begin + n), both of which begin at a row, to n
  // columns of a matrix. Turned: the gates are the wide side, which costs less as the right one.
  void add_outer(const Tensor& factor, const Tensor& gate, int64_t row, int64_t begin,
                 const Tensor& to) const {
    const Tensor right = block(gate, begin, to.size(1), row, row + factor.size(0));
    const Gemm g = {p.dtype,
                    1,
                    factor.size(1),
                    right.size(1),
                    factor.size(0),
                    factor.data(),
                    right.data(),
                    to.data(),
                    {1, factor.strides()[0], 0},
                    {right.strides()[0], 1, 0},
                    {to.strides()[0], 1, 0},
                    1,
                    row > 0 ? 1.0 : 0.0,
                    nullptr,
                    false,
                    Epilogue::None};
    const Scratch scratch(to.backend(), to.kernels().gemm_scratch(g));
    to.kernels().gemm(g, scratch.data());
  }
  // The gradient of the weight that blocks of rows were multiplied with; `apart`: its last gate is the part
  // behind all others.
  Tensor weight_grad(int d, const Tensors& factors, bool apart) const {
    const int64_t whole = gates_of(p.cell) * p.hidden, front = apart ? whole - p.hidden : whole;
    const Tensor turned = empty({factors[0].size(1), whole}, p.dtype);
    int64_t row = 0;
    for (const Tensor& factor : factors) {
      add_outer(factor, gates[d], row, 0, block(turned, 0, front, 0, turned.size(0)));
      if (apart) add_outer(factor, gates[d], row, whole, block(turned, front, p.hidden, 0, turned.size(0)));
      row += factor.size(0);
    }
    return contiguous(transpose(turned, 0, 1));
  }

  void weights(int d, Tensors& grads) const {
    const int64_t whole = gates_of(p.cell) * p.hidden, both = p.cell == Cell::Gru ? 2 * p.hidden : whole;
    Tensor* to = &grads[kStates + d * kWeights];
    if (needs(d, 0)) to[0] = weight_grad(d, {in[0]}, false);
    if (needs(d, 1)) to[1] = weight_grad(d, states_before(d), both < whole);
    if (needs(d, 2)) to[2] = clone(slice(bias[d], 0, 0, whole, 1));
    if (needs(d, 3)) {
      const Tensor front = slice(bias[d], 0, 0, both, 1);
      to[3] = both == whole ? clone(front) : cat({front, slice(bias[d], 0, whole, whole + p.hidden, 1)}, 0);
    }
    if (needs(d, 4)) to[4] = matmul(transpose(projected[d], 0, 1), unprojected[d]);
  }

  Tensors all(const Kept& kept) {
    Tensors grads(in.size());
    run(kept, grads);
    for (int d = 0; d < p.directions; ++d) {
      weights(d, grads);
      if (!back.needs(0)) continue;
      const Tensor part =
          matmul(block(gates[d], 0, gates_of(p.cell) * p.hidden, 0, p.total), in[kStates + d * kWeights]);
      grads[0] = d == 0 ? part : add(grads[0], part);
    }
    return grads;
  }
};

// With create_graph: the layer once more, made of ops, and the gradients of that. Its inputs are looks at the
// saved tensors, so that the walk ends there.
Tensors grad_from_ops(const RecurrentLayer& layer, const Tensors& saved, Back& back) {
  Tensors in, wanted, roots, root_grads;
  std::vector<size_t> places;
  for (size_t i = 0; i < saved.size(); ++i) {
    in.push_back(saved[i].defined() ? view(saved[i], saved[i].shape()) : Tensor());
    if (!back.needs(static_cast<int>(i))) continue;
    wanted.push_back(in[i]);
    places.push_back(i);
  }
  const Tensors results = recurrent_layer_from_ops(layer, in);
  for (size_t i = 0; i < results.size(); ++i) {
    if (!back.grads[i].defined() || !requires_grad(results[i])) continue;
    roots.push_back(results[i]);
    root_grads.push_back(back.grads[i]);
  }
  const Tensors found = backward(roots, root_grads, wanted, {true, true, false});
  Tensors grads(saved.size());
  for (size_t i = 0; i < places.size(); ++i) grads[places[i]] = found[i];
  return grads;
}

}  // namespace

Tensors recurrent_layer(const RecurrentLayer& layer, const Tensors& given) {
  Tensors in;
  for (const Tensor& x : given) in.push_back(dense(x));
  const bool records = recording(given);
  const Recurrent p = describe(layer, in, records);
  const Tensor y = empty({p.total, p.out() * p.directions}, p.dtype);
  const Tensor h = empty(in[1].shape(), p.dtype);
  const Tensor c = maybe_empty(in[2].defined(), in[2].defined() ? in[2].shape() : Shape(), p.dtype);
  Kept kept;
  RecurrentPass passes[2] = {};
  for (int d = 0; d < p.directions; ++d) {
    kept.gates[d] = maybe_empty(records && gates_of(p.cell) > 1, {p.total, p.pitch()}, p.dtype);
    kept.cells[d] = maybe_empty(records && p.cell == Cell::Lstm, {p.total, p.hidden}, p.dtype);
    passes[d] = {weight_of(in, d),
                 part(in[1], d),
                 part(in[2], d),
                 part(h, d),
                 part(c, d),
                 const_cast<void*>(data_or_null(kept.gates[d])),
                 const_cast<void*>(data_or_null(kept.cells[d]))};
  }
  {
    const Scratch scratch(y.backend(), y.kernels().recurrent_scratch(p));
    y.kernels().recurrent(p, in[0].data(), passes, y.data(), scratch.data());
  }
  const Tensors results{y, h, c};
  if (!records) return results;
  std::vector<Saved> saved;
  for (const Tensor& x : given) saved.emplace_back(x);
  record("RecurrentBackward0", results, given,
         [layer, saved, kept, y = Saved::output(y)](Back& back) -> Tensors {
           Tensors tensors;
           for (const Saved& x : saved) tensors.push_back(x.defined() ? x.get(back) : Tensor());
           if (grad_enabled()) return grad_from_ops(layer, tensors, back);
           Tensors in;
           for (const Tensor& x : tensors) in.push_back(dense(x));
           LayerGrad grad{layer, in, dense(y.get(back)), describe(layer, in, true), back, {}, {}, {}, {}};
           return grad.all(kept);
         });
  return results;
}

namespace {

void check_shape(const Tensor& x, const Shape& shape, Dtype dtype, const char* what) {
  if (!x.defined()) return;
  if (x.shape() != shape)
    fail<ShapeError>("recurrent: expected ", what, " of shape ", shape, ", got ", x.shape());
  if (x.dtype() != dtype)
    fail<TypeError>("recurrent: expected ", what, " of dtype ", name_of(dtype), ", got ", name_of(x.dtype()));
}

std::shared_ptr<const PackedRows> rows_of(const Tensor& x, const std::vector<int64_t>& sizes) {
  auto rows = std::make_shared<PackedRows>();
  rows->sizes = sizes;
  rows->offsets.push_back(0);
  int64_t before = x.size(0);
  for (int64_t size : sizes) {
    if (size > before || size < 0)
      fail<ShapeError>("recurrent: expected sizes of steps that never grow and are not negative, got ", size,
                       " after ", before);
    before = size;
    rows->offsets.push_back(rows->offsets.back() + size);
  }
  if (sizes.empty() || rows->offsets.back() != x.size(0) || (before == 0 && x.size(0) > 0))
    fail<ShapeError>("recurrent: expected positive sizes of steps with the sum ", x.size(0),
                     " of all rows, got ", sizes.size(), " steps with ", rows->offsets.back());
  return rows;
}

void check_weights(Cell cell, const Tensor& x, int64_t hidden, int64_t out, int64_t input, const Tensor* w) {
  const int64_t rows = gates_of(cell) * hidden;
  check_shape(w[0], {rows, input}, x.dtype(), "weight_ih");
  check_shape(w[1], {rows, out}, x.dtype(), "weight_hh");
  check_shape(w[2], {rows}, x.dtype(), "bias_ih");
  check_shape(w[3], {rows}, x.dtype(), "bias_hh");
  check_shape(w[4], {out, hidden}, x.dtype(), "weight_hr");
  if (!w[0].defined() || !w[1].defined() || w[2].defined() != w[3].defined())
    fail<ShapeError>("recurrent: expected weight_ih, weight_hh and both biases or none");
  if (w[4].defined() != (out != hidden) || (w[4].defined() && cell != Cell::Lstm))
    fail<ShapeError>(
        "recurrent: expected weight_hr for an LSTM whose states are smaller than its cells alone");
}

}  // namespace

Tensors recurrent(Cell cell, const Tensor& x, const std::vector<int64_t>& sizes, const Tensor& h,
                  const Tensor& c, const Tensors& weights, bool bidirectional, double dropout_p,
                  Generator& generator) {
  if (!is_floating(x.dtype()))
    fail<TypeError>("recurrent: expected a floating dtype, got ", name_of(x.dtype()));
  if (is_half(x.dtype())) {
    const auto wide = [](const Tensor& t) { return t.defined() ? to(t, Dtype::Float32) : t; };
    Tensors wide_weights;
    for (const Tensor& w : weights) wide_weights.push_back(wide(w));
    Tensors results =
        recurrent(cell, wide(x), sizes, wide(h), wide(c), wide_weights, bidirectional, dropout_p, generator);
    for (Tensor& result : results) result = to(result, x.dtype());
    return results;
  }
  const int directions = bidirectional ? 2 : 1;
  const int64_t each = int64_t{directions} * kWeights, count = static_cast<int64_t>(weights.size());
  if (x.ndim() != 2 || count == 0 || count % each)
    fail<ShapeError>("recurrent: expected packed rows (total, input) and ", each,
                     " weights for each layer, got input ", x.shape(), " and ", count, " weights");
  const RecurrentLayer layer{cell, directions, rows_of(x, sizes)};
  const int64_t layers = count / each, batch = sizes[0];
  if (!weights[1].defined() || weights[1].ndim() != 2)
    fail<ShapeError>("recurrent: expected weight_hh of two dimensions");
  const int64_t hidden = weights[1].size(0) / gates_of(cell), out = weights[1].size(1);
  const bool lstm = cell == Cell::Lstm;
  for (int64_t i = 0; i < count; i += kWeights)
    check_weights(cell, x, hidden, out, i < each ? x.size(1) : out * directions, &weights[i]);
  const Shape h_shape{layers * directions, batch, out}, c_shape{layers * directions, batch, hidden};
  check_shape(h, h_shape, x.dtype(), "h");
  check_shape(c, c_shape, x.dtype(), "c");
  const Tensor first_h = h.defined() ? h : full(h_shape, 0, x.dtype());
  const Tensor first_c = !lstm ? Tensor() : c.defined() ? c : full(c_shape, 0, x.dtype());
  const auto own = [&](const Tensor& all, int64_t i) {
    return layers == 1 || !all.defined() ? all : slice(all, 0, i * directions, (i + 1) * directions, 1);
  };
  Tensor y = x;
  Tensors last_h, last_c;
  for (int64_t i = 0; i < layers; ++i) {
    if (i > 0 && dropout_p > 0) y = dropout(y, dropout_p, generator);
    Tensors in{y, own(first_h, i), own(first_c, i)};
    in.insert(in.end(), weights.begin() + i * each, weights.begin() + (i + 1) * each);
    const bool nothing = y.numel() == 0 || hidden == 0 || out == 0;
    const Tensors results = nothing ? recurrent_layer_from_ops(layer, in) : recurrent_layer(layer, in);
    y = results[0];
    last_h.push_back(results[1]);
    if (lstm) last_c.push_back(results[2]);
  }
  Tensors results{y, layers == 1 ? last_h[0] : cat(last_h, 0)};
  if (lstm) results.push_back(layers == 1 ? last_c[0] : cat(last_c, 0));
  return results;
}

}  // namespace lamina::ops
