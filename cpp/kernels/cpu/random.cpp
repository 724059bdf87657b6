// Random numbers of all distributions, from Philox words. Element i of a call is made from block offset + i /
// 4, or + i / 2 where random_blocks in kernels.h counts two to a block, and so depends on nothing but seed,
// offset and i.
#include "kernels/cpu/philox.h"
#include "kernels/cpu/table.h"
#include "simd/math.h"

namespace lamina::LAMINA_ISA {
namespace {

// ---- uniform numbers
// -------------------------------------------------------------------------------------------------

template <class C>
constexpr int kPerBlock = sizeof(C) == 8 ? 2 : 4;

// Numbers of type C by block: at[k][b] is the k-th of block b, element kPerBlock * b + k.
template <class C>
struct Planes {
  alignas(64) C at[kPerBlock<C>][kBatch];
};

// [0, 1) on a grid of 2^-24, of 2^-53 in double.
LAMINA_INLINE void uniform(const Words& words, Planes<float>& u) {
  for (int k = 0; k < 4; k++) {
    for (int b = 0; b < kBatch; b++)
      u.at[k][b] = static_cast<float>(static_cast<int32_t>(words.at[k][b] >> 8)) * 0x1p-24f;
  }
}
LAMINA_INLINE void uniform(const Words& words, Planes<double>& u) {
  for (int k = 0; k < 2; k++) {
    for (int b = 0; b < kBatch; b++) {
      const int32_t high = static_cast<int32_t>(words.at[2 * k][b] >> 5),
                    low = static_cast<int32_t>(words.at[2 * k + 1][b] >> 6);
      u.at[k][b] = (high * 0x1p26 + low) * 0x1p-53;
    }
  }
}

// (0, 1], finer near 0 than the above, so that logarithms reach far.
LAMINA_INLINE void uniform_open(const Words& words, Planes<float>& u) {
  for (int k = 0; k < 4; k++) {
    for (int b = 0; b < kBatch; b++)
      u.at[k][b] = static_cast<float>(static_cast<int32_t>(words.at[k][b] >> 1 | 1)) * 0x1p-31f;
  }
}
LAMINA_INLINE void uniform_open(const Words& words, Planes<double>& u) {
  uniform(words, u);
  for (int k = 0; k < 2; k++) {
    for (int b = 0; b < kBatch; b++) u.at[k][b] += 0x1p-53;
  }
}

// ---- distributions over the real numbers
// -------------------------------------------------------------------------------

template <class T>
void write(const Planes<Compute<T>>& p, T* out, int64_t count) {
  using C = Compute<T>;
  constexpr int per = kPerBlock<C>;
  alignas(64) C flat[per * kBatch];
  for (int b = 0; b < kBatch; b++) {
    for (int k = 0; k < per; k++) flat[per * b + k] = p.at[k][b];
  }
  for_vectors<Lanes<T>>(
      count, [&](int64_t i, auto lanes) { put_lanes(out + i, get_lanes(flat + i, lanes), lanes); });
}

// law(u, planes) turns uniform numbers into those of the distribution, in place.
template <class T, class F>
void real_numbers(T* out, int64_t n, Random r, bool open, F&& law) {
  using C = Compute<T>;
  for_batches<kPerBlock<C>>(n, r, [&](int64_t begin, int64_t count, const Words& words) {
    Planes<C> p;
    if (open) {
      uniform_open(words, p);
    } else {
      uniform(words, p);
    }
    law(p, chunks_of(count, kPerBlock<C>));
    write(p, out + begin, count);
  });
}

template <class C, class F>
LAMINA_INLINE void each(Planes<C>& p, int64_t blocks, F&& f) {
  using V = Vec<C>;
  for (int k = 0; k < kPerBlock<C>; k++) {
    for (int64_t b = 0; b < blocks; b += V::width) store(p.at[k] + b, f(load<V>(p.at[k] + b)));
  }
}

// Box and Muller, "A note on the generation of random normal deviates" (1958): the polar coordinates of two
// normal numbers are a radius sqrt(-2 log u) and a uniform angle.
template <class C>
LAMINA_INLINE void normal(Planes<C>& p, int64_t blocks) {
  using V = Vec<C>;
  for (int k = 0; k < kPerBlock<C>; k += 2) {
    for (int64_t b = 0; b < blocks; b += V::width) {
      const V radius = sqrt(log(load<V>(p.at[k] + b)) * set<V>(-2));
      const V angle = load<V>(p.at[k + 1] + b) * set<V>(static_cast<C>(6.283185307179586));
      store(p.at[k] + b, radius * cos(angle));
      store(p.at[k + 1] + b, radius * sin(angle));
    }
  }
}

// The largest T below b; uniform numbers that rounding lifts to b become this one.
template <class T>
Compute<T> top_below(Compute<T> a, Compute<T> b) {
  if (!(a < b)) return a;
  using Bits = typename Vec<Compute<T>>::Int::Element;
  if constexpr (kIsHalf<T>) {
    T t = element_of<T>(b);
    if (value_of(t) < b) return value_of(t);
    t.bits =
        (t.bits & 0x7fff) == 0 ? 0x8001 : static_cast<uint16_t>(t.bits & 0x8000 ? t.bits + 1 : t.bits - 1);
    return value_of(t);
  } else {
    if (b == 0) return sizeof(T) == 4 ? T(-0x1p-149) : T(-0x1p-1074);
    Bits pattern;
    memcpy(&pattern, &b, sizeof b);
    pattern += b > 0 ? -1 : 1;
    memcpy(&b, &pattern, sizeof b);
    return b;
  }
}

template <class T>
constexpr float kHalfGrid = 0x1p8f;
template <>
constexpr float kHalfGrid<Half> = 0x1p11f;

template <class T>
void uniform_between(T* out, int64_t n, Random r, Compute<T> a, Compute<T> b) {
  using V = Lanes<T>;
  const V low = set<V>(a), size = set<V>(b - a), top = set<V>(top_below<T>(a, b));
  const V grid = set<V>(kHalfGrid<T>);
  real_numbers(out, n, r, false, [&](auto& p, int64_t blocks) {
    // A half holds fewer bits than the grid has: the rest is cut off, so that no value is favoured by
    // rounding.
    if (kIsHalf<T>) each(p, blocks, [&](V u) { return floor(u * grid) / grid; });
    each(p, blocks, [&](V u) { return min(fma(u, size, low), top); });
  });
}

template <class T>
void real_distribution(Distribution d, T* out, int64_t n, Random r, double a, double b) {
  using C = Compute<T>;
  using V = Lanes<T>;
  const V va = set<V>(static_cast<C>(a)), vb = set<V>(static_cast<C>(b));
  switch (d) {
    case Distribution::Normal:
      return real_numbers(out, n, r, true, [&](auto& p, int64_t blocks) {
        normal(p, blocks);
        each(p, blocks, [&](V z) { return fma(z, vb, va); });
      });
    case Distribution::LogNormal:
      return real_numbers(out, n, r, true, [&](auto& p, int64_t blocks) {
        normal(p, blocks);
        each(p, blocks, [&](V z) { return exp(fma(z, vb, va)); });
      });
    case Distribution::Exponential: {  // -log(u) / rate, never 0
      const V scale = set<V>(static_cast<C>(-1 / a)),
              one = set<V>(sizeof(C) == 4 ? C(1 - 0x1p-24) : C(1 - 0x1p-53));
      return real_numbers(out, n, r, true, [&](auto& p, int64_t blocks) {
        each(p, blocks, [&](V u) { return log(min(u, one)) * scale; });
      });
    }
    case Distribution::Cauchy: {
      const V pi = set<V>(static_cast<C>(3.141592653589793)), half = set<V>(C(0.5));
      const V step = set<V>(sizeof(C) == 4 ? C(0x1p-25) : C(0x1p-54));  // off the grid, hence off the pole
      return real_numbers(out, n, r, false, [&](auto& p, int64_t blocks) {
        each(p, blocks, [&](V u) { return fma(tan((u - half + step) * pi), vb, va); });
      });
    }
    default:
      return uniform_between(out, n, r, static_cast<C>(a), static_cast<C>(b));
  }
}

// ---- distributions over the integers
// -------------------------------------------------------------------------------

template <class T>
LAMINA_INLINE T from_int(int64_t x) {
  if constexpr (kIsFloat<T>) {
    return element_of<T>(static_cast<Compute<T>>(x));
  } else {
    return static_cast<T>(x);
  }
}

// number(low, high) makes each element from 64 random bits.
template <class F>
void whole_numbers(Dtype dtype, void* out, int64_t n, Random r, F&& number) {
  for_batches<2>(n, r, [&](int64_t begin, int64_t count, const Words& words) {
    int64_t values[2 * kBatch];
    for (int64_t b = 0; b < chunks_of(count, 2); b++) {
      values[2 * b] = number(words.at[0][b], words.at[1][b]);
      values[2 * b + 1] = number(words.at[2][b], words.at[3][b]);
    }
    by_dtype(dtype, [&](auto type) {
      using T = decltype(type);
      T* p = static_cast<T*>(out) + begin;
      for (int64_t i = 0; i < count; i++) p[i] = from_int<T>(values[i]);
    });
  });
}

// A word is below chance_limit with the given chance.
uint64_t chance_limit(double p) {
  return p >= 1 ? uint64_t(1) << 32 : p > 0 ? static_cast<uint64_t>(p * 0x1p32 + 0.5) : 0;
}

void bernoulli(Dtype dtype, void* out, int64_t n, Random r, double p) {
  const uint64_t limit = chance_limit(p);
  for_batches<4>(n, r, [&](int64_t begin, int64_t count, const Words& words) {
    uint32_t flat[4 * kBatch];
    in_order(words, flat);
    by_dtype(dtype, [&](auto type) {
      using T = decltype(type);
      T* q = static_cast<T*>(out) + begin;
      const T zero = from_int<T>(0), one = from_int<T>(1);
      for (int64_t i = 0; i < count; i++) q[i] = flat[i] < limit ? one : zero;
    });
  });
}

// The trial of the first success: the smallest k >= 1 with (1 - p)^k < u.
void geometric(Dtype dtype, void* out, int64_t n, Random r, double p) {
  const double scale = p < 1 ? 1 / ::log1p(-p) : 0;
  whole_numbers(dtype, out, n, r, [&](uint32_t low, uint32_t high) {
    const double u = ((low >> 5) * 0x1p26 + (high >> 6)) * 0x1p-53 + 0x1p-54;
    const int64_t k = static_cast<int64_t>(__builtin_ceil(::log(u) * scale));
    return k < 1 ? int64_t(1) : k;
  });
}

}  // namespace

void random(Distribution d, Dtype dtype, void* out, int64_t n, Random r, Scalar a, Scalar b) {
  if (d == Distribution::Integer) {
    const int64_t low = a.to_int();
    const uint64_t bound = static_cast<uint64_t>(b.to_int()) - static_cast<uint64_t>(low);
    return whole_numbers(dtype, out, n, r, [&](uint32_t x, uint32_t y) {
      return static_cast<int64_t>(static_cast<uint64_t>(low) + below(bound, x, y));
    });
  }
  if (d == Distribution::Bernoulli) return bernoulli(dtype, out, n, r, a.to_double());
  if (d == Distribution::Geometric) return geometric(dtype, out, n, r, a.to_double());
  by_float(dtype, [&](auto type) {
    real_distribution(d, static_cast<decltype(type)*>(out), n, r, a.to_double(), b.to_double());
  });
}

// Fisher and Yates, one step after another; each batch of places is fetched before it is needed.
void permutation(int64_t* out, int64_t n, Random r) {
  for (int64_t i = 0; i < n; i++) out[i] = i;
  Words words;
  uint64_t block = r.offset;
  for (int64_t left = n; left > 1; block += kBatch) {
    const int64_t count = min_of(2 * kBatch, left - 1);
    philox(r.seed, block, chunks_of(count, 2), words);
    int64_t places[2 * kBatch];
    for (int64_t i = 0; i < count; i++) {
      const int k = static_cast<int>(i % 2) * 2;
      places[i] = static_cast<int64_t>(
          below(static_cast<uint64_t>(left - i), words.at[k][i / 2], words.at[k + 1][i / 2]));
      __builtin_prefetch(out + places[i], 1);
    }
    for (int64_t i = 0; i < count; i++) {
      left--;
      const int64_t kept = out[left];
      out[left] = out[places[i]];
      out[places[i]] = kept;
    }
  }
}

void dropout(Dtype dtype, const void* x, void* y, bool* mask, int64_t n, double p, Random r) {
  const uint64_t limit = chance_limit(p);
  by_float(dtype, [&](auto type) {
    using T = decltype(type);
    using C = Compute<T>;
    using V = Lanes<T>;
    const C scale = p < 1 ? static_cast<C>(1 / (1 - p)) : C(0);
    for_batches<4>(n, r, [&](int64_t begin, int64_t count, const Words& words) {
      uint32_t flat[4 * kBatch];
      alignas(64) C factor[4 * kBatch];
      in_order(words, flat);
      for (int64_t i = 0; i < count; i++) mask[begin + i] = flat[i] >= limit;
      for (int64_t i = 0; i < count; i++) factor[i] = flat[i] >= limit ? scale : C(0);
      const T* in = static_cast<const T*>(x) + begin;
      T* out = static_cast<T*>(y) + begin;
      for_vectors<V>(count, [&](int64_t i, auto lanes) {
        const V f = get_lanes(factor + i, lanes);
        put_lanes(out + i, select(f == zero<V>(), zero<V>(), get_lanes(in + i, lanes) * f), lanes);
      });
    });
  });
}

}  // namespace lamina::LAMINA_ISA
