"""SGD on sampled examples, beside peers, and what an update costs as examples grow in number.

Least squares with n = 256 examples in d = 16 coordinates, one example an update, eta = 0.01 (the limit of mean-square
stability is 0.11), ten epochs; mean and variance of R(x) - R* after each epoch. Examples are drawn with replacement,
or in a fresh uniform permutation for each trajectory and epoch.
"""

import functools
import os
import tempfile
import time
from collections.abc import Callable
from pathlib import Path

import jax
import jax.numpy as jnp
import numpy as np
from jax import lax
from measure import Row, Scale, Section, interleaved
from workload import CORES, LANES, WrongResult

import jaxsgd as js

N, D, EPOCHS, RATE = 256, 16, 10, 0.01
STEPS = N * EPOCHS
ORDERS = {"with replacement": js.orders.WithReplacement(), "reshuffled": js.orders.RandomReshuffling()}
JAXSGD, LIMIT = "jaxsgd", "C, by hand"

Moments = tuple[float, float]  # mean and variance of R(x) - R* at the end
Peer = Callable[[str, int], tuple[float, Moments]]  # (order, trajectories) to seconds and moments


def problem_of(n: int, d: int) -> js.problems.LeastSquares:
    """Gaussian features and targets with noise of variance 1."""
    random = np.random.default_rng(0)
    features = random.standard_normal((n, d))
    return js.problems.LeastSquares(features, features @ random.standard_normal(d) + random.standard_normal(n))


PROBLEM = problem_of(N, D)
FEATURES, TARGETS = (np.asarray(array, np.float32) for array in PROBLEM.data)
MINIMISER, FACTOR = (np.asarray(array, np.float32) for array in (PROBLEM.minimiser, PROBLEM._factor))


def study(order: str) -> js.Study:
    """The workload."""
    return js.Study(
        oracle=js.oracles.ExampleSampling(PROBLEM, ORDERS[order]),
        schedule=js.schedules.constant(RATE),
        epochs=EPOCHS,
        record=js.record.every_epoch(1),
    )


@functools.cache
def expected(order: str) -> tuple[float, float]:
    """E R(x_T) - R* and its standard error: exact, or of jaxsgd where theory knows no exact value."""
    if order == "with replacement":
        return float(js.theory.exact(study(order)).risk_mean[-1]) - PROBLEM.minimum, 0.0
    made = study(order).replace(observe=("risk",), record=js.record.at([STEPS]))
    last = js.simulate(made, 2**16, seed=1, statistics=("mean", "variance"), progress=False).at(STEPS)
    return float(last.risk_mean) - PROBLEM.minimum, float(last.risk_sem)


def check(name: str, order: str, moments: Moments, trajectories: int) -> None:
    """An error unless the mean lies within five standard errors of the expected one."""
    mean, error = expected(order)
    error = np.hypot(error, np.sqrt(moments[1] / trajectories))
    if not abs(moments[0] - mean) < 5 * error < 0.2 * mean:
        raise WrongResult(f"{name}, {order}: E R - R* is {moments[0]:.6g} +- {error:.2g}, expected {mean:.6g}")


# peers


def timed(run: Callable[[str, int], Moments]) -> Peer:
    """A peer that is timed from outside."""

    def peer(order: str, trajectories: int) -> tuple[float, Moments]:
        began = time.perf_counter()
        moments = run(order, trajectories)
        return time.perf_counter() - began, moments

    return peer


def excess(x: jax.Array) -> jax.Array:
    """R(x) - R*."""
    return jnp.sum((FACTOR @ (x - MINIMISER)) ** 2) / 2


@functools.partial(jax.jit, static_argnums=(0, 1))
def _vmap_of_scan(order: str, trajectories: int, key: jax.Array) -> jax.Array:
    def step(x: jax.Array, i: jax.Array) -> tuple[jax.Array, None]:
        a, y = jnp.asarray(FEATURES)[i], jnp.asarray(TARGETS)[i]
        return x - RATE * jax.grad(lambda x: (a @ x - y) ** 2 / 2)(x), None

    def epoch(x: jax.Array, key: jax.Array) -> tuple[jax.Array, jax.Array]:
        replaced = order == "with replacement"
        drawn = jax.random.randint(key, (N,), 0, N) if replaced else jax.random.permutation(key, N)
        return lax.scan(step, x, drawn)[0], excess(x)

    def one(key: jax.Array) -> jax.Array:
        x, observed = lax.scan(epoch, jnp.zeros(D), jax.random.split(key, EPOCHS))
        return jnp.append(observed, excess(x))

    observed = jax.vmap(one)(jax.random.split(key, trajectories))
    return jnp.stack([jnp.mean(observed, 0), jnp.var(observed, 0, ddof=1)], -1)


def vmap_of_scan(order: str, trajectories: int) -> Moments:
    """As one writes it first in JAX."""
    mean, variance = np.asarray(_vmap_of_scan(order, trajectories, jax.random.key(0)))[-1]
    return float(mean), float(variance)


