"""Measurements of what every fact states: of noise, orders, methods and oracles; those of problems are beside."""

import functools
import itertools
import math
from collections.abc import Callable
from typing import NamedTuple

import jax
import jax.numpy as jnp
import numpy as np
import pytest
from contract_measures import (
    BATCH,
    LEVEL,
    LIKE,
    LIMIT,
    NEVER,
    D,
    evaluated,
    examples_of,
    has_covariance,
    has_tail_index,
    is_as_declared,
    p_value_of_normality,
    variates,
    worst_score,
)
from contract_problems import FACTS_OF_PROBLEMS
from jax.flatten_util import ravel_pytree
from scipy import stats

from jaxsgd import methods, noise, oracles, orders, problems, start
from jaxsgd.streams import Replay

# noise

DRAWS = 2**17


def _sampled(item, _, drawn):
    return ravel_pytree(item.sample(Replay(drawn), LIKE))[0]


def _perturbed(item, gradient, drawn):
    return item.perturbed(gradient, item.sample(Replay(drawn), LIKE))


@functools.cache
def drawn_noise(entry):
    numbers = variates(lambda stream: entry.object.sample(stream, LIKE), DRAWS)
    return evaluated(_sampled, entry.object, (), numbers)


def check_covariance_matrix(entry):
    samples = drawn_noise(entry)
    assert worst_score(samples, np.zeros(D)) < LIMIT
    has_covariance(samples, entry.object.covariance_matrix(D))


def check_mean_vector(entry):
    assert worst_score(drawn_noise(entry), entry.object.mean_vector(D)) < LIMIT


def check_covariance_of_start(entry):
    samples = drawn_noise(entry)
    has_covariance(samples - samples.mean(0), entry.object.covariance_matrix(D))


def check_normal(entry):
    is_as_declared(p_value_of_normality(drawn_noise(entry)), entry.object.normal)


def check_symmetric(entry):
    """Some projections, against minus those of other draws; ties, such as of signs, make the test conservative."""
    samples = drawn_noise(entry)
    projections = np.column_stack([np.eye(samples.shape[1]), np.resize([0.6, -0.8], samples.shape[1])])
    x, minus = np.split(samples @ projections, 2)
    is_as_declared(min(stats.ks_2samp(a, -b).pvalue for a, b in zip(x.T, minus.T, strict=True)), entry.object.symmetric)


def check_bounded(entry):
    """Where there is a bound the largest of 2^17 draws is less than 2% above that of the first 2^11."""
    length = np.linalg.norm(drawn_noise(entry), axis=1)
    assert entry.object.bounded == (length.max() <= 1.02 * length[: 2**11].max())


def check_tail_index(entry):
    has_tail_index(drawn_noise(entry), entry.object.tail_index)


def p_value_of_independent_coordinates(samples):
    """Chi-square of each pair of coordinates, in 8 intervals between quantiles; 1 where one of them is constant."""
    codes = [np.searchsorted(np.unique(np.quantile(x, np.arange(1, 8) / 8)), x) for x in samples.T if np.ptp(x) > 0]
    pairs = itertools.combinations(codes, 2)
    return min((p_value_of_independence(*pair) for pair in pairs), default=1.0)


def check_independent(entry):
    is_as_declared(p_value_of_independent_coordinates(drawn_noise(entry)), entry.object.independent)


def check_cumulants(entry):
    """E x^k, k = 2, 3, 4, as far as x^k has a variance, two-sided; with a variance 1.1 times as large it must fail."""
    samples, item = drawn_noise(entry), entry.object
    second, third, fourth = (item.cumulants(k, D) for k in (2, 3, 4))
    moments = {2: second, 3: third, 4: None if fourth is None else fourth + 3 * second**2}
    for order, moment in moments.items():
        if 2 * order < item.tail_index:
            assert worst_score(samples**order, moment) < LIMIT
    assert not second.any() or worst_score(samples**2, 1.1 * second) > 2 * LIMIT


def check_stable_law(entry):
    """E cos(u x) = exp(-|c u|^alpha) at four u; with other scales or another exponent it must fail."""
    samples, (alpha, scales) = drawn_noise(entry), entry.object.stable_law(D)
    u = np.array([[0.3, 1.0, 2.0, 4.0]]).T / np.where(scales > 0, scales, 1.0)
    cosines = np.cos(u * samples[:, None]).reshape(len(samples), -1)

    def score(exponent, factor):
        return worst_score(cosines, np.exp(-((u * scales * factor) ** exponent)).ravel())

    assert score(alpha, 1.0) < LIMIT
    assert not scales.any() or min(score(alpha, 1.1), score(alpha + 0.1, 1.0)) > 2 * LIMIT


