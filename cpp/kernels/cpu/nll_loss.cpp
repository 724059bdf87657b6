// Negative log-likelihood of class targets, (n, classes, inner), and its slope; that of logits, with the
// softmax on the way, is cross_entropy_grad.
#include "kernels/cpu/element.h"
#include "kernels/cpu/table.h"
#include "simd/math.h"

namespace lamina::LAMINA_ISA {
namespace {

constexpr int64_t kParts = 64;  // partial sums, added up in order

template <class T>
void nll_loss_of(const Rows& r, const T* logp, const CrossEntropy* sums, const int64_t* target,
                 const T* weight, int64_t ignore, T* loss, double* total) {
  const T *shift = nullptr, *log_sum = nullptr;
  if (sums != nullptr)
    shift = static_cast<const T*>(sums->shift), log_sum = static_cast<const T*>(sums->log_sum);
  const int64_t places = r.outer * r.inner;
  const int64_t part = max_of(4096, chunks_of(places, kParts));
  double losses[kParts], weights[kParts];
  parallel(chunks_of(places, part), [&](int64_t chunk) {
    double loss_sum = 0, weight_sum = 0;
    const int64_t end = min_of(places, (chunk + 1) * part);
    int64_t outer = chunk * part / r.inner, inner = chunk * part % r.inner;
    for (int64_t i = chunk * part; i < end; i++) {
      const int64_t t = target[i];
      Compute<T> l = 0;
      if (t != ignore) {
        const Compute<T> w = weight != nullptr ? value_of(weight[t]) : Compute<T>(1);
        Compute<T> v = value_of(logp[(outer * r.n + t) * r.inner + inner]);
        if (sums != nullptr) v = (v - value_of(shift[i])) - value_of(log_sum[i]);
        l = -w * v;
        loss_sum += l;
        weight_sum += w;
      }
      if (loss != nullptr) loss[i] = element_of<T>(l);
      if (++inner == r.inner) {
        inner = 0;
        outer++;
      }
    }
    losses[chunk] = loss_sum;
    weights[chunk] = weight_sum;
  });
  if (total == nullptr) return;
  total[0] = total[1] = 0;
  for (int64_t i = 0; i < chunks_of(places, part); i++) {
    total[0] += losses[i];
    total[1] += weights[i];
  }
}

template <class T>
void nll_loss_grad_of(const Rows& r, const T* g, bool g_single, const int64_t* target, const T* weight,
                      int64_t ignore, double scale, T* dx) {
  parallel_range(r.outer, max_of(1, kGrain / (r.n * r.inner)), [&](int64_t begin, int64_t end) {
    for (int64_t outer = begin; outer < end; outer++) {
      T* slab = dx + outer * r.n * r.inner;
      memset(static_cast<void*>(slab), 0, static_cast<size_t>(r.n * r.inner) * sizeof(T));
      for (int64_t inner = 0; inner < r.inner; inner++) {
        const int64_t i = outer * r.inner + inner;
        const int64_t t = target[i];
        if (t == ignore) continue;
        const double w = weight != nullptr ? static_cast<double>(value_of(weight[t])) : 1.0;
        const double slope = -w * static_cast<double>(value_of(g[g_single ? 0 : i])) * scale;
        slab[t * r.inner + inner] = element_of<T>(static_cast<Compute<T>>(slope));
      }
    }
  });
}

constexpr int64_t kColumns = 256;

// The slope at a place: all * p - even * weight, and less own at the target.
template <class T>
struct Slope {
  T all, even, own;
  int64_t target;

