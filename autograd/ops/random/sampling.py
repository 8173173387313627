"""Random tensors. Every draw takes its words from a counter-based stream, so the numbers depend on seed and position
and not on the device.
"""

from __future__ import annotations

import math
from collections.abc import Callable
from typing import Any

import numpy as np

from tapegrad.autograd.core.tensor import Tensor, from_array
from tapegrad.autograd.dispatch import inplace
from tapegrad.autograd.dispatch.batch_rules import aligned
from tapegrad.autograd.dispatch.decorator import composite, exported, op
from tapegrad.autograd.modes.device_guard import on, on_device_of, on_first
from tapegrad.autograd.ops.creation.factories import finish, place, size_of
from tapegrad.autograd.ops.creation.pin_memory import pin
from tapegrad.autograd.ops.random.generator import Generator, default_generator
from tapegrad.autograd.ops.random.in_vmap import check_operands, check_target, drawn, drawn_from
from tapegrad.autograd.ops.shape.expand import broadcast_shapes
from tapegrad.autograd.types import dtypes
from tapegrad.backends import Device, xp
from tapegrad.backends.numerics import philox as draws


def _words(draw: str, n: int, dtype: Any, device: Device, generator: Generator | None) -> Any:
    """The words that a draw of `n` elements takes."""
    return (generator or default_generator(device)).words(draws.needed(draw, n, dtype), device)


def _draw(draw: str, shape: tuple[int, ...], dtype: np.dtype, device: Device, generator: Generator | None) -> Any:
    """An array of `shape` with draws of "uniform", "normal" or "exponential"."""
    n = math.prod(shape)
    words = _words(draw, n, dtype, device, generator)
    return getattr(draws, draw)(xp(words), words, n, dtype).reshape(shape)


def _make(
    draw: str,
    size: tuple[int, ...],
    dtype: Any,
    device: Any,
    generator: Generator | None,
    requires_grad: bool,
    out: Any,
    mean: float = 0.0,
    std: float = 1.0,
) -> Tensor:
    where = place(device if out is None or device is not None else out.device)
    wanted = dtypes.default_float() if dtype is None else dtypes.numpy_dtype(dtype)
    if not dtypes.is_inexact(wanted):
        raise NotImplementedError(f"\"{draw}\" not implemented for '{dtypes.of(wanted).scalar_type}'")

    def of(shape: tuple[int, ...]) -> Any:
        if wanted.kind == "c":
            pair = _draw(draw, (*shape, 2), dtypes.of(wanted).to_real().numpy, where, generator)
            if draw == "normal":
                pair *= math.sqrt(0.5)
            array = pair.view(wanted).reshape(shape)
        else:
            array = _draw(draw, shape, wanted, where, generator)
        if std != 1:
            array *= std
        if mean:
            array += mean
        return array

    with on(where):
        made = finish(drawn(of, size), requires_grad)
    return made if out is None else inplace.store_out(draw, out, made)


@composite()
def rand(
    *sizes: Any,
    size: Any = None,
    generator: Generator | None = None,
    out: Any = None,
    dtype: Any = None,
    layout: Any = None,
    device: Any = None,
    requires_grad: bool = False,
    pin_memory: bool = False,
) -> Tensor:
    """Uniform random numbers from [0, 1).

    Args:
        *sizes: the shape, as integers or one sequence.

    Example:
        >>> tapegrad.rand(2, 3).shape
        torch.Size([2, 3])
    """
    made = _make("uniform", size_of(sizes, size, "rand"), dtype, device, generator, requires_grad, out)
    return pin(made) if pin_memory else made


@composite()
def randn(
    *sizes: Any,
    size: Any = None,
    generator: Generator | None = None,
    out: Any = None,
    dtype: Any = None,
    layout: Any = None,
    device: Any = None,
    requires_grad: bool = False,
    pin_memory: bool = False,
) -> Tensor:
    """Standard normal random numbers; complex ones have variance 1.

    Args:
        *sizes: the shape, as integers or one sequence.

    Example:
        >>> tapegrad.randn(2, 3).shape
        torch.Size([2, 3])
    """
    made = _make("normal", size_of(sizes, size, "randn"), dtype, device, generator, requires_grad, out)
    return pin(made) if pin_memory else made


def _like(input: Tensor, dtype: Any, device: Any) -> tuple[Any, Any]:
    return input.dtype if dtype is None else dtype, input.device if device is None else device


