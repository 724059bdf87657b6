// Recurrent layers, backward: from the last step of each direction to its first, the gradient of the cells'
// sums, and from these by one product that of the state before. What follows from all steps together (weights
// and inputs) is left to the op, in one product each. Sharing: recurrent_plan.h.
#include "kernels/cpu/recurrent_cell.h"
#include "kernels/cpu/recurrent_plan.h"
#include "kernels/cpu/table.h"

namespace lamina::LAMINA_ISA {

namespace {

template <class T>
struct Way {
  const Layer<T>* layer;
  int direction;
  const RecurrentGrad* given;
  const T *y, *grad_y;  // this direction's columns; grad_y may be null
  int64_t y_row;
  T *hh, *hr;  // packed for the way back, or null
  T* inner;    // with a projection: the gradient of h' before it (batch, inner_row)
  T* bias;     // sums of kBiasRows rows each (groups, parts * hidden), or null
  int64_t inner_row;
  void* product_scratch;

  T* grad_h() const { return static_cast<T*>(given->grad_h); }
  T* grad_gates() const { return static_cast<T*>(given->grad_gates); }
};

template <class T>
Way<T> way_of(const Layer<T>& layer, int direction, Carver& carver) {
  const Recurrent& p = layer.p;
  Way<T> way = {};
  way.layer = &layer;
  way.direction = direction;
  way.y_row = layer.out * p.directions;
  way.inner_row = p.hidden + 16;
  const int64_t panel = TileSize<T>::columns;
  if (layer.packs()) {
    way.hh = carver.take<T>(layer.out_panels * panel * layer.gates * p.hidden);
    if (p.projection) way.hr = carver.take<T>(layer.unit_panels * panel * layer.out);
  }
  if (p.projection) way.inner = carver.take<T>(p.batch() * way.inner_row);
  way.bias = carver.take<T>(chunks_of(p.batch(), kBiasRows) * layer.parts * p.hidden);
  return way;
}

// What the next step sent, at first: the gradient of the last states.
template <class T>
void start(Way<T>& way) {
  const Layer<T>& layer = *way.layer;
  const Recurrent& p = layer.p;
  const RecurrentGrad& given = *way.given;
  const auto fill = [](void* to, const void* from, int64_t n) {
    from ? memcpy(to, from, n * sizeof(T)) : memset(to, 0, n * sizeof(T));
  };
  fill(given.grad_h, given.grad_h_last, p.batch() * layer.out);
  if (given.grad_c) fill(given.grad_c, given.grad_c_last, p.batch() * p.hidden);
  if (!given.grad_bias) way.bias = nullptr;
  if (way.bias) fill(way.bias, nullptr, chunks_of(p.batch(), kBiasRows) * layer.parts * p.hidden);
  const RecurrentWeight& w = given.weight;
  if (way.hh)
    pack_panels(static_cast<const T*>(w.hh), layer.out, 1, layer.gates * p.hidden, layer.out, 1, way.hh);
  if (way.hr) pack_panels(static_cast<const T*>(w.hr), p.hidden, 1, layer.out, p.hidden, 1, way.hr);
}

// Before the cells, with a projection: the gradient of what it was given, for panels [u0, u1) of units.
template <class T>
void project_back(const Way<T>& way, int64_t t, int64_t r0, int64_t rows, int64_t u0, int64_t u1) {
  const Layer<T>& layer = *way.layer;
  const Recurrent& p = layer.p;
  const int64_t width = TileSize<T>::columns, row = layer.offsets[t] + r0;
  const T* projected = static_cast<const T*>(way.given->grad_projected) + row * layer.out;
  for (int64_t u = u0; u < u1; u++) {
    const PanelProduct<T> product = {rows,
                                     layer.out,
                                     projected,
                                     layer.out,
                                     way.hr + u * layer.out * width,
                                     way.inner + r0 * way.inner_row + u * width,
                                     way.inner_row,
                                     layer.panel_columns(u, p.hidden),
                                     false};
    multiply_panels(&product, 1);
  }
}
template <class T>
void keep_projected(const Way<T>& way, int64_t t, int64_t r0, int64_t rows) {
  const Layer<T>& layer = *way.layer;
  for (int64_t r = r0; r < r0 + rows; r++) {
    const T *sent = way.grad_h() + r * layer.out,
            *above = way.grad_y ? way.grad_y + (layer.offsets[t] + r) * way.y_row : nullptr;
    T* to = static_cast<T*>(way.given->grad_projected) + (layer.offsets[t] + r) * layer.out;
    for (int64_t j = 0; j < layer.out; j++) to[j] = above ? sent[j] + above[j] : sent[j];
  }
}

template <class T>
void grad_units(const Way<T>& way, int64_t t, int64_t r0, int64_t rows, int64_t u0, int64_t u1) {
  const Layer<T>& layer = *way.layer;
  const Recurrent& p = layer.p;
  const RecurrentGrad& given = *way.given;
  const int64_t width = TileSize<T>::columns;
  const T *gates = static_cast<const T*>(given.gates), *cells = static_cast<const T*>(given.cells);
  CellRowGrad<T> s = {};
  s.begin = u0 * width;
  s.end = min_of(p.hidden, u1 * width);
  s.hidden = p.hidden;
  for (int64_t r = r0; r < r0 + rows; r++) {
    const int64_t row = layer.offsets[t] + r;
    s.gates = gates ? gates + row * layer.pitch : nullptr;
    s.y = way.y + row * way.y_row;
    if (p.cell == Cell::Lstm) {
      s.cells = cells + row * p.hidden;
      s.c = layer.before(way.direction, t, r, cells, p.hidden, given.c, p.hidden);
      s.grad_c = static_cast<T*>(given.grad_c) + r * p.hidden;
      if (given.unprojected) s.unprojected = static_cast<T*>(given.unprojected) + row * p.hidden;
    }
    if (p.cell == Cell::Gru) {
      s.h = layer.before(way.direction, t, r, way.y, way.y_row, given.h, layer.out);
      s.direct = way.grad_h() + r * layer.out;
    }
    s.grad_h = way.inner ? way.inner + r * way.inner_row : way.grad_h() + r * layer.out;
    s.grad_y = way.grad_y && !way.inner ? way.grad_y + row * way.y_row : nullptr;
    s.grad_gates = way.grad_gates() + row * layer.pitch;
    s.bias = way.bias ? way.bias + r / kBiasRows * layer.parts * p.hidden : nullptr;
    cell_grad(p.cell, s);
  }
}

// What goes to the state before, for panels [j0, j1) of its columns. Gru: the gates of b are not side by
// side.
template <class T>
void send(const Way<T>& way, int64_t t, int64_t r0, int64_t rows, int64_t j0, int64_t j1) {
  const Layer<T>& layer = *way.layer;
  const Recurrent& p = layer.p;
  const int64_t width = TileSize<T>::columns, whole = layer.gates * p.hidden, group = 4;
  const bool gru = p.cell == Cell::Gru;
  const int64_t first = gru ? 2 * p.hidden : whole, at_once = rows <= kWideRows ? group : 1;
  const T* grad = way.grad_gates() + (layer.offsets[t] + r0) * layer.pitch;
  for (int64_t j = j0; j < j1; j += at_once) {
    PanelProduct<T> products[group], rest[group];
    int64_t count = 0;
    for (int64_t i = j; i < min_of(j1, j + at_once); i++) {
      const T* panel = way.hh + i * whole * width;
      products[count] = {rows,      first,
                         grad,      layer.pitch,
                         panel,     way.grad_h() + r0 * layer.out + i * width,
                         layer.out, layer.panel_columns(i, layer.out),
                         gru};
      rest[count] = products[count];
      rest[count].k = p.hidden;
      rest[count].a += 3 * p.hidden;
      rest[count].panel += first * width;
      rest[count++].adds = true;
    }
    multiply_panels(products, count);
    if (gru) multiply_panels(rest, count);
  }
}

template <class T>
void walk_rows(const Way<T>& way, int64_t r0, int64_t r1) {
  const Layer<T>& layer = *way.layer;
  for (int64_t i = layer.p.steps - 1; i >= 0; i--) {
    const int64_t t = layer.step(way.direction, i), rows = min_of(r1, layer.p.sizes[t]) - r0;
    if (rows <= 0) continue;
    if (way.inner) {
      keep_projected(way, t, r0, rows);
      project_back(way, t, r0, rows, 0, layer.unit_panels);
    }
    grad_units(way, t, r0, rows, 0, layer.unit_panels);
    send(way, t, r0, rows, 0, layer.out_panels);
  }
}

template <class T>
void walk_units(const Way<T>& way) {
  const Layer<T>& layer = *way.layer;
  const Recurrent& p = layer.p;
  for (int64_t i = p.steps - 1; i >= 0; i--) {
    const int64_t t = layer.step(way.direction, i), rows = p.sizes[t], each = rows * p.hidden;
    const int64_t cells = 64 * each;  // they cost about so many multiply-adds
    if (way.inner) {
      keep_projected(way, t, 0, rows);
      layer.share_panels(layer.unit_panels, each * layer.out,
                         [&](int64_t u0, int64_t u1) { project_back(way, t, 0, rows, u0, u1); });
    }
    layer.share_panels(layer.unit_panels, cells,
                       [&](int64_t u0, int64_t u1) { grad_units(way, t, 0, rows, u0, u1); });
    layer.share_panels(layer.out_panels, each * layer.gates * layer.out,
                       [&](int64_t j0, int64_t j1) { send(way, t, 0, rows, j0, j1); });
  }
}

// Few steps: plain products on weights as they lie.
template <class T>
void walk_plain(const Way<T>& way) {
  const Layer<T>& layer = *way.layer;
  const Recurrent& p = layer.p;
  const RecurrentWeight& w = way.given->weight;
  const T *hh = static_cast<const T*>(w.hh), *hr = static_cast<const T*>(w.hr), *none = nullptr;
  const int64_t whole = layer.gates * p.hidden;
  const bool gru = p.cell == Cell::Gru;
  const int64_t first = gru ? 2 * p.hidden : whole;
  for (int64_t i = p.steps - 1; i >= 0; i--) {
    const int64_t t = layer.step(way.direction, i), rows = p.sizes[t];
    if (way.inner) {
      keep_projected(way, t, 0, rows);
      const T* projected = static_cast<const T*>(way.given->grad_projected) + layer.offsets[t] * layer.out;
      gemm(plain_product(p.dtype, rows, p.hidden, layer.out, projected, layer.out, hr, p.hidden, 1, way.inner,
                         way.inner_row, 0, none),
           way.product_scratch);
    }
    parallel_range(chunks_of(rows, kBiasRows), max_of(1, kGrain / 32 / p.hidden),
                   [&](int64_t g0, int64_t g1) {
                     const int64_t r0 = g0 * kBiasRows;
                     grad_units(way, t, r0, min_of(rows, g1 * kBiasRows) - r0, 0, layer.unit_panels);
                   });
    const T* grad = way.grad_gates() + layer.offsets[t] * layer.pitch;
    const auto multiply = [&](const T* a, const T* b, int64_t k, double beta) {
      gemm(plain_product(p.dtype, rows, layer.out, k, a, layer.pitch, b, layer.out, 1, way.grad_h(),
                         layer.out, beta, none),
           way.product_scratch);
    };
    multiply(grad, hh, first, gru);
    if (gru) multiply(grad + 3 * p.hidden, hh + first * layer.out, p.hidden, 1);
  }
}
template <class T>
size_t plain_scratch(const Layer<T>& layer) {
  const Recurrent& p = layer.p;
  size_t most = 0;
  const auto count = [&](int64_t rows, int64_t columns, int64_t k, int64_t a_row, int64_t c_row) {
    const T* none = nullptr;
    const size_t bytes = gemm_scratch(
        plain_product<T>(p.dtype, rows, columns, k, none, a_row, none, columns, 1, nullptr, c_row, 1, none));
    most = bytes > most ? bytes : most;
  };
  for (int64_t t = 0; t < p.steps; t++) {
    for (int64_t n = 1; n <= layer.gates; n++)
      count(p.sizes[t], layer.out, n * p.hidden, layer.pitch, layer.out);
    count(p.sizes[t], p.hidden, layer.out, layer.out, p.hidden + 16);
  }
  return most;
}

template <class T>
void sum_bias(const Way<T>& way) {
  const Layer<T>& layer = *way.layer;
  const int64_t n = layer.parts * layer.p.hidden, groups = chunks_of(layer.p.batch(), kBiasRows);
  T* to = static_cast<T*>(way.given->grad_bias);
  memcpy(to, way.bias, n * sizeof(T));
  for (int64_t g = 1; g < groups; g++) {
    for (int64_t i = 0; i < n; i++) to[i] += way.bias[g * n + i];
  }
}

// Without memory: the bytes wanted.
template <class T>
size_t backward(const Recurrent& p, const void* y, const void* grad_y, const RecurrentGrad* given,
                void* memory) {
  Carver carver = {static_cast<char*>(memory)};
  const Layer<T> layer(p);
  Way<T> ways[2] = {};
  for (int d = 0; d < p.directions; d++) ways[d] = way_of(layer, d, carver);
  if (!memory) return carver.used + (layer.packs() ? 0 : plain_scratch(layer));
  for (int d = 0; d < p.directions; d++) {
    ways[d].given = given + d;
    ways[d].y = static_cast<const T*>(y) + d * layer.out;
    ways[d].grad_y = grad_y ? static_cast<const T*>(grad_y) + d * layer.out : nullptr;
    ways[d].product_scratch = carver.base + carver.used;
    start(ways[d]);
  }
  if (layer.sharing.by_rows) {
    const int64_t jobs = layer.sharing.jobs;
    parallel(jobs * p.directions, [&](int64_t job) {
      walk_rows(ways[job / jobs], layer.sharing.rows[job % jobs], layer.sharing.rows[job % jobs + 1]);
    });
  } else {
    for (int d = 0; d < p.directions; d++) layer.packs() ? walk_units(ways[d]) : walk_plain(ways[d]);
  }
  for (int d = 0; d < p.directions; d++) {
    if (ways[d].bias) sum_bias(ways[d]);
  }
  return 0;
}

}  // namespace

void recurrent_grad(const Recurrent& p, const void* y, const void* grad_y, const RecurrentGrad* grads,
                    void* scratch) {
  p.dtype == Dtype::Float64 ? backward<double>(p, y, grad_y, grads, scratch)
                            : backward<float>(p, y, grad_y, grads, scratch);
}
size_t recurrent_grad_scratch(const Recurrent& p) {
  return p.dtype == Dtype::Float64 ? backward<double>(p, nullptr, nullptr, nullptr, nullptr)
                                   : backward<float>(p, nullptr, nullptr, nullptr, nullptr);
}

}  // namespace lamina::LAMINA_ISA
