"""Methods whose learning rate is reduced when progress stalls."""

from collections.abc import Mapping
from typing import Any, NamedTuple

import jax
import jax.numpy as jnp
import numpy as np

from jaxsgd.errors import InvalidInput, scalar
from jaxsgd.methods.draw import Draw
from jaxsgd.methods.method import Method
from jaxsgd.methods.wrapper import Wrapper, as_method
from jaxsgd.module import brief


class Plateau(NamedTuple):
    """What a trajectory knows of its progress.

    - `factor`: of the learning rate.
    - `smoothed`: (1 - decay) sum_s decay^(t-s) f_s(x_s); `best`: the least smoothed loss, without its bias, so far.
    - `waited`: updates without progress, since the last one with it, or since the last reduction.
    - `inner`: the state of the method.
    """

    factor: jax.Array
    smoothed: jax.Array
    best: jax.Array
    waited: jax.Array
    inner: Any


class ReduceOnPlateau(Wrapper):
    """Another method whose learning rate is multiplied by `factor` when progress stalls, in each trajectory by itself.

    The drawn losses are averaged, m_t = sum_s decay^(t-s) f_s(x_s) / sum_s decay^(t-s), s <= t. An update has
    progress if m_t is less than all before by more than `threshold`; after `patience` updates without it the rate is
    reduced, from this update on, and waiting begins anew. Observables see the factor: ``state.method.factor``.

    **Arguments**

    - `method`: whose rate is reduced, such as ``methods.Sgd()``.
    - `patience`: at least 1.
    - `factor`: greater than 0 and less than 1.
    - `decay`: of the average of losses, at least 0 and less than 1; 0 takes the drawn loss itself.
    - `threshold`: the least decrease that counts as progress, in units of the loss; not negative.

    Source: Zhang, Lipton, Li and Smola (2023), "Dive into Deep Learning", section 12.4.2, on piecewise constant rates
    that decrease whenever progress stalls; with patience as in ``ReduceLROnPlateau`` of torch and Keras.
    """

    method: Method
    patience: np.ndarray
    factor: np.ndarray
    decay: np.ndarray
    threshold: np.ndarray
    plain = False
    linear = False

    def __init__(
        self, method: Method, patience: Any, factor: Any = 0.5, decay: Any = 0.9, threshold: Any = 0.0
    ) -> None:
        self.method = as_method(method)
        self.patience = scalar("patience", patience, at_least=1.0)
        self.factor = scalar("factor", factor, above=0.0, below=1.0)
        self.decay = scalar("decay", decay, at_least=0.0, below=1.0)
        self.threshold = scalar("threshold", threshold, at_least=0.0)
        if self.method.has_own_learning_rate:
            raise InvalidInput(f"the learning rate of {brief(self.method)} is its own, which nothing else can reduce")
        if self.patience % 1:
            raise InvalidInput(f"patience must be a whole number of updates, got {float(self.patience):g}")

    def init(self, x0: Any) -> Plateau:
        zero, one = jnp.zeros(()), jnp.ones(())
        return Plateau(one, zero, zero, zero, self.method.init(x0))

    def step(self, x: Any, learning_rate: jax.Array, t: jax.Array, state: Plateau, draw: Draw) -> tuple[Any, Plateau]:
        smoothed = jnp.asarray(self.decay * state.smoothed + (1 - self.decay) * draw.loss(x))
        mean = smoothed / (1 - self.decay ** (t + 1))
        progress = (t == 0) | (mean < state.best - self.threshold)
        waited = jnp.where(progress, 0.0, state.waited + 1)
        stalled = waited >= self.patience
        factor = jnp.where(stalled, self.factor * state.factor, state.factor)
        x_next, inner = self.method.step(x, factor * learning_rate, t, state.inner, draw)
        best = jnp.where(progress, mean, state.best)
        return x_next, Plateau(factor, smoothed, best, jnp.where(stalled, 0.0, waited), inner)

    def points(self, x: Any, state: Plateau) -> Mapping[str, Any]:
        return self.method.points(x, state.inner)
