"""`tapegrad.autograd`, as type checkers see it. Written by tests/tools/make_stubs.py."""

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

from tapegrad.autograd import forward_ad as forward_ad, functional as functional, graph as graph, profiler as profiler
from tapegrad.autograd.anomaly_mode import detect_anomaly as detect_anomaly, set_detect_anomaly as set_detect_anomaly
from tapegrad.autograd.functions.function import Function as Function
from tapegrad.autograd.gradcheck.check import gradcheck as gradcheck, gradgradcheck as gradgradcheck
from tapegrad.autograd.graph import GradientEdge
from tapegrad.autograd.modes.grad_mode import (
    enable_grad as enable_grad,
    inference_mode as inference_mode,
    is_multithreading_enabled as is_multithreading_enabled,
    no_grad as no_grad,
    set_grad_enabled as set_grad_enabled,
    set_multithreading_enabled as set_multithreading_enabled,
)

K = TypeVar("K")
Variable = Tensor

def backward(
    tensors: Tensor | GradientEdge | Sequence[Tensor | GradientEdge],
    grad_tensors: Tensor | Sequence[Tensor | None] | None = None,
    retain_graph: _bool | None = None,
    create_graph: _bool = False,
    inputs: Tensor | GradientEdge | Sequence[Tensor | GradientEdge] | None = None,
) -> None:
    """Accumulate the gradients of `tensors` into the leaves they were computed from."""

@overload
def grad(
    outputs: Tensor | GradientEdge | Sequence[Tensor | GradientEdge],
    inputs: Tensor | GradientEdge | Sequence[Tensor | GradientEdge],
    grad_outputs: Tensor | Sequence[Tensor | None] | None = None,
    retain_graph: _bool | None = None,
    create_graph: _bool = False,
    only_inputs: _bool = True,
    allow_unused: Literal[False] | None = None,
    is_grads_batched: _bool = False,
    materialize_grads: _bool = False,
) -> tuple[Tensor, ...]:
    """The gradients of the sum of `outputs` with respect to `inputs`; ``.grad`` is left alone."""

@overload
def grad(
    outputs: Tensor | GradientEdge | Sequence[Tensor | GradientEdge],
    inputs: Tensor | GradientEdge | Sequence[Tensor | GradientEdge],
    grad_outputs: Tensor | Sequence[Tensor | None] | None = None,
    retain_graph: _bool | None = None,
    create_graph: _bool = False,
    only_inputs: _bool = True,
    allow_unused: _bool | None = None,
    is_grads_batched: _bool = False,
    materialize_grads: _bool = False,
) -> tuple[Tensor | None, ...]: ...
@overload
def grad(
    outputs: Tensor | GradientEdge | Sequence[Tensor | GradientEdge],
    inputs: dict[K, Tensor],
    grad_outputs: Tensor | Sequence[Tensor | None] | None = None,
    retain_graph: _bool | None = None,
    create_graph: _bool = False,
    only_inputs: _bool = True,
    allow_unused: _bool | None = None,
    is_grads_batched: _bool = False,
    materialize_grads: _bool = False,
) -> dict[K, Tensor]: ...
