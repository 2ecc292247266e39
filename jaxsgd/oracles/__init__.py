"""How a stochastic gradient is drawn."""

from jaxsgd.oracles.additive_noise import AdditiveNoise
from jaxsgd.oracles.example_sampling import ExampleSampling
from jaxsgd.oracles.full_gradient import FullGradient
from jaxsgd.oracles.oracle import CovarianceOverTime, GrowingCovariance, NoiseOverTime, Oracle
from jaxsgd.oracles.random_loss import RandomLoss

__all__ = [
    "AdditiveNoise",
    "CovarianceOverTime",
    "ExampleSampling",
    "FullGradient",
    "GrowingCovariance",
    "NoiseOverTime",
    "Oracle",
    "RandomLoss",
]
