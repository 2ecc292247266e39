"""Figures. Each function draws on ``ax``, or on new axes of pyplot, and returns the Axes."""

from jaxsgd.plot.basins_of_descent import basin_map
from jaxsgd.plot.bias_and_variance import frozen_bias
from jaxsgd.plot.bound_and_slack import bound
from jaxsgd.plot.contours import landscape
from jaxsgd.plot.density_over_time import density
from jaxsgd.plot.estimates_over_steps import curves
from jaxsgd.plot.examples_used import examples_used
from jaxsgd.plot.forest import verdicts
from jaxsgd.plot.heat_map import heatmap
from jaxsgd.plot.horizons import best_rate
from jaxsgd.plot.leading import leaders
from jaxsgd.plot.occupancy_over_time import occupancy
from jaxsgd.plot.paths_on_landscape import paths_on_landscape
from jaxsgd.plot.paths_over_time import paths_over_time
from jaxsgd.plot.sampling_frequencies import frequencies
from jaxsgd.plot.schedule_curves import schedule
from jaxsgd.plot.sensitivities import against, sensitivity
from jaxsgd.plot.trajectories import paths

coverage = examples_used
"""The name that `examples_used` had before: everywhere else coverage is that of intervals."""

__all__ = [
    "against",
    "basin_map",
    "best_rate",
    "bound",
    "coverage",
    "curves",
    "density",
    "examples_used",
    "frequencies",
    "frozen_bias",
    "heatmap",
    "landscape",
    "leaders",
    "occupancy",
    "paths",
    "paths_on_landscape",
    "paths_over_time",
    "schedule",
    "sensitivity",
    "verdicts",
]
