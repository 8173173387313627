"""`use_deterministic_algorithms`: sums at repeated indices are taken in order on a device, and writes there that chance
would decide raise.
"""

from __future__ import annotations

import numpy as np
import pytest

import tapegrad
from tapegrad.backends import Device, determinism, standing_in
from tapegrad.backends.cupy.backend import scatter_add
from tapegrad.backends.kernels import launch, scatter
from tapegrad.backends.strict.backend import StrictBackend


@pytest.fixture(autouse=True)
def asked():
    tapegrad.use_deterministic_algorithms(True)
    yield
    tapegrad.use_deterministic_algorithms(False)


def test_the_switch():
    assert (
        tapegrad.are_deterministic_algorithms_enabled() and not tapegrad.is_deterministic_algorithms_warn_only_enabled()
    )
    tapegrad.use_deterministic_algorithms(True, warn_only=True)
    assert tapegrad.are_deterministic_algorithms_enabled() and tapegrad.is_deterministic_algorithms_warn_only_enabled()
    tapegrad.use_deterministic_algorithms(False, warn_only=True)
    assert (
        not tapegrad.are_deterministic_algorithms_enabled()
        and not tapegrad.is_deterministic_algorithms_warn_only_enabled()
    )
    with pytest.raises(
        TypeError, match=r"_set_deterministic_algorithms\(\): argument 'mode' \(position 1\) must be bool, not int"
    ):
        tapegrad.use_deterministic_algorithms(1)


@pytest.mark.parametrize(
    "dtype", ["float32", "float64", "float16", "bfloat16", "complex64", "complex128", "int64", "int8", "bool"]
)
def test_who_adds_on_cuda(dtype, monkeypatch):
    """Floating-point sums go to the kernel that takes them in order, and come out the same to the last bit; integers
    stay with the atomics.
    """
    try:
        launch.cpu_compiler()
    except launch.Unavailable as why:
        pytest.skip(str(why))
    launched = []
    monkeypatch.setattr(
        scatter, "launch", lambda name, *args, **kwargs: (launched.append(name), launch.launch(name, *args, **kwargs))
    )
    strict = StrictBackend()
    numbers = np.random.default_rng(0).standard_normal((500, 2))
    values = numbers.astype(tapegrad.__dict__[dtype].numpy)
    index = np.random.default_rng(1).integers(0, 3, 500)
    target = strict.from_host(np.zeros((3, 2), values.dtype), Device("strict"))
    scatter_add(
        strict.xp, target, strict.from_host(index, Device("strict")), strict.from_host(values, Device("strict"))
    )
    if dtype in ("float16", "bfloat16"):
        want = np.zeros((3, 2), np.float32)
        np.add.at(want, index, values.astype(np.float32))
    else:
        want = np.zeros((3, 2), values.dtype)
        np.add.at(want, index, values)
    np.testing.assert_array_equal(target.get(), want.astype(values.dtype))
    kinds = {name.partition("<")[0] for name in launched}
    assert kinds == {"int64": set(), "int8": {"scatter.add"}, "bool": {"scatter.add"}}.get(
        dtype, {"scatter.add_sorted"}
    )


def writes(device):
    x, index = tapegrad.zeros(4, 3, device=device), tapegrad.tensor([1, 1, 0], device=device)
    rows = tapegrad.arange(9.0, device=device).reshape(3, 3)
    return {
        "index_put_ with accumulate=False": [
            lambda: x.__setitem__(index, rows),
            lambda: x.index_put((index, index), rows[0]),
        ],
        "scatter with src tensor and reduce=None": [lambda: x.scatter(0, index[None], rows)],
        "put_": [lambda: x.put(index, rows[0])],
        "index_copy": [lambda: x.index_copy(0, index, rows)],
        "bincount with weights": [lambda: index.bincount(rows[0])],
    }, [
        lambda: x.__setitem__(index, 3.0),
        lambda: x.__setitem__(index, rows[0, 0]),
        lambda: x.__setitem__(x > 1, 2.0),
        lambda: x.index_fill(0, index, 2.0),
        lambda: x.index_put((index,), rows, accumulate=True),
        lambda: x.put(index, rows[0], accumulate=True),
        lambda: x.scatter(0, index[None], 2.0),
        lambda: x.__setitem__((slice(None), 1), 2.0),
        lambda: index.bincount(),
        lambda: x.scatter_add(0, index[None], rows),
        lambda: x.index_add(0, index, rows),
    ]


def test_writes_that_chance_decides_raise():
    for device in ("cpu", "strict"):
        refused, fine = writes(device)
        for write in fine:
            write()
        for name, calls in refused.items():
            for write in calls:
                if device == "cpu":
                    write()
                    continue
                with pytest.raises(
                    RuntimeError, match=f"^{name} does not have a deterministic implementation, but you set"
                ):
                    write()
                tapegrad.use_deterministic_algorithms(True, warn_only=True)
                with pytest.warns(UserWarning, match=f"^{name} does not have a deterministic implementation"):
                    write()
                tapegrad.use_deterministic_algorithms(False)
                write()
                tapegrad.use_deterministic_algorithms(True)


def test_gradients_are_unharmed():
    with standing_in("cuda", StrictBackend("cuda")):
        for device in ("cpu", "cuda"):
            x = tapegrad.arange(12.0, device=device).reshape(4, 3).requires_grad_()
            index = tapegrad.tensor([0, 3, 3], device=device)
            (
                x[index].sum()
                + x.gather(0, index[None]).sum()
                + tapegrad.nn.functional.embedding(index, x).sum()
                + x.sort(0)[0][1:].sum()
                + x.max(0)[0].sum()
                + tapegrad.nn.functional.max_pool1d(x, 2, 1).sum()
            ).backward()
            assert x.grad.device.type == device and x.grad.sum().item() == 41
    assert determinism.setting.on
