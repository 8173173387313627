"""Passes within passes: one that a hook or a Function starts while its thread is already in one.

Each stands on the stack of the one outside of it, and Python limits how deep a thread's stack may be. So every so often
a pass is run by a fresh thread, which has the state of the one that waits for it: thousands may nest.
"""

from __future__ import annotations

import contextvars
import threading
from collections.abc import Callable
from typing import Any

from tapegrad.autograd.core.gate import set_bits, state
from tapegrad.backends import threads

#: how many passes may stand on one thread's stack
PER_THREAD = 20


def nested(run: Callable[..., None], *args: Any) -> None:
    """Call ``run(*args)`` one pass deeper."""
    depth = state.depth
    state.depth = depth + 1
    try:
        if (depth + 1) % PER_THREAD:
            run(*args)
        else:
            in_fresh_thread(run, *args)
    finally:
        state.depth = depth


def in_fresh_thread(run: Callable[..., None], *args: Any) -> None:
    """Call ``run(*args)`` in a fresh thread, and raise what it raises. Changes of the thread's state come back to this
    thread.
    """
    mine = threads.snapshot()
    settings = [here() for here in threads.settings]
    context = contextvars.copy_context()
    errors: list[BaseException] = []
    left: list[threads.Taken] = []

    def work() -> None:
        _take_over(mine)
        try:
            context.run(_inside, settings, run, args)
        except BaseException as error:
            errors.append(error)
        finally:
            left.append(threads.snapshot())
            set_bits(0)

    thread = threading.Thread(target=work, name="tapegrad nested pass")
    thread.start()
    interrupt: KeyboardInterrupt | None = None
    while True:
        try:
            thread.join()
            break
        except KeyboardInterrupt as error:
            # A pass must not go on, adding to gradients, after this thread has left.
            interrupt = error
    try:
        _take_over(left[0])
        if errors:
            raise errors[0]
        if interrupt is not None:
            raise interrupt
    finally:
        # The error's traceback refers to this frame: no reference cycle.
        errors.clear()
        interrupt = None


def _inside(settings: list[Any], run: Callable[..., None], args: tuple[Any, ...]) -> None:
    if settings:
        with settings[0]:
            _inside(settings[1:], run, args)
    else:
        run(*args)


def _take_over(taken: threads.Taken) -> None:
    """Take over another thread's state, and tell the gate of its bits."""
    before = state.bits
    threads.adopt(taken)
    bits, state.bits = state.bits, before
    set_bits(bits)
