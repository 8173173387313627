"""`Module`: registration, walking, conversion, copies, text."""

from __future__ import annotations

import copy
import gc
import pickle
import weakref
from typing import Any

import numpy as np
import pytest

import tapegrad
from tapegrad import nn


class Net(nn.Module):
    def __init__(self) -> None:
        super().__init__()
        self.first = nn.Linear(3, 4)
        self.last = nn.Linear(4, 2)
        self.scale = nn.Parameter(tapegrad.ones(2))
        self.register_buffer("steps", tapegrad.zeros((), dtype=tapegrad.int64))
        self.register_buffer("scratch", tapegrad.zeros(2), persistent=False)

    def forward(self, x: Any) -> Any:
        return self.last(self.first(x).relu()) * self.scale


def names(pairs: Any) -> list[str]:
    return [name for name, _ in pairs]


def test_names() -> None:
    net = Net()
    assert names(net.named_parameters()) == ["scale", "first.weight", "first.bias", "last.weight", "last.bias"]
    assert names(net.named_parameters(prefix="net", recurse=False)) == ["net.scale"]
    assert names(net.named_buffers()) == ["steps", "scratch"]
    assert names(net.named_modules()) == ["", "first", "last"] and names(net.named_children()) == ["first", "last"]
    assert list(net.modules()) == [net, net.first, net.last] and list(net.children()) == [net.first, net.last]
    assert {"first", "scale", "steps", "forward"} <= set(dir(net))


def test_shared_members_are_listed_once() -> None:
    net = Net()
    net.last = net.first
    net.other = net.scale
    assert names(net.named_modules()) == ["", "first"] and names(net.named_children()) == ["first"]
    assert names(net.named_parameters()) == ["scale", "first.weight", "first.bias"]
    assert names(net.named_modules(remove_duplicate=False)) == ["", "first", "last"]
    assert names(net.named_parameters(remove_duplicate=False)) == [
        "scale",
        "other",
        "first.weight",
        "first.bias",
        "last.weight",
        "last.bias",
    ]


def test_assignment() -> None:
    net = Net()
    net.scale = None
    assert net._parameters["scale"] is None and names(net.named_parameters(recurse=False)) == []
    net.steps = nn.Parameter(tapegrad.ones(1))
    assert "steps" in net._parameters and "steps" not in net._buffers
    net.first = nn.Parameter(tapegrad.ones(1))
    assert "first" in net._parameters and "first" not in net._modules
    net.scale = nn.Parameter(tapegrad.ones(3))
    net.plain = tapegrad.ones(2)
    assert "plain" not in net._buffers and net.plain.shape == (2,)
    net.plain = nn.Buffer(tapegrad.ones(2), persistent=False)
    assert "plain" in net._buffers and "plain" not in net.state_dict() and "plain" not in net.__dict__
    net.plain = tapegrad.zeros(5)
    assert net._buffers["plain"].shape == (5,)
    net.plain = None
    assert net._buffers["plain"] is None
    del net.scale, net.last, net.plain
    for name in ("scale", "last", "plain"):
        with pytest.raises(AttributeError, match=f"'Net' object has no attribute '{name}'"):
            getattr(net, name)


