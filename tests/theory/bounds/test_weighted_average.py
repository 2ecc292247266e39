"""The chapter's bound, its slack, and the learning rate that minimises it."""

import numpy as np
import pytest
from scipy.optimize import minimize_scalar

from jaxsgd import chapter, methods, noise, oracles, problems, schedules
from jaxsgd.errors import InvalidInput, InvalidType, NoExactSolution
from jaxsgd.study import Study
from jaxsgd.theory import exact, slack
from jaxsgd.theory.bounds import WeightedAverage, tuned_value

# Bound with G_t along the run, with L^2 = max G_t^2, exact E R(xbar), and the three parts of the slack.
CHAPTER = {
    ("constant", 50): (3.3951340663, 11.2, 0.2765987809, 0.00434, 1.69540, 1.41880),
    ("constant", 1000): (0.2819094811, 8.445, 0.0010477648, 0.00022, 0.14085, 0.13980),
    ("exponential", 50): (18.4219952866, 20.5594612349, 6.6014423812, 0.41387, 9.00406, 2.40262),
    ("exponential", 1000): (18.2978735952, 20.4210946380, 6.5406961676, 0.40161, 8.94813, 2.40744),
    ("polynomial", 50): (5.7822202479, 10.0940640068, 0.8545640266, 0.00300, 2.88961, 2.03505),
    ("polynomial", 1000): (0.9218978442, 2.8745645680, 0.0214160326, 0.00011, 0.46090, 0.43948),
}


@pytest.mark.parametrize("case", CHAPTER)
def test_numbers_of_the_chapter(case):
    bound, with_largest, gap, *parts = CHAPTER[case]
    study = chapter.study(*case)
    given_away = slack(study)
    G2 = exact(study).gradient_norm_squared_mean.values[:-1]
    assert abs(given_away.bound - bound) < 6e-11
    assert abs(WeightedAverage().value(study, G2) - bound) < 6e-11
    assert abs(WeightedAverage().value(study, G2.max()) - with_largest) < 6e-11
    assert abs(given_away.gap - gap) < 6e-11
    np.testing.assert_allclose([given_away.distance, given_away.convexity, given_away.jensen], parts, atol=6e-6)


def random_study(seed, law=None):
    random = np.random.default_rng(seed)
    d, T = random.integers(1, 5), random.integers(1, 40)
    root = random.normal(size=(d, d))
    problem = problems.Quadratic(root @ root.T, minimiser=random.normal(size=d))
    oracle = oracles.FullGradient(problem) if law is None else oracles.AdditiveNoise(problem, law)
    eta = random.uniform(0, 1.9 / problem.smoothness, T)
    return Study(oracle=oracle, schedule=schedules.table(eta), steps=int(T), x0=3 * random.normal(size=d))


@pytest.mark.parametrize("seed", range(12))
def test_slack_is_an_identity_of_parts_that_are_not_negative(seed):
    parts = slack(random_study(seed, noise.Gaussian(std=1.0 + seed)))
    given_away = parts.distance + parts.convexity + parts.jensen
    assert abs(parts.bound - parts.gap - given_away) < 1e-12 * parts.bound
    assert min(parts.gap, parts.distance, parts.convexity, parts.jensen) >= -1e-13 * parts.bound


def parts_of_gradient_descent(study, last_too=False):
    """The slack term by term, along the one trajectory; with x_T in the average if asked."""
    problem, T = study.oracle.problem, study.steps
    A, centre, x = problem.curvature, problem.minimiser, study.x0
    points, gradients = [x], []
    for eta in study.learning_rates[:T]:
        gradients.append(A @ (points[-1] - centre))
        points.append(points[-1] - eta * gradients[-1])
    risk = lambda x: (x - centre) @ A @ (x - centre) / 2  # noqa: E731
    H = bound = convexity = weighted = 0.0
    average = np.zeros_like(x)
    for t, eta in enumerate(study.learning_rates[:T]):
        H += eta
        bound += eta**2 * gradients[t] @ gradients[t] / 2
        convexity += eta * (gradients[t] @ (points[t] - centre) - risk(points[t]))
        weighted += eta * risk(points[t])
        average = average + eta * points[t + last_too]
    bound += (x - centre) @ (x - centre) / 2
    distance = (points[T] - centre) @ (points[T] - centre) / 2
    gap = risk(average / H)
    return np.array([bound / H, gap, distance / H, convexity / H, weighted / H - gap])


