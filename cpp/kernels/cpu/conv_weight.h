// The gradient of a convolution's weights, a product over all places of all images: output channels by (input
// channel, tap). It runs on gemm's tile with the input's field as a, read at the places a list names, and the
// gradient's channels packed as b; for few output channels, as dot products (conv_dots.h). Images are cut
// into parts by the shape alone, whose sums are added in order.
#pragma once

#include "kernels/cpu/conv_dots.h"
#include "kernels/cpu/conv_field.h"
#include "kernels/cpu/gemm_pack.h"

namespace lamina::LAMINA_ISA {

constexpr int64_t kGradientBytes = 512 << 10;  // what a thread lays out at a time: for tiles
constexpr int64_t kDotBytes = 80 << 10;        // and for dot products, which read all of it for few additions
constexpr int64_t kPlacesLong = 512;           // places along k at a time

template <class T>
struct WeightGrad {
  Conv2d conv;
  int64_t channels, outputs;  // per group
  bool dots;
  bool in_place;         // a single tap without stride or padding: the input is its own field
  int64_t parts, block;  // parts of the rounds, channels of a block
  int64_t strip, batch;  // rows of windows and images that are laid out at a time
  Field field;           // of the input, `block` channels
  int64_t places;        // of a strip: at the field's pitch in whole vectors (dots), or windows
  int64_t threads;

