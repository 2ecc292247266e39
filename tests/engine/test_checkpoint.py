"""A run that was interrupted goes on to bitwise the result of one that was not.

All runs here are of one compiled program with small tiles, and are compared bit by bit: there are no
sample sizes to choose. The runs that are killed are processes of their own.
"""

import contextlib
import errno
import json
import os
import random
import runpy
import subprocess
import sys
import time
from concurrent.futures import Executor, Future

import jax
import jax.numpy as jnp
import numpy as np
import pytest
from bits import assert_same, assert_same_sums
from economy import QUICK

import jaxsgd as js
from jaxsgd.engine import checkpoint as checkpoints
from jaxsgd.engine import driver
from jaxsgd.engine.checkpoint import Checkpoint, DamagedPart
from jaxsgd.engine.execution import Execution
from jaxsgd.engine.ledger import Ledger
from jaxsgd.engine.statistics.observable_moments import ObservableMoments
from jaxsgd.engine.task import Task
from jaxsgd.errors import InvalidInput, InvalidType
from jaxsgd.runs import provenance, simulation

STUDY = js.chapter.study("polynomial", steps=20)
PLAN = js.Plan(chunk=1024, tile=1024, workers=2, compiler_options=QUICK)
CHUNK = PLAN.chunk
N = 8 * CHUNK + 500


def run(count=N, study=STUDY, **arguments):
    return js.simulate(study, count, **({"plan": PLAN, "progress": False} | arguments))


def parts(folder):
    return sorted(path for path in folder.glob("part-*") if path.suffix != ".unfinished")


@pytest.fixture(scope="module")
def whole():
    return run()


@pytest.fixture
def folder(tmp_path):
    return tmp_path / "new" / "checkpoint"


class Counting(Executor):
    """Runs tasks at once, and remembers which; refuses those after the first ``most``."""

    def __init__(self, most=10**9, refusal=KeyboardInterrupt):
        self.most, self.refusal, self.tasks = most, refusal, []

    def submit(self, function, /, *arguments, **keywords):
        if len(self.tasks) == self.most:
            raise self.refusal
        self.tasks.append(arguments)
        future = Future()
        future.set_result(function(*arguments, **keywords))
        return future


# going on


def test_a_finished_run_is_only_read_again(whole, folder):
    assert_same(run(checkpoint=folder), whole)
    assert len(parts(folder)) == 9
    executor = Counting()
    assert_same(run(checkpoint=str(folder), executor=executor), whole)
    assert executor.tasks == []


def test_only_what_is_missing_is_run(whole, folder):
    run(checkpoint=folder)
    for name in ("0-1024", "4096-5120", "5120-6144", f"8192-{N}"):
        (folder / f"part-0-{name}-1024").unlink()
    executor = Counting()
    assert_same(run(checkpoint=folder, executor=executor), whole)
    assert executor.tasks == [(0, 1024), (4096, 5120), (5120, 6144), (8192, N)]


@pytest.mark.parametrize("unit", [1024, 4096])
def test_any_subset_of_parts_gives_the_same_bits(unit, folder):
    """Also where a tile holds several chunks."""
    plan = PLAN.replace(tile=unit)
    uninterrupted = run(plan=plan, first_trajectory=300)
    choose = random.Random(unit)
    for _ in range(4):
        assert_same(run(plan=plan, first_trajectory=300, checkpoint=folder), uninterrupted)
        for path in parts(folder):
            if choose.random() < 0.5:
                path.unlink()


def test_an_interrupted_run_goes_on(whole, folder):
    def finished():
        return sum(int(path.name.split("-")[3]) - int(path.name.split("-")[2]) for path in parts(folder))

    with pytest.raises(KeyboardInterrupt):
        run(checkpoint=folder, executor=Counting(most=4))
    assert finished() <= 4 * CHUNK
    with pytest.raises(ZeroDivisionError):
        run(checkpoint=folder, executor=Counting(most=4, refusal=ZeroDivisionError))
    assert_same(run(checkpoint=folder), whole)
    assert finished() == N


