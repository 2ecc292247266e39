"""Labelled parts of the line."""

import itertools
from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np

from jaxsgd.errors import InvalidInput, InvalidType
from jaxsgd.module import brief

Regions = Mapping[str, Sequence[float]]
"""Intervals (low, high) by name; infinite ends are allowed."""


def checked_regions(regions: Regions) -> dict[str, tuple[float, float]]:
    """The intervals in order; an error unless they are some, none empty, and no two overlap."""
    if not isinstance(regions, Mapping) or not regions:
        raise InvalidType(f"regions must be a dict of intervals such as {{'left': (-inf, 0)}}, got {brief(regions)}")
    found = sorted(((name, interval(name, ends)) for name, ends in regions.items()), key=lambda item: item[1])
    for (one, (_, high)), (other, (low, _)) in itertools.pairwise(found):
        if low < high:
            raise InvalidInput(
                f"regions must not overlap, but {other!r} begins at {low:g}, and {one!r} ends at {high:g}"
            )
    return dict(found)


def interval(name: str, ends: Any) -> tuple[float, float]:
    """Two ends as floats, the first below the second."""
    try:
        low, high = (float(end) for end in ends)
    except (TypeError, ValueError):
        raise InvalidType(f"{name} must be an interval (low, high), got {brief(ends)}") from None
    if not low < high:
        raise InvalidInput(f"{name} must have low < high, got ({low:g}, {high:g})")
    return low, high


def probability_in(points: np.ndarray, masses: np.ndarray, ends: tuple[float, float]) -> float:
    """The mass of the points in an interval."""
    return float(masses[(points >= ends[0]) & (points < ends[1])].sum())
