"""Modules and functional forms against PyTorch: arguments, reprs, state_dicts, outputs, gradients, errors."""

from __future__ import annotations

import inspect
import warnings
from collections.abc import Callable
from typing import Any

import numpy as np
import pytest
from layers import LAYERS, Layer, arrays, made

import tapegrad
from tapegrad import nn
from tapegrad.nn import functional as F

torch = pytest.importorskip("torch")


#: torch's own gradient of it takes a sixth in float32
TOLERANCE = {"Hardsigmoid": 1e-7}


def pair(found: Layer) -> tuple[Any, Any]:
    """The module in both libraries, in float64 and with the same random state."""
    mine, right = made(found, tapegrad).double(), made(found, torch).double()
    random = np.random.default_rng(0)
    with torch.no_grad():
        for name, t in right.state_dict().items():
            if t.is_floating_point():
                values = (
                    random.uniform(0.5, 1.5, tuple(t.shape))
                    if name.endswith("var")
                    else random.standard_normal(tuple(t.shape))
                )
                t.copy_(torch.from_numpy(np.asarray(values)))
    mine.load_state_dict({name: tapegrad.tensor(t.numpy()) for name, t in right.state_dict().items()})
    return mine, right


def operands(found: Layer, library: Any) -> list[Any]:
    tensors = [library.from_numpy(a.copy()) for a in arrays(found)]
    for i, t in enumerate(tensors):
        if t.is_floating_point() and i not in found.fixed:
            t.requires_grad_(True)
    return tensors


def host(t: Any) -> np.ndarray:
    return np.asarray(t.detach().numpy())


def close(mine: Any, right: Any, what: str, tolerance: float = 1e-9) -> None:
    assert tuple(mine.shape) == tuple(right.shape), f"{what}: shape {mine.shape}, torch has {right.shape}"
    np.testing.assert_allclose(host(mine), host(right), rtol=tolerance, atol=tolerance / 100, err_msg=what)


@pytest.mark.parametrize("name", LAYERS)
def test_layer(name: str) -> None:
    """Output, gradients of inputs and parameters, and buffers afterwards."""
    found = LAYERS[name]
    mine, right = pair(found)
    x, tx = operands(found, tapegrad), operands(found, torch)
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        y, ty = mine(*x), right(*tx)
    close(y, ty, "output")
    assert y.requires_grad == ty.requires_grad
    if ty.requires_grad:
        seed = np.random.default_rng(2).standard_normal(tuple(ty.shape))
        y.backward(tapegrad.tensor(seed))
        ty.backward(torch.tensor(seed))
    for i, (a, b) in enumerate(zip(x, tx)):
        if b.requires_grad:
            close(a.grad, b.grad, f"gradient of operand {i}", TOLERANCE.get(name, 1e-9))
    for (key, p), (other, tp) in zip(mine.named_parameters(), right.named_parameters(), strict=True):
        assert key == other
        close(p.grad, tp.grad, f"gradient of {key}")
    for (key, b), (other, tb) in zip(mine.named_buffers(), right.named_buffers(), strict=True):
        assert key == other
        close(b, tb, f"buffer {key}")


@pytest.mark.parametrize("name", LAYERS)
def test_description(name: str) -> None:
    """The repr, and names, shapes and dtypes in the state_dict."""
    mine, right = made(LAYERS[name], tapegrad), made(LAYERS[name], torch)
    assert repr(mine) == repr(right)
    ours = [(k, tuple(t.shape), t.dtype.name) for k, t in mine.state_dict().items()]
    assert ours == [(k, tuple(t.shape), str(t.dtype).removeprefix("torch.")) for k, t in right.state_dict().items()]
    versions = {k: v["version"] for k, v in right.state_dict()._metadata.items()}
    assert {k: v["version"] for k, v in mine.state_dict()._metadata.items()} == versions


def modules() -> list[str]:
    return sorted(name for name, value in vars(nn).items() if inspect.isclass(value) and issubclass(value, nn.Module))


def test_every_module_is_compared() -> None:
    elsewhere = {"Module", "ModuleDict", "ModuleList", "ParameterDict", "ParameterList"}
    assert not set(modules()) - elsewhere - {name.partition("-")[0] for name in LAYERS}


