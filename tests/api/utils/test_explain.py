"""`tapegrad.utils.explain` tells what a pass really does, and does nothing else."""

from __future__ import annotations

import gc
import inspect
import re
import weakref

import numpy as np
import pytest
from repository import rules

import tapegrad
from tapegrad.autograd.core.gate import gate, state
from tapegrad.autograd.dispatch.decorator import op
from tapegrad.autograd.modes.observers import Watcher
from tapegrad.utils import explain, notes
from tapegrad.utils.inspect.rule_text import rule_text
from tapegrad.utils.inspect.values import array_text, bytes_text, kind_text
from tapegrad.utils.inspect.walk import nodes_below


class Cube(tapegrad.autograd.Function):
    @staticmethod
    def forward(ctx, x):
        ctx.save_for_backward(x)
        ctx.power = 3
        return x**3

    @staticmethod
    def backward(ctx, grad):
        """What is said of it is left out."""
        (x,) = ctx.saved_tensors
        return grad * ctx.power * x**2


def paragraph(text, title: str) -> str:
    """The paragraph whose first line holds `title`."""
    (found,) = [part for part in str(text).split("\n\n") if title in part.split("\n")[0]]
    return found


def test_the_guide():
    x = tapegrad.tensor([2.0, 3.0], requires_grad=True)
    y = x**2 + 3 * x
    z = y.sum()
    assert (
        str(explain(z, params={"x": x, "y": y, "z": z}))
        == """\
The tape of 4 nodes, in the order in which backward runs them.

1. z = sum (SumBackward0)
   result    28.  float32 []
   gradient  1., to begin with
   to input, which is 2:
     rule      def expand_reduced(grad: Operand, input_shape: tuple[int, ...], dim: Dims | None, keepdim: bool) -> Operand:
                   if dim is not None or keepdim:
                       grad = kept_dims(grad, input_shape, dim, keepdim)
                   return _expand(grad, input_shape)
               where input_shape = (2,), dim = None, keepdim = False
     gradient  [1., 1.]

2. y = add (AddBackward0)
   result    not kept, for no rule reads it  float32 [2]
   gradient  [1., 1.], from 1
   to input, which is 4:
     rule      lambda grad: grad
     gradient  [1., 1.]
   to other, which is 3:
     rule      lambda grad: grad
     gradient  [1., 1.]

3. mul (MulBackward0)
   result    not kept, for no rule reads it  float32 [2]
   gradient  [1., 1.], from 2
   to input, which is the leaf x:
     rule      lambda grad, other: grad * other
               where other = 3.
     gradient  [3., 3.]

4. pow (PowBackward0)
   result    not kept, for no rule reads it  float32 [2]
   gradient  [1., 1.], from 2
   to input, which is the leaf x:
     rule      def _power_rule(grad: Operand, input: Operand, exponent: float) -> Operand:
                   if exponent == 2:
                       return grad * (input * 2)
                   if exponent == 0:
                       return zero_gradient(grad)
                   return grad * (power_of_number(input, exponent - 1) * exponent)
               where input = [2., 3.], exponent = 2
     gradient  [4., 6.]

Leaves
   x         [2., 3.]  float32 [2]
   gradient  [7., 9.] = [3., 3.] (3, input) + [4., 6.] (4, input)"""
    )


def test_noted_values_and_lines():
    x = tapegrad.tensor([2.0, 3.0], requires_grad=True)
    with notes(values=True):
        z = (x + 1).sum()
    text = paragraph(explain(z), "2. add (AddBackward0)")
    assert re.search(r"test_explain\.py:\d+: z = \(x \+ 1\)\.sum\(\)", text)
    assert "result    [3., 4.]  float32 [2]" in text


