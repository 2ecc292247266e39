"""What users state of a method, at some points."""

from collections.abc import Callable
from typing import Any

import jax
import jax.numpy as jnp
import numpy as np

from jaxsgd.one_update import moved_by
from jaxsgd.remembering import remember
from jaxsgd.stated_facts.held import Held, contradiction, dimension_of, evaluated, quick, shown
from jaxsgd.structure import Skeleton, flat

_RATE, _CLOSE = 0.1, 1e-6


@remember(256)
def check_method(held: Held, start: Held) -> None:
    """An error if an update is not that of plain SGD, of its projection, or not affine in (x, g), where that is stated.

    Checked are updates of three points around the start, of which the third is the sum of the others, and of 0.
    """
    method, d = held.item, dimension_of(start)
    if not (method.plain or method.linear or method.projection is not None):
        return
    x, g = np.random.default_rng(0).normal(size=(2, 4, d)) * max(1.0, float(np.abs(flat(start.item)).max()))
    for each in (x, g):
        each[2], each[3] = each[0] + each[1], 0.0
    moved = evaluated(_compiled(held.skeleton), held.copies, x, g)
    if moved is None or not np.isfinite(moved[0]).all():
        return
    (found, projected), what = moved, f"the method {type(method).__name__}"
    plain, scale = x - _RATE * g, _CLOSE * np.abs(x).max()
    stated = "plain=True" if method.plain else f"projection={method.projection!r}"
    expected = plain if method.plain else projected
    if (method.plain or method.projection is not None) and np.abs(found - expected).max() > scale:
        k = int(np.abs(found - expected).max(1).argmax())
        raise contradiction(
            what,
            stated,
            f"x={shown(x[k])}, g={shown(g[k])} and eta={_RATE} give {shown(found[k])}, not {shown(expected[k])}",
        )
    off = found[0] + found[1] - found[2] - found[3]
    if method.linear and np.abs(off).max() > scale:
        raise contradiction(what, "linear=True", f"F(a) + F(b) - F(a + b) - F(0) = {shown(off)} for some (x, g) a, b")


@remember(64)
def _compiled(skeleton: Skeleton) -> Callable[..., Any]:
    """Updates, and the projections of plain ones."""

    def update(numbers: list[jax.Array], x: jax.Array, g: jax.Array) -> tuple[jax.Array, jax.Array]:
        method = skeleton.filled(numbers)
        plain = x - _RATE * g
        onto = method.projection
        moved = moved_by(method, x, g, jnp.asarray(_RATE, x.dtype))
        return moved, plain if onto is None else onto.project(plain)

    return quick(jax.vmap(update, (None, 0, 0)))