def parameters(function: Any) -> list[tuple[str, Any, Any]]:
    return [(p.name, p.kind, p.default) for p in inspect.signature(function).parameters.values()]


@pytest.mark.parametrize("name", modules())
def test_constructor(name: str) -> None:
    """Names, order and defaults of the constructor's arguments."""
    mine, right = parameters(getattr(nn, name)), parameters(getattr(torch.nn, name))
    assert [(n, k) for n, k, _ in mine] == [(n, k) for n, k, _ in right]
    for (_, _, ours), (_, _, theirs) in zip(mine, right):
        assert ours == theirs


#: torch's own is written in C, so its signature cannot be read
UNREADABLE = {
    "adaptive_avg_pool1d",
    "avg_pool1d",
    "avg_pool2d",
    "avg_pool3d",
    "bilinear",
    "celu_",
    "channel_shuffle",
    "conv1d",
    "conv2d",
    "conv3d",
    "conv_transpose1d",
    "conv_transpose2d",
    "conv_transpose3d",
    "cosine_similarity",
    "elu_",
    "gelu",
    "hardshrink",
    "hardtanh_",
    "leaky_relu_",
    "linear",
    "logsigmoid",
    "max_pool1d",
    "max_pool2d",
    "max_pool3d",
    "one_hot",
    "pairwise_distance",
    "pixel_shuffle",
    "pixel_unshuffle",
    "prelu",
    "relu_",
    "scaled_dot_product_attention",
    "selu_",
    "softplus",
    "softshrink",
    "threshold_",
    "constant_pad_nd",
}


def functions() -> list[str]:
    return sorted(name for name, value in vars(F).items() if inspect.isfunction(value) and not name.startswith("_"))


@pytest.mark.parametrize("name", [name for name in functions() if name not in UNREADABLE])
def test_signature(name: str) -> None:
    """Names, order and defaults of a function's arguments; ours may take `out` in addition."""
    right = parameters(getattr(torch.nn.functional, name))
    mine = [
        p
        for p in parameters(getattr(F, name))
        if p[0] in {n for n, _, _ in right} or p[0] not in ("out", "axis", "keepdims")
    ]
    assert [n for n, _, _ in mine] == [n for n, _, _ in right]
    for (argument, _, ours), (_, _, theirs) in zip(mine, right):
        assert ours == theirs, f"the default of {argument}"


def test_unreadable_signatures() -> None:
    for name in UNREADABLE - {"max_pool1d", "max_pool2d", "max_pool3d", "constant_pad_nd"}:
        with pytest.raises(ValueError):
            inspect.signature(getattr(torch.nn.functional, name))


def test_functional_has_no_other_names() -> None:
    extra = [name for name in functions() if not hasattr(torch.nn.functional, name) and name != "constant_pad_nd"]
    assert not extra


# ---- initial values


@pytest.mark.parametrize("name", ["Linear", "Conv2d", "ConvTranspose2d", "Bilinear", "Embedding"])
def test_initial_distribution(name: str) -> None:
    """Bounds or moments of the initial parameters."""
    args = {
        "Linear": (300, 200),
        "Conv2d": (30, 40, 5),
        "ConvTranspose2d": (30, 40, 5),
        "Bilinear": (30, 40, 20),
        "Embedding": (500, 100),
    }[name]
    mine, right = getattr(nn, name)(*args), getattr(torch.nn, name)(*args)
    for p, tp in zip(mine.parameters(), right.parameters()):
        a, b = host(p), host(tp)
        assert abs(a.mean() - b.mean()) < 6 * b.std() * (2 / b.size) ** 0.5
        assert abs(a.std() / b.std() - 1) < 6 / b.size**0.5
        if name != "Embedding" and b.size >= 100:  # the greatest of a few numbers may be small
            assert abs(np.abs(a).max() / np.abs(b).max() - 1) < 0.1


