"""Sweeps that are long: cut, interrupted, sent elsewhere, saved, merged: always the same bits. One compiled program.

Nothing here is statistical but the comparison of kept values with the means of groups of them, which is said there.
"""

import io
import itertools
import multiprocessing
import sys
from concurrent.futures import Executor, Future, ProcessPoolExecutor, ThreadPoolExecutor

import economy
import numpy as np
import pytest
from bits import assert_same

import jaxsgd as js
from jaxsgd.engine import cells as engine_cells
from jaxsgd.engine import driver
from jaxsgd.engine.checkpoint import DamagedPart
from jaxsgd.errors import InvalidInput, InvalidType
from jaxsgd.runs import arrangement, axes, progress, sweeps

pytestmark = pytest.mark.usefixtures("compiled_for_a_long_run")
GRID = js.record.at([0, 10, 20])
AXES = {"initial": [0.02, 0.1, 0.3], "power": [0.0, 0.5]}
COMPARED = ("risk", "risk_of_eta")


def make(initial=0.1, power=0.5):
    study = js.chapter.study("polynomial", 20)
    return study.replace(schedule=js.schedules.polynomial(initial, 0.1, power), record=GRID)


CHUNK = arrangement.chunk_of(axes.make_cells(make, AXES))
N = 3 * CHUNK + 500


def run(count=N, axes=AXES, **arguments):
    return js.sweep(make, axes, count, **({"seed": 3, "compare": COMPARED, "progress": False} | arguments))


@pytest.fixture(scope="module")
def whole():
    with pytest.MonkeyPatch.context() as patch:
        economy.compile_for_long_runs(patch)
        return run()


class Interrupting(Executor):
    """Runs tasks at once; as if Ctrl-C was pressed after the first ``most``."""

    def __init__(self, most=10**9):
        self.most, self.count = most, 0

    def submit(self, function, /, *arguments, **keywords):
        if self.count == self.most:
            raise KeyboardInterrupt
        self.count += 1
        future = Future()
        future.set_result(function(*arguments, **keywords))
        return future


def test_chunks_are_small_enough_to_test():
    assert CHUNK <= 2**17


@pytest.mark.parametrize("threads", [1, 4])
def test_threads(whole, threads):
    with ThreadPoolExecutor(threads) as executor:
        assert_same(run(executor=executor), whole)


def test_processes(whole, tmp_path):
    with ProcessPoolExecutor(2, mp_context=multiprocessing.get_context("spawn")) as executor:
        assert_same(run(executor=executor, checkpoint=tmp_path), whole)
    assert_same(run(executor=Interrupting(0), checkpoint=tmp_path), whole)


def test_an_interrupted_sweep_goes_on_and_grows(whole, tmp_path, monkeypatch):
    monkeypatch.setattr(driver, "_IN_FLIGHT_ELSEWHERE", 1)  # tasks that end before the next is begun
    with pytest.raises(KeyboardInterrupt):
        run(checkpoint=tmp_path, executor=Interrupting(2))
    resumed = Interrupting()
    assert_same(run(checkpoint=tmp_path, executor=resumed), whole)
    assert resumed.count == 2
    assert_same(run(5 * CHUNK, checkpoint=tmp_path), run(5 * CHUNK))


def test_a_damaged_part_of_a_sweep_is_named_and_run_again(whole, tmp_path):
    run(checkpoint=tmp_path)
    part = sorted(tmp_path.glob("part-*"))[1]
    content = bytearray(part.read_bytes())
    content[-5] ^= 1
    part.write_bytes(content)
    with pytest.warns(DamagedPart, match=rf"{part.name} is damaged \(its checksum is wrong\)"):
        assert_same(run(checkpoint=tmp_path), whole)


