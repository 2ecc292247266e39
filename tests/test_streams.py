"""Random numbers: exact where an exact answer exists, otherwise with thresholds set in advance.

Statistical tests use seed 0 and reject beyond five standard errors, or below the p-value of five
standard deviations (5.7e-7). Each family states the smallest deviation that it detects, and has a
negative control: broken randomness that must be rejected.
"""

import functools

import jax
import jax.extend.random
import numpy as np
import pytest
from scipy import special, stats

from jaxsgd import streams
from jaxsgd.errors import InvalidInput, InvalidType

P_VALUE = 5.7e-7  # two-sided, five standard deviations
LANES, STEPS, SIZE = 2**15, 16, 8
WORDS = SIZE // 2  # counters that one step uses: coordinates c and c + WORDS share a pair


@functools.partial(jax.jit, static_argnums=0)
def drawn(request, key, ids, counters):
    return request.unpack(request.draw((key[0], key[1]), ids[None, :], counters[:, None]))


def request_of(sampler):
    (request,) = streams.requests_of(sampler)
    return request


def draw(sampler, *, key=None, first_id=0, steps=STEPS, stride=None):
    """(step, coordinate, trajectory) variates, with the counters that the engine uses."""
    request = request_of(sampler)
    key = streams.make_key(0, "gradient") if key is None else key
    stride = request.words if stride is None else stride
    ids = np.arange(first_id, first_id + LANES, dtype=np.uint32)
    counters = [np.arange(t * stride, t * stride + request.words, dtype=np.uint32) for t in range(steps)]
    return np.stack([np.asarray(drawn(request, key, ids, counter)) for counter in counters])


@pytest.fixture(scope="module")
def normals():
    return draw(lambda stream: stream.normal((SIZE,)))  # 2^22 of them


@pytest.fixture(scope="module")
def uniforms():
    return draw(lambda stream: stream.uniform((SIZE,)))


def ids_and_counters(lanes, words):
    return np.arange(lanes, dtype=np.uint32), np.arange(words, dtype=np.uint32)


def words_of(key, ids, counters):
    """(2 words, trajectories): what variate 0, 1, ... of a request is made of."""
    first, second = np.broadcast_arrays(ids[None, :], counters[:, None])
    return np.concatenate(streams.threefry2x32((key[:1], key[1:]), first, second))


def random_words(n, seed=0):
    return np.random.default_rng(seed).integers(0, 2**32, n, dtype=np.uint32)


# threefry


@pytest.mark.parametrize(
    ("key", "counter", "expected"),
    [
        ((0, 0), (0, 0), (0x6B200159, 0x99BA4EFE)),
        ((0xFFFFFFFF, 0xFFFFFFFF), (0xFFFFFFFF, 0xFFFFFFFF), (0x1CB996FC, 0xBB002BE7)),
        ((0x13198A2E, 0x03707344), (0x243F6A88, 0x85A308D3), (0xC4923A9C, 0x483DF7A0)),
    ],
)
def test_threefry_gives_the_published_vectors(key, counter, expected):
    """kat_vectors of Random123, threefry2x32 with 20 rounds."""
    words = [np.array([word], np.uint32) for word in (*key, *counter)]
    x, y = streams.threefry2x32((words[0], words[1]), words[2], words[3])
    assert (int(x[0]), int(y[0])) == expected


def test_threefry_is_the_one_of_jax_in_numpy_and_in_jax():
    words = random_words(4 * 1024).reshape(4, 1024)
    jitted = jax.jit(lambda key, first, second: streams.threefry2x32((key[0], key[1]), first, second))
    of_jax = jax.jit(jax.extend.random.threefry_2x32)
    for key in (words[2, :2], words[2, 2:4], np.array([0, 2**32 - 1], np.uint32)):
        expected = np.asarray(of_jax(key, np.concatenate([words[0], words[1]]))).reshape(2, 1024)
        np.testing.assert_array_equal(np.array(jitted(key, words[0], words[1])), expected)
        np.testing.assert_array_equal(np.array(streams.threefry2x32((key[:1], key[1:]), *words[:2])), expected)


