"""The command line: interrupted, resumed, cut in shards, sent to a cluster."""

import itertools
import os
import pathlib
import shlex
import signal
import subprocess
import sys
import time

import numpy as np
import pytest
from economy import leave_figures_blank, run_command

import jaxsgd as js
from jaxsgd import compiler
from jaxsgd.cli import cluster
from jaxsgd.cli.shard import Shard
from jaxsgd.engine.checkpoint import Shelf

pytestmark = pytest.mark.usefixtures("blank_figures")
STUDY = """
steps = 1000
observe = ["risk"]
statistics = ["mean", "variance"]
trajectories = 60_000
seed = 3
[problem]
kind = "quadratic"
curvature = [2.0, 4.0]
[noise]
kind = "gaussian"
[schedule]
kind = "constant"
value = 0.1
[record]
every = 100
"""
CHUNK = js.Plan.choose(2, 1000, 60_000).chunk


@pytest.fixture
def study(tmp_path):
    path = tmp_path / "study.toml"
    path.write_text(STUDY)
    return path


def assert_same_sums(path, other):
    """Every bit of every sum in two result files."""
    mine, its = (js.load(each)._ledgers[0].total() for each in (path, other))
    for statistic, arrays in mine.items():
        for key, array in arrays.items():
            np.testing.assert_array_equal(array, its[statistic][key], err_msg=f"{statistic}.{key}")


@pytest.fixture(scope="module")
def whole(tmp_path_factory):
    """The result of a run that nobody interrupts."""
    folder = tmp_path_factory.mktemp("whole")
    (folder / "study.toml").write_text(STUDY)
    with pytest.MonkeyPatch.context() as patch:
        leave_figures_blank(patch)
        assert run_command(patch, "run", folder / "study.toml", "--out", folder, "--quiet") == 0
    return folder / "result.nc"


@pytest.fixture
def interrupted(invoke, study, tmp_path, monkeypatch):
    """The folder of a run in which Ctrl-C came after the first finished task, and what it said."""
    save = Shelf.save

    def save_one(*arguments):
        save(*arguments)
        raise KeyboardInterrupt

    with monkeypatch.context() as patch:
        patch.setattr(Shelf, "save", save_one)
        answer = invoke("run", study, "--out", tmp_path / "out", "--quiet")
    return tmp_path / "out", answer


def parts(folder):
    found = (folder / "checkpoint").glob("part-*")
    return sorted(path.name for path in found if path.suffix != ".unfinished")


def test_an_interrupted_run_says_how_to_go_on(invoke, study, whole, interrupted):
    folder, answer = interrupted
    command = f"jaxsgd run {study} --out {folder} --quiet --resume"
    assert answer == (130, "", f"to go on, type: {command}\ninterrupted\n")
    assert len(parts(folder)) == 1
    assert not (folder / "result.nc").exists()

    status, output, errors = invoke("run", study, "--out", folder, "--quiet")
    assert (status, output, errors.count("\n")) == (2, "", 1)
    assert errors.startswith(f"error: {folder}/checkpoint holds a run that was not finished; to go on, type: {command}")
    assert len(parts(folder)) == 1

    assert invoke(*shlex.split(command)[1:]) == (0, "", "")
    assert_same_sums(folder / "result.nc", whole)


def test_resuming_keeps_the_checkpoint_for_more_trajectories(invoke, study, whole, tmp_path, monkeypatch):
    """Also where there is nothing to resume; a run that does not resume leaves results only."""
    assert not (whole.parent / "checkpoint").exists()
    folder, resume = tmp_path / "out", ("--quiet", "--resume")
    assert invoke("run", study, "--out", folder, "--trajectories", 30_000, *resume) == (0, "", "")
    assert parts(folder) == [f"part-0-0-{CHUNK}-{CHUNK}", f"part-0-{CHUNK}-30000-{CHUNK}"]
    assert invoke("run", study, "--out", folder, *resume) == (0, "", "")
    assert len(parts(folder)) == 5
    assert_same_sums(folder / "result.nc", whole)
    monkeypatch.setattr(Shelf, "save", lambda *_: pytest.fail("it ran"))
    assert invoke("run", study, "--out", folder, *resume) == (0, "", "")


def test_what_differs_from_the_checkpoint_is_said_in_one_line(invoke, study, interrupted):
    folder, _ = interrupted
    status, _, errors = invoke("run", study, "--out", folder, "--seed", 4, "--resume")
    assert (status, errors.count("\n")) == (2, 1)
    assert (
        f"error: {study}: {folder}/checkpoint is the checkpoint of another run; they differ in seed (3 there, 4 here)"
        in errors
    )


def test_a_damaged_part_is_said_in_one_line(invoke, study, whole, interrupted):
    folder, _ = interrupted
    path = folder / "checkpoint" / parts(folder)[0]
    path.write_bytes(path.read_bytes()[:-1])
    status, _, errors = invoke("run", study, "--out", folder, "--quiet", "--resume")
    assert (status, errors.count("\n")) == (0, 1)
    assert errors.startswith(f"warning: {path} is damaged")
    assert_same_sums(folder / "result.nc", whole)


