// One optimizer step over all parameter tensors in one pass over memory. The tensors count as one long array
// that is cut into chunks of fixed size, so that 300 tensors of all sizes keep every thread busy. The
// formulas are PyTorch's.
#include "kernels/cpu/element.h"
#include "kernels/cpu/table.h"

namespace lamina::LAMINA_ISA {
namespace {

constexpr int64_t kChunk = 16384;  // elements

// An update law gets part of one tensor as vectors: body loads and stores through these.
template <class T>
struct Part {
  T* param;
  const T* grad;
  T* state[3];
};

template <class T>
Part<T> part_of(const OptimItem& item, int64_t at) {
  const auto shift = [at](void* p) { return p == nullptr ? nullptr : static_cast<T*>(p) + at; };
  return {shift(item.param),
          static_cast<const T*>(item.grad) + at,
          {shift(item.state[0]), shift(item.state[1]), shift(item.state[2])}};
}

// The gradient as the laws see it: turned around to maximize, with weight decay added.
template <class T>
struct Gradient {
  Vec<T> sign, decay;

  explicit Gradient(const OptimStep& s, bool coupled = true)
      : sign(set<Vec<T>>(s.maximize ? -1 : 1)),
        decay(set<Vec<T>>(static_cast<T>(coupled ? s.weight_decay : 0))) {}
  Vec<T> operator()(Vec<T> grad, Vec<T> param) const { return fma(param, decay, grad * sign); }
};

// buffer := momentum * buffer + (1 - dampening) * g, at the first step buffer := g.
// https://pytorch.org/docs/stable/generated/torch.optim.SGD.html
template <class T>
void sgd(const OptimStep& s, const OptimItem& item, const Part<T>& p, int64_t n) {
  using V = Vec<T>;
  const Gradient<T> gradient(s);
  const V lr = set<V>(static_cast<T>(s.lr));
  if (s.momentum == 0) {
    return for_vectors<V>(n, [&](int64_t i, auto lanes) {
      const V x = get_lanes(p.param + i, lanes);
      put_lanes(p.param + i, fnma(gradient(get_lanes(p.grad + i, lanes), x), lr, x), lanes);
    });
  }
  T* buffer = p.state[0];
  const V momentum = set<V>(static_cast<T>(s.momentum));
  const V keep = set<V>(static_cast<T>(item.first ? 0 : s.momentum));
  const V add = set<V>(static_cast<T>(item.first ? 1 : 1 - s.dampening));
  const bool first = item.first;
  for_vectors<V>(n, [&](int64_t i, auto lanes) {
    const V x = get_lanes(p.param + i, lanes);
    const V g = gradient(get_lanes(p.grad + i, lanes), x);
    const V m = first ? g : fma(get_lanes(buffer + i, lanes), keep, g * add);
    put_lanes(buffer + i, m, lanes);
    put_lanes(p.param + i, fnma(s.nesterov ? fma(m, momentum, g) : m, lr, x), lanes);
  });
}

// m := b1 * m + (1 - b1) * g, v := b2 * v + (1 - b2) * g^2, x -= lr / (1 - b1^t) * m / (sqrt(v / (1 - b2^t))
// + eps). Kingma and Ba, "Adam" (2015); decoupled decay: Loshchilov and Hutter (2019); amsgrad: Reddi, Kale
// and Kumar (2018).
template <class T>
struct Adam {
  using V = Vec<T>;
  Gradient<T> gradient;
  V shrink, m_new, v_old, v_new, root, eps, step;
  bool amsgrad;

  explicit Adam(const OptimStep& s)
      : gradient(s, !s.decoupled),
        shrink(set<V>(static_cast<T>(s.decoupled ? 1 - s.lr * s.weight_decay : 1))),
        m_new(set<V>(static_cast<T>(1 - s.beta1))),
        v_old(set<V>(static_cast<T>(s.beta2))),
        v_new(set<V>(static_cast<T>(1 - s.beta2))),
        root(set<V>(
            static_cast<T>(1 / __builtin_sqrt(1 - __builtin_pow(s.beta2, static_cast<double>(s.step)))))),
        eps(set<V>(static_cast<T>(s.eps))),
        step(set<V>(static_cast<T>(s.lr / (1 - __builtin_pow(s.beta1, static_cast<double>(s.step)))))),
        amsgrad(s.amsgrad) {}