@composite()
def rand_like(
    input: Tensor,
    *,
    generator: Generator | None = None,
    dtype: Any = None,
    layout: Any = None,
    device: Any = None,
    requires_grad: bool = False,
    memory_format: Any = None,
) -> Tensor:
    """Uniform random numbers from [0, 1) with the shape, dtype and device of `input`.

    Example:
        >>> tapegrad.rand_like(tapegrad.zeros(2, 3)).shape
        torch.Size([2, 3])
    """
    dtype, device = _like(input, dtype, device)
    return _make("uniform", input._array.shape, dtype, device, generator, requires_grad, None)


@composite()
def randn_like(
    input: Tensor,
    *,
    generator: Generator | None = None,
    dtype: Any = None,
    layout: Any = None,
    device: Any = None,
    requires_grad: bool = False,
    memory_format: Any = None,
) -> Tensor:
    """Standard normal random numbers with the shape, dtype and device of `input`.

    Example:
        >>> tapegrad.randn_like(tapegrad.zeros(2, dtype=tapegrad.float64)).dtype
        torch.float64
    """
    dtype, device = _like(input, dtype, device)
    return _make("normal", input._array.shape, dtype, device, generator, requires_grad, None)


def _integers(
    shape: tuple[int, ...], low: int, high: int, dtype: np.dtype, device: Device, generator: Generator | None
) -> Any:
    if low >= high:
        raise RuntimeError(f"random_ expects 'from' to be less than 'to', but got from={low} >= to={high}")
    words = _words("integers", math.prod(shape), None, device, generator)
    if dtypes.is_inexact(dtype):
        return draws.integers(xp(words), words, low, high, np.dtype(np.int64)).astype(dtype).reshape(shape)
    return draws.integers(xp(words), words, low, high, dtype).reshape(shape)


@composite()
def randint(
    low: int,
    high: Any = None,
    size: Any = None,
    *,
    generator: Generator | None = None,
    out: Any = None,
    dtype: Any = None,
    layout: Any = None,
    device: Any = None,
    requires_grad: bool = False,
    pin_memory: bool = False,
) -> Tensor:
    """Random integers from [low, high).

    Args:
        low: the least integer; with ``randint(high, size)`` it is 0.
        high: one more than the greatest.
        dtype: of the result; int64 if not given.

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
    where = place(device)
    wanted = dtypes.numpy_dtype(dtypes.int64 if dtype is None else dtype)
    with on(where):
        made = finish(
            drawn(lambda shape: _integers(shape, int(low), int(high), wanted, where, generator), size_of((size,))),
            requires_grad,
        )
    made = made if out is None else inplace.store_out("randint", out, made)
    return pin(made) if pin_memory else made


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


def _permutations(shape: tuple[int, ...], device: Device, generator: Generator | None) -> Any:
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
    out: Any = None,
    dtype: Any = None,
    layout: Any = None,
    device: Any = None,
    requires_grad: bool = False,
    pin_memory: bool = False,
) -> Tensor:
    """A random permutation of 0 .. n-1.

    Args:
        n: how many integers.
        dtype: of the result; int64 if not given.

    Example:
        >>> tapegrad.randperm(4).sort().values
        tensor([0, 1, 2, 3])
    """
    if n < 0:
        raise RuntimeError(f"n must be non-negative, got {n}")
    where = place(device)
    wanted = dtypes.numpy_dtype(dtypes.int64 if dtype is None else dtype)
    with on(where):
        made = finish(
            drawn(lambda shape: _permutations(shape, where, generator).astype(wanted, copy=False), (n,)), requires_grad
        )
    made = made if out is None else inplace.store_out("randperm", out, made)
    return pin(made) if pin_memory else made


@composite()
def normal(
    mean: Any,
    std: Any = 1.0,
    size: Any = None,
    *,
    generator: Generator | None = None,
    out: Any = None,
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
    if isinstance(mean, Tensor) or isinstance(std, Tensor):
        given = [t.detach() for t in (mean, std) if isinstance(t, Tensor)]
        shape = broadcast_shapes(*[t._array.shape for t in given])
        check_operands(given)
        z = _make("normal", shape, given[0].dtype, given[0].device, generator, False, None)
        mean = mean.detach() if isinstance(mean, Tensor) else mean
        made = z * (std.detach() if isinstance(std, Tensor) else std) + mean
    else:
        if size is None:
            raise TypeError("normal(): a size is needed where mean and std are numbers")
        made = _make("normal", size_of((size,)), dtype, device, generator, requires_grad, None, mean, std)
    made = made if out is None else inplace.store_out("normal", out, made)
    return pin(made) if pin_memory else made


def _chances(p: Any, shape: tuple[int, ...], device: Device, generator: Generator | None) -> Any:
    """Booleans, True with the probability (number, or array of `shape`) `p`."""
    _check_probability(p)
    n = math.prod(shape)
    given = None if isinstance(p, (int, float)) else p.reshape(-1)
    words = _words("bernoulli", n, None if given is None else given.dtype, device, generator)
    return draws.bernoulli(xp(words), words, p if given is None else given, n).reshape(shape)


def _check_probability(p: Any) -> None:
    if isinstance(p, (int, float)):
        if not 0 <= p <= 1:
            raise RuntimeError(f"bernoulli_ expects p to be in [0, 1], but got p={p}")
    elif p.__class__ is np.ndarray and not bool(((p >= 0) & (p <= 1)).all()):
        # On a device the values are not looked at: that would be a synchronisation.
        raise RuntimeError("Expected p_in >= 0 && p_in <= 1 to be true, but got false.")


@composite(method=True)
@on_first
def bernoulli(input: Tensor, p: float | None = None, *, generator: Generator | None = None, out: Any = None) -> Tensor:
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
    made = from_array(
        drawn_from(
            lambda array: _chances(array if p is None else p, array.shape, device, generator).astype(dtype), input
        )
    )
    return made if out is None else inplace.store_out("bernoulli", out, made)


def _indices(array: Any, num_samples: int, replacement: bool, device: Device, generator: Generator | None) -> Any:
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
        u = _draw("uniform", (rows, num_samples), np.dtype(np.float64), device, generator)
        # One search for all rows: each is shifted into an interval of its own. The last weight above zero ends a row,
        # so no index beyond it is found.
        shift = space.arange(rows, dtype=np.float64)[:, None]
        found = space.searchsorted((total + shift).reshape(-1), (u + shift).reshape(-1), side="right").reshape(
            rows, num_samples
        )
        last = n - 1 - space.argmax((weights > 0)[:, ::-1], axis=1)[:, None]
        indices = space.minimum(found - space.arange(rows)[:, None] * n, last)
    else:
        waiting = _draw("exponential", weights.shape, np.dtype(np.float64), device, generator)
        waiting /= space.maximum(weights, 1e-300)
        indices = space.argsort(waiting, axis=1)[:, :num_samples]
    return indices.astype(np.int64).reshape((*array.shape[:-1], num_samples))


@composite(method=True)
@on_first
def multinomial(
    input: Tensor, num_samples: int, replacement: bool = False, *, generator: Generator | None = None, out: Any = None
) -> Tensor:
    """Indices drawn with the probabilities in the last dimension, which need not add up to one.

    Without replacement the draws with the least waiting times are taken, ``exponential / probability`` (Efraimidis and
    Spirakis, 2006); with replacement the cumulative sums are searched.

    Args:
        input: non-negative weights, of shape (n,) or (rows, n).
        num_samples: how many to draw of each row.
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
    made = from_array(drawn_from(lambda array: _indices(array, num_samples, replacement, device, generator), input))
    return made if out is None else inplace.store_out("multinomial", out, made)


