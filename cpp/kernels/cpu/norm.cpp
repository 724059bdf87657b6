// Normalisation of rows by their own mean and spread: layer_norm, rms_norm, group_norm and instance_norm,
// with their slopes. batch_norm is in batch_norm.cpp.
#include "kernels/cpu/moment.h"
#include "kernels/cpu/table.h"

namespace lamina::LAMINA_ISA {
namespace {

// A stretch of a row over which weight and bias are either one value each (per channel) or lie beside the
// elements.
struct Stretch {
  int64_t begin, end;  // in the row
  int64_t affine;      // the channel, or `begin` where there is one value per position
};

template <class F>
LAMINA_INLINE void for_stretches(const RowNorm& p, int64_t row, F&& body) {
  if (p.channel_size == 0) return body(Stretch{0, p.n, 0});
  int64_t begin = 0;
  while (begin < p.n) {
    const int64_t place = row * p.n + begin;
    const int64_t end = min_of(p.n, begin + p.channel_size - place % p.channel_size);
    body(Stretch{begin, end, place / p.channel_size % p.channels});
    begin = end;
  }
}

// The affine values of a stretch as vectors; null stands for `other`.
template <class T>
struct Affine {
  const T* values;
  bool per_channel;
  Lanes<T> single;

  Affine(const T* data, bool channel, const Stretch& s, Compute<T> other)
      : values(data == nullptr || channel ? nullptr : data + s.affine),
        per_channel(channel),
        single(set<Lanes<T>>(data == nullptr || !channel ? other : value_of(data[s.affine]))) {}
  template <class L>
  Lanes<T> at(int64_t i, L lanes) const {
    return values == nullptr ? single : get_lanes(values + i, lanes);
  }
};

template <class T>
double sum_of_squares(const T* x, int64_t n) {
  using V = Lanes<T>;
  double total = 0;
  for_blocks({1, 0, n}, kMomentBlock, [&](int64_t offset, const Runs& runs) {
    V sum[2] = {zero<V>(), zero<V>()};
    for_run_vectors<V>(runs, [&](int k, int64_t i, auto lanes) {
      const V v = get_lanes(x + offset + i, lanes);
      sum[k] = fma(v, v, sum[k]);
    });
    total += static_cast<double>(reduce_add(sum[0] + sum[1]));
  });
  return total;
}

template <class T>
void row_norm_of(const RowNorm& p, const T* x, const T* w, const T* b, T* y, Compute<T>* mean,
                 Compute<T>* rstd) {
  using V = Lanes<T>;
  const bool channel = p.channel_size > 0, streamed = is_streamed(p.dtype, p.rows * p.n);
  parallel_range(p.rows, max_of(1, kGrain / 2 / p.n), [&](int64_t from, int64_t to) {
    for (int64_t row = from; row < to; row++) {
      const T* in = x + row * p.n;
      T* out = y + row * p.n;
      Moment m;
      if (p.rms) {
        m.m2 = sum_of_squares(in, p.n);
      } else {
        m = moment_of(in, {1, 0, p.n});
      }
      const double scale = 1 / __builtin_sqrt(m.m2 / static_cast<double>(p.n) + p.eps);
      mean[row] = static_cast<Compute<T>>(m.mean);
      rstd[row] = static_cast<Compute<T>>(scale);
      const V centre = set<V>(mean[row]), spread = set<V>(rstd[row]);
      for_stretches(p, row, [&](const Stretch& s) {
        const Affine<T> weight(w, channel, s, 1), bias(b, channel, s, 0);
        const T* from = in + s.begin;
        write_vectors(streamed, out + s.begin, s.end - s.begin, [&](int64_t i, auto lanes) {
          __builtin_prefetch(from + p.n + i, 0, 2);
          const V normal = (get_lanes(from + i, lanes) - centre) * spread;
          return fma(normal, weight.at(i, lanes), bias.at(i, lanes));
        });
      });
    }
    stream_fence();
  });
}

// Rows whose parts of dw and db are added up before they meet those of other rows.
int64_t group_of(const RowNorm& p) { return max_of(8, min_of(64, p.rows / 16)); }
int64_t affine_count(const RowNorm& p) { return p.channel_size > 0 ? p.channels : p.n; }

template <class T>
struct Grad {
  const T* g;
  const T* x;
  const T* w;
  T* dx;
  bool streamed;
};

// With xhat = (x - mean) * rstd and gw = g * w: dx = rstd * (gw - mean(gw) - xhat * mean(gw * xhat)), dw =
// sum(g * xhat), db = sum(g); rms_norm has no mean(gw).
template <class T>
void row_grad(const RowNorm& p, int64_t row, const Grad<T>& a, Compute<T> mean, Compute<T> rstd,
              Compute<T>* dw, Compute<T>* db) {
  using V = Lanes<T>;
  const bool channel = p.channel_size > 0;
  const T* g = a.g + row * p.n;
  const T* x = a.x + row * p.n;
  const V centre = set<V>(mean), spread = set<V>(rstd);
  double sum = 0, dot = 0;  // of gw, of gw * xhat
  for_stretches(p, row, [&](const Stretch& s) {
    const Affine<T> weight(a.w, channel, s, 1);
    for (int64_t block = s.begin; block < s.end; block += kMomentBlock) {
      const int64_t n = min_of(kMomentBlock, s.end - block), shift = block - s.begin;
      V gw = zero<V>(), gwx = zero<V>();
      for_vectors<V>(n, [&](int64_t i, auto lanes) {
        const V gi = get_lanes(g + block + i, lanes);
        const V xhat = (get_lanes(x + block + i, lanes) - centre) * spread;
        if (channel) {
          gw += gi;
          gwx = fma(gi, xhat, gwx);
        } else {
          const V scaled = gi * weight.at(shift + i, lanes);
          gw += scaled;
          gwx = fma(scaled, xhat, gwx);
          put_lanes(dw + block + i, fma(gi, xhat, get_lanes(dw + block + i, lanes)), lanes);
          put_lanes(db + block + i, get_lanes(db + block + i, lanes) + gi, lanes);
        }
      });
      const Compute<T> part = reduce_add(gw), part_dot = reduce_add(gwx);
      const double scale = channel && a.w != nullptr ? static_cast<double>(value_of(a.w[s.affine])) : 1.0;
      sum += scale * static_cast<double>(part);
      dot += scale * static_cast<double>(part_dot);
      if (channel) {
        dw[s.affine] += part_dot;
        db[s.affine] += part;
      }
    }
  });
  if (a.dx == nullptr) return;
  T* dx = a.dx + row * p.n;
  const V mean_gw = set<V>(static_cast<Compute<T>>(p.rms ? 0 : sum / static_cast<double>(p.n)));
  const V mean_dot = set<V>(static_cast<Compute<T>>(dot / static_cast<double>(p.n)));
  for_stretches(p, row, [&](const Stretch& s) {
    const Affine<T> weight(a.w, channel, s, 1);
    const T* gs = g + s.begin;
    const T* xs = x + s.begin;
    write_vectors(a.streamed, dx + s.begin, s.end - s.begin, [&](int64_t i, auto lanes) {
      __builtin_prefetch(gs + p.n + i, 0, 2);
      __builtin_prefetch(xs + p.n + i, 0, 2);
      const V xhat = (get_lanes(xs + i, lanes) - centre) * spread;
      return (fnma(xhat, mean_dot, get_lanes(gs + i, lanes) * weight.at(i, lanes)) - mean_gw) * spread;
    });
  });
}

template <class T>
void add_groups(const Compute<T>* parts, int64_t groups, int64_t stride, int64_t n, T* out) {
  constexpr int64_t kWidth = 256;
  if (out == nullptr) return;
  parallel_range(chunks_of(n, kWidth), max_of(1, kGrain / (groups * kWidth)), [&](int64_t from, int64_t to) {
    double sum[kWidth];
    for (int64_t first = from * kWidth; first < min_of(n, to * kWidth); first += kWidth) {
      const int64_t width = min_of(kWidth, n - first);
      for (int64_t j = 0; j < width; j++) sum[j] = 0;
      for (int64_t i = 0; i < groups; i++) {
        const Compute<T>* part = parts + i * stride + first;
        for (int64_t j = 0; j < width; j++) sum[j] += part[j];
      }
      for (int64_t j = 0; j < width; j++) out[first + j] = element_of<T>(static_cast<Compute<T>>(sum[j]));
    }
  });
}

template <class T>
void row_norm_grad_of(const RowNorm& p, const Grad<T>& a, const Compute<T>* mean, const Compute<T>* rstd,
                      T* dw, T* db, Compute<T>* parts) {
  const int64_t group = group_of(p), groups = chunks_of(p.rows, group), affine = affine_count(p);
  parallel_range(groups, max_of(1, kGrain / 4 / (group * p.n)), [&](int64_t from, int64_t to) {
    for (int64_t i = from; i < to; i++) {
      Compute<T>* part = parts + i * 2 * affine;
      memset(part, 0, static_cast<size_t>(2 * affine) * sizeof *part);
      for (int64_t row = i * group; row < min_of(p.rows, (i + 1) * group); row++) {
        row_grad(p, row, a, p.rms ? Compute<T>(0) : mean[row], rstd[row], part, part + affine);
      }
    }
    stream_fence();
  });
  add_groups(parts, groups, 2 * affine, affine, dw);
  add_groups(parts + affine, groups, 2 * affine, affine, db);
}

}  // namespace

void row_norm(const RowNorm& p, const void* x, const void* w, const void* b, void* y, void* mean,
              void* rstd) {
  by_float(p.dtype, [&](auto type) {
    using T = decltype(type);
    row_norm_of(p, static_cast<const T*>(x), static_cast<const T*>(w), static_cast<const T*>(b),
                static_cast<T*>(y), static_cast<Compute<T>*>(mean), static_cast<Compute<T>*>(rstd));
  });
}

size_t row_norm_grad_scratch(const RowNorm& p) {
  const size_t size = p.dtype == Dtype::Float64 ? sizeof(double) : sizeof(float);
  return static_cast<size_t>(chunks_of(p.rows, group_of(p)) * 2 * affine_count(p)) * size;
}

void row_norm_grad(const RowNorm& p, const void* g, const void* x, const void* w, const void* mean,
                   const void* rstd, void* dx, void* dw, void* db, void* scratch) {
  by_float(p.dtype, [&](auto type) {
    using T = decltype(type);
    const Grad<T> a = {static_cast<const T*>(g), static_cast<const T*>(x), static_cast<const T*>(w),
                       static_cast<T*>(dx), is_streamed(p.dtype, p.rows * p.n)};
    row_norm_grad_of(p, a, static_cast<const Compute<T>*>(mean), static_cast<const Compute<T>*>(rstd),
                     static_cast<T*>(dw), static_cast<T*>(db), static_cast<Compute<T>*>(scratch));
  });
}

}  // namespace lamina::LAMINA_ISA
