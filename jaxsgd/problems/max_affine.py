"""The largest of several affine functions."""

from typing import Any

import jax
import jax.numpy as jnp
import numpy as np

from jaxsgd.errors import InvalidInput, finite_array
from jaxsgd.problems.problem import Problem


class MaxAffine(Problem):
    """R(x) = max_i (a_i'x + b_i): convex, piecewise linear, Lipschitz with max_i ||a_i||.

    The gradient is a subgradient, the mean of those a_i that attain the maximum at x. R is neither smooth
    (unless it is affine) nor strongly convex.

    x* is found by linear programming: minimise s under a_i'x + b_i <= s for all i. Where there are several
    minimisers it is one of them.

    **Arguments**

    - `slopes`: the a_i, as rows (m, d).
    - `offsets`: the b_i, one number or (m,).

    **Raises** `InvalidInput` where R has no minimum, which is where 0 is no convex combination of the a_i.

    Source: Boyd and Vandenberghe (2004), Convex Optimization, section 4.3.1, for the linear program.

    >>> MaxAffine(slopes=[[1.0], [-2.0]], offsets=[0.0, 3.0]).minimum
    1.0
    """

    slopes: np.ndarray
    offsets: np.ndarray
    minimiser: np.ndarray
    convex = True
    strong_convexity = 0.0

    def __init__(self, slopes: Any, offsets: Any = 0.0) -> None:
        self.slopes = finite_array("slopes", slopes)
        if self.slopes.ndim != 2 or 0 in self.slopes.shape:
            raise InvalidInput(f"slopes must be a matrix (m, d), one row for each piece, got shape {self.slopes.shape}")
        own, shape = finite_array("offsets", offsets), self.slopes.shape[:1]
        if own.shape not in ((), shape):
            raise InvalidInput(f"offsets must be one number or have shape {shape}, got {own.shape}")
        self.offsets = np.broadcast_to(own, shape).copy()
        self.minimiser = _minimiser(self.slopes, self.offsets)

    def value(self, x: jax.Array) -> jax.Array:
        return jnp.max(jnp.matmul(self.slopes, x, precision=jax.lax.Precision.HIGHEST) + self.offsets)

    @property
    def start(self) -> np.ndarray:
        return np.zeros(self.minimiser.shape)

    @property
    def minimum(self) -> float:
        return float((self.slopes @ self.minimiser + self.offsets).max())

    @property
    def lipschitz(self) -> float:
        return float(np.linalg.norm(self.slopes, axis=1).max())

    @property
    def kinks(self) -> np.ndarray:
        a, b = self.slopes[:, 0], self.offsets
        i, j = np.nonzero(a[:, None] < a)
        return (b[i] - b[j]) / (a[j] - a[i])  # where two pieces cross, whether or not they are the largest there


def _minimiser(slopes: np.ndarray, offsets: np.ndarray) -> np.ndarray:
    from scipy.optimize import linprog  # takes 0.3 s to import

    d = slopes.shape[1]
    found = linprog(
        np.append(np.zeros(d), 1.0), np.column_stack([slopes, -np.ones(len(slopes))]), -offsets, bounds=(None, None)
    )
    if found.status != 0:
        raise InvalidInput(
            f"the largest of these functions must have a minimum, the linear program ended with: {found.message}; "
            "0 must be a convex combination of the slopes"
        )
    return found.x[:d] + 0.0  # no -0.0
