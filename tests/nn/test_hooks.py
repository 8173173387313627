"""Hooks of modules, forward and backward."""

from __future__ import annotations

from typing import Any

import pytest

import tapegrad
from tapegrad import nn


class Two(nn.Module):
    """Two inputs, two outputs."""

    def forward(self, a: Any, b: Any, scale: float = 1.0) -> Any:
        return a * b * scale, a + b


def test_forward_hooks_see_and_replace() -> None:
    net = nn.Linear(2, 2)
    seen: list[Any] = []
    pre = net.register_forward_pre_hook(lambda module, args: (args[0] * 0,))
    post = net.register_forward_hook(lambda module, args, output: seen.append((module, args, output)))
    x = tapegrad.ones(1, 2)
    y = net(x)
    assert y.tolist() == [net.bias.tolist()]
    ((module, args, output),) = seen
    assert module is net and args[0].tolist() == [[0.0, 0.0]] and output is y
    pre.remove()
    post.remove()
    with net.register_forward_hook(lambda module, args, output: output * 0):
        assert net(x).tolist() == [[0.0, 0.0]]
    assert net(x).tolist() != [[0.0, 0.0]] and not net._forward_hooks


def test_order_and_prepend() -> None:
    net = nn.Identity()
    order: list[str] = []
    net.register_forward_hook(lambda *args: order.append("first"))
    net.register_forward_hook(lambda *args: order.append("before"), prepend=True)
    net.register_forward_pre_hook(lambda *args: order.append("pre"))
    net(tapegrad.ones(1))
    assert order == ["pre", "before", "first"]


def test_keyword_arguments() -> None:
    net = Two()
    seen: list[Any] = []
    net.register_forward_pre_hook(
        lambda module, args, kwargs: (args, {"scale": kwargs["scale"] * 10}), with_kwargs=True
    )
    net.register_forward_hook(lambda module, args, kwargs, output: seen.append(kwargs), with_kwargs=True)
    y, _ = net(tapegrad.ones(1), tapegrad.ones(1), scale=2.0)
    assert y.item() == 20.0 and seen == [{"scale": 20.0}]
    with (
        net.register_forward_pre_hook(lambda module, args, kwargs: 3, with_kwargs=True),
        pytest.raises(
            RuntimeError, match=r"forward pre-hook must return None or a tuple of \(new_args, new_kwargs\), but got 3\."
        ),
    ):
        net(tapegrad.ones(1), tapegrad.ones(1), scale=2.0)


def test_a_hook_that_is_always_called() -> None:
    net = nn.Linear(2, 2)
    seen: list[Any] = []
    net.register_forward_hook(lambda module, args, output: seen.append(output), always_call=True)
    with pytest.raises(RuntimeError, match="mat1 and mat2"):
        net(tapegrad.ones(1, 3))
    assert seen == [None]


def test_backward_hook(device: str) -> None:
    net = Two()
    seen: list[Any] = []
    handle = net.register_full_backward_hook(
        lambda module, grad_input, grad_output: seen.append((grad_input, grad_output))
    )
    a, b = (tapegrad.tensor([v], device=device, requires_grad=True) for v in (2.0, 3.0))
    product, total = net(a, b)
    (product * 5 + total).sum().backward()
    ((grad_input, grad_output),) = seen
    assert [g.tolist() for g in grad_input] == [[16.0], [11.0]] and [g.tolist() for g in grad_output] == [[5.0], [1.0]]
    assert a.grad.tolist() == [16.0] and b.grad.tolist() == [11.0] and grad_input[0].device.type == device
    handle.remove()
    net(a, b)[0].sum().backward()
    assert len(seen) == 1


def test_backward_hook_replaces() -> None:
    net = nn.Linear(2, 1, bias=False)
    net.register_full_backward_hook(lambda module, grad_input, grad_output: (grad_input[0] * 10,))
    net.register_full_backward_pre_hook(lambda module, grad_output: (grad_output[0] * 3,))
    x = tapegrad.ones(1, 2, requires_grad=True)
    net(x).sum().backward()
    assert x.grad.tolist()[0] == pytest.approx([v * 30 for v in net.weight.tolist()[0]])
    assert net.weight.grad.tolist() == [[3.0, 3.0]]


def test_backward_hook_and_arguments_without_gradient() -> None:
    """Positions of what has no gradient hold None; an output that is not used holds zeros."""
    net = Two()
    seen: list[Any] = []
    net.register_full_backward_hook(lambda module, grad_input, grad_output: seen.append((grad_input, grad_output)))
    a = tapegrad.ones(1, requires_grad=True)
    net(a, tapegrad.ones(1))[1].sum().backward()
    ((grad_input, grad_output),) = seen
    assert grad_input[0].tolist() == [1.0] and grad_input[1] is None
    assert [g.tolist() for g in grad_output] == [[0.0], [1.0]]


def test_backward_hook_without_any_input_that_requires_grad() -> None:
    net = nn.Linear(2, 1)
    seen: list[Any] = []
    net.register_full_backward_hook(
        lambda module, grad_input, grad_output: seen.append((grad_input, grad_output[0].tolist()))
    )
    with pytest.warns(
        UserWarning, match="Full backward hook is firing when gradients are computed with respect to module outputs"
    ):
        net(tapegrad.ones(1, 2)).sum().backward()
    assert seen == [((None,), [[1.0]])] and net.weight.grad is not None


def test_backward_hook_errors() -> None:
    x = tapegrad.ones(1, 2, requires_grad=True)
    net = nn.Linear(2, 1)
    with (
        net.register_full_backward_hook(lambda module, grad_input, grad_output: (None, None)),
        pytest.raises(
            RuntimeError, match="Backward hook returned an invalid number of grad_input, got 2, but expected 1"
        ),
    ):
        net(x).sum().backward()
    with (
        net.register_full_backward_pre_hook(lambda module, grad_output: (None, None)),
        pytest.raises(
            RuntimeError, match="Backward pre hook returned an invalid number of grad_output, got 2, but expected 1"
        ),
    ):
        net(x).sum().backward()


def test_backward_hook_under_no_grad_and_create_graph() -> None:
    net = nn.Sequential(nn.Linear(2, 2), nn.Tanh())
    seen: list[bool] = []
    net.register_full_backward_hook(lambda module, grad_input, grad_output: seen.append(grad_input[0].requires_grad))
    x = tapegrad.ones(1, 2, requires_grad=True)
    with tapegrad.no_grad():
        assert not net(x).requires_grad
    (dx,) = tapegrad.autograd.grad(net(x).sum(), x, create_graph=True)
    assert seen == [True] and dx.requires_grad
    plain = nn.Sequential(*net)
    (expected,) = tapegrad.autograd.grad(plain(x).sum(), x, create_graph=True)
    for a, b in zip(
        tapegrad.autograd.grad(dx.sum(), list(net.parameters()), allow_unused=True),
        tapegrad.autograd.grad(expected.sum(), list(net.parameters()), allow_unused=True),
    ):
        assert (a is None) == (b is None) and (a is None or a.tolist() == b.tolist())
