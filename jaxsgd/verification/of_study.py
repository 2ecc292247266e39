"""What can be tested of any study: exact moments or laws, the balance of squared distances, convexity, bounds."""

import dataclasses
from collections.abc import Callable, Sequence
from typing import Any

import jax
import jax.numpy as jnp
import numpy as np

from jaxsgd import theory
from jaxsgd.errors import InvalidInput, InvalidType, NoExactSolution
from jaxsgd.module import brief, with_own_arrays
from jaxsgd.problems import Problem
from jaxsgd.record import at
from jaxsgd.state import State, Update
from jaxsgd.study import Study
from jaxsgd.theory.bounds import EVERY, Assumption, Bound
from jaxsgd.theory.bounds.geometry import distance_squared, minimiser
from jaxsgd.theory.bounds.gradient_second_moments import in_advance
from jaxsgd.theory.tails import why_no_moment
from jaxsgd.verification.claim import Claim
from jaxsgd.verification.of_bounds import claims_of, flat, norm_squared, prior_claim
from jaxsgd.verification.of_law import exact_law
from jaxsgd.verification.statement import Statement

PLACE = "Your study"


def statements_of(study: Study) -> tuple[list[Statement], dict[str, str]]:
    """The statements that apply to a study, and of the others, by name, why they do not.

    They share one study, with the averages and path sums of all of them, and so one simulation.

    >>> from jaxsgd import chapter
    >>> statements, others = statements_of(chapter.study("constant"))
    >>> [statement.name for statement in statements][:5]
    ['exact_moments', 'balance', 'convexity', 'weighted_average', 'last_iterate']
    >>> others["sampling_with_replacement"].partition("; ")[2]
    'it assumes that batches are drawn afresh, all examples alike: the oracle is oracles.AdditiveNoise'
    """
    if not isinstance(study, Study):
        raise InvalidType(f"study must be a jaxsgd.Study, got {brief(study)}")
    study = study.replace(observe=None, observables={}, path_sums={})  # what the user records is not tested
    makers: dict[str, Callable[[Study], Statement]] = {
        "exact_moments": exact_moments,
        "exact_law": lambda study: exact_law(study, PLACE),
        "balance": balance,
        "convexity": convexity,
        **{bound.name: lambda study, bound=bound: of_bound(bound, study) for bound in EVERY},
    }
    statements, others = [], {}
    no_variance = why_no_moment(study, 2).partition(":")[0]  # then no mean of what grows with x can be tested
    for name, make in makers.items():
        if no_variance and name != "exact_law":
            others[name] = f"{no_variance}, by the tail index of the noise, so that no mean of it can be tested"
            continue
        try:
            statements.append(make(study))
        except (InvalidInput, NoExactSolution) as reason:
            others[name] = str(reason)
        else:
            study = statements[-1].claims[-1].study
    return [_on(study, statement) for statement in statements], others


def exact_moments(study: Study) -> Statement:
    """The mean of each built-in observable at the last step has its exact value."""
    moments = theory.exact(study.replace(record=at([study.steps]))).isel(step=0)
    if not moments.attrs.get("mean_square_stable", True):
        raise InvalidInput(moments.attrs["mean_square_reason"])
    values = {name: float(moments[f"{name}_mean"]) for name in study.built_in if f"{name}_mean" in moments}
    for name, value in values.items():
        if not np.isfinite(value):
            raise InvalidInput(f"the exact mean of {name} is {value:g}")
    sentence, reference = moments.attrs["sentence"], moments.attrs["reference"]
    return Statement(
        name="exact_moments",
        place=PLACE,
        sentence=sentence,
        tested=f"The mean of every built-in observable with an exact value at step {study.steps}, against it.",
        claims=[
            Claim(name, f"the mean of {name} is {value:.6g}", study, name, "==", value, reference)
            for name, value in values.items()
        ],
        reference=reference,
    )


