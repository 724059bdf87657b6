// Whether to record, and recording: the one call by which an op says how to go back.
#pragma once

#include "autograd/node.h"

namespace lamina {

bool grad_enabled();
void set_grad_enabled(bool on);
bool inference_mode();
void set_inference_mode(bool on);

// Looking for anomalies: every node notes where it was made, and a way back that fails or gives NaN is
// reported.
struct Anomaly {
  bool on = false;
  bool check_nan = true;
  std::string (*here)() = nullptr;                    // the place in the program that is running
  void (*report)(const std::string& text) = nullptr;  // a warning; set by the floor that has one
};
Anomaly& anomaly();

class GradMode {
 public:
  explicit GradMode(bool on) : before_(grad_enabled()) { set_grad_enabled(on); }
  ~GradMode() { set_grad_enabled(before_); }
  GradMode(const GradMode&) = delete;
  GradMode& operator=(const GradMode&) = delete;

 private:
  bool before_;
};

inline bool recording(const Tensor& x) { return grad_enabled() && x.defined() && requires_grad(x); }
template <class... Rest>
bool recording(const Tensor& x, const Rest&... rest) {
  return grad_enabled() && (recording(x) || (recording(rest) || ...));
}
bool recording(const Tensors& xs);

class Recorder {
 public:
  static void connect(Node& node, std::initializer_list<const Tensor*> inputs);
  static void connect(Node& node, const Tensors& inputs);
  // The node whose way back this thread runs now: what it records was induced by it.
  static Node*& running();

 private:
  static void note(Node& node);
};

// y was computed from inputs; back takes a Back and gives one gradient per input (undefined where !needs).
template <class F>
void record(const char* name, const Tensor& y, std::initializer_list<const Tensor*> inputs, F back) {
  Ref<Node> node(new ClosureNode<F>(name, 1, std::move(back)));
  Recorder::connect(*node, inputs);
  set_maker(y, Ref<Maker>(node.get()), 0);
}
template <class F>
void record(const char* name, const Tensors& ys, const Tensors& inputs, F back) {
  Ref<Node> node(new ClosureNode<F>(name, static_cast<int>(ys.size()), std::move(back)));
  Recorder::connect(*node, inputs);
  for (size_t i = 0; i < ys.size(); ++i)
    if (ys[i].defined() && is_inexact(ys[i].dtype()))
      set_maker(ys[i], Ref<Maker>(node.get()), static_cast<int>(i));
}

}  // namespace lamina
