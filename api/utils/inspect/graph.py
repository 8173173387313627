"""`graph`: the tape as a picture, in the languages of Graphviz and Mermaid."""

from __future__ import annotations

import re
import shutil
import subprocess
from collections.abc import Iterable, Iterator, Mapping
from pathlib import Path
from typing import Any, NamedTuple

from tapegrad.autograd.core.node import Node
from tapegrad.autograd.core.tensor import Tensor
from tapegrad.autograd.tape.function_node import BackwardCFunction
from tapegrad.utils.inspect.notes import note_of
from tapegrad.utils.inspect.result_facts import ResultFacts
from tapegrad.utils.inspect.values import array_text, kind_text
from tapegrad.utils.inspect.walk import (
    Names,
    arrays_in,
    edges_of,
    is_view,
    kept_by,
    made_by,
    nodes_below,
    outputs_of,
    result_names,
    writes_in_place,
)

_INSTALL = (
    "needs Graphviz's program `dot`, which was not found on PATH: apt install graphviz, brew install graphviz, or "
    "https://graphviz.org/download. "
    "The texts .dot and .mermaid need nothing"
)

#: kind of box -> (what it is called in a legend, Graphviz's attributes, Mermaid's brackets, Mermaid's colours)
_STYLES = {
    "leaf": (
        "a leaf",
        'shape=box, style="rounded,filled", fillcolor="#cfe8cf"',
        ("([", "])"),
        "fill:#cfe8cf,stroke:#3f7f3f,color:#000",
    ),
    "op": ("an op", 'shape=box, style=filled, fillcolor="#f2f2f2"', ("[", "]"), "fill:#f2f2f2,stroke:#666,color:#000"),
    "view": (
        "an op whose result shares its operand's memory",
        'shape=box, style="filled,dashed", fillcolor="#ffffff"',
        ("[/", "/]"),
        "fill:#fff,stroke:#666,stroke-dasharray:4,color:#000",
    ),
    "in_place": (
        "a write in place",
        'shape=box, style=filled, peripheries=2, fillcolor="#fbe3c0"',
        ("[[", "]]"),
        "fill:#fbe3c0,stroke:#a66a00,color:#000",
    ),
    "function": (
        "a Function",
        'shape=octagon, style=filled, fillcolor="#e0d8f0"',
        ("{{", "}}"),
        "fill:#e0d8f0,stroke:#60509f,color:#000",
    ),
    "output": (
        "what was asked for",
        'shape=box, style="rounded,filled", fillcolor="#c9dcf5"',
        ("([", "])"),
        "fill:#c9dcf5,stroke:#2f5f9f,color:#000",
    ),
    "more": ("what was left out", "shape=plaintext", ("(", ")"), "fill:#fff,stroke:#fff,color:#666"),
}


class Box(NamedTuple):
    """A box of the picture: its name in the text, its kind, its lines."""

    id: str
    kind: str
    lines: tuple[str, ...]


class Arrow(NamedTuple):
    """From what was made to what was made of it."""

    start: str
    end: str
    label: str


