"""The profiler: what it sees, how times and memory add up, what it writes. No test looks at how long anything took."""

from __future__ import annotations

import gzip
import json
import threading
from typing import Any

import numpy as np
import pytest

import tapegrad
from tapegrad import nn, optim
from tapegrad.autograd.core.gate import gate
from tapegrad.autograd.profiler.table import format_memory, format_time
from tapegrad.backends import backend_for
from tapegrad.profiler import (
    ProfilerAction,
    ProfilerActivity,
    profile,
    record_function,
    schedule,
    tensorboard_trace_handler,
)
from tapegrad.testing import counting

ACCUMULATE = "torch::autograd::AccumulateGrad"


def names(prof: Any) -> list[str]:
    return [event.name for event in prof.events()]


def only(prof: Any, name: str) -> Any:
    (event,) = [event for event in prof.events() if event.name == name]
    return event


# ---- what is seen


def test_forward_and_backward(device):
    x = tapegrad.ones(2, 3, device=device, requires_grad=True)
    with profile() as prof:
        loss = (x * x).exp().sum()
        loss.backward()
    assert names(prof) == ["mul", "exp", "sum", "SumBackward0", "ExpBackward0", "MulBackward0", ACCUMULATE]
    assert [event.category for event in prof.events()] == ["op"] * 3 + ["backward"] * 4
    assert [event.in_backward for event in prof.events()] == [False] * 3 + [True] * 4
    assert not gate.on, "nothing looks on any more"


def test_profiling_changes_nothing(device):
    def step(x):
        y = nn.functional.softmax(x @ x.T, dim=-1).clone()
        y[0].add_(1)
        return tapegrad.autograd.grad(y.log().sum(), x)[0].cpu().numpy()

    values = np.random.default_rng(0).standard_normal((3, 3))
    plain = step(tapegrad.tensor(values, device=device, requires_grad=True))
    with profile(record_shapes=True, profile_memory=True, with_stack=True):
        profiled = step(tapegrad.tensor(values, device=device, requires_grad=True))
    np.testing.assert_array_equal(plain, profiled)


def test_a_recorded_pass_shows_its_ops_within_their_nodes():
    x = tapegrad.tensor(2.0, requires_grad=True)
    with profile() as prof:
        (dx,) = tapegrad.autograd.grad(x**3, x, create_graph=True)
        tapegrad.autograd.grad(dx, x)
    first, second = [event for event in prof.events() if event.name == "PowBackward0"]
    assert first.cpu_children
    assert all(child.category == "op" and child.in_backward for child in first.cpu_children)
    assert not second.cpu_children
    assert ACCUMULATE not in names(prof), "grad adds nothing up"


def test_functions_show_what_they_compute_with():
    class Square(tapegrad.autograd.Function):
        @staticmethod
        def forward(ctx, x):
            ctx.save_for_backward(x)
            return x * x

        @staticmethod
        def backward(ctx, grad):
            (x,) = ctx.saved_tensors
            return grad * 2 * x

    x = tapegrad.ones(2, requires_grad=True)
    with profile() as prof:
        Square.apply(x).sum().backward()
    assert names(prof) == ["mul", "sum", "SumBackward0", "SquareBackward", "mul", "mul", ACCUMULATE]
    assert [child.name for child in only(prof, "SquareBackward").cpu_children] == ["mul", "mul"]


def test_several_results_are_one_node():
    x = tapegrad.arange(4.0).requires_grad_()
    with profile() as prof:
        a, b = x.split(2)
        (a * b).sum().backward()
    assert names(prof).count("SplitBackward0") == 1
    assert not [name for name in names(prof) if "Slot" in name]


def test_writes_in_place():
    x = tapegrad.ones(3)
    y = tapegrad.ones(3, requires_grad=True) * 1
    with profile() as prof:
        x.add_(1)
        x.copy_(tapegrad.zeros(3))
        y.mul_(2)
    assert names(prof) == ["add_", "copy_", "copy", "mul_", "mul"]
    assert [child.name for child in only(prof, "mul_").cpu_children] == ["mul"], "recorded as if the result were new"


@pytest.mark.parametrize(
    "mode", [tapegrad.no_grad, tapegrad.inference_mode, lambda: tapegrad.autograd.set_detect_anomaly(True)]
)
def test_modes(mode):
    x = tapegrad.ones(3)
    with profile() as prof, mode():
        y = x * 2
    with mode(), profile() as other:
        y = x * 2
    assert y.tolist() == [2.0, 2.0, 2.0]
    assert names(prof) == names(other) == ["mul"]


