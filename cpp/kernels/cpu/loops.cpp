// The threads behind parallel and parallel_range, and the setting that they obey. The only OpenMP but gemm's.
#include "kernels/cpu/loops.h"

#include "kernels/cpu/table.h"

namespace lamina::LAMINA_ISA {

int thread_count = 1;

void set_threads(int n) { __atomic_store_n(&thread_count, n < 1 ? 1 : n, __ATOMIC_RELAXED); }

static int64_t threads_for(int64_t chunks) {
  return min_of(min_of(__atomic_load_n(&thread_count, __ATOMIC_RELAXED), kMaxThreads), chunks);
}

namespace {
// The chunks that a thread has not begun yet, on a cache line of their own.
struct alignas(64) Share {
  int64_t next, end;
};
}  // namespace

void share_chunks(int64_t chunks, void (*body)(void* self, int64_t chunk), void* self) {
  const int64_t threads = threads_for(chunks);
  if (threads <= 1) {
    for (int64_t chunk = 0; chunk < chunks; chunk++) body(self, chunk);
    return;
  }
  Share shares[kMaxThreads];
  for (int64_t i = 0; i < threads; i++) shares[i] = {chunks * i / threads, chunks * (i + 1) / threads};
    // A team may come out smaller than asked for; whoever is there does all shares.
#pragma omp parallel num_threads(static_cast <int>(threads))
  {
    const int64_t own = omp_get_thread_num();
    for (int64_t turn = 0; turn < threads; turn++) {
      Share& share = shares[(own + turn) % threads];
      for (;;) {
        const int64_t chunk = __atomic_fetch_add(&share.next, 1, __ATOMIC_RELAXED);
        if (chunk >= share.end) break;
        body(self, chunk);
      }
    }
  }
}

void share_range(int64_t n, int64_t grain, void (*body)(void* self, int64_t begin, int64_t end), void* self) {
  if (n <= 0) return;
  if (threads_for(chunks_of(n, grain)) <= 1) return body(self, 0, n);
  parallel(chunks_of(n, grain),
           [&](int64_t chunk) { body(self, chunk * grain, min_of(n, (chunk + 1) * grain)); });
}

}  // namespace lamina::LAMINA_ISA
