"""Whether the precision of a run resolves what it states.

Float32 is enough for most studies. Where it is not, estimates would come with small standard errors and be wrong:
updates are lost beside a large x, sums beside their terms. First bounds are asked (`bounded`); where these do not show
that rounding is small against the standard error, some trajectories run on the same draws in float32 and in float64.

Studies that multiply matrices of x are left alone, as those of networks do. Their training amplifies rounding like any
other small change, until the paths in two precisions are those of two runs; and what is asked of them is what training
in float32 does, of which their means are estimates. Studies whose updates or start draw keys or bits are left alone,
too: what `jax.random` makes of these in float64 are other numbers, and paths in two precisions are those of two draws.
"""

import dataclasses
import warnings
from collections.abc import Mapping, Sequence

import jax
import numpy as np

from jaxsgd.engine.program import Program
from jaxsgd.engine.statistics import KeptValues
from jaxsgd.errors import Unresolved
from jaxsgd.products import LARGE
from jaxsgd.results.result import Result
from jaxsgd.results.rounding import SHARE, Rounding, Roundings
from jaxsgd.runs.bounded import bounded, bounded_of_cells
from jaxsgd.runs.own_functions import with_own_functions
from jaxsgd.runs.trajectories import every_trajectory
from jaxsgd.streams import OF_WORDS
from jaxsgd.study import Study

TWINS = 1024
"""Trajectories that run in both precisions, at most: the first ids."""
_RECORDS = 64  # at which these are compared
Means = Mapping[str, tuple[np.ndarray, np.ndarray]]


def examined(
    study: Study, program: Program, seen: Means, trajectories: int, seed: int, twins: bool = True
) -> Roundings:
    """What rounding may have done to each observable of a study that ran in float32.

    **Arguments**

    - `seen`: mean and variance of each observable, (records,).
    - `twins`: whether trajectories run in both precisions where bounds are not enough.
    """
    if _is_left_alone(study):
        return {}
    found = {
        name: dataclasses.replace(each, is_open=not each.is_settled(*seen[name], trajectories).all())
        for name, each in bounded(study, program).items()
    }
    return in_both_precisions(study, found, seen, trajectories, seed) if twins else found


def known_of_cells(studies: Sequence[Study], program: Program, seen: Means, trajectories: int) -> list[Roundings]:
    """What bounds say of each of several studies with one program; ``seen`` has an axis of cells in front."""
    if _is_left_alone(studies[0]):
        return [{} for _ in studies]
    of_all = bounded_of_cells(studies, program)
    open_ = {name: np.any(~each.is_settled(*seen[name], trajectories), 1) for name, each in of_all.items()}
    return [
        {name: each.of_cell(cell, bool(open_[name][cell])) for name, each in of_all.items()}
        for cell in range(len(studies))
    ]


def _is_left_alone(study: Study) -> bool:
    """Whether trajectories in float64 would not follow those in float32, for reasons other than lost digits."""
    drawn = (*study.requests, *study.start_requests)
    return study.products >= LARGE or any(request.kind in OF_WORDS for request in drawn)


def in_both_precisions(study: Study, found: Roundings, seen: Means, trajectories: int, seed: int) -> Roundings:
    """The same with what trajectories in both precisions show of what bounds have left open, if there is any."""
    open_ = {name: np.zeros(len(study.recorded_steps), bool) for name in found}
    for name, each in found.items():
        if each.is_open:
            settled = each.is_settled(*seen[name], trajectories)
            open_[name] = ~(settled | _is_all_that_varies(each, *seen[name], trajectories))
    if not any(records.any() for records in open_.values()):
        return found
    return {**found, **_compared(study, found, open_, seed)}


def _is_all_that_varies(rounding: Rounding, mean: np.ndarray, variance: np.ndarray, trajectories: int) -> np.ndarray:
    """Where values differ by rounding alone, on paths that are right: then trajectories in float64 add nothing."""
    evaluation = rounding.relative * np.abs(mean) + rounding.absolute
    with np.errstate(invalid="ignore", over="ignore"):
        all_that_varies = np.isfinite(evaluation) & (variance > 0) & (np.sqrt(variance) < 4 * evaluation)
    path_is_right = (rounding.spread <= SHARE / np.sqrt(trajectories)) & ~rounding.certain
    return all_that_varies & path_is_right


# trajectories in both precisions