# ---- drawing into a tensor


def _drawn_batch(batched: frozenset[str], input: Any, values: Any) -> Any:
    drawn = values if isinstance(values, Tensor) else from_array(values)
    return drawn if "values" in batched else drawn.expand(input._array.shape)


@op(input=lambda grad: None, public=False, name="random", batch=_drawn_batch)
def _drawn(input: Any, values: Any) -> Any:
    return values


def _draw_into(t: Tensor, make: Callable[[tuple[int, ...]], Any]) -> Tensor:
    """Write what `make` draws for a shape over `t`, whose old value gets no gradient any more."""
    dtype = t._array.dtype
    check_target(t)
    with on_device_of(t):
        values = drawn(lambda shape: make(shape).astype(dtype, copy=False), t._array.shape)
    return inplace.apply(_drawn, t, (values,), {})


def _draw_floats_into(t: Tensor, draw: str, generator: Generator | None, transform: Callable[[Any], Any]) -> Tensor:
    """Write transformed draws over `t`, in its dtype, which must be floating."""
    dtype, device = t._array.dtype, t.device
    if not dtypes.of(dtype).is_floating_point:
        raise NotImplementedError(f"\"{draw}\" not implemented for '{dtypes.of(dtype).scalar_type}'")
    return _draw_into(t, lambda shape: transform(_draw(draw, shape, dtype, device, generator)))


@composite(public=False)
def uniform_(
    self: Tensor, from_: float = 0.0, to: float = 1.0, *, generator: Generator | None = None, **bounds: float
) -> Tensor:
    """Fill with uniform random numbers from [from, to); returns the tensor.

    Raises:
        RuntimeError: ``from > to``.
    """
    low = bounds.pop("from", from_)
    if bounds or low > to:
        raise RuntimeError(f"uniform_ expects to return a [from, to) range, but found from={low} > to={to}")

    def spread(values: Any) -> Any:
        if (low, to) != (0, 1):
            values *= to - low
            values += low
        return values

    return _draw_floats_into(self, "uniform", generator, spread)


