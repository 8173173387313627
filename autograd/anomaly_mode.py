"""Anomaly mode: tells which line of the forward pass a failing step of the backward pass comes from, and which step
made the first NaN.

While the mode is on, a node remembers the calls that made it, and a pass warns of the node at which it fails. It is on
for all threads or for none, as in PyTorch. Nodes have a constructor only while it is on, so making one costs nothing
more while it is not.
"""

from __future__ import annotations

import threading
import warnings
import weakref
from collections.abc import Callable
from typing import Any

from tapegrad.autograd.core.gate import gate, look_on
from tapegrad.autograd.core.node import At, Node, Slot
from tapegrad.autograd.core.tensor import Tensor
from tapegrad.autograd.modes.call_stack import Stack, warn_caller
from tapegrad.autograd.modes.device_guard import on_device_of
from tapegrad.autograd.modes.observers import Pull, Watcher, seen_array
from tapegrad.autograd.ops.pointwise.comparison import isnan
from tapegrad.autograd.tape.function_node import BackwardCFunction
from tapegrad.backends import backend
from tapegrad.backends.threads import handed_on

_lock = threading.Lock()
_running = handed_on(threading.local())  # .node: the one whose gradients are being computed in this thread
_function_init = BackwardCFunction.__init__


def _remember(node: Node) -> None:
    """What becomes `Node`'s constructor: its metadata has ``traceback_``, the calls that made it, and ``parent_``, the
    node whose backward did.
    """
    metadata = node.metadata
    metadata["traceback_"] = Stack()
    parent = getattr(_running, "node", None)
    if parent is not None:
        metadata["parent_"] = parent


def _remember_function(node: BackwardCFunction) -> None:
    _function_init(node)
    _remember(node)


class _AnomalyMode(Watcher):
    """Looks on at the passes of all threads while the mode is on.

    Attributes:
        check_nan: whether a pass also raises where a NaN arises.
        users: id of a leaf -> the earliest node seen to use it, which tells where the leaf entered the graph.
    """

    def __init__(self) -> None:
        self.check_nan = True
        self.users: dict[int, weakref.ref[Node]] = {}

    def switch(self, on: bool, check_nan: bool) -> None:
        """Put the mode on or off."""
        with _lock:
            if on != gate.anomaly:
                self.users = {}
                if on:
                    setattr(Node, "__init__", _remember)  # noqa: B010  mypy refuses to see a constructor assigned
                    setattr(BackwardCFunction, "__init__", _remember_function)  # noqa: B010
                    look_on(self, True)
                else:
                    look_on(self, False)
                    del Node.__init__
                    setattr(BackwardCFunction, "__init__", _function_init)  # noqa: B010
            gate.anomaly, self.check_nan = on, check_nan

    def pull(self, pull: Pull, node: Node, grad: Any, graph: bool) -> tuple[Any, ...]:
        before = getattr(_running, "node", None)
        _running.node = node.origin
        for edge in node.edges:
            if isinstance(edge, Tensor):
                # nodes run in falling order, so the last to come is the earliest
                self.users[id(edge)] = weakref.ref(node)
        try:
            grads = pull(node, grad, graph)
            if self.check_nan and not isinstance(node, Slot):
                _check(node, grads)
        except BaseException as error:
            _report(node, error)
            raise
        finally:
            _running.node = before
        return grads

    def take(self, take: Callable[..., Any], target: Any, *args: Any) -> Any:
        try:
            return take(target, *args)
        except BaseException as error:
            _report(target, error)
            raise


_mode = _AnomalyMode()


def _check(node: Node, grads: tuple[Any, ...]) -> None:
    """Raise if a gradient that `node` made holds a NaN."""
    for i, d in enumerate(grads):
        if d is not None and has_nan(d.grad if d.__class__ is At else d):
            raise RuntimeError(f"Function '{node.name()}' returned nan values in its {_output_nr(node, i)}th output.")


def has_nan(d: Any) -> bool:
    """Whether an array or a tensor holds a NaN: one reduction, and its result on the host."""
    with on_device_of(d):
        found = isnan(seen_array(d)).any()
        return bool(backend(found).to_host(found))


def _output_nr(node: Node, i: int) -> int:
    """The number that PyTorch gives the gradient of operand `i`: it has none for an operand without a rule."""
    op = node.op
    if op is None or op.joint is not None or len(op.rules) < 2:
        return i
    operands = [name for name in op.names() if name in op.rules]
    return sum(op.rules[name] is not None for name in operands[:i])


def _report(target: Any, error: BaseException) -> None:
    """Warn of where `target`, a node or a leaf at which a pass has failed, comes from."""
    if isinstance(target, Tensor):
        ref = _mode.users.get(id(target))
        user = ref() if ref is not None else None
        _warn(
            _error("torch::autograd::AccumulateGrad", user.metadata.get("traceback_") if user is not None else None),
            error,
        )
        return
    node = (target.edges[0] if isinstance(target, Slot) else target).origin
    metadata = node.metadata
    _warn(_error(node.name(), metadata.get("traceback_")), error)
    while (parent := metadata.get("parent_")) is not None:
        metadata = parent.metadata
        stack = metadata.get("traceback_")
        _warn(
            _error(parent.name(), None)
            if stack is None
            else f"\n\nPrevious calculation was induced by {parent.name()}. Traceback of forward call that induced "
            f"the previous calculation:\n{stack}",
            error,
        )


