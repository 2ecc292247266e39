"""Equations for a kernel that is the same at every step: mean exit times and stationary laws, by Nystroem's method.

On an interval A a function u is known by its values at the nodes y_j of Gauss-Legendre rules on panels, with weights
w_j; then (K u)(x) = sum_j w_j k(x, y_j) u(y_j), k(x, y) = f((m(x) - y) / w) / w being the density of x_{t+1} = y given
x_t = x.

- The mean number of updates to the first x_t outside A, from x: u = 1 + K u on A.
- The stationary law: p = K' p, with sum_j w_j p_j = 1.

Panels are cut where R varies between the nodes, as for the densities of each step.

Source: Nystroem (1930), Acta Math. 54; Kress (2014), Linear Integral Equations, chapter 12.
"""

from typing import NamedTuple

import numpy as np
import scipy.linalg

from jaxsgd.errors import NoExactSolution
from jaxsgd.theory.one_coordinate.density import Panels, mixture_anywhere, panels_of
from jaxsgd.theory.one_coordinate.fine_cells import FineCells, fine_cells, regions
from jaxsgd.theory.one_coordinate.quadrature import TOLERANCE
from jaxsgd.theory.one_coordinate.update_of_density import UpdateOfDensity

MOST_NODES = 6000
"""Of a dense system of equations: some seconds."""

SLOWEST = 1e8
"""The most updates after which the chain must have forgotten its start; beyond that rounding decides upon its law."""

_WIDTHS = (4.0, 2.5, 1.6, 1.0)
"""Of panels in units of the noise of one update, until the answers on two agree."""


class Kernel(NamedTuple):
    """K on the nodes of one grid: `transition` (n, n) holds w_j k(y_i, y_j), and `weights` (n,) the w_j."""

    nodes: np.ndarray
    weights: np.ndarray
    transition: np.ndarray


def grids(update: UpdateOfDensity, ends: tuple[float, float], cuts: np.ndarray) -> "list[Grid]":
    """Those on an interval, coarse to fine; panels end at the cuts as well."""
    kinks = np.unique(np.concatenate([update.kinks, cuts]))
    width = float(update.widths[0]) * update.noise.scale
    places = regions(np.array([ends]), np.array([_WIDTHS[1] * width]))
    cells = fine_cells(update.evaluate, places, kinks, update.suspects, update.noise.scale)
    return [Grid(update, ends, kinks, cells, each) for each in _WIDTHS]


class Grid(NamedTuple):
    """A grid on an interval, whose panels are so many widths of the noise wide at most."""

    update: UpdateOfDensity
    ends: tuple[float, float]
    kinks: np.ndarray
    cells: FineCells
    width: float

    def kernel(self) -> Kernel:
        update, (low, high) = self.update, self.ends
        eta, width = float(update.rates[0]), float(update.widths[0])
        kinks = self.kinks
        if len(self.cells.low):
            kinks = np.unique(np.concatenate([kinks, self.cells.ends(self.width, update.noise.scale)]))
        size = 16 * ((high - low) / (self.width * width * update.noise.scale) + len(kinks))
        if size > MOST_NODES:
            raise NoExactSolution(
                f"the interval ({low:g}, {high:g}) needs about {size:.0f} nodes, more than {MOST_NODES}: one update "
                f"adds noise of only {width * update.noise.scale:.3g}"
            )
        panels: Panels = panels_of(low, high, kinks, self.width * width * update.noise.scale)
        nodes, weights = panels.points, panels.weights
        _, slopes = update.evaluate(nodes)
        centres = nodes - eta * slopes
        if not np.isfinite(centres).all():
            raise NoExactSolution(f"the gradient is not finite everywhere in ({low:g}, {high:g})")
        return Kernel(nodes, weights, weights * _densities(update, centres, nodes))

    def row(self, x: float, kernel: Kernel) -> np.ndarray:
        """w_j k(x, y_j) of one start."""
        _, slope = self.update.evaluate(np.array([x]))
        return (kernel.weights * _densities(self.update, x - self.update.rates[0] * slope, kernel.nodes))[0]


def _densities(update: UpdateOfDensity, centres: np.ndarray, nodes: np.ndarray) -> np.ndarray:
    """k(x, y), (n, m), for the centres of x and nodes y."""
    width = float(update.widths[0])
    return update.noise.density((centres[:, None] - nodes) / width) / width


