"""Special functions under the names of ``torch.special``."""

# ruff: noqa: F401, F403  (what is imported here is what is offered)
from lamina._core import (
    digamma,
    erf,
    erfc,
    erfinv,
    exp2,
    expm1,
    log1p,
    log_softmax,
    logsumexp,
    round,
    sinc,
    softmax,
    xlogy,
)
from lamina._core import digamma as psi
from lamina._core import lgamma as gammaln
from lamina._core import sigmoid as expit
from lamina.argument import guard
from lamina.elementwise import logit
from lamina.special.airy import airy_ai
from lamina.special.bessel import (
    bessel_j0,
    bessel_j1,
    bessel_y0,
    bessel_y1,
    i0,
    i0e,
    i1,
    i1e,
    modified_bessel_i0,
    modified_bessel_i1,
    modified_bessel_k0,
    modified_bessel_k1,
    scaled_modified_bessel_k0,
    scaled_modified_bessel_k1,
    spherical_bessel_j0,
)
from lamina.special.gamma import *
from lamina.special.gamma import igamma as gammainc
from lamina.special.gamma import igammac as gammaincc
from lamina.special.normal import *
from lamina.special.polynomial import *

guard(globals(), __name__)
