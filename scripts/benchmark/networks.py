"""Small networks by the thousand: jaxsgd beside the script that one writes with JAX and optax.

    python scripts/benchmark/networks.py [RUNS] [STEPS]

Both train as many networks 64-32-10 on scikit-learn's digits, each from its own start, with Adam and batches of 32
drawn with replacement, and return mean and variance of the final test risk.
"""

# ruff: noqa: E402 - the compiler's setting comes first

from jaxsgd import compiler

compiler.interleave()

import functools
import sys
import time
import warnings
from typing import Any

import jax
import jax.numpy as jnp
import numpy as np
import optax
from jax import lax
from measure import FULL, Row, Scale, Section, interleaved

import jaxsgd as js

TRAINING, BATCH, RATE = 1400, 32, 1e-3
Parameters = dict[str, jax.Array]


def _digits() -> tuple[np.ndarray, np.ndarray]:
    from sklearn.datasets import load_digits

    images, labels = load_digits(return_X_y=True)
    return (images / 16).astype(np.float32), labels.astype(np.int32)


def _scores(x: Parameters, images: jax.Array) -> jax.Array:
    return jax.nn.relu(images @ x["w1"] + x["b1"]) @ x["w2"] + x["b2"]


def _loss(x: Parameters, example: Any) -> jax.Array:
    return optax.softmax_cross_entropy_with_integer_labels(_scores(x, example[0]), example[1])


def _network(w1: jax.Array, w2: jax.Array) -> Parameters:
    return {"w1": w1 / 8, "b1": jnp.zeros(32), "w2": w2 / 6, "b2": jnp.zeros(10)}


@functools.cache
def _script(runs: int, steps: int) -> Any:
    """jit of vmap of scan."""
    images, labels = map(jnp.asarray, _digits())
    optimiser = optax.adam(RATE)

    def train(key: jax.Array) -> jax.Array:
        first, second, order = jax.random.split(key, 3)
        x = _network(jax.random.normal(first, (64, 32)), jax.random.normal(second, (32, 10)))

        def step(carry: Any, key: jax.Array) -> Any:
            x, state = carry
            chosen = jax.random.randint(key, (BATCH,), 0, TRAINING)
            gradient = jax.grad(lambda x: jnp.mean(_loss(x, (images[chosen], labels[chosen]))))(x)
            update, state = optimiser.update(gradient, state, x)
            return (optax.apply_updates(x, update), state), None

        (x, _), _ = lax.scan(step, (x, optimiser.init(x)), jax.random.split(order, steps))
        return jnp.mean(_loss(x, (images[TRAINING:], labels[TRAINING:])))

    trained = jax.jit(jax.vmap(train))

    def run() -> np.ndarray:
        risks = np.asarray(trained(jax.random.split(jax.random.key(0), runs)))
        return np.array([risks.mean(), risks.var(ddof=1)])

    return run


@functools.cache
def _study(steps: int) -> js.Study:
    images, labels = _digits()
    problem = js.problems.FiniteSum(
        _loss, (images[:TRAINING], labels[:TRAINING]), test=(images[TRAINING:], labels[TRAINING:])
    )
    return js.Study(
        oracle=js.oracles.ExampleSampling(problem, batch=BATCH),
        method=js.methods.Optax(optax.adam),
        schedule=js.schedules.constant(RATE),
        x0=lambda stream: _network(stream.normal((64, 32)), stream.normal((32, 10))),
        steps=steps,
        record=js.record.at([steps]),
        observe=(),
        observables={"test_risk": problem.test_risk},
    )


def adam(scale: Scale, runs: int = 1000, steps: int = 300) -> Section:
    """Run by run with the script, in turns."""
    runs, steps = (64, 3) if scale.quick else (runs, steps)

    def by_jaxsgd() -> np.ndarray:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore", js.errors.Unresolved)  # few runs, or few steps: where this is tried out
            end = js.simulate(_study(steps), runs, statistics=("mean", "variance"), progress=False).at(steps)
        return np.array([end.test_risk_mean, end.test_risk_variance])

    ways = {"JAX and optax: jit of vmap of scan": _script(runs, steps), "jaxsgd": by_jaxsgd}
    found: dict[str, np.ndarray] = {}
    busy: dict[str, float] = {}

    def speed(name: str) -> float:
        began, used = time.perf_counter(), time.process_time()
        found[name] = ways[name]()
        busy[name] = min(busy.get(name, np.inf), time.process_time() - used)
        return runs * steps / (time.perf_counter() - began)

    speeds = interleaved({name: functools.partial(speed, name) for name in ways}, scale.rounds)
    first = next(iter(speeds))
    rows: list[Row] = [
        {
            "": name,
            "updates of a network/s": each,
            "of the script": each / speeds[first],
            "CPU us of an update": busy[name] / runs / steps * 1e6,
            "mean test risk": float(found[name][0]),
            "standard error": float(np.sqrt(found[name][1] / runs)),
        }
        for name, each in speeds.items()
    ]
    return Section(f"Networks 64-32-10, Adam, batches of 32: {runs} runs of {steps} updates", rows)


if __name__ == "__main__":
    for row in adam(FULL, *map(int, sys.argv[1:])).rows:
        print(row)
