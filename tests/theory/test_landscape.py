"""All stationary points of a risk of one coordinate: certified, against closed forms and dense grids."""

import itertools

import jax
import jax.numpy as jnp
import numpy as np
import pytest
from scipy.optimize import brentq

from jaxsgd import problems
from jaxsgd.errors import InvalidInput, InvalidType
from jaxsgd.theory import landscape

RIPPLED = problems.RippledParabola()


def terms(problem, x):
    """f at points, in float64."""
    with jax.enable_x64(True):
        return np.asarray(problem.term(x))


def known(place, depth, width):
    """A parabola with a narrow dent."""
    return problems.Function(lambda x: x[0] ** 2 / 2 - depth * jnp.exp(-(((x[0] - place) / width) ** 2)))


@pytest.mark.parametrize(("a", "count"), [(10, 4), (100, 33)])
def test_exercise_5_has_so_many_minima_all_global(a, count):
    found = landscape(RIPPLED, (-a, a))
    k = np.arange(-20, 21)
    expected = np.sort(np.concatenate([[0.0], 2 * np.pi * k - np.pi / 2]))
    expected = expected[abs(expected) <= a]
    assert len(found.minima) == len(expected) == count
    np.testing.assert_allclose(found.minima, expected, atol=1e-13)
    np.testing.assert_allclose(found.values, 0, atol=1e-15)
    np.testing.assert_allclose(found.curvatures, np.where(expected == 0, 2, expected**2), rtol=1e-12)
    # f = 2 x^4 / (x^2 + 4) holds at the maxima only: elsewhere it would say nothing of f.
    m = found.maxima
    np.testing.assert_allclose(found.maximum_values, 2 * m**4 / (m**2 + 4), rtol=1e-12)
    np.testing.assert_allclose(np.tan(m / 2 + np.pi / 4), -m / 2, rtol=1e-9)


def test_limits_and_barriers_of_exercise_5():
    found = landscape(RIPPLED, (-10, 10))
    limits = dict(zip(found.minima.round(3).tolist(), found.learning_rate_limits, strict=True))
    for place, limit in {0.0: 1.0, -1.571: 0.81057, 4.712: 0.09006, -7.854: 0.03242}.items():
        assert abs(limits[place] - limit) < 6e-6
    low = found.barriers[1:3].ravel()
    np.testing.assert_allclose(low[1:3], 0.1809088, atol=1e-7)  # between -pi/2 and 0, from both sides
    assert np.isnan(found.barriers[0, 0])
    np.testing.assert_array_equal(found.basin([-6, -5, -1, 0.1, 3, 11]), [0, 1, 1, 2, 3, -1])


@pytest.mark.parametrize(
    "problem",
    [RIPPLED, problems.DoubleWell(), problems.SeparableCosine(1, 2.0, 10.0), problems.PolyakLojasiewicz()],
    ids=lambda problem: type(problem).__name__,
)
def test_problems_know_their_stationary_points(problem):
    """Their closed forms, the certified search, and the signs of differences on a dense grid agree."""
    low, high = -7.3, 7.9
    found = landscape(problem, (low, high))
    np.testing.assert_allclose(problem.local_minima(low, high), found.minima, atol=1e-12)
    np.testing.assert_allclose(problem.local_maxima(low, high), found.maxima, atol=1e-12)
    x = np.linspace(low, high, 200_001)
    values = terms(problem, x)
    rising = np.diff(values) > 0
    turns = np.flatnonzero(rising[1:] != rising[:-1]) + 1
    both = np.sort(np.concatenate([found.minima, found.maxima]))
    assert len(both) == len(turns)
    assert np.abs(x[turns] - both).max() < 1e-3
    assert np.all(values >= problem.minimum - 1e-6)


def test_values_far_out_are_those_of_float64():
    """There f'' is 1e12, so that a place rounded to float64 would have a value of 1e-8."""
    found = landscape(RIPPLED, (1e6, 1e6 + 20))
    assert len(found.minima) == 3
    assert np.abs(found.values).max() < 1e-9
    np.testing.assert_allclose(found.maximum_values, 2 * found.maxima**4 / (found.maxima**2 + 4), rtol=1e-13)


