// Arrays of any storage type, read and written as vectors of the type they are computed in (the halves in
// float), and the choice of a template by dtype. Walking and sharing of work is in loops.h.
#pragma once

#include "kernels/cpu/loops.h"

namespace lamina::LAMINA_ISA {

template <bool condition, class A, class B>
struct Either {
  using Type = A;
};
template <class A, class B>
struct Either<false, A, B> {
  using Type = B;
};

template <class T>
struct ComputeOf {
  using Type = T;
};
template <>
struct ComputeOf<Half> {
  using Type = float;
};
template <>
struct ComputeOf<BFloat16> {
  using Type = float;
};
template <class T>
using Compute = typename ComputeOf<T>::Type;
// The vectors that a float storage type is computed in.
template <class T>
using Lanes = Vec<Compute<T>>;

template <class T>
constexpr bool kIsHalf = false;
template <>
constexpr bool kIsHalf<Half> = true;
template <>
constexpr bool kIsHalf<BFloat16> = true;
template <class T>
constexpr bool kIsFloat = kIsHalf<T>;
template <>
constexpr bool kIsFloat<float> = true;
template <>
constexpr bool kIsFloat<double> = true;

template <class T>
LAMINA_INLINE Lanes<T> get(const T* p) {
  if constexpr (kIsHalf<T>) {
    return load_half<F32>(p);
  } else {
    return load<Lanes<T>>(p);
  }
}
// The first n lanes, the others 0.
template <class T>
LAMINA_INLINE Lanes<T> get_n(const T* p, int64_t n) {
  if constexpr (kIsHalf<T>) {
    return load_half_n<F32>(p, static_cast<int>(n));
  } else {
    return load_n<Lanes<T>>(p, static_cast<int>(n));
  }
}
template <class T>
LAMINA_INLINE void put(T* p, Lanes<T> v) {
  if constexpr (kIsHalf<T>) {
    store_half(p, v);
  } else {
    store(p, v);
  }
}
template <class T>
LAMINA_INLINE void put_n(T* p, Lanes<T> v, int64_t n) {
  if constexpr (kIsHalf<T>) {
    store_half_n(p, v, static_cast<int>(n));
  } else {
    store_n(p, v, static_cast<int>(n));
  }
}

// One element as the type it is computed in, and back.
template <class T>
LAMINA_INLINE Compute<T> value_of(T x) {
  if constexpr (kIsHalf<T>) {
    float wide[1];
    store_n(wide, load_half_n<F32>(&x, 1), 1);
    return wide[0];
  } else {
    return x;
  }
}
template <class T>
LAMINA_INLINE T element_of(Compute<T> x) {
  if constexpr (kIsHalf<T>) {
    T narrow[1];
    store_half_n(narrow, set<F32>(x), 1);
    return narrow[0];
  } else {
    return x;
  }
}

alignas(64) static constexpr int32_t kCount32[16] = {0, 1, 2, 3, 4, 5, 6, 7, 8, 9, 10, 11, 12, 13, 14, 15};
alignas(64) static constexpr int64_t kCount64[8] = {0, 1, 2, 3, 4, 5, 6, 7};

// The first n lanes of v, the others from `other`.
LAMINA_INLINE F32 first_lanes(F32 v, F32 other, int64_t n) {
  return select(set<I32>(static_cast<int32_t>(n)) > load<I32>(kCount32), v, other);
}
LAMINA_INLINE F64 first_lanes(F64 v, F64 other, int64_t n) {
  return select(set<I64>(n) > load<I64>(kCount64), v, other);
}

// body(i, lanes) for vectors of V over [0, n): lanes is V::width, but for the last vector where it may be
// less. get_lanes / put_lanes take it; with the constant width they are plain loads and stores.
template <class V>
struct FullWidth {
  constexpr operator int64_t() const { return V::width; }
};
template <class T>
LAMINA_INLINE Lanes<T> get_lanes(const T* p, FullWidth<Lanes<T>>) {
  return get(p);
}
template <class T>
LAMINA_INLINE Lanes<T> get_lanes(const T* p, int64_t n) {
  return get_n(p, n);
}
template <class T>
LAMINA_INLINE void put_lanes(T* p, Lanes<T> v, FullWidth<Lanes<T>>) {
  put(p, v);
}
template <class T>
LAMINA_INLINE void put_lanes(T* p, Lanes<T> v, int64_t n) {
  put_n(p, v, n);
}
template <class V, class F>
LAMINA_INLINE void for_vectors(int64_t n, F&& body) {
  int64_t i = 0;
  for (; i + V::width <= n; i += V::width) body(i, FullWidth<V>());
  if (i < n) body(i, n - i);
}

// Whether an output of n elements is so large that it is written past the caches: it would not stay there,
// and memory need not be read before it is written.
LAMINA_INLINE bool is_streamed(Dtype dtype, int64_t n) {
  return n * static_cast<int64_t>(size_of(dtype)) >= stream_bytes && !is_half(dtype);
}
// y[i] = value(i, lanes) for [0, n), past the caches where `streamed`, but for the ends that are no whole
// aligned vector. After the last one comes a stream_fence().
template <class T, class F>
LAMINA_INLINE void write_vectors(bool streamed, T* y, int64_t n, F&& value) {
  using V = Lanes<T>;
  if constexpr (!kIsHalf<T>) {
    if (streamed && n >= 2 * V::width) {
      constexpr uintptr_t bytes = V::width * sizeof(T);
      const int64_t head =
          static_cast<int64_t>((bytes - reinterpret_cast<uintptr_t>(y) % bytes) % bytes / sizeof(T));
      if (head > 0) put_n(y, value(0, head), head);
      int64_t i = head;
      for (; i + V::width <= n; i += V::width) stream(y + i, value(i, FullWidth<V>()));
      if (i < n) put_n(y + i, value(i, n - i), n - i);
      return;
    }
  }
  for_vectors<V>(n, [&](int64_t i, auto lanes) { put_lanes(y + i, value(i, lanes), lanes); });
}

// Whether an element is zero: integers are looked at as bits, halves as bits without a sign, so that few
// loops serve all dtypes.
struct HalfBits {
  uint16_t bits;
};
template <class F>
LAMINA_INLINE void by_pattern(Dtype dtype, F&& f) {
  if (is_half(dtype)) return f(HalfBits());
  if (dtype == Dtype::Float32) return f(float());
  if (dtype == Dtype::Float64) return f(double());
  switch (size_of(dtype)) {
    case 1:
      return f(uint8_t());
    case 2:
      return f(uint16_t());
    case 4:
      return f(uint32_t());
    default:
      return f(uint64_t());
  }
}

template <class T>
LAMINA_INLINE bool is_set(T x) {
  return x != T(0);
}
LAMINA_INLINE bool is_set(HalfBits x) { return (x.bits & 0x7fff) != 0; }

// f(T()) for the storage type T of the dtype.
template <class F>
LAMINA_INLINE void by_float(Dtype dtype, F&& f) {
  switch (dtype) {
    case Dtype::Float16:
      return f(Half());
    case Dtype::BFloat16:
      return f(BFloat16());
    case Dtype::Float64:
      return f(double());
    default:
      return f(float());
  }
}
template <class F>
LAMINA_INLINE void by_dtype(Dtype dtype, F&& f) {
  switch (dtype) {
    case Dtype::Bool:
      return f(bool());
    case Dtype::UInt8:
      return f(uint8_t());
    case Dtype::Int8:
      return f(int8_t());
    case Dtype::Int16:
      return f(int16_t());
    case Dtype::Int32:
      return f(int32_t());
    case Dtype::Int64:
      return f(int64_t());
    default:
      return by_float(dtype, f);
  }
}

}  // namespace lamina::LAMINA_ISA
