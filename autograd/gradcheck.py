"""`gradcheck` and `gradgradcheck`: derivatives held against finite differences.

A function of complex results is checked twice, its real parts and its imaginary parts each as a real function; with respect to a complex input both sides are
torch's gradient, ``d/dx + i d/dy`` of a real function of ``x + iy``.
"""
from __future__ import annotations

import itertools
import warnings
from collections.abc import Callable, Iterator
from typing import Any

import numpy as np

from tapegrad.autograd import dtypes
from tapegrad.autograd.backward import grad
from tapegrad.autograd.tensor import Tensor, from_array
from tapegrad.backends import Device, backend, backend_for


class GradcheckError(RuntimeError):
    """What `gradcheck` and `gradgradcheck` raise where derivatives are wrong."""


def _tuple(value: Any) -> tuple[Any, ...]:
    return tuple(value) if isinstance(value, (tuple, list)) else (value,)


def _wanted(inputs: tuple[Any, ...]) -> list[Tensor]:
    return [t for t in inputs if isinstance(t, Tensor) and t.requires_grad]


def _differentiable(outputs: Any) -> tuple[Tensor, ...]:
    return tuple(t for t in _tuple(outputs) if t.requires_grad)


def _inexact(t: Any) -> bool:
    return isinstance(t, Tensor) and t._array.dtype in dtypes.INEXACT


def _values(t: Tensor) -> np.ndarray:
    """The values on the host, in double precision, as a vector."""
    array = backend(t._array).to_host(t._array)
    return array.astype(np.complex128 if array.dtype.kind == "c" else np.float64).reshape(-1)


def _like(t: Tensor, values: np.ndarray) -> Tensor:
    """A tensor of the shape, dtype and device of `t`."""
    array = values.astype(t._array.dtype).reshape(t._array.shape)
    return from_array(backend_for(t.device).from_host(array, t.device))


def _check_inputs(inputs: tuple[Any, ...]) -> None:
    for i, t in enumerate(inputs):
        if not (isinstance(t, Tensor) and t.requires_grad):
            continue
        if t.dtype not in (dtypes.float64, dtypes.complex128):
            warnings.warn(f"Input #{i} requires gradient and is not a double precision floating point or complex. This check will likely fail if all the "
                          "inputs are not of double precision floating point or complex. ", stacklevel=4)
        if any(stride == 0 and n > 1 for stride, n in zip(t._array.strides, t._array.shape)):
            raise RuntimeError(f"The {i}th input has a dimension with stride 0. gradcheck only supports inputs that are non-overlapping to be able to compute "
                               "the numerical gradients correctly. You should call .contiguous on the input before passing it to gradcheck.")
    if not _wanted(inputs):
        raise ValueError("gradcheck expects at least one input tensor to require gradient, but none of them have requires_grad=True.")


# ---- finite differences

def _difference(function: Callable[[], tuple[Tensor, ...]], array: Any, where: Any, step: Any, size: float) -> list[np.ndarray | None]:
    """The change of each result per unit when ``array[where]`` changes by plus and minus `step` times `size`; None for results without derivative.

    The array is changed in place, so the very tensors that the caller gave are what the function sees.
    """
    before = array[where].copy()
    try:
        array[where] = before + step * size
        after = function()
        array[where] = before - step * size
        ahead = function()
    finally:
        array[where] = before
    changes: list[np.ndarray | None] = []
    for i, (a, b) in enumerate(zip(after, ahead)):
        if not _inexact(a):
            changes.append(None)
            continue
        place = f"for output {i}" if len(after) > 1 else ""
        if a.shape != b.shape:
            raise AssertionError(f"Expected `func` to return outputs with the same shape when inputs are perturbed on index {i} by {size}, but got: shapes "
                                 f"{a.shape} and {b.shape} {place}.")
        changes.append((_values(a) - _values(b)) / (2 * size))
    return changes


def _results(function: Callable[..., Any], inputs: tuple[Any, ...]) -> tuple[Any, ...]:
    """What `function` returns, in memory of its own: it may return its input."""
    return tuple(out.clone() if isinstance(out, Tensor) else out for out in _tuple(function(*inputs)))


def _numerical(function: Callable[..., Any], inputs: tuple[Any, ...], t: Tensor, eps: float) -> list[np.ndarray | None]:
    """For each result the matrix of its derivatives, elements of `t` by elements of the result."""
    def call() -> tuple[Any, ...]:
        return _results(function, inputs)

    array = t._array
    columns: list[list[np.ndarray | None]] = []
    for where in itertools.product(*(range(n) for n in array.shape)):
        change = _difference(call, array, where, 1, eps)
        if array.dtype.kind == "c":
            change = [None if x is None or y is None else x + 1j * y for x, y in zip(change, _difference(call, array, where, 1j, eps))]
        columns.append(change)
    if not columns:
        return [np.zeros((0, out._array.size)) if _inexact(out) else None for out in _tuple(function(*inputs))]
    return [None if parts[0] is None else np.stack(parts) for parts in zip(*columns)]


