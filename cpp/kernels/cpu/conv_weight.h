// The gradient of a convolution's weights: each is a dot product of a channel of the output's gradient and a
// shifted channel of the input, both laid out along the same pitch (the gradient with zeros where no window
// is). A tile of these dot products runs along the places at once. Images are cut into parts by the shape
// alone; their sums are added in order.
#pragma once

#include "kernels/cpu/conv_field.h"
#include "kernels/cpu/gemm_tile.h"

namespace lamina::LAMINA_ISA {

// Output channels and taps in a tile: the registers hold their sums, the gradient's vectors and one of the
// input.
constexpr int kDotRows = kRegisters == 32 ? 4 : 3;
constexpr int kDotColumns = kRegisters == 32 ? 6 : 4;

template <class T>
struct Dots {
  const T* g;  // (rows, places) of the first image
  int64_t g_row, g_image;
  const T* x;
  int64_t x_image;
  const int32_t* offset;  // of each column in x
  int64_t images, places;
  const T* window;  // 1 where there is a window, else 0; null where it makes no difference
  T* sums;          // (rows, columns), added to
  int64_t sums_row;
};
template <class T>
using DotFunction = void (*)(const Dots<T>&);

// A place without a window holds 0 in g, but whatever the input has there in x: `masked` keeps inf and NaN
// out.
template <class T, int rows, int columns, bool masked>
static void multiply_dots(const Dots<T>& d) {
  using V = Vec<T>;
  V sum[rows][columns];
  for (int r = 0; r < rows; r++) {
    for (int c = 0; c < columns; c++) sum[r][c] = zero<V>();
  }
  for (int64_t image = 0; image < d.images; image++) {
    const T* g = d.g + image * d.g_image;
    const T* x[columns];
    for (int c = 0; c < columns; c++) x[c] = d.x + image * d.x_image + d.offset[c];
    for (int64_t i = 0; i < d.places; i += V::width) {
      V g_vector[rows];
      for (int r = 0; r < rows; r++) g_vector[r] = load<V>(g + r * d.g_row + i);
#pragma GCC unroll 8
      for (int c = 0; c < columns; c++) {
        V x_vector = load<V>(x[c] + i);
        if constexpr (masked) x_vector = select(load<V>(d.window + i) == zero<V>(), zero<V>(), x_vector);
#pragma GCC unroll 4
        for (int r = 0; r < rows; r++) sum[r][c] = fma(g_vector[r], x_vector, sum[r][c]);
      }
    }
  }
  for (int r = 0; r < rows; r++) {
    for (int c = 0; c < columns; c++) d.sums[r * d.sums_row + c] += reduce_add(sum[r][c]);
  }
}

template <class T, bool masked, int most_rows = kDotRows, int most_columns = kDotColumns>
DotFunction<T> dot_function(int rows, int columns) {
  if (rows < most_rows) {
    if constexpr (most_rows > 1) return dot_function<T, masked, most_rows - 1, most_columns>(rows, columns);
  }
  if (columns < most_columns) {
    if constexpr (most_columns > 1)
      return dot_function<T, masked, most_rows, most_columns - 1>(rows, columns);
  }
  return multiply_dots<T, most_rows, most_columns, masked>;
}

template <class T>
struct WeightGrad {
  Conv2d conv;
  int64_t channels, outputs;  // per group
  int64_t parts, block;       // parts of the images, channels of a block
  int64_t strip, batch;       // rows of windows and images that are laid out at a time
  Field field;                // of the input, `block` channels
  int64_t places;             // in a strip, whole vectors
  int64_t threads;

