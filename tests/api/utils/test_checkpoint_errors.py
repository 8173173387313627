"""What a checkpoint tells of: a function that does something else when it is run again, and wrong arguments."""

from __future__ import annotations

import contextlib
from typing import Any

import numpy as np
import pytest
from checkpointing import BOTH, Counted, leaf

import tapegrad
from tapegrad.autograd import Function, grad
from tapegrad.autograd.core.tensor import Tensor
from tapegrad.autograd.graph import disable_saved_tensors_hooks
from tapegrad.utils.checkpoint import (
    CheckpointError,
    check_backward_validity,
    checkpoint,
    checkpoint_sequential,
    detach_variable,
    noop_context_fn,
    set_checkpoint_debug_enabled,
)


def test_another_number_of_values() -> None:
    for deeper_first, text in (
        (
            True,
            "A different number of tensors was saved during the original forward and recomputation.\nNumber of "
            "tensors saved during "
            "forward: 2\nNumber of tensors saved during recomputation: 1.",
        ),
        (False, "trying to save more tensors during recomputation than during the original forward pass."),
    ):
        f = Counted(lambda x: x)
        f.function = lambda x, f=f, first=deeper_first: x.sin().cos() if (f.runs == 1) is first else x.sin()
        y = checkpoint(f, leaf(1.0), use_reentrant=False, early_stop=deeper_first)
        with pytest.raises(CheckpointError) as error:
            y.backward()
        assert str(error.value).startswith(
            f"torch.utils.checkpoint: {text}"
        ) and "Tip: To see a more detailed error message" in str(error.value)


def test_other_metadata() -> None:
    x = leaf(1.0, 2.0)
    for change, fact in (
        (lambda x: x[:1], "'shape': torch.Size([1])"),
        (lambda x: x.float(), "'dtype': torch.float32"),
    ):
        for check in ("default", "none"):
            f = Counted(lambda x: x)
            f.function = lambda x, f=f, change=change: (x if f.runs == 1 else change(x)).sin()
            y = checkpoint(f, x, use_reentrant=False, determinism_check=check)
            if check == "none":
                with contextlib.suppress(RuntimeError, ValueError):
                    y.sum().backward()
                continue
            with pytest.raises(CheckpointError) as error:
                y.sum().backward()
            text = str(error.value)
            assert text.startswith(
                "torch.utils.checkpoint: Recomputed values for the following tensors have different metadata than "
                "during the forward pass.\n"
                "tensor at position 0:\nsaved metadata: {'shape': torch.Size([2]), 'dtype': torch.float64, 'device': "
                "device(type='cpu')}"
            )
            assert fact in text.partition("recomputed metadata: ")[2]


def test_debug() -> None:
    def run(**more: Any) -> Tensor:
        f = Counted(lambda x: x)
        f.function = lambda x: x.sin().cos() if f.runs == 1 else x.sin()
        return checkpoint(f, leaf(1.0, 2.0), use_reentrant=False, **more)

    with set_checkpoint_debug_enabled(True):
        within = run()
    for y in (run(debug=True), within):
        with pytest.raises(CheckpointError) as error:
            y.sum().backward()
        text = str(error.value)
        first, again = text.partition("Operations executed during the original forward:")[2].split(
            "Operations executed during recomputation:"
        )
        assert "float64[2] = sin(float64[2])\nfloat64[2] = cos(float64[2])" in first
        assert "float64[2] = sin(float64[2])" in again and "cos" not in again
        assert (
            "test_checkpoint_errors.py(" in text and "(1 of 2 in original)" in text and "checkpoint_log.py" not in text
        )
        assert isinstance(error.value.__cause__, CheckpointError)
    with set_checkpoint_debug_enabled(False):
        y = run(debug=True)
    with pytest.raises(CheckpointError, match="A different number of tensors"):
        y.sum().backward()
    with pytest.raises(ValueError, match="debug=True is incompatible with non-default context_fn"):
        run(debug=True, context_fn=lambda: noop_context_fn())


def test_a_value_that_is_read_twice() -> None:
    class Twice(Function):
        @staticmethod
        def forward(ctx: Any, x: Tensor) -> Tensor:
            ctx.save_for_backward(x)
            return x * 2

        @staticmethod
        def backward(ctx: Any, d: Tensor) -> Tensor:
            return d * ctx.saved_tensors[0] / ctx.saved_tensors[0]

    y = checkpoint(Twice.apply, leaf(1.0), use_reentrant=False)
    with pytest.raises(CheckpointError, match="Unpack is being triggered for a tensor that was already unpacked once"):
        y.backward()


def test_arguments_that_are_written_between() -> None:
    h = leaf(1.0) * 2
    y = checkpoint(lambda h: h.sin(), h, use_reentrant=False)
    h.add_(1)
    with pytest.raises(RuntimeError, match="modified by an inplace operation"):
        y.backward()