INITS = {
    "uniform_": {"a": -2.0, "b": 3.0},
    "normal_": {"mean": 1.0, "std": 3.0},
    "trunc_normal_": {"std": 2.0, "a": -3.0, "b": 1.0},
    "xavier_uniform_": {"gain": 2.0},
    "xavier_normal_": {"gain": 2.0},
    "kaiming_uniform_": {"a": 0.5},
    "kaiming_normal_": {"mode": "fan_out", "nonlinearity": "relu"},
    "sparse_": {"sparsity": 0.3},
}


@pytest.mark.parametrize("name", INITS)
def test_random_init(name: str) -> None:
    mine, right = tapegrad.empty(300, 200), torch.empty(300, 200)
    assert getattr(nn.init, name)(mine, **INITS[name]) is mine
    getattr(torch.nn.init, name)(right, **INITS[name])
    a, b = host(mine), host(right)
    assert abs(a.mean() - b.mean()) < 0.03 * b.std() and abs(a.std() / b.std() - 1) < 0.03
    assert abs((a == 0).mean() - (b == 0).mean()) < 1e-3
    if name.endswith("uniform_") or name == "trunc_normal_":
        assert abs(a.max() - b.max()) < 0.02 * np.abs(b).max() and abs(a.min() - b.min()) < 0.02 * np.abs(b).max()


@pytest.mark.parametrize(
    ("name", "shape", "kwargs"),
    [
        ("constant_", (2, 3), {"val": 0.3}),
        ("ones_", (2, 3), {}),
        ("zeros_", (2, 3), {}),
        ("eye_", (3, 4), {}),
        ("dirac_", (4, 2, 3, 3), {}),
        ("dirac_", (4, 2, 5), {"groups": 2}),
    ],
)
def test_fixed_init(name: str, shape: tuple[int, ...], kwargs: dict[str, Any]) -> None:
    mine, right = tapegrad.empty(*shape), torch.empty(*shape)
    getattr(nn.init, name)(mine, **kwargs)
    getattr(torch.nn.init, name)(right, **kwargs)
    np.testing.assert_array_equal(host(mine), host(right))


@pytest.mark.parametrize("shape", [(5, 3), (3, 5), (4, 2, 3)])
def test_orthogonal(shape: tuple[int, ...]) -> None:
    w = host(nn.init.orthogonal_(tapegrad.empty(*shape), gain=2.0)).reshape(shape[0], -1)
    gram = w @ w.T if w.shape[0] <= w.shape[1] else w.T @ w
    np.testing.assert_allclose(gram, 4 * np.eye(len(gram)), atol=1e-5)


@pytest.mark.parametrize(
    "args",
    [("linear",), ("tanh",), ("relu",), ("leaky_relu",), ("leaky_relu", 0.2), ("selu",), ("conv2d",), ("sigmoid",)],
)
def test_gain(args: tuple[Any, ...]) -> None:
    assert nn.init.calculate_gain(*args) == torch.nn.init.calculate_gain(*args)


# ---- functions beyond the layers


def numbers(*shape: int) -> np.ndarray:
    return np.random.default_rng(3).standard_normal(shape)


