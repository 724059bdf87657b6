// The part of the contract (kernels.h) that speaks of images (contiguous N, C, H, W).
#pragma once

#include <cstdint>

#include "base/dtype.h"
#include "kernels/gemm.h"

namespace lamina {

struct Conv2d {
  Dtype dtype;
  int64_t n, c, h, w;  // input (n, c, h, w)
  int64_t oc, oh, ow;  // output (n, oc, oh, ow)
  int64_t kh, kw;      // weight (oc, c / groups, kh, kw)
  int64_t stride_h, stride_w, pad_h, pad_w, dilation_h, dilation_w, groups;
};
// y = activation(convolution + shift + add): shift holds a value for each channel of y, add has y's shape and
// is not y. Any of them may be null. packed is null, or what conv2d_pack made of the weight, which is not
// read then.
struct ConvEnd {
  const void *shift, *add, *packed;
  Epilogue activation;
};
struct Pool2d {
  Dtype dtype;
  int64_t planes, h, w, oh, ow;  // planes = n * c
  int64_t kh, kw, stride_h, stride_w, pad_h, pad_w, dilation_h, dilation_w;
  bool count_include_pad;
  int64_t divisor;  // 0: by window size
};
// How the places along an axis are made: new place i is the sum of old places[k] times weights[k] for k from
// starts[i] to starts[i + 1]. Parts cut the new places up in order.
struct TapPart {
  int64_t begin, end;  // these new places
  int64_t low, high;   // are made of old ones from low to high: at most kTapReach, unless it is a single one
  bool run;            // each is one old place as it is, the next one the next
};
static constexpr int64_t kTapPart = 64, kTapReach = 160;  // new places of a part that is no run, and old ones
// Where all parts are runs, starts, places and weights may be null.
struct Taps {
  int64_t ins, outs, part_count;
  const int64_t *starts, *places;
  const double* weights;
  const TapPart* parts;
};
// x (planes, rows.ins, columns.ins) -> y (planes, rows.outs, columns.outs)
struct Resample {
  Dtype dtype;
  int64_t planes;
  Taps rows, columns;
};

}  // namespace lamina
