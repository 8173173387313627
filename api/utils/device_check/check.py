"""`check_device`: a function run on the strict device, and a report of what it would copy and wait for on a GPU."""

from __future__ import annotations

import functools
import sys
from collections.abc import Callable, Collection
from typing import Any

from tapegrad.autograd.modes.observers import observing_passes
from tapegrad.backends import Device
from tapegrad.backends.registry import standing_in
from tapegrad.backends.strict.backend import StrictBackend
from tapegrad.backends.strict.transfers import DEVICE_TO_HOST, HOST_TO_DEVICE, SYNCHRONISATION, watching
from tapegrad.utils.device_check.crossings import Collector, Crossing, advice_on_error
from tapegrad.utils.device_check.on_device import OnDevice

_KINDS = (HOST_TO_DEVICE, DEVICE_TO_HOST, SYNCHRONISATION)


class DeviceReport:
    """What `check_device` found; ``str()`` and a prompt show the text.

    Attributes:
        hidden: the crossings that the program does not ask for, a `Crossing` for each line and kind, in the order in
            which they came first.
        asked: those that it does: ``.item()``, ``.cpu()``, ``.to()``, ``print``.
        moved: what was put on the device for the run.
        result: what the function returned, on the device.
    """

    def __init__(self, name: str, hidden: list[Crossing], asked: list[Crossing], moved: list[str], result: Any) -> None:
        self.name = name
        self.hidden = hidden
        self.asked = asked
        self.moved = moved
        self.result = result

    @property
    def ok(self) -> bool:
        """Whether nothing crosses that the program does not ask for."""
        return not self.hidden

    def __str__(self) -> str:
        times, asked = (sum(crossing.times for crossing in found) for found in (self.hidden, self.asked))
        lines = len({(crossing.file, crossing.line) for crossing in self.hidden})
        text = (
            f"{times} hidden {_plural(times, 'copy or wait', 'copies or waits')} at {lines} "
            f"{_plural(lines, 'line', 'lines')}"
        )
        text = f"{self.name}: {text if times else 'no hidden copy, no hidden wait'}"
        if asked:
            text += f"; {asked} that the program asks for"
        parts = [text, f"on the device: {', '.join(self.moved) or 'nothing but what it makes itself'}"]
        for title, found in (("hidden", self.hidden), ("asked for", self.asked)):
            if found:
                parts += ["", title, *[_indented(str(crossing)) for crossing in found]]
        return "\n".join(parts)

    __repr__ = __str__


def _plural(n: int, one: str, several: str) -> str:
    return one if n == 1 else several


def _indented(text: str) -> str:
    return "\n".join("  " + line for line in text.split("\n"))


@functools.cache
def _cuda() -> StrictBackend:
    # One for all checks: the registry keeps what has served it.
    return StrictBackend("cuda")


