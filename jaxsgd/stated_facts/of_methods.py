"""What users state of a method, along some updates."""

from collections.abc import Callable
from typing import Any

import jax
import jax.numpy as jnp
import numpy as np

from jaxsgd.methods import Method
from jaxsgd.one_update import affine_draw
from jaxsgd.remembering import remember
from jaxsgd.stated_facts.held import Held, contradiction, dimension_of, evaluated, quick, shown
from jaxsgd.structure import Skeleton, Structure, flat

_RATES, _CURVATURE, _CLOSE = (0.1, 0.05, 0.08, 0.1), 0.5, 1e-6


@remember(256)
def check_method(held: Held, start: Held) -> None:
    """An error if updates are not those of plain SGD, of its projection, or not affine, where that is stated.

    Four updates are made with gradients g_t(x) = x / 2 + xi_t, from three starts around x0 with noise of their own, of
    which the third is the sum of the others, and from 0 without noise.
    """
    method, d = held.item, dimension_of(start)
    if not (method.plain or method.linear or method.projection is not None):
        return
    scale = max(1.0, float(np.abs(flat(start.item)).max()))
    x, *noise = scale * np.random.default_rng(0).normal(size=(1 + len(_RATES), 4, d))
    for each in (x, *noise):
        each[2], each[3] = each[0] + each[1], 0.0
    point = Structure.of(start.item)
    moved = evaluated(_compiled(held.skeleton, point), held.copies, x, np.stack(noise, 1))
    if moved is None or not np.isfinite(moved[0]).all():
        return
    (found, expected), what = moved, f"the method {type(method).__name__}"
    close = _CLOSE * np.abs(x).max()
    stated = "plain=True" if method.plain else f"projection={method.projection!r}"
    gap = np.abs(found - expected).max((0, 2))
    if (method.plain or method.projection is not None) and gap.max() > close:
        t = int(np.argmax(gap > close))
        k = int(np.abs(found - expected)[:, t].max(1).argmax())
        before = x[k] if t == 0 else found[k, t - 1]
        g = _CURVATURE * before + noise[t][k]
        raise contradiction(
            what,
            stated,
            f"x={shown(before)}, g={shown(g)} and eta={_RATES[t]} give {shown(found[k, t])}, not "
            f"{shown(expected[k, t])}, at t = {t}",
        )
    off = found[0] + found[1] - found[2] - found[3]
    if method.linear and np.abs(off).max() > close:
        t = int(np.abs(off).max(1).argmax())
        raise contradiction(
            what,
            "linear=True",
            f"F(a) + F(b) - F(a + b) - F(0) = {shown(off[t])} for x_{t + 1} = F(x_0, xi_0, xi_1, ...)",
        )


@remember(64)
def _compiled(skeleton: Skeleton, point: Structure) -> Callable[..., Any]:
    """The path of x from x_0 with this noise (updates, d), and that of SGD, projected where that is stated."""

    def paths(numbers: list[jax.Array], x: jax.Array, noise: jax.Array) -> tuple[jax.Array, jax.Array]:
        method: Method = skeleton.filled(numbers)
        onto, plain = method.projection, x
        seen = _as_seen(method, point, x)
        state, found, expected = method.init(seen), [], []
        for t, rate in enumerate(_RATES):
            draw = affine_draw(_CURVATURE, _as_seen(method, point, noise[t]))
            seen, state = method.step(seen, jnp.asarray(rate, x.dtype), jnp.int32(t), state, draw)
            plain = plain - rate * (_CURVATURE * plain + noise[t])
            plain = plain if onto is None else onto.project(plain)
            found.append(point.ravel(seen) if method.sees_pytree else seen)
            expected.append(plain)
        return jnp.stack(found), jnp.stack(expected)

    return quick(jax.vmap(paths, (None, 0, 0)))


def _as_seen(method: Method, point: Structure, x: jax.Array) -> Any:
    """A vector (d,) in the form that the method sees."""
    return point.unravel(x) if method.sees_pytree else x