# keys


def test_keys_differ_between_purposes_and_seeds():
    purposes = ["gradient", "order", "pilot", "a", "b", ""]
    seeds = [0, 1, 2, 2**32 - 1, 2**32, 2**32 + 1, 2**63, 2**64 - 1]
    keys = {tuple(streams.make_key(seed, purpose).tolist()) for seed in seeds for purpose in purposes}
    assert len(keys) == len(seeds) * len(purposes)
    key = streams.make_key(7, "gradient")
    assert key.shape == (2,)
    assert key.dtype == np.uint32
    np.testing.assert_array_equal(key, streams.make_key(np.int64(7), "gradient"))


@pytest.mark.parametrize("seed", [-1, 2**64])
def test_seed_outside_64_bits_is_an_error(seed):
    with pytest.raises(InvalidInput, match=f"seed must be at least 0 and below {2**64}, got {seed}"):
        streams.make_key(seed, "gradient")


@pytest.mark.parametrize("seed", [1.0, "1", True, None])
def test_seed_that_is_no_integer_is_an_error(seed):
    with pytest.raises(InvalidType, match="seed must be an integer, got"):
        streams.make_key(seed, "gradient")


# goodness of fit


def kolmogorov_p(values, distribution):
    """The asymptotic p-value of the two-sided Kolmogorov-Smirnov test."""
    ordered = np.sort(np.ravel(values).astype(np.float64))
    n = len(ordered)
    law = distribution(ordered)
    distance = max(np.max(np.arange(1, n + 1) / n - law), np.max(law - np.arange(n) / n))
    return special.kolmogorov(np.sqrt(n) * distance)


def standard_scores(values, moments):
    """z of the sample means of values^k against known E values^k, with their exact variances."""
    x = np.ravel(values).astype(np.float64)
    return {k: (np.mean(x**k) - moments[k]) / np.sqrt((moments[2 * k] - moments[k] ** 2) / x.size) for k in range(1, 5)}


NORMAL_MOMENTS = {1: 0, 2: 1, 3: 0, 4: 3, 6: 15, 8: 105}
UNIFORM_MOMENTS = {k: 1 / (k + 1) for k in range(1, 9)}


# uniforms


def test_uniforms_are_the_centres_of_equal_cells():
    """Every value that exists: 2^23 of them, never 0, never 1, symmetric about 1/2."""
    cells = np.arange(2**23, dtype=np.uint32)
    values = np.asarray(jax.jit(streams.uniform)((cells << 9) | (cells & 511)))
    assert values.dtype == np.float32
    np.testing.assert_array_equal(values, (cells + 0.5) / 2.0**23)
    np.testing.assert_array_equal(values[::-1], 1 - values.astype(np.float64))


@pytest.mark.parametrize("word", [0, 1, 511, 2**31, 2**32 - 512, 2**32 - 257, 2**32 - 1])
def test_uniform_stays_inside_at_the_ends(word):
    value = float(streams.uniform(np.array([word], np.uint32))[0])
    assert 0 < value < 1


def test_uniforms_are_uniform(uniforms):
    # N = 2^22: rejects a distance of 2.74 / 2048 = 0.0013 between the laws; moments to 5 SE,
    # that is 7e-4 in the mean.
    assert kolmogorov_p(uniforms, lambda x: x) > P_VALUE
    assert all(abs(z) < 5 for z in standard_scores(uniforms, UNIFORM_MOMENTS).values())


def test_control_coarse_and_shrunken_uniforms_are_rejected(uniforms):
    assert kolmogorov_p(np.floor(uniforms * 2**8) / 2**8, lambda x: x) < P_VALUE
    assert abs(standard_scores(0.5 + 0.99 * (uniforms - 0.5), UNIFORM_MOMENTS)[2]) > 5


@functools.partial(jax.jit, static_argnums=0)
def made_of(transform, first, second):
    return transform(first, second)


