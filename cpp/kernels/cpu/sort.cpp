// sort and topk along n of (outer, n, inner). Equal values keep their order, NaN is the largest.
#include "kernels/cpu/radix.h"
#include "kernels/cpu/table.h"

namespace lamina::LAMINA_ISA {
namespace {

constexpr int64_t kSlots = 16;  // rows that are worked on at the same time, each with memory of its own

// Long rows are sorted one after another by all threads.
int64_t slots_of(const Rows& r) {
  const int64_t rows = r.outer * r.inner;
  return r.n >= kLong ? 1 : min_of(kSlots, rows);
}

bool is_packed(const Rows& r) { return size_of(r.dtype) <= 4 && r.n < int64_t(1) << 32; }
int64_t item_size(const Rows& r) { return is_packed(r) ? sizeof(PackedItem) : sizeof(WideItem); }

// body(row offset, slot) for all rows; a slot takes its rows one after another.
template <class F>
void for_slots(const Rows& r, F&& body) {
  const int64_t rows = r.outer * r.inner, slots = slots_of(r);
  const auto work = [&](int64_t slot) {
    for (int64_t row = rows * slot / slots; row < rows * (slot + 1) / slots; row++) {
      body(row / r.inner * r.n * r.inner + row % r.inner, row, slot);
    }
  };
  if (rows * r.n < kGrain / 8) {
    for (int64_t slot = 0; slot < slots; slot++) work(slot);
  } else {
    parallel(slots, work);
  }
}

// One row, its elements `step` apart, and where its first `count` sorted values go.
template <class T>
struct Row {
  const T* in;
  int64_t n, step, count;
  T* values;
  int64_t* indices;
};

template <class T>
LAMINA_INLINE uint64_t key_in(bool descending, T x) {
  const Key<T> key = key_of(x);
  return static_cast<Key<T>>(descending ? ~key : key);
}

template <class T, class Item>
void write_row(const Row<T>& row, const Item* items) {
  for (int64_t i = 0; i < row.count; i++) {
    const int64_t at = items[i].position();
    if (row.values != nullptr) row.values[i * row.step] = row.in[at * row.step];
    if (row.indices != nullptr) row.indices[i * row.step] = at;
  }
}

template <class T, class Item>
void sort_row(bool descending, const Row<T>& row, Item* items, Histogram* parts) {
  parallel_range(row.n, kGrain, [&](int64_t begin, int64_t end) {
    for (int64_t i = begin; i < end; i++) items[i] = Item::of(key_in(descending, row.in[i * row.step]), i);
  });
  write_row(row, sort_items(items, items + row.n, row.n, sizeof(T), parts));
}

// Room for the candidates of topk: sorting them costs little per element that came in since the last time.
int64_t candidates(int64_t k) { return 2 * k + 1024; }
bool sorts_all(int64_t k, const Rows& r) { return candidates(k) >= r.n; }

// Keeps what is among the first k so far: elements beyond the k-th best are passed over by whole blocks, the
// others gather until there is no room, then the best k of them stay.
template <class T, class Item>
void select_row(bool descending, const Row<T>& row, Item* items, Histogram* parts) {
  constexpr int64_t kBlock = 256;
  const int64_t k = row.count, room = candidates(k);
  Item* spare = items + room;
  Key<T> keys[kBlock];
  Key<T> limit = ~Key<T>(0);  // the k-th best key
  bool full = false;          // k items are known: an equal key comes too late
  int64_t held = 0;
  const auto keep_best = [&] {
    Item* sorted = sort_items(items, spare, held, sizeof(T), parts);
    if (sorted != items)
      memcpy(static_cast<void*>(items), sorted, static_cast<size_t>(min_of(k, held)) * sizeof(Item));
    held = min_of(k, held);
  };
  for (int64_t begin = 0; begin < row.n; begin += kBlock) {
    const int64_t n = min_of(kBlock, row.n - begin);
    Key<T> best = ~Key<T>(0);
    for (int64_t i = 0; i < n; i++) {
      keys[i] = static_cast<Key<T>>(key_in(descending, row.in[(begin + i) * row.step]));
      best = keys[i] < best ? keys[i] : best;
    }
    if (full && best >= limit) continue;
    for (int64_t i = 0; i < n; i++) {
      if (full && keys[i] >= limit) continue;
      items[held++] = Item::of(keys[i], begin + i);
      if (held < room) continue;
      keep_best();
      limit = static_cast<Key<T>>(items[k - 1].key());
      full = true;
    }
  }
  keep_best();
  write_row(row, items);
}

template <class Item, class F>
void for_items(const Rows& r, int64_t items_per_slot, void* scratch, F&& body) {
  Histogram* parts = static_cast<Histogram*>(scratch);
  Item* items = reinterpret_cast<Item*>(parts + kParts);
  for_slots(r, [&](int64_t offset, int64_t row, int64_t slot) {
    body(offset, row, items + slot * items_per_slot, parts);
  });
}

template <class T>
void first_of(bool descending, int64_t k, bool all, const Rows& r, const T* in, T* values, int64_t* indices,
              void* scratch) {
  const auto body = [&](int64_t offset, int64_t row, auto* items, Histogram* parts) {
    const int64_t out = row / r.inner * k * r.inner + row % r.inner;
    const Row<T> one = {in + offset,
                        r.n,
                        r.inner,
                        k,
                        values == nullptr ? nullptr : values + out,
                        indices == nullptr ? nullptr : indices + out};
    if (all) {
      sort_row(descending, one, items, parts);
    } else {
      select_row(descending, one, items, parts);
    }
  };
  const int64_t per_slot = 2 * (all ? r.n : candidates(k));
  if constexpr (sizeof(T) <= 4) {
    if (is_packed(r)) return for_items<PackedItem>(r, per_slot, scratch, body);
  }
  for_items<WideItem>(r, per_slot, scratch, body);
}

size_t scratch_of(const Rows& r, int64_t items) {
  return kParts * sizeof(Histogram) + static_cast<size_t>(slots_of(r) * 2 * items * item_size(r));
}

}  // namespace

size_t sort_scratch(const Rows& r) { return scratch_of(r, r.n); }

void sort(bool descending, const Rows& r, const void* in, void* values, int64_t* indices, void* scratch) {
  by_dtype(r.dtype, [&](auto type) {
    using T = decltype(type);
    first_of(descending, r.n, true, r, static_cast<const T*>(in), static_cast<T*>(values), indices, scratch);
  });
}

size_t topk_scratch(int64_t k, const Rows& r) { return scratch_of(r, sorts_all(k, r) ? r.n : candidates(k)); }

void topk(bool largest, int64_t k, const Rows& r, const void* in, void* values, int64_t* indices,
          void* scratch) {
  if (k == 0) return;
  by_dtype(r.dtype, [&](auto type) {
    using T = decltype(type);
    first_of(largest, k, sorts_all(k, r), r, static_cast<const T*>(in), static_cast<T*>(values), indices,
             scratch);
  });
}

}  // namespace lamina::LAMINA_ISA
