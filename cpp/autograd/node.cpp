// Links between tensors and nodes; saved tensors; taking graphs apart.
#include "autograd/node.h"

#include <algorithm>
#include <atomic>
#include <mutex>

#include "autograd/record.h"

namespace lamina {

TensorImpl::TensorImpl() = default;

namespace {

std::mutex accumulate_mutex;  // several threads may run backward over shared parameters

// Adds what arrives to the .grad of a leaf. The leaf owns this node and tells it when it goes.
class Accumulate final : public Node {
 public:
  explicit Accumulate(TensorImpl* leaf) : Node("AccumulateGrad", 1), leaf_(leaf) { sequence_ = UINT64_MAX; }
  void forget() {
    std::lock_guard<std::mutex> lock(accumulate_mutex);
    leaf_ = nullptr;
  }
  Tensor leaf() const override {
    std::lock_guard<std::mutex> lock(accumulate_mutex);
    return leaf_ ? Tensor(leaf_) : Tensor();
  }
  Tensors apply(const Tensors& grads) override {
    {
      std::lock_guard<std::mutex> lock(accumulate_mutex);
      if (!leaf_ || !grads[0].defined()) return {};
      add(leaf_->grad_meta->grad, grads[0]);
    }
    if (hooks_) {
      const auto after = hooks_->after;  // a copy: a hook may remove itself
      for (const auto& hook : after) hook.call();
    }
    return {};
  }

