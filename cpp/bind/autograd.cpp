// The backward walk from Python: modes, hooks, graph nodes, and functions whose way back is written in
// Python.
#include <algorithm>

#include "bind/define.h"
#include "ops/autocast.h"
#include "ops/walk.h"

namespace lamina::bind {
namespace {

using py::arg;

struct PyNode {
  Ref<Node> node;
};

Tensors tensors_from(const std::vector<MaybeTensor>& list) {
  Tensors out;
  for (const MaybeTensor& x : list) out.push_back(x.tensor);
  return out;
}

py::list list_from(const Tensors& tensors) {
  py::list out;
  for (const Tensor& x : tensors) out.append(MaybeTensor{x});
  return out;
}

Hook python_hook(const py::object& function) {
  return [kept = keep(function)](const Tensor& grad) -> Tensor {
    const py::gil_scoped_acquire gil;
    const py::object result = (*kept)(grad);
    if (result.is_none()) return {};
    if (!is_tensor(result.ptr()))
      throw py::type_error("register_hook: expected the hook to return a Tensor or None");
    const Tensor changed = tensor_of(result.ptr());
    if (changed.shape() != grad.shape())
      fail<ShapeError>("hook: returned a gradient of shape ", changed.shape(), ", expected ", grad.shape());
    return changed;
  };
}

void bind_hooks(py::module_& m) {
  py::class_<HookHandle>(m, "HookHandle", "Takes its hook away with remove(); a context manager as well.")
      .def("remove", &HookHandle::remove)
      .def_readonly("id", &HookHandle::id)
      .def("__enter__", [](py::object self) { return self; })
      .def("__exit__", [](const HookHandle& h, const py::args&) { h.remove(); });
  method(
      "register_hook", [](const Tensor& x, const py::object& hook) { return add_hook(x, python_hook(hook)); },
      arg("hook"));
  method(
      "register_post_accumulate_grad_hook",
      [](const Tensor& x, const py::object& hook) {
        TensorImpl* leaf = x.impl();  // weak: the hook hangs on x itself
        return add_post_accumulate_hook(x, [kept = keep(hook), leaf] {
          const py::gil_scoped_acquire gil;
          (*kept)(Tensor(leaf));
        });
      },
      arg("hook"));
}

void bind_nodes(py::module_& m) {
  py::class_<PyNode>(m, "Node", "A recorded operation.")
      .def("name", [](const PyNode& n) { return n.node->name(); })
      .def_property_readonly("next_functions",
                             [](const PyNode& n) {
                               py::list edges;
                               for (const Edge& edge : n.node->next())
                                 edges.append(edge ? py::tuple(py::make_tuple(PyNode{edge.node}, edge.slot))
                                                   : py::tuple(py::make_tuple(py::none(), 0)));
                               return py::tuple(edges);
                             })
      .def_property_readonly("variable", [](const PyNode& n) { return MaybeTensor{n.node->leaf()}; })
      .def_property_readonly("_output_shape", [](const PyNode& n) { return n.node->output_shape(); })
      .def_property_readonly("_sequence_nr", [](const PyNode& n) { return n.node->sequence(); })
      .def("__eq__", [](const PyNode& a, const PyNode& b) { return a.node == b.node; })
      .def("__hash__", [](const PyNode& n) { return reinterpret_cast<uintptr_t>(n.node.get()); })
      .def("__repr__", [](const PyNode& n) { return std::string("<") + n.node->name() + ">"; });
  py::object type = tensor_class();
  const py::object getter = py::cpp_function(
      [](const Tensor& x) -> py::object {
        const Ref<Maker> maker = maker_of(x);
        if (!maker) return py::none();
        return py::cast(PyNode{Ref<Node>(static_cast<Node*>(maker.get()))});
      },
      py::name("grad_fn"), py::is_method(type));
  py::setattr(type, "grad_fn", py::module_::import("builtins").attr("property")(getter));
  method("_output_nr", [](const Tensor& x) { return x.impl()->grad_meta ? x.impl()->grad_meta->slot : 0; });
}

// A node whose way back is a Python callable: takes the saved tensors and the output gradients (None where
// none arrived), returns the input gradients.
class PythonNode final : public Node {
 public:
  PythonNode(const char* name, int outputs, std::shared_ptr<py::object> back,
             std::shared_ptr<py::object> label, std::vector<Shape> shapes, std::vector<Dtype> dtypes)
      : Node(name, outputs),
        back_(std::move(back)),
        label_(std::move(label)),
        shapes_(std::move(shapes)),
        dtypes_(std::move(dtypes)) {}
  Tensors apply(const Tensors& grads) override {
    if (!back_)
      fail<Error>(name_,
                  ": Trying to backward through the graph a second time; pass retain_graph=True to the first "
                  "backward()");
    const py::gil_scoped_acquire gil;
    const Back context{grads, *this};
    Tensors saved;
    for (const Saved& x : saved_) saved.push_back(x.get(context));
    const py::object result = (*back_)(*list_from(saved), *list_from(grads));
    py::list given = py::isinstance<py::tuple>(result) || py::isinstance<py::list>(result)
                         ? py::list(result)
                         : py::list(py::make_tuple(result));
    if (given.size() < next().size())
      fail<Error>(name_, ": returned an incorrect number of gradients (expected ", next().size(), ", got ",
                  given.size(), ")");
    Tensors out;
    for (size_t i = 0; i < next().size(); ++i) {
      const py::object g = given[i];
      if (g.is_none() || !needs(static_cast<int>(i))) {
        out.emplace_back();
        continue;
      }
      if (!is_tensor(g.ptr())) fail<TypeError>(name_, ": expected a Tensor or None as gradient ", i);
      out.push_back(fitted(tensor_of(g.ptr()), i));
    }
    return out;
  }
  void free_saved() override {
    back_.reset();
    saved_.clear();
  }
  void save(Saved x) { saved_.push_back(std::move(x)); }

