"""`increment_version`: say that memory has been written behind the tape's back."""
from __future__ import annotations

from collections.abc import Iterable

from tapegrad.autograd.core.tensor import Tensor
from tapegrad.autograd.core.version import INFERENCE_COUNTER, bump


def increment_version(tensor: Tensor | Iterable[Tensor]) -> None:
    """Tell the tape that the memory of a tensor has been written, where it cannot know: by a kernel, or through ``tensor.array``.

    A backward pass that needs what was there before then raises. Inference tensors track no version and are left alone.

    Args:
        tensor: a tensor, or several.

    Raises:
        RuntimeError: it is none.

    Example:
        >>> x = tapegrad.ones(2, requires_grad=True)
        >>> y = x.exp()
        >>> y.array[0] = 5.0
        >>> tapegrad.autograd.graph.increment_version(y)
        >>> y._version
        1
    """
    if isinstance(tensor, Tensor):
        tensors = [tensor]
    elif isinstance(tensor, Iterable):
        tensors = list(tensor)
    else:
        raise RuntimeError("increment_version expect a Iterable[Tensor] as input")
    for t in tensors:
        if not isinstance(t, Tensor):
            raise RuntimeError("increment_version expects each element of the iterable to be a tensor")
        if t._counter is not INFERENCE_COUNTER:
            bump(t)