def mean_exit_time(update: UpdateOfDensity, ends: tuple[float, float]) -> float:
    """E of the first t >= 1 with x_t outside an interval, from x_0 in it, on which two grids agree."""

    def solved(grid: Grid) -> float:
        kernel = grid.kernel()
        times = np.linalg.solve(np.eye(len(kernel.nodes)) - kernel.transition, np.ones(len(kernel.nodes)))
        return float(1 + grid.row(update.start, kernel) @ times)

    previous, error = np.nan, np.inf
    for grid in grids(update, ends, np.zeros(0)):
        found = solved(grid)
        error = abs(found - previous) / abs(found) if np.isfinite(previous) else np.inf
        if error <= TOLERANCE and found >= 1:
            return found
        previous = found
    raise NoExactSolution(
        f"mean exit times on two grids differ by {error:.1g} of their size; where leaving is so rare that double "
        "precision does not hold the probability, there is no exact time"
    )


class Stationary(NamedTuple):
    """The stationary law on the nodes: places and masses.

    - `error`: the largest difference of two grids, or what mass that an update loses may change of it, if that is more.
    - `spacing`: of the points between the nodes at which R was looked at.
    """

    points: np.ndarray
    masses: np.ndarray
    error: float
    spacing: float

    def difference(self, other: "Stationary") -> float:
        """Of the means and second moments, relative to the latter."""
        (m1, m2), (o1, o2) = (each.masses @ np.stack([each.points, each.points**2], 1) for each in (self, other))
        return float(max(abs(m1 - o1) / np.sqrt(o2), abs(m2 - o2) / o2))


class HardlyMixes(NoExactSolution):
    """Parts of the interval hardly communicate, or mass is lost faster than they do: no law is decided upon."""


def stationary_law(update: UpdateOfDensity, ends: tuple[float, float], cuts: np.ndarray) -> Stationary:
    """The law that the kernel keeps on an interval, on two grids that agree.

    What leaves the interval is lost: the interval is wide enough only where a wider one gives the same.

    Let A be (I - K)' on functions with sum 0. A loss of mass d at each update changes the law by |A^-1| d at most,
    so that this must be small; 1 / |A^-1| is at most the distance of the second eigenvalue of K from 1.
    """
    previous, error, bound = None, np.inf, np.inf
    for grid in grids(update, ends, cuts):
        kernel = grid.kernel()
        n = len(kernel.nodes)
        # p' = p'K with sum p = 1: that sum, spread over all equations, makes the singular system regular.
        factors = scipy.linalg.lu_factor((np.eye(n) - kernel.transition).T + np.ones((n, n)) / n)
        masses = scipy.linalg.lu_solve(factors, np.full(n, 1.0 / n))
        updates = _updates_to_forget(factors, n)
        if not updates <= SLOWEST:
            raise HardlyMixes(
                f"parts of the interval ({ends[0]:.4g}, {ends[1]:.4g}) hardly communicate: it takes about {updates:.1g}"
                " updates to forget the start, so that rounding would decide upon the law in the long run"
            )
        bound = updates * float(np.abs(masses) @ np.abs(1 - kernel.transition.sum(axis=1)))
        found = Stationary(kernel.nodes, masses, np.inf, grid.cells.spacing)
        error = np.inf if previous is None else found.difference(previous)
        if error <= TOLERANCE / 10 and bound <= TOLERANCE and masses.min() > -TOLERANCE:
            return found._replace(masses=np.maximum(masses, 0), error=max(error, bound))
        previous = found
    if error <= TOLERANCE / 10 < bound:
        raise HardlyMixes(
            f"paths leave the interval ({ends[0]:.4g}, {ends[1]:.4g}) before its parts have mixed: what leaves may "
            f"change the law by {bound:.1g}"
        )
    raise NoExactSolution(
        f"the stationary laws on two grids differ by {error:.1g}: iterates leave the interval "
        f"({ends[0]:.4g}, {ends[1]:.4g}), or go between its parts so rarely that double precision does not hold it"
    )


def _updates_to_forget(factors: tuple[np.ndarray, np.ndarray], n: int) -> float:
    """|A^-1|, about the largest of 1 / |1 - eigenvalue| but that of 1, by the power method for the inverse."""
    vector, largest = np.random.default_rng(0).standard_normal(n), 0.0
    for _ in range(10):
        vector -= vector.mean()
        vector /= np.abs(vector).sum()
        vector = scipy.linalg.lu_solve(factors, vector)
        size = float(np.abs(vector).sum())
        if not np.isfinite(size):
            return np.inf
        largest = max(largest, size)
    return largest


def density_at(points: np.ndarray, law: Stationary, update: UpdateOfDensity) -> np.ndarray:
    """The stationary density at any points: one step of the kernel from the law on the nodes."""
    _, slopes = update.evaluate(law.points)
    centres = law.points - update.rates[0] * slopes
    return mixture_anywhere(centres, law.masses, float(update.widths[0]), update.noise, points)
