"""Reading and writing by index: gradients, devices, what is kept, and the functions by index tensors where the op table
does not reach.
"""

from __future__ import annotations

import numpy as np
import pytest

import tapegrad
from tapegrad import Tensor
from tapegrad.autograd.tape import sums as tape
from tapegrad.backends.registry import standing_in
from tapegrad.backends.strict.backend import StrictBackend, refusing


def leaf(*shape: int, device: str = "cpu") -> Tensor:
    return tapegrad.tensor(
        np.arange(1.0, np.prod(shape, dtype=int) + 1).reshape(shape), device=device, requires_grad=True
    )


def host(t: Tensor) -> np.ndarray:
    return t.detach().cpu().numpy()


INDICES = [
    0,
    -1,
    slice(1, None),
    slice(None, None, 2),
    None,
    Ellipsis,
    (0, 1),
    (slice(None), 1),
    (Ellipsis, 0),
    (None, 0, slice(1, 3)),
    [0, 2],
    [[0, 1], [2, 2]],
    (slice(None), [1, 0, 1]),
    ([0, 2], [1, 1]),
    (0, slice(None), [0, 1]),
    ([0, 1], slice(None), [1, 0]),
    (slice(None), None, [0, 3]),
    range(2),
    (np.array([0, 1]), 2),
    (Ellipsis, [1, 1]),
    np.array([True, False, True]),
    (slice(None), np.array([True, False, True, False])),
    True,
    False,
    (1, True),
    [],
]


def as_numpy(index):
    """The index in NumPy's terms, which for integers beside arrays differ from torch's."""
    if isinstance(index, tuple) and any(isinstance(i, (list, np.ndarray)) for i in index):
        return tuple(
            np.asarray(i)
            if isinstance(i, (list, range))
            else slice(i, i + 1)
            if isinstance(i, int) and not isinstance(i, bool)
            else i
            for i in index
        )
    return np.asarray(index, np.int64) if isinstance(index, (list, range)) else index


@pytest.mark.parametrize("index", INDICES, ids=str)
@pytest.mark.filterwarnings("ignore:Using a non-tuple sequence")
def test_read_and_write(index, device):
    """Reading, its gradient, writing, and its gradients, beside plain NumPy on an array of positions."""
    places = np.arange(24).reshape(3, 4, 2)
    if index.__class__ is list and index[:1] == [[0, 1]]:
        index = (index[0], index[1])
    want = places[as_numpy(index)]
    x = leaf(3, 4, 2, device=device)
    got = x[index]
    if isinstance(index, tuple) and any(isinstance(i, int) and not isinstance(i, bool) for i in index):
        want = want.reshape(tuple(got.shape))  # the sliced dimensions of size 1 are dropped
    assert np.array_equal(host(got), want + 1)
    weights = np.arange(1.0, want.size + 1).reshape(want.shape)
    (got * tapegrad.tensor(weights, device=device)).sum().backward()
    expected = np.zeros(24)
    np.add.at(expected, want.reshape(-1), weights.reshape(-1))
    assert np.array_equal(host(x.grad).reshape(-1), expected)

    x.grad = None
    y = x * 1
    value = tapegrad.tensor(100 + weights, device=device, requires_grad=True)
    if len(set(want.reshape(-1).tolist())) == want.size:
        y[index] = value
        written = np.arange(1.0, 25)
        written[want.reshape(-1)] = 100 + weights.reshape(-1)
        assert np.array_equal(host(y).reshape(-1), written)
        (y * tapegrad.tensor(places + 1.0, device=device)).sum().backward()
        untouched = np.arange(1.0, 25)
        untouched[want.reshape(-1)] = 0
        assert np.array_equal(host(x.grad).reshape(-1), untouched) and np.array_equal(host(value.grad), want + 1.0)


def test_index_tensors_stay_on_the_device():
    """Nothing crosses to or from the host, forward and backward, but where a shape depends on values."""
    x = leaf(3, 4, device="strict")
    rows, columns = (tapegrad.tensor(i, device="strict") for i in ([0, 2, 0], [1, 3, 1]))
    one = tapegrad.tensor(2, device="strict")
    mask = tapegrad.tensor(np.eye(3, 4) > 0, device="strict")
    with refusing():
        y = x * 1
        total = y[rows].sum() + y[rows, columns].sum() + y[:, columns].sum() + y[one].sum()
        total = total + y.gather(1, columns.reshape(3, 1)).sum() + y.index_select(0, rows).sum()
        y[rows] = 2.0
        y[mask] = 3.0
        y[mask] = tapegrad.zeros((), device="strict", dtype=tapegrad.float64)
        y[rows, columns] = x[0, 0]
        y[0] = 1.5
        (total + y.sum()).backward()
    picked = y.detach()[mask]
    assert picked.shape == (3,) and x.grad.shape == (3, 4)


