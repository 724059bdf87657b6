// The modes of the calling thread, and connecting a new node to its inputs.
#include "autograd/record.h"

namespace lamina {

static thread_local bool grad_enabled_ = true;
static thread_local bool inference_mode_ = false;

bool grad_enabled() { return grad_enabled_; }
void set_grad_enabled(bool on) { grad_enabled_ = on; }
bool inference_mode() { return inference_mode_; }
void set_inference_mode(bool on) { inference_mode_ = on; }

bool recording(const Tensors& xs) {
  if (!grad_enabled_) return false;
  for (const Tensor& x : xs)
    if (recording(x)) return true;
  return false;
}

Anomaly& anomaly() {
  static Anomaly state;
  return state;
}

Node*& Recorder::running() {
  thread_local Node* node = nullptr;
  return node;
}

void Recorder::note(Node& node) {
  if (!anomaly().here) return;
  node.made_at_ = anomaly().here();
  if (const Node* by = running())
    node.made_at_ += std::string("\nPrevious calculation was induced by ") + by->name() +
                     ". Traceback of forward call that induced the previous calculation:\n" + by->made_at();
}

void Recorder::connect(Node& node, std::initializer_list<const Tensor*> inputs) {
  if (anomaly().on) note(node);
  node.next_.reserve(inputs.size());
  for (const Tensor* x : inputs) node.next_.push_back(edge_of(*x));
}

void Recorder::connect(Node& node, const Tensors& inputs) {
  if (anomaly().on) note(node);
  node.next_.reserve(inputs.size());
  for (const Tensor& x : inputs) node.next_.push_back(edge_of(x));
}

}  // namespace lamina
