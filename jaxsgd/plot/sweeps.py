"""What becomes of a final quantity when a number is swept."""

from typing import Any

import numpy as np
from matplotlib.axes import Axes

from jaxsgd.errors import InvalidInput, finite_array, integer, scalar
from jaxsgd.plot import style


def against(
    values: Any,
    estimates: Any,
    standard_errors: Any,
    exact_values: Any = None,
    exact: Any = None,
    *,
    xlabel: str,
    trajectories: int,
    ylabel: str = r"expected risk $\mathbb{E}\,R(x_T)$",
    limit: float | None = None,
    ax: Axes | None = None,
) -> Axes:
    """Estimates against a swept number, with error bars, and the exact curve with its minimiser, if that is inside.

    The scale of each axis is logarithmic where what it shows is positive and spans more than a decade.

    **Arguments**

    - `values`, `estimates`, `standard_errors`: (k,), in any order.
    - `exact_values`, `exact`: (m,), the exact curve; both or neither.
    - `trajectories`: of each estimate.
    - `limit`: a stability limit, drawn as a vertical line.

    **Raises** `InvalidInput` or `InvalidType` if the arrays are not finite or do not fit.
    """
    x, y, error = _columns(values=values, estimates=estimates, standard_errors=standard_errors)
    if error.min() < 0:
        raise InvalidInput(f"standard_errors must not be negative, got {error.min():g}")
    count = integer("trajectories", trajectories, at_least=2)
    if (exact_values is None) != (exact is None):
        raise InvalidInput("exact_values and exact make one curve: pass both or neither")
    curve = None if exact is None else _columns(exact_values=exact_values, exact=exact)
    end = None if limit is None else float(scalar("limit", limit))
    ax = style.axes(ax)
    style.points(ax, x, y, error, color=style.COLOURS[0], label=style.sample(count))
    horizontal, vertical = x, y
    if curve is not None:
        known, truth = (column[np.argsort(curve[0])] for column in curve)
        least = truth.argmin()
        ax.plot(known, truth, "--", color="black", linewidth=1, label="exact")
        if 0 < least < len(truth) - 1:  # at an end, the least value is that of the range, not of the curve
            label = f"least {truth[least]:.3g}, at {known[least]:.3g}"
            ax.plot(known[least], truth[least], "*", color=style.COLOURS[1], markersize=11, label=label)
        horizontal, vertical = np.append(x, known), np.append(y, truth)
    if end is not None:
        ax.axvline(end, color="0.35", linestyle=":", label=f"stability limit {end:g}")
    if style.decades(horizontal):
        ax.set_xscale("log")
    if style.decades(vertical):
        ax.set_yscale("log")
    ax.set(xlabel=xlabel, ylabel=ylabel)
    style.legend(ax, loc="best" if end is None else "upper center")  # between two walls
    return ax


def _columns(**given: Any) -> list[np.ndarray]:
    """Arrays of one length, at least 1."""
    arrays = [finite_array(name, value) for name, value in given.items()]
    shapes = [array.shape for array in arrays]
    if len(set(shapes)) > 1 or arrays[0].ndim != 1 or not arrays[0].size:
        raise InvalidInput(f"{', '.join(given)} must have one shape (k,), k at least 1, got {shapes}")
    return arrays
