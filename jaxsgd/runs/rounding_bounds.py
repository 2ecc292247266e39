"""What rounding to float32 does to a trajectory, from the sizes of its numbers: NumPy in float64, no simulation.

Rounding to nearest acts as independent noise of variance u^2/12 on each update, u the spacing of floats at what is
updated, while the random part of an update spreads over several u (Widrow and Kollár, 2008, Quantization Noise,
section 5: exactly so, but for exp(-2 pi^2 s^2 / u^2), for normal noise of standard deviation s). An update below that is
rounded to one side: up to u/2 is lost or added in each, or all of it if it is smaller.
"""

import dataclasses

import numpy as np

EPSILON = float(np.finfo(np.float32).eps)
_SPREAD_NORMAL, _SPREAD_OTHER = 4.0, 16.0
"""In units of u, what the random part of an update takes for rounding to act as noise. Discrete laws need more: the
values of x before an update must spread, too."""


@dataclasses.dataclass(frozen=True)
class Motion:
    """How x moves, in sizes; (d,) each where not said otherwise.

    - `rates`: eta_t (T,).
    - `noise`: the standard deviation of a gradient given x; `drift`: the size of its mean, at the start or larger.
    - `extent`: the size of x, the largest on its way; `distance`: that of x_0 - x*, or of the way that x may take.
    - `error`: what rounding makes of the mean of a gradient.
    - `strong_convexity`, `smoothness`: mu, and L or inf.
    - `normal`: whether gradients are normal given x.
    """

    rates: np.ndarray
    noise: np.ndarray
    drift: np.ndarray
    extent: np.ndarray
    distance: np.ndarray
    error: np.ndarray
    strong_convexity: float
    smoothness: float
    normal: bool

    @property
    def spread_needed(self) -> float:
        return _SPREAD_NORMAL if self.normal else _SPREAD_OTHER


def spacing(size: np.ndarray) -> np.ndarray:
    """The distance between floats of this size."""
    with np.errstate(over="ignore"):
        return np.spacing(np.minimum(np.abs(size), np.finfo(np.float32).max).astype(np.float32)).astype(np.float64)


def deviations(motion: Motion) -> np.ndarray:
    """At least so large is the standard deviation of x after 0 .. T updates, per unit of noise: (T + 1,).

    At least that of the last update; where L is known, and eta L below 1, that of a stationary x with the present rate.
    """
    rates = motion.rates
    whole = np.sqrt(np.cumsum(rates**2))
    least = rates
    if 0 < motion.smoothness < np.inf:
        least = np.maximum(rates, np.sqrt(rates / (2 * motion.smoothness)))
    return np.append(0.0, np.minimum(whole, least))


def of_iterates(motion: Motion) -> np.ndarray:
    """What rounding does to a mean that depends on x_s, in standard deviations over trajectories: (T + 1,)."""
    moving = (motion.noise > 0) | (motion.drift > 0)
    if not moving.any() or not motion.noise.any():
        return np.full(len(motion.rates) + 1, np.inf if moving.any() else 0.0)
    worst = np.zeros(len(motion.rates) + 1)
    unit = deviations(motion)
    u = spacing(motion.extent)
    # Coordinates differ in numbers only: the one whose update is smallest beside u, of those with noise and without.
    relative = np.where(motion.noise > 0, u / np.maximum(motion.noise, 1e-300), 0.0)
    chosen = {int(np.argmax(relative)), int(np.argmax(np.where(motion.noise > 0, motion.error, 0.0)))}
    chosen |= {int(np.argmax(np.where((motion.noise == 0) & moving, u, 0.0)))}
    for i in chosen & set(np.flatnonzero(moving).tolist()):
        spread = motion.rates * motion.noise[i]
        size = motion.rates * (motion.noise[i] + motion.drift[i])
        extra, lost = _of_updates(u[i], spread, size, motion.spread_needed)
        bias = _accumulated(lost, motion.rates * motion.strong_convexity)
        bias += motion.error[i] * _least(np.cumsum(motion.rates), motion.strong_convexity)
        noise = motion.noise[i] or motion.noise.max()
        with np.errstate(divide="ignore", invalid="ignore"):
            shift = np.where(bias > 0, bias / (unit[1:] * noise), 0.0)
        worst[1:] = np.maximum(worst[1:], np.maximum.accumulate(extra) + shift)
    return worst * np.sqrt(len(motion.noise))


def of_average(motion: Motion, mixing: np.ndarray) -> np.ndarray:
    """The same of an average with xbar <- xbar + c_t (x_t - xbar), c_t in ``mixing`` (T,)."""
    if not motion.noise.any():
        return of_iterates(motion)
    u, noise = spacing(motion.extent), motion.noise
    relative = np.where(noise > 0, u / np.maximum(noise, 1e-300), 0.0)
    i = int(np.argmax(relative))
    unit = deviations(motion)[:-1] * noise[i]
    unit = np.append(unit[1:], motion.rates[-1] * noise[i] if len(unit) == 1 else unit[-1])  # x_0 has none
    extra, lost = _of_updates(u[i], mixing * unit, mixing * (unit + motion.distance[i]), motion.spread_needed)
    bias = _accumulated(lost, mixing)
    with np.errstate(divide="ignore", invalid="ignore"):
        shift = np.where(bias > 0, bias / (np.sqrt(mixing) * unit), 0.0)
    own = np.maximum.accumulate(np.where(mixing > 0, extra, 0.0)) + shift
    return np.append(0.0, own * np.sqrt(len(noise))) + of_iterates(motion)


def stagnates(motion: Motion) -> bool:
    """Of motion without noise: whether updates that move x may be lost, or a part of them that is seen."""
    moving = motion.drift > 0
    if not moving.any():
        return False
    u = spacing(motion.extent)[moving]
    ratio = float((u / motion.drift[moving]).max())  # of u to an update, for eta = 1
    small = motion.rates < 1e3 * ratio
    return bool(motion.rates[small].sum() > 1e-5 * motion.rates.sum())


def _of_updates(u: float, spread: np.ndarray, size: np.ndarray, needed: float) -> tuple[np.ndarray, np.ndarray]:
    """Of each update: the variance that rounding adds, relative to its own; or what may be lost of it."""
    random = spread >= needed * u
    with np.errstate(divide="ignore", invalid="ignore", over="ignore"):
        extra = np.where(random, (u / spread) ** 2 / 12, 0.0)
    return extra, np.where(random, 0.0, np.minimum(u / 2, size))


def _accumulated(lost: np.ndarray, contraction: np.ndarray) -> np.ndarray:
    """At most what has come together of errors, of which an update leaves 1 - contraction."""
    with np.errstate(divide="ignore", invalid="ignore"):
        equilibrium = np.where(lost > 0, lost / contraction, 0.0)
    return np.minimum(np.cumsum(lost), np.maximum.accumulate(equilibrium))


def _least(whole: np.ndarray, strong_convexity: float) -> np.ndarray:
    """sum eta_t, or 1 / mu if that is less."""
    return np.minimum(whole, 1 / strong_convexity) if strong_convexity > 0 else whole
