"""SGD and other methods where one coordinate has larger gradients than the other: the studies of exercise 4.

The problem is always 1/2 ||z||^2 from z_0 = (5, 5) with unit noise on its gradient; but x holds z in other units,
x_i = z_i / sqrt(h_i) with h = (1, kappa), as features of a regression are metres or millimetres. Then

    R(x) = 1/2 (h_1 x_1^2 + h_2 x_2^2),   xi_i ~ N(0, h_i),   x_{0,i} = 5 / sqrt(h_i),

and gradients, noise included, are sqrt(kappa) times as large in the second coordinate. All that changes with the
condition number kappa are the units, so that risks at different kappa can be compared.
"""

import functools
import tomllib
from collections.abc import Callable, Mapping
from importlib import resources
from typing import Any

import jax
import numpy as np
import optax

from jaxsgd import noise, oracles, problems, record, schedules
from jaxsgd.methods import HeavyBall, Method, Optax, Preconditioned, Sgd, SignSgd
from jaxsgd.state import State
from jaxsgd.streams import Stream
from jaxsgd.study import Study
from jaxsgd.verification.chapter.side_by_side import side_by_side

T = 200
"""Updates of every tuned run."""
START = 5.0
CONDITION_NUMBERS = (1, 10, 100, 1000, 10_000)
KAPPA = 100
"""The condition number of claims on one of them."""
UNITS = np.array([1.0, KAPPA**-0.5])
"""D of x = D z at that one."""
TURN = np.array([[1.0, -1.0], [1.0, 1.0]]) / np.sqrt(2)
"""A rotation by 45 degrees."""
METHODS = ("SGD", "momentum", "preconditioned", "Adagrad", "RMSProp", "Adam", "sign SGD")
LINEAR = ("SGD", "momentum", "preconditioned")
"""The methods that have exact moments."""


def curvatures(kappa: float) -> np.ndarray:
    """h = (1, kappa)."""
    return np.array([1.0, kappa])


@functools.cache
def in_other_units(kappa: float, steps: int = T) -> Study:
    """Plain SGD, with a learning rate that is to be replaced."""
    h = curvatures(kappa)
    return _study(problems.Quadratic(h), noise.Gaussian(std=np.sqrt(h)), START / np.sqrt(h), steps)


@functools.cache
def rotated(kappa: float) -> Study:
    """The same in coordinates y = Q x that are rotated by 45 degrees: A = Q diag(h) Q', Cov xi = A.

    Both diagonal entries of A are (1 + kappa) / 2: no coordinate has larger gradients than the other.
    """
    h = curvatures(kappa)
    A = TURN @ np.diag(h) @ TURN.T
    return _study(problems.Quadratic(A), noise.Gaussian(covariance=A), TURN @ (START / np.sqrt(h)), T)


def draw_noise(stream: Stream) -> jax.Array:
    """xi ~ N(0, diag(h)), at kappa = 100."""
    return stream.normal((2,)) / UNITS


def terms(xi: jax.Array, x: jax.Array) -> jax.Array:
    """The drawn loss R(x) + <xi, x>, coordinate by coordinate, at kappa = 100."""
    return 0.5 * (x / UNITS) ** 2 + xi * x


def _study(problem: problems.Quadratic, gradient_noise: noise.Gaussian, start: np.ndarray, steps: int) -> Study:
    return Study(
        oracle=oracles.AdditiveNoise(problem, gradient_noise),
        schedule=schedules.constant(1.0),
        x0=start,
        steps=steps,
        observe=("risk",),
        record=record.at([steps]),
    )


def method(name: str, study: Study, **numbers: Any) -> Method:
    """One of the methods compared. `preconditioned` divides by the diagonal of the Hessian, which it has to know."""
    if name == "SGD":
        return Sgd()
    if name == "momentum":
        return HeavyBall(**numbers)
    if name == "preconditioned":
        A: Any = study.oracle.problem.hessian  # type: ignore[union-attr]
        return Preconditioned(1 / (A if A.ndim == 1 else np.diagonal(A)))
    if name == "sign SGD":
        return SignSgd()
    if name == "Adagrad":
        return Optax(optax.adagrad, initial_accumulator_value=0.0, eps=0.0)
    return Optax({"RMSProp": optax.rmsprop, "Adam": optax.adam}[name], **numbers)


def run(study: Study, name: str, rate: float, final: float = 0.0, **numbers: Any) -> Study:
    """A method whose learning rate falls by half a cosine from `rate` to the share `final` of it."""
    return study.replace(
        method=method(name, study, **numbers), schedule=schedules.cosine(rate, study.steps, final * rate)
    )


@functools.cache
def _settings() -> Mapping[str, Any]:
    folder = resources.files("jaxsgd.verification.chapter")
    return tomllib.loads(folder.joinpath("scaled_settings.toml").read_text(encoding="utf-8"))


@functools.cache
def tuned(name: str, kappa: int, turned: bool = False) -> Study:
    """A method with the learning rate and other numbers that `scripts/scaled_coordinates/study.py` found best."""
    study, setting = (rotated(kappa), "rotated") if turned else (in_other_units(kappa), "other units")
    return run(study, name, **_settings()[setting][name][str(kappa)])


def _risk(i: int, state: State) -> jax.Array:
    return state.folds["risks"][i]


def _difference(i: int, j: int, state: State) -> jax.Array:
    return state.folds["risks"][i] - state.folds["risks"][j]


OBSERVABLES: dict[str, Callable[[State], jax.Array]] = {
    **{name: functools.partial(_risk, i) for i, name in enumerate(METHODS)},
    "Adam - Adagrad": functools.partial(_difference, METHODS.index("Adam"), METHODS.index("Adagrad")),
}
"""Risks at the end, by method."""


BELOW = 0.98
"""The rate of the diagonal preconditioner in rotated coordinates: 2% below the limit of a constant one, about 1."""


@functools.cache
def all_tuned(kappa: int, turned: bool = False) -> Study:
    """The tuned methods side by side; or, in rotated coordinates, tuned Adagrad and a preconditioner at a safe rate."""
    if not turned:
        return side_by_side({name: tuned(name, kappa) for name in METHODS}).replace(observe=(), observables=OBSERVABLES)
    studies = {
        "preconditioned": run(rotated(kappa), "preconditioned", BELOW),
        "Adagrad": tuned("Adagrad", kappa, turned=True),
    }
    observables = {name: functools.partial(_risk, i) for i, name in enumerate(studies)}
    return side_by_side(studies).replace(observe=(), observables=observables)
