"""Sample paths of one coordinate over time."""

from matplotlib.axes import Axes

from jaxsgd.errors import InvalidInput
from jaxsgd.plot import style
from jaxsgd.record import every
from jaxsgd.runs.trajectories import sample_paths
from jaxsgd.study import Study
from jaxsgd.theory import Landscape

POINTS = 500
"""Of a path, at most."""


def paths_over_time(
    study: Study,
    trajectories: int = 5,
    seed: int = 0,
    landscape: Landscape | None = None,
    ax: Axes | None = None,
) -> Axes:
    """x_s over s, of the first trajectories of a study of one coordinate.

    - `landscape`: its maxima, between which the cells of the minima lie, are dashed lines; its minima are marks on the
      right.

    **Raises** `InvalidInput` if x has more coordinates.
    """
    check_one_coordinate(study)
    ax = style.axes(ax)
    drawn = sample_paths(study.replace(record=every(max(1, study.steps // POINTS))), trajectories, seed)
    for index, path in enumerate(drawn["x"].values[:, :, 0]):
        ax.plot(drawn["step"], path, color=style.COLOURS[index % len(style.COLOURS)], linewidth=0.8)
    if landscape is not None:
        low, high = ax.get_ylim()
        for place in landscape.maxima[(landscape.maxima > low) & (landscape.maxima < high)]:
            ax.axhline(place, color="0.5", linewidth=0.7, linestyle="--", zorder=0)
        inside = landscape.minima[(landscape.minima > low) & (landscape.minima < high)]
        ax.plot([study.steps] * len(inside), inside, "<", color="black", markersize=5, clip_on=False)
    style.over_steps(ax, drawn["step"].values)
    ax.set_ylabel(study.coordinates[0])
    return ax


def check_one_coordinate(study: Study) -> None:
    """An error for a study of more coordinates."""
    if study.dimension != 1:
        raise InvalidInput(f"this is drawn for studies of 1 coordinate, this one has {study.dimension}")
