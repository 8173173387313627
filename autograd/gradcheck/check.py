"""`gradcheck` and `gradgradcheck`: derivatives held against finite differences.

In reverse mode a function of complex results is checked twice, its real parts and its imaginary parts each as a real
function; in forward mode a function of complex inputs is, as a function of their real parts and of their imaginary
parts.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np

from tapegrad.autograd.core.tensor import Tensor, from_array
from tapegrad.autograd.gradcheck.case import (
    Case,
    GradcheckError,
    Settings,
    as_tuple,
    check_inputs,
    differentiable,
    wanted_of,
)
from tapegrad.autograd.tape.backward import grad
from tapegrad.autograd.types import dtypes
from tapegrad.backends import backend_for


def gradcheck(
    func: Callable[..., Any],
    inputs: Any,
    *,
    eps: float = 1e-6,
    atol: float = 1e-5,
    rtol: float = 1e-3,
    raise_exception: bool = True,
    nondet_tol: float = 0.0,
    check_undefined_grad: bool = True,
    check_grad_dtypes: bool = False,
    check_batched_grad: bool = False,
    check_batched_forward_grad: bool = False,
    check_forward_ad: bool = False,
    check_backward_ad: bool = True,
    fast_mode: bool = False,
    masked: bool | None = None,
) -> bool:
    """Hold the derivatives of a function against central differences.

    Args:
        func: takes tensors, and returns a tensor or a tuple of them.
        inputs: a tensor, or a tuple; those that require grad, float64 or complex128, are checked.
        eps: the step of the differences.
        atol: absolute tolerance.
        rtol: relative tolerance.
        raise_exception: raise where a check fails; otherwise return False.
        nondet_tol: by how much a repeated backward may differ.
        check_undefined_grad: also leave out the gradient of one result at a time, and in forward mode the tangent of
            one input.
        check_grad_dtypes: gradients must have their input's dtype; in forward mode, tangents must be complex where the
            result is.
        check_batched_grad: backward passes under `vmap` must give what they give one by one.
        check_batched_forward_grad: forward mode under `vmap` must give what it gives one by one.
        check_forward_ad: check forward mode.
        check_backward_ad: check reverse mode.
        fast_mode: compare along random directions instead of element by element.
        masked: for gradients of zero, be content with results that are nearly zero; there are no sparse tensors for
            which it would mean more.

    Returns:
        True where all agree.

    Raises:
        GradcheckError: something differs; the message says what.
        ValueError: no input requires grad.
        AssertionError: options that exclude each other; results whose shapes depend on the inputs' values.

    Example:
        >>> x = tapegrad.tensor([1.0, 2.0], dtype=tapegrad.float64, requires_grad=True)
        >>> tapegrad.autograd.gradcheck(lambda x: x * x, x, check_forward_ad=True)
        True
    """
    if not (check_forward_ad or check_backward_ad):
        raise AssertionError("Expected at least one of check_forward_ad or check_backward_ad to be True")
    if check_batched_grad and not check_backward_ad:
        raise AssertionError("Setting check_batched_grad=True requires check_backward_ad to be True")
    if check_batched_forward_grad and not check_forward_ad:
        raise AssertionError("Setting check_batched_forward_grad=True requires check_forward_ad to be True")
    given = as_tuple(inputs)
    from tapegrad.autograd.gradcheck import checks  # brings forward mode with it

    check_inputs(given)
    settings = Settings(eps, atol, rtol, nondet_tol, check_grad_dtypes, fast_mode, bool(masked))
    try:
        case = Case(func, given, as_tuple(func(*given)), settings)
        if check_backward_ad:
            checks.check_reverse(case)
        if check_forward_ad:
            checks.check_forward(case, check_undefined_grad)
        if check_batched_forward_grad:
            checks.check_batched_tangents(case)
        if check_backward_ad:
            checks.check_backward(case, check_batched_grad, check_undefined_grad)
    except GradcheckError:
        if raise_exception:
            raise
        return False
    return True


def _random_like(t: Tensor, strided: bool) -> Tensor:
    """A tensor of random numbers from -1 to 1, of the shape of `t`."""
    rng = np.random.default_rng(t._array.size)
    shape = t._array.shape
    whole = (*shape[:-1], 2 * shape[-1]) if strided and shape else shape
    values = rng.uniform(-1, 1, whole)
    if t.is_complex():
        values = values + 1j * rng.uniform(-1, 1, whole)
    array = backend_for(t.device).from_host(
        np.asarray(values, t._array.dtype if dtypes.is_inexact(t._array.dtype) else np.float64), t.device
    )
    return from_array(array[..., ::2] if whole != shape else array).requires_grad_()


def gradgradcheck(
    func: Callable[..., Any],
    inputs: Any,
    grad_outputs: Any = None,
    *,
    eps: float = 1e-6,
    atol: float = 1e-5,
    rtol: float = 1e-3,
    gen_non_contig_grad_outputs: bool = False,
    raise_exception: bool = True,
    nondet_tol: float = 0.0,
    check_undefined_grad: bool = True,
    check_grad_dtypes: bool = False,
    check_batched_grad: bool = False,
    check_fwd_over_rev: bool = False,
    check_rev_over_rev: bool = True,
    fast_mode: bool = False,
    masked: bool = False,
) -> bool:
    """Hold the second derivatives of a function against central differences of the first.

    Args:
        func: takes tensors, and returns a tensor or a tuple of them.
        inputs: a tensor, or a tuple; those that require grad, float64 or complex128, are checked.
        grad_outputs: the gradient of each result; random numbers if not given.
        eps: the step of the differences.
        atol: absolute tolerance.
        rtol: relative tolerance.
        gen_non_contig_grad_outputs: the random gradients are not contiguous.
        raise_exception: raise where a check fails; otherwise return False.
        nondet_tol: by how much a repeated backward may differ.
        check_undefined_grad: also leave out the gradient of one result at a time.
        check_grad_dtypes: gradients must have their input's dtype.
        check_batched_grad: backward passes under `vmap` must give what they give one by one.
        check_fwd_over_rev: check forward mode of the first derivative.
        check_rev_over_rev: check reverse mode of the first derivative.
        fast_mode: compare along random directions instead of element by element.
        masked: as for `gradcheck`.

    Returns:
        True where all agree.

    Raises:
        GradcheckError: something differs; the message says what.
        AssertionError: options that exclude each other.

    Example:
        >>> x = tapegrad.tensor([1.0, 2.0], dtype=tapegrad.float64, requires_grad=True)
        >>> tapegrad.autograd.gradgradcheck(lambda x: x * x * x, x)
        True
    """
    if not (check_fwd_over_rev or check_rev_over_rev):
        raise AssertionError("Expected at least one of check_fwd_over_rev or check_rev_over_rev to be True")
    for name, on in (("check_undefined_grad", check_undefined_grad), ("check_batched_grad", check_batched_grad)):
        if on and not check_rev_over_rev:
            raise AssertionError(f"Setting {name}=True requires check_rev_over_rev to be True")
    given = as_tuple(inputs)
    if grad_outputs is None:
        seeds = tuple(_random_like(t, gen_non_contig_grad_outputs) for t in differentiable(func(*given)))
    else:
        seeds = as_tuple(grad_outputs)
    arguments = given + seeds
    wanted = set(wanted_of(arguments))

    def first_derivative(*args: Any) -> tuple[Any, ...]:
        # In forward mode they come without.
        args = tuple(t.requires_grad_() if n in wanted else t for n, t in enumerate(args))
        inputs, cotangents = args[: len(given)], args[len(given) :]
        found = grad(
            differentiable(func(*inputs)),
            [inputs[n] for n in wanted_of(given)],
            cotangents,
            create_graph=True,
            allow_unused=True,
        )
        return tuple(d for d in found if d is not None)

    return gradcheck(
        first_derivative,
        arguments,
        eps=eps,
        atol=atol,
        rtol=rtol,
        raise_exception=raise_exception,
        nondet_tol=nondet_tol,
        check_undefined_grad=check_undefined_grad,
        check_grad_dtypes=check_grad_dtypes,
        check_batched_grad=check_batched_grad,
        fast_mode=fast_mode,
        check_forward_ad=check_fwd_over_rev,
        check_backward_ad=check_rev_over_rev,
        masked=masked,
    )


__all__ = ["GradcheckError", "gradcheck", "gradgradcheck"]
