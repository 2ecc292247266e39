"""Gradients that are random affine functions of x, independent and of one law: drawn on the host."""

from collections.abc import Callable
from typing import Any, NamedTuple

import jax
import jax.numpy as jnp
import numpy as np
from jax.flatten_util import ravel_pytree

from jaxsgd import compiler, streams
from jaxsgd.remembering import remember
from jaxsgd.streams import Recorder, Replay, Request
from jaxsgd.structure import Skeleton, Structure, flat
from jaxsgd.study import Study
from jaxsgd.theory.finite_sums.polynomial_degree import degree

_REMEMBERED = 32
_PURPOSE = "moments of gradients"  # other draws than those of any simulation


class DrawnMaps(NamedTuple):
    """Draws of the G with g = G (e, 1), e = x - centre: (draws, d, d + 1)."""

    centre: np.ndarray
    maps: np.ndarray


class _Law(NamedTuple):
    """What the law of a gradient depends on: the oracle without its numbers, the structure of x, and what is drawn."""

    oracle: Skeleton
    point: Structure
    requests: tuple[Request, ...]


def drawn_maps(study: Study, draws: int) -> DrawnMaps | None:
    """So many draws of the gradient; None unless it is known to be affine in x, independent of all before, of one law.

    That is read off the programs of `sample`, which must have neither a memory nor use for t, and of `gradient`, which
    must be computed from x by sums and products with at most one factor x. None, too, if what is drawn is only added.
    """
    oracle = study.oracle
    if not study.requests or jax.tree.leaves(oracle.memory()):
        return None
    skeleton, numbers = Skeleton.split(oracle)
    law = _Law(skeleton, study.point, study.requests)
    with jax.enable_x64(True):
        numbers = tuple(np.array(number) for number in numbers)  # copies, as JAX remembers arrays with a precision
        if not _multiplies_alike(law, tuple(jax.ShapeDtypeStruct(each.shape, each.dtype) for each in numbers)):
            return None
        known = None if oracle.problem is None else oracle.problem.minimiser
        centre = np.zeros(study.dimension) if known is None else flat(known)
        points = np.concatenate([np.zeros((1, study.dimension)), np.eye(study.dimension)])
        ids = np.arange(draws, dtype=np.uint32)
        gradients = np.asarray(_compiled(law)(numbers, points + centre, streams.make_key(0, _PURPOSE), ids))
    if not np.isfinite(gradients).all():
        return None
    constant = gradients[:, 0]
    hessians = (gradients[:, 1:] - gradients[:, :1]).swapaxes(1, 2)
    if known is None:
        shift = -np.linalg.lstsq(hessians.mean(0), constant.mean(0), rcond=None)[0]
        centre, constant = centre + shift, constant + hessians @ shift
    return DrawnMaps(centre, np.concatenate([hessians, constant[:, :, None]], axis=2))


@remember(_REMEMBERED)
def _multiplies_alike(law: _Law, numbers: tuple[jax.ShapeDtypeStruct, ...]) -> bool:
    """Whether the gradient is affine in x, its Hessian depends on what is drawn, and the draw is no function of t."""
    x = law.point.like(float)

    def sample(t: Any, numbers: Any) -> Any:
        oracle = law.oracle.filled(numbers)
        return oracle.sample(Recorder(), jax.tree.map(lambda leaf: jnp.zeros(leaf.shape), x), t, oracle.memory())[0]

    def gradient(point: Any, given: Any) -> Any:
        numbers, drawn = given
        return ravel_pytree(law.oracle.filled(numbers).gradient(point, drawn))[0]

    def hessian(drawn: Any, given: Any) -> Any:
        numbers, point = given
        return ravel_pytree(jax.jacfwd(gradient)(point, (numbers, drawn)))[0]

    program = jax.make_jaxpr(sample)(jax.ShapeDtypeStruct((), jnp.int32), numbers).jaxpr
    uses = [variable for equation in program.eqns for variable in equation.invars] + list(program.outvars)
    if any(variable is program.invars[0] for variable in uses):
        return False
    drawn = jax.eval_shape(lambda numbers: sample(0, numbers), numbers)
    return degree(gradient, x, (numbers, drawn)) <= 1 and degree(hessian, drawn, (numbers, x)) > 0


@remember(_REMEMBERED)
def _compiled(law: _Law) -> Callable[..., jax.Array]:
    """Gradients (draws, points, d) at flat points (points, d), of the numbers of an oracle, a key and ids (draws,)."""

    def of_draws(numbers: Any, points: jax.Array, key: jax.Array, ids: jax.Array) -> jax.Array:
        oracle, drawn, counter = law.oracle.filled(numbers), [], 0
        for request in law.requests:
            counters = np.arange(counter, counter + request.words, dtype=np.uint32)
            packed = request.draw((key[0], key[1]), ids[None, :], counters[:, None])
            drawn.append(jax.tree.map(_wide, request.structure.unflatten(request.unpack(packed))))
            counter += request.words

        def of_draw(drawn: Any) -> jax.Array:
            def at(point: jax.Array) -> jax.Array:
                x = jax.tree.map(lambda leaf: leaf[..., 0], law.point.unflatten(point[:, None]))
                sample, _ = oracle.sample(Replay(drawn), x, jnp.int32(0), oracle.memory())
                return ravel_pytree(oracle.gradient(x, sample))[0]

            return jax.vmap(at)(points)

        return jax.vmap(of_draw, in_axes=-1)(tuple(drawn))

    return compiler.jit(of_draws)


def _wide(values: jax.Array) -> jax.Array:
    """Floats in float64."""
    return values.astype(float) if jnp.issubdtype(values.dtype, jnp.floating) else values
