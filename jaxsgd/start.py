"""Laws of the start: x_0 drawn anew for each trajectory.

The draw of a trajectory is a function of the seed and its id, under a key of its own: gradients are the same as without
it.
"""

import abc
from collections.abc import Callable, Sequence
from typing import Any

import equinox as eqx
import jax
import jax.numpy as jnp
import numpy as np

from jaxsgd.errors import InvalidInput, InvalidType, finite_array, integer
from jaxsgd.module import Facts, Module, brief
from jaxsgd.problems.function import as_point, only_numbers
from jaxsgd.streams import Recorder, Replay, Request, Stream, drawn_by
from jaxsgd.structure import Fixed, Structure, flat

_POINTS = 32  # that stand for all starts where points are needed before a run


class StartFacts(Facts):
    """What may be known of the law of x_0. None stands for not known.

    - `normal`: whether x_0 is normal. With it the variances of observables are exact on a quadratic.
    """

    normal: bool | None = None

    def mean_vector(self, dimension: int) -> np.ndarray | None:
        """E x_0 (d,), in ``jax.flatten_util`` order."""
        return None

    def covariance_matrix(self, dimension: int) -> np.ndarray | None:
        """Cov x_0, (d, d) in that order; (d,) where it is diagonal. None: infinite, or not known."""
        return None


class Start(StartFacts, Module):
    """The law of x_0, for ``Study(x0=...)``: each trajectory has its own, independent of its gradients' draws.

    A law of one's own gives `sample`, and declares what is known of it: with mean and covariance
    [`jaxsgd.theory.exact`][] and bounds know what they say of a start that is given. Any function of a
    [`jaxsgd.streams.Stream`][] is a law, too, of which nothing is known: such as what initialises a network.

    >>> class Corners(Start):
    ...     def sample(self, stream, like):
    ...         return stream.rademacher((2,))
    ...
    ...     def mean_vector(self, dimension):
    ...         return np.zeros(2)
    """

    is_law_of_points = True
    """Its numbers are those of a law, not of a point; see `jaxsgd.structure.flat`."""

    @abc.abstractmethod
    def sample(self, stream: Stream, like: Any) -> Any:
        """One x_0, any pytree of floats; ``like`` has the structure of x where the problem knows it, or is None.

        As in a point, see `as_parameters`, leaves that are no numbers, such as activations, are static.
        """

    def draw(self, stream: Stream, like: Any) -> Any:
        """What `sample` gives, with what is static as a part of its structure."""
        return as_parameters("x0", self.sample(stream, like), jnp.asarray)


class Normal(Start):
    """x_0 ~ N(mean, diag(std^2)).

    **Arguments**

    - `mean`, `std`: one number each, or one for each number of x.
    - `shape`: that of x, one array. Default: that of mean and std; where both are one number, the structure of the
      problem's minimiser.

    >>> Normal(std=1.0, shape=(2,))
    Normal(mean=0, std=1, shape=[2])
    """

    mean: np.ndarray
    std: np.ndarray
    shape: tuple[int, ...] | None = eqx.field(static=True)
    normal = True

    def __init__(self, mean: Any = 0.0, std: Any = 1.0, shape: Sequence[int] | int | None = None) -> None:
        self.mean, self.std = finite_array("mean", mean), finite_array("std", std)
        if self.std.size and self.std.min() < 0:
            raise InvalidInput(f"std must not be negative, got {self.std.min():g}")
        self.shape = _shape(shape, mean=self.mean, std=self.std)

    def sample(self, stream: Stream, like: Any) -> Any:
        shape = _shape_of_point("Normal", like, self.shape, self.mean, self.std)
        z = stream.normal_like(like) if shape is None else stream.normal(shape)
        return jax.tree.map(lambda leaf: self.mean + self.std * leaf, z)

    def mean_vector(self, dimension: int) -> np.ndarray:
        return _of_coordinates(self.mean, self.shape, self.std, dimension)

    def covariance_matrix(self, dimension: int) -> np.ndarray:
        return _of_coordinates(self.std, self.shape, self.mean, dimension) ** 2