@pytest.mark.parametrize("seed", range(4))
def test_slack_of_gradient_descent_term_by_term(seed):
    study = random_study(seed)
    parts = slack(study)
    mine = [parts.bound, parts.gap, parts.distance, parts.convexity, parts.jensen]
    np.testing.assert_allclose(mine, parts_of_gradient_descent(study), rtol=1e-9, atol=1e-12 * parts.bound)


def test_average_that_holds_the_last_iterate_has_another_gap():
    study = random_study(2)
    assert abs(slack(study).gap / parts_of_gradient_descent(study, last_too=True)[1] - 1) > 0.02


@pytest.mark.parametrize(("steps", "eta", "value"), [(50, 0.0591099, 9.81224), (1000, 0.0132174, 2.1940830)])
def test_tuned_constant(steps, eta, value):
    r, L = np.sqrt(29), np.sqrt(166)
    study = chapter.study("constant", steps).replace(schedule=schedules.tuned_constant(r, L, steps))
    assert abs(study.learning_rates[0] - eta) < 6e-8
    assert abs(tuned_value(r, L, steps) - value) < 6e-6
    assert abs(WeightedAverage().value(study, L**2) - tuned_value(r, L, steps)) < 1e-12
    # The largest E||g_t||^2 is the first one here, so that L is what the theorem asks for.
    G2 = exact(study).gradient_norm_squared_mean.values
    assert abs(G2.max() - 166) < 1e-9
    assert G2.argmax() == 0
    for factor in (0.9, 1.1):
        other = study.replace(schedule=schedules.constant(factor * study.learning_rates[0]))
        assert WeightedAverage().value(other, L**2) > tuned_value(r, L, steps)


def test_bound_along_the_run_has_another_minimiser():
    study = chapter.study("constant")
    tuned = study.replace(schedule=schedules.tuned_constant(29**0.5, 166**0.5, 50))
    assert abs(slack(tuned).bound - 5.3271211) < 6e-8
    best = minimize_scalar(
        lambda eta: slack(study.replace(schedule=schedules.constant(eta))).bound,
        bounds=(0.05, 0.4),
        method="bounded",
        options={"xatol": 1e-4},
    )
    assert abs(best.x - 0.262) < 6e-4
    assert abs(best.fun - 2.0623) < 6e-5


def test_attained_by_the_absolute_value_after_one_update():
    # R = 3 |x| from 2: E R(x_0) = 6, and the bound is 6 at eta = r / G; neither coefficient can be smaller.
    study = Study(
        oracle=oracles.FullGradient(problems.AbsoluteValue(3.0)), schedule=schedules.constant(2 / 3), steps=1, x0=[2.0]
    )
    assert abs(WeightedAverage().value(study, 9.0) - 6) < 1e-12
    c, a = WeightedAverage().coefficients(study)
    assert c / 2 * 4 + a[0] * 9 < 5
    assert c * 4 + a[0] / 2 * 9 < 5


def test_what_has_no_slack():
    study = chapter.study("constant")
    with pytest.raises(InvalidInput, match="does not apply; it assumes that some eta_t is positive: the largest is 0"):
        slack(study.replace(schedule=schedules.constant(0.0)))
    with pytest.raises(NoExactSolution, match="plain SGD"):
        slack(study.replace(method=methods.Projected(methods.Ball(10.0))))
    with pytest.raises(InvalidType, match=r"needs a jaxsgd\.Study"):
        slack(study.oracle)
    with pytest.raises(InvalidInput, match="steps must be at least 1"):
        tuned_value(1.0, 1.0, 0)
    with pytest.raises(InvalidInput, match="distance must be at least 0"):
        tuned_value(-1.0, 1.0, 10)
