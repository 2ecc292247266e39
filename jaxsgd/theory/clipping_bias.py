"""Where SGD with clipped gradients settles: not at the minimiser, if the noise is skewed."""

import itertools
from typing import Any

import numpy as np
from scipy.integrate import quad
from scipy.optimize import root_scalar

from jaxsgd.errors import InvalidInput, InvalidType, NoExactSolution, integer, scalar
from jaxsgd.noise import Noise

_ERROR = 1e-9


def clipping_bias(noise: Noise, value: Any, dimension: int = 1) -> np.ndarray:
    """u* (d,) with E clip(u*_j + xi_j, -value, value) = 0: the mean gradient at which clipped gradients have mean 0.

    Each coordinate of a gradient is clipped, as ``methods.Clipped(..., value=value)`` does; of one coordinate
    ``norm=value`` is the same. With F the distribution function of xi_j,

        E clip(u + xi, -v, v) = v - int_{-v}^{v} F(y - u) dy,

    which does not decrease in u, from -v to v. SGD with a small learning rate goes to the point with the gradient u*,
    in place of the minimiser: on R(x) = h x^2 / 2 to x = u* / h, from which the mean of its stationary law differs by
    O(eta). Symmetric noise has u* = 0; under a skewed one clipping buys bounded steps with a bias, which a larger
    `value` makes smaller.

    **Arguments**

    - `noise`: additive, and symmetric or with a known `marginal` law, such as `CenteredExponential`.
    - `value`: v > 0, at which gradients are clipped.
    - `dimension`: d.

    **Returns** one such u; there are more only where u + xi is never between -v and v, as of signs larger than v.

    **Raises** `NoExactSolution` where the law is not known.

    Source: Zhang et al. (2020), "Why are adaptive methods good for attention models?", arXiv 1912.03194, for clipping
    under heavy tails; the equation is E min(max(.)) by parts.

    >>> from jaxsgd.noise import CenteredExponential
    >>> [round(clipping_bias(CenteredExponential(), value).item(), 7) for value in (0.5, 1.0, 2.0, 5.0)]
    [0.265528, 0.1585943, 0.0524691, 0.0024849]
    """
    if not isinstance(noise, Noise):
        raise InvalidType(f"noise must be one of jaxsgd.noise, got {noise!r}")
    v, d = float(scalar("value", value, above=0.0)), integer("dimension", dimension, at_least=1)
    noise.check([(d,)])
    name = f"noise.{type(noise).__name__}"
    if not noise.is_additive:
        raise InvalidInput(f"clipping_bias needs additive noise, and the law of {name} depends on x")
    if noise.symmetric:
        return np.zeros(d)
    law = noise.marginal(d)
    if law is None:
        raise NoExactSolution(f"{name} states neither that it is symmetric nor its marginal law")
    alike = np.ndim(law.cdf(0.0)) == 0
    biases = [_bias(law, j, v, name) for j in range(1 if alike else d)]
    return np.broadcast_to(biases, (d,)).copy()


def _bias(law: Any, j: int, v: float, name: str) -> float:
    """u* of coordinate j."""

    def at(value: Any) -> float:
        return float(np.ravel(value)[j])

    support = [at(end) for end in law.support()]

    def clipped_mean(u: float) -> float:
        kinks = [u + end for end in support if -v < u + end < v]
        ends = [-v, *kinks, v]
        parts = [
            quad(lambda y: at(law.cdf(y - u)), low, high, epsabs=_ERROR / 100, epsrel=0, full_output=1)[:2]
            for low, high in itertools.pairwise(ends)
        ]
        if sum(error for _, error in parts) > _ERROR:
            raise NoExactSolution(f"the distribution function of {name} is not smooth enough to be integrated")
        return v - sum(part for part, _ in parts)

    reach = v
    while not clipped_mean(-reach) < 0 < clipped_mean(reach):
        reach *= 2
        if not np.isfinite(reach):
            raise NoExactSolution(f"the law of {name} is no probability law")
    return float(root_scalar(clipped_mean, bracket=(-reach, reach), xtol=1e-12).root)
