"""Random tensors.

Every draw takes its words from a counter-based stream, so the numbers depend on seed and position and not on the
device.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Sequence
from typing import Any

import numpy as np

from tapegrad.autograd.core.operand import Array, Operand
from tapegrad.autograd.core.tensor import Tensor, from_array
from tapegrad.autograd.dispatch import inplace
from tapegrad.autograd.dispatch.batch_rules import aligned
from tapegrad.autograd.dispatch.decorator import composite, exported, op
from tapegrad.autograd.dispatch.inplace import stored
from tapegrad.autograd.modes.device_guard import on, on_device_of, on_first
from tapegrad.autograd.ops.common.errors import not_implemented
from tapegrad.autograd.ops.common.families import documented
from tapegrad.autograd.ops.creation.factories import finish, place, size_of
from tapegrad.autograd.ops.creation.pin_memory import pin
from tapegrad.autograd.ops.random.generator import Generator, default_generator
from tapegrad.autograd.ops.random.in_vmap import check_operands, check_target, drawn, drawn_from
from tapegrad.autograd.ops.shape.expand import broadcast_shapes
from tapegrad.autograd.types import dtypes
from tapegrad.backends import Device, xp
from tapegrad.backends.numerics import philox as draws

#: draws an array of a shape
Draw = Callable[[tuple[int, ...]], Array]
_FLOAT64, _INT64 = np.dtype(np.float64), np.dtype(np.int64)


def _words(draw: str, n: int, dtype: np.dtype | None, device: Device, generator: Generator | None) -> Array:
    """The words that a draw of `n` elements takes."""
    return (generator or default_generator(device)).words(draws.needed(draw, n, dtype), device)


def _draw(draw: str, shape: tuple[int, ...], dtype: np.dtype, device: Device, generator: Generator | None) -> Array:
    """An array of `shape` with draws of "uniform", "normal" or "exponential"."""
    n = math.prod(shape)
    words = _words(draw, n, dtype, device, generator)
    return getattr(draws, draw)(xp(words), words, n, dtype).reshape(shape)


def _finished(
    name: str, make: Draw, shape: tuple[int, ...], device: Device, requires_grad: bool, out: Operand, pin_memory: bool
) -> Tensor:
    """What `make` draws on `device`, as a new leaf or in `out`."""
    with on(device):
        made = finish(drawn(make, shape), requires_grad)
    made = stored(name, out, made)
    return pin(made) if pin_memory else made


def _floats(
    draw: str,
    shape: tuple[int, ...],
    dtype: Any,
    device: Any,
    generator: Generator | None,
    requires_grad: bool,
    out: Operand,
    pin_memory: bool,
    mean: float = 0.0,
    std: float = 1.0,
) -> Tensor:
    where = place(out.device if device is None and out is not None else device)
    numpy_dtype = dtypes.default_float() if dtype is None else dtypes.numpy_dtype(dtype)
    if not dtypes.is_inexact(numpy_dtype):
        raise not_implemented(draw, numpy_dtype)

    def make(shape: tuple[int, ...]) -> Array:
        if numpy_dtype.kind == "c":
            pair = _draw(draw, (*shape, 2), dtypes.of(numpy_dtype).to_real().numpy, where, generator)
            if draw == "normal":
                pair *= math.sqrt(0.5)
            array = pair.view(numpy_dtype).reshape(shape)
        else:
            array = _draw(draw, shape, numpy_dtype, where, generator)
        if std != 1:
            array *= std
        if mean:
            array += mean
        return array

    return _finished(draw, make, shape, where, requires_grad, out, pin_memory)


# ---- new tensors


def _of_size(name: str, draw: str, numbers: str) -> Callable[..., Tensor]:
    def function(
        *sizes: Any,
        size: Sequence[int] | None = None,
        generator: Generator | None = None,
        out: Operand = None,
        dtype: Any = None,
        layout: Any = None,
        device: Any = None,
        requires_grad: bool = False,
        pin_memory: bool = False,
    ) -> Tensor:
        shape = size_of(sizes, size, name)
        return _floats(draw, shape, dtype, device, generator, requires_grad, out, pin_memory)

    summary = f"{numbers}; the shape is integers, or a sequence."
    return composite()(documented(function, name, summary, f"tapegrad.{name}(2, 3).shape", "torch.Size([2, 3])"))


rand = _of_size("rand", "uniform", "Uniform random numbers from [0, 1)")
randn = _of_size("randn", "normal", "Standard normal random numbers, complex ones of variance 1")


def _like(input: Tensor, dtype: Any, device: Any) -> tuple[Any, Any]:
    return input.dtype if dtype is None else dtype, input.device if device is None else device


def _of_size_like(name: str, draw: str, numbers: str) -> Callable[..., Tensor]:
    def function(
        input: Tensor,
        *,
        generator: Generator | None = None,
        dtype: Any = None,
        layout: Any = None,
        device: Any = None,
        requires_grad: bool = False,
        memory_format: Any = None,
    ) -> Tensor:
        dtype, device = _like(input, dtype, device)
        return _floats(draw, input._array.shape, dtype, device, generator, requires_grad, None, False)

    summary = f"{numbers} with the shape, dtype and device of `input`."
    call = f"tapegrad.{name}(tapegrad.zeros(2, dtype=tapegrad.float64)).dtype"
    return composite()(documented(function, name, summary, call, "torch.float64"))


rand_like = _of_size_like("rand_like", "uniform", "Uniform random numbers from [0, 1)")
randn_like = _of_size_like("randn_like", "normal", "Standard normal random numbers")


def _integers(
    shape: tuple[int, ...], low: int, high: int, dtype: np.dtype, device: Device, generator: Generator | None
) -> Array:
    if low >= high:
        raise RuntimeError(f"random_ expects 'from' to be less than 'to', but got from={low} >= to={high}")
    words = _words("integers", math.prod(shape), None, device, generator)
    exact = _INT64 if dtypes.is_inexact(dtype) else dtype
    return draws.integers(xp(words), words, low, high, exact).astype(dtype, copy=False).reshape(shape)


@composite()
def randint(
    low: int,
    high: Any = None,
    size: Any = None,
    *,
    generator: Generator | None = None,
    out: Operand = None,
    dtype: Any = None,
    layout: Any = None,
    device: Any = None,
    requires_grad: bool = False,
    pin_memory: bool = False,
) -> Tensor:
    """Random integers from [low, high), int64 by default; ``randint(high, size)`` starts from 0.

    Raises:
        RuntimeError: the range is empty.

    Example:
        >>> bool((tapegrad.randint(3, (100,)) < 3).all())
        True
    """
    if size is None:
        low, high, size = 0, low, high
    elif high is None:
        low, high = 0, low
    if size is None:
        raise TypeError("randint(): missing the size")
    where, numpy_dtype = place(device), dtypes.numpy_dtype(dtypes.int64 if dtype is None else dtype)

    def make(shape: tuple[int, ...]) -> Array:
        return _integers(shape, int(low), int(high), numpy_dtype, where, generator)

    return _finished("randint", make, size_of((size,)), where, requires_grad, out, pin_memory)


@composite()
def randint_like(
    input: Tensor,
    low: int,
    high: int | None = None,
    *,
    generator: Generator | None = None,
    dtype: Any = None,
    layout: Any = None,
    device: Any = None,
    requires_grad: bool = False,
    memory_format: Any = None,
) -> Tensor:
    """Random integers from [low, high) with the shape, dtype and device of `input`.

    Example:
        >>> tapegrad.randint_like(tapegrad.zeros(2), 5, 6)
        tensor([5., 5.])
    """
    dtype, device = _like(input, dtype, device)
    if high is None:
        low, high = 0, low
    return randint(
        low,
        high,
        tuple(input._array.shape),
        generator=generator,
        dtype=dtype,
        device=device,
        requires_grad=requires_grad,
    )


def _permutations(shape: tuple[int, ...], device: Device, generator: Generator | None) -> Array:
    """Permutations along the last dimension."""
    words = _words("permutation", math.prod(shape), None, device, generator)
    space = xp(words)
    if len(shape) == 1 or not words.size:
        return draws.permutation(space, words).reshape(shape)
    return space.stack([draws.permutation(space, row) for row in words.reshape(-1, shape[-1])]).reshape(shape)


@composite()
def randperm(
    n: int,
    *,
    generator: Generator | None = None,
    out: Operand = None,
    dtype: Any = None,
    layout: Any = None,
    device: Any = None,
    requires_grad: bool = False,
    pin_memory: bool = False,
) -> Tensor:
    """A random permutation of 0 .. n-1, int64 by default.

    Example:
        >>> tapegrad.randperm(4).sort().values
        tensor([0, 1, 2, 3])
    """
    if n < 0:
        raise RuntimeError(f"n must be non-negative, got {n}")
    where, numpy_dtype = place(device), dtypes.numpy_dtype(dtypes.int64 if dtype is None else dtype)

    def make(shape: tuple[int, ...]) -> Array:
        return _permutations(shape, where, generator).astype(numpy_dtype, copy=False)

    return _finished("randperm", make, (n,), where, requires_grad, out, pin_memory)


@composite()
def normal(
    mean: Operand,
    std: Operand = 1.0,
    size: Sequence[int] | None = None,
    *,
    generator: Generator | None = None,
    out: Operand = None,
    dtype: Any = None,
    layout: Any = None,
    device: Any = None,
    requires_grad: bool = False,
    pin_memory: bool = False,
) -> Tensor:
    """Normal random numbers, each with its own mean and standard deviation, or all of one shape with the same.

    Args:
        mean: a number, or a tensor of means.
        std: a number, or a tensor of standard deviations.
        size: the shape, where both are numbers.

    Raises:
        RuntimeError: a standard deviation is negative.

    Example:
        >>> tapegrad.normal(tapegrad.zeros(3), 1.0).shape
        torch.Size([3])
    """
    if not isinstance(std, Tensor) and std < 0:
        raise RuntimeError(f"normal expects std >= 0.0, but found std {std}")
    tensors = [t.detach() for t in (mean, std) if isinstance(t, Tensor)]
    if tensors:
        shape = broadcast_shapes(*[t._array.shape for t in tensors])
        check_operands(tensors)
        z = _floats("normal", shape, tensors[0].dtype, tensors[0].device, generator, False, None, False)
        mean, std = [t.detach() if isinstance(t, Tensor) else t for t in (mean, std)]
        made = z * std + mean
    elif size is None:
        raise TypeError("normal(): a size is needed where mean and std are numbers")
    else:
        made = _floats("normal", size_of((size,)), dtype, device, generator, requires_grad, None, False, mean, std)
    made = stored("normal", out, made)
    return pin(made) if pin_memory else made


def _chances(p: Array | float, shape: tuple[int, ...], device: Device, generator: Generator | None) -> Array:
    """Booleans, True with the probability (number, or array of `shape`) `p`."""
    n = math.prod(shape)
    if isinstance(p, (int, float)):
        if not 0 <= p <= 1:
            raise RuntimeError(f"bernoulli_ expects p to be in [0, 1], but got p={p}")
        words = _words("bernoulli", n, None, device, generator)
    else:
        # On a device the values are not looked at: that would be a synchronisation.
        if p.__class__ is np.ndarray and not bool(((p >= 0) & (p <= 1)).all()):
            raise RuntimeError("Expected p_in >= 0 && p_in <= 1 to be true, but got false.")
        p = p.reshape(-1)
        words = _words("bernoulli", n, p.dtype, device, generator)
    return draws.bernoulli(xp(words), words, p, n).reshape(shape)


@composite(method=True)
@on_first
def bernoulli(
    input: Tensor, p: float | None = None, *, generator: Generator | None = None, out: Operand = None
) -> Tensor:
    """Zeros and ones; each is one with the probability that `input` holds there (or `p`).

    Args:
        p: one probability for all, instead.

    Raises:
        RuntimeError: a probability lies outside [0, 1].

    Example:
        >>> tapegrad.bernoulli(tapegrad.tensor([0.0, 1.0]))
        tensor([0., 1.])
    """
    device, dtype = input.device, input._array.dtype

    def make(array: Array) -> Array:
        return _chances(array if p is None else p, array.shape, device, generator).astype(dtype)

    return stored("bernoulli", out, from_array(drawn_from(make, input)))


def _indices(array: Array, num_samples: int, replacement: bool, device: Device, generator: Generator | None) -> Array:
    """Draws with the probabilities in the last dimension of an array."""
    n = array.shape[-1]
    weights = array.reshape(-1, n).astype(np.float64)
    space = xp(array)
    if array.__class__ is np.ndarray:
        if not bool((np.isfinite(weights) & (weights >= 0)).all()):
            raise RuntimeError("probability tensor contains either `inf`, `nan` or element < 0")
        if not bool((weights.sum(1) > 0).all()):
            raise RuntimeError("invalid multinomial distribution (sum of probabilities <= 0)")
    rows = weights.shape[0]
    if replacement:
        total = weights.cumsum(axis=1)
        total /= total[:, -1:]
        u = _draw("uniform", (rows, num_samples), _FLOAT64, device, generator)
        # One search for all rows: each is shifted into an interval of its own.
        shift = space.arange(rows, dtype=np.float64)[:, None]
        places = space.searchsorted((total + shift).reshape(-1), (u + shift).reshape(-1), side="right")
        # The last weight above zero ends a row, so no index beyond it is returned.
        last = n - 1 - space.argmax((weights > 0)[:, ::-1], axis=1)[:, None]
        indices = space.minimum(places.reshape(rows, num_samples) - space.arange(rows)[:, None] * n, last)
    else:
        waiting = _draw("exponential", weights.shape, _FLOAT64, device, generator)
        waiting /= space.maximum(weights, 1e-300)
        indices = space.argsort(waiting, axis=1)[:, :num_samples]
    return indices.astype(np.int64).reshape((*array.shape[:-1], num_samples))


@composite(method=True)
@on_first
def multinomial(
    input: Tensor,
    num_samples: int,
    replacement: bool = False,
    *,
    generator: Generator | None = None,
    out: Operand = None,
) -> Tensor:
    """Indices drawn with the probabilities in the last dimension, which need not add up to one.

    Without replacement the draws with the least waiting times are taken, ``exponential / probability`` (Efraimidis and
    Spirakis, 2006); with replacement the cumulative sums are searched.

    Args:
        input: non-negative weights, of shape (n,) or (rows, n).
        replacement: whether an index may be drawn again.

    Returns:
        int64 tensor of shape (num_samples,) or (rows, num_samples).

    Raises:
        RuntimeError: the weights are negative, not finite or all zero (seen on the CPU), or there are fewer than
            `num_samples` without replacement.

    Example:
        >>> tapegrad.multinomial(tapegrad.tensor([0.0, 1.0]), 3, replacement=True)
        tensor([1, 1, 1])
    """
    array = input._array
    if array.ndim not in (1, 2):
        raise RuntimeError("prob_dist must be 1 or 2 dim")
    if not dtypes.of(array.dtype).is_floating_point:
        raise RuntimeError(
            f"multinomial only supports floating-point dtypes for input, got: {dtypes.of(array.dtype).scalar_type}"
        )
    n = array.shape[-1]
    if num_samples <= 0:
        raise RuntimeError("cannot sample n_sample <= 0 samples")
    if not replacement and num_samples > n:
        raise RuntimeError("cannot sample n_sample > prob_dist.size(-1) samples without replacement")
    device = input.device

    def make(array: Array) -> Array:
        return _indices(array, num_samples, replacement, device, generator)

    return stored("multinomial", out, from_array(drawn_from(make, input)))


# ---- drawing into a tensor


def _replaced_in_batch(batched: frozenset[str], input: Tensor, values: Operand) -> Tensor:
    values = values if isinstance(values, Tensor) else from_array(values)
    return values if "values" in batched else values.expand(input._array.shape)


@op(input=lambda grad: None, public=False, name="random", batch=_replaced_in_batch)
def _replaced(input: Array, values: Array) -> Array:
    return values


def _draw_into(t: Tensor, make: Draw) -> Tensor:
    """Write what `make` draws for a shape over `t`, whose old value gets no gradient any more."""
    dtype = t._array.dtype
    check_target(t)
    with on_device_of(t):
        values = drawn(lambda shape: make(shape).astype(dtype, copy=False), t._array.shape)
    return inplace.apply(_replaced, t, (values,), {})


def _draw_floats_into(t: Tensor, draw: str, generator: Generator | None, transform: Callable[[Array], Array]) -> Tensor:
    """Write transformed draws over `t`, in its dtype, which must be floating."""
    dtype, device = t._array.dtype, t.device
    if not dtypes.of(dtype).is_floating_point:
        raise not_implemented(draw, dtype)
    return _draw_into(t, lambda shape: transform(_draw(draw, shape, dtype, device, generator)))


@composite(public=False)
def uniform_(
    self: Tensor, from_: float = 0.0, to: float = 1.0, *, generator: Generator | None = None, **bounds: float
) -> Tensor:
    """Fill with uniform random numbers from [from, to); returns the tensor."""
    low = bounds.pop("from", from_)
    if bounds or low > to:
        raise RuntimeError(f"uniform_ expects to return a [from, to) range, but found from={low} > to={to}")

    def stretched(values: Array) -> Array:
        if (low, to) != (0, 1):
            values *= to - low
            values += low
        return values

    return _draw_floats_into(self, "uniform", generator, stretched)


@composite(public=False)
def normal_(self: Tensor, mean: float = 0.0, std: float = 1.0, *, generator: Generator | None = None) -> Tensor:
    """Fill with normal random numbers; returns the tensor."""
    if std < 0:
        raise RuntimeError(f"normal expects std >= 0.0, but found std {std}")

    def scaled(values: Array) -> Array:
        values *= std
        if mean:
            values += mean
        return values

    return _draw_floats_into(self, "normal", generator, scaled)


@composite(public=False)
def log_normal_(self: Tensor, mean: float = 1.0, std: float = 2.0, *, generator: Generator | None = None) -> Tensor:
    """Fill with numbers whose logarithms are normal; returns the tensor."""
    if std <= 0:
        raise RuntimeError(f"log_normal_ expects std > 0.0, but found std={std}")
    return _draw_floats_into(self, "normal", generator, lambda z: xp(z).exp(z * std + mean))


@composite(public=False)
def exponential_(self: Tensor, lambd: float = 1.0, *, generator: Generator | None = None) -> Tensor:
    """Fill with exponential random numbers of rate `lambd`; returns the tensor."""
    if lambd <= 0:
        raise RuntimeError(f"exponential_ expects lambda > 0.0, but found lambda={lambd}")
    return _draw_floats_into(self, "exponential", generator, lambda values: values / lambd)


@composite(public=False)
def cauchy_(self: Tensor, median: float = 0.0, sigma: float = 1.0, *, generator: Generator | None = None) -> Tensor:
    """Fill with Cauchy random numbers; returns the tensor."""
    if sigma <= 0:
        raise RuntimeError(f"cauchy_ expects sigma > 0.0, but found sigma={sigma}")
    return _draw_floats_into(self, "uniform", generator, lambda u: median + sigma * xp(u).tan(math.pi * (u - 0.5)))


@composite(public=False)
def geometric_(self: Tensor, p: float, *, generator: Generator | None = None) -> Tensor:
    """Fill with numbers of trials until the first success, each of probability `p`; returns the tensor."""
    if not 0 < p < 1:
        raise RuntimeError(f"geometric_ expects p to be in (0, 1), but got p={p}")
    device = self.device

    def trials(shape: tuple[int, ...]) -> Array:
        waiting = _draw("exponential", shape, _FLOAT64, device, generator)
        return xp(waiting).maximum(xp(waiting).ceil(waiting / -math.log1p(-p)), 1)

    return _draw_into(self, trials)


@composite(public=False)
def bernoulli_(self: Tensor, p: Operand = 0.5, *, generator: Generator | None = None) -> Tensor:
    """Fill with zeros and ones, ones with probability `p` (a number, or a tensor); returns the tensor."""
    dtype, device = self._array.dtype, self.device
    if not isinstance(p, Tensor):
        return _draw_into(self, lambda shape: _chances(float(p), shape, device, generator))
    check_operands([p])
    check_target(self)

    def make(chances: Array) -> Array:
        return _chances(chances, chances.shape, device, generator).astype(dtype)

    with on_device_of(self):
        values = drawn_from(make, p.detach().expand(self._array.shape))
    return inplace.apply(_replaced, self, (values,), {})


def _end_of(dtype: dtypes.dtype) -> int:
    """One more than the largest integer that `random_` draws: up to there a dtype holds all integers exactly."""
    if dtype.is_floating_point:
        return int(2 / dtypes.finfo(dtype).eps) + 1
    if dtype is dtypes.bool_:
        return 2
    return dtypes.iinfo(dtype).max + (dtype is not dtypes.int64)


@composite(public=False)
def random_(self: Tensor, *bounds: int, generator: Generator | None = None, **named: int) -> Tensor:
    """Fill with random integers from [from, to), or all that the dtype holds exactly; returns the tensor."""
    dtype, device = self._array.dtype, self.device
    low = named.pop("from", bounds[0] if len(bounds) == 2 else 0)
    high = named.pop("to", bounds[-1] if bounds else None)
    if named or len(bounds) > 2:
        raise TypeError("random_(): takes from and to")
    end = _end_of(dtypes.of(dtype)) if high is None else int(high)
    return _draw_into(self, lambda shape: _integers(shape, int(low), end, dtype, device, generator))


for _method in (uniform_, normal_, log_normal_, exponential_, cauchy_, geometric_, bernoulli_, random_):
    setattr(Tensor, _method.__name__, _method)


# ---- dropout


def _scale_kept_in_batch(batched: frozenset[str], input: Tensor, mask: Operand, scale: float) -> Tensor:
    if "mask" not in batched:
        return scale_kept(input, mask, scale)
    moved = aligned(("input", "mask"), batched, {"input": input, "mask": mask})
    mask = moved["mask"]._array
    whole = moved["input"] if "input" in batched else input.expand(mask.shape[0], *input._array.shape)
    return scale_kept(whole, mask, scale)


@op(
    input=lambda grad, mask, scale: scale_kept(grad, mask, scale),
    kind="linear",
    public=False,
    name="native_dropout",
    batch=_scale_kept_in_batch,
)
def scale_kept(input: Array, mask: Array, scale: float) -> Array:
    """``input * scale`` where `mask`, zero elsewhere."""
    y = input * mask.astype(input.dtype)
    y *= input.dtype.type(scale)
    return y


@exported
def dropout_mask(shape: tuple[int, ...], p: float, device: Device, generator: Generator | None = None) -> Array:
    """A boolean array that is False with probability `p`, held to 1/65536."""

    def make(shape: tuple[int, ...]) -> Array:
        n = math.prod(shape)
        words = _words("mask16", n, None, device, generator)
        return draws.mask16(xp(words), words, 1.0 - p, n).reshape(shape)

    with on(device):
        return drawn(make, shape)


def dropout(input: Tensor, p: float, shape: tuple[int, ...] | None = None) -> Tensor:
    """`input` with elements zeroed with probability `p` and the others divided by ``1 - p``.

    Args:
        p: probability, held to 1/65536.
        shape: of the mask, which broadcasts (to drop whole channels); None: that of `input`.
    """
    if p == 1:
        return input * 0
    mask = dropout_mask(input._array.shape if shape is None else shape, p, input.device)
    return scale_kept(input, mask, 1.0 / (1.0 - p))
