"""How iterates and averages of a linear method respond to the noise of each update.

On a quadratic x_s - x* = m_s + sum_{t < s} C_{s,t} xi_t. If the xi_t are independent, a law that independent sums keep,
or cumulants, which they add up, follow from the numbers C_{s,t} alone. With z_{t+1} = M_t z_t + N_t xi_t + c_t they are
found from the last update back: rows w' of what is seen of z_s pass to w'M_t, and C_{s,t} = w'N_t.
"""

from collections.abc import Callable, Sequence
from typing import NamedTuple

import numpy as np

from jaxsgd.theory.finite_sums.cost_limit import OVERHEAD, check_cost
from jaxsgd.theory.linear.maps import MapsOfMethod
from jaxsgd.theory.linear.propagation import augmented

_AT_ONCE = 2**10  # steps


class Summed(NamedTuple):
    """Of x and of each average, (1 + averages, steps, d): m_s, and what is added up over updates and noise."""

    means: np.ndarray
    totals: np.ndarray


def added_up(
    maps: MapsOfMethod,
    mixings: Sequence[np.ndarray],
    steps: np.ndarray,
    function: Callable[[np.ndarray], np.ndarray],
    factors: np.ndarray,
    weights: np.ndarray,
) -> Summed:
    """m_s and sum_{t < s} sum_i w_i f(c_t C_{s,t,i}) for x_s - x* and averages, at increasing steps.

    **Arguments**

    - `maps`: of the method.
    - `mixings`: c_t of each average (T,).
    - `function`: f, of arrays.
    - `factors`: c_t, of which noise c_t xi_t enters.
    - `weights`: w (d,), of the coordinates i of xi_t.
    """
    blocks, m = maps.start.mean.shape
    last, r = int(steps[-1]), maps.between(0, 1).noise.shape[-1]
    size = m + r * len(mixings)
    seen = np.concatenate([np.eye(r, size), np.eye(size)[m:]])  # rows of x and of averages, which start at x_0
    check_cost(last * (OVERHEAD + float(blocks) * len(steps) * len(seen) * size**2))
    rows = np.broadcast_to(seen, (blocks, len(steps), *seen.shape)).copy()
    means, totals = np.zeros((2, *rows.shape[:-1]))
    w_i = weights.reshape(blocks, 1, r, 1)
    for end in range(last, 0, -_AT_ONCE):
        first = max(0, end - _AT_ONCE)
        some = maps.between(first, end)
        some.check(first)
        M, offsets, N, _ = augmented(some, [c[first:end] for c in mixings])
        for t in range(end - 1, first - 1, -1):
            later = slice(int(np.searchsorted(steps, t, side="right")), None)
            now = rows[:, later]
            totals[:, later] += (function(factors[t] * now @ N[t - first][:, None]) @ w_i)[..., 0]
            means[:, later] += (now @ offsets[t - first][:, None, :, None])[..., 0]
            rows[:, later] = now @ M[t - first][:, None]
    z_0 = np.concatenate([maps.start.mean, *[maps.start.mean[:, :r]] * len(mixings)], axis=1)
    means += (rows @ z_0[:, None, :, None])[..., 0]
    return Summed(*(_by_kind(each, r) for each in (means, totals)))


def _by_kind(values: np.ndarray, r: int) -> np.ndarray:
    """(B, steps, kinds r) as (kinds, steps, B r)."""
    blocks, steps = values.shape[:2]
    return values.reshape(blocks, steps, -1, r).transpose(2, 1, 0, 3).reshape(-1, steps, blocks * r)
