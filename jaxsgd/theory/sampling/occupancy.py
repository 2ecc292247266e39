"""How often one of n examples is drawn, with replacement."""

import math
from typing import Any

import numpy as np
from scipy.special import xlog1py

from jaxsgd.errors import InvalidInput, finite_array

AT_LEAST_ONCE_LIMIT = -math.expm1(-1)
"""1 - 1/e, the limit of `at_least_once(n)` for large n; the error is 1 / (2 e n) + O(n^-2)."""

EXACTLY_ONCE_LIMIT = math.exp(-1)
"""1/e, the limit of `exactly_once(n)` for large n; the error is 1 / (2 e n) + O(n^-2)."""


def at_least_once(n: Any, draws: Any = None) -> Any:
    """P(a given one of n examples is drawn at least once in m draws) = 1 - (1 - 1/n)^m.

    **Arguments**

    - `n`: number of examples, an integer from 1 to 1e300, or an array of them.
    - `draws`: m, an integer from 0, or an array that broadcasts with n; default n, one epoch.

    **Returns** a probability, or an array of them, to rounding for every n.

    **Raises** `InvalidInput` where n or draws are not such integers.

    Source: Zhang, Lipton, Li and Smola (2023), "Dive into Deep Learning", section 12.4.

    >>> round(float(at_least_once(10)), 10)
    0.6513215599
    """
    n, m = counts_of(n, draws)
    return 0.0 - np.expm1(xlog1py(m, -1 / n))


def exactly_once(n: Any, draws: Any = None) -> Any:
    """P(a given one of n examples is drawn exactly once in m draws) = m/n (1 - 1/n)^(m - 1).

    For m = n it is (1 - 1/n)^(n - 1). Arguments, result, errors and source are those of
    [`jaxsgd.theory.at_least_once`][].

    >>> round(float(exactly_once(10)), 10)
    0.387420489
    """
    n, m = counts_of(n, draws)
    return m / n * np.exp(xlog1py(np.maximum(m - 1, 0), -1 / n))


def counts_of(n: Any, draws: Any) -> tuple[np.ndarray, np.ndarray]:
    examples = integers("n", n, at_least=1)
    return examples, examples if draws is None else integers("draws", draws, at_least=0)


def integers(name: str, value: Any, at_least: int) -> np.ndarray:
    array = finite_array(name, value)
    bad = array[(array < at_least) | (array != np.floor(array))]
    if bad.size:
        raise InvalidInput(f"{name} must be an integer of at least {at_least}, or an array of them, got {bad[0]:g}")
    return array