@composite(public=False)
def normal_(self: Tensor, mean: float = 0.0, std: float = 1.0, *, generator: Generator | None = None) -> Tensor:
    """Fill with normal random numbers; returns the tensor.

    Raises:
        RuntimeError: `std` is negative.
    """
    if std < 0:
        raise RuntimeError(f"normal expects std >= 0.0, but found std {std}")

    def moved(values: Any) -> Any:
        values *= std
        if mean:
            values += mean
        return values

    return _draw_floats_into(self, "normal", generator, moved)


@composite(public=False)
def log_normal_(self: Tensor, mean: float = 1.0, std: float = 2.0, *, generator: Generator | None = None) -> Tensor:
    """Fill with numbers whose logarithms are normal; returns the tensor."""
    if std <= 0:
        raise RuntimeError(f"log_normal_ expects std > 0.0, but found std={std}")
    return _draw_floats_into(self, "normal", generator, lambda values: xp(values).exp(values * std + mean))


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

    def trials(shape: tuple[int, ...]) -> Any:
        waiting = _draw("exponential", shape, np.dtype(np.float64), device, generator)
        return xp(waiting).maximum(xp(waiting).ceil(waiting / -math.log1p(-p)), 1)

    return _draw_into(self, trials)


@composite(public=False)
def bernoulli_(self: Tensor, p: Any = 0.5, *, generator: Generator | None = None) -> Tensor:
    """Fill with zeros and ones, ones with probability `p` (a number, or a tensor); returns the tensor."""
    dtype, device = self._array.dtype, self.device
    if not isinstance(p, Tensor):
        return _draw_into(self, lambda shape: _chances(float(p), shape, device, generator))
    check_operands([p])
    check_target(self)
    with on_device_of(self):
        values = drawn_from(
            lambda chance: _chances(chance, chance.shape, device, generator).astype(dtype),
            p.detach().expand(self._array.shape),
        )
    return inplace.apply(_drawn, self, (values,), {})


@composite(public=False)
def random_(self: Tensor, *bounds: int, generator: Generator | None = None, **named: int) -> Tensor:
    """Fill with random integers from [from, to); without bounds, from all that the dtype holds exactly; returns the
    tensor.
    """
    kind, device = self._array.dtype, self.device
    dtype = dtypes.of(kind)
    low = named.pop("from", bounds[0] if len(bounds) == 2 else 0)
    high = named.pop("to", bounds[-1] if bounds else None)
    if named or len(bounds) > 2:
        raise TypeError("random_(): takes from and to")
    if high is None:
        if dtype.is_floating_point:
            high = int(2 / dtypes.finfo(dtype).eps) + 1
        elif dtype is dtypes.bool_:
            high = 2
        else:
            high = dtypes.iinfo(dtype).max + (dtype is not dtypes.int64)
    return _draw_into(self, lambda shape: _integers(shape, int(low), int(high), kind, device, generator))


# ---- dropout


def _scaled_batch(batched: frozenset[str], input: Any, mask: Any, scale: float) -> Any:
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
    batch=_scaled_batch,
)
def scale_kept(input: Any, mask: Any, scale: float) -> Any:
    """``input * scale`` where `mask`, zero elsewhere."""
    y = input * mask.astype(input.dtype)
    y *= input.dtype.type(scale)
    return y


@exported
def dropout_mask(shape: tuple[int, ...], p: float, device: Device, generator: Generator | None = None) -> Any:
    """A boolean array that is False with probability `p`, held to 1/65536."""

    def of(shape: tuple[int, ...]) -> Any:
        n = math.prod(shape)
        words = _words("mask16", n, None, device, generator)
        return draws.mask16(xp(words), words, 1.0 - p, n).reshape(shape)

    with on(device):
        return drawn(of, shape)


def dropout(input: Tensor, p: float, shape: tuple[int, ...] | None = None) -> Tensor:
    """`input` with elements zeroed with probability `p` and the others divided by ``1 - p``.

    Args:
        p: probability, held to 1/65536.
        shape: of the mask, which broadcasts (to drop whole channels); by default that of `input`.
    """
    if p == 1:
        return input * 0
    mask = dropout_mask(input._array.shape if shape is None else shape, p, input.device)
    return scale_kept(input, mask, 1.0 / (1.0 - p))


for _method in (uniform_, normal_, log_normal_, exponential_, cauchy_, geometric_, bernoulli_, random_):
    setattr(Tensor, _method.__name__, _method)
