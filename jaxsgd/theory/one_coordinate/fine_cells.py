"""Where a risk of one coordinate varies between the nodes of a quadrature rule, and cells on which it does not.

A rule sees a function at its nodes only: two rules agree on what neither of them sees. So R and R' are looked at
between the nodes, at many points, and compared there with the polynomial through the nodes of a panel. A panel on
which they differ is halved, and its halves are looked at in the same way, until the polynomials agree with the function
or a panel is as narrow as rounding.

**What is looked at.** One point, at a random but reproducible place, in each of `PROBES` equal intervals of the places
that x may be at; as many again, so to speak, where x is at times confined to much less; and points around each number
that the program of the risk contains, at distances from 1e-9 of it on, as what is narrow was mostly written as narrow.

**What it sees, and what not.** A deviation that is above `TOLERANCE` on an interval of length s is seen for certain
where s is at least two of those equal intervals, and with probability s / spacing where s is shorter than one. Narrower
ones may be missed. `spacing` says how far apart the points are.

Source: Clenshaw and Curtis (1960), Numer. Math. 2, for errors read off at points between; Berrut and Trefethen (2004),
SIAM Review 46, for the interpolation.
"""

import functools
import itertools
from collections.abc import Callable, Sequence
from typing import NamedTuple

import numpy as np

from jaxsgd.errors import NoExactSolution

Evaluate = Callable[[np.ndarray], tuple[np.ndarray, np.ndarray]]

PROBES, CONFINED = 2**17, 2**15
"""Points that are looked at of all places that x may be at, and of those that it is at times confined to."""

TOLERANCE = 1e-6
"""Deviations of R' beyond this share of sigma + |R'| are seen, those of R beyond this share of |R| + sigma h.

h is the width of a panel, |R| and |R'| are the largest in it.
"""

LARGEST = 5000
"""The most cells; with more the risk is taken to vary everywhere."""

_EVERY, _LEVELS, _NARROW = 32, 60, 1e-13

NODES, WEIGHTS = np.polynomial.legendre.leggauss(16)
_SIGNS = (-1.0) ** np.arange(16) * np.sqrt((1 - NODES**2) * WEIGHTS)


class Region(NamedTuple):
    """Intervals (k, 2) that x may be in, and the width of the panels that are used there."""

    intervals: np.ndarray
    width: float


class FineCells(NamedTuple):
    """Cells on which R and R' are polynomials to `TOLERANCE`, where panels are too wide for that.

    - `low`, `high`: their ends (cells,); none where the panels see everything that the points between them do.
    - `variation`: the total variation of R' on each.
    - `spacing`: the length of the interval in which one point was looked at.
    """

    low: np.ndarray
    high: np.ndarray
    variation: np.ndarray
    spacing: float

    def ends(self, width: float, std: float) -> np.ndarray:
        """Those of parts of the cells, on which x - eta R'(x) varies by at most `width` eta sigma from R'."""
        parts = np.maximum(np.ceil(self.variation / (width * std)), 1)
        if parts.sum() > LARGEST:
            raise NoExactSolution(_too_much(self.low[0], self.high[-1]))
        parts = parts.astype(int)
        place = np.arange(parts.sum()) - (parts.cumsum() - parts).repeat(parts)
        inner = self.low.repeat(parts) + ((self.high - self.low) / parts).repeat(parts) * place
        return np.unique(np.concatenate([inner, self.high]))


def regions(spans: np.ndarray, widths: np.ndarray) -> list[Region]:
    """Where x may be, of the intervals (laws, 2) that it is in at each step and the widths (laws,) of panels there.

    The first region is the union of all; the others are single intervals, each at most half as long as the one before.
    """
    lengths = spans[:, 1] - spans[:, 0]
    spans, widths, lengths = spans[lengths > 0], widths[lengths > 0], lengths[lengths > 0]
    if not len(spans):
        return []
    merged: list[list[float]] = []
    for low, high in spans[spans[:, 0].argsort()].tolist():
        if merged and low <= merged[-1][1]:
            merged[-1][1] = max(merged[-1][1], high)
        else:
            merged.append([low, high])
    found = [Region(np.array(merged), float(widths.max()))]
    length = sum(high - low for low, high in merged)
    for law in (-lengths).argsort(kind="stable"):
        if lengths[law] <= length / 2:
            found.append(Region(spans[law : law + 1], float(widths[law])))
            length = lengths[law]
    return found


