// A block of memory with an owner and a version: what tensors that are views of each other share.
#pragma once

#include <atomic>
#include <functional>
#include <vector>

#include "backend/backend.h"
#include "base/pointer.h"

namespace lamina {

class Storage;

// A computation put off until somebody looks at its result, so that what follows can join it; or at what it
// reads, which may change then.
class Pending : public Counted<Pending> {
 public:
  virtual ~Pending() = default;
  virtual void run(void* out) = 0;
  std::vector<Ref<Storage>> reads;
  bool joined = false;  // what followed computes it anew
};

class Storage : public Counted<Storage> {
 public:
  Storage(Backend& backend, size_t bytes)
      : backend_(backend), bytes_(bytes), data_(backend.allocate(bytes)) {}
  // Memory that `pending` writes when it is looked at. A result that nothing joined is computed even where
  // nobody looks: then it costs what it would have cost at once.
  Storage(Backend& backend, size_t bytes, Ref<Pending> pending) : backend_(backend), bytes_(bytes) {
    put_off(std::move(pending));
  }
  // Memory of somebody else; `free` is called when nobody uses it any more.
  Storage(Backend& backend, void* data, size_t bytes, std::function<void()> free)
      : backend_(backend), bytes_(bytes), data_(data), free_(std::move(free)), shared_(true) {}
  ~Storage() {
    if (waits_.load(std::memory_order_acquire)) forget();
    if (free_)
      free_();
    else if (data_)
      backend_.release(data_, bytes_);
  }

  Backend& backend() const { return backend_; }
  void* data() const {
    if (waits_.load(std::memory_order_acquire)) settle();
    return data_;
  }
  size_t bytes() const { return bytes_; }

  // What writes this memory, if that is still to come.
  Ref<Pending> pending() const { return waits_.load(std::memory_order_acquire) ? still_pending() : nullptr; }
  // What was put off is replaced by this; all that it reads must be there.
  void put_off(Ref<Pending> pending);
  // Somebody outside may read and write this memory at any time.
  bool is_shared() const { return shared_.load(std::memory_order_relaxed); }
  void share() { shared_.store(true, std::memory_order_relaxed); }

  uint32_t version() const { return version_.load(std::memory_order_relaxed); }
  void bump() { version_.fetch_add(1, std::memory_order_relaxed); }

 private:
  Backend& backend_;
  size_t bytes_;
  Ref<Pending> still_pending() const;
  void settle() const;
  void compute() const;
  void forget() const;

  mutable void* data_ = nullptr;
  std::atomic<uint32_t> version_{0};
  std::function<void()> free_;
  std::atomic<bool> shared_{false};
  mutable std::atomic<int> waits_{0};  // pending, and each of the readers
  mutable Ref<Pending> pending_;
  mutable std::vector<const Storage*> readers_;  // whose pending computations read this memory
};

}  // namespace lamina
