// What pooling and convolution share: which outputs see a tap of the window inside the input, and reading
// along a row with a stride.
#pragma once

#include "kernels/cpu/element.h"

namespace lamina::LAMINA_ISA {

// The o of [begin, end) with 0 <= o * stride + offset < size.
struct Span {
  int64_t begin, end;
};
LAMINA_INLINE Span valid_span(int64_t begin, int64_t end, int64_t stride, int64_t offset, int64_t size) {
  const int64_t first = offset >= 0 ? 0 : chunks_of(-offset, stride);
  const int64_t past = size > offset ? chunks_of(size - offset, stride) : 0;
  const int64_t from = min_of(end, max_of(begin, first));
  return {from, max_of(from, min_of(end, past))};
}

// to[i] = row[i * stride], i < n, and zeros up to a whole vector. `left` elements of the row may be read.
template <class S>
static void read_row_beyond(const S* row, int64_t stride, int64_t n, int64_t left, Compute<S>* to) {
  using V = Lanes<S>;
  if (stride == 1) {
    for_vectors<V>(n, [&](int64_t i, auto lanes) { store(to + i, get_lanes(row + i, lanes)); });
  } else if (stride == 2) {
    for_vectors<V>(n, [&](int64_t i, auto lanes) {
      // The vector's last element is at 2 * lanes - 2.
      const int64_t here = min_of(left - 2 * i, 2 * lanes - 1);
      const V low = get_n(row + 2 * i, min_of(V::width, here));
      const V high = get_n(row + 2 * i + V::width, max_of(0, min_of(V::width, here - V::width)));
      store(to + i, even_lanes(low, high));
    });
  } else {
    for_vectors<V>(n, [&](int64_t i, auto lanes) {
      alignas(64) Compute<S> some[V::width] = {};
      for (int64_t j = 0; j < lanes; j++) some[j] = value_of(row[(i + j) * stride]);
      store(to + i, load<V>(some));
    });
  }
}

}  // namespace lamina::LAMINA_ISA
