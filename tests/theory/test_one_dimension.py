"""Moments by quadrature: against closed forms, the balance of squared distances, and simulation in NumPy."""

import functools

import jax.numpy as jnp
import numpy as np
import pytest
from scipy.special import ndtr

from jaxsgd import averages, methods, noise, oracles, problems, record, schedules
from jaxsgd.errors import NoExactSolution
from jaxsgd.study import Study
from jaxsgd.theory import exact
from jaxsgd.theory.one_coordinate import fine_cells, pointwise, quadrature

ABSOLUTE = problems.AbsoluteValue(scale=2.0, minimiser=0.5)


def of(problem, std=1.0, **changes):
    oracle = oracles.AdditiveNoise(problem, noise.Gaussian(std))
    arguments = {"schedule": schedules.constant(0.1), "steps": 30, "x0": [1.0], "record": record.every(1), **changes}
    return Study(oracle=oracle, **arguments)


@pytest.mark.parametrize("start", [1.0, 0.6, 0.5, -3.0])
def test_one_update_of_the_absolute_value_is_a_folded_normal(start):
    moments = exact(of(ABSOLUTE, 1.5, x0=[start], steps=1)).isel(step=1)
    mean, std = start - 0.5 - 0.2 * np.sign(start - 0.5), 0.15
    folded = std * np.sqrt(2 / np.pi) * np.exp(-((mean / std) ** 2) / 2) + mean * (1 - 2 * ndtr(-mean / std))
    assert abs(moments.risk_mean - 2 * folded) < 1e-12
    assert abs(moments.risk_variance - 4 * (mean**2 + std**2 - folded**2)) < 1e-12
    assert abs(moments.x_mean[0] - (mean + 0.5)) < 1e-12
    assert abs(moments.x_covariance[0, 0] - std**2) < 1e-12
    assert abs(moments.distance_squared_variance - (2 * std**4 + 4 * std**2 * mean**2)) < 1e-12
    # g = +-2 + 1.5 z.
    assert abs(moments.gradient_norm_squared_mean - (4 + 1.5**2)) < 1e-11
    assert abs(moments.gradient_norm_squared_variance - (16 * 1.5**2 + 2 * 1.5**4)) < 1e-10


@pytest.mark.parametrize(
    "rates",
    [
        schedules.constant(0.1),
        schedules.inverse_sqrt(0.3),
        schedules.linear_decay(0.1, 300),
        schedules.cyclic(0.01, 0.1, 20),
        schedules.table([0.1, 0.0, 0.0] * 100),
    ],
    ids=["constant", "inverse square root", "linear decay", "cyclic", "with zeros"],
)
@pytest.mark.parametrize("std", [0.05, 1.0, 4.0])
def test_squared_distances_of_the_absolute_value_balance(rates, std):
    # E (x_s - x*)^2 = r^2 - 2 sum eta_t E R(x_t) + sum eta_t^2 (4 + sigma^2): no density in it.
    study = of(ABSOLUTE, std, schedule=rates, steps=300)
    moments, eta = exact(study), study.learning_rates[:-1]
    steps = -2 * eta * moments.risk_mean.values[:-1] + eta**2 * (4 + std**2)
    balance = 0.25 + np.cumsum(np.append(0.0, steps))
    np.testing.assert_allclose(moments.distance_squared_mean, balance, rtol=0, atol=2e-9 * balance.max())
    assert moments.quadrature_error < 1e-6


def test_stationary_absolute_value():
    moments = exact(of(ABSOLUTE, steps=1000, record=record.at([900, 1000])))
    np.testing.assert_allclose(moments.risk_mean, 0.1 * (4 + 1) / 2, rtol=1e-10)
    np.testing.assert_allclose(moments.x_mean[:, 0], 0.5, atol=1e-10)


