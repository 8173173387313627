"""Random programs of views, writes and passes over the tape do the same here as in PyTorch.

A program is made while it runs: each statement is drawn with the shapes that PyTorch's tensors have by then, done by
both libraries, and compared: the same error or none, and afterwards the same values, versions and flags everywhere.
"""

from __future__ import annotations

import contextlib
import random
import re
import warnings
from typing import Any

import numpy as np
import pytest

import tapegrad

torch = pytest.importorskip("torch")

STATEMENTS = 14
SHAPES = [(2, 3), (3,), (), (2, 1), (3, 2)]


def functions(m: Any) -> dict[str, Any]:
    """Custom Functions of the library `m`: one that writes its operand, one that returns a view of it, one that hands
    it on, one that keeps its result.
    """

    class Tripled(m.autograd.Function):
        @staticmethod
        def forward(ctx, x):
            x.mul_(3)
            ctx.mark_dirty(x)
            return x

        @staticmethod
        def backward(ctx, grad):
            return grad * 3

    class Turned(m.autograd.Function):
        @staticmethod
        def forward(ctx, x):
            return x.transpose(0, -1)

        @staticmethod
        def backward(ctx, grad):
            return grad.transpose(0, -1)

    class Same(m.autograd.Function):
        @staticmethod
        def forward(ctx, x):
            return x

        @staticmethod
        def backward(ctx, grad):
            return grad * 2

    class Raised(m.autograd.Function):
        @staticmethod
        def forward(ctx, x):
            y = x.exp()
            ctx.save_for_backward(y)
            return y

        @staticmethod
        def backward(ctx, grad):
            return grad * ctx.saved_tensors[0]

    return {"tripled_": Tripled.apply, "turned": Turned.apply, "same": Same.apply, "raised": Raised.apply}


FUNCTIONS = {m: functions(m) for m in (torch, tapegrad)}


class Give(Exception):
    """The statement makes no sense here, or the libraries differ on purpose: draw another."""


