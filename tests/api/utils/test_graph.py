"""`tapegrad.utils.graph` draws the tape as it is."""

from __future__ import annotations

import gc
import re
import shutil
import subprocess
import weakref
from types import SimpleNamespace

import pytest

import tapegrad
from tapegrad import nn
from tapegrad.autograd.core.tensor import Tensor
from tapegrad.utils import graph, notes
from tapegrad.utils.inspect import graph as picture
from tapegrad.utils.inspect.notes import note_of
from tapegrad.utils.inspect.result_facts import ResultFacts
from tapegrad.utils.inspect.walk import nodes_below

F = nn.functional


class Twice(tapegrad.autograd.Function):
    @staticmethod
    def forward(ctx, x, scale, *rest):
        ctx.save_for_backward(x)
        return x * 2, x * scale

    @staticmethod
    def backward(ctx, first, second):
        return first * 2, None, *[None] * (len(ctx.needs_input_grad) - 2)


def guide():
    x = tapegrad.tensor([2.0, 3.0], requires_grad=True)
    y = x**2 + 3 * x
    z = y.sum()
    return x, y, z


def arrows(drawn):
    """The arrows between first lines of boxes."""
    title = {box.id: box.lines[0] for box in drawn.boxes}
    return sorted((title[arrow.start], title[arrow.end], arrow.label) for arrow in drawn.arrows)


def box(drawn, title):
    (found,) = [box for box in drawn.boxes if box.lines[0] == title]
    return found


def test_the_guide_in_mermaid():
    x, y, z = guide()
    assert (
        graph(z, params={"x": x, "y": y, "z": z}).mermaid
        == """\
flowchart TD
  n1["pow<br/>PowBackward0<br/>float32 [2]<br/>keeps input [2], exponent = 2"]:::op
  n2["mul<br/>MulBackward0<br/>float32 [2]<br/>keeps other = 3."]:::op
  n3["y = add<br/>AddBackward0<br/>float32 [2]"]:::op
  n4["z = sum<br/>SumBackward0<br/>float32 []"]:::op
  leaf1(["x<br/>float32 [2]"]):::leaf
  out1(["z<br/>float32 []"]):::output
  leaf1 -->|"input"| n1
  leaf1 -->|"input"| n2
  n1 -->|"input"| n3
  n2 -->|"other"| n3
  n3 -->|"input"| n4
  n4 --> out1
  classDef leaf fill:#cfe8cf,stroke:#3f7f3f,color:#000
  classDef op fill:#f2f2f2,stroke:#666,color:#000
  classDef output fill:#c9dcf5,stroke:#2f5f9f,color:#000
"""
    )


def test_the_guide_in_dot():
    x, _, z = guide()
    lines = graph(z, params={"x": x}).dot.splitlines()
    assert lines[0] == "digraph tape {" and lines[-1] == "}"
    assert (
        r'  n1 [label="pow\nPowBackward0\nfloat32 [2]\nkeeps input [2], exponent = 2", shape=box, style=filled, '
        r'fillcolor="#f2f2f2"]' in lines
    )
    assert '  leaf1 -> n1 [label="input"]' in lines
    assert "  n4 -> out1" in lines


def test_the_text_is_the_same_each_time():
    first, second = (graph(guide()[2]) for _ in range(2))
    assert (first.dot, first.mermaid) == (second.dot, second.mermaid)


def test_names_of_parameters():
    model = nn.Sequential(nn.Linear(3, 4), nn.ReLU(), nn.Linear(4, 2))
    loss = model(tapegrad.ones(5, 3)).sum()
    for params in (dict(model.named_parameters()), model.named_parameters()):
        leaves = {box.lines for box in graph(loss, params=params).boxes if box.kind == "leaf"}
        assert leaves == {
            ("0.weight", "float32 [4, 3]"),
            ("0.bias", "float32 [4]"),
            ("2.weight", "float32 [2, 4]"),
            ("2.bias", "float32 [2]"),
        }
    assert {box.lines[0] for box in graph(loss).boxes if box.kind == "leaf"} == {"leaf"}
    assert box(graph(loss, params=locals()), "loss = sum")  # what is no tensor is passed over


