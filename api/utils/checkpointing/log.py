"""``checkpoint(debug=True)``: which operations the function ran, at first and when run again, and from which lines."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, NoReturn

from tapegrad.autograd.core.tensor import Tensor
from tapegrad.autograd.modes.call_stack import Stack
from tapegrad.autograd.modes.observers import Watcher
from tapegrad.utils.checkpointing.recomputation import CheckpointError


class Log(Watcher):
    """Notes each operation, and where it was called."""

    def __init__(self) -> None:
        self.calls: list[tuple[str, Stack]] = []

    def __enter__(self) -> Any:
        self.calls.clear()
        return super().__enter__()

    def op(self, call: Any, op: Callable[..., Any], args: tuple[Any, ...], kwargs: dict[str, Any]) -> Any:
        result = call(args, kwargs)
        results = ", ".join(map(_text, result if isinstance(result, tuple) else (result,)))
        given = ", ".join([*map(_text, args), *[f"{name}={_text(value)}" for name, value in kwargs.items()]])
        self.calls.append((f"{results} = {op.op.name}({given})", Stack()))  # type: ignore[attr-defined]
        return result

    def operations(self) -> str:
        """One line for each operation."""
        return "\n".join([text for text, _ in self.calls])

    def traces(self, label: str) -> str:
        """Each operation with the lines that led to it."""
        return "".join(
            [
                f"{text}   ({i} of {len(self.calls)} in {label})\n\n"
                + "".join([f"{place}\n" for place in _callers(stack)])
                + "\n\n"
                for i, (text, stack) in enumerate(self.calls, 1)
            ]
        )


def _callers(stack: Stack) -> list[str]:
    """The calls that led to an op, the innermost first, without those that carry the op out."""
    places = stack.places()
    own = [i for i, place in enumerate(places) if place.startswith("<tapegrad op")]
    return places[own[-1] + 1 :] if own else places


def _text(value: Any) -> str:
    if isinstance(value, Tensor):
        return f"{value.dtype.name}{list(value.shape)}"
    if isinstance(value, (tuple, list)):
        return f"[{', '.join(map(_text, value))}]"
    return (
        repr(value) if isinstance(value, (bool, int, float, complex, str, slice, type(None))) else type(value).__name__
    )


class Comparison:
    """The operations of the first run and of the second."""

    def __init__(self) -> None:
        self.first = Log()
        self.again = Log()

    def context_fn(self) -> tuple[Log, Log]:
        """What the two runs are entered with."""
        return self.first, self.again

    def explain(self, error: CheckpointError) -> NoReturn:
        """Raise `error` with both logs."""
        line, dashes = f"+{'~' * 78}+", f"+{'-' * 78}+"
        raise CheckpointError(f"""\
 An error happened while unpacking tensors; dumping logs of latest computation
because you passed `debug=True` to `torch.utils.checkpoint.checkpoint()`.
Scroll all the way down for guidance on how to navigate these logs.

{line}
|        1. Stack traces of the operators that ran in the original forward     |
{dashes}

{self.first.traces("original")}
{line}
|        2. Stack traces of the operators that ran during recomputation        |
{dashes}

{self.again.traces("recompute")}
{line}
|       3. Log of operators in the original forward and recomputation          |
{dashes}
(Scroll up to correlate stack traces with each operation listed below. This
 helps identify their source in the code.)

Operations executed during the original forward:

{self.first.operations()}

Operations executed during recomputation:

{self.again.operations()}

{dashes}
 ERROR: Detected non-determinism while running activation checkpointing

 You are seeing this error because you passed `debug=True` to checkpoint and
 tensors to be saved during the original forward and differ between those saved
 during recomputation. This can happen if different operators were ran in the
 original forward and in the recomputation.

 To identify where the mismatch may be coming from, you can do the following:

 1) Compare the operators ran during original forward and recomputation to
    see where they differ. These operators are printed above in the order they
    were executed.

 2) Review the stack trace for each operator to locate its invocation source.
    Each operator's stack trace is printed in their execution order.

 Note that the logs can be quite long. Here's how they are structured:
 (Tip: you can Ctrl-f for these headers)

 1. Stack traces of the operators that ran in the original forward
 2. Stack traces of the operators that ran during recomputation
 3. Log of operators in the original forward and recomputation
 4. Error message                                             <--- You are here
{"-" * 80}
""") from error
