// Computations that are put off: who waits for whom. One lock guards it all, held while they run: there are
// few of them, and each one uses all threads by itself.
#include <pthread.h>

#include <algorithm>
#include <mutex>

#include "tensor/derived.h"

namespace lamina {
namespace {

std::recursive_mutex& lock() {
  static auto* mutex = [] {
    auto* made = new std::recursive_mutex;  // never destroyed: storages outlive static objects
    pthread_atfork([] { lock().lock(); }, [] { lock().unlock(); }, [] { lock().unlock(); });
    return made;
  }();
  return *mutex;
}
using Guard = std::lock_guard<std::recursive_mutex>;

thread_local bool computing = false;

}  // namespace

Storage::Storage(Backend& backend, size_t bytes)
    : backend_(backend), bytes_(bytes), data_(backend.allocate(bytes)) {}
Storage::Storage(Backend& backend, size_t bytes, Ref<Pending> pending) : backend_(backend), bytes_(bytes) {
  put_off(std::move(pending));
}
Storage::Storage(Backend& backend, void* data, size_t bytes, std::function<void()> free)
    : backend_(backend), bytes_(bytes), data_(data), free_(std::move(free)), shared_(true) {}

Storage::~Storage() {
  if (waits_.load(std::memory_order_acquire)) forget();
  if (free_)
    free_();
  else if (data_)
    backend_.release(data_, bytes_);
}

void Storage::put_off(Ref<Pending> pending) {
  const Guard guard(lock());
  if (pending_) {
    pending_->joined = true;
    forget();
  }
  for (const Ref<Storage>& read : pending->reads) {
    read->readers_.push_back(this);
    read->waits_.fetch_add(1, std::memory_order_release);
  }
  pending_ = std::move(pending);
  waits_.fetch_add(1, std::memory_order_release);
}

Ref<Pending> Storage::still_pending() const {
  const Guard guard(lock());
  return pending_;
}

// While a computation runs, what it reads may be looked at.
void Storage::settle() const {
  const Guard guard(lock());
  if (pending_) compute();
  while (!computing && !readers_.empty()) readers_.back()->compute();
}

void Storage::compute() const {
  if (!data_) data_ = backend_.allocate(bytes_);
  const bool before = std::exchange(computing, true);
  try {
    pending_->run(data_);
  } catch (...) {
    computing = before;
    throw;
  }
  computing = before;
  pending_->joined = true;
  forget();
}

void Storage::forget() const {
  const Guard guard(lock());
  if (!pending_) return;  // another thread was faster
  if (!pending_->joined) {
    try {
      return compute();
    } catch (...) {  // nobody is left to hear of it
    }
  }
  for (const Ref<Storage>& read : pending_->reads) {
    read->readers_.erase(std::find(read->readers_.begin(), read->readers_.end(), this));
    read->waits_.fetch_sub(1, std::memory_order_release);
  }
  const Ref<Pending> gone = std::move(pending_);  // what it alone held goes when all is in order
  pending_ = nullptr;
  waits_.fetch_sub(1, std::memory_order_release);
}

}  // namespace lamina
