"""Train a small network on scikit-learn's handwritten digits: 1797 real scans of 8 x 8 pixels, part of the package,
nothing to download.

    python examples/digits.py [--device cpu|cuda|auto] [--epochs N] [--out FOLDER]

Prints loss and accuracy for each epoch and the accuracy on digits it never saw; writes the model (digits.safetensors)
and a picture (digits.png) with the loss curve and the digits it got wrong.
"""

from __future__ import annotations

import argparse
import sys
from pathlib import Path

import numpy as np

import tapegrad
from tapegrad import nn

EPOCHS = 40
BATCH = 64


def arguments(argv: list[str] | None) -> argparse.Namespace:
    """What the command line says; a wrong argument ends the program with one line."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0], exit_on_error=True)
    parser.add_argument(
        "--device", choices=("cpu", "cuda", "auto"), default="cpu", help="auto: CUDA where there is one (default: cpu)"
    )
    parser.add_argument("--epochs", type=int, default=EPOCHS, help=f"passes over the training set (default: {EPOCHS})")
    parser.add_argument(
        "--seed", type=int, default=0, help="of the weights, the split and the order of the batches (default: 0)"
    )
    parser.add_argument(
        "--out", type=Path, default=Path("out"), help="folder for the model and the picture (default: out)"
    )
    parser.error = lambda message: sys.exit(f"digits.py: {message}")  # type: ignore[method-assign,assignment]
    args = parser.parse_args(argv)
    if args.epochs < 1:
        parser.error(f"argument --epochs: must be at least 1, not {args.epochs}")
    if args.device == "auto":
        args.device = "cuda" if tapegrad.cuda.is_available() else "cpu"
    return args


def load(seed: int) -> tuple[np.ndarray, np.ndarray, np.ndarray, np.ndarray]:
    """Images scaled to 0..1 and their labels: 1437 to train on, 360 held out."""
    from sklearn.datasets import load_digits

    digits = load_digits()
    order = np.random.default_rng(seed).permutation(len(digits.target))
    images = (digits.images[order] / 16).astype(np.float32)
    labels = digits.target[order].astype(np.int64)
    return images[:1437], labels[:1437], images[1437:], labels[1437:]


def build() -> nn.Module:
    """Two convolutions and two linear layers."""
    return nn.Sequential(
        nn.Conv2d(1, 16, 3, padding=1),
        nn.ReLU(),
        nn.Conv2d(16, 32, 3, padding=1),
        nn.ReLU(),
        nn.MaxPool2d(2),
        nn.Flatten(),
        nn.Dropout(0.3),
        nn.Linear(32 * 4 * 4, 64),
        nn.ReLU(),
        nn.Linear(64, 10),
    )


def evaluate(model: nn.Module, images: tapegrad.Tensor, labels: tapegrad.Tensor) -> tuple[float, np.ndarray]:
    """Accuracy, and the predicted labels."""
    model.eval()
    with tapegrad.no_grad():
        predicted = model(images).argmax(1)
    return (predicted == labels).float().mean().item(), predicted.cpu().numpy()


def picture(path: Path, losses: list[float], images: np.ndarray, labels: np.ndarray, predicted: np.ndarray) -> None:
    """Draw the loss curve and the first ten digits that were not recognised."""
    import matplotlib

    matplotlib.use("Agg")
    import matplotlib.pyplot as plt

    figure = plt.figure(figsize=(10, 4), layout="constrained")
    left, right = figure.subfigures(1, 2, width_ratios=(1, 1))
    axes = left.subplots()
    axes.plot(range(1, len(losses) + 1), losses)
    axes.set(title="Training loss", xlabel="epoch", ylabel="mean cross-entropy", yscale="log")
    wrong = np.flatnonzero(predicted != labels)[:10]
    right.suptitle("Taken for another digit" if len(wrong) else "No digit was taken for another")
    for counter, i in zip(right.subplots(2, 5).flat, [*wrong, *[None] * (10 - len(wrong))]):
        counter.axis("off")
        if i is not None:
            counter.imshow(images[i], cmap="gray_r")
            counter.set_title(f"{labels[i]} as {predicted[i]}", fontsize=9)
    figure.savefig(path, dpi=110)
    plt.close(figure)


def main(argv: list[str] | None = None) -> float:
    """Train, test, save; returns the accuracy on the held-out digits."""
    args = arguments(argv)
    tapegrad.manual_seed(args.seed)
    train_images, train_labels, test_images, test_labels = load(args.seed)
    try:
        images = tapegrad.from_numpy(train_images).unsqueeze(1).to(args.device)
    except RuntimeError as error:
        sys.exit(f"digits.py: {error}")
    labels = tapegrad.from_numpy(train_labels).to(args.device)
    held_out = tapegrad.from_numpy(test_images).unsqueeze(1).to(args.device)
    held_out_labels = tapegrad.from_numpy(test_labels).to(args.device)

    model = build().to(args.device)
    optimizer = tapegrad.optim.AdamW(model.parameters(), lr=2e-3, weight_decay=1e-2)
    criterion = nn.CrossEntropyLoss()
    losses = []
    from tqdm import tqdm

    progress = tqdm(range(1, args.epochs + 1), desc="training", unit="epoch")
    for epoch in progress:
        model.train()
        order = tapegrad.randperm(len(labels), device=args.device)
        total = 0.0
        for batch in order.split(BATCH):
            loss = criterion(model(images[batch]), labels[batch])
            optimizer.zero_grad()
            loss.backward()
            optimizer.step()
            total += loss.item() * len(batch)
        losses.append(total / len(labels))
        accuracy, _ = evaluate(model, images, labels)
        progress.write(f"epoch {epoch:3d}  loss {losses[-1]:.4f}  accuracy {accuracy:.1%}")

    accuracy, predicted = evaluate(model, held_out, held_out_labels)
    print(f"accuracy on {len(test_labels)} held-out digits: {accuracy:.1%}")
    args.out.mkdir(parents=True, exist_ok=True)
    from safetensors.numpy import save_file

    save_file(
        {name: value.cpu().numpy() for name, value in model.state_dict().items()}, args.out / "digits.safetensors"
    )
    picture(args.out / "digits.png", losses, test_images, test_labels, predicted)
    print(f"wrote {args.out / 'digits.safetensors'} and {args.out / 'digits.png'}")
    return accuracy


if __name__ == "__main__":
    main()