FUNCTIONS: dict[str, tuple[Callable[..., Any], tuple[Any, ...]]] = {
    "pad": (lambda f, x: f.pad(x, (1, 2, 0, -1), value=2.0), (numbers(2, 3, 4),)),
    "one_hot": (lambda f, t: f.one_hot(t), (np.array([[0, 2], [1, 0]]),)),
    "one_hot-classes": (lambda f, t: f.one_hot(t, 5), (np.array(3),)),
    "normalize": (lambda f, x: f.normalize(x, p=3.0, dim=0), (numbers(3, 4),)),
    "cosine_similarity": (lambda f, x, y: f.cosine_similarity(x, y, dim=-1), (numbers(2, 1, 4), numbers(3, 4))),
    "pairwise_distance": (lambda f, x, y: f.pairwise_distance(x, y), (numbers(3, 4), numbers(4) + 1)),
    "linear-vector-weight": (lambda f, x, w: f.linear(x, w), (numbers(2, 3, 4), numbers(4))),
    "attention": (
        lambda f, q, k, v: f.scaled_dot_product_attention(q, k, v),
        (numbers(2, 2, 3, 4), numbers(2, 2, 5, 4), numbers(2, 2, 5, 6)),
    ),
    "attention-causal": (
        lambda f, q, k, v: f.scaled_dot_product_attention(q, k, v, is_causal=True, scale=0.3),
        (numbers(2, 5, 4),) * 3,
    ),
    "attention-mask": (
        lambda f, q, k, v, m: f.scaled_dot_product_attention(q, k, v, attn_mask=m),
        (*((numbers(2, 3, 4),) * 3), numbers(3, 3) > -0.5),
    ),
    "attention-nothing": (
        lambda f, q, k, v, m: f.scaled_dot_product_attention(q, k, v, attn_mask=m),
        (*((numbers(2, 3, 4),) * 3), np.array([[True, True, False], [False] * 3, [True] * 3])),
    ),
    "attention-bias": (
        lambda f, q, k, v, m: f.scaled_dot_product_attention(q, k, v, attn_mask=m),
        (*((numbers(2, 3, 4),) * 3), numbers(2, 3, 3)),
    ),
    "attention-groups": (
        lambda f, q, k, v: f.scaled_dot_product_attention(q, k, v, enable_gqa=True),
        (numbers(1, 4, 3, 2), numbers(1, 2, 3, 2), numbers(1, 2, 3, 2)),
    ),
    "relu-inplace": (lambda f, x: f.relu(x * 2, inplace=True), (numbers(3, 4),)),
    "silu-inplace": (lambda f, x: f.silu(x * 2, inplace=True), (numbers(3, 4),)),
    "elu-inplace": (lambda f, x: f.elu(x * 2, 0.5, inplace=True), (numbers(3, 4),)),
    "gumbel-shape": (lambda f, x: f.gumbel_softmax(x, dim=1).sum(1), (numbers(3, 4),)),
    "max_pool2d-indices": (lambda f, x: f.max_pool2d(x, 3, 2, 1, return_indices=True)[1], (numbers(1, 2, 5, 7),)),
    "interpolate": (lambda f, x: f.interpolate(x, size=(3, 11)), (numbers(1, 2, 5, 7),)),
    "embedding-grads": (
        lambda f, t, w: f.embedding(t, w, padding_idx=1, scale_grad_by_freq=True),
        (np.array([1, 2, 2, 0]), numbers(4, 3)),
    ),
    "gaussian-column": (
        lambda f, x, y, v: f.gaussian_nll_loss(x, y, v, reduction="none"),
        (numbers(3, 4), numbers(3, 4), np.array([[0.5], [1.0], [1e-9]])),
    ),
    "layer_norm": (lambda f, x: f.layer_norm(x, (3, 4)), (numbers(2, 3, 4),)),
    "cross_entropy-empty": (
        lambda f, x, t: f.cross_entropy(x, t, reduction="sum"),
        (numbers(0, 4), np.zeros(0, np.int64)),
    ),
    "cross_entropy-all-ignored": (lambda f, x, t: f.cross_entropy(x, t), (numbers(2, 4), np.array([-100, -100]))),
    "cross_entropy-large": (lambda f, x, t: f.cross_entropy(x * 1e4, t), (numbers(2, 4), np.array([1, 2]))),
}


@pytest.mark.parametrize("name", FUNCTIONS)
def test_function(name: str) -> None:
    function, given = FUNCTIONS[name]
    x, tx = (
        [lib.from_numpy(a.copy()).requires_grad_(a.dtype == np.float64) for a in given] for lib in (tapegrad, torch)
    )
    y, ty = function(F, *x), function(torch.nn.functional, *tx)
    close(y, ty, "output")
    assert y.dtype.name == str(ty.dtype).removeprefix("torch.")
    if ty.requires_grad:
        seed = np.random.default_rng(2).standard_normal(tuple(ty.shape))
        y.backward(tapegrad.tensor(seed))
        ty.backward(torch.tensor(seed))
        for i, (a, b) in enumerate(zip(x, tx)):
            if b.requires_grad:
                close(a.grad, b.grad, f"gradient of operand {i}")


# ---- half precision