@pytest.mark.parametrize("rates", [schedules.polynomial(0.3, 0.1, 0.5), schedules.table([0.4, 0.0, 0.9] * 20)])
def test_quadratic_has_its_closed_form(rates):
    study = of(problems.Quadratic([2.0], minimiser=1.5), 0.7, schedule=rates, steps=60, x0=[-3.0])
    other = problems.Function(lambda x: jnp.sum((x - 1.5) ** 2), minimiser=[1.5])
    closed, moments = exact(study), exact(study.replace(oracle=of(other, 0.7).oracle))
    assert set(closed.data_vars) == set(moments.data_vars)
    assert "quadrature_error" not in closed.attrs
    assert moments.quadrature_error < 1e-8
    for name in set(closed.data_vars) - {"x_mean"}:
        assert closed[name].dims == moments[name].dims
        np.testing.assert_allclose(moments[name], closed[name], rtol=moments.quadrature_error, atol=1e-14)
    np.testing.assert_allclose(moments.x_mean, closed.x_mean, atol=1e-11)


SLOPES, OFFSETS = np.array([1.0, -2.0, 0.1, -0.5]), np.array([0.0, 1.0, 0.6, 0.8])
SIMULATED = {
    "absolute value": (ABSOLUTE, lambda x: 2 * np.sign(x - 0.5)),
    "Huber": (problems.Huber(0.02, 2.0, 0.5), lambda x: 2 * np.clip((x - 0.5) / 0.02, -1, 1)),
    "max affine": (
        problems.MaxAffine(SLOPES[:, None], OFFSETS),
        lambda x: SLOPES[np.argmax(np.multiply.outer(x, SLOPES) + OFFSETS, axis=1)],
    ),
    "quartic": (problems.Function(lambda x: jnp.sum(x**4) / 4, minimiser=[0.0]), lambda x: x**3),
}


@functools.cache
def simulated(name):
    """x_40 of many trajectories, with learning rates that differ from step to step."""
    random, slope = np.random.default_rng(0), SIMULATED[name][1]
    x = np.full(400_000, 1.0)
    for eta in 0.2 / np.sqrt(np.arange(1.0, 41)):
        x = x - eta * (slope(x) + 0.7 * random.standard_normal(len(x)))
    return x


@pytest.mark.parametrize("name", SIMULATED)
def test_simulation(name):
    x, problem = simulated(name), SIMULATED[name][0]
    right = schedules.inverse_sqrt(0.2)
    end, shifted = (
        exact(of(problem, 0.7, schedule=rates, steps=40, record=record.at([40]))).isel(step=0)
        for rates in (right, schedules.shift(right, 1))
    )
    distance = (x - problem.minimiser[0]) ** 2
    error = distance.std() / np.sqrt(len(x))
    assert error < 0.004 * distance.mean()
    assert abs(distance.mean() - end.distance_squared_mean) < 5 * error
    assert abs(np.sqrt(end.distance_squared_variance / len(x)) / error - 1) < 0.02
    assert abs(x.mean() - end.x_mean[0]) < 5 * x.std() / np.sqrt(len(x))
    # A schedule that is off by one step is told apart.
    assert abs(distance.mean() - shifted.distance_squared_mean) > 5 * error


def spiked(height, width, place=0.3):
    return problems.Function(lambda x: jnp.sum(x**2 / 2 + height * jnp.exp(-(((x - place) / width) ** 2))))


def by_numpy(study, slope, seed=0, count=400_000):
    """x_T of many trajectories."""
    random, x = np.random.default_rng(seed), np.full(count, float(study.x0[0]))
    for eta in study.learning_rates[: study.steps]:
        x = x - eta * (slope(x) + random.standard_normal(count))
    return x


