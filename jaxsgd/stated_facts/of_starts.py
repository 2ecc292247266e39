"""What users state of the law of x_0, against some thousand draws."""

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
def check_start(held: Held, point: Held) -> None:
    """An error if mean or covariance of x_0 are not the stated ones; ``point`` has the structure of x.

    Checked are 4096 draws, fewer in many coordinates, as of a noise.
    """
    law, d, like = held.item, dimension_of(point), point.item
    mean, covariance = law.mean_vector(d), law.covariance_matrix(d)
    if mean is None and covariance is None:
        return
    requests = drawn_by(lambda stream: held.of_jax.sample(stream, like))
    lanes = lanes_for(sum(request.size for request in requests or ()) + d)
    if requests is None or not lanes:
        return
    drawn = evaluated(_compiled(held.skeleton, Structure.of(like)), held.copies, variates(requests, lanes))
    sample = None if drawn is None else sample_of(drawn.astype(np.float64), requests, lanes)
    if sample is None:
        return
    what = f"the law of x0, {type(law).__name__}"
    if mean is not None and np.shape(mean) == (d,):
        wrong = wrong_mean(sample, np.asarray(mean, np.float64))
        if wrong is not None:
            k, found, z = wrong
            raise contradiction(
                what, "mean_vector", f"the mean of coordinate {k} in {lanes} draws is {found:.6g} ({z:+.0f} SE)"
            )
    if covariance is not None and np.shape(covariance) in ((d,), (d, d)):
        centred = sample._replace(values=sample.values - sample.values.mean(0))
        check_covariance(what, "covariance_matrix", centred, np.asarray(covariance, np.float64))


@remember(64)
def _compiled(skeleton: Skeleton, point: Structure) -> Callable[..., Any]:
    """Draws (lanes, d), a function of the numbers of a law and of variates."""

    def draw(numbers: list[jax.Array], drawn: Any) -> jax.Array:
        return ravel_pytree(skeleton.filled(numbers).sample(Replay(drawn), point.like(np.float64)))[0]

    return quick(jax.vmap(draw, (None, 0)))