def test_under_vmap():
    with profile(profile_memory=True, record_shapes=True) as prof:
        tapegrad.func.vmap(tapegrad.func.grad(lambda x: (x * x).sum()))(tapegrad.ones(3, 2))
    assert {"mul", "sum"} <= set(names(prof))


def test_an_optimizer_names_its_steps():
    p = nn.Parameter(tapegrad.ones(2))
    sgd = optim.SGD([p], lr=0.1)
    p.sum().backward()
    with profile() as prof:
        sgd.step()
    assert prof.events()[0].name == "Optimizer.step#SGD.step"
    assert p.tolist() == pytest.approx([0.9, 0.9])


def test_an_error_ends_the_event():
    x = tapegrad.ones(3, requires_grad=True)
    y = x * 2
    y.register_hook(lambda grad: 1 / 0)
    with profile() as prof:
        with pytest.raises(RuntimeError, match="size of tensor"):
            x + tapegrad.ones(2)
        with pytest.raises(ZeroDivisionError):
            y.sum().backward()
        x.exp()
    assert [event.cpu_parent for event in prof.events()] == [None] * 5
    assert names(prof) == ["add", "sum", "SumBackward0", "MulBackward0", "exp"]


# ---- ranges


def test_ranges_nest():
    x = tapegrad.ones(3)
    with profile() as prof, record_function("outer"):
        x.exp()
        with record_function("inner"):
            x.log()
    outer, exp, inner, log = prof.events()
    assert [event.name for event in prof.events()] == ["outer", "exp", "inner", "log"]
    assert outer.cpu_children == [exp, inner]
    assert inner.cpu_parent is outer
    assert inner.cpu_children == [log]
    assert outer.is_user_annotation
    assert not exp.is_user_annotation


def test_times_add_up():
    x = tapegrad.ones(3, requires_grad=True)
    with profile() as prof, record_function("all"):
        (x * x).sum().backward()
    events = prof.events()
    for event in events:
        start, end = event.time_range
        assert 0 <= start <= end
        assert event.cpu_time_total == pytest.approx(end - start)
        inside = sum(child.cpu_time_total for child in event.cpu_children)
        assert event.self_cpu_time_total == pytest.approx(event.cpu_time_total - inside)
        for child, following in zip(event.cpu_children, [*event.cpu_children[1:], None]):
            assert start <= child.time_range.start
            assert child.time_range.end <= (end if following is None else following.time_range.start)
    assert events.self_cpu_time_total == pytest.approx(events[0].cpu_time_total)
    total = events.total_average()
    assert total.cpu_time_total == pytest.approx(events[0].cpu_time_total)
    assert total.count == len(events)
    backward = sum(event.self_cpu_time_total for event in events if event.in_backward)
    assert total.self_backward_time_total == pytest.approx(backward)


def test_recursion_counts_no_time_twice():
    @record_function("f")
    def f(n):
        return n if not n else f(n - 1)

    with profile() as prof:
        f(3)
    (row,) = prof.key_averages()
    assert row.count == 4
    assert row.cpu_time_total == pytest.approx(prof.events()[0].cpu_time_total)
    assert row.self_cpu_time_total == pytest.approx(row.cpu_time_total)
    assert row.cpu_time == pytest.approx(row.cpu_time_total / 4)


def test_a_range_without_a_profiler_does_nothing():
    with record_function("alone", "text") as here:
        assert here._open == []
        assert (here.name, here.args) == ("alone", "text")
    with tapegrad.no_grad(), record_function("alone") as here:
        assert here._open == []


def test_a_range_may_outlive_the_profiler():
    prof = profile()
    before = record_function("before")
    before.__enter__()
    prof.start()
    opened = record_function("opened")
    opened.__enter__()
    prof.stop()
    opened.__exit__()
    before.__exit__()
    (event,) = prof.events()
    assert event.name == "opened"
    assert event.cpu_time_total > 0


def test_a_pass_may_outlive_the_profiler():
    prof = profile()
    x = tapegrad.ones(2, requires_grad=True)
    y = x.exp()
    y.register_hook(lambda grad: prof.stop())
    prof.start()
    (y * 1).sum().backward()
    assert names(prof) == ["mul", "sum", "SumBackward0", "MulBackward0", "ExpBackward0"]
    assert x.grad is not None


def test_profilers_nest():
    x = tapegrad.ones(2)
    with profile() as outer:
        x.exp()
        with profile() as inner, record_function("range"):
            x.log()
    assert names(outer) == ["exp", "range", "log"]
    assert names(inner) == ["range", "log"]


# ---- what is noted


