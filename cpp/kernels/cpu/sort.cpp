// sort and topk along n of (outer, n, inner), n < 2^32. Equal values keep their order, NaN is the largest.
#include "kernels/cpu/radix.h"
#include "kernels/cpu/table.h"

namespace lamina::LAMINA_ISA {
namespace {

constexpr int64_t kSlots = 16;  // rows that are worked on at the same time, each with memory of its own

// Long rows are sorted one after another by all threads.
int64_t slots_of(const Rows& r) { return r.n >= kLong ? 1 : min_of(kSlots, r.outer * r.inner); }

// One row, its elements `step` apart, and where its first `count` sorted values go.
struct Row {
  const void* in;
  int64_t n, step, count;
  void* values;
  int64_t* indices;
  bool descending;
};

// What a slot works in: two arrays of items, and histograms that only long rows use.
struct Room {
  uint64_t* items;
  uint64_t* spare;
  Histogram* parts;
};

// ---- sorting
// ---------------------------------------------------------------------------------------------------------

// Which positions of a row are sorted: all of them, or those that lie in the items.
template <bool all>
LAMINA_INLINE int64_t position_at(const uint64_t* items, int64_t i) {
  return all ? i : position_of(items[i]);
}

struct Range {
  uint64_t low, high;
};

template <class T, bool all>
Range key_range(const Row& row, const uint64_t* items, int64_t n) {
  const T* in = static_cast<const T*>(row.in);
  Key<T> low = static_cast<Key<T>>(~Key<T>(0)), high = 0;
  for (int64_t i = 0; i < n; i++) {
    const Key<T> key = key_of(in[position_at<all>(items, i) * row.step], row.descending);
    low = key < low ? key : low;
    high = key > high ? key : high;
  }
  return {low, high};
}

// Bits of keys for the items to be sorted by.
struct Window {
  uint64_t low;  // is taken off every key
  int shift;     // lowest bits that are left out
};

template <class T, bool all>
void make_items(const Row& row, const Window& w, int64_t begin, int64_t end, uint64_t* items) {
  const T* in = static_cast<const T*>(row.in);
  for (int64_t i = begin; i < end; i++) {
    const int64_t at = position_at<all>(items, i);
    items[i] = item_of((key_of(in[at * row.step], row.descending) - w.low) >> w.shift, at);
  }
}

// Keys wider than 32 bits have been sorted by the highest 32 bits in which they differ. Where these agree,
// the rest decides.
template <class T>
void sort_runs(const Row& row, const Window& w, uint64_t* items, uint64_t* spare, int64_t n,
               Histogram* parts) {
  const T* in = static_cast<const T*>(row.in);
  for (int64_t begin = 0; begin < n;) {
    int64_t end = begin + 1;
    while (end < n && items[end] >> 32 == items[begin] >> 32) end++;
    for (int64_t i = begin; end - begin > 1 && i < end; i++) {
      const int64_t at = position_of(items[i]);
      const uint64_t key = key_of(in[at * row.step], row.descending) - w.low;
      items[i] = item_of(key & ((uint64_t(1) << w.shift) - 1), at);
    }
    if (end - begin > 1) {
      const uint64_t* sorted = sort_items(items + begin, spare + begin, end - begin, w.shift, parts);
      if (sorted != items + begin)
        memcpy(items + begin, sorted, static_cast<size_t>(end - begin) * sizeof *items);
    }
    begin = end;
  }
}

template <class T, bool all>
uint64_t* sort_positions(const Row& row, const Room& room, int64_t n) {
  const Range range = key_range<T, all>(row, room.items, n);
  const uint64_t width = range.high - range.low;
  const int bits = width == 0 ? 0 : 64 - __builtin_clzll(width);
  const Window w = {range.low, bits > 32 ? bits - 32 : 0};
  parallel_range(n, kGrain,
                 [&](int64_t begin, int64_t end) { make_items<T, all>(row, w, begin, end, room.items); });
  uint64_t* items = sort_items(room.items, room.spare, n, bits - w.shift, room.parts);
  if constexpr (sizeof(T) == 8) {
    if (w.shift > 0)
      sort_runs<T>(row, w, items, items == room.items ? room.spare : room.items, n, room.parts);
  }
  return items;
}

template <class T>
void write_row(const Row& row, const uint64_t* items) {
  const T* in = static_cast<const T*>(row.in);
  T* out = static_cast<T*>(row.values);
  for (int64_t i = 0; out != nullptr && i < row.count; i++)
    out[i * row.step] = in[position_of(items[i]) * row.step];
  for (int64_t i = 0; row.indices != nullptr && i < row.count; i++)
    row.indices[i * row.step] = position_of(items[i]);
}

template <class T>
void sort_row(const Row& row, const Room& room) {
  write_row<T>(row, sort_positions<T, true>(row, room, row.n));
}

// ---- topk
// -------------------------------------------------------------------------------------------------------

// Positions that may be among the first k gather until there are as many; then the best k of them stay.
int64_t candidates(int64_t k) { return 2 * k + 38; }
bool sorts_all(int64_t k, const Rows& r) { return candidates(k) >= r.n; }

// The keys of n elements; returns the smallest.
template <class T>
Key<T> make_keys(const Row& row, int64_t begin, int64_t n, Key<T>* keys) {
  const T* in = static_cast<const T*>(row.in) + begin * row.step;
  Key<T> best = static_cast<Key<T>>(~Key<T>(0));
  for (int64_t i = 0; i < n; i++) {
    keys[i] = key_of(in[i * row.step], row.descending);
    best = keys[i] < best ? keys[i] : best;
  }
  return best;
}

constexpr int64_t kBlock = 64;  // elements that are passed over together where none of them is good enough
constexpr int64_t kFew = 16;    // values that are kept in order one by one

template <class T>
void select_few(const Row& row, const Room& room) {
  const int64_t k = row.count;
  Key<T> keys[kBlock], best[kFew];
  int64_t places[kFew], held = 0;
  for (int64_t begin = 0; begin < row.n; begin += kBlock) {
    const int64_t n = min_of(kBlock, row.n - begin);
    const Key<T> first = make_keys<T>(row, begin, n, keys);
    if (held == k && first >= best[k - 1]) continue;
    for (int64_t i = 0; i < n; i++) {
      if (held == k && keys[i] >= best[k - 1]) continue;
      int64_t j = held == k ? k - 1 : held++;
      for (; j > 0 && keys[i] < best[j - 1]; j--) {
        best[j] = best[j - 1];
        places[j] = places[j - 1];
      }
      best[j] = keys[i];
      places[j] = begin + i;
    }
  }
  for (int64_t i = 0; i < k; i++) room.items[i] = item_of(0, places[i]);
  write_row<T>(row, room.items);
}

// Elements that come after the k-th best so far are passed over, by whole blocks.
template <class T>
void select_row(const Row& row, const Room& room) {
  const int64_t k = row.count, most = candidates(k);
  Key<T> keys[kBlock], limit = 0;  // the k-th best key
  bool full = false;               // k values are known: an equal one comes too late
  int64_t held = 0;
  const auto keep_best = [&] {
    const uint64_t* sorted = sort_positions<T, false>(row, room, held);
    if (sorted != room.items) memcpy(room.items, sorted, static_cast<size_t>(k) * sizeof *sorted);
    held = k;
  };
  for (int64_t begin = 0; begin < row.n; begin += kBlock) {
    const int64_t n = min_of(kBlock, row.n - begin);
    const Key<T> best = make_keys<T>(row, begin, n, keys);
    if (full && best >= limit) continue;
    for (int64_t i = 0; i < n; i++) {
      if (full && keys[i] >= limit) continue;
      room.items[held++] = item_of(0, begin + i);
      if (held < most) continue;
      keep_best();
      limit =
          key_of(static_cast<const T*>(row.in)[position_of(room.items[k - 1]) * row.step], row.descending);
      full = true;
    }
  }
  keep_best();
  write_row<T>(row, room.items);
}

// ---- rows
// -------------------------------------------------------------------------------------------------------

struct Job {
  Rows rows;
  bool descending;
  int64_t count;  // of values wanted of each row
  int64_t items;  // that a slot has room for, twice
  size_t size;    // of an element
  const void* in;
  void* values;
  int64_t* indices;
  void* scratch;
};

void for_slots(const Job& job, void (*work)(const Row&, const Room&)) {
  const Rows& r = job.rows;
  const int64_t rows = r.outer * r.inner, slots = slots_of(r);
  Histogram* parts = static_cast<Histogram*>(job.scratch);
  uint64_t* items = reinterpret_cast<uint64_t*>(parts + (r.n >= kLong ? kSortParts : 0));
  parallel_range(slots, rows * r.n < kGrain / 4 ? slots : 1, [&](int64_t from, int64_t to) {
    for (int64_t slot = from; slot < to; slot++) {
      uint64_t* own = items + slot * 2 * job.items;
      const Room room = {own, own + job.items, parts};
      for (int64_t row = rows * slot / slots; row < rows * (slot + 1) / slots; row++) {
        const int64_t outer = row / r.inner, inner = row % r.inner;
        const int64_t in = outer * r.n * r.inner + inner, out = outer * job.count * r.inner + inner;
        const auto at = [&](const void* p, int64_t i) {
          return static_cast<char*>(erased(p)) + i * static_cast<int64_t>(job.size);
        };
        work({at(job.in, in), r.n, r.inner, job.count, job.values == nullptr ? nullptr : at(job.values, out),
              job.indices == nullptr ? nullptr : job.indices + out, job.descending},
             room);
      }
    }
  });
}

size_t scratch_of(const Rows& r, int64_t items) {
  return (r.n >= kLong ? kSortParts * sizeof(Histogram) : 0) +
         static_cast<size_t>(slots_of(r) * 2 * items) * sizeof(uint64_t);
}

}  // namespace

size_t sort_scratch(const Rows& r) { return scratch_of(r, r.n); }

void sort(bool descending, const Rows& r, const void* in, void* values, int64_t* indices, void* scratch) {
  const Job job = {r, descending, r.n, r.n, size_of(r.dtype), in, values, indices, scratch};
  by_dtype(r.dtype, [&](auto type) { for_slots(job, sort_row<decltype(type)>); });
}

size_t topk_scratch(int64_t k, const Rows& r) { return scratch_of(r, sorts_all(k, r) ? r.n : candidates(k)); }

void topk(bool largest, int64_t k, const Rows& r, const void* in, void* values, int64_t* indices,
          void* scratch) {
  if (k == 0) return;
  const bool all = sorts_all(k, r);
  const Job job = {r, largest, k, all ? r.n : candidates(k), size_of(r.dtype), in, values, indices, scratch};
  by_dtype(r.dtype, [&](auto type) {
    using T = decltype(type);
    for_slots(job, all ? sort_row<T> : k <= kFew ? select_few<T> : select_row<T>);
  });
}

}  // namespace lamina::LAMINA_ISA
