"""What is known of rounding without trajectories, of several cells at once.

It follows from the sizes of the numbers of a study (`rounding_bounds`), and from its functions at a few points
(`probe`) where its problem does not declare what is needed.
"""

from collections.abc import Sequence

import numpy as np

from jaxsgd.engine.program import Program
from jaxsgd.results.rounding import Rounding, Roundings
from jaxsgd.runs import rounding_bounds as bounds
from jaxsgd.runs.motions import Moving
from jaxsgd.runs.probe import Probe
from jaxsgd.runs.rounding_bounds import EPSILON
from jaxsgd.start import Start
from jaxsgd.study import Study

_FEW = 2 * EPSILON  # what a sum of squares is off, relative to itself
_NUMBERS = 2**18  # of steps and cells, that are computed at once


def bounded(study: Study, program: Program) -> Roundings:
    """What is known of one study."""
    return {name: each.of_cell(0) for name, each in bounded_of_cells([study], program).items()}


def bounded_of_cells(studies: Sequence[Study], program: Program) -> Roundings:
    """The same of several with one program."""
    at_once = max(1, _NUMBERS // studies[0].steps)
    parts = [_of_some(studies[first : first + at_once], program) for first in range(0, len(studies), at_once)]
    return {name: Rounding.joined([part[name] for part in parts]) for name in parts[0]}


def _of_some(studies: Sequence[Study], program: Program) -> Roundings:
    study = studies[0]
    at, cells = study.recorded_steps, (len(studies), 1)
    rates = np.stack([_rates(each) for each in studies])
    moving = Moving.of(studies, program, rates)
    motion = moving.motion
    varies = motion.is_random | [not each.constant_covariance for each in moving.declared]
    drawn = np.array([isinstance(each.x0, Start) for each in studies])
    deterministic = ~drawn & (~varies if program.requests else np.ones_like(varies))
    plain = np.array([bool(each.method.plain or each.method.projection is not None) for each in studies])
    # Otherwise an update is not known to be eta g.
    lost = deterministic & (bounds.stagnates(motion) | ~plain)
    unknown = np.append(0.0, np.full(study.steps, np.inf))
    whole = np.where(plain.reshape(cells), bounds.of_iterates(motion), unknown)
    of_x, of_averages = whole[:, at], {}
    for name in study.averages:
        mixing = np.stack([each.averages[name].mixing(own) for each, own in zip(studies, rates, strict=True)])
        of_averages[name] = bounds.of_average(motion, mixing, whole)[:, at]
    of_points = dict.fromkeys(program.points, np.broadcast_to(unknown[at], of_x.shape))
    undrawn = {event.name: event.takes_state for event in program.observables}
    everything = np.max([of_x, *of_averages.values(), *of_points.values()], 0)
    # An average of x_0 alone is x_0, and so is x after updates with a rate of 0.
    has_moved = np.pad((np.cumsum(rates, 1) > 0) | np.isinf(whole[:, 1:]), ((0, 0), (1, 0)))
    nothing = np.full(of_x.shape, np.nan)
    made: dict[str, Rounding] = {}
    for name in study.observed:
        certain, (kind, _, average) = deterministic, name.partition("_of_")
        if name in undrawn:
            spread = everything if undrawn[name] else of_x
            relative, absolute, constant = _of_users(name, moving.probes)
            certain = certain | constant
            others = not all(fold.is_sum for fold in study.folds.values())
            if undrawn[name] and (others or (program.folds and study.steps * EPSILON > 1 / 16)):
                absolute[:] = np.inf  # not known; or an update of a sum is of the size of its rounding
        else:
            spread = (of_averages | of_points)[average] if average else of_x
            relative, absolute = _of_built_in(kind, moving)
        varied_at_start = name == "gradient_norm_squared" or (kind == "risk" and study.oracle.problem is None)
        moved = has_moved[:, np.maximum(at - 1, 0) if average in of_averages or undrawn.get(name) else at]
        relative, absolute = relative.reshape(cells), np.where(lost, np.inf, absolute).reshape(cells)
        certain = certain.reshape(cells) | (~moved & ~(drawn | varied_at_start).reshape(cells))
        made[name] = Rounding(spread, relative, absolute, certain, nothing, nothing)
    return made


def _rates(study: Study) -> np.ndarray:
    """eta_t (T,); where the method has its own, such that a path is as long as one gradient."""
    return (
        study.learning_rates[: study.steps] if study.schedule is not None else np.full(study.steps, study.steps**-0.5)
    )


def _of_built_in(kind: str, moving: Moving) -> tuple[np.ndarray, np.ndarray]:
    """Relative and absolute error of one evaluation of a built-in observable, (cells,) each."""
    motion, declared = moving.motion, moving.declared
    relative = np.full(len(declared), _FEW)
    if kind == "distance_squared":
        return relative, np.sum(bounds.spacing(motion.centre) ** 2, 1) / 4
    if kind == "risk":
        is_known = [each.sizes is not None for each in declared]
        # What a factor F with F'F = A makes of directions in which R is flat, squared; and the minimum that is added.
        flattest = np.array([each.smoothness if each.mixes else 0.0 for each in declared])
        flat_part = flattest * np.sum((EPSILON * motion.distance) ** 2, 1)
        absolute = EPSILON * np.abs([each.minimum for each in declared]) + flat_part
    else:
        is_known = motion.is_declared
        absolute = 2 * np.sum(motion.error * (motion.noise + motion.error), 1)
    for cell in np.flatnonzero(~np.asarray(is_known)):
        relative[cell], absolute[cell] = _evaluated(kind, moving.probes[cell])
    return relative, absolute


def _evaluated(kind: str, probe: Probe | None) -> tuple[float, float]:
    """The same of risk or gradient, as evaluations show it."""
    if probe is None:
        return _FEW, np.inf
    if kind == "risk":
        return _errors(probe.single.risk, probe.double.risk)
    single, double = (np.sum(np.square(values.gradient), 1) for values in probe)
    return _errors(single, double)


def _of_users(name: str, probes: Sequence[Probe | None]) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """The same of an observable of the user, and whether it is constant, (cells,) each."""
    made = [(_FEW, np.inf, False)] * len(probes)
    for cell, probe in enumerate(probes):
        if probe is not None:
            values = probe.single.observables[name], probe.double.observables[name]
            made[cell] = (*_errors(*values), np.ptp(np.concatenate(values)) == 0)
    relative, absolute, constant = zip(*made, strict=True)
    return np.array(relative), np.array(absolute), np.array(constant)


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
