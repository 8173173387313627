"""Counter-based random numbers: the words of NumPy's Philox at any position of a stream, and what is made of them.

J. K. Salmon et al., "Parallel random numbers: as easy as 1, 2, 3", SC11: Philox4x64-10 turns a key and a counter into
four 64-bit words, so every device computes the same words for the same seed and position, in any order and in parallel.
The transforms below are written once over the namespace `xp` of the `words` that they take (`needed` says how many),
use a fixed number of words for each of their `n` elements and reject none: uniforms, Bernoulli draws, integers and
permutations are the same bits on every device; normals and exponentials agree to a few ulp (of the pair's radius, for
float64 normals).
"""

from __future__ import annotations

import math
import sys
import threading
from collections.abc import Callable
from typing import Any

import numpy as np

Array = Any

if sys.byteorder != "little":
    raise ImportError(
        "tapegrad's random numbers take 16- and 32-bit lanes from 64-bit words, low lane first: they need a "
        "little-endian machine"
    )

BLOCK = 16 * 1024  # words that go through a transform at a time on NumPy: its temporaries stay in the cache


# ----------------------------------------------------------------------------------------------------
# words and streams


class _Local(threading.local):
    """This thread's Philox bit generator, and the state that positions it."""

    def __init__(self) -> None:
        self.bits = np.random.Philox(key=0)
        self.state = self.bits.state
        self.counter = self.state["state"]["counter"]
        self.key = self.state["state"]["key"]


_local: _Local | None = None  # made at first use: numpy.random is slow to import


def words(key: tuple[int, int], counter: int, n: int) -> np.ndarray:
    """`n` words of the stream of ``numpy.random.Philox(key=key)``, from word number `counter` on.

    Args:
        key: two 64-bit integers.
        counter: any, not only multiples of four.

    Raises:
        ValueError: the words would lie outside positions 0 to 2**64, or `n` is negative.

    Example:
        >>> stream = np.random.Philox(key=np.array([5, 7], np.uint64)).random_raw(10)
        >>> bool((words((5, 7), 3, 4) == stream[3:7]).all())
        True
    """
    global _local
    check_range(counter, n)
    if _local is None:
        _local = _Local()
    local = _local
    local.key[:] = key
    local.counter[0] = counter >> 2
    local.bits.state = local.state
    if counter & 3:
        local.bits.random_raw(counter & 3, output=False)
    return local.bits.random_raw(n)


def check_range(counter: int, n: int) -> None:
    """Raise ValueError unless a stream has `n` words at `counter`."""
    if counter < 0 or n < 0 or counter + n > 2**64:
        raise ValueError(f"a random stream has words 0 to 2**64, and not {n} from word {counter} on")


def key_of(seed: int) -> tuple[int, int]:
    """The Philox key of a seed: the first two numbers of the generator SplitMix64 (Steele, Lea and Flood, OOPSLA 2014)
    that starts at `seed`.

    Example:
        >>> key_of(0)
        (16294208416658607535, 7960286522194355700)
    """
    return _mix(seed + _GOLDEN), _mix(seed + 2 * _GOLDEN)


_GOLDEN = 0x9E3779B97F4A7C15
_MASK = 2**64 - 1


def _mix(z: int) -> int:
    z &= _MASK
    z = (z ^ (z >> 30)) * 0xBF58476D1CE4E5B9 & _MASK
    z = (z ^ (z >> 27)) * 0x94D049BB133111EB & _MASK
    return z ^ (z >> 31)


class Stream:
    """A seeded stream of words and the position of the next one; the words themselves are made on whatever device needs
    them.

    Args:
        seed: 64-bit seed; a negative one means ``seed + 2**64``, as in PyTorch.

    Raises:
        ValueError: `seed` does not fit in 64 bits.

    Example:
        >>> stream = Stream(0)
        >>> key, counter = stream.take(6)
        >>> stream.take(1) == (key, 6)
        True
    """

    __slots__ = ("_counter", "_key", "_lock", "_seed")
    _counter: int
    _key: tuple[int, int]
    _seed: int

    def __init__(self, seed: int) -> None:
        self._lock = threading.Lock()
        self.set_state((seed, 0))

    @property
    def seed(self) -> int:
        """The seed, from 0 to 2**64 - 1."""
        return self._seed

    @property
    def key(self) -> tuple[int, int]:
        """The Philox key that belongs to the seed."""
        return self._key

    @property
    def counter(self) -> int:
        """The position of the next word."""
        return self._counter

    def take(self, n: int) -> tuple[tuple[int, int], int]:
        """The key and position of the next `n` words, which nobody else gets; threads may call it at once.

        Raises:
            ValueError: the stream has no `n` words left.
        """
        with self._lock:
            key, counter = self._key, self._counter
            check_range(counter, n)
            self._counter = counter + n
        return key, counter

    def state(self) -> tuple[int, int]:
        """All there is to it: seed and counter."""
        with self._lock:
            return self._seed, self._counter

    def set_state(self, state: tuple[int, int]) -> None:
        """Continue from a `state`.

        Raises:
            ValueError: it holds no 64-bit seed and position.
        """
        seed, counter = state
        if not -(2**63) <= seed < 2**64:
            raise ValueError(f"Overflow when unpacking long long: a seed has 64 bits, and {seed} has more")
        check_range(counter, 0)
        with self._lock:
            self._seed, self._counter = seed & _MASK, counter
            self._key = key_of(self._seed)

    def __reduce__(self) -> tuple[Any, ...]:
        return _revive, (self.state(),)


