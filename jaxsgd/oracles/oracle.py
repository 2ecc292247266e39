"""The interface of an oracle."""

import abc
from typing import Any, NamedTuple

import equinox as eqx
import jax
import numpy as np

from jaxsgd.errors import InvalidInput
from jaxsgd.module import Facts, Module
from jaxsgd.noise import Noise
from jaxsgd.orders import Order
from jaxsgd.problems import Problem
from jaxsgd.streams import Stream


class CovarianceOverTime(NamedTuple):
    """Cov g_t = c_t C for t = 0, 1, ..: C (d, d), or (d,) if it is diagonal, and c (updates,)."""

    covariance: np.ndarray
    factors: np.ndarray


class NoiseOverTime(NamedTuple):
    """A noise xi and factors c_t (updates,): g_t is what ``noise.perturbed`` makes of grad R(x_t) and c_t xi_t."""

    noise: Noise
    factors: np.ndarray


class GrowingCovariance(NamedTuple):
    """Cov(g_t | x) = diag(r (grad R(x))^2) + C at every t: r (d,), and C (d, d), or (d,) if it is diagonal."""

    relative: np.ndarray
    at_rest: np.ndarray


class OracleFacts(Facts):
    """What may be known of how gradients are drawn. None stands for not known.

    - `unbiased`: whether E[g_t | everything before] is the gradient of R at x_t, or a subgradient.
    - `normal`: whether g_t is normal given everything before; a constant counts as normal.
    - `independent`: whether the coordinates of g_t are independent given everything before.
    - `full_gradient`: whether g_t is the gradient of R, without any randomness.
    - `order`, `batch`: where examples are drawn, in which order, and how many for each update.
    - `averages_examples`: whether g_t is exactly the mean of w_i grad f_i(x_t) over the examples that the order draws,
      with its weights: nothing is clipped, and no noise is added.
    - `tail_index`: alpha, with which E[||g_t||^k | everything before] is finite for k < alpha and infinite for
      k >= alpha, at every x; inf where all of these moments are finite.
    """

    unbiased: bool | None = None
    normal: bool | None = None
    independent: bool | None = None
    full_gradient: bool | None = None
    order: Order | None = None
    batch: int = 1
    averages_examples: bool | None = None
    tail_index: float | None = None

    def gradient_covariance(self, dimension: int) -> np.ndarray | None:
        """Cov g_t given everything before, where it is the same at every x and t: (d, d), or (d,) if it is diagonal.

        None stands for one that depends on x or t, or is not known.
        """
        return None

    def gradient_covariances(self, dimension: int, updates: int) -> CovarianceOverTime | None:
        """The same of the first updates, where it is the same at every x, and but for a factor at every t."""
        covariance = self.gradient_covariance(dimension)
        return None if covariance is None else CovarianceOverTime(covariance, np.ones(updates))

    def noise_over_time(self, updates: int) -> NoiseOverTime | None:
        """The noise of the first updates, independent between them, where g_t is made of grad R(x_t) and such alone."""
        return None

    def growing_covariance(self, dimension: int) -> GrowingCovariance | None:
        """Cov(g_t | x), where it grows with the gradient; None: it does not in this way, or that is not known."""
        return None

    def gradient_cumulants(self, order: int, dimension: int, updates: int) -> np.ndarray | None:
        """kappa_k (updates, d) of each coordinate of g_t, t = 0, 1, .., given everything before, k = 2, 3, ..

        None stands for cumulants that depend on x, are infinite, or are not known.
        """
        return None


class Oracle(OracleFacts, Module):
    """Draws the stochastic gradient g_t of one trajectory at one step.

    Of a class of one's own `unbiased`, `full_gradient` and the covariance are checked against draws of g_0 when a study
    is made; so is the `problem` of a `RandomLoss`.

    The draw is split in two, so that it can be made before the point is known and shared between
    studies: ``sample`` turns random numbers into xi_t, ``gradient`` turns x_t and xi_t into g_t. A draw may depend on
    earlier ones through the memory of a trajectory, but never on x.
    """

    problem: eqx.AbstractVar[Problem | None]

    def memory(self) -> Any:
        """What a trajectory remembers before its first update: a pytree of arrays; () where draws are independent."""
        return ()

    @abc.abstractmethod
    def sample(self, stream: Stream, like: Any, t: Any, memory: Any) -> tuple[Any, Any]:
        """xi_t and the next memory, from fresh random numbers; ``like`` has the structure of x."""

    @abc.abstractmethod
    def gradient(self, x: Any, sample: Any) -> Any:
        """g_t at x, in the structure of x."""

    @abc.abstractmethod
    def risk(self, x: Any, sample: Any) -> jax.Array:
        """R(x), or an unbiased estimate of it from xi_t where R is not known."""

    def drawn_loss(self, x: Any, sample: Any) -> jax.Array:
        """The loss at x whose gradient g_t is; an error where a draw is none of a loss."""
        raise InvalidInput(f"oracles.{type(self).__name__} draws gradients, not losses")

    def example_gradients(self, updates: Any) -> Any:
        """The cost of the first `updates` updates in gradients of single examples; 1 each where there are none."""
        return updates * (1 if self.problem is None else self.problem.examples)

    @property
    def updates_per_epoch(self) -> int | None:
        """How many updates use as many examples as there are; None without examples."""
        return None

    @property
    def example_floats(self) -> int:
        """How many numbers of the data an update uses; 0 without examples."""
        return 0

    def check(self, shapes: list[tuple[int, ...]]) -> None:
        """An error unless the oracle fits parameters whose leaves have these shapes."""

    def adds_noise(self, updates: int) -> np.ndarray:
        """Of each of the first updates, whether its gradient may be random: false where a scale is 0."""
        return np.ones(updates, bool)

    def check_updates(self, updates: int) -> None:
        """An error unless the oracle can draw for so many updates."""
