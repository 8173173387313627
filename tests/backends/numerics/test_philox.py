"""Random numbers: the words are NumPy's at any position, and the transforms have their distributions, bounds and
bits.
"""

from __future__ import annotations

import math
import pickle
import threading

import ml_dtypes
import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from scipy import stats

from tapegrad.backends.numerics import philox
from tapegrad.backends.strict.backend import StrictBackend

BFLOAT16 = np.dtype(ml_dtypes.bfloat16)
FLOATS = [np.float64, np.float32, np.float16, BFLOAT16]
# of a statistical test with a right generator; the seeds are fixed, so a test that passes keeps passing
ALMOST_NEVER = 1e-6
keys = st.tuples(st.integers(0, 2**64 - 1), st.integers(0, 2**64 - 1))

strict = StrictBackend()


def draw(name, n, dtype, seed=1, counter=0):
    words = philox.words(philox.key_of(seed), counter, philox.needed(name, n, dtype))
    return getattr(philox, name)(np, words, n, dtype)


def on_strict(words):
    return strict.from_host(words, strict.device_of(strict.xp.empty(0)))


# ----------------------------------------------------------------------------------------------------------------------------
# words


def philox_block(counter, key):
    """Philox4x64-10, written after the paper."""
    c, k = list(counter), list(key)
    for _ in range(10):
        p0, p1 = 0xD2E7470EE14C6C93 * c[0], 0xCA5A826395121157 * c[2]
        c = [(p1 >> 64) ^ c[1] ^ k[0], p1 % 2**64, (p0 >> 64) ^ c[3] ^ k[1], p0 % 2**64]
        k = [(k[0] + 0x9E3779B97F4A7C15) % 2**64, (k[1] + 0xBB67AE8584CAA73B) % 2**64]
    return c


def test_the_reference_passes_the_known_answers_of_random123():
    assert philox_block([0] * 4, [0] * 2) == [
        0x16554D9ECA36314C,
        0xDB20FE9D672D0FDC,
        0xD7E772CEE186176B,
        0x7E68B68AEC7BA23B,
    ]
    ones = 2**64 - 1
    assert philox_block([ones] * 4, [ones] * 2) == [
        0x87B092C3013FE90B,
        0x438C3C67BE8D0224,
        0x9CC7D7C69CD777B6,
        0xA09CAEBF594F0BA0,
    ]


