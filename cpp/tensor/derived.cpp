// Keeps what is derived from tensors: a few entries with each storage, forgotten when it is written to.
#include "tensor/derived.h"

#include <pthread.h>

#include <algorithm>
#include <mutex>

#include "backend/allocator.h"

namespace lamina {
namespace {

constexpr size_t kMostEntries = 8;  // of a storage

std::mutex& lock() {
  static auto* mutex = [] {
    auto* made = new std::mutex;  // never destroyed: storages outlive static objects
    pthread_atfork([] { lock().lock(); }, [] { lock().unlock(); }, [] { lock().unlock(); });
    return made;
  }();
  return *mutex;
}

// Of all values that are kept.
std::atomic<int64_t> bytes_kept{0};
int64_t most_bytes() { return static_cast<int64_t>(physical_memory() / 8); }

// Which content, and where in it the tensor lies.
std::vector<uint64_t> stamps_of(const Sources& sources) {
  std::vector<uint64_t> stamps;
  for (const Tensor& t : sources) {
    stamps.push_back(t.defined() ? t.storage().stamp() : 0);
    if (!t.defined()) continue;
    stamps.push_back(static_cast<uint64_t>(t.offset()));
    for (int64_t stride : t.strides()) stamps.push_back(static_cast<uint64_t>(stride));
  }
  return stamps;
}

}  // namespace

Derived::~Derived() { bytes_kept -= bytes; }

LookUp look_up(const Sources& sources, const DerivedKey& key) {
  for (const Tensor& t : sources)
    if (t.defined() && t.storage().is_shared()) return {};
  const std::vector<uint64_t> stamps = stamps_of(sources);
  std::vector<Ref<Derived>> gone;  // outside the lock
  const std::lock_guard<std::mutex> guard(lock());
  std::vector<Ref<Derived>>& entries = sources[0].storage().derived();
  const auto found =
      std::find_if(entries.begin(), entries.end(), [&](const auto& e) { return e->key == key; });
  if (found != entries.end() && (*found)->stamps == stamps) {
    if ((*found)->values.empty() && bytes_kept > most_bytes()) return {};
    return {*found, (*found)->values};
  }
  if (found != entries.end()) {
    gone.push_back(std::move(*found));
    entries.erase(found);
  } else if (entries.size() == kMostEntries) {
    gone.push_back(std::move(entries.front()));
    entries.erase(entries.begin());
  }
  const Ref<Derived> noted(new Derived);
  noted->stamps = stamps;
  noted->key = key;
  entries.push_back(noted);
  return {};
}

void keep(const Ref<Derived>& place, const Tensors& values) {
  const std::lock_guard<std::mutex> guard(lock());
  if (!place->values.empty()) return;  // another thread was faster
  place->values = values;
  for (const Tensor& t : values)
    if (t.defined()) place->bytes += static_cast<int64_t>(t.storage().bytes());
  bytes_kept += place->bytes;
}

void Storage::forget_derived() {
  std::vector<Ref<Derived>> gone;
  const std::lock_guard<std::mutex> guard(lock());
  gone.swap(derived_);
}

uint64_t Storage::stamp() const {
  static std::atomic<uint64_t> last{0};
  uint64_t now = stamp_.load(std::memory_order_acquire);
  if (now) return now;
  const uint64_t fresh = last.fetch_add(1) + 1;
  return stamp_.compare_exchange_strong(now, fresh) ? fresh : now;
}

}  // namespace lamina
