"""`check_device` names each line that copies or waits unasked, says what to write instead, and leaves everything as it
was.
"""

from __future__ import annotations

import functools
import inspect
import pickle
import threading
from dataclasses import dataclass
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np
import pytest

import tapegrad
from tapegrad import nn
from tapegrad.backends import Device, registry
from tapegrad.backends.strict.backend import allowed
from tapegrad.backends.strict.transfers import watching
from tapegrad.nn import functional as F
from tapegrad.testing import check_device
from tapegrad.utils.device_check import crossings

HOST = np.ones(2, np.float32)
TABLE = np.arange(12.0).reshape(3, 4)
HERE = Path(__file__).name


def faults(report: Any) -> list[tuple[str, str]]:
    """What is hidden: the source with its end comment, and the kind."""
    return [(crossing.source.partition("# ")[2], crossing.kind) for crossing in report.hidden]


# ---- a program with known faults


def train(model: nn.Module, optimizer: Any, x: Any, y: Any) -> Any:
    total = 0.0
    for _ in range(3):
        optimizer.zero_grad()
        out = model(x)
        loss = F.cross_entropy(out, y)
        loss.backward()
        optimizer.step()
        total += float(loss)  # float
        loss.item()  # item in a loop
    if loss > 3:  # bool
        pass
    assert loss < 100  # assert
    n = y.max() + 1
    good = out[y > 0]  # mask
    out[:n]  # slice
    tapegrad.zeros(n, device=x.device)  # size
    out.detach()[0] = HOST  # write
    out[[0, 1]]  # list
    out[np.array([0])]  # numpy index
    out[tapegrad.tensor([0])]  # CPU index
    tapegrad.tensor([loss.detach(), loss.detach()])  # list of tensors
    tapegrad.unique(y)  # unique
    y.nonzero()  # nonzero
    out.masked_select(out > 0)  # masked_select
    max(loss, loss * 2)  # max
    assert 1 in y  # in
    tapegrad.allclose(out, out)  # allclose
    tapegrad.cat([out[:1]] * 9)  # cat
    out.detach().cpu().numpy()
    print(loss.detach())
    tapegrad.tensor([1.0], device=x.device)
    tapegrad.cuda.synchronize()
    return good


D, H, W = "device_to_host", "host_to_device", "synchronisations"
FAULTS = [
    ("float", D),
    ("bool", D),
    ("assert", D),
    ("mask", W),
    ("slice", D),
    ("size", D),
    ("write", H),
    ("list", H),
    ("numpy index", H),
    ("CPU index", H),
    ("list of tensors", D),
    ("unique", W),
    ("nonzero", W),
    ("masked_select", W),
    ("max", D),
    ("in", D),
    ("allclose", D),
    ("cat", H),
]


@pytest.fixture
def program() -> tuple[Any, ...]:
    model = nn.Sequential(nn.Linear(3, 4), nn.BatchNorm1d(4), nn.ReLU(), nn.Dropout(0.1), nn.Linear(4, 2))
    return model, tapegrad.optim.Adam(model.parameters()), tapegrad.randn(5, 3), tapegrad.tensor([0, 1, 1, 0, 1])


def test_known_faults_are_found_each_at_its_line(program: Any, capsys: Any) -> None:
    report = check_device(train, *program)
    assert faults(report) == FAULTS
    assert not report.ok
    lines, first = inspect.getsourcelines(train)
    for crossing in report.hidden:
        assert Path(crossing.file).name == HERE and lines[crossing.line - first].strip() == crossing.source
        assert crossing.advice and crossing.advice.split()[0] in str(crossing)
    by = {crossing.source.partition("# ")[2]: crossing for crossing in report.hidden}
    assert (by["float"].times, by["float"].bytes, by["float"].op) == (3, 12, "float()")
    assert (by["write"].bytes, by["write"].op) == (8, "assignment")
    assert (by["list"].bytes, by["numpy index"].bytes, by["slice"].op, by["mask"].op) == (
        16,
        8,
        "__index__",
        "indexing",
    )
    assert {crossing.op for crossing in report.asked} == {"item()", "cpu()", "repr()", "tensor()", "synchronize()"}
    assert next(crossing for crossing in report.asked if crossing.op == "item()").times == 3
    assert "device='cuda:0'" in capsys.readouterr().out
    assert report.result.device == Device("cuda", 0)


