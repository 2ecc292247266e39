"""The interface of an oracle."""

import abc
from typing import Any

import equinox as eqx
import jax

from jaxsgd.module import Module
from jaxsgd.problems import Problem
from jaxsgd.streams import Stream


class Oracle(Module):
    """Draws the stochastic gradient g_t of one trajectory at one step.

    The draw is split in two, so that it can be made before the point is known and shared between
    studies: ``sample`` turns random numbers into xi_t, ``gradient`` turns x_t and xi_t into g_t.
    """

    problem: eqx.AbstractVar[Problem | None]

    @abc.abstractmethod
    def sample(self, stream: Stream, like: Any) -> Any:
        """xi_t, from fresh random numbers; ``like`` has the structure of x."""

    @abc.abstractmethod
    def gradient(self, x: Any, sample: Any) -> Any:
        """g_t at x, in the structure of x."""

    @abc.abstractmethod
    def risk(self, x: Any, sample: Any) -> jax.Array:
        """R(x), or an unbiased estimate of it from xi_t where R is not known."""

    @property
    def example_gradients(self) -> int:
        """The cost of one update: how many gradients of single examples g_t takes, 1 where there are no examples."""
        return 1 if self.problem is None else self.problem.examples

    def check(self, shapes: list[tuple[int, ...]]) -> None:
        """An error unless the oracle fits parameters whose leaves have these shapes."""
