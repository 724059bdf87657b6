// The cells of recurrent layers, from the sums of their products to the next state and back, over rows of one
// step and a range of units. The laws are in kernels/recurrent.h.
#pragma once

// clang-format off
#include "kernels/cpu/element.h"
#include "simd/math.h"
#include "kernels/formulas.h"  // written in the vocabulary of the line above
// clang-format on

namespace lamina::LAMINA_ISA {

// Arrays begin at the first row and at unit 0.
template <class T>
struct CellStep {
  int64_t rows, begin, end;  // units
  int64_t hidden;
  T* gates;  // sums of the products, replaced by the activated gates
  int64_t gates_row;
  const T* bias;    // (gate_parts * hidden): added to the sums
  const T* before;  // h
  T* after;         // h'
  int64_t before_row, after_row;
  T* y;  // h' once more, or null
  int64_t y_row;
  T* c;      // (rows, hidden): c, replaced by c'
  T* cells;  // c' once more, or null
};

template <class T, bool relu>
static void rnn_cells(const CellStep<T>& s) {
  using V = Vec<T>;
  for (int64_t r = 0; r < s.rows; r++) {
    const T *sums = s.gates + r * s.gates_row + s.begin, *bias = s.bias + s.begin;
    T *after = s.after + r * s.after_row + s.begin, *y = s.y + r * s.y_row + s.begin;
    for_vectors<V>(s.end - s.begin, [&](int64_t u, auto lanes) {
      const V sum = get_lanes(sums + u, lanes) + get_lanes(bias + u, lanes);
      const V h = relu ? max(zero<V>(), sum) : tanh(sum);
      put_lanes(after + u, h, lanes);
      put_lanes(y + u, h, lanes);
    });
  }
}

// Denominators lie in [1, 2], so one division serves all four gates.
template <class T>
static void lstm_cells(const CellStep<T>& s) {
  using V = Vec<T>;
  const T *bias_i = s.bias + s.begin, *bias_f = bias_i + s.hidden, *bias_g = bias_f + s.hidden,
          *bias_o = bias_g + s.hidden;
  for (int64_t r = 0; r < s.rows; r++) {
    T *at_i = s.gates + r * s.gates_row + s.begin, *at_f = at_i + s.hidden, *at_g = at_f + s.hidden,
      *at_o = at_g + s.hidden;
    T *at_c = s.c + r * s.hidden + s.begin, *cells = s.cells ? s.cells + r * s.hidden + s.begin : nullptr;
    T *after = s.after + r * s.after_row + s.begin, *y = s.y ? s.y + r * s.y_row + s.begin : nullptr;
    for_vectors<V>(s.end - s.begin, [&](int64_t u, auto lanes) {
      const auto qi = sigmoid_fraction(get_lanes(at_i + u, lanes) + get_lanes(bias_i + u, lanes));
      const auto qf = sigmoid_fraction(get_lanes(at_f + u, lanes) + get_lanes(bias_f + u, lanes));
      const auto qg = tanh_fraction(get_lanes(at_g + u, lanes) + get_lanes(bias_g + u, lanes));
      const auto qo = sigmoid_fraction(get_lanes(at_o + u, lanes) + get_lanes(bias_o + u, lanes));
      const V two = qi.below * qf.below, others = qg.below * qo.below;
      const V inverse = quotient(constant<V>(1), two * others), of_two = inverse * others,
              of_others = inverse * two;
      const V i = qi.above * (qf.below * of_two), f = qf.above * (qi.below * of_two);
      const V g = qg.above * (qo.below * of_others), o = qo.above * (qg.below * of_others);
      const V c = fma(f, get_lanes(at_c + u, lanes), i * g), h = o * tanh(c);
      put_lanes(at_c + u, c, lanes);
      put_lanes(after + u, h, lanes);
      if (y) put_lanes(y + u, h, lanes);
      if (cells) {
        put_lanes(cells + u, c, lanes);
        put_lanes(at_i + u, i, lanes);
        put_lanes(at_f + u, f, lanes);
        put_lanes(at_g + u, g, lanes);
        put_lanes(at_o + u, o, lanes);
      }
    });
  }
}

template <class T>
static void gru_cells(const CellStep<T>& s, bool keeps) {
  using V = Vec<T>;
  const T *bias_r = s.bias + s.begin, *bias_z = bias_r + s.hidden, *bias_n = bias_z + s.hidden,
          *bias_b = bias_n + s.hidden;
  for (int64_t r = 0; r < s.rows; r++) {
    T *at_r = s.gates + r * s.gates_row + s.begin, *at_z = at_r + s.hidden, *at_n = at_z + s.hidden,
      *at_b = at_n + s.hidden;
    const T* before = s.before + r * s.before_row + s.begin;
    T *after = s.after + r * s.after_row + s.begin, *y = s.y + r * s.y_row + s.begin;
    for_vectors<V>(s.end - s.begin, [&](int64_t u, auto lanes) {
      const auto qr = sigmoid_fraction(get_lanes(at_r + u, lanes) + get_lanes(bias_r + u, lanes));
      const auto qz = sigmoid_fraction(get_lanes(at_z + u, lanes) + get_lanes(bias_z + u, lanes));
      const V inverse = quotient(constant<V>(1), qr.below * qz.below);
      const V reset = qr.above * (qz.below * inverse), z = qz.above * (qr.below * inverse);
      const V b = get_lanes(at_b + u, lanes) + get_lanes(bias_b + u, lanes);
      const V a = get_lanes(at_n + u, lanes) + get_lanes(bias_n + u, lanes), n = tanh(fma(reset, b, a));
      const V h = fma(z, get_lanes(before + u, lanes) - n, n);
      put_lanes(after + u, h, lanes);
      put_lanes(y + u, h, lanes);
      if (keeps) {
        put_lanes(at_r + u, reset, lanes);
        put_lanes(at_z + u, z, lanes);
        put_lanes(at_n + u, n, lanes);
        put_lanes(at_b + u, b, lanes);
      }
    });
  }
}

template <class T>
static void step_cells(Cell cell, const CellStep<T>& s, bool keeps) {
  switch (cell) {
    case Cell::RnnTanh:
      return rnn_cells<T, false>(s);
    case Cell::RnnRelu:
      return rnn_cells<T, true>(s);
    case Cell::Lstm:
      return lstm_cells(s);
    default:
      return gru_cells(s, keeps);
  }
}

// Rows whose sums for the biases are one: fixed, so that no sum depends on how rows are shared.
constexpr int64_t kBiasRows = 4;

// Row by row, as the state before a step lies elsewhere for sequences that begin there.
template <class T>
struct CellRowGrad {
  int64_t begin, end, hidden;
  const T *gates, *cells, *c, *h;  // c, h: before the step (Lstm, Gru)
  const T* y;                      // h' (Rnn)
  const T* grad_y;                 // of h', what came from above
  const T* grad_h;                 // of h', what the next step sent
  T* direct;                       // Gru: what goes to h past the products
  T* grad_c;                       // Lstm: of c', replaced by that of c
  T* unprojected;                  // Lstm: h', or null
  T* grad_gates;
  T* bias;  // (gate_parts * hidden): added to, or null
};

template <class T, class V, class Lanes>
LAMINA_INLINE void put_grad(const CellRowGrad<T>& s, int64_t at, V g, Lanes lanes) {
  put_lanes(s.grad_gates + at, g, lanes);
  if (s.bias) put_lanes(s.bias + at, get_lanes(s.bias + at, lanes) + g, lanes);
}
template <class V, class T, class Lanes>
LAMINA_INLINE V incoming(const CellRowGrad<T>& s, int64_t u, Lanes lanes) {
  const V g = get_lanes(s.grad_h + u, lanes);
  return s.grad_y ? g + get_lanes(s.grad_y + u, lanes) : g;
}

template <class T, bool relu>
static void rnn_grad(const CellRowGrad<T>& s) {
  using V = Vec<T>;
  for_vectors<V>(s.end - s.begin, [&](int64_t i, auto lanes) {
    const int64_t u = s.begin + i;
    const V y = get_lanes(s.y + u, lanes), g = incoming<V>(s, u, lanes);
    constexpr UnaryOp op = relu ? UnaryOp::Relu : UnaryOp::Tanh;
    put_grad(s, u, UnaryLaw<op>().gradient(g, y, zero<V>(), zero<V>()), lanes);
  });
}

template <class T>
static void lstm_grad(const CellRowGrad<T>& s) {
  using V = Vec<T>;
  const int64_t hidden = s.hidden;
  for_vectors<V>(s.end - s.begin, [&](int64_t at, auto lanes) {
    const int64_t u = s.begin + at;
    const V i = get_lanes(s.gates + u, lanes), f = get_lanes(s.gates + hidden + u, lanes);
    const V g = get_lanes(s.gates + 2 * hidden + u, lanes), o = get_lanes(s.gates + 3 * hidden + u, lanes);
    const V one = constant<V>(1), t = tanh(get_lanes(s.cells + u, lanes)), grad = incoming<V>(s, u, lanes);
    if (s.unprojected) put_lanes(s.unprojected + u, o * t, lanes);
    const V grad_o = grad * t, go = grad * o;
    const V grad_c = fnma(go * t, t, go) + get_lanes(s.grad_c + u, lanes);
    const V gi = grad_c * g, gf = grad_c * get_lanes(s.c + u, lanes), gg = grad_c * i;
    put_lanes(s.grad_c + u, grad_c * f, lanes);
    put_grad(s, u, gi * fnma(i, i, i), lanes);
    put_grad(s, hidden + u, gf * fnma(f, f, f), lanes);
    put_grad(s, 2 * hidden + u, gg * fnma(g, g, one), lanes);
    put_grad(s, 3 * hidden + u, grad_o * fnma(o, o, o), lanes);
  });
}

template <class T>
static void gru_grad(const CellRowGrad<T>& s) {
  using V = Vec<T>;
  const int64_t hidden = s.hidden;
  for_vectors<V>(s.end - s.begin, [&](int64_t at, auto lanes) {
    const int64_t u = s.begin + at;
    const V r = get_lanes(s.gates + u, lanes), z = get_lanes(s.gates + hidden + u, lanes);
    const V n = get_lanes(s.gates + 2 * hidden + u, lanes), b = get_lanes(s.gates + 3 * hidden + u, lanes);
    const V grad = incoming<V>(s, u, lanes), one = constant<V>(1), through = grad * z;
    const V gn = (grad - through) * fnma(n, n, one), gb = gn * r;
    const V gz = grad * (get_lanes(s.h + u, lanes) - n);
    put_lanes(s.direct + u, through, lanes);
    put_grad(s, u, gn * b * fnma(r, r, r), lanes);
    put_grad(s, hidden + u, gz * fnma(z, z, z), lanes);
    put_grad(s, 2 * hidden + u, gn, lanes);
    put_grad(s, 3 * hidden + u, gb, lanes);
  });
}

template <class T>
static void cell_grad(Cell cell, const CellRowGrad<T>& s) {
  switch (cell) {
    case Cell::RnnTanh:
      return rnn_grad<T, false>(s);
    case Cell::RnnRelu:
      return rnn_grad<T, true>(s);
    case Cell::Lstm:
      return lstm_grad(s);
    default:
      return gru_grad(s);
  }
}

}  // namespace lamina::LAMINA_ISA
