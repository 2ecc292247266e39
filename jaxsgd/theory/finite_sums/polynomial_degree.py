"""The degree of a JAX function as a polynomial of its first argument, read off its program."""

from collections.abc import Callable
from typing import Any

import jax
import numpy as np
from jax.extend.core import Jaxpr, JaxprEqn, Literal

# Linear in all of their arguments together.
_LINEAR = {"neg", "add", "add_any", "sub", "reduce_sum", "cumsum", "reshape", "broadcast_in_dim", "transpose"}
_LINEAR |= {"squeeze", "expand_dims", "slice", "rev", "concatenate", "pad", "copy", "split", "stack", "tile"}
# Linear in their first argument, in all but it, or in two of them together, for the others fixed.
_LINEAR_IN_FIRST = {"div", "dynamic_slice", "gather"}
_LINEAR_IN_OTHERS = {"select_n"}
_LINEAR_IN_TWO = {"dynamic_update_slice": (0, 1), "scatter": (0, 2), "scatter-add": (0, 2)}
_PRODUCTS = {"mul", "dot_general"}
_CALLS = {"jit", "pjit", "closed_call", "remat2"}


def degree(function: Callable[[Any, Any], Any], x: Any, parameters: Any) -> float:
    """An upper bound of the degree of ``function(x, parameters)`` in x, whatever the parameters; inf if there is none.

    Sums, products and what moves entries around are followed through the program; any other operation on what
    depends on x counts as inf, among them those that AD takes for constant, such as sign, comparison and
    stop_gradient. So a function of degree 2 is a quadratic, and its gradient by AD is its gradient.

    >>> degree(lambda x, a: (a * x - 1.0) ** 2, 0.0, 2.0), degree(lambda x, a: abs(x), 0.0, 2.0)
    (2, inf)
    """
    (result,), _ = degrees(function, (x, 1), (parameters, 0))
    return int(result) if np.isfinite(result) else np.inf


def degrees(function: Callable[..., Any], *given: tuple[Any, float]) -> tuple[list[float], str]:
    """Those of the leaves of what a function returns, as `degree` bounds them, and what stands against degree 1.

    **Arguments**

    - `given`: the arguments of the function, numbers or shapes, each with the degree that it counts as.

    **Returns** the degrees, and the name of the first operation of which the result has a degree above 1; "" for none.

    >>> import jax.numpy as jnp
    >>> degrees(lambda x, a: (a * x, jnp.exp(a * x)), (2.0, 1), (3.0, 0))
    ([1.0, inf], 'exp')
    """
    with jax.enable_x64(True):
        program = jax.make_jaxpr(lambda *arguments: function(*arguments))(*[tree for tree, _ in given])
    inputs = [float(of_tree) for tree, of_tree in given for _ in jax.tree.leaves(tree)]
    above: list[str] = []
    return _degrees(program.jaxpr, inputs, above), next(iter(above), "")


def _degrees(program: Jaxpr, inputs: list[float], above: list[str]) -> list[float]:
    """The degrees of the outputs, given those of the inputs; operations that lead above 1 are noted."""
    known: dict[Any, float] = dict(zip(program.invars, inputs, strict=True))

    def look_up(variable: Any) -> float:
        return 0.0 if isinstance(variable, Literal) else known.get(variable, 0.0)

    for equation in program.eqns:
        of_equation = _rule(equation, [look_up(variable) for variable in equation.invars], above)
        known.update(zip(equation.outvars, of_equation, strict=True))
    return [look_up(variable) for variable in program.outvars]


def _rule(equation: JaxprEqn, given: list[float], above: list[str]) -> list[float]:
    name, parameters = equation.primitive.name, equation.params
    if not any(given):
        return [0.0] * len(equation.outvars)
    if name in _CALLS:
        inner = parameters["jaxpr" if "jaxpr" in parameters else "call_jaxpr"]
        return _degrees(getattr(inner, "jaxpr", inner), given, above)
    if name == "cond" and not given[0]:
        branches = [_degrees(branch.jaxpr, given[1:], above) for branch in parameters["branches"]]
        return [max(of_one) for of_one in zip(*branches, strict=True)]
    found = _degree_of(name, parameters, given, equation.invars)
    if found > 1:
        above.append(name)
    return [found] * len(equation.outvars)


def _degree_of(name: str, parameters: dict[str, Any], given: list[float], arguments: Any) -> float:
    if name in _LINEAR or (name == "convert_element_type" and _is_precise(parameters["new_dtype"])):
        return max(given)
    if name in _LINEAR_IN_FIRST and not any(given[1:]):
        return given[0]
    if name in _LINEAR_IN_OTHERS and not given[0]:
        return max(given[1:])
    if name in _LINEAR_IN_TWO:
        first, second = _LINEAR_IN_TWO[name]
        others = [of_one for place, of_one in enumerate(given) if place not in (first, second)]
        return np.inf if any(others) else max(given[first], given[second])
    if name in _PRODUCTS:
        return sum(given)
    if name == "square":
        return 2 * given[0]
    if name == "integer_pow" and parameters["y"] > 0:
        return parameters["y"] * given[0]
    if name == "pow" and isinstance(arguments[1], Literal) and float(arguments[1].val) in (1.0, 2.0):
        return float(arguments[1].val) * given[0]
    return np.inf


def _is_precise(dtype: Any) -> bool:
    """Whether floats of this type hold numbers of single precision; with less, rounding would be no small matter."""
    return bool(np.issubdtype(dtype, np.floating) and np.finfo(dtype).nmant >= 23)
