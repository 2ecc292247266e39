"""The figure of the study."""

from collections.abc import Mapping, Sequence
from typing import Any

import matplotlib.pyplot as plt
from matplotlib.figure import Figure

from jaxsgd.verification.chapter.scaled_figure import draw


def tuned(table: Sequence[Mapping[str, Any]], trajectories: int) -> Figure:
    """The risk of every tuned method over the condition number, in each setting."""
    settings = list(dict.fromkeys(row["setting"] for row in table))
    figure, axes = plt.subplots(1, len(settings), figsize=(17, 5.2), layout="constrained", sharey=True)
    for ax, setting in zip(axes, settings, strict=True):
        lines: dict[str, dict[int, tuple[float, float]]] = {}
        for row in table:
            if row["setting"] == setting:
                lines.setdefault(row["method"], {})[row["condition number"]] = row["risk"], row["se"]
        draw(lines, trajectories, ax)
        ax.set_title(setting, fontsize="medium", loc="left", pad=16)
    return figure