def _revive(state: tuple[int, int]) -> Stream:
    stream = Stream(0)
    stream.set_state(state)
    return stream


# ----------------------------------------------------------------------------------------------------
# transforms


def needed(draw: str, n: int, dtype: Any = None) -> int:
    """How many words a transform takes for `n` elements.

    Args:
        draw: the transform's name.
        dtype: the dtype asked of `uniform`, `normal` or `exponential`; for `bernoulli` that of the array of
            probabilities, None for a number.

    Example:
        >>> [needed("uniform", 9, dtype) for dtype in (np.float64, np.float32, np.float16)]
        [9, 5, 3]
    """
    bits = {"mask16": 16, "integers": 64, "permutation": 64}.get(draw)
    if bits is None:
        dtype = _float(np.float32 if dtype is None else dtype)
        bits = 8 * dtype.itemsize if draw == "uniform" else max(8 * dtype.itemsize, 32)
        if draw == "normal" and bits == 64:
            n += n & 1
    return -(-n * bits // 64)


_DIGITS = {"float64": 53, "float32": 24, "float16": 11, "bfloat16": 8}


def _float(dtype: Any) -> np.dtype[Any]:
    dtype = np.dtype(dtype)
    if dtype.name not in _DIGITS:
        raise TypeError(f"random floats are float64, float32, float16 or bfloat16, not {dtype}")
    return dtype


def uniform(xp: Any, words: Array, n: int, dtype: Any) -> Array:
    """`n` floats in [0, 1): multiples of 2**-53 in float64, 2**-24 in float32, 2**-11 in float16, 2**-8 in bfloat16.

    In float64 and float32 they are the numbers of ``numpy.random.Generator.random``.

    Example:
        >>> generator = np.random.Generator(np.random.Philox(key=1))
        >>> bool((uniform(np, words((1, 0), 0, 3), 5, np.float32) == generator.random(5, np.float32)).all())
        True
    """
    dtype = _float(dtype)
    digits = _DIGITS[dtype.name]
    size = dtype.itemsize
    unsigned, signed, work = np.dtype(f"u{size}"), np.dtype(f"i{size}"), np.dtype(np.float32) if size == 2 else dtype
    drop = unsigned.type(8 * size - digits)

    def floats(xp: Any, words: Array) -> Array:
        y = (words.view(unsigned) >> drop).view(signed).astype(work)
        y *= 2.0**-digits
        return y.astype(dtype, copy=False)

    return _in_blocks(xp, floats, words, n, dtype, 8 // size)


def normal(xp: Any, words: Array, n: int, dtype: Any) -> Array:
    """`n` standard normals by the method of Box and Muller (1958), two of each pair of uniforms.

    The radius is ``sqrt(-2 log(u))`` with u = (k + 1/2) / 2**32 (2**53 in float64), so the tails reach 6.7 (8.6) and
    the uniform's relative precision is full there. NumPy vectorises all it needs; inversion takes twice as many passes.
    The half types are rounded from float32.
    """
    dtype = _float(dtype)
    if dtype == np.float64:
        return _in_blocks(xp, _normals64, words, n, dtype, 1)
    return _in_blocks(xp, _normals32, words, n, dtype, 2).astype(dtype, copy=False)


def _normals32(xp: Any, words: Array) -> Array:
    lanes = words.view(np.uint32)
    radius = lanes[0::2].astype(np.float32)
    _radius(xp, radius, 2.0**-32)
    angle = lanes[1::2].view(np.int32).astype(np.float32)
    angle *= math.pi * 2.0**-31
    pairs = xp.empty(lanes.size, np.float32)
    pairs[0::2] = xp.cos(angle) * radius
    pairs[1::2] = xp.sin(angle) * radius
    return pairs


def _normals64(xp: Any, words: Array) -> Array:
    radius = (words[0::2] >> np.uint64(11)).view(np.int64).astype(np.float64)
    _radius(xp, radius, 2.0**-53)
    # NumPy vectorises tan of float64 but neither sin nor cos: both from the tangent of half the angle.
    tangent = words[1::2].view(np.int64).astype(np.float64)
    tangent *= math.pi * 2.0**-64
    tangent = xp.tan(tangent)
    square = tangent * tangent
    radius /= 1 + square
    pairs = xp.empty(words.size, np.float64)
    pairs[0::2] = (1 - square) * radius
    tangent *= 2
    tangent *= radius
    pairs[1::2] = tangent
    return pairs


def _radius(xp: Any, k: Array, scale: float) -> None:
    """``sqrt(-2 log(u))`` for u = (k + 1/2) * scale, in place."""
    _minus_log(xp, k, scale)
    k *= 2
    xp.sqrt(k, out=k)


def exponential(xp: Any, words: Array, n: int, dtype: Any) -> Array:
    """`n` exponentials of rate 1 by inversion, ``-log(u)`` with u as in `normal`.

    All are greater than 0: where u rounds to 1 the result is half the spacing below 1, so that logarithms of
    exponentials (Gumbel draws) are finite. The half types are rounded from float32.
    """
    dtype = _float(dtype)
    if dtype == np.float64:
        return _in_blocks(xp, _exponentials64, words, n, dtype, 1)
    y = _in_blocks(xp, _exponentials32, words, n, np.float32, 2)
    # the least number of float16 is 2**-24
    return y if dtype == np.float32 else xp.maximum(y, 2.0**-24).astype(dtype)


def _exponentials32(xp: Any, words: Array) -> Array:
    y = words.view(np.uint32).astype(np.float32)
    _minus_log(xp, y, 2.0**-32)
    return xp.maximum(y, 2.0**-25)


def _exponentials64(xp: Any, words: Array) -> Array:
    y = (words >> np.uint64(11)).view(np.int64).astype(np.float64)
    _minus_log(xp, y, 2.0**-53)
    return xp.maximum(y, 2.0**-54)


def _minus_log(xp: Any, k: Array, scale: float) -> None:
    """``-log(u)`` for u = (k + 1/2) * scale, in place."""
    k += 0.5
    k *= scale
    xp.log(k, out=k)
    k *= -1


def integers(xp: Any, words: Array, low: int, high: int, dtype: Any) -> Array:
    """One integer from [low, high) for each word: the upper half of the 128-bit product of word and range (D. Lemire,
    2019, without its rejection).

    No integer's probability differs from another's by more than 2**-64.

    Args:
        low: the least integer.
        high: one more than the greatest; at most ``low + 2**64``.
        dtype: an integer dtype that holds them.

    Raises:
        ValueError: the range is empty or larger than 2**64.
    """
    span = high - low
    if not 0 < span <= 2**64:
        raise ValueError(f"integers: expected low < high <= low + 2**64, got low={low}, high={high}")
    dtype = np.dtype(dtype)
    u64 = np.uint64
    low_half, half, offset = u64(2**32 - 1), u64(32), u64(low & _MASK)
    span0, span1 = u64(span & (2**32 - 1)), u64(span >> 32 & (2**32 - 1))

    def scaled(xp: Any, words: Array) -> Array:
        if span == 2**64:
            y = words
        else:
            words0, words1 = words & low_half, words >> half
            middle = words1 * span0 + (words0 * span0 >> half)
            y = middle >> half
            if span1:
                y += words1 * span1 + (words0 * span1 + (middle & low_half) >> half)
        y = y + offset
        return y if dtype == u64 else y.view(np.int64).astype(dtype, copy=False)

    return _in_blocks(xp, scaled, words, words.size, dtype, 1)


def permutation(xp: Any, words: Array) -> Array:
    """A random permutation of ``0 .. n-1`` as int64, for n words: their order when sorted, equal words in order of
    position.
    """
    if xp is np:
        # NumPy's default sort is faster than its stable one, where it is vectorised several times, and the same where
        # no two words are equal.
        order = np.argsort(words)
        ordered = words[order]
        if not (ordered[1:] == ordered[:-1]).any():
            return order.astype(np.int64, copy=False)
    return xp.argsort(words, kind="stable").astype(np.int64, copy=False)


def bernoulli(xp: Any, words: Array, p: Any, n: int) -> Array:
    """`n` Booleans, True with probability `p`: a number, held to 32 bits, or n floats, each compared with a uniform of
    its dtype (float32 for half types).
    """
    if isinstance(p, (int, float)):
        return _below(xp, words.view(np.uint32)[:n], p)
    return uniform(xp, words, n, np.float64 if p.dtype == np.float64 else np.float32) < p


def mask16(xp: Any, words: Array, p: float, n: int) -> Array:
    """`n` Booleans, True with probability `p` to the nearest 1/65536, from the sixteen-bit lanes of the words: the fast
    mask of dropout.

    Example:
        >>> mask16(np, words((1, 0), 0, 2), 0.5, 6)
        array([False,  True, False,  True,  True, False])
    """
    return _below(xp, words.view(np.uint16)[:n], p)


def _below(xp: Any, lanes: Array, p: float) -> Array:
    bits = 8 * lanes.dtype.itemsize
    threshold = round(p * 2**bits)
    return xp.ones(lanes.shape, np.bool_) if threshold >= 2**bits else lanes < lanes.dtype.type(threshold)


def _in_blocks(
    xp: Any, transform: Callable[[Any, Array], Array], words: Array, n: int, dtype: Any, lanes: int
) -> Array:
    """The first `n` results of `transform`, which makes `lanes` of each word; on NumPy block by block."""
    if xp is not np or words.size <= BLOCK:
        return transform(xp, words)[:n]
    out = np.empty(n, dtype)
    for i in range(0, words.size, BLOCK):
        part = out[i * lanes : (i + BLOCK) * lanes]
        part[...] = transform(np, words[i : i + BLOCK])[: part.size]
    return out
