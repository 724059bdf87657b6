// The computational graph: a node per recorded op, edges to the nodes of its inputs. Knows no op by name.
#pragma once

#include <functional>
#include <optional>
#include <string>
#include <type_traits>

#include "tensor/tensor.h"

namespace lamina {

class Node;

// Where the gradient of one tensor goes: an input slot of a node. Without a node: no gradient is wanted.
struct Edge {
  Ref<Node> node;
  int slot = 0;
  explicit operator bool() const { return static_cast<bool>(node); }
};

// What a tensor hook does: sees the gradient, may return another one (or an undefined tensor for "as it is").
using Hook = std::function<Tensor(const Tensor&)>;
// A node's hooks: `before` see the gradient of one output on its way in, `after` run when a leaf's .grad was
// added to.
struct HookList {
  struct Before {
    int64_t id;
    int slot;
    Hook call;
  };
  struct After {
    int64_t id;
    std::function<void()> call;
  };
  std::vector<Before> before;
  std::vector<After> after;
};
// Takes a hook away again; does not keep the graph alive.
struct HookHandle {
  std::weak_ptr<HookList> list;
  int64_t id = 0;
  void remove() const;
};

class Node : public Maker {
 public:
  Node(const char* name, int outputs) : name_(name), outputs_(outputs) {}

  const char* name() const override { return name_; }
  int outputs() const { return outputs_; }
  uint64_t sequence() const { return sequence_; }
  const std::vector<Edge>& next() const { return next_; }
  bool needs(int input) const { return static_cast<bool>(next_[input]); }

  // Gradients of the outputs (undefined where none arrived) to gradients of the inputs.
  virtual Tensors apply(const Tensors& grads) = 0;
  // Lets go of what was kept for apply(); afterwards apply() raises.
  virtual void free_saved() {}

  // What a picture of the graph shows: the shape of a node's only output, and the tensor of a leaf's node.
  const std::optional<Shape>& output_shape() const { return output_shape_; }
  void note_output(const Tensor& y) {
    if (outputs_ == 1) output_shape_ = y.shape();
  }
  virtual Tensor leaf() const { return {}; }
  const std::string& made_at() const { return made_at_; }            // while anomalies are looked for
  const std::shared_ptr<HookList>& hooks() const { return hooks_; }  // null: none
  const std::shared_ptr<HookList>& make_hooks() {
    if (!hooks_) hooks_ = std::make_shared<HookList>();
    return hooks_;
  }

 protected:
  friend class Recorder;
  const char* name_;
  int outputs_;
  uint64_t sequence_ = next_sequence();
  std::vector<Edge> next_;
  std::shared_ptr<HookList> hooks_;
  std::string made_at_;
  std::optional<Shape> output_shape_;

 private:
  static uint64_t next_sequence();
};

// What an op's way back sees: the gradients that came in and which inputs want one.
struct Back {
  const Tensors& grads;
  Node& node;
  const Tensor& grad() const { return grads[0]; }
  bool needs(int input) const { return node.needs(input); }
};

// How somebody else keeps a tensor for the way back: what is called with it gives what brings it again.
using Unpack = std::function<Tensor()>;
using Pack = std::function<Unpack(const Tensor&)>;
std::vector<Pack>& saved_tensors_hooks();  // of this thread; the last one counts

// A tensor kept for the way back. Reading it checks that nobody changed it in place since.
class Saved {
 public:
  Saved() = default;
  explicit Saved(const Tensor& x);                     // an input, or a helper without history
  static Saved output(const Tensor& y, int slot = 0);  // a result of the op being recorded: no cycle
  bool defined() const { return unpack_ || tensor_.defined(); }
  Tensor get(const Back& back) const;

 private:
  void pack();
  Tensor unpacked(const char* op) const;
  Tensor tensor_;  // without history unless a leaf; undefined where a hook keeps it
  std::shared_ptr<const Unpack> unpack_;
  Ref<Maker> maker_;
  int slot_ = 0;
  bool output_ = false;
  uint32_t version_ = 0;
};

// A node whose way back is a closure.
template <class F>
class ClosureNode final : public Node {
 public:
  ClosureNode(const char* name, int outputs, F back) : Node(name, outputs), back_(std::move(back)) {}
  Tensors apply(const Tensors& grads) override {
    if (!back_)
      fail<Error>(
          name_,
          ": Trying to backward through the graph a second time, but its saved tensors have already been "
          "freed; pass retain_graph=True to the first backward()");
    Back context{grads, *this};
    return (*back_)(context);
  }
  void free_saved() override {
    if (!std::is_trivially_destructible_v<F>)
      back_.reset();  // else nothing is kept, and going back again is right
  }

 private:
  std::optional<F> back_;
};

struct GradMeta {
  bool requires_grad = false;  // of a leaf; a tensor with a maker always does
  Ref<Maker> maker;
  int slot = 0;
  uint32_t history = 0;  // how often this tensor was rewritten in place (views look at it)
  Tensor grad;
  std::shared_ptr<Tensor> retained;  // after retain_grad(): where a hook in the graph puts the gradient
  Ref<Node> accumulator;             // of a leaf: the node that adds to .grad
};

GradMeta& grad_meta(const Tensor& x);
bool requires_grad(const Tensor& x);
void set_requires_grad(const Tensor& x, bool value);
bool is_leaf(const Tensor& x);
// The node that made x; of a view it is renewed when its base was rewritten in place.
Ref<Maker> maker_of(const Tensor& x);
void set_maker(const Tensor& x, Ref<Maker> maker, int slot);
Edge edge_of(const Tensor& x);
Tensor detach(const Tensor& x);
// Does nobody but the holder of x know its memory? A view's base does not count where only the view has it.
bool unseen(const Tensor& x);

// x.grad: undefined where there is none.
Tensor grad_of(const Tensor& x);
void set_grad(const Tensor& x, const Tensor& grad);

HookHandle add_hook(const Tensor& x, Hook hook);  // on the gradient of x
HookHandle add_post_accumulate_hook(const Tensor& x, std::function<void()> hook);
void retain_grad(const Tensor& x);

// What this floor borrows from the ops above it, set once at start.
struct Borrowed {
  Tensor (*add)(const Tensor&, const Tensor&) = nullptr;
  void (*add_into)(const Tensor& into, const Tensor& x) = nullptr;
  Tensor (*copy)(const Tensor&) = nullptr;
  Tensor (*ones_like)(const Tensor&) = nullptr;
  bool (*any_nan)(const Tensor&) = nullptr;
  // The node that leads from a view's gradient to that of its base.
  Ref<Node> (*view_node)(const Tensor& view, const Tensor& base) = nullptr;
};
Borrowed& borrowed();

}  // namespace lamina
