"""Errors of modules and functional forms in PyTorch's words."""

from __future__ import annotations

import warnings
from collections.abc import Callable
from typing import Any

import pytest

import tapegrad
from tapegrad.nn import functional as F

torch = pytest.importorskip("torch")


def raised(function: Callable[[], Any]) -> Exception:
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        try:
            function()
        except Exception as error:
            return error
    raise AssertionError("nothing was raised")


ERRORS: dict[str, Callable[[Any, Any], Any]] = {
    "linear-shape": lambda lib, f: f.linear(lib.ones(3, 4), lib.ones(5, 3)),
    "linear-bias-dtype": lambda lib, f: f.linear(lib.ones(3, 4), lib.ones(5, 4), lib.ones(5, dtype=lib.float64)),
    "conv-channels": lambda lib, f: f.conv2d(lib.ones(1, 2, 8, 8), lib.ones(4, 3, 3, 3)),
    "conv-small": lambda lib, f: f.conv2d(lib.ones(1, 3, 2, 2), lib.ones(4, 3, 3, 3)),
    "conv-dims": lambda lib, f: f.conv2d(lib.ones(2, 3), lib.ones(4, 3, 3, 3)),
    "conv-dtype": lambda lib, f: f.conv2d(lib.ones(1, 3, 8, 8, dtype=lib.float64), lib.ones(4, 3, 3, 3)),
    "conv-bias": lambda lib, f: f.conv2d(lib.ones(1, 3, 8, 8), lib.ones(4, 3, 3, 3), lib.ones(5)),
    "conv-bias-dtype": lambda lib, f: f.conv2d(
        lib.ones(1, 3, 8, 8), lib.ones(4, 3, 3, 3), lib.ones(4, dtype=lib.float64)
    ),
    "conv-stride": lambda lib, f: f.conv2d(lib.ones(1, 3, 8, 8), lib.ones(4, 3, 3, 3), stride=0),
    "conv-strides": lambda lib, f: f.conv2d(lib.ones(1, 3, 8, 8), lib.ones(4, 3, 3, 3), stride=(1, 1, 1)),
    "conv-padding": lambda lib, f: f.conv2d(lib.ones(1, 3, 8, 8), lib.ones(4, 3, 3, 3), padding=-1),
    "conv-padding-string": lambda lib, f: f.conv2d(lib.ones(1, 3, 8, 8), lib.ones(4, 3, 3, 3), padding="foo"),
    "conv-same-stride": lambda lib, f: f.conv2d(lib.ones(1, 3, 8, 8), lib.ones(4, 3, 3, 3), padding="same", stride=2),
    "conv-groups": lambda lib, f: f.conv2d(lib.ones(1, 4, 8, 8), lib.ones(5, 2, 3, 3), groups=2),
    "conv-transpose-channels": lambda lib, f: f.conv_transpose2d(lib.ones(1, 2, 8, 8), lib.ones(4, 3, 3, 3)),
    "conv-transpose-output-padding": lambda lib, f: f.conv_transpose2d(
        lib.ones(1, 2, 8, 8), lib.ones(2, 3, 3, 3), output_padding=1
    ),
    "conv-transpose-bias": lambda lib, f: f.conv_transpose2d(lib.ones(1, 2, 8, 8), lib.ones(2, 3, 3, 3), lib.ones(4)),
    "max_pool-padding": lambda lib, f: f.max_pool2d(lib.ones(1, 3, 8, 8), 3, padding=2),
    "max_pool-small": lambda lib, f: f.max_pool2d(lib.ones(1, 3, 2, 2), 3),
    "max_pool-dims": lambda lib, f: f.max_pool2d(lib.ones(3, 8), 3),
    "max_pool-stride": lambda lib, f: f.max_pool2d(lib.ones(1, 3, 8, 8), 2, 0),
    "max_pool1d-padding": lambda lib, f: f.max_pool1d(lib.ones(1, 3, 8), 3, padding=2),
    "max_pool1d-small": lambda lib, f: f.max_pool1d(lib.ones(1, 3, 2), 3),
    "max_pool1d-dims": lambda lib, f: f.max_pool1d(lib.ones(3), 3),
    "avg_pool-padding": lambda lib, f: f.avg_pool2d(lib.ones(1, 3, 8, 8), 3, padding=2),
    "avg_pool-small": lambda lib, f: f.avg_pool2d(lib.ones(1, 3, 2, 2), 3),
    "avg_pool1d-small": lambda lib, f: f.avg_pool1d(lib.ones(1, 3, 2), 3),
    "avg_pool-divisor": lambda lib, f: f.avg_pool2d(lib.ones(1, 3, 8, 8), 3, divisor_override=0),
    "adaptive-dims": lambda lib, f: f.adaptive_avg_pool2d(lib.ones(3, 8), 3),
    "cross_entropy-class": lambda lib, f: f.cross_entropy(lib.ones(3, 4), lib.tensor([0, 1, 4])),
    "cross_entropy-negative": lambda lib, f: f.cross_entropy(lib.ones(3, 4), lib.tensor([0, 1, -1])),
    "cross_entropy-batch": lambda lib, f: f.cross_entropy(lib.ones(3, 4), lib.tensor([0, 1])),
    "cross_entropy-dtype": lambda lib, f: f.cross_entropy(lib.ones(3, 4), lib.tensor([0, 1, 2], dtype=lib.int32)),
    "cross_entropy-multi": lambda lib, f: f.cross_entropy(lib.ones(3, 4), lib.ones(3, 5)),
    "cross_entropy-weight": lambda lib, f: f.cross_entropy(lib.ones(3, 4), lib.tensor([0, 1, 2]), lib.ones(5)),
    "cross_entropy-reduction": lambda lib, f: f.cross_entropy(lib.ones(3, 4), lib.tensor([0, 1, 2]), reduction="foo"),
    "cross_entropy-size": lambda lib, f: f.cross_entropy(lib.ones(3, 4, 2, 2), lib.zeros(3, 2, 3, dtype=lib.int64)),
    "nll-dtype": lambda lib, f: f.nll_loss(lib.ones(3, 4), lib.ones(3)),
    "mse-shape": lambda lib, f: f.mse_loss(lib.ones(3, 4), lib.ones(5)),
    "bce-range": lambda lib, f: f.binary_cross_entropy(lib.ones(3) * 2, lib.ones(3)),
    "bce-shape": lambda lib, f: f.binary_cross_entropy(lib.ones(3, 4), lib.ones(3)),
    "bce-logits-shape": lambda lib, f: f.binary_cross_entropy_with_logits(lib.ones(3, 4), lib.ones(3)),
    "embedding-range": lambda lib, f: f.embedding(lib.tensor([5]), lib.ones(5, 2)),
    "embedding-negative": lambda lib, f: f.embedding(lib.tensor([-1]), lib.ones(5, 2)),
    "embedding-dtype": lambda lib, f: f.embedding(lib.tensor([1.0]), lib.ones(5, 2)),
    "embedding-weight": lambda lib, f: f.embedding(lib.tensor([1]), lib.ones(5)),
    "embedding-padding": lambda lib, f: f.embedding(lib.tensor([1]), lib.ones(5, 2), padding_idx=7),
    "layer_norm-shape": lambda lib, f: f.layer_norm(lib.ones(3, 4), (5,)),
    "layer_norm-weight": lambda lib, f: f.layer_norm(lib.ones(3, 4), (4,), lib.ones(3)),
    "layer_norm-dtype": lambda lib, f: f.layer_norm(lib.ones(3, 4), (4,), lib.ones(4, dtype=lib.float64)),
    "group_norm-groups": lambda lib, f: f.group_norm(lib.ones(3, 4), 3),
    "group_norm-weight": lambda lib, f: f.group_norm(lib.ones(3, 4), 2, lib.ones(3)),
    "batch_norm-mean": lambda lib, f: f.batch_norm(lib.ones(3, 4), lib.ones(3), lib.ones(3)),
    "batch_norm-none": lambda lib, f: f.batch_norm(lib.ones(3, 4), None, None),
    "batch_norm-one": lambda lib, f: f.batch_norm(lib.ones(1, 4), None, None, training=True),
    "batch_norm-half-tracked": lambda lib, f: f.batch_norm(lib.ones(3, 4), lib.ones(4), None, training=True),
    "instance_norm-one": lambda lib, f: f.instance_norm(lib.ones(1, 3, 1)),
    "dropout": lambda lib, f: f.dropout(lib.ones(3), 1.5),
    "one_hot-negative": lambda lib, f: f.one_hot(lib.tensor([1, -1])),
    "one_hot-large": lambda lib, f: f.one_hot(lib.tensor([1, 3]), 2),
    "one_hot-dtype": lambda lib, f: f.one_hot(lib.tensor([1.0])),
    "pad-reflect": lambda lib, f: f.pad(lib.ones(1, 3, 4), (4, 1), "reflect"),
    "pad-circular": lambda lib, f: f.pad(lib.ones(1, 3, 4), (5, 1), "circular"),
    "pad-odd": lambda lib, f: f.pad(lib.ones(3, 4), (1, 1, 1)),
    "pad-long": lambda lib, f: f.pad(lib.ones(3), (1, 1, 1, 1)),
    "pad-mode": lambda lib, f: f.pad(lib.ones(1, 3, 4), (1, 1), "foo"),
    "pad-value": lambda lib, f: f.pad(lib.ones(1, 3, 4), (1, 1), "reflect", value=1.0),
    "pad-negative": lambda lib, f: f.pad(lib.ones(3, 4), (-5, 0)),
    "hardtanh": lambda lib, f: f.hardtanh(lib.ones(3), 2.0, 1.0),
    "triplet-margin": lambda lib, f: f.triplet_margin_loss(lib.ones(3, 2), lib.ones(3, 2), lib.ones(3, 2), margin=-1.0),
    "huber-delta": lambda lib, f: f.huber_loss(lib.ones(3), lib.ones(3), delta=-1.0),
    "attention-causal-mask": lambda lib, f: f.scaled_dot_product_attention(
        lib.ones(2, 2), lib.ones(2, 2), lib.ones(2, 2), lib.ones(2, 2), is_causal=True
    ),
    "pixel_shuffle": lambda lib, f: f.pixel_shuffle(lib.ones(1, 3, 2, 2), 2),
    "module-embedding-padding": lambda lib, f: lib.nn.Embedding(3, 2, padding_idx=5),
    "module-conv-groups": lambda lib, f: lib.nn.Conv2d(3, 4, 3, groups=2),
    "module-conv-transpose-mode": lambda lib, f: lib.nn.ConvTranspose2d(3, 4, 3, padding_mode="reflect"),
    "module-group-norm": lambda lib, f: lib.nn.GroupNorm(3, 4),
    "module-batch-norm-dims": lambda lib, f: lib.nn.BatchNorm2d(3)(lib.ones(2, 3)),
    "module-dropout": lambda lib, f: lib.nn.Dropout(-0.1),
    "module-huber": lambda lib, f: lib.nn.HuberLoss(delta="a"),
    "module-triplet": lambda lib, f: lib.nn.TripletMarginLoss(margin=0.0),
    "module-unflatten": lambda lib, f: lib.nn.Unflatten(1, 3),
    "module-unflatten-item": lambda lib, f: lib.nn.Unflatten(1, (2, "a")),
    "module-bilinear": lambda lib, f: lib.nn.Bilinear(0, 3, 2),
    "module-conv-transpose-size": lambda lib, f: lib.nn.ConvTranspose2d(3, 4, 3, stride=2)(
        lib.ones(1, 3, 4, 4), output_size=(20, 20)
    ),
    "module-conv-transpose-sizes": lambda lib, f: lib.nn.ConvTranspose2d(3, 4, 3, stride=2)(
        lib.ones(1, 3, 4, 4), output_size=(9, 9, 9)
    ),
    "init-fan": lambda lib, f: lib.nn.init.kaiming_uniform_(lib.ones(3)),
    "init-mode": lambda lib, f: lib.nn.init.kaiming_uniform_(lib.ones(3, 3), mode="foo"),
    "init-gain": lambda lib, f: lib.nn.init.calculate_gain("foo"),
    "init-eye": lambda lib, f: lib.nn.init.eye_(lib.ones(3)),
    "init-dirac": lambda lib, f: lib.nn.init.dirac_(lib.ones(3)),
    "init-dirac-groups": lambda lib, f: lib.nn.init.dirac_(lib.ones(3, 2, 2), groups=2),
    "init-sparse": lambda lib, f: lib.nn.init.sparse_(lib.ones(3), 0.1),
    "init-orthogonal": lambda lib, f: lib.nn.init.orthogonal_(lib.ones(3)),
    "clip-norm": lambda lib, f: lib.nn.utils.clip_grad_norm_(
        [with_grad(lib, float("inf"))], 1.0, error_if_nonfinite=True
    ),
}


def with_grad(lib: Any, value: float) -> Any:
    p = lib.ones(2, requires_grad=True)
    p.grad = lib.full((2,), value)
    return p


@pytest.mark.parametrize("name", ERRORS)
def test_error(name: str) -> None:
    """The same error in the same words."""
    mine = raised(lambda: ERRORS[name](tapegrad, F))
    right = raised(lambda: ERRORS[name](torch, torch.nn.functional))
    assert type(mine) is type(right), f"{type(mine).__name__}: {mine}\ntorch: {type(right).__name__}: {right}"
    assert str(mine) == str(right).partition("\nException raised from")[0]
