"""Whether the precision of a run resolves what it states.

Float32 is enough for most studies. Where it is not, estimates would come with small standard errors and be wrong:
updates are lost beside a large x, sums beside their terms. First bounds are asked, from the sizes of the study's
numbers (`rounding_bounds`) and from its functions at a few points (`probe`); where these do not show that rounding is
small against the standard error, some trajectories run on the same draws in float32 and in float64.
"""

import dataclasses
import warnings
from collections.abc import Mapping, Sequence

import jax
import numpy as np

from jaxsgd.engine.program import Program
from jaxsgd.engine.statistics import KeptValues
from jaxsgd.errors import Unresolved
from jaxsgd.oracles import RandomLoss
from jaxsgd.problems import AbsoluteValue, Huber, LeastSquares, LogisticRegression, Quadratic
from jaxsgd.problems.linear_model import LinearModel
from jaxsgd.results.result import Result
from jaxsgd.results.rounding import SHARE, Rounding, Roundings
from jaxsgd.runs import rounding_bounds as bounds
from jaxsgd.runs.own_functions import with_own_functions
from jaxsgd.runs.probe import Probe
from jaxsgd.runs.rounding_bounds import EPSILON, Motion
from jaxsgd.runs.trajectories import every_trajectory
from jaxsgd.start import Start
from jaxsgd.structure import flat
from jaxsgd.study import Study

TWINS = 1024
"""Trajectories that run in both precisions: the first ids."""
_RECORDS = 64  # at which these are compared
_FEW = 2 * EPSILON  # what a sum of squares is off, relative to itself
_RELATIVE = (Quadratic, AbsoluteValue, Huber, LeastSquares, LogisticRegression)
"""Problems whose risk, but for its minimum, and gradient of R are computed without a loss of digits near x*."""
Means = Mapping[str, tuple[np.ndarray, np.ndarray]]


def examined(
    study: Study, program: Program, seen: Means, trajectories: int, seed: int, twins: bool = True
) -> Roundings:
    """What rounding may have done to each observable of a study that ran in float32.

    **Arguments**

    - `seen`: mean and variance of each observable, (records,).
    - `twins`: whether trajectories run in both precisions where bounds are not enough.
    """
    found, open_ = dict(bounded(study, program)), {}
    for name, each in found.items():
        settled = each.is_settled(*seen[name], trajectories)
        if not settled.all():
            found[name] = dataclasses.replace(each, is_open=True)
        open_[name] = ~(settled | _is_all_that_varies(each, *seen[name], trajectories))
    if not twins or not any(records.any() for records in open_.values()):
        return found
    return found | _compared(study, found, open_, seed)


def _is_all_that_varies(rounding: Rounding, mean: np.ndarray, variance: np.ndarray, trajectories: int) -> np.ndarray:
    """Where values differ by rounding alone, on paths that are right: then trajectories in float64 add nothing."""
    evaluation = rounding.relative * np.abs(mean) + rounding.absolute
    with np.errstate(invalid="ignore", over="ignore"):
        all_that_varies = np.isfinite(evaluation) & (variance > 0) & (np.sqrt(variance) < 4 * evaluation)
    path_is_right = (rounding.spread <= SHARE / np.sqrt(trajectories)) & ~rounding.certain
    return all_that_varies & path_is_right