def test_values_that_the_function_writes_after_they_were_kept() -> None:
    """PyTorch computes a wrong gradient here; without a checkpoint it raises."""

    def f(x: Tensor) -> Tensor:
        h = x * 2
        k = h.sin()
        h.add_(1)
        return k.exp()

    x = leaf(1.0)
    for y in (f(x), checkpoint(f, x, use_reentrant=False)):
        with pytest.raises(RuntimeError, match="modified by an inplace operation"):
            y.backward()


def test_wrong_arguments() -> None:
    x = leaf(1.0)
    with pytest.raises(ValueError, match="Unexpected keyword arguments: foo,bar"):
        checkpoint(tapegrad.sin, x, use_reentrant=True, foo=1, bar=2)
    with pytest.raises(ValueError, match="Passing `context_fn` or `debug` is only supported when use_reentrant=False"):
        checkpoint(tapegrad.sin, x, use_reentrant=True, debug=True)
    with pytest.raises(ValueError, match=r"determinism_check should be one of \['default', 'none'\], but got foo"):
        checkpoint(tapegrad.sin, x, use_reentrant=False, determinism_check="foo")
    with pytest.raises(ValueError, match="Unexpected keyword arguments: foo"):
        checkpoint_sequential([tapegrad.sin, tapegrad.cos], 2, x, use_reentrant=False, foo=1)
    with pytest.warns(UserWarning, match="the use_reentrant parameter should be passed explicitly"):
        checkpoint(tapegrad.sin, x)
    with pytest.warns(
        UserWarning, match="checkpoint_sequential: the use_reentrant parameter should be passed explicitly"
    ):
        checkpoint_sequential([tapegrad.sin, tapegrad.cos], 2, x)
    with disable_saved_tensors_hooks("not here"), pytest.raises(RuntimeError, match="not here"):
        checkpoint(tapegrad.sin, x, use_reentrant=False)


@BOTH
def test_errors_of_the_function(reentrant: bool) -> None:
    def fail(x: Tensor) -> Tensor:
        raise KeyError("mine")

    x = leaf(1.0)
    with pytest.raises(KeyError, match="mine"):
        checkpoint(fail, x, use_reentrant=reentrant)
    f = Counted(lambda x: x)
    f.function = lambda x: x.exp() if f.runs == 1 else fail(x)
    y = checkpoint(f, x, use_reentrant=reentrant)
    with pytest.raises(KeyError, match="mine"):
        y.backward()
    assert x.grad is None and tapegrad.is_grad_enabled()
    z = x.exp()
    z.backward()
    assert x.grad.item() == z.item()


def test_a_context_that_swallows_errors() -> None:
    class Swallow(contextlib.nullcontext):  # type: ignore[type-arg]
        def __exit__(self, *exc: Any) -> bool:  # type: ignore[override]
            return True

    def fail(x: Tensor) -> Tensor:
        raise KeyError("mine")

    with pytest.raises(RuntimeError, match="the forward context provided by context_fn suppressed an exception"):
        checkpoint(fail, leaf(1.0), use_reentrant=False, context_fn=lambda: (Swallow(), Swallow()))


def test_reentrant_refuses() -> None:
    x = leaf(1.0)
    text = (
        r"When use_reentrant=True, torch.utils.checkpoint is incompatible with .grad\(\) or passing an `inputs` "
        r"parameter to .backward\(\)"
    )
    with pytest.raises(RuntimeError, match=text):
        grad(checkpoint(tapegrad.sin, x, use_reentrant=True), x)
    with pytest.raises(RuntimeError, match=text):
        checkpoint(tapegrad.sin, x, use_reentrant=True).backward(inputs=[x])
    with pytest.raises(
        RuntimeError, match=r"none of output has requires_grad=True, this checkpoint\(\) is not necessary"
    ):
        checkpoint(lambda x: x.detach(), x, use_reentrant=True).backward()
    with pytest.warns(UserWarning, match="None of the inputs have requires_grad=True. Gradients will be None"):
        assert not checkpoint(tapegrad.sin, x.detach(), use_reentrant=True).requires_grad
    with pytest.warns(UserWarning, match="None of the inputs have requires_grad=True"):
        check_backward_validity([x.detach(), 1])
    with pytest.raises(RuntimeError, match=r"Only tuple of tensors is supported\. Got Unsupported input type: list"):
        detach_variable([x])  # type: ignore[arg-type]


def test_reentrant_with_several_results_and_other_arguments() -> None:
    x, w = leaf(1.0, 2.0), leaf(3.0, 4.0)
    f = Counted(lambda n, x, w, flag: (x**n * w, (x + w).detach(), "text") if flag else None)
    y, d, text = checkpoint(f, 3, x, w, True, use_reentrant=True)
    assert text == "text" and type(y.grad_fn).__name__ == "CheckpointFunctionBackward"
    (y.sum() + d.sum()).backward()
    assert f.runs == 2
    np.testing.assert_allclose(x.grad.array, 3 * x.array**2 * w.array)
    np.testing.assert_allclose(w.grad.array, x.array**3)