@pytest.mark.parametrize(
    ("changes", "match"),
    [
        (
            {"axes": AXES | {"power": [0.0, 0.6]}},
            r"differ in .*cells \(number 2: 'initial=0.02, power=0.5' there, .*0.6",
        ),
        ({"axes": AXES | {"power": [0.0]}}, r"differ in .*cells \(6 there, 3 here\)"),
        ({"compare": ("risk",)}, "they differ in kept values"),
        ({"compare_at": 10}, "they differ in kept values"),
        ({"seed": 4}, "they differ in seed"),
        ({"memory": 10**6}, "they differ in kept values"),
        ({"common_random_numbers": False}, "they differ in .*common random numbers"),
        ({"quantiles": (0.5,)}, "they differ in statistics"),
    ],
)
def test_the_checkpoint_of_another_sweep_is_refused(tmp_path, changes, match):
    run(3000, checkpoint=tmp_path)
    with pytest.raises(InvalidInput, match=match):
        run(3000, checkpoint=tmp_path, **changes)


def test_shards_merge_in_any_order(whole):
    bounds = [0, CHUNK, 3 * CHUNK, N]
    parts = [run(stop - start, first_trajectory=start) for start, stop in itertools.pairwise(bounds)]
    merged = js.merge([parts[2], parts[0], parts[1]])
    assert_same(merged, whole)
    assert merged.ranges == [(0, N)]
    np.testing.assert_array_equal(merged.values("risk"), whole.values("risk"))
    fresh = js.tune(merged, by="power")
    assert fresh.trajectories == N


def test_other_sweeps_are_not_merged(whole):
    other = run(3000, axes=AXES | {"power": [0.0, 0.6]}, first_trajectory=10 * CHUNK)
    with pytest.raises(InvalidInput, match=r"differ in sweep \(6 cells, .*power=0.5 and 6 cells, .*power=0.6\)"):
        js.merge([whole, other])
    with pytest.raises(InvalidInput, match=r"differ in kind \(sweep and study\)"):
        js.merge([whole, js.simulate(make(), 3000, first_trajectory=10 * CHUNK, progress=False)])


def test_files_hold_everything(whole, tmp_path):
    whole.save(tmp_path / "sweep.nc")
    loaded = js.load(tmp_path / "sweep.nc")
    assert_same(loaded, whole)
    assert repr(loaded) == repr(whole)
    assert [cell.label for cell in loaded.cells] == [cell.label for cell in whole.cells]
    np.testing.assert_array_equal(loaded.values("risk_of_eta"), whole.values("risk_of_eta"))
    assert repr(js.compare(loaded)) == repr(js.compare(whole))
    assert loaded.result(2).dataset.risk_mean.identical(whole.result(2).dataset.risk_mean)
    assert_same(js.merge([loaded, run(3000, first_trajectory=4 * CHUNK)]),
                js.merge([whole, run(3000, first_trajectory=4 * CHUNK)]))  # fmt: skip
    with pytest.raises(InvalidInput, match="read from a file has no studies"):
        js.tune(loaded, by="power")


def test_the_estimates_of_a_cell(whole):
    cell = whole.cells[3]
    one, here = whole.result(cell), whole.dataset.sel(**cell.point)
    assert one.study is cell.study
    assert one.trajectories == N
    for name, values in one.dataset.data_vars.items():
        np.testing.assert_array_equal(values, here[name])
    with pytest.raises(InvalidInput, match="is no cell of this sweep"):
        run(3000).result(cell)
    with pytest.raises(InvalidInput, match="cell must be at least 0 and below 6"):
        whole.result(6)


