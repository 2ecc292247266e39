"""How iterates, averages and further points of a linear method respond to the noise of each update.

On a quadratic x_s - x* = m_s + sum_{t < s} C_{s,t} xi_t with numbers C_{s,t}. If the xi_t are independent, what
independent variables add up follows from these alone, such as cumulants, kappa_k(x_s) = sum_t C_{s,t}^k kappa_k(xi_t),
and the scales of stable laws. With z_{t+1} = M_t z_t + N_t xi_t + c_t, the rows w' that see x_s in z_s pass to w'M_t,
from the last update back, and C_{s,t} = w'N_t.
"""

from collections.abc import Callable, Sequence
from typing import NamedTuple

import numpy as np

from jaxsgd.theory.finite_sums.cost_limit import OVERHEAD, check_cost
from jaxsgd.theory.linear.maps import MapsOfMethod
from jaxsgd.theory.linear.propagation import augmented, padded

_AT_ONCE = 2**10  # steps


class Summed(NamedTuple):
    """Of x, each average and each further point, (kinds, steps, d): m_s, and what is added up over updates and noise.

    NaN where a point has no value.
    """

    means: np.ndarray
    totals: np.ndarray


def cost_of_adding_up(maps: MapsOfMethod, averages: int, steps: np.ndarray) -> float:
    """What `added_up` takes, in multiplications."""
    blocks, m = maps.start.mean.shape
    _, r = _shape(maps)
    size = m + r * averages
    return float(steps.max()) * (OVERHEAD + float(blocks * len(steps)) * size**2 * (1 + averages) * r)


def added_up(
    maps: MapsOfMethod,
    mixings: Sequence[np.ndarray],
    steps: np.ndarray,
    function: Callable[[np.ndarray], np.ndarray],
    weights: np.ndarray,
) -> Summed:
    """m_s and sum_{t < s} sum_i f(C_{s,t,i}) w_{t,i} for x_s - x*, averages and points, at increasing steps.

    **Arguments**

    - `maps`: of the method.
    - `mixings`: c_t of each average (T,).
    - `function`: f, of arrays.
    - `weights`: w (T, d), of the coordinates i of xi_t.
    """
    check_cost(cost_of_adding_up(maps, len(mixings), steps))
    blocks = len(maps.start.mean)
    last, (points, r) = int(steps.max()), _shape(maps)
    rows, means = _seen(maps, len(mixings), steps, points, r)
    totals, w = np.zeros(means.shape), weights.reshape(-1, blocks, 1, r, 1)
    for end in range(last, 0, -_AT_ONCE):
        first = max(0, end - _AT_ONCE)
        some = maps.between(first, end)
        some.check(first)
        M, offsets, N, _ = augmented(some, [c[first:end] for c in mixings])
        for t in range(end - 1, first - 1, -1):
            later = slice(int(np.searchsorted(steps, t, side="right")), None)
            now = rows[:, later]
            totals[:, later] += (function(now @ N[t - first][:, None]) @ w[t])[..., 0]
            means[:, later] += (now @ offsets[t - first][:, None, :, None])[..., 0]
            rows[:, later] = now @ M[t - first][:, None]
    z_0 = np.concatenate([maps.start.mean, *[maps.start.mean[:, :r]] * len(mixings)], axis=1)
    means += (rows @ z_0[:, None, :, None])[..., 0]
    return Summed(*(_by_kind(each, r) for each in (means, totals)))


def _shape(maps: MapsOfMethod) -> tuple[int, int]:
    """How many further points there are, and coordinates in a block."""
    one = maps.between(0, 1)
    return len(one.points), one.noise.shape[-1]


def _seen(maps: MapsOfMethod, averages: int, steps: np.ndarray, points: int, r: int) -> tuple[np.ndarray, np.ndarray]:
    """The rows (B, steps, kinds r, size) that see x, averages and points in z and averages, and what they add to it."""
    blocks, m = maps.start.mean.shape
    size = m + r * averages
    of_x = np.concatenate([np.eye(r, size), np.eye(size)[m:]])
    rows = np.broadcast_to(of_x, (blocks, len(steps), *of_x.shape))
    added = np.zeros(rows.shape[:-1])
    if not points:
        return rows.copy(), added
    at_steps = [maps.between(step, step + 1).points for step in steps.tolist()]
    for k in range(points):
        P = np.stack([padded(at_step[k][0][0], size) for at_step in at_steps], axis=1)
        p = np.stack([at_step[k][1][0] for at_step in at_steps], axis=1)
        rows, added = np.concatenate([rows, P], axis=2), np.concatenate([added, p], axis=2)
    return rows, added


def _by_kind(values: np.ndarray, r: int) -> np.ndarray:
    """(B, steps, kinds r) as (kinds, steps, B r)."""
    blocks, steps = values.shape[:2]
    return values.reshape(blocks, steps, -1, r).transpose(2, 1, 0, 3).reshape(-1, steps, blocks * r)