def test_a_spike_between_the_nodes_is_found():
    """Both grids miss it, and agree on E R = .1667 to 2e-11."""
    study = of(spiked(1.0, 0.003), schedule=schedules.constant(0.5), steps=5, record=record.at([5]))
    x = by_numpy(study, lambda x: x - 2 * (x - 0.3) / 0.003**2 * np.exp(-(((x - 0.3) / 0.003) ** 2)))
    end = exact(study).isel(step=0)
    error = (x**2).std() / np.sqrt(len(x))
    assert error < 0.03 * (x**2).mean()
    second = float(end.x_covariance[0, 0] + end.x_mean[0] ** 2)
    assert abs((x**2).mean() - second) < 5 * error
    assert end.attrs["quadrature_error"] < 1e-6
    # The control: without the spike, as the grids alone would have it, the second moment is a third.
    smooth = exact(of(spiked(0.0, 0.003), schedule=schedules.constant(0.5), steps=5, record=record.at([5]))).isel(
        step=0
    )
    assert abs(smooth.x_covariance[0, 0] - 1 / 3) < 1e-3 < second / 100


def test_a_box_of_width_1e_5_in_the_risk_is_found():
    """The gradient does not know of it, so that the law of x_T is that of the parabola, and E R has its area."""
    place, width = 0.3123, 1e-5
    boxed = problems.Function(lambda x: jnp.sum(x**2 / 2 + (jnp.abs(x - place) < width / 2) / width))
    moments = exact(of(boxed, schedule=schedules.constant(0.5), steps=10, record=record.at([10]))).isel(step=0)
    mean, variance = 0.5**10, (1 - 0.25**10) / 3
    density = np.exp(-((place - mean) ** 2) / (2 * variance)) / np.sqrt(2 * np.pi * variance)
    np.testing.assert_allclose(moments.risk_mean, (mean**2 + variance) / 2 + density, rtol=1e-6)


@pytest.mark.parametrize("place", [0.3, 1.7])
def test_what_no_grid_can_follow_is_refused(place):
    study = of(spiked(1.0, 1e-5, place), schedule=schedules.constant(0.5), steps=10, record=record.at([10]))
    with pytest.raises(NoExactSolution, match=r"varies between .* on scales far below those of the noise"):
        exact(study)


def test_smooth_risks_need_no_second_look(monkeypatch):
    """Nothing is computed again, and the moments keep their bits, where the points between the nodes show nothing."""
    calls = []
    real = quadrature.densities
    monkeypatch.setattr(quadrature, "densities", lambda *args: calls.append(args[3]) or real(*args))
    for problem in (ABSOLUTE, problems.Huber(0.02, 2.0, 0.5), problems.Function(lambda x: jnp.sum(x**4) / 4)):
        assert exact(of(problem)).quadrature_spacing < 1e-4
    assert set(calls) == {None}


def test_cells_hold_what_panels_do_not():
    """On the cells of a narrow bump the polynomials through the nodes agree with it; elsewhere there are none."""

    def evaluate(x):
        bump = np.exp(-(((x - 0.4) / 1e-3) ** 2))
        return bump, -2 * (x - 0.4) / 1e-6 * bump

    places = fine_cells.regions(np.array([[0.0, 1.0], [0.2, 2.0], [5.0, 6.0]]), np.array([0.5, 0.5, 0.5]))
    assert places[0].intervals.tolist() == [[0.0, 2.0], [5.0, 6.0]]
    cells = fine_cells.fine_cells(evaluate, places, np.zeros(0), np.zeros(0), 1.0)
    assert cells.low.min() >= 0.0
    assert cells.high.max() <= 0.5
    ends = cells.ends(3.0, 1.0)
    x = np.random.default_rng(0).uniform(0.39, 0.41, 1000)
    cell = ends.searchsorted(x) - 1
    low, high = ends[cell], ends[cell + 1]
    nodes = (low + high)[:, None] / 2 + (high - low)[:, None] / 2 * fine_cells.NODES
    between = fine_cells.interpolated(evaluate(nodes)[1], ((2 * x - low - high) / (high - low))[:, None])[:, 0]
    np.testing.assert_allclose(between, evaluate(x)[1], atol=1e-3)  # of 858