  int64_t taps() const { return conv.kh * conv.kw; }
  int64_t size() const { return conv.oc * channels * taps(); }
  int64_t blocks() const { return chunks_of(channels, block); }
  int64_t x_size() const { return block * field.channel + Vec<T>::width; }  // of one image
  int64_t g_size() const { return outputs * places; }
  int64_t buffer_size() const { return chunks_of(batch * (x_size() + g_size()) + places, 16) * 16; }
  int64_t parts_size() const { return chunks_of((parts - 1) * size(), 16) * 16; }
  size_t bytes() const {
    return static_cast<size_t>(parts_size() + threads * buffer_size()) * sizeof(T) +
           static_cast<size_t>(block * taps()) * sizeof(int32_t);
  }
};

template <class T>
static WeightGrad<T> weight_grad_of(const Conv2d& c) {
  WeightGrad<T> p = {};
  p.conv = c;
  p.channels = c.c / c.groups;
  p.outputs = c.oc / c.groups;
  p.parts = max_of(1, min_of(min_of(c.n, 8), (int64_t(1) << 20) / p.size()));
  p.block = chunks_of(p.channels, min_of(p.channels, chunks_of(16, p.parts * c.groups)));
  const Axis down = {c.h, c.kh, c.stride_h, c.dilation_h, c.pad_h};
  const Axis across = {c.w, c.kw, c.stride_w, c.dilation_w, c.pad_w};
  const int64_t room = (512 << 10) / int64_t(sizeof(T));
  const Field row = Field::of(down, across, 1, c.ow);
  const int64_t row_size = p.block * row.channel / row.rows + p.outputs * row.pitch;
  p.strip = chunks_of(c.oh, chunks_of(c.oh, max_of(4, room / row_size - down.most_shift())));
  p.field = Field::of(down, across, p.strip, c.ow);
  p.places = chunks_of((p.strip - 1) * p.field.pitch + c.ow, Vec<T>::width) * Vec<T>::width;
  p.batch = max_of(1, min_of(chunks_of(c.n, p.parts), room / (p.x_size() + p.g_size())));
  p.threads = c.n * c.oh * c.ow * p.size() >> 16 ? most_threads() : 1;
  return p;
}

// A thread's memory while it lays out and multiplies.
template <class T>
struct WeightBuffers {
  T *x, *g, *window;
};

// Some rows of the gradient's channels, at the field's pitch, with zeros where no window is.
template <class T>
static void lay_out_gradient(const WeightGrad<T>& p, const T* g, int64_t channels, int64_t from_row,
                             int64_t rows, T* to) {
  constexpr int vector = Vec<T>::width;
  const int64_t pitch = p.field.pitch, width = p.conv.ow;
  for (int64_t channel = 0; channel < channels; channel++, to += p.places) {
    for (int64_t row = 0; row < rows; row++) {
      T* at = to + row * pitch;
      read_row_beyond(g + (channel * p.conv.oh + from_row + row) * width, 1, width, width, at);
      clear_beyond(at, chunks_of(width, vector) * vector, min_of(pitch, p.places - row * pitch));
    }
    clear_beyond(to, rows * pitch, p.places);
  }
}

template <class T>
static bool all_finite(const T* x, int64_t n) {
  using V = Vec<T>;
  V sum = zero<V>();
  for_vectors<V>(n, [&](int64_t i, auto lanes) { sum = fma(get_lanes(x + i, lanes), zero<V>(), sum); });
  return !any(isnan(sum));
}

// The images [begin, end) against `channels` channels of a group: adds to sums (outputs, channels, taps).
template <class T>
static void add_weight_grad(const WeightGrad<T>& p, const T* g, const T* x, int64_t begin, int64_t end,
                            int64_t channels, const int32_t* offsets, T* sums,
                            const WeightBuffers<T>& buffers) {
  const Conv2d& c = p.conv;
  const int64_t plane = c.h * c.w;
  const Cut down = cut_of(p.outputs, kDotRows), across = cut_of(channels * p.taps(), kDotColumns);
  for (int64_t image = begin; image < end; image += p.batch) {
    const int64_t images = min_of(p.batch, end - image);
    for (int64_t row = 0; row < c.oh; row += p.strip) {
      const int64_t rows = min_of(p.strip, c.oh - row);
      bool finite = true;
      for (int64_t i = 0; i < images; i++) {
        for (int64_t channel = 0; channel < channels; channel++) {
          T* to = buffers.x + i * p.x_size() + channel * p.field.channel;
          fill_channel(p.field, x + (image + i) * c.c * plane + channel * plane, row, to);
          finite = finite && all_finite(to, p.field.channel);
        }
        // The last vectors read a little further, times 0.
        clear(buffers.x + i * p.x_size() + channels * p.field.channel, Vec<T>::width);
        lay_out_gradient(p, g + (image + i) * c.oc * c.oh * c.ow, p.outputs, row, rows,
                         buffers.g + i * p.g_size());
      }
      if (!finite) {
        for (int64_t i = 0; i < p.places; i++) {
          buffers.window[i] = i / p.field.pitch < rows && i % p.field.pitch < c.ow ? T(1) : T(0);
        }
      }
      Dots<T> d = {};
      d.g_row = p.places;
      d.g_image = p.g_size();
      d.x_image = p.x_size();
      d.x = buffers.x;
      d.images = images;
      d.places = p.places;
      d.window = buffers.window;
      d.sums_row = p.channels * p.taps();
      for (int64_t k = 0; k < across.count; k++) {
        d.offset = offsets + across.start(k);
        for (int64_t o = 0; o < down.count; o++) {
          d.g = buffers.g + down.start(o) * p.places;
          d.sums = sums + down.start(o) * d.sums_row + across.start(k);
          (finite ? dot_function<T, false>(down.rows(o), across.rows(k))
                  : dot_function<T, true>(down.rows(o), across.rows(k)))(d);
        }
      }
    }
  }
}

template <class T>
static void weight_grad(const WeightGrad<T>& p, const T* g, const T* x, T* dw, void* memory) {
  const Conv2d& c = p.conv;
  const int64_t taps = p.taps(), size = p.size();
  T* others = static_cast<T*>(memory);
  T* buffers = others + p.parts_size();
  int32_t* offsets = reinterpret_cast<int32_t*>(buffers + p.threads * p.buffer_size());
  for (int64_t i = 0; i < p.block * taps; i++) {
    const int64_t place = i / taps * p.field.channel + p.field.offset(i % taps / c.kw, i % c.kw);
    offsets[i] = static_cast<int32_t>(place);
  }
  const int64_t tasks = p.parts * c.groups * p.blocks();
  const auto task = [&](int64_t i, T* own) {
    const int64_t block = i % p.blocks(), group = i / p.blocks() % c.groups, part = i / p.blocks() / c.groups;
    const int64_t channel = block * p.block, channels = min_of(p.block, p.channels - channel);
    T* sums =
        (part == 0 ? dw : others + (part - 1) * size) + (group * p.outputs * p.channels + channel) * taps;
    for (int64_t o = 0; o < p.outputs; o++) clear(sums + o * p.channels * taps, channels * taps);
    WeightBuffers<T> b = {own, own + p.batch * p.x_size(), own + p.batch * (p.x_size() + p.g_size())};
    add_weight_grad(p, g + group * p.outputs * c.oh * c.ow, x + (group * p.channels + channel) * c.h * c.w,
                    c.n * part / p.parts, c.n * (part + 1) / p.parts, channels, offsets, sums, b);
  };
  const auto sum = [&](int64_t begin, int64_t end) {
    using V = Vec<T>;
    for_vectors<V>(end - begin, [&](int64_t i, auto lanes) {
      V total = get_lanes(dw + begin + i, lanes);
      for (int64_t part = 1; part < p.parts; part++) {
        total += get_lanes(others + (part - 1) * size + begin + i, lanes);
      }
      put_lanes(dw + begin + i, total, lanes);
    });
  };
  if (p.threads == 1) {
    for (int64_t i = 0; i < tasks; i++) task(i, buffers);
    if (p.parts > 1) sum(0, size);
  } else {
    parallel(tasks, [&](int64_t i) { task(i, buffers + thread_index() * p.buffer_size()); });
    if (p.parts > 1) parallel_range(size, kGrain, sum);
  }
}

}  // namespace lamina::LAMINA_ISA