def test_what_runs_in_this_process_ends_at_the_next_tile(folder, monkeypatch):
    """Ctrl-C in the main thread: here while it collects the first part of many."""

    class Impatient:
        def expect(self, trajectories):
            assert trajectories == [2**24]

        def hear(self, job, entries):
            raise KeyboardInterrupt

    layout = simulation.make_layout(STUDY, statistics=simulation.DEFAULT_STATISTICS)
    task = simulation.make_task(STUDY, layout.statistics, {}, 0, 2**24, 0, PLAN)
    execution, run, tiles = Execution([simulation.Job(STUDY, {}, task)], 0), Task.run, []
    monkeypatch.setattr(Task, "run", lambda task, start, stop: tiles.append(start) or run(task, start, stop))
    with pytest.raises(KeyboardInterrupt):
        execution.extend(2**24, Impatient())
    assert 0 < len(tiles) < 2**24 / PLAN.tile / 10


@pytest.mark.parametrize("first", [0, 300])
def test_more_trajectories_continue_a_run(first, folder):
    """From an end inside a chunk, whose part is run again, to another; then to a chunk bound; and back."""
    for count in (2 * CHUNK + 100, 5 * CHUNK + 7, 7 * CHUNK - first, 2 * CHUNK + 100):
        executor = Counting()
        continued = run(count, checkpoint=folder, first_trajectory=first, executor=executor)
        assert_same(continued, run(count, first_trajectory=first))
        if count == 7 * CHUNK - first:
            assert executor.tasks == [((5 * CHUNK + 7 + first) // CHUNK * CHUNK, 6 * CHUNK), (6 * CHUNK, 7 * CHUNK)]
    assert executor.tasks == []


def test_long_runs_have_few_parts_and_the_same_bits(whole, folder, monkeypatch):
    """Some thousands in general, here 3: tasks are then several chunks, merged where they are run."""
    run(3 * CHUNK, checkpoint=folder)
    monkeypatch.setattr(driver, "_MANY_PARTS", 2)
    executor = Counting()
    assert_same(run(checkpoint=folder, executor=executor), whole)
    assert executor.tasks == [(3072, 4096), (4096, 8192), (8192, N)]
    monkeypatch.undo()
    assert_same(run(checkpoint=folder, executor=Counting(most=0)), whole)


@pytest.mark.parametrize(
    ("units", "size"), [(1, 1), (255, 1), (256, 2), (1023, 4), (2048, 16), (10**5, 16), (2**17, 32), (10**7, 2048)]
)
def test_how_many_units_a_task_has(units, size):
    """From 2048 units on at least 16, so that a checkpoint costs less than 1%; never more than 8192 tasks."""
    tasks = list(driver._parts([(0, units * CHUNK)], units, CHUNK))
    assert tasks[0] == (0, size * CHUNK)
    assert tasks[-1][1] == units * CHUNK
    assert len(tasks) == -(-units // size) <= 8192


def test_shorter_runs_between_leave_parts_that_overlap(folder):
    """256 units make tasks of two; a run of 101 leaves one of a single unit beside them."""
    long, short = 256 * CHUNK, 101 * CHUNK
    whole = run(long)
    for count in (long, short, long):
        continued = run(count, checkpoint=folder)
    assert_same(continued, whole)
    assert (folder / f"part-0-{100 * CHUNK}-{101 * CHUNK}-1024").exists()


def test_parts_of_another_tile_are_left_alone(folder):
    other = PLAN.replace(tile=2048)
    run(2 * CHUNK, checkpoint=folder, plan=other)
    executor = Counting()
    assert_same(run(2 * CHUNK, checkpoint=folder, executor=executor), run(2 * CHUNK))
    assert len(executor.tasks) == 2
    assert_same(run(2 * CHUNK, checkpoint=folder, plan=other, executor=Counting(most=0)), run(2 * CHUNK, plan=other))


def test_diverging_trajectories_and_all_statistics(folder):
    study = STUDY.replace(
        schedule=js.schedules.constant(1e3), record=js.record.at([0, 5, 20]), observe=("risk",), averages={}
    )
    arguments = {
        "quantiles": (0.5,), "probabilities": {"right": is_right}, "step_covariance": ("risk",), "study": study,
    }  # fmt: skip
    uninterrupted = run(3000, **arguments)
    assert uninterrupted.dataset.diverged[-1] == 3000
    run(3000, checkpoint=folder, **arguments)
    parts(folder)[1].unlink()
    assert_same(run(3000, checkpoint=folder, **arguments), uninterrupted)


def is_right(x):
    return x[0] > 0


KILLED = """
import sys
import jaxsgd as js

def simulate(**arguments):
    study = js.chapter.study("polynomial", steps=100).replace(observe=("risk",), averages={})
    plan = js.Plan(chunk=1024, tile=1024, workers=2)
    return js.simulate(study, 1000 * 1024 + 10, 5, plan=plan, progress=False, statistics=("mean",), **arguments)

if __name__ == "__main__":
    simulate(checkpoint=sys.argv[1]).save(sys.argv[2])
"""


@pytest.mark.slow
def test_killed_at_random_times(folder, tmp_path):
    """SIGKILL, each time between 0 and 0.3 s after the first work; a whole run takes more than 1 s."""
    script, saved = tmp_path / "killed.py", tmp_path / "result.nc"
    script.write_text(KILLED)
    choose, progress, kills = random.Random(7), [0], 0
    while not saved.exists():
        with subprocess.Popen([sys.executable, str(script), str(folder), str(saved)]) as process:
            if kills < 3:
                limit = time.monotonic() + 600
                while len(parts(folder)) <= progress[-1] and process.poll() is None and time.monotonic() < limit:
                    time.sleep(0.01)
                time.sleep(choose.uniform(0, 0.3))
                process.kill()
                kills += process.wait() < 0
            else:
                assert process.wait() == 0
        progress.append(len(parts(folder)))
    assert progress == sorted(progress)
    assert kills >= 2
    assert 0 < progress[1] < 1001
    uninterrupted = runpy.run_path(str(script))["simulate"]()
    assert_same_sums(js.load(saved), uninterrupted)


# another run's checkpoint


def shifted(by):
    return lambda x: jnp.sum(x) + by


OBSERVED = STUDY.replace(observables={"sum": shifted(1.0)})


@pytest.mark.parametrize(
    ("changes", "match"),
    [
        ({"study": OBSERVED.replace(x0=[-5.0, -2.5])}, r"study \(x0: '\[-5, -2\]' there, '\[-5, -2.5\]' here\)"),
        ({"study": OBSERVED.replace(steps=21)}, r"differ in study \(steps: '20' there, '21' here\)\. Use another"),
        ({"study": OBSERVED.replace(observables={"sum": shifted(2.0)})}, "differ in functions or numbers .* repr"),
        ({"seed": 1}, r"differ in seed \(0 there, 1 here\)\. "),
        ({"first_trajectory": 1024}, r"differ in first trajectory \(0 there, 1024 here\)\. "),
        ({"statistics": ("mean", "variance", "x")}, r"differ in statistics \(extremes: {.*} there, none here\)"),
        ({"quantiles": (0.5,)}, r"differ in statistics \(histogram: none there, {.*'quantiles': \[0.5\]} here\)"),
        ({"plan": PLAN.replace(chunk=2048)}, r"differ in chunk \(1024 there, 2048 here\)"),
        ({"plan": js.Plan(1024, 1024, 1, PLAN.form, (("xla_cpu_prefer_vector_width", 128),))}, "in compiler options"),
    ],
)  # fmt: skip
def test_the_checkpoint_of_another_run_is_refused(folder, changes, match):
    run(CHUNK, checkpoint=folder, study=OBSERVED)
    before = [path.read_bytes() for path in parts(folder)]
    with pytest.raises(InvalidInput, match=match):
        run(CHUNK, checkpoint=folder, **({"study": OBSERVED} | changes))
    assert [path.read_bytes() for path in parts(folder)] == before


def test_another_precision_is_refused(folder):
    run(CHUNK, checkpoint=folder)
    with jax.enable_x64(True), pytest.raises(InvalidInput, match="differ in precision"):
        run(CHUNK, checkpoint=folder)


@pytest.mark.parametrize("name", ["jaxsgd", "jax", "jaxlib", "numpy", "device", "cpu", "xla_flags"])
def test_another_machine_is_refused(folder, monkeypatch, name):
    run(CHUNK, checkpoint=folder)
    there = provenance.environment()
    monkeypatch.setattr(provenance, "environment", lambda: there | {name: "another"})
    with pytest.raises(InvalidInput, match=rf"differ in {name} \(.* there, 'another' here\)"):
        run(CHUNK, checkpoint=folder)


def test_the_number_of_workers_is_not_part_of_a_run(folder):
    run(CHUNK, checkpoint=folder)
    assert run(CHUNK, checkpoint=folder, plan=PLAN.replace(workers=5), executor=Counting(most=0)).trajectories == CHUNK


@pytest.mark.parametrize(
    ("content", "match"),
    [("{", "cannot be read"), ("7", "cannot be read"), (None, r"differ in format \(2 there, 3 here\)")],
)
def test_manifests_that_are_damaged_or_newer(folder, monkeypatch, content, match):
    run(CHUNK, checkpoint=folder)
    if content is None:
        monkeypatch.setattr(checkpoints, "FORMAT", 3)
    else:
        (folder / "manifest.json").write_text(content)
    with pytest.raises(InvalidInput, match=match):
        run(CHUNK, checkpoint=folder)


def test_two_runs_in_one_folder(folder):
    run(CHUNK, checkpoint=folder)
    manifest = json.loads((folder / "manifest.json").read_text())
    with Checkpoint(folder, manifest), pytest.raises(InvalidInput, match="in use by another run"):
        run(CHUNK, checkpoint=folder)
    run(CHUNK, checkpoint=folder)


def test_what_is_no_folder(tmp_path):
    with pytest.raises(InvalidType, match="checkpoint must be the path of a folder"):
        run(CHUNK, checkpoint=7)
    (tmp_path / "file").write_text("")
    with pytest.raises(InvalidInput, match=r"cannot write to the checkpoint .*file: File exists"):
        run(CHUNK, checkpoint=tmp_path / "file")


# damage


def flip(data):
    return data[:-3] + bytes([data[-3] ^ 1]) + data[-2:]


@pytest.mark.parametrize(
    "damage",
    [flip, lambda data: data[:-1], lambda data: data[:40], lambda data: b"", lambda data: data + b"\0"],
    ids=["flipped", "truncated", "cut in the checksum", "empty", "longer"],
)
def test_a_damaged_part_is_named_and_run_again(whole, folder, damage):
    run(checkpoint=folder)
    path = folder / "part-0-2048-3072-1024"
    good = path.read_bytes()
    path.write_bytes(damage(good))
    executor = Counting()
    with pytest.warns(DamagedPart, match=rf"{path} is damaged \(.*\): trajectories 2048 to 3071 are run again"):
        result = run(checkpoint=folder, executor=executor)
    assert_same(result, whole)
    assert executor.tasks == [(2048, 3072)]
    assert path.read_bytes() == good


def test_a_part_of_another_run_or_another_place_is_run_again(whole, folder, tmp_path):
    run(checkpoint=folder)
    run(checkpoint=tmp_path / "other", seed=1)
    path = folder / "part-0-2048-3072-1024"
    for stranger in (tmp_path / "other" / path.name, folder / "part-0-1024-2048-1024"):
        path.write_bytes(stranger.read_bytes())
        with pytest.warns(DamagedPart, match="it belongs to another run"):
            assert_same(run(checkpoint=folder), whole)


def checked(data, change):
    """A part with other content and the checksum of that."""
    content = change(data[len(checkpoints._MAGIC) + 65 :])
    return checkpoints._MAGIC + checkpoints.hashlib.sha256(content).hexdigest().encode() + b"\n" + content


def test_a_changed_part_with_the_right_checksum_changes_the_result(whole, folder):
    """Negative control: the tests above compare what the parts hold."""
    run(checkpoint=folder)
    path = folder / "part-0-2048-3072-1024"
    path.write_bytes(checked(path.read_bytes(), flip))
    with pytest.raises(AssertionError):
        assert_same(run(checkpoint=folder), whole)


def test_parts_are_never_unpickled(whole, folder):
    run(checkpoint=folder)
    path = folder / "part-0-2048-3072-1024"
    path.write_bytes(checked(path.read_bytes(), lambda content: content.replace(b'"<f8"', b'"|O"', 1)))
    with pytest.warns(DamagedPart, match="OBJECT"):
        assert_same(run(checkpoint=folder), whole)


def test_what_a_killed_run_left_unfinished_is_removed(whole, folder):
    run(4 * CHUNK, checkpoint=folder)
    left = folder / "part-0-4096-5120-1024.unfinished"
    left.write_bytes(b"half")
    assert_same(run(checkpoint=folder), whole)
    assert not left.exists()


@pytest.mark.parametrize("call", ["write", "fsync", "manifest"])
def test_a_full_disk(whole, folder, monkeypatch, call):
    """After three parts; the error is one line, nothing is lost, and no file is half there."""
    left = 0 if call == "manifest" else 4

    def full(*_):
        nonlocal left
        left -= 1
        if left < 0:
            raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))

    class Full:
        def __init__(self, path, mode):
            self.file = open(path, mode)  # noqa: SIM115

        def write(self, data):
            self.file.write(data[: len(data) // 2])
            full()
            return self.file.write(data[len(data) // 2 :])

        def __getattr__(self, name):
            return getattr(self.file, name)

        def __enter__(self):
            return self

        def __exit__(self, *_):
            self.file.close()

    with monkeypatch.context() as patch:
        if call == "fsync":
            patch.setattr(checkpoints.os, "fsync", full)
        else:
            patch.setattr(checkpoints, "open", lambda path, mode: (Full if mode == "wb" else open)(path, mode), False)
        with pytest.raises(
            InvalidInput, match=r"cannot write .*: No space left on device; what was finished before is kept"
        ) as caught:
            run(checkpoint=folder)
    assert "\n" not in str(caught.value)
    assert len(parts(folder)) == (0 if call == "manifest" else 3)
    assert not list(folder.glob("*.unfinished"))
    assert_same(run(checkpoint=folder), whole)


# the ledger


def test_what_a_ledger_misses():
    ledger = Ledger((ObservableMoments(("risk",)),), 1024)
    assert ledger.missing(100, 5000) == [(100, 5000)]
    number = np.ones((1, 1))
    for start, stop in ((100, 1024), (2048, 3072), (3072, 4096)):
        ledger.add(start, stop, {"moments": {"count": number, "mean": number, "m2": number}})
    assert ledger.missing(100, 5000) == [(1024, 2048), (4096, 5000)]
    assert ledger.missing(100, 4096) == [(1024, 2048)]


def test_a_folder_is_free_again_after_an_error(folder):
    with contextlib.suppress(ZeroDivisionError):
        run(checkpoint=folder, executor=Counting(most=1, refusal=ZeroDivisionError))
    assert run(CHUNK, checkpoint=folder).trajectories == CHUNK
