// Negative log-likelihood of class targets, (n, classes, inner), and its slope.
#include "kernels/cpu/element.h"
#include "kernels/cpu/table.h"

namespace lamina::LAMINA_ISA {
namespace {

constexpr int64_t kParts = 64;  // partial sums, added up in order

template <class T>
void nll_loss_of(const Rows& r, const T* logp, const int64_t* target, const T* weight, int64_t ignore,
                 T* loss, double* total) {
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
        l = -w * value_of(logp[(outer * r.n + t) * r.inner + inner]);
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

}  // namespace

void nll_loss(const Rows& r, const void* logp, const int64_t* target, const void* weight, int64_t ignore,
              void* loss, double* total) {
  by_float(r.dtype, [&](auto type) {
    using T = decltype(type);
    nll_loss_of(r, static_cast<const T*>(logp), target, static_cast<const T*>(weight), ignore,
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
