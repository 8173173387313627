"""`tapegrad.utils.kept` tells what the tape really keeps, and `notes` where it was made."""

from __future__ import annotations

import gc
import threading
import tracemalloc
import weakref

import numpy as np
import pytest

import tapegrad
from tapegrad import nn
from tapegrad.autograd.core.gate import gate, state
from tapegrad.autograd.core.node import Node
from tapegrad.autograd.tape.function_node import BackwardCFunction
from tapegrad.backends import Device, backend_for
from tapegrad.utils import kept, notes
from tapegrad.utils.inspect.notes import note_of

F = nn.functional


def array_bytes() -> int:
    """Bytes that NumPy holds in arrays."""
    snapshot = tracemalloc.take_snapshot().filter_traces([tracemalloc.DomainFilter(True, np.lib.tracemalloc_domain)])
    return sum(trace.size for trace in snapshot.traces)


class Scaled(tapegrad.autograd.Function):
    @staticmethod
    def forward(ctx, x, factor):
        ctx.save_for_backward(x)
        ctx.mask = x.detach() > 0
        return x * factor

    @staticmethod
    def backward(ctx, grad):
        return grad * 2 * ctx.mask, None


def mlp(x, w, v):
    return F.cross_entropy((x @ w).relu() @ v, tapegrad.arange(32) % 10)


def shared(x, w, v):
    h = (x @ w).tanh()
    return (h[:16] * h[16:]).sum() + (h.t() @ h).sum() + h.exp().mean()


def in_place(x, w, v):
    h = x @ w
    h[:, 0] = 1.0
    h.mul_(2.0)
    h[:, 3:7].tanh_()
    return (h * h).sum()


def function(x, w, v):
    return (Scaled.apply(x @ w, 2.0).exp() @ v).std()


def several(x, w, v):
    values, _ = (x @ w).max(1)
    a, b = (x @ w).split(40, 1)[:2]
    return values.sum() + (a * b).sum() + (x @ w).sort(1)[0][:, 0].prod()


def convolution(x, w, v):
    h = F.conv2d(x.reshape(32, 1, 6, 8), w[:9, :4].reshape(4, 1, 3, 3), padding=1)
    return F.max_pool2d(F.gelu(h), 2).var()


PROGRAMS = [mlp, shared, in_place, function, several, convolution]


@pytest.mark.parametrize("program", PROGRAMS, ids=lambda program: program.__name__)
def test_activations_are_what_dropping_the_graph_frees(program):
    x, w, v = (
        tapegrad.randn(32, 48),
        tapegrad.randn(48, 128, requires_grad=True),
        tapegrad.randn(128, 10, requires_grad=True),
    )
    program(x, w, v).item()  # what is made once and kept for all time
    tracemalloc.start()
    try:
        loss = program(x, w, v)
        table = kept(loss)
        own = loss.nbytes
        gc.collect()
        before = array_bytes()
        del loss
        freed = before - array_bytes() - own
    finally:
        tracemalloc.stop()
    # Data that the tape alone holds goes too; x is the test's.
    ours = table.data - sum(row.data for row in table.rows if "input float32 [32, 48]" in row.keeps)
    assert table.activations > 1000
    assert table.activations <= freed <= table.activations + ours, table


@pytest.mark.parametrize("program", PROGRAMS[:2], ids=lambda program: program.__name__)
def test_activations_on_the_strict_device(program):
    memory = backend_for(Device("strict"))
    before = tapegrad.get_default_device()
    tapegrad.set_default_device("strict")
    try:
        x, w, v = (
            tapegrad.randn(32, 48),
            tapegrad.randn(48, 128, requires_grad=True),
            tapegrad.randn(128, 10, requires_grad=True),
        )
        loss = program(x, w, v)
        table = kept(loss)
        used = memory.memory_allocated()
        del loss
        freed = used - memory.memory_allocated()
    finally:
        tapegrad.set_default_device(before)
    # Each piece takes a multiple of 512 bytes.
    pieces = sum(row.keeps.count("[") for row in table.rows)
    assert table.activations <= freed <= table.activations + table.data + 512 * (pieces + 1)


def test_memory_is_counted_once():
    x = tapegrad.ones(100, 10, requires_grad=True)
    h = x.exp()
    table = kept(h[:50] * h[50:], (h.t() * h.t()).sum())
    assert table.activations == h.nbytes
    assert [row.bytes for row in table.rows] == [h.nbytes, 0, 0]
    assert table.rows[0].node == "ExpBackward0"
    assert all("(shared)" in row.keeps for row in table.rows[1:])


