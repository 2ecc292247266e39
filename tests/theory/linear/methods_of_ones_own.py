"""Linear methods as a user writes them, and the same as recursions of NumPy for one curvature."""

import equinox as eqx
import jax
import jax.numpy as jnp
import numpy as np

from jaxsgd.methods import Method


class HeavyBall(Method):
    momentum: float

    def init(self, x0):
        return x0

    def step(self, x, learning_rate, t, before, draw):
        return x - learning_rate * draw.gradient(x) + self.momentum * (x - before), x


class Nesterov(Method):
    momentum: float

    def init(self, x0):
        return x0

    def step(self, x, learning_rate, t, before, draw):
        y = x + self.momentum * (x - before)
        return y - learning_rate * draw.gradient(y), x


class TorchNesterov(Method):
    momentum: float

    def init(self, x0):
        return jnp.zeros_like(x0)

    def step(self, x, learning_rate, t, velocity, draw):
        gradient = draw.gradient(x)
        velocity = self.momentum * velocity + gradient
        return x - learning_rate * (gradient + self.momentum * velocity), velocity


class ScheduleFree(Method):
    """x here is z of Defazio et al. (2024); its average is a further point."""

    def init(self, x0):
        return {"average": x0, "count": jnp.zeros((), jnp.int32)}

    def step(self, x, learning_rate, t, state, draw):
        average, count = state["average"], state["count"] + 1
        x = x - learning_rate * draw.gradient(0.1 * x + 0.9 * average)
        return x, {"average": (1 - 1 / count) * average + x / count, "count": count}

    def points(self, x, state):
        return {"average": state["average"]}


class Delayed(Method):
    tau: int = eqx.field(static=True)

    def init(self, x0):
        return jnp.stack([x0] * self.tau)

    def step(self, x, learning_rate, t, waiting, draw):
        return x - learning_rate * draw.gradient(waiting[-1]), jnp.concatenate([x[None], waiting[:-1]])


class MovingAverage(Method):
    """A pytree of weights, and a velocity that is a moving average of gradients."""

    decay: float
    sees_pytree = True

    def init(self, x0):
        return jax.tree.map(jnp.zeros_like, x0)

    def step(self, x, learning_rate, t, velocity, draw):
        velocity = jax.tree.map(lambda v, g: self.decay * v + (1 - self.decay) * g, velocity, draw.gradient(x))
        return jax.tree.map(lambda leaf, v: leaf - learning_rate * v, x, velocity), velocity


class Lookahead(Method):
    """Every third update the slow weights go half of the way."""

    def init(self, x0):
        return x0

    def step(self, x, learning_rate, t, slow, draw):
        x = x - learning_rate * draw.gradient(x)
        now = (t + 1) % 3 == 0
        slow = jax.lax.cond(now, lambda x, slow: slow + 0.5 * (x - slow), lambda _, slow: slow, x, slow)
        return jnp.where(now, slow, x), slow

    def points(self, x, slow):
        return {"slow": slow}


class Accumulation(Method):
    """One step for every two gradients."""

    def init(self, x0):
        return jnp.zeros_like(x0)

    def step(self, x, learning_rate, t, total, draw):
        total = total + draw.gradient(x)
        now = t % 2 == 1
        return jnp.where(now, x - learning_rate * total / 2, x), jnp.where(now, 0.0, total)


class Extragradient(Method):
    """Two gradients of one draw."""

    def step(self, x, learning_rate, t, state, draw):
        return x - learning_rate * draw.gradient(x - learning_rate * draw.gradient(x)), state


class Mixing(Method):
    """Coordinates are mixed: the mean gradient is taken off, and there is a pull to 1."""

    def step(self, x, learning_rate, t, state, draw):
        gradient = draw.gradient(x)
        return x - learning_rate * (gradient - 0.5 * jnp.mean(gradient) + 0.3 * (x - 1.0)), state


class Diagonal(Method):
    """Coordinates are treated for themselves, and differently."""

    rates: np.ndarray

    def init(self, x0):
        return x0

    def step(self, x, learning_rate, t, before, draw):
        return x - learning_rate * jnp.multiply(self.rates, draw.gradient(x)) + 0.5 * (x - before), x


class Variance(Method):
    """Svrg with a snapshot at every fourth update: the noise cancels."""

    def init(self, x0):
        return x0, jnp.zeros_like(x0)

    def step(self, x, learning_rate, t, state, draw):
        at, full = state
        now = t % 4 == 0
        at, full = jnp.where(now, x, at), jnp.where(now, draw.full_gradient(x), full)
        return x - learning_rate * (draw.gradient(x) - draw.gradient(at) + full), (at, full)


def with_wide_counts(tree):
    """With counts of 64 bits, so that JAX takes fractions of them in double precision."""
    return jax.tree.map(lambda leaf: leaf.astype(jnp.int64) if leaf.dtype == jnp.int32 else leaf, tree)
