"""What users state of how gradients are drawn, against draws at one point."""

from collections.abc import Callable
from typing import Any

import jax
import jax.numpy as jnp
import numpy as np
from jax.flatten_util import ravel_pytree

from jaxsgd.remembering import remember
from jaxsgd.stated_facts.draws import Sample, check_covariance, lanes_for, sample_of, variates, wrong_mean
from jaxsgd.stated_facts.held import Held, contradiction, dimension_of, drawn_by, evaluated, quick, shown
from jaxsgd.streams import Replay
from jaxsgd.structure import Skeleton, Structure, flat

_CLOSE = 1e-6


@remember(256)
def check_oracle(held: Held, start: Held) -> None:
    """An error if first gradients are not unbiased, not the full gradient, or have another covariance, as stated.

    They are drawn for update 0 at a point near the start, which lies nowhere in particular. Wrong by chance with
    probability 2e-10 at most. Later updates, normality, orders and batches are not checked.
    """
    oracle, d, like = held.item, dimension_of(start), start.item
    problem, stated = oracle.problem, oracle.gradient_covariance(d)
    if not ((problem is not None and (oracle.unbiased or oracle.full_gradient)) or stated is not None):
        return
    requests = drawn_by(lambda stream: held.of_jax.sample(stream, like, 0, held.of_jax.memory()))
    if requests is None:
        return
    lanes = lanes_for(held.size + sum(request.size for request in requests) + d)
    if not lanes:
        return
    x = flat(like)
    x = x + 1e-3 * max(1.0, float(np.abs(x).max())) * np.random.default_rng(0).normal(size=d)
    compiled = _compiled(held.skeleton, Structure.of(like))
    found = evaluated(compiled, held.copies, x, variates(requests, lanes))
    if found is None:
        return
    drawn, full = found[0].astype(np.float64), found[1].astype(np.float64)
    sample = sample_of(drawn, requests, lanes)
    if sample is None or not np.isfinite(full).all():
        return
    what = f"the oracle {type(oracle).__name__}"
    if problem is not None:
        _check_mean(what, oracle, sample, full[0], x)
    if stated is not None and np.shape(stated) in ((d,), (d, d)):
        centre = full[0] if problem is not None and oracle.unbiased else sample.values.mean(0)
        _check_covariance(what, Sample(sample.values - centre, sample.is_wild), np.asarray(stated, np.float64), x)


def _check_mean(what: str, oracle: Any, sample: Sample, full: np.ndarray, x: np.ndarray) -> None:
    if oracle.full_gradient:
        off = np.abs(sample.values - full).max(1)
        k = int(off.argmax())
        if off[k] > _CLOSE * max(np.abs(full).max(), np.abs(sample.values[k]).max()):
            raise contradiction(
                what,
                "full_gradient=True",
                f"at x={shown(x)} a draw is {shown(sample.values[k])}, and the gradient of R {shown(full)}",
            )
    if oracle.unbiased:
        wrong = wrong_mean(sample, full)
        if wrong is not None and abs(wrong[1] - full[wrong[0]]) > _CLOSE * np.abs(full).max():
            k, found, z = wrong
            raise contradiction(
                what,
                "unbiased=True",
                f"at x={shown(x)} coordinate {k} of the mean of {len(sample.values)} draws is {found:.6g}, and of the "
                f"gradient of R {full[k]:.6g} ({z:+.0f} standard errors)",
            )


def _check_covariance(what: str, sample: Sample, covariance: np.ndarray, x: np.ndarray) -> None:
    if np.abs(sample.values).max() <= _CLOSE * max(1.0, np.abs(x).max()) and not covariance.any():
        return  # rounding
    check_covariance(what, "gradient_covariance", sample, covariance, f" at x={shown(x)}")


@remember(64)
def _compiled(skeleton: Skeleton, point: Structure) -> Callable[..., Any]:
    """First gradients at x (lanes, d), and that of R (lanes, d), 0 where R is not known."""

    def draw(numbers: list[jax.Array], x: jax.Array, drawn: Any) -> tuple[jax.Array, jax.Array]:
        oracle = skeleton.filled(numbers)
        tree = jax.tree.map(lambda leaf: leaf[..., 0], point.unflatten(x[:, None]))
        sample, _ = oracle.sample(Replay(drawn), tree, jnp.int32(0), oracle.memory())
        full = x * 0 if oracle.problem is None else ravel_pytree(oracle.problem.gradient(tree))[0]
        return ravel_pytree(oracle.gradient(tree, sample))[0], full

    return quick(jax.vmap(draw, (None, None, 0)))