class Program:
    """A program in the making, and its variables in both libraries."""

    def __init__(self, seed: int) -> None:
        self.rng = random.Random(seed)
        self.text: list[str] = []
        self.theirs: list[torch.Tensor] = []
        self.ours: list[tapegrad.Tensor] = []
        self.over = False

    # ---- drawing

    def variable(self) -> int:
        return self.rng.randrange(len(self.theirs))

    def like(self, i: int, exact: bool = False) -> int:
        """A variable that broadcasts to variable `i`."""
        shape = tuple(self.theirs[i].shape)
        found = [
            j for j, t in enumerate(self.theirs) if (tuple(t.shape) == shape if exact else _fits(tuple(t.shape), shape))
        ]
        return self.rng.choice(found)

    def index(self, i: int) -> str:
        """An index for variable `i`, as text."""
        shape = self.theirs[i].shape
        if not shape:
            return "..."
        parts = []
        for n in shape[: self.rng.randint(1, len(shape))]:
            if n == 0:
                raise Give
            k = self.rng.randrange(n)
            parts.append(self.rng.choice([f"{k}", f"{k}:", f":{k + 1}", ":", "::2", f"{k - n}"]))
        if self.rng.random() < 0.1:
            parts.insert(self.rng.randint(0, len(parts)), "None")
        return ", ".join(parts)

    def fancy(self, i: int) -> str:
        """An index of arrays for variable `i`, as text."""
        shape = self.theirs[i].shape
        if not shape or 0 in shape:
            raise Give
        ks = [self.rng.randrange(shape[0]) for _ in range(self.rng.randint(1, 3))]
        return self.rng.choice(
            [f"{ks}", f"m.tensor({ks})", f"v{i}.detach() > 0.3"]
            + ([f":, {[shape[1] - 1, 0]}"] if len(shape) > 1 else [])
        )

    def number(self) -> str:
        return self.rng.choice(["2", "0.5", "-1.5", "3.0"])

    def operand(self, i: int) -> str:
        """Something that broadcasts to variable `i`."""
        return f"v{self.like(i)}" if self.rng.random() < 0.7 else self.number()

    # ---- statements: (text, whether its value becomes a variable)

    def statement(self) -> tuple[str, bool]:
        draw, i = self.rng.random(), self.variable()
        if draw < 0.16:
            return self.computed(i), True
        if draw < 0.34:
            return self.viewed(i), True
        if draw < 0.62:
            return self.overwritten(i), False
        if draw < 0.70:
            return self.assigned(i), False
        if draw < 0.78:
            return self.flagged(i), False
        return self.passed(i)

    def computed(self, i: int) -> str:
        other = self.operand(i)
        shape = self.theirs[i].shape
        choices = [
            f"v{i}.tanh()",
            f"v{i}.sin()",
            f"(v{i} * 0.3).exp()",
            f"v{i} * {other}",
            f"v{i} + {other}",
            f"v{i} - {other}",
            f"-v{i}",
            f"v{i}.clone()",
            f"v{i} / 2.0",
            f"v{i}.sum()",
            f"raised(v{i} * 0.2)",
            f"v{i} * v{i}",
            f"v{i}[{self.fancy(i)}]" if shape else f"v{i}.sigmoid()",
        ]
        if shape:
            d = self.rng.randrange(len(shape))
            choices += [f"v{i}.sum({d})", f"v{i}.mean({d}, True)"]
        if len(shape) == 2:
            choices += [f"v{i} @ v{i}.t()", f"v{i}.t() @ v{i}"]
        return self.rng.choice(choices)

    def viewed(self, i: int) -> str:
        shape = self.theirs[i].shape
        choices = [f"v{i}[{self.index(i)}]"] * 3 + [
            f"v{i}.detach()",
            f"v{i}.unsqueeze(0)",
            f"v{i}.reshape(-1)",
            f"v{i}.view_as(v{i})",
            f"same(v{i})",
        ]
        if shape:
            choices += [
                f"v{i}.view(-1)",
                f"v{i}.expand(2, {', '.join(map(str, shape))})",
                f"v{i}.unbind(0)[{self.rng.randrange(max(shape[0], 1))}]",
                f"v{i}.transpose(0, -1)",
                f"v{i}.split(1)[0]",
                f"v{i}.squeeze()",
                f"turned(v{i})",
                f"v{i}.chunk(2)[0]",
                f"v{i}.tensor_split(2)[0]",
                f"v{i}.narrow(0, 0, 1)",
            ]
        if len(shape) == 2:
            choices += [f"v{i}.t()", f"v{i}.permute(1, 0)", f"v{i}.diagonal()"]
        return self.rng.choice(choices)

    def overwritten(self, i: int) -> str:
        other = self.operand(i)
        same = self.like(i, True)
        if any(_overlap(self.theirs[i], self.theirs[int(v[1:])]) for v in (other, f"v{same}") if v[0] == "v"):
            raise Give  # PyTorch reads what it has just written
        write = self.rng.choice(
            [
                f"add_({other})",
                f"mul_({other})",
                f"sub_({other})",
                f"add_(v{same}, alpha=0.5)",
                f"mul_(v{same})",
                f"copy_(v{same})",
                f"mul_(v{i})",
                f"add_(v{i})",
                f"fill_({self.number()})",
                "div_(2.0)",
                "tanh_()",
                "sigmoid_()",
                "sin_()",
                "neg_()",
                "zero_()",
                "pow_(2)",
                "relu_()",
                "clamp_(-0.5, 0.5)",
                f"masked_fill_(v{i}.detach() > 0.2, 0.7)",
            ]
        )
        if self.rng.random() < 0.08:
            if self.theirs[i].grad is not None:
                raise Give  # PyTorch drops a gradient that a non-leaf has retained
            return f"tripled_(v{i})"
        # PyTorch goes on to retain that of what the tensor was
        if self.rng.random() < 0.08 and not self.theirs[i].retains_grad:
            return f"v{i}.{self.rng.choice(['t_()', 'transpose_(0, -1)', 'squeeze_()', 'unsqueeze_(0)'])}"
        return f"v{i}.{write}"

    def assigned(self, i: int) -> str:
        plain = self.rng.random() < 0.6 or not self.theirs[i].shape
        index = self.index(i) if plain else self.fancy(i)
        with torch.no_grad():
            target = eval(f"v{i}[{index}]", {"m": torch, f"v{i}": self.theirs[i]}).shape
        found = [j for j, t in enumerate(self.theirs) if _fits(tuple(t.shape), tuple(target))]
        return f"v{i}[{index}] = " + (
            f"v{self.rng.choice(found)}{'' if plain else '.clone()'}" if self.rng.random() < 0.7 else self.number()
        )

    def was_turned(self, i: int) -> bool:
        """Whether variable `i` has been given another shape in place."""
        return re.search(rf"\bv{i}\.(t|transpose|squeeze|unsqueeze)_\(", " ".join(self.text)) is not None

    def flagged(self, i: int) -> str:
        if self.was_turned(i):
            # PyTorch loses retained gradients, and earlier views of it would have to become views of a leaf of another
            # shape
            raise Give
        choices = [
            f"v{i}.requires_grad_()",
            f"v{i}.requires_grad_(False)",
            f"v{i}.detach_()",
            f"v{i}.retain_grad()",
            f"setattr(v{i}, 'grad', None)",
            f"v{i}.grad.mul_(3)",
        ]
        return self.rng.choice(
            choices + [f"v{i}.register_hook(lambda g: g * 2)", f"v{i}.register_hook(lambda g: g.tanh())"]
        )

    def passed(self, i: int) -> tuple[str, bool]:
        retain = self.rng.choice(["", ", retain_graph=True", ", retain_graph=True", ", create_graph=True"])
        if (
            f"v{i}.r" in " ".join(self.text)
            or f"[v{i}," in " ".join(self.text)
            or re.search(rf"inputs=.*\bv{i}\]", " ".join(self.text))
        ):
            raise Give  # PyTorch runs the hooks of a lone root even where nothing else is asked of it
        seed = f"m.ones_like(v{i}) * 0.7" if self.rng.random() < 0.5 else f"v{self.like(i, True)}.detach().clone()"
        j = self.variable()
        if self.was_turned(j):
            raise Give  # earlier views of it depend on what it was, not on what it is
        if self.rng.random() < 0.3:
            return f"v{i}.backward({seed}{retain})", False
        if self.rng.random() < 0.3:
            return f"m.autograd.backward([v{i}, v{j}], [{seed}, m.ones_like(v{j})]{retain})", False
        if self.rng.random() < 0.3:
            return f"v{i}.backward({seed}{retain}, inputs=[v{j}])", False
        k = self.variable()
        if self.was_turned(k):
            raise Give
        if any(f"v{n}.register_hook" in line for n in (j, k) for line in self.text):
            raise Give  # PyTorch gives the gradient before its hooks where the tensor lies on the way to the other
        # A copy: PyTorch may hand out the seed itself.
        return (
            f"copied(m.autograd.grad(v{i}, [v{j}, v{k}], {seed}{retain}, allow_unused=True)[{self.rng.randrange(2)}])",
            True,
        )

    # ---- running

    dtype = "float64"

    def values(self, n: int) -> np.ndarray:
        return np.array([self.rng.uniform(-1, 1) for _ in range(n)])

    def run(self) -> None:
        for k in range(2):
            shape = self.rng.choice(SHAPES)
            values = self.values(int(np.prod(shape))).reshape(shape)
            self.define(f"m.tensor({values.tolist()}, dtype=m.{self.dtype})", k == 0 or self.rng.random() < 0.5)
        for _ in range(STATEMENTS):
            if self.over:
                return
            self.step()

    def define(self, text: str, requires_grad: bool) -> None:
        for m, variables in ((torch, self.theirs), (tapegrad, self.ours)):
            variables += [eval(text, {"m": m}).requires_grad_(requires_grad)]
            variables += [variables[-1] * 1.0]
        self.text += [
            f"v{len(self.ours) - 2} = {text}.requires_grad_({requires_grad})",
            f"v{len(self.ours) - 1} = v{len(self.ours) - 2} * 1.0",
        ]

    def step(self) -> None:
        for _ in range(20):
            try:
                text, kept = self.statement()
            except (Give, IndexError):
                continue
            # What PyTorch gives another shape under no_grad keeps its history, in which the shape then does not fit.
            quiet = self.rng.random() < 0.15 and not re.search(r"(t|transpose|squeeze)_\(|tripled_|same|turned", text)
            break
        else:
            return
        line = ("with m.no_grad(): " if quiet else "") + (f"v{len(self.theirs)} = " if kept else "") + text
        self.text.append(line)
        before = len(self.theirs)
        theirs, ours = (
            self.done(torch, self.theirs, text, kept, quiet),
            self.done(tapegrad, self.ours, text, kept, quiet),
        )
        if (
            ours is None
            and any(text in str(theirs) for text in ("a second time", "needed for gradient"))
            and any("inputs=" in line for line in self.text)
        ):
            self.over = True  # PyTorch runs the node of a non-leaf input too, and frees it
            return
        if theirs is None and "more than one element of the written-to tensor" in str(ours):
            self.over = True  # PyTorch writes to some elements of an expanded tensor
            return
        if ours is None and "] = v" in text and "some elements of the input tensor" in str(theirs):
            # PyTorch compares with what is written once that is expanded, of which size-1 dimensions have strides of
            # some kind
            self.over = True
            return
        if "INTERNAL ASSERT FAILED" in str(theirs):
            self.over = True  # PyTorch trips over its own feet
            return
        if theirs is None and "its base or another view" in str(ours) and "register_hook" in text:
            return  # PyTorch looks only at the first of a tensor's hooks
        if theirs is not None and ours is not None and "its base or another view" in f"{theirs}{ours}":
            return  # where two things are wrong, either may be named
        assert _kind(theirs) == _kind(ours), f"{self}\n    theirs: {theirs!r}\n    ours:   {ours!r}"
        if theirs is not None and (".backward(" in text or ".grad(" in text):
            self.over = True  # how far a pass came before it failed is not promised
            return
        if kept and theirs is None and self.theirs[before] is None:
            assert self.ours.pop() is None, f"{self}\n    a gradient, where PyTorch has none"
            self.theirs.pop()
        self.compare()

    def done(self, m: object, variables: list, text: str, kept: bool, quiet: bool) -> Exception | None:
        space = {
            "m": m,
            **FUNCTIONS[m],
            "copied": lambda g: g if g is None else g.clone().contiguous(),
            **{f"v{j}": t for j, t in enumerate(variables)},
        }
        try:
            with m.no_grad() if quiet else contextlib.nullcontext():
                if kept:
                    variables.append(eval(text, space))
                else:
                    exec(text, space)
        except Exception as error:  # whatever it is, the other library is to raise it too
            return error
        return None

    def compare(self) -> None:
        for j, (t, o) in enumerate(zip(self.theirs, self.ours, strict=True)):
            where = f"{self}\n    v{j}"
            np.testing.assert_allclose(
                o.detach().numpy(), t.detach().numpy(), rtol=1e-9, atol=1e-9, err_msg=f"{where}: values"
            )
            assert o._version == t._version, f"{where}: version {t._version}, not {o._version}"
            assert o.requires_grad == t.requires_grad, f"{where}: requires_grad"
            flags = [_attempt(lambda x=x: (x.is_leaf, x.grad_fn is None, x._is_view())) for x in (t, o)]
            if "report a bug" in str(flags[0]):
                self.over = True
                return
            assert flags[0] == flags[1], f"{where}: is_leaf, no grad_fn, is_view: {flags[0]}, not {flags[1]}"
            bases = [
                [k for k, v in enumerate(variables) if v is x._base]
                for x, variables in ((t, self.theirs), (o, self.ours))
            ]
            assert bases[0] == bases[1], f"{where}: a view of v{bases[0]}, not of v{bases[1]}"
            if "Error" in str(flags[0]):
                continue
            a, b = t.grad, o.grad
            assert (a is None) == (b is None), f"{where}: grad {a}, not {b}"
            if a is not None:
                np.testing.assert_allclose(
                    b.detach().numpy(), a.detach().numpy(), rtol=1e-8, atol=1e-9, err_msg=f"{where}: grad"
                )

    def __str__(self) -> str:
        return "\n" + "\n".join(self.text)