def test_centred_uniforms_are_those_of_their_words():
    """A sign and (k + 1/2) 2^-63 to the precision of float32, at the ends and at random; in Python's integers."""
    edges = np.array([0, 1, 2, 3, 2**24, 2**31 - 1, 2**31, 2**31 + 1, 2**32 - 1], np.uint32)
    first = np.concatenate([np.repeat(edges, len(edges)), random_words(2000, 1) >> random_words(2000, 2) % 31])
    second = np.concatenate([np.tile(edges, len(edges)), random_words(2000, 3)])
    values = np.asarray(made_of(streams.centred_uniform, first, second))
    assert values.dtype == np.float32
    k = [(int(a) & 0x7FFFFFFF) << 31 | int(b) >> 1 for a, b in zip(first, second, strict=True)]
    expected = np.array([(2 * each + 1) * 2.0**-64 for each in k]) * np.where(first >> 31, -1, 1)
    np.testing.assert_allclose(values, expected, rtol=2.0**-23)
    assert np.abs(values).min() == 2.0**-64
    assert np.abs(values).max() == 0.5


def test_centred_uniforms_are_uniform_to_their_tail():
    # N = 2^22: a distance of 0.0013 between the laws; |t| < 2^-14 is expected 512 times: a factor of 1.24.
    values = draw(lambda stream: stream.centred_uniform((SIZE,)), stride=SIZE)
    assert kolmogorov_p(values, lambda x: x + 0.5) > P_VALUE
    beyond = np.ravel(np.abs(values) < 2.0**-14)
    assert stats.binomtest(int(beyond.sum()), beyond.size, 2.0**-13).pvalue > P_VALUE
    assert stats.binomtest(int(1.3 * beyond.sum()), beyond.size, 2.0**-13).pvalue < P_VALUE  # control
    for name, a, b in pairs(values * np.sqrt(12)):
        assert abs(correlations(a, b)[0]) < 5, name


def test_exponentials_keep_both_ends():
    given = np.array([2.0**-64, -(2.0**-64), 0.25, -0.25, 0.5], np.float32)
    made = np.asarray(streams.Replay((given,)).exponential((5,)))
    expected = [64 * np.log(2), 2.0**-64, np.log(4), -np.log1p(-0.25), np.log(2)]
    np.testing.assert_allclose(made, expected, rtol=3e-7)


# normals


def test_normals_are_normal(normals):
    # N = 2^22: rejects a distance of 0.0013 between the laws (a scale wrong by 0.6%); the moments
    # reject a mean of 0.0024, a variance wrong by 0.0035, a third moment of 0.0095, a fourth wrong by 0.024.
    assert kolmogorov_p(normals, special.ndtr) > P_VALUE
    scores = standard_scores(normals, NORMAL_MOMENTS)
    assert all(abs(z) < 5 for z in scores.values()), scores


def test_each_coordinate_is_normal(normals):
    # N = 2^19 each: a mean of 0.007, a variance wrong by 0.01.
    for coordinate in range(SIZE):
        scores = standard_scores(normals[:, coordinate], NORMAL_MOMENTS)
        assert all(abs(z) < 5 for z in scores.values()), (coordinate, scores)


def test_control_wrong_normals_are_rejected(normals):
    assert kolmogorov_p(1.02 * normals, special.ndtr) < P_VALUE
    assert abs(standard_scores(1.02 * normals, NORMAL_MOMENTS)[2]) > 5
    assert abs(standard_scores(normals + 0.005, NORMAL_MOMENTS)[1]) > 5
    skewed = normals + 0.01 * (normals**2 - 1)
    assert abs(standard_scores(skewed, NORMAL_MOMENTS)[3]) > 5
    student = stats.t(30).rvs(2**20, random_state=0) * np.sqrt(28 / 30)  # variance 1, fourth moment 3.23
    assert abs(standard_scores(student, NORMAL_MOMENTS)[4]) > 5