  Slope(const CrossEntropy& p, int64_t i, T g) : all(0), even(0), own(0), target(p.target[i]) {
    if (target == p.ignore) return;
    const T* weight = static_cast<const T*>(p.weight);
    own = g * (weight != nullptr ? weight[target] : T(1)) * static_cast<T>(1 - p.smoothing);
    even = g * static_cast<T>(p.smoothing / static_cast<double>(p.classes));
    all = own + even * static_cast<T>(p.weight_sum);
  }
};

template <class T>
LAMINA_INLINE Vec<T> slope_of(Vec<T> x, Vec<T> shift, Vec<T> log_sum, Vec<T> all, Vec<T> even) {
  return all * exp(x - shift - log_sum) - even;
}

template <class T>
void cross_entropy_grad_row(const CrossEntropy& p, bool streamed, int64_t i, T g, const T* x, T* dx) {
  using V = Vec<T>;
  const Slope<T> s(p, i, g);
  const T* weight = static_cast<const T*>(p.weight);
  const V shift = set<V>(static_cast<const T*>(p.shift)[i]), all = set<V>(s.all), even = set<V>(s.even);
  const V log_sum = set<V>(static_cast<const T*>(p.log_sum)[i]);
  write_vectors(streamed, dx, p.classes, [&](int64_t c, auto lanes) {
    __builtin_prefetch(x + p.classes + c, 0, 2);
    const V e = weight != nullptr ? even * get_lanes(weight + c, lanes) : even;
    return slope_of<T>(get_lanes(x + c, lanes), shift, log_sum, all, e);
  });
  if (s.own != 0) dx[s.target] -= s.own;
}

template <class T>
void cross_entropy_grad_columns(const CrossEntropy& p, bool streamed, int64_t i, int64_t columns, const T* g,
                                bool g_single, T scale, const T* x, T* dx) {
  using V = Vec<T>;
  alignas(64) T all[kColumns], even[kColumns], own[kColumns];
  const T *shift = static_cast<const T*>(p.shift) + i, *log_sum = static_cast<const T*>(p.log_sum) + i;
  for (int64_t j = 0; j < columns; j++) {
    const Slope<T> s(p, i + j, scale * g[g_single ? 0 : i + j]);
    all[j] = s.all, even[j] = s.even, own[j] = s.own;
  }
  for (int64_t c = 0; c < p.classes; c++) {
    const V w = set<V>(p.weight != nullptr ? static_cast<const T*>(p.weight)[c] : T(1));
    const T* from = x + c * p.inner;
    write_vectors(streamed, dx + c * p.inner, columns, [&](int64_t j, auto lanes) {
      return slope_of<T>(get_lanes(from + j, lanes), get_lanes(shift + j, lanes),
                         get_lanes(log_sum + j, lanes), get_lanes(all + j, lanes),
                         w * get_lanes(even + j, lanes));
    });
  }
  for (int64_t j = 0; j < columns; j++) {
    if (own[j] != 0) dx[p.target[i + j] * p.inner + j] -= own[j];
  }
}

template <class T>
void cross_entropy_grad_of(const CrossEntropy& p, const T* x, const T* g, bool g_single, T scale, T* dx) {
  const bool streamed = is_streamed(p.dtype, p.outer * p.classes * p.inner);
  if (p.inner == 1) {
    return parallel_range(p.outer, max_of(1, kGrain / 4 / p.classes), [&](int64_t begin, int64_t end) {
      for (int64_t i = begin; i < end; i++)
        cross_entropy_grad_row(p, streamed, i, scale * g[g_single ? 0 : i], x + i * p.classes,
                               dx + i * p.classes);
      stream_fence();
    });
  }
  const int64_t groups = chunks_of(p.inner, kColumns);
  const int64_t grain = max_of(1, kGrain / 4 / (p.classes * min_of(kColumns, p.inner)));
  parallel_range(p.outer * groups, grain, [&](int64_t begin, int64_t end) {
    for (int64_t k = begin; k < end; k++) {
      const int64_t outer = k / groups, first = k % groups * kColumns;
      const int64_t at = outer * p.classes * p.inner + first;
      cross_entropy_grad_columns(p, streamed, outer * p.inner + first, min_of(kColumns, p.inner - first), g,
                                 g_single, scale, x + at, dx + at);
    }
    stream_fence();
  });
}

}  // namespace

void cross_entropy_grad(const CrossEntropy& p, const void* x, const void* g, bool g_single, double scale,
                        void* dx) {
  const auto run = [&](auto type) {
    using T = decltype(type);
    cross_entropy_grad_of(p, static_cast<const T*>(x), static_cast<const T*>(g), g_single,
                          static_cast<T>(scale), static_cast<T*>(dx));
  };
  p.dtype == Dtype::Float64 ? run(double()) : run(float());
}

void nll_loss(const Rows& r, const void* logp, const CrossEntropy* sums, const int64_t* target,
              const void* weight, int64_t ignore, void* loss, double* total) {
  by_float(r.dtype, [&](auto type) {
    using T = decltype(type);
    nll_loss_of(r, static_cast<const T*>(logp), sums, target, static_cast<const T*>(weight), ignore,
                static_cast<T*>(loss), total);
  });
}

void nll_loss_grad(const Rows& r, const void* g, bool g_single, const int64_t* target, const void* weight,
                   int64_t ignore, double scale, void* dx) {
  by_float(r.dtype, [&](auto type) {
    using T = decltype(type);
    nll_loss_grad_of(r, static_cast<const T*>(g), g_single, target, static_cast<const T*>(weight), ignore,
                     scale, static_cast<T*>(dx));
  });
}

}  // namespace lamina::LAMINA_ISA