def bounded(study: Study, program: Program) -> Roundings:
    """What is known without trajectories."""
    rates = study.learning_rates[: study.steps]
    motion, probe = _motion(study, program, rates)
    at, steps = study.recorded_steps, len(study.recorded_steps)
    drawn = isinstance(study.x0, Start)
    deterministic = not drawn and (not program.requests or not (motion.noise.any() or _noise_varies(study)))
    lost = deterministic and bounds.stagnates(motion)
    method = study.method
    if method.plain or method.projection is not None:
        whole = bounds.of_iterates(motion)
    else:  # an update is not known to be eta g
        whole = np.full(len(rates) + 1, np.inf)
    of_x = whole[at]
    of_averages = {
        name: bounds.of_average(motion, average.mixing(rates), whole)[at] for name, average in study.averages.items()
    }
    undrawn = {event.name: event.takes_state for event in program.observables}
    everything = np.max([of_x, *of_averages.values()], 0)
    # An average of x_0 alone is x_0, and so is x after updates with a rate of 0.
    has_moved = np.append(False, np.cumsum(rates) > 0)
    made: dict[str, Rounding] = {}
    for name in study.observed:
        constant, (kind, _, average) = False, name.partition("_of_")
        if name in undrawn:
            spread = everything if undrawn[name] else of_x
            relative, absolute = _FEW, np.inf
            if probe is not None:
                values = probe.single.observables[name], probe.double.observables[name]
                constant = np.ptp(np.concatenate(values)) == 0
                relative, absolute = _errors(*values)
            others = not all(fold.is_sum for fold in study.folds.values())
            if undrawn[name] and (others or (program.folds and study.steps * EPSILON > 1 / 16)):
                absolute = np.inf  # not known; or an update of a sum is of the size of its rounding
        else:
            spread = of_averages[average] if average else of_x
            relative, absolute = _of_built_in(kind, study, motion, probe)
        random_start = drawn or name == "gradient_norm_squared" or (kind == "risk" and study.oracle.problem is None)
        moved = has_moved[np.maximum(at - 1, 0)] if average or undrawn.get(name) else has_moved[at]
        certain = np.full(steps, deterministic or constant) | (~moved & (not random_start))
        nothing = np.full(steps, np.nan)
        made[name] = Rounding(spread, relative, np.inf if lost else absolute, certain, nothing, nothing)
    return made


def _noise_varies(study: Study) -> bool:
    return study.oracle.gradient_covariance(study.dimension) is None


def _of_built_in(kind: str, study: Study, motion: Motion, probe: Probe | None) -> tuple[float, float]:
    """Relative and absolute error of one evaluation of a built-in observable."""
    problem = study.oracle.problem
    if kind == "distance_squared":
        assert problem is not None
        return _FEW, float(np.sum(bounds.spacing(flat(problem.minimiser)) ** 2) / 4)
    if kind == "risk" and isinstance(problem, _RELATIVE):
        # What a factor F with F'F = A makes of directions in which R is flat, squared; and the minimum that is added.
        mixes = isinstance(problem, LeastSquares) or (isinstance(problem, Quadratic) and problem.curvature.ndim == 2)
        flat_part = motion.smoothness * float(np.sum((EPSILON * motion.distance) ** 2)) if mixes else 0.0
        return _FEW, EPSILON * abs(float(problem.minimum or 0.0)) + flat_part
    if kind != "risk" and motion.is_declared:
        return _FEW, float(2 * np.sum(motion.error * (motion.noise + motion.error)))
    if probe is None:
        return _FEW, np.inf
    if kind == "risk":
        return _errors(probe.single.risk, probe.double.risk)
    single, double = (np.sum(np.square(values.gradient), 1) for values in probe)
    return _errors(single, double)


def _errors(single: np.ndarray, double: np.ndarray) -> tuple[float, float]:
    """The least (relative, absolute) that hold at all points, the relative one of at most 16 roundings."""
    with np.errstate(invalid="ignore", over="ignore", divide="ignore"):
        gap, size = np.abs(single - double.astype(np.float64)), np.abs(double.astype(np.float64))
        finite = np.isfinite(gap)
        if not finite.any():
            return _FEW, 0.0
        gap, size = gap[finite], size[finite]
        if not gap.any():  # such as a coordinate of x, or whether it lies in a set
            return 0.0, 0.0
        relative = float(np.clip(np.max(np.where(gap > 0, gap / size, 0.0)), EPSILON, 16 * EPSILON))
        return relative, float(np.maximum(gap - relative * size, 0.0).max())


