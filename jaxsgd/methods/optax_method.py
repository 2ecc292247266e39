"""Gradient transformations of optax, and of users, as methods."""

import contextlib
import dataclasses
import inspect
from collections.abc import Callable, Iterator, Mapping
from typing import Any, NamedTuple

import jax
import jax.numpy as jnp
import optax
from jax.extend.core import Literal

from jaxsgd.errors import InvalidInput, InvalidType
from jaxsgd.methods.draw import Draw
from jaxsgd.methods.method import Method
from jaxsgd.methods.optax_numbers import CONCRETE, LEARNING_RATE, RANDOM, checked, given, name_of, taken_apart, takes
from jaxsgd.methods.transformations import is_transformation
from jaxsgd.module import brief


@dataclasses.dataclass(frozen=True)
class Finished:
    """Makes a transformation that is made already."""

    transformation: optax.GradientTransformation

    def __call__(self) -> optax.GradientTransformation:
        return self.transformation

    def __repr__(self) -> str:
        return "the finished transformation"


class WithSlowWeights(NamedTuple):
    """The state of optax's lookahead: its slow weights, which optax keeps with the parameters, and its own state."""

    slow: Any
    inner: Any


class Optax(Method):
    """x_{t+1} = x_t + u_t, where (u_t, state) = transformation.update(g_t, state, x_t): any transformation of optax.

    The transformation is made inside the program, in every update, as ``make(learning_rate=eta_t, **numbers)``: the
    study's schedule is its learning rate, and all its floats can be swept without a new compilation.

    >>> Optax(optax.adam, b1=0.8)
    Optax(optax.adam, b1=0.8)

    A finished transformation is taken as it is, ``Study(method=optax.adam(1e-3), ...)``: its learning rate is its own,
    the study has no schedule, and what is recorded as `learning_rate` is NaN. So it is where `make` has no argument
    `learning_rate`, as ``optax.polyak_sgd`` has none. Numbers of a finished one are part of the program, which is
    compiled anew for each that is made anew, as in the cells of a sweep: for sweeps give `make` and numbers.

    **Arguments**

    - `make`: a function that makes a transformation, of optax or of one's own; or a finished transformation.
    - `points`: functions of (state, x) by name that give further points to record, such as
      ``{"x": optax.contrib.schedule_free_eval_params}``. Slow weights of `optax.lookahead` are recorded as ``slow``.
    - `numbers`: other arguments of `make`. Floats can be swept; an integer is one where the default is. All else is
      part of the program: integers, booleans, names, functions, the numbers of a ``functools.partial``, and floats
      that `make` itself looks at, as `optax.contrib.reduce_on_plateau` does at its `factor`.

    An update is given what it takes of ``value`` (the drawn loss at x_t), ``grad`` (g_t), ``value_fn`` and ``obj_fn``
    (the drawn loss), and ``grad_fn`` (the stochastic gradient, a function of x and of a count that is ignored). What
    needs a loss needs an oracle that draws losses, such as `RandomLoss`, `ExampleSampling` or `FullGradient`.

    As in optax, a part of an optimiser does not descend by itself: ``optax.scale_by_adam()`` adds what should be
    subtracted. Write ``lambda learning_rate, b1: optax.chain(optax.scale_by_adam(b1),
    optax.scale_by_learning_rate(learning_rate))``. Of `optax.rprop` eta_0 is the first size of steps, and no other
    eta_t is used; `optax.sm3` takes no leaf of x that is a single number.

    **Refused**, each with a way out in the message:

    - What draws random numbers, as all trajectories would get the same: `optax.noisy_sgd`, `optax.add_noise`,
      `optax.contrib.dpsgd`, `optax.contrib.differentially_private_aggregate`, and `optax.contrib.sophia` with
      Hutchinson's estimator, its default. Let the oracle draw; give Sophia another `hessian_diagonal_fn`.
    - ``optax.inject_hyperparams(f)``, which keeps the first learning rate in its state. Give ``f``.
    - What needs a loss, with an oracle that draws none: `optax.polyak_sgd`, `optax.lbfgs`, line searches,
      `optax.contrib.momo`, `momo_adam` and `reduce_on_plateau`.

    Source: DeepMind et al. (2020), The DeepMind JAX Ecosystem, https://github.com/google-deepmind.
    """

    make: Callable[..., Any]
    numbers: dict[str, Any]
    named: dict[str, Callable[[Any, Any], Any]]

    sees_pytree = True

    def __init__(
        self, make: Callable[..., Any], *, points: Mapping[str, Callable[[Any, Any], Any]] | None = None, **numbers: Any
    ) -> None:
        self.make = Finished(_transformation(make)) if is_transformation(make) else make
        if not callable(self.make):
            raise InvalidType(f"make must be a function that makes an optax transformation, got {brief(make)}")
        self.named = dict(points or {})
        for name, function in self.named.items():
            if not callable(function):
                raise InvalidType(f"points[{name!r}] must be a function of (state, x), got {brief(function)}")
        self.make, numbers = taken_apart(self.make, numbers)
        self.numbers = checked(self.make, numbers)
        self._check_made()

    def _check_made(self) -> None:
        """An error unless it makes a transformation, with a learning rate that is traced."""
        what = name_of(self.make)
        made = []
        try:
            jax.eval_shape(lambda rate: made.append(self.transformation(rate)), jnp.ones(()))
        except CONCRETE as error:
            raise InvalidType(
                f"{what} looks at its learning rate, which is traced: give a finished transformation, "
                f"Study(method={what}({LEARNING_RATE}=...)), without a schedule"
            ) from error
        except Exception as error:
            raise InvalidInput(f"{what} cannot be made: {type(error).__name__}: {error}") from error
        if not is_transformation(made[0]):
            raise InvalidType(f"make must make a transformation of optax, and {what} made {brief(made[0])}")

    @property
    def has_own_learning_rate(self) -> bool:
        return not takes(self.make, LEARNING_RATE)

    def transformation(self, learning_rate: Any) -> optax.GradientTransformation:
        """The transformation with this learning rate."""
        rate = {} if self.has_own_learning_rate else {LEARNING_RATE: learning_rate}
        return self.make(**given(self.numbers), **rate)

    def init(self, x0: Any) -> Any:
        with self._explained():
            state = self._begun(jnp.ones(()), x0)
        self._check_state(state)
        return state

    def _begun(self, learning_rate: Any, x0: Any) -> Any:
        transformation = self.transformation(learning_rate)
        if _is_lookahead(transformation):
            return WithSlowWeights(x0, transformation.init(optax.LookaheadParams.init_synced(x0)))
        return transformation.init(x0)

    def step(self, x: Any, learning_rate: jax.Array, t: jax.Array, state: Any, draw: Draw) -> tuple[Any, Any]:
        gradient = draw.gradient(x)
        with self._explained():
            transformation = self.transformation(learning_rate)
            state = self._with_first_rate(learning_rate, t, state, x)
            if _is_lookahead(transformation):
                both: Any = optax.LookaheadParams(x, state.slow)
                update, inner = transformation.update(gradient, state.inner, both)
                moved: Any = optax.apply_updates(both, update)
                return moved.fast, WithSlowWeights(moved.slow, inner)
            update, following = self._updated(transformation, gradient, state, x, draw)
            return optax.apply_updates(x, update), following

    def points(self, x: Any, state: Any) -> Mapping[str, Any]:
        slow = {"slow": state.slow} if isinstance(state, WithSlowWeights) else {}
        return slow | {name: function(state, x) for name, function in self.named.items()}

    def _updated(self, transformation: Any, gradient: Any, state: Any, x: Any, draw: Draw) -> tuple[Any, Any]:
        """What the update makes, with as much of the draw as it takes."""
        update = transformation.update
        known = {"grad": gradient} | _functions_of(draw)
        known = {name: value for name, value in known.items() if takes(update, name)}
        if not takes(update, "value"):
            return update(gradient, state, x, **known)
        try:
            value = draw.loss(x)
        except InvalidInput as no_loss:
            return self._updated_without_loss(lambda **more: update(gradient, state, x, **known, **more), no_loss)
        return update(gradient, state, x, **known, value=value)

    def _updated_without_loss(self, update: Callable[..., Any], no_loss: InvalidInput) -> tuple[Any, Any]:
        """The same where a draw has no loss: an error if that is what the update fails for."""
        try:
            return update()
        except InvalidInput:  # it calls the loss
            pass
        except Exception:
            if not _is_made_by(lambda: update(value=jnp.zeros(()))):
                raise
        raise InvalidInput(f"{name_of(self.make)}: {no_loss}")

    def _with_first_rate(self, learning_rate: Any, t: Any, state: Any, x: Any) -> Any:
        """The state; at t = 0 with what depends on the learning rate made of eta_0, which `init` does not know."""
        if self.has_own_learning_rate:
            return state
        depends = _depends(lambda rate: self._begun(rate, x), learning_rate)
        if not any(depends):
            return state
        begun, structure = jax.tree.leaves(self._begun(learning_rate, x)), jax.tree.structure(state)
        leaves = zip(depends, begun, jax.tree.leaves(state), strict=True)
        return jax.tree.unflatten(structure, [jnp.where(t == 0, new, old) if d else old for d, new, old in leaves])

    @contextlib.contextmanager
    def _explained(self) -> Iterator[None]:
        """Says what to do where the transformation looks at a number that is traced."""
        try:
            yield
        except CONCRETE as error:
            what = name_of(self.make)
            raise InvalidInput(
                f"{what} looks at a number that is traced ({type(error).__name__}): make the number a part of the "
                f"program, methods.Optax(functools.partial({what}, name=value)), or write it with jax.numpy"
            ) from error

    def _check_state(self, state: Any) -> None:
        what = name_of(self.make)
        for path, leaf in jax.tree_util.tree_leaves_with_path(jax.tree.map(jnp.asarray, state)):
            if jnp.issubdtype(leaf.dtype, jax.dtypes.prng_key) or _is_old_key(path, leaf):
                raise InvalidInput(f"{what} {RANDOM}")
        injected = optax.InjectHyperparamsState | optax.InjectStatefulHyperparamsState
        for part in jax.tree.leaves(state, is_leaf=lambda part: isinstance(part, injected)):
            if isinstance(part, injected) and LEARNING_RATE in part.hyperparams and not self.has_own_learning_rate:
                raise InvalidInput(
                    f"{what} keeps its learning rate in its state (optax.inject_hyperparams), and would stay at that "
                    "of the first step: give methods.Optax the function that is injected itself"
                )

    def replace(self, **changes: Any) -> "Optax":
        """The same with some arguments changed, validated again."""
        arguments = self.numbers | {"make": self.make, "points": self.named} | changes
        return Optax(**arguments)

    def __repr__(self) -> str:
        shown = [f"{name}={brief(value)}" for name, value in given(self.numbers).items()]
        if self.named:
            shown.append(f"points={{{', '.join(f'{name!r}: {name_of(each)}' for name, each in self.named.items())}}}")
        return f"Optax({', '.join([name_of(self.make), *shown])})"


