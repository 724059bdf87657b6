// The walk: counts how many gradients each node waits for, then visits nodes newest first, a loop without
// recursion.
#include "autograd/backward.h"

#include <algorithm>
#include <queue>
#include <unordered_map>

namespace lamina {
namespace {

struct Visit {
  int waiting = 0;            // gradients still to come
  bool wanted = true;         // leads to one of the inputs asked for
  Tensors grads;              // one per output
  std::vector<int> captures;  // positions in `inputs` whose gradient passes here
};
using Visits = std::unordered_map<Node*, Visit>;

// Sums in place only into a buffer that nobody else can see.
void add_to(Tensor& into, const Tensor& x) {
  if (!into.defined())
    into = x;
  else if (!grad_enabled() && unseen(into) && into.is_dense() && into.dtype() == x.dtype())
    borrowed().add_into(into, x);
  else
    into = borrowed().add(into, x);
}

// Every node reachable from the roots, in depth-first post-order.
std::vector<Node*> count(const std::vector<Edge>& roots, Visits& visits) {
  std::vector<Node*> order;
  std::vector<std::pair<Node*, size_t>> stack;
  const auto enter = [&](Node* node) {
    const auto [entry, fresh] = visits.try_emplace(node);
    if (fresh) {
      entry->second.grads.resize(node->outputs());
      stack.emplace_back(node, 0);
    }
  };
  for (const Edge& root : roots) {
    enter(root.node.get());
    while (!stack.empty()) {
      auto& [node, i] = stack.back();
      if (i == node->next().size()) {
        order.push_back(node);
        stack.pop_back();
        continue;
      }
      const Edge& edge = node->next()[i++];
      if (!edge) continue;
      Node* to = edge.node.get();
      enter(to);
      ++visits[to].waiting;
    }
  }
  return order;
}

void mark_wanted(const std::vector<Node*>& order, Visits& visits) {
  for (Node* node : order) {  // post-order: what comes after a node in the graph stands before it here
    Visit& visit = visits[node];
    visit.wanted = !visit.captures.empty();
    for (const Edge& edge : node->next())
      if (edge && visits[edge.node.get()].wanted) visit.wanted = true;
  }
}

void run_hooks(Node& node, Tensors& grads) {
  if (!node.hooks()) return;
  const auto before = node.hooks()->before;  // a copy: a hook may remove itself
  for (const auto& hook : before) {
    if (!grads[hook.slot].defined()) continue;
    const Tensor changed = hook.call(grads[hook.slot]);
    if (changed.defined()) grads[hook.slot] = changed;
  }
}

void report(const Node& node) {
  if (!anomaly().report) return;
  anomaly().report(std::string("Error detected in ") + node.name() +
                   (node.made_at().empty()
                        ? ". No forward pass information is available: detect anomalies during the forward "
                          "pass too"
                        : ". Traceback of forward call that caused the error:\n" + node.made_at()));
}

Tensors apply_watched(Node& node, const Tensors& in) {
  struct Running {
    Node* before = Recorder::running();
    explicit Running(Node* node) { Recorder::running() = node; }
    ~Running() { Recorder::running() = before; }
  } const running(&node);
  Tensors out;
  try {
    out = node.apply(in);
  } catch (...) {
    report(node);
    throw;
  }
  for (size_t i = 0; i < out.size() && anomaly().check_nan; ++i) {
    if (!out[i].defined() || !borrowed().any_nan(out[i])) continue;
    report(node);
    fail<Error>("Function '", node.name(), "' returned nan values in its ", i, "th output.");
  }
  return out;
}

Tensor root_grad(const Tensor& root, const Tensor& grad) {
  if (!grad.defined()) {
    if (root.numel() != 1)
      fail<Error>("backward: grad can be implicitly created only for scalar outputs, got shape ",
                  root.shape());
    if (is_complex(root.dtype()))
      fail<Error>("backward: grad can be implicitly created only for real scalar outputs, got ",
                  name_of(root.dtype()));
    return borrowed().ones_like(root);
  }
  if (grad.shape() != root.shape())
    fail<ShapeError>("backward: Mismatch in shape: the gradient has ", grad.shape(), ", the output ",
                     root.shape());
  return grad;
}

struct Older {
  bool operator()(const Node* a, const Node* b) const { return a->sequence() < b->sequence(); }
};

class BackwardWalk {
 public:
  BackwardWalk(const Tensors& roots, const Tensors& grads, const Tensors& inputs) : results_(inputs.size()) {
    for (size_t i = 0; i < roots.size(); ++i) {
      roots_.push_back(edge_of(roots[i]));
      if (!roots_.back())
        fail<Error>("backward: element ", i, " of tensors does not require grad and does not have a grad_fn");
      starts_.push_back(root_grad(roots[i], i < grads.size() ? grads[i] : Tensor()));
    }
    const std::vector<Node*> order = count(roots_, visits_);
    for (size_t i = 0; i < inputs.size(); ++i) {
      targets_.push_back(edge_of(inputs[i]));
      if (!targets_.back())
        fail<Error>("grad: One of the differentiated Tensors does not require grad (input ", i, ")");
      const auto found = visits_.find(targets_.back().node.get());
      if (found != visits_.end()) found->second.captures.push_back(static_cast<int>(i));
    }
    if (!inputs.empty()) mark_wanted(order, visits_);
  }

