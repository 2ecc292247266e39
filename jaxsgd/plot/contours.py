"""The risk as a landscape."""

from typing import Any

import jax
import numpy as np
from jax.flatten_util import ravel_pytree
from matplotlib.axes import Axes

from jaxsgd import compiler
from jaxsgd.plot import style
from jaxsgd.problems import Problem

_POINTS = 200  # along each side
_CONTOURS, _OCTAVES = 10, 10  # contours cover the highest octaves of the risk's height above its minimum


def landscape(
    problem: Problem,
    first: tuple[float, float],
    second: tuple[float, float],
    like: Any = None,
    ax: Axes | None = None,
) -> Axes:
    """Contours of a risk of two coordinates, evenly spaced in the logarithm of its height above the minimum.

    **Arguments**

    - `first`, `second`: the ranges of the two coordinates.
    - `like`: a point in the structure of x; by default x is a vector.
    """
    ax = style.axes(ax)
    _, unravel = ravel_pytree(np.zeros(2) if like is None else like)
    grid = np.meshgrid(np.linspace(*first, _POINTS), np.linspace(*second, _POINTS))
    points = np.stack([axis.ravel() for axis in grid], axis=1).astype(np.float32)
    risk = np.asarray(compiler.jit(jax.vmap(lambda point: problem.value(unravel(point))))(points)).reshape(
        grid[0].shape
    )
    floor = risk.min() if problem.minimum is None else problem.minimum
    height = np.ma.masked_invalid(np.log2(np.maximum(risk - floor, np.finfo(np.float32).tiny)))
    low, high = max(height.min(), height.max() - _OCTAVES), height.max()
    if low < high:  # not where the risk is flat, or overflows everywhere
        levels = np.linspace(low, high, _CONTOURS + 2)[1:-1]
        ax.contour(*grid, height, levels=levels, colors="0.75", linewidths=0.7, linestyles="solid")
        ax.plot([], [], color="0.75", linewidth=0.7, label="contours of the risk, log-spaced")
    return ax