def check_marginal(entry):
    """P(x <= q) at 15 quantiles of half of the draws, of the other half, two-sided."""
    first, second = np.split(drawn_noise(entry), 2)
    at = np.quantile(first, np.arange(1, 16) / 16, axis=0)
    stated = entry.object.marginal(D).cdf(at)
    assert stated.shape == at.shape
    assert worst_score((second[:, None] <= at).reshape(len(second), -1) * 1.0, stated.ravel()) < LIMIT


AT_REST, STEEP = np.zeros(D), np.array([2.0, -1.0])


@functools.cache
def perturbed(entry):
    """Stochastic gradients (DRAWS, d) where that of R is 0, and where it is `STEEP`, of the same draws."""
    numbers = variates(lambda stream: entry.object.sample(stream, LIKE), DRAWS)
    return [evaluated(_perturbed, entry.object, gradient, numbers) for gradient in (AT_REST, STEEP)]


def check_is_additive(entry):
    at_rest, steep = perturbed(entry)
    assert np.allclose(steep - STEEP, at_rest, rtol=0, atol=1e-4 * np.abs(at_rest).max()) == entry.object.is_additive


def check_relative_marginal(entry):
    """Of the factor of the same draws, less 1, at 15 quantiles of half of them, of the other half, two-sided."""
    at_rest, steep = perturbed(entry)
    first, second = np.split((steep - at_rest) / STEEP - 1, 2)
    at = np.quantile(first, np.arange(1, 16) / 16, axis=0)
    stated = entry.object.relative_marginal(D).cdf(at)
    assert worst_score((second[:, None] <= at).reshape(len(second), -1) * 1.0, stated.ravel()) < LIMIT


def check_relative_variance(entry):
    """Of the difference at two points that the same draws make."""
    at_rest, steep = perturbed(entry)
    has_covariance(steep - STEEP - at_rest, np.diag(entry.object.relative_variance(D) * STEEP**2))


def check_covariance_at_rest(entry):
    has_covariance(perturbed(entry)[0], entry.object.covariance_at_rest(D))


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


def check_weights(entry):
    """One for all that a batch uses, with the mean 1 over its places; or 1 / (n p_i)."""
    (indices, weights), order = batches(entry), entry.object
    if order.weights == "equal":
        used = indices >= 0
        expected = used * BATCH / used.sum(-1, keepdims=True)
    else:
        expected = 1 / (examples_of(order) * order.probabilities_of(examples_of(order))[indices])
    np.testing.assert_allclose(weights, expected, rtol=1e-6)


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


RATE, CURVATURE = 0.3, 0.5


def of_method(method, point):
    """x_1, x_2, .. with gradients x / 2 + g_t of the drawn losses x^2 / 4 + g_t'x, of which R is x^2 / 4."""
    x, noise, rate = point
    state, path = method.init(x), []
    for t, xi in enumerate(noise):
        draw = methods.Draw(
            lambda at, xi=xi: CURVATURE * at + xi,
            lambda at, xi=xi: jnp.sum(CURVATURE / 2 * at * at + xi * at),
            lambda at: CURVATURE * at,
        )
        x, state = method.step(x, rate, jnp.int32(t), state, draw)
        path.append(x)
    return jnp.stack(path)


@functools.cache
def moves(entry):
    """x_0 and xi at random, x_1 .. x_3, and those of 0: x (3, 500, 2), xi (3, 500, 3, 2); the third are sums."""
    x, noise = (2 * np.random.default_rng(7).normal(size=(3, 500, *shape)) for shape in ((D,), (3, D)))
    for each in (x, noise):
        each[2] = each[0] + each[1]

    def path(method, _, point):
        return of_method(method, (*point, RATE))

    with jax.enable_x64(True):
        moved = [evaluated(path, entry.object, (), point) for point in zip(x, noise, strict=True)]
        still = evaluated(path, entry.object, (), (0 * x[0], 0 * noise[0]))
    return x, noise, np.stack(moved), still


def of_sgd(x, noise, project=lambda point: point):
    """x_1, x_2, .. of SGD."""
    path = []
    for t in range(noise.shape[-2]):
        x = project(x - RATE * (CURVATURE * x + noise[..., t, :]))
        path.append(x)
    return np.stack(path, -2)


def check_plain(entry):
    x, noise, moved, _ = moves(entry)
    assert np.allclose(moved, of_sgd(x, noise), rtol=1e-13, atol=1e-13) == entry.object.plain


def check_linear(entry):
    """An affine function F has F(a) + F(b) = F(a + b) + F(0)."""
    _, _, moved, still = moves(entry)
    assert np.allclose(moved[0] + moved[1], moved[2] + still, rtol=1e-13, atol=1e-13) == entry.object.linear


