"""Learning rates eta_t as functions of the update count t = 0, 1, ...

Each schedule is called with t, as in optax, and can be handed to optax. The names are spelled as
optax spells its own. Any other callable of t is accepted where a schedule is.
"""

import abc
import reprlib
from collections.abc import Callable
from typing import Any

import equinox as eqx
import jax
import jax.numpy as jnp
import numpy as np
from jax.typing import ArrayLike

from jaxsgd.errors import InvalidInput, InvalidType, finite_array, integer, scalar
from jaxsgd.module import Module
from jaxsgd.remembering import Surroundings
from jaxsgd.structure import Skeleton

# ruff: noqa: N801 - schedules are spelled as they are called


_METHOD = "a transformation of gradients, which is a method: give it as Study(method=...)"


class Schedule(Module):
    """A learning rate as a function of the update count."""

    @abc.abstractmethod
    def __call__(self, t: Any) -> ArrayLike:
        """eta_t for one count t, an integer scalar."""


class constant(Schedule):
    """eta_t = value."""

    value: np.ndarray

    def __init__(self, value: Any) -> None:
        self.value = scalar("value", value)

    def __call__(self, t: Any) -> ArrayLike:
        return jnp.asarray(self.value)


class piecewise_constant(Schedule):
    """eta_t = values[i] for boundaries[i-1] <= t < boundaries[i]; one value more than boundaries."""

    boundaries: np.ndarray
    values: np.ndarray

    def __init__(self, boundaries: Any, values: Any) -> None:
        self.boundaries, self.values = finite_array("boundaries", boundaries), finite_array("values", values)
        if self.boundaries.ndim != 1 or np.any(np.diff(self.boundaries) <= 0):
            raise InvalidInput(f"boundaries must be an increasing list, got {boundaries!r}")
        if self.values.shape != (len(self.boundaries) + 1,):
            raise InvalidInput(
                f"values must be a list with one number more than boundaries ({len(self.boundaries) + 1}), "
                f"got shape {self.values.shape}"
            )

    def __call__(self, t: Any) -> ArrayLike:
        return jnp.asarray(self.values)[jnp.searchsorted(self.boundaries, t, side="right")]


class exponential(Schedule):
    """eta_t = initial exp(-rate t)."""

    initial: np.ndarray
    rate: np.ndarray

    def __init__(self, initial: Any, rate: Any) -> None:
        self.initial, self.rate = scalar("initial", initial), scalar("rate", rate)

    def __call__(self, t: Any) -> ArrayLike:
        return self.initial * jnp.exp(-self.rate * t)


class polynomial(Schedule):
    """eta_t = initial (1 + rate t)^-power."""

    initial: np.ndarray
    rate: np.ndarray
    power: np.ndarray

    def __init__(self, initial: Any, rate: Any, power: Any) -> None:
        self.initial, self.rate = scalar("initial", initial), scalar("rate", rate, at_least=0.0)
        self.power = scalar("power", power)

    def __call__(self, t: Any) -> ArrayLike:
        return self.initial * (1 + self.rate * t) ** -self.power


class inverse_time(Schedule):
    """eta_t = initial / (1 + rate t)."""

    initial: np.ndarray
    rate: np.ndarray

    def __init__(self, initial: Any, rate: Any) -> None:
        self.initial, self.rate = scalar("initial", initial), scalar("rate", rate, at_least=0.0)

    def __call__(self, t: Any) -> ArrayLike:
        return self.initial / (1 + self.rate * t)


class inverse_sqrt(Schedule):
    """eta_t = initial / sqrt(t + 1)."""

    initial: np.ndarray

    def __init__(self, initial: Any) -> None:
        self.initial = scalar("initial", initial)

    def __call__(self, t: Any) -> ArrayLike:
        return self.initial / jnp.sqrt(t + 1.0)


class strongly_convex(Schedule):
    """eta_t = 1 / (mu (t + 1)), for a strong convexity mu > 0."""

    mu: np.ndarray

    def __init__(self, mu: Any) -> None:
        self.mu = scalar("mu", mu, above=0.0)

    def __call__(self, t: Any) -> ArrayLike:
        return 1 / (self.mu * (t + 1))


class lacoste_julien(Schedule):
    """eta_t = 2 / (mu (t + 2)) (Lacoste-Julien, Schmidt and Bach, 2012, arXiv 1212.2002)."""

    mu: np.ndarray

    def __init__(self, mu: Any) -> None:
        self.mu = scalar("mu", mu, above=0.0)

    def __call__(self, t: Any) -> ArrayLike:
        return 2 / (self.mu * (t + 2))


class linear_decay(Schedule):
    """eta_t = initial (1 - t / horizon) for t <= horizon, then 0."""

    initial: np.ndarray
    horizon: np.ndarray

    def __init__(self, initial: Any, horizon: Any) -> None:
        self.initial, self.horizon = scalar("initial", initial), scalar("horizon", horizon, above=0.0)

    def __call__(self, t: Any) -> ArrayLike:
        return self.initial * jnp.maximum(1 - t / self.horizon, 0.0)


