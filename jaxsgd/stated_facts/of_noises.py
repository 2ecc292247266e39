"""What users state of the law of a noise, against some thousand draws."""

from collections.abc import Callable
from typing import Any

import jax
import numpy as np
from jax.flatten_util import ravel_pytree

from jaxsgd.remembering import remember
from jaxsgd.stated_facts.draws import check_covariance, lanes_for, sample_of, variates, wrong_mean
from jaxsgd.stated_facts.held import Held, contradiction, dimension_of, drawn_by, evaluated, quick
from jaxsgd.streams import Replay
from jaxsgd.structure import Skeleton, Structure


@remember(256)
def check_noise(held: Held, start: Held) -> None:
    """An error if the mean is not 0, or the covariance is not the stated one.

    Checked are 4096 draws, fewer in many coordinates; wrong by chance with probability 2e-10 at most. A variance is
    found wrong if it is off by some 15% (normal noise). Whether a law is normal, symmetric or bounded is not checked.
    """
    noise, d, like = held.item, dimension_of(start), start.item
    requests = drawn_by(lambda stream: held.of_jax.sample(stream, like))
    if requests is None:
        return
    lanes = lanes_for(sum(request.size for request in requests) + d)
    if not lanes:
        return
    compiled = _compiled(held.skeleton, Structure.of(like))
    drawn = evaluated(compiled, held.copies, variates(requests, lanes))
    sample = None if drawn is None else sample_of(drawn.astype(np.float64), requests, lanes)
    if sample is None:
        return
    mean = wrong_mean(sample, np.zeros(d))
    what = f"the noise {type(noise).__name__}"
    if mean is not None:
        k, found, z = mean
        raise contradiction(
            what, "mean 0, as every noise", f"the mean of coordinate {k} in {lanes} draws is {found:.6g} ({z:+.0f} SE)"
        )
    covariance = noise.covariance_matrix(d)
    if covariance is None or np.shape(covariance) not in ((d,), (d, d)):
        return
    check_covariance(what, "covariance_matrix", sample, np.asarray(covariance, np.float64))


@remember(64)
def _compiled(skeleton: Skeleton, point: Structure) -> Callable[..., Any]:
    """Draws (lanes, d), a function of the numbers of a noise and of variates."""

    def draw(numbers: list[jax.Array], drawn: Any) -> jax.Array:
        like = point.like(np.float64)
        return ravel_pytree(skeleton.filled(numbers).sample(Replay(drawn), like))[0]

    return quick(jax.vmap(draw, (None, 0)))
