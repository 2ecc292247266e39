"""Sample paths in the plane."""

from jax.flatten_util import ravel_pytree
from matplotlib.axes import Axes

from jaxsgd.errors import InvalidInput
from jaxsgd.oracles import FullGradient
from jaxsgd.plot import style
from jaxsgd.plot.contours import landscape
from jaxsgd.record import every
from jaxsgd.runs.trajectories import sample_paths
from jaxsgd.study import Study

_POINTS = 1000  # along a path


def paths(study: Study, trajectories: int = 5, seed: int = 0, ax: Axes | None = None) -> Axes:
    """The first trajectories of a study of two coordinates, with gradient descent from the same start.

    Contours of the risk, the minimiser and gradient descent are drawn where the problem is known.
    """
    if study.dimension != 2:
        raise InvalidInput(f"paths are drawn for studies of 2 coordinates, this one has {study.dimension}")
    ax = style.axes(ax)
    study = study.replace(record=every(max(1, study.steps // _POINTS)))
    drawn = sample_paths(study, trajectories, seed)["x"].values
    for index, path in enumerate(drawn):
        label = f"{trajectories} SGD trajectories" if index == 0 else None
        ax.plot(*path.T, color=style.COLOURS[index % len(style.COLOURS)], linewidth=0.9, label=label)
    problem = study.oracle.problem
    if problem is not None:
        descent = sample_paths(study.replace(oracle=FullGradient(problem)), 1, seed)["x"].values[0]
        ax.plot(*descent.T, "--", color="black", linewidth=1.6, label="gradient descent")
        if problem.minimiser is not None:
            ax.plot(*ravel_pytree(problem.minimiser)[0], "*", color="black", markersize=11, label="minimiser")
    ax.plot(*drawn[0, 0], "o", color="black", markersize=6, label="start")
    if problem is not None:
        landscape(problem, ax.get_xlim(), ax.get_ylim(), like=study.near_start, ax=ax)
    first, second = study.coordinates
    ax.set(xlabel=first, ylabel=second)
    ax.legend(frameon=False, fontsize="small")
    return ax
