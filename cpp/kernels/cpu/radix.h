// Values as unsigned keys in the order of the values, and a stable sort of items: 32 bits of a key above a
// position. Which rows of a tensor are sorted, and topk, is in sort.cpp.
#pragma once

#include "kernels/cpu/element.h"

namespace lamina::LAMINA_ISA {

constexpr int64_t kLong = 131072;   // items that are sorted by all threads together
constexpr int64_t kSortParts = 16;  // of such a row, each with a histogram
constexpr int kDigitBits = 11;

struct Histogram {
  uint32_t counts[1 << kDigitBits];
};

// Sorts n items, given in the order of their positions, by the lowest `bits` bits of the upper half. The
// result lies in `items` or in `spare`, which is as long. `parts`: kSortParts histograms, used from n = kLong
// on.
uint64_t* sort_items(uint64_t* items, uint64_t* spare, int64_t n, int bits, Histogram* parts);

LAMINA_INLINE uint64_t item_of(uint64_t key, int64_t position) {
  return key << 32 | static_cast<uint64_t>(position);
}
LAMINA_INLINE int64_t position_of(uint64_t item) { return static_cast<int64_t>(item & 0xffffffff); }

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

// Orders as the values do, or the other way round: -0 like 0, every NaN alike and largest.
template <class T>
LAMINA_INLINE Key<T> key_of(T x, bool descending) {
  using K = Key<T>;
  constexpr K sign = K(K(1) << (8 * sizeof(K) - 1));
  const K flip = descending ? K(~K(0)) : K(0);
  K bits;
  memcpy(&bits, &x, sizeof bits);
  if constexpr (kIsFloat<T>) {
    const K size = K(bits & ~sign);
    const K ordered = bits & sign ? K(sign - size) : K(sign | size);
    return K((size > kInfinityBits<T> ? K(~K(0)) : ordered) ^ flip);
  } else {
    return K((T(-1) < T(0) ? K(bits ^ sign) : bits) ^ flip);
  }
}

}  // namespace lamina::LAMINA_ISA
