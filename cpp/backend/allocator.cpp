// Blocks come in classes of at most 12.5 % waste. Blocks of 2 MiB and more are mapped on huge pages, because
// a large output on fresh 4 KiB pages costs more in page faults than in arithmetic; they are kept and reused
// for the same reason.
#include "backend/allocator.h"

#include <sys/mman.h>
#include <unistd.h>

#include <algorithm>
#include <cstdint>
#include <cstdlib>
#include <new>

#include "base/error.h"
#include "base/limits.h"

namespace lamina {
namespace {

constexpr size_t kHugePage = size_t{2} << 20;
constexpr size_t kCacheFloor = size_t{256} << 20;  // this much may always stay cached

// mmap gives 4 KiB alignment; map one huge page more and cut the ends off. What lies behind the last whole
// huge page stays on small ones: rounded up, a block of 6.4 MB would hold 8.
void* map_huge(size_t bytes) {
  const size_t mapped = bytes + kHugePage;
  void* raw = mmap(nullptr, mapped, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
  if (raw == MAP_FAILED) return nullptr;
  const uintptr_t start = reinterpret_cast<uintptr_t>(raw);
  const uintptr_t aligned = (start + kHugePage - 1) / kHugePage * kHugePage;
  if (aligned > start) munmap(raw, aligned - start);
  if (const size_t tail = start + mapped - (aligned + bytes))
    munmap(reinterpret_cast<void*>(aligned + bytes), tail);
  void* data = reinterpret_cast<void*>(aligned);
#ifdef MADV_HUGEPAGE
  madvise(data, bytes, MADV_HUGEPAGE);
#endif
  return data;
}

}  // namespace

size_t physical_memory() {
  static const size_t bytes =
      static_cast<size_t>(sysconf(_SC_PHYS_PAGES)) * static_cast<size_t>(sysconf(_SC_PAGESIZE));
  return bytes;
}

// Class 8e + s holds (8 + s) << e eighths of a cache line, so each doubling has eight steps; the first steps
// are whole lines.
int CachingAllocator::class_of(size_t bytes) {
  const size_t units = (bytes + kAlignment - 1) / kAlignment;  // >= 1
  if (units < 16) return static_cast<int>(units);
  const int exponent = 63 - __builtin_clzll(units) - 3;  // units >> exponent lies in [8, 16)
  const size_t steps = (units + (size_t{1} << exponent) - 1) >> exponent;
  return 8 * exponent + static_cast<int>(steps);
}

size_t CachingAllocator::size_of_class(int index) {
  if (index < 16) return static_cast<size_t>(index) * kAlignment;
  const int exponent = index / 8 - 1;
  return (static_cast<size_t>(index % 8 + 8) << exponent) * kAlignment;
}

void* CachingAllocator::from_system(size_t bytes) {
  if (bytes > physical_memory()) return nullptr;  // overcommit would promise it and kill the process later
  ++stats_.system;
  return bytes >= kHugePage ? map_huge(bytes) : std::aligned_alloc(kAlignment, bytes);
}

void CachingAllocator::to_system(void* data, size_t bytes) {
  if (bytes >= kHugePage)
    munmap(data, bytes);
  else
    std::free(data);
}

void* CachingAllocator::allocate(size_t bytes) {
  if (bytes == 0) return nullptr;
  if (bytes > physical_memory())
    fail<MemoryError>("allocate: ", bytes, " bytes were asked for, this machine has ", physical_memory());
  const int index = class_of(bytes);
  const size_t size = size_of_class(index);
  std::lock_guard<std::mutex> lock(mutex_);
  void* data = nullptr;
  if (!free_[index].empty()) {
    data = free_[index].back();
    free_[index].pop_back();
    stats_.cached -= size;
    ++stats_.reused;
  } else {
    data = from_system(size);
    if (!data) {
      empty_locked();
      data = from_system(size);
    }
    if (!data)
      fail<MemoryError>("allocate: the system has no ", bytes, " bytes left (", stats_.live, " are in use)");
  }
  stats_.live += size;
  stats_.peak = std::max(stats_.peak, stats_.live);
  return data;
}

void CachingAllocator::release(void* data, size_t bytes) {
  if (!data) return;
  const int index = class_of(bytes);
  const size_t size = size_of_class(index);
  std::lock_guard<std::mutex> lock(mutex_);
  stats_.live -= size;
  // A program whose sizes keep changing would otherwise collect blocks without end.
  if (stats_.cached + size > std::max(kCacheFloor, stats_.peak)) {
    to_system(data, size);
    return;
  }
  try {
    free_[index].push_back(data);
    stats_.cached += size;
  } catch (const std::bad_alloc&) {  // memory is at its end, and who gives some back must not fail
    to_system(data, size);
  }
}

void CachingAllocator::empty_locked() {
  for (int i = 0; i < kClasses; ++i) {
    for (void* data : free_[i]) to_system(data, size_of_class(i));
    free_[i].clear();
  }
  stats_.cached = 0;
}

void CachingAllocator::empty_cache() {
  std::lock_guard<std::mutex> lock(mutex_);
  empty_locked();
}

MemoryStats CachingAllocator::stats() const {
  std::lock_guard<std::mutex> lock(mutex_);
  return stats_;
}

}  // namespace lamina
