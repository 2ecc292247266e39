"""The interface of a problem."""

import abc
from typing import Any, NamedTuple

import jax
import numpy as np

from jaxsgd.module import Facts, Module


class GradientSizes(NamedTuple):
    """Sizes of gradients, (d,) each, of a problem that loses no digits near x* in R - R* and in grad R.

    - `drift`: of grad R at the start, or larger.
    - `rounding`: what rounding of data and residuals makes of grad R near x*, in units of the precision.
    - `examples`: of a mean over examples, the standard deviation over them of grad f_i(x*).
    """

    drift: np.ndarray
    rounding: np.ndarray
    examples: np.ndarray | None = None


class ProblemFacts(Facts):
    """What may be known of a problem R. None stands for not known, and nothing that needs it is computed.

    - `start`: a default start, such as zeros where the problem knows the shape of x.
    - `examples`: n, where R is the mean of the losses of n examples; one gradient of R costs n of examples.
    - `minimiser`: a minimiser x*, in the structure of x.
    - `minimum`: the minimum R* = R(x*).
    - `strong_convexity`: the largest known mu with R(y) >= R(x) + <grad R(x), y - x> + mu/2 ||y - x||^2.
    - `smoothness`: the smallest known L with ||grad R(x) - grad R(y)|| <= L ||x - y||.
    - `polyak_lojasiewicz`: the largest known mu with ||grad R(x)||^2 >= 2 mu (R(x) - R*), the condition of Polyak and
      Lojasiewicz; without it the strong convexity serves.
    - `lipschitz`: the smallest known G with |R(x) - R(y)| <= G ||x - y||.
    - `convex`: whether R is convex.
    - `hessian`: of a quadratic R the constant Hessian A with R(x) = R* + 1/2 (x - x*)' A (x - x*): its diagonal (d,)
      or all of it (d, d), in ``jax.flatten_util`` order. It needs a minimiser and a minimum.

    What a class of one's own states of these (and the arguments of `Function` and `FiniteSum`) is checked when a study
    is made: at a handful of points in the ball around the minimiser through the start, in float64, see
    `jaxsgd.stated_facts`. A contradiction is an error that shows it: a value below that of the minimiser or below the
    minimum, two points between which the gradient grows less or more than constants or the Hessian allow. What holds
    there passes, also if it fails elsewhere; and a problem of more than 10^6 numbers, and `kinks`, are not checked.
    """

    start: Any = None
    examples: int = 1
    minimiser: Any = None
    minimum: float | None = None
    strong_convexity: float | None = None
    smoothness: float | None = None
    polyak_lojasiewicz: float | None = None
    lipschitz: float | None = None
    convex: bool | None = None
    hessian: np.ndarray | None = None

    @property
    def kinks(self) -> np.ndarray:
        """Of a risk of one coordinate: the points (k,) between which it is smooth, as far as they are known.

        Unless a subclass says more, this is the minimiser, where many risks have their only kink.
        """
        leaves = jax.tree.leaves(self.minimiser)
        return np.concatenate([np.zeros(0), *map(np.ravel, leaves)])


class Problem(ProblemFacts, Module):
    """A risk R(x) to be minimised over x, a pytree of arrays.

    A problem of one's own gives `value` for one x, and declares what is known of it, as class attributes, fields or
    properties. With what this one declares it has exact moments, bounds and verdicts:

    >>> class Parabola(Problem):
    ...     minimiser: np.ndarray
    ...     minimum, convex, strong_convexity, smoothness = 0.0, True, 2.0, 2.0
    ...
    ...     def value(self, x):
    ...         return ((x - self.minimiser) ** 2).sum()
    ...
    ...     @property
    ...     def hessian(self):
    ...         return np.full(self.minimiser.shape, 2.0)
    """

    @abc.abstractmethod
    def value(self, x: Any) -> jax.Array:
        """The risk R(x), a scalar."""

    def gradient(self, x: Any) -> Any:
        """The gradient of R at x, in the structure of x."""
        return jax.grad(self.value)(x)

    def smoothness_between(self, low: float, high: float) -> float | None:
        """The smallest known L with ||grad R(x) - grad R(y)|| <= L ||x - y||, all coordinates in [low, high]."""
        return self.smoothness

    def gradient_sizes(self, start: np.ndarray) -> GradientSizes | None:
        """From which a run tells without any evaluation what its precision resolves, for a start (d,).

        None stands for not known; then the problem is evaluated at a few points in float32 and in float64.
        """
        return None


class CentredConvex(Problem):
    """A convex risk of one vector, with minimum 0 at x*, which is known."""

    minimum = 0.0
    convex = True

    @property
    def start(self) -> np.ndarray:
        """The origin, in as many coordinates as the minimiser has."""
        return np.zeros(self.minimiser.shape)
