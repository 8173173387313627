"""Transforms of functions, which nest: `grad`, `vjp`, `jvp`, `jacrev`, `jacfwd`, `hessian`, `vmap`, `linearize`; and
modules as functions: `functional_call`.

They take tensors, and NumPy and CuPy arrays too: the function then receives tensors over the arrays' memory, and what
comes back is arrays of the same device. Arguments and results may be nested in lists, tuples and dicts. Parameters that
mean the same everywhere:

- `argnums`: the position of the argument to differentiate by, or a tuple of several;
- `has_aux`: `func` returns a pair, of which the second part is anything else that the caller wants;
- `chunk_size`: how many elements to do at once, to save memory; None: all;
- `randomness`: what random functions do inside; as for `vmap`.
"""

from tapegrad.autograd.transforms.vmap import vmap
from tapegrad.func.forward import hessian, jacfwd, jvp, linearize
from tapegrad.func.module import functional_call, stack_module_state
from tapegrad.func.reverse import grad, grad_and_value, jacrev, value_and_grad, vjp

__all__ = [
    "functional_call",
    "grad",
    "grad_and_value",
    "hessian",
    "jacfwd",
    "jacrev",
    "jvp",
    "linearize",
    "stack_module_state",
    "value_and_grad",
    "vjp",
    "vmap",
]
