// Mean and sum of squared deviations, of runs and of columns: two passes over a block that fits the cache,
// blocks joined as in Chan, Golub and LeVeque, "Updating formulae and a pairwise algorithm for computing
// sample variances" (1979).
#pragma once

#include "kernels/cpu/element.h"

namespace lamina::LAMINA_ISA {
namespace {

constexpr int64_t kMomentBlock = 8192;  // elements of a block
constexpr int64_t kMomentRows = 64;     // rows of a block of columns

struct Moment {
  double count = 0, mean = 0, m2 = 0;

  void join(const Moment& other) {
    const double total = count + other.count;
    const double delta = other.mean - mean;
    m2 += other.m2 + delta * delta * (count * other.count / total);
    mean += delta * (other.count / total);
    count = total;
  }
};

// `count` runs of `length` dense elements, their starts `stride` apart.
struct Runs {
  int64_t count, stride, length;
};

// body(offset, runs) for parts of the runs of at most `block` elements, in order.
template <class F>
LAMINA_INLINE void for_blocks(const Runs& runs, int64_t block, F&& body) {
  if (runs.length >= block) {
    for (int64_t i = 0; i < runs.count; i++) {
      for (int64_t j = 0; j < runs.length; j += block) {
        body(i * runs.stride + j, Runs{1, 0, min_of(block, runs.length - j)});
      }
    }
  } else {
    const int64_t group = block / runs.length;
    for (int64_t i = 0; i < runs.count; i += group) {
      body(i * runs.stride, Runs{min_of(group, runs.count - i), runs.stride, runs.length});
    }
  }
}

// body(k, offset, lanes) for the vectors of the runs; k, 0 or 1, alternates where it pays to keep two
// accumulators.
template <class V, class F>
LAMINA_INLINE void for_run_vectors(const Runs& runs, F&& body) {
  constexpr int w = V::width;
  for (int64_t i = 0; i < runs.count; i++) {
    const int64_t start = i * runs.stride;
    int64_t j = 0;
    for (; j + 2 * w <= runs.length; j += 2 * w) {
      body(0, start + j, FullWidth<V>());
      body(1, start + j + w, FullWidth<V>());
    }
    for (; j + w <= runs.length; j += w) body(0, start + j, FullWidth<V>());
    if (j < runs.length) body(1, start + j, runs.length - j);
  }
}

template <class T>
Moment moment_of_block(const T* x, const Runs& runs) {
  using V = Lanes<T>;
  const double count = static_cast<double>(runs.count * runs.length);
  V sum[2] = {zero<V>(), zero<V>()};
  for_run_vectors<V>(runs, [&](int k, int64_t i, auto lanes) { sum[k] += get_lanes(x + i, lanes); });
  const Compute<T> mean = static_cast<Compute<T>>(static_cast<double>(reduce_add(sum[0] + sum[1])) / count);
  // The deviations from a rounded mean do not add up to 0: what they add up to corrects it.
  const V m = set<V>(mean);
  V first[2] = {zero<V>(), zero<V>()}, second[2] = {zero<V>(), zero<V>()};
  for_run_vectors<V>(runs, [&](int k, int64_t i, auto lanes) {
    const V d = first_lanes(get_lanes(x + i, lanes) - m, zero<V>(), lanes);
    first[k] += d;
    second[k] = fma(d, d, second[k]);
  });
  const double rest = static_cast<double>(reduce_add(first[0] + first[1]));
  const double squares = static_cast<double>(reduce_add(second[0] + second[1]));
  const double m2 = squares - rest * rest / count;
  return {count, mean + rest / count, m2 < 0 ? 0 : m2};
}

template <class T>
Moment moment_of(const T* x, const Runs& runs) {
  Moment all;
  for_blocks(runs, kMomentBlock,
             [&](int64_t offset, const Runs& block) { all.join(moment_of_block(x + offset, block)); });
  return all;
}

// The same for each of `width` columns of n rows, `stride` apart. At most kMomentColumns.
constexpr int64_t kMomentColumns = 128;
template <class T>
void moment_of_columns(const T* x, int64_t n, int64_t stride, int64_t width, double* mean, double* m2) {
  using V = Lanes<T>;
  using C = Compute<T>;
  alignas(64) C sum[kMomentColumns], centre[kMomentColumns], first[kMomentColumns], second[kMomentColumns];
  for (int64_t begin = 0; begin < n; begin += kMomentRows) {
    const int64_t end = min_of(begin + kMomentRows, n);
    const double count = static_cast<double>(end - begin);
    for (int64_t j = 0; j < width; j++) sum[j] = first[j] = second[j] = 0;
    for (int64_t i = begin; i < end; i++) {
      for_vectors<V>(width, [&](int64_t j, auto lanes) {
        __builtin_prefetch(x + (i + 8) * stride + j);
        put_lanes(sum + j, get_lanes(sum + j, lanes) + get_lanes(x + i * stride + j, lanes), lanes);
      });
    }
    for (int64_t j = 0; j < width; j++) centre[j] = static_cast<C>(static_cast<double>(sum[j]) / count);
    for (int64_t i = begin; i < end; i++) {
      for_vectors<V>(width, [&](int64_t j, auto lanes) {
        const V d = get_lanes(x + i * stride + j, lanes) - get_lanes(centre + j, lanes);
        put_lanes(first + j, get_lanes(first + j, lanes) + d, lanes);
        put_lanes(second + j, fma(d, d, get_lanes(second + j, lanes)), lanes);
      });
    }
    for (int64_t j = 0; j < width; j++) {
      const double rest = first[j];
      const double squares = second[j] - rest * rest / count;
      Moment all = {static_cast<double>(begin), begin == 0 ? 0 : mean[j], begin == 0 ? 0 : m2[j]};
      all.join({count, centre[j] + rest / count, squares < 0 ? 0 : squares});
      mean[j] = all.mean;
      m2[j] = all.m2;
    }
  }
}

}  // namespace
}  // namespace lamina::LAMINA_ISA
