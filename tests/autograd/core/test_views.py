"""Views: which results share memory, how they are named, and what writes to them do to gradients."""

from __future__ import annotations

import pickle

import numpy as np
import pytest

import tapegrad
from tapegrad import Tensor


def leaf(*shape: int, device: str = "cpu") -> Tensor:
    return tapegrad.tensor(
        np.arange(1.0, np.prod(shape, dtype=int) + 1).reshape(shape), device=device, requires_grad=True
    )


# ---- what is a view


@pytest.mark.parametrize(
    "view",
    [
        lambda x: x[0],
        lambda x: x[:, 1],
        lambda x: x[..., None],
        lambda x: x.t(),
        lambda x: x.view(-1),
        lambda x: x.reshape(3, 2),
        lambda x: x.expand(2, 2, 3),
        lambda x: x.diagonal(),
        lambda x: x.unfold(1, 2, 1),
        lambda x: x.as_strided((2,), (3,)),
        lambda x: x.unbind(1)[2],
        lambda x: x.split(1)[1],
        lambda x: x.mT,
        lambda x: x.narrow(1, 1, 2),
        lambda x: x.select(0, 1),
        lambda x: x.flatten(),
        lambda x: x.movedim(0, 1),
        lambda x: x[0, 0],
        lambda x: x.tensor_split(2)[0],
    ],
)
def test_a_view_sees_what_is_written_to_its_base(view, device):
    x = tapegrad.zeros(2, 3, device=device)
    y = view(x)
    x.fill_(7)
    assert y._is_view() and (y == 7).all().item()


def test_a_copying_reshape_is_no_view(device):
    x = tapegrad.zeros(2, 3, device=device)
    y = x.t().reshape(-1)
    x.fill_(7)
    assert not y._is_view() and (y == 0).all().item()


def test_view_refuses_to_copy(device):
    x = tapegrad.zeros(2, 3, device=device)
    with pytest.raises(
        RuntimeError,
        match=r"view size is not compatible with input tensor's size and stride .* Use .reshape\(...\) instead",
    ):
        x.t().view(6)
    assert x.t().view(3, 2).shape == (3, 2) and x[:, ::2].view(2, 2, 1).shape == (2, 2, 1)


def test_flip_and_roll_copy(device):
    x = tapegrad.zeros(2, 3, device=device)
    for y in (x.flip(0), x.flip(()), x.roll(1, 0), x.rot90(0), x.tile((1, 1)), x.repeat(1, 1)):
        assert not y._is_view()
        y.fill_(1)
    assert (x == 0).all().item()


def test_names():
    x = leaf(2, 3)
    made = {
        x.view(6): "View",
        x.reshape(6): "View",
        x.t(): "T",
        x.T: "Permute",
        x.mT: "Transpose",
        x.transpose(0, 1): "Transpose",
        x.expand(2, 2, 3): "Expand",
        x.squeeze(): "Squeeze",
        x.unsqueeze(0): "Unsqueeze",
        x[0]: "Select",
        x[:1]: "Slice",
        x[None]: "Unsqueeze",
        x[...]: "Alias",
        x[[0]]: "Index",
        x.narrow(0, 0, 1): "Slice",
        x.select(0, 0): "Select",
        x.diagonal(): "Diagonal",
        x.unbind()[0]: "Unbind",
        x.split(1)[0]: "Split",
        x.split([1, 1])[0]: "SplitWithSizes",
        tapegrad.cat([x, x]): "Cat",
        tapegrad.stack([x, x]): "Stack",
        x @ x.t(): "Mm",
    }
    assert {t.grad_fn.name(): f"{name}Backward0" for t, name in made.items()} == {
        f"{name}Backward0": f"{name}Backward0" for name in made.values()
    }


def test_views_of_memory_that_is_not_numpys():
    """DLPack and the array interface give arrays whose base is no array."""

    class Owner:
        def __init__(self, array):
            self.array = array
            self.__array_interface__ = array.__array_interface__

    source = np.zeros((2, 3))
    x = tapegrad.from_numpy(np.asarray(Owner(source)))
    assert x[0]._is_view() and x.t()._is_view() and x.diagonal()._is_view() and not x.t().reshape(-1)._is_view()
    x[0].fill_(5)
    assert source[0, 0] == 5


