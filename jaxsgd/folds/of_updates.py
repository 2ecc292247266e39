"""Functions of an Update whose values a fold carries: numbers or arrays."""

import dataclasses
from collections.abc import Callable
from typing import Any

import equinox as eqx
import jax
import jax.numpy as jnp

from jaxsgd.errors import InvalidType
from jaxsgd.module import brief
from jaxsgd.state import Update


def check_function(what: str, function: Any) -> None:
    """An error unless it is a function; ``what`` it belongs to, such as "a sum"."""
    if not callable(function) or isinstance(function, type):
        raise InvalidType(f"{what} is one of a function of an Update, got {brief(function)}")


def shape_of(function: Callable[[Update], Any], update: Update) -> tuple[int, ...]:
    """The shape of what a function of an Update returns."""
    given = [getattr(update, field.name) for field in dataclasses.fields(Update)]
    return eqx.filter_eval_shape(lambda *given: jnp.asarray(function(Update(*given))), *given).shape


def as_float(value: Any) -> jax.Array:
    """What a function of an Update returns, in the precision of the run."""
    return jnp.asarray(value, float)