def _compared(study: Study, found: Roundings, open_: Mapping[str, np.ndarray], seed: int) -> dict[str, Rounding]:
    """Of the observables that bounds leave open, what trajectories in both precisions show."""
    wanted = np.flatnonzero(np.any(list(open_.values()), 0))
    records = wanted[np.unique(np.linspace(0, len(wanted) - 1, _RECORDS).astype(int))]
    names = tuple(name for name in found if open_[name].any())
    kept = KeptValues(names, tuple(int(record) for record in records))
    try:
        single, double = (_values(study, kept, seed, wide).astype(np.float64) for wide in (False, True))
    except TypeError:  # functions that hold arrays of one precision where they cannot be copied
        return {}
    every, made = np.arange(len(study.recorded_steps)), {}
    for i, name in enumerate(names):
        with np.errstate(invalid="ignore", over="ignore"):
            gap = single[:, i] - double[:, i]
            finite = np.isfinite(gap)
            count = finite.sum(-1)
            mean = np.where(finite, gap, 0.0).sum(-1) / np.maximum(count, 1)
            spread = np.sqrt(np.where(finite, (gap - mean[:, None]) ** 2, 0.0).sum(-1) / np.maximum(count - 1, 1))
            error = spread / np.sqrt(np.maximum(count, 1))
            exact = np.where(np.isfinite(double[:, i]), double[:, i], 0.0)
            constant = (exact.std(-1) <= 1e-13 * np.abs(exact).max(-1)) & (np.ptp(single[:, i], -1) == 0)
            overflows = np.isfinite(double[:, i]).all(-1) & ~np.isfinite(single[:, i]).all(-1)
        mean = np.where(overflows, np.inf, mean)
        certain = found[name].certain.copy()
        certain[records] |= constant & open_[name][records]
        made[name] = dataclasses.replace(
            found[name],
            certain=certain,
            departure=np.where(open_[name], np.interp(every, records, mean), np.nan),
            departure_error=np.where(open_[name], np.interp(every, records, error), np.nan),
        )
    return made


def _values(study: Study, kept: KeptValues, seed: int, wide: bool) -> np.ndarray:
    """Values of the first trajectories, (records, observables, trajectories)."""
    study = with_own_functions(study) if wide else study
    with jax.enable_x64(wide):
        return every_trajectory(study, kept, 0, TWINS, seed)["value"]


# what is said of it


def ran_twins(roundings: Roundings) -> bool:
    """Whether trajectories ran in both precisions."""
    return any(np.isfinite(each.departure).any() for each in roundings.values())


def unresolved(result: Result, observable: str, step: int, tolerance: float = 0.0) -> str:
    """Why the precision of a result does not resolve the mean of an observable at a step; empty where it does.

    **Arguments**

    - `result`: of [`jaxsgd.simulate`][], or a cell of a sweep by `SweepResult.result`.
    - `tolerance`: of a verdict: rounding below it is accounted for.
    """
    if not result.rounding or observable not in result.rounding:
        return ""
    record = int(np.flatnonzero(result.dataset["step"].values == step)[0])
    seen = result.dataset[f"{observable}_mean"].values, result.dataset[f"{observable}_variance"].values
    return why_unresolved(result.rounding[observable], seen, observable, step, record, result.trajectories, tolerance)


def why_unresolved(
    rounding: Rounding,
    seen: tuple[np.ndarray, np.ndarray],
    name: str,
    step: int,
    record: int,
    trajectories: int,
    tolerance: float = 0.0,
) -> str:
    """The same of an observable with these means and variances, (records,) each, at one record, that of ``step``."""
    size, variance = float(rounding.size(*seen)[record]), seen[1][record]
    if rounding.is_settled(*seen, trajectories)[record] or size <= tolerance:
        return ""
    return _reason(name, step, size, float(np.sqrt(variance / trajectories)))


def unsettled(roundings: Roundings, seen: Means, trajectories: int) -> dict[str, np.ndarray]:
    """Of each observable with some: the records at which rounding is not small; these have been `examined`."""
    asked = {name: each for name, each in roundings.items() if each.is_open}  # bounds have settled the others
    open_ = {name: ~each.is_settled(*seen[name], trajectories) for name, each in asked.items()}
    return {name: records for name, records in open_.items() if records.any()}


def _reason(name: str, step: int, size: float, error: float) -> str:
    """Why float32 does not resolve an observable at a step."""
    amount = f"may move it by {size:.2g}" if np.isfinite(size) else "may have made all of it"
    return (
        f"float32 does not resolve the mean of {name} at step {step}: rounding {amount}, its standard error is "
        f"{error:.2g}; run it in float64, jax.enable_x64(True), or rescale the study so that x* is near 0"
    )


def warn(
    roundings: Roundings, seen: Means, steps: Sequence[int], trajectories: int, where: str = "", level: int = 3
) -> None:
    """A warning that names each observable which rounding has made uncertain, at the last such record."""
    said = []
    for name, records in unsettled(roundings, seen, trajectories).items():
        mean, variance = seen[name]
        with np.errstate(invalid="ignore"):
            sizes, errors = roundings[name].size(mean, variance), np.sqrt(variance / trajectories)
        last = int(np.flatnonzero(records)[-1])
        said.append(_reason(name, steps[last], float(sizes[last]), float(errors[last])))
    if said:
        more = f" (and so of {len(said) - 1} more observables)" if len(said) > 1 else ""
        warnings.warn(where + said[0] + more, Unresolved, stacklevel=level)