def test_names_are_those_of_a_simulation_without_averages():
    study = of(ABSOLUTE, averages={"mean": averages.Uniform()}, record=record.at([0, 3, 30]))
    moments = exact(study)
    known = [name for name in study.built_in if "_of_" not in name]
    expected = {f"{name}_{moment}" for name in known for moment in ("mean", "variance")}
    assert set(moments.data_vars) == expected | {"x_mean", "x_covariance", "learning_rate"}
    assert moments.x_covariance.dims == ("step", "coordinate", "coordinate_2")
    assert tuple(moments.coordinate.values) == study.coordinates
    start = moments.isel(step=0)
    assert (start.risk_mean, start.risk_variance, start.x_mean[0]) == (1, 0, 1)
    unknown = exact(of(problems.Function(lambda x: jnp.sum(x**2))))
    assert "distance_squared_mean" not in unknown


def test_parameters_may_be_a_pytree():
    problem = problems.Function(lambda x: 2 * jnp.abs(x["w"] - 0.5), minimiser={"w": 0.5})
    mine, same = exact(of(problem, x0={"w": 1.0})), exact(of(ABSOLUTE))
    for name in same.data_vars:
        np.testing.assert_array_equal(mine[name], same[name])


def test_problems_of_one_structure_share_a_compilation():
    exact(of(ABSOLUTE))
    compiled = pointwise._compiled
    before = compiled.cache_info()
    twice = exact(of(problems.AbsoluteValue(scale=4.0, minimiser=1.0), 2.0, x0=[2.0]))
    after = compiled.cache_info()
    assert (after.hits, after.misses) == (before.hits + 1, before.misses)
    once = exact(of(ABSOLUTE, 1.0, x0=[1.0]))  # x, its minimiser and its gradient, all doubled
    np.testing.assert_allclose(twice.risk_mean, 4 * once.risk_mean, rtol=1e-12)
    np.testing.assert_allclose(twice.x_mean, 2 * once.x_mean, rtol=1e-12)


def test_functions_that_cannot_be_hashed():
    class Risk:
        __hash__ = None  # type: ignore[assignment]

        def __call__(self, x):
            return 2 * jnp.sum(jnp.abs(x - 0.5))

    moments = exact(of(problems.Function(Risk(), minimiser=[0.5])))
    np.testing.assert_allclose(moments.risk_mean, exact(of(ABSOLUTE)).risk_mean, rtol=1e-12)


def test_numbers_of_a_problem_stay_usable_in_either_precision():
    problem = problems.AbsoluteValue(scale=2.0, minimiser=0.1)
    exact(of(problem))
    assert jnp.asarray(problem.minimiser).dtype == jnp.zeros(()).dtype
    assert exact(of(problem)).risk_mean[0] == 2 * (1 - 0.1)


def test_reasons():
    laplace = of(ABSOLUTE, steps=3, record=record.at([3]))
    laplace = laplace.replace(oracle=oracles.AdditiveNoise(ABSOLUTE, noise.Laplace()))
    cases = {
        "answers on two grids differ by .*, which is more than 1e-06: the density of the noise must be smooth": laplace,
        "adds noise of only .*: grids that resolve both would be too large": of(
            ABSOLUTE, schedule=schedules.exponential(0.1, 0.5)
        ),
        "the gradient is not finite everywhere that x_0 may be": of(
            problems.Function(lambda x: jnp.sum(jnp.sqrt(x))), x0=[-1.0]
        ),
        "methods.Projected does not state that": of(ABSOLUTE, method=methods.Projected(methods.Ball(2.0))),
        "since the gradient has no noise": of(ABSOLUTE, 0.0),
        "since x has 2 coordinates": of(problems.AbsoluteValue([1.0, 1.0]), x0=[1.0, 1.0]),
    }
    for reason, study in cases.items():
        with pytest.raises(NoExactSolution, match=reason):
            exact(study)


def test_a_kink_that_is_not_stated_is_found():
    hidden = problems.Function(lambda x: jnp.sum(jnp.abs(x - 0.3)))
    stated = problems.Function(hidden.f, minimiser=[0.3])
    mine, expected = exact(of(hidden)), exact(of(stated))
    assert max(mine.quadrature_error, expected.quadrature_error) < 1e-6
    np.testing.assert_allclose(mine.risk_mean, expected.risk_mean, rtol=2e-6)
