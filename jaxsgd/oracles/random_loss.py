"""The chapter's general setting: a fresh random loss at every update."""

import inspect
from collections.abc import Callable
from typing import Any, NamedTuple

import jax

from jaxsgd.errors import InvalidInput, InvalidType
from jaxsgd.module import brief
from jaxsgd.oracles.oracle import Oracle
from jaxsgd.problems import Problem
from jaxsgd.streams import Stream, drawn_by
from jaxsgd.structure import whole


class AtTime(NamedTuple):
    """xi_t together with t, where the loss depends on it."""

    xi: Any
    t: jax.Array


class RandomLoss(Oracle):
    """g_t = grad_x f(xi_t, x_t) with a fresh xi_t at every update; R(x) = E f(xi, x).

    Loss and sampler may depend on t, as online and cyclic losses do: g_t = grad_x f(xi_t, x_t, t). Then there is no one
    risk whose gradients are drawn, and `unbiased` is not stated.

    **Arguments**

    - `loss`: f(xi, x) or f(xi, x, t), a scalar, differentiable in x.
    - `sampler`: a function of a [`jaxsgd.streams.Stream`][], or of (stream, t), that returns xi, any pytree, such as
      ``lambda stream: stream.normal((2,))``.
    - `problem`: R, where it is known in closed form. Without it the recorded risk at step s is the
      drawn loss f(xi_s, x_s): the same mean E R(x_s), since xi_s is independent of x_s, but a larger
      variance; and distances are not recorded, because the minimiser is not known.

    Arguments of these functions that have a default are left alone.

    Source: Nesterov and Vial (2008), "Confidence level solutions for stochastic programming".
    """

    loss: Callable[..., jax.Array]
    sampler: Callable[..., Any]
    problem: Problem | None = None

    def __check_init__(self) -> None:
        for name, value in (("loss", self.loss), ("sampler", self.sampler)):
            if not callable(value):
                raise InvalidType(f"{name} must be a function, got {value!r}")
        if not (self.problem is None or isinstance(self.problem, Problem)):
            raise InvalidType(f"problem must be one of jaxsgd.problems or None, got {self.problem!r}")
        _takes_t("loss", self.loss, ("xi", "x"))
        _takes_t("sampler", self.sampler, ("stream",))

    @property
    def changes(self) -> bool:
        """Whether what is drawn depends on t."""
        return self._loss_changes or self._sampler_changes

    @property
    def _loss_changes(self) -> bool:
        return _takes_t("loss", self.loss, ("xi", "x"))

    @property
    def _sampler_changes(self) -> bool:
        return _takes_t("sampler", self.sampler, ("stream",))

    @property
    def unbiased(self) -> bool | None:
        return None if self.changes else True

    def sample(self, stream: Stream, like: Any, t: Any, memory: Any) -> tuple[Any, Any]:
        xi = drawn_by(self.sampler, stream, *([t] if self._sampler_changes else []))
        return (AtTime(xi, jax.numpy.asarray(t)) if self._loss_changes else xi), memory

    def gradient(self, x: Any, sample: Any) -> Any:
        return jax.grad(self.drawn_loss)(x, sample)

    def risk(self, x: Any, sample: Any) -> jax.Array:
        return self.drawn_loss(x, sample) if self.problem is None else self.problem.value(x)

    def drawn_loss(self, x: Any, sample: Any) -> jax.Array:
        x = whole(x)
        return self.loss(sample.xi, x, sample.t) if self._loss_changes else self.loss(sample, x)

    def example_gradients(self, updates: Any) -> Any:
        return updates


def _takes_t(name: str, function: Callable[..., Any], usual: tuple[str, ...]) -> bool:
    """Whether a function takes t after its usual arguments; an error if it takes fewer or more."""
    try:
        parameters = inspect.signature(function).parameters.values()
    except (TypeError, ValueError):  # of functions that are not written in Python
        return False
    if any(each.kind is each.VAR_POSITIONAL for each in parameters):
        return False
    by_place = [each for each in parameters if each.kind in (each.POSITIONAL_ONLY, each.POSITIONAL_OR_KEYWORD)]
    needed = [each.name for each in by_place if each.default is each.empty]
    keywords = [each.name for each in parameters if each.kind is each.KEYWORD_ONLY and each.default is each.empty]
    if keywords or not len(needed) <= len(usual) + 1 or len(by_place) < len(usual):
        shown = ", ".join([*needed, *keywords])
        raise InvalidInput(
            f"{name} must be a function of ({', '.join(usual)}) or of ({', '.join((*usual, 't'))}), got "
            f"{brief(function)} of ({shown})"
        )
    return len(needed) == len(usual) + 1
