"""The risk as a landscape."""

from typing import Any

import jax
import numpy as np
from jax.flatten_util import ravel_pytree
from matplotlib.axes import Axes

from jaxsgd.plot import style
from jaxsgd.problems import Problem

_POINTS = 200  # along each side


def landscape(
    problem: Problem,
    first: tuple[float, float],
    second: tuple[float, float],
    like: Any = (0.0, 0.0),
    ax: Axes | None = None,
) -> Axes:
    """Contours of a risk of two coordinates; above the minimum, each is twice as high as the next.

    **Arguments**

    - `first`, `second`: the ranges of the two coordinates.
    - `like`: a point in the structure of x; default a vector.
    """
    ax = style.axes(ax)
    _, unravel = ravel_pytree(jax.tree.map(np.asarray, like))
    grid = np.meshgrid(np.linspace(*first, _POINTS), np.linspace(*second, _POINTS))
    points = np.stack([axis.ravel() for axis in grid], axis=1).astype(np.float32)
    risk = np.asarray(jax.jit(jax.vmap(lambda point: problem.value(unravel(point))))(points)).reshape(grid[0].shape)
    floor = risk.min() if problem.minimum is None else problem.minimum
    height = np.log2(np.maximum(risk - floor, np.finfo(np.float32).tiny))
    top = np.floor(height.max())
    levels = np.arange(top - 9, top + 1)
    ax.contour(*grid, height, levels=levels, colors="0.75", linewidths=0.7, linestyles="solid")
    ax.plot([], [], color="0.75", linewidth=0.7, label="risk, doubling between contours")
    return ax