  int64_t taps() const { return conv.kh * conv.kw; }
  int64_t rows() const { return channels * taps(); }
  int64_t panels() const { return dots ? 1 : chunks_of(outputs, TileSize<T>::columns); }
  // Sums of a group: (outputs, rows) of dots, or (panels, rows, columns of a tile).
  int64_t group_size() const { return (dots ? outputs : panels() * TileSize<T>::columns) * rows(); }
  int64_t part_size() const { return chunks_of(conv.groups * group_size(), 16) * 16; }
  int64_t blocks() const { return chunks_of(channels, block); }
  int64_t strips() const { return chunks_of(conv.oh, strip); }
  int64_t rounds() const { return chunks_of(conv.n, batch) * strips(); }
  int64_t x_size() const { return block * field.channel + Vec<T>::width; }  // of one image
  int64_t g_size() const { return (dots ? outputs : panels() * TileSize<T>::columns) * places; }
  int64_t list_size() const { return chunks_of(dots ? block * taps() : batch * places, 16) * 16; }  // int32
  // The fields, the gradient, and where windows are or a list of them.
  int64_t buffer_size() const {
    return chunks_of(batch * (x_size() + g_size()) + places + list_size(), 16) * 16;
  }
  size_t bytes() const {
    return static_cast<size_t>(parts * part_size() + threads * buffer_size()) * sizeof(T);
  }
};

template <class T>
static WeightGrad<T> weight_grad_of(const Conv2d& c) {
  WeightGrad<T> p = {};
  p.conv = c;
  p.channels = c.c / c.groups;
  p.outputs = c.oc / c.groups;
  p.dots = 2 * p.outputs <= Vec<T>::width;
  p.in_place =
      !p.dots && c.kh == 1 && c.kw == 1 && c.stride_h == 1 && c.stride_w == 1 && c.pad_h == 0 && c.pad_w == 0;
  p.block = p.channels;
  const Axis down = {c.h, c.kh, c.stride_h, c.dilation_h, c.pad_h};
  const Axis across = {c.w, c.kw, c.stride_w, c.dilation_w, c.pad_w};
  const int64_t room = (p.dots ? kDotBytes : kGradientBytes) / int64_t(sizeof(T));
  const Field row = Field::of(down, across, 1, c.ow);
  const int64_t row_size = p.block * row.channel / row.rows + p.outputs * row.pitch;
  int64_t rows = max_of(4, room / row_size - down.most_shift());
  if (!p.dots) rows = min_of(rows, max_of(1, kPlacesLong / c.ow));
  p.strip = chunks_of(c.oh, chunks_of(c.oh, rows));
  p.field = Field::of(down, across, p.strip, c.ow);
  p.places = p.dots ? chunks_of((p.strip - 1) * p.field.pitch + c.ow, Vec<T>::width) * Vec<T>::width
                    : p.strip * c.ow;
  p.batch = max_of(1, min_of(c.n, room / (p.x_size() + p.g_size())));
  if (!p.dots) p.batch = min_of(p.batch, max_of(1, kPlacesLong / p.places));
  // About 16 tasks: of images and their strips, as far as memory for their sums allows; then of channels, as
  // long as laying out the gradient anew for each block costs little.
  p.parts = max_of(1, min_of(min_of(p.rounds(), 16), (int64_t(1) << 20) / p.part_size()));
  const int64_t least = p.dots ? 1 : max_of(TileSize<T>::rows, chunks_of(128, p.taps()));
  p.block = chunks_of(p.channels, min_of(chunks_of(p.channels, least), chunks_of(16, p.parts * c.groups)));
  p.threads = c.n * c.oh * c.ow * p.rows() * c.oc >> 16 ? most_threads() : 1;
  return p;
}

// Some rows of windows of some images, against some channels of one group.
template <class T>
struct WeightPiece {
  const T *g, *x;  // of the group's and the block's first channels, all images
  int64_t image, images, row, rows, channels;
  T* sums;  // of the block's first row
  T *fields, *gradient, *window;
  int32_t* list;
};

// Some rows of the gradient's channels, at the field's pitch, with zeros where no window is.
template <class T>
static void lay_out_gradient(const WeightGrad<T>& p, const T* g, int64_t rows, T* to) {
  constexpr int vector = Vec<T>::width;
  const int64_t pitch = p.field.pitch, width = p.conv.ow;
  for (int64_t output = 0; output < p.outputs; output++, to += p.places) {
    for (int64_t row = 0; row < rows; row++) {
      T* at = to + row * pitch;
      read_row_beyond(g + (output * p.conv.oh + row) * width, 1, width, width, at);
      clear_beyond(at, chunks_of(width, vector) * vector, min_of(pitch, p.places - row * pitch));
    }
    clear_beyond(to, rows * pitch, p.places);
  }
}

template <class T>
static void add_dots(const WeightGrad<T>& p, const WeightPiece<T>& w) {
  const Conv2d& c = p.conv;
  const Cut down = cut_of(p.outputs, kDotRows), across = cut_of(w.channels * p.taps(), kDotColumns);
  bool finite = true;
  for (int64_t i = 0; i < w.images; i++) {
    finite = finite && all_finite(w.fields + i * p.x_size(), w.channels * p.field.channel);
    lay_out_gradient(p, w.g + ((w.image + i) * c.oc * c.oh + w.row) * c.ow, w.rows,
                     w.gradient + i * p.g_size());
  }
  for (int64_t i = 0; i < p.places && !finite; i++) {
    w.window[i] = i / p.field.pitch < w.rows && i % p.field.pitch < c.ow ? T(1) : T(0);
  }
  for (int64_t i = 0; i < w.channels * p.taps(); i++) {
    const int64_t tap = i % p.taps();
    w.list[i] = static_cast<int32_t>(i / p.taps() * p.field.channel + p.field.offset(tap / c.kw, tap % c.kw));
  }
  Dots<T> d = {};
  d.g_row = p.places;
  d.g_image = p.g_size();
  d.x_image = p.x_size();
  d.x = w.fields;
  d.images = w.images;
  d.places = p.places;
  d.window = w.window;
  d.sums_row = p.rows();
  for (int64_t k = 0; k < across.count; k++) {
    d.offset = w.list + across.start(k);
    for (int64_t o = 0; o < down.count; o++) {
      d.g = w.gradient + down.start(o) * p.places;
      d.sums = w.sums + down.start(o) * d.sums_row + across.start(k);
      (finite ? dot_function<T, false>(down.rows(o), across.rows(k))
              : dot_function<T, true>(down.rows(o), across.rows(k)))(d);
    }
  }
}

// gemm's tile, ListedA with alpha and beta of 1, for few rows: two panels of b, `panel` apart, at a time,
// whose sums are c_panel apart. So few sums as one panel gives would wait for each other.
constexpr int kFewRows = 6;
constexpr bool kHasPairs = kRegisters == 32;
template <class T, int rows>
static void multiply_pair(const Tile<T>& t, int64_t panel, int64_t c_panel) {
  using V = Vec<T>;
  V sum[rows][4];
  for (int r = 0; r < rows; r++) {
    for (int v = 0; v < 4; v++) sum[r][v] = zero<V>();
  }
  const T* b = t.b;
  for (int64_t p = 0; p < t.k; p++, b += 2 * V::width) {
    const T* a = t.a + t.list[p];
    V b_vector[4];
    for (int v = 0; v < 4; v++) b_vector[v] = held(load<V>(b + v / 2 * panel + v % 2 * V::width));
#pragma GCC unroll 6
    for (int r = 0; r < rows; r++) {
      const V value = set<V>(a[r * t.a_row]);
#pragma GCC unroll 4
      for (int v = 0; v < 4; v++) sum[r][v] = fma(value, b_vector[v], sum[r][v]);
    }
  }
  for (int r = 0; r < rows; r++) {
    for (int v = 0; v < 4; v++) {
      T* c = t.c + r * t.c_row + v / 2 * c_panel + v % 2 * V::width;
      store(c, sum[r][v] + load<V>(c));
    }
  }
}
template <class T>
using PairFunction = void (*)(const Tile<T>&, int64_t panel, int64_t c_panel);
template <class T, int most = kHasPairs ? kFewRows : 0>
PairFunction<T> pair_function(int rows) {
  if constexpr (most > 0) return rows == most ? multiply_pair<T, most> : pair_function<T, most - 1>(rows);
  return nullptr;
}

template <class T>
static void add_tiles(const WeightGrad<T>& p, const WeightPiece<T>& w) {
  const Conv2d& c = p.conv;
  constexpr int width = Vec<T>::width, tile_columns = TileSize<T>::columns;
  const int64_t places = w.rows * c.ow, depth = w.images * places;
  for (int64_t i = 0; i < w.images; i++) {
    for (int64_t panel = 0; panel < p.panels(); panel++) {
      const T* g = w.g + (((w.image + i) * c.oc + panel * tile_columns) * c.oh + w.row) * c.ow;
      const int columns = static_cast<int>(min_of(tile_columns, p.outputs - panel * tile_columns));
      pack_b(g, 1, c.oh * c.ow, columns, places, w.gradient + (panel * depth + i * places) * tile_columns);
    }
    for (int64_t row = 0; row < w.rows; row++) {
      int32_t* list = w.list + i * places + row * c.ow;
      const int64_t start =
          p.in_place ? i * c.c * c.h * c.w + row * c.w : i * p.x_size() + row * p.field.pitch;
      for (int64_t column = 0; column < c.ow; column++) list[column] = static_cast<int32_t>(start + column);
    }
  }
  // The rows of a tile: taps of a window's row, which follow one another in each phase of the stride, where
  // they are more than the channels; else channels.
  const int64_t phases = p.field.across.phases(), step = p.field.across.shift(phases);
  const bool by_taps = chunks_of(c.kw, phases) > w.channels;
  Tile<T> t = {};
  const int64_t channel_step = p.in_place ? c.h * c.w : p.field.channel;
  const T* x = p.in_place ? w.x + (w.image * c.c * c.h + w.row) * c.w : w.fields;
  t.a_row = by_taps ? step : channel_step;
  t.b_k = tile_columns;
  t.c_row = (by_taps ? phases : p.taps()) * tile_columns;
  t.last = width;
  t.alpha = t.beta = T(1);
  const bool few = (by_taps ? chunks_of(c.kw, phases) : w.channels) <= kFewRows;
  for (int64_t panel = 0, start = 0; panel < p.panels();) {
    const int64_t left = p.outputs - panel * tile_columns;
    const bool pair = kHasPairs && few && left > tile_columns;
    const int vectors = left > width ? 2 : 1;
    // Tiles of few rows want what they read of the gradient in the first-level cache.
    t.k = few ? min_of(depth - start, kPlacesLong / (pair ? 4 : 2)) : depth;
    t.list = w.list + start;
    t.b = w.gradient + (panel * depth + start) * tile_columns;
    const auto tile = [&](int rows, int64_t channel, int64_t ky, int64_t kx) {
      t.a = x + channel * channel_step + p.field.offset(ky, kx);
      t.c = w.sums + (panel * p.rows() + channel * p.taps() + ky * c.kw + kx) * tile_columns;
      if (pair) return pair_function<T>(rows)(t, depth * tile_columns, p.rows() * tile_columns);
      tile_function<T, Reading::ListedA>(rows, vectors)(t);
    };
    for (int64_t tap = 0; tap < c.kh * (by_taps ? phases : c.kw); tap++) {
      const int64_t ky = by_taps ? tap / phases : tap / c.kw, kx = by_taps ? tap % phases : tap % c.kw;
      const Cut cut = cut_of(by_taps ? chunks_of(c.kw - kx, phases) : w.channels, TileSize<T>::rows);
      for (int64_t i = 0; i < cut.count; i++) {
        if (!by_taps) tile(cut.rows(i), cut.start(i), ky, kx);
        for (int64_t channel = 0; by_taps && channel < w.channels; channel++) {
          tile(cut.rows(i), channel, ky, kx + cut.start(i) * phases);
        }
      }
    }
    start += t.k;
    if (start < depth) continue;
    start = 0;
    panel += pair ? 2 : 1;
  }
}

// The rounds of one part against one block of channels of one group, into the part's sums.
template <class T>
static void add_part(const WeightGrad<T>& p, const T* g, const T* x, int64_t part, int64_t group,
                     int64_t block, T* sums, T* buffer) {
  const Conv2d& c = p.conv;
  const int64_t channel = block * p.block, plane = c.h * c.w;
  WeightPiece<T> w = {};
  w.g = g + group * p.outputs * c.oh * c.ow;
  w.x = x + (group * p.channels + channel) * plane;
  w.channels = min_of(p.block, p.channels - channel);
  const int64_t row_size = p.dots ? 1 : TileSize<T>::columns;
  w.sums = sums + part * p.part_size() + group * p.group_size() + channel * p.taps() * row_size;
  for (int64_t i = 0; i < (p.dots ? p.outputs : p.panels()); i++) {
    clear(w.sums + i * p.rows() * row_size, w.channels * p.taps() * row_size);
  }
  w.fields = buffer;
  w.gradient = w.fields + p.batch * p.x_size();
  w.window = w.gradient + p.batch * p.g_size();
  w.list = reinterpret_cast<int32_t*>(w.window + p.places);
  for (int64_t round = p.rounds() * part / p.parts; round < p.rounds() * (part + 1) / p.parts; round++) {
    w.image = round / p.strips() * p.batch;
    w.images = min_of(p.batch, c.n - w.image);
    w.row = round % p.strips() * p.strip;
    w.rows = min_of(p.strip, c.oh - w.row);
    for (int64_t i = 0; i < w.images && !p.in_place; i++) {
      T* field = w.fields + i * p.x_size();
      for (int64_t k = 0; k < w.channels; k++) {
        fill_channel(p.field, w.x + ((w.image + i) * c.c + k) * plane, w.row, field + k * p.field.channel);
      }
      // The last vectors of dots read a little further, times 0.
      clear(field + w.channels * p.field.channel, Vec<T>::width);
    }
    if (p.dots) {
      add_dots(p, w);
    } else {
      add_tiles(p, w);
    }
  }
}

// All parts of elements [begin, end) of the sums, into the first.
template <class T>
static void add_parts(const WeightGrad<T>& p, T* sums, int64_t begin, int64_t end) {
  using V = Vec<T>;
  for_vectors<V>(end - begin, [&](int64_t i, auto lanes) {
    T* at = sums + begin + i;
    V total = get_lanes(at, lanes);
    for (int64_t part = 1; part < p.parts; part++) total += get_lanes(at + part * p.part_size(), lanes);
    put_lanes(at, total, lanes);
  });
}

// The sums of rows [begin, end) of all groups' rows, to (outputs, rows) of their groups.
template <class T>
static void turn_sums(const WeightGrad<T>& p, const T* sums, int64_t group, int64_t begin, int64_t end,
                      T* dw) {
  constexpr int tile_columns = TileSize<T>::columns;
  for (int64_t panel = 0; panel < p.panels(); panel++) {
    const int64_t output = panel * tile_columns, columns = min_of(tile_columns, p.outputs - output);
    const T* from = sums + group * p.group_size() + panel * p.rows() * tile_columns;
    T* to = dw + (group * p.outputs + output) * p.rows();
    for (int64_t row = begin; row < end; row += Vec<T>::width) {
      const int rows = static_cast<int>(min_of(Vec<T>::width, end - row));
      pack_turned(from + row * tile_columns, tile_columns, rows, columns, to + row, p.rows(), to);
    }
  }
}

template <class T>
static void weight_grad(const WeightGrad<T>& p, const T* g, const T* x, T* dw, void* memory) {
  const int64_t tasks = p.parts * p.conv.groups * p.blocks(), size = p.conv.groups * p.group_size();
  T* sums = static_cast<T*>(memory);
  T* buffers = sums + p.parts * p.part_size();
  const auto task = [&](int64_t i) {
    const int64_t block = i % p.blocks(), group = i / p.blocks() % p.conv.groups;
    T* buffer = buffers + (p.threads > 1 ? thread_index() : 0) * p.buffer_size();
    add_part(p, g, x, i / p.blocks() / p.conv.groups, group, block, sums, buffer);
  };
  const auto turn = [&](int64_t i) {
    const int64_t rows = chunks_of(p.rows(), 4);
    turn_sums(p, sums, i / 4, min_of(p.rows(), i % 4 * rows), min_of(p.rows(), (i % 4 + 1) * rows), dw);
  };
  if (p.threads == 1) {
    for (int64_t i = 0; i < tasks; i++) task(i);
    if (p.parts > 1) add_parts(p, sums, 0, size);
    for (int64_t i = 0; i < 4 * p.conv.groups && !p.dots; i++) turn(i);
  } else {
    parallel(tasks, task);
    if (p.parts > 1) parallel_range(size, kGrain, [&](int64_t b, int64_t e) { add_parts(p, sums, b, e); });
    if (!p.dots) parallel(4 * p.conv.groups, turn);
  }
  if (p.dots) memcpy(dw, sums, static_cast<size_t>(size) * sizeof(T));
}

}  // namespace lamina::LAMINA_ISA
