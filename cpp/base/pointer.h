// Counted and Ref: an intrusive reference count and the handle that keeps it.
#pragma once

#include <atomic>
#include <cstdint>
#include <utility>

namespace lamina {

// Derive from it publicly. release() is what happens to an object without owners.
template <class T>
class Counted {
 public:
  Counted() = default;
  Counted(const Counted&) = delete;
  Counted& operator=(const Counted&) = delete;
  void retain() const { count_.fetch_add(1, std::memory_order_relaxed); }
  void drop() const {
    if (count_.fetch_sub(1, std::memory_order_acq_rel) == 1)
      T::release(static_cast<T*>(const_cast<Counted*>(this)));
  }
  int64_t owners() const { return count_.load(std::memory_order_relaxed); }
  static void release(T* object) { delete object; }

 private:
  mutable std::atomic<int64_t> count_{0};
};

template <class T>
class Ref {
 public:
  Ref() = default;
  Ref(std::nullptr_t) {}
  explicit Ref(T* object) : object_(object) {
    if (object_) object_->retain();
  }
  Ref(const Ref& o) : Ref(o.object_) {}
  Ref(Ref&& o) noexcept : object_(std::exchange(o.object_, nullptr)) {}
  Ref& operator=(Ref o) noexcept {
    std::swap(object_, o.object_);
    return *this;
  }
  ~Ref() {
    if (object_) object_->drop();
  }
  T* get() const { return object_; }
  T* operator->() const { return object_; }
  T& operator*() const { return *object_; }
  explicit operator bool() const { return object_ != nullptr; }
  bool operator==(const Ref& o) const { return object_ == o.object_; }
  bool operator!=(const Ref& o) const { return object_ != o.object_; }

 private:
  T* object_ = nullptr;
};

}  // namespace lamina