@pytest.mark.parametrize(
    ("fault", "words"),
    [
        ("float", "total += loss.detach()"),
        ("bool", "where(condition, a, b)"),
        ("mask", "masked_fill"),
        ("slice", "arange(n) < number"),
        ("size", "Python numbers"),
        ("list", "outside the loop"),
        ("write", "assign the tensor"),
        ("list of tensors", "stack([a, b])"),
        ("cat", "eight"),
        ("unique", "depends on values"),
    ],
)
def test_advice_fits(program: Any, fault: str, words: str) -> None:
    report = check_device(train, *program)
    assert words in next(crossing.advice for crossing in report.hidden if crossing.source.endswith(f"# {fault}"))


def test_the_text(program: Any) -> None:
    report = check_device(train, *program)
    text = str(report)
    assert text == repr(report)
    assert text.startswith(
        "train: 21 hidden copies or waits at 18 lines; 7 that the program asks for\n"
        "on the device: model (Sequential), optimizer (Adam), x, y\n\nhidden\n"
    )
    assert (
        f"{HERE}:" in text
        and "      copy to the host, which waits for the device, by float(), 12 B, 3 times\n      instead: add losses"
        in text
    )
    assert "\nasked for\n" in text
    assert max(map(len, text.replace(str(Path(__file__)), HERE).split("\n"))) < 130
    clean = check_device(lambda x: x * 2, tapegrad.ones(2))
    assert str(clean) == "<lambda>: no hidden copy, no hidden wait\non the device: x"
    assert clean.ok


# ---- a program without faults


def test_a_training_step_by_closure_is_clean_and_leaves_everything_as_it_was() -> None:
    model = nn.Sequential(nn.Linear(3, 4), nn.BatchNorm1d(4), nn.Dropout(0.2), nn.Linear(4, 2))
    frozen = tapegrad.ones(2)
    optimizer = tapegrad.optim.Adam(model.parameters(), lr=0.1)
    x, y = tapegrad.randn(5, 3), tapegrad.tensor([0, 1, 1, 0, 1])

    def step() -> Any:
        optimizer.zero_grad()
        loss = F.cross_entropy(model(x) * frozen, y)
        loss.backward()
        nn.utils.clip_grad_norm_(model.parameters(), 1.0)
        optimizer.step()
        optimizer.param_groups[0]["lr"] *= 0.5
        return loss.detach()

    def state() -> Any:
        return pickle.dumps(
            (
                model.state_dict(),
                optimizer.state_dict(),
                [p.grad for p in model.parameters()],
                x,
                y,
                frozen,
                tapegrad.get_rng_state(),
            )
        )

    def identities() -> Any:
        return [id(t._array) for t in (*model.parameters(), *model.buffers(), x, y, frozen)] + [
            id(p.grad) for p in model.parameters()
        ]

    for _ in range(2):  # without optimizer state, then with it
        before, arrays = state(), identities()
        report = check_device(step)
        assert report.ok and not report.asked, report
        assert report.moved == ["frozen", "model (Sequential)", "optimizer (Adam)", "x", "y"]
        assert report.result.is_cuda
        assert state() == before and identities() == arrays
        assert all(p.is_cpu and p.is_leaf and p.requires_grad for p in model.parameters())
        tapegrad.manual_seed(3)
        first = step()  # the same program, on the CPU
    assert first.is_cpu


def test_it_trains_as_on_the_cpu(program: Any) -> None:
    """The device's numbers are the CPU's, from the optimizer's state and the generators on."""
    model, optimizer, x, y = program

    def step() -> Any:
        optimizer.zero_grad()
        F.cross_entropy(model(x), y).backward()
        optimizer.step()
        return [p.detach().clone() for p in model.parameters()]

    step()
    tapegrad.manual_seed(1)
    device = check_device(step).result
    tapegrad.manual_seed(1)
    for a, b in zip(device, step()):
        tapegrad.testing.assert_close(a.cpu(), b)


