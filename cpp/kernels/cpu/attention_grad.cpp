// The way back through attention: scores are computed again from q, k and the logarithms of their sums. A job
// is one pair of k and v, or a part of its keys where there are few pairs; what the parts give to dq is added
// up in their order.
#include "kernels/cpu/attention_block.h"
#include "kernels/cpu/table.h"

namespace lamina::LAMINA_ISA {
namespace {

constexpr int64_t kGradKeys = 2 * kKeyBlock;
constexpr int64_t kWantedJobs = 16;

// How keys are cut: by sizes alone.
struct KeyCut {
  int64_t parts, keys;  // of a part
};
KeyCut key_cut(const Attention& a) {
  const int64_t blocks = chunks_of(a.keys, kGradKeys), pairs = a.batch * a.kv_heads;
  const int64_t per_part = chunks_of(blocks, min_of(blocks, chunks_of(kWantedJobs, pairs)));
  return {chunks_of(blocks, per_part), per_part * kGradKeys};
}

// Queries of a head, padded to whole panels.
template <class T>
int64_t padded_queries(const Attention& a) {
  return padded<T>(a.queries);
}

// What one job works on; rows of q and g, as they are and turned, for one head at a time.
template <class T>
struct Work {
  T *q, *g, *q_turned, *g_turned, *lse, *delta, *k, *v, *dk, *dv, *weights, *slopes, *mask, *dq;

