"""What the documents below docs/ say is true. Their snippets are run by `test_doctests.test_document`; here is what a
snippet cannot check of itself.
"""

from __future__ import annotations

import re
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest
from repository import ROOT, blocks, documents

import tapegrad
from tapegrad.autograd.core.gate import gate
from tapegrad.autograd.tape import engine as tape
from tapegrad.utils.inspect import walk as tape_view

DOCS = sorted((ROOT / "docs").rglob("*.md"))
HOW = ROOT / "docs" / "how-it-works.md"


@pytest.mark.parametrize("path", DOCS, ids=lambda path: path.name)
def test_every_snippet_is_run(path: Path) -> None:
    """No fence that the runner does not know, and no line that prints without saying what."""
    assert path in documents()
    text = path.read_text(encoding="utf-8")
    assert len(re.findall(r"^```python$", text, re.MULTILINE)) == len(blocks(text)) > 0
    lines = [line for _, block in blocks(text) if ">>>" not in block for line in block.splitlines()]
    silent = [line for line in lines if line.startswith("print(") and not re.search(r"\)\s+# ", line)]
    assert not silent, silent


@pytest.mark.parametrize("path", DOCS, ids=lambda path: path.name)
def test_files_that_are_named_exist(path: Path) -> None:
    named = re.findall(
        r"`((?:api|autograd|backends|nn|optim|docs|examples|tests)/[\w./-]*)`", path.read_text(encoding="utf-8")
    )
    missing = [name for name in named if not (ROOT / name).exists()]
    assert not missing, missing


def snippets() -> list[str]:
    return [block for _, block in blocks(HOW.read_text(encoding="utf-8"))]


def test_the_tape_fits_into_a_hundred_lines() -> None:
    built = [line for block in snippets() if ">>>" not in block for line in block.splitlines() if line.strip()]
    assert 60 <= len(built) <= 100, len(built)


def test_the_little_tape_agrees_with_the_real_one() -> None:
    """On random products and sums, to the third derivative."""
    space: dict = {}
    for block in snippets():
        if ">>>" not in block and re.search(r"^(import|class|def|@op)", block, re.MULTILINE):
            exec(block.split("\n\n\na = Value")[0], space)
    rng = np.random.default_rng(0)
    for _ in range(20):
        little = [space["Value"](rng.standard_normal(3)) for _ in range(3)]
        real = [tapegrad.tensor(v.array, requires_grad=True) for v in little]
        leaves = little[0], real[0]
        for _ in range(6):
            i, j = rng.integers(len(little), size=2)
            times = rng.random() < 0.6
            little.append(little[i] * little[j] if times else little[i] + little[j])
            real.append(real[i] * real[j] if times else real[i] + real[j])
        a, b = little[-1], real[-1]
        for _ in range(3):
            np.testing.assert_allclose(a.array, b.tolist(), rtol=1e-9, atol=1e-12)
            a = space["backward"](a, graph=True).get(leaves[0]) if a.node is not None else None
            (b,) = tapegrad.autograd.grad(b.sum(), leaves[1], create_graph=True, allow_unused=True)
            assert (a is None) == (b is None)
            if a is None or not b.requires_grad:
                break


# ---- sentences of how-it-works.md


def test_a_chain_passes_through_no_heap(monkeypatch: pytest.MonkeyPatch) -> None:
    pushed = []
    push = tape.heappush
    monkeypatch.setattr(tape, "heappush", lambda heap, item: pushed.append(item[1].name()) or push(heap, item))
    x = tapegrad.ones(2, requires_grad=True)
    (x * 2).exp().sin().sum().backward()
    assert pushed == ["SumBackward0"]


def test_nodes_run_from_the_highest_number_down() -> None:
    x = tapegrad.ones(2, requires_grad=True)
    order = []

    class Order(tapegrad.autograd.Function):
        @staticmethod
        def forward(ctx, x, name):
            ctx.name = name
            return x * 2

        @staticmethod
        def backward(ctx, grad):
            order.append(ctx.name)
            return grad, None

    a = Order.apply(x, "a")
    b = Order.apply(a, "b")
    c = Order.apply(a, "c")
    d = Order.apply(c + x, "d")
    (d * a + b).sum().backward()
    assert order == ["d", "c", "b", "a"]


def test_rules_run_on_arrays_unless_they_are_recorded() -> None:
    from tapegrad.autograd.dispatch.decorator import op

    seen = []

    @op(input=lambda grad: (seen.append(type(grad)), grad)[1], kind="linear", public=False)
    def same(input):
        return input * 1

    x = tapegrad.ones(2, requires_grad=True)
    tapegrad.autograd.grad(same(x).sum(), x)
    tapegrad.autograd.grad(same(x).sum(), x, create_graph=True)
    assert seen == [np.ndarray, tapegrad.Tensor]
    assert not gate.on


def test_what_no_rule_reads_is_not_kept() -> None:
    x = tapegrad.ones(2, requires_grad=True)
    assert not [array for kept in tape_view.kept_by((x + x).grad_fn) for array in tape_view.arrays_in(kept.value)]
    assert (x * x).grad_fn._saved_self is x


# ---- CONTRIBUTING.md


def test_the_worked_op_of_contributing() -> None:
    """The op and its row, as the page has them, in a process of their own: what they enter in the registry stays there."""
    op, row = (block for _, block in blocks((ROOT / "CONTRIBUTING.md").read_text(encoding="utf-8")))
    code = f"""
import sys
sys.path.insert(0, {str(ROOT / "tests")!r})
import tapegrad
{op}
import numpy as np
from op_table.row import Row, sample
row = {row[row.index("Row(") :].rstrip().removesuffix(",")}
"""
    code += """
from tapegrad.autograd.dispatch.decorator import OPS
assert OPS[row.name] is hypot_squared and tapegrad.Tensor.hypot_squared is hypot_squared
(call,) = row.samples(np.random.default_rng(0), np.dtype(np.float64))
x, y = (tapegrad.tensor(a, requires_grad=True) for a in call.args)
result = hypot_squared(x, y)
np.testing.assert_allclose(result.detach().numpy(), row.reference(*call.args))
assert tapegrad.autograd.gradcheck(hypot_squared, (x, y)) and tapegrad.autograd.gradgradcheck(hypot_squared, (x, y))
assert hasattr(x, "hypot_squared_")
print("green")
"""
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True)
    assert done.stdout == "green\n", done.stderr