class Uniform(Start):
    """x_0 uniform on a box, its coordinates independent.

    **Arguments**

    - `low`, `high`: the ends of the box, one number each, or one for each number of x.
    - `shape`: that of x, one array. Default: that of low and high; where both are one number, the structure of the
      problem's minimiser.

    >>> Uniform(-1.0, [1.0, 2.0])
    Uniform(low=-1, high=[1, 2])
    """

    low: np.ndarray
    high: np.ndarray
    shape: tuple[int, ...] | None = eqx.field(static=True)
    normal = False

    def __init__(self, low: Any, high: Any, shape: Sequence[int] | int | None = None) -> None:
        self.low, self.high = finite_array("low", low), finite_array("high", high)
        self.shape = _shape(shape, low=self.low, high=self.high)
        if np.any(self.low >= self.high):
            raise InvalidInput(f"low must be below high, got low={brief(self.low)} and high={brief(self.high)}")

    def sample(self, stream: Stream, like: Any) -> Any:
        shape = _shape_of_point("Uniform", like, self.shape, self.low, self.high)
        structure = Structure.of(like) if shape is None else Structure(jax.tree.structure(0), (shape,))
        parts = [stream.uniform(each) for each in structure.shapes]
        return jax.tree.unflatten(structure.treedef, [self.low + (self.high - self.low) * u for u in parts])

    def mean_vector(self, dimension: int) -> np.ndarray:
        return _of_coordinates((self.low + self.high) / 2, self.shape, self.low, dimension)

    def covariance_matrix(self, dimension: int) -> np.ndarray:
        return _of_coordinates((self.high - self.low) ** 2 / 12, self.shape, self.low, dimension)


class Sampler(Start):
    """x_0 as a function draws it: what ``Study(x0=function)`` makes of a function.

    A network is initialised anew for each trajectory by ``lambda stream: eqx.nn.MLP(64, 10, 32, 1, key=stream.key())``
    (equinox), or ``lambda stream: model.init(stream.key(), example)`` (flax).

    **Arguments**

    - `function`: a function of a [`jaxsgd.streams.Stream`][] that returns any pytree of arrays.
    """

    function: Callable[[Stream], Any]

    def __check_init__(self) -> None:
        if not callable(self.function) or isinstance(self.function, type):
            raise InvalidType(f"function must be a function of a Stream, got {brief(self.function)}")

    def sample(self, stream: Stream, like: Any) -> Any:
        return drawn_by(self.function, stream)


# x_0 of a study: a law, or a point


def as_parameters(name: str, value: Any, number: Callable[[Any], Any] | None = None) -> Any:
    """A point with what is not trained as a part of its structure, see `jaxsgd.structure.Fixed`.

    Arrays of floats are trained, and, as in `jaxsgd.problems.function.as_point`, numbers and lists of numbers. In a
    model, which is a module of equinox or a pytree that holds arrays of floats, integers and all that is no number are
    static: activations, names, sizes, None. In a module all Python numbers are, as in equinox.

    **Arguments**

    - `number`: what makes an array of a leaf that is trained; default one of float64, checked to be finite.

    **Raises** `InvalidType` for arrays of integers in a model, which could be meant to be either.
    """
    leaves = jax.tree.leaves(value)
    if jax.tree_util.all_leaves([value]) or not any(map(_is_float_array, leaves)):
        return as_point(name, value) if number is None else jax.tree.map(number, value)

    def leaf_of(path: Any, leaf: Any, module: bool) -> Any:
        if isinstance(leaf, eqx.Module) and not module:
            return jax.tree_util.tree_map_with_path(lambda rest, each: leaf_of((*path, *rest), each, True), leaf)
        where = name + jax.tree_util.keystr(path)
        if isinstance(leaf, np.ndarray | jax.Array) and not _is_float_array(leaf):
            raise InvalidType(
                f"{where} is an array of {leaf.dtype}, of which it is not known whether it is to be trained: cast it "
                "to float if it is; if not, keep it out of x0, such as in a closure of the loss"
            )
        if _is_float_array(leaf) or (not module and _is_float(leaf)):
            return finite_array(where, leaf) if number is None else number(leaf)
        try:
            hash(leaf)
        except TypeError:
            raise InvalidType(
                f"{where} is static, as it is no array of floats, and cannot be hashed: {leaf!r}"
            ) from None
        return Fixed(leaf)

    def ends(each: Any) -> bool:
        return isinstance(each, eqx.Module) or _is_float(each)

    return jax.tree_util.tree_map_with_path(lambda path, leaf: leaf_of(path, leaf, False), value, is_leaf=ends)


def _is_float_array(leaf: Any) -> bool:
    return isinstance(leaf, np.ndarray | jax.Array) and jnp.issubdtype(leaf.dtype, jnp.floating)


