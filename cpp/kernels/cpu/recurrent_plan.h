// How a recurrent layer is cut: where packed rows lie, who does what, and the scratch memory both ways share.
// Rows of a batch never meet, so each thread takes some of them from the first step to the last without
// waiting for anyone, as long as the weight of the state stays in its cache; else units are shared at every
// step.
#pragma once

#include "kernels/cpu/recurrent_panel.h"

namespace lamina::LAMINA_ISA {

// The packed weight of the state that a core's second-level cache keeps beside all else.
constexpr int64_t kStateBytes = 3 << 19;
// Elements of gates that are computed from the input before the steps use them: they stay in the cache.
constexpr int64_t kAheadSize = 1 << 17;
// Below so many steps packing the weights costs more than it saves.
constexpr int64_t kPackedSteps = 4;
// The fewest rows that a thread takes on its own, in multiples of which they are shared.
constexpr int64_t kShareRows = 4;
// Multiply-adds that are worth a second thread where thousands of loops follow each other.
constexpr int64_t kStepGrain = 1 << 18;

// Hands out parts of a block; without a block it only counts.
struct Carver {
  char* base;
  size_t used = 0;

  template <class T>
  T* take(int64_t n) {
    const size_t at = used;
    used += chunks_of(n * static_cast<int64_t>(sizeof(T)), 64) * 64;
    return base ? reinterpret_cast<T*>(base + at) : nullptr;
  }
};

// Who does what: rows of each direction cut into `jobs` parts, or one direction after the other with its
// units cut at each step.
struct Sharing {
  bool by_rows;
  int64_t jobs;
  int64_t rows[kMaxThreads + 1];  // where each job begins
};

// Parts of about equally many row steps.
static void cut_rows(const Recurrent& p, int64_t jobs, Sharing* s) {
  int64_t row = 0, done = 0, length = p.steps;
  s->jobs = 0;
  for (int64_t job = 1; row < p.batch(); job++) {
    s->rows[s->jobs++] = row;
    while (row < p.batch() && (job >= jobs || done * jobs < p.total * job)) {
      for (int64_t r = row; r < min_of(p.batch(), row + kShareRows); r++) {
        while (p.sizes[length - 1] <= r) length--;
        done += length;
      }
      row += kShareRows;
    }
  }
  s->rows[s->jobs] = p.batch();
}

static Sharing sharing_of(const Recurrent& p, int64_t item) {
  Sharing s = {};
  const int64_t threads = most_threads(), state = gates_of(p.cell) * p.hidden * p.out();
  const int64_t wanted = min_of(chunks_of(threads, p.directions), p.batch() / kShareRows);
  const bool fits = state * item <= kStateBytes;
  s.by_rows = p.steps >= kPackedSteps && (threads == 1 || p.directions >= threads || (fits && wanted > 1));
  cut_rows(p, s.by_rows ? max_of(1, wanted) : 1, &s);
  return s;
}

// What the kernels below know of one layer and both of its directions.
template <class T>
struct Layer {
  const Recurrent& p;
  Sharing sharing;
  int64_t gates, parts, out, pitch, state_row;
  int64_t unit_panels, out_panels;
  const int64_t* offsets;

  explicit Layer(const Recurrent& problem)
      : p(problem),
        sharing(sharing_of(problem, sizeof(T))),
        gates(gates_of(p.cell)),
        parts(gate_parts(p.cell)),
        out(p.out()),
        pitch(p.pitch()),
        state_row(chunks_of(out, 16) * 16 + 16),
        unit_panels(panels_of<T>(p.hidden)),
        out_panels(panels_of<T>(out)),
        offsets(p.offsets) {}

  bool packs() const { return p.steps >= kPackedSteps; }
  // The step that is the i-th on the way of a direction.
  int64_t step(int direction, int64_t i) const { return direction == 0 ? i : p.steps - 1 - i; }
  // Where row r of step t was before: a row of `all`, or the first one of its sequence.
  const T* before(int direction, int64_t t, int64_t r, const T* all, int64_t all_row, const void* first,
                  int64_t first_row) const {
    const int64_t other = direction == 0 ? t - 1 : t + 1;
    const bool inside = other >= 0 && other < p.steps && r < p.sizes[other];
    return inside ? all + (offsets[other] + r) * all_row : static_cast<const T*>(first) + r * first_row;
  }
  // Columns of the i-th of n panels.
  static int64_t panel_columns(int64_t i, int64_t columns) {
    return min_of(TileSize<T>::columns, columns - i * TileSize<T>::columns);
  }
  // body(begin, end) over panels, shared where so many multiply-adds are worth it.
  template <class F>
  void share_panels(int64_t panels, int64_t work, F&& body) const {
    const int64_t most = 2 * most_threads(), jobs = most > 2 ? min_of(panels, most) : 1;
    if (jobs == 1 || work < kStepGrain) return body(0, panels);
    parallel(jobs, [&](int64_t job) { body(panels * job / jobs, panels * (job + 1) / jobs); });
  }
};

// A plain product, for what is not worth packing: c (rows, columns) = beta c + a @ b + bias.
template <class T>
static Gemm plain_product(Dtype dtype, int64_t rows, int64_t columns, int64_t k, const T* a, int64_t a_row,
                          const T* b, int64_t b_k, int64_t b_column, T* c, int64_t c_row, double beta,
                          const T* bias) {
  return {dtype, 1,    rows,  columns,       k, a, b, c, {a_row, 1, 0}, {b_k, b_column, 0}, {c_row, 1, 0}, 1,
          beta,  bias, false, Epilogue::None};
}

}  // namespace lamina::LAMINA_ISA
