"""Labelled parts of the line, and the events that x lies in them."""

import dataclasses
import itertools
from collections.abc import Mapping, Sequence
from typing import Any

import jax
from jax.flatten_util import ravel_pytree

from jaxsgd.errors import InvalidInput, InvalidType
from jaxsgd.module import AbstractOrFinal, brief

Regions = Mapping[str, Sequence[float]]
"""Intervals (low, high) by name; infinite ends are allowed."""


@dataclasses.dataclass(frozen=True)
class Inside(AbstractOrFinal):
    """Whether low <= x < high, for an x of one coordinate."""

    low: float
    high: float

    def __call__(self, x: Any) -> jax.Array:
        numbers, _ = ravel_pytree(x)
        if numbers.shape != (1,):
            raise InvalidInput(f"an interval is one of an x of one coordinate, got {numbers.size} of them")
        return (numbers[0] >= self.low) & (numbers[0] < self.high)


def partition(regions: Regions) -> dict[str, Inside]:
    """The events that x_s lies in each of several parts of the line, for a study of one coordinate.

    As `probabilities` of [`jaxsgd.simulate`][] they give the occupancy over time, with exact limits; its exact values
    are what [`jaxsgd.theory.MarkovKernel.probabilities`][] finds for the same regions. Each event is a function of x,
    and so may be that of a [`jaxsgd.folds.FirstTime`][], too.

    **Arguments**

    - `regions`: intervals [low, high) by name, which must not overlap; infinite ends are allowed.

    **Raises** `InvalidInput` or `InvalidType` where one is no interval, is empty, or overlaps another.

    How often a double well is crossed, how often it has been, and how high x has been:

    >>> from math import inf
    >>> from jaxsgd import Study, folds, noise, oracles, problems, schedules, simulate
    >>> wells = partition({"left": (-inf, 0), "right": (0, inf)})
    >>> study = Study(
    ...     oracle=oracles.AdditiveNoise(problems.DoubleWell(), noise.Gaussian(std=2.0)),
    ...     schedule=schedules.constant(0.1),
    ...     steps=100,
    ...     x0=[1.0],
    ...     folds={
    ...         "crossed": folds.FirstTime(wells["left"]),
    ...         "highest": folds.Maximum(lambda update: update.x_next[0]),
    ...     },
    ...     observe=(),
    ... )
    >>> events = {
    ...     "has crossed": lambda state: state.folds["crossed"] <= 100,
    ...     "has been high": lambda state: state.folds["highest"] > 1.5,
    ... }
    >>> end = simulate(study, 4096, probabilities=wells | events).at(100)
    >>> [float(end[f"{name}_probability"].round(1)) for name in ("left", "right", "has crossed", "has been high")]
    [0.4, 0.6, 0.7, 0.6]
    """
    parts = checked_regions(regions)
    return {name: Inside(*parts[name]) for name in regions}


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