class cosine(Schedule):
    """eta_t = final + (initial - final) (1 + cos(pi t / horizon)) / 2 for t <= horizon, then final.

    Source: Loshchilov and Hutter (2017), arXiv 1608.03983.
    """

    initial: np.ndarray
    horizon: np.ndarray
    final: np.ndarray

    def __init__(self, initial: Any, horizon: Any, final: Any = 0.0) -> None:
        self.initial, self.horizon = scalar("initial", initial), scalar("horizon", horizon, above=0.0)
        self.final = scalar("final", final)

    def __call__(self, t: Any) -> ArrayLike:
        angle = jnp.pi * jnp.minimum(t / self.horizon, 1.0)
        return self.final + (self.initial - self.final) * (1 + jnp.cos(angle)) / 2


class warmup(Schedule):
    """eta_t = schedule(t) min(1, (t + 1) / steps)."""

    schedule: Callable[[Any], Any]
    steps: np.ndarray

    def __init__(self, schedule: Callable[[Any], Any], steps: Any) -> None:
        self.schedule, self.steps = as_schedule(schedule), scalar("steps", steps, above=0.0)

    def __call__(self, t: Any) -> ArrayLike:
        return self.schedule(t) * jnp.minimum((t + 1) / self.steps, 1.0)


class wsd(Schedule):
    """Warm-up, stable, decay: initial min(1, (t + 1) / warmup), at most initial (horizon - t) / cooldown.

    Linear up over the first `warmup` updates, flat, linear to 0 over the last `cooldown` updates
    before `horizon`, then 0. Source: Hu et al. (2024), arXiv 2404.06395; Schaipp et al. (2025),
    arXiv 2501.18965.
    """

    initial: np.ndarray
    horizon: np.ndarray
    warmup: np.ndarray
    cooldown: np.ndarray

    def __init__(self, initial: Any, horizon: Any, warmup: Any, cooldown: Any) -> None:
        self.initial, self.horizon = scalar("initial", initial), scalar("horizon", horizon, above=0.0)
        self.warmup = scalar("warmup", warmup, at_least=0.0)
        self.cooldown = scalar("cooldown", cooldown, at_least=0.0)
        if self.warmup + self.cooldown > self.horizon:
            raise InvalidInput(
                f"warmup + cooldown must not exceed the horizon {float(self.horizon):g}, "
                f"got {float(self.warmup):g} + {float(self.cooldown):g}"
            )

    def __call__(self, t: Any) -> ArrayLike:
        up = (t + 1) / jnp.maximum(self.warmup, 1.0)
        # A cooldown of 0 is a step: flat until the horizon, then 0.
        down = jnp.maximum(self.horizon - t, 0.0) / jnp.maximum(self.cooldown, 1e-30)
        return self.initial * jnp.minimum(jnp.minimum(up, down), 1.0)


class cyclic(Schedule):
    """Triangular between low (at t = 0) and high (half a period later). Source: Smith (2017), arXiv 1506.01186."""

    low: np.ndarray
    high: np.ndarray
    period: np.ndarray

    def __init__(self, low: Any, high: Any, period: Any) -> None:
        self.low, self.high = scalar("low", low), scalar("high", high)
        self.period = scalar("period", period, above=0.0)

    def __call__(self, t: Any) -> ArrayLike:
        phase = jnp.mod(t / self.period, 1.0)
        return self.low + (self.high - self.low) * (1 - jnp.abs(1 - 2 * phase))


