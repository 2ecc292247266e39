"""Learning rates over updates."""

import textwrap
from collections.abc import Sequence

import numpy as np
from matplotlib.axes import Axes

from jaxsgd.errors import InvalidInput
from jaxsgd.module import brief
from jaxsgd.plot import style
from jaxsgd.study import Study


def schedule(studies: Study | Sequence[Study], ax: Axes | None = None) -> Axes:
    """eta_t of one study or several over t = 0 .. T-1, on a log scale where it spans more than a decade."""
    studies = [studies] if isinstance(studies, Study) else studies
    for study in studies:
        if study.schedule is None:
            raise InvalidInput(f"there is no schedule to draw: {brief(study.method)} has a learning rate of its own")
    ax = style.axes(ax)
    rates = [study.learning_rates[: study.steps] for study in studies]
    for index, (study, values) in enumerate(zip(studies, rates, strict=True)):
        label = textwrap.fill(brief(study.schedule), 60)
        ax.plot(values, color=style.COLOURS[index % len(style.COLOURS)], label=label)
    everything = np.concatenate(rates)
    if 0 < 10 * everything.min() < everything.max():
        ax.set_yscale("log")
    else:
        ax.set_ylim(bottom=0)
    ax.locator_params(axis="x", integer=True)
    ax.set(xlabel="update $t$", ylabel=r"learning rate $\eta_t$")
    ax.legend(frameon=False, fontsize="small")
    return ax
