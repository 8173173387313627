"""Views of tensors over real cupy arrays (their memory is the host's): shapes, strides, memory and version counters are
those that NumPy's arrays give.
"""

from __future__ import annotations

import re

import numpy as np
import pytest
from host_cupy import on_host, serving, values

import tapegrad
from tapegrad.backends.cupy.backend import CupyBackend

cupy = pytest.importorskip("cupy")


@pytest.fixture(autouse=True)
def backend():
    with serving(cupy) as found:
        yield found


def pair(host):
    """A tensor over `host`, and one over a cupy array with a copy of its memory."""
    owner = host if host.base is None else host.base
    assert host.base is None
    copy = owner.copy(order="K")
    return tapegrad.from_numpy(host), tapegrad.as_tensor(on_host(cupy, copy))


def complex_(t):
    return tapegrad.view_as_complex(t[..., :2])


def real_part(t):
    return t.view(tapegrad.complex64).real


def in_place(name, *args):
    def rename(t):
        t = t.detach()
        return getattr(t, name)(*args)

    return rename


VIEWS = {
    "view": lambda t: t.view(4, 12),
    "view(-1)": lambda t: t.view(-1),
    "view of a dtype": lambda t: t.view(tapegrad.int32),
    "view_as": lambda t: t.view_as(t.mT),
    "view of a smaller dtype": lambda t: t.view(tapegrad.int8),
    "view of a larger dtype": lambda t: t.view(tapegrad.complex64),
    "reshape": lambda t: t.reshape(2, -1, 4),
    "flatten": lambda t: t.flatten(1),
    "ravel": lambda t: t.ravel(),
    "unflatten": lambda t: t.unflatten(2, (2, 3)),
    "transpose": lambda t: t.transpose(0, 2),
    "mT": lambda t: t.mT,
    "T": lambda t: t[0].T,
    "t()": lambda t: t[0].t(),
    "permute": lambda t: t.permute(2, 0, 1),
    "movedim": lambda t: t.movedim(0, -1),
    "swapaxes": lambda t: t.swapaxes(0, 1),
    "swapdims": lambda t: t.swapdims(1, 2),
    "adjoint": lambda t: t.adjoint(),
    "unsqueeze": lambda t: t.unsqueeze(1),
    "squeeze": lambda t: t[:1].squeeze(),
    "squeeze(dim)": lambda t: t[:1].squeeze(0),
    "squeeze nothing": lambda t: t.squeeze(0),
    "expand": lambda t: t[:, :1].expand(2, 4, -1),
    "expand new": lambda t: t.expand(3, 2, 4, 6),
    "expand_as": lambda t: t[0, 0, 0].expand_as(t),
    "broadcast_to": lambda t: t[:, :, :1].broadcast_to(2, 4, 5),
    "diagonal": lambda t: t.diagonal(0, 1, 2),
    "diagonal offset": lambda t: t.diagonal(-1, 2, 0),
    "unfold": lambda t: t.unfold(2, 3, 2),
    "unfold whole": lambda t: t.unfold(1, 4, 1),
    "narrow": lambda t: t.narrow(2, 1, 3),
    "select": lambda t: t.select(1, -1),
    "as_strided": lambda t: t.as_strided((2, 3), (7, 2)),
    "as_strided offset": lambda t: t.as_strided((2, 2), (1, 1), 5),
    "as_strided of a part": lambda t: t[1, 2:].as_strided((3,), (2,)),
    "t[i]": lambda t: t[1],
    "t[i, j, k]": lambda t: t[1, 2, 3],
    "t[-1]": lambda t: t[-1],
    "slice": lambda t: t[:, 1:3],
    "steps": lambda t: t[::2, ::3, 1::2],
    "None": lambda t: t[None, :, None],
    "Ellipsis": lambda t: t[..., 1],
    "mixed": lambda t: t[1, None, 1:, ::2],
    "nothing": lambda t: t[:, 2:2],
    "t[...]": lambda t: t[...],
    "t[()]": lambda t: t[()],
    "slices of slices": lambda t: t[:, 1:][0, :, 2:].T[::2],
    "detach": lambda t: t.detach(),
    "data": lambda t: t.data,
    "contiguous": lambda t: t.contiguous(),
    "view_as_complex": complex_,
    "view_as_real": lambda t: tapegrad.view_as_real(t.view(tapegrad.complex64)),
    "real": real_part,
    "imag": lambda t: t.view(tapegrad.complex64).imag,
    "positive": lambda t: +t,
    "atleast_3d": lambda t: tapegrad.atleast_3d(t[0]),
    "squeeze_": in_place("squeeze_"),
    "unsqueeze_": in_place("unsqueeze_", 1),
    "transpose_": in_place("transpose_", 0, 1),
    "as_strided_": in_place("as_strided_", (2, 2), (3, 5)),
    "resize_ smaller": in_place("resize_", 2, 2),
}
SEVERAL = {
    "unbind": lambda t: t.unbind(1),
    "split": lambda t: t.split(2, 2),
    "split sizes": lambda t: t.split([1, 3], 1),
    "chunk": lambda t: t.chunk(3, 2),
    "tensor_split": lambda t: t.tensor_split((1, 2), 2),
    "hsplit": lambda t: t.hsplit(2),
    "vsplit": lambda t: t.vsplit(2),
    "dsplit": lambda t: t.dsplit(3),
    "iteration": list,
    "broadcast_tensors": lambda t: tapegrad.broadcast_tensors(t, t[:1]),
    "meshgrid": lambda t: tapegrad.meshgrid(t[0, 0], t[0, :, 0], indexing="ij"),
}


