"""Running until a precision is reached."""

import dataclasses
import math
import warnings
from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np

from jaxsgd.engine.execution import Execution
from jaxsgd.engine.ledger import Ledger
from jaxsgd.engine.statistics.observable_moments import shape
from jaxsgd.errors import InvalidInput, InvalidType, TargetMissed, integer, nearest
from jaxsgd.inference.sequential import PILOT, Look, Precision
from jaxsgd.inference.tails import largest_share
from jaxsgd.results.layout import Layout
from jaxsgd.results.result import Result
from jaxsgd.runs.progress import Progress
from jaxsgd.runs.reach import reach
from jaxsgd.runs.resolution import unresolved
from jaxsgd.study import Study


def within(target: Any, trajectories: int | None, layout: Layout, events: Mapping[str, Any]) -> Precision:
    """The target, with no more trajectories than these; checked."""
    if not isinstance(target, Precision):
        raise InvalidType(f"target must be a jaxsgd.Precision, got {target!r}")
    name, names = target.observable, (*layout.observed, *events)
    if name not in names:
        raise InvalidInput(f"target names {name!r}, which is not recorded; {nearest(name, names)}")
    if target.step is not None and target.step not in layout.steps:
        raise InvalidInput(f"target names step {target.step}, which is not recorded; record it, or choose another")
    step = layout.steps[-1] if target.step is None else target.step
    if step in layout.records.undefined.get(name, ()):
        raise InvalidInput(f"target names {name!r}, which has no value at step {step}; choose a later step")
    if trajectories is not None:
        most = integer("trajectories, with a target,", trajectories, at_least=PILOT)
        target = dataclasses.replace(target, limit=min(target.limit, most))
    tails = layout.tails.get(name)
    if tails is not None and tails.withheld(target.limit)[layout.steps.index(step)]:
        raise InvalidInput(
            f"target names {name!r}, of which {target.limit:,} trajectories have no standard error at step {step}: "
            f'{tails.reason}; name a probability, as in probabilities={{"small": lambda x: ...}}'
        )
    return target


def run_to(
    target: Precision,
    study: Study,
    seed: int,
    run: Execution,
    first: int,
    unit: int,
    layout: Layout,
    events: Mapping[str, Any],
    bar: Progress,
) -> Look:
    """Run up to each of the target's checkpoints in turn, until a look at what was run reaches it."""
    step = layout.steps[-1] if target.step is None else target.step
    extent = None
    checkpoints = list(target.checkpoints(unit))
    tails = layout.tails.get(target.observable)
    needed = 0.0 if tails is None else tails.needed[layout.steps.index(step)]
    for number, count in enumerate(checkpoints, 1):
        if count < min(needed, checkpoints[-1]):
            continue  # it is known that no standard error goes with so few
        run.extend(first + count, bar)
        sums, record = run.ledgers[0].total(), layout.steps.index(step)
        estimates = layout.variables(sums, count)
        seen = {
            what: float(estimates[f"{target.observable}_{what}"].values[record])
            for what in ("count", "count_finite", "mean", "variance", "min", "max")
            if f"{target.observable}_{what}" in estimates
        }
        if target.observable in layout.observed:
            seen["skewness"] = float(shape(sums["moments"])[0][record, layout.observed.index(target.observable)])
        if target.observable in events and seen["count_finite"] == count:
            look = target.look_at_events(number, count, int(seen["count"]))
        elif target.observable in events:  # while some are undecided a probability has no estimate
            look = target.look(number, count, math.nan, math.nan)
        else:
            look = _look_at_mean(target, number, count, seen, extent)
            if look.reached and extent is None:
                extent = reach(study, target.observable, step, seed, first)
                look = _look_at_mean(target, number, count, seen, extent)
        if look.reached:
            return look
        if look.hopeless:
            break
    warnings.warn(look.message, TargetMissed, stacklevel=3)
    return look


def _look_at_mean(
    target: Precision, number: int, count: int, seen: Mapping[str, float], extent: tuple[float, float] | None
) -> Look:
    mean, variance = seen["mean"], seen["variance"]
    share = largest_share(mean, variance * (count - 1), seen.get("min", np.nan), seen.get("max", np.nan))
    tails = {"share": float(share), "skewness": seen["skewness"], "reach": extent}
    return target.look(number, count, mean, variance, **tails)


def held_to_precision(result: Result, target: Precision, ledgers: Sequence[Ledger], made: Mapping[str, Any]) -> Result:
    """The result of a run that has reached its target, or, where floats do not resolve the mean, has not, after all."""
    step = int(result.dataset["step"][-1]) if target.step is None else target.step
    reason = unresolved(result, target.observable, step)
    if not reason or not made["target_reached"]:
        return result
    message = f"the target of {target.observable} is not reached: {reason}"
    warnings.warn(message, TargetMissed, stacklevel=3)
    return result.with_sums(ledgers, dict(made) | {"target": message, "target_reached": 0})