def test_shapes():
    x = tapegrad.ones(2, 3, requires_grad=True)
    with profile(record_shapes=True) as prof:
        tapegrad.cat([x, x[:1]]).mul(2).sum(1, keepdim=True).sum().backward()
    assert only(prof, "cat").input_shapes[0] == [[2, 3], [1, 3]]
    assert only(prof, "mul").input_shapes == [[3, 3], []]
    assert [event.input_shapes[0] for event in prof.events() if event.name == "sum"] == [[3, 3], [3, 1]]
    assert only(prof, "MulBackward0").input_shapes == [[3, 3]]
    with profile() as prof:
        x * 2
    assert prof.events()[0].input_shapes is None


def test_groups_by_shape():
    with profile(record_shapes=True) as prof:
        for n in (2, 3, 2):
            tapegrad.ones(n).exp()
    assert [(row.key, row.count) for row in prof.key_averages()] == [("exp", 3)]
    assert [(row.key, row.input_shapes, row.count) for row in prof.key_averages(group_by_input_shape=True)] == [
        ("exp", "[[2]]", 2),
        ("exp", "[[3]]", 1),
    ]


def test_memory(device):
    x = tapegrad.ones(10, 10, device=device, requires_grad=True)
    with profile(profile_memory=True) as prof:
        with record_function("range"):
            y = x * 2
            y.view(100)
            y.detach().add_(1)
        x.sum(0).sum().backward()
    on_device = device != "cpu"

    def bytes_of(event):
        figures = (
            (event.cpu_memory_usage, event.self_cpu_memory_usage),
            (event.device_memory_usage, event.self_device_memory_usage),
        )
        assert figures[not on_device] == (0, 0)
        return figures[on_device]

    assert bytes_of(only(prof, "mul")) == (400, 400)
    assert bytes_of(only(prof, "view")) == (0, 0), "a view makes no memory"
    assert bytes_of(only(prof, "add_")) == (0, 0)
    assert bytes_of(only(prof, "range")) == (400, 0)
    assert [bytes_of(event)[0] for event in prof.events() if event.name == "sum"] == [40, 4]
    assert (
        bytes_of(only(prof, ACCUMULATE))[1]
        + sum(bytes_of(event)[1] for event in prof.events() if event.name == "SumBackward0")
        >= 400
    )
    total = prof.key_averages().total_average()
    assert (total.device_memory_usage if on_device else total.cpu_memory_usage) == sum(
        bytes_of(event)[1] for event in prof.events()
    )


def test_memory_of_what_is_kept_for_backward():
    x = tapegrad.ones(2, 8, 8, requires_grad=True)
    with profile(profile_memory=True) as prof:
        y = nn.functional.layer_norm(x, (8,))
        with tapegrad.no_grad():
            z = nn.functional.layer_norm(x, (8,))
    recorded, plain = [event.cpu_memory_usage for event in prof.events()]
    assert plain == z.nbytes
    assert recorded >= y.nbytes + 2 * 8 * 4, "at least one number for each row is kept"


def test_a_device_counts_its_own_memory():
    x = tapegrad.ones(100, device="strict")
    with profile(profile_memory=True) as prof:
        y = x * 2
        z = y * 2
    first, second = prof.events()
    assert second.allocated == backend_for(z.device).memory_allocated(z.device) >= first.allocated + z.nbytes
    assert str(first.device) == "strict:0"
    with profile() as prof:
        x * 2
    assert prof.events()[0].allocated is None


def test_stacks():
    def f(x):
        return x.exp()  # here

    x = tapegrad.ones(2, requires_grad=True)
    with profile(with_stack=True) as prof:
        f(x).sum().backward()
    lines = [place.partition("(")[2] for place in only(prof, "exp").stack]
    assert only(prof, "exp").stack[0].startswith(__file__)
    assert [line.partition("): ")[2] for line in lines[:2]] == ["f", "test_stacks"]
    assert only(prof, "ExpBackward0").stack == only(prof, "exp").stack, "a node shows where its op was called"
    with open(__file__, encoding="utf-8") as source:
        assert source.readlines()[int(lines[0].partition(")")[0]) - 1].strip() == "return x.exp()  # here"


def test_groups_by_stack():
    x = tapegrad.ones(2)
    with profile(with_stack=True) as prof:
        for _ in range(2):
            x.exp()
        x.exp()
    assert [row.count for row in prof.key_averages(group_by_stack_n=1)] == [2, 1]
    assert len(prof.key_averages(group_by_stack_n=2)[0].stack) == 2