def _motion(study: Study, program: Program, rates: np.ndarray) -> tuple[Motion, Probe | None]:
    problem, d = study.oracle.problem, study.dimension
    starts = study.starting_points
    start = starts[0]
    minimiser = None if problem is None or problem.minimiser is None else flat(problem.minimiser)
    mu = float((problem and problem.strong_convexity) or 0.0)
    smoothness = float((problem and problem.smoothness) or np.inf)
    noise, error = _of_declared(study, d)
    known = isinstance(problem, _RELATIVE) and noise is not None
    distance = np.zeros(d) if minimiser is None else np.abs(starts - minimiser).max(0)
    probe = None
    if not known or program.observables:
        centres = [start] if minimiser is None else [start, minimiser]
        width = np.sqrt(min(float(np.sum(rates**2)), rates.max() / (2 * mu) if mu else np.inf))
        size = np.ones(d) if noise is None or (program.requests and not noise.any()) else noise
        probe = Probe.of(study, program, centres, width * size)
    if known:
        drift = np.max([_drift(problem, each, minimiser, d) for each in starts], 0)
    elif probe is None:
        unknown, centre = np.zeros(d), np.abs(starts).max(0)
        return Motion(rates, unknown, np.ones(d), centre, unknown, unknown, mu, smoothness, False, False), None
    else:
        with np.errstate(invalid="ignore", over="ignore"):
            gradient = np.nan_to_num(probe.double.gradient.astype(np.float64), nan=0.0, posinf=0.0, neginf=0.0)
            gap = np.nan_to_num(probe.single.gradient - gradient, nan=0.0, posinf=0.0, neginf=0.0)
        half = gradient[len(gradient) % 2 :: 2] if minimiser is None else gradient[1::2]
        noise = half.std(0) / np.sqrt(study.oracle.batch) if noise is None else noise
        if isinstance(study.oracle, RandomLoss) and study.oracle.changes:
            noise = np.zeros(d)  # what was looked at is one time of many: with this no bound settles anything
        drift = np.abs(gradient).max(0)
        error = np.abs(gap.mean(0))
    if minimiser is None:
        distance = np.minimum(rates.sum() * drift, np.finfo(np.float32).max)
    assert noise is not None
    centre = np.abs(starts).max(0) if minimiser is None else np.abs(minimiser)
    normal = bool(study.oracle.normal) if hasattr(study.oracle, "normal") else False
    return Motion(rates, noise, drift, centre, distance, error, mu, smoothness, normal, known), probe


def _of_declared(study: Study, d: int) -> tuple[np.ndarray | None, np.ndarray]:
    """Standard deviations of a gradient, and what rounding makes of its mean, of what is declared; None: not known."""
    oracle, problem = study.oracle, study.oracle.problem
    error = np.zeros(d)
    if isinstance(problem, LinearModel):
        X, slopes, size = problem.features, *_slopes(problem)
        # The data are rounded, and residuals of large numbers: at random, over examples.
        error = EPSILON * np.sqrt(np.mean((np.abs(X) * size[:, None]) ** 2, 0) / len(X))
        if oracle.averages_examples and oracle.batch < problem.examples:
            return np.sqrt(np.var(X * slopes[:, None], 0) / oracle.batch), error
    elif isinstance(problem, Quadratic) and problem.curvature.ndim == 2:
        error = (
            EPSILON
            * np.abs(problem.curvature).max(1)
            * np.linalg.norm(study.starting_points - flat(problem.minimiser), axis=1).max()
        )
    stated = oracle.gradient_covariances(d, study.steps)
    if stated is None:
        return None, error
    covariance, factors = stated
    # The least of all updates, beside which rounding is largest.
    variances = np.min(factors) * (covariance if covariance.ndim == 1 else np.diag(covariance))
    return np.sqrt(variances).astype(float), error


def _slopes(problem: LinearModel) -> tuple[np.ndarray, np.ndarray]:
    """At x*, of each example: the derivative of its loss, and the size of the terms that it is computed from."""
    prediction = problem.features @ flat(problem.minimiser)
    size = np.abs(problem.features) @ np.abs(flat(problem.minimiser)) + np.abs(problem.responses)
    if isinstance(problem, LeastSquares):
        return prediction - problem.responses, size
    margin = np.clip(problem.responses * prediction, -500, 500)
    return -problem.responses / (1 + np.exp(margin)), size


def _drift(problem: object, start: np.ndarray, minimiser: np.ndarray | None, d: int) -> np.ndarray:
    """The size of the gradient of R at the start."""
    assert minimiser is not None
    if isinstance(problem, AbsoluteValue | Huber):
        return problem.scale
    if isinstance(problem, Quadratic | LeastSquares):
        hessian = problem.hessian
        return np.abs(hessian * (start - minimiser) if hessian.ndim == 1 else hessian @ (start - minimiser))
    assert isinstance(problem, LogisticRegression)
    return np.full(d, problem.smoothness * float(np.linalg.norm(start - minimiser)))


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
