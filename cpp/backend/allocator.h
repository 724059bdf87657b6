// The caching allocator of host memory: size classes, huge pages for large blocks, reuse before return.
#pragma once

#include <cstddef>
#include <mutex>
#include <vector>

#include "backend/backend.h"

namespace lamina {

size_t physical_memory();  // bytes of this machine

class CachingAllocator {
 public:
  void* allocate(size_t bytes);
  void release(void* data, size_t bytes);
  void empty_cache();
  MemoryStats stats() const;

  // Held across fork() so that a child finds the lists whole.
  std::mutex& mutex() { return mutex_; }

 private:
  static constexpr int kClasses = 8 * 64;  // eight steps to each doubling

  static int class_of(size_t bytes);
  static size_t size_of_class(int index);
  void* from_system(size_t bytes);
  static void to_system(void* data, size_t bytes);
  void empty_locked();

  mutable std::mutex mutex_;
  std::vector<void*> free_[kClasses];
  MemoryStats stats_;
};

}  // namespace lamina
