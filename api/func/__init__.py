"""Transforms of functions, which nest: `grad`, `vjp`, `jvp`, `jacrev`, `jacfwd`, `hessian`, `vmap`, `linearize`; and modules as functions: `functional_call`.

They take tensors, and NumPy and CuPy arrays too: the function then receives tensors over the arrays' memory, and what comes back is arrays of the same device.
Arguments may be nested in lists, tuples and dicts.
"""
from tapegrad.autograd.transforms.vmap import vmap
from tapegrad.func.forward import hessian, jacfwd, jvp, linearize
from tapegrad.func.module import functional_call, stack_module_state
from tapegrad.func.reverse import grad, grad_and_value, jacrev, value_and_grad, vjp

__all__ = ["functional_call", "grad", "grad_and_value", "hessian", "jacfwd", "jacrev", "jvp", "linearize", "stack_module_state", "value_and_grad", "vjp",
           "vmap"]
