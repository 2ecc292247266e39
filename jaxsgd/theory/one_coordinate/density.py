"""The law of SGD in one dimension with additive noise, by quadrature of its density.

x_{t+1} = m(x_t) - w_t xi_t with m(x) = x - eta_t R'(x_t), so that x_{t+1} has the density

    p_{t+1}(y) = int p_t(x) f((m(x) - y) / w_t) / w_t dx,    f the density of xi.

The law of x_t is kept as points x_j with masses q_j, with which sum_j q_j g(x_j) is the Gauss-Legendre rule
for E g(x_t) on panels of a few w_t sigma that end at the kinks of R, sigma being the scale of xi. One step makes of it
a mixture of shifted densities with centres m(x_j) and weights q_j, which is computed at the points of a new grid. As it
is smooth between the kinks where f is, the error falls faster than any power of the panels' width; and the grid
follows the law, wherever it goes and however narrow it becomes. Where R varies faster than p_t, panels are cut
into cells that are as narrow as that takes: there p_t is interpolated from the nodes of the panel, as it is smooth on
the scale of the noise whatever R is.

Source: Nystroem (1930), Acta Math. 54, for the discretisation; Trefethen (2008), SIAM Review 50(1), for
Gauss-Legendre quadrature.
"""

from collections.abc import Iterator, Sequence
from typing import NamedTuple

import numpy as np

from jaxsgd.errors import NoExactSolution
from jaxsgd.theory.one_coordinate.fine_cells import NODES, WEIGHTS, interpolated
from jaxsgd.theory.one_coordinate.update_of_density import NoiseDensity, UpdateOfDensity

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
    update: UpdateOfDensity,
    steps: int,
    grid: Resolution,
    fine: np.ndarray | None = None,
    inside: tuple[float, float] = (-np.inf, np.inf),
    avoided: Sequence[tuple[float, float]] = (),
) -> Iterator[Law]:
    """The laws of x_0 .. x_s.

    **Arguments**

    - `update`: what a step does.
    - `steps`: s.
    - `grid`: how fine the grids are.
    - `fine`: ends of narrow cells, increasing, at which panels are cut besides.
    - `inside`: an interval; what leaves it is taken away, so that masses sum to the probability of having stayed.
    - `avoided`: intervals [low, high), whose ends are among the kinks; what enters one is taken away as well.

    **Raises** `NoExactSolution` where a grid would be too large, or R' is not finite.
    """
    noise, kinks = update.noise, update.kinks
    points, total = np.array([update.start]), 0
    law = Law(points, np.ones(1), *update.evaluate(points))
    yield law
    rates, widths = update.rates[:steps], update.widths[:steps]
    for t, (eta, width, finest) in enumerate(zip(rates, widths, finest_widths(widths), strict=True)):
        if eta > 0 and len(law.points):
            centres = law.points - eta * law.slopes
            if not np.isfinite(centres).all():
                raise NoExactSolution(f"the gradient is not finite everywhere that x_{t} may be")
            low = max(float(centres.min()) - noise.high * width, inside[0])
            high = min(float(centres.max()) - noise.low * width, inside[1])
            if low >= high:
                law = Law(*np.zeros((4, 0)))
                yield law
                continue
            size = len(NODES) * (high - low) / (grid.width * finest * noise.scale)
            total += size
            if size > LARGEST_GRID or total > LARGEST_TOTAL:
                raise NoExactSolution(
                    f"x_{t + 1} may be anywhere in an interval of length {high - low:.3g}, and one update adds "
                    f"noise of only {finest * noise.scale:.3g}: grids that resolve both would be too large"
                )
            panels = panels_of(low, high, kinks, grid.width * finest * noise.scale)
            points, density = panels.points, mixture(centres, law.masses, width, noise, panels.points)
            if fine is not None:
                panels, density = _cut(panels, density, fine)
                points = panels.points
                total += len(points)
                if len(points) > LARGEST_GRID or total > LARGEST_TOTAL:
                    raise NoExactSolution("grids that resolve the risk would be too large")
            masses = panels.weights * density
            for start, end in avoided:
                masses[(points >= start) & (points < end)] = 0.0
            below, above = masses.cumsum(), masses[::-1].cumsum()
            kept = slice(below.searchsorted(grid.lost, "right"), len(masses) - above.searchsorted(grid.lost, "right"))
            law = Law(points[kept], masses[kept], *update.evaluate(points[kept]))
        yield law


def finest_widths(widths: np.ndarray) -> np.ndarray:
    """Of each width and the next positive one, the smaller: the next step multiplies the density by that of noise."""
    following = np.append(widths[1:], 0.0)
    for t in range(len(widths) - 2, -1, -1):
        following[t] = following[t] or following[t + 1]
    return np.where(following > 0, np.minimum(widths, following), widths)


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


def panels_of(low: float, high: float, kinks: np.ndarray, width: float) -> Panels:
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


def mixture(
    centres: np.ndarray, weights: np.ndarray, width: float, noise: NoiseDensity, points: np.ndarray
) -> np.ndarray:
    """The density of sum_j weights_j law(centres_j - width xi) at increasing points."""
    first = points.searchsorted(centres - noise.high * width)
    count = int((points.searchsorted(centres - noise.low * width) - first).max())
    near = first[:, None] + np.arange(count)  # the points that a centre reaches, and some beyond the last one
    extended = np.concatenate([points, np.full(count, np.inf)])
    heights = extended.take(near)
    np.subtract(centres[:, None], heights, out=heights)
    heights /= width
    heights = noise.density(heights)
    heights *= weights[:, None]
    density = np.bincount(near.ravel(), heights.ravel(), minlength=len(extended))[: len(points)]
    return density / width


def mixture_anywhere(
    centres: np.ndarray, weights: np.ndarray, width: float, noise: NoiseDensity, points: np.ndarray
) -> np.ndarray:
    """The same at points in any order."""
    order, found = points.argsort(), np.empty(len(points))
    found[order] = mixture(centres, weights, width, noise, points[order])
    return found
