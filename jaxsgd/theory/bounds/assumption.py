"""What theorems assume of a study, and whether it is so."""

import dataclasses
from collections.abc import Iterable
from typing import Any

import numpy as np

from jaxsgd.oracles import Oracle
from jaxsgd.start import Start
from jaxsgd.structure import flat
from jaxsgd.study import Study
from jaxsgd.theory.bounds.geometry import contains, minimiser
from jaxsgd.theory.starts import drawn_start, unknown_start

ROUNDING = 1e-9
"""Learning rates and constants that agree to this relative error count as equal."""


@dataclasses.dataclass(frozen=True)
class Assumption:
    """What is assumed, whether it holds (None where the study does not tell), and how that is known."""

    text: str
    holds: bool | None
    why: str


def failing(assumptions: Iterable[Assumption]) -> tuple[str, ...]:
    """Those that are known to fail, and why; empty where none is known to."""
    return tuple(f"{each.text}: {each.why}" for each in assumptions if each.holds is False)


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
    order, name = oracle.order, f"oracles.{type(oracle).__name__}"
    if order is not None:
        name = f"orders.{type(order).__name__}"
    if oracle.unbiased is None:
        return Assumption(text, None, f"{name} does not state whether its gradients are unbiased")
    if order is None:
        return Assumption(text, oracle.unbiased, f"{name} states unbiased={oracle.unbiased}")
    return Assumption(text, oracle.unbiased, f"{name}: {_how_drawn(oracle)}")


def _how_drawn(oracle: Oracle) -> str:
    order: Any = oracle.order
    if oracle.unbiased and not order.unbiased:
        whole = order.distinct and oracle.batch == oracle.problem.examples  # type: ignore[union-attr]
        return "every batch holds all examples" if whole else "the oracle states unbiased=True"
    if order.fresh and order.unbiased:
        return "every batch is drawn afresh, with the weights that it takes"
    if order.shuffled is None:
        return f"the order states unbiased={order.unbiased}"
    if order.shuffled == "never":
        return "which example comes next is not random"
    return "given the past, the examples that an epoch has used are not drawn again"


def descent(study: Study, start_inside: bool) -> Assumption:
    """x_{t+1} is x_t - eta_t g_t or its projection on a convex set with x* (and x_0) in it."""
    drawn = isinstance(study.x0, Start)
    inside = {"x*": minimiser(study)} | ({"x_0": None if drawn else flat(study.x0)} if start_inside else {})
    text = f"x_(t+1) is x_t - eta_t g_t, or its projection on a convex set with {' and '.join(inside)} in it"
    method, name = study.method, f"methods.{type(study.method).__name__}"
    if method.plain:
        return Assumption(text, True, f"{name} states that it is plain SGD")
    onto = method.projection
    if onto is None:
        return Assumption(text, False, f"{name} states neither")
    outside = [name for name, point in inside.items() if point is not None and not contains(onto, point)]
    if start_inside and drawn:
        outside.append("x_0, which is drawn,")
    why = f"the set is {onto!r}" + (f", {' and '.join(outside)} not in it" if outside else "")
    return Assumption(text, not outside, why)


def plain(study: Study) -> Assumption:
    """x_{t+1} is x_t - eta_t g_t."""
    states = f"methods.{type(study.method).__name__} {'states' if study.method.plain else 'does not state'}"
    return Assumption("x_(t+1) is x_t - eta_t g_t", bool(study.method.plain), f"{states} that it is plain SGD")


def smooth(study: Study) -> Assumption:
    """R is L-smooth, with a known L."""
    problem = study.oracle.problem
    L = None if problem is None else problem.smoothness
    why = (
        "the problem does not state a smoothness that holds everywhere"
        if L is None
        else f"the problem states L = {L:.4g}"
    )
    return Assumption("R is L-smooth", L is not None, why)


def minimum_known(study: Study) -> Assumption:
    """R* is known."""
    problem = study.oracle.problem
    known = problem is not None and problem.minimum is not None
    return Assumption("R* is known", known, f"the problem {'states' if known else 'does not state'} its minimum")


def one_start(study: Study) -> Assumption:
    """x_0 is a point, and R(x_0) with it."""
    reason = drawn_start(study)
    return Assumption("x_0 is one point", reason is None, reason or "it is given")


def sgd(study: Study, start_inside: bool = False) -> tuple[Assumption, ...]:
    """What every bound assumes of oracle and method."""
    return minimiser_known(study), *start_known(study), unbiased(study), descent(study, start_inside)


def start_known(study: Study) -> tuple[Assumption, ...]:
    """Where x_0 is drawn: E||x_0 - x*||^2 is known, which then takes the place of ||x_0 - x*||^2."""
    if not isinstance(study.x0, Start):
        return ()
    text, reason = "E||x_0 - x*||^2 is known, as x_0 is drawn", unknown_start(study)
    return (Assumption(text, reason is None, reason or f"its law is {study.x0!r}"),)


def no_schedule(study: Study) -> Assumption:
    """Of a method with a learning rate of its own, of which no theorem here speaks."""
    why = f"methods.{type(study.method).__name__} has a learning rate of its own"
    return Assumption("a schedule gives eta_t", False, why)


def no_variance(study: Study) -> tuple[Assumption, ...]:
    """Of noise that is known to have no second moments, with which the right side of every bound is infinite."""
    index = study.oracle.tail_index
    if index is None or index > 2 or not study.oracle.adds_noise(study.steps).any():
        return ()
    why = f"the gradient has the tail index {index:g}, E||g_t||^k is infinite for k >= {index:g}"
    return (Assumption("E||g_t||^2 is finite", False, why),)


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


def rates_below(study: Study, share: float, smoothness: float, form: str) -> Assumption:
    """eta_t <= share / smoothness, which is what `form` says."""
    largest = float(study.learning_rates[: study.steps].max())
    limit = share / smoothness if smoothness else np.inf
    why = f"the largest eta_t is {largest:.4g}, and {form} = {limit:.4g}"
    return Assumption(f"eta_t <= {form}", bool(largest <= limit * (1 + ROUNDING)), why)
