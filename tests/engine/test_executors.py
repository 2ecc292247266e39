"""Whoever does the work, the bits are the same: threads, spawned processes, a Dask cluster."""

import multiprocessing
import os
import pickle
import signal
import subprocess
import sys
import threading
import time
from concurrent.futures import ProcessPoolExecutor, ThreadPoolExecutor

import jax
import jax.numpy as jnp
import numpy as np
import pytest
from bits import assert_same, assert_same_sums

import jaxsgd as js
from jaxsgd.engine import job as jobs
from jaxsgd.errors import InvalidInput, InvalidType
from jaxsgd.runs import simulation, tasks

PLAN = js.Plan(chunk=2048, tile=1024, workers=2)
N = 12 * PLAN.chunk + 700


def total(x):
    return jnp.sum(x)


def is_right(state):
    return state.x[0] > state.averages["eta"][0]


def squared_step(update):
    return jnp.sum((update.x_next - update.x) ** 2)


def failing(x):
    """Can be computed when the study is made, and not where it is unpickled."""
    if multiprocessing.parent_process() is not None:
        raise ArithmeticError("not here")
    return x[0]


STUDY = js.chapter.study("polynomial", steps=30).replace(
    observe=("risk",), observables={"sum": total}, path_sums={"steps": squared_step}
)


def run(count=N, study=STUDY, **arguments):
    given = {"plan": PLAN, "progress": False, "probabilities": {"right": is_right}, "statistics": ("mean", "variance")}
    return js.simulate(study, count, seed=3, **(given | arguments))


@pytest.fixture(scope="module")
def whole():
    return run()


def processes(count):
    return ProcessPoolExecutor(count, mp_context=multiprocessing.get_context("spawn"))


@pytest.mark.parametrize("threads", [1, 2, 4])
def test_threads(whole, threads):
    with ThreadPoolExecutor(threads) as executor:
        assert_same(run(executor=executor), whole)


def test_two_processes(whole, tmp_path):
    """Several runs in one pool: with a checkpoint, in double precision, and one that fails there."""
    with processes(2) as executor:
        assert_same(run(executor=executor, checkpoint=tmp_path), whole)
        assert len(list(tmp_path.glob("part-*"))) == 13
        next(tmp_path.glob("part-*")).unlink()
        assert_same(run(checkpoint=tmp_path), whole)  # what processes made, and what a thread did
        plain = STUDY.replace(observables={}, path_sums={}, averages={}, steps=5)
        with jax.enable_x64(True):
            double = run(3000, plain, executor=executor, probabilities={})
            assert_same(double, run(3000, plain, probabilities={}))
        assert double.dataset.attrs["precision"] == "float64"
        with pytest.raises(InvalidType, match=r"observable 'sum': .* \(ArithmeticError: not here\)"):
            run(3000, STUDY.replace(observables={"sum": failing}), executor=executor)
        assert_same(run(executor=executor), whole)


@pytest.mark.slow
def test_three_processes(whole):
    """As two do."""
    with processes(3) as executor:
        assert_same(run(executor=executor), whole)


def test_functions_that_processes_cannot_import():
    with processes(1) as executor:
        study = STUDY.replace(observables={"first": lambda x: x[0]})
        with pytest.raises(InvalidType, match=r"top level of a module, not as lambdas .* Dask's Client.get_executor"):
            run(study=study, executor=executor)
        with pytest.raises(InvalidType, match="top level of a module"):
            run(probabilities={"right": lambda x: x[0] > 0}, executor=executor)


def test_forked_processes():
    with (
        ProcessPoolExecutor(1, mp_context=multiprocessing.get_context("fork")) as executor,
        pytest.raises(InvalidInput, match=r"JAX does not work in forked processes: use .*spawn"),
    ):
        run(executor=executor)


# what travels


def job_of(study):
    layout = tasks.make_layout(study, statistics=simulation.DEFAULT_STATISTICS)
    return jobs.Job(study, {}, tasks.make_task(study, layout.statistics, {}, 0, 4096, 3, PLAN))


