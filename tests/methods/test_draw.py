"""What a method sees of a draw."""

import jax
import jax.numpy as jnp

from jaxsgd.methods import Draw


def test_what_is_computed_in_a_branch_is_computed_again_outside():
    counts = []

    def gradient(x):
        counts.append(1)
        return 3 * x

    def step(x):
        draw = Draw(gradient, gradient, gradient)
        inside = jax.lax.cond(x > 0, lambda: draw.gradient(x), lambda: -draw.gradient(x))
        return inside + draw.gradient(x) + draw.gradient(x)

    assert jax.jit(step)(jnp.asarray(2.0)) == 18
    assert len(counts) == 3
