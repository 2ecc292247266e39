"""Adjusting p-values for the number of tests."""

from typing import Any

import numpy as np

from jaxsgd.errors import InvalidInput, finite_array


def holm(p: Any) -> np.ndarray:
    """Holm's adjusted p-values: p~_(i) = min(1, max_{j <= i} (k - j + 1) p_(j)), p_(1) <= ... <= p_(k).

    Rejecting the hypotheses whose adjusted p is at most alpha rejects a true one with probability
    at most alpha, whatever their dependence, and rejects all that Bonferroni's k p <= alpha does.

    **Arguments**

    - `p`: p-values, shape (k,), in any order; k may be 0.

    **Returns** the adjusted p-values in the order given, shape (k,).

    **Raises** `InvalidInput` if p is not one-dimensional or holds a number outside [0, 1].

    Source: Holm (1979), "A simple sequentially rejective multiple test procedure", Scand. J. Stat. 6.

    >>> holm([0.01, 0.04, 0.03]).round(12).tolist()
    [0.03, 0.06, 0.06]
    """
    p = finite_array("p", p)
    if p.ndim != 1:
        raise InvalidInput(f"p must have one dimension, got shape {p.shape}")
    bad = p[(p < 0) | (p > 1)]
    if bad.size:
        raise InvalidInput(f"p must hold probabilities from 0 to 1, got {bad[0]:g}")
    order = np.argsort(p)
    adjusted = np.empty_like(p)
    adjusted[order] = np.minimum(np.maximum.accumulate(np.arange(len(p), 0, -1) * p[order]), 1.0)
    return adjusted
