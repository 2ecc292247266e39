"""Stochastic gradient descent with reduced variance."""

from typing import Any, NamedTuple

import equinox as eqx
import jax
import jax.numpy as jnp
from jax import lax

from jaxsgd.errors import integer
from jaxsgd.methods.draw import Draw, Gradients
from jaxsgd.methods.method import Method


class Snapshot(NamedTuple):
    """A point s of the path, and the gradient of the risk there."""

    point: Any
    gradient: Any


class Svrg(Method):
    """x_{t+1} = x_t - eta_t (g_t(x_t) - g_t(s) + grad R(s)), s = x_t at every t that is a multiple of `every`.

    Both stochastic gradients are of the same draw, so that their difference vanishes as x_t and s come close. grad R(s)
    is computed when s changes alone. On least squares x converges linearly with a constant rate.

    Its state is s and grad R(s). It counts as nothing that theory of SGD speaks of, not as linear either, although on
    quadratics it is affine in x and s: noise that is added to gradients cancels in their difference.

    **Arguments**

    - `every`: m, the number of updates between snapshots, at least 1; the source takes about 2 n, n the number of
      examples.

    Source: Johnson and Zhang (2013), "Accelerating stochastic gradient descent using predictive variance reduction",
    NIPS, figure 1, option I: the snapshot is the last iterate.
    """

    every: int = eqx.field(static=True)
    plain = False

    def __init__(self, every: int) -> None:
        self.every = integer("every", every, at_least=1)

    def init(self, x0: Any) -> Snapshot:
        return Snapshot(x0, jnp.zeros_like(x0))

    def step(self, x: Any, learning_rate: jax.Array, t: jax.Array, state: Snapshot, draw: Draw) -> tuple[Any, Snapshot]:
        snapshot = lax.cond(
            t % self.every == 0,
            lambda x, _: Snapshot(x, draw.full_gradient(x)),
            lambda _, snapshot: snapshot,
            x,
            state,
        )
        gradient = draw.gradient(x) - draw.gradient(snapshot.point) + snapshot.gradient
        return x - learning_rate * gradient, snapshot

    def gradients(self, updates: Any, in_each: Gradients) -> Gradients:
        return Gradients(updates * in_each.drawn, -(-updates // self.every))
