// One object per device: its kernels, its memory, its threads. Knows no op.
#pragma once

#include <cstddef>
#include <string>
#include <vector>

#include "kernels/kernels.h"

namespace lamina {

// What the caching allocator holds, in bytes.
struct MemoryStats {
  size_t live = 0;    // lent to storages
  size_t cached = 0;  // kept for reuse
  size_t peak = 0;    // the most that was ever live
  size_t system = 0;  // calls to the operating system
  size_t reused = 0;  // requests answered from the cache
};

class Backend {
 public:
  virtual ~Backend() = default;
  virtual const char* device() const = 0;
  // 64-byte aligned, not initialised; MemoryError after the cache was given back in vain. 0 bytes give null.
  virtual void* allocate(size_t bytes) = 0;
  virtual void release(void* data, size_t bytes) = 0;
  virtual void empty_cache() = 0;
  virtual MemoryStats memory_stats() const = 0;
  virtual void wait() = 0;

  const Kernels& kernels() const { return *kernels_; }

 protected:
  const Kernels* kernels_ = nullptr;
};

// The processor. The first call detects it once and chooses the best table it can run; LAMINA_ISA names
// another.
Backend& cpu();
std::vector<std::string> cpu_isas();             // those this machine runs, best first
const Kernels& cpu_kernels(const std::string&);  // one of them, for tests and benchmarks
void use_isa(const std::string&);                // from now on; results of both agree to rounding only

int num_threads();
void set_num_threads(int n);

// Memory that lives as long as the object: what a kernel is lent.
class Scratch {
 public:
  Scratch(Backend& backend, size_t bytes)
      : backend_(backend), bytes_(bytes), data_(backend.allocate(bytes)) {}
  ~Scratch() { backend_.release(data_, bytes_); }
  Scratch(const Scratch&) = delete;
  Scratch& operator=(const Scratch&) = delete;
  void* data() const { return data_; }

 private:
  Backend& backend_;
  size_t bytes_;
  void* data_;
};

}  // namespace lamina