# ---- whose view


def test_the_base_of_a_view(device):
    x = leaf(2, 3, device=device)
    y = x * 1
    v = y[0]
    assert v._base is y and v[1:]._base is y and y._base is None and x[:1]._base is x and y.unbind()[0]._base is y
    assert v.detach()._base is None and not v.detach()._is_view() and v.data._base is None
    with pytest.raises(AttributeError):
        v._base = None


@pytest.mark.parametrize(
    "change", [lambda y: y.t_(), lambda y: y.unsqueeze_(0), lambda y: y.as_strided_((3, 2), (2, 1))]
)
def test_a_tensor_of_another_shape_is_still_the_base_of_its_views(change, device):
    y = leaf(2, 3, device=device) * 1
    row = y[0]
    change(y)
    assert row._base is y and y._base is None and not y._is_view() and y[0]._base is y
    y.detach_()
    assert not y.requires_grad and y.is_leaf


def test_a_view_requires_grad_as_its_base_does(device):
    base = tapegrad.zeros(3, device=device)
    view, count = base[:2], tapegrad.arange(3, device=device)[:2]
    assert not view.requires_grad
    base.requires_grad_()
    assert view.requires_grad and view.is_leaf and not count.requires_grad
    with tapegrad.no_grad():
        other = (base * 1)[:2], base[1:]
    assert not other[0].requires_grad and other[1].requires_grad and other[1].grad_fn is None
    (other[1] * 2).sum().backward()
    assert base.grad is None and other[1].grad is None
    with pytest.raises(RuntimeError, match="element 0 of tensors does not require grad and does not have a grad_fn"):
        other[1].backward(tapegrad.ones(2, device=device))


# ---- facts


def test_facts(device):
    x = tapegrad.zeros(2, 3, 4, device=device)
    assert x.size() == (2, 3, 4) and x.size(-1) == 4 and x.stride() == (12, 4, 1) and x.stride(0) == 12
    assert x.dim() == x.ndimension() == x.ndim == 3 and x.numel() == x.nelement() == 24 and x.element_size() == 4
    y = x[1, :, 2:]
    assert y.storage_offset() == 14 and y.data_ptr() - x.data_ptr() == 56 and y.stride() == (4, 1)
    assert x.is_contiguous() and not y.is_contiguous() and y.contiguous().is_contiguous() and x.contiguous() is x
    assert repr(x.size()) == "torch.Size([2, 3, 4])"
    with pytest.raises(IndexError, match="Dimension out of range"):
        x.size(3)


def test_memory_formats(device):
    x = tapegrad.zeros(2, 3, 4, 5, device=device)
    y = x.to(memory_format=tapegrad.channels_last)
    assert (
        y.stride() == (60, 1, 15, 3) and y.is_contiguous(memory_format=tapegrad.channels_last) and not y.is_contiguous()
    )
    assert y.contiguous(memory_format=tapegrad.channels_last) is y and y.contiguous().stride() == x.stride()
    assert y.clone().stride() == y.stride() and y.clone(memory_format=tapegrad.contiguous_format).stride() == x.stride()
    assert tapegrad.zeros_like(y).stride() == y.stride()
    assert (
        pickle.loads(pickle.dumps(tapegrad.channels_last)) is tapegrad.channels_last
        and repr(tapegrad.channels_last) == "torch.channels_last"
    )
    with pytest.raises(RuntimeError, match="required rank 4 tensor to use channels_last format"):
        x[0].contiguous(memory_format=tapegrad.channels_last)


def test_clone_keeps_the_layout():
    x = tapegrad.zeros(2, 3)
    assert x.t().clone().stride() == (1, 3) and x[:, ::2].clone().stride() == (2, 1)


# ---- writes


