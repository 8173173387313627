"""What crosses between the host and the strict device while it is watched: where in the program, how much, and what to
write instead.
"""

from __future__ import annotations

import linecache
import sys
import textwrap
import threading
from collections.abc import Callable
from dataclasses import dataclass, field
from types import CodeType, FrameType
from typing import Any

from tapegrad.autograd.core.node import Node
from tapegrad.autograd.modes.observers import Pull, Watcher
from tapegrad.backends.strict.transfers import DEVICE_TO_HOST, HOST_TO_DEVICE, SYNCHRONISATION
from tapegrad.utils.device_check.users import is_users
from tapegrad.utils.inspect.values import bytes_text

WORDS = {
    HOST_TO_DEVICE: "copy to the device",
    DEVICE_TO_HOST: "copy to the host, which waits for the device",
    SYNCHRONISATION: "wait for the device",
}


@dataclass
class Crossing:
    """A line of the program that copies to or from the device, or waits for it.

    Attributes:
        kind: "host_to_device", "device_to_host" (which waits for the device too) or "synchronisations" (a wait without
            a copy).
        op: what the line calls that does it.
        cause: what the device was asked to do.
        asked: whether the line says so plainly, as ``.item()`` and ``.cpu()`` do.
        times: how often it happened.
        bytes: of all copies; None where that is not known.
    """

    kind: str
    op: str
    cause: str
    asked: bool
    file: str
    line: int
    source: str
    times: int = 0
    bytes: int | None = field(default=None)

    @property
    def place(self) -> str:
        """``file:line``."""
        return f"{self.file}:{self.line}" if self.line else self.file

    @property
    def advice(self) -> str:
        """What to write instead; empty where there is nothing to say."""
        return advice(self.kind, self.op, self.cause)

    def __str__(self) -> str:
        size = "" if self.bytes is None else f", {bytes_text(self.bytes)}"
        lines = [
            f"{self.place}: {self.source}",
            f"    {WORDS[self.kind]}, by {self.op}{size}{f', {self.times} times' if self.times > 1 else ''}",
        ]
        if self.advice:
            lines += textwrap.wrap(f"instead: {self.advice}", 110, initial_indent="    ", subsequent_indent="        ")
        return "\n".join(lines)


#: the functions behind Python's protocols -> what the program wrote
_PROTOCOLS = {
    "_backward_from": "backward()",
    "tensor_repr": "repr()",
    "_bool": "bool()",
    "_float": "float()",
    "_int": "int()",
    "_complex": "complex()",
    "_index": "__index__",
    "_contains": "in",
    "__repr__": "repr()",
    "__format__": "format()",
    "getitem": "indexing",
    "setitem": "assignment",
}
#: parts of the names of functions that only lead to what the program called
_ON_THE_WAY = ("<locals>", "forward", "__call__")
#: calls whose copies count as hidden: the program asks for the call, not for the copy
_IN_PASSING = ("backward()", "grad()", "assignment", "indexing")


class RunningNode(Watcher, threading.local):
    """Observes passes: the node that runs in this thread."""

    running: Node | None = None

    def pull(self, pull: Pull, node: Node, grad: Any, graph: bool) -> tuple[Any, ...]:
        outer, self.running = self.running, node
        try:
            return super().pull(pull, node, grad, graph)
        finally:
            self.running = outer


class Collector:
    """Collects crossings of the strict device; to be given to `watching`.

    Args:
        within: the frame whose callees are watched.
        refuse: called with each crossing; may raise.
        found: where new ones are added.
    """

    def __init__(self, within: FrameType, refuse: Callable[[Crossing], None], found: list[Crossing]) -> None:
        self._within = within
        self._refuse = refuse
        self._list = found
        self._found: dict[tuple[str, str, str, bool, str, int], Crossing] = {}
        self._lock = threading.Lock()
        self._copied = threading.local()
        self.nodes = RunningNode()

    def __call__(self, kind: str, cause: str, size: int | None, asked: bool) -> None:
        # A copy to the host is reported as a copy and then as a wait.
        if kind == SYNCHRONISATION and getattr(self._copied, "cause", None) == cause:
            self._copied.cause = None
            return
        self._copied.cause = cause if kind == DEVICE_TO_HOST else None
        op, offloaded, file, line = self._where(cause)
        asked = asked and (offloaded or not op.startswith(_IN_PASSING))
        with self._lock:
            key = kind, op, cause, asked, file, line
            crossing = self._found.get(key)
            if crossing is None:
                crossing = self._found[key] = Crossing(
                    kind, op, cause, asked, file, line, linecache.getline(file, line).strip()
                )
                self._list.append(crossing)
            crossing.times += 1
            if size is not None:
                crossing.bytes = (crossing.bytes or 0) + size
        self._refuse(crossing)

    def _where(self, cause: str) -> tuple[str, bool, str, int]:
        """What was called that crosses, whether that keeps saved tensors on the host, and the user's line that called
        it.
        """
        frame: FrameType | None = sys._getframe(2)
        op, offloaded, named, last = cause, False, False, None
        node = f" of {self.nodes.running.name()}" if self.nodes.running is not None else ""
        while frame is not None and frame is not self._within:
            module, code = frame.f_globals.get("__name__", ""), frame.f_code
            if is_users(code, frame.f_globals):
                return f"{op}{node}", offloaded, code.co_filename, frame.f_lineno
            if not module.startswith("tapegrad.backends") and (
                module.startswith("tapegrad") or code.co_filename.startswith("<tapegrad op")
            ):
                if not named or not (op == "__index__" or any(word in code.co_qualname for word in _ON_THE_WAY)):
                    op, named = _named(code), True
                offloaded = offloaded or module == "tapegrad.autograd.saved.hooks"
            last = frame
            frame = frame.f_back
        # In a thread that no line of the user's started.
        return f"{op}{node}", offloaded, "" if last is None else last.f_code.co_filename, 0


