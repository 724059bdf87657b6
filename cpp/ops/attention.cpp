// Scaled dot-product attention. The fused kernel takes what it can; dropped weights and masks that want a
// gradient are composed of products and a softmax, as is the derivative of a derivative.
#include <cmath>
#include <limits>

#include "ops/autocast.h"
#include "ops/walk.h"

namespace lamina::ops {
namespace {

constexpr const char* kOp = "scaled_dot_product_attention";
constexpr double kHidden = -std::numeric_limits<double>::infinity();

AttentionSide side_of(const Tensor& x) {
  const Shape& s = x.strides();
  return {x.data(), s[0], s[1], s[2], s[3]};
}

// (batch, heads, rows, columns), in memory with the heads inside of the rows where those of `like` are: so
// the heads of one row come out next to each other, as they went in.
Tensor result_like(const Tensor& like, int64_t heads, int64_t columns) {
  const int64_t batch = like.size(0), rows = like.size(2);
  const Shape shape{batch, heads, rows, columns};
  if (like.strides()[1] >= like.strides()[2]) return empty(shape, like.dtype());
  const Tensor x = empty({batch, rows, heads, columns}, like.dtype());
  return alias(x, shape, {rows * heads * columns, columns, heads * columns, 1}, 0);
}

struct Law {
  bool causal;
  double scale;
  double dropout;
  Random random;
};

// x (..., heads, rows, columns) with each head so many times in a row.
Tensor repeated(const Tensor& x, int64_t times) {
  const int at = x.ndim() - 3;
  Shape shape = x.shape(), grown = x.shape();
  shape.insert(at + 1, times);
  grown[at] *= times;
  return reshape(expand(unsqueeze(x, at + 1), shape), grown);
}

// k or v (batch, kv_heads, s, e) for every head of q.
Tensor for_heads(const Tensor& x, int64_t heads) {
  if (x.size(1) == heads) return x;
  return repeated(x, heads / x.size(1));
}
// The opposite, for gradients.
Tensor sum_heads(const Tensor& g, int64_t kv_heads) {
  if (g.size(1) == kv_heads) return g;
  return sum(reshape(g, {g.size(0), kv_heads, g.size(1) / kv_heads, g.size(2), g.size(3)}), {2}, false);
}

// softmax(scale q k^T + mask), where a query that sees nothing has zeros and not the NaN of an empty softmax.
Tensor weights_of(const Tensor& q, const Tensor& k, const Tensor& mask, const Law& law) {
  Tensor scores = matmul(mul(q, law.scale), transpose(for_heads(k, q.size(1)), 2, 3));
  if (law.causal)
    scores = masked_fill(scores, triu(full({q.size(2), k.size(2)}, Scalar(true), Dtype::Bool), 1), kHidden);
  if (!mask.defined()) return softmax(scores, -1);
  const Tensor hidden = eq(mask, kHidden), blind = all(hidden, {-1}, true);
  scores = add(scores, masked_fill(mask, hidden, 0));
  scores = masked_fill(scores, logical_and(hidden, logical_not(blind)), kHidden);
  return masked_fill(softmax(scores, -1), blind, 0);
}

Tensors grads_from_ops(const Tensor& g, const Tensor& q, const Tensor& k, const Tensor& v, const Tensor& mask,
                       const Law& law) {
  const Tensor p = weights_of(q, k, mask, law);
  const Tensor dv = sum_heads(matmul(transpose(p, 2, 3), g), v.size(1));
  const Tensor dp = matmul(g, transpose(for_heads(v, q.size(1)), 2, 3));
  const Tensor ds = mul(mul(p, sub(dp, sum(mul(dp, p), {-1}, true))), law.scale);
  return {matmul(ds, for_heads(k, q.size(1))), sum_heads(matmul(transpose(ds, 2, 3), q), k.size(1)), dv};
}

Attention problem_of(const Tensor& q, const Tensor& k, const Tensor& v, const Tensor& mask, const Tensor& out,
                     const Law& law) {
  Attention a{};
  a.dtype = q.dtype();
  a.batch = q.size(0);
  a.heads = q.size(1);
  a.kv_heads = k.size(1);
  a.queries = q.size(2);
  a.keys = k.size(2);
  a.size = q.size(3);
  a.value_size = v.size(3);
  a.q = side_of(q);
  a.k = side_of(k);
  a.v = side_of(v);
  if (mask.defined()) a.mask = side_of(mask);
  a.out = side_of(out);
  a.causal = law.causal;
  a.scale = law.scale;
  a.dropout = law.dropout;
  a.random = law.random;
  return a;
}

// All of four dimensions and none empty; mask undefined or expanded.
Tensor fused(const Tensor& q, const Tensor& k, const Tensor& v, const Tensor& mask, const Law& given,
             Generator& generator) {
  Law law = given;
  const Tensor out = result_like(q, q.size(1), v.size(3));
  const bool records = recording(q, k, v);
  const Dtype stats = q.dtype() == Dtype::Float64 ? Dtype::Float64 : Dtype::Float32;
  const Tensor lse = records ? empty({q.size(0), q.size(1), q.size(2)}, stats) : Tensor();
  Attention a = problem_of(q, k, v, mask, out, law);
  if (law.dropout > 0) {
    const auto blocks = static_cast<uint64_t>(attention_random_blocks(a));
    a.random = law.random = {generator.seed(), generator.advance(blocks)};
  }
  const Scratch scratch(q.backend(), q.kernels().attention_scratch(a));
  q.kernels().attention(a, records ? lse.data() : nullptr, scratch.data());
  if (!records) return out;
  record("ScaledDotProductAttentionBackward0", out, {&q, &k, &v},
         [q = Saved(q), k = Saved(k), v = Saved(v), mask = Saved(mask), out = Saved::output(out), lse,
          law](Back& back) -> Tensors {
           const Tensor qs = q.get(back), ks = k.get(back), vs = v.get(back), outs = out.get(back);
           const Tensor masks = mask.defined() ? mask.get(back) : Tensor();
           const Tensor& g = back.grad();
           if (recording(g, qs, ks, vs)) {
             if (law.dropout > 0)
               fail<Error>(kOp,
                           ": has no second derivative with dropout; use dropout_p=0 under create_graph");
             return grads_from_ops(g, qs, ks, vs, masks, law);
           }
           const Attention a = problem_of(qs, ks, vs, masks, outs, law);
           const Tensor dq = result_like(qs, qs.size(1), qs.size(3)),
                        dk = result_like(ks, ks.size(1), ks.size(3)),
                        dv = result_like(vs, vs.size(1), vs.size(3));
           const Scratch scratch(qs.backend(), qs.kernels().attention_grad_scratch(a));
           qs.kernels().attention_grad(a, lse.data(), side_of(g), side_of(dq), side_of(dk), side_of(dv),
                                       scratch.data());
           return {dq, dk, dv};
         });
  return out;
}

// x (..., rows, columns) with the dimensions in front broadcast to `front`, as four dimensions.
Tensor with_heads(const Tensor& x, const Shape& front) {
  Shape shape = front;
  shape.push_back(x.size(x.ndim() - 2));
  shape.push_back(x.size(x.ndim() - 1));
  Tensor y = shape == x.shape() ? x : expand(x, shape);
  while (y.ndim() < 4) y = unsqueeze(y, 0);
  if (y.ndim() == 4) return y;
  const int last = front.size() - 1;
  return reshape(y, {numel_of(Shape(front.begin(), last)), front[last], shape[last + 1], shape[last + 2]});
}

void check(const Tensor& q, const Tensor& k, const Tensor& v, const Tensor& mask, bool causal) {
  for (const Tensor* x : {&q, &k, &v}) {
    if (!is_floating(x->dtype()))
      fail<TypeError>(kOp, ": expected floating dtypes, got ", name_of(x->dtype()));
    if (x->dtype() != q.dtype())
      fail<TypeError>(kOp, ": Expected query, key, and value to have the same dtype, but got ",
                      name_of(q.dtype()), ", ", name_of(k.dtype()), " and ", name_of(v.dtype()));
    if (x->ndim() < 2)
      fail<ShapeError>(kOp, ": expected query, key and value of at least 2 dimensions, got ", q.shape(), ", ",
                       k.shape(), " and ", v.shape());
  }
  if (q.size(q.ndim() - 1) != k.size(k.ndim() - 1) || k.size(k.ndim() - 2) != v.size(v.ndim() - 2))
    fail<ShapeError>(kOp, ": expected query (..., l, e), key (..., s, e) and value (..., s, d), got ",
                     q.shape(), ", ", k.shape(), " and ", v.shape());
  if (!mask.defined()) return;
  if (causal) fail<ShapeError>(kOp, ": give attn_mask or is_causal, not both");
  if (mask.dtype() != Dtype::Bool && !is_floating(mask.dtype()))
    fail<TypeError>(kOp, ": Expected attn_mask dtype to be bool or float, but got ", name_of(mask.dtype()));
}

Shape front_of(const Tensor& x, int columns) { return Shape(x.shape().begin(), x.ndim() - columns); }

// A mask as numbers to add, (batch, heads, l, s) with strides of 0 where it repeats.
Tensor mask_over(const Tensor& given, const Shape& front, const Tensor& query, const Tensor& key) {
  Tensor mask = given.dtype() == Dtype::Bool
                    ? masked_fill(full(given.shape(), 0, query.dtype()), logical_not(given), kHidden)
                    : to(given, query.dtype());
  const int64_t l = query.size(query.ndim() - 2), s = key.size(key.ndim() - 2);
  if (mask.ndim() < 2) mask = expand(mask, {l, s});
  Shape whole = front_of(mask, 2);
  if (broadcast(whole, front, kOp) != front)
    fail<ShapeError>(kOp, ": attn_mask ", given.shape(), " does not broadcast to the scores of query ",
                     query.shape(), " and key ", key.shape());
  whole.push_back(l);
  whole.push_back(s);
  return with_heads(expand(mask, whole), front);
}

}  // namespace

Tensor scaled_dot_product_attention(const Tensor& query, const Tensor& key, const Tensor& value,
                                    const Tensor& mask_, double dropout_p, bool causal,
                                    std::optional<double> scale, bool grouped, Generator& generator) {
  if (autocasting()) {
    const AutocastOff off;
    return scaled_dot_product_attention(lowered(query), lowered(key), lowered(value), lowered(mask_),
                                        dropout_p, causal, scale, grouped, generator);
  }
  check(query, key, value, mask_, causal);
  if (!(dropout_p >= 0 && dropout_p <= 1))
    fail<ShapeError>(kOp, ": dropout probability has to be between 0 and 1, but got ", dropout_p);
  Shape front = front_of(query, 2);
  Tensor k = key, v = value;
  int64_t heads = 1, kv_heads = 1;
  if (grouped) {
    if (query.ndim() < 3 || key.ndim() < 3 || value.ndim() < 3)
      fail<ShapeError>(kOp, ": enable_gqa needs heads in dimension -3, got ", query.shape(), ", ",
                       key.shape(), " and ", value.shape());
    heads = query.size(query.ndim() - 3);
    kv_heads = key.size(key.ndim() - 3);
    const int64_t value_heads = value.size(value.ndim() - 3);
    if (kv_heads == 0 || value_heads == 0 || heads % kv_heads || heads % value_heads)
      fail<ShapeError>(kOp, ": ", heads, " heads of query are no multiple of ", kv_heads, " of key or ",
                       value_heads, " of value");
    if (value_heads != kv_heads) {
      k = repeated(k, heads / kv_heads);
      v = repeated(v, heads / value_heads);
      kv_heads = heads;
    }
  }
  const int own = grouped ? 3 : 2;
  front = broadcast(broadcast(front_of(query, own), front_of(k, own), kOp), front_of(v, own), kOp);
  Shape kv_front = front;
  if (grouped) {
    front.push_back(heads);
    kv_front.push_back(kv_heads);
  }
  const Tensor mask = mask_.defined() ? mask_over(mask_, front, query, key) : mask_;
  const Law law{causal,
                scale ? *scale : 1 / std::sqrt(static_cast<double>(query.size(query.ndim() - 1))),
                dropout_p,
                {}};
  const Tensor q4 = with_heads(query, front), k4 = with_heads(k, kv_front), v4 = with_heads(v, kv_front);
  Shape shape = front;
  shape.push_back(query.size(query.ndim() - 2));
  shape.push_back(value.size(value.ndim() - 1));
  const bool empty = q4.numel() == 0 || k4.numel() == 0 || v4.numel() == 0;
  Tensor out;
  if (dropout_p < 1 && !empty && !recording(mask)) {
    out = fused(q4, k4, v4, mask, law, generator);
  } else {
    const Tensor weights = weights_of(q4, k4, mask, law);
    out =
        matmul(dropout_p == 0 ? weights : dropout(weights, dropout_p, generator), for_heads(v4, q4.size(1)));
  }
  return out.shape() == shape ? out : reshape(out, shape);
}

}  // namespace lamina::ops