def test_an_index_on_the_cpu_goes_to_the_data():
    with standing_in("cuda", StrictBackend("cuda")):
        x = leaf(3, 4, device="cuda")
        i = tapegrad.tensor([2, 0])
        assert x[i].device.type == "cuda" and x[i].tolist() == [[9, 10, 11, 12], [1, 2, 3, 4]]
        with pytest.raises(
            RuntimeError, match="indices should be either on cpu or on the same device as the indexed tensor"
        ):
            leaf(3)[i.to("cuda")]
        y = tapegrad.zeros(2, device="cuda")
        y[0] = tapegrad.tensor(3.0)  # copies may cross
        y[:] = tapegrad.tensor([4.0, 5.0])
        y[[1]] = tapegrad.tensor(6.0)
        assert y.tolist() == [4, 6]
        with pytest.raises(RuntimeError, match="Expected all tensors to be on the same device"):
            y[[0, 1]] = tapegrad.tensor([1.0, 2.0])
        with pytest.raises(RuntimeError, match="Expected all tensors to be on the same device"):
            y.index_select(0, i)


def test_an_index_may_be_written_after_use():
    x = leaf(3)
    i = tapegrad.tensor([0, 1])
    mask = tapegrad.tensor([True, False, False])
    y = x[i].sum() + x[mask].sum() + x.masked_select(mask).sum()
    i.fill_(2)
    mask.fill_(True)
    y.backward()
    assert x.grad.tolist() == [3, 1, 0]


def test_an_index_that_an_op_keeps_may_not():
    x = leaf(3)
    i = tapegrad.tensor([0, 1])
    y = x.index_select(0, i)
    i.fill_(2)
    with pytest.raises(RuntimeError, match="modified by an inplace operation"):
        y.sum().backward()


def test_augmented_assignment():
    x = leaf(3, 2)
    y = x * 1
    y[0] += 10
    y[:, 1] *= x[:, 0]
    y[[1, 2], [0, 0]] -= 1
    y.sum().backward()
    assert y.tolist() == [[11, 12], [2, 12], [4, 30]] and x.grad.tolist() == [[13, 1], [5, 3], [7, 5]]


def test_a_view_of_an_element_is_one():
    x = tapegrad.zeros(3)
    x[1].fill_(5)
    x[2:][0].add_(1)
    assert x.tolist() == [0, 5, 1] and x[1].shape == ()


@pytest.mark.parametrize("value", [7, 7.0, True, [1, 2], np.array([1.5, 2]), np.float32(3), (4, 5)], ids=str)
def test_numbers_and_numpy_can_be_written(value, device):
    x = tapegrad.zeros(2, device=device)
    x[:] = value
    assert x.tolist() == np.broadcast_to(np.asarray(value, float), 2).tolist()


def test_dtypes_of_written_values():
    x = tapegrad.zeros(3)
    x[:2] = tapegrad.tensor([1, 2])
    x[2] = tapegrad.tensor(2.5, dtype=tapegrad.float64)
    x[x > 1] = tapegrad.tensor(9)
    assert x.tolist() == [1, 9, 9]
    with pytest.raises(
        RuntimeError,
        match="Index put requires the source and destination dtypes match, got Float for the destination and Long "
        "for the source",
    ):
        x[[0, 1]] = tapegrad.tensor([1, 2])
    with pytest.raises(RuntimeError, match="value cannot be converted to type float without overflow"):
        x[0] = 1j
    with pytest.warns(UserWarning, match="discards the imaginary part"):
        x[0] = tapegrad.tensor(3 + 4j)
    assert x[0].item() == 3
    with pytest.raises(TypeError, match=r"can't assign a str to a torch\.FloatTensor"):
        x[0] = "a"


def test_rows_in_a_loop_are_added_into_one_buffer(monkeypatch):
    """A loop over the rows of a leaf makes one array of zeros for its gradient, not one for each row."""
    made, dense = [], tape.dense
    monkeypatch.setattr(tape, "dense", lambda *args: made.append(1) or dense(*args))
    x = tapegrad.zeros(50, 20, requires_grad=True)
    total = x[0]
    for i in range(1, 50):
        total = total + x[i]
    total.sum().backward()
    assert len(made) == 1
    assert (x.grad == 1).all()


# ---- functions