  Work(const Attention& a, const KeyCut& cut, Arena& arena) {
    const int64_t queries = padded_queries<T>(a), size = padded<T>(a.size),
                  value_size = padded<T>(a.value_size);
    q = arena.take<T>(queries * size);
    g = arena.take<T>(queries * value_size);
    q_turned = arena.take<T>(queries * a.size);
    g_turned = arena.take<T>(queries * a.value_size);
    lse = arena.take<T>(queries);
    delta = arena.take<T>(queries);
    k = arena.take<T>(kGradKeys * size);
    v = arena.take<T>(kGradKeys * value_size);
    dk = arena.take<T>(cut.keys * size);
    dv = arena.take<T>(cut.keys * value_size);
    weights = arena.take<T>(kGradKeys * kQueryBlock);
    slopes = arena.take<T>(kGradKeys * kQueryBlock);
    mask = arena.take<T>(a.mask.data || a.dropout > 0 ? kGradKeys * kPanel<T> : 0);
    dq = arena.take<T>(cut.parts == 1 ? queries * a.size : 0);
  }
};

template <class S>
struct Job {
  using T = Compute<S>;
  const Attention& a;
  int64_t batch, head, first, keys;  // keys [first, first + keys)
  const T* lse;                      // (queries)
  Work<T> w;
  DenseRows<T> q, g;
};

// The head's q, g and what is one number per query.
template <class S>
void prepare(Job<S>& job, const AttentionSide& g_side) {
  using T = Compute<S>;
  using V = Vec<T>;
  const Attention& a = job.a;
  constexpr int64_t panel = kPanel<T>;
  const HeadRows<const S> q = head_of<const S>(a.q, job.batch, job.head),
                          g = head_of<const S>(g_side, job.batch, job.head),
                          out = head_of<const S>(a.out, job.batch, job.head);
  job.q = dense_rows<S>(q, a.queries, a.size, job.w.q);
  job.g = dense_rows<S>(g, a.queries, a.value_size, job.w.g);
  for (int64_t i = 0; i < padded_queries<T>(a); i++) {
    job.w.lse[i] = i < a.queries ? job.lse[i] : T(__builtin_inff());
    job.w.delta[i] = 0;
  }
  alignas(64) T row[V::width];
  for (int64_t i = 0; i < a.queries; i++) {
    V sum = zero<V>();
    for_vectors<V>(a.value_size, [&](int64_t j, auto lanes) {
      const S* from = out.data + i * out.row + j * out.column;
      if (out.column == 1) {
        sum = fma(get_lanes(from, lanes), load_n<V>(job.g.data + i * job.g.row + j, static_cast<int>(lanes)),
                  sum);
      } else {
        for (int64_t c = 0; c < lanes; c++) row[c] = value_of(from[c * out.column]);
        const int n = static_cast<int>(lanes);
        sum = fma(load_n<V>(row, n), load_n<V>(job.g.data + i * job.g.row + j, n), sum);
      }
    });
    job.w.delta[i] = reduce_add(sum);
  }
  for (int64_t i = 0; i < a.queries; i += panel) {
    const int64_t n = min_of(panel, a.queries - i);
    turn_rows<S>(q.from(i), n, a.size, static_cast<T>(a.scale), job.w.q_turned + i * a.size);
    turn_rows<S>(g.from(i), n, a.value_size, T(1), job.w.g_turned + i * a.value_size);
  }
}

// Scores to weights, and the slopes of weights to those of scores: ds = p (dp - delta). Where weights are
// dropped, `kept` is what p and dp are multiplied by, but not the p in front.
template <class T>
void weigh(T* weights, T* slopes, int64_t rows, const T* lse, const T* delta, const T* kept) {
  using V = Vec<T>;
  for (int64_t v = 0; v < kPanel<T>; v += V::width) {
    const V log_sum = load<V>(lse + v), d = load<V>(delta + v);
    for (int64_t i = 0; i < rows; i++) {
      T *w = weights + i * kQueryBlock + v, *s = slopes + i * kQueryBlock + v;
      const V p = exp_of_negative(load<V>(w) - log_sum);
      if (kept) {
        const V factor = load<V>(kept + i * kPanel<T> + v);
        store(w, p * factor);
        store(s, p * (load<V>(s) * factor - d));
      } else {
        store(w, p);
        store(s, p * (load<V>(s) - d));
      }
    }
  }
}

// One panel of queries against the keys at hand: weights and slopes (rows, kPanel), then its part of dq.
// Returns how many keys it sees.
template <class S>
int64_t panel_slopes(const Job<S>& job, DenseRows<Compute<S>> k, DenseRows<Compute<S>> v, int64_t key,
                     int64_t keys, int64_t query, int64_t column) {
  using T = Compute<S>;
  const Attention& a = job.a;
  constexpr int64_t panel = kPanel<T>;
  const int64_t own = min_of(panel, a.queries - query);
  const int64_t rows = min_of(keys, seen_by(a, query + own - 1) - key);
  if (rows <= 0) return 0;
  T *weights = job.w.weights + column, *slopes = job.w.slopes + column;
  const bool masked = a.mask.data != nullptr;
  if (masked && !turn_mask<S>(a, job.batch, job.head, key, rows, query, own, job.w.mask)) {
    for (int64_t i = 0; i < rows; i++) {
      memset(weights + i * kQueryBlock, 0, panel * sizeof(T));
      memset(slopes + i * kQueryBlock, 0, panel * sizeof(T));
    }
    return rows;
  }
  multiply_panel<T>(
      {k.data, k.row, 1, job.w.q_turned + query * a.size, panel, weights, kQueryBlock, rows, a.size, false});
  if (masked) add_mask(weights, kQueryBlock, job.w.mask, rows);
  if (a.causal) hide_later(weights, kQueryBlock, key, rows, query);
  multiply_panel<T>({v.data, v.row, 1, job.w.g_turned + query * a.value_size, panel, slopes, kQueryBlock,
                     rows, a.value_size, false});
  const bool drops = a.dropout > 0;
  if (drops) turn_dropout(a, job.batch * a.heads + job.head, key, rows, query, job.w.mask);
  weigh(weights, slopes, rows, job.w.lse + query, job.w.delta + query, drops ? job.w.mask : nullptr);
  multiply_panel<T>(
      {k.data, 1, k.row, slopes, kQueryBlock, job.w.dq + query * a.size, panel, a.size, rows, true});
  return rows;
}

// A block of queries against a block of keys.
template <class S>
void block_slopes(const Job<S>& job, DenseRows<Compute<S>> k, DenseRows<Compute<S>> v, int64_t key,
                  int64_t keys, int64_t query) {
  using T = Compute<S>;
  const Attention& a = job.a;
  constexpr int64_t panel = kPanel<T>;
  const int64_t queries = min_of(kQueryBlock, a.queries - query);
  int64_t seen[kPanels<T>];
  for (int64_t p = 0; p * panel < queries; p++)
    seen[p] = panel_slopes(job, k, v, key, keys, query + p * panel, p * panel);
  // Keys that the same panels see are worked on together: `begin` is the first such panel.
  const int64_t size = padded<T>(a.size), value_size = padded<T>(a.value_size);
  int64_t row = 0;
  for (int64_t p = 0; p * panel < queries; p++) {
    if (seen[p] <= row) continue;
    const int64_t begin = p * panel, rows = seen[p] - row, from = key - job.first + row;
    const T *weights = job.w.weights + row * kQueryBlock + begin,
            *slopes = job.w.slopes + row * kQueryBlock + begin;
    for (int64_t j = 0; j < value_size; j += panel) {
      multiply_panel<T>({weights, kQueryBlock, 1, job.g.data + (query + begin) * job.g.row + j, job.g.row,
                         job.w.dv + from * value_size + j, value_size, rows, queries - begin, true});
    }
    for (int64_t j = 0; j < size; j += panel) {
      multiply_panel<T>({slopes, kQueryBlock, 1, job.q.data + (query + begin) * job.q.row + j, job.q.row,
                         job.w.dk + from * size + j, size, rows, queries - begin, true});
    }
    row = seen[p];
  }
}

template <class S>
void store_rows(const Compute<S>* x, int64_t pitch, int64_t rows, int64_t columns, Compute<S> scale,
                HeadRows<S> to) {
  using V = Lanes<S>;
  alignas(64) Compute<S> part[V::width];
  for (int64_t i = 0; i < rows; i++) {
    for_vectors<V>(columns, [&](int64_t j, auto lanes) {
      const V v = load<V>(x + i * pitch + j) * set<V>(scale);
      S* at = to.data + i * to.row + j * to.column;
      if (to.column == 1) return put_lanes(at, v, lanes);
      store(part, v);
      for (int64_t c = 0; c < lanes; c++) at[c * to.column] = element_of<S>(part[c]);
    });
  }
}

// The parts' dq (turned, panel by panel) added up, scaled and stored.
template <class S>
void finish_dq(const Attention& a, Compute<S>* parts, int64_t count, int64_t step, HeadRows<S> to) {
  using T = Compute<S>;
  using V = Vec<T>;
  constexpr int64_t panel = kPanel<T>;
  for (int64_t i = 0; i < a.queries; i += panel) {
    T* first = parts + i * a.size;
    for (int64_t j = 0; j < panel * a.size; j += V::width) {
      V sum = load<V>(first + j);
      for (int64_t part = 1; part < count; part++) sum += load<V>(first + part * step + j);
      store(first + j, sum * set<V>(static_cast<T>(a.scale)));
    }
    turn_back<S>(first, min_of(panel, a.queries - i), a.size, to.from(i));
  }
}

template <class S>
void go_back(const Attention& a, const Compute<S>* lse, const AttentionSide& g, const AttentionSide& dq,
             const AttentionSide& dk, const AttentionSide& dv, char* scratch) {
  using T = Compute<S>;
  const KeyCut cut = key_cut(a);
  const int64_t pairs = a.batch * a.kv_heads, group = a.heads / a.kv_heads, queries = padded_queries<T>(a);
  const int64_t step = queries * a.size;
  Arena count{nullptr};
  Work<T>(a, cut, count);
  T* all_dq = reinterpret_cast<T*>(
      scratch + count.used * static_cast<size_t>(min_of(most_threads(), pairs * cut.parts)));
  parallel(pairs * cut.parts, [&](int64_t index) {
    const FlushTiny flush;
    const int64_t pair = index / cut.parts, part = index % cut.parts, batch = pair / a.kv_heads;
    Arena arena{scratch + static_cast<size_t>(thread_index()) * count.used};
    Job<S> job = {a, batch, 0, part * cut.keys, 0, nullptr, Work<T>(a, cut, arena), {}, {}};
    job.keys = min_of(cut.keys, a.keys - job.first);
    const int64_t size = padded<T>(a.size), value_size = padded<T>(a.value_size);
    memset(job.w.dk, 0, static_cast<size_t>(job.keys * size) * sizeof(T));
    memset(job.w.dv, 0, static_cast<size_t>(job.keys * value_size) * sizeof(T));
    const HeadRows<const S> k = head_of<const S>(a.k, batch, pair % a.kv_heads),
                            v = head_of<const S>(a.v, batch, pair % a.kv_heads);
    for (int64_t member = 0; member < group; member++) {
      job.head = pair % a.kv_heads * group + member;
      job.lse = lse + (batch * a.heads + job.head) * a.queries;
      if (cut.parts > 1) job.w.dq = all_dq + ((batch * a.heads + job.head) * cut.parts + part) * step;
      memset(job.w.dq, 0, static_cast<size_t>(step) * sizeof(T));
      prepare(job, g);
      for (int64_t key = job.first; key < job.first + job.keys; key += kGradKeys) {
        const int64_t keys = min_of(kGradKeys, job.first + job.keys - key);
        const DenseRows<T> k_rows = dense_rows<S>(k.from(key), keys, a.size, job.w.k),
                           v_rows = dense_rows<S>(v.from(key), keys, a.value_size, job.w.v);
        const int64_t begin = a.causal ? key / kQueryBlock * kQueryBlock : 0;
        for (int64_t query = begin; query < a.queries; query += kQueryBlock)
          block_slopes(job, k_rows, v_rows, key, keys, query);
      }
      if (cut.parts == 1) finish_dq<S>(a, job.w.dq, 1, step, head_of<S>(dq, batch, job.head));
    }
    store_rows<S>(job.w.dk, size, job.keys, a.size, static_cast<T>(a.scale),
                  head_of<S>(dk, batch, pair % a.kv_heads).from(job.first));
    store_rows<S>(job.w.dv, value_size, job.keys, a.value_size, T(1),
                  head_of<S>(dv, batch, pair % a.kv_heads).from(job.first));
  });
  if (cut.parts == 1) return;
  parallel(a.batch * a.heads, [&](int64_t head) {
    finish_dq<S>(a, all_dq + head * cut.parts * step, cut.parts, step,
                 head_of<S>(dq, head / a.heads, head % a.heads));
  });
}

}  // namespace

void attention_grad(const Attention& a, const void* lse, const AttentionSide& g, const AttentionSide& dq,
                    const AttentionSide& dk, const AttentionSide& dv, void* scratch) {
  by_float(a.dtype, [&](auto type) {
    using S = decltype(type);
    go_back<S>(a, static_cast<const Compute<S>*>(lse), g, dq, dk, dv, static_cast<char*>(scratch));
  });
}

size_t attention_grad_scratch(const Attention& a) {
  size_t bytes = 0;
  by_float(a.dtype, [&](auto type) {
    using T = Compute<decltype(type)>;
    const KeyCut cut = key_cut(a);
    Arena count{nullptr};
    Work<T>(a, cut, count);
    bytes = count.used * static_cast<size_t>(min_of(most_threads(), a.batch * a.kv_heads * cut.parts));
    if (cut.parts > 1)
      bytes += static_cast<size_t>(a.batch * a.heads * cut.parts * padded_queries<T>(a) * a.size) * sizeof(T);
  });
  return bytes;
}

}  // namespace lamina::LAMINA_ISA
