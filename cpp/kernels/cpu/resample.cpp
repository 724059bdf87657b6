// Planes (h, w) whose places along both axes are made anew by tables of taps: interpolation, means over bins,
// borders, and the ways back of all of them. A block of rows is put together first, with the columns as
// lanes; then it is turned, so that its rows are the lanes, put together along the other axis and turned
// back.
#include "kernels/cpu/element.h"
#include "kernels/cpu/table.h"

namespace lamina::LAMINA_ISA {
namespace {

template <class T>
struct Resampled {
  using V = Vec<T>;
  static constexpr int64_t kRows = V::width;  // of a block
  static constexpr int64_t kColumns = kTapReach + V::width;

  const Resample& p;
  const T* x;
  T* y;

  const T* plane_of(int64_t row) const { return x + row / p.rows.outs * p.rows.ins * p.columns.ins; }
  // The old row that a new one is, as it is; null where there is more to it.
  const T* same_row(int64_t row) const {
    const int64_t k = p.rows.starts[row % p.rows.outs], end = p.rows.starts[row % p.rows.outs + 1];
    if (end != k + 1 || p.rows.weights[k] != 1) return nullptr;
    return plane_of(row) + p.rows.places[k] * p.columns.ins;
  }
  // Columns [low, low + n) of a new row.
  void row_into(int64_t row, int64_t low, int64_t n, T* to) const {
    if (const T* same = same_row(row)) {
      memcpy(to, same + low, static_cast<size_t>(n) * sizeof(T));
      return;
    }
    const T* plane = plane_of(row) + low;
    const int64_t begin = p.rows.starts[row % p.rows.outs], end = p.rows.starts[row % p.rows.outs + 1];
    for_vectors<V>(n, [&](int64_t c, auto lanes) {
      V sum = zero<V>();
      for (int64_t k = begin; k < end; k++) {
        const V value = get_lanes(plane + p.rows.places[k] * p.columns.ins + c, lanes);
        sum = fma(value, set<V>(static_cast<T>(p.rows.weights[k])), sum);
      }
      put_lanes(to + c, sum, lanes);
    });
  }

  // A few rows, or a few columns: one by one.
  void singles(int64_t row, const TapPart& part, const T* values) const {
    const Taps& t = p.columns;
    for (int64_t i = part.begin; i < part.end; i++) {
      T sum = 0;
      for (int64_t k = t.starts[i]; k < t.starts[i + 1]; k++)
        sum += values[t.places[k] - part.low] * static_cast<T>(t.weights[k]);
      y[row * t.outs + i] = sum;
    }
  }
  // One place made of more columns than a block holds.
  void wide(int64_t row, const TapPart& part) const {
    const Taps& t = p.columns;
    const T* same = same_row(row);
    T held[kTapReach], sum = 0;
    int64_t k = t.starts[part.begin];
    for (int64_t low = part.low; low < part.high; low += kTapReach) {
      const int64_t n = min_of(kTapReach, part.high - low);
      if (!same) row_into(row, low, n, held);
      const T* values = same ? same + low : held;
      for (; k < t.starts[part.begin + 1] && t.places[k] < low + n; k++)
        sum += values[t.places[k] - low] * static_cast<T>(t.weights[k]);
    }
    y[row * t.outs + part.begin] = sum;
  }

  // kRows rows from `row` on.
  void block(int64_t row, const TapPart& part) const {
    const Taps& t = p.columns;
    alignas(64) T held[kRows][kColumns], turned[kColumns][kRows], made[kTapPart + V::width][kRows];
    V lanes[kBlockColumns<V>];
    const int64_t n = part.high - part.low;
    for (int64_t r = 0; r < kRows; r++) row_into(row + r, part.low, n, held[r]);
    for (int64_t c = 0; c < n; c += kBlockColumns<V>) {
      load_columns(held[0] + c, kColumns, lanes);
      for (int64_t q = 0; q < kBlockColumns<V>; q++) store(turned[c + q], lanes[q]);
    }
    for (int64_t i = part.begin; i < part.end; i++) {
      V sum = zero<V>();
      for (int64_t k = t.starts[i]; k < t.starts[i + 1]; k++)
        sum = fma(load<V>(turned[t.places[k] - part.low]), set<V>(static_cast<T>(t.weights[k])), sum);
      store(made[i - part.begin], sum);
    }
    for (int64_t i = part.begin; i < part.end; i += V::width) {
      for (int64_t r = 0; r < kRows; r += kBlockColumns<V>) {
        load_columns(made[i - part.begin] + r, kRows, lanes);
        for (int64_t q = 0; q < kBlockColumns<V>; q++)
          put_n(y + (row + r + q) * t.outs + i, lanes[q], min_of(V::width, part.end - i));
      }
    }
  }

  void rows(int64_t begin, int64_t end, const TapPart& part) const {
    constexpr int64_t few = 4;
    if (!part.run && end - begin == kRows && part.end - part.begin >= few &&
        part.high - part.low <= kTapReach)
      return block(begin, part);
    for (int64_t row = begin; row < end; row++) {
      if (part.run) {
        row_into(row, part.low, part.end - part.begin, y + row * p.columns.outs + part.begin);
      } else if (part.high - part.low > kTapReach) {
        wide(row, part);
      } else if (const T* same = same_row(row)) {
        singles(row, part, same + part.low);
      } else {
        T held[kTapReach];
        row_into(row, part.low, part.high - part.low, held);
        singles(row, part, held);
      }
    }
  }

  void run() const {
    const Taps &down = p.rows, &along = p.columns;
    const int64_t rows_all = p.planes * down.outs, blocks = chunks_of(rows_all, kRows);
    // What a row of a part costs: its old columns by the taps of the rows, and its taps.
    const int64_t own = along.starts ? along.starts[along.outs] : 0;
    const int64_t taps = own + along.ins * (down.starts[down.outs] / down.outs + 1);
    const int64_t cost = max_of(1, kRows * taps / along.part_count);
    parallel_range(blocks * along.part_count, max_of(1, kGrain / cost), [&](int64_t begin, int64_t end) {
      for (int64_t i = begin; i < end; i++) {
        const int64_t row = i / along.part_count * kRows;
        rows(row, min_of(row + kRows, rows_all), along.parts[i % along.part_count]);
      }
    });
  }
};

}  // namespace

void resample(const Resample& p, const void* x, void* y) {
  if (p.dtype == Dtype::Float64) {
    Resampled<double>{p, static_cast<const double*>(x), static_cast<double*>(y)}.run();
  } else {
    Resampled<float>{p, static_cast<const float*>(x), static_cast<float*>(y)}.run();
  }
}

}  // namespace lamina::LAMINA_ISA
