"""The benchmark: its peers compute what jaxsgd computes, its studies can be built, its report can be drawn."""

import importlib
import json
import pathlib
import re
import sys

import numpy as np
import pytest
from economy import compile_without_optimising

from jaxsgd import bench

FOLDER = pathlib.Path(__file__).parents[1] / "scripts" / "benchmark"
PEERS = (
    "torch, the chapter's loop", "pure Python", "JAX, vmap of scan", "JAX, scan of vmap", "NumPy", "torch",
    "jaxsgd, all by default", "jaxsgd", "Numba", "C, by hand",
)  # fmt: skip


@pytest.fixture
def load(monkeypatch):
    """Imports a file of the benchmark, whatever else of that name was imported before."""
    monkeypatch.syspath_prepend(FOLDER)
    for path in FOLDER.glob("*.py"):
        found = sys.modules.get(path.stem)
        if found is not None and getattr(found, "__file__", None) != str(path):
            monkeypatch.delitem(sys.modules, path.stem)
    return importlib.import_module


def test_no_peer_is_forgotten(load):
    peers, left_out = load("peers").available()
    named = [peer.name for peer in peers] + [line.partition(" is left out: ")[0] for line in left_out]
    assert sorted(named) == sorted(PEERS)


@pytest.mark.parametrize("name", PEERS)
def test_peers_agree_with_theory(load, monkeypatch, name):
    compile_without_optimising(monkeypatch)
    peers, left_out = load("peers").available()
    peer = {peer.name: peer for peer in peers}.get(name)
    if peer is None:
        pytest.skip(next(line for line in left_out if line.startswith(name)))
    trajectories = min(peer.trajectories, 4096)
    seconds, moments = peer.measure(trajectories, 10)
    assert seconds > 0
    # Those that run one trajectory after the other keep no average.
    assert moments.shape == ((3 if peer.trajectories >= 1024 else 2), 2)
    load("workload").check(name, moments, trajectories)


@pytest.mark.parametrize("wrong", [1.5, np.nan])
@pytest.mark.parametrize("place", [(0, 0), (0, 1), (1, 0), (2, 1)])
def test_a_wrong_peer_is_found(load, wrong, place):
    workload = load("workload")
    moments = workload.exact().copy()
    workload.check("right", moments, 4096)
    moments[place] *= wrong
    with pytest.raises(workload.WrongResult, match="wrong: mean and variance"):
        workload.check("wrong", moments, 4096)


def test_a_peer_without_its_library_is_left_out(load, monkeypatch):
    peers = load("peers")
    monkeypatch.setattr(peers, "_PEERS", (("other", "a_library_that_is_not_installed", "run", 1, ""),))
    assert peers.available() == ([], ["other is left out: No module named 'a_library_that_is_not_installed'"])


def test_a_machine_without_a_compiler(load, monkeypatch):
    with_c = load("with_c") if "C, by hand" in {peer.name for peer in load("peers").available()[0]} else None
    if with_c is None:
        pytest.skip("there is no C compiler")
    monkeypatch.delenv("CC", raising=False)
    monkeypatch.setenv("PATH", "")
    with pytest.raises(ImportError, match="there is no C compiler"):
        with_c._compiler()


@pytest.mark.parametrize(
    ("name", "order"),
    [
        ("NumPy over trajectories, one core", "with replacement"),
        ("NumPy over trajectories, one core", "reshuffled"),
        ("JAX, vmap of scan", "with replacement"),
        ("jaxsgd", "with replacement"),
        ("C, by hand", "with replacement"),
        ("C, by hand", "reshuffled"),
    ],
)
def test_peers_on_sampled_examples_agree(load, name, order):
    """With theory where examples are drawn afresh, else with jaxsgd."""
    sampling = load("sampling")
    peers = sampling.available()
    if name not in peers:
        pytest.skip("there is no C compiler")
    seconds, moments = peers[name](order, 1024)
    assert seconds > 0
    sampling.check(name, order, moments, 1024)
    other = {"with replacement": "reshuffled", "reshuffled": "with replacement"}[order]
    with pytest.raises(load("workload").WrongResult, match="expected"):
        sampling.check(name, other, moments, 1024)


def test_studies_can_be_built(load):
    own = load("own")
    assert {study.dimension for study in own.user_studies().values()} == {10, 16, 20}
    study = bench.everything(10).study
    for changes, options in own.what_is_kept().values():
        made = study.replace(**changes)
        assert len(made.recorded_steps) <= (61 if "step_covariance" in options else 101)


def test_report(load):
    measure, peers, report = load("measure"), load("peers"), load("report")
    numbers = [1024 * 10**power for power in range(5)]
    curves = {name: dict.fromkeys(numbers[: 1 + i % 5], 1e6 * (1 + i)) for i, name in enumerate(PEERS)}
    assert {peers.JAXSGD, peers.EVERYTHING, peers.LIMIT, peers.NAIVE} <= curves.keys()
    facts = measure.machine()
    axes = report.figure(curves, facts).axes[0]
    assert len(axes.lines) == len(PEERS)
    looks = {(line.get_color(), line.get_linestyle(), line.get_marker()) for line in axes.lines}
    assert len(looks) == len(PEERS)
    assert facts["processor"] in axes.get_title(loc="left")
    table = report.table(measure.Section("title", [{"": "row", "speed": 1234.5, "none": None}]))
    assert [list(column.cells) for column in table.columns] == [["row"], ["1,234"], ["-"]]


def test_jaxsgd_bench(tmp_path, capsys, monkeypatch):
    monkeypatch.setattr(bench, "STEPS", 100)
    compile_without_optimising(monkeypatch)
    path = tmp_path / "new" / "bench.json"
    bench.main(trajectories=1024, json=path)
    found = json.loads(path.read_text())
    assert [row["workload"] for row in found["rows"]] == list(bench.workloads())
    assert all(row["seconds"] > 0 and row["million_steps_per_second"] > 0 for row in found["rows"])
    peak = int(re.search(r"peak memory of the process (\d+) MiB", capsys.readouterr().out).group(1))
    assert 50 < peak < 50_000


def test_jaxsgd_bench_finds_before_measuring_that_it_cannot_write(tmp_path, monkeypatch):
    monkeypatch.setattr(bench, "measure", lambda *_: pytest.fail("measured too early"))
    (tmp_path / "file").touch()
    with pytest.raises(OSError, match="file"):
        bench.main(json=tmp_path / "file" / "bench.json")
    with pytest.raises(IsADirectoryError):
        bench.main(json=tmp_path)
