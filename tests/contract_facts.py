"""Measurements of what every fact states."""

import functools
import itertools
import math
from collections.abc import Callable
from typing import NamedTuple

import jax
import jax.flatten_util
import jax.numpy as jnp
import numpy as np
import pytest
from scipy import stats

from jaxsgd import methods, noise, oracles, orders, problems, streams
from jaxsgd.problems import EmpiricalRisk
from jaxsgd.streams import Replay
from jaxsgd.structure import Skeleton, Structure, flat

QUICK = (("xla_backend_optimization_level", 0), ("xla_llvm_disable_expensive_passes", True))
"""For the compiler: what is compiled here runs for milliseconds."""

LIMIT = 5.0  # standard errors, two-sided
LEVEL = 1e-5  # of tests that a law passes
NEVER = 1e-12  # p-values of a law that must fail
EXAMPLES, BATCH = 5, 2
"""Of orders: epochs of three updates, the last of one example; of two if it is dropped."""


@functools.partial(jax.jit, static_argnums=0, compiler_options=dict(QUICK))
def _unpacked(request, key, ids, counters):
    return request.unpack(request.draw((key[0], key[1]), ids[None, :], counters[:, None]))


def variates(sampler, lanes, t=0):
    """What step t of trajectories 0 .. lanes - 1 draws, as the engine draws it; trajectories on the first axis."""
    requests, key = streams.requests_of(sampler), streams.make_key(0, "gradient")
    ids, counter, drawn = np.arange(lanes, dtype=np.uint32), t * sum(request.words for request in requests), []
    for request in requests:
        counters = np.arange(counter, counter + request.words, dtype=np.uint32)
        values = request.structure.unflatten(_unpacked(request, key, ids, counters))
        drawn.append(jax.tree.map(lambda leaf: np.moveaxis(np.asarray(leaf), -1, 0), values))
        counter += request.words
    return tuple(drawn)


def as_floats(tree):
    """A pytree with floats in the precision that JAX is set to."""
    precision = jnp.result_type(float)
    return jax.tree.map(lambda leaf: leaf.astype(precision) if leaf.dtype.kind == "f" else leaf, tree)


def examples_of(order):
    """n, which is fixed by an order that has a number for each example."""
    return len(getattr(order, "probabilities", np.zeros(EXAMPLES)))


def start_of(problem):
    """A point of the structure of x."""
    return problem.minimiser if problem.start is None else problem.start


def dimension_of(problem):
    return sum(np.size(leaf) for leaf in jax.tree.leaves(start_of(problem)))


def declared(item, fact, dimension):
    """What an object declares of a fact, None where it does not: of kinks only where there is one coordinate."""
    if fact == "kinks" and dimension > 1:
        return None
    value = getattr(item, fact)
    if fact in ("covariance_matrix", "gradient_covariance"):
        return value(dimension)
    return value(examples_of(item)) if fact == "probabilities_of" else value


@functools.partial(jax.jit, static_argnums=(0, 1), compiler_options=dict(QUICK))
def _mapped(call, skeleton, numbers, shared, points):
    return jax.vmap(lambda point: call(skeleton.filled(numbers), shared, point))(points)


def evaluated(call, item, shared, points):
    """``call(item, shared, point)`` at all points, whose axis is the first, as float64 or integers."""
    skeleton, numbers = Skeleton.split(item)
    values = _mapped(call, skeleton, numbers, as_floats(jax.tree.map(np.asarray, shared)), as_floats(points))
    return jax.tree.map(
        lambda leaf: np.asarray(leaf, np.float64) if leaf.dtype.kind == "f" else np.asarray(leaf), values
    )


# noise, and gradients: laws of vectors


DRAWS = 2**16
D = 2
LIKE = np.zeros(D)


def worst_score(samples, means):
    """The largest |mean - expected| in standard errors over the columns; inf where a constant is another one."""
    error = samples.std(0, ddof=1) / np.sqrt(len(samples))
    gap = np.abs(samples.mean(0) - means)
    rounding = 1e-6 * np.maximum(np.abs(means), 1e-3)
    return float(np.max(np.where(gap <= rounding, 0.0, gap / np.maximum(error, 1e-300))))


def products(samples):
    """x_i x_j of centred samples, (N, d * d)."""
    return np.einsum("ni,nj->nij", samples, samples).reshape(len(samples), -1)


