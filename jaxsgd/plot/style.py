"""What all figures have in common."""

from typing import Any

import numpy as np
from matplotlib.axes import Axes

# Okabe and Ito (2008), "Color universal design", without yellow, which is too faint for lines.
COLOURS = ("#0072B2", "#D55E00", "#009E73", "#CC79A7", "#E69F00", "#56B4E9")
MARKERS = ("o", "s", "^", "D", "v", "P")

_DENSER = 4  # records that lie so much denser at the start are on a scale of logarithms


def axes(ax: Axes | None, size: tuple[float, float] | None = None) -> Axes:
    """These axes, or those of a new figure of pyplot, of this size in inches."""
    if ax is None:
        import matplotlib.pyplot as plt  # only here: it chooses a window system

        _, ax = plt.subplots(figsize=size, layout="constrained")
    ax.spines[["top", "right"]].set_visible(False)
    return ax


def legend(ax: Axes, **options: Any) -> None:
    """The legend, small and without a frame."""
    ax.legend(frameon=False, fontsize="small", title_fontsize="small", **options)


def points(ax: Axes, x: Any, estimates: Any, standard_errors: Any, **options: Any) -> None:
    """Estimates as points, with bars of 2 standard errors."""
    given = {"color": "black", "fmt": "o", "markersize": 4, "linewidth": 1, "capsize": 2, "zorder": 3} | options
    ax.errorbar(x, estimates, yerr=2 * np.asarray(standard_errors), **given)


def sample(trajectories: int) -> str:
    """What `points` draws, in words."""
    return f"{trajectories:,} trajectories ± 2 standard errors"


def decades(values: Any) -> bool:
    """Whether values are positive and span more than a decade, and so belong on a scale of logarithms."""
    return bool(0 < 10 * np.min(values) < np.max(values))


def over_steps(ax: Axes, steps: np.ndarray) -> None:
    """The axis of recorded steps; its scale is logarithmic if the records grow sparse."""
    gaps = np.diff(steps)
    if len(gaps) and gaps[-1] > _DENSER * gaps[0]:
        ax.set_xscale("symlog", linthresh=1)
        ax.set_xlim(left=0)
    else:
        ax.locator_params(axis="x", integer=True)
    ax.set_xlabel("step $s$")
