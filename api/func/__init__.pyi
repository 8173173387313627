"""`tapegrad.func`, as type checkers see it. Written by tests/tools/make_stubs.py."""

# ruff: noqa
from builtins import bool as _bool, complex as _complex, float as _float, int as _int, type as _type
from collections import OrderedDict
from collections.abc import Callable, Iterator, Sequence
from types import EllipsisType
from typing import Any, Concatenate, Literal, ParamSpec, Protocol, Self, SupportsIndex, TypeAlias, TypeVar, overload

import numpy as np
from typing_extensions import TypeIs

from tapegrad.autograd.core.tensor import Tensor
from tapegrad.autograd.ops.random.generator import Generator
from tapegrad.autograd.tape.handle import RemovableHandle
from tapegrad.autograd.types.dtypes import dtype as DType
from tapegrad.autograd.types.memory_format import memory_format as MemoryFormat
from tapegrad.autograd.types.size import Size
from tapegrad.backends.device import Device, DeviceLike

from tapegrad.func.module import stack_module_state as stack_module_state
from tapegrad.nn.module import HasForward

A = TypeVar("A")
R = TypeVar("R")
X = TypeVar("X")
P = ParamSpec("P")

class OfTensor(Protocol):
    @overload
    def __call__(self, x: Tensor, /, *args: Any, **kwargs: Any) -> Tensor: ...
    @overload
    def __call__(self, x: np.ndarray[Any, Any], /, *args: Any, **kwargs: Any) -> np.ndarray[Any, Any]: ...

def functional_call(
    module: HasForward[..., R],
    parameter_and_buffer_dicts: dict[str, Tensor] | Sequence[dict[str, Tensor]],
    args: Any = None,
    kwargs: dict[str, Any] | None = None,
    *,
    tie_weights: _bool = True,
    strict: _bool = False,
) -> R:
    """Call a module with other tensors in the places of its parameters and buffers."""

@overload
def grad(func: Callable[[Tensor], Any], argnums: Literal[0] = 0, has_aux: Literal[False] = False) -> OfTensor:
    """The function that computes the gradient of `func`, which returns a 0-d tensor; applied again, the second"""