def has_covariance(samples, covariance):
    """Two-sided, 5 standard errors; with a covariance that is 1.1 times as large it must fail."""
    covariance = np.diag(covariance) if np.ndim(covariance) == 1 else covariance
    assert worst_score(products(samples), covariance.ravel()) < LIMIT
    assert not covariance.any() or worst_score(products(samples), 1.1 * covariance.ravel()) > 2 * LIMIT


def p_value_of_normality(samples):
    """Kolmogorov and Smirnov's, of independent directions and of their sum; 1 where nothing is random."""
    values, vectors = np.linalg.eigh(np.cov(samples.T))
    varied = values > 1e-9 * max(values.max(), 1.0)
    assert np.ptp(samples @ vectors[:, ~varied], axis=0).max(initial=0) < 1e-5
    z = (samples - samples.mean(0)) @ vectors[:, varied] / np.sqrt(values[varied])
    together = z.sum(1, keepdims=True) / np.sqrt(max(varied.sum(), 1))
    return min((stats.kstest(each, "norm").pvalue for each in np.hstack([z, together]).T if varied.any()), default=1.0)


def is_as_declared(p_value, fact):
    """A law that has a property passes at LEVEL, one that has not fails far beyond."""
    assert p_value > LEVEL if fact else p_value < NEVER


def _sampled(item, _, drawn):
    return item.sample(Replay(drawn), LIKE)


@functools.cache
def drawn_noise(entry):
    numbers = variates(lambda stream: entry.object.sample(stream, LIKE), DRAWS)
    return evaluated(_sampled, entry.object, (), numbers)


def check_covariance_matrix(entry):
    samples = drawn_noise(entry)
    assert worst_score(samples, np.zeros(D)) < LIMIT
    has_covariance(samples, entry.object.covariance_matrix(D))


def check_normal(entry):
    is_as_declared(p_value_of_normality(drawn_noise(entry)), entry.object.normal)


def check_symmetric(entry):
    """Some projections, against minus those of other draws; ties, such as of signs, make the test conservative."""
    x, minus = np.split(drawn_noise(entry) @ [[1.0, 0.0, 0.6], [0.0, 1.0, -0.8]], 2)
    is_as_declared(min(stats.ks_2samp(a, -b).pvalue for a, b in zip(x.T, minus.T, strict=True)), entry.object.symmetric)


def check_bounded(entry):
    """Where there is a bound the largest of 2^16 draws is less than 2% above that of the first 2^11."""
    length = np.linalg.norm(drawn_noise(entry), axis=1)
    assert entry.object.bounded == (length.max() <= 1.02 * length[: 2**11].max())


# problems


MOST = 200  # points at once


class Probe(NamedTuple):
    """A problem in float64: points (m, d), R and its gradient there; of each example, too, (m, n) and (m, n, d)."""

    points: np.ndarray
    values: np.ndarray
    gradients: np.ndarray
    of_examples: np.ndarray | None
    gradients_of_examples: np.ndarray | None


def _flat(tree):
    return jax.flatten_util.ravel_pytree(tree)[0]


def _of_problem(problem, _, x):
    if problem.examples == 1 or not isinstance(problem, EmpiricalRisk):
        return problem.value(x), _flat(problem.gradient(x))
    each = jax.tree.map(jnp.asarray, problem.data)
    values = jax.vmap(problem.example_value, (None, 0))(x, each)
    return problem.value(x), _flat(problem.gradient(x)), values, jax.vmap(problem.example_gradient, (None, 0))(x, each)


@functools.cache
def evaluator(entry):
    """R and so on at up to MOST flat points (m, d), in float64; one program for any number of them."""
    structure = Structure.of(start_of(entry.object))

    def at(points):
        with jax.enable_x64(True):
            filled = np.resize(points, (MOST, points.shape[1]))
            trees = jax.tree.map(lambda leaf: jnp.moveaxis(leaf, -1, 0), structure.unflatten(jnp.asarray(filled.T)))
            values = evaluated(_of_problem, entry.object, (), trees)
        return Probe(points, *(*(leaf[: len(points)] for leaf in values), None, None)[:4])

    return at


