"""What theorems assume of a study, and whether it is so."""

import dataclasses

import numpy as np

from jaxsgd.methods import Projected, Sgd
from jaxsgd.oracles import AdditiveNoise, ExampleSampling, FullGradient, RandomLoss
from jaxsgd.orders import ImportanceSampling, Incremental, RandomReshuffling, ShuffleOnce, WithReplacement
from jaxsgd.study import Study
from jaxsgd.theory.bounds.geometry import contains, flat, minimiser

ROUNDING = 1e-9
"""Learning rates and constants that agree to this relative error count as equal."""


@dataclasses.dataclass(frozen=True)
class Assumption:
    """What is assumed, whether it holds (None where the study does not tell), and how that is known."""

    text: str
    holds: bool | None
    why: str


def convex(study: Study) -> Assumption:
    """R is convex."""
    known = None if study.oracle.problem is None else study.oracle.problem.convex
    why = "the problem does not state it" if known is None else f"the problem states convex={known}"
    return Assumption("R is convex", known, why)


def strongly_convex(study: Study, mu: float) -> Assumption:
    """R is mu-strongly convex."""
    problem = study.oracle.problem
    known = None if problem is None else problem.strong_convexity
    text = f"R is mu-strongly convex, mu = {mu:g}"
    if known is None:
        convex = None if problem is None else problem.convex
        holds = False if convex is False else None
        return Assumption(text, holds, "R is not convex" if convex is False else "the problem does not state it")
    return Assumption(text, mu <= known * (1 + ROUNDING), f"the problem states strong convexity {known:g}")


def minimiser_known(study: Study) -> Assumption:
    """x* exists, and with it r."""
    known = minimiser(study) is not None
    return Assumption("x* minimises R", known, f"the problem {'states' if known else 'does not state'} its minimiser")


def unbiased(study: Study) -> Assumption:
    """E[g_t | x_t] is the gradient of R, or a subgradient."""
    text, oracle = "E[g_t | x_0, ..., x_t] is a subgradient of R at x_t", study.oracle
    name = type(oracle).__name__
    if isinstance(oracle, AdditiveNoise):
        return Assumption(text, True, "the noise has mean 0 and is independent of the past")
    if isinstance(oracle, FullGradient):
        return Assumption(text, True, "g_t is the gradient")
    if isinstance(oracle, RandomLoss):
        return Assumption(text, True, "R is the mean of the random loss, drawn afresh at every update")
    if isinstance(oracle, ExampleSampling):
        return _unbiased_order(text, oracle)
    return Assumption(text, None, f"nothing is known of oracles.{name}")


def _unbiased_order(text: str, oracle: ExampleSampling) -> Assumption:
    order, name = oracle.order, f"orders.{type(oracle.order).__name__}"
    if isinstance(order, WithReplacement | ImportanceSampling):
        return Assumption(text, True, f"{name} draws every batch afresh, with the weights that it takes")
    if oracle.batch == oracle.problem.examples:
        return Assumption(text, True, "every batch holds all examples")
    if isinstance(order, RandomReshuffling | ShuffleOnce):
        why = f"{name}: given the past, the examples that an epoch has used are not drawn again"
        return Assumption(text, False, why)
    if isinstance(order, Incremental):
        return Assumption(text, False, f"{name}: which example comes next is not random")
    return Assumption(text, None, f"nothing is known of {name}")


def descent(study: Study, start_inside: bool) -> Assumption:
    """x_{t+1} is x_t - eta_t g_t or its projection on a convex set with x* (and x_0) in it."""
    inside = {"x*": minimiser(study)} | ({"x_0": flat(study.x0)} if start_inside else {})
    text = f"x_(t+1) is x_t - eta_t g_t, or its projection on a convex set with {' and '.join(inside)} in it"
    method = study.method
    if isinstance(method, Sgd):
        return Assumption(text, True, "the method is methods.Sgd")
    if not isinstance(method, Projected):
        return Assumption(text, False, f"the method is methods.{type(method).__name__}")
    outside = [name for name, point in inside.items() if point is not None and not contains(method.onto, point)]
    why = f"the set is {method.onto!r}" + (f", {' and '.join(outside)} not in it" if outside else "")
    return Assumption(text, not outside, why)


def sgd(study: Study, start_inside: bool = False) -> tuple[Assumption, ...]:
    """What every bound assumes of oracle and method."""
    return minimiser_known(study), unbiased(study), descent(study, start_inside)


def moves(study: Study) -> Assumption:
    """Some learning rate is positive."""
    largest = study.learning_rates[: study.steps].max()
    return Assumption("some eta_t is positive", bool(largest > 0), f"the largest is {largest:g}")


def mu_of_schedule(study: Study) -> float:
    """The mu of which eta_0 is 1 / mu."""
    first = float(study.learning_rates[0])
    return 1 / first if first > 0 else np.inf


def learning_rates_are(study: Study, form: str, required: np.ndarray) -> Assumption:
    """eta_0 .. eta_{T-1} have a form that the theorem prescribes."""
    rates = study.learning_rates[: study.steps]
    differs = np.flatnonzero(~np.isclose(rates, required, rtol=ROUNDING, atol=0))
    text = f"eta_t = {form}"
    if len(differs):
        t = differs[0]
        return Assumption(text, False, f"eta_{t} is {rates[t]:g}, not {required[t]:g}")
    return Assumption(text, True, "it is so at every t")
