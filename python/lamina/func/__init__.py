"""Functions of functions: derivatives that compose, modules run with given parameters, maps over a batch."""

from lamina.func.derivative import grad, grad_and_value, hessian, jacfwd, jacrev, jvp, vjp
from lamina.func.functional_call import functional_call, stack_module_state
from lamina.func.vmap import vmap

__all__ = [
    "functional_call",
    "grad",
    "grad_and_value",
    "hessian",
    "jacfwd",
    "jacrev",
    "jvp",
    "stack_module_state",
    "vjp",
    "vmap",
]
