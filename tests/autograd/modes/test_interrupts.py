"""Interrupts and forks: whatever a signal cuts short, modes are honoured afterwards, and locks that another thread held
are free in the child.
"""

from __future__ import annotations

import linecache
import os
import subprocess
import sys
import threading
import warnings
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from types import FrameType
from typing import Any

import pytest

import tapegrad
from tapegrad.autograd import forward_ad, graph
from tapegrad.autograd.core.gate import gate, set_bits, state
from tapegrad.autograd.saved.hooks import this_thread

posix = pytest.mark.skipif(os.name != "posix", reason="needs signals and forks")


class Interrupt(BaseException):
    pass


def inside_no_grad(x: Any) -> Any:
    with tapegrad.no_grad():
        return x * 2


def inside_inference(x: Any) -> Any:
    with tapegrad.inference_mode():
        return tapegrad.ones(2) * 2


def inside_set_grad(x: Any) -> Any:
    with tapegrad.set_grad_enabled(False):
        return x * 2


def inside_hooks(x: Any) -> Any:
    with graph.save_on_cpu():
        return x.exp()


def inside_checkpoint(x: Any) -> Any:
    with graph.allow_mutation_on_saved_tensors():
        y = x.exp()
        y.mul_(2)
        return y.sum().backward()


def inside_vmap(x: Any) -> Any:
    return tapegrad.vmap(lambda t: (t * 2).sum())(x.detach().reshape(2, 1))


def inside_jvp(x: Any) -> Any:
    return tapegrad.func.jvp(lambda t: t.exp(), (x.detach(),), (tapegrad.ones(2),))


def inside_dual(x: Any) -> Any:
    with forward_ad.dual_level():
        return forward_ad.make_dual(x.detach(), tapegrad.ones(2)) * 2


def inside_hessian(x: Any) -> Any:
    return tapegrad.func.hessian(lambda t: (t**3).sum())(x.detach())


SCENES: list[Callable[[Any], Any]] = [
    inside_no_grad,
    inside_inference,
    inside_set_grad,
    inside_hooks,
    inside_checkpoint,
    inside_vmap,
    inside_jvp,
    inside_dual,
    inside_hessian,
]
FILES = ("grad_mode.py", "gate.py", "levels.py", "observers.py", "hooks.py", "dual.py")
#: lines at which a tracer is called and no signal handler ever is: a lock's `with` has its line again just before it
#: lets go
NO_HANDLER = ("return 0", "with gate.lock:", "with self.lock:")
ENTERING = {"__enter__", "enter", "__init__", "enter_dual_level"}


def check_honoured() -> None:
    """Whatever state the thread was left in, modes that are entered now hold, and end."""
    x = tapegrad.ones(2, requires_grad=True)
    with tapegrad.no_grad():
        assert gate.on and not (x * 2).requires_grad
    with tapegrad.enable_grad():
        assert (x * 2).requires_grad


@contextmanager
def undone() -> Iterator[None]:
    """The thread is put back, whatever was left of a mode whose end was cut short."""
    try:
        yield
    finally:
        state.levels = state.watchers = ()
        this_thread.hooks = ()
        this_thread.before_write = None
        state.running = None
        state.dual = None
        set_bits(0)


def raised_at(scene: Callable[[Any], Any], number: int) -> tuple[bool, bool]:
    """Run `scene`, raising at line number `number` of those in `FILES`; returns whether that was reached, and whether a
    mode was being entered.
    """
    count = 0
    entering = False
    x = tapegrad.ones(2, requires_grad=True)

    def trace(frame: FrameType, event: str, arg: Any) -> Any:
        nonlocal count, entering
        if not frame.f_code.co_filename.endswith(FILES) or "tests" in frame.f_code.co_filename:
            return trace if event == "call" else None
        if event == "line" and not linecache.getline(frame.f_code.co_filename, frame.f_lineno).strip().startswith(
            NO_HANDLER
        ):
            count += 1
            if count == number:
                callers = [frame.f_code.co_name, frame.f_back.f_code.co_name if frame.f_back is not None else ""]
                entering = bool(ENTERING & set(callers)) and not {"restore", "_leave", "leave"} & set(callers)
                raise Interrupt
        return trace

    sys.settrace(trace)
    try:
        scene(x)
    except Interrupt:
        pass
    finally:
        sys.settrace(None)
    return count >= number, entering


