"""What is asked of the laws of x_0, x_1, .., on grids fine enough for it."""

from collections.abc import Callable, Iterator, Sequence
from typing import NamedTuple

import numpy as np

from jaxsgd.errors import NoExactSolution
from jaxsgd.theory.one_coordinate.density import Law, Resolution, densities, finest_widths
from jaxsgd.theory.one_coordinate.fine_cells import FineCells, fine_cells, regions
from jaxsgd.theory.one_coordinate.update_of_density import UpdateOfDensity

Answers = dict[str, np.ndarray]
EVERYWHERE = (-np.inf, np.inf)

TOLERANCE = 1e-6
"""Answers on two grids that differ by more than this count as wrong."""

FINE_GRIDS = (Resolution(3.0, 1e-15), Resolution(1.5, 1e-15), Resolution(0.75, 1e-15))
"""Those where panels are cut into cells: they interpolate densities to 1e-9 and better."""

GRIDS = (Resolution(8.0, 1e-14), Resolution(6.0, 1e-15), Resolution(3.0, 1e-15), Resolution(1.5, 1e-15))
"""The grids that are tried, until two after each other agree."""


class Agreed(NamedTuple):
    """The answers on which two grids agree, by how much, and the finer grid with the intervals of its laws.

    - `spacing`: of the points between the nodes at which R was looked at.
    """

    answers: Answers
    error: float
    grid: Resolution
    spans: np.ndarray
    spacing: float = np.inf


class Quadrature(NamedTuple):
    """Answers about the laws of x_0 .. x_s.

    - `update`: what a step does.
    - `steps`: s.
    - `ask`: from the laws to what is wanted of them.
    - `difference`: of two answers, and of that which should be 1 but for what left: the relative error.
    - `inside`: an interval outside which everything is taken away.
    - `avoided`: intervals in which everything is taken away; their ends are among the kinks.
    """

    update: UpdateOfDensity
    steps: int
    ask: Callable[[Iterator[Law]], Answers]
    difference: Callable[[Answers, Answers], float]
    inside: tuple[float, float] = EVERYWHERE
    avoided: Sequence[tuple[float, float]] = ()

    def agreed(self) -> Agreed:
        """The answers, to 1e-6.

        Grids agree on what no node of theirs sees; therefore R and R' are also looked at between the nodes, wherever
        x may be. Where they vary there, panels are cut, and the question is asked again.

        **Raises** `NoExactSolution` where grids do not agree, or would be too large.
        """
        found = self._on_two(GRIDS)
        cells = self._unseen(found)
        while len(cells.low):
            again = self._on_two(FINE_GRIDS, cells)
            difference = max(again.error, self.difference(found.answers, again.answers))
            found, before = again, cells
            if difference <= TOLERANCE:
                found = found._replace(error=difference)
                break
            cells = self._unseen(found)
            if np.isin(cells.low, before.low).all():
                break
        if found.error > TOLERANCE:
            raise NoExactSolution(
                f"the law of x is found by quadrature, and the answers on two grids differ by {found.error:.1g}, which "
                f"is more than {TOLERANCE:g}: the density of the noise must be smooth, and the risk between the kinks "
                "that the problem states, or vary in few places only"
            )
        return found._replace(spacing=cells.spacing)

    def _on_two(self, grids: Sequence[Resolution], cells: FineCells | None = None) -> Agreed:
        """The answers on the first of some grids that agrees with the one before, or else on the last."""
        found: Agreed | None = None
        for grid in grids:
            fine = None if cells is None else cells.ends(grid.width, self.update.noise.scale)
            answers, spans = self._on(grid, fine)
            error = np.inf if found is None else self.difference(answers, found.answers)
            found = Agreed(answers, error, grid, spans)
            if error <= TOLERANCE:
                break
        assert found is not None
        return found

    def _on(self, grid: Resolution, fine: np.ndarray | None) -> tuple[Answers, np.ndarray]:
        spans = []

        def watched() -> Iterator[Law]:
            for law in densities(self.update, self.steps, grid, fine, self.inside, self.avoided):
                spans.append((law.points[0], law.points[-1]) if len(law.points) else (0.0, 0.0))
                yield law

        return self.ask(watched()), np.array(spans)

    def _unseen(self, found: Agreed) -> FineCells:
        """The cells that the panels need, wherever the laws are."""
        scale = self.update.noise.scale
        widths = found.grid.width * scale * finest_widths(self.update.widths[: len(found.spans) - 1])
        places = regions(found.spans[1:], widths)
        return fine_cells(self.update.evaluate, places, self.update.kinks, self.update.suspects, scale)
