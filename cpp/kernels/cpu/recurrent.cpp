// Recurrent layers, forward: the input's products of several steps ahead, then step by step the state's
// products and the cells, block by block of units while these are in the first-level cache. Cells:
// recurrent_cell.h; products: recurrent_panel.h; sharing: recurrent_plan.h; the way back: recurrent_grad.cpp.
#include "kernels/cpu/recurrent_cell.h"
#include "kernels/cpu/recurrent_plan.h"
#include "kernels/cpu/table.h"

namespace lamina::LAMINA_ISA {

namespace {

// One direction of a layer.
template <class T>
struct Pass {
  const Layer<T>* layer;
  int direction;
  const RecurrentPass* given;
  const T* x;
  T* y;  // this direction's columns
  int64_t y_row;
  T *ih, *hh, *hr;  // packed: unit by unit panel, the gates side by side
  T* bias;          // sums, in parts as the gates
  T* states[2];     // (batch, state_row): before and after a step, in turn
  T* inner;         // h' before the projection
  T* ahead;         // gates of the steps ahead, where they are not kept
  int64_t inner_row, ahead_steps;
  void* product_scratch;

  T* kept() const { return static_cast<T*>(given->gates); }

  // The gates of rows from r0 on, where the steps computed ahead begin with the block-th.
  T* gates_at(int64_t i, int64_t block, int64_t r0) const {
    const int64_t t = layer->step(direction, i), first = first_of(block), *offsets = layer->offsets;
    if (kept()) return kept() + (offsets[t] + r0) * layer->pitch;
    const bool together = layer->sharing.jobs == 1;
    const int64_t row = together ? offsets[t] - offsets[first] : (t - first) * layer->p.batch();
    return ahead + (row + r0) * layer->pitch;
  }
  // The earliest step of a block.
  int64_t first_of(int64_t block) const {
    const int64_t steps = layer->p.steps;
    return direction == 0 ? block : steps - min_of(steps, block + ahead_steps);
  }
};

template <class T>
Pass<T> pass_of(const Layer<T>& layer, int direction, const void* x, Carver& carver) {
  const Recurrent& p = layer.p;
  Pass<T> pass = {};
  pass.layer = &layer;
  pass.direction = direction;
  pass.x = static_cast<const T*>(x);
  pass.y_row = layer.out * p.directions;
  const int64_t panel = TileSize<T>::columns, units = layer.unit_panels * layer.gates * panel;
  if (layer.packs()) {
    pass.ih = carver.take<T>(units * p.input);
    pass.hh = carver.take<T>(units * layer.out);
    if (p.projection) pass.hr = carver.take<T>(layer.out_panels * panel * p.hidden);
  }
  pass.bias = carver.take<T>(layer.parts * p.hidden);
  for (T*& state : pass.states) state = carver.take<T>(p.batch() * layer.state_row);
  pass.inner_row = p.hidden + 16;
  if (p.projection) pass.inner = carver.take<T>(p.batch() * pass.inner_row);
  const int64_t rows = chunks_of(p.batch(), layer.sharing.jobs);
  pass.ahead_steps = layer.packs() ? min_of(p.steps, max_of(4, kAheadSize / (rows * layer.pitch))) : p.steps;
  const bool kept = p.keeps && layer.gates > 1;
  if (!kept) pass.ahead = carver.take<T>(pass.ahead_steps * p.batch() * layer.pitch);
  return pass;
}

template <class T>
void prepare(const Pass<T>& pass) {
  const Layer<T>& layer = *pass.layer;
  const Recurrent& p = layer.p;
  const RecurrentWeight& w = pass.given->weight;
  const T *ih = static_cast<const T*>(w.ih), *hh = static_cast<const T*>(w.hh);
  for (int64_t g = 0; g < layer.gates && layer.packs(); g++) {
    const int64_t rows = g * p.hidden, panel = TileSize<T>::columns;
    pack_panels(ih + rows * p.input, 1, p.input, p.input, p.hidden, layer.gates,
                pass.ih + g * panel * p.input);
    pack_panels(hh + rows * layer.out, 1, layer.out, layer.out, p.hidden, layer.gates,
                pass.hh + g * panel * layer.out);
  }
  if (pass.hr) pack_panels(static_cast<const T*>(w.hr), 1, p.hidden, p.hidden, layer.out, 1, pass.hr);
  const T *bias_ih = static_cast<const T*>(w.bias_ih), *bias_hh = static_cast<const T*>(w.bias_hh);
  const int64_t whole = layer.gates * p.hidden, apart = p.cell == Cell::Gru ? 2 * p.hidden : whole;
  // The two biases of Gru's n stay apart, all others are one sum.
  for (int64_t i = 0; i < layer.parts * p.hidden; i++) {
    pass.bias[i] = !bias_ih    ? T(0)
                   : i < apart ? bias_ih[i] + bias_hh[i]
                   : i < whole ? bias_ih[i]
                               : bias_hh[i - p.hidden];
  }
  const T *h = static_cast<const T*>(pass.given->h), *c = static_cast<const T*>(pass.given->c);
  for (int64_t r = 0; r < p.batch(); r++) {
    for (T* state : pass.states)
      memcpy(state + r * layer.state_row, h + r * layer.out, layer.out * sizeof(T));
  }
  if (c) memcpy(pass.given->c_last, c, p.batch() * p.hidden * sizeof(T));
}

// The input's products of rows [r0, r1) and panels of units [u0, u1), for the steps that begin with the
// block-th: panel by panel, so that each is read once for all of these steps.
template <class T>
void multiply_input(const Pass<T>& pass, int64_t block, int64_t r0, int64_t r1, int64_t u0, int64_t u1) {
  const Layer<T>& layer = *pass.layer;
  const Recurrent& p = layer.p;
  const int64_t end = min_of(p.steps, block + pass.ahead_steps), first = pass.first_of(block);
  const bool together = layer.sharing.jobs == 1;
  for (int64_t j = u0 * layer.gates; j < u1 * layer.gates; j++) {
    const int64_t u = j / layer.gates, column = j % layer.gates * p.hidden + u * TileSize<T>::columns;
    PanelProduct<T> product = {};
    product.k = product.a_row = p.input;
    product.panel = pass.ih + j * p.input * TileSize<T>::columns;
    product.c_row = layer.pitch;
    product.columns = layer.panel_columns(u, p.hidden);
    product.turns = together ? 1 : end - block;
    const auto multiply = [&](int64_t row, int64_t rows, T* gates) {
      product.rows = rows;
      product.a = pass.x + row * p.input;
      product.c = gates + column;
      multiply_panels(&product, 1);
      product.turn++;
    };
    if (together) {
      const int64_t begin = layer.offsets[first], rows = layer.offsets[first + end - block] - begin;
      multiply(begin, rows, pass.gates_at(pass.direction == 0 ? block : end - 1, block, 0));
      continue;
    }
    for (int64_t i = block; i < end; i++) {
      const int64_t t = layer.step(pass.direction, i), rows = min_of(r1, p.sizes[t]) - r0;
      if (rows > 0) multiply(layer.offsets[t] + r0, rows, pass.gates_at(i, block, r0));
    }
  }
}

// The state's products of the i-th step and its cells.
template <class T>
void step_units(const Pass<T>& pass, int64_t i, int64_t block, int64_t r0, int64_t r1, int64_t u0,
                int64_t u1) {
  const Layer<T>& layer = *pass.layer;
  const Recurrent& p = layer.p;
  const int64_t t = layer.step(pass.direction, i), rows = min_of(r1, p.sizes[t]) - r0;
  if (rows <= 0) return;
  constexpr int64_t width = TileSize<T>::columns, group = 4;
  const bool gru = p.cell == Cell::Gru;
  const int64_t row = layer.offsets[t] + r0;
  CellStep<T> cells = {};
  cells.rows = rows;
  cells.hidden = p.hidden;
  cells.gates = pass.gates_at(i, block, r0);
  cells.gates_row = layer.pitch;
  cells.bias = pass.bias;
  cells.before = pass.states[i % 2] + r0 * layer.state_row;
  cells.before_row = layer.state_row;
  cells.after =
      pass.inner ? pass.inner + r0 * pass.inner_row : pass.states[(i + 1) % 2] + r0 * layer.state_row;
  cells.after_row = pass.inner ? pass.inner_row : layer.state_row;
  cells.y = pass.inner ? nullptr : pass.y + row * pass.y_row;
  cells.y_row = pass.y_row;
  if (p.cell == Cell::Lstm) cells.c = static_cast<T*>(pass.given->c_last) + r0 * p.hidden;
  if (pass.given->cells) cells.cells = static_cast<T*>(pass.given->cells) + row * p.hidden;
  PanelProduct<T> products[4 * group];
  const int64_t at_once = rows <= kWideRows ? group : 1;
  for (int64_t u = u0; u < u1; u += at_once) {
    int64_t count = 0;
    const int64_t end = min_of(u1, u + at_once);
    for (int64_t v = layer.packs() ? u : end; v < end; v++) {
      for (int64_t g = 0; g < layer.gates; g++) {
        const int64_t column = g * p.hidden + v * width;
        const bool apart = gru && g == 2;
        products[count++] = {rows,
                             layer.out,
                             cells.before,
                             layer.state_row,
                             pass.hh + (v * layer.gates + g) * layer.out * width,
                             cells.gates + column + (apart ? p.hidden : 0),
                             layer.pitch,
                             layer.panel_columns(v, p.hidden),
                             !apart};
      }
    }
    if (count > 0) multiply_panels(products, count);
    cells.begin = u * width;
    cells.end = min_of(p.hidden, end * width);
    step_cells(p.cell, cells, p.keeps);
  }
}

// h' = W_hr h', for panels [j0, j1) of it.
template <class T>
void project(const Pass<T>& pass, int64_t i, int64_t r0, int64_t r1, int64_t j0, int64_t j1) {
  const Layer<T>& layer = *pass.layer;
  const Recurrent& p = layer.p;
  const int64_t t = layer.step(pass.direction, i), rows = min_of(r1, p.sizes[t]) - r0;
  if (rows <= 0) return;
  constexpr int64_t width = TileSize<T>::columns;
  T* after = pass.states[(i + 1) % 2] + r0 * layer.state_row;
  for (int64_t j = j0; j < j1 && layer.packs(); j++) {
    const PanelProduct<T> product = {rows,
                                     p.hidden,
                                     pass.inner + r0 * pass.inner_row,
                                     pass.inner_row,
                                     pass.hr + j * p.hidden * width,
                                     after + j * width,
                                     layer.state_row,
                                     layer.panel_columns(j, layer.out),
                                     false};
    multiply_panels(&product, 1);
  }
  const int64_t begin = j0 * width, n = min_of(layer.out, j1 * width) - begin;
  for (int64_t r = 0; r < rows; r++) {
    memcpy(pass.y + (layer.offsets[t] + r0 + r) * pass.y_row + begin, after + r * layer.state_row + begin,
           n * sizeof(T));
  }
}

template <class T>
void walk_rows(const Pass<T>& pass, int64_t r0, int64_t r1) {
  const Layer<T>& layer = *pass.layer;
  for (int64_t block = 0; block < layer.p.steps; block += pass.ahead_steps) {
    const int64_t end = min_of(layer.p.steps, block + pass.ahead_steps);
    multiply_input(pass, block, r0, r1, 0, layer.unit_panels);
    for (int64_t i = block; i < end; i++) {
      step_units(pass, i, block, r0, r1, 0, layer.unit_panels);
      if (pass.inner) project(pass, i, r0, r1, 0, layer.out_panels);
    }
  }
}

template <class T>
void walk_units(const Pass<T>& pass) {
  const Layer<T>& layer = *pass.layer;
  const Recurrent& p = layer.p;
  const int64_t batch = p.batch(), each = batch * p.hidden;
  for (int64_t block = 0; block < p.steps; block += pass.ahead_steps) {
    const int64_t end = min_of(p.steps, block + pass.ahead_steps);
    layer.share_panels(layer.unit_panels, each * layer.gates * p.input * (end - block),
                       [&](int64_t u0, int64_t u1) { multiply_input(pass, block, 0, batch, u0, u1); });
    for (int64_t i = block; i < end; i++) {
      layer.share_panels(layer.unit_panels, each * layer.gates * layer.out,
                         [&](int64_t u0, int64_t u1) { step_units(pass, i, block, 0, batch, u0, u1); });
      if (pass.inner)
        layer.share_panels(layer.out_panels, each * layer.out,
                           [&](int64_t j0, int64_t j1) { project(pass, i, 0, batch, j0, j1); });
    }
  }
}

// Few steps: the products as they are, on weights as they lie. f(product) for each product of step i, or for
// those of the input (i < 0).
template <class T, class F>
void plain_products(const Pass<T>& pass, int64_t i, F&& f) {
  const Layer<T>& layer = *pass.layer;
  const Recurrent& p = layer.p;
  const RecurrentWeight& w = pass.given->weight;
  const T *ih = static_cast<const T*>(w.ih), *hh = static_cast<const T*>(w.hh);
  const int64_t columns = layer.gates * p.hidden, hidden = p.hidden, out = layer.out;
  if (i < 0) {
    for (int64_t j = 0; j < p.steps; j++) {
      const int64_t t = layer.step(pass.direction, j);
      f(plain_product(p.dtype, p.sizes[t], columns, p.input, pass.x + layer.offsets[t] * p.input, p.input, ih,
                      1, p.input, pass.gates_at(j, 0, 0), layer.pitch, 0, static_cast<const T*>(nullptr)));
    }
    return;
  }
  const int64_t t = layer.step(pass.direction, i), rows = p.sizes[t];
  const int64_t together = p.cell == Cell::Gru ? 2 * hidden : columns;
  T* gates = pass.gates_at(i, 0, 0);
  const T* h = pass.states[i % 2];
  f(plain_product(p.dtype, rows, together, out, h, layer.state_row, hh, 1, out, gates, layer.pitch, 1,
                  static_cast<const T*>(nullptr)));
  if (p.cell == Cell::Gru)
    f(plain_product(p.dtype, rows, hidden, out, h, layer.state_row, hh + 2 * hidden * out, 1, out,
                    gates + 3 * hidden, layer.pitch, 0, static_cast<const T*>(nullptr)));
}
template <class T>
Gemm plain_projection(const Pass<T>& pass, int64_t i) {
  const Layer<T>& layer = *pass.layer;
  const Recurrent& p = layer.p;
  return plain_product(p.dtype, p.sizes[layer.step(pass.direction, i)], layer.out, p.hidden,
                       static_cast<const T*>(pass.inner), pass.inner_row,
                       static_cast<const T*>(pass.given->weight.hr), 1, p.hidden, pass.states[(i + 1) % 2],
                       layer.state_row, 0, static_cast<const T*>(nullptr));
}

template <class T>
void walk_plain(const Pass<T>& pass) {
  const Layer<T>& layer = *pass.layer;
  const auto multiply = [&](const Gemm& g) { gemm(g, pass.product_scratch); };
  plain_products(pass, -1, multiply);
  for (int64_t i = 0; i < layer.p.steps; i++) {
    plain_products(pass, i, multiply);
    const int64_t rows = layer.p.sizes[layer.step(pass.direction, i)];
    parallel_range(rows, max_of(1, kGrain / 8 / layer.p.hidden),
                   [&](int64_t r0, int64_t r1) { step_units(pass, i, 0, r0, r1, 0, layer.unit_panels); });
    if (pass.inner) {
      multiply(plain_projection(pass, i));
      project(pass, i, 0, rows, 0, layer.out_panels);
    }
  }
}

template <class T>
void last_states(const Pass<T>& pass) {
  const Layer<T>& layer = *pass.layer;
  int64_t length = layer.p.steps;
  for (int64_t r = 0; r < layer.p.batch(); r++) {
    while (pass.direction == 0 && layer.p.sizes[length - 1] <= r) length--;
    memcpy(static_cast<T*>(pass.given->h_last) + r * layer.out, pass.states[length % 2] + r * layer.state_row,
           layer.out * sizeof(T));
  }
}

// Bytes that the plain products of a layer want.
template <class T>
size_t plain_scratch(const Layer<T>& layer) {
  const Recurrent& p = layer.p;
  size_t most = 0;
  const auto count = [&](int64_t rows, int64_t columns, int64_t k, int64_t a_row, int64_t c_row) {
    const T* none = nullptr;
    const size_t bytes = gemm_scratch(
        plain_product<T>(p.dtype, rows, columns, k, none, a_row, none, 1, k, nullptr, c_row, 1, none));
    most = bytes > most ? bytes : most;
  };
  for (int64_t t = 0; t < p.steps; t++) {
    count(p.sizes[t], layer.gates * p.hidden, p.input, p.input, layer.pitch);
    for (int64_t n = 1; n <= layer.gates; n++)
      count(p.sizes[t], n * p.hidden, layer.out, layer.state_row, layer.pitch);
    count(p.sizes[t], layer.out, p.hidden, p.hidden + 16, layer.state_row);
  }
  return most;
}

// Without memory: the bytes wanted.
template <class T>
size_t forward(const Recurrent& p, const void* x, const RecurrentPass* given, void* y, void* memory) {
  Carver carver = {static_cast<char*>(memory)};
  const Layer<T> layer(p);
  Pass<T> passes[2] = {};
  for (int d = 0; d < p.directions; d++) passes[d] = pass_of(layer, d, x, carver);
  if (!memory) return carver.used + (layer.packs() ? 0 : plain_scratch(layer));
  for (int d = 0; d < p.directions; d++) {
    passes[d].given = given + d;
    passes[d].y = static_cast<T*>(y) + d * layer.out;
    passes[d].product_scratch = carver.base + carver.used;
    prepare(passes[d]);
  }
  if (layer.sharing.by_rows) {
    const int64_t jobs = layer.sharing.jobs;
    parallel(jobs * p.directions, [&](int64_t job) {
      walk_rows(passes[job / jobs], layer.sharing.rows[job % jobs], layer.sharing.rows[job % jobs + 1]);
    });
  } else {
    for (int d = 0; d < p.directions; d++) layer.packs() ? walk_units(passes[d]) : walk_plain(passes[d]);
  }
  for (int d = 0; d < p.directions; d++) last_states(passes[d]);
  return 0;
}

}  // namespace

void recurrent(const Recurrent& p, const void* x, const RecurrentPass* passes, void* y, void* scratch) {
  p.dtype == Dtype::Float64 ? forward<double>(p, x, passes, y, scratch)
                            : forward<float>(p, x, passes, y, scratch);
}
size_t recurrent_scratch(const Recurrent& p) {
  return p.dtype == Dtype::Float64 ? forward<double>(p, nullptr, nullptr, nullptr, nullptr)
                                   : forward<float>(p, nullptr, nullptr, nullptr, nullptr);
}

}  // namespace lamina::LAMINA_ISA
