"""What an op costs beyond its arithmetic: chains of ops on arrays so small that the bookkeeping is what is measured."""

from __future__ import annotations

from collections.abc import Callable
from functools import partial
from typing import Any

import numpy as np

from tapegrad.benchmarks.workload import WORKLOADS, Setting

OPS = 200
Chain = Callable[[Any, Any], Any]
Operands = Callable[[Setting], tuple[np.ndarray, np.ndarray]]
Step = Callable[[], list[Any]]


def forward_backward(chain: Chain, operands: Operands, s: Setting) -> Step:
    """A step: run the chain and its backward, with gradients for its start and for the operand that every op meets."""
    start, operand = operands(s)
    x, w, seed = (
        s.tensor(start, requires_grad=True),
        s.tensor(operand, requires_grad=True),
        s.tensor(np.ones_like(start)),
    )

    def step() -> list[Any]:
        x.grad = w.grad = None
        y = chain(x, w)
        y.backward(seed)
        return [y, x.grad, w.grad]

    return step


def unrecorded(chain: Chain, operands: Operands, s: Setting) -> Step:
    """A step: run the chain under `no_grad`."""
    x, w = [s.tensor(array, requires_grad=True) for array in operands(s)]
    no_grad = s.lib.no_grad

    def step() -> list[Any]:
        with no_grad():
            return [chain(x, w)]

    return step


# Values that neither grow nor fade along a chain: an operand of denormal numbers would measure the processor's slow
# path.
def around_one(s: Setting) -> tuple[np.ndarray, np.ndarray]:
    """64 floats near one, twice."""
    return 1 + s.array(64) / 100, 1 + s.array(64) / 100


def rotation(s: Setting) -> tuple[np.ndarray, np.ndarray]:
    """An 8x8 matrix, and an orthogonal one."""
    return s.array(8, 8), np.linalg.qr(s.array(8, 8)).Q


def add_chain(y: Any, w: Any) -> Any:
    """Additions."""
    for _ in range(OPS):
        y = y + w
    return y


def mul_chain(y: Any, w: Any) -> Any:
    """Products."""
    for _ in range(OPS):
        y = y * w
    return y


def mixed_chain(y: Any, w: Any) -> Any:
    """add, mul, neg and exp in turns."""
    for _ in range(OPS // 4):
        y = (-((y + w) * w)).exp()
    return y


def matmul_chain(y: Any, w: Any) -> Any:
    """Matrix products."""
    for _ in range(OPS):
        y = y @ w
    return y


#: name -> what is measured, how the chain is run, the chain, its operands, the most that it may take of the peer's time
CHAINS: dict[str, tuple[Any, ...]] = {
    "op.elementwise": (
        "200 elementwise ops (add, mul, neg, exp in turns) on 64 floats, forward and backward",
        forward_backward,
        mixed_chain,
        around_one,
        0.5,
    ),
    "op.add": ("200 additions of 64 floats, forward and backward", forward_backward, add_chain, around_one, 0.5),
    "op.mul": ("200 products of 64 floats, forward and backward", forward_backward, mul_chain, around_one, 0.5),
    "op.matmul": ("200 products of 8x8 matrices, forward and backward", forward_backward, matmul_chain, rotation, 0.5),
    "op.elementwise.no_grad": ("the ops of op.elementwise under no_grad", unrecorded, mixed_chain, around_one, 1.0),
    "op.matmul.no_grad": ("the ops of op.matmul under no_grad", unrecorded, matmul_chain, rotation, 1.0),
}
for _name, (_measures, _run, _chain, _operands, _limit) in CHAINS.items():
    WORKLOADS.timed(_name, _measures, limit=_limit)(partial(_run, _chain, _operands))


@WORKLOADS.timed("op.rows", "64 row reads x[i] of a 64x64 leaf, and their backward", limit=1.0)
def rows(s: Setting) -> Step:
    x = s.tensor(s.array(64, 64), requires_grad=True)
    seeds = [s.tensor(s.array(64)) for _ in range(64)]
    backward = s.lib.autograd.backward

    def step() -> list[Any]:
        x.grad = None
        backward([x[i] for i in range(64)], seeds)
        return [x.grad]

    return step
