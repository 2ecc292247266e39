"""All zeros of the derivative of a function in an interval, with proof that there are no others.

Boxes that the derivative has no zero on are thrown away; where the second derivative has no zero the first is monotone,
so that its signs at the two ends tell whether there is one zero or none; everything else is cut in two. What is left at
the end, where both derivatives come too close to 0 to be told from it, is an error: nothing is passed over.

Source: Moore, Kearfott and Cloud (2009), Introduction to Interval Analysis, chapter 8.
"""

from typing import NamedTuple

from flint import arb

from jaxsgd.errors import InvalidInput
from jaxsgd.theory.one_coordinate.landscapes.enclosures import Enclosure

MOST_BOXES = 10**6
NARROWEST = 1e-12
"""Boxes of this share of the interval, or of their distance from 0, are not cut any more."""

SMALLEST_JUMP = 1e-9
"""Jumps of R of at least this share of 1 + |R| are not passed over; whether smaller ones are any cannot be told."""

_NARROW = 1e-22  # the relative radius with which places are known well enough

_CUTS = (0.48713, 0.5309, 0.41171, 0.5711)  # of a box, so that no cut meets a zero for a reason


class Zero(NamedTuple):
    """A stationary point, as a ball that contains it and no other, and whether it is a minimum."""

    place: arb
    is_minimum: bool


def stationary_points(value: Enclosure, slope: Enclosure, curvature: Enclosure, low: float, high: float) -> list[Zero]:
    """All zeros of a derivative in [low, high], in order; to be called at the precision of the enclosures.

    **Raises** `InvalidInput` where the function may jump, the derivative cannot be told from 0 at an end, where a zero
    cannot be told from a jump, or from two zeros or none, and where it would take more than 10^6 boxes.
    """
    signs = {end: _sign_at(slope, end) for end in (low, high)}
    for end, sign in signs.items():
        if not sign:
            raise InvalidInput(f"the derivative is 0 at the end {end:.17g} of the interval; choose another end")
    found: list[Zero] = []
    boxes, count = [(low, high, signs[low], signs[high], True)], 0
    while boxes:
        left, right, at_left, at_right, jumps = boxes.pop()
        count += 1
        if count > MOST_BOXES:
            raise InvalidInput(f"more than {MOST_BOXES} boxes are needed; near {left:.6g} the risk varies too fast")
        box = arb(left).union(arb(right))
        narrow = right - left <= NARROWEST * max(abs(left), abs(right), (high - low) / 100)
        jumps = jumps and _jumps(value, box)
        if jumps:
            if narrow:
                raise InvalidInput(f"at x = {(left + right) / 2:.12g} the risk may have a jump: it must be continuous")
            middle, sign = _cut(slope, left, right)
            boxes += [(middle, right, sign, at_right, True), (left, middle, at_left, sign, True)]
            continue
        first, may_jump = slope(box)
        if _away_from_0(first):
            continue
        steepness, _ = curvature(box)
        if not may_jump and _away_from_0(steepness):
            if at_left != at_right:
                found.append(Zero(_narrowed(slope, curvature, box), bool(steepness > 0)))
            continue
        if not may_jump and _away_from_0(slope(arb(box.mid()))[0] + steepness * (box - box.mid())):
            continue
        if narrow:
            raise InvalidInput(_undecided((left + right) / 2, may_jump))
        middle, sign = _cut(slope, left, right)
        boxes += [(middle, right, sign, at_right, False), (left, middle, at_left, sign, False)]
    return found


def _jumps(function: Enclosure, box: arb) -> bool:
    """Whether a function may have a jump in a box of more than `SMALLEST_JUMP`, relative to 1 and its size."""
    value, may_jump = function(box)
    return may_jump and not value.rad() <= SMALLEST_JUMP * (1 + abs(value.mid()))


def _away_from_0(value: arb) -> bool:
    return bool(value.is_finite() and not value.contains(0))


def _sign_at(slope: Enclosure, x: float) -> int:
    value, _ = slope(arb(x))
    return int(bool(value > 0)) - int(bool(value < 0))


def _cut(slope: Enclosure, left: float, right: float) -> tuple[float, int]:
    """A point in a box where the derivative is known to have a sign, and that sign."""
    for share in _CUTS:
        middle = left + share * (right - left)
        sign = _sign_at(slope, middle)
        if sign and left < middle < right:
            return middle, sign
    raise InvalidInput(_undecided((left + right) / 2, may_jump=False))


def _narrowed(slope: Enclosure, curvature: Enclosure, box: arb) -> arb:
    """The zero in a box on which the derivative is monotone: Newton's method on balls, whose results contain it."""
    while True:
        middle = arb(box.mid())
        closer = (middle - slope(middle)[0] / curvature(box)[0]).intersection(box)
        if closer.rad() > box.rad() / 2 or closer.rad() < _NARROW * (1 + abs(closer)):
            return closer
        box = closer


def _undecided(x: float, may_jump: bool) -> str:
    if may_jump:
        return f"at x = {x:.12g} the derivative may jump over 0: the risk must be twice differentiable there"
    return (
        f"near x = {x:.12g} the first and the second derivative cannot be told from 0: whether there is a minimum, "
        "and how many, cannot be certified"
    )