def test_write_through_a_view_of_memory_in_another_order(device):
    x = leaf(2, 3, device=device)
    y = (x.t() * 2).t()
    y.view(2, 3) if y.is_contiguous() else y
    y.reshape(2, 3)[0, 1:].mul_(5)
    (y * y).sum().backward()
    scale = np.array([[2, 10, 10], [2, 2, 2]])
    assert np.allclose(x.grad.cpu().numpy(), 2 * scale**2 * np.arange(1.0, 7).reshape(2, 3))


def test_write_through_a_flat_view_of_a_transposed_base():
    """The slice of the gradient is found in a buffer that is laid out as the base."""
    x = leaf(2, 3)
    y = x.t() * 2
    y.t().view(-1)[1:3].mul_(5)
    y.backward(tapegrad.ones(3, 2, dtype=tapegrad.float64))
    assert x.grad.tolist() == [[2, 10, 10], [2, 2, 2]]


def test_second_order_through_such_a_write():
    x = leaf(2, 3)
    y = x.t() ** 2
    y.t().view(-1)[1:3].mul_(5)
    (first,) = tapegrad.autograd.grad(y.sum(), x, create_graph=True)
    first.sum().backward()
    assert x.grad.tolist() == [[2, 10, 10], [2, 2, 2]]


def test_writes_to_expanded_tensors_are_refused(device):
    x = tapegrad.zeros(1, 3, device=device)
    with pytest.raises(
        RuntimeError, match="more than one element of the written-to tensor refers to a single memory location"
    ):
        x.expand(2, 3).add_(1)
    x.expand(1, 3).add_(1)
    assert (x == 1).all().item()
    x.expand(2, 3).fill_(5)
    assert (x == 5).all().item()
    x.expand(2, 3).zero_()
    assert (x == 0).all().item()


@pytest.mark.parametrize(
    "pair", [lambda x: (x, x.t()), lambda x: (x[1:], x[:-1]), lambda x: (x, x.detach().t()), lambda x: (x, x[0])]
)
@pytest.mark.parametrize(
    "write", [lambda a, b: a.add_(b), lambda a, b: a.copy_(b), lambda a, b: a.mul_(b), lambda a, b: a.addcmul_(b, b)]
)
def test_an_operand_that_overlaps_the_target_in_part_is_refused(pair, write, device):
    for flows in (False, True):
        x = leaf(3, 3, device=device).detach().requires_grad_(flows) * 1
        before = x.tolist()
        with pytest.raises(
            RuntimeError,
            match="some elements of the input tensor and the written-to tensor refer to a single memory location",
        ):
            write(*pair(x))
        assert x.tolist() == before and x._version == 0
        write(x, x)
        write(x[:1], x[2:])


@pytest.mark.parametrize(
    "write",
    [
        lambda x: x.index_add_(0, tapegrad.tensor([0]), x[:1]),
        lambda x: x.scatter_(0, tapegrad.tensor([[0]]), x),
        lambda x: x.__setitem__([0], x[:1]),
        lambda x: x.__setitem__(slice(1, 3), x[:2]),
    ],
)
def test_an_operand_that_is_read_elsewhere_than_written_must_be_apart(write):
    with pytest.raises(
        RuntimeError,
        match="some elements of the input tensor and the written-to tensor refer to a single memory location",
    ):
        write(tapegrad.zeros(3, 3))


@pytest.mark.parametrize(
    "split", [lambda x: x.unbind(), lambda x: x.split(1), lambda x: x.split([1, 1]), lambda x: x.chunk(2)]
)
def test_one_of_several_views_cannot_be_written(split):
    y = leaf(2, 3) * 2
    with pytest.raises(RuntimeError, match="This view is the output of a function that returns multiple views"):
        split(y)[0].mul_(2)
    for part in (y.unsafe_split(1)[0], y.unsafe_chunk(2)[0], y.tensor_split(2)[0]):
        part.mul_(2)


@pytest.mark.parametrize("used", [(0,), (1,), (0, 2), (0, 1, 2)])
def test_gradients_of_some_of_several_results(used, device):
    for split in (
        lambda x: x.unbind(1),
        lambda x: x.split(1, 1),
        lambda x: x.split([1, 1, 1], 1),
        lambda x: x.chunk(3, 1),
    ):
        x = leaf(2, 3, device=device)
        parts = split(x)
        sum((parts[i] ** 2).sum() for i in used).backward()
        want = np.zeros((2, 3))
        want[:, used] = 2 * np.arange(1.0, 7).reshape(2, 3)[:, used]
        assert np.array_equal(x.grad.cpu().numpy(), want)