HALF = {
    "linear": lambda f, x: f.linear(x, x),
    "layer_norm": lambda f, x: f.layer_norm(x, (64,)),
    "rms_norm": lambda f, x: f.rms_norm(x, (64,), eps=1e-5),
    "batch_norm": lambda f, x: f.batch_norm(x, None, None, training=True),
    "group_norm": lambda f, x: f.group_norm(x, 4),
    "cross_entropy": lambda f, x: f.cross_entropy(x, x.argmax(1)),
    "mse_loss": lambda f, x: f.mse_loss(x, x * 2),
    "conv1d": lambda f, x: f.conv1d(x[None], x[:8, :, None]) if x.shape[0] == 64 else x.sum(),
    "avg_pool1d": lambda f, x: f.avg_pool1d(x, 4),
}


@pytest.mark.parametrize("dtype", ["float16", "bfloat16"])
@pytest.mark.parametrize("name", HALF)
def test_half_precision(name: str, dtype: str) -> None:
    """Within a rounding or two of float64's, with gradients of the operand's dtype: sums are taken in float32."""
    values = np.random.default_rng(0).standard_normal((64, 64))
    x = tapegrad.tensor(values).to(getattr(tapegrad, dtype)).requires_grad_()
    exact = x.detach().to(tapegrad.float64).requires_grad_()
    y, z = HALF[name](F, x), HALF[name](F, exact)
    assert y.dtype == x.dtype
    step = 2.0 ** (-10 if dtype == "float16" else -7)

    def near(a: Any, b: Any) -> None:
        right = host(b)
        np.testing.assert_allclose(
            host(a.to(tapegrad.float64)), right, rtol=2 * step, atol=2 * step * np.abs(right).max()
        )

    near(y, z)
    seed = tapegrad.tensor(np.random.default_rng(1).uniform(0.5, 1, tuple(y.shape)))
    y.backward(seed.to(y.dtype))
    z.backward(seed.to(y.dtype).to(z.dtype))
    assert x.grad.dtype == x.dtype
    near(x.grad, exact.grad)


@pytest.mark.parametrize("norm_type", [2.0, 1.0, 3.0, 0.0, float("inf"), float("-inf")])
def test_clip_grad_norm(norm_type: float) -> None:
    values = [np.array([3.0, -4.0]), np.array([[1.0]])]
    total, clipped = [], []
    for lib in (tapegrad, torch):
        parameters = [lib.ones(*v.shape, dtype=lib.float64).requires_grad_() for v in values]
        for p, v in zip(parameters, values):
            p.grad = lib.from_numpy(v.copy())
        total.append(float(lib.nn.utils.clip_grad_norm_(parameters, 0.5, norm_type)))
        clipped.append([host(p.grad) for p in parameters])
    assert total[0] == pytest.approx(total[1])
    for a, b in zip(*clipped):
        np.testing.assert_allclose(a, b)


def test_grad_fn_names() -> None:
    """What a user sees of the graph bears torch's names."""
    x, w = np.ones((2, 4, 6, 6)), np.ones((4, 4, 3, 3))

    def names(lib: Any) -> list[str]:
        f = lib.nn.functional
        image, weight = lib.from_numpy(x).requires_grad_(), lib.from_numpy(w).requires_grad_()
        row, classes = image[:, :, 0, 0], lib.tensor([0, 1])
        results = [
            f.linear(row, row, row[0, :2]),
            f.conv2d(image, weight),
            f.conv_transpose2d(image, weight),
            f.layer_norm(row, (4,)),
            f.batch_norm(row, None, None, training=True),
            f.group_norm(image, 2),
            f.cross_entropy(row, classes),
            f.nll_loss(row, classes),
            f.mse_loss(row, row),
            f.embedding(classes, row),
            f.max_pool2d(image, 2),
            f.avg_pool2d(image, 2),
            f.adaptive_avg_pool2d(image, 2),
            f.huber_loss(row, row),
            f.smooth_l1_loss(row, row),
            f.binary_cross_entropy_with_logits(row, row.detach()),
            f.binary_cross_entropy(row, row.detach()),
            f.pad(row, (1, 1)),
        ]
        return [r.grad_fn.name() for r in results]

    assert names(tapegrad) == names(torch)
