// Sharing work between threads, and walking strided arrays. The only OpenMP but gemm's.
// Work is cut into chunks of fixed size, so that no result depends on how many threads share them.
#pragma once

#include <omp.h>

#include "kernels/kernels.h"
#include "simd/simd.h"

namespace lamina::LAMINA_ISA {

extern int thread_count;  // written by set_threads, 1 in a forked child

constexpr int kMaxThreads = 128;
// Elements of cheap work (a few operations each) that are worth a second thread.
constexpr int64_t kGrain = 32768;

LAMINA_INLINE int64_t min_of(int64_t a, int64_t b) { return a < b ? a : b; }
LAMINA_INLINE int64_t max_of(int64_t a, int64_t b) { return a > b ? a : b; }
LAMINA_INLINE int64_t chunks_of(int64_t n, int64_t size) { return (n + size - 1) / size; }

// body(chunk) for every chunk in [0, chunks), in any order and on any thread. A thread takes the chunks of
// its own share first (the same ones in every op of this size, so that they may still lie in its cache), then
// helps with the others. With one thread, or one chunk, the OpenMP library is not entered: it does not
// survive a fork.
template <class F>
void parallel(int64_t chunks, F&& body) {
  const int64_t wanted =
      min_of(min_of(__atomic_load_n(&thread_count, __ATOMIC_RELAXED), kMaxThreads), chunks);
  if (wanted <= 1) {
    for (int64_t chunk = 0; chunk < chunks; chunk++) body(chunk);
    return;
  }
  struct alignas(64) Share {
    int64_t next, end;
  };
  Share shares[kMaxThreads];
  for (int64_t i = 0; i < wanted; i++) shares[i] = {chunks * i / wanted, chunks * (i + 1) / wanted};
#pragma omp parallel num_threads(static_cast <int>(wanted))
  {
    const int64_t self = omp_get_thread_num();
    for (int64_t turn = 0; turn < wanted; turn++) {
      Share& share = shares[(self + turn) % wanted];
      int64_t chunk;
      while ((chunk = __atomic_fetch_add(&share.next, 1, __ATOMIC_RELAXED)) < share.end) body(chunk);
    }
  }
}

// body(begin, end) over [0, n) in ranges of `grain`, or of several times that: nothing may depend on where a
// range is cut.
template <class F>
void parallel_range(int64_t n, int64_t grain, F&& body) {
  if (n <= grain || __atomic_load_n(&thread_count, __ATOMIC_RELAXED) <= 1) {
    if (n > 0) body(int64_t(0), n);
    return;
  }
  parallel(chunks_of(n, grain), [&](int64_t chunk) { body(chunk * grain, min_of(n, (chunk + 1) * grain)); });
}

LAMINA_INLINE int64_t elements_of(const Walk& walk) {
  int64_t n = 1;
  for (int i = 0; i < walk.ndim; i++) n *= walk.shape[i];
  return n;
}

LAMINA_INLINE int64_t inner_stride(const Walk& walk, int operand) {
  return walk.ndim == 0 ? 1 : walk.strides[operand][walk.ndim - 1];
}

// body(data, n) for each run along the densest dimension within elements [begin, end) of the walk, in order:
// data[k] points at the run's first element of operand k, the others follow at inner_stride(walk, k).
// sizes[k]: bytes of an element.
template <class F>
void for_runs(const Walk& walk, const int64_t* sizes, int64_t begin, int64_t end, F&& body) {
  char* data[kMaxOperands];
  for (int k = 0; k < walk.operands; k++) data[k] = static_cast<char*>(walk.data[k]);
  if (walk.ndim <= 1) {
    for (int k = 0; k < walk.operands; k++) data[k] += begin * inner_stride(walk, k) * sizes[k];
    body(static_cast<char* const*>(data), end - begin);
    return;
  }
  int64_t place[kMaxDim];
  int64_t rest = begin;
  for (int i = walk.ndim - 1; i >= 0; i--) {
    place[i] = rest % walk.shape[i];
    rest /= walk.shape[i];
    for (int k = 0; k < walk.operands; k++) data[k] += place[i] * walk.strides[k][i] * sizes[k];
  }
  const int last = walk.ndim - 1;
  for (int64_t left = end - begin;;) {
    const int64_t n = min_of(left, walk.shape[last] - place[last]);
    body(static_cast<char* const*>(data), n);
    left -= n;
    if (left == 0) return;
    for (int k = 0; k < walk.operands; k++) data[k] -= place[last] * walk.strides[k][last] * sizes[k];
    place[last] = 0;
    for (int i = last - 1; i >= 0; i--) {
      for (int k = 0; k < walk.operands; k++) data[k] += walk.strides[k][i] * sizes[k];
      if (++place[i] < walk.shape[i]) break;
      for (int k = 0; k < walk.operands; k++) data[k] -= walk.shape[i] * walk.strides[k][i] * sizes[k];
      place[i] = 0;
    }
  }
}

}  // namespace lamina::LAMINA_ISA