@pytest.fixture(scope="module")
def tail_counts():
    """How many of 2^24 normals lie beyond 3, 4, 5 and the largest one, and beyond 4.5 on each side."""
    many = draw(lambda stream: stream.normal((SIZE,)), steps=64, first_id=2**20)
    size = np.abs(many)
    beyond = {sigma: int(np.sum(size > sigma)) for sigma in (3.0, 4.0, 5.0)}
    return many.size, beyond, (int(np.sum(many > 4.5)), int(np.sum(many < -4.5))), float(size.max())


def test_tails_are_normal(tail_counts):
    # N = 2^24, expected 45296, 1063, 9.6: rejects a tail probability that is wrong by
    # 2.4% beyond 3, 16% beyond 4, and by a factor of 3 beyond 5; that none is there shows in the largest.
    n, beyond, (above, below), largest = tail_counts
    for sigma, count in beyond.items():
        assert stats.binomtest(count, n, 2 * special.ndtr(-sigma)).pvalue > P_VALUE, (sigma, count)
    for count in (above, below):
        assert stats.binomtest(count, n, special.ndtr(-4.5)).pvalue > P_VALUE
    assert 5.0 < largest <= np.sqrt(2 * 25 * np.log(2)) * (1 + 1e-6)


def test_control_wrong_tails_are_rejected(tail_counts, normals):
    n, beyond, _, _ = tail_counts
    assert stats.binomtest(int(beyond[3.0] * 1.03), n, 2 * special.ndtr(-3.0)).pvalue < P_VALUE
    assert stats.binomtest(beyond[5.0] + 40, n, 2 * special.ndtr(-5.0)).pvalue < P_VALUE
    # A sum of twelve uniforms, which once passed for a normal, lies beyond 3 with probability 0.0020, not 0.0027.
    twelve = np.sum(special.ndtr(normals[:12]), axis=0) - 6
    assert stats.binomtest(int(np.sum(np.abs(twelve) > 3)), twelve.size, 2 * special.ndtr(-3.0)).pvalue < P_VALUE


def test_box_muller_is_accurate():
    """Against NumPy in float64 for the same words; the stated errors are 2e-6 of the radius."""
    edges = np.array([0, 1, 255, 256, 2**31 - 1, 2**31, 2**31 + 1, 2**32 - 256, 2**32 - 1], np.uint32)
    first, second = (random_words(2**17, seed) for seed in (1, 2))
    first = np.concatenate([np.repeat(edges, len(edges)), first])
    second = np.concatenate([np.tile(edges, len(edges)), second])
    computed = [np.asarray(value) for value in jax.jit(streams.box_muller)(first, second)]
    u = ((first >> 8) + 0.5) / 2.0**24
    radius = np.sqrt(-2 * np.log(u.astype(np.float32).astype(np.float64)))
    angle = np.pi / 2 * second.view(np.int32) / 2.0**31
    sign = np.where(first & 1, -1, 1)
    for value, expected in zip(computed, (radius * np.sin(angle), sign * radius * np.cos(angle)), strict=True):
        assert value.dtype == np.float32
        assert np.all(np.abs(value - expected) <= 2e-6 * radius + 1e-15)
        assert abs(np.mean(value**2 - expected**2)) < 1e-6
    assert np.max(np.hypot(*computed)) == pytest.approx(np.sqrt(2 * 25 * np.log(2)), rel=2e-6)
    # The one thing lost by float32: u is rounded above 1/2, which matters where the radius is small.
    assert np.all(np.abs(radius - np.sqrt(-2 * np.log(u))) < 2.5e-4)


# independence


def correlations(a, b):
    """z of the correlations of the values and of their squares, both centred and scaled exactly."""
    a, b = np.ravel(a).astype(np.float64), np.ravel(b).astype(np.float64)
    n = np.sqrt(a.size)
    return n * np.mean(a * b), n * np.mean((a**2 - 1) * (b**2 - 1)) / 2


