"""jaxsgd alone: how its speed depends on the study and on what is recorded."""

import functools
import time
from typing import Any

import jax
import jax.numpy as jnp
import numpy as np
import optax
from measure import Row, Scale, Section, interleaved

import jaxsgd as js
from jaxsgd import bench

_WORK = 2**28  # coordinate-steps of one measurement and core: a quarter of a second
_GRIDS = {
    "every step": js.record.every(1),
    "every 10th": js.record.every(10),
    "log_spaced(100)": js.record.log_spaced(100),
}


def steps(scale: Scale) -> Section:
    """The default grid, so that the number of records is the same."""
    study = bench.three_observables(1).study.replace(record=js.record.log_spaced(100))
    studies = {f"T = {count:,}": study.replace(steps=count) for count in (100, 1000, 10_000, 100_000)}
    return _section("Number of steps: three observables on the default grid", studies, scale)


def dimensions(scale: Scale) -> Section:
    """Diagonal quadratics, with the three observables of the workload."""
    studies = {f"d = {d}": quadratic(d) for d in (2, 16, 128)}
    return _section("Number of coordinates: diagonal quadratic, three observables, every 10th", studies, scale)


def gradients(scale: Scale) -> Section:
    """Gradients that jax.grad makes of a user's function."""
    return _section("User-written problems: risk of x and of xbar, every 10th", user_studies(), scale)


def moving() -> dict[str, js.methods.Method]:
    """Methods by name; the first is what the others are compared with."""
    make, momentum = js.methods.Optax, 0.9
    return {
        "Sgd": js.methods.Sgd(),
        "HeavyBall": js.methods.HeavyBall(momentum),
        "Nesterov": js.methods.Nesterov(momentum),
        "Clipped(Sgd)": js.methods.Clipped(js.methods.Sgd(), norm=1.0),
        "Optax(sgd)": make(optax.sgd),
        "Optax(sgd, momentum)": make(optax.sgd, momentum=momentum),
        "Optax(sgd, momentum, nesterov)": make(optax.sgd, momentum=momentum, nesterov=True),
        "Optax(adam)": make(optax.adam),
    }


def methods(scale: Scale) -> Section:
    """What a state costs, and what it costs that optax computes the update."""
    study = bench.three_observables(10).study
    given = scale.some(moving())
    plain = {"statistics": ("mean", "variance")}
    runs = {name: _speed(study.replace(method=method), scale, **plain) for name, method in given.items()}
    speeds = interleaved(runs, scale.rounds)
    first = next(iter(speeds))
    rows: list[Row] = [
        {"": name, "M trajectory-steps/s": speed / 2e6, f"of {first}": speed / speeds[first]}
        for name, speed in speeds.items()
    ]
    return Section("Methods: the chapter's quadratic, three observables, every 10th", rows)


def sweeps(scale: Scale) -> Section:
    """Schedules that share their draws; the last row is of a size that people ask for."""

    def make(initial: float) -> js.Study:
        return bench.three_observables(10).study.replace(schedule=js.schedules.polynomial(initial, 0.1, 0.5))

    def speed(cells: int, trajectories: int) -> float:
        began = time.perf_counter()
        axes = {"initial": np.linspace(0.02, 0.3, cells)}
        js.sweep(make, axes, trajectories, statistics=("mean", "variance"), compare=())
        return cells * trajectories * bench.STEPS / (time.perf_counter() - began)

    sizes = {"32 schedules": (32, 2**17), "1000 schedules": (1000, 10_000)}
    runs = {name: functools.partial(speed, *size) for name, size in scale.some(sizes, 1).items()}
    speeds = interleaved(runs, 1 if scale.quick else 2)
    rows: list[Row] = []
    for name, measured in speeds.items():
        cells, trajectories = sizes[name]
        seconds = cells * trajectories * bench.STEPS / measured
        rows.append({"": name, "trajectories": trajectories, "M cell-steps/s": measured / 1e6, "seconds": seconds})
    return Section("Sweeps: three observables, every 10th", rows)


def quadratic(d: int) -> js.Study:
    """A diagonal quadratic in d dimensions, recorded like the workload."""
    problem = js.problems.Quadratic(curvature=np.linspace(1.0, 4.0, d))
    study = bench.three_observables(10).study
    return study.replace(oracle=js.oracles.AdditiveNoise(problem, js.noise.Gaussian()), x0=np.full(d, -2.0))


def user_studies() -> dict[str, js.Study]:
    """Functions as users write them."""
    half = np.random.default_rng(0).normal(size=(16, 16)) / 4
    dense = jnp.asarray(half @ half.T + np.eye(16), jnp.float32)
    direction = jnp.linspace(-1.0, 1.0, 4)

    def rosenbrock(x: jax.Array) -> jax.Array:
        return jnp.sum(100 * (x[1:] - x[:-1] ** 2) ** 2 + (1 - x[:-1]) ** 2)

    def layer(x: dict[str, jax.Array]) -> jax.Array:
        return jnp.sum((x["w"] @ direction + x["b"]) ** 2) + 0.1 * jnp.sum(x["w"] ** 2)

    def random_loss(xi: jax.Array, x: jax.Array) -> jax.Array:
        return 0.5 * jnp.sum((x - xi) ** 2)

    ones = np.ones(16)
    functions = {
        "Rosenbrock, d = 10": (rosenbrock, np.zeros(10), 1e-4),
        "dense x'Qx, d = 16": (lambda x: x @ dense @ x, ones, 0.05),
        "sum log cosh x, d = 16": (lambda x: jnp.sum(jnp.log(jnp.cosh(x))), ones, 0.05),
        "sum exp(x) - x, d = 16": (lambda x: jnp.sum(jnp.exp(x) - x), ones, 0.05),
        "dict, w (4, 4) and b (4,)": (layer, {"w": np.ones((4, 4)), "b": np.ones(4)}, 0.05),
    }
    oracles = {
        name: (js.oracles.AdditiveNoise(js.problems.Function(f), js.noise.Gaussian(std=0.5)), x0, rate)
        for name, (f, x0, rate) in functions.items()
    }
    oracles["RandomLoss (x - xi)^2, d = 16"] = (
        js.oracles.RandomLoss(random_loss, lambda stream: stream.normal((16,))),
        ones,
        0.05,
    )
    study = bench.three_observables(10).study.replace(observe=("risk", "risk_of_eta"))
    return {
        name: study.replace(oracle=oracle, x0=x0, schedule=js.schedules.constant(rate))
        for name, (oracle, x0, rate) in oracles.items()
    }


