// A block of memory with an owner and a version: what tensors that are views of each other share.
#pragma once

#include <atomic>
#include <functional>
#include <vector>

#include "backend/backend.h"
#include "base/pointer.h"

namespace lamina {

class Storage;
struct Derived;

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
  Storage(Backend& backend, size_t bytes);
  // Memory that `pending` writes when it is looked at. A result that nothing joined is computed even where
  // nobody looks: then it costs what it would have cost at once.
  Storage(Backend& backend, size_t bytes, Ref<Pending> pending);
  // Memory of somebody else; `free` is called when nobody uses it any more.
  Storage(Backend& backend, void* data, size_t bytes, std::function<void()> free);
  ~Storage();

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

  // A number that no other content of any memory has had. written() says that it is another one now, even
  // where that counts as no new version.
  uint64_t stamp() const;
  void written() {
    if (stamp_.load(std::memory_order_relaxed) && stamp_.exchange(0)) forget_derived();
  }
  // Belongs to derived.cpp, which guards it.
  std::vector<Ref<Derived>>& derived() { return derived_; }

 private:
  Backend& backend_;
  size_t bytes_;
  Ref<Pending> still_pending() const;
  void settle() const;
  void compute() const;
  void forget() const;
  void forget_derived();

  mutable void* data_ = nullptr;
  std::atomic<uint32_t> version_{0};
  mutable std::atomic<uint64_t> stamp_{0};
  std::vector<Ref<Derived>> derived_;
  std::function<void()> free_;
  std::atomic<bool> shared_{false};
  mutable std::atomic<int> waits_{0};  // pending, and each of the readers
  mutable Ref<Pending> pending_;
  mutable std::vector<const Storage*> readers_;  // whose pending computations read this memory
};

}  // namespace lamina
