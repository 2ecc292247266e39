"""What rounding to float32 does to a trajectory, from the sizes of its numbers: NumPy in float64, no simulation.

Rounding to nearest acts as independent noise of variance u^2/12 on each update, u the spacing of floats at what is
updated, while the random part of an update spreads over several u (Widrow and Kollár, 2008, Quantization Noise,
section 5: for normal noise of standard deviation s but for exp(-2 pi^2 s^2 / u^2)). An update below that is rounded to
one side: up to u/2 is lost or added in each, or all of it if it is smaller.

These are sizes, not proofs: a trajectory is taken for one of a quadratic with curvatures between mu and L. All is
computed for several cells at once, as the steps of one are few.
"""

import dataclasses
import functools
import math
from collections.abc import Sequence
from typing import Any, Self

import numpy as np

EPSILON = float(np.finfo(np.float32).eps)
_SPREAD_NORMAL, _SPREAD_OTHER = 1.0, 16.0
"""In units of u, what the random part of an update takes for rounding to act as noise. Discrete laws need more: the
values of x before an update must spread, too."""
_VARIED = 16.0
"""In units of u: what is added to an average is rounded to either side, as it varies over steps, if it is larger."""

_SMALL = 2e-5
"""Of a standard deviation: it is a quarter of the standard error of 1e8 trajectories."""


@dataclasses.dataclass(frozen=True)
class Motion:
    """How x moves, in sizes; (d,) each where not said otherwise. Of several cells all have an axis of cells in front.

    - `rates`: eta_t (T,).
    - `noise`: the standard deviation of a gradient given x; `drift`: the size of its mean, at the start or larger.
    - `centre`: the size of x*; `distance`: that of x_0 - x*, or, with x* not known, of the way that x may take from
      x_0, which then is the centre.
    - `error`: what rounding makes of the mean of a gradient.
    - `strong_convexity`, `smoothness`: mu, and L or inf.
    - `normal`: whether gradients are normal given x; `is_declared`: whether all this is declared, or was found out.
    """

    rates: np.ndarray
    noise: np.ndarray
    drift: np.ndarray
    centre: np.ndarray
    distance: np.ndarray
    error: np.ndarray
    strong_convexity: Any
    smoothness: Any
    normal: Any
    is_declared: Any

    @classmethod
    def stack(cls, cells: Sequence[Self]) -> Self:
        """That of several cells."""
        names = [field.name for field in dataclasses.fields(cls)]
        return cls(**{name: np.stack([np.asarray(getattr(cell, name)) for cell in cells]) for name in names})

    @property
    def spread_needed(self) -> np.ndarray:
        return np.where(self.normal, _SPREAD_NORMAL, _SPREAD_OTHER)

    @property
    def is_random(self) -> np.ndarray:
        """Which cells have noise, (cells,)."""
        return np.any(self.noise > 0, 1)

    @functools.cached_property
    def paths(self) -> "list[_Path]":
        """Those of the coordinates that are looked at."""
        return [_Path.of(self, i) for i in _coordinates(self)]


def spacing(size: np.ndarray) -> np.ndarray:
    """The distance between floats of this size."""
    with np.errstate(over="ignore"):
        return np.spacing(np.minimum(np.abs(size), np.finfo(np.float32).max).astype(np.float32)).astype(np.float64)


def of_iterates(motion: Motion) -> np.ndarray:
    """What rounding does to a mean that depends on x_s, in standard deviations over trajectories: (cells, T + 1)."""
    moves = ((motion.noise > 0) | (motion.drift > 0)).any(1)
    quick = np.where(motion.is_random, _quickly(motion), np.where(moves, np.inf, 0.0))
    whole = np.repeat(quick[:, None], motion.rates.shape[1] + 1, 1)
    whole[motion.is_random, 0] = 0.0
    left = motion.is_random & ~(quick < _SMALL)
    if left.any():
        whole[left] = _along_paths(_part(motion, left), [_part(path, left) for path in motion.paths])
    return whole


