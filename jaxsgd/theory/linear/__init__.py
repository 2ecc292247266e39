"""Methods that are affine maps of x, their state and gradients: their maps, read off their own code, and moments."""

from jaxsgd.theory.linear.constant_rate import spectral_radii, stability_limit_of, stationary_law
from jaxsgd.theory.linear.responses import Summed, added_up, cost_of_adding_up
from jaxsgd.theory.linear.setting import Setting, not_linear, setting_of

__all__ = [
    "Setting",
    "Summed",
    "added_up",
    "cost_of_adding_up",
    "not_linear",
    "setting_of",
    "spectral_radii",
    "stability_limit_of",
    "stationary_law",
]
