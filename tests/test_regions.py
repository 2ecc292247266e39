"""Occupancy, first passages and maxima of one coordinate, against their exact values by the Markov kernel."""

import jax.numpy as jnp
import numpy as np
import pytest

import jaxsgd as js
from jaxsgd import folds, noise, oracles, problems, record, schedules
from jaxsgd.errors import InvalidInput, InvalidType
from jaxsgd.theory import markov_kernel

pytestmark = pytest.mark.usefixtures("quick_compilation")

N = 2**15
STEPS = [10, 50, 100]
WELLS = {"right": (0.0, np.inf), "left": (-np.inf, -1.0), "hill": (-1.0, 0.0)}
HIGH = 1.8
NAMES = (*WELLS, "passed", "high")


def study_of(std):
    oracle = oracles.AdditiveNoise(problems.DoubleWell(), noise.Gaussian(std=std))
    return js.Study(
        oracle=oracle, schedule=schedules.constant(0.1), x0=[1.0], steps=STEPS[-1], record=record.at(STEPS), observe=()
    )


def exact(std):
    """P(x_s in each part), P(some x_t < 0, t <= s) and P(some x_t >= 1.8, t <= s), (step, event)."""
    kernel = markov_kernel(study_of(std))
    passed, high = kernel.exit_probability(0, np.inf, STEPS), kernel.exit_probability(-np.inf, HIGH, STEPS)
    return np.column_stack([kernel.probabilities(WELLS, STEPS), passed, high])


def test_occupancy_first_passages_and_maxima_are_exact():
    """Within 4.5 standard errors, which all 15 are with probability 1 - 1e-4; noise 8% larger is the negative control.

    With it, all five are off by more than 8 standard errors at the end, and so would be found with probability .999.
    """
    parts = js.partition(WELLS)
    study = study_of(2.0).replace(
        folds={
            "to the left": folds.FirstTime(js.partition({"left of 0": (-np.inf, 0.0)})["left of 0"]),
            "highest": folds.Maximum(lambda update: update.x_next[0]),
        }
    )
    events = parts | {
        "passed": lambda state: jnp.isfinite(state.folds["to the left"]),
        "high": lambda state: state.folds["highest"] >= HIGH,
    }
    found = js.simulate(study, N, seed=5, probabilities=events, progress=False).dataset
    estimates = np.column_stack([found[f"{name}_probability"] for name in NAMES])
    errors = np.column_stack([found[f"{name}_probability_sem"] for name in NAMES])
    assert list(parts) == list(WELLS)
    np.testing.assert_allclose(estimates[:, :3].sum(1), 1)
    assert np.abs((estimates - exact(2.0)) / errors).max() < 4.5
    larger = exact(2.16)
    assert np.abs((exact(2.0) - larger) / errors)[-1].min() > 8
    assert np.abs((estimates - larger) / errors)[-1].min() > 4.5


def test_a_part_is_closed_on_the_left():
    inside = js.partition({"a": (0.0, 1.0), "b": (1.0, 2.0)})
    assert [bool(inside[name](jnp.array([1.0]))) for name in "ab"] == [False, True]
    assert bool(inside["a"]({"w": jnp.array(0.0)}))


@pytest.mark.parametrize(
    ("regions", "error", "message"),
    [
        ({}, InvalidType, "regions must be a dict of intervals"),
        ([(0, 1)], InvalidType, "regions must be a dict of intervals"),
        ({"a": (0, 2), "b": (1, 3)}, InvalidInput, "'b' begins at 1, and 'a' ends at 2"),
        ({"a": (0, np.inf), "b": (1, 3)}, InvalidInput, "must not overlap"),
        ({"a": (2, 2)}, InvalidInput, "a must have low < high"),
        ({"a": (np.nan, 2)}, InvalidInput, "a must have low < high"),
        ({"a": "left"}, InvalidType, "a must be an interval"),
    ],
)
def test_what_is_no_partition_is_refused(regions, error, message):
    with pytest.raises(error, match=message):
        js.partition(regions)


def test_a_partition_is_one_of_one_coordinate():
    with pytest.raises(InvalidType, match="one coordinate, got 2 of them"):
        js.simulate(js.chapter.study("constant"), 1000, probabilities=js.partition(WELLS), progress=False)
