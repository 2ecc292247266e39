"""Which method is best on a small network once its learning rate is tuned, and what do seeds and averages change?

    python scripts/networks/study.py [--quick] [--out DIR]

Writes tables.json, summary.txt and figures to DIR. The data are scikit-learn's digits.
"""

# ruff: noqa: E402 - the compiler's setting comes first

from jaxsgd import compiler

compiler.interleave()  # as the command line of jaxsgd does

import json
import time
import warnings
from collections.abc import Callable
from pathlib import Path
from typing import Annotated, Any, NamedTuple

import equinox as eqx
import figures
import jax
import jax.numpy as jnp
import numpy as np
import optax
import typer
from sklearn.datasets import load_digits

import jaxsgd as js

TRAINING, BATCH, HIDDEN = 1400, 32, 32
POINTS = ("last", "ema", "suffix")
QUANTILES = (0.05, 0.25, 0.5, 0.75, 0.95)


class Scale(NamedTuple):
    """How much is run: updates, learning rates of each family, runs of each cell."""

    steps: int
    rates: int
    runs: int


FULL = Scale(400, 7, 128)
QUICK = Scale(20, 2, 8)

METHODS: dict[str, tuple[js.methods.Method, float, float]] = {
    "SGD": (js.methods.Sgd(), 1e-2, 10**0.5),
    "momentum": (js.methods.HeavyBall(0.9), 1e-3, 10**-0.5),
    "Adam": (js.methods.Optax(optax.adam), 10**-3.5, 10**-0.5),
    "AdamW": (js.methods.Optax(optax.adamw, weight_decay=1e-2), 10**-3.5, 10**-0.5),
}
"""With the least and the largest learning rate."""


def loss(model: eqx.nn.MLP, example: Any) -> jax.Array:
    """Cross entropy of one image and its digit."""
    image, digit = example
    return optax.softmax_cross_entropy_with_integer_labels(model(image), digit)


def digits() -> js.problems.FiniteSum:
    """1400 images to learn from, and 397 others."""
    images, labels = load_digits(return_X_y=True)
    order = np.random.default_rng(0).permutation(len(images))
    images, labels = images[order] / 16, labels[order].astype(np.int32)
    return js.problems.FiniteSum(
        loss, (images[:TRAINING], labels[:TRAINING]), test=(images[TRAINING:], labels[TRAINING:])
    )


def base(steps: int) -> js.Study:
    """A network 64-32-10, initialised anew for each run; what is recorded of its end."""
    problem = digits()
    test_risk, (images, labels) = problem.test_risk, problem.test

    def errors(model: eqx.nn.MLP) -> jax.Array:
        scores = jax.vmap(model)(jnp.asarray(images, jnp.float32))
        return jnp.mean(jnp.argmax(scores, -1) != labels)

    return js.Study(
        oracle=js.oracles.ExampleSampling(problem, batch=BATCH),
        schedule=js.schedules.constant(0.01),
        x0=lambda stream: eqx.nn.MLP(64, 10, HIDDEN, 1, key=stream.key()),
        steps=steps,
        averages={"ema": js.averages.Exponential(0.99), "suffix": js.averages.Suffix(0.25)},
        record=js.record.at([steps]),
        observe=(),
        observables={
            "last": test_risk,
            "ema": lambda state: test_risk(state.averages["ema"]),
            "suffix": lambda state: test_risk(state.averages["suffix"]),
            "errors": errors,
        },
    )


def families(study: js.Study) -> dict[str, Callable[..., js.Study]]:
    """Makers of studies by method and schedule: of a rate, after a warm-up over a twentieth of the steps."""
    T = study.steps
    schedules = {
        "cosine": lambda rate: js.schedules.warmup(js.schedules.cosine(rate, T), T / 20),
        "WSD": lambda rate: js.schedules.wsd(rate, T, T / 20, T / 4),
    }
    return {
        f"{name}, {shape}": lambda rate, method=method, schedule=schedule: study.replace(
            method=method, schedule=schedule(rate)
        )
        for name, (method, _, _) in METHODS.items()
        for shape, schedule in schedules.items()
    }


def main(quick: bool = False, out: Annotated[Path, typer.Option()] = Path(__file__).parent / "results") -> None:
    """Sweep, choose, and run the chosen again on other seeds."""
    scale, began = QUICK if quick else FULL, time.perf_counter()
    out.mkdir(parents=True, exist_ok=True)
    makers = families(base(scale.steps))
    rates = {name: np.geomspace(low, high, scale.rates) for name, (_, low, high) in METHODS.items()}
    axes = {family: {"rate": rates[family.split(",")[0]]} for family in makers}
    asked: dict[str, Any] = {
        "compare": (*POINTS, "errors"),
        "statistics": ("mean", "variance", "extremes"),
        "quantiles": QUANTILES,
        "progress": False,
    }
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", js.errors.NoStandardError)  # of rates at which some runs diverge
        swept = js.sweep(makers, axes, scale.runs, **asked)
        least = {family: js.compare(swept, "last", family=family).leader.point for family in makers}
        chosen = {family: {"rate": [point["rate"]]} for family, point in least.items()}
        fresh = js.sweep(makers, chosen, scale.runs, first_trajectory=scale.runs, **asked)
    tables = {"runs": scale.runs, "steps": scale.steps, "swept": rows(swept), "fresh": rows(fresh)}
    tables["gains"] = gains(fresh)
    (out / "tables.json").write_text(json.dumps(tables, indent=1) + "\n")
    parts = [f"Test risk at step {scale.steps}, rates chosen on other runs", str(js.compare(fresh, "last"))]
    parts += [str(js.compare(fresh, "ema")), str(js.compare(fresh, "errors"))]
    parts.append(f"{time.perf_counter() - began:.0f} s in all")
    (out / "summary.txt").write_text("\n\n".join(parts) + "\n")
    figures.draw(tables, out)


def rows(swept: js.SweepResult) -> list[dict[str, Any]]:
    """Of each cell its mean test risks and errors, with standard errors, and the quantiles of its test risk."""
    found = []
    for position, cell in enumerate(swept.cells):
        end = swept.result(position).dataset.isel(step=-1)
        row: dict[str, Any] = {"family": cell.family, "rate": float(cell.point["rate"])}
        for name in (*POINTS, "errors"):
            row |= {name: float(end[f"{name}_mean"]), f"{name}_sem": float(end[f"{name}_sem"])}
        found.append(row | {"quantiles": end["last_quantile"].values.tolist()})
    return found


def gains(fresh: js.SweepResult) -> list[dict[str, Any]]:
    """What averages gain over the last iterate: means of paired differences of test risks, and standard errors."""
    found = []
    for position, cell in enumerate(fresh.cells):
        values = {name: fresh.values(name)[position] for name in POINTS}
        row: dict[str, Any] = {"family": cell.family}
        for name in POINTS[1:]:
            difference = values[name] - values["last"]
            row |= {
                name: float(difference.mean()),
                f"{name}_sem": float(difference.std(ddof=1) / len(difference) ** 0.5),
            }
        found.append(row)
    return found


if __name__ == "__main__":
    typer.run(main)