def _along_paths(motion: Motion, paths: "list[_Path]") -> np.ndarray:
    """The same of cells with noise, update by update."""
    rates, left = motion.rates, _left(motion)
    worst = np.zeros((len(rates), rates.shape[1] + 1))
    for path in paths:
        spread = rates * path.noise
        # The mean of an update: towards x*, of what is left of the first distance, and of the spread of x.
        begun = np.divide(path.distance[:, :-1], path.distance[:, :1], out=np.ones_like(rates), where=path.distant)
        size = rates * (path.drift * begun + path.smoothness * np.sqrt(path.variance[:, :-1]))
        added, lost = _of_updates(path.spacing[:, :-1], spread, size, motion.spread_needed[:, None])
        lost = lost + rates * path.error
        own = _relative(_recursion(left**2, added), _recursion(left, lost), path.variance)
        worst = np.maximum(worst, np.where((path.noise > 0) | (path.drift > 0), own, 0.0))
    return worst * np.sqrt(motion.noise.shape[1])


def _quickly(motion: Motion) -> np.ndarray:
    """All roundings together, relative to the variance of the least update, (cells,); inf where some are lost."""
    steps, d = motion.rates.shape[1], motion.noise.shape[1]
    most, least = np.sqrt(np.sum(motion.rates**2, 1)), motion.rates.min(1)
    with np.errstate(divide="ignore", invalid="ignore"):
        reach = motion.centre + motion.distance + 3 * most[:, None] * motion.noise
        ratio = (spacing(reach) / motion.noise).max(1)
        together = steps * (ratio / least) ** 2 / 12 * np.sqrt(d)
    random = (motion.noise > 0).all(1) & ~motion.error.any(1) & (least >= motion.spread_needed * ratio)
    return np.where(random, together, np.inf)


def of_average(motion: Motion, mixing: np.ndarray, of_x: np.ndarray) -> np.ndarray:
    """The same of an average with xbar <- xbar + c_t (x_t - xbar), c_t in ``mixing`` (cells, T), from that of x."""
    if not motion.is_random.any():
        return of_x
    worst, left = np.zeros_like(of_x), 1 - mixing
    for path in motion.paths:
        deviation = np.sqrt(path.variance[:, :-1])
        mean = _recursion(left, mixing * path.distance[:, :-1], path.distance[:, 0])
        u = spacing(path.centre + mean[:, :-1] + 3 * deviation)
        size = mixing * (deviation + path.distance[:, :-1] + mean[:, :-1])
        added, lost = _of_updates(u, mixing * deviation, size, motion.spread_needed[:, None])
        lost = np.where(size > _VARIED * u, 0.0, lost)
        variance = _recursion(left**2, mixing**2 * path.variance[:, :-1])
        own = _relative(_recursion(left**2, added), _recursion(left, lost), variance)
        own[:, :2] = 0.0  # of x_0, and of x_0 and x_1
        worst = np.maximum(worst, np.where(path.noise > 0, own, 0.0))
    return worst * np.sqrt(motion.noise.shape[1]) + of_x


@dataclasses.dataclass(frozen=True)
class _Path:
    """One coordinate of each cell after 0 .. T updates, (cells, T + 1).

    - `distance`: its mean distance from x*; `variance`: a lower bound of its variance; `spacing`: u.
    - `noise`, `drift`, `centre`, `error`: those of the motion; `smoothness`: L; (cells, 1).
    """

    noise: np.ndarray
    drift: np.ndarray
    centre: np.ndarray
    error: np.ndarray
    smoothness: np.ndarray
    distance: np.ndarray
    variance: np.ndarray
    spacing: np.ndarray

    @classmethod
    def of(cls, motion: Motion, i: np.ndarray) -> Self:
        """That of coordinate i (cells,) of each cell."""
        rates, left, each = motion.rates, _left(motion), np.arange(len(i))
        own, drift, centre, error = (
            sizes[each, i][:, None] for sizes in (motion.noise, motion.drift, motion.centre, motion.error)
        )
        # Without L, rates are taken to be stable. A coordinate without noise counts as if it had that of the largest.
        known = (motion.smoothness > 0) & (motion.smoothness < np.inf)
        largest = np.where(known, motion.smoothness, 1 / np.maximum(rates.max(1), 1e-300))[:, None]
        noise = np.where(own > 0, own, motion.noise.max(1, keepdims=True))
        least = np.maximum(1 - rates * largest, 0.0)
        variance = most = _recursion(least**2, (rates * noise) ** 2)
        if not (np.array_equal(least, left) and np.array_equal(noise, own)):  # as they are in one dimension
            most = _recursion(left**2, (rates * own) ** 2)
        kept = np.pad(left, ((0, 0), (1, 0)), constant_values=1.0)
        distance = motion.distance[each, i][:, None] * np.multiply.accumulate(kept, 1)
        u = spacing(centre + distance + 3 * np.sqrt(most))
        return cls(own, drift, centre, error, largest, distance, variance, u)

    @property
    def distant(self) -> np.ndarray:
        """In which cells it starts away from x*, (cells, 1)."""
        return self.distance[:, :1] > 0