def pairs(z):
    yield "next trajectory", z[:, :, :-1], z[:, :, 1:]
    yield "trajectory 32 further", z[:, :, :-32], z[:, :, 32:]
    yield "trajectory 1024 further", z[:, :, :-1024], z[:, :, 1024:]
    yield "next step", z[:-1], z[1:]
    yield "step 8 further", z[:-8], z[8:]
    yield "the two of a pair", z[:, :WORDS], z[:, WORDS:]
    yield "next pair", z[:, : WORDS - 1], z[:, 1:WORDS]
    yield "next pair, crosswise", z[:, : WORDS - 1], z[:, WORDS + 1 :]
    yield "next step, next pair", z[:-1, 1:WORDS], z[1:, : WORDS - 1]
    yield "last pair of a step and first of the next", z[:-1, WORDS - 1], z[1:, 0]


def test_normals_are_independent(normals):
    # From N = 2^19 (detects a correlation of 5 / sqrt(N) = 0.007) to 2^22 (0.0025).
    for name, a, b in pairs(normals):
        scores = correlations(a, b)
        assert max(map(abs, scores)) < 5, (name, scores)


def test_id_and_counter_are_not_interchangeable():
    # N = 128 * 127 / 2: a correlation of 0.055.
    request = request_of(lambda stream: stream.normal((256,)))
    z = np.asarray(drawn(request, streams.make_key(0, "gradient"), *ids_and_counters(128, 128)))[:128]
    upper = np.triu_indices(128, 1)
    assert max(map(abs, correlations(z[upper], z.T[upper]))) < 5


def test_normals_are_independent_between_purposes_seeds_and_ranges_of_ids(normals):
    # N = 2^22: a correlation of 0.0025.
    def sampler(stream):
        return stream.normal((SIZE,))

    for other in (
        draw(sampler, key=streams.make_key(0, "order")),
        draw(sampler, key=streams.make_key(1, "gradient")),
        draw(sampler, key=streams.make_key(2**32, "gradient")),
        draw(sampler, first_id=2**32 - LANES),
    ):
        assert max(map(abs, correlations(normals, other))) < 5


def test_control_reused_counters_are_rejected():
    """A step that moves on by one counter where it uses four gives its neighbours the same normals."""
    reused = {name: (a, b) for name, a, b in pairs(draw(lambda stream: stream.normal((SIZE,)), stride=1))}
    assert min(correlations(*reused["next step, next pair"])) > 100
    assert max(map(abs, correlations(*reused["next trajectory"]))) < 5  # nothing else is wrong


def test_control_dependent_pairs_are_rejected(normals):
    a, b = jax.jit(streams.box_muller)(*(random_words(LANES),) * 2)  # one word for radius and angle
    assert max(map(abs, correlations(a, b))) > 5
    mixed = 0.99995 * normals[:, :WORDS] + 0.01 * normals[:, WORDS:]  # a correlation of 0.01
    assert abs(correlations(mixed, normals[:, WORDS:])[0]) > 5
    common = (
        1 + 0.1 * draw(lambda stream: stream.rademacher((SIZE,)), steps=STEPS)[:, :WORDS]
    )  # uncorrelated, dependent
    values, squares = correlations(normals[:, :WORDS] * common, normals[:, WORDS:] * common)
    assert abs(values) < 5 < abs(squares)


def test_uniform_pairs_fill_the_square(uniforms):
    # Chi-square of 64 x 64 cells, N = 2^21: rejects a root mean square deviation of a cell of 1.5%.
    def p_value(a, b):
        counts, _, _ = np.histogram2d(np.ravel(a), np.ravel(b), bins=64, range=[[0, 1], [0, 1]])
        return stats.chisquare(np.ravel(counts)).pvalue

    assert p_value(uniforms[:, :WORDS], uniforms[:, WORDS:]) > P_VALUE
    assert p_value(uniforms[:-1, :WORDS], uniforms[1:, :WORDS]) > P_VALUE
    shifted = np.mod(uniforms[:, :WORDS] + 0.1 * uniforms[:, WORDS:], 1)  # uniform, but dependent
    assert p_value(shifted, np.mod(uniforms[:, :WORDS] - 0.1 * uniforms[:, WORDS:], 1)) < P_VALUE