def _is_float(value: Any) -> bool:
    """Whether a value is a number, or a list of numbers, nested or not, and not all of these are integers."""
    if not only_numbers(value):
        return False
    return any(isinstance(each, float | np.floating) for each in jax.tree.leaves(value))


def as_law(given: Any) -> Start | None:
    """The law that an argument x0 states; None for a point."""
    if isinstance(given, type) and issubclass(given, Start):
        raise InvalidType(f"x0 must be a point or a law of jaxsgd.start, got {brief(given)}; call it")
    if isinstance(given, Start):
        return given
    if isinstance(given, type):
        raise InvalidType(
            f"x0 must be a point or a law of its draws, got the class {brief(given)}: call it, or give a function of a "
            f"stream that does, such as lambda stream: {given.__name__}(..., key=stream.key()) for a network"
        )
    # Not a network that can be called, which is a pytree and so a point.
    is_function = callable(given) and jax.tree_util.all_leaves([given])
    return Sampler(given) if is_function else None


def structure_drawn_by(law: Start, like: Any) -> tuple[Structure, tuple[Request, ...]]:
    """The structure of what a law draws, and what it takes from its stream.

    **Raises** `InvalidInput` or `InvalidType` unless it draws a pytree of floats.
    """
    recorder = Recorder()
    try:
        drawn = jax.eval_shape(lambda: law.draw(recorder, like))
    except (InvalidInput, InvalidType):
        raise
    except Exception as error:
        line = next(iter(str(error).splitlines()), "")
        raise InvalidType(f"x0: {law!r} cannot be drawn: {type(error).__name__}: {line}") from error
    for path, leaf in jax.tree_util.tree_leaves_with_path(drawn):
        if not jnp.issubdtype(leaf.dtype, jnp.floating):
            raise InvalidType(f"x0{jax.tree_util.keystr(path)} must be drawn as floats, got {leaf.dtype}")
    return Structure.of(drawn), tuple(recorder.requests)


def starting_points(x0: Any, like: Any = None) -> np.ndarray:
    """Points (n, d) that stand for the starts of all trajectories: x_0 itself, or 32 draws of its law by NumPy."""
    if not isinstance(x0, Start):
        return flat(x0)[None]
    _, requests = structure_drawn_by(x0, like)
    rng = np.random.default_rng(0)
    served = tuple(request.by_numpy(rng, _POINTS) for request in requests)

    def sample(served: Any, _: Any) -> Any:
        return x0.draw(Replay(served, requests), like)

    drawn = jax.vmap(sample)(served, np.zeros(_POINTS))
    return np.concatenate([np.asarray(leaf, np.float64).reshape(_POINTS, -1) for leaf in jax.tree.leaves(drawn)], 1)


def _shape(shape: Any, **numbers: np.ndarray) -> tuple[int, ...] | None:
    """The shape that is given, checked against numbers by name."""
    (first, one), (second, other) = numbers.items()
    if shape is None:
        try:
            np.broadcast_shapes(one.shape, other.shape)
        except ValueError:
            raise InvalidInput(
                f"{first} and {second} must be numbers or have one shape, got {one.shape} and {other.shape}"
            ) from None
        return None
    given = tuple(shape) if isinstance(shape, Sequence | np.ndarray) and not isinstance(shape, str) else (shape,)
    found = tuple(integer("shape", size, at_least=1) for size in given)
    for name, array in numbers.items():
        if array.ndim and array.shape != found:
            raise InvalidInput(f"{name} must be one number or have the shape {found}, got shape {array.shape}")
    return found


def _shape_of_point(
    name: str, like: Any, shape: tuple[int, ...] | None, one: np.ndarray, other: np.ndarray
) -> tuple[int, ...] | None:
    """The shape of x where it is one array; None where it has the structure of ``like``."""
    known = shape if shape is not None else np.broadcast_shapes(jnp.shape(one), jnp.shape(other)) or None
    if known is None and like is None:
        raise InvalidInput(
            f"x0: start.{name} needs shape=, such as shape=(2,): the problem does not know the structure of x"
        )
    return known


def _of_coordinates(
    numbers: np.ndarray, shape: tuple[int, ...] | None, other: np.ndarray, dimension: int
) -> np.ndarray:
    """Numbers of a law for each coordinate (d,)."""
    if numbers.ndim == 0:
        return np.full(dimension, float(numbers))
    return np.ravel(np.broadcast_to(numbers, shape or np.broadcast_shapes(numbers.shape, other.shape)))
