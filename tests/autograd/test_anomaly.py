"""Anomaly mode: which line of the forward pass is told of, when a pass raises, what the mode leaves behind."""

from __future__ import annotations

import gc
import inspect
import threading
import warnings
import weakref
from typing import Any

import pytest

import tapegrad
from tapegrad.autograd import Function, detect_anomaly, grad, set_detect_anomaly
from tapegrad.autograd.core.gate import gate
from tapegrad.autograd.core.node import Node
from tapegrad.autograd.tape.function_node import BackwardCFunction
from tapegrad.testing import counting, refusing

NAN = float("nan")
NO_FORWARD = "No forward pass information available. Enable detect anomaly during forward pass for more information."


def leaf(*values: Any, device: str = "cpu", dtype: Any = tapegrad.float32) -> Any:
    return tapegrad.tensor(values, dtype=dtype, device=device, requires_grad=True)


class Bad(Function):
    """Gives NaN, or raises what it was given."""

    @staticmethod
    def forward(ctx, x, error=None):
        ctx.error = error
        return x.clone()

    @staticmethod
    def backward(ctx, grad):
        if ctx.error is not None:
            raise ctx.error
        return grad * NAN, None


class told:
    """Collects the warnings given inside, with anomaly mode on; what is raised must be `error`."""

    def __init__(self, error: Any = None, match: str | None = None, check_nan: bool = True) -> None:
        self.error, self.match, self.check_nan = error, match, check_nan

    def __enter__(self) -> told:
        self.catch = warnings.catch_warnings(record=True)
        self.warnings: list[Any] = self.catch.__enter__()
        warnings.simplefilter("always")
        warnings.filterwarnings("ignore", category=RuntimeWarning, module=r"tapegrad\.|<tapegrad")
        self.mode = set_detect_anomaly(True, self.check_nan)
        self.raises = pytest.raises(self.error, match=self.match) if self.error else None
        if self.raises is not None:
            self.raised = self.raises.__enter__()
        return self

    def __exit__(self, *exc: Any) -> Any:
        try:
            return self.raises.__exit__(*exc) if self.raises is not None else None
        finally:
            self.mode.__exit__()
            self.catch.__exit__(*exc)

    @property
    def texts(self) -> list[str]:
        return [str(w.message) for w in self.warnings]


def line_of(mark: str) -> str:
    """The line of this file that ends with the comment `mark`."""
    lines = [line for line in inspect.getsource(inspect.getmodule(line_of)).splitlines() if line.endswith(f"# {mark}")]  # type: ignore[arg-type]
    assert len(lines) == 1
    return lines[0].strip()


def shown(text: str) -> tuple[str, str]:
    """The file and the source of the last line of a traceback in `text`."""
    place, source = text.splitlines()[-2:]
    return place.split('"')[1], source.strip()


# ---- what is told


def test_nan_is_told_with_the_line_that_made_the_node():
    x = leaf(0.0, 1.0)
    with told(RuntimeError, r"^Function 'SqrtBackward0' returned nan values in its 0th output\.$") as seen:
        y = x.sqrt()  # sqrt
        (y * 0).sum().backward()
    (text,) = seen.texts
    assert text.startswith("Error detected in SqrtBackward0. Traceback of forward call that caused the error:\n  File ")
    assert shown(text) == (__file__, line_of("sqrt"))
    assert seen.warnings[0].category is UserWarning
    assert seen.warnings[0].filename == __file__, "the warning points at the call of backward"
    assert x.grad is None


def test_forward_outside_of_the_mode():
    x = leaf(0.0)
    y = x.sqrt() * 0
    with told(RuntimeError, "returned nan") as seen:
        y.backward()
    assert seen.texts == ["Error detected in SqrtBackward0. " + NO_FORWARD]


def test_nans_may_pass():
    x = leaf(0.0)
    with told(check_nan=False) as seen:
        (x.sqrt() * 0).sum().backward()
    assert not seen.texts
    assert x.grad.isnan().all()


def test_infinity_is_no_nan():
    x = leaf(0.0)
    with told() as seen:
        x.sqrt().sum().backward()
    assert not seen.texts
    assert x.grad.isinf().all()


