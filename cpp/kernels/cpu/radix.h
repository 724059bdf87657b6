// Sorting by radix: values as unsigned keys in their order, keys beside positions as items, and a stable sort
// of items. Which rows of a tensor are sorted, and topk, is in sort.cpp.
#pragma once

#include "kernels/cpu/element.h"

namespace lamina::LAMINA_ISA {
namespace {

// ---- keys
// --------------------------------------------------------------------------------------------------------------

template <int size>
struct KeyOf;
template <>
struct KeyOf<1> {
  using Type = uint8_t;
};
template <>
struct KeyOf<2> {
  using Type = uint16_t;
};
template <>
struct KeyOf<4> {
  using Type = uint32_t;
};
template <>
struct KeyOf<8> {
  using Type = uint64_t;
};
template <class T>
using Key = typename KeyOf<sizeof(T)>::Type;

template <class T>
constexpr Key<T> kInfinityBits = 0;
template <>
constexpr uint16_t kInfinityBits<Half> = 0x7c00;
template <>
constexpr uint16_t kInfinityBits<BFloat16> = 0x7f80;
template <>
constexpr uint32_t kInfinityBits<float> = 0x7f800000;
template <>
constexpr uint64_t kInfinityBits<double> = 0x7ff0000000000000;

// Orders as the values do: -0 like 0, every NaN alike and last.
template <class T>
LAMINA_INLINE Key<T> key_of(T x) {
  using K = Key<T>;
  constexpr K sign = K(K(1) << (8 * sizeof(K) - 1));
  K bits;
  memcpy(&bits, &x, sizeof bits);
  if constexpr (kIsFloat<T>) {
    const K size = K(bits & ~sign);
    const K ordered = bits & sign ? K(sign - size) : K(sign | size);
    return size > kInfinityBits<T> ? K(~K(0)) : ordered;
  } else {
    return T(-1) < T(0) ? K(bits ^ sign) : bits;
  }
}

// ---- items
// -------------------------------------------------------------------------------------------------------------

// A key of at most 32 bits above a position below 2^32.
struct PackedItem {
  static constexpr int kBytes = 4;
  uint64_t bits;

  static PackedItem of(uint64_t key, int64_t position) {
    return {key << 32 | static_cast<uint64_t>(position)};
  }
  int64_t position() const { return static_cast<int64_t>(bits & 0xffffffff); }
  uint64_t key() const { return bits >> 32; }
  bool operator<(const PackedItem& other) const { return bits < other.bits; }
};
struct WideItem {
  static constexpr int kBytes = 8;
  uint64_t bits;
  int64_t place;

  static WideItem of(uint64_t key, int64_t position) { return {key, position}; }
  int64_t position() const { return place; }
  uint64_t key() const { return bits; }
  bool operator<(const WideItem& other) const {
    return bits < other.bits || (bits == other.bits && place < other.place);
  }
};

constexpr int64_t kInsertion = 48;  // items that are sorted by insertion
constexpr int64_t kLong = 131072;   // items that are sorted by all threads together
constexpr int64_t kParts = 16;      // of a long row
constexpr int kDigits = 256;

struct Histogram {
  int64_t counts[kDigits];
};

template <class Item>
void insertion_sort(Item* items, int64_t n) {
  for (int64_t i = 1; i < n; i++) {
    const Item item = items[i];
    int64_t j = i;
    for (; j > 0 && item < items[j - 1]; j--) items[j] = items[j - 1];
    items[j] = item;
  }
}

// Sorts by the lowest `bytes` bytes of the keys; `spare` is as long as `items`. Returns where the result
// lies.
template <class Item>
Item* radix_sort(Item* items, Item* spare, int64_t n, int bytes) {
  Histogram digits[Item::kBytes] = {};
  for (int64_t i = 0; i < n; i++) {
    uint64_t key = items[i].key();
    for (int byte = 0; byte < Item::kBytes; byte++, key >>= 8) digits[byte].counts[key & 0xff]++;
  }
  for (int byte = 0; byte < bytes; byte++) {
    int64_t* next = digits[byte].counts;
    if (next[items[0].key() >> 8 * byte & 0xff] == n) continue;
    int64_t sum = 0;
    for (int d = 0; d < kDigits; d++) {
      const int64_t count = next[d];
      next[d] = sum;
      sum += count;
    }
    for (int64_t i = 0; i < n; i++) spare[next[items[i].key() >> 8 * byte & 0xff]++] = items[i];
    Item* const sorted = spare;
    spare = items;
    items = sorted;
  }
  return items;
}

// The same by all threads: each part counts and moves its own items, to places behind those of the parts
// before it.
template <class Item>
Item* parallel_radix_sort(Item* items, Item* spare, int64_t n, int bytes, Histogram* parts) {
  const int64_t part = chunks_of(n, kParts);
  for (int byte = 0; byte < bytes; byte++) {
    parallel(kParts, [&](int64_t p) {
      parts[p] = {};
      for (int64_t i = p * part; i < min_of(n, (p + 1) * part); i++)
        parts[p].counts[items[i].key() >> 8 * byte & 0xff]++;
    });
    int64_t sum = 0, largest = 0;
    for (int d = 0; d < kDigits; d++) {
      const int64_t before = sum;
      for (int64_t p = 0; p < kParts; p++) {
        const int64_t count = parts[p].counts[d];
        parts[p].counts[d] = sum;
        sum += count;
      }
      largest = max_of(largest, sum - before);
    }
    if (largest == n) continue;
    parallel(kParts, [&](int64_t p) {
      int64_t* next = parts[p].counts;
      for (int64_t i = p * part; i < min_of(n, (p + 1) * part); i++)
        spare[next[items[i].key() >> 8 * byte & 0xff]++] = items[i];
    });
    Item* const sorted = spare;
    spare = items;
    items = sorted;
  }
  return items;
}

// Items arrive in the order of their positions; the sort keeps that order among equal keys.
template <class Item>
Item* sort_items(Item* items, Item* spare, int64_t n, int bytes, Histogram* parts) {
  if (n <= kInsertion) {
    insertion_sort(items, n);
    return items;
  }
  if (n < kLong) return radix_sort(items, spare, n, bytes);
  return parallel_radix_sort(items, spare, n, bytes, parts);
}

}  // namespace
}  // namespace lamina::LAMINA_ISA
