"""How often examples are drawn, counted for every trajectory: the draws of a kernel without its updates."""

import functools
from typing import Any

import jax
import jax.numpy as jnp
import numpy as np
from jax import lax

from jaxsgd import compiler
from jaxsgd.engine.kernel import Kernel, Span
from jaxsgd.engine.plan import Form
from jaxsgd.engine.program import Inputs, Program
from jaxsgd.engine.statistics import BLOCK

NEVER = np.int32(2**31 - 1)


def count_draws(
    program: Program, inputs: Inputs, key: np.ndarray, first: int, updates: tuple[int, ...]
) -> dict[str, Any]:
    """What `BLOCK` trajectories from id ``first`` on have drawn after some numbers of updates, increasing.

    The oracle's sample must be the indices of the examples. **Returns** `distinct` and `once` (updates, BLOCK): how
    many examples were drawn at least once and exactly once; and `complete` (BLOCK,): after how many updates all were,
    or `NEVER`.
    """
    span = Span(np.uint32(first), np.int32(0), np.int32(BLOCK))
    with program.around.entered():
        return jax.device_get(_compiled(program, updates)(inputs, key, span))


@functools.lru_cache(maxsize=16)
def _compiled(program: Program, updates: tuple[int, ...]) -> Any:
    return compiler.jit(functools.partial(_count, program, updates))


def _count(program: Program, updates: tuple[int, ...], inputs: Inputs, key: jax.Array, span: Span) -> dict[str, Any]:
    kernel = Kernel(program, Form(carry_draws=False), BLOCK, False, inputs, key, span)
    n = kernel.oracle.problem.examples
    lane = lax.iota(jnp.int32, BLOCK)

    def add(state: tuple[Any, ...], example: Any) -> tuple[tuple[Any, ...], None]:
        counts, distinct, once = state
        index, weight = example
        used = jnp.int32(1) if weight is None else (weight != 0).astype(jnp.int32)  # 0 stands for no example
        place = index * BLOCK + lane
        before = counts.at[place].get(mode="promise_in_bounds", wrap_negative_indices=False)
        counts = counts.at[place].set(before + used, mode="promise_in_bounds", wrap_negative_indices=False)
        new, again = jnp.where(before == 0, used, 0), jnp.where(before == 1, used, 0)
        return (counts, distinct + new, once + new - again), None

    def update(t: jax.Array, carry: tuple[Any, ...]) -> tuple[Any, ...]:
        memory, state, complete = carry
        sample, memory = kernel.sample(kernel.draw(t), t, memory)
        state = lax.scan(add, state, sample)[0] if sample.examples.ndim > 1 else add(state, sample)[0]
        return memory, state, jnp.where((state[1] == n) & (complete == NEVER), t + 1, complete)

    zero = jnp.zeros(BLOCK, jnp.int32)
    memory = jax.tree.map(lambda leaf: jnp.broadcast_to(leaf[:, None], (*leaf.shape, BLOCK)), kernel.oracle.memory())
    carry = memory, (jnp.zeros(n * BLOCK, jnp.int32), zero, zero), jnp.full(BLOCK, NEVER)

    seen = []
    for last, now in zip((0, *updates), updates, strict=False):
        carry = lax.fori_loop(last, now, update, carry)
        seen.append(carry[1][1:])
    distinct, once = (jnp.stack(column) for column in zip(*seen, strict=True))
    return {"distinct": distinct, "once": once, "complete": carry[2]}
