// Convolution and its two ways back, float32 and float64 (the caller casts the halves); no side but n is 0.
// Which way each one goes: channels by themselves run side by side (conv_depthwise.h); a kernel of one place
// without padding is a matrix product (conv_product.h); 3x3 goes by Winograd's tiles where there are
// enough of them; all others read a field (conv_field.h), of narrow images value by value (conv_narrow.h).
// Two that follow one another: conv_chain.h.
#include "kernels/cpu/conv_chain.h"
#include "kernels/cpu/conv_correlate.h"
#include "kernels/cpu/conv_depthwise.h"
#include "kernels/cpu/conv_narrow.h"
#include "kernels/cpu/conv_product.h"
#include "kernels/cpu/conv_stencil.h"
#include "kernels/cpu/conv_weight.h"
#include "kernels/cpu/table.h"
#include "kernels/cpu/winograd_weight.h"

namespace lamina::LAMINA_ISA {

namespace {

size_t larger(size_t a, size_t b) { return a > b ? a : b; }

// Whether the way back to the input is a product, too.
bool is_product_back(const Conv2d& c) { return is_product(c) && !picks(c); }

bool has_stencil(const Conv2d& c, bool backward) {
  return backward ? is_turnable(c) && is_stencil(turned_back(c)) : is_stencil(c);
}

template <class T>
void run(const Conv2d& c, bool backward, const T* in, const T* w, const End<T>& end, T* out, void* scratch) {
  if (is_depthwise(c)) {
    if constexpr (sizeof(T) == sizeof(float)) {
      if (has_stencil(c, backward))
        return stencil(stencil_of<T>(backward ? turned_back(c) : c), in, w, backward, end, out, scratch);
    }
    if (backward && !is_turnable(c))
      return depthwise_grad_input(depthwise_of<T>(c, true), in, w, out, scratch);
    return depthwise(depthwise_of<T>(backward ? turned_back(c) : c, false), in, w, backward, end, out,
                     scratch);
  }
  if (backward ? is_product_back(c) : is_product(c))
    return run_product(c, backward, in, w, end, out, scratch);
  if constexpr (sizeof(T) == sizeof(float)) {
    if (is_winograd(c) && winograd(winograd_of<T>(c, backward), in, w, end, out, scratch)) return;
    if (!backward && is_narrow(c)) return narrow(narrow_of(c), in, w, end, out, scratch);
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
  if (is_depthwise(c) && has_stencil(c, backward))
    return stencil_of<float>(backward ? turned_back(c) : c).bytes();
  if (is_depthwise(c))
    return c.dtype == Dtype::Float64 ? depthwise_scratch<double>(c, backward)
                                     : depthwise_scratch<float>(c, backward);
  if (backward ? is_product_back(c) : is_product(c)) return ProductScratch::of(c, backward).bytes(c);
  if (c.dtype == Dtype::Float64) return correlation_of<double>(c, backward).bytes();
  const size_t plain =
      !backward && is_narrow(c) ? narrow_of(c).bytes() : correlation_of<float>(c, backward).bytes();
  return is_winograd(c) ? larger(winograd_of<float>(c, backward).bytes(), plain) : plain;
}

}  // namespace

void conv2d(const Conv2d& c, const ConvEnd& end, const void* x, const void* w, void* y, void* scratch) {
  if (c.n == 0) return;
  by_float(c.dtype, [&](auto type) {
    using T = decltype(type);
    if constexpr (!kIsHalf<T>)
      run(c, false, static_cast<const T*>(x), static_cast<const T*>(w), End<T>::of(end), static_cast<T*>(y),
          scratch);
  });
}
size_t conv2d_scratch(const Conv2d& c) { return run_scratch(c, false); }

void conv2d_pack(const Conv2d& c, const void* w, void* packed) {
  const float* from = static_cast<const float*>(w);
  if (is_product(c)) return pack_product(c, from, static_cast<float*>(packed));
  if (is_narrow(c)) return pack_narrow(narrow_of(c), from, static_cast<float*>(packed));
  pack_weights(correlation_of<float>(c, false), from, static_cast<float*>(packed));
}
size_t conv2d_pack_size(const Conv2d& c) {
  if (c.n == 0 || c.dtype != Dtype::Float32 || is_depthwise(c)) return 0;
  if (is_product(c))
    return static_cast<size_t>(c.groups) *
           gemm_pack_size(product_of_group(c, false, 0, nullptr, nullptr, nullptr));
  if (is_winograd(c)) return 0;
  const int64_t size =
      is_narrow(c) ? narrow_of(c).weight_size() : correlation_of<float>(c, false).weight_size();
  return static_cast<size_t>(size) * sizeof(float);
}

void conv2d_chain(const Conv2d& first, const ConvEnd& first_end, const Conv2d& c, const ConvEnd& end,
                  const void* x, const void* w, void* y, void* scratch) {
  chain(chain_of(first, c), first_end, End<float>::of(end), static_cast<const float*>(x),
        static_cast<const float*>(w), static_cast<float*>(y), scratch);
}
size_t conv2d_chain_scratch(const Conv2d& first, const Conv2d& c) {
  return is_chain(first, c) ? chain_of(first, c).bytes() : 0;
}
void conv2d_chain_pack(const Conv2d& first, const void* w, void* packed) {
  pack_chain(first, static_cast<const float*>(w), static_cast<float*>(packed));
}
size_t conv2d_chain_pack_size(const Conv2d& first) {
  return static_cast<size_t>(chunks_of(first.oc, Chain::columns) * Chain::columns * first.c) * sizeof(float);
}

void conv2d_grad_input(const Conv2d& c, const void* g, const void* w, void* dx, void* scratch) {
  if (c.n == 0) return;
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
      if constexpr (sizeof(T) == sizeof(float)) {
        if (is_depthwise(c) && is_stencil(c))
          return stencil_grad_weight(stencil_of<T>(c), of_g, of_x, to, scratch);
      }
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
  if (is_depthwise(c) && is_stencil(c)) return stencil_of<float>(c).bytes();
  if (is_depthwise(c))
    return c.dtype == Dtype::Float64 ? depthwise_of<double>(c, false).bytes()
                                     : depthwise_of<float>(c, false).bytes();
  if (c.dtype == Dtype::Float64) return weight_grad_of<double>(c).bytes();
  const size_t plain = weight_grad_of<float>(c).bytes();
  return is_winograd(c) ? larger(winograd_weight_of<float>(c).bytes(), plain) : plain;
}

}  // namespace lamina::LAMINA_ISA
