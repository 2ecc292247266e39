"""Simulated moments against exact ones.

10^6 trajectories, seed 0. Exact values come from ``theory.exact``, recursions in float64 that share no
code with the engine and have tests of their own. Limits, set in advance: 4 standard errors for E R(x_T),
E |x_T|^2 and E R(xbar) at the last step, 5 for every observable at every record, a Bonferroni share of
the p-value of 4 for the mean and covariance of x; standard errors right to 1%. Standard errors are exact,
not estimated.

Power: E R(x_T) of the chapter's polynomial run is 0.02251 with a standard error of 2.2e-5, so that a
relative error of 0.5% is beyond 5 standard errors; one of the standard error of 1% is beyond five, as
the estimated one has a relative error of 0.2% or less. What the checks catch is in test_negative_controls.
"""

import jax.numpy as jnp
import numpy as np
import pytest
from agreement import AT_EVERY_RECORD, AT_THE_END, disagreements

import jaxsgd as js

N = 10**6
A = np.array([
    [2.0, 0.5, -0.3, 0.1, 0.0],
    [0.5, 1.5, 0.4, 0.0, 0.2],
    [-0.3, 0.4, 1.0, -0.2, 0.1],
    [0.1, 0.0, -0.2, 3.0, 0.6],
    [0.0, 0.2, 0.1, 0.6, 0.5],
])  # fmt: skip
ROOT = np.array([
    [1.0, 0.0, 0.0, 0.0, 0.0],
    [0.5, 0.8, 0.0, 0.0, 0.0],
    [-0.4, 0.2, 0.5, 0.0, 0.0],
    [0.0, -0.6, 0.3, 0.9, 0.0],
    [0.2, 0.1, 0.0, -0.7, 0.4],
])  # fmt: skip
AVERAGES = {
    "eta": js.averages.StepSizeWeighted(),
    "all": js.averages.Uniform(),
    "last": js.averages.Suffix(0.4),
    "late": js.averages.Polynomial(3.0),
    "recent": js.averages.Exponential(0.8),
}


def warm_up(t):
    return 0.2 * jnp.minimum(t / 10, 1.0)


@pytest.fixture(scope="module")
def matrix_study():
    """Five dimensions, nothing diagonal, x* not 0, a rate that goes up and down, all averages in one pass."""
    problem = js.problems.Quadratic(curvature=A, minimiser=[1.0, -2.0, 0.5, 0.0, 3.0])
    return js.Study(
        oracle=js.oracles.AdditiveNoise(problem, js.noise.Gaussian(covariance=ROOT @ ROOT.T)),
        schedule=js.schedules.cyclic(low=0.02, high=0.5, period=11),
        x0=[-1.0, 2.0, 0.0, 1.0, -1.0],
        steps=40,
        averages=AVERAGES,
        record=js.record.every(1),
        observables={"norm_squared": lambda x: jnp.sum(x**2)},
    )


@pytest.mark.parametrize(
    ("name", "risk", "of_average"),
    [
        ("constant", 0.0590277829, 0.2765987809),
        ("exponential", 0.6946653461, 6.5406961676),
        ("polynomial", 0.0225095825, 0.8545640266),
    ],
)
def test_chapter(chapter_run, name, risk, of_average):
    """E R(x_T) and E R(xbar) as numbers, too, computed in float64 by a program that is not in this repository."""
    result = chapter_run(name, N)  # x* = 0: distance_squared is |x|^2
    assert not disagreements(result, js.theory.exact(result.study))
    end = result.dataset.isel(step=-1)
    assert abs(end.risk_mean - risk) < AT_THE_END * end.risk_sem
    assert abs(end.risk_of_eta_mean - of_average) < AT_THE_END * end.risk_of_eta_sem


def test_schedule_that_starts_at_zero():
    """The start stays where it is for one step, and the eta-weighted average is x_0 until step 2."""
    study = js.chapter.study("polynomial").replace(schedule=warm_up)
    result = js.simulate(study, N, seed=0, progress=False)
    assert not disagreements(result, js.theory.exact(study))
    first = result.dataset.isel(step=slice(0, 3))
    np.testing.assert_array_equal(first.risk_mean[:2], 33)
    np.testing.assert_array_equal(first.risk_variance[:2], 0)
    np.testing.assert_array_equal(first.risk_of_eta_mean, [33, 33, first.risk_mean[1]])


def test_table_that_ends_at_the_last_update():
    """There is no rate for the update that is not made; what needs none is recorded all the same."""
    study = js.chapter.study("constant").replace(schedule=js.schedules.table([0.0, 0.2] * 25))
    result = js.simulate(study, N, seed=0, progress=False)
    assert np.isnan(result.dataset.learning_rate[-1])
    assert not disagreements(result, js.theory.exact(study))
    assert not result.dataset.diverged.any()


def test_five_dimensions_and_all_averages(matrix_study):
    result, exact = js.simulate(matrix_study, N, seed=0, progress=False), js.theory.exact(matrix_study)
    assert not disagreements(result, exact)
    # Suffix(0.4) of 40 steps starts at x_24, and has no value before.
    undefined = np.isin(matrix_study.recorded_steps, range(1, 25))
    for o in ("risk_of_last", "distance_squared_of_last"):
        for estimate in ("mean", "variance", "sem", "min", "max", "mean_finite"):
            np.testing.assert_array_equal(np.isnan(result.dataset[f"{o}_{estimate}"]), undefined)
        np.testing.assert_array_equal(result.dataset[f"{o}_count_finite"], np.where(undefined, 0, N))