class alternating(Schedule):
    """eta_t = low for `every` updates, then high for as many, and so on: low where floor(t / every) is even."""

    low: np.ndarray
    high: np.ndarray
    every: np.ndarray

    def __init__(self, low: Any, high: Any, every: Any = 1) -> None:
        self.low, self.high = scalar("low", low), scalar("high", high)
        self.every = np.asarray(integer("every", every, at_least=1))

    def __call__(self, t: Any) -> ArrayLike:
        return jnp.where(t // self.every % 2 == 0, self.low, self.high)


class restarts(Schedule):
    """eta_t = schedule(t mod period): a schedule that begins anew, a warm restart of SGD from where it is.

    Those of the source, with periods of one length, are ``restarts(cosine(initial, period), period)``; for periods that
    grow, optax has ``sgdr_schedule``. Source: Loshchilov and Hutter (2017), equation 5, arXiv 1608.03983.
    """

    schedule: Callable[[Any], Any]
    period: np.ndarray

    def __init__(self, schedule: Callable[[Any], Any], period: Any) -> None:
        self.schedule = as_schedule(schedule)
        self.period = np.asarray(integer("period", period, at_least=1))

    def __call__(self, t: Any) -> ArrayLike:
        return self.schedule(t % self.period)


class table(Schedule):
    """eta_t = values[t]; NaN (no learning rate) from the end of the list on."""

    values: np.ndarray

    def __init__(self, values: Any) -> None:
        self.values = finite_array("values", values)
        if self.values.ndim != 1 or len(self.values) == 0:
            raise InvalidInput(f"values must be a list of learning rates, got shape {self.values.shape}")

    def __call__(self, t: Any) -> ArrayLike:
        return jnp.asarray(self.values).at[t].get(mode="fill", fill_value=jnp.nan)


class shift(Schedule):
    """eta_t = schedule(t + by). The chapter's code, which counts from 2, is a shift by 2."""

    schedule: Callable[[Any], Any]
    by: np.ndarray

    def __init__(self, schedule: Callable[[Any], Any], by: Any) -> None:
        self.schedule, self.by = as_schedule(schedule), np.asarray(integer("by", by, at_least=0))

    def __call__(self, t: Any) -> ArrayLike:
        return self.schedule(t + self.by)


class scale(Schedule):
    """eta_t = factor schedule(t)."""

    schedule: Callable[[Any], Any]
    factor: np.ndarray

    def __init__(self, schedule: Callable[[Any], Any], factor: Any) -> None:
        self.schedule, self.factor = as_schedule(schedule), scalar("factor", factor, at_least=0.0)

    def __call__(self, t: Any) -> ArrayLike:
        return self.factor * self.schedule(t)


def tuned_constant(distance: float, gradient_bound: float, steps: int) -> constant:
    """The chapter's choice eta = r / (L sqrt T), which gives the bound r L / sqrt T.

    **Arguments**

    - `distance`: r = ||x_0 - x*||.
    - `gradient_bound`: L, with E||g_t||^2 <= L^2.
    - `steps`: T.

    >>> tuned_constant(distance=2.0, gradient_bound=1.0, steps=100)
    constant(value=0.2)
    """
    r = scalar("distance", distance, at_least=0.0)
    bound = scalar("gradient_bound", gradient_bound, above=0.0)
    return constant(r / (bound * np.sqrt(integer("steps", steps, at_least=1))))


def as_schedule(value: Any) -> Callable[[Any], Any]:
    """``value`` if it can be called with t, otherwise an error."""
    if hasattr(value, "update") and hasattr(value, "init"):
        raise InvalidType(f"schedule must be a function of t, got {_METHOD}")
    if not callable(value):
        shown, kind = reprlib.repr(value), "table" if isinstance(value, list | tuple | np.ndarray) else "constant"
        raise InvalidType(f"schedule must be a function of t, got {shown}; for numbers use schedules.{kind}({shown})")
    return value


def _evaluate(schedule: Callable[[Any], Any], t: Any) -> Any:
    rate = schedule(t)
    if hasattr(rate, "update") and hasattr(rate, "init"):
        raise TypeError(f"it returned {_METHOD}")
    if rate is None:  # of which NumPy and JAX make a NaN
        raise TypeError("it returned None")
    return rate


@eqx.filter_jit
def _tabulate(schedule: Callable[[Any], Any], counts: ArrayLike) -> jax.Array:
    return jax.vmap(lambda t: jnp.asarray(_evaluate(schedule, t), jnp.float64))(counts)


def learning_rates(schedule: Callable[[Any], Any], steps: int) -> np.ndarray:
    """eta_0 .. eta_{steps-1} in float64.

    A callable that JAX cannot trace, such as one with an ``if`` on t, is called once for each t.
    One that changes what it reads, such as a count of its calls, is refused unless its rates stay the same.
    """
    skeleton, _ = Skeleton.split(schedule)
    with Surroundings(skeleton).traced() as trace:
        rates = _table(schedule, steps)
        if trace.is_rewritten and not np.array_equal(rates, _again(schedule, steps), equal_nan=True):
            raise InvalidInput(
                "schedule must be a function of t, but it gives other rates when it is called again: it changes what "
                "it reads, such as a count of its calls; compute the rate from t, which counts the updates from 0"
            )
    return rates


def _again(schedule: Callable[[Any], Any], steps: int) -> np.ndarray:
    with Surroundings(Skeleton.split(schedule)[0]).entered():  # what it reads now
        return _table(schedule, steps)


def _table(schedule: Callable[[Any], Any], steps: int) -> np.ndarray:
    with jax.enable_x64(True):
        try:
            rates = np.asarray(_tabulate(schedule, np.arange(steps)))
        except Exception:  # whatever it was: if the plain calls fail too, their error is the one to show
            return np.array([_rate(schedule, t) for t in range(steps)])
    if rates.shape != (steps,):
        raise InvalidInput(f"schedule must give one number for one t, got an array of shape {rates.shape[1:]}")
    return rates


def _rate(schedule: Callable[[Any], Any], t: int) -> float:
    try:
        rate = np.asarray(_evaluate(schedule, t), np.float64)
    except Exception as error:
        raise InvalidType(f"schedule cannot be computed at t = {t}: {type(error).__name__}: {error}") from error
    if rate.shape:
        raise InvalidInput(f"schedule must give one number for one t, got an array of shape {rate.shape} at t = {t}")
    return float(rate)
