// Products with weights of few bits, as in llama.cpp's blocks: x becomes two rows of bytes, 32 to a scale,
// the second what the first leaves over, and dot products of bytes are scaled block by block. Weights are
// interleaved (kBlockRows rows field by field): every lane is a row and nothing is added across lanes.
#include "kernels/cpu/element.h"
#include "kernels/cpu/table.h"
#include "simd/byte.h"

namespace lamina::LAMINA_ISA {
namespace {

constexpr int64_t kGroup = 32;  // numbers of x that share a scale
constexpr int kMostRows = 2;    // of x that pass over the weights together
// Bytes of one row alone would be wrong by 1/254 of the largest number of a group, which is 2 % of a product
// where one number stands out, as some always do in language models; two are wrong by 1/64516.
constexpr int kParts = 2;

// Rows of x as bytes, kParts for each, with what the block types want of them.
struct Activation {
  int64_t groups;
  int8_t* bytes;  // (m, kParts, groups * kGroup)
  float* scale;   // (m, kParts, groups)
  int32_t* sum;   // (m, kParts, groups, 2): of each half of a group

  Activation(const QuantizedLinear& q, char* memory, size_t* used) {
    groups = chunks_of(q.k, block_numbers(q.type)) * block_numbers(q.type) / kGroup;
    size_t at = 0;
    const auto take = [&](int64_t bytes_wanted) {
      char* p = memory ? memory + at : nullptr;
      at += static_cast<size_t>(chunks_of(bytes_wanted, 64) * 64);
      return p;
    };
    bytes = reinterpret_cast<int8_t*>(take(q.m * kParts * groups * kGroup));
    scale = reinterpret_cast<float*>(take(q.m * kParts * groups * 4));
    sum = reinterpret_cast<int32_t*>(take(q.m * kParts * groups * 8));
    if (used) *used = at;
  }
};

// x and what is left of it, x - unit * byte, which lies within half a unit.
void quantize_group(const float* x, int64_t n, const Activation& a, int64_t row, int64_t group) {
  float most = 0;
  for (int64_t i = 0; i < n; i++) {
    const float size = __builtin_fabsf(x[i]);
    most = size > most || size != size ? size : most;
  }
  float rest[kGroup] = {};
  const bool usable = __builtin_isfinite(most) && most > 0 && 127 / most <= 3.4e38f;
  for (int64_t i = 0; i < n && usable; i++) rest[i] = x[i];
  float unit = most / 127;
  for (int part = 0; part < kParts; part++) {
    const int64_t at = (row * kParts + part) * a.groups + group;
    const float inverse = usable && unit > 0 && 1 / unit <= 3.4e38f ? 1 / unit : 0;
    a.scale[at] = usable ? unit : most * 0 + unit;
    a.sum[2 * at] = a.sum[2 * at + 1] = 0;
    for (int64_t i = 0; i < kGroup; i++) {
      const float value = rest[i] * inverse;
      const int32_t rounded = static_cast<int32_t>(value + (value < 0 ? -0.5f : 0.5f));
      const int32_t byte = rounded > 127 ? 127 : rounded < -127 ? -127 : rounded;
      a.bytes[at * kGroup + i] = static_cast<int8_t>(byte);
      a.sum[2 * at + 2 * i / kGroup] += byte;
      rest[i] -= unit * static_cast<float>(byte);
    }
    unit /= 254;
  }
}

// What a block type reads while the lanes [lane, lane + I32::width) of a tile are worked on. `rows` of x at a
// time.
template <int rows, bool vnni>
struct Lanes16 {
  const int8_t* x[rows];     // of this block
  const float* scale[rows];  // of its groups
  const int32_t* sum[rows];  // of their halves
  F32 total[rows];