@pytest.mark.parametrize(
    ("act", "error", "text"),
    [
        (
            lambda net: setattr(net, "scale", tapegrad.ones(2)),
            TypeError,
            "cannot assign 'torch.FloatTensor' as parameter 'scale' (torch.nn.Parameter or None expected)",
        ),
        (
            lambda net: setattr(net, "first", 3),
            TypeError,
            "cannot assign 'int' as child module 'first' (torch.nn.Module or None expected)",
        ),
        (
            lambda net: setattr(net, "steps", 3),
            TypeError,
            "cannot assign 'int' as buffer 'steps' (torch.nn.Buffer, torch.Tensor or None expected)",
        ),
        (lambda net: net.register_parameter("a.b", None), KeyError, 'parameter name can\'t contain "."'),
        (lambda net: net.register_parameter("", None), KeyError, 'parameter name can\'t be empty string ""'),
        (lambda net: net.register_parameter(3, None), TypeError, "parameter name should be a string. Got int"),
        (lambda net: net.register_parameter("forward", None), KeyError, "attribute 'forward' already exists"),
        (
            lambda net: net.register_parameter("p", tapegrad.ones(2)),
            TypeError,
            "cannot assign 'torch.FloatTensor' object to parameter 'p' (torch.nn.Parameter or None required)",
        ),
        (
            lambda net: net.register_buffer("b", 3),
            TypeError,
            "cannot assign 'int' object to buffer 'b' (torch Tensor or None required)",
        ),
        (lambda net: net.register_buffer("scale", None), KeyError, "attribute 'scale' already exists"),
        (lambda net: net.add_module("m", 3), TypeError, "int is not a Module subclass"),
        (lambda net: net.add_module("a.b", nn.ReLU()), KeyError, 'module name can\'t contain ".", got: a.b'),
        (lambda net: net.add_module("scale", nn.ReLU()), KeyError, "attribute 'scale' already exists"),
        (lambda net: net.get_submodule("first.nothing"), AttributeError, "Linear has no attribute `nothing`"),
        (lambda net: net.get_submodule("first.weight"), AttributeError, "`weight` is not an nn.Module"),
        (lambda net: net.get_parameter("steps"), AttributeError, "`steps` is not an nn.Parameter"),
        (lambda net: net.get_buffer("scale"), AttributeError, "`scale` is not a buffer"),
        (lambda net: net.train("yes"), ValueError, "training mode is expected to be boolean"),
        (
            lambda net: net.to(tapegrad.int64),
            TypeError,
            "nn.Module.to only accepts floating point or complex dtypes, but got desired dtype=torch.int64",
        ),
        (lambda net: nn.Module()(1), NotImplementedError, 'Module [Module] is missing the required "forward" function'),
        (
            lambda net: nn.Parameter(tapegrad.tensor([1])),
            RuntimeError,
            "Only Tensors of floating point and complex dtype can require gradients",
        ),
    ],
)
def test_errors(act: Any, error: type[Exception], text: str) -> None:
    with pytest.raises(error) as caught:
        act(Net())
    assert caught.value.args[0] == text


def test_init_is_needed() -> None:
    class Forgetful(nn.Module):
        def __init__(self, value: Any) -> None:
            self.value = value

    for value, what in ((nn.Parameter(tapegrad.ones(1)), "parameters"), (nn.ReLU(), "module")):
        with pytest.raises(AttributeError, match=f"cannot assign {what} before Module.__init__\\(\\) call"):
            Forgetful(value)


def test_lookup() -> None:
    net = nn.Sequential(Net(), nn.ReLU())
    assert net.get_submodule("") is net and net.get_submodule("0.first") is net[0].first
    assert net.get_parameter("0.first.bias") is net[0].first.bias and net.get_buffer("0.steps") is net[0].steps
    net.set_submodule("0.first", nn.Identity())
    assert isinstance(net[0].first, nn.Identity)


def test_modes_and_apply() -> None:
    net = Net()
    assert net.training and net.eval() is net
    assert not any(m.training for m in net.modules()) and all(m.training for m in net.train().modules())
    seen: list[Any] = []
    assert net.apply(seen.append) is net
    assert seen == [net.first, net.last, net]
    assert net.requires_grad_(False) is net and not any(p.requires_grad for p in net.parameters())


def test_zero_grad() -> None:
    net = Net()
    net(tapegrad.ones(1, 3)).sum().backward()
    before = net.scale.grad
    net.zero_grad(set_to_none=False)
    assert net.scale.grad is before and not before.numpy().any()
    net.zero_grad()
    assert all(p.grad is None for p in net.parameters())


def test_conversion_keeps_parameters() -> None:
    """Parameters stay the same objects, tied ones tied; gradients are converted too; integer buffers are left alone."""
    net = Net()
    net.tied = net.first.weight
    net(tapegrad.ones(1, 3)).sum().backward()
    parameters = list(net.parameters())
    assert net.double() is net
    assert list(map(id, net.parameters())) == list(map(id, parameters)) and net.tied is net.first.weight
    assert all(p.dtype == tapegrad.float64 == p.grad.dtype for p in parameters)
    assert net.steps.dtype == tapegrad.int64 and net.scratch.dtype == tapegrad.float64
    assert net.half().scale.dtype == tapegrad.float16 and net.bfloat16().scale.dtype == tapegrad.bfloat16
    assert net.float().scale.dtype == tapegrad.float32
    assert net.to(tapegrad.ones(1, dtype=tapegrad.float64)).scale.dtype == tapegrad.float64
    assert net.type(tapegrad.float32).steps.dtype == tapegrad.float32


def test_to_device(device: str) -> None:
    net = Net()
    assert net.to(device) is net
    assert {t.device.type for t in [*net.parameters(), *net.buffers()]} == {device}
    y = net(tapegrad.ones(2, 3, device=device))
    y.sum().backward()
    assert y.device.type == device and net.scale.grad.device.type == device
    assert net.cpu().scale.grad.device.type == "cpu"


