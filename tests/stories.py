"""Programs that tell the same story in PyTorch and here: a table of them, and what can be compared of what they tell."""
from __future__ import annotations

from collections.abc import Callable
from typing import Any

Program = Callable[[Any], Any]


class Stories(dict[str, Program]):
    """Functions of a library, by name."""

    def __call__(self, program: Program) -> Program:
        """Enter `program`."""
        name = program.__name__.strip("_").replace("_", " ")
        assert name not in self
        self[name] = program
        return program


def told(value: Any) -> Any:
    """What can be compared of a result."""
    if hasattr(value, "requires_grad"):
        return "tensor", value.tolist(), str(value.dtype).removeprefix("torch."), value.requires_grad
    if isinstance(value, dict):
        return {key: told(v) for key, v in value.items()}
    if isinstance(value, (tuple, list)):
        return tuple([told(v) for v in value])
    return value


def attempt(call: Callable[[], Any]) -> Any:
    """What `call` returns, or the error it raises."""
    try:
        return told(call())
    except NameError:  # of the program itself
        raise
    except Exception as error:
        return type(error).__name__, str(error)


def leaf(lib: Any, *values: float, dtype: str = "float64") -> Any:
    return lib.tensor(list(values) or [1.0, 2.0], dtype=getattr(lib, dtype), requires_grad=True)


def accumulator(x: Any) -> Any:
    return x.view_as(x).grad_fn.next_functions[0][0]


class Log(list[Any]):
    """What has happened, in order."""

    def hook(self, name: str, change: Callable[..., Any] | None = None) -> Callable[..., Any]:
        def hook(*args: Any) -> Any:
            self.append((name, told(args)))
            return change(*args) if change is not None else None

        return hook
