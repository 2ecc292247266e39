"""What the bounds say of convex Lipschitz risks with additive noise: G^2 + tr Cov xi is known before the run."""

import numpy as np
import pytest

from jaxsgd import methods, noise, oracles, problems, record, schedules
from jaxsgd.errors import NoExactSolution
from jaxsgd.study import Study
from jaxsgd.theory import bounds, exact, slack
from jaxsgd.theory.bounds import LastIterate

START, COVARIANCE = np.array([2.0, -1.0]), np.array([[0.5, 0.2], [0.2, 1.0]])
RISKS = {
    "absolute value": (problems.AbsoluteValue([3.0, 4.0], [1.0, 1.0]), 25),
    "Huber": (problems.Huber(delta=[0.1, 0.2], scale=[3.0, 4.0], minimiser=[1.0, 1.0]), 25),
    "max affine": (problems.MaxAffine([[3.0, 4.0], [-1.0, -2.0], [-2.0, -2.0]], [-7.0, 3.0, 4.0]), 25),
}


def of(risk, rates=schedules.inverse_sqrt(0.1), **changes):  # noqa: B008 - a value that nothing changes
    oracle = oracles.AdditiveNoise(RISKS[risk][0], noise.Gaussian(covariance=COVARIANCE))
    return Study(**{"oracle": oracle, "schedule": rates, "steps": 40, "x0": START, **changes})


@pytest.mark.parametrize("risk", RISKS)
def test_values_known_before_the_run(risk):
    problem, slope = RISKS[risk]
    study, L2 = of(risk), slope + np.trace(COVARIANCE)
    report = bounds(study)
    assert [one.bound.name for one in report.applicable] == [
        "weighted_average", "last_iterate", "last_iterate_any_schedule",
    ]  # fmt: skip
    eta, r2 = study.learning_rates[:40], np.sum((START - problem.minimiser) ** 2)
    chapter = (r2 + L2 * np.sum(eta**2)) / (2 * eta.sum())
    assert abs(report["weighted_average"].values["a priori"].value - chapter) < 1e-12 * chapter
    for name in ("last_iterate", "last_iterate_any_schedule"):
        one = report[name]
        assert set(one.values) == {"a priori"}
        assert one.values["a priori"].value == pytest.approx(one.bound.value(study, L2), rel=1e-14)
        assert all(assumption.holds for assumption in one.assumptions)
    assert LastIterate(gradient_bound=L2**0.5).value(study, L2) == pytest.approx(
        LastIterate().value(study, L2), rel=1e-14
    )


@pytest.mark.parametrize("risk", RISKS)
@pytest.mark.parametrize(
    ("name", "rates"),
    [("uniform_strongly_convex", schedules.strongly_convex(2.0)), ("lacoste_julien", schedules.lacoste_julien(2.0))],
)
def test_strong_convexity_is_refused(risk, name, rates):
    (reason,) = bounds(of(risk, rates))[name].reasons
    assert reason == "R is mu-strongly convex, mu = 2: the problem states strong convexity 0"


@pytest.mark.parametrize(("radius", "L2"), [(0.6, 9 + 1.5), (100.0, 25 + 1.5)])
def test_smoothness_matters_where_the_set_is_small(radius, L2):
    """Huber is 5-smooth: on a ball around x* its slope is at most 5 radius, and at most 5 anywhere."""
    problem = problems.Huber(delta=[0.6, 0.8], scale=[3.0, 4.0], minimiser=[1.0, 1.0])
    study = of(
        "Huber",
        oracle=oracles.AdditiveNoise(problem, noise.Gaussian(covariance=COVARIANCE)),
        method=methods.Projected(methods.Ball(radius, centre=problem.minimiser)),
        x0=[1.0, 1.5],
    )
    one = bounds(study)["last_iterate"]
    assert abs(one.values["a priori"].value - one.bound.value(study, L2)) < 1e-12
    # The absolute value has no smoothness that could help.
    sharp = study.replace(oracle=of("absolute value").oracle)
    sharp_value = bounds(sharp)["last_iterate"].values["a priori"].value
    assert sharp_value == pytest.approx(one.bound.value(sharp, 26.5), rel=1e-14)


@pytest.mark.parametrize("std", [0.1, 1.0])
@pytest.mark.parametrize("minimum", [0.0, 5.0])
def test_exact_gap_in_one_dimension(std, minimum):
    """Of the last iterate E R is known by quadrature, of averages it is not."""
    problem = problems.MaxAffine([[1.0], [-2.0]], minimum)
    oracle = oracles.AdditiveNoise(problem, noise.Gaussian(std))
    study = Study(oracle=oracle, schedule=schedules.linear_decay(0.3, 40), steps=40, x0=[2.0])
    report = bounds(study)
    for name in ("last_iterate", "last_iterate_any_schedule"):
        one = report[name]
        along, largest, prior = (one.values[c].value for c in ("along the run", "maximum along the run", "a priori"))
        assert 0 < one.gap < along < largest <= prior * (1 + 1e-12)
        last = exact(study.replace(record=record.at([39]))).risk_mean[0]
        assert abs(one.gap - (last - minimum)) < 1e-12
    assert report["weighted_average"].gap is None
    assert "along the run" in report["weighted_average"].values
    with pytest.raises(NoExactSolution, match="only those of the last iterate are known"):
        slack(study)