def test_nothing_else_happens():
    """No `.grad`, no hook, no freed graph, no mode left on; the pass afterwards is what it would have been."""
    called = []
    x = tapegrad.ones(3, requires_grad=True)
    x.grad = tapegrad.full((3,), 7.0)
    x.register_hook(lambda grad: called.append("leaf"))
    x.register_post_accumulate_grad_hook(lambda leaf: called.append("accumulated"))
    h = x * 2
    h.retain_grad()
    h.register_hook(lambda grad: called.append("tensor") or grad * 10)
    v, _ = (h * h).reshape(1, 3).max(1)
    v.register_hook(lambda grad: called.append("slot"))
    loss = v.sum()
    loss.grad_fn.register_prehook(lambda grads: called.append("before"))
    loss.grad_fn.register_hook(lambda given, grads: called.append("after"))
    text = explain(loss, params={"x": x, "h": h})
    assert called == [] and x.grad.tolist() == [7.0] * 3 and h.grad is None
    assert not state.bits and not gate.on and state.watchers == ()
    for title in ("sum", "max", "h = mul"):
        assert "hooks     there are some, which have not been run" in paragraph(text, title)
    assert paragraph(text, "Leaves").endswith("which have not been run")
    assert str(text).count("have not been run") == 4
    assert "gradient  [8., 0., 0.]" in paragraph(text, "Leaves") or "8." in paragraph(text, "Leaves")
    loss.backward()
    assert called == ["before", "after", "slot", "tensor", "leaf", "accumulated"]
    assert h.grad.tolist() == [40.0, 0.0, 0.0] and x.grad.tolist() == [87.0, 7.0, 7.0]


def test_other_watchers_are_left_alone():
    class Counter(Watcher):
        seen = 0

        def pull(self, pull, node, grad, graph):
            self.seen += 1
            return pull(node, grad, graph)

    x = tapegrad.ones(3, requires_grad=True)
    with Counter() as counter:
        loss = (x * 2).sum()
        explain(loss)
        assert counter.seen == 0 and state.watchers == (counter,)
        loss.backward()
    assert counter.seen == 2


def test_errors_are_those_of_backward():
    x = tapegrad.ones(2, requires_grad=True)
    with pytest.raises(RuntimeError, match="grad can be implicitly created only for scalar outputs"):
        explain(x * 2)
    with pytest.raises(RuntimeError, match="does not require grad and does not have a grad_fn"):
        explain(tapegrad.ones(()))
    with pytest.raises(RuntimeError, match="got 1 tensors and 2 gradients"):
        explain(x * 2, gradient=[tapegrad.ones(2)] * 2)
    with pytest.raises(ValueError, match="max_nodes must be positive"):
        explain(x.sum(), max_nodes=0)
    square = x * x
    loss = (square * square).sum()
    square.detach().add_(1)
    with pytest.raises(RuntimeError, match="modified by an inplace operation"):
        explain(loss)
    assert not state.bits and not gate.on and state.watchers == ()
    loss = x.exp().sum()
    loss.backward()
    with pytest.raises(RuntimeError, match="backward through the graph a second time"):
        explain(loss)
    assert not state.bits and not gate.on


def test_several_outputs_and_their_gradients():
    x = tapegrad.ones(2, requires_grad=True)
    text = explain(x * 2, [x * 3], gradient=[tapegrad.tensor([1.0, 2.0]), tapegrad.tensor([3.0, 4.0])], params={"x": x})
    assert "gradient  [11., 16.] = [9., 12.] (1, input) + [2., 4.] (2, input)" in paragraph(text, "Leaves")
    text = explain(x, params={"x": x}, gradient=tapegrad.ones(2))
    assert str(text).endswith("Leaves\n   x         [1., 1.]  float32 [2]\n   gradient  [1., 1.], to begin with")


def test_sums_tell_their_sources():
    x = tapegrad.ones(1, requires_grad=True)
    y = x * 2
    total = y
    for _ in range(9):
        total = total + y
    text = paragraph(explain(total), "mul (MulBackward0)")
    assert "gradient  [10.] = [1.] (1, other) + [1.] (2, other)" in text and text.count("(") > 6 and "+ 4 more" in text


def test_broadcasting_is_undone():
    x, w = tapegrad.ones(3, 2), tapegrad.ones(2, requires_grad=True)
    text = paragraph(explain((x * w).sum()), "mul")
    assert "then summed to shape [2], over what broadcasting repeated" in text
    assert "gradient  [3., 3.]" in text


def test_functions_show_their_backward():
    x = tapegrad.tensor([2.0], requires_grad=True)
    text = paragraph(explain(Cube.apply(x).sum()), "Cube (CubeBackward)")
    assert (
        """\
   rule      @staticmethod
             def backward(ctx, grad):
                 (x,) = ctx.saved_tensors
                 return grad * ctx.power * x**2
             where saved_tensors[0] = [2.], ctx.power = 3
   to x, which is a leaf of shape [1]:
     gradient  [12.]"""
        in text
    )


