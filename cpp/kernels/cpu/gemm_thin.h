// Products with few rows of c, which are bound by reading b once: vector-matrix products and thin batches. b
// is read in place, along its dense side, in chunks of fixed size; the chunks' partial sums are added in
// their order.
#pragma once

#include "kernels/cpu/gemm_problem.h"

namespace lamina::LAMINA_ISA {

constexpr int kThinRows = 4;      // of c: any b that is dense along one side
constexpr int kThinDotRows = 64;  // of c, where a and b are dense along k

// Rows of a tile of dot products.
constexpr int kDotRows = kRegisters == 32 ? 4 : 3;

// Dot products pay for adding up their vectors, the blocked product for turning b first: which is less
// decides.
template <class S>
static bool is_thin(const Product<S>& p) {
  if (p.k == 0 || (p.b_k != 1 && p.b_column != 1)) return false;
  if (p.m <= kThinRows) return true;
  return p.b_k == 1 && p.a_k == 1 && p.m <= kThinDotRows && p.m * 10 <= p.k;
}

// How a thin product is cut along k and n. b dense along k: long dot products of few columns; else few whole
// rows of b, so that memory is read in order.
struct ThinCut {
  int64_t k, columns;
};
template <class S>
static ThinCut thin_cut(const Product<S>& p) {
  if (p.b_k != 1) return {256, 4096};
  return {p.m <= kThinRows ? 8192 : 1024, 24};
}

// a is read in place where its rows are dense and need no widening.
template <class S>
static bool copies_a(const Product<S>& p) {
  return kIsHalf<S> || p.a_k != 1;
}
// Elements: the partial sums, and the copy of a.
template <class S>
static int64_t thin_scratch(const Product<S>& p) {
  return chunks_of(p.k, thin_cut(p).k) * p.m * p.n + (copies_a(p) ? p.m * p.k : 0);
}

// sums[i * n + j] = row i of a . column j of b, both dense along k.
template <class S, int rows, int columns>
static void dot_tile(int64_t k, const Compute<S>* a, int64_t a_row, const S* b, int64_t b_column,
                     Compute<S>* sums, int64_t n) {
  using V = Lanes<S>;
  V sum[rows][columns];
  for (int i = 0; i < rows; i++) {
    for (int j = 0; j < columns; j++) sum[i][j] = zero<V>();
  }
  int64_t p = 0;
  for (; p + V::width <= k; p += V::width) {
    V a_vector[rows];
    for (int i = 0; i < rows; i++) a_vector[i] = load<V>(a + i * a_row + p);
#pragma GCC unroll 8
    for (int j = 0; j < columns; j++) {
      const V b_vector = rows == 1 ? get(b + j * b_column + p) : held(get(b + j * b_column + p));
#pragma GCC unroll 4
      for (int i = 0; i < rows; i++) sum[i][j] = fma(a_vector[i], b_vector, sum[i][j]);
    }
  }
  const int rest = static_cast<int>(k - p);
  for (int j = 0; j < columns; j++) {
    for (int i = 0; i < rows; i++) {
      V s = sum[i][j];
      if (rest) s = fma(load_n<V>(a + i * a_row + p, rest), get_n(b + j * b_column + p, rest), s);
      sums[i * n + j] = reduce_add(s);
    }
  }
}

// A single column: several sums hide the latency of the additions.
template <class S>
static Compute<S> long_dot(int64_t k, const Compute<S>* a, const S* b) {
  using V = Lanes<S>;
  constexpr int ways = 8;
  V sum[ways];
  for (int w = 0; w < ways; w++) sum[w] = zero<V>();
  int64_t p = 0;
  for (; p + ways * V::width <= k; p += ways * V::width) {
    for (int w = 0; w < ways; w++) {
      sum[w] = fma(load<V>(a + p + w * V::width), get(b + p + w * V::width), sum[w]);
    }
  }
  for (; p < k; p += V::width) {
    const int n = static_cast<int>(min_of(V::width, k - p));
    sum[0] = fma(load_n<V>(a + p, n), get_n(b + p, n), sum[0]);
  }
  for (int w = ways / 2; w > 0; w /= 2) {
    for (int i = 0; i < w; i++) sum[i] += sum[i + w];
  }
  return reduce_add(sum[0]);
}

template <class S, int rows, int most>
static void dot_columns(int64_t k, const Compute<S>* a, int64_t a_row, const S* b, int64_t b_column,
                        int64_t columns, Compute<S>* sums, int64_t n) {
  if (columns == most) return dot_tile<S, rows, most>(k, a, a_row, b, b_column, sums, n);
  int64_t j = 0;
  for (; j + 2 <= columns; j += 2) dot_tile<S, rows, 2>(k, a, a_row, b + j * b_column, b_column, sums + j, n);
  for (int i = 0; j < columns && i < rows; i++)
    sums[i * n + j] = long_dot(k, a + i * a_row, b + j * b_column);
}

// A few columns at a time against all rows, in tiles of most_rows or one less.
template <class S, int most_rows>
static void dot_rows(const Product<S>& p, const Compute<S>* a, int64_t a_row, Compute<S>* sums) {
  constexpr int room = (kRegisters - 1 - most_rows) / most_rows, most = room < 8 ? room : 8;
  const Cut cut = cut_of(p.m, kDotRows);
  for (int64_t j = 0; j < p.n; j += most) {
    for (int64_t g = 0; g < cut.count; g++) {
      const Compute<S>* part = a + cut.start(g) * a_row;
      const S* b = p.b + j * p.b_column;
      Compute<S>* to = sums + cut.start(g) * p.c_row + j;
      const int64_t columns = min_of(most, p.n - j);
      if (cut.rows(g) == most_rows) {
        dot_columns<S, most_rows, most>(p.k, part, a_row, b, p.b_column, columns, to, p.c_row);
      } else if constexpr (most_rows > 1) {
        dot_columns<S, most_rows - 1, most>(p.k, part, a_row, b, p.b_column, columns, to, p.c_row);
      }
    }
  }
}

template <class S>
static void dot_chunk(const Product<S>& p, const Compute<S>* a, int64_t a_row, Compute<S>* sums) {
  const Cut cut = cut_of(p.m, kDotRows);
  switch (cut.rows(0)) {
    case 1:
      return dot_rows<S, 1>(p, a, a_row, sums);
    case 2:
      return dot_rows<S, 2>(p, a, a_row, sums);
    case 3:
      return dot_rows<S, 3>(p, a, a_row, sums);
    default:
      return dot_rows<S, kDotRows>(p, a, a_row, sums);
  }
}

// sums (rows, columns) += a (rows, depth) @ b (depth, columns), b dense along n.
template <class S, int rows, int depth>
static void axpy_tile(const Compute<S>* a, int64_t a_row, const S* b, int64_t b_k, int64_t columns,
                      Compute<S>* sums, int64_t n) {
  using V = Lanes<S>;
  V a_value[rows][depth];
  for (int i = 0; i < rows; i++) {
    for (int q = 0; q < depth; q++) a_value[i][q] = set<V>(a[i * a_row + q]);
  }
  int64_t j = 0;
  for (; j + V::width <= columns; j += V::width) {
    V sum[rows];
    for (int i = 0; i < rows; i++) sum[i] = load<V>(sums + i * n + j);
#pragma GCC unroll 8
    for (int q = 0; q < depth; q++) {
      const V b_vector = get(b + q * b_k + j);
      for (int i = 0; i < rows; i++) sum[i] = fma(a_value[i][q], b_vector, sum[i]);
    }
    for (int i = 0; i < rows; i++) store(sums + i * n + j, sum[i]);
  }
  const int rest = static_cast<int>(columns - j);
  if (rest == 0) return;
  for (int i = 0; i < rows; i++) {
    V sum = load_n<V>(sums + i * n + j, rest);
    for (int q = 0; q < depth; q++) sum = fma(a_value[i][q], get_n(b + q * b_k + j, rest), sum);
    store_n(sums + i * n + j, sum, rest);
  }
}

template <class S, int rows>
static void axpy_rows(const Product<S>& p, const Compute<S>* a, int64_t a_row, Compute<S>* sums) {
  constexpr int room = kRegisters / 2 / (rows == 3 ? 4 : rows), depth = room < 8 ? room : 8;
  int64_t q = 0;
  for (; q + depth <= p.k; q += depth) {
    axpy_tile<S, rows, depth>(a + q, a_row, p.b + q * p.b_k, p.b_k, p.n, sums, p.c_row);
  }
  for (; q < p.k; q++) axpy_tile<S, rows, 1>(a + q, a_row, p.b + q * p.b_k, p.b_k, p.n, sums, p.c_row);
}

template <class S>
static void axpy_chunk(const Product<S>& p, const Compute<S>* a, int64_t a_row, Compute<S>* sums) {
  for (int64_t i = 0; i < p.m; i++) memset(sums + i * p.c_row, 0, p.n * sizeof(Compute<S>));
  switch (p.m) {
    case 1:
      return axpy_rows<S, 1>(p, a, a_row, sums);
    case 2:
      return axpy_rows<S, 2>(p, a, a_row, sums);
    case 3:
      return axpy_rows<S, 3>(p, a, a_row, sums);
    default:
      return axpy_rows<S, kThinRows>(p, a, a_row, sums);
  }
}

// c of columns [begin, end) from the partial sums (parts, m, n).
template <class S>
static void finish_thin(const Product<S>& p, const Compute<S>* sums, int64_t parts, int64_t begin,
                        int64_t end) {
  using T = Compute<S>;
  using V = Vec<T>;
  alignas(64) T buffer[V::width];
  for (int64_t i = 0; i < p.m; i++) {
    for (int64_t j = begin; j < end; j += V::width) {
      const int n = static_cast<int>(min_of(V::width, end - j));
      S* c = p.c + i * p.c_row + j * p.c_column;
      V sum = load_n<V>(sums + i * p.n + j, n);
      for (int64_t part = 1; part < parts; part++) sum += load_n<V>(sums + (part * p.m + i) * p.n + j, n);
      sum = sum * set<V>(p.alpha);
      if (p.beta != T(0)) {
        read_part(c, 0, p.c_column, 1, n, buffer, 0);
        sum = fma(set<V>(p.beta), load_n<V>(buffer, n), sum);
      }
      if (p.column_bias) sum += get_n(p.column_bias + j, n);
      if (p.row_bias) sum += set<V>(value_of(p.row_bias[i]));
      if (p.add) {
        read_part(p.add + i * p.c_row + j * p.c_column, 0, p.c_column, 1, n, buffer, 0);
        sum += load_n<V>(buffer, n);
      }
      if (p.epilogue == Epilogue::None && p.c_column == 1) {
        put_n(c, sum, n);
        continue;
      }
      store(buffer, p.epilogue == Epilogue::Relu ? max(zero<V>(), sum) : sum);
      if (p.epilogue > Epilogue::Relu) activate(p.epilogue, buffer, 0, 1, n);
      write_part(buffer, 0, 1, n, c, 0, p.c_column);
    }
  }
}

// `shared`: whether the work is worth more than one thread.
template <class S>
static void multiply_thin(const Product<S>& p, Compute<S>* scratch, bool shared) {
  using T = Compute<S>;
  const ThinCut cut = thin_cut(p);
  const int64_t parts = chunks_of(p.k, cut.k), groups = chunks_of(p.n, cut.columns);
  const T* a = nullptr;
  int64_t a_row = p.a_row;
  if (copies_a(p)) {
    T* copy = scratch + parts * p.m * p.n;
    read_part(p.a, p.a_row, p.a_k, p.m, p.k, copy, p.k);
    a = copy;
    a_row = p.k;
  } else if constexpr (!kIsHalf<S>) {
    a = p.a;
  }
  const auto chunk = [&](int64_t i) {
    const int64_t k = i / groups * cut.k, column = i % groups * cut.columns;
    Product<S> part = p.from(0, column, k);
    part.k = min_of(cut.k, p.k - k);
    part.n = min_of(cut.columns, p.n - column);
    part.c_row = p.n;
    T* sums = scratch + i / groups * p.m * p.n + column;
    if (p.b_k == 1) {
      dot_chunk(part, a + k, a_row, sums);
    } else {
      axpy_chunk(part, a + k, a_row, sums);
    }
  };
  if (shared) {
    parallel(parts * groups, chunk);
    parallel_range(p.n, max_of(Vec<T>::width, kGrain / (p.m * parts)),
                   [&](int64_t begin, int64_t end) { finish_thin(p, scratch, parts, begin, end); });
  } else {
    for (int64_t i = 0; i < parts * groups; i++) chunk(i);
    finish_thin(p, scratch, parts, 0, p.n);
  }
}

}  // namespace lamina::LAMINA_ISA
