// Connectionist temporal classification (Graves et al., 2006): the probability of a row of labels over all
// ways to spread it in time, and its slope. Sequences are independent; places of a sequence are side by side
// in vectors.
#include <cmath>

#include "kernels/cpu/element.h"
#include "kernels/cpu/table.h"
#include "simd/math.h"

namespace lamina::LAMINA_ISA {
namespace {

// Arrays over places (blank, label, blank ... blank) have two entries more before them and behind them, which
// hold the logarithm of 0.
constexpr int64_t kPad = 2;

template <class T>
struct Sequence {
  const CtcLoss& p;
  const T* logp;  // of step 0
  const int64_t* labels;
  int64_t steps, places;
  T *emitted, *bar, *work, *shares;

  static int64_t scratch(const CtcLoss& p) { return 4 * (p.pitch() + kPad); }
  Sequence(const CtcLoss& loss, int64_t b, const void* x, void* memory)
      : p(loss),
        logp(static_cast<const T*>(x) + b * p.classes),
        labels(p.labels + p.first_label[b]),
        steps(p.step_count[b]),
        places(2 * p.label_count[b] + 1) {
    const int64_t each = p.pitch() + kPad;
    emitted = static_cast<T*>(memory) + b * scratch(p);
    bar = emitted + each;
    work = bar + each;
    shares = work + each;
    // A blank may be left out between different labels: what is added to the way from two places before.
    for (int64_t s = 0; s < each; s++) {
      const bool may = s % 2 == 1 && s < places && (s == 1 || labels[s / 2] != labels[s / 2 - 1]);
      bar[s] = may ? T(0) : -static_cast<T>(INFINITY);
    }
  }