def what_is_kept() -> dict[str, tuple[dict[str, Any], dict[str, Any]]]:
    """Changes of the study and arguments of simulate, by name. After the first, all have five observables."""
    averages = {
        "eta": js.averages.StepSizeWeighted(),
        "uniform": js.averages.Uniform(),
        "suffix": js.averages.Suffix(0.5),
        "linear": js.averages.Polynomial(1.0),
        "exponential": js.averages.Exponential(0.99),
    }
    path_sums = {
        "regret": lambda update: update.learning_rate * (update.x[0] ** 2 + 2 * update.x[1] ** 2),
        "squared gradients": lambda update: update.learning_rate**2 * jnp.sum(update.gradient**2),
        "path length": lambda update: jnp.linalg.norm(update.x_next - update.x),
    }
    plain = {"statistics": ("mean", "variance")}
    events = {"near": lambda x: x[0] ** 2 + 2 * x[1] ** 2 < 0.01}
    between = {"record": js.record.log_spaced(60)}
    return {
        "three observables": ({"observe": bench.THREE}, plain),
        "five observables, the default": ({}, plain),
        "+ extremes": ({}, {"statistics": ("mean", "variance", "extremes")}),
        "+ mean and covariance of x": ({}, {"statistics": ("mean", "variance", "x")}),
        "+ both: all by default": ({}, {}),
        "+ five averages (13 observables)": ({"averages": averages}, plain),
        "+ three path sums": ({"path_sums": path_sums}, plain),
        "+ three quantiles": ({}, plain | {"quantiles": (0.05, 0.5, 0.95)}),
        "+ a probability": ({}, plain | {"probabilities": events}),
        "+ covariance of R between steps, log_spaced(60)": (between, plain | {"step_covariance": ("risk",)}),
    }


def kept(scale: Scale) -> Section:
    """The price of what is recorded."""
    study = bench.everything(1).study
    rows, grids = scale.some(what_is_kept()), scale.some(_GRIDS)
    runs = {
        (name, grid): _speed(study.replace(**{"record": record} | changes), scale, **options)
        for name, (changes, options) in rows.items()
        for grid, record in grids.items()
        if "record" not in changes or grid == "log_spaced(100)"
    }
    speeds = interleaved(runs, scale.rounds)
    table: list[Row] = [
        {"": name} | {grid: speeds[name, grid] / 2e6 if (name, grid) in speeds else None for grid in grids}
        for name in rows
    ]
    return Section("What is recorded: M trajectory-steps/s of the chapter's quadratic", table)


def precision(scale: Scale) -> Section:
    """The default float32, and float64 under jax.enable_x64."""
    workloads = {"three observables": bench.three_observables(10), "all by default": bench.everything(10)}
    runs = {}
    for name, workload in workloads.items():
        run = _speed(workload.study, scale, statistics=workload.statistics)
        runs[name, "float32"], runs[name, "float64"] = run, functools.partial(_in_float64, run)
    speeds = interleaved(runs, scale.rounds)
    table: list[Row] = [
        {"": name} | {precision: speeds[name, precision] / 2e6 for precision in ("float32", "float64")}
        for name in workloads
    ]
    return Section("Precision: M trajectory-steps/s of the chapter's quadratic, every 10th", table)


def _in_float64(run: Any) -> float:
    with jax.enable_x64(True):
        return run()


def _trajectories(study: js.Study, scale: Scale) -> int:
    """So many that the work is the same for every study, in chunks that keep all workers busy."""
    plan = js.Plan.choose(study.dimension, study.steps, 2**31)
    launch = max(plan.chunk, plan.tile) * plan.workers
    work = _WORK * plan.workers * scale.share
    return launch * max(round(work / (launch * study.dimension * study.steps)), 1)


def _speed(study: js.Study, scale: Scale, **options: Any) -> Any:
    """A run that returns coordinate-steps per second."""
    trajectories = _trajectories(study, scale)

    def run() -> float:
        start = time.perf_counter()
        js.simulate(study, trajectories, progress=False, **options)
        return trajectories * study.steps * study.dimension / (time.perf_counter() - start)

    return run


def _section(title: str, studies: dict[str, js.Study], scale: Scale) -> Section:
    """Speeds of studies, in trajectories and in coordinates per core."""
    studies = scale.some(studies)
    runs = {name: _speed(study, scale, statistics=("mean", "variance")) for name, study in studies.items()}
    speeds = interleaved(runs, scale.rounds)
    rows: list[Row] = []
    for name, study in studies.items():
        workers = js.Plan.choose(study.dimension, study.steps, 2**31).workers
        row: Row = {"": name, "trajectories": _trajectories(study, scale)}
        row["M trajectory-steps/s"] = speeds[name] / study.dimension / 1e6
        row["G coordinates/s and core"] = speeds[name] / workers / 1e9
        rows.append(row)
    return Section(title, rows)
