// Max and average pooling of planes (h, w) and the ways back (the caller casts the halves). Neighbours along
// a row are the lanes, and a window is walked with its result in a register; windows that reach into the
// padding are done one by one.
#include "kernels/cpu/table.h"
#include "kernels/cpu/window.h"

namespace lamina::LAMINA_ISA {

namespace {

constexpr int64_t kPart = 256;  // outputs of a row whose gradient is spread at a time

// Output rows, of all planes, worth one share of work.
int64_t rows_per_share(const Pool2d& p) { return max_of(1, kGrain / max_of(1, p.ow * p.kh * p.kw)); }

template <class F>
void by_real(Dtype dtype, F&& f) {
  dtype == Dtype::Float64 ? f(double()) : f(float());
}

// row[j * stride] for each lane j; `left` elements of the row may be read, lanes beyond them are 0.
template <class T>
LAMINA_INLINE Vec<T> strided_lanes(const T* row, int64_t stride, int64_t left) {
  using V = Vec<T>;
  if (stride <= 2 && left >= stride * V::width) {
    const V low = load<V>(row);
    return stride == 1 ? low : even_lanes(low, load<V>(row + V::width));
  }
  alignas(64) T some[V::width] = {};
  for (int64_t j = 0; j < V::width && j * stride < left; j++) some[j] = row[j * stride];
  return load<V>(some);
}

// A row of outputs: the taps of its windows that are inside the plane, along both axes.
template <class T>
struct PoolRow {
  const Pool2d& p;
  const T *plane, *end;  // of the input: beyond `end` nothing may be read
  int64_t iy;            // of the first tap
  Span ky;

  PoolRow(const Pool2d& pool, const T* x, int64_t row)
      : p(pool),
        plane(x + row / pool.oh * pool.h * pool.w),
        end(x + pool.planes * pool.h * pool.w),
        iy(row % pool.oh * pool.stride_h - pool.pad_h),
        ky(valid_span(0, pool.kh, pool.dilation_h, iy, pool.h)) {}