def test_a_view_keeps_the_whole():
    whole = tapegrad.ones(1000)
    x = tapegrad.ones(2, requires_grad=True)
    table = kept((x * whole[:2]).sum())
    assert table.data == whole.nbytes
    assert "other float32 [2] of 4 kB" in table.rows[0].keeps


def test_numpy_views_of_every_kind_are_one_piece():
    from tapegrad.utils.inspect.kept import _memory

    whole = np.arange(12.0)
    views = [
        whole[2:],
        whole.reshape(3, 4).T,
        np.lib.stride_tricks.as_strided(whole, (3,), (16,)),
        np.broadcast_to(whole, (2, 12)),
        whole.view(np.int64)[1:],
    ]
    assert {_memory(view) for view in views} == {_memory(whole)} == {(id(whole), whole.nbytes)}
    assert _memory(whole.copy()) != _memory(whole)


def test_leaves_and_data_stand_apart():
    w = tapegrad.ones(3, 4, requires_grad=True)
    table = kept((tapegrad.ones(2, 3) @ w.t().t()).sum() + (w * w).sum() + (w * np.ones((3, 4), "float32")).sum())
    assert (table.activations, table.data, table.leaves) == (0, 2 * 3 * 4 + w.nbytes, w.nbytes)
    assert "leaves: parameters" in str(table)


def test_nothing_is_kept_where_no_rule_reads():
    x = tapegrad.ones(5, requires_grad=True)
    table = kept((x + 1).sum())
    assert (table.rows, table.activations, table.data, table.leaves) == ([], 0, 0, 0)
    assert str(table).startswith("0 B kept for backward by 0 of 2 nodes")


def test_a_freed_graph_keeps_nothing():
    x = tapegrad.ones(5, requires_grad=True)
    loss = x.exp().sum()
    loss.backward()
    assert kept(loss).activations == 0
    assert "1 node has been freed by a pass" in str(kept(loss))


def test_the_table_is_sorted_and_cut():
    h = tapegrad.ones(8, requires_grad=True)
    for i in range(6):
        h = tapegrad.cat([h, h]).exp() if i % 2 else h.exp()
    table = kept(h, max_rows=2)
    sizes = [row.bytes for row in table.rows]
    assert sizes == sorted(sizes, reverse=True) and len(sizes) == 6
    lines = str(table).splitlines()
    assert lines[-1].split() == [f"{sum(sizes[2:])}", "4", "more", "nodes"]
    assert len(lines) == 4 + 2 + 2 + 1


def test_packed_values_count_as_packed():
    x = tapegrad.ones(100, requires_grad=True)
    with tapegrad.autograd.graph.saved_tensors_hooks(
        lambda t: t.to(tapegrad.float16), lambda t: t.to(tapegrad.float32)
    ):
        loss = x.exp().sum()
    assert kept(loss).activations == 200


def test_a_long_chain_needs_no_recursion():
    x = tapegrad.ones(2, requires_grad=True)
    y = x
    for _ in range(50_000):
        y = y.exp_() if y is not x else y * 1
    assert kept(y).activations >= 8


def test_bad_outputs():
    with pytest.raises(RuntimeError, match="element 0 of tensors does not require grad"):
        kept(tapegrad.ones(2))
    with pytest.raises(TypeError, match="but got float"):
        kept(3.0)
    with pytest.raises(RuntimeError, match="no tensor"):
        kept()


# ---- notes


def line_of(text: str) -> int:
    """The number of the line of this file that begins with `text`."""
    with open(__file__, encoding="utf-8") as file:
        (number,) = [number for number, line in enumerate(file, 1) if line.strip().startswith(text)]
    return number