@pytest.mark.parametrize("error", [ValueError("mine"), RuntimeError("mine"), KeyboardInterrupt("mine")])
def test_errors_stay_what_they_are(error):
    x = leaf(1.0)
    with told(type(error), "^mine$") as seen:
        y = Bad.apply(x, error)  # function
        y.backward()
    (text,) = seen.texts
    assert text.startswith("Error detected in BadBackward. Traceback")
    assert shown(text) == (__file__, line_of("function")), (
        "the line that calls the Function, not that of Function.apply"
    )


def test_where_warnings_are_errors_the_error_keeps_the_report():
    x = leaf(1.0)
    with set_detect_anomaly(True), warnings.catch_warnings():
        warnings.simplefilter("error")
        with pytest.raises(ValueError) as raised:
            Bad.apply(x, ValueError("mine")).backward()
    assert str(raised.value) == "mine"
    (note,) = raised.value.__notes__
    assert note.startswith("Error detected in BadBackward. Traceback of forward call")


def test_double_backward_tells_of_the_nodes_that_induced_it():
    x = leaf(0.0)
    with told(RuntimeError, "Function 'PowBackward0' returned nan values in its 0th output") as seen:
        y = x**1.5  # power
        (dy,) = grad(y, [x], create_graph=True)  # first
        (ddy,) = grad(dy, [x], create_graph=True)  # second
        grad(ddy * 0, [x])
    texts = seen.texts
    assert texts[0].startswith("Error detected in PowBackward0. Traceback of forward call that caused the error:\n")
    induced = (
        "\n\nPrevious calculation was induced by PowBackward0. Traceback of forward call that induced the "
        "previous calculation:\n"
    )
    assert [text.startswith(induced) for text in texts[1:]] == [True, True]
    assert [shown(text)[1] for text in texts] == [line_of("second"), line_of("first"), line_of("power")]


def test_metadata():
    x = leaf(2.0)
    with set_detect_anomaly(True):
        y = x * x  # product
        (dy,) = grad(y, [x], create_graph=True)
    assert set(y.grad_fn.metadata) == {"traceback_"}
    assert list(y.grad_fn.metadata["traceback_"])[-1].endswith(f"    {line_of('product')}\n")
    assert dy.grad_fn.next_functions[0][0].metadata["parent_"] is y.grad_fn
    assert not (x * x).grad_fn.metadata


def test_errors_in_hooks_are_told_at_their_node():
    def raising(g):
        raise ZeroDivisionError

    x = leaf(1.0, 2.0)
    with told(ZeroDivisionError) as seen:
        y = x * 3  # hooked
        y.register_hook(raising)
        y.sum().backward()
    assert shown(seen.texts[0]) == (__file__, line_of("hooked"))
    assert seen.texts[0].startswith("Error detected in MulBackward0. ")
    with told(ZeroDivisionError) as seen:
        y = x * 4  # asked
        y.register_hook(raising)
        grad(y.sum(), y)
    assert shown(seen.texts[0]) == (__file__, line_of("asked"))
    with told(ZeroDivisionError) as seen:
        a, b = (x * 3).split([1, 1])  # split
        a.register_hook(raising)
        (a + b).sum().backward()
    assert seen.texts[0].startswith("Error detected in SplitWithSizesBackward0. ")
    assert shown(seen.texts[0])[1] == line_of("split")


def test_errors_in_hooks_of_leaves():
    def raising(g):
        raise ZeroDivisionError

    x = leaf(1.0)
    x.register_hook(raising)
    with told(ZeroDivisionError) as seen:
        y = x * 3  # uses the leaf
        (y * x).sum().backward()
    assert seen.texts[0].startswith("Error detected in torch::autograd::AccumulateGrad. Traceback of forward call")
    assert shown(seen.texts[0])[1] == line_of("uses the leaf")
    y = x * 3
    with told(ZeroDivisionError) as seen:
        y.sum().backward()
    assert seen.texts == ["Error detected in torch::autograd::AccumulateGrad. " + NO_FORWARD]