def test_waits_for_devices():
    x = tapegrad.ones(2, device="strict", requires_grad=True)
    with counting() as crossed, profile() as prof:
        (x * 2).sum().backward()
    assert not crossed, "what waits was asked to"
    assert crossed.asked is not None
    assert crossed.asked.synchronisations >= 2 * len(prof.events()), "before and after each"
    assert all(event.device_time_total == event.cpu_time_total for event in prof.events())
    with counting() as crossed, profile(activities=[ProfilerActivity.CPU]) as prof:
        (x * 2).sum().backward()
    assert not crossed
    assert not crossed.asked
    assert [str(event.device) for event in prof.events()] == ["strict:0"] * len(prof.events())


def test_the_host_waits_for_nothing():
    with profile() as prof:
        tapegrad.ones(2).exp()
    assert prof.events()[0].device is None
    assert prof.events()[0].device_time_total == 0


# ---- threads


def test_a_profiler_sees_its_own_thread():
    x = tapegrad.ones(2)
    seen: dict[str, Any] = {}
    meet = threading.Barrier(2)

    def work(name: str) -> None:
        meet.wait()
        with profile() as prof:
            meet.wait()
            for _ in range(50):
                getattr(x, name)()
            meet.wait()
        seen[name] = prof

    threads = [threading.Thread(target=work, args=(name,)) for name in ("sin", "cos")]
    with profile() as here:
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join()
        x.exp()
    assert names(here) == ["exp"]
    assert {name: names(prof) for name, prof in seen.items()} == {"sin": ["sin"] * 50, "cos": ["cos"] * 50}
    assert not gate.on


# ---- what is written


def _trace(path: Any) -> list[dict[str, Any]]:
    with gzip.open(path, "rt", encoding="utf-8") if str(path).endswith(".gz") else open(path, encoding="utf-8") as file:
        return json.load(file)["traceEvents"]  # type: ignore[no-any-return]


@pytest.mark.parametrize("name", ["trace.json", "trace.json.gz"])
def test_chrome_trace(tmp_path, device, name):
    x = tapegrad.ones(2, 3, device=device, requires_grad=True)
    with profile(record_shapes=True, profile_memory=True, with_stack=True) as prof:
        with record_function('a "range"'):
            y = x * x
        y.sum().backward()
    prof.export_chrome_trace(str(tmp_path / name))
    entries = _trace(tmp_path / name)
    assert {entry["ph"] for entry in entries} <= {"M", "X", "s", "f", "C"}
    whole = [entry for entry in entries if entry["ph"] == "X"]
    assert [entry["name"] for entry in whole] == names(prof)
    for entry, event in zip(whole, prof.events()):
        assert (entry["ts"], entry["ts"] + entry["dur"]) == pytest.approx(tuple(event.time_range))
        assert entry["cat"] == event.category
        assert {type(entry["pid"]), type(entry["tid"])} == {int}
    product = next(entry for entry in whole if entry["name"] == "mul")
    assert product["args"]["Input Dims"] == [[2, 3], [2, 3]]
    assert product["args"]["Bytes"] == 24
    assert __file__ in product["args"]["Call stack"]
    starts, ends = ({entry["id"]: entry for entry in entries if entry["ph"] == ph} for ph in "sf")
    assert (
        set(starts)
        == set(ends)
        == {entry["args"].get("Sequence number") for entry in whole if entry["cat"] == "backward"} - {None}
    )
    node = next(entry for entry in whole if entry["name"] == "MulBackward0")
    nr = node["args"]["Sequence number"]
    assert product["ts"] == starts[nr]["ts"] < ends[nr]["ts"] == node["ts"]
    assert ends[nr]["bp"] == "e"
    assert bool([entry for entry in entries if entry["ph"] == "C"]) == (device != "cpu")


def test_table():
    x = tapegrad.ones(4, 4, requires_grad=True)
    with profile(record_shapes=True, profile_memory=True, with_stack=True) as prof:
        with record_function("forward"):
            y = (x @ x).exp().exp()
        y.sum().backward()
    sums = prof.key_averages()
    lines = sums.table(sort_by="count", row_limit=2, header="The title").splitlines()
    assert lines[0] == "The title"
    assert lines[2].split() == [
        *["Name", "Self", "time", "%", "Self", "time", "Total", "time", "%", "Total", "time", "Time", "avg"],
        *["Host", "mem", "Self", "host", "mem", "#", "of", "Calls"],
    ]
    assert {lines[4].split()[0], lines[5].split()[0]} == {"exp", "ExpBackward0"}
    assert len(lines) == 8
    assert lines[-1].startswith("Self time total: ")
    assert "(forward " in lines[-1]
    by_memory = sums.table(sort_by="self_cpu_memory_usage").splitlines()
    assert by_memory[3].split()[0] in ("MmBackward0", "MatmulBackward0", "exp")
    assert "[[4, 4], [4, 4]]" in prof.key_averages(group_by_input_shape=True).table()
    assert f"{__file__[:20]}" in prof.key_averages(group_by_stack_n=1).table()
    assert "exp" not in prof.events().table(top_level_events_only=True).split()
    assert str(sums) == sums.table()
    with pytest.raises(AttributeError, match="'FunctionEventAvg' object has no attribute 'bogus'"):
        sums.table(sort_by="bogus")
    assert sums.table(sort_by="cuda_time_total") == sums.table(sort_by="device_time_total")


