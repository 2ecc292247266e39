"""SGD on x^2 (1 + sin x) and on a cosine in several coordinates: the studies of exercise 5."""

import functools

import jax
import jax.numpy as jnp
import numpy as np
import xarray as xr

from jaxsgd import noise, oracles, record, schedules, start, theory
from jaxsgd.folds import FirstTime
from jaxsgd.problems import RippledParabola, SeparableCosine
from jaxsgd.regions import Inside, partition
from jaxsgd.state import State
from jaxsgd.streams import Stream
from jaxsgd.study import Study

PROBLEM = RippledParabola(dimension=1)
NEAR = (-12.0, 9.0)
"""An interval that holds the four minima in [-10, 10], and the maxima around each."""
NAMES = ("-5pi/2", "-pi/2", "0", "3pi/2")
"""These minima."""

SMALL_RATE = 0.005
"""Below 1 / L between the outermost maxima: gradient descent falls at each update and stays in its cell."""
SEVERAL_STARTS = (2.0, 2.5, 3.0, 3.5)


def in_words(name: str) -> str:
    """The name of a minimum as LaTeX between dollar signs."""
    return f"${name.replace('pi', chr(92) + 'pi')}$"


@functools.cache
def landscape() -> theory.Landscape:
    """The stationary points around the four minima."""
    return theory.landscape(PROBLEM, NEAR)


@functools.cache
def cells() -> dict[str, tuple[float, float]]:
    """The intervals between maxima around the four minima, by the name of the minimum."""
    maxima = landscape().maxima
    return dict(zip(NAMES, zip(maxima.tolist(), maxima.tolist()[1:], strict=False), strict=True))


@functools.cache
def in_cells() -> dict[str, Inside]:
    """The events that x lies in them."""
    return partition(cells())


def descent(rate: float, steps: int, x0: float | start.Start) -> Study:
    """Gradient descent at a constant rate."""
    return _study(oracles.FullGradient(PROBLEM), rate, steps, x0)


@functools.cache
def noisy(x0: float, rate: float, std: float, steps: int) -> Study:
    """SGD with normal noise at a constant rate."""
    return _study(oracles.AdditiveNoise(PROBLEM, noise.Gaussian(std=std)), rate, steps, x0)


@functools.cache
def basins_from(x0: float) -> Study:
    """The study whose cells are looked at over time."""
    return noisy(x0, 0.05, 4.0, 100)


@functools.cache
def from_several() -> Study:
    """From one of several starts, each with the same probability."""
    return basins_from(3.0).replace(x0=draw_start)


@functools.cache
def kernel_from(x0: float) -> theory.MarkovKernel:
    """Its law."""
    return theory.markov_kernel(basins_from(x0))


@functools.cache
def occupancy() -> xr.DataArray:
    """The exact probabilities of the cells from 3, at every second update."""
    kernel = kernel_from(3.0)
    return kernel.probabilities(cells(), range(0, kernel.study.steps + 1, 2))


@functools.cache
def unstable() -> Study:
    """From 4, at a rate above the limit of the minimum there."""
    return noisy(4.0, 0.1, 2.0, 50)


def curvature(x: np.ndarray) -> np.ndarray:
    """f''."""
    return 2 * (1 + np.sin(x)) + 4 * x * np.cos(x) - x**2 * np.sin(x)


def draw_start(stream: Stream) -> jax.Array:
    """One of the starts."""
    drawn = jnp.floor(stream.uniform((1,)) * len(SEVERAL_STARTS)).astype(int)
    return jnp.array(SEVERAL_STARTS)[jnp.minimum(drawn, len(SEVERAL_STARTS) - 1)]


def _study(oracle: oracles.Oracle, rate: float, steps: int, x0: float | start.Start) -> Study:
    return Study(
        oracle=oracle,
        schedule=schedules.constant(rate),
        x0=x0 if isinstance(x0, start.Start) else [x0],
        steps=steps,
        record=record.at([steps]),
        observe=(),
    )


# leaving a cell

ESCAPE_RATE, ESCAPE_STD = 0.1, 1.5
ESCAPE_STDS = (1.1, 1.25, 1.5, 1.8, 2.3, 3.0)


def outside_of_zero(x: jax.Array) -> jax.Array:
    """Whether x has left the cell of 0."""
    return ~in_cells()["0"](x)


@functools.cache
def leaving(std: float, steps: int) -> Study:
    """SGD from 0, with the time at which it leaves the cell of 0."""
    return noisy(0.0, ESCAPE_RATE, std, steps).replace(folds={"left": FirstTime(outside_of_zero)})


@functools.cache
def mean_exit_times() -> dict[float, float]:
    """E tau from 0, by the size of the noise."""
    low, high = cells()["0"]
    return {std: theory.markov_kernel(leaving(std, 1)).mean_exit_time(low, high) for std in ESCAPE_STDS}


def arrhenius_slope() -> float:
    """2 B / eta, with which ln E tau grows over 1 / sigma^2 in the limit of small noise and small rates."""
    return float(2 * landscape().barriers[NAMES.index("0"), 0] / ESCAPE_RATE)


def time_to_leave(steps: int, state: State) -> jax.Array:
    """min(tau, T), tau being the first update after which x is outside the cell."""
    return jnp.minimum(state.folds["left"], float(steps))


def has_left(state: State) -> jax.Array:
    """Whether x has been outside."""
    return jnp.isfinite(state.folds["left"])


# several coordinates

COSINE = {"curvature": 1.0, "amplitude": 1.0, "frequency": np.pi}
DIMENSIONS = (1, 2, 4, 8)


@functools.cache
def cosine(dimension: int) -> Study:
    """SGD on a separable cosine, all coordinates from the same start beyond the barrier around the best minimum."""
    problem = SeparableCosine(dimension, **COSINE)
    return Study(
        oracle=oracles.AdditiveNoise(problem, noise.Gaussian(std=5.0)),
        schedule=schedules.constant(0.05),
        x0=np.full(dimension, 1.2),
        steps=20,
        record=record.at([20]),
        observe=(),
    )


@functools.cache
def best_cell() -> tuple[float, float]:
    """Between the two maxima next to 0."""
    low, high = SeparableCosine(1, **COSINE).local_maxima(-1.5, 1.5)
    return float(low), float(high)


def all_best(dimension: int, x: jax.Array) -> jax.Array:
    """Whether the first d coordinates lie in the cell of the best minimum."""
    low, high = best_cell()
    return jnp.all((x[:dimension] > low) & (x[:dimension] < high))
