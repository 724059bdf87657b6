// The elementary functions over any float vector of the vocabulary. Float: within a few ulp everywhere;
// double: vector code where it is common in networks, else libm lane by lane. Which function an op uses is
// said in kernels/.
#pragma once

#include "simd/math/error.h"
#include "simd/math/exponential.h"
#include "simd/math/gamma.h"
#include "simd/math/logarithm.h"
#include "simd/math/power.h"
#include "simd/math/trigonometry.h"
