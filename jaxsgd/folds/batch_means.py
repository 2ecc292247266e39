"""Batch means: the long-run variance of a quantity along one trajectory."""

from collections.abc import Callable
from typing import Any, NamedTuple

import jax
import jax.numpy as jnp

from jaxsgd.errors import integer
from jaxsgd.folds.fold import PathFold
from jaxsgd.folds.of_updates import as_float, check_function, shape_of
from jaxsgd.state import State, Update


class MeansOfBatches(NamedTuple):
    """The means of complete batches, of each number of f.

    - `batches`: k, how many there are.
    - `mean`: their mean, NaN while k = 0.
    - `variance`: their sample variance, with k - 1; NaN while k < 2.
    - `long_run_variance`: b times that, which estimates sum_j Cov(f(t), f(t + j)) over all integers j.
    """

    batches: jax.Array
    mean: jax.Array
    variance: jax.Array
    long_run_variance: jax.Array


class _Carried(NamedTuple):
    """`total`: of the batch that is not complete; `batches`, `mean`, `m2`: of the means of the others."""

    total: jax.Array
    batches: jax.Array
    mean: jax.Array
    m2: jax.Array


class BatchMeans(PathFold):
    """The means m_1 .. m_k of k consecutive batches of b updates each, of each number of f; k = floor(s / b) at step s.

    With mbar the mean of these, b / (k - 1) sum_i (m_i - mbar)^2 estimates the long-run variance of f along the
    trajectory, and mbar +- t_{k-1} sqrt(sum_i (m_i - mbar)^2 / (k (k - 1))) is an interval for its stationary mean,
    where batches are long against the time in which f forgets. Updates of a batch that is not complete are left out.

    **Arguments**

    - `function`: f, a function of an [`jaxsgd.Update`][] that returns a number or an array.
    - `length`: b, the number of updates of a batch, at least 1.

    **Value** a [`MeansOfBatches`][jaxsgd.folds.MeansOfBatches].

    Source: Flegal and Jones (2010), arXiv 0811.1729, section 2; of the iterates of SGD: Zhu, Chen and Wu (2023), arXiv
    2002.03979. Mean and squared deviations are Welford's (1962).
    """

    function: Callable[[Update], Any]
    length: int

    def __init__(self, function: Callable[[Update], Any], length: int) -> None:
        check_function("a batch mean", function)
        self.function, self.length = function, integer("length", length, at_least=1, below=2**31)

    def begin(self, state: State, update: Update) -> Any:
        zero = jnp.zeros(shape_of(self.function, update), float)
        return _Carried(zero, jnp.int32(0), zero, zero)

    def take(self, carry: Any, update: Update) -> Any:
        total = carry.total + as_float(self.function(update))
        complete = (update.t + 1) % self.length == 0
        batches = carry.batches + complete.astype(jnp.int32)
        m = total / self.length
        before = m - carry.mean
        mean = carry.mean + before / jnp.maximum(batches, 1)
        m2 = carry.m2 + before * (m - mean)
        return _Carried(
            jnp.where(complete, 0.0, total),
            batches,
            jnp.where(complete, mean, carry.mean),
            jnp.where(complete, m2, carry.m2),
        )

    def value(self, carry: Any) -> Any:
        k = carry.batches
        variance = jnp.where(k > 1, carry.m2 / jnp.maximum(k - 1, 1), jnp.nan)
        return MeansOfBatches(k, jnp.where(k > 0, carry.mean, jnp.nan), variance, variance * self.length)
