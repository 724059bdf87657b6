// The stable sort of items by radix: digit after digit from the lowest, each time counting, then moving.
#include "kernels/cpu/radix.h"

namespace lamina::LAMINA_ISA {
namespace {

constexpr int64_t kInsertion = 48;  // items that are sorted by insertion

// Digits of equal width that together have all the bits.
struct Digits {
  int count, width;

  Digits(int64_t n, int bits) {
    const int widest = n < 8192 ? 8 : kDigitBits;
    count = (bits + widest - 1) / widest;
    width = (bits + count - 1) / max_of(1, count);
  }
  uint64_t of(uint64_t item, int digit) const {
    return item >> (32 + digit * width) & ((uint64_t(1) << width) - 1);
  }
};

void insertion_sort(uint64_t* items, int64_t n) {
  for (int64_t i = 1; i < n; i++) {
    const uint64_t item = items[i];
    int64_t j = i;
    for (; j > 0 && item < items[j - 1]; j--) items[j] = items[j - 1];
    items[j] = item;
  }
}

void count(const uint64_t* items, int64_t n, const Digits& digits, int digit, uint32_t* counts) {
  memset(counts, 0, sizeof(uint32_t) << digits.width);
  for (int64_t i = 0; i < n; i++) counts[digits.of(items[i], digit)]++;
}

void move(const uint64_t* items, int64_t n, const Digits& digits, int digit, uint32_t* next, uint64_t* out) {
  for (int64_t i = 0; i < n; i++) out[next[digits.of(items[i], digit)]++] = items[i];
}

uint64_t* sort_alone(uint64_t* items, uint64_t* spare, int64_t n, const Digits& digits) {
  Histogram next;
  for (int digit = 0; digit < digits.count; digit++) {
    count(items, n, digits, digit, next.counts);
    uint32_t sum = 0;
    for (int d = 0; d < 1 << digits.width; d++) {
      const uint32_t before = sum;
      sum += next.counts[d];
      next.counts[d] = before;
    }
    move(items, n, digits, digit, next.counts, spare);
    uint64_t* const sorted = spare;
    spare = items;
    items = sorted;
  }
  return items;
}

// Each part counts and moves its own items, to places behind those of the parts before it.
uint64_t* sort_together(uint64_t* items, uint64_t* spare, int64_t n, const Digits& digits, Histogram* parts) {
  const int64_t part = chunks_of(n, kSortParts);
  const auto length = [&](int64_t p) { return max_of(0, min_of(part, n - p * part)); };
  for (int digit = 0; digit < digits.count; digit++) {
    parallel(kSortParts,
             [&](int64_t p) { count(items + p * part, length(p), digits, digit, parts[p].counts); });
    uint32_t sum = 0;
    for (int d = 0; d < 1 << digits.width; d++) {
      for (int64_t p = 0; p < kSortParts; p++) {
        const uint32_t before = sum;
        sum += parts[p].counts[d];
        parts[p].counts[d] = before;
      }
    }
    parallel(kSortParts,
             [&](int64_t p) { move(items + p * part, length(p), digits, digit, parts[p].counts, spare); });
    uint64_t* const sorted = spare;
    spare = items;
    items = sorted;
  }
  return items;
}

}  // namespace

uint64_t* sort_items(uint64_t* items, uint64_t* spare, int64_t n, int bits, Histogram* parts) {
  if (n <= kInsertion) {
    insertion_sort(items, n);
    return items;
  }
  const Digits digits(n, bits);
  return n < kLong ? sort_alone(items, spare, n, digits) : sort_together(items, spare, n, digits, parts);
}

}  // namespace lamina::LAMINA_ISA