def test_views_and_writes():
    x = tapegrad.ones(2, 2, requires_grad=True)
    h = x * 1
    h[0].mul_(5)
    text = explain(h.sum(), params={"h": h})
    assert "(SelectBackward0, a view)" in str(text)
    written = paragraph(text, "in place")
    assert written.split("\n")[0].startswith("2. h = copy_slices (")
    assert "made by" in written and "with zeros in that part" in written
    assert "to before, which is 5:\n     gradient  [[0., 0.], [1., 1.]]" in written
    assert "to value, which is 3:\n     gradient  [1., 1.]" in written
    assert "gradient  [[5., 5.], [0., 0.]]" in paragraph(text, "a view")  # only a row comes back, shown with its zeros


def test_several_results():
    x = tapegrad.tensor([[1.0, 5.0, 2.0]], requires_grad=True)
    values, _ = x.max(1)
    text = paragraph(explain(values, gradient=tapegrad.ones(1), params={"best": values}), "max")
    assert "best = values [5.]  float32 [1]\n   gradient  [1.], to begin with" in text
    assert "indices   [1]\n   gradient  none has arrived" in text


def test_one_rule_for_all_operands():
    x, source = tapegrad.ones(2, requires_grad=True), tapegrad.ones(3, requires_grad=True)
    text = paragraph(explain(x.scatter_reduce(0, tapegrad.tensor([0, 1, 1]), source, "amax").sum()), "scatter_reduce")
    assert text.count("   rule ") == 1 and "def _extremum_back(" in text
    assert "to input, which is a leaf of shape [2]" in text and "to src, which is a leaf of shape [3]" in text
    text = paragraph(explain(tapegrad.cat([x, x]).sum()), "cat")
    assert text.count("   rule ") == 1 and "to tensors[1]" in text


def test_complex_gradients_are_in_the_users_convention():
    z = tapegrad.tensor([1 + 2j], requires_grad=True)
    loss = (z * (3 + 1j)).abs().sum()
    (d,) = tapegrad.autograd.grad(loss, z, retain_graph=True)
    assert f"gradient  {array_text(d.array)}, from" in paragraph(explain(loss), "Leaves")


def test_large_graphs():
    x = tapegrad.ones(2, requires_grad=True)
    y = x
    for _ in range(20_000):
        y = y + 1
    text = str(explain(y.sum(), params={"x": x}, max_nodes=3))
    assert text.startswith("The tape of 20001 nodes")
    assert "... and 19998 more nodes." in text
    assert "a node left out here, AddBackward0" in text
    assert "Leaves" not in text  # which nodes left out have reached
    total = (x * 2 + x).sum()
    assert "gradient  [3., 3.] = [1., 1.] (2, other) + 1 more" in str(explain(total, max_nodes=2))


def test_packed_values():
    x = tapegrad.ones(2, requires_grad=True)
    with tapegrad.autograd.graph.saved_tensors_hooks(lambda t: t.tolist(), tapegrad.tensor):
        loss = x.exp().sum()
    text = paragraph(explain(loss), "exp")
    assert "where result = packed by a hook as [2.71828" in text and "gradient  [2.7183, 2.7183]" in text


def test_checkpoints():
    from tapegrad.utils.checkpoint import checkpoint

    w = tapegrad.ones(2, requires_grad=True)
    loss = checkpoint(lambda h: (h * w).exp(), w * 2, use_reentrant=False).sum()
    assert "gradient  [29.5562, 29.5562]" in paragraph(explain(loss), "Leaves")
    loss.backward()
    assert w.grad.tolist() == pytest.approx([29.5562] * 2)
    w.grad = None
    loss = checkpoint(lambda h: (h * w).exp(), w * 2, use_reentrant=True).sum()
    with pytest.raises(RuntimeError, match="use_reentrant=True"):  # its backward would accumulate into w.grad
        explain(loss)
    assert w.grad is None and state.running is None and not state.bits


def test_an_explanation_holds_nothing():
    gc.collect()
    gc.disable()
    try:
        x = tapegrad.ones(2, requires_grad=True)
        loss = Cube.apply(x).exp().sum()
        text = explain(loss, params={"x": x, "loss": loss})
        nodes, leaf = [weakref.ref(node) for node in nodes_below([loss])], weakref.ref(x)
        del x, loss
        assert [node() for node in nodes] == [None] * 3 and leaf() is None
        assert repr(text) == str(text) == text.text
    finally:
        gc.enable()