  int64_t column(int64_t ox) const { return ox * p.stride_w - p.pad_w; }
  // body(row, offset in the plane from the window's first tap) for each tap of the window of ox.
  template <class F>
  void for_taps(int64_t ox, Span kx, F&& body) const {
    for (int64_t i = ky.begin; i < ky.end; i++) {
      for (int64_t k = kx.begin; k < kx.end; k++) {
        const int64_t offset = i * p.dilation_h * p.w + k * p.dilation_w;
        body(plane + iy * p.w + column(ox) + offset, offset);
      }
    }
  }
  bool sees(Span kx) const { return ky.begin < ky.end && kx.begin < kx.end; }
  Span taps_of(int64_t ox) const { return valid_span(0, p.kw, p.dilation_w, column(ox), p.w); }
  // vectors(ox, n) for n outputs from ox on, all of whose taps along the row are inside, single(ox) for
  // others. Outputs may be visited twice.
  template <class F, class G>
  void for_outputs(F&& vectors, G&& single) const {
    constexpr int64_t width = Vec<T>::width;
    const Span first = valid_span(0, p.ow, p.stride_w, -p.pad_w, p.w);
    const Span last = valid_span(0, p.ow, p.stride_w, (p.kw - 1) * p.dilation_w - p.pad_w, p.w);
    const int64_t begin = ky.begin < ky.end ? max_of(first.begin, last.begin) : p.ow;
    const int64_t past = max_of(begin, min_of(first.end, last.end));
    for (int64_t ox = 0; ox < begin; ox++) single(ox);
    for (int64_t ox = begin; ox < past; ox += width) {
      const int64_t from = min_of(ox, max_of(begin, past - width));
      vectors(from, min_of(width, past - from));
    }
    for (int64_t ox = past; ox < p.ow; ox++) single(ox);
  }
};

// The largest of a window of neighbours whose columns, kx, are at least a few: they are the lanes.
template <class T>
T max_window(const PoolRow<T>& row, Span kx, int64_t column, int64_t* index) {
  using V = Vec<T>;
  using I = typename V::Int;
  using Place = typename I::Element;
  const V least = set<V>(static_cast<T>(-__builtin_inff()));
  V best = least;
  I place = set<I>(Place(-1));
  for (int64_t i = row.ky.begin; i < row.ky.end; i++) {
    const int64_t at = (row.iy + i * row.p.dilation_h) * row.p.w + column + kx.begin;
    for_vectors<V>(kx.end - kx.begin, [&](int64_t k, auto lanes) {
      const V value = first_lanes(get_lanes(row.plane + at + k, lanes), least, lanes);
      const auto wins = (value > best) | isnan(value);
      best = select(wins, value, best);
      place = select(wins, set<I>(static_cast<Place>(at + k)), place);
    });
  }
  alignas(64) T values[V::width];
  alignas(64) Place places[V::width];
  store(values, best);
  store(places, place);
  T most = static_cast<T>(-__builtin_inff());
  *index = (row.iy + row.ky.begin * row.p.dilation_h) * row.p.w + column + kx.begin;
  bool found = false;
  for (int64_t lane = 0; lane < V::width; lane++) {
    if (places[lane] < 0) continue;
    const int64_t here = places[lane] + lane;
    const bool nan = values[lane] != values[lane], before = most != most;
    // The first of equal ones, but the last NaN.
    const bool wins =
        nan ? !before || here > *index
            : !before && (!found || values[lane] > most || (values[lane] == most && here < *index));
    if (!wins) continue;
    found = true;
    most = values[lane];
    *index = here;
  }
  return most;
}

// The largest of each window and, unless null, its place in the plane: the first one, but NaN wins.
template <class T>
void max_row(const PoolRow<T>& row, T* y, int64_t* indices) {
  using V = Vec<T>;
  using I = typename V::Int;
  using Offset = typename I::Element;
  const Pool2d& p = row.p;
  const auto vectors = [&](int64_t ox, int64_t n) {
    const Span all = {0, p.kw};
    const int64_t window = row.iy * p.w + row.column(ox), first = row.ky.begin * p.dilation_h * p.w;
    const T* at = row.plane + window + first;
    V best = strided_lanes(at, p.stride_w, row.end - at);
    I place = set<I>(static_cast<Offset>(first));
    row.for_taps(ox, all, [&](const T* from, int64_t offset) {
      const V value = strided_lanes(from, p.stride_w, row.end - from);
      const auto wins = (value > best) | isnan(value);
      best = select(wins, value, best);
      place = select(wins, set<I>(static_cast<Offset>(offset)), place);
    });
    put_n(y + ox, best, n);
    if (!indices) return;
    alignas(64) Offset places[V::width];
    store(places, place);
    for (int64_t j = 0; j < n; j++) indices[ox + j] = window + j * p.stride_w + places[j];
  };
  const auto single = [&](int64_t ox) {
    const Span kx = row.taps_of(ox);
    if (kx.end - kx.begin >= 4 && p.dilation_w == 1 && row.sees(kx)) {
      int64_t place = 0;
      y[ox] = max_window(row, kx, row.column(ox), &place);
      if (indices) indices[ox] = place;
      return;
    }
    int64_t place = (row.iy + row.ky.begin * p.dilation_h) * p.w + row.column(ox) + kx.begin * p.dilation_w;
    if (!row.sees(kx)) place = 0;  // all of it is padding
    T best = row.sees(kx) ? row.plane[place] : static_cast<T>(-__builtin_inff());
    row.for_taps(ox, kx, [&](const T* from, int64_t) {
      if (!(*from > best) && *from == *from) return;
      best = *from;
      place = from - row.plane;
    });
    y[ox] = best;
    if (indices) indices[ox] = place;
  };
  if (p.stride_w > 2 && p.kw >= 4 && p.dilation_w == 1) {  // lanes along a window, not from one to the next
    for (int64_t ox = 0; ox < p.ow; ox++) single(ox);
  } else {
    row.for_outputs(vectors, single);
  }
}

template <class T>
void max_pool(const Pool2d& p, const T* x, T* y, int64_t* indices) {
  parallel_range(p.planes * p.oh, rows_per_share(p), [&](int64_t first, int64_t past) {
    for (int64_t r = first; r < past; r++) {
      max_row(PoolRow<T>(p, x, r), y + r * p.ow, indices ? indices + r * p.ow : nullptr);
    }
  });
}

// Windows may overlap, so a plane is one thread's.
template <class T>
void max_pool_grad(const Pool2d& p, const T* g, const int64_t* indices, T* dx) {
  const int64_t in = p.h * p.w, out = p.oh * p.ow;
  parallel_range(p.planes, max_of(1, kGrain / max_of(1, in + out)), [&](int64_t first, int64_t past) {
    memset(dx + first * in, 0, static_cast<size_t>((past - first) * in) * sizeof(T));
    for (int64_t plane = first; plane < past; plane++) {
      for (int64_t i = plane * out; i < (plane + 1) * out; i++) dx[plane * in + indices[i]] += g[i];
    }
  });
}

// What an average divides by. The window counts with its padding, but not beyond it; or without.
int64_t covered(int64_t o, int64_t stride, int64_t pad, int64_t k, int64_t size, bool with_pad) {
  const int64_t begin = o * stride - pad, end = min_of(begin + k, size + pad);
  return with_pad ? end - begin : min_of(end, size) - max_of(begin, 0);
}
int64_t divisor_of(const Pool2d& p, int64_t oy, int64_t ox) {
  if (p.divisor) return p.divisor;
  return covered(oy, p.stride_h, p.pad_h, p.kh, p.h, p.count_include_pad) *
         covered(ox, p.stride_w, p.pad_w, p.kw, p.w, p.count_include_pad);
}

template <class T>
void average_row(const PoolRow<T>& row, int64_t oy, T* y) {
  using V = Vec<T>;
  const Pool2d& p = row.p;
  const auto divisor = [&](int64_t ox) { return static_cast<T>(divisor_of(p, oy, ox)); };
  const auto vectors = [&](int64_t ox, int64_t n) {
    V sum = zero<V>();
    row.for_taps(ox, Span{0, p.kw},
                 [&](const T* from, int64_t) { sum += strided_lanes(from, p.stride_w, row.end - from); });
    put_n(y + ox, sum / set<V>(divisor(ox)), n);
  };
  row.for_outputs(vectors, [&](int64_t ox) {
    const Span kx = row.taps_of(ox);
    T sum = 0;
    row.for_taps(ox, kx, [&](const T* from, int64_t) { sum += *from; });
    y[ox] = row.sees(kx) ? sum / divisor(ox) : T(0);
  });
}

template <class T>
void average_pool(const Pool2d& p, const T* x, T* y) {
  parallel_range(p.planes * p.oh, rows_per_share(p), [&](int64_t first, int64_t past) {
    for (int64_t r = first; r < past; r++) {
      average_row(PoolRow<T>(p, x, r), r % p.oh, y + r * p.ow);
    }
  });
}

template <class T>
void spread_row(const Pool2d& p, const T* g, int64_t oy, T* plane) {
  const int64_t iy = oy * p.stride_h - p.pad_h;
  const Span ky = valid_span(0, p.kh, p.dilation_h, iy, p.h);
  for (int64_t begin = 0; begin < p.ow; begin += kPart) {
    const int64_t end = min_of(p.ow, begin + kPart);
    T share[kPart];
    for (int64_t i = begin; i < end; i++) share[i - begin] = g[i] / static_cast<T>(divisor_of(p, oy, i));
    for (int64_t i = ky.begin; i < ky.end; i++) {
      for (int64_t kx = 0; kx < p.kw; kx++) {
        const int64_t shift = kx * p.dilation_w - p.pad_w;
        const Span span = valid_span(begin, end, p.stride_w, shift, p.w);
        T* to = plane + (iy + i * p.dilation_h) * p.w + shift;
        for (int64_t o = span.begin; o < span.end; o++) to[o * p.stride_w] += share[o - begin];
      }
    }
  }
}

template <class T>
void average_pool_grad(const Pool2d& p, const T* g, T* dx) {
  const int64_t in = p.h * p.w, out = p.oh * p.ow;
  parallel_range(p.planes, max_of(1, kGrain / max_of(1, in + out * p.kh * p.kw)),
                 [&](int64_t first, int64_t past) {
                   memset(dx + first * in, 0, static_cast<size_t>((past - first) * in) * sizeof(T));
                   for (int64_t r = first * p.oh; r < past * p.oh; r++) {
                     spread_row(p, g + r * p.ow, r % p.oh, dx + r / p.oh * in);
                   }
                 });
}

}  // namespace

void max_pool2d(const Pool2d& p, const void* x, void* y, int64_t* indices) {
  by_real(p.dtype, [&](auto type) {
    using T = decltype(type);
    max_pool(p, static_cast<const T*>(x), static_cast<T*>(y), indices);
  });
}

void max_pool2d_grad(const Pool2d& p, const void* g, const int64_t* indices, void* dx) {
  by_real(p.dtype, [&](auto type) {
    using T = decltype(type);
    max_pool_grad(p, static_cast<const T*>(g), indices, static_cast<T*>(dx));
  });
}

void avg_pool2d(const Pool2d& p, const void* x, void* y) {
  by_real(p.dtype, [&](auto type) {
    using T = decltype(type);
    average_pool(p, static_cast<const T*>(x), static_cast<T*>(y));
  });
}

void avg_pool2d_grad(const Pool2d& p, const void* g, void* dx) {
  by_real(p.dtype, [&](auto type) {
    using T = decltype(type);
    average_pool_grad(p, static_cast<const T*>(g), static_cast<T*>(dx));
  });
}

}  // namespace lamina::LAMINA_ISA
