// The elementwise laws: value beside gradient, each written once over any vector type. The same text serves
// every ISA and device: whoever includes it brings the vocabulary first (simd/math.h on the CPU).
//
// UnaryLaw<op>:   value(x, a, b); gradient(g, s, a, b) = g f'(x), s the output where slope_from_output(op),
// else the input. BinaryLaw<op>:  value(x, y, a). TernaryLaw<op>: value(x, y, z, a). a and b are the
// parameters that kernels.h names in brackets. Kinks and special values follow PyTorch.
#pragma once

#include "kernels/formulas/activation.h"
#include "kernels/formulas/arithmetic.h"
#include "kernels/formulas/binary.h"
#include "kernels/formulas/elementary.h"
#include "kernels/formulas/integer.h"
