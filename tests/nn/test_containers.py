"""Sequential, ModuleList, ModuleDict, ParameterList, ParameterDict."""

from __future__ import annotations

from collections import OrderedDict
from typing import Any

import pytest

import tapegrad
from tapegrad import nn


def layers(n: int) -> list[nn.Linear]:
    return [nn.Linear(2, 2) for _ in range(n)]


def test_sequential() -> None:
    a, b, c, d = layers(4)
    net = nn.Sequential(a, b)
    assert net.append(c) is net and len(net) == 3 and list(net) == [a, b, c]
    assert net[0] is a and net[-1] is c and list(net[1:]) == [b, c] and isinstance(net[1:], nn.Sequential)
    net.insert(1, d)
    assert list(net) == [a, d, b, c] and list(net.state_dict())[::2] == [f"{i}.weight" for i in range(4)]
    del net[1]
    assert list(net) == [a, b, c] and list(net._modules) == ["0", "1", "2"]
    net[1] = d
    assert net.pop(0) is a and list(net) == [d, c]
    assert list(net + nn.Sequential(a)) == [d, c, a] and list(net * 2) == [d, c, d, c] and list(2 * net) == [d, c, d, c]
    net += nn.Sequential(b)
    assert list(net) == [d, c, b]
    net *= 2
    assert len(net) == 6
    del net[2:]
    assert list(net) == [d, c]
    x = tapegrad.ones(1, 2)
    assert (net(x) - c(d(x))).abs().max().item() == 0
    named = nn.Sequential(OrderedDict(one=a, two=nn.ReLU()))
    assert named.one is a and list(named.state_dict()) == ["one.weight", "one.bias"]


@pytest.mark.parametrize(
    ("act", "error", "text"),
    [
        (lambda s: s[5], IndexError, "index 5 is out of range"),
        (lambda s: s["a"], TypeError, "cannot be interpreted as an integer"),
        (lambda s: s + [1], ValueError, "add operator supports only objects of Sequential class"),
        (lambda s: s * 0, ValueError, "Non-positive multiplication factor 0"),
        (lambda s: s * 1.5, TypeError, "unsupported operand type"),
        (lambda s: s.insert(9, nn.ReLU()), IndexError, "Index out of range: 9"),
        (lambda s: s.insert(0, 3), AssertionError, "module should be of type"),
        (lambda s: s.append(3), TypeError, "int is not a Module subclass"),
    ],
)
def test_sequential_errors(act: Any, error: type[Exception], text: str) -> None:
    with pytest.raises(error, match=text):
        act(nn.Sequential(*layers(2)))


def test_module_list() -> None:
    a, b, c, d = layers(4)
    found = nn.ModuleList([a, b])
    assert found.append(c) is found and found.extend([d]) is found and list(found) == [a, b, c, d]
    assert found[-1] is d and list(found[1:3]) == [b, c] and len(found + [a]) == 5
    found.insert(0, d)
    assert list(found) == [d, a, b, c, d]
    del found[0]
    del found[2:]
    assert list(found) == [a, b]
    found[0] = d
    assert found.pop(1) is b and list(found) == [d]
    found += [a]
    assert list(found) == [d, a] and list(found._modules) == ["0", "1"]
    with pytest.raises(TypeError, match=r"ModuleList.extend should be called with an iterable, but got int"):
        found.extend(3)
    with pytest.raises(NotImplementedError):
        found(1)


def test_module_list_repr_folds_runs() -> None:
    found = nn.ModuleList([*layers(3), nn.ReLU()])
    linear = "Linear(in_features=2, out_features=2, bias=True)"
    assert (
        repr(found) == f"ModuleList(\n  (0-2): 3 x {linear}\n  (3): ReLU()\n)"
        and repr(nn.ModuleList()) == "ModuleList()"
    )


def test_module_dict() -> None:
    a, b, c = layers(3)
    found = nn.ModuleDict({"a": a, "b": b})
    found["c"] = c
    assert (
        list(found) == ["a", "b", "c"] == list(found.keys())
        and list(found.values()) == [a, b, c]
        and "a" in found
        and len(found) == 3
    )
    assert dict(found.items())["b"] is b and found.pop("b") is b
    del found["a"]
    found.update([("x", a)])
    found.update(nn.ModuleDict({"y": b}))
    assert list(found) == ["c", "x", "y"]
    found.clear()
    assert not len(found)
    with pytest.raises(
        TypeError, match=r"ModuleDict.update should be called with an iterable of key/value pairs, but got int"
    ):
        found.update(3)
    with pytest.raises(ValueError, match="ModuleDict update sequence element #0 has length 1; 2 is required"):
        found.update([("x",)])


def test_parameter_list() -> None:
    found = nn.ParameterList([tapegrad.ones(2), nn.Parameter(tapegrad.zeros(3))])
    found.append(tapegrad.ones(1))
    assert (
        len(found) == 3
        and all(isinstance(p, nn.Parameter) for p in found)
        and [n for n, _ in found.named_parameters()] == ["0", "1", "2"]
    )
    assert len(found[1:]) == 2 and found[-1].shape == (1,)
    found[0] = tapegrad.zeros(5)
    assert found[0].shape == (5,) and isinstance(found[0], nn.Parameter)
    found += [tapegrad.ones(4)]
    assert len(found) == 4
    assert (
        repr(nn.ParameterList([tapegrad.ones(2, 3)]))
        == "ParameterList(  (0): Parameter containing: [torch.float32 of size 2x3])"
    )
    with pytest.raises(TypeError, match=r"ParameterList.extend should be called with an iterable, but got Tensor"):
        found.extend(tapegrad.ones(2))
    with pytest.raises(RuntimeError, match="ParameterList should not be called"):
        found()
    with pytest.raises(IndexError):
        found[9]


def test_parameter_dict() -> None:
    found = nn.ParameterDict({"a": tapegrad.ones(2)})
    found["b"] = nn.Parameter(tapegrad.ones(3))
    found["note"] = 3
    assert list(found) == ["a", "b", "note"] and [n for n, _ in found.named_parameters()] == ["a", "b"]
    assert found.get("c", 1) == 1 and found.setdefault("c", tapegrad.ones(1)).shape == (1,) and "c" in found
    assert found.pop("note") == 3 and found.popitem()[0] == "c" and len(found) == 2
    merged = found | nn.ParameterDict({"d": tapegrad.ones(4)})
    assert list(merged) == ["a", "b", "d"] and merged["a"] is found["a"]
    found |= {"e": tapegrad.ones(1)}
    assert list(found.copy()) == ["a", "b", "e"] and list(reversed(found)) == ["e", "b", "a"]
    del found["a"]
    found.clear()
    assert not len(found) and not list(found.parameters())
    with pytest.raises(TypeError, match="cannot be used as a key as it is not a string"):
        found[3] = tapegrad.ones(1)
    with pytest.raises(RuntimeError, match="ParameterDict should not be called"):
        found(1)
