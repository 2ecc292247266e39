"""Averaged iterates over x_0 .. x_{s-1}, the points at which gradients were taken."""

import abc
from typing import Any

import numpy as np

from jaxsgd.errors import InvalidInput, scalar
from jaxsgd.module import Module


class Average(Module):
    """A weighted average of iterates, kept while running: xbar <- xbar + c_t (x_t - xbar).

    The numbers c_t depend on the schedule and the step alone, so they are tabulated once for a study.
    """

    @abc.abstractmethod
    def weights(self, learning_rates: np.ndarray) -> np.ndarray:
        """The weight of x_t for t = 0 .. T-1, up to a common factor; learning_rates is (T,)."""

    def mixing(self, learning_rates: np.ndarray) -> np.ndarray:
        """c_t = w_t / (w_0 + ... + w_t), and 0 while no weight is positive: (T,), float64."""
        weights = self.weights(learning_rates)
        total = np.cumsum(weights)
        return np.divide(weights, total, out=np.zeros_like(total), where=total > 0)

    def undefined(self, steps: np.ndarray, last: int) -> np.ndarray:
        """At which of these steps the average has no value, for a study of ``last`` updates."""
        return np.zeros(len(steps), bool)


class StepSizeWeighted(Average):
    """w_t = eta_t: the average of the chapter, sum eta_t x_t / sum eta_t (Nesterov and Vial, 2008)."""

    def weights(self, learning_rates: np.ndarray) -> np.ndarray:
        return learning_rates


class Uniform(Average):
    """w_t = 1 (Polyak and Juditsky, 1992; Ruppert, 1988)."""

    def weights(self, learning_rates: np.ndarray) -> np.ndarray:
        return np.ones(len(learning_rates))


class Suffix(Average):
    """w_t = 1 for t >= k = ceil((1 - fraction) T), otherwise 0; no value for 0 < s <= k.

    Source: Rakhlin, Shamir and Sridharan (2012), "Making gradient descent optimal for strongly convex
    stochastic optimization", arXiv 1109.5647.

    **Arguments**

    - `fraction`: the last part of the run that is averaged, in (0, 1].
    """

    fraction: np.ndarray

    def __init__(self, fraction: Any) -> None:
        self.fraction = scalar("fraction", fraction, above=0.0)
        if self.fraction > 1:
            raise InvalidInput(f"fraction must be in (0, 1], got {float(self.fraction):g}")

    def first(self, last: int) -> int:
        """k, the first averaged iterate of a study of ``last`` updates."""
        # Rounding errors are taken off: (1 - 0.7) * 10 is 3.0000000000000004 in binary, and counts as 3.
        first = int(np.ceil((1 - self.fraction) * last - 4 * np.finfo(float).eps * last))
        if first >= last:
            raise InvalidInput(
                f"Suffix({float(self.fraction):g}) of {last} iterates averages nothing; "
                f"the fraction must be at least 1/{last}"
            )
        return first

    def weights(self, learning_rates: np.ndarray) -> np.ndarray:
        return (np.arange(len(learning_rates)) >= self.first(len(learning_rates))).astype(float)

    def undefined(self, steps: np.ndarray, last: int) -> np.ndarray:
        return (steps > 0) & (steps <= self.first(last))


class Polynomial(Average):
    """w_t = (t + 1)^power; power 1 is the average of Lacoste-Julien, Schmidt and Bach (2012, arXiv 1212.2002).

    **Arguments**

    - `power`: at least 0.
    """

    power: np.ndarray

    def __init__(self, power: Any) -> None:
        self.power = scalar("power", power, at_least=0.0)

    def weights(self, learning_rates: np.ndarray) -> np.ndarray:
        steps = len(learning_rates)
        return (np.arange(1, steps + 1) / steps) ** self.power


class Exponential(Average):
    """At step s: sum decay^(s-1-t) x_t / sum decay^(s-1-t), the debiased exponential moving average.

    **Arguments**

    - `decay`: in [0, 1).
    """

    decay: np.ndarray

    def __init__(self, decay: Any) -> None:
        self.decay = scalar("decay", decay, at_least=0.0)
        if self.decay >= 1:
            raise InvalidInput(f"decay must be in [0, 1), got {float(self.decay):g}; for 1 use Uniform()")

    def weights(self, learning_rates: np.ndarray) -> np.ndarray:
        return self.decay ** np.arange(len(learning_rates) - 1.0, -1.0, -1.0)

    def mixing(self, learning_rates: np.ndarray) -> np.ndarray:
        # The weights underflow where the average is long; their ratio does not.
        return (1 - self.decay) / (1 - self.decay ** np.arange(1.0, len(learning_rates) + 1.0))
