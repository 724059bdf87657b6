// Sharing work between threads, and walking strided arrays. The threads themselves are in loops.cpp.
// Work is cut into chunks of fixed size, so that no result depends on how many threads share them.
#pragma once

#include "kernels/kernels.h"
#include "simd/simd.h"

namespace lamina::LAMINA_ISA {

extern int thread_count;  // written by set_threads
// Bytes of an output that the caches would not keep for the op that reads it: so large a one is written past
// them. Written by set_threads.
extern int64_t stream_bytes;
constexpr int kMaxThreads = 128;
// Which of the threads of the loop that runs this body: [0, most_threads()).
int thread_index();

// Elements of cheap work (a few operations each) that are worth a second thread.
constexpr int64_t kGrain = 32768;

LAMINA_INLINE int64_t min_of(int64_t a, int64_t b) { return a < b ? a : b; }
LAMINA_INLINE int64_t max_of(int64_t a, int64_t b) { return a > b ? a : b; }
LAMINA_INLINE int64_t most_threads() {
  return min_of(__atomic_load_n(&thread_count, __ATOMIC_RELAXED), kMaxThreads);
}
LAMINA_INLINE int64_t chunks_of(int64_t n, int64_t size) { return (n + size - 1) / size; }

LAMINA_INLINE void* erased(const void* p) { return const_cast<void*>(p); }

// What parallel and parallel_range do, for a body behind a pointer: so that a body is compiled once, not once
// per thread count.
void share_chunks(int64_t chunks, void (*body)(void* self, int64_t chunk), void* self);
void share_range(int64_t n, int64_t grain, void (*body)(void* self, int64_t begin, int64_t end), void* self);

// body(chunk) for every chunk in [0, chunks), in any order and on any thread. A thread takes the chunks of
// its own share first (the same ones in every op of this size, so that they may still lie in its cache), then
// helps with the others. With one thread, or one chunk, or inside of another loop, the caller does it all.
template <class F>
LAMINA_INLINE void parallel(int64_t chunks, F&& body) {
  auto* self = &body;
  share_chunks(
      chunks, [](void* f, int64_t chunk) { (*static_cast<decltype(self)>(f))(chunk); }, erased(self));
}

// body(begin, end) over [0, n) in ranges of `grain`, or of several times that: nothing may depend on where a
// range is cut.
template <class F>
LAMINA_INLINE void parallel_range(int64_t n, int64_t grain, F&& body) {
  auto* self = &body;
  share_range(
      n, grain, [](void* f, int64_t begin, int64_t end) { (*static_cast<decltype(self)>(f))(begin, end); },
      erased(self));
}

LAMINA_INLINE int64_t elements_of(const Walk& walk) {
  int64_t n = 1;
  for (int i = 0; i < walk.ndim; i++) n *= walk.shape[i];
  return n;
}

LAMINA_INLINE int64_t inner_stride(const Walk& walk, int operand) {
  return walk.ndim == 0 ? 1 : walk.strides[operand][walk.ndim - 1];
}

// for_runs for operands [first, last) alone.
template <class F>
void for_runs_between(const Walk& walk, int first, int last, const int64_t* sizes, int64_t begin, int64_t end,
                      F&& body) {
  char* data[kMaxOperands];
  for (int k = first; k < last; k++) data[k] = static_cast<char*>(walk.data[k]);
  if (walk.ndim <= 1) {
    for (int k = first; k < last; k++) data[k] += begin * inner_stride(walk, k) * sizes[k];
    body(static_cast<char* const*>(data), end - begin);
    return;
  }
  const int inner = walk.ndim - 1;
  int64_t place[kMaxDim];
  int64_t rest = begin;
  for (int i = inner; i >= 0; i--) {
    place[i] = rest % walk.shape[i];
    rest /= walk.shape[i];
    for (int k = first; k < last; k++) data[k] += place[i] * walk.strides[k][i] * sizes[k];
  }
  for (int64_t left = end - begin;;) {
    const int64_t n = min_of(left, walk.shape[inner] - place[inner]);
    body(static_cast<char* const*>(data), n);
    left -= n;
    if (left == 0) return;
    for (int k = first; k < last; k++) data[k] -= place[inner] * walk.strides[k][inner] * sizes[k];
    place[inner] = 0;
    for (int i = inner - 1; i >= 0; i--) {
      for (int k = first; k < last; k++) data[k] += walk.strides[k][i] * sizes[k];
      if (++place[i] < walk.shape[i]) break;
      for (int k = first; k < last; k++) data[k] -= walk.shape[i] * walk.strides[k][i] * sizes[k];
      place[i] = 0;
    }
  }
}

// body(data, n) for each run along the densest dimension within elements [begin, end) of the walk, in order:
// data[k] points at the run's first element of operand k, the others follow at inner_stride(walk, k).
// sizes[k]: bytes of an element of operand k.
template <class F>
void for_runs(const Walk& walk, const int64_t* sizes, int64_t begin, int64_t end, F&& body) {
  for_runs_between(walk, 0, walk.operands, sizes, begin, end, body);
}
// The same for operand k alone: body(data, n).
template <class F>
void for_runs_of(const Walk& walk, int k, int64_t size, int64_t begin, int64_t end, F&& body) {
  int64_t sizes[kMaxOperands];
  sizes[k] = size;
  for_runs_between(walk, k, k + 1, sizes, begin, end,
                   [&](char* const* data, int64_t n) { body(data[k], n); });
}

}  // namespace lamina::LAMINA_ISA