def test_groups_of_trajectories_are_kept_where_values_would_be_too_many(whole, tmp_path):
    """At most 4096 values of each cell in a range: the mean of whole groups, 64 in 2 chunks, 32 in one.

    Statistical is only that their variance is as much that of one trajectory. It has a relative standard error of
    sqrt(2 / 8692) = 0.015 where groups are normal: ten of them for those that are not.
    """
    memory = 64 * 6 * 2 * 4096
    grouped = run(memory=memory)
    sizes = grouped.group_sizes
    assert sizes.tolist() == [CHUNK // 2048] * 4096 + [CHUNK // 4096] * 4096 + [1] * 500
    edges = np.concatenate([[0], np.cumsum(sizes)])[:-1]
    means = np.add.reduceat(whole.values("risk").astype(float), edges, axis=1) / sizes
    np.testing.assert_allclose(grouped.values("risk"), means, rtol=1e-12)
    one, other = js.compare(whole), js.compare(grouped)
    np.testing.assert_allclose(one.best.difference, other.best.difference, rtol=1e-5, atol=1e-12)
    np.testing.assert_array_equal(one.best.members, other.best.members)
    np.testing.assert_allclose(one.best.standard_error, other.best.standard_error, rtol=0.15)
    bounds = [0, CHUNK, 3 * CHUNK, N]
    parts = [
        run(b - a, first_trajectory=a, memory=memory, checkpoint=tmp_path / str(a))
        for a, b in itertools.pairwise(bounds)
    ]
    assert_same(js.merge(parts[::-1]), grouped)
    run(CHUNK, memory=memory, checkpoint=tmp_path / "grown")
    assert_same(run(memory=memory, checkpoint=tmp_path / "grown"), grouped)


def test_families_whose_chunks_differ_keep_groups_that_end_together(compiled_for_a_long_run):
    """One cell of SGD has chunks of 16384, which 6000 trajectories do not fill; eight of momentum fill shorter ones."""
    base = js.chapter.study("constant", steps=2000).replace(record=js.record.at([2000]), averages={})
    families = {
        "sgd": lambda rate: base.replace(schedule=js.schedules.constant(rate)),
        "momentum": lambda rate: base.replace(
            schedule=js.schedules.constant(rate), method=js.methods.HeavyBall(momentum=0.5)
        ),
    }
    axes = {"sgd": {"rate": [0.01]}, "momentum": {"rate": [0.002 * k for k in range(1, 9)]}}
    single, grouped = (
        js.sweep(families, axes=axes, trajectories=6000, compare=["risk"], progress=False, **limit)
        for limit in ({}, {"memory": 1})
    )
    sizes = grouped.group_sizes
    assert sizes.sum() == 6000
    assert sizes.max() > sizes.min() == 1
    edges = np.append(0, sizes.cumsum()[:-1])
    means = np.add.reduceat(single.values("risk").astype(float), edges, axis=1) / sizes
    np.testing.assert_allclose(grouped.values("risk"), means, rtol=1e-6)
    assert js.compare(grouped).best.members.tolist() == js.compare(single).best.members.tolist()


def test_a_quantile_and_an_event_of_each_cell(compiled_quickly):
    """As those of the study alone, up to rounding: a trajectory may change its bin."""
    asked = {"quantiles": (0.5,), "probabilities": {"low": lambda x: x[0] < 0}}
    found = run(3000, **asked)
    alone = js.simulate(found.cells[3].study, 3000, seed=3, progress=False, **asked).dataset
    here = found.dataset.sel(**found.cells[3].point)
    np.testing.assert_allclose(here.risk_quantile, alone.risk_quantile, rtol=1 / 64)
    np.testing.assert_allclose(here.low_count, alone.low_count, atol=2)
    assert found.dataset.risk_quantile.dims == ("initial", "power", "quantile", "step")


def test_cells_of_other_shapes_form_groups(compiled_quickly):
    """Another number of steps, recorded at the same ones, and noise with one scale or two."""

    def of(steps, scales):
        oracle = js.oracles.AdditiveNoise(js.problems.Quadratic([2.0, 4.0]), js.noise.Gaussian(std=[1.0] * scales))
        study = js.chapter.study("polynomial", steps)
        return study.replace(oracle=oracle, record=js.record.at([0, 20]))

    found = js.sweep(of, {"steps": [20, 25], "scales": [2]}, 3000, progress=False)
    np.testing.assert_allclose(*found.dataset.risk_mean.values[:, 0], rtol=1e-6)


def test_an_axis_may_have_the_name_of_a_variable():
    def of(learning_rate):
        return make().replace(schedule=js.schedules.constant(learning_rate))

    found = js.sweep(of, {"learning_rate": [0.1, np.float32(0.1) + 1e-9]}, 3000, progress=False)
    assert found.dataset.learning_rate.dims == ("learning_rate",)
    assert found.dataset.learning_rate_at_step.dims == ("learning_rate", "step")
    assert len({cell.label for cell in found.cells}) == 2  # digits enough to tell them apart


def test_other_quantiles_are_not_merged(compiled_quickly):
    parts = [run(1024, quantiles=(q,), first_trajectory=first) for q, first in ((0.5, 0), (0.9, CHUNK))]
    with pytest.raises(InvalidInput, match="the statistics that were asked for"):
        js.merge(parts)


def test_launches_are_of_one_size_and_compile_once(compiled_quickly):
    """70 cells: two launches of 35; 69: the second is filled up with a cell again, of which nothing is seen."""
    axes = {"initial": list(np.linspace(0.01, 0.3, 35)), "power": [0.0, 0.5]}
    swept = run(3000, axes)
    assert [len(set(launch)) for launch in swept._launches] == [35, 35]
    cells = list(swept.cells)[:69]
    fewer = sweeps.run_cells(cells, 3000, 3, compare=COMPARED, progress=False)
    assert [len(launch) for launch in fewer._launches] == [35, 35]
    assert fewer._launches[1][-2:] == [68, 68]
    np.testing.assert_array_equal(fewer.values("risk"), swept.values("risk")[:69])


@pytest.mark.parametrize(("dimension", "cells"), [(1, 64), (32, 64), (128, 16), (1000, 8), (2**14, 4), (10**6, 1)])
def test_how_many_cells_run_together(dimension, cells):
    assert engine_cells.most(dimension) == cells


def test_progress_says_which_cell_is_best(monkeypatch):
    monkeypatch.setenv("COLUMNS", "120")
    stream = io.StringIO()
    monkeypatch.setattr(sys, "stderr", stream)
    monkeypatch.setattr(progress, "_PATIENCE", 0.0)
    run(3000, progress=True)
    assert "18000/18000" in stream.getvalue()
    assert "best: initial=0.1" in stream.getvalue()


@pytest.mark.parametrize(
    ("axes", "kind", "message"),
    [
        ({"initial": [0.1, 0.2, 0.1]}, InvalidInput, "axis 'initial' must not have a value twice, got 0.1 2 times"),
        ({"initial": [1, 1.0]}, InvalidInput, "must not have a value twice, got 1 2 times"),
        (
            {"initial": [0.1, float("nan")]},
            InvalidType,
            "must have numbers or strings as values, got nan",
        ),
        ({"initial": [0.1, "0.2"]}, InvalidType, "numbers or strings as values, not both"),
        ({"step": [1]}, InvalidInput, "an axis cannot be called 'step'"),
        ({"quantile": [1]}, InvalidInput, "an axis cannot be called 'quantile'"),
        ({"a/b": [1]}, InvalidInput, "an axis cannot be called 'a/b'"),
        (
            {"initia": [0.1]},
            InvalidType,
            "make_study does not take the axes initia as its arguments: got an unexpected",
        ),
        ({"initial": [[0.1], [0.2]]}, InvalidType, r"must have numbers or strings as values, got \[0.1\]"),
    ],
)
def test_bad_axes(axes, kind, message):
    with pytest.raises(kind, match=message):
        run(3000, axes)


def test_bad_arguments(tmp_path):
    with pytest.raises(InvalidType, match="executor must be a concurrent"):
        run(3000, executor=2)
    with pytest.raises(InvalidType, match="checkpoint must be the path of a folder"):
        run(3000, checkpoint=3)
    with pytest.raises(InvalidType, match="memory must be an integer"):
        run(3000, memory=1e9)
    with pytest.raises(InvalidType, match="probabilities must be a dict"):
        run(3000, probabilities=[1])
    with pytest.raises(InvalidType, match="compare must be a list of names, got 5"):
        run(3000, compare=5)
    with pytest.raises(InvalidInput, match="takes two trajectories of each cell"):
        js.compare(run(1))
