"""Measurements of what problems state: in float64, at points near the minimiser and far from it."""

import functools
import itertools
from typing import NamedTuple

import jax
import jax.flatten_util
import jax.numpy as jnp
import numpy as np
from contract_measures import evaluated, start_of

from jaxsgd.problems import EmpiricalRisk
from jaxsgd.structure import Structure, flat

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


def check_polyak_lojasiewicz(entry):
    """The least of ||grad R||^2 / (2 (R - R*)), along a line through the minimiser as well."""
    line = np.zeros((MOST, len(flat(entry.object.minimiser))))
    line[:, 0] = np.linspace(-9, 8.9, MOST)
    for at in (probe(entry), evaluator(entry)(flat(entry.object.minimiser) + line)):
        above = at.values - entry.object.minimum
        ratios = (at.gradients**2).sum(1)[above > 1e-9] / (2 * above[above > 1e-9])
        assert ratios.min() >= entry.object.polyak_lojasiewicz
    assert ratios.min() <= 1.05 * entry.object.polyak_lojasiewicz


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
    outer = kinks if len(kinks) else flat(entry.object.minimiser)
    ends = [outer[0] - 1, *kinks, outer[-1] + 1]
    assert max(roughness(entry, a, b) for a, b in itertools.pairwise(ends)) < 1e-9
    assert not len(kinks) or roughness(entry, ends[0], ends[-1]) > 1e-3


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


def check_test_residuals(entry):
    points, (features, targets, l2) = probe(entry).points, entry.object.test_residuals
    with jax.enable_x64(True):
        risks = np.array([entry.object.test_risk(point) for point in points])
    losses = ((points @ features.T - targets) ** 2).mean(1) / 2 + l2 / 2 * (points**2).sum(1)
    np.testing.assert_allclose(risks, losses, rtol=1e-11, atol=1e-12)


def check_has_gradient(entry):
    found = np.abs(probe(entry).gradients_of_examples).max((0, 2)) > 0
    np.testing.assert_array_equal(found, entry.object.has_gradient)


FACTS_OF_PROBLEMS = {
    "start": check_start,
    "examples": check_examples,
    "minimiser": check_minimiser,
    "minimum": check_minimum,
    "strong_convexity": check_strong_convexity,
    "smoothness": check_smoothness,
    "lipschitz": check_lipschitz,
    "polyak_lojasiewicz": check_polyak_lojasiewicz,
    "convex": check_convex,
    "hessian": check_hessian,
    "kinks": check_kinks,
    "test": check_test,
    "example_smoothness": check_example_smoothness,
    "example_strong_convexity": check_example_strong_convexity,
    "gradient_noise": check_gradient_noise,
    "example_value": check_example_value,
    "squared_residuals": check_squared_residuals,
    "test_residuals": check_test_residuals,
    "has_gradient": check_has_gradient,
}
