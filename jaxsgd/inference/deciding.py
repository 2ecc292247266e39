"""What would decide a statement that came out INCONCLUSIVE."""

import math

from jaxsgd.inference.measurement import Measurement
from jaxsgd.inference.relation import Relation

LARGEST = 10**12
"""No more trajectories than this are ever proposed."""


def agreeing(measurement: Measurement) -> tuple[float, float]:
    """The E Z of which the statement is true, up to rounding."""
    if Relation(measurement.relation).strict:  # what rounding may hide must not count as a difference
        return measurement.around(-measurement.rounding)
    return measurement.tolerated


def near_enough(measurement: Measurement) -> tuple[float, float] | None:
    """The E Z that depart from the statement by no more than the margin; None for "<" and ">"."""
    return None if Relation(measurement.relation).strict else measurement.around(measurement.margin)


def what_would_decide(measurement: Measurement, half_width: float, detectable: float) -> str:
    """What would decide the statement, in words: how many trajectories, something else, or nothing.

    The number is the one at which the limits, estimate -+ half_width, would no longer straddle what they straddle now,
    if the estimate stayed where it is; the half-width falls like 1 / sqrt(N).
    """
    if measurement.withheld:
        return f"at least {_number(measurement.takes)}" if measurement.takes <= LARGEST else ""
    if measurement.count == 0:
        return "trajectories: there is none"
    if not measurement.informative:
        return "no number of trajectories: the estimate is not finite; state an event, whose probability always exists"
    times = min(_until_consistent(measurement, half_width, detectable), _until_refuted(measurement, half_width))
    return _number(times * measurement.count)


def _number(trajectories: float) -> str:
    if not trajectories <= LARGEST:
        return "no number of trajectories that can be run"
    return f"some {float(f'{trajectories:.2g}'):,.0f} trajectories"


def _until_consistent(measurement: Measurement, half_width: float, detectable: float) -> float:
    times = _until(half_width, _room(measurement.estimate, agreeing(measurement)))
    near = near_enough(measurement)
    if near is None:
        return times
    seen = _until(detectable - measurement.rounding, measurement.margin - measurement.rounding)
    return min(times, max(seen, _until(half_width, _room(measurement.estimate, near))))


def _until_refuted(measurement: Measurement, half_width: float) -> float:
    return _until(half_width, -_room(measurement.estimate, measurement.tolerated))


def _room(estimate: float, interval: tuple[float, float]) -> float:
    """How far the estimate lies inside an interval; negative outside."""
    return min(estimate - interval[0], interval[1] - estimate)


def _until(width: float, room: float) -> float:
    """How many times as many trajectories bring a width down to the room for it."""
    return (width / room) ** 2 if room > 0 else math.inf
