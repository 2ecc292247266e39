"""A risk of one coordinate and its derivative at many points, in float64."""

from collections.abc import Callable, Iterator
from typing import Any

import jax
import jax.numpy as jnp
import numpy as np
from jax.extend.core import Jaxpr, Literal
from jax.flatten_util import ravel_pytree

from jaxsgd import compiler
from jaxsgd.problems import Problem
from jaxsgd.remembering import remember
from jaxsgd.structure import Skeleton, Structure

Values = tuple[np.ndarray, np.ndarray]
"""R and R' at points (n,)."""

MOST_NUMBERS = 64
"""So many numbers of the risk, at most, are looked around."""

CHUNKS = 128, 1024
"""Points at which the risk is computed by one call of the compiled function: few points are computed fastest."""


def pointwise(problem: Problem, point: Structure) -> Callable[[np.ndarray], Values]:
    """R and R' at points (n,), in float64."""
    skeleton, leaves = Skeleton.split(problem)
    compiled = _compiled(skeleton, point)
    with jax.enable_x64(True):
        # Copies, as JAX 0.10 remembers an array that it was given in one precision, and returns it in another.
        numbers = [jnp.asarray(np.array(leaf)) for leaf in leaves]

    def evaluate(points: np.ndarray) -> Values:
        if not len(points):
            return np.zeros(0), np.zeros(0)
        chunk = CHUNKS[len(points) > CHUNKS[0]]
        padded = np.full(-(-len(points) // chunk) * chunk, points[-1])
        padded[: len(points)] = points
        with jax.enable_x64(True):
            parts = [np.asarray(compiled(numbers, part)) for part in padded.reshape(-1, chunk)]
        risks, slopes = np.concatenate(parts, axis=1)[:, : len(points)]
        return risks, slopes

    return evaluate


@remember(maxsize=32)
def _compiled(skeleton: Skeleton, point: Structure) -> Callable[[list[jax.Array], Any], jax.Array]:
    """R and R' of problems of one structure, as (2, n): a function of their numbers and of points (n,)."""

    def both(numbers: list[jax.Array], points: jax.Array) -> jax.Array:
        problem = skeleton.filled(numbers)

        def at(x: Any) -> jax.Array:
            return jnp.stack([problem.value(x), ravel_pytree(problem.gradient(x))[0][0]])

        return jax.vmap(at, in_axes=-1, out_axes=-1)(point.unflatten(points[None]))

    return compiler.jit(both)


def numbers_of(problem: Problem, point: Structure) -> np.ndarray:
    """The numbers that the program of the risk contains, and those that the problem holds."""
    with jax.enable_x64(True):
        program = jax.make_jaxpr(problem.value)(point.like(float))
    held = [np.ravel(leaf) for leaf in (*program.consts, *Skeleton.split(problem)[1]) if np.size(leaf) <= MOST_NUMBERS]
    known = np.concatenate([np.array(list(_literals(program.jaxpr)), float), *held]).astype(float)
    known = np.unique(np.abs(known[np.isfinite(known)]))[:MOST_NUMBERS]
    return np.unique(np.concatenate([known, -known]))


def _literals(program: Jaxpr) -> Iterator[float]:
    for equation in program.eqns:
        yield from (float(atom.val) for atom in equation.invars if isinstance(atom, Literal) and np.ndim(atom.val) == 0)
        for inner in jax.tree.leaves(list(equation.params.values()), is_leaf=lambda part: hasattr(part, "eqns")):
            if hasattr(inner, "eqns"):
                yield from _literals(getattr(inner, "jaxpr", inner))