  Tensors run(bool retain_graph) {
    for (size_t i = 0; i < roots_.size(); ++i)
      add_to(visits_[roots_[i].node.get()].grads[roots_[i].slot], starts_[i]);
    starts_.clear();  // the buffers are now the only owners
    for (const Edge& root : roots_) {
      Visit& visit = visits_[root.node.get()];
      if (visit.waiting != 0) continue;
      visit.waiting = -1;  // so that two roots of one node push it once
      ready_.push(root.node.get());
    }
    while (!ready_.empty()) {
      Node* node = ready_.top();
      ready_.pop();
      visit(*node, retain_graph);
    }
    return std::move(results_);
  }

 private:
  void visit(Node& node, bool retain_graph) {
    Visit& here = visits_[&node];
    Tensors in = std::move(here.grads);
    const bool any = std::any_of(in.begin(), in.end(), [](const Tensor& g) { return g.defined(); });
    if (any) run_hooks(node, in);
    for (int i : here.captures) results_[i] = in[targets_[i].slot];
    const bool leaf = node.next().empty();
    Tensors out;
    if (any && here.wanted &&
        !(leaf && !targets_.empty())) {  // with inputs given, .grad of other leaves stays
      out = anomaly().on ? apply_watched(node, in) : node.apply(in);
      if (!retain_graph) node.free_saved();
    }
    in.clear();
    for (size_t i = 0; i < node.next().size(); ++i) {
      const Edge& edge = node.next()[i];
      if (!edge) continue;
      Visit& to = visits_[edge.node.get()];
      if (i < out.size() && out[i].defined() && to.wanted) {
        const Tensor g = std::move(out[i]);
        add_to(to.grads[edge.slot], g);
      }
      if (--to.waiting == 0) ready_.push(edge.node.get());
    }
  }

  std::vector<Edge> roots_, targets_;
  Tensors starts_, results_;
  Visits visits_;
  std::priority_queue<Node*, std::vector<Node*>, Older> ready_;
};

thread_local bool for_inputs = false;

struct ForInputs {
  bool before = for_inputs;
  explicit ForInputs(bool now) { for_inputs = now; }
  ~ForInputs() { for_inputs = before; }
};

}  // namespace

bool walking_for_inputs() { return for_inputs; }

Tensors backward(const Tensors& roots, const Tensors& grads, const Tensors& inputs,
                 const BackwardOptions& options) {
  GradMode mode(options.create_graph);
  const ForInputs marked(!inputs.empty());
  Tensors results = BackwardWalk(roots, grads, inputs).run(options.retain_graph);
  if (!options.accumulate) return results;
  for (size_t i = 0; i < inputs.size(); ++i) {
    if (!results[i].defined()) continue;
    const Tensor before = grad_of(inputs[i]);
    set_grad(inputs[i], before.defined() ? borrowed().add(before, results[i]) : results[i]);
  }
  return results;
}

}  // namespace lamina
