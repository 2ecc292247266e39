"""A statistic is one class and one registration: here E o^4, which the package does not have.

Nothing is statistical. Paths and statistics are of different programs, which differ by the rounding of float32.
"""

import dataclasses

import jax.numpy as jnp
import numpy as np
import pytest
from bits import assert_same
from economy import QUICK

import jaxsgd as js
from jaxsgd.engine.statistics import OfObservables, Variable, register, registry
from jaxsgd.engine.statistics.summation import block_sum, over_tiles
from jaxsgd.errors import InvalidInput

PLAN = js.Plan(chunk=2048, tile=1024, workers=2, compiler_options=QUICK)
pytestmark = pytest.mark.usefixtures("quick_compilation")
N = 3000
RATES = [0.02, 0.1]


@dataclasses.dataclass(frozen=True)
class FourthMoments(OfObservables):
    """The mean of the fourth power of each observable."""

    observables: tuple[str, ...]

    name = "fourth"
    words = ("fourth",)

    @classmethod
    def asked(cls, study, given=()):
        return cls(study.observed) if "fourth" in given else None

    def observe(self, seen):
        """`sum` (observables, blocks)."""
        return {"sum": block_sum(jnp.where(seen.valid, seen.stacked(self.observables) ** 4, 0))}

    def fold(self, tiles):
        """`sum` (records, observables, blocks) to `sum` (records, observables)."""
        return {"sum": over_tiles(tiles, "sum").sum(-1)}

    def merge(self, left, right):
        return {"sum": left["sum"] + right["sum"]}

    def of_each(self, sums, trajectories):
        return {"fourth": Variable(("step",), sums[self.name]["sum"] / trajectories)}


@pytest.fixture
def registered(monkeypatch):
    monkeypatch.setattr(registry, "REGISTERED", dict(registry.REGISTERED))
    register(FourthMoments)


def make(rate):
    return js.chapter.study("constant", steps=10).replace(
        schedule=js.schedules.constant(rate),
        averages={"late": js.averages.Suffix(0.3)},
        observe=("risk", "risk_of_late"),
        observables={"first": lambda x: x[0]},
        record=js.record.at([0, 5, 10]),
    )


STUDY = make(RATES[1])


def run(count=N, **arguments):
    return js.simulate(STUDY, count, plan=PLAN, progress=False, statistics=("mean", "fourth"), **arguments)


def test_a_new_statistic_is_one_class_and_one_registration(registered, tmp_path):
    result = run()
    dataset, x = result.dataset, js.sample_paths(STUDY, N).x.values
    np.testing.assert_allclose(dataset.first_fourth, (x[..., 0] ** 4).mean(0), rtol=1e-5)
    np.testing.assert_allclose(dataset.risk_fourth, ((x**2 @ [1, 2]) ** 4).mean(0), rtol=1e-5)
    np.testing.assert_array_equal(np.isnan(dataset.risk_of_late_fourth), [False, True, False])
    names = list(map(str, dataset.data_vars))
    assert names.index("risk_fourth") == names.index("risk_count_finite") + 1  # beside the others of the risk
    result.save(tmp_path / "result.nc")
    assert_same(js.load(tmp_path / "result.nc"), result)
    parts = [run(2048), run(N - 2048, first_trajectory=2048, checkpoint=tmp_path / "parts")]
    assert_same(js.merge(parts[::-1]), result)
    assert_same(js.merge([js.load(tmp_path / "result.nc"), run(2048, first_trajectory=4096)]),
                js.merge([result, run(2048, first_trajectory=4096)]))  # fmt: skip


def test_it_works_in_sweeps(registered, tmp_path):
    swept = js.sweep(make, {"rate": RATES}, N, statistics=("fourth",), progress=False)
    assert swept.dataset.risk_fourth.dims == ("rate", "step")
    alone = run().dataset
    for found in (swept.dataset.sel(rate=RATES[1]), swept.result(1).dataset):
        for name in ("risk_fourth", "first_fourth", "risk_of_late_fourth"):
            np.testing.assert_allclose(found[name], alone[name], rtol=1e-5, atol=1e-6)
    swept.save(tmp_path / "sweep.nc")
    assert_same(js.load(tmp_path / "sweep.nc"), swept)


def test_what_is_not_registered_is_named(monkeypatch, tmp_path):
    with pytest.raises(InvalidInput, match="statistics has no 'fourth'; allowed: extremes, mean, shape, variance, x"):
        run()
    with monkeypatch.context() as patch:
        patch.setattr(registry, "REGISTERED", dict(registry.REGISTERED))
        register(FourthMoments)
        with pytest.raises(InvalidInput, match="there is a statistic 'fourth' already"):
            register(FourthMoments)
        run().save(tmp_path / "result.nc")
    with pytest.raises(InvalidInput, match="holds the statistic 'fourth', which is not registered: import the module"):
        js.load(tmp_path / "result.nc")
