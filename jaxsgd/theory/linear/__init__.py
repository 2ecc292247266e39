"""Methods that are affine maps of x, their state and gradients: their maps, read off their own code, and moments."""

from jaxsgd.theory.linear.constant_rate import spectral_radii, stability_limit_of, stationary_law
from jaxsgd.theory.linear.cumulants import affordable, recorded_cumulants
from jaxsgd.theory.linear.setting import Setting, not_linear, setting_of

__all__ = [
    "Setting",
    "affordable",
    "not_linear",
    "recorded_cumulants",
    "setting_of",
    "spectral_radii",
    "stability_limit_of",
    "stationary_law",
]
