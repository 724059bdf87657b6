// Counting and finding the elements that are not zero, and the bounds of an index.
#include "kernels/cpu/element.h"
#include "kernels/cpu/table.h"

namespace lamina::LAMINA_ISA {
namespace {

constexpr int64_t kParts = 1024;  // of an array that is searched, at most
int64_t part_size(int64_t n) { return max_of(kGrain, chunks_of(n, kParts)); }

// Counts in lanes of a byte, which hold 255.
template <class T>
int64_t count_of(const T* x, int64_t n) {
  constexpr int64_t kLanes = 64, kBlock = 255 * kLanes;
  int64_t total = 0, i = 0;
  for (; i + kLanes <= n; i += kBlock) {
    uint8_t lanes[kLanes] = {};
    const int64_t rows = min_of(255, (n - i) / kLanes);
    for (int64_t row = 0; row < rows; row++) {
      for (int64_t j = 0; j < kLanes; j++)
        lanes[j] = static_cast<uint8_t>(lanes[j] + is_set(x[i + row * kLanes + j]));
    }
    for (int64_t j = 0; j < kLanes; j++) total += lanes[j];
  }
  for (i = n / kLanes * kLanes; i < n; i++) total += is_set(x[i]);
  return total;
}

// How many of each part of [0, n) are set.
template <class T>
void count_parts(const T* x, int64_t n, int64_t* counts) {
  const int64_t part = part_size(n);
  parallel(chunks_of(n, part),
           [&](int64_t i) { counts[i] = count_of(x + i * part, min_of(part, n - i * part)); });
}

// Writes every position, keeps those that are set.
template <class T>
void find(const T* x, int64_t first, int64_t count, int64_t* out) {
  for (int64_t *end = out + count, i = first; out < end; i++) {
    *out = i;
    out += is_set(x[i]);
  }
}

}  // namespace

int64_t count_nonzero(Dtype dtype, const void* in, int64_t n) {
  int64_t counts[kParts], total = 0;
  by_pattern(dtype, [&](auto type) { count_parts(static_cast<const decltype(type)*>(in), n, counts); });
  for (int64_t i = 0; i < chunks_of(n, part_size(n)); i++) total += counts[i];
  return total;
}

void nonzero(Dtype dtype, const void* in, int64_t n, int64_t* positions) {
  by_pattern(dtype, [&](auto type) {
    const auto* x = static_cast<const decltype(type)*>(in);
    const int64_t part = part_size(n), parts = chunks_of(n, part);
    int64_t counts[kParts], starts[kParts];
    count_parts(x, n, counts);
    for (int64_t i = 0, start = 0; i < parts; start += counts[i++]) starts[i] = start;
    parallel(parts, [&](int64_t i) { find(x, i * part, counts[i], positions + starts[i]); });
  });
}

void index_bounds(const int64_t* index, int64_t n, int64_t* lo, int64_t* hi) {
  const int64_t part = part_size(n), parts = chunks_of(n, part);
  int64_t lows[kParts], highs[kParts];
  parallel(parts, [&](int64_t i) {
    const int64_t* p = index + i * part;
    int64_t low = p[0], high = p[0];
    for (int64_t j = 1; j < min_of(part, n - i * part); j++) {
      low = p[j] < low ? p[j] : low;
      high = p[j] > high ? p[j] : high;
    }
    lows[i] = low;
    highs[i] = high;
  });
  *lo = n > 0 ? lows[0] : 0;
  *hi = n > 0 ? highs[0] : 0;
  for (int64_t i = 1; i < parts; i++) {
    *lo = min_of(*lo, lows[i]);
    *hi = max_of(*hi, highs[i]);
  }
}

}  // namespace lamina::LAMINA_ISA