def balance(study: Study) -> Statement:
    """E||x_T - x*||^2 = r^2 - 2 sum eta_t E<x_t - x*, grad R(x_t)> + sum eta_t^2 E||g_t||^2.

    The two sides differ by 2 sum eta_t <grad R(x_t) - g_t, x_t - x*>, a martingale if g_t is unbiased.
    """
    problem, x_star = _minimised(study)
    if not study.method.plain:
        name = f"methods.{type(study.method).__name__}"
        raise InvalidInput(f"the balance is one of plain SGD, and {name} does not state that it is")
    r2, eta = distance_squared(study), study.learning_rates[: study.steps]
    size = r2 + in_advance(study) * float(np.sum(eta**2))
    if not np.isfinite(size):
        raise InvalidInput("E||g_t||^2 is not finite")

    def change(update: Update) -> jax.Array:
        slope = jnp.sum((flat(update.x) - x_star) * flat(problem.gradient(update.x)))
        return update.learning_rate * (update.learning_rate * norm_squared(update.gradient) - 2 * slope)

    def residual(state: State) -> jax.Array:
        return jnp.sum((flat(state.x) - x_star) ** 2) - r2 - state.path_sums["balance"]

    return _one(
        study.replace(path_sums={**study.path_sums, "balance": change}),
        residual,
        name="balance",
        statement=(
            r"The squared distance to the minimiser balances: $\mathbb{E}\|x_T - x^*\|^2 = r^2 - 2 \sum_t \eta_t "
            r"\mathbb{E}\langle x_t - x^*, \nabla R(x_t) \rangle + \sum_t \eta_t^2 \mathbb{E}\|g_t\|^2$"
        ),
        relation="==",
        reference="Robbins and Monro (1951), Ann. Math. Stat. 22, for the expansion of the square",
        assumptions=["E[g_t | x_t] is the gradient of R at x_t, and E||g_t||^2 is finite"],
        magnitude=size or None,
    )


def convexity(study: Study) -> Statement:
    """sum eta_t (<x_t - x*, grad R(x_t)> - (R(x_t) - R*)) >= 0 along trajectories."""
    problem, x_star = _minimised(study)
    minimum = problem.minimum
    if study.schedule is None:
        raise InvalidInput(f"eta_t is not known: methods.{type(study.method).__name__} has a learning rate of its own")
    if not problem.convex or minimum is None:
        raise InvalidInput(f"the problem states convex={problem.convex} and minimum={minimum}")

    def above_tangent(x: Any) -> jax.Array:
        slope = jnp.sum((flat(x) - x_star) * flat(problem.gradient(x)))
        return slope - (problem.value(x) - minimum)

    def weighted(update: Update) -> jax.Array:
        return update.learning_rate * above_tangent(update.x)

    with jax.enable_x64(True):
        starts = map(study.point.unravel, study.starting_points)
        at_start = max(abs(float(problem.value(x_0))) for x_0 in starts) + abs(minimum)
    return _one(
        study.replace(path_sums={**study.path_sums, "convexity": weighted}),
        lambda state: state.path_sums["convexity"],
        name="convexity",
        statement=(
            r"Along the run the risk lies above its tangents at $x^*$: $\sum_t \eta_t (\langle x_t - x^*, "
            r"\nabla R(x_t) \rangle - (R(x_t) - R^*)) \ge 0$"
        ),
        relation=">=",
        reference="Boyd and Vandenberghe (2004), Convex Optimization, section 3.1.3",
        assumptions=["R is convex (the problem states convex=True)"],
        magnitude=at_start * float(study.learning_rates[: study.steps].sum()) or None,
    )


def of_bound(bound: Bound, study: Study) -> Statement:
    """A bound with the gradients of the run, and, where there is one, with an L^2 known before it."""
    assumed = bound.assumed(study)
    claims = [claims_of(bound, study, assumed)]
    with_prior = _prior(bound, claims[0].study, assumed)
    return dataclasses.replace(
        Statement.of(claims[0], place=PLACE), claims=[*claims, *([] if with_prior is None else [with_prior])]
    )


def _prior(bound: Bound, study: Study, assumed: Sequence[Assumption]) -> Claim | None:
    try:
        return prior_claim(bound, study, assumed)
    except InvalidInput:
        return None


def _one(study: Study, variable: Callable[[State], jax.Array], **about: Any) -> Statement:
    return Statement.of(Claim(study=study, variable=variable, quadratic=True, **about), place=PLACE)


def _minimised(study: Study) -> tuple[Problem, np.ndarray]:
    """The problem and x* (d,)."""
    problem, x_star = study.oracle.problem, minimiser(study)
    if problem is None:
        raise InvalidInput(f"R is not known in closed form: give oracles.{type(study.oracle).__name__} its problem")
    if x_star is None:
        raise InvalidInput("the problem does not state its minimiser")
    return with_own_arrays(problem), x_star


def _on(study: Study, statement: Statement) -> Statement:
    claims = [dataclasses.replace(claim, study=study) for claim in statement.claims]
    return dataclasses.replace(statement, claims=claims)
