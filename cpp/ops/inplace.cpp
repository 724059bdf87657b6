// Rewriting a tensor or a view in place with its history.
#include "ops/inplace.h"

#include "ops/complex.h"

namespace lamina {

static thread_local const Tensor* target_ = nullptr;

IntoTarget::IntoTarget(const Tensor& x) : before_(target_) { target_ = &x; }
IntoTarget::~IntoTarget() { target_ = before_; }
bool IntoTarget::taken() const { return target_ == nullptr; }
Tensor IntoTarget::take(const Shape& shape, Dtype dtype) {
  if (!target_ || target_->dtype() != dtype || target_->shape() != shape) return {};
  return alias(*std::exchange(target_, nullptr));
}

void check_inplace(const Tensor& x, const char* op) {
  if (!x.is_contiguous() && overlaps_itself(x.shape(), x.strides()))
    fail<ShapeError>(op,
                     ": unsupported operation: more than one element of the written-to tensor refers to a "
                     "single memory location (shape ",
                     x.shape(), ", strides ", x.strides(),
                     "). Please clone() the tensor before performing the operation.");
  if (!grad_enabled()) return;
  if (requires_grad(x) && is_leaf(x))
    fail<Error>(op, ": a leaf Variable that requires grad is being used in an in-place operation.");
  if (x.impl()->base && requires_grad(Tensor(x.impl()->base)) && is_leaf(Tensor(x.impl()->base)))
    fail<Error>(op, ": a view of a leaf Variable that requires grad is being used in an in-place operation.");
}

namespace ops {
namespace {

// A view and its base of which one is complex: that one is looked at as pairs, so that both count reals.
struct Between {
  bool view_apart, base_apart;
  Between(const Tensor& view, const Tensor& base)
      : view_apart(is_complex(view.dtype()) && !is_complex(base.dtype())),
        base_apart(is_complex(base.dtype()) && !is_complex(view.dtype())) {}
  Tensor of_view(const Tensor& x) const { return view_apart ? pairs(x) : x; }
  Tensor of_base(const Tensor& x) const { return base_apart ? pairs(x) : x; }
};

// The base was changed where a view looks: its gradient passes on except there, and what is there goes to
// `value`.
void rewrite_base(const Tensor& base, const Tensor& x, const Tensor& value) {
  const Between kinds(x, base);
  const Tensor look = kinds.of_view(x);
  const Shape shape = look.shape(), strides = look.strides();
  const int64_t offset = look.offset() - kinds.of_base(base).offset();
  const Tensor before = alias(base);  // carries the history from before the change
  if (requires_grad(base)) {
    const Edge edge = edge_of(base);
    set_maker(before, Ref<Maker>(edge.node.get()), edge.slot);
  }
  record("CopySlices", base, {&before, &value}, [kinds, shape, strides, offset](Back& back) -> Tensors {
    const Tensor g = contiguous(back.grad());
    const auto part = [&](const Tensor& whole) {
      const Tensor flat = kinds.base_apart ? view_as_real(whole) : whole;
      return as_strided(flat, shape, strides, flat.offset() + offset);
    };
    Tensor rest, there;
    if (back.needs(0)) {
      rest = clone(g);
      fill_(part(rest), 0);
    }
    if (back.needs(1)) {
      there = contiguous(part(g));
      if (kinds.view_apart) there = view_as_complex(fits_complex(there) ? there : clone(there));
    }
    return {rest, there};
  });
  ++grad_meta(base).history;
}

}  // namespace

bool can_take(const Tensor& x, const Tensor& value) {
  return value.storage_ref() != x.storage_ref() && !x.impl()->base && !x.storage().is_shared() &&
         !value.impl()->base && !value.storage().is_shared() && value.dtype() == x.dtype() &&
         value.strides() == x.strides() && value.offset() == 0 &&
         value.storage().bytes() == static_cast<size_t>(value.numel()) * value.item_size();
}

Tensor assign_(const Tensor& x, const Tensor& value, bool take) {
  check_inplace(x, "in-place operation");
  if (value.shape() != x.shape())
    fail<ShapeError>("in-place operation: output with shape ", x.shape(),
                     " doesn't match the broadcast shape ", value.shape());
  const bool history = grad_enabled() && (requires_grad(x) || requires_grad(value));
  if (is_inexact(value.dtype()) && category_of(x.dtype()) < category_of(value.dtype()))
    fail<TypeError>("in-place operation: result type ", name_of(value.dtype()),
                    " can't be cast to the desired output type ", name_of(x.dtype()));
  const Tensor converted = to(value, x.dtype());
  const Tensor base = x.impl()->base ? Tensor(x.impl()->base) : Tensor();
  {
    GradMode off(false);
    if (take) {
      x.impl()->storage = value.storage_ref();
      x.impl()->offset = value.offset();
    } else if (converted.data() != x.data() || converted.strides() != x.strides())
      copy_(detach(x), converted);
    else
      x.bump_version();
  }
  if (!history) return x;
  if (base.defined()) {
    if (!base.is_contiguous())
      fail<NotImplementedError>(
          "in-place change of a view of a non-contiguous tensor while recording; clone() it first");
    rewrite_base(base, x, converted);
    x.impl()->base_history = ~grad_meta(base).history;  // renewed from the base at the next look
    return x;
  }
  const Edge edge = edge_of(converted);
  if (edge)
    set_maker(x, Ref<Maker>(edge.node.get()), edge.slot);
  else
    record("FillBackward0", x, {&x}, [](Back& back) -> Tensors { return {full_like(back.grad(), 0)}; });
  ++grad_meta(x).history;
  return x;
}

Tensor become_(const Tensor& x, const Tensor& view) {
  const Edge edge = edge_of(view);
  if (grad_enabled() && requires_grad(x) && is_leaf(x))
    fail<Error>("in-place view: a leaf Variable that requires grad is being used in an in-place operation.");
  x.impl()->shape = view.shape();
  x.impl()->strides = view.strides();
  x.impl()->offset = view.offset();
  x.impl()->numel = view.numel();
  if (edge) {
    set_maker(x, Ref<Maker>(edge.node.get()), edge.slot);
    ++grad_meta(x).history;
  }
  return x;
}

namespace {

// From a view's gradient to its base's, by geometry alone: what views use after their base was rewritten.
Ref<Node> view_node(const Tensor& x, const Tensor& base) {
  const Between kinds(x, base);
  const Tensor view = kinds.of_view(x), whole = kinds.of_base(base);
  const auto back = [kinds, shape = whole.shape(), strides = whole.strides(), origin = whole.offset(),
                     view_strides = view.strides(), offset = view.offset()](Back& b) -> Tensors {
    const Tensor g = kinds.view_apart ? view_as_real(b.grad()) : b.grad();
    const Tensor grad = strided_grad(g, shape, strides, origin, view_strides, offset);
    return {kinds.base_apart ? view_as_complex(clone(contiguous(grad))) : grad};
  };
  Ref<Node> node(new ClosureNode<decltype(back)>("AsStridedBackward0", 1, back));
  Recorder::connect(*node, {&base});
  return node;
}

void add_into(const Tensor& into, const Tensor& x) { add_(into, x); }

const bool lent = [] {
  Borrowed& table = borrowed();
  table.add = [](const Tensor& a, const Tensor& b) { return add(a, b); };
  table.add_into = add_into;
  table.copy = [](const Tensor& x) { return contiguous(clone(x)); };
  table.ones_like = [](const Tensor& x) { return full_like(x, 1); };
  table.any_nan = [](const Tensor& x) {
    const GradMode off(false);
    return is_inexact(x.dtype()) && *any(isnan(x), {}, false).data_as<uint8_t>() != 0;
  };
  table.view_node = view_node;
  return true;
}();

}  // namespace

}  // namespace ops
}  // namespace lamina
