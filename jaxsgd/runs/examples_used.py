"""How many of the examples an order uses, measured with the sampler of the engine."""

from typing import Any

import numpy as np
import xarray as xr

from jaxsgd import streams
from jaxsgd.engine.draw_counts import NEVER, count_draws
from jaxsgd.engine.program import prepare
from jaxsgd.engine.statistics import BLOCK
from jaxsgd.errors import InvalidInput, finite_array, integer
from jaxsgd.oracles import ExampleSampling
from jaxsgd.orders import Order
from jaxsgd.problems import FiniteSum
from jaxsgd.record import at
from jaxsgd.schedules import constant
from jaxsgd.study import Study

_MOST = 2**21  # examples: a count for each and for 1024 trajectories takes 8 GB


def sample_examples_used(
    order: Order, examples: int, updates: Any = None, batch: int = 1, trajectories: int = 10_000, seed: int = 0
) -> xr.Dataset:
    """How many of n examples the first updates use: the measured counterpart of [`jaxsgd.theory.examples_used`][].

    The draws are those of ``simulate`` with this seed, trajectory by trajectory; only x is left out. Shares of one
    trajectory are one variable: the counts of different examples depend on each other.

    **Arguments**

    - `order`, `examples`, `batch`: as in `ExampleSampling`; n examples. It takes 4 n bytes for each of 1024
      trajectories.
    - `updates`: after how many updates, a number or a list of increasing ones; default one epoch.
    - `trajectories`, `seed`: as in `simulate`.

    **Returns** along `update`: `at_least_once` and `exactly_once`, shares of the examples, and `distinct`, their
    number, each as `o_mean`, `o_variance`, `o_sem`; `distinct_count (update, distinct)`, how many trajectories drew
    so many;
    `complete_mean`, `complete_variance`, `complete_sem` of the number of updates after which all examples were
    drawn (NaN unless all trajectories got there), and `complete_count`, how many did.

    **Raises** `InvalidInput` or `InvalidType`.
    """
    n, count = integer("examples", examples, at_least=1, below=_MOST), integer("trajectories", trajectories, at_least=1)
    oracle = ExampleSampling(FiniteSum(_no_loss, np.arange(n), start=0.0), order, batch)
    wanted = finite_array("updates", oracle.updates_per_epoch if updates is None else updates).reshape(-1)
    steps = tuple(integer("updates", int(s) if s == int(s) else s, at_least=1) for s in wanted)
    if sorted(set(steps)) != list(steps):
        raise InvalidInput(f"updates must be increasing, got {list(steps)}")
    study = Study(oracle=oracle, schedule=constant(0.0), steps=steps[-1], record=at([steps[-1]]), observe=())
    program, inputs = prepare(study, ())
    streams.check_counters(count, steps[-1] + 1, program.words)
    key = streams.make_key(seed, "gradient")
    parts = [count_draws(program, inputs, key, first, steps) for first in range(0, count, BLOCK)]
    distinct, once, complete = (
        np.concatenate([part[name] for part in parts], -1)[..., :count] for name in ("distinct", "once", "complete")
    )
    found = {}
    for name, values in (("at_least_once", distinct / n), ("exactly_once", once / n), ("distinct", distinct)):
        found |= {f"{name}_{what}": ("update", value) for what, value in _moments(values).items()}
    reached = complete < NEVER
    times = np.where(reached.all(), complete, np.nan)
    found |= {f"complete_{what}": ((), value) for what, value in _moments(times).items()}
    found["complete_count"] = ((), int(reached.sum()))
    values = np.arange(distinct.min(), distinct.max() + 1)
    tally = np.stack([np.bincount(row - values[0], minlength=len(values)) for row in distinct])
    found["distinct_count"] = (("update", "distinct"), tally)
    about = {"order": repr(order), "examples": n, "batch": oracle.batch, "trajectories": count, "seed": int(seed)}
    return xr.Dataset(found, coords={"update": list(steps), "distinct": values}, attrs=about)


sample_coverage = sample_examples_used
"""The name of before."""


def _no_loss(x: Any, index: Any) -> Any:
    return 0.0 * x * index


def _moments(values: np.ndarray) -> dict[str, np.ndarray]:
    count = values.shape[-1]
    variance = values.var(-1, ddof=1) if count > 1 else np.full(values.shape[:-1], np.nan)
    return {"mean": values.mean(-1), "variance": variance, "sem": np.sqrt(variance / count)}
