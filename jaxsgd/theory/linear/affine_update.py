"""A method as an affine map: what an update makes of x, of the state and of gradients, read off its own code."""

from collections.abc import Callable, Sequence
from typing import Any, NamedTuple

import jax
import jax.numpy as jnp
import numpy as np

from jaxsgd.errors import NoExactSolution
from jaxsgd.methods import Draw, Method
from jaxsgd.remembering import remember
from jaxsgd.structure import Shapes, Skeleton, Structure
from jaxsgd.theory.finite_sums.polynomial_degree import degrees

_REMEMBERED = 64
_LOSS = "loss"
_PRODUCTS = {"mul", "dot_general", "square", "integer_pow", "pow"}


class Gradients(NamedTuple):
    """The stochastic gradient and the gradient of the risk, functions of a flat point (d,), and the drawn loss.

    No update that is affine is made of the loss, whatever it is.
    """

    drawn: Callable[[jax.Array], jax.Array]
    full: Callable[[jax.Array], jax.Array]
    loss: Any = 0.0

    @classmethod
    def of_quadratic(cls, curvature: Any, minimiser: Any, xi: Any, loss: Any = 0.0) -> "Gradients":
        """A (y - c) + xi and A (y - c); A is a diagonal (d,) or a matrix."""

        def full(y: jax.Array) -> jax.Array:
            return curvature * (y - minimiser) if curvature.ndim == 1 else curvature @ (y - minimiser)

        return cls(lambda y: full(y) + xi, full, loss)


class AffineUpdate(NamedTuple):
    """A method that is known to be affine, without its numbers.

    The vector z (size,) is made of x and of the leaves of the state that depend on the trajectory, in their order. The
    other leaves, such as a count of steps, depend on t alone: together they are the clock.

    - `method`: the method.
    - `point`: the structure of x.
    - `state`: shapes and types of its state, in float64.
    - `in_clock`: of each leaf of the state, whether it belongs to the clock.
    - `sees_pytree`: whether the method sees x as a pytree.
    - `starts_affine`: whether its first state is an affine function of x_0, too.
    - `integer`: the type of t and of counts. With 32 bits JAX takes 1 / (t + 1) in single precision.
    """

    method: Skeleton
    point: Structure
    state: Shapes
    in_clock: tuple[bool, ...]
    sees_pytree: bool
    starts_affine: bool
    integer: str

    @property
    def moving(self) -> list[tuple[tuple[int, ...], str]]:
        """Shapes and types of the leaves in z."""
        return [leaf for leaf, fixed in zip(self.state.leaves, self.in_clock, strict=True) if not fixed]

    @property
    def size(self) -> int:
        """How many numbers z holds."""
        return self.point.size + sum(int(np.prod(shape)) for shape, _ in self.moving)

    def start(self, numbers: Any, x: jax.Array) -> tuple[jax.Array, list[Any]]:
        """z_0 and the clock, from x_0 (d,)."""
        method = self.method.filled(numbers)
        return self._joined(x, method.init(_seen(method, self.point, x)))

    def step(
        self, numbers: Any, gradients: Gradients, rate: Any, t: Any, clock: Sequence[Any], z: jax.Array
    ) -> tuple[jax.Array, list[Any]]:
        """z and the clock after update t."""
        return self._joined(
            *_moved(self.method.filled(numbers), self.point, gradients, rate, t, *self._apart(z, clock))
        )

    def step_with_each(
        self, numbers: Any, gradients: Sequence[jax.Array], rate: Any, t: Any, clock: Sequence[Any], z: jax.Array
    ) -> tuple[jax.Array, list[jax.Array]]:
        """z after update t with these for the gradients that it takes, of the risk and of the draw, in their order,
        and the points at which it takes them; with more of them than are given, the others are 0."""
        given, taken = iter(gradients), list[jax.Array]()

        def gradient(y: jax.Array) -> jax.Array:
            taken.append(y)
            return next(given, jnp.zeros_like(y))

        return self.step(numbers, Gradients(gradient, gradient), rate, t, clock, z)[0], taken

    def step_with_gradient(
        self, numbers: Any, gradient: jax.Array, rate: Any, t: Any, clock: Sequence[Any], z: jax.Array
    ) -> tuple[jax.Array, jax.Array]:
        """z after update t with this gradient (d,), and the point at which the update takes it.

        **Raises** `NoExactSolution` unless that is one point.
        """
        name = f"methods.{type(self.method.filled(numbers)).__name__}"
        taken: list[jax.Array] = []

        def drawn(y: jax.Array) -> jax.Array:
            taken.append(y)
            return gradient

        def full(_: jax.Array) -> jax.Array:
            raise NoExactSolution(f"{name} takes the gradient of the risk besides that of sampled examples")

        z_next, _ = self.step(numbers, Gradients(drawn, full), rate, t, clock, z)
        if len(taken) != 1:
            raise NoExactSolution(f"{name} does not take the gradient of sampled examples at one point in each update")
        return z_next, taken[0]

    def points(self, numbers: Any, clock: Sequence[Any], z: jax.Array) -> list[jax.Array]:
        """The further points of the method (d,)."""
        return _points(self.method.filled(numbers), self.point, *self._apart(z, clock))

    def _apart(self, z: jax.Array, clock: Sequence[Any]) -> tuple[jax.Array, Any]:
        """x (d,) and the state."""
        x, *parts = jnp.split(z, np.cumsum([self.point.size, *(int(np.prod(shape)) for shape, _ in self.moving)])[:-1])
        of_z = iter([part.reshape(shape).astype(kind) for part, (shape, kind) in zip(parts, self.moving, strict=True)])
        of_clock = iter(clock)
        leaves = [next(of_clock) if fixed else next(of_z) for fixed in self.in_clock]
        return x, jax.tree.unflatten(self.state.treedef, leaves)

    def _joined(self, x: jax.Array, state: Any) -> tuple[jax.Array, list[Any]]:
        """z and the clock."""
        leaves = list(zip(jax.tree.leaves(state), self.in_clock, strict=True))
        moving = [jnp.ravel(leaf).astype(float) for leaf, fixed in leaves if not fixed]
        clock = [leaf.astype(_widened(leaf.dtype, self.integer)) for leaf, fixed in leaves if fixed]
        return jnp.concatenate([x, *moving]), clock


