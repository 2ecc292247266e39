"""The affine maps of a method on a quadratic, from derivatives of its own update."""

from collections.abc import Callable
from typing import Any, NamedTuple

import jax
import jax.numpy as jnp
import numpy as np

from jaxsgd import compiler
from jaxsgd.errors import NoExactSolution
from jaxsgd.remembering import remember
from jaxsgd.theory.linear.affine_update import AffineUpdate, Gradients
from jaxsgd.theory.linear.maps import Law, Maps, MapsOfMethod

_REMEMBERED = 64
_LARGE = 1000
"""From this size of z on, no more times are taken at once than are asked for, or the next power of two."""


class Quadratic(NamedTuple):
    """R(x) = 1/2 (x - c)'A(x - c), A a diagonal (d,) or a matrix, in the coordinates in which the method runs.

    Without A what enters is all of the gradient, in place of the noise, and where it is taken is one more point.
    """

    curvature: np.ndarray | None
    minimiser: np.ndarray


class Places(NamedTuple):
    """Where the blocks lie in z (B, m), and in x and the noise (B, r)."""

    of_z: np.ndarray
    of_x: np.ndarray

    @property
    def directions(self) -> np.ndarray:
        """Directions of (z, xi), of all blocks at once, along which derivatives are the columns of their maps."""
        m, r = self.of_z.shape[1], self.of_x.shape[1]
        found = np.zeros((m + r, self.of_z.size + self.of_x.size))
        for k in range(m):
            found[k, self.of_z[:, k]] = 1.0
        for k in range(r):
            found[m + k, self.of_z.size + self.of_x[:, k]] = 1.0
        return found


