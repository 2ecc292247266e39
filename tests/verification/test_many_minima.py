"""The mathematics of exercise 5 by plain NumPy, without the engine and without the kernel."""

import itertools

import jax.numpy as jnp
import numpy as np
import pytest

from jaxsgd import problems
from jaxsgd.errors import InvalidInput
from jaxsgd.theory import gradient_descent, landscape
from jaxsgd.verification.chapter import hidden_minimum, many_minima
from jaxsgd.verification.chapter import hidden_studies as hidden
from jaxsgd.verification.chapter import rippled_studies as rippled


def slope(x):
    return 2 * x * (1 + np.sin(x)) + x**2 * np.cos(x)


def descended(x, rate, steps):
    for _ in range(steps):
        x = x - rate * slope(x)
    return x


def test_gradient_descent_is_the_recursion():
    starts = np.linspace(-11, 8, 40)
    np.testing.assert_allclose(
        gradient_descent(rippled.PROBLEM, starts, 0.005, 60), descended(starts, 0.005, 60), rtol=1e-12
    )
    a, b = gradient_descent(rippled.PROBLEM, 4.0, 0.1, 400), gradient_descent(rippled.PROBLEM, 4.0, 0.1, 401)
    np.testing.assert_allclose([a, b], [4.31056, 4.96859], atol=6e-6)
    assert abs(a - 0.1 * slope(a) - b) < 1e-12
    assert abs(np.prod(1 - 0.1 * rippled.curvature(np.array([a, b])))) < 1
    with pytest.raises(InvalidInput, match="must not be negative"):
        gradient_descent(rippled.PROBLEM, 4.0, -0.1, 1)


def test_every_start_ends_in_its_own_cell_at_the_small_rate():
    """The rate is below 1 / L on all four cells, whose shares of a uniform start are those of their lengths."""
    low, high = rippled.landscape().maxima[[0, -1]]
    dense = np.linspace(low, high, 10_001)
    assert rippled.SMALL_RATE * np.abs(rippled.curvature(dense)).max() < 1
    starts = (dense[1:] + dense[:-1]) / 2
    ends = descended(starts, rippled.SMALL_RATE, many_minima.ARRIVES)
    near = np.abs(ends[:, None] - rippled.landscape().minima) < 0.01
    assert near.any(1).mean() > 0.999
    lengths = np.diff(rippled.landscape().maxima) / (high - low)
    np.testing.assert_allclose(near.mean(0), lengths, atol=5e-4)


def test_the_counts_by_the_formula_of_the_proof():
    for a, count in ((10, 4), (100, 33), (1000, 319)):
        assert 1 + (a + np.pi / 2) // (2 * np.pi) + (a - np.pi / 2) // (2 * np.pi) + 1 == count
        assert len(rippled.PROBLEM.local_minima(-a, a)) == count


@pytest.mark.slow
def test_all_319_are_certified():
    """Four seconds."""
    assert len(landscape(rippled.PROBLEM, (-1000, 1000)).minima) == 319


def test_a_dent_is_smooth_and_nothing_outside_of_it():
    place = float(hidden.places()[2])
    x = np.linspace(place - 3 * hidden.WIDTH, place + 3 * hidden.WIDTH, 2001)
    f, dented = (
        np.asarray(values) for values in (rippled.PROBLEM.term(jnp.array(x)), hidden.dented(jnp.array(x), place))
    )
    outside = np.abs(x - place) > hidden.WIDTH + 1e-6  # of the rounding of float32
    np.testing.assert_array_equal(dented[outside], f[outside])
    assert abs(dented.min() + hidden.DEPTH) < 1e-5
    assert np.abs(np.diff(dented, 2)).max() < 1e-3  # no jump of value or slope


def test_the_number_of_visits_is_uniform_whatever_the_order():
    """Over K, for each order of the first visits: 1, .., k once each."""
    k = hidden.COUNT
    for order in itertools.permutations(range(k)):
        assert sorted(order.index(dent) + 1 for dent in range(k)) == list(range(1, k + 1))


def test_a_hidden_minimum_is_found_by_entering_its_interval():
    """The exact values against runs on f itself in NumPy: the share of intervals entered, and of the first two."""
    random, x = np.random.default_rng(0), np.zeros(100_000)
    seen = np.zeros((3, len(x)), bool)
    for _ in range(hidden.STEPS + 1):
        seen |= np.abs(x - hidden.places()[:, None]) < hidden.WIDTH
        slope = 2 * x * (1 + np.sin(x)) + x**2 * np.cos(x)
        x = x - hidden.RATE * (slope + hidden.STD * random.standard_normal(len(x)))
    visited = seen.sum(0)
    claims = {claim.name: claim.value for claim in hidden_minimum.hidden_minimum().claims}
    for name, sample in (("hidden-visits", np.minimum(visited, 2) / 3), ("hidden-found", visited / 3)):
        error = sample.std() / np.sqrt(len(x))
        assert abs(sample.mean() - claims[name]) < 4.5 * error
    # The control: the share would be 2/3 if every run entered two.
    assert abs(np.mean(np.minimum(visited, 2) / 3) - 2 / 3) > 9 * np.std(np.minimum(visited, 2) / 3) / np.sqrt(len(x))


def test_products_of_minima():
    """3^d local minima in d coordinates: no neighbour on a grid is lower."""
    problem = problems.SeparableCosine(1, **rippled.COSINE)
    grid = np.linspace(-2.4, 2.4, 161)
    f = np.asarray(problem.term(grid))
    assert len(problem.local_minima(-2.4, 2.4)) == 3
    plane = f[:, None] + f
    inner = plane[1:-1, 1:-1]
    shifts = [(i, j) for i in (0, 1, 2) for j in (0, 1, 2) if (i, j) != (1, 1)]
    lower = [inner < plane[i : i + inner.shape[0], j : j + inner.shape[1]] for i, j in shifts]
    assert np.all(lower, axis=0).sum() == 9
