"""The law of SGD in one dimension with additive Gaussian noise, by quadrature of its density.

x_{t+1} = m(x_t) - eta_t sigma z_t with m(x) = x - eta_t R'(x), so that x_{t+1} has the density

    p_{t+1}(y) = int p_t(x) phi(y - m(x)) dx,    phi the density of N(0, (eta_t sigma)^2).

The law of x_t is kept as points x_j with masses q_j, with which sum_j q_j f(x_j) is the Gauss-Legendre rule
for E f(x_t) on panels of a few eta sigma that end at the kinks of R. One step makes of it a mixture of
Gaussians with centres m(x_j) and weights q_j, whose density is computed at the points of a new grid. As the
density is smooth between the kinks, the error falls faster than any power of the panels' width; and the grid
follows the law, wherever it goes and however narrow it becomes. Where R varies faster than p_t, panels are cut
into cells that are as narrow as that takes: there p_t is interpolated from the nodes of the panel, as it is smooth on
the scale of the noise whatever R is.

Source: Nystroem (1930), Acta Math. 54, for the discretisation; Trefethen (2008), SIAM Review 50(1), for
Gauss-Legendre quadrature.
"""

import math
from collections.abc import Callable, Iterator
from typing import NamedTuple

import numpy as np

from jaxsgd.errors import NoExactSolution
from jaxsgd.theory.fine_cells import NODES, WEIGHTS, interpolated

TAIL = 8.3
"""Gaussians are cut off at this many standard deviations, where 1e-16 of their mass is left."""

LARGEST_GRID, LARGEST_TOTAL = 10**5, 10**7
"""The most points of one grid, and of the grids of all steps: some seconds."""


class Resolution(NamedTuple):
    """The width of a panel in units of eta sigma, and the mass that one step may cut off at each end."""

    width: float
    lost: float


class Law(NamedTuple):
    """The law of x_t as points with masses, and the risk and its derivative there; each (n,)."""

    points: np.ndarray
    masses: np.ndarray
    risks: np.ndarray
    slopes: np.ndarray


def densities(
    start: float,
    rates: np.ndarray,
    std: float,
    evaluate: Callable[[np.ndarray], tuple[np.ndarray, np.ndarray]],
    kinks: np.ndarray,
    grid: Resolution,
    fine: np.ndarray | None = None,
) -> Iterator[Law]:
    """The laws of x_0 .. x_T.

    **Arguments**

    - `start`, `rates`, `std`: x_0, eta_0 .. eta_{T-1}, sigma > 0.
    - `evaluate`: R and R' at points (n,).
    - `kinks`: between them R is smooth.
    - `grid`: how fine the grids are.
    - `fine`: ends of narrow cells, increasing, at which panels are cut besides.

    **Raises** `NoExactSolution` where a grid would be too large, or R' is not finite.
    """
    points, total, kinks = np.array([start]), 0, np.unique(kinks)
    law = Law(points, np.ones(1), *evaluate(points))
    yield law
    for t, (eta, finest) in enumerate(zip(rates.tolist(), finest_rates(rates).tolist(), strict=True)):
        if eta > 0:
            centres = law.points - eta * law.slopes
            if not np.isfinite(centres).all():
                raise NoExactSolution(f"the gradient is not finite everywhere that x_{t} may be")
            ends = float(centres.min()) - TAIL * eta * std, float(centres.max()) + TAIL * eta * std
            size = len(NODES) * (ends[1] - ends[0]) / (grid.width * finest * std)
            total += size
            if size > LARGEST_GRID or total > LARGEST_TOTAL:
                raise NoExactSolution(
                    f"x_{t + 1} may be anywhere in an interval of length {ends[1] - ends[0]:.3g}, and one update adds "
                    f"noise of only eta sigma = {finest * std:.3g}: grids that resolve both would be too large"
                )
            panels = _panels(*ends, kinks, grid.width * finest * std)
            points, density = panels.points, _mixture(centres, law.masses, eta * std, panels.points)
            if fine is not None:
                panels, density = _cut(panels, density, fine)
                points = panels.points
                total += len(points)
                if len(points) > LARGEST_GRID or total > LARGEST_TOTAL:
                    raise NoExactSolution("grids that resolve the risk would be too large")
            masses = panels.weights * density
            below, above = masses.cumsum(), masses[::-1].cumsum()
            kept = slice(below.searchsorted(grid.lost, "right"), len(masses) - above.searchsorted(grid.lost, "right"))
            law = Law(points[kept], masses[kept], *evaluate(points[kept]))
        yield law