def _named(code: CodeType) -> str:
    """What a function of tapegrad's is called by users."""
    file, name = code.co_filename, code.co_qualname
    if file.startswith("<tapegrad op"):
        return f"{file.split()[-1].rstrip('>')}()"
    return _PROTOCOLS.get(code.co_name, f"{name.rpartition('<locals>.')[2].removeprefix('Tensor.')}()")


# ---- what to write instead

_READS = (
    "add losses and counts up in a tensor on the device (total += loss.detach()), and read it once after the "
    "loop, or every hundredth step"
)
_CHOICES = (
    "let the device choose: where(condition, a, b), clamp, or multiplying by the mask; or decide by what the "
    "host knows already"
)
_SIZES = (
    "keep sizes and positions as Python numbers; to select by a number on the device, gather or index_select, "
    "or mask by arange(n) < number"
)
_MASKS = (
    "the shape of the result depends on values, so the host has to wait for them: where(mask, x, 0), "
    "masked_fill, or (x * mask).sum() / mask.sum()"
)
_SHAPES = (
    "the shape of the result depends on values, so the host has to wait for them; masks, where and topk of a "
    "fixed number need no wait"
)
_INDICES = (
    "make the index a tensor on the device once, outside the loop: tensor(..., device=x.device); a slice or a "
    "Python int needs none"
)
_WRITES = "put the values on the device once, outside the loop, and assign the tensor; a Python number needs no copy"
_UPLOADS = (
    "make it once, outside the loop, or on the device itself: zeros, full, arange, rand(..., device=...); move a "
    "data set in one piece, or each batch "
    "from pinned memory with non_blocking=True"
)
_LISTS = "one tensor on the device instead of a list of its numbers: stack([a, b]) copies nothing to the host"
_JOINS = "CuPy copies a table of more than eight arrays' addresses; make one tensor first, and write the parts into it"
_BACK = "gradients go back to where a tensor of the host came from, at each backward: keep parameters on the device"


def advice(kind: str, op: str, cause: str) -> str:
    """What to write instead of something that crosses."""
    if op.startswith(("backward()", "grad()")):
        return _BACK
    if kind == HOST_TO_DEVICE:
        for text, words in ((_INDICES, ("as an index", "list of indices")), (_JOINS, ("small arrays",))):
            if any(word in cause for word in words):
                return text
        return {"indexing": _INDICES, "assignment": _WRITES}.get(op, _UPLOADS)
    if op.startswith(("tensor()", "as_tensor()")):
        return _LISTS
    if op in ("bool()", "in") or cause == "bool()":
        return _CHOICES
    if op == "__index__":
        return _SIZES
    if op in ("item()", "tolist()", "float()", "int()", "complex()", "repr()", "format()"):
        return _READS
    if kind == SYNCHRONISATION:
        if op == "indexing" or "mask" in cause or "masked_select" in op:
            return _MASKS
        return "" if "synchronize" in cause else _SHAPES
    return ""


def advice_on_error(error: BaseException) -> str:
    """What to write instead of something that a device refuses."""
    text = str(error)
    if "numpy.ndarray" in text or "and cpu!" in text or "either on cpu or on the same device" in text:
        return (
            "arrays of NumPy and tensors of the CPU do not mix with a device's: put them there once, as_tensor(a, "
            "device=x.device)"
        )
    if (
        "NumPy array" in text
        or "to numpy" in text
        or "was called on an array" in text
        or "does not support ufuncs" in text
    ):
        return (
            "NumPy's functions do not take a device's arrays: call tapegrad's of the same name, or copy to the host "
            "where that is meant, "
            "x.detach().cpu().numpy()"
        )
    return ""
