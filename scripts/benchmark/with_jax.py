"""The peers that are written with plain JAX, as it is usually done."""

import functools
from typing import Any

import jax
import jax.numpy as jnp
import numpy as np
from jax import lax
from workload import START, STEPS, learning_rate, risk

State = tuple[jax.Array, jax.Array, jax.Array, jax.Array]  # x, xbar, sum of eta_t, key


def _start(key: jax.Array) -> State:
    x = jnp.array(START)
    return x, x, jnp.float32(0), key


def _observe(x: jax.Array, average: jax.Array) -> jax.Array:
    return jnp.stack([risk(*x), jnp.sum(x * x), risk(*average)])


def _update(x: jax.Array, average: jax.Array, weight: Any, t: jax.Array, z: jax.Array) -> Any:
    eta = learning_rate(t)
    weight = weight + eta
    gradient = jax.grad(lambda x: risk(*x))(x) + z
    return x - eta * gradient, average + eta / weight * (x - average), weight


def _moments(values: jax.Array) -> jax.Array:
    """Mean and variance over trajectories: (trajectories, observables) to (observables, 2)."""
    return jnp.stack([jnp.mean(values, 0), jnp.var(values, 0, ddof=1)], -1)


@functools.partial(jax.jit, static_argnums=(0, 1))
def _vmap_of_scan(trajectories: int, every: int, key: jax.Array) -> jax.Array:
    def step(state: State, t: jax.Array) -> tuple[State, None]:
        x, average, weight, key = state
        key, draw = jax.random.split(key)
        return (*_update(x, average, weight, t, jax.random.normal(draw, (2,))), key), None

    def record(state: State, t: jax.Array) -> tuple[State, jax.Array]:
        return lax.scan(step, state, t + jnp.arange(every))[0], _observe(*state[:2])

    def one(key: jax.Array) -> jax.Array:
        state, observed = lax.scan(record, _start(key), jnp.arange(0, STEPS, every))
        return jnp.concatenate([observed, _observe(*state[:2])[None]])

    return jax.vmap(_moments, 1)(jax.vmap(one)(jax.random.split(key, trajectories)))


@functools.partial(jax.jit, static_argnums=(0, 1))
def _scan_of_vmap(trajectories: int, every: int, key: jax.Array) -> jax.Array:
    def step(state: State, t: jax.Array) -> tuple[State, None]:
        x, average, weight, key = state
        z = jax.random.normal(jax.random.fold_in(key, t), (trajectories, 2))
        return (*jax.vmap(_update, (0, 0, 0, None, 0))(x, average, weight, t, z), key), None

    def observe(state: State) -> jax.Array:
        return _moments(jax.vmap(_observe)(*state[:2]))

    def record(state: State, t: jax.Array) -> tuple[State, jax.Array]:
        return lax.scan(step, state, t + jnp.arange(every))[0], observe(state)

    x, average, weight, _ = _start(key)
    state = (*(jnp.broadcast_to(leaf, (trajectories, *leaf.shape)) for leaf in (x, average, weight)), key)
    state, observed = lax.scan(record, state, jnp.arange(0, STEPS, every))
    return jnp.concatenate([observed, observe(state)[None]])


def vmap_of_scan(trajectories: int, every: int) -> np.ndarray:
    """One trajectory is a scan that splits its key; vmap over keys; statistics at the end."""
    return np.asarray(_vmap_of_scan(trajectories, every, jax.random.key(0)))[-1]


def scan_of_vmap(trajectories: int, every: int) -> np.ndarray:
    """One scan over steps with one key for each; statistics at every record."""
    return np.asarray(_scan_of_vmap(trajectories, every, jax.random.key(0)))[-1]