def _error(name: str, stack: Stack | None) -> str:
    if stack is None:
        return (
            f"Error detected in {name}. No forward pass information available. Enable detect anomaly during "
            "forward pass for more information."
        )
    return f"Error detected in {name}. Traceback of forward call that caused the error:\n{stack}"


def _warn(message: str, error: BaseException) -> None:
    """Warn; where warnings are errors, `error` stays the error, and says it too."""
    try:
        warn_caller(message)
    except Warning as warning:
        error.add_note(str(warning))


# ---- what users call


def set_anomaly_enabled(enabled: bool, check_nan: bool = True) -> None:
    """Put anomaly mode on or off, for all threads.

    Args:
        enabled: whether it is on.
        check_nan: whether a pass also raises where a NaN arises.

    Raises:
        TypeError: an argument is no bool.

    Example:
        >>> tapegrad.set_anomaly_enabled(True, check_nan=False)
        >>> tapegrad.is_anomaly_enabled(), tapegrad.is_anomaly_check_nan_enabled()
        (True, False)
        >>> tapegrad.set_anomaly_enabled(False)
    """
    for position, (name, value) in enumerate((("enabled", enabled), ("check_nan", check_nan)), 1):
        if not isinstance(value, bool):
            raise TypeError(
                f"set_anomaly_enabled(): argument '{name}' (position {position}) must be bool, not "
                f"{type(value).__name__}"
            )
    _mode.switch(enabled, check_nan)


def is_anomaly_enabled() -> bool:
    """Whether anomaly mode is on.

    Example:
        >>> tapegrad.is_anomaly_enabled()
        False
    """
    return gate.anomaly


def is_anomaly_check_nan_enabled() -> bool:
    """Whether anomaly mode, while it is on, looks for NaNs.

    Example:
        >>> tapegrad.is_anomaly_check_nan_enabled()
        True
    """
    return _mode.check_nan


class set_detect_anomaly:
    """Put anomaly mode on or off, from the call on; as a context manager until its end.

    While it is on, each recorded operation remembers the calls that led to it. When a backward pass fails at an
    operation, a warning shows them: the last line is that of the forward pass. A pass also raises where an operation
    returns a NaN, unless told not to look. The mode is on for all threads; it costs some microseconds for each
    operation and, in backward, a look at each gradient (on a device a wait for it), so it is for finding errors only.

    Args:
        mode: whether the mode is on.
        check_nan: whether a pass raises where a NaN arises.

    Raises:
        TypeError: an argument is no bool.

    Example:
        >>> x = tapegrad.tensor([0.0, 1.0], requires_grad=True)
        >>> with tapegrad.autograd.set_detect_anomaly(True, check_nan=False):
        ...     (x.sqrt() * 0).sum().backward()
        >>> x.grad
        tensor([nan, 0.])
    """

    def __init__(self, mode: bool, check_nan: bool = True) -> None:
        self.prev = is_anomaly_enabled()
        self.prev_check_nan = is_anomaly_check_nan_enabled()
        set_anomaly_enabled(mode, check_nan)

    def __enter__(self) -> None:
        pass

    def __exit__(self, *exc: Any) -> None:
        set_anomaly_enabled(self.prev, self.prev_check_nan)


class detect_anomaly:
    """A context manager inside of which anomaly mode is on; it warns when it is made. See `set_detect_anomaly`.

    Args:
        check_nan: whether a pass raises where a NaN arises.

    Example:
        >>> import warnings, tapegrad
        >>> x = tapegrad.tensor([0.0, 1.0], requires_grad=True)
        >>> with warnings.catch_warnings(record=True) as told:
        ...     warnings.simplefilter("always")
        ...     with tapegrad.autograd.detect_anomaly():
        ...         y = x.sqrt()
        ...         try:
        ...             (y * 0).sum().backward()
        ...         except RuntimeError as error:
        ...             print(error)
        Function 'SqrtBackward0' returned nan values in its 0th output.
        >>> print(str(told[-1].message).splitlines()[-1].strip())
        y = x.sqrt()
    """

    def __init__(self, check_nan: bool = True) -> None:
        self.prev = is_anomaly_enabled()
        self.check_nan = check_nan
        self.prev_check_nan = is_anomaly_check_nan_enabled()
        warnings.warn(
            "Anomaly Detection has been enabled. This mode will increase the runtime and should only be enabled for "
            "debugging.",
            stacklevel=2,
        )

    def __enter__(self) -> None:
        set_anomaly_enabled(True, self.check_nan)

    def __exit__(self, *exc: Any) -> None:
        set_anomaly_enabled(self.prev, self.prev_check_nan)
