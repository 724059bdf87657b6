// The mode of autocast and the parameters that were converted under it.
#include "ops/autocast.h"

#include <unordered_map>

#include "autograd/record.h"

namespace lamina::ops {
namespace {

struct Converted {
  Tensor source, lower;
  uint32_t version;
};
using Cache = std::unordered_map<const TensorImpl*, Converted>;
// Never destroyed: at a thread's end its tensors would release nodes through what may be gone by then.
Cache& cache() {
  thread_local Cache* converted = new Cache;
  return *converted;
}

}  // namespace

AutocastMode& autocast_mode() {
  thread_local AutocastMode mode;
  return mode;
}

void clear_autocast_cache() { cache().clear(); }

Tensor lowered(const Tensor& x) {
  const AutocastMode& mode = autocast_mode();
  if (!x.defined() || !is_floating(x.dtype()) || x.dtype() == Dtype::Float64 || x.dtype() == mode.dtype)
    return x;
  // What is converted without recording would cut the parameter's gradient off from later uses.
  const bool keep =
      mode.cache && grad_enabled() && requires_grad(x) && is_leaf(x) && x.dtype() == Dtype::Float32;
  if (!keep) return to(x, mode.dtype);
  const auto found = cache().find(x.impl());
  if (found != cache().end() && found->second.version == x.version()) return found->second.lower;
  const Tensor lower = to(x, mode.dtype);
  cache().insert_or_assign(x.impl(), Converted{x, lower, x.version()});
  return lower;
}

}  // namespace lamina::ops