def test_what_was_on_the_way_goes_on() -> None:
    """A graph made before the check can be walked after it, though the check wrote to the leaf."""
    w = tapegrad.ones(2, requires_grad=True)
    loss = (w * w).sum()

    def step() -> None:
        with tapegrad.no_grad():
            w.add_(1)

    assert check_device(step).ok
    loss.backward()
    assert w.grad.tolist() == [2, 2] and w.tolist() == [1, 1]


def test_everything_is_put_back_after_an_error(program: Any) -> None:
    model, optimizer, x, y = program
    x.grad = None
    before = [p._array for p in model.parameters()]

    def step() -> None:
        F.cross_entropy(model(x), y).backward()
        optimizer.step()
        float(x.sum())
        raise KeyError("mine")

    with pytest.raises(KeyError, match="mine") as caught:
        check_device(step)
    assert "before this there crossed" in caught.value.__notes__[-1] and "float(x.sum())" in caught.value.__notes__[-1]
    assert all(p._array is a and p.grad is None for p, a in zip(model.parameters(), before))
    assert not optimizer.state and x.is_cpu
    with pytest.raises(RuntimeError):
        registry.backend_for(Device("cuda", 99)).use(Device("cuda", 99)).__enter__()


# ---- what a device refuses


@pytest.mark.parametrize(
    ("act", "error", "words"),
    [
        (lambda x: x * HOST, RuntimeError, "as_tensor(a, device=x.device)"),
        (lambda x: x * tapegrad.ones(2), RuntimeError, "as_tensor(a, device=x.device)"),
        (lambda x: x._array * HOST, TypeError, "as_tensor(a, device=x.device)"),
        (lambda x: np.asarray(x), TypeError, "call tapegrad's of the same name"),
        (lambda x: np.exp(x), TypeError, "call tapegrad's of the same name"),
        (lambda x: np.sum(x._array), TypeError, "call tapegrad's of the same name"),
        (lambda x: x.numpy(), TypeError, "x.detach().cpu().numpy()"),
    ],
)
def test_what_the_device_refuses_says_what_to_write_instead(act: Any, error: Any, words: str) -> None:
    with pytest.raises(error) as caught:
        check_device(act, tapegrad.ones(2))
    assert words in "\n".join(caught.value.__notes__)