def affine_update(method: Method, point: Structure) -> AffineUpdate:
    """The method as an affine map; NoExactSolution with the reason where it is not known to be one.

    It is one where the program of `step` makes nothing but sums of x, the state and gradients, and products of these
    with what depends on t alone. Other operations are refused, whatever the method states: that it is `linear` is no
    proof that it is so at each t, rate and scale.
    """
    name = f"methods.{type(method).__name__}"
    if method.linear is False:
        raise NoExactSolution(f"{name} states that it is not linear")
    skeleton, numbers = Skeleton.split(method)
    given = skeleton, point, Shapes.of(in_float64(numbers)), method.sees_pytree
    try:
        update, above = _analysed(*given, "int64")
    except TypeError:  # where the method itself makes integers of 32 bits, in one branch of several
        update, above = _analysed(*given, "int32")
    if above == _LOSS:
        raise NoExactSolution(f"{name} is not linear: it uses the loss of its draw")
    if above:
        by = "products of them" if above in _PRODUCTS else f"the operation {above!r}"
        raise NoExactSolution(f"{name} is not linear: x_{{t+1}} or its state is made of x_t, its state and g_t by {by}")
    return update


def changes_with_time(update: AffineUpdate, numbers: Any) -> bool:
    """Whether the map depends on t other than by the learning rate, by the clock for example."""
    return _changes_with_time(update, Shapes.of(in_float64(numbers)))


def in_float64(numbers: Any) -> list[np.ndarray]:
    """The numbers of a method; copies, as JAX 0.10 remembers an array in the precision in which it was first given."""
    return [np.array(each, np.float64 if np.asarray(each).dtype.kind == "f" else None) for each in numbers]


