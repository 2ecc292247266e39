"""Theorems about one step of the squared distance to the minimiser."""

import abc
from typing import NamedTuple

import numpy as np

from jaxsgd.study import Study
from jaxsgd.theory.bounds.bound import Bound, Coefficients


class Recursion(NamedTuple):
    """d_{t+1} = q_t d_t + s_t: q_t (T,) and s_t (T,), or one pair for each epoch."""

    factors: np.ndarray
    added: np.ndarray

    def end(self, start: float) -> float:
        """d_T, from d_0."""
        later = np.cumprod(np.append(self.factors[1:], 1.0)[::-1])[::-1]  # the product of the factors after t
        return float(start * np.prod(self.factors) + self.added @ later)


class DistanceRecursion(Bound):
    """A theorem E||x_T - x*||^2 <= d_T, with d_0 = r^2 and d_{t+1} = q_t d_t + s_t."""

    quantity = "distance_squared"

    @abc.abstractmethod
    def recursion(self, study: Study) -> Recursion:
        """q_t and s_t, for a study of which no assumption is known to fail."""

    def point(self, study: Study) -> None:
        return None

    def coefficients(self, study: Study) -> Coefficients:
        return Coefficients(float(np.prod(self.recursion(study).factors)), np.zeros(study.steps))

    def constant(self, study: Study) -> float:
        return self.recursion(study).end(0.0)