  __attribute__((always_inline)) I32 bytes(int r, int64_t at) const {
    int32_t four;
    memcpy(&four, x[r] + at, 4);
    return set<I32>(four);
  }
  __attribute__((always_inline)) void dot(I32* sums, I32 a, int64_t at) const {
    for (int r = 0; r < rows; r++) sums[r] = dot_bytes<vnni>(sums[r], a, bytes(r, at));
  }
  __attribute__((always_inline)) void dot_signed(I32* sums, I32 a, int64_t at) const {
    const I32 size = abs_bytes(a);
    for (int r = 0; r < rows; r++) sums[r] = dot_bytes<vnni>(sums[r], size, with_sign_of(bytes(r, at), a));
  }
};

// One field of kBlockRows rows: the q-th unit of each row lies at unit * kBlockRows * q.
LAMINA_INLINE I32 words(const uint8_t* field, int64_t q, int lane) {
  I32 v;
  memcpy(&v, field + (q * kBlockRows + lane) * 4, sizeof(v));
  return v;
}
LAMINA_INLINE F32 halves(const uint8_t* field, int lane) {
  return load_half<F32>(reinterpret_cast<const Half*>(field) + lane);
}
template <class Byte>
LAMINA_INLINE I32 bytes_of(const uint8_t* field, int64_t q, int lane) {
  int32_t wide[I32::width];
  const Byte* from = reinterpret_cast<const Byte*>(field) + q * kBlockRows + lane;
  for (int i = 0; i < I32::width; i++) wide[i] = from[i];
  return load<I32>(wide);
}
LAMINA_INLINE I32 low_nibbles(I32 a) { return a & set<I32>(0x0f0f0f0f); }

// 32 numbers q - 8, one scale; or q, a scale and a least value.
template <bool least, int rows, bool vnni>
LAMINA_INLINE void add_q4(Lanes16<rows, vnni>& l, const uint8_t* block, int lane) {
  const uint8_t* quants = block + (least ? 4 : 2) * kBlockRows;
  I32 sums[rows];
  for (int r = 0; r < rows; r++) {
    sums[r] = set<I32>(least ? 0 : -8 * (l.sum[r][0] + l.sum[r][1]));
  }
  for (int64_t g = 0; g < 4; g++) {
    const I32 w = words(quants, g, lane);
    l.dot(sums, low_nibbles(w), 4 * g);
    l.dot(sums, low_nibbles(shr<4>(w)), 16 + 4 * g);
  }
  const F32 scale = halves(block, lane);
  for (int r = 0; r < rows; r++) {
    l.total[r] = fma(to_float(sums[r]), scale * set<F32>(l.scale[r][0]), l.total[r]);
    if (least) {
      const float sum = static_cast<float>(l.sum[r][0] + l.sum[r][1]) * l.scale[r][0];
      l.total[r] = fma(halves(block + 2 * kBlockRows, lane), set<F32>(sum), l.total[r]);
    }
  }
}

template <int rows, bool vnni>
LAMINA_INLINE void add_q8_0(Lanes16<rows, vnni>& l, const uint8_t* block, int lane) {
  I32 sums[rows];
  for (int r = 0; r < rows; r++) sums[r] = set<I32>(0);
  for (int64_t g = 0; g < 8; g++) l.dot_signed(sums, words(block + 2 * kBlockRows, g, lane), 4 * g);
  const F32 scale = halves(block, lane);
  for (int r = 0; r < rows; r++)
    l.total[r] = fma(to_float(sums[r]), scale * set<F32>(l.scale[r][0]), l.total[r]);
}

// 8 parts of 32 numbers d * scale * q - dmin * least, scale and least of 6 bits in 12 bytes.
template <int rows, bool vnni>
LAMINA_INLINE void add_q4_k(Lanes16<rows, vnni>& l, const uint8_t* block, int lane) {
  const uint8_t *packed = block + 4 * kBlockRows, *quants = block + 16 * kBlockRows;
  const F32 d = halves(block, lane), d_least = halves(block + 2 * kBlockRows, lane);
  for (int64_t part = 0; part < 8; part++) {
    I32 scale, least;
    const auto byte = [&](int64_t q) { return bytes_of<uint8_t>(packed, q, lane); };
    if (part < 4) {
      scale = byte(part) & set<I32>(63);
      least = byte(part + 4) & set<I32>(63);
    } else {
      const I32 both = byte(part + 4);
      scale = (both & set<I32>(15)) | shl<4>(shr<6>(byte(part - 4)));
      least = shr<4>(both) | shl<4>(shr<6>(byte(part)));
    }
    I32 sums[rows];
    for (int r = 0; r < rows; r++) sums[r] = set<I32>(0);
    for (int64_t g = 0; g < 8; g++) {
      const I32 w = words(quants, part / 2 * 8 + g, lane);
      l.dot(sums, low_nibbles(part % 2 ? shr<4>(w) : w), kGroup * part + 4 * g);
    }
    const F32 by = d * to_float(scale), less = d_least * to_float(least);
    for (int r = 0; r < rows; r++) {
      const F32 x_scale = set<F32>(l.scale[r][part]);
      const F32 x_sum = set<F32>(static_cast<float>(l.sum[r][2 * part] + l.sum[r][2 * part + 1]));
      l.total[r] = fma(fma(to_float(sums[r]), by, -(x_sum * less)), x_scale, l.total[r]);
    }
  }
}

// 16 parts of 16 numbers d * scale * (q - 32); a number's four low bits and two high ones lie apart.
template <int rows, bool vnni>
LAMINA_INLINE void add_q6_k(Lanes16<rows, vnni>& l, const uint8_t* block, int lane) {
  const uint8_t *low = block, *high = block + 128 * kBlockRows, *scales = block + 192 * kBlockRows;
  const F32 d = halves(block + 208 * kBlockRows, lane);
  for (int64_t part = 0; part < 16; part++) {
    const int64_t half = part / 8, quarter = part % 8 / 2,
                  at = part % 2 * 4;  // 32 numbers of a half, 16 of them
    I32 sums[rows];
    for (int r = 0; r < rows; r++) sums[r] = set<I32>(-32 * l.sum[r][part]);
    for (int64_t g = 0; g < 4; g++) {
      const I32 four = words(low, half * 16 + quarter % 2 * 8 + at + g, lane),
                two = words(high, half * 8 + at + g, lane);
      const I32 bits = quarter == 0   ? shl<4>(two)
                       : quarter == 1 ? shl<2>(two)
                       : quarter == 2 ? two
                                      : shr<2>(two);
      const I32 q = low_nibbles(quarter < 2 ? four : shr<4>(four)) | (bits & set<I32>(0x30303030));
      l.dot(sums, q, 16 * part + 4 * g);
    }
    const F32 by = d * to_float(bytes_of<int8_t>(scales, part, lane));
    for (int r = 0; r < rows; r++)
      l.total[r] = fma(to_float(sums[r]), by * set<F32>(l.scale[r][part / 2]), l.total[r]);
  }
}

template <BlockType type, int rows, bool vnni>
LAMINA_INLINE void add_block(Lanes16<rows, vnni>& l, const uint8_t* block, int lane) {
  if constexpr (type == BlockType::Q4_0) add_q4<false>(l, block, lane);
  if constexpr (type == BlockType::Q4_1) add_q4<true>(l, block, lane);
  if constexpr (type == BlockType::Q8_0) add_q8_0(l, block, lane);
  if constexpr (type == BlockType::Q4_K) add_q4_k(l, block, lane);
  if constexpr (type == BlockType::Q6_K) add_q6_k(l, block, lane);
}

// One tile of kBlockRows weights' rows for `count` rows of x from `first` on.
template <BlockType type, int count, bool vnni>
void multiply_tile(const QuantizedLinear& q, const Activation& x, int64_t first, int64_t tile) {
  constexpr int64_t numbers = block_numbers(type), groups = numbers / kGroup;
  constexpr int64_t step = block_bytes(type) * kBlockRows;
  constexpr int rows = count * kParts;
  const int64_t blocks = x.groups / groups, column = tile * kBlockRows;
  for (int lane = 0; lane < kBlockRows && column + lane < q.n; lane += I32::width) {
    Lanes16<rows, vnni> l;
    for (int r = 0; r < rows; r++) {
      l.x[r] = x.bytes + (first * kParts + r) * x.groups * kGroup;
      l.scale[r] = x.scale + (first * kParts + r) * x.groups;
      l.sum[r] = x.sum + (first * kParts + r) * x.groups * 2;
      l.total[r] = zero<F32>();
    }
    const uint8_t* block = q.w + tile * blocks * step;
    for (int64_t b = 0; b < blocks; b++, block += step) {
      add_block<type>(l, block, lane);
      for (int r = 0; r < rows; r++) {
        l.x[r] += numbers;
        l.scale[r] += groups;
        l.sum[r] += 2 * groups;
      }
    }
    const int n = static_cast<int>(min_of(I32::width, q.n - column - lane));
    const F32 bias = q.bias ? load_n<F32>(q.bias + column + lane, n) : zero<F32>();
    for (int r = 0; r < count; r++) {
      F32 total = l.total[r * kParts];
      for (int part = 1; part < kParts; part++) total = total + l.total[r * kParts + part];
      store_n(q.y + (first + r) * q.n + column + lane, total + bias, n);
    }
  }
}

template <BlockType type, bool vnni>
void multiply(const QuantizedLinear& q, const Activation& x) {
  const int64_t tiles = chunks_of(q.n, kBlockRows);
  // A row of bytes costs about what a float costs elsewhere.
  const int64_t grain = max_of(1, kGrain / (x.groups * kGroup * 2));
  parallel_range(tiles, grain, [&](int64_t begin, int64_t end) {
    for (int64_t tile = begin; tile < end; tile++) {
      int64_t row = 0;
      for (; row + kMostRows <= q.m; row += kMostRows) multiply_tile<type, kMostRows, vnni>(q, x, row, tile);
      for (; row < q.m; row++) multiply_tile<type, 1, vnni>(q, x, row, tile);
    }
  });
}

template <bool vnni>
void multiply_type(const QuantizedLinear& q, const Activation& x) {
  switch (q.type) {
    case BlockType::Q4_0:
      return multiply<BlockType::Q4_0, vnni>(q, x);
    case BlockType::Q4_1:
      return multiply<BlockType::Q4_1, vnni>(q, x);
    case BlockType::Q8_0:
      return multiply<BlockType::Q8_0, vnni>(q, x);
    case BlockType::Q4_K:
      return multiply<BlockType::Q4_K, vnni>(q, x);
    case BlockType::Q6_K:
      return multiply<BlockType::Q6_K, vnni>(q, x);
  }
}

}  // namespace

size_t quantized_linear_scratch(const QuantizedLinear& q) {
  size_t bytes;
  Activation(q, nullptr, &bytes);
  return bytes;
}

void quantized_linear(const QuantizedLinear& q, void* scratch) {
  const Activation x(q, static_cast<char*>(scratch), nullptr);
  parallel_range(q.m, max_of(1, kGrain / 4 / (x.groups * kGroup)), [&](int64_t begin, int64_t end) {
    for (int64_t i = begin * x.groups; i < end * x.groups; i++) {
      const int64_t at = i % x.groups * kGroup;
      quantize_group(q.x + i / x.groups * q.k + at, max_of(0, min_of(kGroup, q.k - at)), x, i / x.groups,
                     i % x.groups);
    }
  });
  if (has_vnni()) {
    multiply_type<true>(q, x);
  } else {
    multiply_type<false>(q, x);
  }
}

}  // namespace lamina::LAMINA_ISA
