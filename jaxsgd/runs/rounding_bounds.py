"""What rounding to float32 does to a trajectory, from the sizes of its numbers: NumPy in float64, no simulation.

Rounding to nearest acts as independent noise of variance u^2/12 on each update, u the spacing of floats at what is
updated, while the random part of an update spreads over several u (Widrow and Kollár, 2008, Quantization Noise,
section 5: for normal noise of standard deviation s but for exp(-2 pi^2 s^2 / u^2)). An update below that is rounded to
one side: up to u/2 is lost or added in each, or all of it if it is smaller.

These are sizes, not proofs: a trajectory is taken for one of a quadratic with curvatures between mu and L.
"""

import dataclasses

import numpy as np
from scipy.linalg import get_lapack_funcs

EPSILON = float(np.finfo(np.float32).eps)
_SPREAD_NORMAL, _SPREAD_OTHER = 1.0, 16.0
"""In units of u, what the random part of an update takes for rounding to act as noise. Discrete laws need more: the
values of x before an update must spread, too."""
_VARIED = 16.0
"""In units of u: what is added to an average is rounded to either side, as it varies over steps, if it is larger."""

_SMALL = 2e-5
"""Of a standard deviation: it is a quarter of the standard error of 1e8 trajectories."""

(_solve,) = get_lapack_funcs(("tbtrs",), dtype=np.float64)