  void operator()(const OptimItem&, const Part<T>& p, int64_t n) const {
    for_vectors<V>(n, [&](int64_t i, auto lanes) {
      V x = get_lanes(p.param + i, lanes);
      const V g = gradient(get_lanes(p.grad + i, lanes), x);
      V m = get_lanes(p.state[0] + i, lanes);
      m = fma(g - m, m_new, m);
      V v = fma(g * g, v_new, get_lanes(p.state[1] + i, lanes) * v_old);
      put_lanes(p.state[0] + i, m, lanes);
      put_lanes(p.state[1] + i, v, lanes);
      if (amsgrad) {
        v = max(v, get_lanes(p.state[2] + i, lanes));
        put_lanes(p.state[2] + i, v, lanes);
      }
      const V size = fma(sqrt(v), root, eps);
      put_lanes(p.param + i, fnma(m / size, step, x * shrink), lanes);
    });
  }
};

// v := alpha * v + (1 - alpha) * g^2, x -= lr * g / (sqrt(v) + eps); centered: v less the squared running
// mean of g. https://pytorch.org/docs/stable/generated/torch.optim.RMSprop.html
template <class T>
void rms_prop(const OptimStep& s, const Part<T>& p, int64_t n) {
  using V = Vec<T>;
  const Gradient<T> gradient(s);
  const V lr = set<V>(static_cast<T>(s.lr)), eps = set<V>(static_cast<T>(s.eps));
  const V old = set<V>(static_cast<T>(s.beta2)), add = set<V>(static_cast<T>(1 - s.beta2));
  const V momentum = set<V>(static_cast<T>(s.momentum));
  const bool centered = s.centered, with_momentum = s.momentum > 0;
  for_vectors<V>(n, [&](int64_t i, auto lanes) {
    const V x = get_lanes(p.param + i, lanes);
    const V g = gradient(get_lanes(p.grad + i, lanes), x);
    V v = fma(g * g, add, get_lanes(p.state[0] + i, lanes) * old);
    put_lanes(p.state[0] + i, v, lanes);
    if (centered) {
      V mean = get_lanes(p.state[1] + i, lanes);
      mean = fma(g - mean, add, mean);
      put_lanes(p.state[1] + i, mean, lanes);
      v = fnma(mean, mean, v);
    }
    V move = g / (sqrt(v) + eps);
    if (with_momentum) {
      move = fma(get_lanes(p.state[2] + i, lanes), momentum, move);
      put_lanes(p.state[2] + i, move, lanes);
    }
    put_lanes(p.param + i, fnma(move, lr, x), lanes);
  });
}

// sum += g^2, x -= lr / (1 + (t - 1) * lr_decay) * g / (sqrt(sum) + eps). Duchi, Hazan and Singer (2011).
template <class T>
void adagrad(const OptimStep& s, const Part<T>& p, int64_t n) {
  using V = Vec<T>;
  const Gradient<T> gradient(s);
  const V lr = set<V>(static_cast<T>(s.lr / (1 + static_cast<double>(s.step - 1) * s.beta1)));
  const V eps = set<V>(static_cast<T>(s.eps));
  for_vectors<V>(n, [&](int64_t i, auto lanes) {
    const V x = get_lanes(p.param + i, lanes);
    const V g = gradient(get_lanes(p.grad + i, lanes), x);
    const V sum = fma(g, g, get_lanes(p.state[0] + i, lanes));
    put_lanes(p.state[0] + i, sum, lanes);
    put_lanes(p.param + i, fnma(g / (sqrt(sum) + eps), lr, x), lanes);
  });
}

// law(item, part, n) for the parts of tensors that make up each chunk of the long array.
template <class T, class F>
void for_parts(const OptimStep& s, F&& law) {
  int64_t total = 0;
  for (int64_t i = 0; i < s.count; i++) total += s.items[i].n;
  parallel_range(chunks_of(total, kChunk), max_of(1, kGrain / kChunk / 2), [&](int64_t from, int64_t to) {
    int64_t item = 0, at = from * kChunk;
    while (item < s.count && at >= s.items[item].n) at -= s.items[item++].n;
    for (int64_t chunk = from; chunk < to; chunk++) {
      int64_t left = min_of(kChunk, total - chunk * kChunk);
      while (left > 0) {
        const int64_t n = min_of(left, s.items[item].n - at);
        if (n > 0) law(s.items[item], part_of<T>(s.items[item], at), n);
        left -= n;
        at += n;
        if (at == s.items[item].n) {
          item++;
          at = 0;
        }
      }
    }
  });
}

template <class T>
void step_of(const OptimStep& s) {
  switch (s.kind) {
    case OptimStep::Kind::Sgd:
      return for_parts<T>(s, [&](const OptimItem& item, const Part<T>& p, int64_t n) { sgd(s, item, p, n); });
    case OptimStep::Kind::Adam:
      return for_parts<T>(s, Adam<T>(s));
    case OptimStep::Kind::RmsProp:
      return for_parts<T>(s, [&](const OptimItem&, const Part<T>& p, int64_t n) { rms_prop(s, p, n); });
    case OptimStep::Kind::Adagrad:
      return for_parts<T>(s, [&](const OptimItem&, const Part<T>& p, int64_t n) { adagrad(s, p, n); });
  }
}

}  // namespace

void optim_step(const OptimStep& s) {
  if (s.dtype == Dtype::Float64) {
    step_of<double>(s);
  } else {
    step_of<float>(s);
  }
}

}  // namespace lamina::LAMINA_ISA
