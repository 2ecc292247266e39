"""How many of the examples an order has used after some updates."""

from typing import Any, NamedTuple

import numpy as np
import xarray as xr
from scipy.special import xlog1py

from jaxsgd.errors import InvalidInput, InvalidType, NoExactSolution, integer
from jaxsgd.orders import Order
from jaxsgd.theory.sampling.occupancy import integers

_MOST_PAIRS = 4096  # examples with unequal probabilities: the variance takes a term for each pair


class Used(NamedTuple):
    """Means over examples of the probabilities, mean and variance of the number of distinct examples."""

    at_least_once: float
    exactly_once: float
    distinct_mean: float
    distinct_variance: float


def examples_used(order: Order, examples: int, updates: Any = None, batch: int = 1) -> xr.Dataset:
    """How many of n examples the first updates use: exact, for every order whose facts are known.

    With independent uniform subsets of sizes b_1, b_2, ... an example is not used with probability
    q_1 = prod_j (1 - b_j / n), two are not with q_2 = q_1^2 prod_j (1 - b_j / ((n - 1)(n - b_j))), and the number D of
    distinct examples has

        E D = n (1 - q_1),    Var D = n q_1 (1 - q_1) + n (n - 1) (q_2 - q_1^2).

    Draws with replacement are subsets of one, distinct batches subsets of b, an epoch of a fresh permutation is one
    of all it uses. For n draws with replacement and large n the shares tend to 1 - 1/e = 0.632 and 1/e = 0.368, and
    Var D / n to 1/e - 2/e^2 = 0.0972: an epoch with replacement, or a bootstrap sample, never sees 36.8% of the
    examples.

    **Arguments**

    - `order`: one of [`jaxsgd.orders`][].
    - `examples`: n. The values keep their digits for n of 10^6 and more.
    - `updates`: after how many updates, an integer from 0 or an array of them; default one epoch.
    - `batch`: b.

    **Returns** along `update`: `at_least_once` and `exactly_once`, the mean over the examples of the probability, and
    `distinct_mean` and `distinct_variance`.

    **Raises** `InvalidInput`; `NoExactSolution` for an order that does not state its facts, and for the variance of
    more than 4096 unequal probabilities.

    Source: Johnson and Kotz (1977), Urn Models and Their Application, section 3.2, for the occupancy of boxes.

    >>> from jaxsgd.orders import WithReplacement
    >>> found = examples_used(WithReplacement(), examples=10)
    >>> round(float(found.at_least_once[0]), 10), round(float(found.distinct_mean[0]), 9)
    (0.6513215599, 6.513215599)
    """
    if not isinstance(order, Order):
        raise InvalidType(f"order must be one of jaxsgd.orders, got {order!r}")
    n, b = integer("examples", examples, at_least=1), integer("batch", batch, at_least=1)
    order.check(np.broadcast_to(True, n), b)
    default = order.updates_per_epoch(n, b)
    at = np.atleast_1d(integers("updates", default if updates is None else updates, at_least=0)).astype(np.int64)
    if at.ndim != 1:
        raise InvalidInput(f"updates must be one number or a list of them, got shape {at.shape}")
    rows = np.array([_of_order(order, n, b, int(s)) for s in at]).reshape(-1, 4)
    values = {name: ("update", column) for name, column in zip(Used._fields, rows.T, strict=True)}
    return xr.Dataset(values, coords={"update": at})


def _of_order(order: Order, n: int, b: int, updates: int) -> Used:
    if order.weights is not None and order.independent(n, b) and order.examples_used(1, n, b) == b:
        if order.uniform:
            return _of_subsets(n, [(b, updates)] if order.distinct else [(1, b * updates)])
        return _of_probabilities(order.probabilities_of(n), b * updates)  # type: ignore[arg-type] - they are known
    if order.shuffled == "every epoch":
        epochs, left = divmod(updates, order.updates_per_epoch(n, b))
        used = order.examples_used(order.updates_per_epoch(n, b), n, b)
        return _of_subsets(n, [(used, epochs), (min(left * b, n), 1)])
    if order.shuffled is not None:
        return _of_one_permutation(order, n, b, updates)
    raise NoExactSolution(
        f"orders.{type(order).__name__} does not state what this needs: that it draws afresh, with which "
        "probabilities, weights and whether distinct, or how it shuffles"
    )


def _of_subsets(n: int, subsets: list[tuple[int, int]]) -> Used:
    """Independent uniform subsets, (size, how many of it)."""
    subsets = [(size, times) for size, times in subsets if size and times]
    sizes, times = (
        (np.array(column, float) for column in zip(*subsets, strict=True)) if subsets else (np.ones(1), np.zeros(1))
    )
    with np.errstate(divide="ignore"):
        missed = xlog1py(times, -sizes / n)
        q1 = np.exp(missed.sum())
        together = 0.0
        if n > 1 and q1 > 0:
            together = q1**2 * np.expm1(xlog1py(times, -np.minimum(sizes / ((n - 1.0) * (n - sizes)), 1.0)).sum())
    logs = [[xlog1py(k - (i == j), -s / n) for j, (s, k) in enumerate(subsets)] for i in range(len(subsets))]
    once = sum(k * s / n * np.exp(sum(others)) for (s, k), others in zip(subsets, logs, strict=True))
    share = -np.expm1(missed.sum())
    return Used(share, once, n * share, max(n * q1 * share + n * (n - 1.0) * together, 0.0))


def _of_probabilities(p: np.ndarray, draws: int) -> Used:
    """Independent draws of law p."""
    n = len(p)
    if n > _MOST_PAIRS:
        raise NoExactSolution(
            f"the variance of the number of distinct examples takes n^2 terms; n is at most {_MOST_PAIRS}"
        )
    with np.errstate(divide="ignore"):
        missed = np.exp(xlog1py(draws, -p))
        pairs = np.exp(xlog1py(draws, -np.minimum(p[:, None] + p, 1.0))) - np.outer(missed, missed)
    np.fill_diagonal(pairs, missed * (1 - missed))
    once = draws * p * np.exp(xlog1py(max(draws - 1, 0), -p))
    seen = -np.expm1(xlog1py(draws, -p))
    return Used(seen.mean(), once.mean(), seen.sum(), max(pairs.sum(), 0.0))


def _of_one_permutation(order: Order, n: int, b: int, updates: int) -> Used:
    """The same examples in every epoch: nothing is random but which."""
    epochs, left = divmod(updates, order.updates_per_epoch(n, b))
    used = order.examples_used(order.updates_per_epoch(n, b), n, b)
    again = min(left * b, n)
    distinct = used if epochs else again
    once = {0: again, 1: used - again}.get(epochs, 0)
    return Used(distinct / n, once / n, float(distinct), 0.0)
