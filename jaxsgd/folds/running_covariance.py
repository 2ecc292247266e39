"""Mean and covariance along one trajectory."""

from collections.abc import Callable
from typing import Any, NamedTuple

import jax
import jax.numpy as jnp

from jaxsgd.folds.fold import PathFold
from jaxsgd.folds.of_updates import as_float, check_function, shape_of
from jaxsgd.state import State, Update


class MeanAndCovarianceOfUpdates(NamedTuple):
    """Of the values f(update t), t < s, arrays of some shape.

    - `count`: s.
    - `mean`: of that shape; NaN while s = 0.
    - `covariance`: with the shape twice, such as (k, k), and s - 1 in the denominator; NaN while s < 2.
    """

    count: jax.Array
    mean: jax.Array
    covariance: jax.Array


class RunningCovariance(PathFold):
    """Mean and covariance of f(update 0) .. f(update s-1), of one trajectory.

    m_s = m_{s-1} + (f - m_{s-1}) / s and M_s = M_{s-1} + (f - m_{s-1}) (f - m_s)'; the covariance is M_s / (s - 1).

    **Arguments**

    - `function`: f, a function of an [`jaxsgd.Update`][] that returns a number or an array.

    **Value** a [`MeanAndCovarianceOfUpdates`][jaxsgd.folds.MeanAndCovarianceOfUpdates].

    Source: Welford (1962), "Note on a method for calculating corrected sums of squares and products".
    """

    function: Callable[[Update], Any]

    def __check_init__(self) -> None:
        check_function("a covariance", self.function)

    def begin(self, state: State, update: Update) -> Any:
        shape = shape_of(self.function, update)
        return jnp.int32(0), jnp.zeros(shape, float), jnp.zeros(shape * 2, float)

    def take(self, carry: Any, update: Update) -> Any:
        count, mean, products = carry
        f = as_float(self.function(update))
        before = f - mean
        mean = mean + before / (update.t + 1)
        other_axes = tuple(range(f.ndim, 2 * f.ndim))
        return count + 1, mean, products + jnp.expand_dims(before, other_axes) * (f - mean)

    def value(self, carry: Any) -> Any:
        count, mean, products = carry
        covariance = jnp.where(count > 1, products / jnp.maximum(count - 1, 1), jnp.nan)
        return MeanAndCovarianceOfUpdates(count, jnp.where(count > 0, mean, jnp.nan), covariance)
