"""One file for each statistic: what a tile keeps, how a chunk folds it, how ranges of ids merge."""

from jaxsgd.engine.statistics.coordinates import Coordinates
from jaxsgd.engine.statistics.diverged import Diverged
from jaxsgd.engine.statistics.events import Events
from jaxsgd.engine.statistics.extremes import Extremes
from jaxsgd.engine.statistics.histogram import Histogram
from jaxsgd.engine.statistics.moments import Moments
from jaxsgd.engine.statistics.paths import Paths
from jaxsgd.engine.statistics.statistic import BLOCK, Statistic
from jaxsgd.engine.statistics.step_covariance import StepCovariance
from jaxsgd.engine.statistics.values import Values

__all__ = [
    "BLOCK",
    "Coordinates",
    "Diverged",
    "Events",
    "Extremes",
    "Histogram",
    "Moments",
    "Paths",
    "Statistic",
    "StepCovariance",
    "Values",
]
