// The largest (smallest) element so far along n of (outer, n, inner), and its latest place. NaN wins, and its
// latest place too.
#include "kernels/cpu/element.h"
#include "kernels/cpu/table.h"

namespace lamina::LAMINA_ISA {
namespace {

constexpr int64_t kColumns = 128;
constexpr int64_t kParts = 64;    // of a long row
constexpr int64_t kPart = 32768;  // elements that a part has at least

template <bool max, class T>
struct Extreme {
  T value;
  int64_t place = -1;  // of no element yet

  static bool takes(T value, T x) { return x != x || (max ? value <= x : x <= value); }
  void take(T x, int64_t at) {
    if (place < 0 || takes(value, x)) *this = {x, at};
  }
  void join(const Extreme& later) { take(later.value, later.place); }
  // Whether none of the vector at x changes anything.
  bool beats(const T* x) const {
    using V = Lanes<T>;
    const V v = get(x), held = set<V>(value);
    return !any((v != v) | (max ? held <= v : v <= held));
  }

  // Elements [begin, end) of a row; what they make it is written where y is not null.
  void walk(const T* x, int64_t begin, int64_t end, T* y, int64_t* places) {
    constexpr int64_t width = Lanes<typename Either<kIsFloat<T>, T, float>::Type>::width;
    int64_t i = begin;
    while (i < end) {
      const int64_t stop = min_of(end, i + width);
      bool steady = false;
      if constexpr (kIsFloat<T>) steady = place >= 0 && stop - i == width && beats(x + i);
      for (int64_t j = i; j < stop && !steady; j++) {
        take(x[j], j);
        if (y != nullptr) y[j] = value, places[j] = place;
      }
      for (int64_t j = i; j < stop && steady && y != nullptr; j++) y[j] = value, places[j] = place;
      i = stop;
    }
  }
};

template <bool max, class T>
void long_row(const T* x, int64_t n, T* y, int64_t* places) {
  const int64_t part = max_of(kPart, chunks_of(n, kParts)), parts = chunks_of(n, part);
  Extreme<max, T> after[kParts] = {};
  parallel(parts,
           [&](int64_t i) { after[i].walk(x, i * part, min_of(n, (i + 1) * part), nullptr, nullptr); });
  for (int64_t i = 1; i < parts; i++) {
    const Extreme<max, T> own = after[i];
    after[i] = after[i - 1];
    after[i].join(own);
  }
  parallel(parts, [&](int64_t i) {
    Extreme<max, T> state = {};
    if (i > 0) state = after[i - 1];
    state.walk(x, i * part, min_of(n, (i + 1) * part), y, places);
  });
}

template <bool max, class T>
void columns(const T* __restrict x, int64_t n, int64_t inner, int64_t width, T* __restrict y,
             int64_t* __restrict places) {
  T value[kColumns];
  int64_t place[kColumns];
  for (int64_t i = 0; i < n; i++) {
    for (int64_t j = 0; j < width; j++) {
      const bool taken = i == 0 || Extreme<max, T>::takes(value[j], x[j]);
      value[j] = taken ? x[j] : value[j];
      place[j] = taken ? i : place[j];
      y[j] = value[j];
      places[j] = place[j];
    }
    x += inner, y += inner, places += inner;
  }
}

template <bool max, class T>
void run(const Rows& r, const T* x, T* y, int64_t* places) {
  if (r.inner == 1 && r.outer < 8 && r.n >= 2 * kPart) {
    for (int64_t i = 0; i < r.outer; i++) long_row<max>(x + i * r.n, r.n, y + i * r.n, places + i * r.n);
  } else if (r.inner == 1) {
    parallel_range(r.outer, max_of(1, kGrain / r.n), [&](int64_t begin, int64_t end) {
      for (int64_t i = begin; i < end; i++) {
        Extreme<max, T> state = {};
        state.walk(x + i * r.n, 0, r.n, y + i * r.n, places + i * r.n);
      }
    });
  } else {
    const int64_t groups = chunks_of(r.inner, kColumns);
    const int64_t grain = max_of(1, kGrain / (r.n * min_of(r.inner, kColumns)));
    parallel_range(r.outer * groups, grain, [&](int64_t begin, int64_t end) {
      for (int64_t i = begin; i < end; i++) {
        const int64_t first = i % groups * kColumns, at = i / groups * r.n * r.inner + first;
        columns<max>(x + at, r.n, r.inner, min_of(kColumns, r.inner - first), y + at, places + at);
      }
    });
  }
}

}  // namespace

void running_extreme(bool max, const Rows& r, const void* x, void* y, int64_t* places) {
  const auto of = [&](auto type) {
    using T = decltype(type);
    const T* from = static_cast<const T*>(x);
    max ? run<true>(r, from, static_cast<T*>(y), places) : run<false>(r, from, static_cast<T*>(y), places);
  };
  r.dtype == Dtype::Float64 ? of(double()) : r.dtype == Dtype::Int64 ? of(int64_t()) : of(float());
}

}  // namespace lamina::LAMINA_ISA
