"""How much of the examples each order has used."""

from collections.abc import Mapping
from typing import Any

import numpy as np
import xarray as xr
from matplotlib.axes import Axes
from matplotlib.lines import Line2D

from jaxsgd import theory
from jaxsgd.errors import InvalidInput, InvalidType, integer, nearest
from jaxsgd.orders import Order
from jaxsgd.plot import style

_POINTS = 300  # of each curve


def examples_used(
    orders: Mapping[str, Order],
    examples: int,
    batch: int = 1,
    epochs: int = 3,
    measured: Mapping[str, xr.Dataset] | None = None,
    ax: Axes | None = None,
) -> Axes:
    """Shares of n examples that each order has used at least once, and exactly once, after so many updates.

    The lines are the exact means of [`jaxsgd.theory.examples_used`][]; the points those of `measured`.

    **Arguments**

    - `orders`: by name, at least one.
    - `examples`, `batch`: n and b, as in `ExampleSampling`.
    - `epochs`: how many epochs are drawn.
    - `measured`: by the names of orders, what [`jaxsgd.sample_examples_used`][] returns for them.

    **Raises** `InvalidInput` or `InvalidType`; `NoExactSolution` where `theory.examples_used` does.
    """
    if not isinstance(orders, Mapping) or not orders:
        raise InvalidType('orders must be a dict of orders by name, as in {"shuffled": js.orders.RandomReshuffling()}')
    n, count = integer("examples", examples, at_least=1), integer("epochs", epochs, at_least=1)
    points = dict(measured or {})
    for name, found in points.items():
        if name not in orders:
            raise InvalidInput(f"measured holds {name!r}, which is not in orders; {nearest(name, list(orders))}")
        given = tuple(found.attrs[key] for key in ("order", "examples", "batch"))
        if given != (repr(orders[name]), n, batch):
            raise InvalidInput(
                f"measured[{name!r}] is of {given[0]} with n = {given[1]} and b = {given[2]}, not of "
                f"{orders[name]!r} with n = {n} and b = {batch}"
            )
    ax = style.axes(ax)
    looks = {"at_least_once": ("-", "full"), "exactly_once": ("--", "none")}
    for index, (name, order) in enumerate(orders.items()):
        colour = style.COLOURS[index % len(style.COLOURS)]
        last = count * order.updates_per_epoch(n, batch)
        exact = theory.examples_used(order, n, np.unique(np.linspace(0, last, _POINTS).astype(int)), batch)
        for what, (line, fill) in looks.items():
            x = order.examples_used(exact["update"].values, n, batch) / n
            ax.plot(x, exact[what], line, color=colour, label=None if line == "--" else name)
            if name in points:
                _add_points(ax, order, points[name], what, color=colour, fillstyle=fill, fmt=style.MARKERS[index % 6])
    ax.set(xlabel=f"examples used / n, n = {n:,}", ylim=(-0.03, 1.03))
    ax.set_ylabel("share of the examples" + _sample(points))
    dashes = Line2D([], [], color="0.4", linestyle="--", label="exactly once")
    whole = Line2D([], [], color="0.4", label="at least once")
    style.legend(ax, handles=[*ax.get_legend_handles_labels()[0], whole, dashes])
    return ax


def _add_points(ax: Axes, order: Order, found: xr.Dataset, what: str, **options: Any) -> None:
    x = order.examples_used(found["update"].values, found.attrs["examples"], found.attrs["batch"])
    style.points(ax, x / found.attrs["examples"], found[f"{what}_mean"], found[f"{what}_sem"], **options)


def _sample(points: Mapping[str, xr.Dataset]) -> str:
    counts = sorted({found.attrs["trajectories"] for found in points.values()})
    return f"\n{style.sample(counts[0])}" if len(counts) == 1 else ""