def test_a_pass_within_a_pass_tells_of_both_nodes():
    class Outer(Function):
        @staticmethod
        def forward(ctx, x):
            with tapegrad.enable_grad():
                ctx.y = Bad.apply(x.detach().requires_grad_())  # inner
            return x.clone()

        @staticmethod
        def backward(ctx, grad):
            ctx.y.backward()
            return grad

    x = leaf(1.0)
    with told(RuntimeError, "Function 'BadBackward' returned nan values") as seen:
        Outer.apply(x).sum().backward()  # outer
    assert [text.split(".")[0] for text in seen.texts] == [
        "Error detected in BadBackward",
        "Error detected in OuterBackward",
    ]
    assert [shown(text)[1] for text in seen.texts] == [line_of("inner"), line_of("outer")]


def test_an_overwritten_value():
    x = leaf(1.0)
    with told(
        RuntimeError,
        "Hint: the backtrace further above shows the operation that failed to compute its gradient. The variable in "
        "question was changed "
        "in there or anywhere later. Good luck!",
    ) as seen:
        y = x.exp()  # exp
        y.mul_(2)
        y.sum().backward()
    assert shown(seen.texts[0])[1] == line_of("exp")


def test_writes_in_place_and_through_views():
    x = leaf(1.0, 2.0, 3.0)
    with told(RuntimeError, "Function 'MulBackward0' returned nan") as seen:
        y = x.clone()
        y.mul_(NAN)  # in place
        y.sum().backward()
    assert shown(seen.texts[0])[1] == line_of("in place")
    with told(RuntimeError, r"Function 'torch::autograd::CopySlices' returned nan values in its \dth output") as seen:
        y = x.clone()
        v = y[:2]
        v.mul_(2)  # through a view
        y.sum().backward(tapegrad.tensor(1.0), retain_graph=True)
        y.backward(tapegrad.full((3,), NAN))
    assert shown(seen.texts[0])[1] == line_of("through a view")


def test_the_number_of_the_output_is_among_differentiable_operands():
    x = leaf(1.0, 2.0)
    y = tapegrad.tensor([1.0, 2.0])
    with told(RuntimeError, "Function 'MulBackward0' returned nan values in its 1th output"):
        grad((y * NAN) * x, x, tapegrad.ones(2))
    with told(RuntimeError, "Function 'WhereBackward0' returned nan values in its 0th output"):
        grad(tapegrad.where(tapegrad.tensor([True, False]), x, y), x, tapegrad.tensor([NAN, 0.0]))


def test_a_row_that_is_read():
    x = leaf(1.0, 2.0, 3.0)
    with told(RuntimeError, "Function 'SelectBackward0' returned nan"):
        x[0].backward(tapegrad.tensor(NAN))


def test_mapped_over_a_batch():
    with told(RuntimeError, "Function 'SqrtBackward0' returned nan values in its 0th output") as seen:
        tapegrad.func.vmap(tapegrad.func.grad(lambda x: (x.sqrt() * 0).sum()))(tapegrad.zeros(3, 2))  # mapped
    assert shown(seen.texts[0])[1] == line_of("mapped")


# ---- what is looked at, and how


@pytest.mark.parametrize("dtype", [tapegrad.float64, tapegrad.float16, tapegrad.bfloat16, tapegrad.complex64], ids=str)
def test_every_dtype(device, dtype):
    x = leaf(1.0, 2.0, dtype=dtype, device=device)
    with told():
        (x * 2).sum().backward(tapegrad.ones((), dtype=dtype, device=device))
    with told(RuntimeError, "Function 'MulBackward0' returned nan"):
        (x * NAN).sum().backward(tapegrad.ones((), dtype=dtype, device=device))


def test_nan_in_the_imaginary_part(device):
    x = leaf(1.0 + 1.0j, device=device, dtype=tapegrad.complex64)
    with told(RuntimeError, "returned nan"):
        (x * complex(1.0, NAN)).backward(tapegrad.ones(1, dtype=tapegrad.complex64, device=device))


def test_no_elements(device):
    x = tapegrad.zeros(0, 3, device=device, requires_grad=True)
    with told():
        (x * 2).sum().backward()
    assert x.grad.shape == (0, 3)