 private:
  Tensor fitted(const Tensor& g, size_t i) const {
    if (g.shape() != shapes_[i]) {
      if (g.ndim() < shapes_[i].size())
        fail<ShapeError>(name_, ": returned an invalid gradient at index ", i, " - got ", g.shape(),
                         " but expected shape compatible with ", shapes_[i]);
      if (broadcast(g.shape(), shapes_[i], name_) != g.shape())
        fail<ShapeError>(name_, ": returned an invalid gradient at index ", i, " - got ", g.shape(),
                         " but expected shape compatible with ", shapes_[i]);
    }
    return ops::to(reduce_to(g, shapes_[i]), dtypes_[i]);
  }
  std::shared_ptr<py::object> back_, label_;
  std::vector<Saved> saved_;
  std::vector<Shape> shapes_;
  std::vector<Dtype> dtypes_;
};

// `outputs` and `saved` may hold None: an output without a gradient, nothing saved in that place.
void record_function(const py::object& name, const std::vector<MaybeTensor>& inputs,
                     const std::vector<MaybeTensor>& outputs, const py::object& back,
                     const std::vector<MaybeTensor>& saved) {
  const Tensors xs = tensors_from(inputs), ys = tensors_from(outputs);
  if (!recording(xs)) return;
  std::vector<Shape> shapes;
  std::vector<Dtype> dtypes;
  for (const Tensor& x : xs) {
    shapes.push_back(x.defined() ? x.shape() : Shape());
    dtypes.push_back(x.defined() ? x.dtype() : Dtype::Float32);
  }
  const py::str label(name);  // lives as long as the node: its characters are the node's name
  const char* text = PyUnicode_AsUTF8(label.ptr());
  if (!text) throw py::error_already_set();
  auto* python = new PythonNode(text, static_cast<int>(ys.size()), keep(back), keep(label), shapes, dtypes);
  const Ref<Node> node(python);
  Recorder::connect(*node, xs);
  for (const Tensor& x : tensors_from(saved)) {
    const auto slot = std::find_if(ys.begin(), ys.end(),
                                   [&](const Tensor& y) { return y.defined() && x.defined() && y.same(x); });
    python->save(slot == ys.end() ? Saved(x) : Saved::output(x, static_cast<int>(slot - ys.begin())));
  }
  for (size_t i = 0; i < ys.size(); ++i)
    if (ys[i].defined() && is_inexact(ys[i].dtype()))
      set_maker(ys[i], Ref<Maker>(node.get()), static_cast<int>(i));
}

}  // namespace

void bind_autograd(py::module_& m) {
  bind_hooks(m);
  bind_nodes(m);
  m.def("grad_enabled", &grad_enabled);
  m.def("set_grad_enabled", &set_grad_enabled, arg("mode"));
  m.def("inference_mode", &inference_mode);
  m.def("set_inference_mode", &set_inference_mode, arg("mode"));
  m.def(
      "backward",
      [](const Tensors& roots, const std::vector<MaybeTensor>& grads, const Tensors& inputs,
         bool retain_graph, bool create_graph, bool accumulate) {
        const Tensors g = tensors_from(grads);
        return list_from(without_gil([&] {
          const ops::AutocastOff as_recorded;  // the way back takes the dtypes of the forward
          return backward(roots, g, inputs, {retain_graph, create_graph, accumulate});
        }));
      },
      arg("roots"), arg("grads"), arg("inputs"), arg("retain_graph"), arg("create_graph"), arg("accumulate"));
  method(
      "backward",
      [](const Tensor& x, const MaybeTensor& gradient, std::optional<bool> retain_graph, bool create_graph,
         const std::optional<Tensors>& inputs) {
        const Tensors in = inputs.value_or(Tensors());
        without_gil([&] {
          const ops::AutocastOff as_recorded;
          return backward({x}, {gradient.tensor}, in,
                          {retain_graph.value_or(create_graph), create_graph, true});
        });
      },
      arg("gradient") = py::none(), arg("retain_graph") = py::none(), arg("create_graph") = false,
      arg("inputs") = py::none());
  m.def("record_function", &record_function, arg("name"), arg("inputs"), arg("outputs"), arg("backward"),
        arg("saved") = std::vector<MaybeTensor>(),
        "Make `outputs` look computed from `inputs` by an op whose way back is `backward(*saved, "
        "*output_grads) -> input_grads`.");
}

}  // namespace lamina::bind
