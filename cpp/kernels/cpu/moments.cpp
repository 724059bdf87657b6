// Mean and variance along n of (outer, n, inner).
#include "kernels/cpu/moment.h"
#include "kernels/cpu/table.h"

namespace lamina::LAMINA_ISA {
namespace {

constexpr int64_t kParts = 64;    // of a long run, each with its own Moment
constexpr int64_t kPart = 65536;  // elements that a part has at least

template <class T>
void write(T* mean, T* var, int64_t i, double centre, double m2, double divisor) {
  if (mean != nullptr) mean[i] = element_of<T>(static_cast<Compute<T>>(centre));
  const double v = divisor > 0 ? m2 / divisor : __builtin_nan("");
  var[i] = element_of<T>(static_cast<Compute<T>>(v));
}

template <class T>
Moment moment_of_long_run(const T* x, int64_t n) {
  const int64_t part = max_of(kPart, chunks_of(chunks_of(n, kParts), kMomentBlock) * kMomentBlock);
  Moment parts[kParts];
  parallel(chunks_of(n, part), [&](int64_t i) {
    parts[i] = moment_of(x + i * part, {1, 0, min_of(part, n - i * part)});
  });
  for (int64_t i = 1; i < chunks_of(n, part); i++) parts[0].join(parts[i]);
  return parts[0];
}

template <class T>
void moments_of(const Rows& r, const T* x, double correction, T* mean, T* var) {
  const double divisor = static_cast<double>(r.n) - correction;
  if (r.inner == 1 && r.outer < 8 && r.n >= 2 * kPart) {
    for (int64_t i = 0; i < r.outer; i++) {
      const Moment m = moment_of_long_run(x + i * r.n, r.n);
      write(mean, var, i, m.mean, m.m2, divisor);
    }
  } else if (r.inner == 1) {
    parallel_range(r.outer, max_of(1, kGrain / r.n), [&](int64_t begin, int64_t end) {
      for (int64_t i = begin; i < end; i++) {
        const Moment m = moment_of(x + i * r.n, {1, 0, r.n});
        write(mean, var, i, m.mean, m.m2, divisor);
      }
    });
  } else {
    const int64_t groups = chunks_of(r.inner, kMomentColumns);
    const int64_t grain = max_of(1, kGrain / (r.n * min_of(r.inner, kMomentColumns)));
    parallel_range(r.outer * groups, grain, [&](int64_t begin, int64_t end) {
      double centre[kMomentColumns], m2[kMomentColumns];
      for (int64_t i = begin; i < end; i++) {
        const int64_t first = i % groups * kMomentColumns;
        const int64_t outer = i / groups;
        const int64_t width = min_of(kMomentColumns, r.inner - first);
        moment_of_columns(x + outer * r.n * r.inner + first, r.n, r.inner, width, centre, m2);
        for (int64_t j = 0; j < width; j++) {
          write(mean, var, outer * r.inner + first + j, centre[j], m2[j], divisor);
        }
      }
    });
  }
}

}  // namespace

void moments(const Rows& r, const void* in, double correction, void* mean, void* var) {
  by_float(r.dtype, [&](auto type) {
    using T = decltype(type);
    moments_of(r, static_cast<const T*>(in), correction, static_cast<T*>(mean), static_cast<T*>(var));
  });
}

}  // namespace lamina::LAMINA_ISA