def test_a_device_is_asked_once_for_each_gradient():
    x = leaf(1.0, 2.0, device="strict")
    loss = (x.exp() * x).sum()
    with set_detect_anomaly(True), refusing(), counting() as crossed:
        loss.backward()
    assert not crossed, "what crosses was asked for"
    assert crossed.asked is not None
    assert crossed.asked.device_to_host == 4, "sum, exp, and both operands of the product"
    loss = (x.exp() * x).sum()
    with set_detect_anomaly(True, check_nan=False), counting() as crossed:
        loss.backward()
    assert not crossed
    assert not crossed.asked


# ---- the mode itself


def test_entering_warns_at_the_caller():
    with pytest.warns(UserWarning) as seen, detect_anomaly(check_nan=False):
        assert tapegrad.is_anomaly_enabled()
        assert not tapegrad.is_anomaly_check_nan_enabled()
    assert (
        str(seen[0].message)
        == "Anomaly Detection has been enabled. This mode will increase the runtime and should only be enabled for "
        "debugging."
    )
    assert seen[0].filename == __file__
    assert not tapegrad.is_anomaly_enabled()
    assert tapegrad.is_anomaly_check_nan_enabled()


def test_modes_nest_and_end_with_errors():
    with (
        pytest.raises(KeyError),
        set_detect_anomaly(True),
        set_detect_anomaly(False),
        set_detect_anomaly(True, check_nan=False),
    ):
        raise KeyError
    assert (tapegrad.is_anomaly_enabled(), tapegrad.is_anomaly_check_nan_enabled()) == (False, True)
    with set_detect_anomaly(True):
        with set_detect_anomaly(False):
            y = leaf(1.0) * 2
            assert not tapegrad.is_anomaly_enabled()
        assert tapegrad.is_anomaly_enabled()
    assert not y.grad_fn.metadata


def test_as_a_function():
    set_detect_anomaly(True)
    try:
        assert tapegrad.is_anomaly_enabled()
        assert "traceback_" in (leaf(1.0) * 2).grad_fn.metadata
    finally:
        set_detect_anomaly(False)
    assert not tapegrad.is_anomaly_enabled()


@pytest.mark.parametrize(
    "args, text",
    [
        ((1,), "'enabled' (position 1) must be bool, not int"),
        ((True, None), "'check_nan' (position 2) must be bool, not NoneType"),
    ],
)
def test_arguments(args, text):
    for call in (set_detect_anomaly, tapegrad.set_anomaly_enabled):
        with pytest.raises(TypeError) as raised:
            call(*args)
        assert str(raised.value) == f"set_anomaly_enabled(): argument {text}"
    with pytest.raises(TypeError, match="not callable"), pytest.warns(UserWarning):
        detect_anomaly()(lambda: None)
    assert not tapegrad.is_anomaly_enabled()


def test_the_mode_holds_in_all_threads():
    seen: list[Any] = []

    def work() -> None:
        x = leaf(0.0)
        seen.append(tapegrad.is_anomaly_enabled())
        y = x.sqrt()  # elsewhere
        try:
            (y * 0).backward()
        except RuntimeError as error:
            seen.append(str(error))

    with told() as mode:
        thread = threading.Thread(target=work)
        thread.start()
        thread.join()
    assert seen == [True, "Function 'SqrtBackward0' returned nan values in its 0th output."]
    assert shown(mode.texts[0])[1] == line_of("elsewhere")


def test_nothing_stays_behind():
    with set_detect_anomaly(True):
        assert "__init__" in Node.__dict__
        (leaf(1.0) * 2).backward()
    assert "__init__" not in Node.__dict__
    assert BackwardCFunction.__init__.__module__ == BackwardCFunction.__module__
    assert not gate.on
    assert not gate.watchers
    assert not (leaf(1.0) * 2).grad_fn.metadata


def test_graphs_free_without_the_collector():
    gc.collect()
    gc.disable()
    try:
        with set_detect_anomaly(True):
            x = leaf(1.0, 2.0)
            y = Bad.apply(x, ValueError("mine")) * x.exp()
            (dy,) = grad((x**3).sum(), x, create_graph=True)
            nodes = [weakref.ref(y.grad_fn), weakref.ref(dy.grad_fn)]
            grad(dy.sum(), x)
            del y, dy
            assert [node() for node in nodes] == [None, None]
            loss = (x * 2).sum()
            loss.backward()
            node = weakref.ref(loss.grad_fn)
            del loss
            assert node() is None
    finally:
        gc.enable()
