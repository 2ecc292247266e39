"""Every minimum and maximum of a risk of one coordinate in an interval."""

import dataclasses
import math
from collections.abc import Sequence
from typing import Any

import jax
import numpy as np

from jaxsgd.errors import InvalidInput, InvalidType, finite_array
from jaxsgd.module import AbstractOrFinal, brief
from jaxsgd.problems import Problem
from jaxsgd.structure import Structure, flat


@dataclasses.dataclass(frozen=True, eq=False)
class Landscape(AbstractOrFinal):
    """All stationary points of R in an interval, increasing; what [`jaxsgd.theory.landscape`][] returns.

    - `interval`: its two ends.
    - `minima`, `maxima`: where the local minima and maxima are, (k,) and (m,).
    - `values`, `maximum_values`: R there.
    - `curvatures`, `maximum_curvatures`: R'' there.
    - `barriers`: (k, 2), how far R rises from each minimum to the next maximum on its left and on its right; NaN where
      there is none in the interval.
    - `learning_rate_limits`: (k,), 2 / R''. At a larger constant rate gradient descent moves away from that minimum
      once it is near, SGD with additive noise has no stationary law around it in the linear approximation; it may
      still stay in its basin, on a cycle.
    """

    interval: tuple[float, float]
    minima: np.ndarray
    values: np.ndarray
    curvatures: np.ndarray
    maxima: np.ndarray
    maximum_values: np.ndarray
    maximum_curvatures: np.ndarray

    @property
    def barriers(self) -> np.ndarray:
        """(k, 2): the rise to the maximum on the left, and on the right."""
        padded = np.concatenate([[math.nan], self.maximum_values, [math.nan]])
        after = self.maxima.searchsorted(self.minima)
        return np.stack([padded[after], padded[after + 1]], 1) - self.values[:, None]

    @property
    def learning_rate_limits(self) -> np.ndarray:
        """(k,): 2 / R''."""
        return 2 / self.curvatures

    def basin(self, x: Any) -> np.ndarray:
        """The number of the minimum between whose maxima each x lies; -1 outside the interval."""
        points, (low, high) = np.asarray(x, np.float64), self.interval
        first = int(len(self.maxima) > 0 and (not len(self.minima) or self.maxima[0] < self.minima[0]))
        found = self.maxima.searchsorted(points) - first
        inside = (points > low) & (points < high) & (found >= 0) & (found < len(self.minima))
        return np.where(inside, found, -1)

    def __repr__(self) -> str:
        low, high = self.interval
        return f"Landscape([{low:g}, {high:g}]: {len(self.minima)} minima, {len(self.maxima)} maxima)"


def landscape(problem: Problem, interval: Sequence[float]) -> Landscape:
    """All minima and maxima of a risk of one coordinate in [low, high], certified.

    The program of R is evaluated in ball arithmetic, so that what is found is proved, up to the correctness of that
    arithmetic: each stationary point is the only one in a box on which R'' has one sign, and on all the rest of the
    interval R' is not 0. Places and values are those of these balls, to the precision of float64.

    **Arguments**

    - `problem`: of one coordinate, twice differentiable at its stationary points.
    - `interval`: (low, high), two finite numbers.

    **Raises** `InvalidInput` for more coordinates, an interval that is empty or not finite, a risk with a jump (of more
    than 1e-9 of 1 + |R|; smaller ones cannot be told from none, and are passed over), one that is not twice
    differentiable where R' may be 0 (such as |x|), a stationary point at an end, one with R'' = 0, and programs with
    operations for which there is no such arithmetic.

    Source: Moore, Kearfott and Cloud (2009), Introduction to Interval Analysis, chapter 8, for the method; Johansson
    (2017), arXiv 1611.02831, for the arithmetic (python-flint).

    >>> from jaxsgd import problems
    >>> found = landscape(problems.RippledParabola(), (-10, 10))
    >>> found.minima.round(6).tolist()
    [-7.853982, -1.570796, 0.0, 4.712389]
    >>> found.learning_rate_limits.round(5).tolist()
    [0.03242, 0.81057, 1.0, 0.09006]
    """
    import flint
    from flint import arb

    from jaxsgd.theory.one_coordinate.landscapes.enclosures import PRECISION, enclosure
    from jaxsgd.theory.one_coordinate.landscapes.stationary import Zero, stationary_points

    if not isinstance(problem, Problem):
        raise InvalidType(f"problem must be one of jaxsgd.problems, got {brief(problem)}")
    low, high = _ends(interval)
    point = one_coordinate(problem)

    def derivative(x: jax.Array) -> jax.Array:
        return point.ravel(problem.gradient(point.unravel(x[None])))[0]

    value, slope, curvature = map(
        enclosure, (lambda x: problem.value(point.unravel(x[None])), derivative, jax.grad(derivative))
    )

    def of(zeros: list[Zero], minima: bool) -> list[np.ndarray]:
        places = [arb(zero.place.mid()) for zero in zeros if zero.is_minimum == minima]
        rows = (places, [value(place)[0] for place in places], [curvature(place)[0] for place in places])
        return [np.array([float(ball.mid()) for ball in row]) for row in rows]

    with flint.ctx.workprec(PRECISION):
        zeros = stationary_points(value, slope, curvature, low, high)
        return Landscape((low, high), *of(zeros, minima=True), *of(zeros, minima=False))


def _ends(interval: Sequence[float]) -> tuple[float, float]:
    ends = finite_array("interval", interval)
    if ends.shape != (2,):
        raise InvalidInput(f"interval must be two numbers (low, high), got shape {ends.shape}")
    if ends[0] >= ends[1]:
        raise InvalidInput(f"interval must have low < high, got ({ends[0]:g}, {ends[1]:g})")
    return float(ends[0]), float(ends[1])


def one_coordinate(problem: Problem) -> Structure:
    """The structure of x; one number in an array of shape (1,) where the problem does not know it."""
    like = problem.start if problem.minimiser is None else problem.minimiser
    like = np.zeros(1) if like is None else like
    if flat(like).size != 1:
        raise InvalidInput(f"a landscape is one of a problem of one coordinate, but x has {flat(like).size}")
    return Structure.of(like)