def test_scatter_reduce_of_products_without_the_start():
    x = leaf(2)
    src = tapegrad.tensor([2.0, 0.0, 5.0], dtype=tapegrad.float64, requires_grad=True)
    y = x.scatter_reduce(0, tapegrad.tensor([0, 0, 1]), src, "prod", include_self=False)
    y.sum().backward()
    assert y.tolist() == [0, 5] and x.grad.tolist() == [0, 0] and src.grad.tolist() == [0, 2, 1]


def test_extrema_share_the_gradient(device):
    x = tapegrad.tensor([3.0, 1.0], device=device, requires_grad=True)
    src = tapegrad.tensor([3.0, 3.0, 0.0], device=device, requires_grad=True)
    x.scatter_reduce(0, tapegrad.tensor([0, 0, 1], device=device), src, "amax").sum().backward()
    assert x.grad.tolist() == pytest.approx([1 / 3, 1]) and src.grad.tolist() == pytest.approx([1 / 3, 1 / 3, 0])


@pytest.mark.parametrize("dtype", ["float16", "float64", "int64", "uint8", "bfloat16"])
@pytest.mark.parametrize("how", ["prod", "amax", "amin"])
def test_combining_is_the_same_on_a_device_without_atomics(dtype, how, rng):
    values = rng.integers(1, 3, 200)
    index = rng.integers(0, 60, 200)
    kind = getattr(tapegrad, dtype)
    results = [
        tapegrad.ones(64, device=device, dtype=kind)
        .scatter_reduce(
            0,
            tapegrad.tensor(index, device=device),
            tapegrad.tensor(values, device=device, dtype=kind),
            how,
            include_self=own,
        )
        .cpu()
        .double()
        .tolist()
        for device in ("cpu", "strict")
        for own in (True, False)
    ]
    assert results[0] == results[2] and results[1] == results[3]


def test_tensors_without_dimensions(device):
    s = tapegrad.tensor(3.0, device=device, requires_grad=True)
    zero = tapegrad.tensor([0], device=device)
    for y in (
        s.index_select(0, zero),
        s.gather(0, zero[0]),
        s.take(zero),
        s.index_add(0, zero, s),
        s.scatter(0, zero[0], s),
        s[None][zero],
        s[True],
        s[...],
    ):
        assert y.numel() == 1
        y.sum().backward()
    assert s.grad.item() == 9


@pytest.mark.parametrize(
    "call, words",
    [
        (lambda x: x.gather(1, tapegrad.tensor([[5]])), "index 5 is out of bounds for dimension 1 with size 4"),
        (lambda x: x.gather(1, tapegrad.tensor([[-1]])), "index -1 is out of bounds for dimension 1 with size 4"),
        (
            lambda x: x.gather(1, tapegrad.tensor([0])),
            "Index tensor must have the same number of dimensions as input tensor",
        ),
        (lambda x: x.index_select(0, tapegrad.tensor([3])), "index out of range in self"),
        (lambda x: x.take(tapegrad.tensor([12])), "out of range: tried to access index 12 on a tensor of 12 elements."),
        (lambda x: x.masked_select(tapegrad.tensor([1, 0, 1, 0])), "masked_select: expected BoolTensor for mask"),
        (lambda x: x.masked_scatter(x > 1, tapegrad.ones(2)), "Number of elements of source < number of ones in mask"),
        (
            lambda x: x.scatter_reduce(1, tapegrad.tensor([[0]]), x, "median"),
            "reduce argument must be either sum, prod, mean, amax or amin, got median",
        ),
        (
            lambda x: x.index_add(0, tapegrad.tensor([0]), tapegrad.ones(2, 4)),
            "Number of indices (1) should be equal to source.size(dim): (2), for dim: 0",
        ),
        (
            lambda x: tapegrad.take_along_dim(x, tapegrad.tensor([0]), 1),
            "input and indices should have the same number of dimensions",
        ),
    ],
)
def test_error_texts(call, words):
    with pytest.raises((RuntimeError, IndexError)) as caught:
        call(tapegrad.arange(12.0).reshape(3, 4))
    assert words in str(caught.value)


def test_gradients_of_sums_of_products_of_stacks(rng):
    """Gradients of sums are expanded: strides of zero reach the products."""
    a, b = (tapegrad.tensor(rng.normal(size=(8, 64, 64)), requires_grad=True) for _ in range(2))
    (a @ b).sum().backward()
    assert np.allclose(a.grad.numpy(), np.broadcast_to(host(b).sum(2)[:, None, :], (8, 64, 64)))
