// Places of values in ascending rows, by halving. Several values are sought at a time, as each step waits for
// memory.
#include "kernels/cpu/loops.h"
#include "kernels/cpu/table.h"

namespace lamina::LAMINA_ISA {
namespace {

constexpr int kTogether = 8;

// Whether a value v goes behind an element; NaN goes behind all.
template <bool right, class T>
LAMINA_INLINE bool behind(T element, T v) {
  return right ? !(element > v) : !(element >= v);
}

// The place is in [place, place + left] throughout.
template <bool right, int count, class T>
LAMINA_INLINE void search(const T* sorted, int64_t n, const T* wanted, int64_t* places) {
  int64_t place[count] = {};
  for (int64_t left = n; left > 0;) {
    const int64_t half = (left + 1) / 2;
    for (int k = 0; k < count; k++)
      place[k] += behind<right>(sorted[place[k] + half - 1], wanted[k]) ? half : 0;
    left -= half;
  }
  for (int k = 0; k < count; k++) places[k] = place[k];
}

template <bool right, class T>
void search_all(int64_t rows, int64_t n, int64_t row_step, int64_t m, const void* sorted, const void* wanted,
                int64_t* places) {
  const T *all = static_cast<const T*>(sorted), *values = static_cast<const T*>(wanted);
  parallel_range(rows * m, kGrain / 16, [&](int64_t begin, int64_t end) {
    for (int64_t i = begin; i < end;) {
      const int64_t row = i / m, stop = min_of(end, (row + 1) * m);
      const T* in = all + row * row_step;
      for (; i + kTogether <= stop; i += kTogether) search<right, kTogether>(in, n, values + i, places + i);
      for (; i < stop; i++) search<right, 1>(in, n, values + i, places + i);
    }
  });
}

}  // namespace

void searchsorted(bool right, Dtype dtype, int64_t rows, int64_t n, int64_t row_step, int64_t m,
                  const void* sorted, const void* wanted, int64_t* places) {
  const auto run = [&](auto type) {
    using T = decltype(type);
    const auto f = right ? search_all<true, T> : search_all<false, T>;
    f(rows, n, row_step, m, sorted, wanted, places);
  };
  dtype == Dtype::Float64 ? run(double()) : dtype == Dtype::Int64 ? run(int64_t()) : run(float());
}

}  // namespace lamina::LAMINA_ISA
