"""What all figures have in common."""

from matplotlib.axes import Axes

# Okabe and Ito (2008), "Color universal design", without yellow, which is too faint for lines.
COLOURS = ("#0072B2", "#D55E00", "#009E73", "#CC79A7", "#E69F00", "#56B4E9")


def axes(ax: Axes | None) -> Axes:
    """These axes, or those of a new figure of pyplot."""
    if ax is None:
        import matplotlib.pyplot as plt  # only here: it chooses a window system

        _, ax = plt.subplots(layout="constrained")
    ax.spines[["top", "right"]].set_visible(False)
    return ax
