// A block of memory with an owner and a version: what tensors that are views of each other share.
#pragma once

#include <atomic>
#include <functional>

#include "backend/backend.h"
#include "base/pointer.h"

namespace lamina {

class Storage : public Counted<Storage> {
 public:
  Storage(Backend& backend, size_t bytes)
      : backend_(backend), bytes_(bytes), data_(backend.allocate(bytes)) {}
  // Memory of somebody else; `free` is called when nobody uses it any more.
  Storage(Backend& backend, void* data, size_t bytes, std::function<void()> free)
      : backend_(backend), bytes_(bytes), data_(data), free_(std::move(free)) {}
  ~Storage() {
    if (free_)
      free_();
    else
      backend_.release(data_, bytes_);
  }

  Backend& backend() const { return backend_; }
  void* data() const { return data_; }
  size_t bytes() const { return bytes_; }

  uint32_t version() const { return version_.load(std::memory_order_relaxed); }
  void bump() { version_.fetch_add(1, std::memory_order_relaxed); }

 private:
  Backend& backend_;
  size_t bytes_;
  void* data_;
  std::atomic<uint32_t> version_{0};
  std::function<void()> free_;
};

}  // namespace lamina
