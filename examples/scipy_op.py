"""Find how well each piece of a rod conducts heat, from thermometers along it: gradient descent through SciPy's sparse
solver.

    python examples/scipy_op.py [--device cpu|cuda|auto] [--epochs N]

SciPy knows nothing of gradients. `sparse_solve` gives it one by the adjoint method: where A x = b, the gradient g of x
gives b the gradient w with transpose(A) w = g, and the matrix -w transpose(x). The factors of A are kept from the
forward pass, so backward costs two triangular solves.
"""

from __future__ import annotations

import argparse
import sys

import numpy as np
from scipy.sparse import csc_array
from scipy.sparse.linalg import splu

import tapegrad


def solve(values: np.ndarray, rows: np.ndarray, columns: np.ndarray, b: np.ndarray) -> tuple[np.ndarray, object]:
    """Solve ``A x = b`` for the sparse matrix with `values` at `rows` and `columns`, which are added up where places
    repeat.
    """
    factors = splu(csc_array((values, (rows, columns)), shape=(len(b), len(b))))
    return factors.solve(b), factors


def solve_vjp(
    grad: np.ndarray, rows: np.ndarray, columns: np.ndarray, result: np.ndarray, factors: object
) -> tuple[np.ndarray | None, ...]:
    """The gradients of `values` and `b`."""
    w = factors.solve(grad, trans="T")  # type: ignore[attr-defined]
    return -w[rows] * result[columns], None, None, w


sparse_solve = tapegrad.custom_op(solve, solve_vjp, keeps="factors", name="sparse_solve")


def temperatures(conductivity: tapegrad.Tensor, heat: tapegrad.Tensor) -> tapegrad.Tensor:
    """The temperatures along a rod that is cold at both ends: piece i conducts between point i and the one before
    it.
    """
    n = len(conductivity) - 1
    i = np.arange(n)
    rows = np.concatenate([i, i[1:], i[:-1]])
    columns = np.concatenate([i, i[:-1], i[1:]])
    between = conductivity[1:-1]
    values = tapegrad.cat([conductivity[:-1] + conductivity[1:], -between, -between])
    # SciPy computes on the CPU; the copies there and back are part of the graph.
    return sparse_solve(values.cpu(), rows, columns, heat.cpu()).to(conductivity.device)


def main(argv: list[str] | None = None) -> float:
    """Fit, print; returns the mean relative error of the conductivities found."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument(
        "--device",
        choices=("cpu", "cuda", "auto"),
        default="cpu",
        help="where the rod lives; auto: CUDA where there is one (default: cpu)",
    )
    parser.add_argument("--epochs", type=int, default=300, help="steps of Adam (default: 300)")
    parser.error = lambda message: sys.exit(f"scipy_op.py: {message}")  # type: ignore[method-assign,assignment]
    args = parser.parse_args(argv)
    if args.epochs < 1:
        parser.error(f"argument --epochs: must be at least 1, not {args.epochs}")
    device = args.device if args.device != "auto" else "cuda" if tapegrad.cuda.is_available() else "cpu"

    try:
        place = tapegrad.linspace(0, 1, 31, dtype=tapegrad.float64, device=device)
    except RuntimeError as error:
        sys.exit(f"scipy_op.py: {error}")
    true = 1 + 0.8 * tapegrad.sin(7 * place)
    # Two experiments: heated in the middle, and at one side. One alone would leave a piece without heat flow unknown.
    heats = [tapegrad.exp(-(((place[1:] - centre) / 0.2) ** 2)) for centre in (0.5, 0.15)]
    measured = [temperatures(true, heat) for heat in heats]

    small = tapegrad.rand(5, dtype=tapegrad.float64, device=device).add(0.5).requires_grad_()
    tapegrad.autograd.gradcheck(lambda conductivity: temperatures(conductivity, heats[0][:4]), small)
    print("the gradients of sparse_solve agree with finite differences")

    logarithm = tapegrad.zeros_like(true).requires_grad_()
    optimizer = tapegrad.optim.Adam([logarithm], lr=0.05)
    for epoch in range(args.epochs):
        loss = sum(((temperatures(logarithm.exp(), heat) - t) ** 2).mean() for heat, t in zip(heats, measured))
        optimizer.zero_grad()
        loss.backward()
        optimizer.step()
        if epoch % 50 == 0:
            print(f"Epoch {epoch}, Loss: {loss.item():.3g}")
    error = ((logarithm.exp() - true).abs() / true).mean().item()
    print(f"mean relative error of the {len(true)} conductivities: {error:.1%}")
    return error


if __name__ == "__main__":
    main()
