// Attention of few queries, as in decoding: products that are bound by reading k and v, once for all queries
// that share them. Keys are cut into parts of fixed size, each with a softmax of its own; these are brought
// together in their order.
#pragma once

#include "kernels/cpu/attention_block.h"
#include "kernels/cpu/gemm_thin.h"

namespace lamina::LAMINA_ISA {

constexpr int64_t kThinQueries = 8;  // that share k and v
constexpr int64_t kThinKeys = 256;   // of a part

LAMINA_INLINE bool is_thin_attention(const Attention& a) {
  return a.dropout == 0 && a.queries * (a.heads / a.kv_heads) <= kThinQueries && a.k.column == 1 &&
         a.v.column == 1;
}

// Of one pair of k and v. Rows are the queries of all heads that share them.
template <class T>
struct ThinWork {
  int64_t rows, parts, step;  // step: numbers of a part, top and sum and (rows, value_size)
  T *q, *scores, *partial;

  ThinWork(const Attention& a, Arena& arena) {
    rows = a.queries * (a.heads / a.kv_heads);
    parts = chunks_of(a.keys, kThinKeys);
    step = rows * (a.value_size + 2);
    q = arena.take<T>(rows * a.size);
    scores = arena.take<T>(parts * rows * kThinKeys);
    partial = arena.take<T>(parts * step);
  }
};
template <class S>
static size_t thin_attention_scratch(const Attention& a) {
  Arena count{nullptr};
  const ThinWork<Compute<S>> work(a, count);
  return count.used * static_cast<size_t>(a.batch * a.kv_heads);
}

// Scores to numerators; the largest score and their sum.
template <class T>
static void thin_softmax(T* scores, int64_t n, T* top, T* sum) {
  using V = Vec<T>;
  V most = set<V>(-__builtin_inff()), total = zero<V>();
  const V none = most;
  for_vectors<V>(n, [&](int64_t i, auto lanes) {
    most = max(most, first_lanes(get_lanes(scores + i, lanes), none, lanes));
  });
  *top = reduce_max(most);
  const V shift = finite_or_zero(set<V>(*top));
  for_vectors<V>(n, [&](int64_t i, auto lanes) {
    const V e = first_lanes(exp_of_negative(get_lanes(scores + i, lanes) - shift), zero<V>(), lanes);
    total += e;
    put_lanes(scores + i, e, lanes);
  });
  *sum = reduce_add(total);
}

template <class S>
static void attend_part(const Attention& a, int64_t batch, int64_t kv_head, int64_t part,
                        const ThinWork<Compute<S>>& w) {
  using T = Compute<S>;
  const int64_t first = part * kThinKeys, keys = min_of(kThinKeys, a.keys - first);
  const int64_t group = a.heads / a.kv_heads;
  T *scores = w.scores + part * w.rows * kThinKeys, *top = w.partial + part * w.step, *sum = top + w.rows,
    *out = sum + w.rows;
  const HeadRows<const S> k = head_of<const S>(a.k, batch, kv_head).from(first),
                          v = head_of<const S>(a.v, batch, kv_head).from(first);
  Product<S> p = {};
  p.m = w.rows;
  p.n = keys;
  p.k = a.size;
  p.b = k.data;
  p.b_k = 1;
  p.b_column = k.row;
  p.c_row = kThinKeys;
  dot_chunk(p, static_cast<const T*>(w.q), a.size, scores);
  for (int64_t r = 0; r < w.rows; r++) {
    const int64_t query = r % a.queries;
    T* row = scores + r * kThinKeys;
    if (a.mask.data) {
      const HeadRows<const S> mask =
          head_of<const S>(a.mask, batch, kv_head * group + r / a.queries).from(query);
      for (int64_t i = 0; i < keys; i++) row[i] += value_of(mask.data[(first + i) * mask.column]);
    }
    for (int64_t i = max_of(0, seen_by(a, query) - first); i < keys; i++) row[i] = -__builtin_inff();
    thin_softmax(row, keys, top + r, sum + r);
  }
  p = {};
  p.n = a.value_size;
  p.k = keys;
  p.b = v.data;
  p.b_k = v.row;
  p.b_column = 1;
  p.c_row = a.value_size;
  for (int64_t r = 0; r < w.rows; r += kThinRows) {
    p.m = min_of(kThinRows, w.rows - r);
    axpy_chunk(p, static_cast<const T*>(scores + r * kThinKeys), kThinKeys, out + r * a.value_size);
  }
}

// The parts' softmaxes as one.
template <class S>
static void join_parts(const Attention& a, int64_t batch, int64_t kv_head, const ThinWork<Compute<S>>& w,
                       Compute<S>* lse) {
  using T = Compute<S>;
  using V = Vec<T>;
  const int64_t group = a.heads / a.kv_heads;
  for (int64_t r = 0; r < w.rows; r++) {
    const int64_t head = kv_head * group + r / a.queries, query = r % a.queries;
    T most = -__builtin_inff(), total = 0;
    for (int64_t part = 0; part < w.parts; part++) {
      const T top = w.partial[part * w.step + r];
      most = most < top ? top : most;
    }
    const T shift = __builtin_isinf(most) ? T(0) : most;
    T* weights = w.scores + r * kThinKeys;  // of the parts; the scores are no longer needed
    for (int64_t part = 0; part < w.parts; part++) {
      const T* own = w.partial + part * w.step;
      weights[part] = reduce_max(exp_of_negative(set<V>(own[r] - shift)));
      total += own[w.rows + r] * weights[part];
    }
    const HeadRows<S> to = head_of<S>(a.out, batch, head).from(query);
    for_vectors<V>(a.value_size, [&](int64_t j, auto lanes) {
      V sum = zero<V>();
      for (int64_t part = 0; part < w.parts; part++) {
        const T* out = w.partial + part * w.step + 2 * w.rows + r * a.value_size;
        sum = fma(get_lanes(out + j, lanes), set<V>(weights[part]), sum);
      }
      alignas(64) T row[V::width];
      store(row, total == T(0) ? zero<V>() : sum / set<V>(total));
      for (int64_t c = 0; c < lanes; c++) to.data[(j + c) * to.column] = element_of<S>(row[c]);
    });
    if (lse) {
      const T log_sum = static_cast<T>(::log(static_cast<double>(total))) + shift;
      lse[((batch * a.heads) + head) * a.queries + query] = total == T(0) ? T(__builtin_inff()) : log_sum;
    }
  }
}

template <class S>
static void attend_thin(const Attention& a, Compute<S>* lse, char* scratch) {
  using T = Compute<S>;
  Arena count{nullptr};
  const int64_t parts = ThinWork<T>(a, count).parts, pairs = a.batch * a.kv_heads;
  const auto work = [&](int64_t pair) {
    Arena arena{scratch + static_cast<size_t>(pair) * count.used};
    return ThinWork<T>(a, arena);
  };
  const int64_t group = a.heads / a.kv_heads;
  for (int64_t pair = 0; pair < pairs; pair++) {
    const ThinWork<T> w = work(pair);
    for (int64_t r = 0; r < w.rows; r++) {
      const HeadRows<const S> q =
          head_of<const S>(a.q, pair / a.kv_heads, pair % a.kv_heads * group + r / a.queries)
              .from(r % a.queries);
      for (int64_t j = 0; j < a.size; j++)
        w.q[r * a.size + j] = value_of(q.data[j * q.column]) * static_cast<T>(a.scale);
    }
  }
  // A chunk is as many parts as are worth a thread.
  const int64_t cost = (a.size + a.value_size) * min_of(a.keys, kThinKeys);
  parallel_range(pairs * parts, max_of(1, kGrain / cost), [&](int64_t begin, int64_t end) {
    for (int64_t i = begin; i < end; i++)
      attend_part<S>(a, i / parts / a.kv_heads, i / parts % a.kv_heads, i % parts, work(i / parts));
  });
  for (int64_t pair = 0; pair < pairs; pair++)
    join_parts<S>(a, pair / a.kv_heads, pair % a.kv_heads, work(pair), lse);
}

}  // namespace lamina::LAMINA_ISA
