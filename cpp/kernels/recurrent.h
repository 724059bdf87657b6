// The part of the contract that recurrent layers have: one layer of RNN, LSTM or GRU over packed rows.
// Included by kernels.h.
#pragma once

#include "base/dtype.h"
#include "base/limits.h"

namespace lamina {

// h' of one step, with a = W_ih x + b_ih and b = W_hh h + b_hh:
//   RnnTanh, RnnRelu: f(a + b).
//   Lstm: i, f, g, o = a + b, sigmoid but g tanh; c' = f c + i g; h' = o tanh(c'), times W_hr where there is
//   one.
//   Gru: r, z = sigmoid(a + b); n = tanh(a_n + r b_n); h' = (1 - z) n + z h.
enum class Cell : uint8_t { RnnTanh, RnnRelu, Lstm, Gru, count };

// Gates in the rows of a weight; and the values of a row of `gates` and `grad_gates`, in parts of `hidden`:
// those of the weight, and for Gru b_n behind them.
static constexpr int64_t gates_of(Cell cell) { return cell == Cell::Lstm ? 4 : cell == Cell::Gru ? 3 : 1; }
static constexpr int64_t gate_parts(Cell cell) { return cell == Cell::Gru ? 4 : gates_of(cell); }

// Rows are packed: those of step 0, then those of step 1, ...; sizes[t] of them, which never grow.
struct Recurrent {
  Cell cell;
  Dtype dtype;  // float32, float64
  int64_t steps, total;
  const int64_t* sizes;    // (steps), positive; sizes[0] is the batch
  const int64_t* offsets;  // (steps + 1): the first row of each step
  int64_t input, hidden;
  int64_t projection;  // rows of W_hr; 0: none
  int directions;      // 2: the second walks from the last step to the first
  bool keeps;          // for the way back

  int64_t batch() const { return sizes[0]; }
  int64_t out() const { return projection ? projection : hidden; }
  // Elements from row to row of gates: no power of two, or the rows of a tile would fight for cache lines.
  int64_t pitch() const { return gate_parts(cell) * hidden + 16; }
};

// What a direction owns. Null where the cell has none: c everywhere but for Lstm, hr, the biases (both).
struct RecurrentWeight {
  const void* ih;       // (gates * hidden, input)
  const void* hh;       // (gates * hidden, out)
  const void* bias_ih;  // (gates * hidden)
  const void* bias_hh;
  const void* hr;  // (projection, hidden)
};
struct RecurrentPass {
  RecurrentWeight weight;
  const void *h, *c;  // first states (batch, out), (batch, hidden)
  void *h_last, *c_last;
  void* gates;  // with keeps, but for Rnn: (total, pitch), activated
  void* cells;  // with keeps, Lstm: c' of all rows (total, hidden)
};
struct RecurrentGrad {
  RecurrentWeight weight;
  const void *h, *c, *gates, *cells;
  const void *grad_h_last, *grad_c_last;  // null: zero
  void *grad_h, *grad_c;                  // of the first states
  void* grad_gates;                       // (total, pitch): of a + b, for Gru of a and behind them of b_n
  void* grad_bias;                        // (gate_parts * hidden), the sums of grad_gates; or null
  void* unprojected;                      // with hr: h' before it (total, hidden)
  void* grad_projected;                   // with hr: the gradient of h' behind it (total, projection)
};

}  // namespace lamina