def same(ours, theirs, root, other):
    """The same view: `ours` of a cupy array as `theirs` of NumPy's."""
    assert type(ours.array) is cupy.ndarray and ours.is_cuda
    assert (ours.shape, ours.dtype, ours.array.strides) == (theirs.shape, theirs.dtype, theirs.array.strides)
    assert ours.stride() == theirs.stride() and ours.is_contiguous() == theirs.is_contiguous()
    if theirs.numel():
        assert ours.storage_offset() == theirs.storage_offset()
        assert ours.data_ptr() - root.data_ptr() == theirs.data_ptr() - other.data_ptr()
    np.testing.assert_array_equal(values(ours.array), theirs.array)
    assert ours._is_view() == theirs._is_view()
    assert (ours._base is root) == (theirs._base is other)
    assert ours._version == theirs._version


def host():
    return np.arange(48, dtype=np.float32).reshape(2, 4, 6).copy()


@pytest.mark.parametrize("name", [*VIEWS, *SEVERAL])
@pytest.mark.parametrize("grad", [False, True])
def test_views(name, grad, backend):
    other, root = pair(host())
    if (
        grad
        and not name.endswith("_")
        and name not in ("view of a dtype", "view of a smaller dtype", "view of a larger dtype")
    ):
        root.requires_grad_()
        other.requires_grad_()
    view = VIEWS.get(name) or SEVERAL[name]
    theirs, ours = view(other), view(root)
    if name in VIEWS:
        theirs, ours = [theirs], [ours]
    assert len(ours) == len(theirs) > 0
    for a, b in zip(ours, theirs):
        same(a, b, root, other)
        assert backend.shares_memory(a.array, root.array)
        assert a.requires_grad == b.requires_grad and type(a.grad_fn) is type(b.grad_fn)


@pytest.mark.parametrize(
    "layout",
    [lambda a: a, lambda a: np.asfortranarray(a), lambda a: a.transpose(1, 0, 2).copy().transpose(1, 0, 2)],
    ids=["C", "Fortran", "neither"],
)
@pytest.mark.parametrize(
    "name",
    [
        name
        for name in VIEWS
        if name.split()[0]
        in (
            "transpose",
            "permute",
            "unsqueeze",
            "squeeze",
            "expand",
            "diagonal",
            "unfold",
            "narrow",
            "select",
            "steps",
            "mixed",
            "slice",
            "flatten",
            "view(-1)",
        )
    ],
)
def test_views_of_other_layouts(name, layout, backend):
    """Where NumPy must copy, or torch refuses, CuPy does, too: it then asks for a GPU. Strides of dimensions of size 1
    are each library's own affair.
    """
    strided = layout(host())
    owner = strided if strided.base is None else strided.base
    theirs = tapegrad.as_tensor(strided)
    memory = owner.copy(order="K")
    ours = on_host(cupy, memory)
    ours = cupy.ndarray(strided.shape, strided.dtype, ours.data, strided.strides)
    ours = tapegrad.as_tensor(ours)
    try:
        want = VIEWS[name](theirs)
    except RuntimeError as error:
        # where it can copy it does so first
        with pytest.raises(RuntimeError, match=f"{re.escape(str(error))}|cudaErrorInsufficientDriver"):
            VIEWS[name](ours)
        return
    if np.shares_memory(want.array, strided):
        found = VIEWS[name](ours)
        assert found.shape == want.shape
        assert not any(
            n > 1 and ours != theirs for n, ours, theirs in zip(want.shape, found.array.strides, want.array.strides)
        )
        np.testing.assert_array_equal(values(found.array), want.array)
        assert backend.shares_memory(found.array, ours.array) and found._is_view()
    else:
        with pytest.raises(cupy.cuda.runtime.CUDARuntimeError):
            VIEWS[name](ours)