def _part(sizes: Any, cells: np.ndarray) -> Any:
    """Of a motion or a path the part of some cells."""
    return type(sizes)(*(getattr(sizes, field.name)[cells] for field in dataclasses.fields(sizes)))


def _left(motion: Motion) -> np.ndarray:
    """What an update leaves of a distance at most, (cells, T)."""
    return np.maximum(1 - motion.rates * motion.strong_convexity[:, None], 0.0)


def _coordinates(motion: Motion) -> list[np.ndarray]:
    """Those with the smallest updates beside u, with and without noise, and the largest errors of gradients: (cells,).

    Coordinates differ in numbers only; the others do better.
    """
    with np.errstate(divide="ignore", invalid="ignore"):
        u = spacing(motion.centre + motion.distance)
        noisy = motion.noise > 0
        ratios = np.where(noisy, u / motion.noise, 0.0), np.where(noisy, motion.error / motion.noise, 0.0), u * ~noisy
    chosen = np.stack([np.argmax(ratio, 1) for ratio in ratios])
    return list(np.unique(chosen, axis=0))


def stagnates(motion: Motion) -> np.ndarray:
    """Of motion without noise: whether updates that move x may be lost, or a part of them that is seen, (cells,)."""
    moving = motion.drift > 0
    u = spacing(motion.centre + motion.distance)
    ratio = np.divide(u, motion.drift, out=np.zeros_like(u), where=moving).max(1)  # of u to an update, for eta = 1
    small = motion.rates < 1e3 * ratio[:, None]
    return np.sum(motion.rates * small, 1) > 1e-5 * motion.rates.sum(1)


def _of_updates(
    u: np.ndarray, spread: np.ndarray, size: np.ndarray, needed: np.ndarray
) -> tuple[np.ndarray, np.ndarray]:
    """Of each update: the variance that rounding adds, or takes, and what may be lost of its mean."""
    random = spread >= needed * u
    added = np.where(random, u**2 / 12, np.where(spread > 0, np.minimum(spread, u) ** 2, 0.0))
    return added, np.where(random, 0.0, np.minimum(u / 2, size))


def _relative(added: np.ndarray, lost: np.ndarray, variance: np.ndarray) -> np.ndarray:
    """Added variance as a part of the variance, and a shift in standard deviations; 0 where there is neither."""
    with np.errstate(divide="ignore", invalid="ignore"):
        return np.where(added > 0, added / variance, 0.0) + np.where(lost > 0, lost / np.sqrt(variance), 0.0)


def _recursion(factors: np.ndarray, terms: np.ndarray, start: np.ndarray | float = 0.0) -> np.ndarray:
    """y_0 = start (cells,), y_{t+1} = factors_t y_t + terms_t of factors and terms (cells, T): (cells, T + 1).

    The steps are cut in sqrt(T) pieces, which run side by side from 0; what they start from is added when it is known.
    """
    cells, steps = terms.shape
    solution = np.zeros((cells, steps + 1))
    solution[:, 0] = start
    if not (terms.any() or solution.any()):
        return solution
    pieces = math.isqrt(steps)
    length = -(-steps // pieces)
    padded = np.zeros((2, cells, pieces * length))
    padded[:, :, :steps] = factors, terms
    # Of each piece: products of its factors, and its solution from 0.
    products, own = padded.reshape(2, cells, pieces, length)
    for t in range(1, length):
        own[..., t] += products[..., t] * own[..., t - 1]
    np.multiply.accumulate(products, -1, out=products)
    for piece in range(pieces):
        begun = own[:, piece - 1, -1] if piece else solution[:, 0]
        own[:, piece] += products[:, piece] * begun[:, None]
    solution[:, 1:] = own.reshape(cells, -1)[:, :steps]
    return solution
