"""What theorems assume of sampled examples, R = (1/n) sum_i f_i, and what they know of them."""

from typing import NamedTuple, cast

import numpy as np

from jaxsgd.orders import Order
from jaxsgd.problems import EmpiricalRisk
from jaxsgd.study import Study
from jaxsgd.theory.bounds.assumption import ROUNDING, Assumption


class Known(NamedTuple):
    """What is known of a study on sampled examples; nan where the problem does not state it.

    - `n`, `b`, `m`: examples, batch size, updates of an epoch.
    - `mu`, `L`: R is mu-strongly convex (0: convex) and L-smooth; L_max where no L is stated.
    - `mu_min`, `L_max`: so is every f_i.
    - `noise`: sigma_*^2 = 1/n sum ||grad f_i(x*)||^2.
    """

    order: Order
    n: int
    b: int
    m: int
    mu: float
    L: float
    mu_min: float
    L_max: float
    noise: float


def known(study: Study) -> Known:
    """Of a study whose examples are drawn in one of these two ways."""
    oracle, problem = study.oracle, cast(EmpiricalRisk, study.oracle.problem)
    mu_min, L_max = _number(problem.example_strong_convexity), _number(problem.example_smoothness)
    return Known(
        order=cast(Order, oracle.order),
        n=problem.examples,
        b=oracle.batch,
        m=cast(int, oracle.updates_per_epoch),
        mu=float(np.nanmax([_number(problem.strong_convexity), mu_min, 0.0])),
        L=L_max if problem.smoothness is None else problem.smoothness,
        mu_min=mu_min,
        L_max=L_max,
        noise=_number(None if problem.minimiser is None else problem.gradient_noise),
    )


def _number(value: float | None) -> float:
    return np.nan if value is None else value


def drawn_afresh(study: Study) -> Assumption:
    """Batches are drawn afresh, of independent examples or different ones, all examples alike."""
    oracle, order = study.oracle, study.oracle.order
    alike = order is not None and oracle.averages_examples and order.uniform and order.weights == "equal"
    holds = bool(alike and order.unbiased and order.independent(oracle.problem.examples, oracle.batch))  # type: ignore[union-attr]
    return Assumption("batches are drawn afresh, all examples alike", holds, _whose(study))


def permuted(study: Study) -> Assumption:
    """Every epoch goes through a uniform random permutation of the examples, a fresh one or always the same."""
    oracle, order = study.oracle, study.oracle.order
    alike = order is not None and oracle.averages_examples and order.weights == "equal"
    holds = bool(alike and order.shuffled in ("every epoch", "once"))  # type: ignore[union-attr]
    return Assumption("every epoch goes through a uniform random permutation of the examples", holds, _whose(study))


def _whose(study: Study) -> str:
    oracle, order = study.oracle, study.oracle.order
    drawn = f"the order is orders.{type(order).__name__}"
    return f"the oracle is oracles.{type(oracle).__name__}" if order is None else drawn


def constants(of: Known) -> tuple[Assumption, ...]:
    """Every f_i is convex and L_max-smooth; sigma_*^2 is known, and so x* is."""
    stated = {
        "example_strong_convexity": ("every f_i is mu_min-strongly convex, mu_min >= 0", "mu_min", of.mu_min),
        "example_smoothness": ("every f_i is L_max-smooth", "L_max", of.L_max),
        "its minimiser": ("x* minimises R, and sigma_*^2 = 1/n sum ||grad f_i(x*)||^2", "sigma_*^2", of.noise),
    }
    return tuple(
        Assumption(text, False, f"the problem does not state {name}")
        if np.isnan(value)
        else Assumption(text, True, f"{symbol} = {value:.4g}")
        for name, (text, symbol, value) in stated.items()
    )


def whole_epochs(study: Study, of: Known) -> Assumption:
    """b divides n, T is a number of whole epochs, and eta_t is the same within each; nothing is projected."""
    text = "plain SGD runs for whole epochs of n/b updates, with one learning rate in each"
    if not study.method.plain:
        return Assumption(text, False, f"methods.{type(study.method).__name__} does not state that it is plain SGD")
    if of.n % of.b:
        return Assumption(text, False, f"b = {of.b} does not divide n = {of.n}")
    if of.m * of.b != of.n:
        return Assumption(text, False, f"an epoch has {of.m} updates of {of.b} examples, and n = {of.n}")
    if study.steps % of.m:
        return Assumption(text, False, f"T = {study.steps} is not a multiple of {of.m}")
    rates = study.learning_rates[: study.steps].reshape(-1, of.m)
    changes = ~np.isclose(rates, rates[:, :1], rtol=ROUNDING, atol=0).all(1)
    if changes.any():
        return Assumption(text, False, f"eta_t changes within epoch {int(np.argmax(changes))}")
    return Assumption(text, True, f"T = {study.steps}, n/b = {of.m}")


def partial_sums(of: Known) -> np.ndarray:
    """v_i = E||sum of the first i gradients of an epoch, at x*||^2 for uniform permutations, i = 0 .. n/b - 1 (m,).

    With k = i b examples, a sample without replacement, v_i = k (n - k) / ((n - 1) b^2) sigma_*^2: at the minimiser
    the gradients of all examples sum to 0.
    """
    k = np.arange(0, of.n, of.b)
    return k * (of.n - k) / (max(of.n - 1, 1) * of.b**2) * of.noise
