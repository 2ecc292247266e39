"""Which cells may be the best: against exact risks, on fresh trajectories, with what common random numbers gain."""

import numpy as np
import pytest

import jaxsgd as js
from jaxsgd.errors import InvalidInput, InvalidType

N = 20_000
T = 50
INITIAL = [0.03, 0.05, 0.07, 0.1, 0.2]


def make(initial, power):
    study = js.chapter.study("polynomial", T, as_printed=True)
    return study.replace(schedule=js.schedules.polynomial(initial, 0.1, power), record=js.record.at([T]))


@pytest.fixture(scope="module")
def swept():
    return js.sweep(make, {"initial": INITIAL, "power": [0.0, 0.5]}, N, seed=1)


def exact_risk(cell):
    return float(js.theory.exact(cell.study).risk_mean[-1])


def test_the_best_is_in_the_set_and_clearly_worse_cells_are_not(swept):
    """Statistical: the best is left out with probability below 0.05; the others are 10 standard errors away or more."""
    found = js.compare(swept)
    exact = np.array([exact_risk(cell) for cell in swept.cells])
    assert swept.cells[exact.argmin()] in found.members
    far = exact > 1.5 * exact.min()
    assert far.sum() >= 5
    assert not found.best.members[far].any()
    text = repr(found)
    assert "may be the best (confidence 0.95)" in text
    assert found.leader.label in text


def test_differences_are_exact_within_their_limits(swept):
    found = js.compare(swept)
    exact = np.array([exact_risk(cell) for cell in swept.cells])
    difference = exact - exact[found.best.leader]
    assert np.all((found.best.lower <= difference) & (difference <= found.best.upper))
    dataset = found.dataset
    assert dataset.sizes["cell"] == len(swept.cells)
    np.testing.assert_allclose(dataset["mean"], exact, rtol=0.05)


def test_what_common_random_numbers_gain():
    """Constant against polynomial as coded, at T = 50: Var of the difference 0.001957, of independent ones 0.004003."""
    kinds = {"constant": js.chapter.study("constant"), "polynomial": js.chapter.study("polynomial")}
    record = js.record.at([50])
    found = js.compare(js.sweep(lambda name: kinds[name].replace(record=record), {"name": list(kinds)}, 100_000))
    constant = 1 - found.best.leader
    assert found.leader.point["name"] == "polynomial"
    assert found.best.standard_error[constant] ** 2 * 100_000 == pytest.approx(0.0019572, rel=0.03)
    assert found.best.variance_ratio[constant] == pytest.approx(0.0040030 / 0.0019572, rel=0.03)


def test_independent_draws_are_compared_as_such(swept):
    apart = js.compare(js.sweep(make, {"initial": [0.05, 0.2], "power": [0.5]}, N, common_random_numbers=False))
    assert apart.leader is min(apart.cells, key=exact_risk)
    variance = [float(js.theory.exact(cell.study).risk_variance[-1]) for cell in apart.cells]
    other = 1 - apart.best.leader
    assert apart.best.standard_error[other] == pytest.approx(np.sqrt(sum(variance) / N), rel=0.05)


def test_tuning_uses_fresh_trajectories(swept):
    found = js.tune(swept, by="power")
    assert [cell.point["power"] for cell in found.cells] == [0.0, 0.5]
    for cell, mean in zip(found.cells, found.means, strict=True):
        same = [one for one in swept.cells if one.point["power"] == cell.point["power"]]
        assert exact_risk(cell) <= 1.3 * min(map(exact_risk, same))
        fresh = js.simulate(cell.study, N, seed=1, first_trajectory=N, progress=False).dataset
        assert mean == pytest.approx(float(fresh.risk_mean[-1]), rel=1e-4)


def test_ties_cannot_be_separated():
    found = js.compare(js.sweep(lambda name: make(0.05, 0.5), {"name": ["a", "b"]}, 2000))
    assert len(found.members) == 2
    assert np.isinf(found.to_separate)
    assert "no number of trajectories" in repr(found)


def test_bad_input(swept):
    with pytest.raises(InvalidType, match="result must be what sweep returns"):
        js.compare(3)
    with pytest.raises(InvalidInput, match="kept no values of 'rsk'"):
        js.compare(swept, "rsk")
    with pytest.raises(InvalidInput, match="by must be an axis of the sweep"):
        js.tune(swept)