def test_arrays_without_elements_or_dimensions(backend):
    for shape, views in [
        (
            (0, 3),
            [
                lambda t: t.T,
                lambda t: t.reshape(3, 0),
                lambda t: t[:, 1],
                lambda t: t.view(-1),
                lambda t: t.expand(2, 0, 3),
            ],
        ),
        (
            (),
            [
                lambda t: t.view(1),
                lambda t: t.expand(3),
                lambda t: t.unsqueeze(0),
                lambda t: t[None],
                lambda t: t.squeeze(),
                lambda t: t[...],
            ],
        ),
    ]:
        other, root = pair(np.ones(shape, np.float32))
        for view in views:
            ours, theirs = view(root), view(other)
            assert (ours.shape, ours.stride(), ours._is_view()) == (theirs.shape, theirs.stride(), theirs._is_view())
            assert ours._base is root or not theirs._is_view()


def test_who_shares_memory(backend):
    _, x = pair(host())
    _, y = pair(host())
    parts = [view(x).array for view in VIEWS.values()]
    assert all(backend.shares_memory(part, whole) for part in parts for whole in [x.array, *parts[:9]])
    assert not any(backend.shares_memory(part, y.array) or backend.shares_memory(y.array, part) for part in parts)
    assert isinstance(backend, CupyBackend) and type(backend).shares_memory is CupyBackend.shares_memory is not None


WRITES = [
    name
    for name in VIEWS
    if name not in ("data", "nothing", "contiguous", "positive") and not name.endswith("_") and "resize_" not in name
]


@pytest.mark.parametrize("name", WRITES)
def test_a_write_through_a_view_is_noticed(name):
    """A kernel would do the writing: only that it has happened is told, as an extension in C would tell it."""
    _, x = pair(host())
    view = VIEWS[name](x)
    before = x._version
    tapegrad.autograd.graph.increment_version(view)
    assert x._version == view._version == before + 1
    tapegrad.autograd.graph.increment_version(x)
    assert x._version == view._version == before + 2


def test_stale_views_find_their_history_again():
    _, x = pair(host())
    x.requires_grad_()
    base = x.view(8, 6)
    part = base[2:]
    first = part.grad_fn
    assert part.grad_fn is first
    tapegrad.autograd.graph.increment_version(base)
    again = part.grad_fn
    assert again is not first and type(again) is type(first)
    assert part._base is x and part.requires_grad


def test_parts_of_parts_know_the_memory_they_lie_in():
    """What `as_strided` makes has no `base` in CuPy; the bounds of the memory, and offsets in it, are known all the
    same.
    """
    other, root = pair(host())
    for step in (
        lambda t: t[1, 1:].as_strided((3,), (2,)),
        lambda t: t.as_strided((2,), (5,), 7),
        lambda t: t.diagonal(1, 1, 2)[1:].as_strided((2,), (1,)),
    ):
        ours, theirs = step(root), step(other)
        for again in (
            lambda t: t[1:],
            lambda t: t.as_strided((6, 2), (8, 1), 0),
            lambda t: t.as_strided((1,), (1,), 47),
            lambda t: t[:1].expand(3),
        ):
            a, b = again(ours), again(theirs)
            assert a.storage_offset() == b.storage_offset()
            np.testing.assert_array_equal(values(a.array), b.array)
        for t in (ours, theirs):
            with pytest.raises(RuntimeError, match="out of bounds for storage of size 192"):
                t.as_strided((2,), (1,), 47)
        before = ours.data_ptr()
        assert ours.detach().resize_(3).data_ptr() == before


class Written(cupy.ndarray):
    """A cupy array that NumPy writes to."""

    def __setitem__(self, key, value):
        values(self)[key] = values(value) if isinstance(value, cupy.ndarray) else value


@pytest.mark.parametrize(
    "write",
    [
        lambda t: t.__setitem__((0, 1), 7.0),
        lambda t: t[1].__setitem__(slice(None), 7.0),
        lambda t: t.view(-1).__setitem__(3, 7.0),
        lambda t: t.T[1:].__setitem__((slice(None), 1), 7.0),
        lambda t: t[..., 1::2].__setitem__(Ellipsis, 7.0),
    ],
)
def test_writes_by_index(write):
    """CuPy writes where NumPy would, and version counters move as they do there."""
    a = np.arange(12, dtype=np.float32).reshape(3, 4).copy()
    theirs = tapegrad.from_numpy(a.copy())
    with serving(cupy, cls=Written):
        ours = tapegrad.as_tensor(on_host(cupy, a, Written))
        alias = ours[1:]
        write(theirs)
        write(ours)
        np.testing.assert_array_equal(a, theirs.array)
        assert ours._version == alias._version == theirs._version == 1


def test_subclasses_are_seen_as_cupys_own():
    array = on_host(cupy, host(), Written)
    t = tapegrad.as_tensor(array)
    assert type(t.array) is cupy.ndarray and t.array.data.ptr == array.data.ptr and t[1:].array.base is not None