@pytest.mark.parametrize("scene", SCENES, ids=lambda f: f.__name__)
def test_raised_at_every_line(scene: Callable[[Any], Any]) -> None:
    """Entering a mode is all or nothing; an end that is cut short leaves a mode that is honoured, never one that is
    ignored.
    """
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        scene(tapegrad.ones(2, requires_grad=True))  # what is built at the first call is built
        number, reached, entered = 1, True, 0
        while reached and number < 400:
            with undone():
                depth = len(state.levels)
                reached, entering = raised_at(scene, number)
                entered += entering
                if entering and scene is not inside_set_grad:  # which takes effect when it is made, as torch's does
                    assert len(state.levels) == depth and not state.watchers and not this_thread.hooks, number
                    assert not state.bits, (number, state.bits)
                assert gate.on or not state.bits
            check_honoured()
            assert not gate.on
            number += 1
        assert number > 5 and entered > 1


SIGNALS = """
import random, signal, sys, threading, time
import tapegrad
from tapegrad.autograd.core.gate import gate, set_bits, state

scene, count = sys.argv[1], int(sys.argv[2])
x = tapegrad.ones(2, requires_grad=True)
rows = tapegrad.ones(3, 2)

def step():
    if scene == "no_grad":
        with tapegrad.no_grad():
            x * 2
    elif scene == "vmap":
        tapegrad.vmap(lambda t: t * 2)(rows)
    elif scene == "jvp":
        tapegrad.func.jvp(lambda t: t * t, (rows,), (rows,))
    else:
        (x * x).sum().backward()

class Interrupt(BaseException):
    pass

def handler(*_):
    raise Interrupt

step()
signal.signal(signal.SIGALRM, handler)
rng = random.Random(0)
done = 0
while done < count:
    try:
        signal.setitimer(signal.ITIMER_REAL, rng.uniform(2e-5, 4e-4), 1e-3)  # again: Python drops what is raised in a weak reference's callback
        try:
            while True:
                step()
        finally:
            signal.setitimer(signal.ITIMER_REAL, 0)
    except Interrupt:
        done += 1
    try:
        assert gate.on or not state.bits, state.bits
        with tapegrad.no_grad():
            assert not (x * 2).requires_grad
        tapegrad.set_grad_enabled(True)
        assert not state.levels or state.bits, state.levels
        state.levels = ()
        set_bits(0)
        assert not gate.on and (x * 2).requires_grad
        step()
    except Interrupt:  # one that was still on its way
        state.levels = ()
        set_bits(0)
print("interrupted", done)
"""


@posix
@pytest.mark.parametrize("scene", ["no_grad", "vmap", "jvp", "backward"])
def test_real_signals(scene: str, pytestconfig: pytest.Config) -> None:
    count = "5000" if pytestconfig.getoption("full") else "400"
    done = subprocess.run(
        [sys.executable, "-W", "error", "-c", SIGNALS, scene, count], capture_output=True, text=True, timeout=300
    )
    assert done.stdout == f"interrupted {count}\n", done.stderr


def test_a_signal_handler_may_run_a_pass() -> None:
    """A handler runs between any two steps of the thread that it interrupts, holding whatever that holds."""
    from tapegrad.autograd.tape import engine

    x = tapegrad.ones(2, requires_grad=True)
    with engine._leaf_lock, gate.lock, tapegrad.no_grad(), tapegrad.enable_grad():
        (x * 2).sum().backward()
    assert x.grad is not None and x.grad.tolist() == [2.0, 2.0]


FORK = """
import os, signal, threading
import tapegrad
from tapegrad.autograd.core.gate import gate
from tapegrad.autograd.tape import engine
started, over = threading.Event(), threading.Event()

def other():
    with tapegrad.no_grad(), engine._leaf_lock, gate.lock:
        started.set()
        over.wait()

thread = threading.Thread(target=other)
thread.start()
started.wait()
child = os.fork()
if not child:
    signal.alarm(20)
    x = tapegrad.ones(2, requires_grad=True)
    (x * 3).sum().backward()
    with tapegrad.no_grad():
        assert gate.on and not (x * 2).requires_grad
    assert not gate.on and (x * 2).requires_grad
    os._exit(int(x.grad.tolist() != [3.0, 3.0]))
_, status = os.waitpid(child, 0)
over.set()
thread.join()
print("child", status, gate.on)
"""


@posix
def test_forks() -> None:
    """A child is alone: no other thread's mode is on in it, and no other thread's lock held."""
    done = subprocess.run([sys.executable, "-c", FORK], capture_output=True, text=True, timeout=60)
    assert done.stdout == "child 0 False\n", done.stdout + done.stderr


def test_threads_that_end_in_a_mode() -> None:
    def end_inside() -> None:
        tapegrad.set_grad_enabled(False)
        assert gate.on

    count = len(gate.threads)
    for _ in range(20):
        thread = threading.Thread(target=end_inside)
        thread.start()
        thread.join()
    assert not gate.on and len(gate.threads) <= count