class Picture:
    """A picture of the tape. Arrows run as the computation did, from leaves to results; gradients flow against them.

    Notebooks show it: as SVG where Graphviz is installed, else as Mermaid.

    Attributes:
        boxes: leaves, nodes and outputs.
        arrows: what was made of what; the label is the operand's name.
        left_out: how many nodes and leaves were left out because there were too many.
    """

    def __init__(self, boxes: Iterable[Box], arrows: Iterable[Arrow], left_out: int) -> None:
        self.boxes = tuple(boxes)
        self.arrows = tuple(arrows)
        self.left_out = left_out

    @property
    def dot(self) -> str:
        """The picture in Graphviz's language."""
        lines = [
            "digraph tape {",
            '  node [fontname="sans-serif", fontsize=11]',
            '  edge [fontname="sans-serif", fontsize=9]',
        ]
        for box in self.boxes:
            label = "\\n".join(map(_in_dot, box.lines))
            lines.append(f'  {box.id} [label="{label}", {_STYLES[box.kind][1]}]')
        for arrow in self.arrows:
            lines.append(
                f"  {arrow.start} -> {arrow.end}" + (f' [label="{_in_dot(arrow.label)}"]' if arrow.label else "")
            )
        return "\n".join([*lines, "}"]) + "\n"

    @property
    def mermaid(self) -> str:
        """The picture in Mermaid's language, which GitHub, GitLab and JupyterLab draw."""
        lines = ["flowchart TD"]
        for box in self.boxes:
            start, end = _STYLES[box.kind][2]
            lines.append(f'  {box.id}{start}"{"<br/>".join(map(_in_mermaid, box.lines))}"{end}:::{box.kind}')
        for arrow in self.arrows:
            label = f'|"{_in_mermaid(arrow.label)}"|' if arrow.label else ""
            lines.append(f"  {arrow.start} -->{label} {arrow.end}")
        lines += [
            f"  classDef {kind} {_STYLES[kind][3]}" for kind in _STYLES if any(box.kind == kind for box in self.boxes)
        ]
        return "\n".join(lines) + "\n"

    def svg(self) -> str:
        """The picture as SVG.

        Raises:
            RuntimeError: Graphviz is not installed, or refuses.
        """
        return self._drawn("svg").decode()

    def _drawn(self, format: str) -> bytes:
        program = shutil.which("dot")
        if program is None:
            raise RuntimeError(f"a picture as {format} {_INSTALL}")
        done = subprocess.run([program, f"-T{format}"], input=self.dot.encode(), capture_output=True, check=False)
        if done.returncode:
            raise RuntimeError(
                f"dot could not draw the picture as {format}: {done.stderr.decode(errors='replace').strip()}"
            )
        return done.stdout

    def save(self, path: str | Path) -> None:
        """Write the picture to a file.

        Args:
            path: its ending says as what: ``.dot`` or ``.gv``, ``.mmd`` or ``.mermaid``, ``.md``, and what Graphviz
                draws: ``.svg``, ``.pdf``, ``.png``.

        Raises:
            RuntimeError: Graphviz is needed and not installed.
        """
        path = Path(path)
        ending = path.suffix.lower()
        if ending in (".dot", ".gv"):
            path.write_text(self.dot, encoding="utf-8")
        elif ending in (".mmd", ".mermaid"):
            path.write_text(self.mermaid, encoding="utf-8")
        elif ending == ".md":
            path.write_text(self._markdown(), encoding="utf-8")
        elif ending in (".svg", ".pdf", ".png"):
            path.write_bytes(self._drawn(ending[1:]))
        else:
            raise ValueError(
                "a picture is saved as .dot, .gv, .mmd, .mermaid, .md, .svg, .pdf or .png, not as "
                f"{ending or 'a file without ending'}"
            )

    def _markdown(self) -> str:
        return f"```mermaid\n{self.mermaid}```\n"

    def _repr_svg_(self) -> str | None:
        return self.svg() if shutil.which("dot") is not None else None

    def _repr_markdown_(self) -> str | None:
        return self._markdown() if shutil.which("dot") is None else None

    def __repr__(self) -> str:
        left_out = f", {self.left_out} left out" if self.left_out else ""
        return (
            f"<Picture of the tape: {len(self.boxes)} boxes, {len(self.arrows)} arrows{left_out}; .dot, .mermaid, "
            ".svg(), .save(path)>"
        )


def _in_dot(text: str) -> str:
    return text.replace("\\", "\\\\").replace('"', '\\"').replace("\n", " ")


def _in_mermaid(text: str) -> str:
    # Backslashes, backticks and asterisks would be read as Markdown.
    return re.sub(r"[^\w .,:;=()\[\]+/@-]", lambda match: f"#{ord(match[0])};", text.replace("\n", " "))


def graph(
    *outputs: Any,
    params: Mapping[str, Any] | Iterable[tuple[str, Any]] | None = None,
    max_nodes: int = 100,
    kept: bool = True,
) -> Picture:
    """A picture of the tape from which `outputs` were made.

    Green boxes are leaves, grey ones ops, blue ones the outputs; a dashed frame says that the result is a view, a
    double frame that memory was written in place, cut corners that the op is a `Function`. Shapes are shown where the
    tape knows them; everything recorded inside ``with tapegrad.utils.notes():`` has its shape and the line that made
    it.

    Args:
        *outputs: tensors that require grad; tuples, lists and dicts of them too.
        params: names for tensors, leaves or not: a mapping such as ``dict(model.named_parameters())`` or ``locals()``.
        max_nodes: how many nodes and leaves are drawn at most, those nearest to the outputs.
        kept: say what each node keeps for backward.

    Raises:
        RuntimeError: an output does not require grad.
        ValueError: `max_nodes` is not positive.

    Example:
        >>> x = tapegrad.tensor([2.0, 3.0], requires_grad=True)
        >>> picture = tapegrad.utils.graph((x * 3).sum(), params={"x": x})
        >>> print(picture.mermaid)  # doctest: +ELLIPSIS
        flowchart TD
          n1["mul<br/>MulBackward0<br/>float32 [2]<br/>keeps other = 3."]:::op
          n2["sum<br/>SumBackward0<br/>float32 []"]:::op
          leaf1(["x<br/>float32 [2]"]):::leaf
          out1(["output<br/>float32 []"]):::output
          leaf1 -->|"input"| n1
          n1 -->|"input"| n2
          n2 --> out1
          ...
    """
    if max_nodes < 1:
        raise ValueError(f"max_nodes must be positive, not {max_nodes}")
    return _Drawing(outputs_of(outputs), Names(params), max_nodes, kept).picture()