def check_projection(entry):
    x, noise, moved, _ = moves(entry)

    def project(point):
        call = lambda convex, _, point: convex.project(point)  # noqa: E731
        with jax.enable_x64(True):
            return evaluated(call, entry.object.projection, (), point.reshape(-1, D)).reshape(point.shape)

    np.testing.assert_allclose(moved, of_sgd(x, noise, project), rtol=1e-13, atol=1e-13)


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


def check_gradient_covariances(entry):
    """Of each of two updates its own, and so at both points."""
    gradients, full = drawn_gradients(entry)
    covariance, factors = entry.object.gradient_covariances(D, 2)
    for t in range(2):
        has_covariance(gradients[t, :, t] - full[t], factors[t] * covariance)


def check_oracle_independent(entry):
    p_value = p_value_of_independent_coordinates(drawn_gradients(entry)[0][0, :, 0])
    is_as_declared(p_value, entry.object.independent)


def check_growing_covariance(entry):
    """At both points, with independent draws."""
    gradients, full = drawn_gradients(entry)
    relative, at_rest = entry.object.growing_covariance(D)
    for t in range(2):
        has_covariance(gradients[t, :, t] - full[t], np.diag(relative * full[t] ** 2 + at_rest))


def check_gradient_cumulants(entry):
    """Of orders 2, 3 and 4, of each of two updates, and so at both points."""
    gradients, full = drawn_gradients(entry)
    second, third, fourth = (entry.object.gradient_cumulants(k, D, 2) for k in (2, 3, 4))
    for t in range(2):
        off = gradients[t, :, t] - full[t]
        for order, moment in {2: second[t], 3: third[t], 4: fourth[t] + 3 * second[t] ** 2}.items():
            assert worst_score(off**order, moment) < LIMIT


def check_noise_over_time(entry):
    """Gradients at both points, of each of two updates, against what the noise makes of others of its draws."""
    gradients, full = drawn_gradients(entry)
    item, factors = entry.object.noise_over_time(2)
    numbers = variates(lambda stream: item.sample(stream, LIKE), LANES, 7)

    def made(noise_, gradient, drawn):
        numbers, factor = drawn
        scaled = jax.tree.map(lambda leaf: factor * leaf, noise_.sample(Replay(numbers), LIKE))
        return noise_.perturbed(gradient, scaled)

    for t, at in itertools.product(range(2), range(2)):
        others = evaluated(made, item, full[at], (numbers, np.full(LANES, factors[t])))
        for own, other in zip(gradients[at, :, t].T, others.T, strict=True):
            assert stats.ks_2samp(own, other).pvalue > LEVEL


def check_oracle_tail_index(entry):
    """At both points, of each of two draws."""
    gradients, _ = drawn_gradients(entry)
    for at_point in gradients.swapaxes(1, 2).reshape(-1, LANES, D):
        has_tail_index(at_point - at_point.mean(0), entry.object.tail_index)


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
        "tail_index": check_tail_index,
        "covariance_matrix": check_covariance_matrix,
        "is_additive": check_is_additive,
        "independent": check_independent,
        "cumulants": check_cumulants,
        "stable_law": check_stable_law,
        "marginal": check_marginal,
        "relative_marginal": check_relative_marginal,
        "relative_variance": check_relative_variance,
        "covariance_at_rest": check_covariance_at_rest,
    },
    problems.Problem: FACTS_OF_PROBLEMS,
    oracles.Oracle: {
        "unbiased": check_oracle_unbiased,
        "normal": check_oracle_normal,
        "full_gradient": check_full_gradient,
        "order": check_order_and_batch,
        "batch": check_order_and_batch,
        "averages_examples": check_order_and_batch,
        "tail_index": check_oracle_tail_index,
        "gradient_covariance": check_gradient_covariance,
        "gradient_covariances": check_gradient_covariances,
        "independent": check_oracle_independent,
        "growing_covariance": check_growing_covariance,
        "gradient_cumulants": check_gradient_cumulants,
        "noise_over_time": check_noise_over_time,
    },
    orders.Order: {
        "fresh": check_fresh,
        "unbiased": check_unbiased,
        "uniform": check_uniform,
        "distinct": check_distinct,
        "weights": check_weights,
        "shuffled": check_shuffled,
        "probabilities_of": check_probabilities_of,
    },
    start.Start: {
        "normal": check_normal,
        "mean_vector": check_mean_vector,
        "covariance_matrix": check_covariance_of_start,
    },
    methods.Method: {"plain": check_plain, "projection": check_projection, "linear": check_linear},
}
"""What is measured for each fact that members of a family may declare."""