def test_operands_have_their_names():
    a, b = tapegrad.ones(2, 2, requires_grad=True), tapegrad.ones(2, 2, requires_grad=True)
    drawn = graph((tapegrad.cat([a, b]) / tapegrad.cat([b, a])).sum(), params=locals())
    assert arrows(drawn) == sorted(
        [
            ("a", "cat", "tensors[0]"),
            ("b", "cat", "tensors[1]"),
            ("b", "cat", "tensors[0]"),
            ("a", "cat", "tensors[1]"),
            ("cat", "div", "input"),
            ("cat", "div", "other"),
            ("div", "sum", "input"),
            ("sum", "output", ""),
        ]
    )


def test_operands_without_gradient_are_not_drawn():
    x = tapegrad.ones(2, requires_grad=True)
    drawn = graph(x * tapegrad.ones(2))
    assert [box.kind for box in drawn.boxes] == ["op", "leaf", "output"]
    assert box(drawn, "mul").lines[-1] == "keeps other [2]"
    assert box(graph(x * tapegrad.ones(2), kept=False), "mul").lines == ("mul", "MulBackward0", "float32 [2]")


def test_several_results_are_one_box():
    x = tapegrad.ones(3, 4, requires_grad=True)
    values, _ = x.max(1)
    second = x.split(2, 1)[1]
    drawn = graph(values, second, params={"x": x, "v": values})
    assert sorted(box.kind for box in drawn.boxes) == ["leaf", "op", "output", "output", "view"]
    maximum = box(drawn, "max")
    assert "v: float32 [3]" in maximum.lines and "indices: int64 [3]" in maximum.lines
    assert [(arrow.end, arrow.label) for arrow in drawn.arrows if arrow.end.startswith("out")] == [
        ("out1", "values"),
        ("out2", "result 1"),
    ]
    label = next(arrow.label for arrow in graph(values.sum()).arrows if arrow.label.startswith("values"))
    assert label == "values as input"


def test_views_and_writes_look_different():
    x = tapegrad.ones(2, 3, requires_grad=True)
    y = x * 2
    y.t()[0] = 5.0
    y[1] = 7.0
    kinds = {(box.lines[0], box.kind) for box in graph(y).boxes}
    assert ("t", "view") in kinds
    assert [kind for title, kind in kinds if "copy_slices" in title] == ["in_place"] * sum(
        "copy_slices" in title for title, _ in kinds
    )
    assert ("mul", "op") in kinds
    drawn = graph(y)
    written = [b for b in drawn.boxes if b.lines[1].endswith("CopySlices")]
    assert len(written) == 3  # the write to the view, the root that it views, and the write of a row
    assert {"before", "value"} & {arrow.label for arrow in drawn.arrows}
    assert "peripheries=2" in drawn.dot and "dashed" in drawn.dot
    assert "[[" in drawn.mermaid and "[/" in drawn.mermaid
    with notes():
        z = x + 1
        z.mul_(3)
    assert box(graph(z), "mul").kind == "in_place"


def test_functions_show_what_they_keep():
    x = tapegrad.ones(2, requires_grad=True)
    a, b = Twice.apply(x, 3.0, "rest", x * 1)
    drawn = graph(a + b, params={"x": x})
    twice = box(drawn, "Twice")
    assert twice.kind == "function"
    assert twice.lines[1:] == (
        "TwiceBackward",
        "result 0: float32 [2]",
        "result 1: float32 [2]",
        "keeps saved_tensors[0] [2]",
    )
    assert ("x", "Twice", "x") in arrows(drawn) and ("mul", "Twice", "rest[1]") in arrows(drawn)
    assert ("Twice", "add", "result 1 as other") in arrows(drawn)


def test_a_freed_graph_says_so():
    _, _, z = guide()
    z.backward()
    assert "what it kept has been freed" in box(graph(z), "mul").lines


def test_notes_add_lines():
    x = tapegrad.ones(2, requires_grad=True)
    with notes():
        y = x * 2
    assert re.fullmatch(r"test_graph\.py:\d+", box(graph(y), "mul").lines[-1])


