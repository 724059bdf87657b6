// Convolution and its two ways back, float32 and float64 (the caller casts the halves); no side but n is 0.
// Which way each one goes: channels by themselves run side by side (conv_depthwise.h); a kernel of one place
// without stride or padding is a matrix product as it stands; 3x3 goes by Winograd's tiles where there are
// enough of them; all others read a field (conv_field.h).
#include "kernels/cpu/conv_correlate.h"
#include "kernels/cpu/conv_depthwise.h"
#include "kernels/cpu/conv_weight.h"
#include "kernels/cpu/table.h"
#include "kernels/cpu/winograd_weight.h"

namespace lamina::LAMINA_ISA {

namespace {

size_t larger(size_t a, size_t b) { return a > b ? a : b; }

bool is_product(const Conv2d& c) {
  return c.kh == 1 && c.kw == 1 && c.stride_h == 1 && c.stride_w == 1 && c.pad_h == 0 && c.pad_w == 0;
}

// Of weights times an end's scale, in elements.
int64_t scaled_size(const Conv2d& c) { return chunks_of(c.oc * (c.c / c.groups), 16) * 16; }

// y[image] = w @ x[image] of one group, or back: dx[image] = w transposed @ g[image].
Gemm product_of_group(const Conv2d& c, bool backward, int64_t group, const void* in, const void* w,
                      const void* bias, void* out) {
  const int64_t places = c.h * c.w, inputs = c.c / c.groups, outputs = c.oc / c.groups,
                size = size_of(c.dtype);
  const int64_t from = backward ? outputs : inputs, to = backward ? inputs : outputs;
  const auto at = [&](const void* p, int64_t i) { return static_cast<const char*>(p) + i * size; };
  Gemm g = {};
  g.dtype = c.dtype;
  g.batch = c.n;
  g.m = to;
  g.n = places;
  g.k = from;
  g.a = at(w, group * inputs * outputs);
  g.a_stride = backward ? MatrixStride{1, inputs, 0} : MatrixStride{inputs, 1, 0};
  g.b = at(in, group * from * places);
  g.b_stride = {places, 1, c.groups * from * places};
  g.c = static_cast<char*>(out) + group * to * places * size;
  g.c_stride = {places, 1, c.groups * to * places};
  g.alpha = 1;
  g.bias = bias ? at(bias, group * to) : nullptr;
  g.bias_per_row = true;
  return g;
}

// Small planes of several images, which would leave lanes of the product empty, are laid side by side.
constexpr int64_t kSmallPlane = 64;
bool is_merged(const Conv2d& c) { return is_product(c) && c.n > 1 && c.h * c.w < kSmallPlane; }
Conv2d merged(const Conv2d& c) {
  Conv2d one = c;
  one.n = one.h = one.oh = 1;
  one.w = one.ow = c.n * c.h * c.w;
  return one;
}
int64_t merged_size(const Conv2d& c, int64_t channels) {
  return chunks_of(channels * c.n * c.h * c.w, 16) * 16;
}

template <class T>
void run_merged(const Conv2d& c, bool backward, const T* in, const T* w, const End<T>& end, T* out,
                void* scratch) {
  const int64_t places = c.h * c.w, from = backward ? c.oc : c.c, to = backward ? c.c : c.oc;
  const int64_t grain = max_of(1, kGrain / (c.n * places));
  T *x = static_cast<T*>(scratch), *y = x + merged_size(c, from);
  parallel_range(from * c.n, max_of(1, kGrain / places), [&](int64_t first, int64_t past) {
    for (int64_t i = first; i < past; i++) {
      const T* plane = in + (i % c.n * from + i / c.n) * places;
      memcpy(x + i * places, plane, static_cast<size_t>(places) * sizeof(T));
    }
  });
  for (int64_t group = 0; group < c.groups; group++) {
    gemm(product_of_group(merged(c), backward, group, x, w, nullptr, y), y + merged_size(c, to));
  }
  parallel_range(to, grain, [&](int64_t first, int64_t past) {
    for (int64_t i = first * c.n; i < past * c.n; i++) {
      const int64_t at = (i % c.n * to + i / c.n) * places;
      memcpy(out + at, y + i * places, static_cast<size_t>(places) * sizeof(T));
      if (!end.is_empty()) finish_run(end, out, i / c.n, at, places);
    }
  });
}

// A product's own end has no scale, which goes to the weights, and adds nothing: then all is done afterwards.
template <class T>
void run_product(const Conv2d& c, const T* x, const T* w, const End<T>& end, T* y, void* scratch) {
  const int64_t inputs = c.c / c.groups, places = c.h * c.w;
  const bool whole = end.add;
  T* scaled = static_cast<T*>(scratch);
  if (end.scale && !whole) {
    parallel_range(c.oc, max_of(1, kGrain / inputs), [&](int64_t first, int64_t past) {
      for (int64_t o = first; o < past; o++) {
        const T* from = w + o * inputs;
        const Vec<T> scale = set<Vec<T>>(end.scale[o]);
        for_vectors<Vec<T>>(inputs, [&](int64_t i, auto lanes) {
          put_lanes(scaled + o * inputs + i, get_lanes(from + i, lanes) * scale, lanes);
        });
      }
    });
    w = scaled;
  }
  for (int64_t group = 0; group < c.groups; group++) {
    Gemm g = product_of_group(c, false, group, x, w, whole ? nullptr : end.shift, y);
    if (!whole) g.epilogue = end.activation;
    gemm(g, scaled + (end.scale ? scaled_size(c) : 0));
  }
  if (!whole) return;
  parallel_range(c.n * c.oc, max_of(1, kGrain / places), [&](int64_t first, int64_t past) {
    for (int64_t i = first; i < past; i++) finish_run(end, y, i % c.oc, i * places, places);
  });
}

template <class T>
void run(const Conv2d& c, bool backward, const T* in, const T* w, const End<T>& end, T* out, void* scratch) {
  if (is_depthwise(c)) {
    if (backward && !is_turnable(c))
      return depthwise_grad_input(depthwise_of<T>(c, true), in, w, out, scratch);
    return depthwise(depthwise_of<T>(backward ? turned_back(c) : c, false), in, w, backward, end, out,
                     scratch);
  }
  if (is_merged(c)) return run_merged(c, backward, in, w, end, out, scratch);
  if constexpr (sizeof(T) == sizeof(float)) {
    if (is_winograd(c) && winograd(winograd_of<T>(c, backward), in, w, end, out, scratch)) return;
  }
  correlate(correlation_of<T>(c, backward), in, w, end, out, scratch);
}

template <class T>
size_t depthwise_scratch(const Conv2d& c, bool backward) {
  if (!backward || is_turnable(c)) return depthwise_of<T>(backward ? turned_back(c) : c, false).bytes();
  return depthwise_of<T>(c, true).bytes();
}

size_t run_scratch(const Conv2d& c, bool backward) {
  if (c.n == 0) return 0;
  if (is_depthwise(c))
    return c.dtype == Dtype::Float64 ? depthwise_scratch<double>(c, backward)
                                     : depthwise_scratch<float>(c, backward);
  if (is_merged(c))
    return gemm_scratch(product_of_group(merged(c), backward, 0, nullptr, nullptr, nullptr, nullptr)) +
           static_cast<size_t>((merged_size(c, c.c) + merged_size(c, c.oc)) * size_of(c.dtype));
  if (is_product(c))
    return gemm_scratch(product_of_group(c, backward, 0, nullptr, nullptr, nullptr, nullptr)) +
           static_cast<size_t>(backward ? 0 : scaled_size(c) * size_of(c.dtype));
  if (c.dtype == Dtype::Float64) return correlation_of<double>(c, backward).bytes();
  const size_t plain = correlation_of<float>(c, backward).bytes();
  return is_winograd(c) ? larger(winograd_of<float>(c, backward).bytes(), plain) : plain;
}

}  // namespace

void conv2d(const Conv2d& c, const ConvEnd& end, const void* x, const void* w, void* y, void* scratch) {
  if (c.n == 0) return;
  by_float(c.dtype, [&](auto type) {
    using T = decltype(type);
    if constexpr (!kIsHalf<T>) {
      const T *in = static_cast<const T*>(x), *weights = static_cast<const T*>(w);
      if (is_product(c) && !is_depthwise(c) && !is_merged(c))
        return run_product(c, in, weights, End<T>::of(end), static_cast<T*>(y), scratch);
      run(c, false, in, weights, End<T>::of(end), static_cast<T*>(y), scratch);
    }
  });
}
size_t conv2d_scratch(const Conv2d& c) { return run_scratch(c, false); }

void conv2d_grad_input(const Conv2d& c, const void* g, const void* w, void* dx, void* scratch) {
  if (c.n == 0) return;
  if (is_product(c) && !is_depthwise(c) && !is_merged(c)) {
    for (int64_t group = 0; group < c.groups; group++) {
      gemm(product_of_group(c, true, group, g, w, nullptr, dx), scratch);
    }
    return;
  }
  by_float(c.dtype, [&](auto type) {
    using T = decltype(type);
    if constexpr (!kIsHalf<T>)
      run(c, true, static_cast<const T*>(g), static_cast<const T*>(w), End<T>{}, static_cast<T*>(dx),
          scratch);
  });
}
size_t conv2d_grad_input_scratch(const Conv2d& c) { return run_scratch(c, true); }

void conv2d_grad_weight(const Conv2d& c, const void* g, const void* x, void* dw, void* scratch) {
  if (c.n == 0) {
    memset(dw, 0, static_cast<size_t>(c.oc * (c.c / c.groups) * c.kh * c.kw) * size_of(c.dtype));
    return;
  }
  by_float(c.dtype, [&](auto type) {
    using T = decltype(type);
    if constexpr (!kIsHalf<T>) {
      const T *of_g = static_cast<const T*>(g), *of_x = static_cast<const T*>(x);
      T* to = static_cast<T*>(dw);
      if (is_depthwise(c)) return depthwise_grad_weight(depthwise_of<T>(c, false), of_g, of_x, to, scratch);
      if constexpr (sizeof(T) == sizeof(float)) {
        if (is_winograd(c) && winograd_weight(winograd_weight_of<T>(c), of_g, of_x, to, scratch)) return;
      }
      weight_grad(weight_grad_of<T>(c), of_g, of_x, to, scratch);
    }
  });
}
size_t conv2d_grad_weight_scratch(const Conv2d& c) {
  if (c.n == 0) return 0;
  if (is_depthwise(c))
    return c.dtype == Dtype::Float64 ? depthwise_of<double>(c, false).bytes()
                                     : depthwise_of<float>(c, false).bytes();
  if (c.dtype == Dtype::Float64) return weight_grad_of<double>(c).bytes();
  const size_t plain = weight_grad_of<float>(c).bytes();
  return is_winograd(c) ? larger(winograd_weight_of<float>(c).bytes(), plain) : plain;
}

}  // namespace lamina::LAMINA_ISA
