"""How much of a function is products of matrices: a fact of its trace, by which programs are written."""

from collections.abc import Callable
from typing import Any

import jax
import numpy as np
from jax.extend.core import ClosedJaxpr, Jaxpr, Literal

LARGE = 2**10
"""Multiplications from which products of matrices are what a function costs, and not its elementwise operations."""


def products(function: Callable[..., Any], x: Any, *others: Any) -> int:
    """The multiplications in products that a matrix takes part in which depends on x.

    A layer of a network is one, W a; the inner products of a linear model are none, nor is A x with a given A.

    >>> products(lambda x, a: x["w"] @ a, {"w": np.zeros((3, 4))}, np.zeros(4))
    12
    """
    closed = jax.make_jaxpr(function)(x, *others)
    count = len(jax.tree.leaves(x))
    return _count(closed.jaxpr, [i < count for i in range(len(closed.jaxpr.invars))])[0]


def _count(jaxpr: Jaxpr, depends: list[bool]) -> tuple[int, list[bool]]:
    """The multiplications, and which results depend on x, given which arguments do."""
    found = {variable for variable, does in zip(jaxpr.invars, depends, strict=True) if does}

    def does(atom: Any) -> bool:
        return not isinstance(atom, Literal) and atom in found

    total = 0
    for equation in jaxpr.eqns:
        flags, params = [does(atom) for atom in equation.invars], equation.params
        results = [any(flags)] * len(equation.outvars)
        if equation.primitive.name in ("dot_general", "conv_general_dilated"):
            if any(flag and len(atom.aval.shape) > 1 for flag, atom in zip(flags, equation.invars, strict=True)):  # type: ignore[attr-defined]
                total += _multiplications(equation)
        else:
            inner = [each for value in params.values() for each in _inner(value)]
            # Of loops and branches all that goes in may reach all that comes out.
            flags = flags if len(inner) == 1 and len(inner[0].invars) == len(flags) else []
            for each in inner:
                times = params.get("length", 1) if equation.primitive.name == "scan" else 1
                given = flags or [any(results)] * len(each.invars)
                total += times * _count(each, given)[0]
        found |= {variable for variable, result in zip(equation.outvars, results, strict=True) if result}
    return total, [does(atom) for atom in jaxpr.outvars]


def _inner(value: Any) -> list[Jaxpr]:
    parts = value if isinstance(value, tuple | list) else [value]
    return [
        each.jaxpr if isinstance(each, ClosedJaxpr) else each for each in parts if isinstance(each, ClosedJaxpr | Jaxpr)
    ]


def _multiplications(equation: Any) -> int:
    """Those of one product: of each number of the result as many as the sum that it is has terms."""
    result, right = equation.outvars[0].aval.shape, equation.invars[1].aval.shape
    if equation.primitive.name == "dot_general":
        terms = [right[axis] for axis in equation.params["dimension_numbers"][0][1]]
    else:
        features = equation.params["dimension_numbers"].rhs_spec[0]
        terms = [size for axis, size in enumerate(right) if axis != features]
    return int(np.prod(result, dtype=int) * np.prod(terms, dtype=int))
