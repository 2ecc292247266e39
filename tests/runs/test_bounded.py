"""What is known of rounding without trajectories, of several cells at once, and what problems declare for it."""

import dataclasses

import jax
import numpy as np
import pytest

import jaxsgd as js
from jaxsgd.engine.program import prepare
from jaxsgd.problems.problem import GradientSizes
from jaxsgd.runs import bounded, motions
from jaxsgd.runs.rounding_bounds import _recursion

FEATURES = np.random.default_rng(0).normal(size=(12, 2)) * [1.0, 30.0]
TARGETS = FEATURES @ [1.0, -2.0] + np.sin(np.arange(12))

PROBLEMS = {
    "diagonal": js.problems.Quadratic([1.0, 3.0], [0.5, 2.0]),
    "matrix": js.problems.Quadratic([[3.0, 1.0], [1.0, 2.0]], [0.5, 2.0]),
    "huber": js.problems.Huber([0.5, 1.0], 3.0, [0.5, 2.0]),
    "absolute": js.problems.AbsoluteValue([3.0, 1.0], [0.5, 2.0]),
    "squares": js.problems.LeastSquares(FEATURES, TARGETS, l2=0.1),
    "logistic": js.problems.LogisticRegression(FEATURES, TARGETS > 0, l2=0.1),
}


@pytest.mark.parametrize("steps", [1, 2, 3, 7, 50])
def test_a_recursion_in_pieces_is_the_recursion(steps):
    factors, terms = np.random.default_rng(steps).uniform(size=(2, 3, steps))
    y = [np.array([0.0, 1.0, 2.0])]
    for t in range(steps):
        y.append(factors[:, t] * y[-1] + terms[:, t])
    np.testing.assert_allclose(_recursion(factors, terms, y[0]), np.transpose(y), rtol=1e-13)


def cells(oracle, **options):
    """Cells of which some are settled at once, some along their paths, and some not at all."""
    for rate in (0.1, 1e-3, 1e-7, 1e-9):
        yield js.Study(
            oracle=oracle,
            schedule=js.schedules.polynomial(rate, 0.1, 1.0),
            steps=30,
            averages={"all": js.averages.Uniform(), "late": js.averages.Suffix(0.5)},
            record=js.record.every(5),
            **options,
        )


@pytest.mark.parametrize("numbers", [2**18, 60, 1])
def test_cells_together_are_cells_alone(monkeypatch, numbers):
    noise = js.noise.Gaussian(0.1)
    oracles = [js.oracles.AdditiveNoise(js.problems.Quadratic([1.0, 3.0], centre), noise) for centre in (0.5, 1e4)]
    several = [study for oracle in oracles for study in cells(oracle, x0=[1.0, 2.0])]
    program, _ = prepare(several[0], (), {})
    alone = [bounded.bounded(study, program) for study in several]
    monkeypatch.setattr(bounded, "_NUMBERS", numbers)
    together = bounded.bounded_of_cells(several, program)
    for name, of_all in together.items():
        for cell, own in enumerate(alone):
            mine = of_all.of_cell(cell)
            for field in dataclasses.fields(mine):
                np.testing.assert_array_equal(getattr(mine, field.name), getattr(own[name], field.name), field.name)
    assert len({own["risk_of_all"].spread[-1] for own in alone}) == len(several)


def test_what_cells_share_is_asked_once(monkeypatch):
    asked = []
    declared = motions.Declared.of
    monkeypatch.setattr(motions.Declared, "of", lambda study: (asked.append(study), declared(study))[1])
    several = list(cells(js.oracles.AdditiveNoise(PROBLEMS["diagonal"], js.noise.Gaussian(0.1))))
    program, _ = prepare(several[0], (), {})
    bounded.bounded_of_cells(several, program)
    assert len(asked) == 1
    bounded.bounded_of_cells([several[0], several[1].replace(x0=[1.0, 1.0])], program)
    assert len(asked) == 3


def check_sizes(problem: js.problems.Problem, sizes: GradientSizes | None) -> None:
    """The gradient at the start is no larger; those of examples at x* spread as stated."""
    assert sizes is not None
    start = np.array([2.0, 3.0])
    with jax.enable_x64(True):
        gradient = np.abs(problem.gradient(start))
        if isinstance(problem, js.problems.EmpiricalRisk):
            each = [problem.example_gradient(problem.minimiser, row) for row in zip(*problem.data, strict=True)]
            np.testing.assert_allclose(sizes.examples, np.std(each, 0), rtol=1e-10)
        else:
            assert sizes.examples is None
    assert (gradient <= sizes.drift * (1 + 1e-12)).all()


@pytest.mark.parametrize("problem", PROBLEMS.values(), ids=PROBLEMS)
def test_gradients_have_the_sizes_that_are_declared(problem):
    start = np.array([2.0, 3.0])
    sizes = problem.gradient_sizes(start)
    check_sizes(problem, sizes)
    with pytest.raises(AssertionError):
        check_sizes(problem, sizes._replace(drift=sizes.drift * 1e-3))


def test_of_other_problems_they_are_not_known():
    assert js.problems.Function(lambda x: x @ x).gradient_sizes(np.ones(2)) is None
