// See blocks.h. Elements are moved by their size here; what they mean is known to the Block alone.
#include "kernels/cpu/blocks.h"

#include "kernels/cpu/transpose.h"

namespace lamina::LAMINA_ISA {
namespace {

constexpr int64_t kBlock = 512;  // elements: four operands of doubles leave room in a 32 KiB cache
// Streamed results go out in portions that the store buffers can hold while the next portion is computed.
constexpr int64_t kStreamBlock = 128;
constexpr int64_t kLongRun = 64;

struct Task {
  Block block;
  const Walk& walk;
  const Dtype* dtypes;
  const double* p;
  int64_t sizes[kMaxOperands];
  int64_t strides[kMaxOperands];  // along the densest dimension
  bool dense[kMaxOperands];       // the whole walk is one contiguous run
  bool stream;
  bool plain;  // every operand is contiguous along runs and needs no conversion
};

struct alignas(64) Buffer {
  unsigned char bytes[kBlock * 8];
};
constexpr int64_t kTileRows = 16, kTileColumns = 128;
struct alignas(64) Tile {
  unsigned char bytes[kTileRows * kTileColumns * 8];
};
// What one thread needs: a buffer per operand, one for halves on their way, and tiles of transposed operands.
struct Buffers {
  Buffer operand[kMaxOperands];
  Tile tile[kMaxOperands];
  Buffer half;
  // The value that fills the operand's buffer, and how many times it is there.
  const char* repeated[kMaxOperands] = {};
  int64_t times[kMaxOperands] = {};
};

template <class H>
void widen(const H* from, float* to, int64_t n) {
  int64_t i = 0;
  for (; i + F32::width <= n; i += F32::width) store(to + i, load_half<F32>(from + i));
  if (i < n) store_n(to + i, load_half_n<F32>(from + i, static_cast<int>(n - i)), static_cast<int>(n - i));
}
void widen(Dtype dtype, const void* from, void* to, int64_t n) {
  if (dtype == Dtype::Float16) {
    widen(static_cast<const Half*>(from), static_cast<float*>(to), n);
  } else {
    widen(static_cast<const BFloat16*>(from), static_cast<float*>(to), n);
  }
}
template <class T>
void gather(const void* from, int64_t stride, void* to, int64_t n) {
  const T* x = static_cast<const T*>(from);
  T* y = static_cast<T*>(to);
  if (stride == 0) {
    const T value = *x;
    for (int64_t i = 0; i < n; i++) y[i] = value;
  } else {
    for (int64_t i = 0; i < n; i++) y[i] = x[i * stride];
  }
}
template <class T>
void scatter(const void* from, void* to, int64_t stride, int64_t n) {
  const T* x = static_cast<const T*>(from);
  T* y = static_cast<T*>(to);
  for (int64_t i = 0; i < n; i++) y[i * stride] = x[i];
}
void gather(int64_t size, const void* from, int64_t stride, void* to, int64_t n) {
  if (stride == 1) {
    memcpy(to, from, n * size);
  } else if (size == 1) {
    gather<uint8_t>(from, stride, to, n);
  } else if (size == 2) {
    gather<uint16_t>(from, stride, to, n);
  } else if (size == 4) {
    gather<uint32_t>(from, stride, to, n);
  } else {
    gather<uint64_t>(from, stride, to, n);
  }
}
void scatter(int64_t size, const void* from, void* to, int64_t stride, int64_t n) {
  if (stride == 1) {
    memcpy(to, from, n * size);
  } else if (size == 1) {
    scatter<uint8_t>(from, to, stride, n);
  } else if (size == 2) {
    scatter<uint16_t>(from, to, stride, n);
  } else if (size == 4) {
    scatter<uint32_t>(from, to, stride, n);
  } else {
    scatter<uint64_t>(from, to, stride, n);
  }
}

// n <= kBlock values of operand k from `from` on, contiguous and in the type they are computed in.
const void* fetch(const Task& task, Buffers& buffers, int k, const char* from, int64_t stride, int64_t n) {
  const bool half = is_half(task.dtypes[k]);
  if (stride == 1 && !half) return from;
  unsigned char* buffer = buffers.operand[k].bytes;
  if (stride == 0) {
    if (buffers.repeated[k] == from && n <= buffers.times[k]) return buffer;
    buffers.repeated[k] = from;
    buffers.times[k] = n;
  }
  if (!half) {
    gather(task.sizes[k], from, stride, buffer, n);
  } else if (stride == 1) {
    widen(task.dtypes[k], from, buffer, n);
  } else {
    gather(2, from, stride, buffers.half.bytes, n);
    widen(task.dtypes[k], buffers.half.bytes, buffer, n);
  }
  return buffer;
}

// Results that the block left in the output's buffer, to where they belong.
void put(const Task& task, Buffers& buffers, char* to, int64_t stride, int64_t n) {
  const void* results = buffers.operand[0].bytes;
  if (is_half(task.dtypes[0])) {
    void* halves = stride == 1 && !task.stream ? static_cast<void*>(to) : buffers.half.bytes;
    round_to_half(task.dtypes[0], results, halves, n);
    if (halves == to) return;
    results = halves;
  }
  if (task.stream) {
    stream_copy(to, results, n * task.sizes[0]);
  } else {
    scatter(task.sizes[0], results, to, stride, n);
  }
}

// One run along the densest dimension.
void run(const Task& task, Buffers& buffers, char* const* data, int64_t n) {
  const bool direct = task.strides[0] == 1 && !task.stream && !is_half(task.dtypes[0]);
  const int64_t step = task.stream ? kStreamBlock : task.plain && direct ? n : kBlock;
  for (int64_t i = 0; i < n; i += step) {
    const int64_t m = min_of(step, n - i);
    const void* in[kMaxOperands];
    for (int k = 1; k < task.walk.operands; k++) {
      in[k - 1] = fetch(task, buffers, k, data[k] + i * task.strides[k] * task.sizes[k], task.strides[k], m);
    }
    char* out = data[0] + i * task.strides[0] * task.sizes[0];
    task.block(direct ? static_cast<void*>(out) : buffers.operand[0].bytes, in, m, task.p);
    if (!direct) put(task, buffers, out, task.strides[0], m);
  }
}

// Elements [begin, end) where runs are short: blocks of several runs, each operand gathered by a walk of its
// own.
void run_short(const Task& task, Buffers& buffers, int64_t begin, int64_t end) {
  const Walk& walk = task.walk;
  for (int64_t at = begin; at < end; at += kBlock) {
    const int64_t m = min_of(kBlock, end - at);
    const void* in[kMaxOperands];
    for (int k = 1; k < walk.operands; k++) {
      const bool half = is_half(task.dtypes[k]);
      unsigned char* buffer = buffers.operand[k].bytes;
      const char* flat = static_cast<const char*>(walk.data[k]) + at * task.sizes[k];
      if (!task.dense[k]) {
        unsigned char* to = half ? buffers.half.bytes : buffer;
        flat = reinterpret_cast<const char*>(to);
        for_runs_of(walk, k, task.sizes[k], at, at + m, [&](const char* from, int64_t n) {
          gather(task.sizes[k], from, task.strides[k], to, n);
          to += n * task.sizes[k];
        });
      }
      if (half) widen(task.dtypes[k], flat, buffer, m);
      in[k - 1] = half ? static_cast<const void*>(buffer) : flat;
    }
    char* out = static_cast<char*>(walk.data[0]) + at * task.sizes[0];
    if (task.dense[0] && !is_half(task.dtypes[0])) {
      task.block(out, in, m, task.p);
      continue;
    }
    task.block(buffers.operand[0].bytes, in, m, task.p);
    const unsigned char* results = buffers.operand[0].bytes;
    if (is_half(task.dtypes[0])) {
      round_to_half(task.dtypes[0], results, buffers.half.bytes, m);
      results = buffers.half.bytes;
    }
    for_runs_of(walk, 0, task.sizes[0], at, at + m, [&](char* to, int64_t n) {
      scatter(task.sizes[0], results, to, task.strides[0], n);
      results += n * task.sizes[0];
    });
  }
}

// ---- transposed operands ----

// Some operand is dense along the last dimension but one: element by element, runs would touch a cache line
// for each.
bool is_transposed(const Walk& walk, int k) {
  return walk.strides[k][walk.ndim - 2] == 1 && walk.strides[k][walk.ndim - 1] > 1;
}
bool worth_tiling(const Walk& walk) {
  if (walk.ndim < 2 || walk.shape[walk.ndim - 2] < kTileRows || walk.shape[walk.ndim - 1] < kTileRows)
    return false;
  for (int k = 1; k < walk.operands; k++) {
    if (is_transposed(walk, k)) return true;
  }
  return false;
}

// tile[r][c] = from[c][r]
template <class T>
void turn(const void* from, int64_t stride, void* tile, int64_t rows, int64_t columns) {
  T* y = static_cast<T*>(tile);
  transpose_tile<kTileRows, kTileColumns>(
      static_cast<const T*>(from), stride, rows, columns,
      [&](int64_t r, const T* row) { memcpy(y + r * kTileColumns, row, kTileColumns * sizeof(T)); });
}
void turn(int64_t size, const void* from, int64_t stride, void* tile, int64_t rows, int64_t columns) {
  if (size == 1) {
    turn<uint8_t>(from, stride, tile, rows, columns);
  } else if (size == 2) {
    turn<uint16_t>(from, stride, tile, rows, columns);
  } else if (size == 4) {
    turn<uint32_t>(from, stride, tile, rows, columns);
  } else {
    turn<uint64_t>(from, stride, tile, rows, columns);
  }
}

// `rows` rows of the last two dimensions, from data[k] on, in tiles.
void run_band(const Task& task, Buffers& buffers, char* const* data, int64_t rows) {
  const Walk& walk = task.walk;
  const int row_dim = walk.ndim - 2;
  const int64_t columns = walk.shape[walk.ndim - 1];
  for (int64_t column = 0; column < columns; column += kTileColumns) {
    const int64_t m = min_of(kTileColumns, columns - column);
    char* at[kMaxOperands];
    for (int k = 0; k < walk.operands; k++) {
      at[k] = data[k] + column * task.strides[k] * task.sizes[k];
      if (k > 0 && is_transposed(walk, k)) {
        turn(task.sizes[k], at[k], task.strides[k], buffers.tile[k].bytes, rows, m);
      }
    }
    for (int64_t row = 0; row < rows; row++) {
      const void* in[kMaxOperands];
      for (int k = 1; k < walk.operands; k++) {
        const bool turned = is_transposed(walk, k);
        const char* from =
            turned ? reinterpret_cast<const char*>(buffers.tile[k].bytes) + row * kTileColumns * task.sizes[k]
                   : at[k] + row * walk.strides[k][row_dim] * task.sizes[k];
        in[k - 1] = fetch(task, buffers, k, from, turned ? 1 : task.strides[k], m);
      }
      char* out = at[0] + row * walk.strides[0][row_dim] * task.sizes[0];
      const bool direct = task.strides[0] == 1 && !task.stream && !is_half(task.dtypes[0]);
      task.block(direct ? static_cast<void*>(out) : buffers.operand[0].bytes, in, m, task.p);
      if (!direct) put(task, buffers, out, task.strides[0], m);
    }
  }
}

// A walk over bands: the last dimension left out, the one before cut to where bands begin.
void run_tiled(const Task& task, int64_t grain) {
  const Walk& walk = task.walk;
  const int row_dim = walk.ndim - 2;
  const int64_t rows = walk.shape[row_dim], bands = chunks_of(rows, kTileRows);
  Walk starts = walk;
  starts.ndim--;
  starts.shape[row_dim] = bands;
  for (int k = 0; k < walk.operands; k++) starts.strides[k][row_dim] *= kTileRows;
  const int64_t band_elements = kTileRows * walk.shape[walk.ndim - 1];
  parallel_range(elements_of(starts), chunks_of(grain, band_elements), [&](int64_t begin, int64_t end) {
    Buffers buffers;
    for (int64_t band = begin; band < end; band++) {
      for_runs(starts, task.sizes, band, band + 1, [&](char* const* data, int64_t) {
        run_band(task, buffers, data, min_of(kTileRows, rows - band % bands * kTileRows));
      });
    }
    if (task.stream) stream_fence();
  });
}

bool is_dense(const Walk& walk, int k) {
  int64_t expected = 1;
  for (int i = walk.ndim - 1; i >= 0; i--) {
    if (walk.strides[k][i] != expected) return false;
    expected *= walk.shape[i];
  }
  return true;
}

}  // namespace

template <class H>
static void round_all(const float* from, H* to, int64_t n) {
  int64_t i = 0;
  for (; i + F32::width <= n; i += F32::width) store_half(to + i, load(from + i));
  if (i < n) store_half_n(to + i, load_n(from + i, static_cast<int>(n - i)), static_cast<int>(n - i));
}
void round_to_half(Dtype dtype, const void* from, void* to, int64_t n) {
  if (dtype == Dtype::Float16) {
    round_all(static_cast<const float*>(from), static_cast<Half*>(to), n);
  } else {
    round_all(static_cast<const float*>(from), static_cast<BFloat16*>(to), n);
  }
}

bool worth_streaming(const Walk& walk, int64_t size) {
  const int64_t run = walk.ndim == 0 ? 1 : walk.shape[walk.ndim - 1];
  if (elements_of(walk) * size < stream_bytes || inner_stride(walk, 0) != 1 || run * size < 512) return false;
  for (int k = 1; k < walk.operands; k++) {
    if (walk.data[k] == walk.data[0]) return false;
  }
  return true;
}

void stream_copy(void* out, const void* from, int64_t bytes) {
  char* to = static_cast<char*>(out);
  const char* x = static_cast<const char*>(from);
  const int64_t head = min_of(bytes, -reinterpret_cast<intptr_t>(to) & 63);
  memcpy(to, x, head);
  int64_t i = head;
  for (; i + 64 <= bytes; i += 64) stream_line(to + i, x + i);
  memcpy(to + i, x + i, bytes - i);
}

void run_blocks(Block block, const Walk& walk, const Dtype* dtypes, const double* p, int64_t grain) {
  const int64_t n = elements_of(walk);
  bool plain = true;
  for (int k = 0; k < walk.operands; k++) plain = plain && inner_stride(walk, k) == 1 && !is_half(dtypes[k]);
  if (plain && walk.ndim <= 1 && n <= grain) {
    block(walk.data[0], walk.data + 1, n, p);
    return;
  }
  Task task{block, walk, dtypes, p, {}, {}, {}, worth_streaming(walk, bytes_of(dtypes[0])), plain};
  for (int k = 0; k < walk.operands; k++) {
    task.sizes[k] = bytes_of(dtypes[k]);
    task.strides[k] = inner_stride(walk, k);
    task.dense[k] = is_dense(walk, k);
  }
  if (worth_tiling(walk)) return run_tiled(task, grain);
  const bool long_runs = walk.ndim <= 1 || walk.shape[walk.ndim - 1] >= kLongRun;
  parallel_range(n, grain, [&](int64_t begin, int64_t end) {
    Buffers buffers;
    if (long_runs) {
      for_runs(walk, task.sizes, begin, end,
               [&](char* const* data, int64_t m) { run(task, buffers, data, m); });
    } else {
      run_short(task, buffers, begin, end);
    }
    if (task.stream) stream_fence();
  });
}

}  // namespace lamina::LAMINA_ISA
