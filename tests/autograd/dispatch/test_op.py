"""The `@op` decorator: what a rule may ask for, what is kept, what goes wrong and how it says so."""

from __future__ import annotations

import inspect

import numpy as np
import pytest

import tapegrad as tg
from tapegrad.autograd import grad
from tapegrad.autograd.dispatch.decorator import each, op
from tapegrad.backends import xp


@op(input=lambda grad, other: grad * other, other=lambda grad, input: grad * input, kind="elementwise", public=False)
def product(input, other):
    """A product."""
    return input * other


@op(input=lambda grad, result: grad * result, operands="float", kind="elementwise", public=False)
def power_of_e(input):
    return xp(input).exp(input)


@op(input=lambda grad, scale, input_shape: (grad * scale).reshape(input_shape), public=False)
def scaled_row(input, scale=2.0, *, flat=True):
    return (input * scale).reshape(-1) if flat else input * scale


@op(
    joint=lambda grad, need, a, b, half: (grad * b * half * 2 if need[0] else None, grad * a if need[1] else None),
    a=None,
    b=None,
    keeps=("half",),
    public=False,
)
def joint_product(a, b):
    return a * b, 0.5


@op(input=lambda grad, input, total_shape: None, public=False, outs=("total", "place"))
def wrong_names(input):
    return input.sum(), input.argmax()


@op(input=lambda grad, input_shape, dim: _both(grad, input_shape), outs=("double", "place", "triple"), public=False)
def several(input, dim=0):
    return input * 2, input.argsort(), input * 3


def _both(grad, shape):
    double, place, triple = grad
    assert place is None
    parts = [g * k for g, k in ((double, 2), (triple, 3)) if g is not None]
    return parts[0] if len(parts) == 1 else parts[0] + parts[1]


@op(parts=each(lambda grad, parts_shape: [grad for _ in parts_shape]), public=False)
def total_of(parts):
    result = parts[0].copy()
    for part in parts[1:]:
        result = result + part
    return result


@op(input=None, public=False)
def step(input):
    return xp(input).sign(input)


def test_values_gradients_and_second_order(device):
    a = tg.tensor([1.0, 2.0], device=device, requires_grad=True)
    b = tg.tensor([3.0, 5.0], device=device, requires_grad=True)
    y = product(a, power_of_e(b))
    (da, _) = grad(y.sum(), [a, b], create_graph=True)
    np.testing.assert_allclose(da.tolist(), np.exp([3, 5]), rtol=1e-6)
    (dab,) = grad(da.sum(), b)
    np.testing.assert_allclose(dab.tolist(), np.exp([3, 5]), rtol=1e-6)


def test_raw_arrays_in_raw_arrays_out():
    a = np.array([1.0, 2.0])
    assert isinstance(product(a, a), np.ndarray)
    assert isinstance(product(a, tg.tensor([1.0, 2.0])), tg.Tensor)


def test_plain_arguments_and_shapes_reach_a_rule(device):
    x = tg.ones(2, 3, device=device, requires_grad=True)
    scaled_row(x).sum().backward()
    scaled_row(x, 5.0).sum().backward()
    scaled_row(x, scale=7.0, flat=False).sum().backward()
    assert x.grad.tolist() == [[14.0] * 3] * 2


def test_joint_rule(device):
    a = tg.tensor([2.0], device=device, requires_grad=True)
    b = tg.tensor([3.0], device=device)
    joint_product(a, b).backward()
    assert a.grad.item() == 3
    b.requires_grad_()
    joint_product(a, b).backward()
    assert (a.grad.item(), b.grad.item()) == (6, 2)


def test_several_results(device):
    x = tg.tensor([3.0, 1.0], device=device, requires_grad=True)
    result = several(x)
    assert not result.place.requires_grad
    assert result.double.grad_fn is result.triple.grad_fn
    assert (result.double.output_nr, result.triple.output_nr) == (0, 2)
    result.triple.sum().backward()
    assert x.grad.tolist() == [3, 3]
    both = several(x)
    (both[0] * both.triple).sum().backward()
    assert x.grad.tolist() == [3 + 36, 3 + 12]
    assert repr(both).startswith("torch.return_types.several(\ndouble=tensor(")


def test_list_operands(device):
    parts = [tg.full((2,), float(i), device=device, requires_grad=i != 1) for i in range(3)]
    total_of(parts).sum().backward()
    assert parts[0].grad.tolist() == [1, 1]
    assert parts[1].grad is None
    with pytest.raises(TypeError, match="expected Tensor as element 1 in argument 0, but got str"):
        total_of([parts[0].array, "x"])


