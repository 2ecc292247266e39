"""The interface of a method: what is done with a stochastic gradient."""

import abc
from collections.abc import Mapping
from typing import Any

import jax

from jaxsgd.methods.convex_sets import ConvexSet
from jaxsgd.methods.draw import Draw, Gradients
from jaxsgd.module import Facts, Module


class MethodFacts(Facts):
    """What may be known of a method.

    - `plain`: whether x_{t+1} = x_t - eta_t g_t, which is what most theory is about. A method that does not state it
      counts as another one.
    - `projection`: the set C of which x_{t+1} = P_C(x_t - eta_t g_t), P_C the projection on it; None for any other.
    - `linear`: whether x_{t+1} and the next state are affine functions of (x_t, state, g_t) for each t and eta_t, with
      gradients at points that are affine functions of (x_t, state). None stands for not known. Of methods that state
      it, moments are known to be infinite where those of noise are; exact moments are computed where the code of `step`
      shows it, stated or not, and False refuses them.
    """

    plain: bool | None = None
    projection: ConvexSet | None = None
    linear: bool | None = None


class Method(MethodFacts, Module):
    """One update of one trajectory.

    A method of one's own gives `step`, and declares what is known of it; theory of plain SGD is said of no other:

    >>> class SignSgd(Method):
    ...     def step(self, x, learning_rate, t, state, draw):
    ...         return x - learning_rate * jnp.sign(draw.gradient(x)), state

    One that remembers something gives `init`, too:

    >>> class Momentum(Method):
    ...     beta: float
    ...
    ...     def init(self, x0):
    ...         return jnp.zeros_like(x0)
    ...
    ...     def step(self, x, learning_rate, t, state, draw):
    ...         velocity = self.beta * state - learning_rate * draw.gradient(x)
    ...         return x + velocity, velocity

    Numbers among its fields can be swept without a new compilation. It sees x, and gradients, as one flat vector (d,)
    in ``jax.flatten_util`` order; with the class attribute ``sees_pytree = True`` as the pytree that x0 is. One that
    takes no schedule says ``has_own_learning_rate = True``: then a study with it has none, and its eta_t is NaN.
    """

    sees_pytree = False
    has_own_learning_rate = False

    def init(self, x0: Any) -> Any:
        """The state of a trajectory before its first update, a pytree of arrays; () for none.

        What does not depend on x0 and changes with t alone, such as a count of steps, is kept and computed once for
        all trajectories.
        """
        return ()

    @abc.abstractmethod
    def step(self, x: Any, learning_rate: jax.Array, t: jax.Array, state: Any, draw: Draw) -> tuple[Any, Any]:
        """x_{t+1} and the next state.

        **Arguments**

        - `x`: x_t, (d,), or a pytree where the method `sees_pytree`.
        - `learning_rate`, `t`: eta_t and t, which are the same for all trajectories.
        - `state`: of `init` or the step before. The next one has the same structure, shapes and types. A trajectory
          whose state is not finite counts as diverged; but what is infinite from the start may be so.
        - `draw`: of this update, see [`jaxsgd.methods.Draw`][]: ``draw.gradient(x)`` is g_t.
        """

    def points(self, x: Any, state: Any) -> Mapping[str, Any]:
        """Further points of its state by name, in the form of x, such as slow weights or an average of its own.

        They are recorded as averages are: `risk_of_<name>`, `distance_squared_of_<name>`.
        """
        return {}

    def gradients(self, updates: Any, in_each: Gradients) -> Gradients:
        """How many gradients the first `updates` updates take, from which the cost of a run is known.

        They are as many in each update as the code of ``step`` asks for, which is what `in_each` says: at how many
        points. A method that asks for some of them at certain t only, inside of ``lax.cond``, says so here; and so does
        one that asks for some in a loop, which are taken for one.

        **Arguments**

        - `updates`: a count, or an array of counts.
        - `in_each`: how many stochastic gradients, and how many gradients of the risk, ``step`` asks for.
        """
        return Gradients(updates * in_each.drawn, updates * in_each.full)

    def check(self, dimension: int) -> None:
        """An error unless the method fits parameters with this many coordinates."""