@given(keys, st.one_of(st.integers(0, 50), st.integers(0, 2**64 - 20)), st.integers(0, 13))
def test_words_are_philox_at_any_position(key, counter, n):
    expected = [philox_block([at // 4 + 1, 0, 0, 0], key)[at % 4] for at in range(counter, counter + n)]
    words = philox.words(key, counter, n)
    assert words.dtype == np.uint64 and words.tolist() == expected


@given(keys, st.integers(0, 100), st.integers(0, 3000))
def test_words_are_numpys(key, counter, n):
    stream = np.random.Philox(key=np.array(key, np.uint64)).random_raw(counter + n)
    np.testing.assert_array_equal(philox.words(key, counter, n), stream[counter:])


def test_the_last_words_of_a_stream():
    assert philox.words((1, 2), 2**64 - 3, 3).tolist() == philox_block([2**62, 0, 0, 0], (1, 2))[1:]


@pytest.mark.parametrize("counter, n", [(-1, 1), (0, -1), (2**64, 1), (2**64 - 1, 2)])
def test_positions_outside_a_stream_are_refused(counter, n):
    with pytest.raises(ValueError, match="a random stream has words 0 to"):
        philox.words((0, 0), counter, n)


def test_threads_do_not_disturb_each_other():
    wrong = []

    def work(seed):
        key = philox.key_of(seed)
        expected = np.random.Philox(key=np.array(key, np.uint64)).random_raw(500)
        for at in range(400):
            if not np.array_equal(philox.words(key, at, 100), expected[at : at + 100]):
                wrong.append((seed, at))

    threads = [threading.Thread(target=work, args=(seed,)) for seed in range(4)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert not wrong


# ---------------------------------------------------------------------------------------------------------------------------
# stream


def test_keys_are_those_of_splitmix64():
    # the first numbers of Vigna's splitmix64.c from the states 0 and 1234567
    assert philox.key_of(0) == (0xE220A8397B1DCDAF, 0x6E789E6AA1B965F4)
    assert philox.key_of(1234567) == (6457827717110365317, 3203168211198807973)


def test_stream_hands_out_each_word_once():
    stream = philox.Stream(5)
    assert stream.take(10) == (philox.key_of(5), 0)
    assert stream.take(0) == stream.take(3) == (philox.key_of(5), 10)
    assert (stream.seed, stream.key, stream.counter) == (5, philox.key_of(5), 13)


def test_stream_state_is_saved_restored_and_pickled():
    stream = philox.Stream(-1)
    stream.take(7)
    state = stream.state()
    assert state == (2**64 - 1, 7)
    expected = stream.take(5)
    other = philox.Stream(3)
    other.set_state(state)
    assert other.take(5) == expected
    stream.set_state(state)
    assert pickle.loads(pickle.dumps(stream)).take(5) == expected


@pytest.mark.parametrize("seed", [2**64, -(2**63) - 1])
def test_seeds_have_64_bits(seed):
    with pytest.raises(ValueError, match="Overflow when unpacking long long"):
        philox.Stream(seed)


def test_a_refused_take_moves_nothing():
    stream = philox.Stream(0)
    for n in (-1, 2**64 + 1):
        with pytest.raises(ValueError, match="a random stream has words"):
            stream.take(n)
    assert stream.counter == 0


def test_threads_take_different_words():
    stream, starts = philox.Stream(0), []

    def work():
        mine = [stream.take(3)[1] for _ in range(2000)]
        starts.extend(mine)

    threads = [threading.Thread(target=work) for _ in range(4)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert sorted(starts) == list(range(0, 24000, 3))


# -------------------------------------------------------------------------------------------------------------------------
# uniforms


@pytest.mark.parametrize("dtype", [np.float64, np.float32])
@given(n=st.integers(0, 500))
def test_uniform_is_numpys(dtype, n):
    expected = np.random.Generator(np.random.Philox(key=np.array(philox.key_of(1), np.uint64))).random(n, dtype)
    np.testing.assert_array_equal(draw("uniform", n, dtype), expected)


@pytest.mark.parametrize("dtype, digits", list(zip(FLOATS, (53, 24, 11, 8))))
def test_uniform_keeps_to_its_bounds_and_grid(dtype, digits):
    ends = philox.uniform(np, np.array([0, 2**64 - 1], np.uint64), 2 * 8 // np.dtype(dtype).itemsize, dtype).astype(
        np.float64
    )
    assert ends[0] == 0 and ends[-1] == 1 - 2.0**-digits
    k = draw("uniform", 40_000, dtype).astype(np.float64) * 2**digits
    assert (k == np.rint(k)).all()
    # Every bit is 1 half of the time, and no two of them agree more often.
    bits = (k.astype(np.int64)[:, None] >> np.arange(digits)) & 1
    z = (2 * bits.mean(0) - 1) * math.sqrt(len(k))
    agreement = (1 - 2 * bits).T @ (1 - 2 * bits) / math.sqrt(len(k))
    np.fill_diagonal(agreement, 0)
    assert np.abs(z).max() < 5 and np.abs(agreement).max() < 5.5


@pytest.mark.parametrize("dtype", FLOATS)
def test_uniform_is_uniform(dtype):
    n = 64 * 3000
    counts = np.bincount((draw("uniform", n, dtype).astype(np.float64) * 64).astype(int), minlength=64)
    assert stats.chisquare(counts).pvalue > ALMOST_NEVER


# --------------------------------------------------------------------------------------------------------- normals and
# exponentials


@pytest.mark.parametrize("dtype", FLOATS)
def test_normal_is_normal(dtype):
    x = draw("normal", 200_001, dtype)
    assert x.dtype == dtype and x.shape == (200_001,)
    x = x.astype(np.float64)
    assert abs(x.mean()) < 5 / math.sqrt(x.size) and abs(np.corrcoef(x[:-1:2], x[1::2])[0, 1]) < 5 / math.sqrt(
        x.size / 2
    )
    assert abs(x[::2].std() - 1) < 0.01 and abs(x[1::2].std() - 1) < 0.01
    if np.dtype(dtype).itemsize > 2:  # rounding to eleven bits shows in this many
        assert stats.kstest(x, "norm").pvalue > ALMOST_NEVER
    for bound in (3, 4):
        expected = x.size * math.erfc(bound / math.sqrt(2))
        assert abs((np.abs(x) > bound).sum() - expected) < 5 * math.sqrt(expected) + 1


def test_normals_are_box_and_mullers_to_float_precision():
    words = np.concatenate(
        [
            philox.words((1, 2), 0, 4000),
            np.arange(200, dtype=np.uint64),
            np.arange(200, dtype=np.uint64) << np.uint64(32),
        ]
    )
    for dtype, lanes, bits in [(np.float32, words.view(np.uint32), 32), (np.float64, words, 53)]:
        u = ((lanes[0::2] >> lanes.dtype.type(8 * lanes.itemsize - bits)).astype(np.longdouble) + 0.5) / 2**bits
        radius = np.sqrt(-2 * np.log(u))
        angle = lanes[1::2].astype(np.longdouble) * (8 * np.arctan(np.longdouble(1)) / 2 ** (8 * lanes.itemsize))
        expected = np.stack([radius * np.cos(angle), radius * np.sin(angle)], 1)
        error = np.abs(philox.normal(np, words, lanes.size, dtype).reshape(-1, 2) - expected).max(1)
        # A few ulp of the radius, which feels the rounding of u where u is near 1.
        assert (error <= np.finfo(dtype).eps * (4 * radius + 1 / radius)).all()


@pytest.mark.parametrize("dtype, tail", [(np.float64, 8.6), (np.float32, 6.7), (np.float16, 6.7), (BFLOAT16, 6.7)])
def test_extreme_words_give_finite_normals(dtype, tail):
    for words in (np.zeros(2, np.uint64), np.full(2, 2**64 - 1, np.uint64)):
        x = philox.normal(np, words, 2, dtype).astype(np.float64)
        assert np.isfinite(x).all()
        if not words[0]:
            assert x[0] == pytest.approx(tail, abs=0.1)


@pytest.mark.parametrize("dtype", FLOATS)
def test_exponential_is_exponential(dtype):
    x = draw("exponential", 100_001, dtype)
    assert x.dtype == dtype and x.shape == (100_001,)
    x = x.astype(np.float64)
    assert abs(x.mean() - 1) < 5 / math.sqrt(x.size)
    if np.dtype(dtype).itemsize > 2:
        assert stats.kstest(x, "expon").pvalue > ALMOST_NEVER
    ends = philox.exponential(np, np.array([0, 2**64 - 1], np.uint64), 2 if dtype == np.float64 else 4, dtype).astype(
        np.float64
    )
    assert 22 < ends[0] < 38 and 0 < ends[-1] < 1e-7


def test_only_floats():
    for name in ("uniform", "normal", "exponential"):
        with pytest.raises(TypeError, match="random floats are float64"):
            draw(name, 1, np.int64)


# ------------------------------------------------------------------------------------------------------ integers and
# permutations

spans = st.one_of(st.integers(1, 20), st.integers(2**32 - 2, 2**32 + 2), st.integers(1, 2**64), st.just(2**64))


@given(spans, st.integers(-(2**63), 2**63 - 1), st.lists(st.integers(0, 2**64 - 1), max_size=8))
def test_integers_are_the_upper_half_of_the_product(span, low, words):
    high = min(low + span, 2**63)
    got = philox.integers(np, np.array([0, 2**64 - 1, *words], np.uint64), low, high, np.int64)
    expected = [low + (word * (high - low) >> 64) for word in [0, 2**64 - 1, *words]]
    assert got.dtype == np.int64 and got.tolist() == expected
    assert got[0] == low and got[1] == high - 1


@pytest.mark.parametrize(
    "low, high, dtype",
    [(0, 256, np.uint8), (-128, 128, np.int8), (0, 2**64, np.uint64), (2**63, 2**64, np.uint64), (-5, 6, np.int32)],
)
def test_integers_of_other_dtypes(low, high, dtype):
    words = philox.words((3, 4), 1, 40_000)
    got = philox.integers(np, words, low, high, dtype)
    assert got.dtype == dtype
    assert got.tolist() == [low + (word * (high - low) >> 64) for word in words.tolist()]


@pytest.mark.parametrize("low, high", [(3, 3), (4, 3), (0, 2**64 + 1)])
def test_integers_need_a_range(low, high):
    with pytest.raises(ValueError, match="integers: expected low < high"):
        philox.integers(np, np.zeros(1, np.uint64), low, high, np.int64)


def test_integers_are_uniform():
    x = philox.integers(np, philox.words((1, 1), 0, 70_000), 0, 7, np.int64)
    assert stats.chisquare(np.bincount(x, minlength=7)).pvalue > ALMOST_NEVER


@pytest.mark.parametrize("n", [0, 1, 2, 1000, 40_000])
def test_permutation_permutes(n):
    order = philox.permutation(np, philox.words((1, 1), 0, n))
    assert order.dtype == np.int64 and order.shape == (n,)
    np.testing.assert_array_equal(np.sort(order), np.arange(n))


def test_permutations_are_equally_frequent():
    words = philox.words((1, 2), 0, 4 * 6000).reshape(-1, 4)
    counts: dict[tuple[int, ...], int] = {}
    for row in words:
        order = tuple(philox.permutation(np, row).tolist())
        counts[order] = counts.get(order, 0) + 1
    assert len(counts) == 24 and stats.chisquare(list(counts.values())).pvalue > ALMOST_NEVER


def test_equal_words_keep_their_order():
    words = np.random.default_rng(0).integers(0, 5, 1000).astype(np.uint64)
    np.testing.assert_array_equal(philox.permutation(np, words), sorted(range(1000), key=lambda i: words[i]))


# -----------------------------------------------------------------------------------------------------------------
# Bernoulli draws


@pytest.mark.parametrize("p", [0.0, 1 / 65536, 0.1, 0.5, 1 - 1 / 65536, 1.0])
def test_masks_have_their_rates(p):
    n = 300_001
    fast = philox.mask16(np, philox.words((5, 5), 0, philox.needed("mask16", n)), p, n)
    number = philox.bernoulli(np, philox.words((6, 5), 0, philox.needed("bernoulli", n)), p, n)
    arrays = [
        philox.bernoulli(np, philox.words((7, 5), 0, philox.needed("bernoulli", n, dtype)), np.full(n, p, dtype), n)
        for dtype in FLOATS
    ]
    for mask, held in zip([fast, number, *arrays], [p, p, *(float(np.dtype(dtype).type(p)) for dtype in FLOATS)]):
        assert mask.dtype == np.bool_ and mask.shape == (n,)
        if held in (0, 1):
            assert mask.all() if held else not mask.any()
        else:
            assert abs(mask.sum() - n * held) < 5 * math.sqrt(n * held * (1 - held)) + 1


def test_thresholds_are_exact():
    lanes = np.arange(65536, dtype=np.uint16).view(np.uint64)
    for p in (0.0, 1 / 65536, 0.25, 1 - 1 / 65536, 1.0):
        assert philox.mask16(np, lanes, p, 65536).sum() == p * 65536
    assert philox.mask16(np, lanes, 0.4 / 65536, 65536).sum() == 0
    assert philox.mask16(np, lanes, 0.6 / 65536, 65536).sum() == 1
    numbers = np.array([2**31, 2**31 - 1], np.uint32).view(np.uint64)
    assert philox.bernoulli(np, numbers, 0.5, 2).tolist() == [False, True]
    assert philox.bernoulli(np, numbers, 0.5 + 2.0**-32, 2).tolist() == [True, True]


def test_lanes_of_a_mask_are_independent():
    lanes = philox.mask16(np, philox.words((8, 8), 0, 50_000), 0.3, 200_000).reshape(-1, 4)
    counts = np.bincount(lanes @ [1, 2, 4, 8], minlength=16)
    expected = [50_000 * 0.3 ** bin(i).count("1") * 0.7 ** (4 - bin(i).count("1")) for i in range(16)]
    assert stats.chisquare(counts, np.array(expected) * counts.sum() / sum(expected)).pvalue > ALMOST_NEVER


# ------------------------------------------------------------------------------------------------------- the same on
# every device

N = 2 * philox.BLOCK * 4 + 5  # several blocks on NumPy, one piece on a device


@pytest.mark.parametrize("dtype", FLOATS)
@pytest.mark.parametrize("name", ["uniform", "normal", "exponential"])
def test_floats_on_a_device(name, dtype):
    for n in (0, 1, 3, N):
        words = philox.words((9, 1), 3, philox.needed(name, n, dtype))
        host = getattr(philox, name)(np, words, n, dtype)
        device = on_strict(words)
        with strict.refusing():
            device = getattr(philox, name)(strict.xp, device, n, dtype)
        assert device.dtype == host.dtype == dtype and host.shape == (n,)
        if name == "uniform":
            np.testing.assert_array_equal(strict.to_host(device), host)
        else:
            np.testing.assert_array_max_ulp(
                strict.to_host(device).astype(np.float64 if dtype == np.float64 else np.float32),
                host.astype(np.float64 if dtype == np.float64 else np.float32),
                4,
            )


def test_the_rest_on_a_device():
    words = philox.words((9, 2), 1, N)
    device, p = on_strict(words), np.random.default_rng(0).random(N).astype(np.float32)
    on_host = [
        philox.integers(np, words, -7, 2**40, np.int64),
        philox.integers(np, words, 0, 10, np.int32),
        philox.integers(np, words, 0, 2**64, np.uint64),
        philox.permutation(np, words),
        philox.mask16(np, words, 0.9, 4 * N - 3),
        philox.mask16(np, words, 1.0, 4 * N - 3),
        philox.bernoulli(np, words, 0.25, 2 * N),
        philox.bernoulli(np, words, p, N),
    ]
    xp, device_p = strict.xp, on_strict(p)
    with strict.refusing():
        on_device = [
            philox.integers(xp, device, -7, 2**40, np.int64),
            philox.integers(xp, device, 0, 10, np.int32),
            philox.integers(xp, device, 0, 2**64, np.uint64),
            philox.permutation(xp, device),
            philox.mask16(xp, device, 0.9, 4 * N - 3),
            philox.mask16(xp, device, 1.0, 4 * N - 3),
            philox.bernoulli(xp, device, 0.25, 2 * N),
            philox.bernoulli(xp, device, device_p, N),
        ]
    for host, there in zip(on_host, on_device):
        assert there.dtype == host.dtype
        np.testing.assert_array_equal(strict.to_host(there), host)


def test_the_numbers_of_a_seed_never_change():
    assert philox.words(philox.key_of(0), 0, 2).tolist() == GOLDEN_WORDS
    assert draw("uniform", 3, np.float32, seed=0).tolist() == GOLDEN_UNIFORMS
    np.testing.assert_allclose(draw("normal", 3, np.float64, seed=0), GOLDEN_NORMALS, rtol=1e-13)
    assert philox.integers(np, philox.words(philox.key_of(0), 0, 6), 0, 100, np.int64).tolist() == GOLDEN_INTEGERS
    assert philox.permutation(np, philox.words(philox.key_of(0), 0, 6)).tolist() == GOLDEN_PERMUTATION


GOLDEN_WORDS = [8761362483118838196, 6720965987834381008]
GOLDEN_UNIFORMS = [0.22942453622817993, 0.47495436668395996, 0.9232445955276489]
GOLDEN_NORMALS = [-0.803204868836872, 0.918659266350037, 0.6910843331597923]
GOLDEN_INTEGERS = [47, 36, 41, 16, 25, 80]
GOLDEN_PERMUTATION = [3, 4, 1, 2, 0, 5]