def test_every_node_gets_its_line():
    x = tapegrad.ones(2, 3, requires_grad=True)
    with notes():
        casted = x * tapegrad.ones(2, 3, dtype=tapegrad.float64)  # noted: a cast and a product
        made = Scaled.apply(casted, 2.0)  # noted: a Function
        copied = made + 0
        copied[0] = 5.0  # noted: a write of items
        row = copied[1]
        row.mul_(3.0)  # noted: a write to a view
    expected = {
        "MulBackward0": "row.mul_(3.0)  #",
        "ScaledBackward": "made = Scaled.apply(casted",
        "SelectBackward0": "row = copied[1]",
        "AddBackward0": "copied = made + 0",
    }
    found = {}
    nodes = tapegrad.utils.inspect.walk.nodes_below([copied])
    for node in nodes:
        note = note_of(node)
        assert note is not None, node
        assert note.file == __file__
        found.setdefault(node.name(), []).append(note.line)
    for name, text in expected.items():
        assert line_of(text) in found[name], name
    assert sorted(line for name, lines in found.items() if "CopySlices" in name for line in lines) == sorted(
        [line_of("copied[0] = 5.0  #"), line_of("row.mul_(3.0)  #")]
    )
    cast_lines = [
        line for name, lines in found.items() if name in ("ToCopyBackward0", "CastBackward0") for line in lines
    ]
    assert cast_lines == [line_of("casted = x * tapegrad.ones(2, 3, dtype")]
    writes = [note_of(node).line for node in nodes if note_of(node).in_place]
    assert set(writes) == {line_of("copied[0] = 5.0  #"), line_of("row.mul_(3.0)  #")}


def test_the_table_shows_line_and_module():
    model = nn.Sequential(nn.Linear(3, 4), nn.Tanh())
    with notes():
        loss = model(tapegrad.ones(2, 3)).sum()
    rows = {row.node: row for row in kept(loss).rows}
    assert rows["TanhBackward0"].inside == "Tanh.forward"
    assert rows["AddmmBackward0"].inside == "Linear.forward"
    assert rows["TanhBackward0"].place == f"test_kept.py:{line_of('loss = model(tapegrad.ones(2, 3)).sum()')}"
    assert rows["TanhBackward0"].source == "loss = model(tapegrad.ones(2, 3)).sum()"
    assert "Tanh.forward" in str(kept(loss))


def test_results_and_values_are_noted():
    x = tapegrad.ones(2, 3, requires_grad=True)
    with notes(values=True):
        y = x * 2
        values, indices = y.max(1)
    assert note_of(y.grad_fn).results == (((2, 3), np.dtype("float32")),)
    assert note_of(y.grad_fn).values == ("[[2., 2., 2.], [2., 2., 2.]]",)
    assert note_of(values.grad_fn).values == ("[2., 2.]", str(indices.tolist()))
    with notes():
        y = x * 2
    assert note_of(y.grad_fn).values == ()


def test_outside_nothing_is_noted():
    x = tapegrad.ones(2, requires_grad=True)
    with notes(), notes(values=True):
        assert note_of((x * 2).grad_fn).values
    assert note_of((x * 2).grad_fn) is None
    with pytest.raises(ZeroDivisionError), notes():
        1 / 0  # noqa: B018
    assert note_of((x * 2).grad_fn) is None
    assert "__init__" not in Node.__dict__
    assert BackwardCFunction.__init__.__module__ == "tapegrad.autograd.tape.function_node"
    assert not state.bits and not gate.on


def test_other_threads_are_not_noted():
    x = tapegrad.ones(2, requires_grad=True)
    made = []
    with notes():
        thread = threading.Thread(target=lambda: made.append(x * 2))
        thread.start()
        thread.join()
        assert note_of((x * 2).grad_fn) is not None
    assert note_of(made[0].grad_fn) is None


def test_notes_and_anomaly_mode_together():
    x = tapegrad.ones(2, requires_grad=True)
    with pytest.warns(UserWarning, match="Anomaly Detection"), tapegrad.autograd.detect_anomaly():
        with notes():
            y = x * 2
        z = x * 3
    assert note_of(y.grad_fn) is not None and "traceback_" in y.grad_fn.metadata
    assert note_of(z.grad_fn) is None and "traceback_" in z.grad_fn.metadata
    with notes():
        with pytest.warns(UserWarning, match="Anomaly Detection"), tapegrad.autograd.detect_anomaly():
            y = x * 2
        assert "traceback_" in y.grad_fn.metadata
    assert "__init__" not in Node.__dict__


def test_notes_go_with_their_nodes():
    x = tapegrad.ones(2, requires_grad=True)
    gc.collect()
    gc.disable()
    try:
        with notes(values=True):
            y = Scaled.apply(x.exp(), 2.0)
            y[0] = 1.0
        nodes = [weakref.ref(node) for node in tapegrad.utils.inspect.walk.nodes_below([y])]
        str(kept(y.sum()))
        assert len(nodes) == 3
        del y
        assert [node() for node in nodes] == [None] * 3
    finally:
        gc.enable()
