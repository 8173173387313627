"""Notes on nodes, taken as they are made: the user's line, the shapes of the results, and their values.

A weak dictionary holds them: a note goes with its node, and holds neither tensors nor arrays. As in anomaly mode, nodes
have a constructor only while notes are taken, so at other times a node costs no more.
"""

from __future__ import annotations

import linecache
import os
import sys
import threading
import weakref
from collections.abc import Callable
from types import FrameType
from typing import Any

import numpy as np

from tapegrad.autograd.core.node import Node
from tapegrad.autograd.core.tensor import Tensor
from tapegrad.autograd.dispatch import inplace
from tapegrad.autograd.modes.observers import Call, Watcher
from tapegrad.autograd.ops.indexing import getitem as index
from tapegrad.autograd.tape.function_node import BackwardCFunction
from tapegrad.backends.threads import handed_on
from tapegrad.utils.inspect.values import array_text


class Note:
    """What was noted of a node.

    Attributes:
        inside: the innermost method ``forward`` that was running, such as ``Linear.forward``; empty where there was
            none.
        in_place: memory was being written.
        results: the shape and dtype of each result; empty where no op made the node.
        values: the text of each result's values; empty where they were not asked for.
    """

    __slots__ = ("file", "in_place", "inside", "line", "results", "values")

    def __init__(self, frame: FrameType | None) -> None:
        self.file, self.line, self.inside, self.in_place = _place(frame)
        self.results: tuple[tuple[tuple[int, ...], np.dtype], ...] = ()
        self.values: tuple[str, ...] = ()

    @property
    def place(self) -> str:
        """The line as ``file:number``, without folders."""
        return f"{os.path.basename(self.file)}:{self.line}"

    @property
    def source(self) -> str:
        """The text of the line; empty where it is not at hand."""
        return linecache.getline(self.file, self.line).strip()


_notes: weakref.WeakKeyDictionary[Node, Note] = weakref.WeakKeyDictionary()
_here = handed_on(threading.local())  # .depth: how many contexts this thread is inside of
_lock = threading.Lock()
_open = 0
_function_init = BackwardCFunction.__init__
_others_init: Any = None


def note_of(node: Node) -> Note | None:
    """What was noted of `node`, if anything."""
    return _notes.get(node)


def _born(node: Node) -> None:
    """What becomes `Node`'s constructor."""
    if _others_init is not None:
        _others_init(node)
    if getattr(_here, "depth", 0):
        _notes[node] = Note(sys._getframe(1))


def _function_born(node: BackwardCFunction) -> None:
    _function_init(node)
    if getattr(_here, "depth", 0):
        _notes[node] = Note(sys._getframe(1))


def _begin() -> None:
    global _open, _function_init, _others_init
    with _lock:
        _open += 1
        if _open == 1:
            _others_init, _function_init = Node.__dict__.get("__init__"), BackwardCFunction.__init__
            Node.__init__ = _born  # type: ignore[method-assign, assignment]
            BackwardCFunction.__init__ = _function_born  # type: ignore[method-assign, assignment]


def _end() -> None:
    global _open
    with _lock:
        _open -= 1
        if _open:
            return
        # A constructor that has replaced this one meanwhile stays.
        if Node.__dict__.get("__init__") is _born:
            if _others_init is None:
                del Node.__init__
            else:
                Node.__init__ = _others_init  # type: ignore[method-assign]
        if BackwardCFunction.__dict__["__init__"] is _function_born:
            BackwardCFunction.__init__ = _function_init  # type: ignore[method-assign]


class notes(Watcher):
    """A context in which each node, as it is recorded, is noted with the line that made it: `graph`, `explain` and
    `kept` then tell more.

    Args:
        values: note the values of all results of ops too, as text, so that `explain` can show those that no rule keeps.

    Example:
        >>> x = tapegrad.tensor([2.0, 3.0], requires_grad=True)
        >>> with tapegrad.utils.notes(values=True):
        ...     y = x + 1
        ...     z = y.sum()
        >>> print(tapegrad.utils.explain(z, params={"x": x, "y": y}))  # doctest: +ELLIPSIS
        The tape of 2 nodes...
        2. y = add (AddBackward0)  ...:2: y = x + 1
           result    [3., 4.]  float32 [2]
        ...
    """

    def __init__(self, values: bool = False) -> None:
        self.values = values

    def op(self, call: Call, op: Callable[..., Any], args: tuple[Any, ...], kwargs: dict[str, Any]) -> Any:
        """Call the op, and note what it has made."""
        result = call(args, kwargs)
        made = [t for t in (result if isinstance(result, tuple) else (result,)) if isinstance(t, Tensor)]
        node = next((t.grad_fn for t in made if t._node is not None), None)
        note = note_of(node) if node is not None else None
        if note is not None:
            note.results = note.results or tuple([(t._array.shape, t._array.dtype) for t in made])
            if self.values and not note.values:
                note.values = tuple([array_text(t._array) for t in made])
        return result

    def __enter__(self) -> Any:
        _begin()
        _here.depth = getattr(_here, "depth", 0) + 1
        return super().__enter__()

    def __exit__(self, *exc: Any) -> None:
        super().__exit__(*exc)
        _here.depth -= 1
        _end()


_WRITERS = (inplace.apply.__code__, index.setitem.__code__)


def _place(frame: FrameType | None) -> tuple[str, int, str, bool]:
    """The innermost line outside of this package, the innermost ``forward``, and whether something is being written in
    place.
    """
    inside, in_place = "", False
    while frame is not None:
        code = frame.f_code
        if code.co_name == "forward" and not inside:
            inside = code.co_qualname.rpartition("<locals>.")[2]
        if not _is_ours(frame):
            return code.co_filename, frame.f_lineno, inside, in_place
        in_place = in_place or code in _WRITERS
        frame = frame.f_back
    return "", 0, inside, in_place


def _is_ours(frame: FrameType) -> bool:
    """Whether code of this package is running, and not some that was given a module's namespace to run in."""
    # An op has a namespace of its own, which is of no file.
    space = frame.f_globals
    return space.get("__name__", "").partition(".")[0] == "tapegrad" and frame.f_code.co_filename == space.get(
        "__file__", frame.f_code.co_filename
    )
