"""Figures. Each function draws on ``ax``, or on new axes of pyplot, and returns the Axes."""

from jaxsgd.plot.contours import landscape
from jaxsgd.plot.estimates import curves
from jaxsgd.plot.learning_rates import schedule
from jaxsgd.plot.trajectories import paths

__all__ = ["curves", "landscape", "paths", "schedule"]