def over_trajectories(order: str, trajectories: int) -> Moments:
    """NumPy, all trajectories at once."""
    random, x, seen = np.random.default_rng(0), np.zeros((trajectories, D), np.float32), []
    for _ in range(EPOCHS):
        seen.append(_moments(x))
        if order == "with replacement":
            drawn = random.integers(0, N, (N, trajectories))
        else:
            drawn = random.permuted(np.tile(np.arange(N), (trajectories, 1)), axis=1).T
        for i in drawn:
            a = FEATURES[i]
            x -= RATE * (np.einsum("ij,ij->i", a, x) - TARGETS[i])[:, None] * a
    return _moments(x)


def _moments(x: np.ndarray) -> Moments:
    risks = np.sum(((x - MINIMISER) @ FACTOR.T) ** 2, 1) / 2
    return float(risks.mean()), float(risks.var(ddof=1))


def simulated(order: str, trajectories: int, everything: bool = False) -> Moments:
    """jaxsgd: the risk alone, or all that is recorded by default."""
    recorded = {} if everything else {"statistics": ("mean", "variance")}
    made = study(order) if everything else study(order).replace(observe=("risk",))
    last = js.simulate(made, trajectories, progress=False, **recorded).at(STEPS)
    return float(last.risk_mean) - PROBLEM.minimum, float(last.risk_variance)


@functools.cache
def in_c() -> Peer:
    """sampling_limit.c, which counts its own seconds; ImportError where it cannot be compiled."""
    import with_c

    limit = with_c.Program("sampling_limit.c")
    arrays = [FEATURES, TARGETS, MINIMISER, FACTOR]

    def peer(order: str, trajectories: int) -> tuple[float, Moments]:
        with tempfile.TemporaryDirectory() as folder:
            path = Path(folder, "data")
            np.concatenate([np.ravel(array) for array in arrays]).astype(np.float32).tofile(path)
            numbers = (trajectories, STEPS, N, RATE, int(order == "reshuffled"), CORES)
            seconds, moments = limit.lines(str(path), *numbers)
        mean, variance = map(float, moments.split())
        return float(seconds), (mean, variance)

    return peer


def available() -> dict[str, Peer]:
    """The peers that can run here, from the slowest."""
    peers = {
        "NumPy over trajectories, one core": timed(over_trajectories),
        "JAX, vmap of scan": timed(vmap_of_scan),
        "jaxsgd, all by default": timed(functools.partial(simulated, everything=True)),
        JAXSGD: timed(simulated),
    }
    try:
        return peers | {LIMIT: in_c()}
    except ImportError:
        return peers


def throughput(scale: Scale) -> Section:
    """M updates per second, and ratios to C."""
    peers = available()
    number = max(int(10 * scale.share), 1) * LANES

    def speed(name: str, order: str) -> float:
        seconds, moments = peers[name](order, number)
        check(name, order, moments, number)
        return number * STEPS / seconds

    runs = {(name, order): functools.partial(speed, name, order) for name in peers for order in ORDERS}
    speeds = interleaved(runs, scale.rounds)
    rows: list[Row] = []
    for name in peers:
        row: Row = {"": name} | {f"M/s, {order}": speeds[name, order] / 1e6 for order in ORDERS}
        for order in ORDERS:
            row[f"of C, {order}"] = speeds[name, order] / speeds[LIMIT, order] if LIMIT in peers else None
        rows.append(row)
    return Section(
        f"Sampled examples: least squares, n = {N}, d = {D}, {number:,} trajectories of {STEPS} updates", rows
    )


def many_examples(scale: Scale) -> Section:
    """What an update costs, and the memory of a process, for few and for many examples in 100 coordinates."""
    from processes import numbers_of

    named = {n: f"n = {n:,}" for n in (1000, 10_000, 100_000)}
    if scale.quick:
        del named[10_000], named[100_000]
    rows: list[Row] = []
    for n, name in named.items():
        row: Row = {"": name}
        for order in ORDERS:
            nanoseconds, mebibytes = numbers_of([__file__, order, str(n), "64" if scale.quick else "2048"])
            row |= {f"ns an update and core, {order}": nanoseconds, f"MiB, {order}": mebibytes}
        rows.append(row)
    return Section("Many examples: least squares, d = 100, 4096 trajectories, the risk at the end", rows)


def _main(order: str, n: int, steps: int) -> None:
    """A process of its own: prints nanoseconds of an update and core, and peak memory in MiB."""
    made = js.Study(
        oracle=js.oracles.ExampleSampling(problem_of(n, 100), ORDERS[order]),
        schedule=js.schedules.constant(0.001),
        steps=steps,
        record=js.record.at([steps]),
        observe=("risk",),
    )
    seconds = []
    for _ in range(4):
        began = time.perf_counter()
        js.simulate(made, 4096, statistics=("mean", "variance"), progress=False)
        seconds.append(time.perf_counter() - began)
    print(min(seconds[1:]) / (4096 * steps) * 1e9 * min(CORES, os.cpu_count() or 1), js.bench.peak_memory())


if __name__ == "__main__":
    import sys

    _main(sys.argv[1], int(sys.argv[2]), int(sys.argv[3]))