# ---- derivatives

def _vector_products(output: Tensor, wanted: list[Tensor], vectors: Iterator[np.ndarray], options: dict[str, Any]) -> list[np.ndarray]:
    """For each wanted input the products of `vectors` with the matrix of derivatives, elements by vectors. Each is made twice, to see whether they repeat."""
    same_shapes = same_dtypes = repeats = True
    products: list[list[np.ndarray]] = [[] for _ in wanted]
    for vector in vectors:
        seed = _like(output, vector)
        first, second = (grad(output, wanted, seed, retain_graph=True, allow_unused=True) for _ in range(2))
        for t, rows, d, again in zip(wanted, products, first, second):
            zeros = np.zeros(t._array.size)
            if d is None:
                rows.append(zeros)
                continue
            same_shapes &= d.shape == t.shape
            same_dtypes &= d.dtype == t.dtype
            rows.append(_values(d))
            other = zeros if again is None else _values(again)
            # Also false where either is NaN, unless both are.
            repeats &= bool(np.all((np.abs(rows[-1] - other) <= options["nondet_tol"]) | (np.isnan(rows[-1]) & np.isnan(other))))
    if not same_dtypes and options["check_grad_dtypes"]:
        raise GradcheckError("Gradient has dtype mismatch")
    if not same_shapes:
        raise GradcheckError("Analytical gradient has incorrect size")
    if not repeats:
        raise GradcheckError("Backward is not reentrant, i.e., running backward with same input and grad_output multiple times gives different values, "
                             f"although analytical gradient matches numerical gradient.The tolerance for nondeterminism was {options['nondet_tol']}.")
    return [np.stack(rows, 1) if rows else np.zeros((t._array.size, 0)) for t, rows in zip(wanted, products)]


def _analytical(output: Tensor, wanted: list[Tensor], options: dict[str, Any]) -> list[np.ndarray]:
    """For each wanted input the matrix of derivatives of `output`, as `_numerical` gives it."""
    return _vector_products(output, wanted, iter(np.eye(output._array.size)), options)


def _close(a: np.ndarray, n: np.ndarray, rtol: float, atol: float) -> bool:
    return bool(np.allclose(a, n, rtol, atol))


def _mismatch(i: int, j: int, analytical: Any, numerical: Any, part: str) -> str:
    prefix = f"While considering the {part} part of complex outputs only, " if part else ""
    shown = [from_array(np.asarray(m)) for m in (numerical, analytical)]
    return f"{prefix}Jacobian mismatch for output {i} with respect to input {j},\nnumerical:{shown[0]}\nanalytical:{shown[1]}\n"


def _check(function: Callable[..., Any], inputs: tuple[Any, ...], options: dict[str, Any], part: str) -> None:
    """Compare whole matrices."""
    outputs = _tuple(function(*inputs))
    wanted = _wanted(inputs)
    numerical = [_numerical(function, inputs, t, options["eps"]) for t in wanted]
    flows = [i for i, out in enumerate(outputs) if out.requires_grad]
    if not flows:
        if any(matrix is not None and matrix.any() for matrices in numerical for matrix in matrices):
            raise GradcheckError("Numerical gradient for function expected to be zero")
        return
    for number, i in enumerate(flows):
        for j, a in enumerate(_analytical(outputs[i], wanted, options)):
            n = numerical[j][i]
            assert n is not None
            if not _close(a, n, options["rtol"], options["atol"]):
                raise GradcheckError(_mismatch(number, j, a, n, part))


def _unit(rng: np.random.Generator, t: Tensor, is_complex: bool) -> np.ndarray:
    """A vector of length one with no negative component."""
    vector = rng.random(t._array.size)
    if is_complex:
        vector = vector + 1j * rng.random(t._array.size)
    return vector / max(float(np.linalg.norm(vector)), 1e-300)


