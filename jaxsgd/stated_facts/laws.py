"""Draws of a law, a noise or a start, and whether their mean is the stated one."""

from collections.abc import Callable
from typing import Any

import jax
import jax.numpy as jnp
import numpy as np
from jax.flatten_util import ravel_pytree

from jaxsgd.remembering import remember
from jaxsgd.start import as_parameters
from jaxsgd.stated_facts.draws import Sample, lanes_for, sample_of, variates, wrong_mean
from jaxsgd.stated_facts.held import Held, contradiction, dimension_of, drawn_by, evaluated, quick
from jaxsgd.streams import Replay
from jaxsgd.structure import Skeleton, Structure


def sample_of_law(law: Held, point: Held) -> Sample | None:
    """Some thousand draws of ``law.item.sample(stream, like)``, like ``point``; None where they cannot be looked at."""
    like = point.item
    requests = drawn_by(lambda stream: law.of_jax.sample(stream, like))
    if requests is None:
        return None
    lanes = lanes_for(sum(request.size for request in requests) + dimension_of(point))
    if not lanes:
        return None
    drawn = evaluated(_compiled(law.skeleton, Structure.of(like)), law.copies, variates(requests, lanes))
    return None if drawn is None else sample_of(drawn.astype(np.float64), requests, lanes)


def check_mean(what: str, stated: str, sample: Sample, mean: np.ndarray) -> None:
    """An error if draws have another mean than this, (d,), which is ``stated`` of ``what``."""
    wrong = wrong_mean(sample, mean)
    if wrong is not None:
        k, found, z = wrong
        lanes = len(sample.values)
        raise contradiction(what, stated, f"the mean of coordinate {k} in {lanes} draws is {found:.6g} ({z:+.0f} SE)")


@remember(64)
def _compiled(skeleton: Skeleton, point: Structure) -> Callable[..., Any]:
    """Draws (lanes, d), a function of the numbers of a law and of variates."""

    def draw(numbers: list[jax.Array], drawn: Any) -> jax.Array:
        like = point.like(np.float64)
        sample = skeleton.filled(numbers).sample(Replay(drawn), like)
        return ravel_pytree(as_parameters("a draw", sample, jnp.asarray))[0]

    return quick(jax.vmap(draw, (None, 0)))
