"""The best cells of a sweep over steps."""

import numpy as np
from matplotlib.axes import Axes

from jaxsgd.errors import InvalidType, integer
from jaxsgd.plot import cell_values as cells
from jaxsgd.plot import style
from jaxsgd.plot.estimates_over_steps import curves
from jaxsgd.results.sweep_result import SweepResult
from jaxsgd.runs.comparison import Comparison


def leaders(swept: SweepResult, comparison: Comparison, most: int = 5, ax: Axes | None = None) -> Axes:
    """The mean of the compared observable over steps, of the cells with the smallest at the compared step.

    As [`jaxsgd.plot.curves`][] draws several results, the best cell first; exact means are dashed where there are any.

    **Arguments**

    - `swept`: what [`jaxsgd.sweep`][] returns.
    - `comparison`: of its cells.
    - `most`: so many cells, fewer if others diverged.

    **Raises** `InvalidInput` or `InvalidType` if the comparison is of another sweep.
    """
    if not (isinstance(swept, SweepResult) and isinstance(comparison, Comparison)):
        raise InvalidType(
            f"leaders draws what sweep and compare return, got {type(swept).__name__} and {type(comparison).__name__}"
        )
    count = min(integer("most", most, at_least=1), int((~comparison.best.divergent).sum()))
    order = np.argsort(np.where(comparison.best.divergent, np.inf, comparison.means), kind="stable")
    chosen = [comparison.cells[index] for index in order[:count]]
    exact = {cell.label: known for cell in chosen if (known := cells.known(cell)) is not None}
    ax = curves({cell.label: swept.result(cell) for cell in chosen}, [comparison.observable], exact, ax=ax)
    title = f"{count} of {len(comparison.cells)} cells, best at step {comparison.step:,} first"
    style.legend(ax, title=title, alignment="left")
    return ax