def _fits(small: tuple[int, ...], large: tuple[int, ...]) -> bool:
    return len(small) <= len(large) and all(a in (1, b) for a, b in zip(reversed(small), reversed(large)))


def _overlap(a: torch.Tensor, b: torch.Tensor) -> bool:
    """Whether `a` and `b` may share some elements without PyTorch's noticing it."""
    if a.untyped_storage().data_ptr() != b.untyped_storage().data_ptr() or (_fills(a) and _fills(b)):
        return False
    return (a.storage_offset(), a.shape, a.stride()) != (b.storage_offset(), b.shape, b.stride())


def _fills(t: torch.Tensor) -> bool:
    step = 1
    for stride, n in sorted((stride, n) for stride, n in zip(t.stride(), t.shape) if n != 1):
        if stride != step:
            return False
        step *= n
    return True


def _attempt(f: object) -> object:
    try:
        return f()
    except RuntimeError as error:
        return type(error).__name__, str(error)[-30:]


def _kind(error: Exception | None) -> tuple[str, str] | None:
    if error is None:
        return None
    text = re.sub(
        "Output . of [A-Za-z]+|is being|its base or another view of its base has been",
        "",
        str(error).removeprefix("a view of "),
    )
    return type(error).__name__, text[:45]


class ComplexProgram(Program):
    """The same with complex numbers, and views of them as real ones, and back."""

    dtype = "complex128"

    def values(self, n: int) -> np.ndarray:
        return super().values(n) + 1j * super().values(n)

    def is_complex(self, i: int) -> bool:
        return self.theirs[i].is_complex()

    def like(self, i: int, exact: bool = False) -> int:
        shape, kind = tuple(self.theirs[i].shape), self.is_complex(i)
        return self.rng.choice(
            [
                j
                for j, t in enumerate(self.theirs)
                if self.is_complex(j) == kind and (tuple(t.shape) == shape if exact else _fits(tuple(t.shape), shape))
            ]
        )

    def fancy(self, i: int) -> str:
        return (
            super()
            .fancy(i)
            .replace(f"v{i}.detach() > 0.3", f"v{i}.detach() == 0.3" if self.is_complex(i) else f"v{i}.detach() > 0.3")
        )

    def computed(self, i: int) -> str:
        if self.is_complex(i) and self.rng.random() < 0.4:
            return self.rng.choice(
                [
                    f"v{i}.conj() * v{i}",
                    f"v{i}.abs()",
                    f"v{i}.real * 2.0",
                    f"v{i} * v{i}.real",
                    f"v{i}.imag + v{i}.real",
                ]
            )
        return super().computed(i)

    def viewed(self, i: int) -> str:
        if self.rng.random() < 0.4:
            if self.is_complex(i):
                return self.rng.choice(
                    [f"m.view_as_real(v{i})", f"v{i}.real", f"v{i}.imag", f"m.view_as_real(v{i})[..., 1]"]
                )
            if self.theirs[i].shape[-1:] == (2,):
                return f"m.view_as_complex(v{i})"
        return super().viewed(i)

    def overwritten(self, i: int) -> str:
        write = super().overwritten(i)
        if self.is_complex(i) and re.search("relu_|clamp_|masked_fill_", write):
            raise Give
        if not self.is_complex(i) and re.search("(t|transpose|squeeze)_\\(", write):
            # PyTorch forgets the shape of a view of a real or imaginary part when it finds its history again
            raise Give
        return write

    def assigned(self, i: int) -> str:
        text = super().assigned(i)
        value = re.search(r"= v(\d+)", text)
        if value is not None and self.is_complex(int(value[1])) != self.is_complex(i):
            raise Give
        return text

    def passed(self, i: int) -> tuple[str, bool]:
        text, kept = super().passed(i)
        other = re.search(r"backward\(\[v\d+, v(\d+)\]", text)
        if other is not None and self.is_complex(int(other[1])) != self.is_complex(i):
            raise Give
        return text, kept


@pytest.mark.parametrize("block", range(6))
@pytest.mark.parametrize("kind", [Program, ComplexProgram])
def test_random_programs(block, kind):
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        for seed in range(block * 50, (block + 1) * 50):
            kind(seed).run()