class MethodOnQuadratic:
    """A method on a quadratic, where it is what it makes of x_0 = x*, and how it responds to z and noise.

    **Arguments**

    - `update`, `numbers`: the method, and its numbers in float64.
    - `quadratic`: on which it runs.
    - `rates`: eta_t, one more than there are updates.

    `origin` is z_0 for x_0 = x* (size,).
    """

    def __init__(self, update: AffineUpdate, numbers: Any, quadratic: Quadratic, rates: np.ndarray) -> None:
        self._update, self._numbers, self.quadratic = update, numbers, quadratic
        self._rates = np.where(np.isfinite(rates), rates, 0.0)  # a table ends before the update that is not made
        with jax.enable_x64(True):
            times = np.arange(len(rates), dtype=update.integer)
            begun = _begun(update)(numbers, quadratic.minimiser, _padded(self._rates), _padded(times))
            self.origin, clocks = jax.tree.map(np.array, begun)
        self._clocks = [leaf[: len(rates)] for leaf in clocks]

    def start(self, x0: np.ndarray, directions: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
        """z_0 less the origin (size,), and derivatives of z_0 along directions of x_0 (K, d): (K, size)."""
        with jax.enable_x64(True):
            z_0, derivatives = _starts(self._update)(self._numbers, x0, directions)
        return np.asarray(z_0) - self.origin, np.asarray(derivatives)

    def parts(self, times: np.ndarray, of_z: np.ndarray, direction: np.ndarray) -> tuple[np.ndarray, np.ndarray] | None:
        """What an update makes of z and of gradients, as if these were no functions of points.

        That are z_{t+1}, the points, and those at which gradients are taken: where z and gradients are 0 (L, outputs),
        and their derivatives along a direction (d,) of each part of z, whose places are the columns of `of_z`, and of
        each gradient (L, parts and gradients, outputs).

        **Returns** None where gradients are taken inside of a transformation or a branch.
        """
        of_parts = np.zeros((of_z.shape[1], self._update.size))
        of_parts[np.arange(len(of_parts))[:, None], of_z.T] = direction
        with jax.enable_x64(True):
            try:
                found = _parts(self._update)(self._numbers, of_parts, direction, *self._at(times))
            except jax.errors.UnexpectedTracerError:
                return None
            values, derivatives = (np.asarray(each)[: len(times)] for each in found)
        return values, derivatives

    def _at(self, times: np.ndarray) -> Any:
        """Rates, t and the clocks at these times, padded."""
        least = 1 if self._update.size > _LARGE else 16
        given = self._rates[times], times.astype(self._update.integer), [leaf[times] for leaf in self._clocks]
        return jax.tree.map(lambda values: _padded(values, least), given)

    def derivatives(self, times: np.ndarray, directions: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
        """z_{t+1} and the points (L, outputs) from the origin, less it, and their derivatives (L, outputs, K)."""
        with jax.enable_x64(True):
            try:
                found = _derivatives(self._update)(
                    self._numbers, *self.quadratic, self.origin, directions, *self._at(times)
                )
            except jax.errors.UnexpectedTracerError:
                raise NoExactSolution(
                    "the method takes the gradient of sampled examples inside a transformation of JAX or a branch"
                ) from None
            values, derivatives = (np.asarray(each)[: len(times)] for each in found)
        size, d = self._update.size, self._update.point.size
        points = (values.shape[1] - size) // d
        return values - np.concatenate([self.origin, *[self.quadratic.minimiser] * points]), derivatives.swapaxes(1, 2)


class TracedMaps(MapsOfMethod):
    """The maps of a method on a quadratic.

    **Arguments**

    - `method`: on its quadratic.
    - `x0`: the law of x_0 - x*, in blocks of x.
    - `places`: where the blocks lie.
    """

    def __init__(self, method: MethodOnQuadratic, x0: Law, places: Places) -> None:
        self._method, self._places = method, places
        x_0 = np.empty(places.of_x.size)
        x_0[places.of_x] = x0.mean
        r = places.of_x.shape[1]
        z_0, responses = method.start(x_0 + method.quadratic.minimiser, places.directions[-r:, places.of_z.size :])
        responses = responses.T[places.of_z]
        self.start = Law(z_0[places.of_z], responses @ x0.covariance @ responses.swapaxes(-1, -2))

    def between(self, first: int, last: int) -> Maps:
        of_z, of_x = self._places
        m, d, size = of_z.shape[1], of_x.size, of_z.size
        values, derivatives = self._method.derivatives(np.arange(first, last), self._places.directions)
        of_next = derivatives[:, of_z]
        points = [(derivatives[:, k + of_x][..., :m], values[:, k + of_x]) for k in range(size, values.shape[1], d)]
        taken = points.pop() if self._method.quadratic.curvature is None else None
        return Maps(of_next[..., :m], of_next[..., m:], values[:, of_z], points, taken)


def _padded(values: np.ndarray, least: int = 16) -> np.ndarray:
    """With the last one repeated, up to a power of two: programs are compiled for few lengths."""
    count = max(least, 2 ** int(np.ceil(np.log2(len(values)))))
    return np.concatenate([values, np.repeat(values[-1:], count - len(values), axis=0)])


@remember(_REMEMBERED)
def _begun(update: AffineUpdate) -> Callable[..., Any]:
    """z_0 of x_0 = x*, and the clocks before each update."""

    def begin(numbers: Any, minimiser: Any, rates: Any, times: Any) -> Any:
        origin, clock = update.start(numbers, minimiser)
        if not clock:
            return origin, []
        nothing = Gradients(jnp.zeros_like, jnp.zeros_like)

        def tick(clock: Any, at: tuple[Any, Any]) -> Any:
            rate, t = at
            return update.step(numbers, nothing, rate, t, clock, origin)[1], clock

        return origin, jax.lax.scan(tick, clock, (rates, times))[1]

    return compiler.jit(begin)


@remember(_REMEMBERED)
def _starts(update: AffineUpdate) -> Callable[..., Any]:
    """z_0, and its derivatives along directions of x_0."""

    def start(numbers: Any, x0: Any, directions: Any) -> Any:
        z_0, linear = jax.linearize(lambda x: update.start(numbers, x)[0], x0)
        return z_0, jax.vmap(linear)(directions)

    return compiler.jit(start)


@remember(_REMEMBERED)
def _derivatives(update: AffineUpdate) -> Callable[..., Any]:
    """z_{t+1} and the points, from z at the origin, and their derivatives along directions of (z, xi), for all t."""

    def of_times(
        numbers: Any, curvature: Any, minimiser: Any, origin: Any, directions: Any, rates: Any, times: Any, clocks: Any
    ) -> Any:
        def of_time(rate: Any, t: Any, clock: Any) -> Any:
            def moved(z: Any, xi: Any) -> Any:
                if curvature is not None:
                    gradients = Gradients.of_quadratic(curvature, minimiser, xi)
                    z_next, _ = update.step(numbers, gradients, rate, t, clock, z)
                    return jnp.concatenate([z_next, *update.points(numbers, clock, z)])
                z_next, taken = update.step_with_gradient(numbers, xi, rate, t, clock, z)
                return jnp.concatenate([z_next, *update.points(numbers, clock, z), taken])

            value, linear = jax.linearize(moved, origin, jnp.zeros_like(minimiser))
            return value, jax.vmap(linear)(directions[:, : update.size], directions[:, update.size :])

        return jax.vmap(of_time)(rates, times, clocks)

    return compiler.jit(of_times)


@remember(_REMEMBERED)
def _parts(update: AffineUpdate) -> Callable[..., Any]:
    """What `MethodOnQuadratic.parts` returns."""

    def of_times(numbers: Any, of_parts: Any, direction: Any, rates: Any, times: Any, clocks: Any) -> Any:
        (parts, size), d = of_parts.shape, len(direction)

        def of_time(rate: Any, t: Any, clock: Any) -> Any:
            def moved(z: Any, gradients: Any) -> tuple[Any, Any]:
                z_next, taken = update.step_with_each(numbers, gradients, rate, t, clock, z)
                return jnp.concatenate([z_next, *update.points(numbers, clock, z), *taken]), taken

            none = jnp.zeros(size)
            count = len(jax.eval_shape(lambda z: moved(z, [])[1], none))
            own = jnp.eye(parts + count)[:, parts:, None] * direction  # of each gradient by itself
            value, linear = jax.linearize(lambda z, g: moved(z, list(g))[0], none, jnp.zeros((count, d)))
            of_z = jnp.concatenate([of_parts, jnp.zeros((count, size))])
            return value, jax.vmap(linear)(of_z, own)

        return jax.vmap(of_time)(rates, times, clocks)

    return compiler.jit(of_times)
