// One matrix product of one float type, as the kernels see it, and the end of a product: bias and activation
// on c.
#pragma once

// clang-format off
#include "kernels/cpu/gemm_tile.h"
#include "simd/math.h"
#include "kernels/formulas.h"  // written in the vocabulary of the line above
// clang-format on

namespace lamina::LAMINA_ISA {

// c = act(alpha * a @ b + beta * c + bias + add), stored as S and computed as Compute<S>.
template <class S>
struct Product {
  int64_t m, n, k;
  const S* a;  // (m, k)
  int64_t a_row, a_k, a_batch;
  const S* b;  // (k, n)
  int64_t b_k, b_column, b_batch;
  S* c;  // (m, n)
  int64_t c_row, c_column, c_batch;
  Compute<S> alpha, beta;
  const S* column_bias;  // or null
  const S* row_bias;     // or null
  const S* add;          // or null; strides of c
  Epilogue epilogue;
  bool a_kept, b_kept;  // by gemm_pack, for many products
  const Compute<S>*a_packed, *b_packed;

  Product transposed() const {
    return {n,           m,       k,        b,        b_column, b_k,      b_batch, a,    a_k,
            a_row,       a_batch, c,        c_column, c_row,    c_batch,  alpha,   beta, row_bias,
            column_bias, add,     epilogue, b_kept,   a_kept,   b_packed, a_packed};
  }
  Product at(int64_t batch) const {
    Product p = *this;
    p.a += batch * a_batch;
    p.b += batch * b_batch;
    p.c += batch * c_batch;
    if (p.add) p.add += batch * c_batch;
    return p;
  }
  // The part of it that begins at this row, column and place along k.
  Product from(int64_t row, int64_t column, int64_t place) const {
    Product p = *this;
    p.a += row * a_row + place * a_k;
    p.b += place * b_k + column * b_column;
    p.c += row * c_row + column * c_column;
    if (p.add) p.add += row * c_row + column * c_column;
    if (p.column_bias) p.column_bias += column;
    if (p.row_bias) p.row_bias += row;
    return p;
  }
};

template <class S>
static Product<S> product_of(const Gemm& g) {
  const S* bias = static_cast<const S*>(g.bias);
  const MatrixStride &a = g.a_stride, &b = g.b_stride, &c = g.c_stride;
  Product<S> p = {g.m,
                  g.n,
                  g.k,
                  static_cast<const S*>(g.a),
                  a.row,
                  a.col,
                  a.batch,
                  static_cast<const S*>(g.b),
                  b.row,
                  b.col,
                  b.batch,
                  static_cast<S*>(g.c),
                  c.row,
                  c.col,
                  c.batch,
                  static_cast<Compute<S>>(g.alpha),
                  static_cast<Compute<S>>(g.beta),
                  g.bias_per_row ? nullptr : bias,
                  g.bias_per_row ? bias : nullptr,
                  static_cast<const S*>(g.add),
                  g.epilogue,
                  g.kept == Side::A,
                  g.kept == Side::B,
                  g.kept == Side::A ? static_cast<const Compute<S>*>(g.packed) : nullptr,
                  g.kept == Side::B ? static_cast<const Compute<S>*>(g.packed) : nullptr};
  // Strides along a side of one element say nothing; as 1 they do not stand in the way of a fast path.
  if (p.k <= 1) p.a_k = p.b_k = 1;
  if (p.m == 1) p.a_row = p.c_row = 1;
  if (p.n == 1) p.b_column = p.c_column = 1;
  // The tile is dense along n: turn the product where c is dense along m, or where only m is long.
  const bool turn = p.m > 1 && (p.n == 1 || (p.c_column != 1 && p.c_row == 1));
  return turn ? p.transposed() : p;
}

// A part of c, to and from the numbers it is computed in.
template <class S>
static void read_part(const S* c, int64_t c_row, int64_t c_column, int64_t rows, int64_t columns,
                      Compute<S>* to, int64_t to_row) {
  for (int64_t i = 0; i < rows; i++) {
    for (int64_t j = 0; j < columns; j++) to[i * to_row + j] = value_of(c[i * c_row + j * c_column]);
  }
}
template <class S>
static void write_part(const Compute<S>* from, int64_t from_row, int64_t rows, int64_t columns, S* c,
                       int64_t c_row, int64_t c_column) {
  for (int64_t i = 0; i < rows; i++) {
    for (int64_t j = 0; j < columns; j++) c[i * c_row + j * c_column] = element_of<S>(from[i * from_row + j]);
  }
}

// f(law), where law(x) is what this activation makes of a vector.
template <class F>
LAMINA_INLINE void by_epilogue(Epilogue epilogue, F&& f) {
  const auto of = [&](auto law) {
    f([law](auto x) mutable { return law.value(x, zero<decltype(x)>(), zero<decltype(x)>()); });
  };
  switch (epilogue) {
    case Epilogue::Relu:
      return f([](auto x) { return max(zero<decltype(x)>(), x); });
    case Epilogue::Relu6:
      return of(UnaryLaw<UnaryOp::Relu6>());
    case Epilogue::Hardswish:
      return of(UnaryLaw<UnaryOp::Hardswish>());
    case Epilogue::Gelu:
      return of(UnaryLaw<UnaryOp::Gelu>());
    case Epilogue::GeluTanh:
      return of(UnaryLaw<UnaryOp::GeluTanh>());
    case Epilogue::Silu:
      return of(UnaryLaw<UnaryOp::Silu>());
    case Epilogue::Sigmoid:
      return of(UnaryLaw<UnaryOp::Sigmoid>());
    case Epilogue::Tanh:
      return of(UnaryLaw<UnaryOp::Tanh>());
    case Epilogue::None:
    case Epilogue::count:
      return f([](auto x) { return x; });
  }
}

// The activations that are not done in the tile's registers, over rows that have just been computed.
template <class T>
static void activate(Epilogue epilogue, T* c, int64_t c_row, int64_t rows, int64_t columns) {
  if (epilogue <= Epilogue::Relu) return;
  by_epilogue(epilogue, [&](auto law) {
    for (int64_t i = 0; i < rows; i++) {
      for_vectors<Vec<T>>(columns, [&](int64_t j, auto lanes) {
        T* at = c + i * c_row + j;
        put_lanes(at, law(get_lanes(at, lanes)), lanes);
      });
    }
  });
}

}  // namespace lamina::LAMINA_ISA