def test_a_job_is_small_and_its_task_is_made_once(monkeypatch):
    job, made = job_of(STUDY), []
    text = pickle.dumps(job)
    assert len(text) < 5000  # not the million learning rates of a long study
    assert len(pickle.dumps(job_of(STUDY.replace(steps=100_000)))) < 5000
    prepare = jobs.prepare
    monkeypatch.setattr(jobs, "prepare", lambda *given: made.append(given) or prepare(*given))
    entries = [pickle.loads(text).run(*span) for span in ((0, 2048), (2048, 4096))]
    assert len(made) == 1
    for (span, sums), (its_span, its) in zip([entry for part in entries for entry in part], _apart(job), strict=True):
        assert span == its_span
        np.testing.assert_array_equal(sums["moments"]["mean"], its["moments"]["mean"])


def _apart(job):
    return [entry for span in ((0, 2048), (2048, 4096)) for entry in job.run(*span)]


@pytest.mark.parametrize("name", ["jaxlib", "cpu", "xla_flags"])
def test_a_worker_that_is_not_alike(monkeypatch, name):
    text = pickle.dumps(job_of(STUDY))
    here = jobs.environment()
    monkeypatch.setattr(jobs, "environment", lambda: here | {name: "another"})
    with pytest.raises(InvalidInput, match=f"a worker differs in {name} .'another', not"):
        pickle.loads(text).run(0, 2048)


# Dask


@pytest.fixture(scope="module")
def cluster():
    """Two worker processes on the loopback address, without a dashboard."""
    distributed = pytest.importorskip("distributed", reason="needs Dask: pip install 'jaxsgd[dask]'")
    with distributed.LocalCluster(
        n_workers=2, threads_per_worker=1, processes=True, host="127.0.0.1", dashboard_address=None
    ) as made:
        yield made


@pytest.fixture
def client(cluster):
    from distributed import Client

    with Client(cluster) as made:
        yield made


def test_a_dask_cluster(whole, client):
    assert_same(run(executor=client.get_executor()), whole)


def test_dask_sends_lambdas(client):
    study = STUDY.replace(observables={"first": lambda x: x[0]})
    events = {"right": lambda x: x[0] > 0}
    result = run(3 * PLAN.chunk, study, probabilities=events, executor=client.get_executor())
    assert_same(result, run(3 * PLAN.chunk, study, probabilities=events))


def test_a_dask_worker_is_killed(client, tmp_path, monkeypatch):
    """While tasks run: what it had is run again by the other one."""
    study, count = STUDY.replace(steps=500, record=js.record.at([500])), 200 * PLAN.chunk
    monkeypatch.setattr("jaxsgd.engine.driver._IN_FLIGHT_ELSEWHERE", 20)
    workers = client.run(os.getpid)
    killed = []

    def kill():
        limit = time.monotonic() + 600
        while len(list(tmp_path.glob("part-*"))) < 30 and time.monotonic() < limit:
            time.sleep(0.005)
        victim = sorted(workers.values())[0]
        os.kill(victim, signal.SIGKILL)
        killed.append(len(list(tmp_path.glob("part-*"))))

    watch = threading.Thread(target=kill)
    watch.start()
    result = run(count, study, executor=client.get_executor(), checkpoint=tmp_path)
    watch.join()
    assert 30 <= killed[0] < 200
    assert_same(result, run(count, study))


SEVERAL_DEVICES = """
import collections, sys
import jax
import jaxsgd as js
from jaxsgd.engine.compiled import CompiledTile

used = collections.Counter()
call = CompiledTile.__call__

def noting(self, *arguments):
    kept = call(self, *arguments)
    used[next(iter(kept["finite"].devices())).id] += 1
    return kept

CompiledTile.__call__ = noting
plan = js.Plan(chunk=2048, tile=1024, workers=2)
study = js.chapter.study("polynomial", steps=30)
js.simulate(study, 12 * 2048 + 700, seed=3, plan=plan, progress=False).save(sys.argv[1])
print(len(jax.local_devices()), sorted(used))
"""


def test_threads_take_the_devices_in_turn(tmp_path):
    """Two devices of the host, as two GPUs would be: both are used, and the bits are those of one."""
    path = tmp_path / "result.nc"
    flags = f"{os.environ.get('XLA_FLAGS', '')} --xla_force_host_platform_device_count=2"
    made = subprocess.run(
        [sys.executable, "-c", SEVERAL_DEVICES, str(path)],
        env=os.environ | {"XLA_FLAGS": flags}, capture_output=True, text=True, check=True,
    )  # fmt: skip
    assert made.stdout.split("\n")[0] == "2 [0, 1]"
    study = js.chapter.study("polynomial", steps=30)
    assert_same_sums(js.load(path), js.simulate(study, N, seed=3, plan=PLAN, progress=False))