def test_an_op_without_a_rule_raises_in_backward_only():
    x = tg.ones(1, requires_grad=True)
    y = step(x)
    assert not y.requires_grad


def test_a_rule_that_asks_for_what_is_not_there():
    with pytest.raises(TypeError, match="'total_shape', which is neither an operand"):
        wrong_names(tg.ones(2))


def test_only_what_rules_name_is_kept():
    a = tg.ones(2, requires_grad=True)
    b = tg.ones(2)
    y = product(a, b)
    assert y.grad_fn._saved_other is b
    assert y.grad_fn._saved_input is None
    with pytest.raises(AttributeError, match="_saved_nothing"):
        _ = y.grad_fn._saved_nothing


def test_promotion_and_devices():
    assert product(tg.ones(2), tg.ones(2, dtype=tg.float64)).dtype is tg.float64
    assert product(tg.ones(2), tg.tensor(1.0, dtype=tg.float64)).dtype is tg.float32
    assert product(tg.ones(2, dtype=tg.int64), 2.5).dtype is tg.float32
    assert product(tg.ones(2, dtype=tg.uint8), 3).dtype is tg.uint8
    assert power_of_e(tg.ones(2, dtype=tg.int32)).dtype is tg.float32
    with pytest.raises(
        RuntimeError,
        match=r"Expected all tensors to be on the same device, but found at least two devices, strict:0 and "
        r"cpu!.*product",
    ):
        product(tg.ones(2), tg.ones(2, device="strict"))


def test_a_0d_cpu_tensor_mixes_and_its_gradient_goes_home():
    s = tg.tensor(2.0, requires_grad=True)
    x = tg.ones(3, device="strict", requires_grad=True)
    product(x, s).sum().backward()
    assert s.grad.device.type == "cpu" and s.grad.item() == 3
    assert x.grad.tolist() == [2, 2, 2]


def test_wrong_operands():
    with pytest.raises(TypeError, match=r"product\(\): argument 'other' \(position 2\) must be Tensor, not str"):
        product(tg.ones(2), "x")
    with pytest.raises(TypeError, match=r"product\(\): argument 'input' \(position 1\) must be Tensor, not"):
        product(2, 3)
    with pytest.raises(TypeError, match="unsupported operand"):
        tg.ones(2) - "x"

    class Other:
        def __rmul__(self, left):
            return "mine"

    assert tg.ones(2) * Other() == "mine"


def test_the_wrapper_shows_the_functions_signature_and_its_source():
    assert list(inspect.signature(product).parameters) == ["input", "other"]
    assert product.__doc__ == "A product."
    assert "class NodeClass(Node)" in product.op.source()


def test_negative_zero_is_not_taken_for_zero():
    x = tg.ones(1)
    assert np.signbit((x * 0.0).numpy()).tolist() == [False]
    assert np.signbit((x * -0.0).numpy()).tolist() == [True]


def test_a_constant_number_is_never_changed():
    x = tg.ones(3)
    y = x * 7.5
    y.mul_(2)
    assert (x * 7.5).tolist() == [7.5] * 3


def test_axis_stands_for_dim():
    x = tg.tensor([[1.0, 2.0], [3.0, 4.0]])
    assert tg.cumsum(x, axis=0).tolist() == x.cumsum(0).tolist() == [[1, 2], [4, 6]]
    assert x.sum(axis=1, keepdims=True).tolist() == [[3], [7]]
    with pytest.raises(TypeError, match='missing 1 required positional arguments: "dim"'):
        tg.cumsum(x)


def test_comparison_with_none_is_pythons():
    x = tg.ones(2)
    assert (x == None) is False  # noqa: E711
    assert (x != None) is True  # noqa: E711
    assert x not in [None]
    with pytest.raises(TypeError):
        _ = x + None
    with pytest.raises(TypeError, match="must be Tensor, not NoneType"):
        tg.add(x, None)


def test_complex_numbers_have_no_order():
    z = tg.tensor([1 + 1j])
    with pytest.raises(NotImplementedError, match="\"lt_cpu\" not implemented for 'ComplexFloat'"):
        _ = z < z


def test_threads_may_meet_at_an_ops_first_call():
    import threading

    for _ in range(20):

        @op(input=lambda grad: grad * 3, public=False)
        def fresh(input, dim=0):
            return input * 3

        x, results, gate = tg.ones(2, requires_grad=True), [], threading.Barrier(4)

        def work(fresh=fresh, x=x, results=results, gate=gate):
            gate.wait()
            results.append(fresh(x).sum().item())

        threads = [threading.Thread(target=work) for _ in range(4)]
        for t in threads:
            t.start()
        for t in threads:
            t.join()
        assert results == [6.0] * 4
