"""Tables and the figure."""

from typing import Any

from compare import Curves
from matplotlib.figure import Figure
from measure import Section
from peers import EVERYTHING, JAXSGD, LIMIT
from rich.table import Table

from jaxsgd.plot.style import COLOURS

_MARKERS = "osD^vP*X"


def table(section: Section) -> Table:
    """A section as it is printed."""
    made = Table(title=section.title, title_justify="left", title_style="bold")
    headings = list(section.rows[0])
    for heading in headings:
        text = all(isinstance(row[heading], str) for row in section.rows)
        made.add_column(heading, justify="left" if text else "right")
    for row in section.rows:
        made.add_row(*(_cell(row[heading]) for heading in headings))
    return made


def _cell(value: Any) -> str:
    if value is None:
        return "-"
    if isinstance(value, float):
        return f"{value:,.0f}" if abs(value) >= 100 else f"{value:.3g}"
    return f"{value:,}" if isinstance(value, int) else value


def figure(curves: Curves, machine: dict[str, Any]) -> Figure:
    """Throughput against the number of trajectories."""
    made = Figure(figsize=(7.2, 4.4), layout="constrained")
    ax = made.subplots()
    fastest_first = sorted(curves, key=lambda name: -max(curves[name].values()))
    styles = _styles(fastest_first)
    for name in fastest_first:
        numbers, speeds = zip(*sorted(curves[name].items()), strict=True)
        ax.loglog(numbers, speeds, label=name, **styles[name])
    ax.set_xlabel("number of trajectories")
    ax.set_ylabel("trajectory-steps per second")
    ax.grid(which="major", color="0.9", linewidth=0.6)
    ax.spines[["top", "right"]].set_visible(False)
    ax.set_title(
        "The chapter's quadratic, 1000 steps, mean and variance of three\nobservables at each 10th step: "
        f"{machine['processor']}, {machine['cores']} cores",
        fontsize="medium",
        loc="left",
    )
    made.legend(loc="outside right upper", frameon=False, fontsize="small")
    return made


def _styles(names: list[str]) -> dict[str, dict[str, Any]]:
    """jaxsgd stands out, the limit is black, and no two are told apart by colour alone."""
    styles: dict[str, dict[str, Any]] = {
        JAXSGD: {"color": COLOURS[0], "linewidth": 2.6},
        EVERYTHING: {"color": COLOURS[0], "linewidth": 1.4, "linestyle": "--"},
        LIMIT: {"color": "black", "linewidth": 1.4},
    }
    others = [name for name in names if name not in styles]
    styles |= {name: {"color": COLOURS[1 + i % 5], "linewidth": 1.4} for i, name in enumerate(others)}
    for marker, name in zip(_MARKERS, [*styles], strict=False):
        styles[name] |= {"marker": marker, "markersize": 5}
    return styles
