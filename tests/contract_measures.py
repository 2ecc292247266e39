"""What measurements of all families need: draws, evaluation at many points at once, and tests of laws."""

import functools

import jax
import jax.numpy as jnp
import numpy as np
from economy import QUICK
from scipy import stats

from jaxsgd import streams
from jaxsgd.structure import Skeleton

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
    if fact in ("covariance_matrix", "gradient_covariance", "mean_vector"):
        return value(dimension)
    if fact in (
        "stable_law",
        "marginal",
        "relative_marginal",
        "relative_variance",
        "covariance_at_rest",
        "growing_covariance",
    ):
        return value(dimension)
    if fact == "gradient_covariances":
        return value(dimension, 3)
    if fact == "noise_over_time":
        return value(3)
    if fact in ("cumulants", "gradient_cumulants"):
        return value(2, dimension, *([3] if fact == "gradient_cumulants" else []))
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


# laws of vectors


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


def has_tail_index(samples, index):
    """Hill's (1975) estimate from the longest of every 512 draws, within 9%, against the index that is declared.

    It is within 40% of one that is finite, as power laws are reached slowly, and above 4.5 where all moments are
    finite: 12 for two normals, 7 for an exponential tail, inf for lengths that are all the same.
    """
    longest = np.sort(np.linalg.norm(samples, axis=1))[-(len(samples) // 512) :]
    spread = np.log(longest / longest[0]).mean() if longest[0] > 0 else 0.0
    estimate = 1 / spread if spread > 0 else np.inf
    assert estimate > 4.5 if index == np.inf else abs(estimate / index - 1) < 0.4


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
