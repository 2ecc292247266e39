"""Runs that stop at a precision: where they stop, what they say, and that they go on like others. One program.

That the intervals hold under repeated looks is tested in tests/inference/test_sequential.py.
"""

import warnings
from concurrent.futures import ThreadPoolExecutor

import pytest
from bits import assert_same
from economy import QUICK

import jaxsgd as js
from jaxsgd.errors import InvalidInput, InvalidType, TargetMissed

STUDY = js.chapter.study("polynomial", steps=20).replace(record=js.record.at([10, 20]))
PLAN = js.Plan(chunk=1024, tile=1024, workers=2, compiler_options=QUICK)
pytestmark = pytest.mark.usefixtures("quick_compilation")
EXACT = js.theory.exact(STUDY).sel(step=20)


def low(x):
    return x[0] < 0.0


def run(trajectories=None, study=STUDY, **arguments):
    given = {"plan": PLAN, "progress": False, "seed": 1, "probabilities": {"low": low}}
    return js.simulate(study, trajectories, **(given | arguments))


def needed(relative):
    """Trajectories at which one look has this precision: (z sd / (relative mean))^2 with z = 1.96."""
    return 1.96**2 * float(EXACT.risk_variance) / (relative * float(EXACT.risk_mean)) ** 2


def test_it_stops_at_the_first_look_that_is_precise_enough():
    """Doubling, with a z of 2.2 to 3.5: between one and eight times what one look would take."""
    target = js.Precision("risk", relative=0.01)
    result = run(target=target)
    assert result.trajectories in target.checkpoints(1024)
    assert needed(0.01) < result.trajectories < 8 * needed(0.01)
    assert "the target of 1% is reached" in result.look
    assert result.look in repr(result)
    assert result.dataset.attrs["target_reached"] == 1
    last = result.at(20)
    assert abs(float(last.risk_mean) - float(EXACT.risk_mean)) < 0.02 * float(EXACT.risk_mean)
    assert_same_estimates(result, run(result.trajectories))
    for other in ({"executor": ThreadPoolExecutor(3)}, {"trajectories": 10**6}):
        assert_same(run(target=target, **other), result)


def assert_same_estimates(result, other):
    for name, values in result.dataset.data_vars.items():
        assert values.identical(other.dataset[name])


def test_it_goes_on_from_a_checkpoint(tmp_path):
    target = js.Precision("risk", relative=0.01)
    run(5000, checkpoint=tmp_path)
    result = run(target=target, checkpoint=tmp_path)
    assert_same(result, run(target=target))
    assert_same(run(target=target, checkpoint=tmp_path), result)
    assert_same_estimates(run(50_000, checkpoint=tmp_path), run(50_000))


def test_another_step_and_an_event():
    at = run(target=js.Precision("risk", relative=0.05, step=10)).trajectories
    assert at == 4096
    result = run(target=js.Precision("low", absolute=0.01))
    count, share = result.trajectories, float(result.at(20).low_probability)
    assert 0.0 < share < 1.0
    assert 1.96**2 * share * (1 - share) / 0.01**2 < count
    assert result.look.startswith("low is ")


@pytest.mark.parametrize("limit", [{"trajectories": 6000}, {"target": js.Precision("risk", relative=1e-4, limit=6000)}])
def test_a_limit_is_said_plainly(limit):
    arguments = {"target": js.Precision("risk", relative=1e-4)} | limit
    with pytest.warns(TargetMissed, match="limit=6000 ends the run: raise it, or ask for less"):
        result = run(**arguments)
    assert result.trajectories == 6000
    assert result.dataset.attrs["target_reached"] == 0
    assert "takes some" in repr(result)


def test_divergence_is_said_plainly():
    wild = STUDY.replace(schedule=js.schedules.constant(1e6))
    with pytest.warns(
        TargetMissed, match="no finite mean after 4096 trajectories; .* is not reached: trajectories div"
    ):
        result = run(study=wild, target=js.Precision("risk", relative=0.01))
    assert result.trajectories == 4096  # more would not help


def test_a_target_that_is_reached_warns_of_nothing(tmp_path):
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        result = run(target=js.Precision("risk", relative=0.05))
    result.save(tmp_path / "result.nc")
    assert js.load(tmp_path / "result.nc").look == result.look


@pytest.mark.parametrize(
    ("arguments", "kind", "message"),
    [
        ({}, InvalidType, "trajectories must be an integer, got None"),
        ({"target": 0.01}, InvalidType, r"target must be a jaxsgd.Precision, got 0\.01"),
        (
            {"target": js.Precision("rsk", relative=0.1)},
            InvalidInput,
            "target names .rsk., which is not recorded",
        ),
        ({"target": js.Precision("risk", relative=0.1, step=5)}, InvalidInput, "target names step 5"),
        (
            {"target": js.Precision("risk", relative=0.1), "trajectories": 100},
            InvalidInput,
            "with a target, must be at least 4096",
        ),
    ],
)
def test_bad_input(arguments, kind, message):
    with pytest.raises(kind, match=message):
        run(**arguments)
