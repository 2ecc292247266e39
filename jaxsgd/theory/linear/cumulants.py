"""How cumulants pass through affine maps, where coordinates are independent of each other.

The joint cumulants of order k of z_{t+1} = M z_t + N xi_t + c are M (x) .. (x) M of those of z_t, and N (x) .. (x) N of
kappa_k(xi_t) added: cumulants of sums of independent variables add up, and a constant has none of order 2 or more. In
one coordinate under SGD that is kappa_k(x_{t+1}) = (1 - eta_t h)^k kappa_k(x_t) + (-eta_t)^k kappa_k(xi_t).
"""

from collections.abc import Iterator, Sequence

import numpy as np

from jaxsgd.theory.finite_sums.cost_limit import MOST, OVERHEAD
from jaxsgd.theory.linear.maps import MapsOfMethod
from jaxsgd.theory.linear.propagation import augmented, padded, rows_of

_AT_ONCE = 2**20
"""Numbers of the maps that are made at once."""


def affordable(maps: MapsOfMethod, averages: int, order: int, last: int) -> bool:
    """Whether cumulants up to a step take no more than about two seconds."""
    blocks, m = maps.start.mean.shape
    return (last + 1) * (OVERHEAD + blocks * (m + averages) ** (2 * order)) <= MOST / 30


def recorded_cumulants(
    maps: MapsOfMethod, entering: np.ndarray, order: int, mixings: Sequence[np.ndarray], steps: np.ndarray
) -> Iterator[list[np.ndarray]]:
    """kappa_k of x, of each average and of each further point at increasing steps, (B,) each.

    **Arguments**

    - `maps`: in blocks of one coordinate, from a point or a normal law of independent coordinates.
    - `entering`: kappa_k(xi_t) (T + 1, B).
    - `order`: k, from 3 on, so that those of z_0 are 0.
    - `mixings`, `steps`: as of `recorded`.
    """
    blocks, m = maps.start.mean.shape
    size, last, wanted = m + len(mixings), int(steps[-1]), set(steps.tolist())
    found = np.zeros((blocks, size**order))
    at_once = max(1, _AT_ONCE // (blocks * size ** (2 * order)))
    for first in range(0, last + 1, at_once):
        end = min(first + at_once, last + 1)
        some = maps.between(first, end)
        joined = augmented(some, [c[first:end] for c in mixings])
        matrices, enters = _power(joined.matrices, order), _power(joined.enters, order)[..., 0]
        for step, (M, N, kappa) in enumerate(zip(matrices, enters, entering[first:end], strict=True), first):
            if step in wanted:
                at = step - first
                rows = [rows_of(blocks, size, place, 1) for place in (0, *range(m, size))]
                rows += [padded(P[at], size) for P, _ in some.points]
                yield [(_power(row, order)[:, 0] * found).sum(-1) for row in rows]
            found = (M @ found[..., None])[..., 0] + N * kappa[:, None]


def _power(matrices: np.ndarray, order: int) -> np.ndarray:
    """The Kronecker powers (.., a^k, b^k) of matrices (.., a, b)."""
    found = matrices
    for _ in range(order - 1):
        product = found[..., :, None, :, None] * matrices[..., None, :, None, :]
        lead = product.shape[:-4]
        found = product.reshape(*lead, product.shape[-4] * product.shape[-3], product.shape[-2] * product.shape[-1])
    return found
