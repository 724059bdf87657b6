// A kernel of one place without padding is a matrix product for each image: weights (outputs, inputs) times
// channels (inputs, places). Strides pick places first. Small planes of several images, which would leave
// lanes of the product empty, are laid side by side.
#pragma once

#include "kernels/cpu/conv_end.h"
#include "kernels/cpu/table.h"

namespace lamina::LAMINA_ISA {

constexpr int64_t kSmallPlane = 64;

LAMINA_INLINE bool is_product(const Conv2d& c) {
  return c.kh == 1 && c.kw == 1 && c.pad_h == 0 && c.pad_w == 0;
}
LAMINA_INLINE bool picks(const Conv2d& c) { return c.stride_h != 1 || c.stride_w != 1; }
LAMINA_INLINE bool merges(const Conv2d& c) { return c.n > 1 && c.oh * c.ow < kSmallPlane; }

// One group: out[image] = w @ in[image], or on the way back w transposed @ in[image], with no stride.
LAMINA_INLINE Gemm product_of_group(const Conv2d& c, bool backward, int64_t group, const void* in,
                                    const void* w, void* out) {
  const int64_t places = c.oh * c.ow * (merges(c) ? c.n : 1), size = size_of(c.dtype);
  const int64_t inputs = c.c / c.groups, outputs = c.oc / c.groups;
  const int64_t from = backward ? outputs : inputs, to = backward ? inputs : outputs;
  const auto at = [&](const void* p, int64_t i) {
    return p ? static_cast<const char*>(p) + i * size : nullptr;
  };
  Gemm g = {};
  g.dtype = c.dtype;
  g.batch = merges(c) ? 1 : c.n;
  g.m = to;
  g.n = places;
  g.k = from;
  g.a = at(w, group * inputs * outputs);
  g.a_stride = backward ? MatrixStride{1, inputs, 0} : MatrixStride{inputs, 1, 0};
  g.b = at(in, group * from * places);
  g.b_stride = {places, 1, c.groups * from * places};
  g.c = const_cast<char*>(at(out, group * to * places));
  g.c_stride = {places, 1, c.groups * to * places};
  g.alpha = 1;
  g.bias_per_row = true;
  g.kept = backward ? Side::None : Side::A;
  return g;
}

// What lies in the scratch, in elements: the places that are read, the result where it has to be brought to
// its places; then what the product needs.
struct ProductScratch {
  int64_t in, out;
  size_t rest;

  static ProductScratch of(const Conv2d& c, bool backward) {
    const auto round = [](int64_t n) { return chunks_of(n, 16) * 16; };
    const int64_t places = c.n * c.oh * c.ow;
    ProductScratch s = {};
    s.in = merges(c) || (picks(c) && !backward) ? round((backward ? c.oc : c.c) * places) : 0;
    s.out = merges(c) ? round((backward ? c.c : c.oc) * places) : 0;
    s.rest = gemm_scratch(product_of_group(c, backward, 0, nullptr, nullptr, nullptr));
    return s;
  }
  size_t bytes(const Conv2d& c) const { return static_cast<size_t>((in + out) * size_of(c.dtype)) + rest; }
};

// The places of (n, channels, h, w) that strides pick, as (channels, n, places) where images are merged, else
// as (n, channels, places).
template <class T>
static void pick_places(const Conv2d& c, const T* x, int64_t channels, T* to) {
  const int64_t places = c.oh * c.ow;
  parallel_range(c.n * channels, max_of(1, kGrain / places), [&](int64_t first, int64_t past) {
    for (int64_t i = first; i < past; i++) {
      const int64_t plane = merges(c) ? i % c.n * channels + i / c.n : i;
      if (!picks(c)) {
        memcpy(to + i * places, x + plane * places, static_cast<size_t>(places) * sizeof(T));
        continue;
      }
      T* at = to + i * places;
      for (int64_t y = 0; y < c.oh; y++) {
        const T* from = x + plane * c.h * c.w + y * c.stride_h * c.w;
        for (int64_t j = 0; j < c.ow; j++) *at++ = from[j * c.stride_w];
      }
    }
  });
}

template <class T>
static void run_product(const Conv2d& c, bool backward, const T* in, const T* w, const End<T>& end, T* out,
                        void* scratch) {
  const ProductScratch sizes = ProductScratch::of(c, backward);
  const int64_t places = c.oh * c.ow, to = backward ? c.c : c.oc, step = to / c.groups;
  T *read = static_cast<T*>(scratch), *result = sizes.out ? read + sizes.in : out;
  if (sizes.in) {
    pick_places(c, in, backward ? c.oc : c.c, read);
    in = read;
  }
  for (int64_t group = 0; group < c.groups; group++) {
    Gemm g = product_of_group(c, backward, group, in, w, result);
    if (end.shift) g.bias = end.shift + group * step;
    if (end.add && !sizes.out) g.add = end.add + group * step * places;
    if (!end.add || !sizes.out) g.epilogue = end.activation;
    if (end.packed)
      g.packed = reinterpret_cast<const char*>(end.packed) + static_cast<size_t>(group) * gemm_pack_size(g);
    gemm(g, read + sizes.in + sizes.out);
  }
  if (!sizes.out) return;
  const End<T> rest = {nullptr, end.add, end.activation, nullptr};
  parallel_range(to, max_of(1, kGrain / (c.n * places)), [&](int64_t first, int64_t past) {
    for (int64_t i = first * c.n; i < past * c.n; i++) {
      const int64_t at = (i % c.n * to + i / c.n) * places;
      memcpy(out + at, result + i * places, static_cast<size_t>(places) * sizeof(T));
      if (end.add) finish_run(rest, out, i / c.n, at, places);
    }
  });
}

template <class T>
static void pack_product(const Conv2d& c, const T* w, T* packed) {
  for (int64_t group = 0; group < c.groups; group++) {
    const Gemm g = product_of_group(c, false, group, nullptr, w, nullptr);
    gemm_pack(g, reinterpret_cast<char*>(packed) + static_cast<size_t>(group) * gemm_pack_size(g));
  }
}

}  // namespace lamina::LAMINA_ISA
