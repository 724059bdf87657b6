// What this machine can do at best: multiply-adds, reading and copying per second, by loops with nothing else
// in them. compare.py compiles this file for the machine it runs on and divides by its numbers. No part of
// lamina.
#include <omp.h>

#include <chrono>
#include <cstddef>
#include <cstring>

#if defined(__AVX512F__)
constexpr int kBytes = 64;
#elif defined(__AVX__)
constexpr int kBytes = 32;
#else
constexpr int kBytes = 16;
#endif
typedef float Vec __attribute__((vector_size(kBytes), may_alias));

namespace {

double now() {
  return std::chrono::duration<double>(std::chrono::steady_clock::now().time_since_epoch()).count();
}

// Twelve independent chains: more than latency times ports of any current core, fewer than its registers.
float chains(long steps) {
  Vec a[12];
  for (int i = 0; i < 12; ++i) a[i] = Vec{} + static_cast<float>(i);
  const Vec scale = Vec{} + 0.999f, shift = Vec{} + 0.001f;
  for (long s = 0; s < steps; ++s) {
    for (int i = 0; i < 12; ++i) a[i] = a[i] * scale + shift;
  }
  float sum = 0;
  for (int i = 0; i < 12; ++i) sum += a[i][0];
  return sum;
}

// Four streams at once: one alone leaves the prefetchers short of work on some machines.
float read_part(const Vec* x, std::size_t n) {
  const std::size_t quarter = n / 4;
  Vec a[8] = {};
  for (std::size_t i = 0; i + 2 <= quarter; i += 2) {
    for (int j = 0; j < 8; ++j) a[j] += x[j / 2 * quarter + i + j % 2];
  }
  float sum = 0;
  for (const Vec& v : a) sum += v[0];
  return sum;
}

// Stores past the cache where the compiler has them: a plain store first reads the line that it replaces.
void copy_part(Vec* y, const Vec* x, std::size_t n) {
#if defined(__AVX512F__)
  for (std::size_t i = 0; i < n; ++i) __builtin_ia32_movntps512(reinterpret_cast<float*>(y + i), x[i]);
  __builtin_ia32_sfence();
#elif defined(__AVX__)
  for (std::size_t i = 0; i < n; ++i) __builtin_ia32_movntps256(reinterpret_cast<float*>(y + i), x[i]);
  __builtin_ia32_sfence();
#else
  std::memcpy(y, x, n * sizeof(Vec));
#endif
}

volatile float sink;

}  // namespace

// Floating-point operations per second, a multiply-add counted as two.
extern "C" double limit_fma(int threads) {
  const long steps = 2000000;
  const double start = now();
#pragma omp parallel num_threads(threads)
  {
    const float sum = chains(steps);
#pragma omp critical
    sink = sum;
  }
  return 2.0 * 12 * (kBytes / 4) * steps * threads / (now() - start);
}

// Bytes read per second from a block of n bytes, aligned to 64.
extern "C" double limit_read(const void* x, std::size_t n, int threads) {
  const std::size_t part = n / sizeof(Vec) / threads;
  const double start = now();
#pragma omp parallel num_threads(threads)
  {
    const float sum = read_part(static_cast<const Vec*>(x) + omp_get_thread_num() * part, part);
#pragma omp critical
    sink = sum;
  }
  return static_cast<double>(part * threads * sizeof(Vec)) / (now() - start);
}

// Bytes moved per second, read and written ones added, copying n bytes between two blocks aligned to 64.
extern "C" double limit_copy(void* y, const void* x, std::size_t n, int threads) {
  const std::size_t part = n / sizeof(Vec) / threads;
  const double start = now();
#pragma omp parallel num_threads(threads)
  {
    const std::size_t first = omp_get_thread_num() * part;
    copy_part(static_cast<Vec*>(y) + first, static_cast<const Vec*>(x) + first, part);
  }
  return 2.0 * static_cast<double>(part * threads * sizeof(Vec)) / (now() - start);
}