def test_a_narrow_dent_is_not_missed():
    """A grid of 10^5 points does not see it: its width is a hundredth of their distance."""
    problem = known(1.2345, 1e-6, 1e-7)
    grid = np.linspace(-3, 3, 10**5)
    assert np.abs(grid - 1.2345).min() > 20 * 1e-7
    found = landscape(problem, (-3, 3.1))
    assert (len(found.minima), len(found.maxima)) == (2, 1)
    # R' = 0 at 1.2345 + 1e-7 z, where 20 z exp(-z^2) = -1.2345.
    z = [brentq(lambda z: 20 * z * np.exp(-(z**2)) + 1.2345, *ends) for ends in ((-4, -1), (-0.5, 0))]
    np.testing.assert_allclose((np.array([found.maxima[0], found.minima[1]]) - 1.2345) / 1e-7, z, atol=1e-4)
    with pytest.raises(InvalidInput, match="cannot be certified"):
        landscape(problems.Function(lambda x: x[0] ** 4), (-1, 1.5))


def test_losses_of_examples_pieces_and_kinks_away_from_stationary_points():
    least = problems.LeastSquares(np.arange(5.0)[:, None], [1.0, 2.0, 0.0, 3.0, 4.0])
    np.testing.assert_allclose(landscape(least, (-3, 3)).minima, least.minimiser, rtol=1e-12)
    far = problems.FiniteSum(lambda x, a: jnp.log1p((x[0] - a) ** 2), np.array([-6.0, 0.0, 5.0]))
    found = landscape(far, (-9, 9))
    assert [len(found.minima), len(found.maxima)] == [3, 2]
    assert len(landscape(problems.Huber(), (-3, 4)).minima) == 1
    two = problems.Function(lambda x: jnp.minimum((x[0] - 1) ** 2, (x[0] + 1) ** 2 + 0.5))
    with pytest.raises(InvalidInput, match="twice differentiable"):
        landscape(two, (-3, 3))  # its maximum is a kink


def test_stated_constants_hold_on_intervals():
    x = np.linspace(-3, 2, 20_001)
    for problem in (RIPPLED, problems.DoubleWell(), problems.SeparableCosine(), problems.PolyakLojasiewicz()):
        slopes = np.diff(terms(problem, x), 2) / np.diff(x)[0] ** 2
        assert np.abs(slopes).max() <= problem.smoothness_between(-3, 2) * (1 + 1e-3)
    f, slope = x**2 + 3 * np.sin(x) ** 2, 2 * x + 3 * np.sin(2 * x)
    kept = f > 0
    assert np.all(slope[kept] ** 2 >= 2 * problems.PolyakLojasiewicz().polyak_lojasiewicz * f[kept])
    assert np.any(slope[kept] ** 2 < 2 * 0.1757 * f[kept])
    corners = [np.array(corner) for corner in itertools.product((-2.0, 1.5), repeat=3)]
    rosenbrock = problems.Rosenbrock(3)
    with jax.enable_x64(True):
        hessians = [np.asarray(jax.hessian(rosenbrock.value)(corner)) for corner in corners]
    largest = max(np.abs(np.linalg.eigvalsh(hessian)).max() for hessian in hessians)
    assert largest <= rosenbrock.smoothness_between(-2, 1.5) <= 2 * largest


@pytest.mark.parametrize(
    ("problem", "interval", "message"),
    [
        (problems.DoubleWell(2), (-2, 2), "one coordinate, but x has 2"),
        (problems.DoubleWell(), (2, 2), r"low < high, got \(2, 2\)"),
        (problems.DoubleWell(), (0.5, np.inf), "interval must be finite"),
        (problems.DoubleWell(), 3.0, r"two numbers \(low, high\)"),
        (problems.DoubleWell(), (0, 2), "derivative is 0 at the end 0"),
        (problems.AbsoluteValue(), (-1, 2), "twice differentiable"),
        (problems.Function(lambda x: jnp.abs(x[0]) + x[0] ** 2), (-1, 2), "twice differentiable"),
        (problems.Function(lambda x: jnp.sum(jnp.round(x))), (-1, 2), "'round'"),
        (problems.Function(lambda x: (x[0] - 0.3) ** 2 - 0.5 * jnp.sign(x[0] - 1)), (-3.3, 4.3), "have a jump"),
        (problems.Function(lambda x: x[0] + jnp.where(x[0] < 1, 1e-6, 0.0)), (-3.3, 4.3), "have a jump"),
        ("parabola", (-1, 2), "must be one of jaxsgd.problems"),
    ],
)
def test_what_has_no_landscape_is_refused(problem, interval, message):
    with pytest.raises((InvalidInput, InvalidType), match=message):
        landscape(problem, interval)