def how_to_give(value: Any) -> str:
    """What to do with a value that is no method, but may be a function of optax; such as "; call it"."""
    if not inspect.isfunction(value):
        return ""
    what = name_of(value)
    if not takes(value, LEARNING_RATE):
        return f"; if it makes an optax transformation, give methods.Optax({what}), or what it returns"
    return f"; give {what}(learning_rate), without a schedule, or methods.Optax({what}) with one"


def _transformation(value: Any) -> optax.GradientTransformation:
    return value.gradient_transformation() if isinstance(value, optax.MultiSteps) else value


def _is_lookahead(transformation: Any) -> bool:
    """Whether it takes slow weights with the parameters, as lookahead does; it warns of parameters without them."""
    return getattr(transformation.init, "__qualname__", "").startswith(f"{optax.lookahead.__name__}.<locals>.")


def _is_made_by(update: Callable[[], Any]) -> bool:
    """Whether an update can be computed, but for a loss that it calls."""
    try:
        update()
    except InvalidInput:
        return True
    except Exception:
        return False
    return True


def _functions_of(draw: Draw) -> dict[str, Callable[..., Any]]:
    """The functions of a draw by the names that transformations give them."""

    # Line searches want all the arguments that an update gets, and they do not take, to be taken by this.
    def loss(x: Any, obj_fn: Any = None, grad_fn: Any = None) -> Any:
        return draw.loss(x)

    def gradient(x: Any, index: Any = None) -> Any:
        return draw.gradient(x)

    return {"value_fn": loss, "obj_fn": loss, "grad_fn": gradient}


def _is_old_key(path: Any, leaf: Any) -> bool:
    """Whether a leaf of a state is a key of random numbers of JAX's old kind, two words."""
    return leaf.dtype == jnp.uint32 and leaf.shape == (2,) and path and "key" in jax.tree_util.keystr(path[-1:])


def _depends(function: Callable[[Any], Any], number: Any) -> list[bool]:
    """Which leaves of what a function returns depend on a number."""
    closed = jax.make_jaxpr(function)(number)
    reached = set(closed.jaxpr.invars)
    for equation in closed.jaxpr.eqns:
        if any(not isinstance(atom, Literal) and atom in reached for atom in equation.invars):
            reached |= set(equation.outvars)
    return [not isinstance(atom, Literal) and atom in reached for atom in closed.jaxpr.outvars]