def fine_cells(
    evaluate: Evaluate, places: Sequence[Region], kinks: np.ndarray, suspects: np.ndarray, std: float
) -> FineCells:
    """The cells that the panels of some regions need.

    **Arguments**

    - `evaluate`: R and R' at points (n,).
    - `places`: those to look at, the whole first.
    - `kinks`: panels end there.
    - `suspects`: numbers around which to look closely.
    - `std`: sigma.

    **Raises** `NoExactSolution` where it takes too many.
    """
    found, spacing = [], 0.0
    for position, region in enumerate(places):
        cells = _cut(region, kinks)
        count = CONFINED if position else PROBES
        each = 2 ** int(np.ceil(np.log2(max(_EVERY, count / len(cells)))))
        if not position:
            spacing = float((cells[:, 1] - cells[:, 0]).max() / each)
        found.append(_resolved(evaluate, cells, each, _around(suspects), np.array([[std * region.width], [std]])))
    cells = np.concatenate([cells for cells, _ in found] or [np.zeros((0, 2))])
    variation = np.concatenate([variation for _, variation in found] or [np.zeros(0)])
    return FineCells(cells[:, 0], cells[:, 1], variation, spacing)


def interpolated(values: np.ndarray, places: np.ndarray) -> np.ndarray:
    """The polynomials through values (n, 16) at the nodes, at places (n, k) in [-1, 1]: (n, k)."""
    return np.einsum("nkj,nj->nk", _interpolation(places), values)


def _interpolation(places: np.ndarray) -> np.ndarray:
    """The weights (..., 16) of the values at the nodes in those at places (...)."""
    apart = places[..., None] - NODES
    hit = apart == 0
    weights = np.where(hit.any(-1, keepdims=True), hit, _SIGNS / np.where(hit, 1, apart))
    return weights / weights.sum(-1, keepdims=True)


def _cut(region: Region, kinks: np.ndarray) -> np.ndarray:
    """A region as cells (n, 2), of at most its width, between kinks."""
    cells = []
    for low, high in region.intervals:
        ends = np.concatenate([[low], kinks[(kinks > low) & (kinks < high)], [high]])
        for start, stop in itertools.pairwise(ends):
            edges = np.linspace(start, stop, int(np.ceil((stop - start) / region.width)) + 1)
            cells.append(np.stack([edges[:-1], edges[1:]], -1))
    return np.concatenate(cells)


def _around(suspects: np.ndarray) -> np.ndarray:
    """Points near each suspect, at distances from 1e-9 to 0.5; none at another number, where a kink may be."""
    distances = np.outer(10.0 ** np.arange(-9, 0), [1, 1.5, 2, 3, 5]).ravel() * 1.0123456789
    offsets = np.concatenate([-distances, distances])
    return np.unique(suspects[:, None] + offsets)