def finest_rates(rates: np.ndarray) -> np.ndarray:
    """Of each rate and the next positive one, the smaller: the next step multiplies the density by Gaussians."""
    following = np.append(rates[1:], 0.0)
    for t in range(len(rates) - 2, -1, -1):
        following[t] = following[t] or following[t + 1]
    return np.where(following > 0, np.minimum(rates, following), rates)


class Panels(NamedTuple):
    """The Gauss-Legendre rule on panels, by their middles and half their widths, (panels, 1) each."""

    middles: np.ndarray
    halves: np.ndarray

    @property
    def points(self) -> np.ndarray:
        return (self.middles + self.halves * NODES).ravel()

    @property
    def weights(self) -> np.ndarray:
        return (self.halves * WEIGHTS).ravel()


def _panels(low: float, high: float, kinks: np.ndarray, width: float) -> Panels:
    """Panels of at most this width, which end at the kinks."""
    ends = np.array([low, *kinks[kinks.searchsorted(low, "right") : kinks.searchsorted(high)], high])
    lengths = ends[1:] - ends[:-1]
    panels = np.ceil(lengths / width).astype(int)
    halves = (lengths / (2 * panels)).repeat(panels)[:, None]
    before = (panels.cumsum() - panels).repeat(panels)  # how many panels there are before the kink to the left
    odd = 2 * (np.arange(len(before)) - before) + 1
    return Panels(ends[:-1].repeat(panels)[:, None] + halves * odd[:, None], halves)


def _cut(panels: Panels, density: np.ndarray, ends: np.ndarray) -> tuple[Panels, np.ndarray]:
    """The panels cut at these ends, and the density at their points, interpolated from that at the points of before."""
    lows, highs = (panels.middles - panels.halves).ravel(), (panels.middles + panels.halves).ravel()
    inside = ends[(ends > lows[0]) & (ends < highs[-1])]
    edges = np.unique(np.concatenate([lows, inside, highs[-1:]]))
    middles, halves = ((edges[1:] + edges[:-1]) / 2)[:, None], ((edges[1:] - edges[:-1]) / 2)[:, None]
    whole = lows.searchsorted(middles.ravel(), "right") - 1  # the panel that each is a part of
    cut = np.bincount(whole, minlength=len(lows))[whole] > 1
    middles, halves = (
        np.where(cut[:, None], new, old[whole]) for new, old in zip((middles, halves), panels, strict=True)
    )
    values = density.reshape(-1, len(NODES))[whole]
    places = (middles[cut] + halves[cut] * NODES - panels.middles[whole[cut]]) / panels.halves[whole[cut]]
    values[cut] = np.maximum(interpolated(values[cut], places), 0.0)
    return Panels(middles, halves), values.ravel()


def _mixture(centres: np.ndarray, weights: np.ndarray, std: float, points: np.ndarray) -> np.ndarray:
    """The density of sum_j weights_j N(centres_j, std^2) at increasing points."""
    first = points.searchsorted(centres - TAIL * std)
    count = int((points.searchsorted(centres + TAIL * std) - first).max())
    near = first[:, None] + np.arange(count)  # the points that a centre reaches, and some beyond the last one
    extended = np.concatenate([points, np.full(count, np.inf)])
    heights = extended.take(near)
    heights -= centres[:, None]
    heights /= std
    heights *= heights
    heights *= -0.5
    np.exp(heights, out=heights)
    heights *= weights[:, None]
    density = np.bincount(near.ravel(), heights.ravel(), minlength=len(extended))[: len(points)]
    return density / (std * math.sqrt(2 * math.pi))
