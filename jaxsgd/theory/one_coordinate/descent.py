"""Gradient descent in one coordinate, from many starts at once."""

from typing import Any

import numpy as np

from jaxsgd.errors import InvalidInput, finite_array, integer
from jaxsgd.problems import Problem
from jaxsgd.theory.one_coordinate.landscapes.landscape import one_coordinate
from jaxsgd.theory.one_coordinate.pointwise import pointwise


def gradient_descent(problem: Problem, x0: Any, learning_rate: Any, steps: int) -> np.ndarray:
    """x_T of x_{t+1} = x_t - eta R'(x_t) in float64, from every start at every rate; without the engine.

    **Arguments**

    - `problem`: of one coordinate.
    - `x0`, `learning_rate`: arrays whose shapes go together; the shape of what is returned.
    - `steps`: T.

    What leaves the range of float64 is inf or NaN there.

    >>> from jaxsgd import problems
    >>> gradient_descent(problems.RippledParabola(), [4.0, 4.0], [0.08, 0.1], 500).round(5)
    array([4.71239, 4.31056])
    """
    x, rates = np.broadcast_arrays(finite_array("x0", x0), finite_array("learning_rate", learning_rate))
    if rates.size and rates.min() < 0:
        raise InvalidInput(f"learning_rate must not be negative, got {rates.min():g}")
    shape, x, rates = x.shape, x.ravel().copy(), rates.ravel()
    evaluate = pointwise(problem, one_coordinate(problem))
    with np.errstate(invalid="ignore", over="ignore"):
        for _ in range(integer("steps", steps, at_least=0)):
            x = x - rates * evaluate(x)[1]
    return x.reshape(shape)