def _resolved(
    evaluate: Evaluate, cells: np.ndarray, each: int, extra: np.ndarray, floor: np.ndarray
) -> tuple[np.ndarray, np.ndarray]:
    """Cells on which the polynomials agree, and the variation of R' there, in place of those on which they do not."""
    done, variations = [], []
    points, seen = extra, np.stack(evaluate(extra)) if len(extra) else np.zeros((2, 0))
    for level in range(_LEVELS):
        nodes, probes = _nodes_and_probes(evaluate, cells, _EVERY if level else each, near_ends=level > 0)
        owner = cells[:, 0].searchsorted(points, "right") - 1
        inside = (owner >= 0) & (points <= cells[owner, 1])
        points, seen, owner = points[inside], seen[:, inside], owner[inside]
        deviation = nodes.deviations(points, seen, owner)
        size = np.maximum(np.abs(nodes.values).max(-1), np.abs(probes.values).max(-1))  # (2, cells)
        for largest, values in zip(size, seen, strict=True):
            np.maximum.at(largest, owner, np.abs(values))
        allowed = TOLERANCE * (size + floor)
        bad_probes, bad_points = probes.deviation > allowed[..., None], deviation > allowed[:, owner]
        wrong = bad_probes.any((0, -1))
        wrong[owner[bad_points.any(0)]] = True
        narrow = cells[:, 1] - cells[:, 0] <= _NARROW * np.abs(cells).max()
        if level:
            ended = ~wrong | narrow
            done.append(cells[ended])
            variations.append(np.abs(np.diff(nodes.values[1], axis=-1)).sum(-1)[ended])
        open_cells = wrong & ~narrow
        if not open_cells.any():
            break
        if sum(map(len, done)) + 2 * open_cells.sum() > LARGEST:
            raise NoExactSolution(_too_much(cells[open_cells][0, 0], cells[open_cells][-1, 1]))
        at_fault = bad_probes.any(0) & open_cells[:, None]
        points = np.concatenate([points, probes.points[at_fault]])
        seen = np.concatenate([seen, probes.values[:, at_fault]], -1)
        order = points.argsort(kind="stable")
        points, seen = points[order], seen[:, order]
        low, high = cells[open_cells].T
        middle = (low + high) / 2
        cells = np.stack([np.stack([low, middle], -1), np.stack([middle, high], -1)], 1).reshape(-1, 2)
    if not done:
        return np.zeros((0, 2)), np.zeros(0)
    found, variation = np.concatenate(done), np.concatenate(variations)
    order = found[:, 0].argsort()
    return found[order], variation[order]


class _Nodes(NamedTuple):
    """R and R' at the nodes of cells: `values` (2, cells, 16)."""

    cells: np.ndarray
    values: np.ndarray

    def deviations(self, points: np.ndarray, seen: np.ndarray, owner: np.ndarray) -> np.ndarray:
        """|seen - polynomial| (2, n) at points (n,) of the cells `owner`."""
        low, high = self.cells[owner].T
        places = ((points - low) / (high - low) * 2 - 1)[:, None]
        expected = np.stack([interpolated(values[owner], places)[:, 0] for values in self.values])
        return np.abs(seen - expected)


class _Probes(NamedTuple):
    """Points between the nodes (cells, k), R and R' there, and how far they are from the polynomials, (2, cells, k)."""

    points: np.ndarray
    values: np.ndarray
    deviation: np.ndarray


def _nodes_and_probes(evaluate: Evaluate, cells: np.ndarray, each: int, near_ends: bool) -> tuple[_Nodes, _Probes]:
    """What is computed of cells (n, 2), with so many probes of each."""
    places, matrix = _probing(each, near_ends)
    low, halves = cells[:, :1], (cells[:, 1:] - cells[:, :1]) / 2
    points = low + halves * (1 + np.concatenate([NODES, places]))
    values = np.stack(evaluate(points.ravel())).reshape(2, len(cells), -1)
    if not np.isfinite(values).all():
        raise NoExactSolution("the risk or its gradient is not finite everywhere that x may be")
    nodes, probes = values[..., :16], values[..., 16:]
    return _Nodes(cells, nodes), _Probes(points[:, 16:], probes, np.abs(probes - nodes @ matrix.T))


@functools.lru_cache(maxsize=4)
def _probing(count: int, near_ends: bool) -> tuple[np.ndarray, np.ndarray]:
    """A place in each of `count` equal parts of [-1, 1], and what takes values at the nodes there, (count, 16).

    Some are added near both ends, beyond the last nodes, where a jump would stay unseen.
    """
    places = (np.arange(count) + np.random.default_rng(count).random(count)) / count * 2 - 1
    if near_ends:
        ends = 1 - 2 * 10.0 ** -np.arange(2, 9)
        places = np.concatenate([places, ends, -ends])
    return places, _interpolation(places)


def _too_much(low: float, high: float) -> str:
    return (
        f"the risk varies between {low:.6g} and {high:.6g} on scales far below those of the noise, in more places than "
        "a grid can follow"
    )