def _check_fast(function: Callable[..., Any], inputs: tuple[Any, ...], options: dict[str, Any], part: str) -> None:
    """Compare ``v J u`` for one random `v` and `u` instead of the matrix `J`."""
    rng = np.random.default_rng(0)
    outputs = _tuple(function(*inputs))
    wanted = _wanted(inputs)
    u = [_unit(rng, t, t._array.dtype.kind == "c") for t in wanted]
    directions = [_directional(function, inputs, t, x, options["eps"]) for t, x in zip(wanted, u)]
    flows = [i for i, out in enumerate(outputs) if out.requires_grad]
    if not flows:
        if any(change is not None and np.abs(change).max(initial=0) > options["nondet_tol"] for changes in directions for change in changes):
            raise GradcheckError("Numerical gradient for function expected to be zero")
        return
    for number, i in enumerate(flows):
        v = _unit(rng, outputs[i], False)
        for j, product in enumerate(_vector_products(outputs[i], wanted, iter([v]), options)):
            # The real inner product of the gradient and the direction, on both sides.
            a = np.sum(product[:, 0].real * u[j].real + product[:, 0].imag * u[j].imag)
            n = directions[j][i] @ v
            atol = options["atol"] * (u[j].real.sum() + u[j].imag.sum()) * v.sum()
            if not _close(a, n, options["rtol"], atol):
                slow = _numerical(function, inputs, wanted[j], options["eps"])[i]
                exact = _analytical(outputs[i], wanted, options)[j]
                assert slow is not None
                raise GradcheckError(
                    f"{_mismatch(number, j, a, n, part)}\nThe above quantities relating the numerical and analytical jacobians are computed \nin fast "
                    f"mode. Below, we recompute numerical and analytical jacobians in slow mode:\n\nNumerical:\n {from_array(slow)}\n"
                    f"Analytical:\n{from_array(exact)}\n\nThe max per-element difference (slow mode) is: {np.abs(slow - exact).max()}.\n")


def _directional(function: Callable[..., Any], inputs: tuple[Any, ...], t: Tensor, u: np.ndarray, eps: float) -> list[np.ndarray | None]:
    """The derivative of each result when `t` moves along `u`."""
    return _difference(lambda: _results(function, inputs), t._array, ..., _like(t, u)._array, eps)


# ---- zeros

def _check_zero_seeds(outputs: tuple[Tensor, ...], wanted: list[Tensor]) -> None:
    if not outputs:
        return
    zeros = [_like(out, np.zeros(out._array.size)) for out in outputs]
    for d, t in zip(grad(outputs, wanted, zeros, retain_graph=True, allow_unused=True), wanted):
        if d is None:
            continue
        if _values(d).any():
            raise GradcheckError("backward not multiplied by grad_output")
        if d.dtype != t.dtype:
            raise GradcheckError("grad is incorrect type")
        if d.device != t.device:
            raise GradcheckError("grad is incorrect device")
        if d.shape != t.shape:
            raise GradcheckError("grad is incorrect size")


def _check_missing_seeds(function: Callable[..., Any], inputs: tuple[Any, ...]) -> None:
    """Leave out the gradient of one result at a time."""
    notes = 'Please look at "Notes about undefined output gradients" in "tools/autograd/derivatives.yaml"'
    count = len(_differentiable(function(*inputs)))
    for i in range(count if count > 1 else 0):
        outputs = [out for k, out in enumerate(_differentiable(function(*inputs))) if k != i]
        zeros = [_like(out, np.zeros(out._array.size)) for out in outputs]
        try:
            found = grad(outputs, _wanted(inputs), zeros, allow_unused=True)
        except RuntimeError as error:
            raise GradcheckError(f"Expected backward function to handle undefined output grads. {notes}") from error
        if any(d is not None and _values(d).any() for d in found):
            raise GradcheckError(f"Expected all input grads to be undefined or zero when all output grads are undefined or zero. {notes}")


def _only(part: str, function: Callable[..., Any]) -> Callable[..., tuple[Any, ...]]:
    """`function` with the real or imaginary part of its complex results."""
    def parts(*inputs: Any) -> tuple[Any, ...]:
        return tuple(getattr(out, part) if isinstance(out, Tensor) and out._array.dtype.kind == "c" else out for out in _tuple(function(*inputs)))

    return parts


def _unsupported(**asked: bool) -> None:
    for name, on in asked.items():
        if on:
            raise NotImplementedError(f"{name}=True is not supported")