# ---- shapes changed in place


def test_transposed_in_place():
    x = leaf(2, 3)
    y = x * 2
    row = y[0]
    y.t_()
    assert y.shape == (3, 2) and not y.is_leaf
    y.mul_(3)  # seen through the view that was made before
    (row * 1).sum().backward()
    assert x.grad.tolist() == [[6, 6, 6], [0, 0, 0]]


def test_squeezed_in_place():
    y = leaf(1, 3) * 1
    y.squeeze_().unsqueeze_(1)
    assert y.shape == (3, 1)
    with pytest.raises(RuntimeError, match="a leaf Variable that requires grad is being used in an in-place operation"):
        leaf(2, 3).t_()
    with pytest.raises(
        RuntimeError, match="a view of a leaf Variable that requires grad is being used in an in-place operation"
    ):
        leaf(2, 3)[0].unsqueeze_(0)


def test_a_leaf_given_another_shape_under_no_grad_stays_a_leaf(device):
    x = leaf(2, 3, device=device)
    row = x[0]
    with tapegrad.no_grad():
        x.t_()
    assert x.requires_grad and x.is_leaf and x.shape == (3, 2) and row._base is x
    (x * x).sum().backward()
    assert x.grad.tolist() == [[2, 8], [4, 10], [6, 12]]


def test_a_retained_gradient_follows_a_tensor_given_another_shape():
    y = leaf(2, 3) * 1
    row = y[0]
    y.retain_grad()
    y.t_()
    (y * 3).sum().backward()
    assert y.grad.shape == (3, 2) and row._base is y


def test_resize(device):
    x = tapegrad.arange(6, device=device)
    assert x.resize_(2, 2).tolist() == [[0, 1], [2, 3]] and x.resize_((6,)).tolist() == [0, 1, 2, 3, 4, 5]
    assert x.resize_(8).tolist()[:6] == [0, 1, 2, 3, 4, 5]
    with pytest.raises(RuntimeError, match="cannot resize variables that require grad"):
        leaf(2).resize_(3)


# ---- strides


def test_as_strided_adds_up_where_it_overlaps():
    x = leaf(4)
    y = x.as_strided((3, 2), (1, 1))
    y.backward(tapegrad.ones(3, 2, dtype=tapegrad.float64))
    assert x.grad.tolist() == [1, 2, 2, 1]


def test_as_strided_of_an_expanded_tensor_divides():
    x = leaf(1)
    y = x.expand(3).as_strided((2,), (0,))
    y.backward(tapegrad.ones(2, dtype=tapegrad.float64))
    assert x.grad.tolist() == [2]


def test_unfold_adds_up_where_windows_overlap(device):
    x = leaf(5, device=device)
    x.unfold(0, 3, 1).sum().backward()
    assert x.grad.tolist() == [1, 2, 3, 2, 1]


# ---- the same result as the operand


def test_nothing_to_do_gives_the_tensor_itself():
    x = leaf(2, 3)
    for y in (
        x.contiguous(),
        x.flatten(1, 1),
        x.to(tapegrad.float64),
        x.double(),
        x.cpu(),
        x.to("cpu"),
        x.type_as(x),
        tapegrad.atleast_2d(x),
        x.sum_to_size(2, 3),
    ):
        assert y is x


def test_transposes_of_tensors_that_are_no_matrices_warn():
    x = tapegrad.zeros(2, 3, 4)
    with pytest.warns(UserWarning, match="on tensors of dimension other than 2"):
        assert x.T.shape == (4, 3, 2)
    with pytest.warns(UserWarning, match="deprecated on 0-D tensors"):
        assert tapegrad.tensor(1.0).mT.shape == ()
    with pytest.raises(
        RuntimeError,
        match=r"tensor.H is only supported on matrices \(2-D tensors\). Got 3-D tensor. For batches of matrices, "
        r"consider",
    ):
        x.H  # noqa: B018
    c = tapegrad.tensor([[1j, 2.0]])
    assert c.H.tolist() == [[-1j], [2 + 0j]] and c.mH.tolist() == c.adjoint().tolist() == c.H.tolist()


