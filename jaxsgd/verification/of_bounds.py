"""Every bound of theory as a claim: one variable of each trajectory, whose mean is at most 0."""

from collections.abc import Callable, Iterable, Sequence
from typing import Any

import equinox as eqx
import jax
import jax.numpy as jnp
import numpy as np
from jax.flatten_util import ravel_pytree

from jaxsgd.errors import InvalidInput
from jaxsgd.module import with_own_arrays
from jaxsgd.problems import Problem
from jaxsgd.state import State, Update
from jaxsgd.study import Study
from jaxsgd.theory.bounds import Assumption, Bound
from jaxsgd.theory.bounds.assumption import failing
from jaxsgd.theory.bounds.gradient_second_moments import a_priori, in_advance
from jaxsgd.verification.claim import Claim


def claims_of(bound: Bound, study: Study, assumed: Sequence[Assumption] | None = None) -> Claim:
    """The claim E Z <= 0, Z = Q - c r^2 - sum_t a_t ||g_t||^2 - e, that a bound makes of a study.

    Q is what [`jaxsgd.theory.Bound`][] lists: an excess risk, a squared distance or a mean of squared true gradients.
    Both sides are taken from one and the same trajectory, so that there is no G_t^2 to know or to estimate: the
    inequality is tested with the second moments of this very run.

    **Arguments**

    - `bound`: any [`jaxsgd.theory.bounds.Bound`][], c and a_t being its coefficients.
    - `study`: one to which it applies.
    - `assumed`: the assumptions of the bound in this study, where they are known already.

    **Returns** a claim on the study with the average and the path sums that it needs, under new names.

    **Raises** `InvalidInput` where the bound does not apply, or R* is not known.

    >>> from jaxsgd import chapter
    >>> from jaxsgd.theory.bounds import WeightedAverage
    >>> claims_of(WeightedAverage(), chapter.study("constant"))
    Claim('weighted_average': E Z <= 0 at step 50)
    """
    assumed = bound.assumed(study) if assumed is None else assumed
    problem, least = _known(bound, study, assumed)
    (_, a), known = bound.coefficients(study), bound.without_gradients(study)
    size = abs(least) + known + (float(a.sum()) * in_advance(study) if a.any() else 0.0)
    if not np.isfinite(size):
        raise InvalidInput("E||g_t||^2 is not finite, and neither is the bound")
    study, bounded = _bounded(bound, study, problem)
    if a.any():
        name = unused(f"{bound.name}: gradients", study.path_sums)
        study = study.replace(path_sums={**study.path_sums, name: _weighted_squares(a)})

    def excess(state: State) -> jax.Array:
        return bounded(state) - (least + known) - (state.path_sums[name] if a.any() else 0.0)

    return Claim(
        name=bound.name,
        statement=_sentence(bound),
        study=study,
        variable=excess,
        relation="<=",
        reference=bound.reference,
        assumptions=[f"{each.text} ({each.why})" for each in assumed],
        quadratic=True,
        magnitude=size or None,
    )


def prior_claim(bound: Bound, study: Study, assumed: Sequence[Assumption] | None = None) -> Claim:
    """The claim E R(point) - R* <= c r^2 + L^2 sum_t a_t, with L^2 >= E||g_t||^2 known before the run.

    There is such an L^2 with additive noise, if the risk is Lipschitz or SGD is projected on a bounded set.

    **Arguments**, **Returns**: as for `claims_of`.

    **Raises** `InvalidInput` where the bound does not apply, or there is no such L^2.
    """
    assumed = bound.assumed(study) if assumed is None else assumed
    problem, least = _known(bound, study, assumed)
    largest = a_priori(study)
    if not bound.coefficients(study).gradients.any():
        raise InvalidInput(f"the bound {bound.name!r} has no gradients in it: its one claim is known before the run")
    if largest is None:
        raise InvalidInput(
            "no L^2 >= E||g_t||^2 is known before the run; there is one with additive noise, if the problem states "
            "its Lipschitz constant or SGD is projected on a bounded set with x_0 in it"
        )
    study, bounded = _bounded(bound, study, problem)
    return Claim(
        name=f"{bound.name}, a priori",
        statement=rf"{_sentence(bound)}, with $G_t^2 \le L^2$ known before the run",
        study=study,
        variable=lambda state: bounded(state) - least,
        relation="<=",
        value=bound.right_side(study, largest),
        reference=bound.reference,
        assumptions=[f"{each.text} ({each.why})" for each in assumed],
        quadratic=True,
    )


def unused(name: str, taken: Iterable[str]) -> str:
    """The name, with as many primes as it takes to be a new one."""
    while name in taken:
        name += "'"
    return name


def flat(point: Any) -> jax.Array:
    """A pytree as one vector (d,)."""
    return ravel_pytree(point)[0]


def norm_squared(point: Any) -> jax.Array:
    """||x||^2 of a pytree."""
    return jnp.sum(flat(point) ** 2)


def _known(bound: Bound, study: Study, assumed: Sequence[Assumption]) -> tuple[Problem, float]:
    """The problem and R*, or 0 where no risk is bounded, of a study to which the bound applies."""
    reasons, problem = failing(assumed), study.oracle.problem
    if reasons:
        raise InvalidInput(f"the bound {bound.name!r} does not apply; it assumes that {'; '.join(reasons)}")
    if problem is not None and bound.quantity in ("distance_squared", "true_gradient_squared"):
        return with_own_arrays(problem), 0.0
    if problem is None or problem.minimum is None:
        raise InvalidInput(f"the bound {bound.name!r} needs the minimum R*, which the problem does not state")
    return with_own_arrays(problem), problem.minimum


def _sentence(bound: Bound) -> str:
    return f"A bound for {bound.title}: ${bound.statement}$"


def _bounded(bound: Bound, study: Study, problem: Problem) -> tuple[Study, Callable[[State], jax.Array]]:
    """The study with what the bounded quantity needs, and that, with R(point) in place of R(point) - R*."""
    if bound.quantity == "distance_squared":
        x_star = flat(problem.minimiser)
        return study, lambda state: jnp.sum((flat(state.x) - x_star) ** 2)
    if bound.quantity == "final_excess_risk":
        return study, lambda state: problem.value(state.x)
    if bound.quantity == "true_gradient_squared":
        name, weights = unused(f"{bound.name}: true gradients", study.path_sums), bound.weights(study)

        def weighted(update: Update) -> jax.Array:
            return jnp.asarray(weights)[update.t] * norm_squared(problem.gradient(update.x))

        return study.replace(path_sums={**study.path_sums, name: weighted}), lambda state: state.path_sums[name]
    point = bound.point(study)
    if point is None:
        name = unused(f"{bound.name}: risk", study.path_sums)
        last = study.steps - 1

        def risk_of_last(update: Update) -> jax.Array:
            return jnp.where(update.t == last, problem.value(update.x), 0.0)

        return study.replace(path_sums={**study.path_sums, name: risk_of_last}), lambda state: state.path_sums[name]
    kept = [name for name, average in study.averages.items() if bool(eqx.tree_equal(average, point))]
    if kept:
        return study, lambda state: problem.value(state.averages[kept[0]])
    name = unused(f"xbar of {bound.name}", {*study.averages, *(o.partition("_of_")[2] for o in study.observables)})
    return study.replace(averages={**study.averages, name: point}), lambda state: problem.value(state.averages[name])


def _weighted_squares(weights: np.ndarray) -> Callable[[Update], jax.Array]:
    """a_t ||g_t||^2."""

    def weighted(update: Update) -> jax.Array:
        return jnp.asarray(weights)[update.t] * norm_squared(update.gradient)

    return weighted
