"""Exact moments of every kind of the contract (test_contract.py): right, within standard errors, or refused."""

import functools

import contract_entries
import jax
import numpy as np
import pytest
from contract_entries import FAMILIES
from contract_measures import BATCH, LIMIT, dimension_of, examples_of, start_of
from economy import QUICK
from test_contract import EACH, shown

import jaxsgd as js
from jaxsgd import averages, folds, methods, noise, oracles, orders, problems, record, schedules, start
from jaxsgd.errors import NoExactSolution

pytestmark = pytest.mark.usefixtures("quick_compilation")

TRAJECTORIES, STEPS = 20 * 1024, 8
PLAN = js.Plan(TRAJECTORIES, TRAJECTORIES, workers=1, compiler_options=QUICK)
QUADRATIC = problems.Quadratic(curvature=[2.0, 0.5])
BASE = js.Study(
    oracle=oracles.AdditiveNoise(QUADRATIC, noise.Gaussian(std=[0.3, 0.6])),
    schedule=schedules.constant(0.1),
    x0=[3.0, -8.0],
    steps=STEPS,
    record=record.at([STEPS]),
)


@functools.cache
def study_of(family, name):
    """A small study with an entry in it; programs are shared where structures are equal."""
    item = FAMILIES[family][name].object
    if family is noise.Noise:
        return BASE.replace(oracle=oracles.AdditiveNoise(QUADRATIC, item))
    if family is problems.Problem:
        x0 = jax.tree.map(lambda leaf: leaf + 4.0, start_of(item))
        law = noise.Gaussian(std=np.full(dimension_of(item), 0.5) if isinstance(x0, np.ndarray) else 0.5)
        return BASE.replace(oracle=oracles.AdditiveNoise(item, law), x0=x0)
    if family is oracles.Oracle:
        return BASE.replace(oracle=item)
    if family is orders.Order:
        n = examples_of(item)
        data = contract_entries.FEATURES[:n], contract_entries.TARGETS[:n]
        return BASE.replace(oracle=oracles.ExampleSampling(problems.LeastSquares(*data), item, BATCH))
    if family is averages.Average:
        return with_all_averages()
    if FAMILIES[family][name].of_losses:
        return BASE.replace(oracle=FAMILIES[oracles.Oracle]["example_sampling"].object, method=item)
    return BASE.replace(**{{methods.Method: "method", start.Start: "x0"}.get(family, "schedule"): item})


@functools.cache
def with_all_averages():
    every = {name: entry.object for name, entry in FAMILIES[averages.Average].items()}
    return BASE.replace(averages=every, record=record.at([3, STEPS]))


def scores(result, exact):
    """(estimate - exact) / standard error of every mean that is known, the largest of all records.

    Where nothing is random, estimates are exact up to the rounding of float32.
    """
    found = {}
    for name in (str(name)[: -len("_mean")] for name in exact.data_vars if str(name).endswith("_mean")):
        if name == "x":
            continue
        estimate, error = (result.dataset[f"{name}_{what}"].values for what in ("mean", "sem"))
        expected = exact[f"{name}_mean"].values
        assert np.array_equal(np.isnan(estimate), np.isnan(expected)), name
        gap, rounding = np.abs(estimate - expected), 1e-5 * np.abs(expected)
        found[name] = np.nanmax(np.where(gap <= rounding, 0.0, gap / np.maximum(error, rounding / 5)))
    return found


@functools.cache
def simulated(study):
    return js.simulate(study, TRAJECTORIES, statistics=("mean", "variance"), plan=PLAN, progress=False)


IN_STUDIES = [(family, name) for family, name in EACH if family not in (methods.ConvexSet, record.Grid, folds.PathFold)]


@pytest.mark.parametrize(("family", "name"), IN_STUDIES, ids=shown)
def test_exact_moments_are_right_or_refused(family, name):
    """Within 5 standard errors, which are small; the moments with 1.05 times the learning rate are not, the control."""
    study = study_of(family, name)
    if not FAMILIES[family][name].exact:
        with pytest.raises(NoExactSolution, match=r"no exact moments: not those of .*, since .{10}"):
            js.theory.exact(study)
        return
    with jax.enable_x64(family is methods.Method):  # else two more programs show what rounding does, test_resolution.py
        result = simulated(study)
    exact = js.theory.exact(study)
    found = scores(result, exact)
    assert {"risk", "distance_squared", "gradient_norm_squared"} <= set(found)
    assert not {name: score for name, score in found.items() if not score <= LIMIT}
    for observed in found:
        error = result.dataset[f"{observed}_sem"] / exact[f"{observed}_mean"]
        assert np.nanmax(error) < 0.03, observed  # otherwise the test would be weak
    faster = study.replace(schedule=schedules.scale(study.schedule, 1.05))
    control = scores(result, js.theory.exact(faster))
    of = f"_of_{name}" if family is averages.Average else ""
    assert max(control[f"risk{of}"], control[f"distance_squared{of}"]) > 2 * LIMIT