def test_an_empty_profile(tmp_path):
    with profile() as prof:
        pass
    assert prof.key_averages().table() == ""
    assert prof.key_averages().total_average().cpu_time == 0
    prof.export_chrome_trace(str(tmp_path / "trace.json"))
    assert [entry["ph"] for entry in _trace(tmp_path / "trace.json")] == ["M"]


def test_formats():
    assert [format_time(us) for us in (1.5, 1500.0, 1.5e6)] == ["1.500us", "1.500ms", "1.500s"]
    assert [format_memory(n) for n in (0, 1023, 1536, -3 << 20, 1 << 30)] == [
        "0 B",
        "1023 B",
        "1.50 KB",
        "-3.00 MB",
        "1.00 GB",
    ]


# ---- steps


def test_a_schedule_profiles_its_steps():
    x = tapegrad.ones(2)
    ready: list[tuple[int, list[str]]] = []
    with profile(
        schedule=schedule(wait=1, warmup=1, active=2, repeat=2),
        on_trace_ready=lambda prof: ready.append((prof.step_num, names(prof))),
    ) as prof:
        for _ in range(10):
            x.exp()
            prof.step()
    assert ready == [
        (4, ["ProfilerStep#2", "exp", "ProfilerStep#3", "exp"]),
        (8, ["ProfilerStep#6", "exp", "ProfilerStep#7", "exp"]),
    ]
    assert not gate.on


def test_a_schedule_may_be_cut_short():
    x = tapegrad.ones(2)
    ready: list[list[str]] = []
    for steps, action in ((1, ProfilerAction.WARMUP), (2, ProfilerAction.RECORD), (3, ProfilerAction.RECORD_AND_SAVE)):
        with profile(
            schedule=schedule(wait=0, warmup=1, active=2, repeat=1, skip_first=1),
            on_trace_ready=lambda prof: ready.append(names(prof)),
        ) as prof:
            for _ in range(steps):
                x.exp()
                prof.step()
            assert prof.current_action is action
            x.log()
    assert ready == [["ProfilerStep#2", "log"], ["ProfilerStep#2", "exp", "ProfilerStep#3", "log"]]
    assert not gate.on


def test_ready_without_a_schedule(tmp_path):
    with profile(on_trace_ready=tensorboard_trace_handler(str(tmp_path / "new"), "me", use_gzip=True)):
        tapegrad.ones(2).exp()
    (path,) = (tmp_path / "new").iterdir()
    assert path.name.startswith("me.")
    assert path.name.endswith(".pt.trace.json.gz")
    assert "exp" in [entry["name"] for entry in _trace(path)]


def test_what_is_refused():
    prof = profile()
    for call, purpose in (
        (prof.events, "accessing events"),
        (prof.key_averages, "getting key averages"),
        (lambda: prof.export_chrome_trace("nowhere"), "exporting chrome trace"),
    ):
        with pytest.raises(AssertionError, match=f"^Profiler must be initialized before {purpose}$"):
            call()
    with pytest.raises(AssertionError, match="No valid profiler activities found"):
        profile(activities=[])
    with pytest.raises(AssertionError, match="Invalid profiler schedule arguments"):
        schedule(wait=0, warmup=0, active=0)
    plain = tapegrad.autograd.profiler.profile()
    with plain:
        with pytest.raises(RuntimeError, match="Profiler didn't finish running"):
            plain.key_averages()
        assert str(plain) == "<unfinished torch.autograd.profile>"
    with pytest.raises(RuntimeError, match="Profiler context manager is not reentrant"), plain:
        pass
    with tapegrad.autograd.profiler.profile(enabled=False) as off:
        tapegrad.ones(2).exp()
    with pytest.raises(RuntimeError, match="Profiler didn't finish running"):
        off.function_events  # noqa: B018
