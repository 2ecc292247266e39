"""Sample paths on the graph of a risk of one coordinate."""

import numpy as np
from matplotlib.axes import Axes

from jaxsgd.errors import InvalidInput
from jaxsgd.plot import style
from jaxsgd.plot.paths_over_time import POINTS, check_one_coordinate
from jaxsgd.record import every
from jaxsgd.runs.trajectories import sample_paths
from jaxsgd.study import Study
from jaxsgd.theory.one_coordinate.pointwise import pointwise


def paths_on_landscape(
    study: Study,
    interval: tuple[float, float],
    trajectories: int = 3,
    seed: int = 0,
    ax: Axes | None = None,
) -> Axes:
    """R over an interval, and where on it the first trajectories are at up to 500 of their steps.

    Each trajectory has its colour; its points are pale, so that they are dark where it stays; a ring is its end.

    **Raises** `InvalidInput` if x has more coordinates, or the study no problem.
    """
    check_one_coordinate(study)
    if study.oracle.problem is None:
        raise InvalidInput("paths on a landscape need a problem, whose risk is drawn")
    risk = pointwise(study.oracle.problem, study.point)
    ax = style.axes(ax)
    x = np.linspace(*interval, 800)
    ax.plot(x, risk(x)[0], color="0.4", linewidth=1, zorder=1)
    drawn = sample_paths(study.replace(record=every(max(1, study.steps // POINTS))), trajectories, seed)["x"].values
    for index, path in enumerate(drawn[:, :, 0].astype(np.float64)):
        colour, heights = style.COLOURS[index % len(style.COLOURS)], risk(path)[0]
        ax.plot(path, heights, "o", color=colour, markersize=4, markeredgewidth=0, alpha=0.25, zorder=2)
        ax.plot(path[-1:], heights[-1:], "o", color=colour, markersize=9, markerfacecolor="none", zorder=3)
    ax.plot(*(part[:1] for part in (drawn[0, :, 0], risk(drawn[0, :1, 0].astype(np.float64))[0])), "kv", zorder=3)
    ax.set(xlabel=study.coordinates[0], ylabel="risk", xlim=interval)
    return ax
