// What the elementary functions are made of: polynomials, powers of two, and the way to libm.
// Polynomial coefficients in this folder are minimax fits (Remez exchange) unless said otherwise.
#pragma once

#include <math.h>

#include "simd/simd.h"

namespace lamina::LAMINA_ISA {

template <class V>
constexpr bool kSingle = sizeof(typename V::Element) == sizeof(float);

template <class V>
LAMINA_INLINE V constant(double x) {
  return set(static_cast<typename V::Element>(x));
}
template <class V>
LAMINA_INLINE V infinity() {
  return constant<V>(__builtin_inf());
}
template <class V>
LAMINA_INLINE V not_a_number() {
  return constant<V>(__builtin_nan(""));
}
template <class V>
LAMINA_INLINE typename V::Int integer(int64_t x) {
  return set(static_cast<typename V::Int::Element>(x));
}

// c0 + c1 x + c2 x^2 + ...
template <class V>
LAMINA_INLINE V polynomial(V, double c) {
  return constant<V>(c);
}
template <class V, class... C>
LAMINA_INLINE V polynomial(V x, double c, C... more) {
  return fma(polynomial(x, more...), x, constant<V>(c));
}

// The same by even and odd powers: one product more, half as long to wait for.
template <class V, class... C>
LAMINA_INLINE V long_polynomial(V x, C... c) {
  constexpr int terms = sizeof...(c), odd_terms = terms / 2, even_terms = terms - odd_terms;
  const double all[] = {c...};
  const V z = x * x;
  V even = constant<V>(all[2 * even_terms - 2]), odd = constant<V>(all[2 * odd_terms - 1]);
#pragma GCC unroll 32
  for (int i = even_terms - 2; i >= 0; i--) even = fma(even, z, constant<V>(all[2 * i]));
#pragma GCC unroll 32
  for (int i = odd_terms - 2; i >= 0; i--) odd = fma(odd, z, constant<V>(all[2 * i + 1]));
  return fma(odd, x, even);
}

// 2^n for whole n that are exponents of normal numbers.
template <class V>
LAMINA_INLINE V exp2_of(typename V::Int n) {
  if constexpr (kSingle<V>) {
    return from_bits(shl<23>(n + integer<V>(127)));
  } else {
    return from_bits(shl<52>(n + integer<V>(1023)));
  }
}

// x * 2^n for whole n, in two steps because 2^n alone may overflow or vanish where the product does not.
template <class V>
LAMINA_INLINE V ldexp(V x, V n) {
  const typename V::Int whole = to_int(n), half = sar<1>(whole);
  return x * exp2_of<V>(half) * exp2_of<V>(whole - half);
}
// Where 2^n is normal.
template <class V>
LAMINA_INLINE V ldexp_normal(V x, V n) {
  return x * exp2_of<V>(to_int(n));
}

// x * factor rounded to a whole number, for results below 2^22 (2^51 in double): a number this large counts
// in ones.
template <class V>
LAMINA_INLINE V nearest_product(V x, double factor) {
  const V counting = constant<V>(kSingle<V> ? 0x1.8p23 : 0x1.8p52);
  return fma(x, constant<V>(factor), counting) - counting;
}

// libm, lane by lane.
template <class V, class F>
LAMINA_INLINE V lanewise(F f, V x) {
  typename V::Element a[V::width];
  store(a, x);
#pragma GCC unroll 1
  for (int i = 0; i < V::width; i++) a[i] = f(a[i]);
  return load<V>(a);
}
template <class V, class F>
LAMINA_INLINE V lanewise(F f, V x, V y) {
  typename V::Element a[V::width], b[V::width];
  store(a, x);
  store(b, y);
#pragma GCC unroll 1
  for (int i = 0; i < V::width; i++) a[i] = f(a[i], b[i]);
  return load<V>(a);
}

}  // namespace lamina::LAMINA_ISA
