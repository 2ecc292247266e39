"""The density of one coordinate over time."""

from collections.abc import Sequence
from typing import Any

import numpy as np
from matplotlib.axes import Axes

from jaxsgd.plot import style
from jaxsgd.theory import MarkovKernel


def density(kernel: MarkovKernel, x: Any, steps: Sequence[int] | None = None, ax: Axes | None = None) -> Axes:
    """The exact density of x_s at points (n,), one curve for each of some steps, later ones darker.

    **Arguments**

    - `kernel`: what [`jaxsgd.theory.markov_kernel`][] returns.
    - `steps`: default the recorded ones from 1 on.
    """
    points = np.asarray(x, np.float64)
    at = [int(step) for step in (kernel.study.recorded_steps if steps is None else steps) if step > 0]
    ax = style.axes(ax)
    for index, step in enumerate(at):
        shade = 0.75 * (1 - (index + 1) / len(at))
        ax.plot(points, kernel.density(points, step), color=str(shade), linewidth=1, label=f"{step}")
    ax.set(xlabel=kernel.study.coordinates[0], ylabel="density of $x_s$", ylim=(0, None))
    style.legend(ax, title="step $s$")
    return ax
