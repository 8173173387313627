"""Saving and loading a module's state."""

from __future__ import annotations

from collections import OrderedDict
from typing import Any

import numpy as np
import pytest

import tapegrad
from tapegrad import nn


def net() -> nn.Sequential:
    return nn.Sequential(nn.Linear(2, 3), nn.BatchNorm1d(3), nn.Linear(3, 1, bias=False))


KEYS = [
    "0.weight",
    "0.bias",
    "1.weight",
    "1.bias",
    "1.running_mean",
    "1.running_var",
    "1.num_batches_tracked",
    "2.weight",
]


def test_keys_and_sharing() -> None:
    a = net()
    state = a.state_dict()
    assert list(state) == KEYS and type(state) is OrderedDict and state._metadata["1"] == {"version": 2}
    assert not any(t.requires_grad for t in state.values())
    assert [k for k, t in a.state_dict(keep_vars=True).items() if t.requires_grad] == [
        k for k, _ in a.named_parameters()
    ]
    assert np.shares_memory(state["0.weight"].numpy(), a[0].weight.detach().numpy())
    assert list(a.state_dict(prefix="m.")) == [f"m.{key}" for key in KEYS]
    found: dict[str, Any] = {}
    assert a.state_dict(destination=found) is found and list(found) == KEYS


def test_round_trip(device: str) -> None:
    a, b = net().to(device), net().to(device)
    a(tapegrad.randn(4, 2, device=device))
    before = [id(p) for p in b.parameters()]
    outcome = b.load_state_dict(a.state_dict())
    assert repr(outcome) == "<All keys matched successfully>" and outcome.missing_keys == [] == outcome.unexpected_keys
    assert [id(p) for p in b.parameters()] == before and all(p.requires_grad and p.is_leaf for p in b.parameters())
    for x, y in zip(a.state_dict().values(), b.state_dict().values()):
        assert x.device.type == device and x.tolist() == y.tolist()
    b[0].weight.data.zero_()
    assert a[0].weight.detach().cpu().numpy().any()


def test_load_crosses_devices_and_dtypes(device: str) -> None:
    a, b = net().double(), net().to(device)
    b.load_state_dict(a.state_dict())
    assert b[0].weight.dtype == tapegrad.float32 and b[0].weight.device.type == device
    np.testing.assert_allclose(b[0].weight.detach().cpu().numpy(), a[0].weight.detach().numpy(), rtol=1e-6)


def test_a_load_counts_as_a_write() -> None:
    a = nn.Linear(2, 2)
    x = tapegrad.ones(1, 2, requires_grad=True)
    y = a(x).sum()
    a.load_state_dict(nn.Linear(2, 2).state_dict())
    with pytest.raises(RuntimeError, match="modified by an inplace operation"):
        y.backward()


def test_errors() -> None:
    a = net()
    state = a.state_dict()
    del state["0.bias"]
    state["3.weight"] = tapegrad.ones(1)
    state["2.weight"] = tapegrad.ones(2, 2)
    with pytest.raises(RuntimeError) as caught:
        a.load_state_dict(state)
    assert str(caught.value) == (
        'Error(s) in loading state_dict for Sequential:\n\tMissing key(s) in state_dict: "0.bias". \n\tUnexpected '
        'key(s) in state_dict: "3.weight". \n\t'
        "size mismatch for 2.weight: copying a param with shape torch.Size([2, 2]) from checkpoint, the shape in "
        "current model is torch.Size([1, 3])."
    )
    state["2.weight"] = tapegrad.ones(1, 3)
    outcome = a.load_state_dict(state, strict=False)
    assert outcome.missing_keys == ["0.bias"] and outcome.unexpected_keys == ["3.weight"]
    assert repr(outcome) == "_IncompatibleKeys(missing_keys=['0.bias'], unexpected_keys=['3.weight'])"
    with pytest.raises(TypeError, match=r"Expected state_dict to be dict-like, got <class 'list'>."):
        a.load_state_dict([])
    with pytest.raises(
        RuntimeError, match=r"expected torch.Tensor or Tensor-like object from checkpoint but received <class 'int'>"
    ):
        a.load_state_dict({**a.state_dict(), "0.bias": 3})


def test_assign() -> None:
    a = nn.Linear(2, 3)
    state = {"weight": tapegrad.ones(3, 2, dtype=tapegrad.float64), "bias": nn.Parameter(tapegrad.ones(3))}
    a.bias.requires_grad_(False)
    a.load_state_dict(state, assign=True)
    assert (
        isinstance(a.weight, nn.Parameter)
        and a.weight.dtype == tapegrad.float64
        and np.shares_memory(a.weight.detach().numpy(), state["weight"].numpy())
    )
    assert a.bias is state["bias"] and not a.bias.requires_grad


def test_old_batch_norm_state() -> None:
    """A state saved by the first version, which counted no batches."""
    a = nn.BatchNorm1d(2)
    state = {k: v for k, v in a.state_dict().items() if k != "num_batches_tracked"}
    a.load_state_dict(state)
    assert a.num_batches_tracked.item() == 0


def test_zero_dimensional_parameter_takes_one_element() -> None:
    a = nn.Module()
    a.p = nn.Parameter(tapegrad.tensor(1.0))
    a.load_state_dict({"p": tapegrad.tensor([5.0])})
    assert a.p.item() == 5.0 and a.p.shape == ()


def test_extra_state() -> None:
    class Counting(nn.Module):
        count = 0

        def get_extra_state(self) -> Any:
            return {"count": self.count}

        def set_extra_state(self, state: Any) -> None:
            self.count = state["count"]

    a, b = nn.Sequential(Counting()), nn.Sequential(Counting())
    a[0].count = 7
    assert a.state_dict()["0._extra_state"] == {"count": 7}
    b.load_state_dict(a.state_dict())
    assert b[0].count == 7
    with pytest.raises(RuntimeError, match=r'Missing key\(s\) in state_dict: "0._extra_state"'):
        b.load_state_dict({})
    with pytest.raises(RuntimeError, match=r"Unexpected key\(s\) in state_dict: \"_extra_state\""):
        nn.ReLU().load_state_dict({"_extra_state": 1})


def test_hooks() -> None:
    a = net()
    seen: list[str] = []
    handles = [
        a.register_state_dict_pre_hook(lambda module, prefix, keep_vars: seen.append("saving")),
        a.register_state_dict_post_hook(lambda module, state, prefix, metadata: state.update(more=tapegrad.ones(1))),
        a.register_load_state_dict_pre_hook(lambda module, state, *rest: state.pop("more", None)),
        a.register_load_state_dict_post_hook(lambda module, keys: seen.append(f"loaded {keys.missing_keys}")),
    ]
    state = a.state_dict()
    assert "more" in state and seen == ["saving"]
    a.load_state_dict(state)
    assert seen == ["saving", "loaded []"]
    for handle in handles:
        handle.remove()
    assert list(a.state_dict()) == KEYS and len(seen) == 2
    with (
        a.register_load_state_dict_post_hook(lambda module, keys: 3),
        pytest.raises(AssertionError, match="not expected to return new values"),
    ):
        a.load_state_dict(a.state_dict())
    with (
        a.register_state_dict_post_hook(lambda *args: {}),
        pytest.raises(RuntimeError, match="state_dict post-hook must return None"),
    ):
        a.state_dict()
    with a._register_state_dict_hook(lambda *args: {"other": 1}):
        assert a.state_dict() == {"other": 1}