class _Drawing:
    def __init__(self, outputs: list[Tensor], names: Names, max_nodes: int, kept: bool) -> None:
        self.outputs = outputs
        self.names = names
        self.kept = kept
        self.nodes = nodes_below(outputs)
        self.facts = ResultFacts(self.nodes, outputs)
        self.leaves: list[Tensor] = []
        self.ids: dict[Any, str] = {}
        self.left_out = 0
        drawn = self._choose(max_nodes)
        # Numbers rise from the leaves to the outputs.
        drawn.reverse()
        self.drawn = drawn
        self.ids.update((node, f"n{i}") for i, node in enumerate(drawn, 1))

    def _choose(self, most: int) -> list[Node]:
        """The nodes to be drawn; leaves take their places among them."""
        drawn: list[Node] = []
        seen: set[int] = set()
        for leaf in [t for t in self.outputs if t._node is None]:
            self._take_leaf(leaf, seen)
        for node in self.nodes:
            fits = len(drawn) + len(self.leaves) < most
            if fits:
                drawn.append(node)
            else:
                self.left_out += 1
            for edge in node.edges:
                if isinstance(edge, Tensor) and id(edge) not in seen:
                    if fits and len(drawn) + len(self.leaves) < most:
                        self._take_leaf(edge, seen)
                    else:
                        seen.add(id(edge))
                        self.left_out += 1
        return drawn

    def _take_leaf(self, leaf: Tensor, seen: set[int]) -> None:
        if id(leaf) not in seen:
            seen.add(id(leaf))
            self.leaves.append(leaf)
            self.ids[leaf] = f"leaf{len(self.leaves)}"

    def picture(self) -> Picture:
        boxes = [*map(self._node_box, self.drawn), *map(self._leaf_box, self.leaves)]
        arrows = [arrow for node in self.drawn for arrow in self._arrows_to(node)]
        if self.left_out:
            boxes.append(Box("more", "more", (f"{self.left_out} more",)))
        for i, t in enumerate(self.outputs, 1):
            target, nr = made_by(t)
            name = (
                self.names.of_leaf(t)
                or self.names.of_result(target, nr)
                or ("output" if len(self.outputs) == 1 else f"output {i}")
            )
            boxes.append(Box(f"out{i}", "output", (name, kind_text(t._array.shape, t._array.dtype))))
            arrows.append(Arrow(self.ids.get(target, "more"), f"out{i}", self._result_label(target, nr)))
        return Picture(boxes, arrows, self.left_out)

    def _arrows_to(self, node: Node) -> Iterator[Arrow]:
        seen_more = False
        for edge in edges_of(node):
            if edge.target is None:
                continue
            start = self.ids.get(edge.target)
            if start is None:
                if seen_more:
                    continue
                seen_more = True
            made = self._result_label(edge.target, edge.nr)
            yield Arrow(
                start or "more", self.ids[node], f"{made} as {edge.operand}" if made and start else edge.operand
            )

    @staticmethod
    def _result_label(target: Any, nr: int) -> str:
        """Which of several results this is; empty where there is one."""
        names = result_names(target) if isinstance(target, Node) else ()
        return names[nr] if len(names) > 1 else ""

    def _leaf_box(self, leaf: Tensor) -> Box:
        return Box(
            self.ids[leaf],
            "leaf",
            (self.names.of_leaf(leaf) or "leaf", kind_text(leaf._array.shape, leaf._array.dtype)),
        )

    def _node_box(self, node: Node) -> Box:
        note = note_of(node)
        results = result_names(node)
        named = self.names.of_result(node) if len(results) == 1 else None
        title = node.op_name or node.name()
        lines = [f"{named} = {title}" if named else title, node.name()]
        facts = [kind_text(self.facts.shape(node, nr), self.facts.dtype(node, nr)) for nr in range(len(results))]
        lines += (
            facts
            if len(results) == 1
            else [f"{self.names.of_result(node, nr) or results[nr]}: {text}" for nr, text in enumerate(facts) if text]
        )
        if self.kept:
            lines += [line for line in (kept_line(node),) if line]
        if note is not None and note.line:
            lines.append(note.place)
        return Box(self.ids[node], _kind(node), tuple(line for line in lines if line))


def _kind(node: Node) -> str:
    if writes_in_place(node):
        return "in_place"
    if isinstance(node, BackwardCFunction):
        return "function"
    return "view" if is_view(node) else "op"


def kept_line(node: Node) -> str:
    """What the node keeps, in one line; empty if that is nothing of any size."""
    if node.saved is None:
        return "what it kept has been freed"
    parts = []
    for name, value, _ in kept_by(node):
        arrays = [array for array, _ in arrays_in(value)]
        if len(arrays) == 1 and arrays[0].ndim == 0 and not isinstance(value, Tensor):
            parts.append(f"{name} = {array_text(arrays[0])}")
        elif len(arrays) == 1:
            parts.append(f"{name} {list(arrays[0].shape)}")
        elif not arrays and isinstance(value, (int, float, complex)) and not isinstance(value, bool):
            parts.append(f"{name} = {value}")
        elif arrays:
            parts.append(f"{name}: {len(arrays)} arrays")
    return f"keeps {', '.join(parts)}" if parts else ""
