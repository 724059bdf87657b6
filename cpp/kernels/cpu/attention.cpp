// Attention: the softmax is built up block by block of keys (Dao et al., "FlashAttention", 2022; the running
// maximum is Milakov's and Gimelshein's, 2018). A job is a block of queries of one head. Few queries, as in
// decoding, are dot products bound by reading k and v once: see attention_thin.h.
#include "kernels/cpu/attention_block.h"
#include "kernels/cpu/attention_thin.h"
#include "kernels/cpu/table.h"

namespace lamina::LAMINA_ISA {
namespace {

template <class T>
struct Work {
  T *q, *k, *v, *scores, *mask, *out, *top, *sum;

  Work(const Attention& a, Arena& arena) {
    q = arena.take<T>(kQueryBlock * a.size);
    k = arena.take<T>(kKeyBlock * padded<T>(a.size));
    v = arena.take<T>(kKeyBlock * padded<T>(a.value_size));
    scores = arena.take<T>(kKeyBlock * kPanel<T>);
    mask = arena.take<T>(a.mask.data || a.dropout > 0 ? kKeyBlock * kPanel<T> : 0);
    out = arena.take<T>(kQueryBlock * a.value_size);
    top = arena.take<T>(kQueryBlock);
    sum = arena.take<T>(kQueryBlock);
  }
};

// The running maximum and sum of a panel's queries take in `rows` more keys; scores become numerators.
// Results that were summed before are brought to the new maximum.
template <class T>
void take_in(T* scores, int64_t rows, T* tops, T* sums, T* out, int64_t out_rows) {
  using V = Vec<T>;
  constexpr int vectors = TileSize<T>::vectors, w = V::width;
  constexpr int64_t panel = kPanel<T>;
  V top[vectors], other[vectors];
  for (int v = 0; v < vectors; v++) top[v] = other[v] = load<V>(tops + v * w);
  int64_t i = 0;
  for (; i + 2 <= rows; i += 2) {
    for (int v = 0; v < vectors; v++) {
      top[v] = max(top[v], load<V>(scores + i * panel + v * w));
      other[v] = max(other[v], load<V>(scores + (i + 1) * panel + v * w));
    }
  }
  bool rescaled = false;
  V shift[vectors], sum[vectors], more[vectors], shrink[vectors];
  for (int v = 0; v < vectors; v++) {
    top[v] = max(top[v], other[v]);
    if (i < rows) top[v] = max(top[v], load<V>(scores + i * panel + v * w));
    shift[v] = finite_or_zero(top[v]);
    const V old = load<V>(tops + v * w);
    shrink[v] = exp_of_negative(old - shift[v]);
    store(tops + v * w, top[v]);
    rescaled = rescaled || any(old != top[v]);
    sum[v] = load<V>(sums + v * w) * shrink[v];
    more[v] = zero<V>();
  }
  for (i = 0; i + 2 <= rows; i += 2) {
    for (int v = 0; v < vectors; v++) {
      T* at = scores + i * panel + v * w;
      const V e = exp_of_negative(load<V>(at) - shift[v]),
              f = exp_of_negative(load<V>(at + panel) - shift[v]);
      store(at, e);
      store(at + panel, f);
      sum[v] += e;
      more[v] += f;
    }
  }
  for (int v = 0; v < vectors; v++) {
    if (i < rows) {
      T* at = scores + i * panel + v * w;
      const V e = exp_of_negative(load<V>(at) - shift[v]);
      store(at, e);
      sum[v] += e;
    }
    store(sums + v * w, sum[v] + more[v]);
  }
  if (!rescaled) return;
  for (int64_t j = 0; j < out_rows; j++) {
    for (int v = 0; v < vectors; v++) {
      T* at = out + j * panel + v * w;
      store(at, load<V>(at) * shrink[v]);
    }
  }
}

// out / sum, stored; and the logarithm of the sum.
template <class S>
void finish_panel(const Attention& a, const Work<Compute<S>>& w, int64_t panel, int64_t queries,
                  HeadRows<S> to, Compute<S>* lse) {
  using T = Compute<S>;
  using V = Vec<T>;
  T* out = w.out + panel * kPanel<T> * a.value_size;
  for (int64_t v = 0; v < kPanel<T>; v += V::width) {
    const V sum = load<V>(w.sum + panel * kPanel<T> + v), top = load<V>(w.top + panel * kPanel<T> + v);
    const auto blind = sum == zero<V>();
    const V scale = select(blind, zero<V>(), set<V>(1) / sum);
    for (int64_t j = 0; j < a.value_size; j++) {
      T* at = out + j * kPanel<T> + v;
      store(at, load<V>(at) * scale);
    }
    const int64_t n = min_of(V::width, queries - v);
    if (lse && n > 0)
      put_n(lse + v, select(blind, set<V>(__builtin_inff()), finite_or_zero(top) + log(sum)), n);
  }
  turn_back<S>(out, queries, a.value_size, to);
}

template <class S>
void attend(const Attention& a, int64_t batch, int64_t head, int64_t first, Compute<S>* lse,
            const Work<Compute<S>>& w) {
  const FlushTiny flush;
  using T = Compute<S>;
  constexpr int64_t panel = kPanel<T>;
  const int64_t queries = min_of(kQueryBlock, a.queries - first), panels = chunks_of(queries, panel);
  const int64_t kv_head = head * a.kv_heads / a.heads;
  const HeadRows<const S> q = head_of<const S>(a.q, batch, head).from(first),
                          k = head_of<const S>(a.k, batch, kv_head),
                          v = head_of<const S>(a.v, batch, kv_head);
  for (int64_t p = 0; p < panels; p++) {
    turn_rows<S>(q.from(p * panel), min_of(panel, queries - p * panel), a.size, static_cast<T>(a.scale),
                 w.q + p * panel * a.size);
  }
  for (int64_t i = 0; i < panels * panel; i++) {
    w.top[i] = -__builtin_inff();
    w.sum[i] = 0;
  }
  memset(w.out, 0, static_cast<size_t>(panels * panel * a.value_size) * sizeof(T));
  const int64_t end = seen_by(a, first + queries - 1);
  for (int64_t key = 0; key < end; key += kKeyBlock) {
    const int64_t keys = min_of(kKeyBlock, end - key);
    const DenseRows<T> k_rows = dense_rows<S>(k.from(key), keys, a.size, w.k);
    const DenseRows<T> v_rows = dense_rows<S>(v.from(key), keys, a.value_size, w.v);
    for (int64_t p = 0; p < panels; p++) {
      const int64_t query = first + p * panel, own = min_of(panel, queries - p * panel);
      const int64_t rows = min_of(keys, seen_by(a, query + own - 1) - key);
      if (rows <= 0) continue;
      if (a.mask.data && !turn_mask<S>(a, batch, head, key, rows, query, own, w.mask)) continue;
      multiply_panel<T>({k_rows.data, k_rows.row, 1, w.q + p * panel * a.size, panel, w.scores, panel, rows,
                         a.size, false});
      if (a.mask.data) add_mask(w.scores, panel, w.mask, rows);
      if (a.causal) hide_later(w.scores, panel, key, rows, query);
      T* out = w.out + p * panel * a.value_size;
      take_in(w.scores, rows, w.top + p * panel, w.sum + p * panel, out, a.value_size);
      if (a.dropout > 0) {
        turn_dropout(a, batch * a.heads + head, key, rows, query, w.mask);
        drop(w.scores, panel, w.mask, rows);
      }
      multiply_panel<T>({v_rows.data, 1, v_rows.row, w.scores, panel, out, panel, a.value_size, rows, true});
    }
  }
  for (int64_t p = 0; p < panels; p++) {
    finish_panel<S>(a, w, p, min_of(panel, queries - p * panel),
                    head_of<S>(a.out, batch, head).from(first + p * panel), lse ? lse + p * panel : nullptr);
  }
}

template <class S>
void attend_all(const Attention& a, Compute<S>* lse, char* scratch) {
  using T = Compute<S>;
  if (is_thin_attention(a)) return attend_thin<S>(a, lse, scratch);
  Arena count{nullptr};
  Work<T>(a, count);
  const int64_t blocks = chunks_of(a.queries, kQueryBlock);
  parallel(a.batch * a.heads * blocks, [&](int64_t job) {
    // The last blocks, which see most, come first.
    const int64_t row = job / blocks, first = (blocks - 1 - job % blocks) * kQueryBlock;
    Arena arena{scratch + static_cast<size_t>(thread_index()) * count.used};
    attend<S>(a, row / a.heads, row % a.heads, first, lse ? lse + row * a.queries + first : nullptr,
              Work<T>(a, arena));
  });
}

}  // namespace

void attention(const Attention& a, void* lse, void* scratch) {
  by_float(a.dtype, [&](auto type) {
    using S = decltype(type);
    attend_all<S>(a, static_cast<Compute<S>*>(lse), static_cast<char*>(scratch));
  });
}

size_t attention_scratch(const Attention& a) {
  size_t bytes = 0;
  by_float(a.dtype, [&](auto type) {
    using S = decltype(type);
    if (is_thin_attention(a)) {
      bytes = thin_attention_scratch<S>(a);
      return;
    }
    Arena count{nullptr};
    Work<Compute<S>>(a, count);
    bytes = count.used * static_cast<size_t>(
                             min_of(most_threads(), a.batch * a.heads * chunks_of(a.queries, kQueryBlock)));
  });
  return bytes;
}

}  // namespace lamina::LAMINA_ISA