def test_outputs():
    x = tapegrad.ones(2, requires_grad=True)
    y, z = x * 2, x * 3
    assert [b.lines[0] for b in graph({"y": y, "more": [z, (x,)]}).boxes if b.kind == "output"] == [
        "output 1",
        "output 2",
        "output 3",
    ]
    assert arrows(graph(x, params={"x": x})) == [("x", "x", "")]
    with pytest.raises(RuntimeError, match="element 1 of tensors does not require grad and does not have a grad_fn"):
        graph(y, tapegrad.ones(1))
    with pytest.raises(TypeError, match="expected tensors, or tuples, lists and dicts of them, but got int"):
        graph(y, 1)
    with pytest.raises(RuntimeError, match="there is no tensor"):
        graph([])
    with pytest.raises(ValueError, match="max_nodes must be positive"):
        graph(y, max_nodes=0)


def test_large_graphs_are_cut():
    leaves = [tapegrad.ones(2, requires_grad=True) for _ in range(30)]
    y = leaves[0]
    for leaf in leaves[1:]:
        y = y * leaf
    whole = graph(y)
    assert whole.left_out == 0 and len(whole.boxes) == 29 + 30 + 1
    cut = graph(y, max_nodes=10)
    assert cut.left_out == 29 + 30 - 10
    assert [b.lines for b in cut.boxes if b.kind == "more"] == [(f"{cut.left_out} more",)]
    assert len(cut.boxes) == 10 + 2
    assert any(arrow.start == "more" for arrow in cut.arrows)
    ids = {b.id for b in cut.boxes}
    assert all(arrow.start in ids and arrow.end in ids for arrow in cut.arrows)
    assert "49 left out" in repr(cut)


def test_deep_graphs_need_no_recursion():
    y = x = tapegrad.ones(1, requires_grad=True)
    for _ in range(50_000):
        y = y + 1
    drawn = graph(y, params={"x": x}, max_nodes=3)
    assert (len(drawn.boxes), drawn.left_out) == (5, 50_001 - 3)


# ---- shapes


def programs():
    x, w = tapegrad.randn(4, 6), tapegrad.randn(6, 5, requires_grad=True)
    yield lambda: F.cross_entropy((x @ w).relu(), tapegrad.arange(4)), 2
    yield lambda: ((w * 2 + 1).exp() / w[0]).sum(0).mean(), 4
    yield lambda: (w.t().reshape(2, 15).softmax(1).max(1)[0] * 3 + 2).prod(), 5
    yield lambda: tapegrad.where(w > 0, w, -w).sort(1)[0].cumsum(0)[1:, ::2].std(), 4
    yield lambda: F.layer_norm(tapegrad.cat([w, w * w]).unsqueeze(0).expand(3, 12, 5), (5,)).tanh().norm(), 4
    yield lambda: F.conv2d(w.reshape(1, 1, 6, 5), tapegrad.ones(2, 1, 3, 3, requires_grad=True)).abs().amax(), 2
    yield lambda: sum(Twice.apply(w + w[:, :1], 2.0)).t().matmul(x.t().t().t()).trace(), 4


@pytest.mark.parametrize("number", range(7))
def test_shapes_are_never_guessed(number):
    """Whatever is told of a result without notes is what the notes say."""
    program, at_least = list(programs())[number]
    with notes():
        loss = program()
    nodes = nodes_below([loss])
    true = {(node, nr): facts for node in nodes for nr, facts in enumerate(note_of(node).results)}
    loss = program()
    again = nodes_below([loss])
    assert [node.name() for node in again] == [node.name() for node in nodes]
    facts = ResultFacts(again, [loss])
    known = 0
    for old, new in zip(nodes, again):
        for nr in range(len(note_of(old).results)):
            shape, dtype = true[old, nr]
            assert facts.shape(new, nr) in (None, tuple(shape)), (new, nr)
            assert facts.dtype(new, nr) in (None, dtype), (new, nr)
            known += facts.shape(new, nr) is not None
    assert known >= at_least, [(node.name(), facts.shape(node)) for node in again]


# ---- showing and saving