# path sums


def inner_product(update):
    return update.learning_rate * jnp.dot(update.gradient, update.x)


def squared_length(update):
    return update.learning_rate**2 * jnp.sum(update.gradient**2)


def expected_inner_product(update):
    return update.learning_rate * jnp.dot(jnp.array([2.0, 4.0]) * update.x, update.x)


@pytest.fixture(scope="module")
def path_study():
    """The balance |x_s|^2 = r^2 - 2 sum eta <g, x> + sum eta^2 |g|^2 holds for every path (x* = 0)."""
    sums = {
        "inner": inner_product,
        "length": squared_length,
        "expected": expected_inner_product,
        "moved": lambda update: jnp.sum((update.x_next - update.x) ** 2),
        "count": lambda update: update.t,
    }
    observables = {name: lambda state, name=name: state.path_sums[name] for name in sums}
    observables["residual"] = lambda state: (
        jnp.sum(state.x**2) - 29 + 2 * state.path_sums["inner"] - state.path_sums["length"]
    )
    observables["martingale"] = lambda state: (
        jnp.sum(state.x**2) - 29 + 2 * state.path_sums["expected"] - state.path_sums["length"]
    )
    return js.chapter.study("polynomial").replace(averages={}, path_sums=sums, observables=observables)


@pytest.fixture(scope="module")
def path_result(path_study):
    return js.simulate(path_study, 2**17, seed=0, progress=False)


def test_descent_identity_of_every_path(path_result):
    """50 eps (r^2 + sum eta^2 |g|^2 + 2 sum |eta <g, x>|) is some 5e-4: rounding is 6e-8 of each term."""
    dataset = path_result.dataset
    assert np.abs(dataset.residual_min).max() < 1e-4
    assert np.abs(dataset.residual_max).max() < 1e-4
    np.testing.assert_array_equal(dataset.count_mean, [s * (s - 1) / 2 for s in dataset.step.values])
    np.testing.assert_array_equal(dataset.count_variance, 0)
    np.testing.assert_allclose(dataset.moved_mean, dataset.length_mean, rtol=1e-5)


def test_descent_identity_in_expectation(path_study, path_result):
    """The martingale -2 sum eta <xi, x - x*> has mean 0 and variance 4 sum eta^2 E |x|^2: 1.59731^2 at T.

    N = 2^17: a mean of 0.022 at T, 0.08% of r^2, is beyond five standard errors.
    """
    exact = js.theory.exact(path_study)
    eta = path_study.learning_rates[:-1]
    variance = 4 * np.cumsum(eta**2 * exact.distance_squared_mean.values[:-1])
    assert abs(np.sqrt(variance[-1]) - 1.59731) < 1e-5
    z = path_result.dataset.martingale_mean.values[1:] / np.sqrt(variance / path_result.trajectories)
    assert np.abs(z).max() < AT_EVERY_RECORD
    ratio = path_result.dataset.martingale_variance.values[1:] / variance
    assert np.abs(ratio - 1).max() < 0.05  # 5 standard errors of a sample variance, kurtosis up to 12
    # E sum eta <g, x> = 2 sum eta E R, E sum eta^2 |g|^2 = sum eta^2 E |g|^2
    for name, terms in {
        "inner": 2 * eta * exact.risk_mean.values[:-1],
        "expected": 2 * eta * exact.risk_mean.values[:-1],
        "length": eta**2 * exact.gradient_norm_squared_mean.values[:-1],
    }.items():
        difference = path_result.dataset[f"{name}_mean"].values - np.append(0, np.cumsum(terms))
        within = np.maximum(AT_EVERY_RECORD * path_result.dataset[f"{name}_sem"].values, 1e-5)
        assert np.all(np.abs(difference) < within), name


def test_path_sums_of_sampled_paths(path_study):
    """The same sums from the paths alone: eta_t g_t = x_t - x_{t+1}. 4096 paths, no chance involved."""
    n = 4096
    plan = js.Plan.choose(2, 50, 2**17)
    dataset = js.simulate(path_study, n, seed=0, plan=plan, progress=False).dataset
    x = js.sample_paths(path_study, n, seed=0).x.values
    step = x[:, :-1] - x[:, 1:]
    for name, terms in {"inner": (step * x[:, :-1]).sum(-1), "length": (step**2).sum(-1)}.items():
        sums = np.concatenate([np.zeros((n, 1)), np.cumsum(terms, 1)], 1)
        np.testing.assert_allclose(dataset[f"{name}_mean"], sums.mean(0), rtol=1e-5, atol=1e-6)
        np.testing.assert_allclose(dataset[f"{name}_variance"], sums.var(0, ddof=1), rtol=1e-4, atol=1e-10)
        np.testing.assert_allclose(dataset[f"{name}_max"], sums.max(0), rtol=1e-4, atol=1e-5)
        np.testing.assert_allclose(dataset[f"{name}_min"], sums.min(0), rtol=1e-4, atol=1e-4)
