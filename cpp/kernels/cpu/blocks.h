// How every elementwise kernel runs: a law is compiled once per type as a loop over contiguous arrays (a
// Block), and this room brings any walk to that form: it shares the work between threads, gathers strided and
// repeated operands, converts halves to float and back, and streams large results past the caches.
#pragma once

#include "kernels/cpu/loops.h"

namespace lamina::LAMINA_ISA {

// out[i] = law(in[0][i], in[1][i], ...) for i in [0, n). Halves arrive as float. `out` may be one of the
// inputs, so that plain loops over elements say ivdep: the compiler would else choose scalar code there.
using Block = void (*)(void* out, const void* const* in, int64_t n, const double* p);

// dtypes: of each operand of the walk, the output first. grain: elements worth a thread of their own.
void run_blocks(Block block, const Walk& walk, const Dtype* dtypes, const double* p, int64_t grain);

// Bytes of an element, as for_runs wants them.
LAMINA_INLINE int64_t bytes_of(Dtype dtype) { return static_cast<int64_t>(size_of(dtype)); }

// The type that a law computes in.
LAMINA_INLINE Dtype computed_in(Dtype dtype) { return is_half(dtype) ? Dtype::Float32 : dtype; }

// Elements of expensive laws (an exponential, a division) that are worth a thread.
constexpr int64_t kHeavyGrain = 8192;

// n floats to one of the halves.
void round_to_half(Dtype dtype, const void* from, void* to, int64_t n);

// Copies to memory that nobody reads soon: whole cache lines leave without having been fetched.
void stream_copy(void* out, const void* from, int64_t bytes);
// Whether results (of `size` bytes each) should be streamed: there are more of them than the caches near the
// cores would hand to the next op, in runs of several cache lines, and no input is overwritten, whose lines
// are in a cache already.
bool worth_streaming(const Walk& walk, int64_t size);

}  // namespace lamina::LAMINA_ISA
