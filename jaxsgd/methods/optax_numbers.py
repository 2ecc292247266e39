"""The numbers that a function takes which makes an optax transformation: which there are, and which can be traced."""

import dataclasses
import functools
import inspect
from collections.abc import Callable, Mapping
from typing import Any

import jax
import jax.numpy as jnp
import numpy as np
import optax

from jaxsgd.errors import InvalidInput, InvalidType, finite_array, nearest
from jaxsgd.module import brief

LEARNING_RATE = "learning_rate"
CONCRETE = (
    jax.errors.ConcretizationTypeError,
    jax.errors.TracerArrayConversionError,
    jax.errors.TracerIntegerConversionError,
)
"""What JAX raises where Python, or NumPy, looks at a number that is traced."""

RANDOM = (
    "draws random numbers from a key in its state, the same ones in all trajectories, which would then not be "
    "independent: let the oracle draw, as oracles.AdditiveNoise(problem, noise) or a RandomLoss does, or choose a "
    "transformation that draws nothing"
)
_NONE = inspect.Parameter.empty


@dataclasses.dataclass(frozen=True)
class Fixed:
    """A number that is part of the program; 1 and 1.0 are equal, and make different programs."""

    kind: type
    value: Any

    @classmethod
    def of(cls, value: Any) -> "Fixed":
        return cls(type(value), value)


def name_of(make: Callable[..., Any]) -> str:
    """Such as "optax.contrib.prodigy"."""
    name = getattr(make, "__name__", None)
    public = (module for module in (optax, optax.contrib) if name and vars(module).get(name) is make)
    return next((f"{module.__name__}.{name}" for module in public), brief(make))


def taken_apart(make: Callable[..., Any], numbers: Mapping[str, Any]) -> tuple[Callable[..., Any], dict[str, Any]]:
    """The function of a ``functools.partial``, and all numbers: those of the partial are parts of the program.

    Two partials of the same function and numbers are not equal, and would make two programs.
    """
    if not isinstance(make, functools.partial) or make.args:
        return make, dict(numbers)
    fixed = {name: jax.tree.map(_fixed, value) for name, value in make.keywords.items()}
    return taken_apart(make.func, fixed | dict(numbers))


def _fixed(leaf: Any) -> Any:
    return Fixed.of(leaf) if isinstance(leaf, float | int) and not isinstance(leaf, bool) else leaf


def parameters_of(make: Callable[..., Any]) -> dict[str, inspect.Parameter]:
    """The arguments of a function that are given by name."""
    try:
        found = inspect.signature(make).parameters
    except (TypeError, ValueError) as error:
        raise InvalidType(f"the arguments of {name_of(make)} cannot be told: wrap it in a function of them") from error
    return {name: each for name, each in found.items() if each.kind not in (each.VAR_POSITIONAL, each.POSITIONAL_ONLY)}


def takes(make: Callable[..., Any], name: str) -> bool:
    """Whether a function has an argument of this name, or takes any."""
    found = parameters_of(make)
    return name in found or any(each.kind == each.VAR_KEYWORD for each in found.values())


def checked(make: Callable[..., Any], numbers: Mapping[str, Any]) -> dict[str, Any]:
    """The numbers as they are kept: floats are arrays; integers, and floats that `make` looks at, are `Fixed`."""
    known, what = parameters_of(make), name_of(make)
    _check_names(what, known, make, numbers)
    kept = {}
    for name, value in numbers.items():
        default = known[name].default if name in known else _NONE
        kept[name] = _kept(f"{name} of {what}", value, default)
    for name in kept:
        if not _can_be_traced(make, kept, name):
            kept[name] = jax.tree.map(lambda leaf: Fixed.of(leaf.item()) if is_float(leaf) else leaf, kept[name])
    return kept


def given(kept: Any) -> Any:
    """The numbers as `make` takes them."""
    return jax.tree.map(lambda leaf: leaf.value if isinstance(leaf, Fixed) else leaf, kept)


def is_float(leaf: Any) -> bool:
    """Whether a number can be traced, and so be swept."""
    return isinstance(leaf, np.ndarray) and leaf.dtype.kind == "f"


def _check_names(what: str, known: Mapping[str, inspect.Parameter], make: Any, numbers: Mapping[str, Any]) -> None:
    if LEARNING_RATE in numbers:
        raise InvalidInput(
            f"{LEARNING_RATE} of {what} is the schedule of the study: give it there, Study(schedule=...), or give a "
            f"finished transformation, Study(method={what}({LEARNING_RATE}=...)), without a schedule"
        )
    allowed = {name for name, each in known.items() if each.kind != each.VAR_KEYWORD and name != LEARNING_RATE}
    for name in numbers:
        if not takes(make, name):
            raise InvalidInput(f"{what} takes no {name!r}; {nearest(name, allowed) if allowed else 'it takes none'}")
    for name in sorted(allowed - set(numbers)):
        if known[name].default is _NONE:
            raise InvalidInput(f"{what} needs {name}: give it, methods.Optax({what}, {name}=...)")


def _kept(what: str, value: Any, default: Any) -> Any:
    """One argument, a number or a pytree with numbers; each is of the sort that its default is."""
    leaves, structure = jax.tree.flatten(value)
    defaults = jax.tree.leaves(default)
    defaults = defaults if len(defaults) == len(leaves) else [_NONE] * len(leaves)
    return jax.tree.unflatten(structure, [_kept_leaf(what, *pair) for pair in zip(leaves, defaults, strict=True)])


def _kept_leaf(what: str, value: Any, default: Any) -> Any:
    if isinstance(value, Fixed) or callable(value):  # such as a schedule of one's own, a mask, or a type of floats
        return value
    dtype = np.dtype(bool) if isinstance(value, bool) else getattr(value, "dtype", np.dtype(type(value)))
    if jnp.issubdtype(dtype, jax.dtypes.prng_key):
        raise InvalidInput(f"{what}: it {RANDOM}")
    _check_sort(what, value, default, dtype.kind)
    if dtype.kind in "iu" and not np.ndim(value) and not isinstance(default, float):
        return Fixed.of(int(value))
    if dtype.kind == "f" or (dtype.kind in "iu" and isinstance(default, float)):
        return finite_array(what, value)
    return value


def _check_sort(what: str, value: Any, default: Any, kind: str) -> None:
    """An error unless a value of this kind, as NumPy names it, is of the sort of the default, where there is one."""
    if isinstance(default, bool) and kind != "b":
        raise InvalidType(f"{what} must be True or False, got {brief(value)}")
    if isinstance(default, int) and not isinstance(default, bool) and kind not in "iu":
        raise InvalidType(f"{what} must be an integer, as its default {default} is, got {brief(value)}")
    if isinstance(default, float) and kind not in "iuf":
        raise InvalidType(f"{what} must be a number, got {brief(value)}")


def _can_be_traced(make: Callable[..., Any], kept: Mapping[str, Any], name: str) -> bool:
    """Whether `make` takes an argument with traced floats for one with numbers."""
    leaves, structure = jax.tree.flatten(kept[name])
    floats = [leaf for leaf in leaves if is_float(leaf)]
    rate = {LEARNING_RATE: 0.1} if takes(make, LEARNING_RATE) else {}

    def made(traced: list[Any]) -> tuple[()]:
        rest = iter(traced)
        whole = jax.tree.unflatten(structure, [next(rest) if is_float(leaf) else leaf for leaf in leaves])
        make(**(given(kept) | {name: given(whole)} | rate))
        return ()

    try:
        jax.eval_shape(made, floats)
    except CONCRETE:
        return False
    return True
