"""Noise of gradients: mean zero, independent between steps, one law a file."""

from jaxsgd.noise.alpha_stable import AlphaStable
from jaxsgd.noise.centered_exponential import CenteredExponential
from jaxsgd.noise.gaussian import Gaussian
from jaxsgd.noise.laplace import Laplace
from jaxsgd.noise.multiplicative import Multiplicative
from jaxsgd.noise.noise import Noise, NoiseFacts, Scaled, Stable
from jaxsgd.noise.rademacher import Rademacher
from jaxsgd.noise.student_t import StudentT

__all__ = [
    "AlphaStable",
    "CenteredExponential",
    "Gaussian",
    "Laplace",
    "Multiplicative",
    "Noise",
    "NoiseFacts",
    "Rademacher",
    "Scaled",
    "Stable",
    "StudentT",
]
