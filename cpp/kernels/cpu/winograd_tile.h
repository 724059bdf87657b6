// Images cut into Winograd's tiles: some channels of some rows turned so that channels are the lanes, and
// their values at the points; and back. Who multiplies them is in winograd.h and winograd_weight.h.
#pragma once

#include "kernels/cpu/gemm_pack.h"
#include "kernels/cpu/winograd_points.h"

namespace lamina::LAMINA_ISA {

// Planes (height, width) of which tiles are cut, four places apart from -pad on.
struct Tiling {
  int64_t images, channels, height, width, pad_h, pad_w;
  int64_t down, across;  // tiles of an image

  int64_t lines() const { return images * down; }  // of tiles
  int64_t pitch() const { return kTilePlaces * across + kPoints - kTilePlaces; }
};

// A vector of channels at the points, for lines [line, line + lines) of tiles: to (point, tile, channel), the
// points `step` apart and the tiles `row`. `places` per axis are read of each tile, six of an input or four
// of a gradient, through the buffer (places, pitch, lanes).
template <class T, int places>
static void tiles_to_points(const Tiling& t, const T* x, int64_t line, int64_t lines, T* buffer, T* to,
                            int64_t row, int64_t step) {
  using V = Vec<T>;
  constexpr int width = V::width;
  const int64_t plane = t.height * t.width, pitch = t.pitch();
  for (int64_t i = line; i < line + lines; i++) {
    const T* image = x + i / t.down * t.channels * plane;
    const int64_t top = i % t.down * kTilePlaces - t.pad_h;
    for (int64_t r = 0; r < places; r++) {
      T* at = buffer + r * pitch * width;
      const bool inside = top + r >= 0 && top + r < t.height;
      const int64_t begin = inside ? t.pad_w : pitch, end = inside ? t.pad_w + t.width : pitch;
      for (int64_t p = 0; p < begin; p++) store(at + p * width, zero<V>());
      if (inside)
        pack_turned(image + (top + r) * t.width, plane, width, t.width, at + begin * width, width,
                    at + end * width);
      for (int64_t p = end; p < pitch; p++) store(at + p * width, zero<V>());
    }
    for (int64_t k = 0; k < t.across; k++, to += row) {
      const T* from = buffer + k * kTilePlaces * width;
      const auto read = [&](int r, int c) { return load<V>(from + (r * pitch + c) * width); };
      const auto write = [&](int r, int c, V v) { store(to + (r * kPoints + c) * step, v); };
      if constexpr (places == kPoints) {
        along_both<V, kPoints, kPoints>(points_of_input<V>, read, write);
      } else {
        along_both<V, kTilePlaces, kPoints>(points_of_gradient<V>, read, write);
      }
    }
  }
}

}  // namespace lamina::LAMINA_ISA