# integers and signs


def test_integers_are_the_high_word_of_the_product():
    """Exactly (word * bound) >> 32, in Python's integers, for the bounds at the edges and 200 at random."""
    bounds = [1, 2, 3, 7, 10, 2**15, 2**16 - 1, 2**16, 2**16 + 1, 2**30, 2**31 - 2, 2**31 - 1]
    bounds += np.random.default_rng(0).integers(1, 2**31, 200).tolist()
    words = np.concatenate([random_words(500), np.array([0, 1, 0xFFFF, 0x10000, 2**31, 2**32 - 1], np.uint32)])
    for bound in bounds:
        expected = [word * bound >> 32 for word in words.tolist()]
        assert streams.integers(words, bound).tolist() == expected, bound


@pytest.mark.parametrize("bound", [7, 10])
def test_integers_are_uniform(bound):
    # Chi-square, N = 2^20: rejects a root mean square deviation of a probability of 0.7%.
    values = draw(lambda stream: stream.integers(bound, (SIZE,)), steps=4)
    assert values.dtype == np.int32
    counts = np.bincount(np.ravel(values), minlength=bound)
    assert len(counts) == bound
    assert stats.chisquare(counts).pvalue > P_VALUE


def test_control_integers_of_few_bits_are_rejected():
    words = random_words(2**20)
    assert stats.chisquare(np.bincount(streams.integers(words & np.uint32(0xFF000000), 10))).pvalue < P_VALUE
    assert stats.chisquare(np.bincount(np.minimum(words >> np.uint32(29), 6))).pvalue < P_VALUE


def test_integers_pass_through_the_packing_bit_by_bit():
    """Small ones are subnormal as floats, those above 0x7f800000 are NaN: neither may be touched."""
    key, ids, counters = streams.make_key(0, "gradient"), *ids_and_counters(4096, 2)
    for bound in (5, 2**31 - 1):
        values = drawn(request_of(lambda stream, bound=bound: stream.integers(bound, (4,))), key, ids, counters)
        expected = words_of(key, ids, counters).astype(np.uint64) * np.uint64(bound) >> np.uint64(32)
        np.testing.assert_array_equal(values, expected)


@pytest.mark.parametrize("bound", [0, -1, 2**31])
def test_bounds_of_integers_are_checked(bound):
    with pytest.raises(InvalidInput, match=f"bound must be at least 1 and below {2**31}, got {bound}"):
        streams.Recorder().integers(bound)


def test_bits_are_the_words_of_the_generator():
    """All of them, those among them that are NaN where they travel as floats."""
    key, ids, counters = streams.make_key(3, "gradient"), *ids_and_counters(2**15, 2)
    values = drawn(request_of(lambda stream: stream.bits((4,))), key, ids, counters)
    expected = words_of(key, ids, counters)
    assert values.dtype == np.uint32
    np.testing.assert_array_equal(values, expected)
    assert np.isnan(expected.view(np.float32)).sum() > 500


def test_integers_take_a_bound_for_each_word():
    words, bounds = random_words(1000), np.arange(1, 1001, dtype=np.uint32) * 4_000_000
    exact = [int(word) * int(bound) >> 32 for word, bound in zip(words, bounds, strict=True)]
    np.testing.assert_array_equal(jax.jit(streams.integers)(words, bounds), exact)


def test_rademacher_is_plus_or_minus_one_and_balanced():
    # Exact binomial, N = 2^22: rejects a probability of 0.5012.
    values = draw(lambda stream: stream.rademacher((SIZE,)))
    assert set(np.unique(values).tolist()) == {-1.0, 1.0}
    assert stats.binomtest(int(np.sum(values > 0)), values.size, 0.5).pvalue > P_VALUE
    for name, a, b in pairs(values):
        assert abs(np.sqrt(a.size) * np.mean(np.ravel(a) * np.ravel(b))) < 5, name
    biased = np.where(random_words(2**22) < 0.502 * 2**32, 1.0, -1.0)
    assert stats.binomtest(int(np.sum(biased > 0)), biased.size, 0.5).pvalue < P_VALUE  # control


