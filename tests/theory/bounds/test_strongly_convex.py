"""The two bounds of strongly convex risks."""

import numpy as np
import pytest

from jaxsgd import chapter, oracles, problems, schedules
from jaxsgd.errors import InvalidInput
from jaxsgd.study import Study
from jaxsgd.theory import bounds
from jaxsgd.theory.bounds import LacosteJulien, UniformStronglyConvex

# d2l's example, mu = 2: exact E R(xbar), and the bound with E||g_t||^2 along the run.
CHAPTER = [
    (UniformStronglyConvex(), schedules.strongly_convex, 50, 0.0227194, 1.0439247),
    (UniformStronglyConvex(), schedules.strongly_convex, 1000, 0.000689379, 0.0537005),
    (LacosteJulien(), schedules.lacoste_julien, 50, 0.00898529, 0.0935401),
    (LacosteJulien(), schedules.lacoste_julien, 1000, 0.000448651, 0.00214127),
]


@pytest.mark.parametrize(("bound", "schedule", "steps", "gap", "value"), CHAPTER)
def test_numbers_of_the_chapter(bound, schedule, steps, gap, value):
    study = chapter.study("constant", steps).replace(schedule=schedule(2.0))
    evaluation = bounds(study)[bound.name]
    assert abs(evaluation.gap / gap - 1) < 3e-6
    assert abs(evaluation.values["along the run"].value / value - 1) < 3e-6
    # The closed forms with a constant G are a little larger.
    closed = 166 * (1 + np.log(steps)) / (4 * steps) if isinstance(bound, UniformStronglyConvex) else 166 / (steps + 1)
    assert 0.9 * closed < bound.value(study, 166.0) <= closed


@pytest.mark.parametrize("mu", [2.0, 0.7])
def test_coefficients_one_by_one(mu):
    study, T = chapter.study("constant", 7), 7
    uniform = UniformStronglyConvex().coefficients(study.replace(schedule=schedules.strongly_convex(mu)))
    weighted = LacosteJulien().coefficients(study.replace(schedule=schedules.lacoste_julien(mu)))
    assert uniform.distance == weighted.distance == 0
    for t in range(T):
        # eta_t / 2 times the weight of x_t in the average.
        assert abs(uniform.gradients[t] - 1 / (mu * (t + 1)) / 2 * (1 / T)) < 1e-15
        share = (t + 1) / sum(range(1, T + 1))
        assert abs(weighted.gradients[t] - 2 / (mu * (t + 2)) / 2 * share) < 1e-15


@pytest.mark.parametrize("bound", [UniformStronglyConvex(), LacosteJulien()])
def test_attained_after_one_update(bound):
    # R = 3/2 x^2 from 2: R(x_0) = 6 and the bound is G_0^2 / (2 mu) = 36 / 6.
    study = Study(
        oracle=oracles.FullGradient(problems.Quadratic([3.0])), schedule=schedules.constant(1 / 3), steps=1, x0=[2.0]
    )
    assert abs(bound.value(study, 36.0) - 6) < 1e-12
    assert bound.coefficients(study).gradients[0] / 2 * 36 < 4


@pytest.mark.parametrize(
    ("bound", "schedule"),
    [(UniformStronglyConvex(), schedules.strongly_convex), (LacosteJulien(), schedules.lacoste_julien)],
)
def test_what_the_theorem_assumes(bound, schedule):
    study = chapter.study("constant")
    assert not bound.reasons(study.replace(schedule=schedule(2.0)))
    assert not bound.reasons(study.replace(schedule=schedule(0.5)))
    (reason,) = bound.reasons(study.replace(schedule=schedule(2.1)))
    assert "strongly convex, mu = 2.1: the problem states strong convexity 2" in reason
    (reason,) = bound.reasons(study.replace(schedule=schedules.scale(schedules.shift(schedule(1.0), 1), 1.5)))
    assert reason.startswith("eta_t = ")
    assert "eta_1 is " in reason
    assert len(bound.reasons(study.replace(schedule=schedules.constant(0.0)))) == 1
    with pytest.raises(InvalidInput, match="does not apply"):
        bound.value(study, 1.0)


@pytest.mark.parametrize(("convex", "holds"), [(None, None), (True, None), (False, False)])
def test_strong_convexity_that_is_not_stated(convex, holds):
    problem = problems.Function(lambda x: (x**2).sum(), minimiser=[0.0], convex=convex)
    oracle = oracles.FullGradient(problem)
    study = Study(oracle=oracle, schedule=schedules.strongly_convex(2.0), steps=5, x0=[1.0])
    assert UniformStronglyConvex().assumptions(study)[0].holds is holds