@remember(_REMEMBERED)
def _analysed(
    skeleton: Skeleton, point: Structure, numbers: Shapes, sees_pytree: bool, integer: str
) -> tuple[AffineUpdate, str]:
    """The update, and an operation by which it is not affine; "" where there is none."""
    with jax.enable_x64(True):
        d, given = point.size, jax.tree.leaves(numbers.like)
        x, A, number = (jax.ShapeDtypeStruct(shape, np.float64) for shape in ((d,), (d, d), ()))
        t = jax.ShapeDtypeStruct((), integer)

        def init(numbers: Any, x: Any) -> Any:
            method = skeleton.filled(numbers)
            return method.init(_seen(method, point, x))

        state = Shapes.of(jax.eval_shape(init, given, x))
        state = state._replace(leaves=tuple((shape, _widened(kind, integer)) for shape, kind in state.leaves))
        count, leaves = len(state.leaves), jax.tree.leaves(state.like)

        def step(
            loss: Any, numbers: Any, A: Any, c: Any, rate: Any, t: Any, x: Any, xi: Any, *leaves: Any
        ) -> list[Any]:
            method, now = skeleton.filled(numbers), jax.tree.unflatten(state.treedef, leaves)
            x_next, following = _moved(method, point, Gradients.of_quadratic(A, c, xi, loss), rate, t, x, now)
            return [*jax.tree.leaves(following), x_next, *_points(method, point, x, now)]

        at_first, _ = degrees(init, (given, 0), (x, 1))
        in_clock = tuple(of_leaf == 0 for of_leaf in at_first)
        while True:
            of_state = [(leaf, 0 if fixed else 1) for leaf, fixed in zip(leaves, in_clock, strict=True)]
            rest = (given, 0), (A, 0), (x, 0), (number, 0), (t, 0), (x, 1), (x, 1), *of_state
            found, _ = degrees(step, (number, np.inf), *rest)
            left = tuple(fixed and of_leaf == 0 for fixed, of_leaf in zip(in_clock, found[:count], strict=True))
            if left == in_clock:
                break
            in_clock = left
        update = AffineUpdate(skeleton, point, state, in_clock, sees_pytree, max(at_first, default=0) <= 1, integer)
        if max(found) <= 1:
            return update, ""
        without_loss, of_rest = degrees(step, (number, 0), *rest)
        return update, of_rest if max(without_loss) > 1 else _LOSS


def _widened(kind: Any, integer: str) -> str:
    """The type of a leaf of the state."""
    return integer if np.dtype(kind) == np.int32 else np.dtype(kind).name


@remember(_REMEMBERED)
def _changes_with_time(update: AffineUpdate, numbers: Shapes) -> bool:
    with jax.enable_x64(True):
        x, z, number = (jax.ShapeDtypeStruct(shape, np.float64) for shape in ((update.point.size,), (update.size,), ()))
        given = jax.tree.leaves(numbers.like)
        _, clock = jax.eval_shape(update.start, given, x)

        def moved(t: Any, clock: Any, numbers: Any, c: Any, xi: Any, rate: Any, z: Any) -> list[Any]:
            gradients = Gradients.of_quadratic(jnp.ones_like(c), c, xi)
            return [update.step(numbers, gradients, rate, t, clock, z)[0], *update.points(numbers, clock, z)]

        fixed = [(given, 0), (x, 0), (x, 0), (number, 0), (z, 0)]
        found, _ = degrees(moved, (jax.ShapeDtypeStruct((), update.integer), 1), (clock, 1), *fixed)
        return max(found) > 0


def _moved(
    method: Method, point: Structure, gradients: Gradients, rate: Any, t: Any, x: jax.Array, state: Any
) -> tuple[jax.Array, Any]:
    """x_{t+1} (d,) and the next state."""

    def loss(_: Any) -> Any:
        return jnp.asarray(gradients.loss, x.dtype)

    drawn, full = (lambda y, of=of: _seen(method, point, of(_flat(method, point, y))) for of in gradients[:2])
    x_next, following = method.step(_seen(method, point, x), rate, t, state, Draw(drawn, loss, full))
    return _flat(method, point, x_next), following


def _points(method: Method, point: Structure, x: jax.Array, state: Any) -> list[jax.Array]:
    return [_flat(method, point, each) for each in method.points(_seen(method, point, x), state).values()]


def _seen(method: Method, point: Structure, x: jax.Array) -> Any:
    """A flat point in the form that the method sees."""
    return point.unravel(x) if method.sees_pytree else x


def _flat(method: Method, point: Structure, x: Any) -> jax.Array:
    return point.ravel(x) if method.sees_pytree else x