def test_ctrl_c_ends_a_long_run_at_once(study, tmp_path):
    """The signal itself, to a process that would run for an hour."""
    folder = tmp_path / "out"
    # A child of a process that ignores Ctrl-C, as background jobs of a shell do, would ignore it too.
    heeding = (
        "import signal; signal.signal(signal.SIGINT, signal.default_int_handler); from jaxsgd.cli import main; main()"
    )
    command = [sys.executable, "-c", heeding, "run", str(study), "--out", str(folder), "--trajectories", str(2**31)]
    environment = os.environ | {"PYTHONPATH": str(pathlib.Path(js.__file__).parents[1])}
    with subprocess.Popen(command, stderr=subprocess.PIPE, text=True, env=environment) as process:
        try:
            limit = time.monotonic() + 600
            while not (folder.exists() and parts(folder)) and time.monotonic() < limit:
                time.sleep(0.02)
            process.send_signal(signal.SIGINT)
            _, errors = process.communicate(timeout=600)
        finally:
            process.kill()
    assert process.returncode == 130
    expected = f"to go on, type: jaxsgd {shlex.join(command[3:])} --resume\ninterrupted\n"
    assert errors == expected
    assert 0 < len(parts(folder)) < 2**31 / CHUNK / 100


# shards


def test_shards_merge_bitwise_in_any_order(invoke, study, whole, tmp_path):
    folder, names = tmp_path / "out", []
    for index in (3, 1, 2):
        status, output, _ = invoke("run", study, "--out", folder, "--shard", f"{index}/3", "--resume")
        names.append(folder / f"result-{index}-of-3.nc")
        assert status == 0
        assert f"written to {names[-1]}\n" in output
        assert f"type: jaxsgd merge {folder}/result-*-of-3.nc --out {folder}/result.nc" in output
    assert sorted(path.name for path in folder.iterdir()) == [
        *(f"checkpoint-{index}-of-3" for index in (1, 2, 3)), *(f"result-{index}-of-3.nc" for index in (1, 2, 3)),
    ]  # fmt: skip
    for order in itertools.permutations(names):
        status, _, errors = invoke("merge", *order, "--out", folder / "result.nc")
        assert (status, errors) == (0, "")
        assert_same_sums(folder / "result.nc", whole)
    assert js.load(folder / "result.nc").dataset.equals(js.load(whole).dataset)


@pytest.mark.parametrize("text", ["0/3", "4/3", "1", "a/b", "1/0", "-1/2", "1/2/3"])
def test_shards_that_are_none(invoke, study, tmp_path, text):
    status, _, errors = invoke("run", study, "--out", tmp_path, f"--shard={text}")
    assert status == 2
    assert errors.startswith("error: --shard must be i/n with 1 <= i <= n, such as 3/16, got")


def test_more_shards_than_chunks(invoke, study, tmp_path):
    _, _, errors = invoke("run", study, "--out", tmp_path, "--shard", "1/5")
    assert f"{study}: 60000 trajectories of this study are 4 chunks of {CHUNK}" in errors
    assert errors.endswith("in 5 shards: use at most 4\n")


@pytest.mark.parametrize(("trajectories", "count"), [(60_000, 4), (60_000, 3), (10 * CHUNK, 4), (1, 1)])
def test_shards_are_whole_chunks_and_leave_nothing_out(trajectories, count):
    study, at = js.chapter.study("polynomial", steps=1000), 0
    for index in range(1, count + 1):
        chosen = Shard(index, count).arguments(study, trajectories)
        assert (chosen["first_trajectory"], at % CHUNK) == (at, 0)
        assert chosen["plan"] == js.Plan.choose(2, 1000, trajectories)
        at += chosen["trajectories"]
    assert at == trajectories


# Dask


@pytest.fixture
def distributed():
    return pytest.importorskip("distributed", reason="needs Dask: pip install 'jaxsgd[dask]'")


def test_a_cluster_that_is_not_there(distributed, invoke, study, tmp_path, monkeypatch):
    monkeypatch.setattr(cluster, "_PATIENCE", 0.5)
    _, _, errors = invoke("run", study, "--out", tmp_path, "--dask", "tcp://127.0.0.1:1")
    assert errors.startswith("error: there is no Dask scheduler at tcp://127.0.0.1:1: ")
    assert errors.count("\n") == 1


def test_dask_that_is_not_installed(invoke, study, tmp_path, monkeypatch):
    monkeypatch.setitem(sys.modules, "distributed", None)
    _, _, errors = invoke("run", study, "--out", tmp_path, "--dask", "tcp://127.0.0.1:1")
    assert errors.startswith("error: --dask needs Dask (")
    assert errors.endswith("pip install 'jaxsgd[dask]'\n")


def test_a_run_on_a_cluster(distributed, study, tmp_path, whole):
    """From a process of its own, whose flags of the compiler the worker takes over: it would refuse others."""
    environment = {name: value for name, value in os.environ.items() if name != "XLA_FLAGS"}
    environment["PYTHONPATH"] = str(pathlib.Path(js.__file__).parents[1])
    with distributed.LocalCluster(
        n_workers=1, threads_per_worker=2, processes=True, host="127.0.0.1", dashboard_address=None
    ) as made:
        command = [sys.executable, "-m", "jaxsgd", "run", str(study), "--quiet", "--out", str(tmp_path)]
        subprocess.run([*command, "--dask", made.scheduler_address], check=True, env=environment)
    found, expected = js.load(tmp_path / "result.nc").dataset, js.load(whole).dataset
    np.testing.assert_allclose(found.risk_mean, expected.risk_mean, rtol=1e-6)
    assert found.attrs["trajectories"] == expected.attrs["trajectories"]
    if compiler.INTERLEAVE in found.attrs["xla_flags"]:
        assert not found.equals(expected)  # in their last bits: the flags have reached the worker
