"""Fit a straight line to noisy points, step by step as a first course in autograd does it, and draw it.

python examples/linear_regression.py [--device cpu|cuda|auto] [--epochs N] [--out FOLDER]
"""

from __future__ import annotations

import argparse
import sys
from pathlib import Path

import tapegrad
from tapegrad import nn


def main(argv: list[str] | None = None) -> tuple[float, float]:
    """Fit, print, draw; returns slope and intercept."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument(
        "--device", choices=("cpu", "cuda", "auto"), default="cpu", help="auto: CUDA where there is one (default: cpu)"
    )
    parser.add_argument("--epochs", type=int, default=100, help="steps of gradient descent (default: 100)")
    parser.add_argument("--out", type=Path, default=Path("out"), help="folder for the picture (default: out)")
    parser.error = lambda message: sys.exit(f"linear_regression.py: {message}")  # type: ignore[method-assign,assignment]
    args = parser.parse_args(argv)
    if args.epochs < 1:
        parser.error(f"argument --epochs: must be at least 1, not {args.epochs}")
    device = args.device if args.device != "auto" else "cuda" if tapegrad.cuda.is_available() else "cpu"

    tapegrad.manual_seed(0)
    try:
        inputs = tapegrad.linspace(-1, 1, 64, device=device).reshape(-1, 1)
    except RuntimeError as error:
        sys.exit(f"linear_regression.py: {error}")
    targets = 2.0 * inputs + 0.5 + 0.2 * tapegrad.randn(64, 1, device=device)

    model = nn.Linear(1, 1).to(device)
    optimizer = tapegrad.optim.SGD(model.parameters(), lr=0.1)
    criterion = nn.MSELoss()
    losses = []
    for epoch in range(args.epochs):
        loss = criterion(model(inputs), targets)
        optimizer.zero_grad()
        loss.backward()
        optimizer.step()
        losses.append(loss.item())
        if epoch % 10 == 0:
            print(f"Epoch {epoch}, Loss: {losses[-1]:.4f}")

    slope, intercept = model.weight.item(), model.bias.item()
    print(f"y = {slope:.2f} x + {intercept:.2f} (the points were made with y = 2.00 x + 0.50)")
    with tapegrad.no_grad():
        fitted = model(inputs)
    import matplotlib

    matplotlib.use("Agg")
    import matplotlib.pyplot as plt

    figure, (points, curve) = plt.subplots(1, 2, figsize=(9, 3.5), layout="constrained")
    points.plot(inputs.cpu().numpy(), targets.cpu().numpy(), ".", label="points")
    points.plot(inputs.cpu().numpy(), fitted.cpu().numpy(), label="fitted line")
    points.set(xlabel="x", ylabel="y")
    points.legend()
    curve.plot(losses)
    curve.set(xlabel="epoch", ylabel="mean squared error", yscale="log")
    args.out.mkdir(parents=True, exist_ok=True)
    figure.savefig(args.out / "linear_regression.png", dpi=110)
    plt.close(figure)
    print(f"wrote {args.out / 'linear_regression.png'}")
    return slope, intercept


if __name__ == "__main__":
    main()
