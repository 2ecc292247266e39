"""Families of learning rates on three problems: those of the chapter, and the other ones that it names.

A family is a function of its numbers that makes a study; `GRIDS` says between which of them a family is tuned. All
shapes are relative to the number of updates T. The tuned numbers stand in `tuned_schedules.toml`, which is made by
`scripts/schedules/study.py`.
"""

import functools
import tomllib
from collections.abc import Callable
from importlib import resources
from typing import Any, NamedTuple

import jax
import jax.numpy as jnp
import numpy as np

from jaxsgd import data, methods, noise, oracles, problems, record, schedules
from jaxsgd.study import Study
from jaxsgd.verification.chapter import quadratic_studies as quadratic

T = 50
"""Updates for which the families are tuned in the report."""

PROBLEMS = ("quadratic", "absolute value", "iris")

PAIRS = {
    "warm-up, polynomial": "polynomial",
    "warm-up, linear": "linear to zero",
    "alternating": "constant",
    "restarts": "cosine",
    "on plateau": "constant",
}
"""Families, and what each would be without what is special about it."""

_FOLDER = resources.files("jaxsgd.verification.chapter")


@functools.cache
def iris() -> problems.LogisticRegression:
    """Logistic regression of two species of iris, versicolor and virginica, on four standardised lengths and widths.

    100 flowers of which no plane separates the species; ridge 0.01. Source: Fisher (1936), "The use of multiple
    measurements in taxonomic problems", Annals of Eugenics 7, table I, in the public domain.
    """
    with resources.as_file(_FOLDER.joinpath("iris.csv")) as path:
        return problems.LogisticRegression(*data.read(path, standardise=True), l2=0.01)


@functools.cache
def base(problem: str, steps: int = T) -> Study:
    """Plain SGD on a problem, of which the risk at the end is recorded; the learning rate is to be replaced."""
    oracle, x0 = {
        "quadratic": lambda: (oracles.AdditiveNoise(quadratic.PROBLEM, noise.Gaussian(std=1.0)), [-5.0, -2.0]),
        "absolute value": lambda: (oracles.AdditiveNoise(problems.AbsoluteValue(), noise.Gaussian(std=1.0)), [5.0]),
        "iris": lambda: (oracles.ExampleSampling(iris()), [0.0] * 4),
    }[problem]()
    return Study(
        oracle=oracle,
        schedule=schedules.constant(0.1),
        x0=x0,
        steps=steps,
        record=record.at([steps]),
        observe=("risk",),
    )


def _with_losses(oracle: oracles.Oracle) -> oracles.Oracle:
    """The same draws as those of a loss, R(x) + <xi, x>, where the oracle adds noise to gradients."""
    if not isinstance(oracle, oracles.AdditiveNoise):
        return oracle
    problem = oracle.problem

    def loss(xi: jax.Array, x: jax.Array) -> jax.Array:
        return problem.value(x) + jnp.sum(xi * x)

    dimension = 1 if isinstance(problem, problems.AbsoluteValue) else 2
    return oracles.RandomLoss(loss=loss, sampler=lambda stream: stream.normal((dimension,)), problem=problem)


def families(study: Study) -> dict[str, Callable[..., Study]]:
    """Makers of studies by family; each takes `initial`, the scale of its rates, and the numbers of its shape."""
    steps, with_losses = study.steps, study.replace(oracle=_with_losses(study.oracle))

    def polynomial(initial: float, power: float, rate: float) -> schedules.polynomial:
        return schedules.polynomial(initial, rate / steps, power)

    def restarts(initial: float, cycles: int) -> schedules.restarts:
        return schedules.restarts(schedules.cosine(initial, steps // cycles), steps // cycles)

    def plateau(initial: float, patience: float, factor: float, decay: float) -> Study:
        method = methods.ReduceOnPlateau(methods.Sgd(), round(patience * steps), factor, decay)
        return with_losses.replace(schedule=schedules.constant(initial), method=method)

    makers: dict[str, Callable[..., Any]] = {
        "constant": schedules.constant,
        "polynomial": polynomial,
        "linear to zero": lambda initial: schedules.linear_decay(initial, steps),
        "cosine": lambda initial: schedules.cosine(initial, steps),
        "warm-up, polynomial": lambda initial, warmup, **shape: schedules.warmup(
            polynomial(initial, **shape), warmup * steps
        ),
        "warm-up, linear": lambda initial, warmup: schedules.wsd(initial, steps, warmup * steps, (1 - warmup) * steps),
        "alternating": lambda initial, spread: schedules.alternating(initial * (1 - spread), initial * (1 + spread)),
        "restarts": restarts,
    }
    return {
        family: lambda initial, make=make, **shape: study.replace(schedule=make(initial, **shape))
        for family, make in makers.items()
    } | {"on plateau": plateau}


_POLYNOMIAL = {"power": [0.5, 1.0, 2.0, 4.0, 8.0], "rate": [0.5, 1.5, 5.0, 15.0, 50.0, 150.0, 500.0]}

GRIDS: dict[str, dict[str, list[Any]]] = {
    "constant": {},
    "polynomial": _POLYNOMIAL,
    "linear to zero": {},
    "cosine": {},
    "warm-up, polynomial": {"warmup": [0.04, 0.1, 0.2], **_POLYNOMIAL},
    "warm-up, linear": {"warmup": [0.04, 0.1, 0.2, 0.4]},
    "alternating": {"spread": [-0.75, -0.5, -0.25, 0.25, 0.5, 0.75]},
    "restarts": {"cycles": [2, 5]},
    "on plateau": {"patience": [0.04, 0.1, 0.2], "factor": [0.2, 0.5], "decay": [0.5, 0.9]},
}
"""The shapes among which each family is tuned.

`warmup` and `patience` are fractions of T, and polynomial rates are initial (1 + rate t / T)^-power. Alternating rates
have the mean `initial`, and end on the small one where `spread` is negative and T even.
"""


def first_rates(problem: str, steps: int, count: int) -> np.ndarray:
    """Values of `initial` to be searched, on a scale of logarithms."""
    least, most = {"quadratic": (1.0, 5.0), "absolute value": (2.5, 30.0), "iris": (5.0, 30.0)}[problem]
    return np.geomspace(least / steps, most, count)


@functools.cache
def _found(problem: str) -> dict[str, dict[str, Any]]:
    return tomllib.loads(_FOLDER.joinpath("tuned_schedules.toml").read_text(encoding="utf-8"))[problem]


@functools.cache
def tuned(problem: str) -> dict[str, Study]:
    """The tuned study of each family."""
    makers = families(base(problem))
    return {family: makers[family](**numbers) for family, numbers in _found(problem)["tuned"].items()}


def at_end(problem: str, family: str) -> bool:
    """Whether the tuned power or rate of a polynomial decay is at an end of its grid.

    Others may then be better: the family is not tuned, and a comparison with it says nothing. Other shapes are not
    asked: no counterpart has any.
    """
    numbers = _found(problem)["tuned"][family]
    return any(numbers[name] in (min(grid), max(grid)) for name, grid in _POLYNOMIAL.items() if name in numbers)


class Difference(NamedTuple):
    """The risk of a tuned family minus that of its counterpart of `PAIRS`, as it was found.

    - `share`: of the counterpart's excess risk.
    - `low`, `high`: the 95% limits of the difference.
    """

    mean: float
    low: float
    high: float
    share: float


def differences(problem: str) -> dict[str, Difference]:
    """Of each family of `PAIRS`."""
    return {family: Difference(**numbers) for family, numbers in _found(problem)["differences"].items()}