 private:
  static void add(Tensor& into, const Tensor& grad) {
    if (!into.defined()) {
      // Taken over when nobody else holds it (one owner: the walk's buffer), copied otherwise.
      const bool own = !grad_enabled() && unseen(grad) && grad.is_dense();
      into = own ? detach(grad) : grad_enabled() ? grad : borrowed().copy(grad);
    } else if (grad_enabled()) {
      into = borrowed().add(into, grad);
    } else {
      borrowed().add_into(into, grad);
    }
  }
  TensorImpl* leaf_;
};

}  // namespace

TensorImpl::~TensorImpl() {
  if (grad_meta && grad_meta->accumulator) static_cast<Accumulate&>(*grad_meta->accumulator).forget();
}

// Deleting a node deletes the tensors it saved and the edges it has, and so the nodes before it. A queue per
// thread makes a loop of this recursion.
void Maker::release(Maker* maker) {
  thread_local std::vector<Maker*> queue;
  thread_local bool draining = false;
  queue.push_back(maker);
  if (draining) return;
  draining = true;
  while (!queue.empty()) {
    Maker* last = queue.back();
    queue.pop_back();
    delete last;
  }
  draining = false;
}

uint64_t Node::next_sequence() {
  static std::atomic<uint64_t> sequence{0};
  return sequence.fetch_add(1, std::memory_order_relaxed);
}

Borrowed& borrowed() {
  static Borrowed table;
  return table;
}

GradMeta& grad_meta(const Tensor& x) {
  auto& meta = x.impl()->grad_meta;
  if (!meta) meta = std::make_unique<GradMeta>();
  return *meta;
}

bool requires_grad(const Tensor& x) {
  const TensorImpl& impl = *x.impl();
  if (impl.grad_meta && (impl.grad_meta->requires_grad || impl.grad_meta->maker)) return true;
  return impl.base && impl.base->grad_meta && impl.base->grad_meta->history != impl.base_history &&
         requires_grad(Tensor(impl.base));  // a view whose base was given a history after the view was made
}

void set_requires_grad(const Tensor& x, bool value) {
  if (value && !is_inexact(x.dtype()))
    fail<Error>("requires_grad: only Tensors of floating point and complex dtype can require gradients, got ",
                name_of(x.dtype()));
  if (!value && !is_leaf(x))
    fail<Error>("requires_grad: you can only change requires_grad flags of leaf variables; use detach()");
  if (value && !is_leaf(x)) return;
  if (value || x.impl()->grad_meta) grad_meta(x).requires_grad = value;
}

bool is_leaf(const Tensor& x) { return !maker_of(x); }

Ref<Maker> maker_of(const Tensor& x) {
  TensorImpl& impl = *x.impl();
  if (impl.base && impl.base->grad_meta && impl.base->grad_meta->history != impl.base_history) {
    const Tensor base(impl.base);
    impl.base_history = impl.base->grad_meta->history;
    if (requires_grad(base)) {
      GradMeta& meta = grad_meta(x);
      meta.maker = Ref<Maker>(borrowed().view_node(x, base).get());
      meta.slot = 0;
    }
  }
  return impl.grad_meta ? impl.grad_meta->maker : Ref<Maker>();
}

void set_maker(const Tensor& x, Ref<Maker> maker, int slot) {
  GradMeta& meta = grad_meta(x);
  meta.maker = std::move(maker);
  meta.slot = slot;
  meta.requires_grad = false;
  if (meta.maker) static_cast<Node*>(meta.maker.get())->note_output(x);
}

Edge edge_of(const Tensor& x) {
  if (!x.defined() || !requires_grad(x)) return {};
  if (Ref<Maker> maker = maker_of(x)) return {Ref<Node>(static_cast<Node*>(maker.get())), grad_meta(x).slot};
  GradMeta& meta = grad_meta(x);
  if (!meta.accumulator) meta.accumulator = Ref<Node>(new Accumulate(x.impl()));
  return {meta.accumulator, 0};
}

Tensor detach(const Tensor& x) { return alias(x); }

Saved::Saved(const Tensor& x) : version_(x.defined() ? x.version() : 0) {
  if (!x.defined()) return;
  maker_ = maker_of(x);
  if (maker_) slot_ = grad_meta(x).slot;
  // x itself may be rewritten in place later and then lead back to this node: only a leaf that wants a
  // gradient cannot.
  tensor_ = maker_ || !requires_grad(x) ? alias(x) : x;
  if (!saved_tensors_hooks().empty()) {
    if (!maker_) maker_ = Ref<Maker>(edge_of(x).node.get());  // what is brought again leads to the leaf too
    pack();
  }
}

Saved Saved::output(const Tensor& y, int slot) {
  Saved saved;
  saved.tensor_ = alias(y);
  saved.slot_ = slot;
  saved.output_ = true;
  saved.version_ = y.version();
  if (!saved_tensors_hooks().empty()) saved.pack();
  return saved;
}

std::vector<Pack>& saved_tensors_hooks() {
  thread_local std::vector<Pack> hooks;
  return hooks;
}

void Saved::pack() {
  const GradMode off(false);
  unpack_ = std::make_shared<Unpack>(saved_tensors_hooks().back()(tensor_));
  tensor_ = Tensor();
}

Tensor Saved::unpacked(const char* op) const {
  const Tensor x = (*unpack_)();
  if (!x.defined()) fail<TypeError>(op, ": expected the unpack hook to return a Tensor");
  return x;
}

Tensor Saved::get(const Back& back) const {
  if (!defined()) return {};
  const Tensor kept = unpack_ ? unpacked(back.node.name()) : tensor_;
  if (!unpack_ && kept.version() != version_)
    fail<Error>(back.node.name(),
                ": one of the variables needed for gradient computation has been modified by an inplace "
                "operation: a tensor of shape ",
                kept.shape(), " is at version ", kept.version(), ", expected version ", version_);
  if (!grad_enabled() || (!output_ && !maker_)) return kept;
  Tensor linked = alias(kept);
  set_maker(linked, output_ ? Ref<Maker>(&back.node) : maker_, slot_);
  return linked;
}

bool unseen(const Tensor& x) {
  const Ref<TensorImpl>& base = x.impl()->base;
  const bool whole = x.storage().bytes() == static_cast<size_t>(x.numel()) * x.item_size();
  return x.ref()->owners() == 1 && (!base || (base->owners() == 1 && whole)) &&
         x.storage_ref()->owners() == (base ? 2 : 1);
}

Tensor grad_of(const Tensor& x) {
  const auto& meta = x.impl()->grad_meta;
  if (!meta) return {};
  return meta->retained ? *meta->retained : meta->grad;
}

void set_grad(const Tensor& x, const Tensor& grad) {
  if (!grad.defined() && !x.impl()->grad_meta) return;
  GradMeta& meta = grad_meta(x);
  (meta.retained ? *meta.retained : meta.grad) = grad;
}

void HookHandle::remove() const {
  const std::shared_ptr<HookList> hooks = list.lock();
  if (!hooks) return;
  const auto take = [this](auto& entries) {
    entries.erase(
        std::remove_if(entries.begin(), entries.end(), [this](const auto& h) { return h.id == id; }),
        entries.end());
  };
  take(hooks->before);
  take(hooks->after);
}

static int64_t next_hook_id() {
  static std::atomic<int64_t> id{0};
  return ++id;
}

HookHandle add_hook(const Tensor& x, Hook hook) {
  const Edge edge = edge_of(x);
  if (!edge) fail<Error>("register_hook: cannot register a hook on a tensor that doesn't require gradient");
  const int64_t id = next_hook_id();
  const auto& hooks = edge.node->make_hooks();
  hooks->before.push_back({id, edge.slot, std::move(hook)});
  return {hooks, id};
}

HookHandle add_post_accumulate_hook(const Tensor& x, std::function<void()> hook) {
  if (!requires_grad(x) || !is_leaf(x))
    fail<Error>("register_post_accumulate_grad_hook: expected a leaf tensor that requires gradient");
  const int64_t id = next_hook_id();
  const auto& hooks = edge_of(x).node->make_hooks();
  hooks->after.push_back({id, std::move(hook)});
  return {hooks, id};
}

void retain_grad(const Tensor& x) {
  if (!requires_grad(x)) fail<Error>("retain_grad: can't retain_grad on Tensor that has requires_grad=False");
  if (is_leaf(x) || grad_meta(x).retained) return;
  // The hook shares a slot with x, not x itself: the graph must not keep its own results alive.
  auto retained = grad_meta(x).retained = std::make_shared<Tensor>();
  add_hook(x, [retained](const Tensor& g) {
    *retained = retained->defined() ? borrowed().add(*retained, g) : g;
    return Tensor();
  });
}

}  // namespace lamina