# requests


def sampler_of_everything(stream):
    return (
        stream.normal((3,)),
        stream.uniform(),
        stream.integers(10, (2, 2)),
        stream.rademacher(5),
        stream.exponential((3,)),
        stream.normal_like({"w": np.zeros((2, 3)), "b": np.zeros(())}),
    )


def test_recorder_notes_requests_and_hands_out_their_shapes():
    recorder = streams.Recorder()
    shapes = jax.eval_shape(lambda: sampler_of_everything(recorder))
    assert [leaf.shape for leaf in jax.tree.leaves(shapes)] == [(3,), (), (2, 2), (5,), (3,), (), (2, 3)]
    kinds = ["normal", "uniform", "integers", "rademacher", "centred_uniform", "normal"]
    assert [request.kind for request in recorder.requests] == kinds
    assert [request.size for request in recorder.requests] == [3, 1, 4, 5, 3, 7]
    assert [request.words for request in recorder.requests] == [2, 1, 2, 3, 3, 4]
    assert shapes[2].dtype == np.int32
    assert tuple(recorder.requests) == streams.requests_of(sampler_of_everything)


@pytest.mark.parametrize("size", [1, 2, 3])
def test_odd_sizes_leave_out_the_last_imaginary_part(size):
    key, ids, counters = streams.make_key(0, "gradient"), *ids_and_counters(5, (size + 1) // 2)
    values = drawn(request_of(lambda stream: stream.uniform((size,))), key, ids, counters)
    assert values.shape == (size, 5)
    np.testing.assert_array_equal(values, ((words_of(key, ids, counters)[:size] >> 9) + 0.5) / 2.0**23)


def test_normal_like_is_the_flat_draw_in_flatten_order():
    tree = {"w": np.zeros((2, 3)), "b": np.zeros(()), "a": [np.zeros(2), np.zeros((1, 2))]}
    of_tree = request_of(lambda stream: stream.normal_like(tree))
    flat = request_of(lambda stream: stream.normal((11,)))
    key, ids, counters = streams.make_key(0, "gradient"), *ids_and_counters(4, 6)
    values = drawn(flat, key, ids, counters)
    np.testing.assert_array_equal(drawn(of_tree, key, ids, counters), values)
    served = jax.jit(of_tree.structure.unflatten)(values)
    assert jax.tree.structure(served) == jax.tree.structure(tree)
    lane = jax.tree.map(lambda leaf: np.asarray(leaf)[..., 1], served)
    assert jax.tree.map(np.shape, lane) == jax.tree.map(np.shape, tree)
    flattened = np.concatenate([np.ravel(leaf) for leaf in (*lane["a"], lane["b"], lane["w"])])
    np.testing.assert_array_equal(flattened, np.asarray(values)[:, 1])


def test_replay_hands_out_what_was_drawn_in_order():
    given = ("first", "second", "third")
    replay = streams.Replay(given)
    assert (replay.normal((2,)), replay.integers(3), replay.uniform()) == given


def test_draws_depend_on_key_id_and_counter_alone():
    """The same lanes come out whatever range of ids they are drawn in."""
    whole = draw(lambda stream: stream.normal((SIZE,)), steps=2)
    later = draw(lambda stream: stream.normal((SIZE,)), steps=2, first_id=1000)
    np.testing.assert_array_equal(whole[:, :, 1000:], later[:, :, : LANES - 1000])


# limits


def test_counters_may_use_all_32_bits_but_not_more():
    streams.check_counters(2**32, 2**31, 2)
    with pytest.raises(InvalidInput, match=r"trajectory ids must stay below 2\^32, got ids up to 4294967296"):
        streams.check_counters(2**32 + 1, 1, 1)
    with pytest.raises(InvalidInput, match=r"need 4294967298 counters, more than 2\^32: take fewer steps"):
        streams.check_counters(1, 2**31 + 1, 2)