@pytest.mark.parametrize(
    "call, words",
    [
        (lambda x: x.view(4, 2), "shape '[4, 2]' is invalid for input of size 6"),
        (lambda x: x.view(-1, -1), "only one dimension can be inferred"),
        (lambda x: x.reshape(2, -2), "invalid shape dimension -2 at index 1 of shape [2, -2]"),
        (
            lambda x: x.expand(3, 3),
            "The expanded size of the tensor (3) must match the existing size (2) at non-singleton dimension 0.  "
            "Target sizes: [3, 3].",
        ),
        (lambda x: x.transpose(0, 2), "Dimension out of range (expected to be in range of [-2, 1], but got 2)"),
        (lambda x: x.permute(0, 0), "permute(): duplicate dims are not allowed."),
        (
            lambda x: x.unflatten(1, (2, 2)),
            "unflatten: Provided sizes [2, 2] don't multiply up to the size of dim 1 (3) in the input tensor",
        ),
        (lambda x: x.narrow(0, 1, 2), "start (1) + length (2) exceeds dimension size (2)."),
        (lambda x: x.unfold(0, 3, 1), "maximum size for tensor at dimension 0 is 2 but size is 3"),
        (lambda x: x.diagonal(0, 0, 0), "diagonal dimensions cannot be identical 0, 0"),
        (lambda x: x.as_strided((7,), (1,)), "are out of bounds for storage of size 24"),
        (
            lambda x: x.split([1, 2]),
            "split_with_sizes expects split_sizes to sum exactly to 2 (input tensor's size at dimension 0), but got",
        ),
        (
            lambda x: tapegrad.cat([x, x[:, 1:]]),
            "Sizes of tensors must match except in dimension 0. Expected size 3 but got size 2 for tensor number 1",
        ),
        (
            lambda x: tapegrad.stack([x, x[0]]),
            "stack expects each tensor to be equal size, but got [2, 3] at entry 0 and [3] at entry 1",
        ),
        (lambda x: x @ x, "mat1 and mat2 shapes cannot be multiplied (2x3 and 2x3)"),
        (lambda x: x @ x.double().t(), "expected m1 and m2 to have the same dtype, but got: float != double"),
        (
            lambda x: tapegrad.einsum("ij,jk->ik", x, x),
            "einsum(): subscript j has size 2 for operand 1 which does not broadcast with",
        ),
    ],
)
def test_error_texts(call, words, device):
    with pytest.raises((RuntimeError, IndexError)) as caught:
        call(tapegrad.zeros(2, 3, device=device))
    assert words in str(caught.value)


@pytest.mark.parametrize("step", [0, 8])
def test_an_expanded_array_has_no_more_memory_than_it_shows(step: int) -> None:
    """Memory from elsewhere may show an element many times; `as_strided` and `resize_` reach as far as the memory does."""
    memory = np.arange(3.0)
    shown = np.lib.stride_tricks.as_strided(memory, (200000, 2), (0, step))
    t = tapegrad.from_numpy(shown)
    count = 1 if step == 0 else 2
    assert t.as_strided((count,), (1,)).tolist() == memory[:count].tolist()
    with pytest.raises(RuntimeError, match=f"are out of bounds for storage of size {8 * count}"):
        t.as_strided((200000,), (1,))
    windows = tapegrad.from_numpy(np.lib.stride_tricks.sliding_window_view(np.arange(6.0), 3, writeable=True))
    with pytest.raises(RuntimeError, match="out of bounds for storage of size 48"):
        windows.as_strided((7,), (1,))
    assert windows.as_strided((6,), (1,)).tolist() == [0.0, 1.0, 2.0, 3.0, 4.0, 5.0]
    resized = tapegrad.from_numpy(shown).resize_(400001)
    assert resized.tolist()[:count] == memory[:count].tolist()