def test_device_and_dtype_of_new_layers(device: str) -> None:
    for layer in (
        nn.Linear(2, 2, device=device, dtype=tapegrad.float64),
        nn.Conv2d(1, 2, 3, device=device, dtype=tapegrad.float64),
        nn.BatchNorm1d(2, device=device, dtype=tapegrad.float64),
        nn.Embedding(3, 2, device=device, dtype=tapegrad.float64),
        nn.LayerNorm(2, device=device, dtype=tapegrad.float64),
        nn.PReLU(device=device, dtype=tapegrad.float64),
    ):
        for t in [*layer.parameters(), *layer.buffers()]:
            assert t.device.type == device and (t.dtype == tapegrad.float64 or not t.is_floating_point())


def test_copies() -> None:
    net = Net()
    net.tied = net.first.weight
    net(tapegrad.ones(1, 3)).sum().backward()
    net.eval()
    for twin in (copy.deepcopy(net), pickle.loads(pickle.dumps(net))):
        assert type(twin) is Net and not twin.training and twin.tied is twin.first.weight
        assert isinstance(twin.scale, nn.Parameter) and twin.scale is not net.scale and twin.scale.grad is None
        np.testing.assert_array_equal(twin.first.weight.detach().numpy(), net.first.weight.detach().numpy())
        assert not np.shares_memory(twin.first.weight.detach().numpy(), net.first.weight.detach().numpy())
        assert names(twin.named_buffers()) == names(net.named_buffers()) and "scratch" not in twin.state_dict()
        twin(tapegrad.ones(1, 3)).sum().backward()
        assert twin.scale.grad is not None


def test_parameter() -> None:
    t = tapegrad.tensor([1.0, 2.0])
    p = nn.Parameter(t)
    assert (
        isinstance(p, tapegrad.Tensor)
        and p.is_leaf
        and p.requires_grad
        and not nn.Parameter(t, requires_grad=False).requires_grad
    )
    assert repr(p) == "Parameter containing:\ntensor([1., 2.], requires_grad=True)"
    t.add_(1)
    assert p.tolist() == [2.0, 3.0] and p._version == 1
    assert type(p * 2) is tapegrad.Tensor and type(p.detach()) is tapegrad.Tensor
    twin = copy.deepcopy(p)
    assert type(twin) is nn.Parameter and twin.requires_grad and twin is not p
    q = pickle.loads(pickle.dumps(p))
    assert type(q) is nn.Parameter and q.tolist() == [2.0, 3.0] and q.requires_grad
    assert nn.Parameter().shape == (0,)


def test_buffer() -> None:
    b = nn.Buffer(tapegrad.ones(2))
    assert isinstance(b, nn.Buffer) and type(b) is tapegrad.Tensor and not isinstance(tapegrad.ones(2), nn.Buffer)


def test_a_dropped_module_is_freed() -> None:
    gc.collect()
    gc.disable()
    try:
        net = Net()
        net(tapegrad.ones(1, 3)).sum().backward()
        refs = [weakref.ref(net), weakref.ref(net.first), weakref.ref(net.scale)]
        del net
        assert [ref() for ref in refs] == [None] * 3
    finally:
        gc.enable()


def test_repr_of_nested_modules() -> None:
    class Named(nn.Module):
        def __init__(self) -> None:
            super().__init__()
            self.body = nn.Sequential(nn.ReLU())

        def extra_repr(self) -> str:
            return "a=1,\nb=2"

    assert repr(Named()) == "Named(\n  a=1,\n  b=2\n  (body): Sequential(\n    (0): ReLU()\n  )\n)"


def test_init_takes_no_arguments() -> None:
    with pytest.raises(TypeError, match=r"Module.__init__\(\) got an unexpected keyword argument 'a'"):
        nn.Module(a=1)
    with pytest.raises(TypeError, match="takes 1 positional argument but 2 were given"):
        nn.Module(1)


@pytest.mark.parametrize(
    "layer",
    [
        nn.ReLU(),
        nn.Tanh(),
        nn.MaxPool2d(2),
        nn.Conv1d(1, 1, 1),
        nn.ConvTranspose2d(1, 1, 1),
        nn.Softmax(0),
        nn.Dropout(),
    ],
)
def test_errors_name_the_layer(layer: nn.Module) -> None:
    """Layers that share a `forward` each have it under a name of their own."""
    with pytest.raises(
        TypeError, match=rf"^{type(layer).__name__}\.forward\(\) missing 1 required positional argument: 'input'"
    ):
        layer()
