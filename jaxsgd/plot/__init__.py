"""Figures. Each function draws on ``ax``, or on new axes of pyplot, and returns the Axes."""

from jaxsgd.plot.bias import frozen_bias
from jaxsgd.plot.bounds import bound
from jaxsgd.plot.contours import landscape
from jaxsgd.plot.estimates import curves
from jaxsgd.plot.forest import verdicts
from jaxsgd.plot.learning_rates import schedule
from jaxsgd.plot.sampling import frequencies
from jaxsgd.plot.sweeps import against
from jaxsgd.plot.trajectories import paths

__all__ = ["against", "bound", "curves", "frequencies", "frozen_bias", "landscape", "paths", "schedule", "verdicts"]