def test_on_the_device(device):
    x = tapegrad.ones(3, device=device, requires_grad=True)
    text = str(explain((x * x.exp()).sum()))
    assert (
        "gradient  [5.4366, 5.4366, 5.4366] = [2.7183, 2.7183, 2.7183] (2, input) + [2.7183, 2.7183, 2.7183] (3, input)"
        in text
    )


# ---- the texts of rules


def test_the_texts_of_lambdas():
    pair = (lambda grad: grad + 1, lambda grad: grad - 1)
    same = lambda grad, other: grad * other
    # fmt: off
    wide = lambda grad, other: (
        grad / other)
    # fmt: on
    assert [rule_text(rule) for rule in pair] == ["lambda grad: grad + 1", "lambda grad: grad - 1"]
    assert rule_text(same) == "lambda grad, other: grad * other"
    assert rule_text(wide) == "lambda grad, other: ( grad / other)"
    assert rule_text(tapegrad.mul.op.rules["other"]) == "lambda grad, input: grad * input"


def test_the_texts_of_functions():
    def rule(grad, other):
        """Not the rule itself.

        Args: many.
        """
        # half of it
        return grad * other / 2

    assert rule_text(rule) == "def rule(grad, other):\n    # half of it\n    return grad * other / 2"
    assert rule_text(len) == "<built-in function len>"


def test_a_rule_without_source():
    space: dict = {}
    exec("rule = lambda grad, other: grad * other", space)
    assert rule_text(space["rule"]) == "<lambda>(grad, other): its source is not at hand"
    exec("def rule(grad): return grad", space)
    assert rule_text(space["rule"]) == "rule(grad): its source is not at hand"


@op(input=lambda grad, input: _doubled(grad), public=False, kind="elementwise")
def doubled(input):
    return input * 2


def _doubled(grad):
    """Said elsewhere."""
    return grad * 2


def test_a_rule_that_only_calls_a_function_shows_it():
    x = tapegrad.ones(2, requires_grad=True)
    assert (
        "lambda grad, input: _doubled(grad)\n               def _doubled(grad):\n                   return grad * 2\n"
        in str(explain(doubled(x).sum()))
    )


def test_every_rule_of_every_op_has_its_own_text():
    checked = 0
    for name, operand, rule in rules():
        text, code = rule_text(rule), inspect.unwrap(rule).__code__  # an op may be a rule itself
        assert "not at hand" not in text, (name, operand)
        if code.co_name == "<lambda>":
            again = eval(text.split("\n")[0]).__code__
            assert again.co_varnames[: again.co_argcount] == code.co_varnames[: code.co_argcount], (name, operand)
            if not code.co_freevars:
                assert again.co_names == code.co_names, (name, operand)
                assert [c for c in again.co_consts if not hasattr(c, "co_code")] == [
                    c for c in code.co_consts if not hasattr(c, "co_code")
                ], (name, operand)
        else:
            assert f"def {code.co_name}(" in text, (name, operand)
        checked += 1
    assert checked > 300


# ---- values in one line


def test_arrays_in_one_line():
    assert array_text(np.array([[1.0, 2.5], [10.0, -3.0]], "float32")) == "[[1.0000, 2.5000], [10.0000, -3.0000]]"
    assert array_text(np.zeros((0, 3))) == "[]"
    assert array_text(np.arange(100)) == "min 0, mean 49.5, max 99"
    assert array_text(np.arange(100) > 9) == "90 of 100 True"
    special = np.ones(100)
    special[:3] = np.nan, np.nan, np.inf
    assert array_text(special) == "min 1, mean 1, max 1, 2 NaN, 1 inf"
    assert array_text(np.full(20, np.nan)) == "20 NaN"
    assert array_text(np.full(20, 3 + 4j)) == "magnitudes: min 5, mean 5, max 5"
    half = tapegrad.ones(20, dtype=tapegrad.bfloat16)
    assert array_text(half.array) == "min 1, mean 1, max 1"
    assert kind_text((2, 3), np.dtype("float32")) == "float32 [2, 3]" and kind_text(None, None) == ""
    assert [bytes_text(n) for n in (0, 999, 1000, 1234, 999_499, 999_500, 5 * 10**9, 5 * 10**12)] == [
        "0 B",
        "999 B",
        "1 kB",
        "1.23 kB",
        "999 kB",
        "1 MB",
        "5 GB",
        "5e+03 GB",
    ]