@functools.cache
def probe(entry):
    """Near the minimiser and the start, and far from them."""
    centre, start = flat(entry.object.minimiser), flat(start_of(entry.object))
    normals = np.random.default_rng(3).normal(size=(5, MOST // 5, len(centre)))
    scales = [(centre, 0.02), (centre, 0.5), (centre, 4.0), (centre, 200.0), (start, 0.02)]
    return evaluator(entry)(np.concatenate([at + scale * z for (at, scale), z in zip(scales, normals, strict=True)]))


def pairs(points):
    """All ordered pairs of rows: their differences (m, m, d), and the squared lengths."""
    gap = points[None, :] - points[:, None]
    return gap, (gap**2).sum(-1)


def lowest_curvature(points, values, gradients):
    """The least of 2 (R(y) - R(x) - <grad R(x), y - x>) / ||y - x||^2, where rounding leaves six digits of it."""
    gap, squared = pairs(points)
    inner = np.einsum("id,ijd->ij", gradients, gap)
    excess = values[None, :] - values[:, None] - inner
    rounding = 1e-15 * (np.abs(values[None, :]) + np.abs(values[:, None]) + np.abs(inner))
    usable = (squared > 0) & (rounding < 1e-7 * squared)
    return float((2 * excess[usable] / squared[usable]).min())


def largest_slope(points, values):
    """The largest of ||v(y) - v(x)|| / ||y - x||, for v (m, k)."""
    _, squared = pairs(points)
    _, moved = pairs(values)
    apart = squared > 1e-8
    return float(np.sqrt((moved[apart] / squared[apart]).max()))


def is_the_largest(measured, stated):
    """Never exceeded, and nearly reached."""
    assert measured <= stated * (1 + 1e-9)
    assert measured >= 0.95 * stated


def is_the_least(measured, stated, scale):
    """Never undercut, and nearly reached; `scale` is that of curvatures, where 0 is stated."""
    assert measured >= stated - 1e-6 * max(stated, scale)
    assert measured <= 1.05 * stated + 1e-3 * scale


def check_start(entry):
    """A point where risk and gradient are finite."""
    at = evaluator(entry)(flat(entry.object.start)[None])
    assert np.isfinite(at.values).all()
    assert np.isfinite(at.gradients).all()


def check_examples(entry):
    """The risk is the mean of as many losses; one stands for none."""
    at = probe(entry)
    if at.of_examples is None:
        assert entry.object.examples == 1
        return
    assert at.of_examples.shape[1] == entry.object.examples
    np.testing.assert_allclose(at.of_examples.mean(1), at.values, rtol=1e-12)
    np.testing.assert_allclose(at.gradients_of_examples.mean(1), at.gradients, rtol=1e-12, atol=1e-12)


def check_minimiser(entry):
    """Nowhere is the risk lower, in no direction does it fall; where it is smooth its gradient vanishes."""
    x = flat(entry.object.minimiser)
    sizes = np.repeat([1e-5, 1e-3, 0.1, 1.0], MOST // 4)
    directions = sizes[:, None] * np.random.default_rng(4).normal(size=(MOST, len(x)))
    lowest = evaluator(entry)(x[None])
    around = evaluator(entry)(x + directions)
    tolerance = 1e-14 * np.maximum(np.abs(lowest.values[0]), 1)
    assert around.values.min() >= lowest.values[0] - tolerance
    assert probe(entry).values.min() >= lowest.values[0] - tolerance
    assert around.values.max() > lowest.values[0] + 0.01
    if entry.object.smoothness is not None:
        assert np.linalg.norm(lowest.gradients[0]) < 1e-10


def check_minimum(entry):
    x = flat(entry.object.minimiser)
    np.testing.assert_allclose(evaluator(entry)(x[None]).values, entry.object.minimum, rtol=1e-12, atol=1e-14)


def check_convex(entry):
    """No chord lies below the risk, or one does."""
    at, order = probe(entry), np.random.default_rng(5).permutation(MOST)
    share = np.random.default_rng(6).uniform(size=MOST)
    between = evaluator(entry)(share[:, None] * at.points + (1 - share[:, None]) * at.points[order])
    chord = share * at.values + (1 - share) * at.values[order]
    below = (chord - between.values < -1e-13 * np.maximum(np.abs(chord), 1)).any()
    assert below != entry.object.convex
    if entry.object.convex:  # also of first order, with the gradients that it gives where it has kinks
        assert lowest_curvature(at.points, at.values, at.gradients) > -1e-6


def check_strong_convexity(entry):
    at = probe(entry)
    measured = lowest_curvature(at.points, at.values, at.gradients)
    is_the_least(measured, entry.object.strong_convexity, entry.object.smoothness or 1.0)


def check_smoothness(entry):
    is_the_largest(largest_slope(probe(entry).points, probe(entry).gradients), entry.object.smoothness)


def check_lipschitz(entry):
    is_the_largest(largest_slope(probe(entry).points, probe(entry).values[:, None]), entry.object.lipschitz)


def check_hessian(entry):
    """The quadratic form is the risk; a matrix that is 1.01 times as large is not that of it."""
    at, problem = probe(entry), entry.object
    A = np.diag(problem.hessian) if problem.hessian.ndim == 1 else problem.hessian
    error = at.points - problem.minimiser
    form = np.einsum("mi,ij,mj->m", error, A, error) / 2
    np.testing.assert_allclose(problem.minimum + form, at.values, rtol=1e-12, atol=1e-14)
    assert not np.allclose(problem.minimum + 1.01 * form, at.values, rtol=1e-3)


def roughness(entry, first, last):
    """How far the gradient on an interval is from a polynomial of degree 12, relative to its size."""
    nodes = np.polynomial.chebyshev.chebpts1(32)
    points = (first + last) / 2 + (last - first) / 2 * nodes
    slopes = evaluator(entry)(points[:, None]).gradients[:, 0]
    fitted = np.polynomial.chebyshev.chebfit(nodes, slopes, 12)
    return np.abs(np.polynomial.chebyshev.chebval(nodes, fitted) - slopes).max() / np.abs(slopes).max()


def check_kinks(entry):
    """Smooth between them, and not smooth if they are left out."""
    kinks = np.sort(entry.object.kinks)
    ends = [kinks[0] - 3, *kinks, kinks[-1] + 3]
    assert max(roughness(entry, a, b) for a, b in itertools.pairwise(ends)) < 1e-10
    assert roughness(entry, ends[0], ends[-1]) > 1e-3


# examples of a problem


def check_test(entry):
    """The risk on test data is the mean loss of these, without a ridge."""
    problem, points = entry.object, probe(entry).points[:3]
    with jax.enable_x64(True):
        data = jax.tree.map(jnp.asarray, problem.test)
        losses = [jax.vmap(problem.example_value, (None, 0))(jnp.asarray(x), data) for x in points]
        risks = [problem.test_risk(jnp.asarray(x)) for x in points]
    ridge = getattr(problem, "l2", 0.0) / 2 * (points**2).sum(1)
    np.testing.assert_allclose(risks, np.mean(losses, 1) - ridge, rtol=1e-12)


def of_each_example(entry, measure):
    """A measurement of points, values and gradients for each example."""
    at = probe(entry)
    each = zip(at.of_examples.T, at.gradients_of_examples.swapaxes(0, 1), strict=True)
    return [measure(at.points, values, gradients) for values, gradients in each]


def check_example_smoothness(entry):
    slopes = of_each_example(entry, lambda points, _, gradients: largest_slope(points, gradients))
    is_the_largest(max(slopes), entry.object.example_smoothness)


def check_example_strong_convexity(entry):
    measured = min(of_each_example(entry, lowest_curvature))
    is_the_least(measured, entry.object.example_strong_convexity, entry.object.example_smoothness)


def check_example_value(entry):
    """Its derivative is the gradient of the example."""
    problem, at = entry.object, probe(entry)

    def differentiated(problem, _, x):
        return jax.vmap(jax.grad(problem.example_value), (None, 0))(x, jax.tree.map(jnp.asarray, problem.data))

    with jax.enable_x64(True):
        gradients = evaluated(differentiated, problem, (), at.points)
    np.testing.assert_allclose(gradients, at.gradients_of_examples, rtol=1e-11, atol=1e-11)


def check_gradient_noise(entry):
    at = evaluator(entry)(flat(entry.object.minimiser)[None])
    squares = (at.gradients_of_examples[0] ** 2).sum(1)
    np.testing.assert_allclose(entry.object.gradient_noise, squares.mean(), rtol=1e-10)


def check_squared_residuals(entry):
    at, (features, targets, l2) = probe(entry), entry.object.squared_residuals
    losses = (at.points @ features.T - targets) ** 2 / 2 + l2 / 2 * (at.points**2).sum(1, keepdims=True)
    np.testing.assert_allclose(at.of_examples, losses, rtol=1e-11, atol=1e-12)


def check_has_gradient(entry):
    found = np.abs(probe(entry).gradients_of_examples).max((0, 2)) > 0
    np.testing.assert_array_equal(found, entry.object.has_gradient)


# orders


SEQUENCES, UPDATES = 2**15, 6


class Batches(NamedTuple):
    """Indices (update, trajectory, batch), -1 where an example has weight 0, and weights."""

    indices: np.ndarray
    weights: np.ndarray


def _drawn_batch(order, t, point):
    drawn, memory, _ = point
    (indices, weights), memory = order.draw(Replay(drawn), t, memory, examples_of(order), BATCH)
    return indices, jnp.ones(BATCH) if weights is None else jnp.broadcast_to(weights, (BATCH,)), memory


@functools.cache
def batches(entry):
    order, n = entry.object, examples_of(entry.object)
    memory = jax.tree.map(lambda leaf: np.broadcast_to(leaf, (SEQUENCES, *leaf.shape)), order.memory(n))
    drawn = []
    for t in range(UPDATES):
        numbers = variates(lambda stream: order.draw(stream, 0, order.memory(n), n, BATCH), SEQUENCES, t)
        point = (numbers, memory, np.zeros(SEQUENCES))  # vmap needs something to map over
        indices, weights, memory = evaluated(_drawn_batch, order, np.int32(t), point)
        drawn.append((np.where(weights > 0, indices, -1), weights))
    return Batches(*map(np.stack, zip(*drawn, strict=True)))


def codes(indices):
    """One number for each different row."""
    base = (indices.max() + 2) ** np.arange(indices.shape[1])
    return np.unique((indices + 1) @ base, return_inverse=True)[1]


def p_value_of_independence(rows, columns):
    """Chi-square, of two codes; 1 where one of them is constant."""
    table = np.zeros((rows.max() + 1, columns.max() + 1))
    np.add.at(table, (rows, columns), 1)
    return stats.chi2_contingency(table, correction=False).pvalue if min(table.shape) > 1 else 1.0


def check_distinct(entry):
    """No example twice in a batch, or some are."""
    first, second = np.moveaxis(batches(entry).indices, -1, 0)
    assert (first == second).any() != entry.object.distinct


def check_fresh(entry):
    """Batches are independent, and of one law; or they are not."""
    drawn = batches(entry).indices
    p_values = []
    for t, s in [(0, 1), (0, 3), (1, 2), (2, 5)]:
        p_values.append(p_value_of_independence(codes(drawn[t]), codes(drawn[s])))
        half = SEQUENCES // 2  # of different trajectories
        which = np.repeat([0, 1], half)
        p_values.append(p_value_of_independence(which, codes(np.concatenate([drawn[t][:half], drawn[s][half:]]))))
    is_as_declared(min(p_values), entry.object.fresh)


def check_unbiased(entry):
    """The weighted mean over a batch, for each batch before; two-sided, or far off for one of them."""
    drawn, n = batches(entry), examples_of(entry.object)
    numbers = np.array([1.0, -2.0, 0.5, 3.0, 1.5])[:n]
    weighted = np.where(drawn.indices >= 0, drawn.weights * numbers[drawn.indices], 0.0).mean(-1)
    scores = [worst_score(weighted[0][:, None], numbers.mean())]
    for t in range(1, UPDATES):
        before = codes(drawn.indices[t - 1])
        groups = [weighted[t][before == code] for code in range(before.max() + 1)]
        scores += [worst_score(group[:, None], numbers.mean()) for group in groups]
    assert max(scores) < LIMIT if entry.object.unbiased else max(scores) > 4 * LIMIT


def check_uniform(entry):
    """Two places hold all pairs of different examples equally often, and all of the same one; or they do not."""
    drawn, n = batches(entry).indices, examples_of(entry.object)
    places = [(t, j) for t in range(3) for j in range(BATCH) if (drawn[t, :, j] >= 0).all()]
    p_values = []
    for one, other in itertools.combinations(places, 2):
        table = np.zeros((n, n))
        np.add.at(table, (drawn[one[0], :, one[1]], drawn[other[0], :, other[1]]), 1)
        alike = np.eye(n, dtype=bool)
        p_values += [stats.chisquare(cells).pvalue for cells in (table[alike], table[~alike]) if cells.any()]
    is_as_declared(min(p_values), entry.object.uniform)


def check_probabilities_of(entry):
    """Counts of all places, against them and against others; weights of unbiased draws are 1 / (n p_i)."""
    drawn, n = batches(entry), examples_of(entry.object)
    p = entry.object.probabilities_of(n)
    assert p.sum() == pytest.approx(1, rel=1e-14)
    counts = np.bincount(drawn.indices.ravel(), minlength=n)
    other = p * (1 + 0.05 * (-1.0) ** np.arange(n))
    assert stats.chisquare(counts, p * counts.sum()).pvalue > LEVEL
    assert stats.chisquare(counts, other / other.sum() * counts.sum()).pvalue < NEVER
    np.testing.assert_allclose(drawn.weights * n * p[drawn.indices], 1, rtol=1e-6)


def check_shuffled(entry):
    """Every example at most once in an epoch, all sequences equally often; two epochs are independent or the same."""
    order, n = entry.object, examples_of(entry.object)
    length = order.updates_per_epoch(n, BATCH)
    first, second = (
        np.concatenate([each[:, each[0] >= 0] for each in batches(entry).indices[start : start + length]], 1)
        for start in (0, length)
    )
    assert (np.diff(np.sort(first), axis=1) > 0).all()
    if order.shuffled == "never":
        np.testing.assert_array_equal(first, np.broadcast_to(np.arange(first.shape[1]), first.shape))
    else:
        assert codes(first).max() + 1 == math.perm(n, first.shape[1])
        assert stats.chisquare(np.bincount(codes(first))).pvalue > LEVEL
    if order.shuffled == "every epoch":
        assert p_value_of_independence(codes(first[:, :2]), codes(second[:, :2])) > LEVEL
        assert p_value_of_independence(codes(first[:, -2:]), codes(second[:, -2:])) > LEVEL
    else:
        np.testing.assert_array_equal(first, second)


# methods


def moves(entry):
    """x, g and eta at random, x_{t+1}, and that of differences: x, g (3, 500, 2), the third of the first two."""
    normals = 2 * np.random.default_rng(7).normal(size=(2, 3, 500, D))
    normals[:, 2] = normals[:, 0] + normals[:, 1]
    rate = np.full(500, 0.3)

    def update(method, _, point):
        return method.update(*point)

    with jax.enable_x64(True):
        moved = [evaluated(update, entry.object, (), (x, g, rate)) for x, g in zip(*normals, strict=True)]
        still = evaluated(update, entry.object, (), (0 * normals[0, 0], 0 * normals[1, 0], rate))
    return normals[0], normals[1], np.stack(moved), still


def check_plain(entry):
    x, g, moved, _ = moves(entry)
    assert np.allclose(moved, x - 0.3 * g, rtol=1e-13, atol=1e-13) == entry.object.plain


def check_linear(entry):
    """An affine function F has F(a) + F(b) = F(a + b) + F(0)."""
    _, _, moved, still = moves(entry)
    assert np.allclose(moved[0] + moved[1], moved[2] + still, rtol=1e-13, atol=1e-13) == entry.object.linear


def check_projection(entry):
    x, g, moved, _ = moves(entry)
    with jax.enable_x64(True):
        projected = evaluated(
            lambda convex, _, point: convex.project(point), entry.object.projection, (), (x - 0.3 * g).reshape(-1, D)
        )
    np.testing.assert_allclose(moved.reshape(-1, D), projected, rtol=1e-13, atol=1e-13)


# oracles


LANES = 2**15
AT, ELSEWHERE = np.array([1.0, -0.5]), np.array([-2.0, 3.0])


def _two_gradients(oracle, x, point):
    """g_0 and g_1 of one trajectory at the same x, and the gradient of R there."""
    memory, gradients = oracle.memory(), []
    for t, drawn in enumerate(point[:2]):
        sample, memory = oracle.sample(Replay(drawn), x, jnp.int32(t), memory)
        gradients.append(oracle.gradient(x, sample))
    return jnp.stack(gradients), gradients[0] if oracle.problem is None else oracle.problem.gradient(x)


@functools.cache
def drawn_gradients(entry):
    """At two points: (2, LANES, update, d), and the gradients of R (2, d)."""
    oracle = entry.object
    numbers = [variates(lambda stream: oracle.sample(stream, LIKE, 0, oracle.memory()), LANES, t) for t in range(2)]
    points = (*numbers, np.zeros(LANES))
    found = [evaluated(_two_gradients, oracle, x, points) for x in (AT, ELSEWHERE)]
    return np.stack([gradients for gradients, _ in found]), np.stack([full[0] for _, full in found])


def check_oracle_unbiased(entry):
    """Two-sided: g_0 has the mean grad R, and so has g_1, whatever g_0 was. Of an unknown risk: one mean, at least."""
    at_points, full = drawn_gradients(entry)
    scores = []
    for gradients, expected in zip(at_points, full, strict=True):
        mean = gradients[:, 0].mean(0) if entry.object.problem is None else expected
        scores += [worst_score(gradients[:, t], mean) for t in range(2)]
        together = np.einsum("ni,nj->nij", *(gradients - mean).swapaxes(0, 1)).reshape(LANES, -1)
        scores.append(worst_score(together, np.zeros(D * D)))
    assert max(scores) < LIMIT if entry.object.unbiased else max(scores) > 4 * LIMIT


def check_oracle_normal(entry):
    is_as_declared(p_value_of_normality(drawn_gradients(entry)[0][0, :, 0]), entry.object.normal)


def check_full_gradient(entry):
    gradients, full = drawn_gradients(entry)
    exact = np.array_equal(gradients, np.broadcast_to(full[:, None, None], gradients.shape))
    assert exact == entry.object.full_gradient


def check_gradient_covariance(entry):
    """The same at both points, with independent draws."""
    gradients, full = drawn_gradients(entry)
    for t in range(2):
        has_covariance(gradients[t, :, t] - full[t], entry.object.gradient_covariance(D))


@functools.cache
def check_order_and_batch(entry):
    """g_0 is the weighted mean of the gradients of as many examples as the order draws from the same numbers."""
    oracle, x = entry.object, AT
    if oracle.order is None:
        assert oracle.batch == 1
        return
    problem, n = oracle.problem, oracle.problem.examples
    numbers = variates(lambda stream: oracle.sample(stream, LIKE, 0, oracle.memory()), 64)
    with jax.enable_x64(True):
        each = np.asarray(jax.vmap(problem.example_gradient, (None, 0))(x, jax.tree.map(jnp.asarray, problem.data)))

    def draw(order, _, point):
        return order.draw(Replay(point[0]), 0, order.memory(n), n, oracle.batch)[0]

    drawn = evaluated(draw, oracle.order, (), (numbers, np.zeros(64)))
    assert drawn.indices.reshape(64, -1).shape == (64, oracle.batch)
    weights = np.ones(drawn.indices.shape) if drawn.weights is None else drawn.weights
    mean = (weights[..., None] * each[drawn.indices]).reshape(64, oracle.batch, D).mean(1)
    np.testing.assert_allclose(drawn_gradients(entry)[0][0, :64, 0], mean, rtol=1e-5, atol=1e-5)


FACTS: dict[type, dict[str, Callable]] = {
    noise.Noise: {
        "normal": check_normal,
        "symmetric": check_symmetric,
        "bounded": check_bounded,
        "covariance_matrix": check_covariance_matrix,
    },
    problems.Problem: {
        "start": check_start,
        "examples": check_examples,
        "minimiser": check_minimiser,
        "minimum": check_minimum,
        "strong_convexity": check_strong_convexity,
        "smoothness": check_smoothness,
        "lipschitz": check_lipschitz,
        "convex": check_convex,
        "hessian": check_hessian,
        "kinks": check_kinks,
        "test": check_test,
        "example_smoothness": check_example_smoothness,
        "example_strong_convexity": check_example_strong_convexity,
        "gradient_noise": check_gradient_noise,
        "example_value": check_example_value,
        "squared_residuals": check_squared_residuals,
        "has_gradient": check_has_gradient,
    },
    oracles.Oracle: {
        "unbiased": check_oracle_unbiased,
        "normal": check_oracle_normal,
        "full_gradient": check_full_gradient,
        "order": check_order_and_batch,
        "batch": check_order_and_batch,
        "gradient_covariance": check_gradient_covariance,
    },
    orders.Order: {
        "fresh": check_fresh,
        "unbiased": check_unbiased,
        "uniform": check_uniform,
        "distinct": check_distinct,
        "shuffled": check_shuffled,
        "probabilities_of": check_probabilities_of,
    },
    methods.Method: {"plain": check_plain, "projection": check_projection, "linear": check_linear},
}
"""What is measured for each fact that members of a family may declare."""
