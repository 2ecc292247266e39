"""The chapter's general setting: a fresh random loss at every update."""

from collections.abc import Callable
from typing import Any

import jax

from jaxsgd.errors import InvalidType
from jaxsgd.oracles.oracle import Oracle
from jaxsgd.problems import Problem
from jaxsgd.streams import Stream


class RandomLoss(Oracle):
    """g_t = grad_x f(xi_t, x_t) with a fresh xi_t at every update; R(x) = E f(xi, x).

    **Arguments**

    - `loss`: f(xi, x), a scalar, differentiable in x.
    - `sampler`: a function of a [`jaxsgd.streams.Stream`][] that returns xi, any pytree, such as
      ``lambda stream: stream.normal((2,))``.
    - `problem`: R, where it is known in closed form. Without it the recorded risk at step s is the
      drawn loss f(xi_s, x_s): the same mean E R(x_s), since xi_s is independent of x_s, but a larger
      variance; and distances are not recorded, because the minimiser is not known.

    Source: Nesterov and Vial (2008), "Confidence level solutions for stochastic programming".
    """

    loss: Callable[[Any, Any], jax.Array]
    sampler: Callable[[Stream], Any]
    problem: Problem | None = None
    unbiased = True

    def __check_init__(self) -> None:
        for name, value in (("loss", self.loss), ("sampler", self.sampler)):
            if not callable(value):
                raise InvalidType(f"{name} must be a function, got {value!r}")
        if not (self.problem is None or isinstance(self.problem, Problem)):
            raise InvalidType(f"problem must be one of jaxsgd.problems or None, got {self.problem!r}")

    def sample(self, stream: Stream, like: Any, t: Any, memory: Any) -> tuple[Any, Any]:
        return self.sampler(stream), memory

    def gradient(self, x: Any, sample: Any) -> Any:
        return jax.grad(self.loss, argnums=1)(sample, x)

    def risk(self, x: Any, sample: Any) -> jax.Array:
        return self.loss(sample, x) if self.problem is None else self.problem.value(x)

    def drawn_loss(self, x: Any, sample: Any) -> jax.Array:
        return self.loss(sample, x)

    def example_gradients(self, updates: Any) -> Any:
        return updates