def check_device(
    f: Callable[..., Any], *args: Any, raise_on: str | Collection[str] = (), **kwargs: Any
) -> DeviceReport:
    """Run a function on the strict device as if that were a GPU, and report each hidden copy and each hidden wait, with
    the line that causes it.

    A GPU works behind the host's back; a line that needs a value on the host, ``if loss > 3``, stops the host until all
    work before it is done, and one that mixes in data of the host copies it each time. Such lines are found here
    without a GPU: inside, ``"cuda"`` (and ``"strict"``) is an array type over NumPy that knows what CuPy would copy and
    wait for, and `tapegrad.cuda.is_available` says so.

    Arguments are moved to that device: tensors, NumPy arrays (which become arrays of the device, as if `cupy.asarray`
    had been called), modules, optimizers, and lists, tuples and dicts of them. So are the modules, optimizers and
    tensors that the function reaches by name. Afterwards all of them are as they were, the values that training steps
    changed and the random generators included. Other NumPy arrays stay on the host, as they would.

    Args:
        f: a function, such as a training step; or a whole program that makes what it needs on ``"cuda"``.
        raise_on: what to raise an error for, at the line: "hidden", "asked", or some of "host_to_device",
            "device_to_host", "synchronisations" (hidden ones of that kind; a copy to the host is a wait too).

    Returns:
        A `DeviceReport`: `ok`, `hidden`, `asked`, `moved`, `result`, and the text as ``str()``.

    Raises:
        RuntimeError: something crosses that `raise_on` names.
        ValueError: `raise_on` names nothing known.

    What the function raises passes through, with a note of what to write instead where the device refuses something,
    and of what had crossed before.

    Example:
        >>> from tapegrad import nn
        >>> model = nn.Linear(3, 1)
        >>> optimizer = tapegrad.optim.SGD(model.parameters(), lr=0.1)
        >>> losses = []
        >>> def step(x, y):
        ...     optimizer.zero_grad()
        ...     loss = nn.functional.mse_loss(model(x), y)
        ...     loss.backward()
        ...     optimizer.step()
        ...     losses.append(float(loss))
        >>> report = tapegrad.testing.check_device(step, tapegrad.ones(4, 3), tapegrad.ones(4, 1))
        >>> report.ok, model.weight.device
        (False, device(type='cpu'))
        >>> for crossing in report.hidden:
        ...     print(crossing.line, crossing.source, crossing.kind, crossing.bytes, crossing.op, sep=" | ")
        6 | losses.append(float(loss)) | device_to_host | 4 | float()
        >>> print(report.hidden[0].advice.partition(",")[0])
        add losses and counts up in a tensor on the device (total += loss.detach())
        >>> tapegrad.testing.check_device(lambda x: x.relu().sum(), tapegrad.ones(3))
        <lambda>: no hidden copy, no hidden wait
        on the device: x
    """
    chosen = {raise_on} if isinstance(raise_on, str) else set(raise_on)
    if unknown := chosen - {"hidden", "asked", *_KINDS}:
        raise ValueError(
            f"check_device(): raise_on names {sorted(unknown)}; there are 'hidden', 'asked', "
            f"{', '.join(map(repr, _KINDS))}"
        )

    def refuse(crossing: Crossing) -> None:
        kinds = {crossing.kind, SYNCHRONISATION} if crossing.kind == DEVICE_TO_HOST else {crossing.kind}
        if ("asked" in chosen) if crossing.asked else ("hidden" in chosen or kinds & chosen):
            raise RuntimeError(f"check_device: {crossing}")

    found: list[Crossing] = []
    collector = Collector(sys._getframe(), refuse, found)
    name = getattr(f, "__name__", type(f).__name__)
    backend = _cuda()
    with standing_in("cuda", backend), standing_in("strict", backend), OnDevice(Device("cuda", 0)) as place:
        place.called(f)
        names = _parameters(f, len(args))
        given = [place.argument(value, names[i]) for i, value in enumerate(args)]
        named = {key: place.argument(value, key) for key, value in kwargs.items()}
        place.ready()
        with watching(collector), observing_passes(collector.nodes):
            try:
                result = f(*given, **named)
            except Exception as error:
                _annotate(error, found)
                raise
    return DeviceReport(
        name,
        [crossing for crossing in found if not crossing.asked],
        [crossing for crossing in found if crossing.asked],
        place.moved,
        result,
    )


def _parameters(f: Callable[..., Any], n: int) -> list[str]:
    """Names for `n` positional arguments."""
    import inspect

    try:
        names = [
            p.name
            for p in inspect.signature(f).parameters.values()
            if p.kind in (p.POSITIONAL_ONLY, p.POSITIONAL_OR_KEYWORD)
        ]
    except (TypeError, ValueError):  # a builtin tells no names
        names = []
    return [*names[:n], *[f"argument {i}" for i in range(len(names), n)]]


def _annotate(error: Exception, found: list[Crossing]) -> None:
    if instead := advice_on_error(error):
        error.add_note(f"check_device: {instead}")
    if found:
        error.add_note(
            "check_device: before this there crossed\n" + "\n".join(_indented(str(crossing)) for crossing in found)
        )
