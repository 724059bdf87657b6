// Random numbers of all distributions, from Philox words. Element i of a call is made from block offset + i /
// 4, or + i / 2 where random_blocks in kernels.h counts two to a block, and so depends on nothing but seed,
// offset and i.
#include <cmath>

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
void write(const Planes<Compute<T>>& p, void* out, int64_t begin, int64_t count) {
  using C = Compute<T>;
  constexpr int per = kPerBlock<C>;
  alignas(64) C flat[per * kBatch];
  for (int b = 0; b < kBatch; b++) {
    for (int k = 0; k < per; k++) flat[per * b + k] = p.at[k][b];
  }
  T* to = static_cast<T*>(out) + begin;
  for_vectors<Lanes<T>>(count,
                        [&](int64_t i, auto lanes) { put_lanes(to + i, get_lanes(flat + i, lanes), lanes); });
}

// What a distribution is asked for: n values of `dtype`, computed in C.
struct Request {
  Dtype dtype;
  void* out;
  int64_t n;
  Random random;
};

// law(planes, blocks) turns uniform numbers into those of the distribution, in place.
template <class C, class F>
void real_numbers(const Request& q, bool open, F&& law) {
  for_batches<kPerBlock<C>>(q.n, q.random, [&](int64_t begin, int64_t count, const Words& words) {
    Planes<C> p;
    if (open) {
      uniform_open(words, p);
    } else {
      uniform(words, p);
    }
    law(p, chunks_of(count, kPerBlock<C>));
    if constexpr (sizeof(C) == sizeof(double)) {
      write<double>(p, q.out, begin, count);
    } else if (q.dtype == Dtype::Float16) {
      write<Half>(p, q.out, begin, count);
    } else if (q.dtype == Dtype::BFloat16) {
      write<BFloat16>(p, q.out, begin, count);
    } else {
      write<float>(p, q.out, begin, count);
    }
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
void normal_planes(Planes<C>& p, int64_t blocks) {
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

template <class C>
void uniform_between(const Request& q, C a, C b) {
  using V = Vec<C>;
  // A half holds fewer bits than the grid of the uniform numbers: the rest is cut off, so that rounding
  // favours no value.
  const bool half = is_half(q.dtype);
  const V grid = set<V>(q.dtype == Dtype::Float16 ? 2048 : 256);
  C top = 0;
  by_float(q.dtype, [&](auto type) {
    using T = decltype(type);
    if constexpr (sizeof(Compute<T>) == sizeof(C)) top = top_below<T>(a, b);
  });
  const V low = set<V>(a), size = set<V>(b - a), limit = set<V>(top);
  real_numbers<C>(q, false, [&](Planes<C>& p, int64_t blocks) {
    if (half) each(p, blocks, [&](V u) { return floor(u * grid) / grid; });
    each(p, blocks, [&](V u) { return min(fma(u, size, low), limit); });
  });
}

template <class C>
void real_distribution(Distribution d, const Request& q, double a, double b) {
  using V = Vec<C>;
  const V va = set<V>(static_cast<C>(a)), vb = set<V>(static_cast<C>(b));
  switch (d) {
    case Distribution::Normal:
    case Distribution::LogNormal:
      return real_numbers<C>(q, true, [&](Planes<C>& p, int64_t blocks) {
        normal_planes(p, blocks);
        each(p, blocks, [&](V z) { return fma(z, vb, va); });
        if (d == Distribution::LogNormal) each(p, blocks, [](V z) { return exp(z); });
      });
    case Distribution::Exponential: {  // -log(u) / rate, never 0
      const V scale = set<V>(static_cast<C>(-1 / a)),
              one = set<V>(static_cast<C>(sizeof(C) == 4 ? 1 - 0x1p-24 : 1 - 0x1p-53));
      return real_numbers<C>(q, true, [&](Planes<C>& p, int64_t blocks) {
        each(p, blocks, [&](V u) { return log(min(u, one)) * scale; });
      });
    }
    case Distribution::Cauchy: {
      const V pi = set<V>(static_cast<C>(3.141592653589793)), half = set<V>(C(0.5));
      const V step =
          set<V>(static_cast<C>(sizeof(C) == 4 ? 0x1p-25 : 0x1p-54));  // off the grid, hence off the pole
      return real_numbers<C>(q, false, [&](Planes<C>& p, int64_t blocks) {
        each(p, blocks, [&](V u) { return fma(tan((u - half + step) * pi), vb, va); });
      });
    }
    default:
      return uniform_between(q, static_cast<C>(a), static_cast<C>(b));
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

// values(words, blocks, out) makes the elements of a batch, two of each block.
template <class F>
void whole_numbers(const Request& q, F&& values) {
  for_batches<2>(q.n, q.random, [&](int64_t begin, int64_t count, const Words& words) {
    int64_t batch[2 * kBatch];
    values(words, chunks_of(count, 2), batch);
    by_dtype(q.dtype, [&](auto type) {
      using T = decltype(type);
      T* to = static_cast<T*>(q.out) + begin;
      for (int64_t i = 0; i < count; i++) to[i] = from_int<T>(batch[i]);
    });
  });
}

// low + a number of [0, bound): the upper part of the product of bound and 64 random bits. The bias is below
// bound / 2^64.
LAMINA_INLINE uint64_t scaled(uint64_t bound, uint32_t low, uint32_t high) {
  const uint64_t bits = static_cast<uint64_t>(high) << 32 | low;
  return static_cast<uint64_t>(static_cast<unsigned __int128>(bits) * bound >> 64);
}
LAMINA_INLINE uint64_t scaled(uint32_t bound, uint32_t low, uint32_t high) {
  return (static_cast<uint64_t>(high) * bound + (static_cast<uint64_t>(low) * bound >> 32)) >> 32;
}
template <class Bound>
void integers(const Request& q, uint64_t low, Bound bound) {
  whole_numbers(q, [&](const Words& words, int64_t blocks, int64_t* out) {
    for (int64_t b = 0; b < blocks; b++) {
      out[2 * b] = static_cast<int64_t>(low + scaled(bound, words.at[0][b], words.at[1][b]));
      out[2 * b + 1] = static_cast<int64_t>(low + scaled(bound, words.at[2][b], words.at[3][b]));
    }
  });
}

// The trial of the first success: the smallest k >= 1 with (1 - p)^k < u.
void geometric(const Request& q, double p) {
  const double scale = p < 1 ? 1 / ::log1p(-p) : 0;
  whole_numbers(q, [&](const Words& words, int64_t blocks, int64_t* out) {
    for (int64_t i = 0; i < 2 * blocks; i++) {
      const int k = static_cast<int>(i % 2) * 2;
      const double u =
          ((words.at[k][i / 2] >> 5) * 0x1p26 + (words.at[k + 1][i / 2] >> 6)) * 0x1p-53 + 0x1p-54;
      const int64_t trial = static_cast<int64_t>(__builtin_ceil(::log(u) * scale));
      out[i] = trial < 1 ? 1 : trial;
    }
  });
}

// Happens with probability p: a word is at most `last`, or always, or never.
struct Chance {
  bool never, always;
  uint32_t last;

  explicit Chance(double p) : never(!(p * 0x1p32 >= 0.5)), always(p >= 1), last(0) {
    if (!never && !always) last = static_cast<uint32_t>(p * 0x1p32 + 0.5 - 1);
  }
  // The words of a batch in the order of the elements; those of [0, count) that happen become ones, the
  // others zeros.
  void operator()(const Words& words, uint32_t* happens) const {
    in_order(words, happens);
    for (int i = 0; i < 4 * kBatch; i++) happens[i] = happens[i] <= last;
    for (int i = 0; (never || always) && i < 4 * kBatch; i++) happens[i] = always;
  }
};

template <class T>
void write_ones(const uint32_t* happens, uint64_t one, void* out, int64_t begin, int64_t count) {
  T* to = static_cast<T*>(out) + begin;
  const T bits = static_cast<T>(one);
  for (int64_t i = 0; i < count; i++) to[i] = happens[i] ? bits : T(0);
}

void bernoulli(const Request& q, double p) {
  const Chance chance(p);
  uint64_t one = 1;  // the bits of 1 in the dtype
  by_float(q.dtype, [&](auto type) {
    const auto value = from_int<decltype(type)>(1);
    if (is_floating(q.dtype)) memcpy(&one, &value, sizeof value);
  });
  for_batches<4>(q.n, q.random, [&](int64_t begin, int64_t count, const Words& words) {
    uint32_t happens[4 * kBatch];
    chance(words, happens);
    switch (size_of(q.dtype)) {
      case 1:
        return write_ones<uint8_t>(happens, one, q.out, begin, count);
      case 2:
        return write_ones<uint16_t>(happens, one, q.out, begin, count);
      case 4:
        return write_ones<uint32_t>(happens, one, q.out, begin, count);
      default:
        return write_ones<uint64_t>(happens, one, q.out, begin, count);
    }
  });
}

template <class T>
void drop(const uint32_t* dropped, double scale, const void* x, void* y, int64_t begin, int64_t count) {
  using C = Compute<T>;
  using V = Lanes<T>;
  alignas(64) C factor[4 * kBatch];
  const C kept = static_cast<C>(scale);
  for (int i = 0; i < 4 * kBatch; i++) factor[i] = dropped[i] ? C(0) : kept;
  const T* in = static_cast<const T*>(x) + begin;
  T* out = static_cast<T*>(y) + begin;
  for_vectors<V>(count, [&](int64_t i, auto lanes) {
    const V f = get_lanes(factor + i, lanes);
    put_lanes(out + i, select(f == zero<V>(), zero<V>(), get_lanes(in + i, lanes) * f), lanes);
  });
}

}  // namespace

void random(Distribution d, Dtype dtype, void* out, int64_t n, Random r, Scalar a, Scalar b) {
  const Request q = {dtype, out, n, r};
  if (d == Distribution::Integer) {
    const uint64_t low = static_cast<uint64_t>(a.to_int());
    const uint64_t bound = static_cast<uint64_t>(b.to_int()) - low;
    return bound >> 32 == 0 ? integers(q, low, static_cast<uint32_t>(bound)) : integers(q, low, bound);
  }
  if (d == Distribution::Bernoulli) return bernoulli(q, a.to_double());
  if (d == Distribution::Geometric) return geometric(q, a.to_double());
  if (dtype == Dtype::Float64) return real_distribution<double>(d, q, a.to_double(), b.to_double());
  real_distribution<float>(d, q, a.to_double(), b.to_double());
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
          scaled(static_cast<uint64_t>(left - i), words.at[k][i / 2], words.at[k + 1][i / 2]));
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
  const Chance chance(p);
  const double scale = p < 1 ? 1 / (1 - p) : 0;
  for_batches<4>(n, r, [&](int64_t begin, int64_t count, const Words& words) {
    alignas(64) uint32_t dropped[4 * kBatch];
    chance(words, dropped);
    bool* kept = mask + begin;
    for (int64_t i = 0; i < count; i++) kept[i] = dropped[i] == 0;
    by_float(dtype, [&](auto type) { drop<decltype(type)>(dropped, scale, x, y, begin, count); });
  });
}

}  // namespace lamina::LAMINA_ISA
