"""How often an example is drawn in one epoch with replacement."""

from typing import Any

import numpy as np
from matplotlib.axes import Axes

from jaxsgd import theory
from jaxsgd.errors import InvalidInput, finite_array, integer
from jaxsgd.plot import style

_LARGEST = 1000  # the exact curves go at least up to this n


def frequencies(n: Any, at_least_once: Any, exactly_once: Any, trajectories: int, ax: Axes | None = None) -> Axes:
    """Shares of n examples that n draws with replacement hit at least once and exactly once, and their limits.

    Estimates are points, the exact probabilities of every n dashed, their limits 1 - 1/e and 1/e thin lines.

    **Arguments**

    - `n`: numbers of examples (k,), integers from 1.
    - `at_least_once`, `exactly_once`: (k, 2), for each n an estimate and its standard error.
    - `trajectories`: epochs behind each estimate.

    **Raises** `InvalidInput` or `InvalidType` if the arrays are not finite or do not fit.
    """
    sizes, count = finite_array("n", n), integer("trajectories", trajectories, at_least=2)
    if sizes.ndim != 1 or not sizes.size:
        raise InvalidInput(f"n must have shape (k,), k at least 1, got {sizes.shape}")
    theory.at_least_once(sizes)  # raises where n is not a count
    given = {"at_least_once": at_least_once, "exactly_once": exactly_once}
    rows = {name: finite_array(name, value) for name, value in given.items()}
    for name, array in rows.items():
        if array.shape != (sizes.size, 2):
            raise InvalidInput(
                f"{name} must have shape {(sizes.size, 2)}, (estimate, standard error), got {array.shape}"
            )
        if array[:, 1].min() < 0:
            raise InvalidInput(f"the standard errors in {name} must not be negative, got {array[:, 1].min():g}")
    ax = style.axes(ax)
    every = np.unique(np.rint(np.geomspace(1, max(_LARGEST, sizes.max()), 200)))
    limits = {"$1 - 1/e$": theory.AT_LEAST_ONCE_LIMIT, "$1/e$": theory.EXACTLY_ONCE_LIMIT}
    exact = (theory.at_least_once(every), theory.exactly_once(every))
    for index, ((name, array), (text, limit)) in enumerate(zip(rows.items(), limits.items(), strict=True)):
        colour, marker = style.COLOURS[index], style.MARKERS[index]
        ax.axhline(limit, color="0.6", linewidth=0.7)
        ax.text(1, limit, f" {text}", transform=ax.get_yaxis_transform(), va="center", fontsize="small")
        ax.plot(every, exact[index], "--", color="black", linewidth=1, label=None if index else "exact")
        style.points(ax, sizes, *array.T, color=colour, fmt=marker, label=name.replace("_", " "))
    ax.set(xscale="log", xlabel="examples $n$, drawn $n$ times with replacement")
    ax.set_ylabel(f"share of examples\n{style.sample(count)}")
    style.legend(ax)
    return ax
