"""Cheap checks of what users state of their problems, noises, oracles, orders and methods, before theory believes it.

A study is checked when it is made: that is before anything is compiled for a run, and before theory sees it. What is
checked has been stated by a user, as arguments of `Function` and `FiniteSum` or by classes of one's own; the facts of
the complete classes of jaxsgd are derived, and their tests measure them. A check costs some evaluations at a handful of
points, or some thousand draws, in a program that is compiled once for a structure and without optimisation; the same
item is checked once, whatever else changes in the studies that hold it.

A check finds contradictions, it proves nothing: a fact that fails elsewhere, or by little, passes.
"""

from typing import Any

from jaxsgd.methods import Method, Sgd, Wrapper
from jaxsgd.noise import Multiplicative, Noise
from jaxsgd.oracles import AdditiveNoise, Oracle, RandomLoss
from jaxsgd.orders import Order
from jaxsgd.problems import FiniteSum, Function, Problem
from jaxsgd.start import Start
from jaxsgd.stated_facts.held import Held
from jaxsgd.stated_facts.of_methods import check_method
from jaxsgd.stated_facts.of_noises import check_noise
from jaxsgd.stated_facts.of_oracles import check_oracle
from jaxsgd.stated_facts.of_orders import check_order
from jaxsgd.stated_facts.of_problems import check_problem
from jaxsgd.stated_facts.of_starts import check_start

__all__ = [
    "check", "check_alone", "check_law", "check_method", "check_noise", "check_oracle", "check_order", "check_problem",
    "check_start", "is_stated",
]  # fmt: skip

_STATE = (Function, FiniteSum, RandomLoss)
"""Complete classes whose arguments are what a user states."""


def check(oracle: Oracle, method: Method, x0: Any) -> None:
    """An error that shows the contradiction, if a cheap check contradicts what a user states of these.

    **Raises** `InvalidInput`.
    """
    problem, order = oracle.problem, oracle.order
    if isinstance(problem, Problem) and is_stated(problem):
        check_problem(Held.of(problem), Held.of(x0), Held.of(method.projection))
    if isinstance(oracle, AdditiveNoise):
        for noise in _with_added(oracle.noise):
            if is_stated(noise):
                check_noise(Held.of(noise), Held.of(x0))
    if is_stated(oracle):
        check_oracle(Held.of(oracle), Held.of(x0))
    if isinstance(order, Order) and problem is not None and is_stated(order):
        check_order(Held.of(order), problem.examples, oracle.batch)
    for each in _with_inner(method):
        if is_stated(each):
            check_method(Held.of(each), Held.of(x0))


def _with_added(noise: Noise) -> list[Noise]:
    """A noise, and the one that it adds, from whose facts its own are derived."""
    added = noise.additive if isinstance(noise, Multiplicative) else None
    return [noise] if added is None else [noise, added]


def _with_inner(method: Method) -> list[Method]:
    """A method, and those inside of it, from whose facts its own are derived."""
    return [method, *_with_inner(method.method)] if isinstance(method, Wrapper) else [method]


def check_law(law: Start, point: Any) -> None:
    """The same of the law of x_0; ``point`` has the structure of x."""
    if is_stated(law):
        check_start(Held.of(law), Held.of(point))


def check_alone(oracle: Oracle) -> None:
    """The same of an oracle without a study, around the default start or the minimiser of its problem."""
    problem = oracle.problem
    start = None if problem is None else problem.minimiser if problem.start is None else problem.start
    if start is not None:
        check(oracle, Sgd(), start)


def is_stated(item: Any) -> bool:
    """Whether what an object says of itself was stated by a user, and is not derived by jaxsgd."""
    kind = type(item)
    return kind in _STATE or not kind.__module__.startswith("jaxsgd.")
