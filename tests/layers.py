"""A table of every module of `nn`, made with sensible options, and what to call each with."""

from __future__ import annotations

import inspect
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import numpy as np


@dataclass
class Layer:
    """A module to make in both libraries, and what to call it with.

    Attributes:
        make: makes the module, given the library's ``nn`` (and the library).
        shapes: of the operands, whose values are normal; or arrays.
        fixed: the numbers of operands through which no gradient flows.
    """

    make: Callable[..., Any]
    shapes: tuple[Any, ...]
    fixed: tuple[int, ...] = ()


def layer(make: Callable[..., Any], *shapes: Any, fixed: tuple[int, ...] = ()) -> Layer:
    return Layer(make, shapes, fixed)


CLASSES = np.array([0, 3, 1])
SIGNS = np.array([1.0, -1.0, 1.0])
IMAGE = (2, 4, 6, 5)
PROBABILITIES = np.linspace(0.1, 0.9, 12).reshape(3, 4)

LAYERS = {
    "Identity": layer(lambda n: n.Identity(54, unused=1), (2, 3)),
    "Linear": layer(lambda n: n.Linear(4, 5), (2, 3, 4)),
    "Linear-no-bias": layer(lambda n: n.Linear(4, 5, bias=False), (3, 4)),
    "Linear-vector": layer(lambda n: n.Linear(4, 5), (4,)),
    "Bilinear": layer(lambda n: n.Bilinear(3, 4, 5), (2, 3), (2, 4)),
    "Embedding": layer(lambda n: n.Embedding(6, 3), np.array([[1, 5, 1], [0, 2, 4]])),
    "Embedding-options": layer(
        lambda n: n.Embedding(6, 3, padding_idx=-2, max_norm=1.5, norm_type=1.0, scale_grad_by_freq=True),
        np.array([1, 5, 1, 4]),
    ),
    "LayerNorm": layer(lambda n: n.LayerNorm(5), (2, 3, 5)),
    "LayerNorm-no-bias": layer(lambda n: n.LayerNorm((3, 5), eps=0.1, bias=False), (2, 3, 5)),
    "LayerNorm-plain": layer(lambda n: n.LayerNorm([3, 5], elementwise_affine=False), (2, 3, 5)),
    "RMSNorm": layer(lambda n: n.RMSNorm(5), (2, 3, 5)),
    "RMSNorm-plain": layer(lambda n: n.RMSNorm((3, 5), eps=0.1, elementwise_affine=False), (2, 3, 5)),
    "GroupNorm": layer(lambda n: n.GroupNorm(2, 4), IMAGE),
    "GroupNorm-plain": layer(lambda n: n.GroupNorm(1, 4, affine=False), (2, 4)),
    "BatchNorm1d": layer(lambda n: n.BatchNorm1d(4), (5, 4)),
    "BatchNorm1d-sequence": layer(lambda n: n.BatchNorm1d(4, momentum=None), (3, 4, 5)),
    "BatchNorm2d": layer(lambda n: n.BatchNorm2d(4, eps=0.1, momentum=0.3), IMAGE),
    "BatchNorm2d-plain": layer(lambda n: n.BatchNorm2d(4, affine=False, track_running_stats=False), IMAGE),
    "BatchNorm3d": layer(lambda n: n.BatchNorm3d(2), (2, 2, 3, 2, 3)),
    "BatchNorm2d-eval": layer(lambda n: n.BatchNorm2d(4).eval(), IMAGE),
    "InstanceNorm1d": layer(lambda n: n.InstanceNorm1d(4), (2, 4, 5)),
    "InstanceNorm2d": layer(lambda n: n.InstanceNorm2d(4, affine=True, track_running_stats=True), IMAGE),
    "InstanceNorm2d-unbatched": layer(lambda n: n.InstanceNorm2d(4, affine=True), (4, 3, 5)),
    "InstanceNorm2d-eval": layer(lambda n: n.InstanceNorm2d(4, track_running_stats=True).eval(), IMAGE),
    "InstanceNorm3d": layer(lambda n: n.InstanceNorm3d(2), (2, 2, 3, 2, 3)),
    "Conv1d": layer(lambda n: n.Conv1d(3, 4, 3, stride=2, padding=1, dilation=2), (2, 3, 9)),
    "Conv2d": layer(lambda n: n.Conv2d(4, 6, 3), IMAGE),
    "Conv2d-pair": layer(lambda n: n.Conv2d(4, 6, (3, 2), stride=(2, 1), padding=(0, 1), groups=2, bias=False), IMAGE),
    "Conv2d-same": layer(lambda n: n.Conv2d(4, 6, (3, 2), padding="same", dilation=(1, 2)), IMAGE),
    "Conv2d-valid": layer(lambda n: n.Conv2d(4, 6, 3, padding="valid"), IMAGE),
    "Conv2d-depthwise": layer(lambda n: n.Conv2d(4, 4, 3, padding=1, groups=4), IMAGE),
    "Conv2d-pointwise": layer(lambda n: n.Conv2d(4, 6, 1), IMAGE),
    "Conv2d-unbatched": layer(lambda n: n.Conv2d(4, 6, 3), (4, 6, 5)),
    "Conv2d-reflect": layer(lambda n: n.Conv2d(4, 6, 3, padding=1, padding_mode="reflect"), IMAGE),
    "Conv2d-replicate-same": layer(lambda n: n.Conv2d(4, 6, (3, 2), padding="same", padding_mode="replicate"), IMAGE),
    "Conv2d-circular": layer(lambda n: n.Conv2d(4, 6, 3, padding=(1, 2), padding_mode="circular"), IMAGE),
    "Conv3d": layer(lambda n: n.Conv3d(2, 3, 2, padding=1), (1, 2, 3, 4, 3)),
    "ConvTranspose1d": layer(lambda n: n.ConvTranspose1d(3, 4, 3, stride=2, padding=1, output_padding=1), (2, 3, 5)),
    "ConvTranspose2d": layer(lambda n: n.ConvTranspose2d(4, 6, 3, stride=2, groups=2, dilation=2), IMAGE),
    "ConvTranspose3d": layer(lambda n: n.ConvTranspose3d(2, 3, 2, bias=False), (1, 2, 3, 2, 3)),
    "MaxPool1d": layer(lambda n: n.MaxPool1d(3, 2, 1), (2, 3, 8)),
    "MaxPool2d": layer(lambda n: n.MaxPool2d(2), IMAGE),
    "MaxPool2d-options": layer(
        lambda n: n.MaxPool2d((3, 2), stride=(2, 1), padding=1, dilation=(1, 2), ceil_mode=True), IMAGE
    ),
    "MaxPool3d": layer(lambda n: n.MaxPool3d(2), (1, 2, 4, 4, 4)),
    "AvgPool1d": layer(lambda n: n.AvgPool1d(3, 2, 1), (2, 3, 8)),
    "AvgPool2d": layer(lambda n: n.AvgPool2d(3, stride=2, padding=1, ceil_mode=True, count_include_pad=False), IMAGE),
    "AvgPool2d-divisor": layer(lambda n: n.AvgPool2d((2, 3), divisor_override=5), IMAGE),
    "AvgPool3d": layer(lambda n: n.AvgPool3d(2), (1, 2, 4, 4, 4)),
    "AdaptiveAvgPool1d": layer(lambda n: n.AdaptiveAvgPool1d(3), (2, 3, 8)),
    "AdaptiveAvgPool2d": layer(lambda n: n.AdaptiveAvgPool2d((4, None)), IMAGE),
    "AdaptiveAvgPool2d-one": layer(lambda n: n.AdaptiveAvgPool2d(1), IMAGE),
    "AdaptiveAvgPool3d": layer(lambda n: n.AdaptiveAvgPool3d((2, 1, 3)), (1, 2, 4, 3, 5)),
    "Flatten": layer(lambda n: n.Flatten(), IMAGE),
    "Unflatten": layer(lambda n: n.Unflatten(1, (2, 2)), (3, 4)),
    "Dropout-eval": layer(lambda n: n.Dropout(0.3).eval(), (3, 4)),
    "Dropout-none": layer(lambda n: n.Dropout(0.0, inplace=True), (3, 4)),
    "Dropout-all": layer(lambda n: n.Dropout(1.0), (3, 4)),
    "Dropout1d": layer(lambda n: n.Dropout1d().eval(), (2, 3, 4)),
    "Dropout2d": layer(lambda n: n.Dropout2d(1.0), IMAGE),
    "Dropout3d": layer(lambda n: n.Dropout3d(1.0), (2, 2, 2, 2, 2)),
    "ReLU": layer(lambda n: n.ReLU(), (3, 4)),
    "LeakyReLU": layer(lambda n: n.LeakyReLU(0.2), (3, 4)),
    "RReLU": layer(lambda n: n.RReLU().eval(), (3, 4)),
    "PReLU": layer(lambda n: n.PReLU(), (3, 4)),
    "PReLU-channels": layer(lambda n: n.PReLU(4, init=0.1), IMAGE),
    "ELU": layer(lambda n: n.ELU(1.5), (3, 4)),
    "SELU": layer(lambda n: n.SELU(), (3, 4)),
    "CELU": layer(lambda n: n.CELU(1.5), (3, 4)),
    "GELU": layer(lambda n: n.GELU(), (3, 4)),
    "GELU-tanh": layer(lambda n: n.GELU(approximate="tanh"), (3, 4)),
    "SiLU": layer(lambda n: n.SiLU(), (3, 4)),
    "Mish": layer(lambda n: n.Mish(), (3, 4)),
    "Sigmoid": layer(lambda n: n.Sigmoid(), (3, 4)),
    "Tanh": layer(lambda n: n.Tanh(), (3, 4)),
    "Softmax": layer(lambda n: n.Softmax(dim=1), (3, 4)),
    "Softmin": layer(lambda n: n.Softmin(dim=-1), (3, 4)),
    "Softmax2d": layer(lambda n: n.Softmax2d(), IMAGE),
    "LogSoftmax": layer(lambda n: n.LogSoftmax(dim=0), (3, 4)),
    "Softplus": layer(lambda n: n.Softplus(2.0, 1.0), (3, 4)),
    "Softsign": layer(lambda n: n.Softsign(), (3, 4)),
    "Hardtanh": layer(lambda n: n.Hardtanh(-0.5, 0.7), (3, 4)),
    "ReLU6": layer(lambda n: n.ReLU6(), (3, 4)),
    "Hardswish": layer(lambda n: n.Hardswish(), (3, 4)),
    "Hardsigmoid": layer(lambda n: n.Hardsigmoid(), (3, 4)),
    "GLU": layer(lambda n: n.GLU(), (3, 4)),
    "Threshold": layer(lambda n: n.Threshold(0.1, 20.0), (3, 4)),
    "Tanhshrink": layer(lambda n: n.Tanhshrink(), (3, 4)),
    "Softshrink": layer(lambda n: n.Softshrink(), (3, 4)),
    "Hardshrink": layer(lambda n: n.Hardshrink(0.3), (3, 4)),
    "LogSigmoid": layer(lambda n: n.LogSigmoid(), (3, 4)),
    "MSELoss": layer(lambda n: n.MSELoss(), (3, 4), (3, 4)),
    "MSELoss-none": layer(lambda n: n.MSELoss(reduction="none"), (3, 4), (3, 4)),
    "L1Loss": layer(lambda n: n.L1Loss(reduction="sum"), (3, 4), (3, 4)),
    "SmoothL1Loss": layer(lambda n: n.SmoothL1Loss(beta=0.5), (3, 4), (3, 4)),
    "SmoothL1Loss-zero": layer(lambda n: n.SmoothL1Loss(beta=0.0), (3, 4), (3, 4)),
    "HuberLoss": layer(lambda n: n.HuberLoss(delta=0.5), (3, 4), (3, 4)),
    "CrossEntropyLoss": layer(lambda n: n.CrossEntropyLoss(), (3, 4), CLASSES),
    "CrossEntropyLoss-ignored": layer(
        lambda n: n.CrossEntropyLoss(ignore_index=3, label_smoothing=0.1), (3, 4), CLASSES
    ),
    "CrossEntropyLoss-space": layer(
        lambda n: n.CrossEntropyLoss(reduction="none"), (3, 4, 2), np.array([[0, 1], [2, 3], [-100, 1]])
    ),
    "CrossEntropyLoss-one": layer(lambda n: n.CrossEntropyLoss(), (4,), np.array(2)),
    "CrossEntropyLoss-probabilities": layer(lambda n: n.CrossEntropyLoss(label_smoothing=0.2), (3, 4), PROBABILITIES),
    "CrossEntropyLoss-weights": layer(
        lambda n, lib: n.CrossEntropyLoss(lib.tensor([1.0, 2.0, 0.5, 1.5]).to(lib.float64), label_smoothing=0.3),
        (3, 4),
        CLASSES,
    ),
    "NLLLoss": layer(lambda n, lib: n.NLLLoss(lib.tensor([1.0, 2.0, 0.5, 1.5]).to(lib.float64)), (3, 4), CLASSES),
    "NLLLoss-sum": layer(lambda n: n.NLLLoss(ignore_index=1, reduction="sum"), (3, 4), CLASSES),
    "BCELoss": layer(lambda n: n.BCELoss(), PROBABILITIES, PROBABILITIES[::-1].copy()),
    "BCEWithLogitsLoss": layer(lambda n: n.BCEWithLogitsLoss(), (3, 4), PROBABILITIES),
    "BCEWithLogitsLoss-weights": layer(
        lambda n, lib: n.BCEWithLogitsLoss(
            lib.tensor([1.0, 2.0, 0.5, 1.5]), pos_weight=lib.tensor([2.0, 1.0, 3.0, 0.5]), reduction="sum"
        ),
        (3, 4),
        PROBABILITIES,
    ),
    "KLDivLoss": layer(lambda n: n.KLDivLoss(reduction="batchmean"), (3, 4), PROBABILITIES),
    "KLDivLoss-log": layer(lambda n: n.KLDivLoss(reduction="sum", log_target=True), (3, 4), (3, 4)),
    "PoissonNLLLoss": layer(lambda n: n.PoissonNLLLoss(full=True), (3, 4), np.arange(12.0).reshape(3, 4), fixed=(1,)),
    "GaussianNLLLoss": layer(lambda n: n.GaussianNLLLoss(full=True), (3, 4), (3, 4), PROBABILITIES),
    "MarginRankingLoss": layer(lambda n: n.MarginRankingLoss(0.2), (3,), (3,), SIGNS, fixed=(2,)),
    "HingeEmbeddingLoss": layer(lambda n: n.HingeEmbeddingLoss(0.7), (3,), SIGNS, fixed=(1,)),
    "CosineEmbeddingLoss": layer(lambda n: n.CosineEmbeddingLoss(-0.5), (3, 4), (3, 4), SIGNS, fixed=(2,)),
    "SoftMarginLoss": layer(lambda n: n.SoftMarginLoss(), (3,), SIGNS, fixed=(1,)),
    "TripletMarginLoss": layer(lambda n: n.TripletMarginLoss(swap=True), (3, 4), (3, 4), (3, 4)),
    "TripletMarginWithDistanceLoss": layer(
        lambda n: n.TripletMarginWithDistanceLoss(distance_function=lambda a, b: (a - b).abs().sum(-1), margin=2.0),
        (3, 4),
        (3, 4),
        (3, 4),
    ),
    "CosineSimilarity": layer(lambda n: n.CosineSimilarity(), (3, 4), (3, 4)),
    "PairwiseDistance": layer(lambda n: n.PairwiseDistance(p=1.0, keepdim=True), (3, 4), (3, 4)),
    "ZeroPad1d": layer(lambda n: n.ZeroPad1d(2), (2, 3, 4)),
    "ZeroPad2d": layer(lambda n: n.ZeroPad2d((1, -1, 0, 2)), IMAGE),
    "ZeroPad3d": layer(lambda n: n.ZeroPad3d(1), (1, 2, 2, 2, 2)),
    "ConstantPad1d": layer(lambda n: n.ConstantPad1d((1, 2), 3.5), (2, 3, 4)),
    "ConstantPad2d": layer(lambda n: n.ConstantPad2d(1, -1.0), IMAGE),
    "ConstantPad3d": layer(lambda n: n.ConstantPad3d(1, 0.5), (1, 2, 2, 2, 2)),
    "ReflectionPad1d": layer(lambda n: n.ReflectionPad1d((2, 1)), (2, 3, 4)),
    "ReflectionPad2d": layer(lambda n: n.ReflectionPad2d((2, 1, 3, 0)), IMAGE),
    "ReflectionPad3d": layer(lambda n: n.ReflectionPad3d(1), (1, 2, 3, 2, 3)),
    "ReplicationPad1d": layer(lambda n: n.ReplicationPad1d((2, 1)), (2, 3, 4)),
    "ReplicationPad2d": layer(lambda n: n.ReplicationPad2d(3), IMAGE),
    "ReplicationPad3d": layer(lambda n: n.ReplicationPad3d(1), (1, 2, 3, 2, 3)),
    "CircularPad1d": layer(lambda n: n.CircularPad1d((2, 1)), (2, 3, 4)),
    "CircularPad2d": layer(lambda n: n.CircularPad2d((2, 1, 3, 0)), IMAGE),
    "CircularPad3d": layer(lambda n: n.CircularPad3d(1), (1, 2, 3, 2, 3)),
    "PixelShuffle": layer(lambda n: n.PixelShuffle(2), IMAGE),
    "PixelUnshuffle": layer(lambda n: n.PixelUnshuffle(2), (2, 3, 4, 6)),
    "ChannelShuffle": layer(lambda n: n.ChannelShuffle(2), IMAGE),
    "Upsample": layer(lambda n: n.Upsample(scale_factor=2), IMAGE),
    "Upsample-size": layer(lambda n: n.Upsample(size=(4, 9), mode="nearest-exact"), IMAGE),
    "UpsamplingNearest2d": layer(lambda n: n.UpsamplingNearest2d(scale_factor=1.7), IMAGE),
    "Sequential": layer(lambda n: n.Sequential(n.Linear(4, 3), n.ReLU(), n.Sequential(n.Linear(3, 2))), (5, 4)),
}


def made(found: Layer, library: Any) -> Any:
    """The module of a library with `nn`."""
    args = (library.nn, library) if len(inspect.signature(found.make).parameters) == 2 else (library.nn,)
    return found.make(*args)


def arrays(found: Layer) -> list[np.ndarray]:
    """Its operands, in float64."""
    random = np.random.default_rng(1)
    return [shape if isinstance(shape, np.ndarray) else random.standard_normal(shape) for shape in found.shapes]