def gradcheck(func: Callable[..., Any], inputs: Any, *, eps: float = 1e-6, atol: float = 1e-5, rtol: float = 1e-3, raise_exception: bool = True,
              nondet_tol: float = 0.0, check_undefined_grad: bool = True, check_grad_dtypes: bool = False, check_batched_grad: bool = False,
              check_batched_forward_grad: bool = False, check_forward_ad: bool = False, check_backward_ad: bool = True, fast_mode: bool = False,
              masked: bool | None = None) -> bool:
    """Hold the gradients of a function against central differences.

    Args:
        func: takes tensors, and returns a tensor or a tuple of them.
        inputs: a tensor, or a tuple; those that require grad, float64 or complex128, are checked.
        eps: the step of the differences.
        atol: absolute tolerance.
        rtol: relative tolerance.
        raise_exception: raise where a check fails; otherwise return False.
        nondet_tol: by how much a repeated backward may differ.
        check_undefined_grad: also leave out the gradient of one result at a time.
        check_grad_dtypes: gradients must have their input's dtype.
        check_batched_grad: only False.
        check_batched_forward_grad: only False.
        check_forward_ad: only False.
        check_backward_ad: only True.
        fast_mode: compare along random directions instead of element by element.
        masked: accepted for torch's sake; there are no sparse tensors.

    Returns:
        True where all agree.

    Raises:
        GradcheckError: something differs; the message says what.
        ValueError: no input requires grad.

    Example:
        >>> import tapegrad
        >>> x = tapegrad.tensor([1.0, 2.0], dtype=tapegrad.float64, requires_grad=True)
        >>> tapegrad.autograd.gradcheck(lambda x: x * x, x)
        True
    """
    if not (check_forward_ad or check_backward_ad):
        raise AssertionError("Expected at least one of check_forward_ad or check_backward_ad to be True")
    _unsupported(check_batched_grad=check_batched_grad, check_batched_forward_grad=check_batched_forward_grad, check_forward_ad=check_forward_ad)
    options = {"eps": eps, "atol": atol, "rtol": rtol, "nondet_tol": nondet_tol, "check_grad_dtypes": check_grad_dtypes}
    given = _tuple(inputs)
    try:
        _check_inputs(given)
        check = _check_fast if fast_mode else _check
        first = _tuple(func(*given))
        if any(isinstance(out, Tensor) and out._array.dtype.kind == "c" for out in first):
            check(_only("imag", func), given, options, "imaginary")
            check(_only("real", func), given, options, "real")
        else:
            check(func, given, options, "")
        _check_zero_seeds(_differentiable(first), _wanted(given))
        if check_undefined_grad:
            _check_missing_seeds(func, given)
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
    if t._array.dtype.kind == "c":
        values = values + 1j * rng.uniform(-1, 1, whole)
    device: Device = t.device
    array = backend_for(device).from_host(np.asarray(values, t._array.dtype if t._array.dtype in dtypes.INEXACT else np.float64), device)
    return from_array(array[..., ::2] if whole != shape else array).requires_grad_()


def gradgradcheck(func: Callable[..., Any], inputs: Any, grad_outputs: Any = None, *, eps: float = 1e-6, atol: float = 1e-5, rtol: float = 1e-3,
                  gen_non_contig_grad_outputs: bool = False, raise_exception: bool = True, nondet_tol: float = 0.0, check_undefined_grad: bool = True,
                  check_grad_dtypes: bool = False, check_batched_grad: bool = False, check_fwd_over_rev: bool = False, check_rev_over_rev: bool = True,
                  fast_mode: bool = False, masked: bool = False) -> bool:
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
        check_batched_grad: only False.
        check_fwd_over_rev: only False.
        check_rev_over_rev: only True.
        fast_mode: compare along random directions instead of element by element.
        masked: accepted for torch's sake; there are no sparse tensors.

    Returns:
        True where all agree.

    Raises:
        GradcheckError: something differs; the message says what.

    Example:
        >>> import tapegrad
        >>> x = tapegrad.tensor([1.0, 2.0], dtype=tapegrad.float64, requires_grad=True)
        >>> tapegrad.autograd.gradgradcheck(lambda x: x * x * x, x)
        True
    """
    if not (check_fwd_over_rev or check_rev_over_rev):
        raise AssertionError("Expected at least one of check_fwd_over_rev or check_rev_over_rev to be True")
    _unsupported(check_fwd_over_rev=check_fwd_over_rev)
    given = _tuple(inputs)
    if grad_outputs is None:
        seeds = tuple(_random_like(t, gen_non_contig_grad_outputs) for t in _differentiable(func(*given)))
    else:
        seeds = _tuple(grad_outputs)

    def first_derivative(*args: Any) -> tuple[Any, ...]:
        arguments, cotangents = args[:len(given)], args[len(given):]
        found = grad(_differentiable(func(*arguments)), _wanted(arguments), cotangents, create_graph=True, allow_unused=True)
        return tuple(d for d in found if d is not None)

    return gradcheck(first_derivative, given + seeds, eps=eps, atol=atol, rtol=rtol, raise_exception=raise_exception, nondet_tol=nondet_tol,
                     check_undefined_grad=check_undefined_grad, check_grad_dtypes=check_grad_dtypes, check_batched_grad=check_batched_grad, fast_mode=fast_mode,
                     masked=masked)


__all__ = ["GradcheckError", "gradcheck", "gradgradcheck"]