def test_labels_are_escaped():
    x = tapegrad.ones(1, requires_grad=True)
    drawn = graph(x * 2, params={'a "quoted" \\ <name> `b` *c* {d} |e| #1': x})
    label = next(line for line in drawn.dot.splitlines() if line.startswith("  leaf1 ["))
    assert r'label="a \"quoted\" \\ <name> `b` *c* {d} |e| #1\nfloat32 [1]"' in label
    line = next(line for line in drawn.mermaid.splitlines() if line.startswith("  leaf1("))
    text = re.fullmatch(r'  leaf1\(\["(.*)"\]\):::leaf', line)[1].removesuffix("<br/>float32 [1]")
    assert not re.search(r'["<>`*{}|\\]', text)
    assert re.sub(r"#(\d+);", lambda match: chr(int(match[1])), text) == 'a "quoted" \\ <name> `b` *c* {d} |e| #1'


def test_without_graphviz(monkeypatch, tmp_path):
    monkeypatch.setattr(shutil, "which", lambda name: None)
    drawn = graph(guide()[2])
    with pytest.raises(
        RuntimeError,
        match=r"picture as svg needs Graphviz's program `dot`.*apt install graphviz.*\.dot and \.mermaid need nothing",
    ):
        drawn.svg()
    with pytest.raises(RuntimeError, match="picture as png needs Graphviz"):
        drawn.save(tmp_path / "a.png")
    assert drawn._repr_svg_() is None
    assert drawn._repr_markdown_() == f"```mermaid\n{drawn.mermaid}```\n"


def test_with_graphviz(monkeypatch, tmp_path):
    """Through the program itself where it is installed, and through one that says what it was asked."""
    drawn = graph(guide()[2])
    if shutil.which("dot"):
        assert "<svg" in drawn.svg() and "MulBackward0" in drawn.svg()
    asked = []

    def run(command, input, capture_output, check):
        asked.append((command, input))
        return SimpleNamespace(returncode=int(b"broken" in input), stdout=b"<svg/>", stderr=b"syntax error")

    monkeypatch.setattr(shutil, "which", lambda name: f"/bin/{name}")
    monkeypatch.setattr(subprocess, "run", run)
    assert drawn.svg() == drawn._repr_svg_() == "<svg/>"
    assert drawn._repr_markdown_() is None
    drawn.save(tmp_path / "a.pdf")
    assert (tmp_path / "a.pdf").read_bytes() == b"<svg/>"
    assert [command for command, _ in asked] == [["/bin/dot", "-Tsvg"]] * 2 + [["/bin/dot", "-Tpdf"]]
    assert {text for _, text in asked} == {drawn.dot.encode()}
    x = tapegrad.ones(1, requires_grad=True)
    with pytest.raises(RuntimeError, match="dot could not draw the picture as svg: syntax error"):
        graph(x * 2, params={"broken": x}).svg()


def test_saving(tmp_path):
    drawn = graph(guide()[2])
    fenced = f"```mermaid\n{drawn.mermaid}```\n"
    for ending, text in (
        (".dot", drawn.dot),
        (".gv", drawn.dot),
        (".mmd", drawn.mermaid),
        (".mermaid", drawn.mermaid),
        (".md", fenced),
    ):
        drawn.save(tmp_path / f"picture{ending}")
        assert (tmp_path / f"picture{ending}").read_text(encoding="utf-8") == text
    for name in ("picture.jpeg", "picture"):
        with pytest.raises(ValueError, match=r"saved as \.dot"):
            drawn.save(str(tmp_path / name))


def test_every_kind_of_box_has_a_style():
    assert set(picture._STYLES) == {"leaf", "op", "view", "in_place", "function", "output", "more"}


def test_a_picture_holds_no_tensors():
    gc.collect()
    gc.disable()
    try:
        x, y, z = guide()
        drawn = graph(z, params={"x": x, "y": y})
        nodes = [weakref.ref(node) for node in nodes_below([z])]
        leaf = weakref.ref(x)
        del x, y, z
        assert [node() for node in nodes] == [None] * 4 and leaf() is None
        assert "MulBackward0" in drawn.dot
        assert not any(isinstance(item, Tensor) for item in vars(drawn).values())
    finally:
        gc.enable()


def test_on_the_device(device):
    x = tapegrad.ones(3, device=device, requires_grad=True)
    assert box(graph((x * 2).exp()), "exp").lines[2:] == ("float32 [3]", "keeps result [3]")