@dataclasses.dataclass(frozen=True)
class Motion:
    """How x moves, in sizes; (d,) each where not said otherwise.

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
    strong_convexity: float
    smoothness: float
    normal: bool
    is_declared: bool

    @property
    def spread_needed(self) -> float:
        return _SPREAD_NORMAL if self.normal else _SPREAD_OTHER


def spacing(size: np.ndarray) -> np.ndarray:
    """The distance between floats of this size."""
    with np.errstate(over="ignore"):
        return np.spacing(np.minimum(np.abs(size), np.finfo(np.float32).max).astype(np.float32)).astype(np.float64)


def of_iterates(motion: Motion) -> np.ndarray:
    """What rounding does to a mean that depends on x_s, in standard deviations over trajectories: (T + 1,)."""
    moving = (motion.noise > 0) | (motion.drift > 0)
    if not moving.any() or not motion.noise.any():
        return np.full(len(motion.rates) + 1, np.inf if moving.any() else 0.0)
    quick = _quickly(motion)
    if quick < _SMALL:
        return np.append(0.0, np.full(len(motion.rates), quick))
    left = np.maximum(1 - motion.rates * motion.strong_convexity, 0.0)
    worst = np.zeros(len(motion.rates) + 1)
    for i in _coordinates(motion) & set(np.flatnonzero(moving).tolist()):
        path = _Path.of(motion, i)
        spread = motion.rates * motion.noise[i]
        # The mean of an update: towards x*, of what is left of the first distance, and of the spread of x.
        begun = path.distance[:-1] / path.distance[0] if path.distance[0] > 0 else 1.0
        size = motion.rates * (motion.drift[i] * begun + path.smoothness * np.sqrt(path.variance[:-1]))
        added, lost = _of_updates(path.spacing[:-1], spread, size, motion.spread_needed)
        lost = lost + motion.rates * motion.error[i]
        worst = np.maximum(worst, _relative(_recursion(left**2, added), _recursion(left, lost), path.variance))
    return worst * np.sqrt(len(motion.noise))


def _quickly(motion: Motion) -> float:
    """All roundings together, relative to the variance of the least update; inf where some are lost."""
    if not (motion.noise > 0).all() or motion.error.any():
        return np.inf
    most = np.sqrt(np.sum(motion.rates**2))
    ratio = float((spacing(motion.centre + motion.distance + 3 * most * motion.noise) / motion.noise).max())
    least = motion.rates.min()
    if least < motion.spread_needed * ratio:
        return np.inf
    return float(len(motion.rates) * (ratio / least) ** 2 / 12 * np.sqrt(len(motion.noise)))


def of_average(motion: Motion, mixing: np.ndarray, of_x: np.ndarray) -> np.ndarray:
    """The same of an average with xbar <- xbar + c_t (x_t - xbar), c_t in ``mixing`` (T,); ``of_x`` is that of x."""
    if not motion.noise.any():
        return of_x
    worst, left = np.zeros(len(motion.rates) + 1), 1 - mixing
    for i in _coordinates(motion):
        if motion.noise[i] > 0:
            path = _Path.of(motion, i)
            deviation = np.sqrt(path.variance[:-1])
            mean = _recursion(left, mixing * path.distance[:-1], path.distance[0])
            u = spacing(motion.centre[i] + mean[:-1] + 3 * deviation)
            size = mixing * (deviation + path.distance[:-1] + mean[:-1])
            added, lost = _of_updates(u, mixing * deviation, size, motion.spread_needed)
            lost = np.where(size > _VARIED * u, 0.0, lost)
            variance = _recursion(left**2, mixing**2 * path.variance[:-1])
            own = _relative(_recursion(left**2, added), _recursion(left, lost), variance)
            worst = np.maximum(worst, np.where(np.arange(len(own)) < 2, 0.0, own))  # of x_0, and of x_0 and x_1
    return worst * np.sqrt(len(motion.noise)) + of_x


@dataclasses.dataclass(frozen=True)
class _Path:
    """One coordinate after 0 .. T updates: its mean distance from x*, a lower bound of its variance, and u; and L."""

    distance: np.ndarray
    variance: np.ndarray
    spacing: np.ndarray
    smoothness: float

    @classmethod
    def of(cls, motion: Motion, i: int) -> "_Path":
        rates = motion.rates
        left = np.maximum(1 - rates * motion.strong_convexity, 0.0)
        # Without L, rates are taken to be stable. A coordinate without noise counts as if it had that of the largest.
        largest = motion.smoothness if 0 < motion.smoothness < np.inf else 1 / max(rates.max(), 1e-300)
        noise = motion.noise[i] or motion.noise.max()
        least = np.maximum(1 - rates * largest, 0.0)
        variance = _recursion(least**2, (rates * noise) ** 2)
        most = _recursion(left**2, (rates * motion.noise[i]) ** 2)
        distance = _recursion(left, np.zeros(len(rates)), motion.distance[i])
        return cls(distance, variance, spacing(motion.centre[i] + distance + 3 * np.sqrt(most)), largest)


def _coordinates(motion: Motion) -> set[int]:
    """Those with the smallest updates beside u, with and without noise, and the largest errors of gradients.

    Coordinates differ in numbers only; the others do better.
    """
    with np.errstate(divide="ignore", invalid="ignore"):
        u = spacing(motion.centre + motion.distance)
        noisy = motion.noise > 0
        ratios = np.where(noisy, u / motion.noise, 0.0), np.where(noisy, motion.error / motion.noise, 0.0), u * ~noisy
    return {int(np.argmax(ratio)) for ratio in ratios}


def stagnates(motion: Motion) -> bool:
    """Of motion without noise: whether updates that move x may be lost, or a part of them that is seen."""
    moving = motion.drift > 0
    if not moving.any():
        return False
    u = spacing(motion.centre + motion.distance)[moving]
    ratio = float((u / motion.drift[moving]).max())  # of u to an update, for eta = 1
    small = motion.rates < 1e3 * ratio
    return bool(motion.rates[small].sum() > 1e-5 * motion.rates.sum())


def _of_updates(u: np.ndarray, spread: np.ndarray, size: np.ndarray, needed: float) -> tuple[np.ndarray, np.ndarray]:
    """Of each update: the variance that rounding adds, or takes, and what may be lost of its mean."""
    random = spread >= needed * u
    added = np.where(random, u**2 / 12, np.where(spread > 0, np.minimum(spread, u) ** 2, 0.0))
    return added, np.where(random, 0.0, np.minimum(u / 2, size))


def _relative(added: np.ndarray, lost: np.ndarray, variance: np.ndarray) -> np.ndarray:
    """Added variance as a part of the variance, and a shift in standard deviations; 0 where there is neither."""
    with np.errstate(divide="ignore", invalid="ignore"):
        return np.where(added > 0, added / variance, 0.0) + np.where(lost > 0, lost / np.sqrt(variance), 0.0)


def _recursion(factors: np.ndarray, terms: np.ndarray, start: float = 0.0) -> np.ndarray:
    """y_0 = start, y_{t+1} = factors_t y_t + terms_t: (T + 1,), as the solution of a triangular system of two bands."""
    bands = np.stack([np.ones(len(factors) + 1), np.append(-factors, 0.0)])
    solution, _ = _solve(bands, np.append(start, terms)[:, None], uplo="L", diag="U")
    return solution[:, 0]
