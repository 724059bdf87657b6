// Convolutions that wait for what follows them.
#include "ops/conv_pending.h"

#include <algorithm>

#include "ops/inplace.h"
#include "tensor/derived.h"

namespace lamina::ops {

namespace {

// Weights are laid out for this convolution alone, after a batch norm with this eps (0: none).
DerivedKey key_of(const Conv2d& p, double eps) {
  DerivedKey key = {p.n,        p.c,        p.h,     p.w,     p.oc,         p.kh,         p.kw,
                    p.stride_h, p.stride_w, p.pad_h, p.pad_w, p.dilation_h, p.dilation_w, p.groups};
  key.push_back(0);
  memcpy(&key.back(), &eps, sizeof eps);
  return key;
}

// Undefined where the kernel reads the weight as it is.
Tensor pack(const Conv2d& p, const Tensor& w) {
  const size_t bytes = w.kernels().conv2d_pack_size(p);
  if (!bytes) return {};
  const Tensor packed = empty({static_cast<int64_t>(bytes)}, Dtype::UInt8);
  w.kernels().conv2d_pack(p, w.data(), packed.data());
  return packed;
}

}  // namespace

void PendingConv::run(void* out) {
  const auto data = [](const Tensor& t) { return t.defined() ? t.data() : nullptr; };
  const ConvEnd end = {data(shift), data(add), nullptr, activation};
  if (first) {
    const Scratch scratch(x.backend(), x.kernels().conv2d_chain_scratch(first->p, p));
    return x.kernels().conv2d_chain(first->p,
                                    {data(first->shift), nullptr, data(first->packed), first->activation}, p,
                                    end, x.data(), data(w), out, scratch.data());
  }
  if (!is_final) {
    const Tensors kept = derived({w}, key_of(p, 0), [&] { return Tensors{pack(p, w)}; });
    if (!kept.empty()) packed = kept[0];
  }
  const Kernels& kernels = x.kernels();
  const Scratch scratch(x.backend(), kernels.conv2d_scratch(p));
  kernels.conv2d(p, {end.shift, end.add, data(packed), activation}, x.data(), data(w), out, scratch.data());
}

namespace {

// Null but for a whole result of a convolution that is still to come.
Ref<PendingConv> to_come(const Tensor& x) {
  const Ref<Pending> found = x.defined() ? x.storage().pending() : nullptr;
  if (!found) return nullptr;
  const Ref<PendingConv> work(dynamic_cast<PendingConv*>(found.get()));
  if (!work || recording(x) || x.offset() != 0 || !x.is_contiguous() || x.ndim() < 2 ||
      x.size(1) != work->p.oc || x.numel() * 4 != static_cast<int64_t>(x.storage().bytes()))
    return nullptr;
  return work;
}
// Which has room for another step.
Ref<PendingConv> waiting(const Tensor& x) {
  const Ref<PendingConv> work = to_come(x);
  return work && work->activation == Epilogue::None ? work : nullptr;
}

Ref<PendingConv> copy_of(const PendingConv& from) {
  Ref<PendingConv> work(new PendingConv);
  work->p = from.p;
  work->x = from.x, work->w = from.w, work->shift = from.shift, work->add = from.add;
  work->packed = from.packed, work->is_final = from.is_final;
  work->norm = from.norm, work->eps = from.eps, work->first = from.first;
  work->activation = from.activation;
  return work;
}

bool list_reads(PendingConv& work) {
  bool shared = false;
  Sources all = {work.x, work.w, work.shift, work.add, work.first ? work.first->shift : Tensor()};
  all.insert(all.end(), work.norm.begin(), work.norm.end());
  for (const Tensor& t : all) {
    if (!t.defined()) continue;
    shared |= t.storage().is_shared();
    work.reads.push_back(t.storage_ref());
  }
  return !shared;
}

// The step is done in place where x waits to be written, else in a new tensor that takes the place of x.
Tensor join(const Tensor& x, PendingConv& before, Ref<PendingConv> work) {
  if (!list_reads(*work)) return {};
  before.joined = true;
  const Tensor into = IntoTarget::take(x.shape(), x.dtype());
  if (!into.defined()) return pending(x.shape(), x.dtype(), x.backend(), Ref<Pending>(work.get()));
  if (into.storage_ref() == x.storage_ref()) {
    x.storage().put_off(Ref<Pending>(work.get()));
    return into;
  }
  // The kernel writes a dense result before it has read all: not over what it reads, nor through gaps.
  const auto& reads = work->reads;
  if (into.is_contiguous() && std::find(reads.begin(), reads.end(), into.storage_ref()) == reads.end()) {
    work->run(into.data());
    return into;
  }
  const Tensor apart = empty(x.shape(), x.dtype());
  work->run(apart.data());
  return copy_(into, apart);
}

}  // namespace

Tensor put_off(const Shape& y, Ref<PendingConv> work) {
  const Tensor x = work->x;
  if (list_reads(*work)) return pending(y, x.dtype(), x.backend(), Ref<Pending>(work.get()));
  const Tensor out = empty(y, x.dtype());
  work->run(out.data());
  return out;
}

namespace {

// Weight and shift of conv(x, w rstd scale) + (bias - mean) rstd scale + b.
Tensors fold(const Tensor& conv_w, const Tensor& conv_b, const Tensor& w, const Tensor& b, const Tensor& mean,
             const Tensor& var, double eps) {
  GradMode off(false);
  const Tensor rstd = rsqrt(ops::add(detach(var), eps));
  const Tensor scale = w.defined() ? mul(rstd, detach(w)) : rstd;
  const Tensor shift = mul(conv_b.defined() ? sub(conv_b, detach(mean)) : neg(detach(mean)), scale);
  return {mul(conv_w, reshape(scale, {scale.numel(), 1, 1, 1})),
          contiguous(b.defined() ? ops::add(shift, detach(b)) : shift), Tensor()};
}

// The weight of `first` as a chain reads it.
Tensor pack_for_chain(const PendingConv& first) {
  const Sources& norm = first.norm;
  const Sources sources = norm.empty() ? Sources{first.w} : norm;
  DerivedKey key = key_of(first.p, first.eps);
  key.push_back(1);
  const auto make = [&] {
    const Tensor w =
        norm.empty() ? first.w : fold(norm[0], norm[1], norm[2], norm[3], norm[4], norm[5], first.eps)[0];
    const auto bytes = static_cast<int64_t>(w.kernels().conv2d_chain_pack_size(first.p));
    const Tensor packed = empty({bytes}, Dtype::UInt8);
    w.kernels().conv2d_chain_pack(first.p, w.data(), packed.data());
    return Tensors{packed};
  };
  const Tensors kept = derived(sources, key, make);
  return kept.empty() ? make()[0] : kept[0];
}

}  // namespace

Tensor join_conv(const Tensor& x, Ref<PendingConv> work, const Shape& y) {
  const Ref<PendingConv> before = to_come(x);
  const Conv2d& p = work->p;
  if (!before || before->first || before->add.defined() || (before->is_final && before->norm.empty()) ||
      before->p.n != p.n || before->p.oc != p.c || before->p.oh != p.h || before->p.ow != p.w ||
      !x.kernels().conv2d_chain_scratch(before->p, p))
    return {};
  work->first = copy_of(*before);
  work->first->packed = pack_for_chain(*before);
  work->x = before->x;
  before->joined = true;
  return put_off(y, work);
}

// The weight is made anew only where one of what it depends on changed.
Tensor join_batch_norm(const Tensor& x, const Tensor& w, const Tensor& b, const Tensor& mean,
                       const Tensor& var, double eps) {
  const Ref<PendingConv> before = waiting(x);
  if (!before || before->is_final || before->add.defined() || recording(w, b)) return {};
  const Ref<PendingConv> work = copy_of(*before);
  work->eps = eps;
  work->norm = {before->w, before->shift, w, b, mean, var};
  const auto folded_now = [&] { return fold(before->w, before->shift, w, b, mean, var, eps); };
  Tensors folded = derived(work->norm, key_of(work->p, eps), [&] {
    Tensors made = folded_now();
    made[2] = pack(work->p, made[0]);
    if (made[2].defined()) made[0] = Tensor();
    return made;
  });
  if (folded.empty()) folded = folded_now();
  // What others may write at any time is not read again.
  if (std::any_of(work->norm.begin(), work->norm.end(),
                  [](const Tensor& t) { return t.defined() && t.storage().is_shared(); }))
    work->norm.clear();
  work->w = folded[0], work->shift = folded[1], work->packed = folded[2];
  work->is_final = true;
  return join(x, *before, work);
}

Tensor join_add(const Tensor& x, const Tensor& y) {
  const Ref<PendingConv> before = waiting(x);
  if (!before || before->add.defined() || !y.defined() || y.shape() != x.shape() || y.dtype() != x.dtype() ||
      recording(y) || !y.is_contiguous() || y.storage_ref() == x.storage_ref())
    return {};
  y.data();  // what y waits for comes first
  if (x.storage().pending().get() != before.get()) return {};
  const Ref<PendingConv> work = copy_of(*before);
  work->add = alias(y);
  return join(x, *before, work);
}

Tensor join_activation(const Tensor& x, UnaryOp op, double p0, double p1) {
  const Ref<PendingConv> before = waiting(x);
  if (!before) return {};
  const auto as = [&] {
    switch (op) {
      case UnaryOp::Relu:
        return Epilogue::Relu;
      case UnaryOp::Relu6:
        return Epilogue::Relu6;
      case UnaryOp::Hardtanh:
        return p0 == 0 && p1 == 6 ? Epilogue::Relu6 : Epilogue::None;
      case UnaryOp::Gelu:
        return Epilogue::Gelu;
      case UnaryOp::GeluTanh:
        return Epilogue::GeluTanh;
      case UnaryOp::Silu:
        return Epilogue::Silu;
      case UnaryOp::Sigmoid:
        return Epilogue::Sigmoid;
      case UnaryOp::Tanh:
        return Epilogue::Tanh;
      case UnaryOp::Hardswish:
        return Epilogue::Hardswish;
      default:
        return Epilogue::None;
    }
  }();
  if (as == Epilogue::None) return {};
  const Ref<PendingConv> work = copy_of(*before);
  work->activation = as;
  return join(x, *before, work);
}

}  // namespace lamina::ops
