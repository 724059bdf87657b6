// batch_norm over (n, c, spatial) and its slope: channel by channel where a channel has runs of memory, in
// columns where spatial is 1.
#include "kernels/cpu/moment.h"
#include "kernels/cpu/table.h"

namespace lamina::LAMINA_ISA {
namespace {

template <class T>
struct Norm {
  using C = Compute<T>;
  const T* x;
  const T* w;
  const T* b;
  C* mean;
  C* var;
  T* y;
};

double rstd_of(double var, double eps) { return 1 / __builtin_sqrt(var + eps); }

template <class T>
Compute<T> weight_of(const T* w, int64_t c) {
  return w != nullptr ? value_of(w[c]) : Compute<T>(1);
}
template <class T>
Compute<T> bias_of(const T* b, int64_t c) {
  return b != nullptr ? value_of(b[c]) : Compute<T>(0);
}

template <class T>
void normalise_runs(const BatchNorm& p, const Norm<T>& a, int64_t c, const Runs& runs, int64_t offset) {
  using V = Lanes<T>;
  const double scale = rstd_of(a.var[c], p.eps) * static_cast<double>(weight_of(a.w, c));
  const V centre = set<V>(a.mean[c]), factor = set<V>(static_cast<Compute<T>>(scale)),
          shift = set<V>(bias_of(a.b, c));
  for (int64_t i = 0; i < runs.count; i++) {
    const T* x = a.x + offset + i * runs.stride;
    write_vectors(
        is_streamed(p.dtype, p.n * p.c * p.spatial), a.y + offset + i * runs.stride, runs.length,
        [&](int64_t j, auto lanes) { return fma(get_lanes(x + j, lanes) - centre, factor, shift); });
  }
  stream_fence();
}

template <class T>
void norm_channels(const BatchNorm& p, bool training, const Norm<T>& a) {
  if (!training) {
    parallel_range(p.n * p.c, max_of(1, kGrain / p.spatial), [&](int64_t from, int64_t to) {
      for (int64_t i = from; i < to; i++) normalise_runs(p, a, i % p.c, {1, 0, p.spatial}, i * p.spatial);
    });
    return;
  }
  const Runs runs = {p.n, p.c * p.spatial, p.spatial};
  parallel_range(p.c, max_of(1, kGrain / 2 / (p.n * p.spatial)), [&](int64_t from, int64_t to) {
    for (int64_t c = from; c < to; c++) {
      const Moment m = moment_of(a.x + c * p.spatial, runs);
      a.mean[c] = static_cast<Compute<T>>(m.mean);
      a.var[c] = static_cast<Compute<T>>(m.m2 / m.count);
      normalise_runs(p, a, c, runs, c * p.spatial);
    }
  });
}

// Columns [first, first + width) of (n, c).
template <class T>
void norm_columns(const BatchNorm& p, bool training, const Norm<T>& a, int64_t first, int64_t width) {
  using V = Lanes<T>;
  using C = Compute<T>;
  alignas(64) C factor[kMomentColumns], shift[kMomentColumns];
  if (training) {
    double mean[kMomentColumns], m2[kMomentColumns];
    moment_of_columns(a.x + first, p.n, p.c, width, mean, m2);
    for (int64_t j = 0; j < width; j++) {
      a.mean[first + j] = static_cast<C>(mean[j]);
      a.var[first + j] = static_cast<C>(m2[j] / static_cast<double>(p.n));
    }
  }
  for (int64_t j = 0; j < width; j++) {
    factor[j] =
        static_cast<C>(rstd_of(a.var[first + j], p.eps) * static_cast<double>(weight_of(a.w, first + j)));
    shift[j] = bias_of(a.b, first + j);
  }
  for (int64_t i = 0; i < p.n; i++) {
    const T* x = a.x + i * p.c + first;
    T* y = a.y + i * p.c + first;
    for_vectors<V>(width, [&](int64_t j, auto lanes) {
      const V centred = get_lanes(x + j, lanes) - get_lanes(a.mean + first + j, lanes);
      put_lanes(y + j, fma(centred, get_lanes(factor + j, lanes), get_lanes(shift + j, lanes)), lanes);
    });
  }
}

// body(first, width) for groups of columns of (n, c).
template <class F>
void for_column_groups(const BatchNorm& p, F&& body) {
  const int64_t grain = max_of(1, kGrain / 2 / (p.n * min_of(p.c, kMomentColumns)));
  parallel_range(chunks_of(p.c, kMomentColumns), grain, [&](int64_t from, int64_t to) {
    for (int64_t i = from; i < to; i++)
      body(i * kMomentColumns, min_of(kMomentColumns, p.c - i * kMomentColumns));
  });
}

template <class T>
struct Grad {
  using C = Compute<T>;
  const T* g;
  const T* x;
  const T* w;
  const C* mean;
  const C* var;
  T* dx;
  T* dw;
  T* db;
};

// With xhat = (x - mean) * rstd and m = n * spatial: db = sum(g), dw = sum(g * xhat), and
// dx = w * rstd * (g - db / m - xhat * dw / m), or w * rstd * g where mean and var are constants.
template <class T>
struct Slope {
  Compute<T> centre, scale, g_mean, x_factor;  // dx = scale * (g - g_mean - (x - centre) * x_factor)
};

template <class T>
Slope<T> slope_of(const BatchNorm& p, bool training, const Grad<T>& a, int64_t c, double sum, double dot) {
  using C = Compute<T>;
  const double rstd = rstd_of(a.var[c], p.eps);
  const double m = static_cast<double>(p.n * p.spatial);
  if (a.dw != nullptr) a.dw[c] = element_of<T>(static_cast<C>(dot * rstd));
  if (a.db != nullptr) a.db[c] = element_of<T>(static_cast<C>(sum));
  const C scale = static_cast<C>(rstd * static_cast<double>(weight_of(a.w, c)));
  if (!training) return {0, scale, 0, 0};
  return {a.mean[c], scale, static_cast<C>(sum / m), static_cast<C>(dot * rstd * rstd / m)};
}

template <class T>
void grad_channel(const BatchNorm& p, bool training, const Grad<T>& a, int64_t c) {
  using V = Lanes<T>;
  const Runs runs = {p.n, p.c * p.spatial, p.spatial};
  const T* g = a.g + c * p.spatial;
  const T* x = a.x + c * p.spatial;
  double sum = 0, dot = 0;
  const V mean = set<V>(a.mean[c]);
  for_blocks(runs, kMomentBlock, [&](int64_t offset, const Runs& block) {
    V s[2] = {zero<V>(), zero<V>()}, d[2] = {zero<V>(), zero<V>()};
    for_run_vectors<V>(block, [&](int k, int64_t i, auto lanes) {
      const V gi = get_lanes(g + offset + i, lanes);
      s[k] += gi;
      d[k] = fma(gi, get_lanes(x + offset + i, lanes) - mean, d[k]);
    });
    sum += static_cast<double>(reduce_add(s[0] + s[1]));
    dot += static_cast<double>(reduce_add(d[0] + d[1]));
  });
  const Slope<T> slope = slope_of(p, training, a, c, sum, dot);
  if (a.dx == nullptr) return;
  const V centre = set<V>(slope.centre), scale = set<V>(slope.scale), g_mean = set<V>(slope.g_mean);
  const V x_factor = set<V>(slope.x_factor);
  for (int64_t i = 0; i < p.n; i++) {
    const T* gi = g + i * runs.stride;
    const T* xi = x + i * runs.stride;
    write_vectors(is_streamed(p.dtype, p.n * runs.stride), a.dx + c * p.spatial + i * runs.stride, p.spatial,
                  [&](int64_t j, auto lanes) {
                    const V gj = get_lanes(gi + j, lanes) - g_mean;
                    return fnma(get_lanes(xi + j, lanes) - centre, x_factor, gj) * scale;
                  });
  }
  stream_fence();
}

template <class T>
void grad_columns(const BatchNorm& p, bool training, const Grad<T>& a, int64_t first, int64_t width) {
  using V = Lanes<T>;
  using C = Compute<T>;
  double sums[kMomentColumns] = {}, dots[kMomentColumns] = {};
  alignas(64) C sum[kMomentColumns], dot[kMomentColumns], x_factor[kMomentColumns], scale[kMomentColumns];
  const C* mean = a.mean + first;
  for (int64_t begin = 0; begin < p.n; begin += kMomentRows) {
    for (int64_t j = 0; j < width; j++) sum[j] = dot[j] = 0;
    for (int64_t i = begin; i < min_of(p.n, begin + kMomentRows); i++) {
      const int64_t at = i * p.c + first;
      for_vectors<V>(width, [&](int64_t j, auto lanes) {
        const V g = get_lanes(a.g + at + j, lanes);
        const V centred = get_lanes(a.x + at + j, lanes) - get_lanes(mean + j, lanes);
        put_lanes(sum + j, get_lanes(sum + j, lanes) + g, lanes);
        put_lanes(dot + j, fma(g, centred, get_lanes(dot + j, lanes)), lanes);
      });
    }
    for (int64_t j = 0; j < width; j++) {
      sums[j] += sum[j];
      dots[j] += dot[j];
    }
  }
  for (int64_t j = 0; j < width; j++) {
    const Slope<T> slope = slope_of(p, training, a, first + j, sums[j], dots[j]);
    sum[j] = slope.g_mean;
    x_factor[j] = slope.x_factor;
    scale[j] = slope.scale;
  }
  for (int64_t i = 0; a.dx != nullptr && i < p.n; i++) {
    const int64_t at = i * p.c + first;
    for_vectors<V>(width, [&](int64_t j, auto lanes) {
      const V g = get_lanes(a.g + at + j, lanes) - get_lanes(sum + j, lanes);
      const V centred = get_lanes(a.x + at + j, lanes) - get_lanes(mean + j, lanes);
      const V inner = training ? fnma(centred, get_lanes(x_factor + j, lanes), g) : g;
      put_lanes(a.dx + at + j, inner * get_lanes(scale + j, lanes), lanes);
    });
  }
}

}  // namespace

void batch_norm(const BatchNorm& p, bool training, const void* x, const void* w, const void* b, void* mean,
                void* var, void* y) {
  by_float(p.dtype, [&](auto type) {
    using T = decltype(type);
    const Norm<T> a = {static_cast<const T*>(x),      static_cast<const T*>(w),
                       static_cast<const T*>(b),      static_cast<Compute<T>*>(mean),
                       static_cast<Compute<T>*>(var), static_cast<T*>(y)};
    if (p.spatial > 1) return norm_channels(p, training, a);
    for_column_groups(p, [&](int64_t first, int64_t width) { norm_columns(p, training, a, first, width); });
  });
}

void batch_norm_grad(const BatchNorm& p, bool training, const void* g, const void* x, const void* w,
                     const void* mean, const void* var, void* dx, void* dw, void* db) {
  by_float(p.dtype, [&](auto type) {
    using T = decltype(type);
    const Grad<T> a = {static_cast<const T*>(g),
                       static_cast<const T*>(x),
                       static_cast<const T*>(w),
                       static_cast<const Compute<T>*>(mean),
                       static_cast<const Compute<T>*>(var),
                       static_cast<T*>(dx),
                       static_cast<T*>(dw),
                       static_cast<T*>(db)};
    if (p.spatial == 1) {
      return for_column_groups(
          p, [&](int64_t first, int64_t width) { grad_columns(p, training, a, first, width); });
    }
    parallel_range(p.c, max_of(1, kGrain / 2 / (p.n * p.spatial)), [&](int64_t from, int64_t to) {
      for (int64_t c = from; c < to; c++) grad_channel(p, training, a, c);
    });
  });
}

}  // namespace lamina::LAMINA_ISA
