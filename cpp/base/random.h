// The state of a random generator: a seed and how far it has counted. The numbers come from kernels.
#pragma once

#include <cstdint>
#include <mutex>

#include "base/pointer.h"

namespace lamina {

class Generator : public Counted<Generator> {
 public:
  explicit Generator(uint64_t seed = 5489) : seed_(seed) {}

  void set_seed(uint64_t seed) {
    std::lock_guard<std::mutex> lock(mutex_);
    seed_ = seed;
    offset_ = 0;
  }
  void set_state(uint64_t seed, uint64_t offset) {
    std::lock_guard<std::mutex> lock(mutex_);
    seed_ = seed;
    offset_ = offset;
  }
  uint64_t seed() const { return seed_; }
  uint64_t offset() const { return offset_; }

  // Reserves `blocks` counters and returns where they start.
  uint64_t advance(uint64_t blocks) {
    std::lock_guard<std::mutex> lock(mutex_);
    const uint64_t start = offset_;
    offset_ += blocks;
    return start;
  }

 private:
  std::mutex mutex_;
  uint64_t seed_;
  uint64_t offset_ = 0;
};

Generator& default_generator();  // of this thread, if it has been given one, else of the process

void use_generator(Ref<Generator> generator);  // for this thread; none for the one of the process

}  // namespace lamina