  const T* row(int64_t t) const { return logp + t * p.batch * p.classes; }
  int64_t label(int64_t s) const { return s % 2 == 1 ? labels[s / 2] : p.blank; }
  void emit(int64_t t) {
    const T* from = row(t);
    const T blank = from[p.blank];
    for (int64_t s = 0; s < places; s += 2) emitted[s] = blank;
    for (int64_t s = 1; s < places; s += 2) emitted[s] = from[labels[s / 2]];
  }
};

template <class T>
void impossible(T* a, int64_t n) {
  for (int64_t i = 0; i < n; i++) a[i] = -static_cast<T>(INFINITY);
}

// e^x for x that is hardly above 0, at least e^kLeast: beside 1 that counts for nothing, and numbers too
// small to be normal would take a hundred times as long. NaN passes.
template <class V>
constexpr double kLeast = kSingle<V> ? -80 : -700;
template <class V>
LAMINA_INLINE V exp_at_least(V x) {
  const ExpParts<V> parts = exp_parts(max(constant<V>(kLeast<V>), x));
  return ldexp_normal(exp_near_zero(parts.rest), parts.n);
}
template <class V>
LAMINA_INLINE V exp_or_zero(V x) {
  return select(x < constant<V>(kLeast<V>), zero<V>(), exp_at_least(x));
}

// log(e^a + e^b + e^c); NaN passes.
template <class V>
LAMINA_INLINE V log_of_three(V a, V b, V c) {
  const V top = max(max(a, b), c);
  const V sum = exp_at_least(a - top) + exp_at_least(b - top) + exp_at_least(c - top);  // in [1, 3]
  const V y = log_sum(log_parts(sum), zero<V>()) + top;
  return select(top == -infinity<V>(), top, select(sum == sum, y, sum));
}

template <class T>
T forward(Sequence<T> q, T* ways) {
  using V = Vec<T>;
  const int64_t pitch = q.p.pitch();
  // As if a step before the first had been one place before the first.
  const T* before = q.work;
  impossible(q.work, q.places + kPad);
  q.work[1] = 0;
  for (int64_t t = 0; t < q.steps; t++) {
    T* to = ways + t * pitch;
    q.emit(t);
    impossible(to, kPad);
    for_vectors<V>(q.places, [&](int64_t s, auto lanes) {
      const V jump = get_lanes(before + s, lanes) + get_lanes(q.bar + s, lanes);
      const V way = log_of_three(get_lanes(before + 2 + s, lanes), get_lanes(before + 1 + s, lanes), jump);
      put_lanes(to + kPad + s, way + get_lanes(q.emitted + s, lanes), lanes);
    });
    before = to;
  }
  const T* last = before + kPad + q.places - 1;
  T ends[2];
  store_n(ends, log_of_three<V>(set<V>(last[0]), set<V>(last[-1]), -infinity<V>()), 1);
  return -ends[0];
}

// From the last step to the first: the probability of what follows a place, and with what led there the share
// of all ways that pass it.
template <class T>
void backward(Sequence<T> q, int64_t b, const T* ways, T loss, T g, T* dx) {
  using V = Vec<T>;
  const CtcLoss& p = q.p;
  T* after = q.work;
  impossible(after, p.pitch() + kPad);
  for (int64_t t = p.steps - 1; t >= 0; t--) {
    T* to = dx + (t * p.batch + b) * p.classes;
    if (t >= q.steps) {
      memset(to, 0, p.classes * sizeof(T));
      continue;
    }
    q.emit(t);
    const T* led = ways + t * p.pitch() + kPad;
    if (t == q.steps - 1) {
      after[q.places - 1] = 0;
      if (q.places > 1) after[q.places - 2] = 0;
    }
    for_vectors<V>(q.places, [&](int64_t s, auto lanes) {
      V rest = get_lanes(after + s, lanes);
      if (t < q.steps - 1)
        rest = log_of_three(rest, get_lanes(after + s + 1, lanes),
                            get_lanes(after + s + 2, lanes) + get_lanes(q.bar + s + 2, lanes));
      put_lanes(q.shares + s, exp_or_zero(get_lanes(led + s, lanes) + rest + set<V>(loss)), lanes);
      put_lanes(after + s, rest + get_lanes(q.emitted + s, lanes), lanes);
    });
    const T* from = q.row(t);
    for_vectors<V>(p.classes, [&](int64_t c, auto lanes) {
      put_lanes(to + c, exp_or_zero(get_lanes(from + c, lanes)) * set<V>(g), lanes);
    });
    T blank = 0;
    for (int64_t s = 0; s < q.places; s += 2) blank += q.shares[s];
    to[p.blank] -= g * blank;
    for (int64_t s = 1; s < q.places; s += 2) to[q.labels[s / 2]] -= g * q.shares[s];
  }
}

template <class F>
void by_type(Dtype dtype, F&& f) {
  dtype == Dtype::Float64 ? f(double()) : f(float());
}

}  // namespace

void ctc_loss(const CtcLoss& p, const void* logp, void* loss, void* ways, void* scratch) {
  by_type(p.dtype, [&](auto type) {
    using T = decltype(type);
    parallel(p.batch, [&](int64_t b) {
      static_cast<T*>(loss)[b] =
          forward(Sequence<T>(p, b, logp, scratch), static_cast<T*>(ways) + b * p.steps * p.pitch());
    });
  });
}

void ctc_loss_grad(const CtcLoss& p, const void* logp, const void* loss, const void* ways, const void* g,
                   bool zero_infinity, void* dx, void* scratch) {
  by_type(p.dtype, [&](auto type) {
    using T = decltype(type);
    parallel(p.batch, [&](int64_t b) {
      const T found = static_cast<const T*>(loss)[b];
      T* to = static_cast<T*>(dx);
      if (found == static_cast<T>(INFINITY)) {
        for (int64_t t = 0; t < p.steps; t++) {
          const T fill = zero_infinity || t >= p.step_count[b] ? T(0) : static_cast<T>(NAN);
          for (int64_t c = 0; c < p.classes; c++) to[(t * p.batch + b) * p.classes + c] = fill;
        }
        return;
      }
      backward(Sequence<T>(p, b, logp, scratch), b, static_cast<const T*>(ways) + b * p.steps * p.pitch(),
               found, static_cast<const T*>(g)[b], to);
    });
  });
}

size_t ctc_loss_scratch(const CtcLoss& p) {
  return p.batch * Sequence<float>::scratch(p) * static_cast<int64_t>(size_of(p.dtype));
}

}  // namespace lamina::LAMINA_ISA
