"""The minimiser of a smooth convex function, to float64 precision."""

from collections.abc import Callable

import numpy as np

from jaxsgd.errors import InvalidInput

_TOLERANCE = 1e-10


def minimise(
    value: Callable[[np.ndarray], float],
    gradient: Callable[[np.ndarray], np.ndarray],
    hessian: Callable[[np.ndarray], np.ndarray],
    start: np.ndarray,
    scale: float,
) -> np.ndarray:
    """x* (d,) with ||gradient|| <= 1e-10 max(1, scale), where scale is the size of the terms of the gradient.

    A trust-region method comes near from any start. It compares values, which differ by rounding alone
    once the gradient is about 1e-8; Newton's method, which does not, takes over there.

    Source: Nocedal and Wright (2006), Numerical Optimization, sections 4.3 and 3.3.

    **Raises** `InvalidInput` where the gradient does not get as small.
    """
    from scipy.optimize import minimize  # takes 0.3 s to import

    tolerance = _TOLERANCE * max(1.0, scale)
    found = minimize(value, start, jac=gradient, hess=hessian, method="trust-exact", options={"gtol": 1e4 * tolerance})
    x, slope = found.x, gradient(found.x)
    for _ in range(20):
        step = np.linalg.lstsq(hessian(x), slope, rcond=None)[0]
        nearer = gradient(x - step)
        if not np.linalg.norm(nearer) < np.linalg.norm(slope):
            break
        x, slope = x - step, nearer
    if not np.linalg.norm(slope) <= tolerance:
        raise InvalidInput(
            "the risk must have a minimum, and near it a gradient that float64 can resolve; the smallest gradient "
            f"found has norm {np.linalg.norm(slope):.2g}, more than {tolerance:.2g}"
        )
    return x