@overload
def grad(
    func: Callable[Concatenate[Tensor, Tensor, P], Any], argnums: Literal[0] = 0, has_aux: Literal[False] = False
) -> Callable[Concatenate[Tensor, Tensor, P], Tensor]: ...
@overload
def grad(
    func: Callable[Concatenate[A, P], Any], argnums: Literal[0] = 0, has_aux: Literal[False] = False
) -> Callable[Concatenate[A, P], A]: ...
@overload
def grad(
    func: Callable[Concatenate[A, P], tuple[Any, X]], argnums: Literal[0] = 0, *, has_aux: Literal[True]
) -> Callable[Concatenate[A, P], tuple[A, X]]: ...
@overload
def grad(
    func: Callable[P, Any], argnums: tuple[_int, ...], has_aux: Literal[False] = False
) -> Callable[P, tuple[Any, ...]]: ...
@overload
def grad(func: Callable[P, Any], argnums: _int | tuple[_int, ...] = 0, has_aux: _bool = False) -> Callable[P, Any]: ...
@overload
def grad_and_value(
    func: Callable[Concatenate[Tensor, P], R], argnums: Literal[0] = 0, has_aux: _bool = False
) -> Callable[Concatenate[Tensor, P], tuple[Tensor, R]]: ...
@overload
def grad_and_value(
    func: Callable[Concatenate[A, P], R], argnums: Literal[0] = 0, has_aux: _bool = False
) -> Callable[Concatenate[A, P], tuple[A, R]]: ...
@overload
def grad_and_value(
    func: Callable[P, R], argnums: tuple[_int, ...], has_aux: _bool = False
) -> Callable[P, tuple[tuple[Any, ...], R]]: ...
@overload
def grad_and_value(
    func: Callable[P, R], argnums: _int | tuple[_int, ...] = 0, has_aux: _bool = False
) -> Callable[P, tuple[Any, R]]: ...
@overload
def hessian(func: Callable[[Tensor], Tensor], argnums: Literal[0] = 0) -> OfTensor: ...
@overload
def hessian(
    func: Callable[Concatenate[Tensor, Tensor, P], Tensor], argnums: Literal[0] = 0
) -> Callable[Concatenate[Tensor, Tensor, P], Tensor]: ...
@overload
def hessian(func: Callable[P, Any], argnums: _int | tuple[_int, ...] = 0) -> Callable[P, Any]: ...
@overload
def jacfwd(
    func: Callable[[Tensor], Tensor],
    argnums: Literal[0] = 0,
    has_aux: Literal[False] = False,
    *,
    chunk_size: _int | None = None,
    randomness: str = "error",
) -> OfTensor: ...
@overload
def jacfwd(
    func: Callable[Concatenate[A, P], Tensor],
    argnums: Literal[0] = 0,
    has_aux: Literal[False] = False,
    *,
    chunk_size: _int | None = None,
    randomness: str = "error",
) -> Callable[Concatenate[A, P], A]: ...
@overload
def jacfwd(
    func: Callable[P, Any],
    argnums: _int | tuple[_int, ...] = 0,
    has_aux: _bool = False,
    *,
    chunk_size: _int | None = None,
    randomness: str = "error",
) -> Callable[P, Any]: ...
@overload
def jacrev(
    func: Callable[[Tensor], Tensor],
    argnums: Literal[0] = 0,
    *,
    has_aux: Literal[False] = False,
    chunk_size: _int | None = None,
) -> OfTensor: ...
@overload
def jacrev(
    func: Callable[Concatenate[A, P], Tensor],
    argnums: Literal[0] = 0,
    *,
    has_aux: Literal[False] = False,
    chunk_size: _int | None = None,
) -> Callable[Concatenate[A, P], A]: ...
@overload
def jacrev(
    func: Callable[P, Any],
    argnums: _int | tuple[_int, ...] = 0,
    *,
    has_aux: _bool = False,
    chunk_size: _int | None = None,
) -> Callable[P, Any]: ...
@overload
def jvp(
    func: Callable[..., tuple[R, X]],
    primals: tuple[Any, ...],
    tangents: tuple[Any, ...],
    *,
    strict: _bool = False,
    has_aux: Literal[True],
) -> tuple[R, R, X]:
    """Compute `func`, and the product of its Jacobian and a vector, in one pass."""

@overload
def jvp(
    func: Callable[..., R],
    primals: tuple[Any, ...],
    tangents: tuple[Any, ...],
    *,
    strict: _bool = False,
    has_aux: Literal[False] = False,
) -> tuple[R, R]: ...
def linearize(func: Callable[..., R], *primals: Any) -> tuple[R, Callable[..., R]]: ...
@overload
def value_and_grad(
    func: Callable[Concatenate[Tensor, P], R], argnums: Literal[0] = 0, has_aux: _bool = False
) -> Callable[Concatenate[Tensor, P], tuple[R, Tensor]]:
    """The function that computes `func`, which returns a 0-d tensor, and its gradient."""

@overload
def value_and_grad(
    func: Callable[Concatenate[A, P], R], argnums: Literal[0] = 0, has_aux: _bool = False
) -> Callable[Concatenate[A, P], tuple[R, A]]: ...
@overload
def value_and_grad(
    func: Callable[P, R], argnums: tuple[_int, ...], has_aux: _bool = False
) -> Callable[P, tuple[R, tuple[Any, ...]]]: ...
@overload
def value_and_grad(
    func: Callable[P, R], argnums: _int | tuple[_int, ...] = 0, has_aux: _bool = False
) -> Callable[P, tuple[R, Any]]: ...
@overload
def vjp(
    func: Callable[..., tuple[R, X]], *primals: Any, has_aux: Literal[True]
) -> tuple[R, Callable[..., tuple[Any, ...]], X]:
    """Compute ``func(*primals)``, and return with it the function that multiplies a vector with its Jacobian."""

@overload
def vjp(
    func: Callable[..., R], *primals: Any, has_aux: Literal[False] = False
) -> tuple[R, Callable[..., tuple[Any, ...]]]: ...
def vmap(
    func: Callable[P, R],
    in_dims: Any = 0,
    out_dims: Any = 0,
    randomness: str = "error",
    *,
    chunk_size: _int | None = None,
) -> Callable[P, R]:
    """The function that applies `func` to each member of a batch, in one pass over whole arrays."""
