// The threads behind parallel and parallel_range. A pool of our own and not OpenMP's, whose barrier waits for
// every thread to arrive even when no work is left: on a machine that is shared with others, a thread that
// the system has not run yet then costs milliseconds per loop. Here the caller goes on as soon as the last
// chunk is done, whoever did it, and a process that was forked starts its own threads.
#include "kernels/cpu/loops.h"

#include <linux/futex.h>
#include <pthread.h>
#include <sched.h>
#include <signal.h>
#include <sys/syscall.h>
#include <time.h>
#include <unistd.h>

#include "kernels/cpu/table.h"

namespace lamina::LAMINA_ISA {

int thread_count = 1;
int64_t stream_bytes = int64_t(64) << 20;

namespace {

// The chunks that nobody has begun yet, on a cache line of their own.
struct alignas(64) Share {
  int64_t next, end;
};

// One job at a time. Who finds the pool busy does the work alone.
struct Pool {
  alignas(64) uint32_t round = 0;       // counts jobs; workers sleep on it
  alignas(64) uint32_t open_round = 0;  // the round that may be joined; 0: none
  alignas(64) int32_t inside = 0;       // workers that may be looking at the job
  alignas(64) int32_t sleeping = 0;
  alignas(64) int32_t busy = 0;
  int32_t workers = 0;
  int32_t late = 0;  // jobs on end that were done before a sleeping worker woke up
  pthread_t worker[kMaxThreads] = {};
  pid_t process = 0;
  // the job
  void (*body)(void* self, int64_t chunk) = nullptr;
  void* self = nullptr;
  int64_t threads = 0;
  Share shares[kMaxThreads] = {};
};
Pool pool;

__thread int own_index = 0;

// Nanoseconds. A worker waits so long for the next loop of a network whose layers Python calls: to sleep and
// be woken takes as long as a small layer. The caller waits less for the last worker, who may have been taken
// off its core.
constexpr int64_t kPatienceOfWorker = 200000, kPatienceOfCaller = 50000;

// Takes 10 to 50 nanoseconds; the CPU decides.
void pause_briefly() {
#if defined(__x86_64__)
  __builtin_ia32_pause();
#else
  asm volatile("yield");
#endif
}

int64_t now_in_nanoseconds() {
  timespec now;
  clock_gettime(CLOCK_MONOTONIC, &now);
  return int64_t(now.tv_sec) * 1000000000 + now.tv_nsec;
}

// Pauses until `ready` or for so long at most; whether it became so.
template <class F>
bool wait_awake(int64_t patience, F&& ready) {
  int64_t start = 0;
  for (int i = 0;; i++) {
    if (ready()) return true;
    pause_briefly();
    if (i % 64 != 63) continue;
    const int64_t now = now_in_nanoseconds();
    if (start == 0) start = now;
    if (now - start > patience) return false;
  }
}

template <class T>
T read(const T& x) {
  return __atomic_load_n(&x, __ATOMIC_SEQ_CST);
}

// Every chunk that is still to be begun, those of the own share first.
void work(int64_t own) {
  for (int64_t turn = 0; turn < pool.threads; turn++) {
    Share& share = pool.shares[(own + turn) % pool.threads];
    for (;;) {
      const int64_t chunk = __atomic_fetch_add(&share.next, 1, __ATOMIC_RELAXED);
      if (chunk >= share.end) break;
      pool.body(pool.self, chunk);
    }
  }
}

uint32_t wait_for_round_after(uint32_t seen) {
  if (wait_awake(kPatienceOfWorker, [&] { return read(pool.round) != seen; })) return read(pool.round);
  __atomic_fetch_add(&pool.sleeping, 1, __ATOMIC_SEQ_CST);
  uint32_t now;
  while ((now = read(pool.round)) == seen)
    syscall(SYS_futex, &pool.round, FUTEX_WAIT_PRIVATE, seen, nullptr, nullptr, 0);
  __atomic_fetch_sub(&pool.sleeping, 1, __ATOMIC_SEQ_CST);
  return now;
}

void* worker(void* index) {
  own_index = static_cast<int>(reinterpret_cast<intptr_t>(index));
  uint32_t seen = 0;
  for (;;) {
    seen = wait_for_round_after(seen);
    // Either this thread sees the round closed, or the caller sees it inside: both orders are sequentially
    // consistent.
    __atomic_fetch_add(&pool.inside, 1, __ATOMIC_SEQ_CST);
    if (read(pool.open_round) == seen && own_index < pool.threads) work(own_index);
    __atomic_fetch_sub(&pool.inside, 1, __ATOMIC_SEQ_CST);
  }
  return nullptr;
}

// The system likes to begin and to wake a thread where its maker runs, and may leave both there for tens of
// milliseconds. Forbidden that processor for a moment, the thread moves to another.
void move_away(pthread_t thread) {
  cpu_set_t all;
  const int here = sched_getcpu();
  if (here < 0 || sched_getaffinity(0, sizeof(all), &all) != 0 || CPU_COUNT(&all) < 2) return;
  cpu_set_t others = all;
  CPU_CLR(here, &others);
  if (pthread_setaffinity_np(thread, sizeof(others), &others) == 0)
    pthread_setaffinity_np(thread, sizeof(all), &all);
}

void start_workers(int64_t threads) {
  // Signals belong to the threads of the program.
  sigset_t all, before;
  sigfillset(&all);
  pthread_sigmask(SIG_SETMASK, &all, &before);
  while (pool.workers + 1 < threads) {
    pthread_t thread;
    const intptr_t index = pool.workers + 1;
    if (pthread_create(&thread, nullptr, worker, reinterpret_cast<void*>(index)) != 0) break;
    move_away(thread);
    pthread_detach(thread);
    pool.worker[pool.workers++] = thread;
  }
  pthread_sigmask(SIG_SETMASK, &before, nullptr);
}

void run_shared(int64_t chunks, int64_t threads, void (*body)(void* self, int64_t chunk), void* self) {
  start_workers(threads);
  pool.body = body;
  pool.self = self;
  pool.threads = threads;
  for (int64_t i = 0; i < threads; i++) pool.shares[i] = {chunks * i / threads, chunks * (i + 1) / threads};
  uint32_t round = pool.round + 1;
  if (round == 0) round = 1;
  __atomic_store_n(&pool.open_round, round, __ATOMIC_SEQ_CST);
  __atomic_store_n(&pool.round, round, __ATOMIC_SEQ_CST);
  if (read(pool.sleeping) > 0)
    syscall(SYS_futex, &pool.round, FUTEX_WAKE_PRIVATE, INT32_MAX, nullptr, nullptr, 0);
  work(0);
  __atomic_store_n(&pool.open_round, 0u, __ATOMIC_SEQ_CST);
  pool.late = read(pool.sleeping) > 0 ? pool.late + 1 : 0;
  if (pool.late > 1 && (pool.late & (pool.late - 1)) == 0) {  // ever more seldom, if it is of no use
    for (int32_t i = 0; i < pool.workers; i++) move_away(pool.worker[i]);
  }
  if (wait_awake(kPatienceOfCaller, [] { return read(pool.inside) == 0; })) return;
  while (read(pool.inside) != 0) sched_yield();
}

// An eighth of the last cache: an op has two or three operands, and the next one's operands and other
// programs share it. Not less than what the cores' own caches hold; and no more than what a large machine,
// whose cache is many cores', was seen to keep.
int64_t bytes_worth_streaming() {
#ifdef _SC_LEVEL3_CACHE_SIZE
  const int64_t eighth = static_cast<int64_t>(sysconf(_SC_LEVEL3_CACHE_SIZE)) / 8;
#else
  const int64_t eighth = 0;
#endif
  return max_of(int64_t(4) << 20, min_of(eighth, int64_t(64) << 20));
}

int64_t threads_for(int64_t chunks) { return min_of(most_threads(), chunks); }

}  // namespace

int thread_index() { return own_index; }

void set_threads(int n) {
  __atomic_store_n(&thread_count, n < 1 ? 1 : n, __ATOMIC_RELAXED);
  if (pool.process == getpid()) return;
  // The first call, or the first in a forked child, where the parent's threads do not exist.
  stream_bytes = bytes_worth_streaming();
  pool.process = getpid();
  pool.workers = pool.inside = pool.sleeping = pool.busy = pool.late = 0;
  pool.open_round = 0;
}

void share_chunks(int64_t chunks, void (*body)(void* self, int64_t chunk), void* self) {
  const int64_t threads = threads_for(chunks);
  if (threads > 1 && __atomic_exchange_n(&pool.busy, 1, __ATOMIC_ACQUIRE) == 0) {
    run_shared(chunks, threads, body, self);
    __atomic_store_n(&pool.busy, 0, __ATOMIC_RELEASE);
    return;
  }
  const int index = own_index;
  own_index = 0;  // alone in this loop, whatever the thread is in the loop around it
  for (int64_t chunk = 0; chunk < chunks; chunk++) body(self, chunk);
  own_index = index;
}

void share_range(int64_t n, int64_t grain, void (*body)(void* self, int64_t begin, int64_t end), void* self) {
  if (n <= 0) return;
  if (threads_for(chunks_of(n, grain)) <= 1) grain = n;  // in one piece
  parallel(chunks_of(n, grain),
           [&](int64_t chunk) { body(self, chunk * grain, min_of(n, (chunk + 1) * grain)); });
}

}  // namespace lamina::LAMINA_ISA