def test_errors_of_the_user_s_own_get_no_advice() -> None:
    with pytest.raises(ZeroDivisionError) as caught:
        check_device(lambda x: 1 // 0, tapegrad.ones(2))
    assert not hasattr(caught.value, "__notes__")


# ---- raise_on


@pytest.mark.parametrize(
    ("raise_on", "act", "raises"),
    [
        ("hidden", lambda x: float(x), True),
        ("hidden", lambda x: x.item(), False),
        ("asked", lambda x: x.item(), True),
        ("asked", lambda x: float(x), False),
        ("device_to_host", lambda x: float(x), True),
        ("host_to_device", lambda x: float(x), False),
        ("synchronisations", lambda x: float(x), True),
        (("host_to_device",), lambda x: x[None][[0]], True),
        (("host_to_device", "asked"), lambda x: x.item(), True),
        (("synchronisations",), lambda x: x.nonzero(), True),
        ((), lambda x: float(x), False),
    ],
)
def test_raise_on(raise_on: Any, act: Any, raises: bool) -> None:
    x = tapegrad.tensor(1.0)
    if not raises:
        check_device(act, x, raise_on=raise_on)
        return
    with pytest.raises(RuntimeError, match=rf"check_device: .*{HERE}:\d+: ") as caught:
        check_device(act, x, raise_on=raise_on)
    assert any(entry.name == "<lambda>" for entry in caught.traceback), "it is raised at the line itself"
    assert x.is_cpu


def test_raise_on_names_something_known() -> None:
    with pytest.raises(ValueError, match="there are 'hidden', 'asked', 'host_to_device'"):
        check_device(lambda: None, raise_on="everything")


# ---- what is moved


class Pair(NamedTuple):
    a: Any
    b: Any


@dataclass
class Batch:
    x: Any


def test_arguments_are_moved_wherever_they_stand() -> None:
    seen: list[Any] = []

    def f(a: Any, *rest: Any, **more: Any) -> None:
        seen.extend([a, rest, more])

    t, n, batch = tapegrad.ones(2), np.ones(2, np.float32), Batch(tapegrad.ones(2))
    text = np.array(["x"])
    check_device(f, t, [t, n], Pair(n, 3), {"k": (t,)}, batch, text, key=n)
    a, (many, pair, nested, same, words), more = seen
    device = registry.backend(many[1]).array_type
    assert a is t and many[0] is t and nested["k"][0] is t and same is batch and words is text
    assert type(many[1]) is type(pair.a) is type(more["key"]) is device and isinstance(pair, Pair) and pair.b == 3
    assert t.is_cpu and batch.x.is_cpu and n is not many[1]


class Trainer:
    """What a training loop may be: an object with a model and an optimizer."""

    def __init__(self) -> None:
        self.model = nn.Linear(2, 1)
        self.optimizer = tapegrad.optim.SGD(self.model.parameters(), lr=0.1, momentum=0.9)
        self.seen = 0

    def step(self, x: Any) -> Any:
        self.optimizer.zero_grad()
        loss = self.model(x).sum()
        loss.backward()
        self.optimizer.step()
        return loss

    def __call__(self, x: Any) -> Any:
        return self.step(x)


trainer = Trainer()
constant = tapegrad.full((2,), 2.0)


def helper(x: Any) -> Any:
    return x * constant


def step_by_name(x: Any, scale: Any = constant) -> Any:
    return trainer.step(helper(x) * scale)


@pytest.mark.parametrize(
    ("f", "moved"),
    [
        (trainer.step, ["self.model (Linear)", "self.optimizer (SGD)", "x"]),
        (trainer, ["Trainer.model (Linear)", "Trainer.optimizer (SGD)", "x"]),
        (trainer.model, ["Linear (Linear)", "argument 0"]),
        (functools.partial(Trainer.step, trainer), None),
        (step_by_name, None),
        (lambda x: [helper(x) for _ in range(2)], ["constant", "x"]),
    ],
)
def test_what_is_called_brings_what_it_works_with(f: Any, moved: Any) -> None:
    weight = trainer.model.weight.tolist()
    report = check_device(f, tapegrad.ones(2))
    assert report.ok, report
    assert moved is None or report.moved == moved
    assert trainer.model.weight.tolist() == weight and constant.is_cpu and not trainer.optimizer.state


def test_a_program_that_makes_what_it_needs_on_cuda() -> None:
    def main() -> Any:
        assert tapegrad.cuda.is_available()
        device = tapegrad.device("cuda")
        model = nn.Linear(2, 2, device=device)
        x = tapegrad.randn(3, 2, device=device)
        model(x).sum().backward()
        assert x.is_cuda and model.weight.grad.is_cuda
        assert tapegrad.ones(1, device="strict").device == x.device
        return model.weight

    states = tapegrad.get_rng_state()
    report = check_device(main)
    assert report.ok and report.result.is_cuda
    assert "nothing but what it makes itself" in str(report)
    assert tapegrad.equal(tapegrad.get_rng_state(), states)


# ---- attribution


class Hidden(nn.Module):
    def forward(self, x: Any) -> Any:
        return x if x.sum() > 0 else -x  # in forward


class Square(tapegrad.autograd.Function):
    @staticmethod
    def forward(ctx: Any, x: Any) -> Any:
        ctx.save_for_backward(x)
        return x * x

    @staticmethod
    def backward(ctx: Any, grad: Any) -> Any:
        (x,) = ctx.saved_tensors
        return 2 * x * float(grad.sum())  # in backward


def test_the_line_is_the_innermost_of_the_user_s() -> None:
    x = tapegrad.ones(2, requires_grad=True)
    model = nn.Sequential(nn.Linear(2, 2), Hidden())
    report = check_device(lambda: model(x).sum())
    assert faults(report) == [("in forward", D)]
    report = check_device(lambda: Square.apply(x).sum().backward())
    assert faults(report) == [("in backward", D)]
    x.register_hook(lambda grad: grad * float(grad[0]))  # in a hook
    report = check_device(lambda: (x * 2).sum().backward())
    assert [c.source for c in report.hidden] == ["x.register_hook(lambda grad: grad * float(grad[0]))  # in a hook"]


def test_what_backward_copies_names_its_node() -> None:
    x = tapegrad.ones(2)

    def f() -> None:
        w = tapegrad.tensor(2.0, requires_grad=True)
        (x * w).sum().backward()  # backward

    report = check_device(f)
    assert faults(report) == [("backward", D)]
    assert (
        report.hidden[0].op == "backward() of ToCopyBackward0"
        and "keep parameters on the device" in report.hidden[0].advice
    )


def test_offloading_is_asked_for() -> None:
    x = tapegrad.ones(2, requires_grad=True)

    def f() -> None:
        with tapegrad.autograd.graph.save_on_cpu():
            loss = (x * x).sum()
        loss.backward()

    report = check_device(f)
    assert report.ok and {crossing.kind for crossing in report.asked} == {D, H}


def test_other_threads_are_watched() -> None:
    x = tapegrad.ones(2)

    def f() -> None:
        thread = threading.Thread(target=lambda: float(x.sum()))  # in a thread
        thread.start()
        thread.join()

    assert faults(check_device(f)) == [("in a thread", D)]


def test_gradients_checkpoints_and_transforms_are_clean() -> None:
    model = nn.Sequential(nn.Linear(3, 4), nn.Tanh(), nn.Linear(4, 1))

    def f(x: Any) -> None:
        tapegrad.utils.checkpoint.checkpoint(model, x, use_reentrant=False).sum().backward()
        params = dict(model.named_parameters())
        tapegrad.func.vmap(
            tapegrad.func.grad(lambda p, one: tapegrad.func.functional_call(model, p, one).sum()), (None, 0)
        )(params, x)
        tapegrad.func.jvp(model, (x,), (x,))

    assert check_device(f, tapegrad.randn(4, 3)).ok


def test_a_transfer_through_cupy_s_own_names_is_found() -> None:
    """Arrays are checked as tensors are."""

    def f(a: np.ndarray) -> Any:
        xp = registry.xp(a)
        b = xp.asarray([1.0, 2.0])  # asarray
        return float((a * b).sum())  # float of an array

    report = check_device(f, np.ones(2))
    assert faults(report) == [("asarray", H), ("float of an array", D)]
    assert [crossing.op for crossing in report.hidden] == ["making an array of a list", "float()"]


def test_every_advice_is_given_to_something(program: Any) -> None:
    """No text without a case that shows it."""

    def back() -> None:
        (program[2] * tapegrad.tensor(2.0, requires_grad=True)).sum().backward()

    given = {
        crossing.advice
        for report in (check_device(train, *program), check_device(back))
        for crossing in (*report.hidden, *report.asked)
    }
    texts = {
        value
        for name, value in vars(crossings).items()
        if name.startswith("_") and name.isupper() and isinstance(value, str)
    }
    assert len(texts) > 5 and texts <= given


# ---- what it is built on


def test_a_watcher_is_told_of_each_crossing_at_its_place() -> None:
    strict = registry.backend_for(Device("strict"))
    x, xp = strict.from_host(TABLE, Device("strict")), strict.xp
    told: list[Any] = []
    with watching(lambda *what: told.append(what)):
        x.get()
        xp.asarray([1.0, 2.0])
        x[x > 1]
        strict.from_host(TABLE, Device("strict"))
        with allowed():
            float(x.sum())
    assert told == [
        ("device_to_host", "get()", 96, False),
        ("synchronisations", "get()", None, False),
        ("host_to_device", "making an array of a list", 16, False),
        ("synchronisations", "a mask as an index", None, False),
        ("host_to_device", "from_host()", 96, True),
        ("device_to_host", "float()", 8, True),
        ("synchronisations", "float()", None, True),
    ]
    x.get()
    assert len(told) == 7

    def stop(*what: Any) -> None:
        raise KeyError("stop")

    with watching(stop), pytest.raises(KeyError):
        x.get()
