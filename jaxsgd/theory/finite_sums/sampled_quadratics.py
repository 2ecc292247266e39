"""Exact moments of SGD on quadratic losses of examples: which of four recursions applies, and what it finds."""

from collections.abc import Iterable, Iterator, Mapping

import numpy as np
import xarray as xr

from jaxsgd.oracles import Oracle
from jaxsgd.problems import EmpiricalRisk
from jaxsgd.study import Study
from jaxsgd.theory.eigenbasis import LARGEST_COVARIANCE, labelled, overflowed
from jaxsgd.theory.finite_sums import common_hessian, every_arrangement, sampled_gradients, subsets
from jaxsgd.theory.finite_sums.batches_of_an_epoch import fits
from jaxsgd.theory.finite_sums.fresh_batches import drawn_afresh
from jaxsgd.theory.finite_sums.mean_square_stability import limit_of
from jaxsgd.theory.finite_sums.moments_at_a_step import Snapshot
from jaxsgd.theory.finite_sums.quadratic_examples import QuadraticExamples, ShiftedQuadratic, examples_of
from jaxsgd.theory.finite_sums.risk_on_test_data import HeldOut, held_out
from jaxsgd.theory.linear import not_linear
from jaxsgd.theory.recursion import MeanAndCovariance
from jaxsgd.theory.route import Route
from jaxsgd.theory.starts import unknown_start
from jaxsgd.tracing import traced


class QuadraticLossesOfExamples(Route):
    """Means of observables, and mean and covariance of x: the examples that are drawn are the noise."""

    title = "quadratic losses of examples"
    sentence = "The second moments of SGD on sampled examples of a quadratic finite sum are known."
    reference = "theory.exact; Mishchenko, Khaled and Richtárik (2020), arXiv 2006.05988, for permutations"
    slow = True

    def applies(self, study: Study) -> str | None:
        return not_linear(study) or why_not(study.oracle) or _why_no_permutations(study) or unknown_start(study)

    def moments(self, study: Study) -> xr.Dataset:
        examples = examples_of(study.oracle.problem, study.near_start)  # type: ignore[arg-type]
        found = tabulated(examples, study, _snapshots(examples, study), held_out(examples, study))
        return found.assign_attrs(_stability(examples, study))


def tabulated(
    quadratic: ShiftedQuadratic, study: Study, snapshots: Iterable[Snapshot], test_risks: Mapping[str, HeldOut]
) -> xr.Dataset:
    """What [`jaxsgd.theory.exact`][] returns, of the moments at each recorded step."""
    wide = len(study.recorded_steps) * study.dimension**2 > LARGEST_COVARIANCE
    with np.errstate(over="ignore", invalid="ignore"):
        rows = [_row(quadratic, study, snapshot, test_risks, wide) for snapshot in snapshots]
        moments = {name: np.array([row[name] for row in rows]) for name in rows[0]}
    for name, average in study.averages.items():
        unknown = average.undefined(study.recorded_steps, study.steps)
        for variable in ("risk", "distance_squared"):
            if f"{variable}_of_{name}_mean" in moments:
                moments[f"{variable}_of_{name}_mean"][unknown] = np.nan
    moments["learning_rate"] = study.learning_rates[study.recorded_steps]
    return labelled(moments, study.coordinates, step=study.recorded_steps)


def why_not(oracle: Oracle) -> str | None:
    """Why the gradients of an oracle are not known to be those of examples, all of them or drawn in a known order."""
    if not isinstance(oracle.problem, EmpiricalRisk):
        return "the problem is no mean over examples"
    if oracle.full_gradient:
        return None
    order, name = oracle.order, f"oracles.{type(oracle).__name__}"
    if order is None:
        return f"{name} draws no examples"
    if not oracle.averages_examples:
        return f"{name} does not state that its gradients are the means over the examples that are drawn"
    n, b = oracle.problem.examples, oracle.batch
    if drawn_afresh(oracle) or (order.shuffled and order.weights == "equal" and fits(order, n, b)):
        return None
    return (
        f"orders.{type(order).__name__} does not state that it draws afresh without bias, with which probabilities, "
        "weights and whether distinct, or how it shuffles, with equal weights"
    )


def _why_no_permutations(study: Study) -> str | None:
    """Why the order of a study does not go with its method."""
    order = study.oracle.order
    if order is None or order.shuffled is None or study.method.plain:
        return None
    return f"with orders.{type(order).__name__} moments are known of plain SGD alone"


def _snapshots(examples: QuadraticExamples, study: Study) -> Iterator[Snapshot]:
    order = study.oracle.order
    if order is None or order.shuffled is None:
        return sampled_gradients.snapshots(examples, study)
    if order.shuffled != "never" and examples.common_hessian:
        return common_hessian.snapshots(examples, study)
    return (subsets if order.shuffled == "every epoch" else every_arrangement).snapshots(examples, study)


def _row(
    quadratic: ShiftedQuadratic, study: Study, snapshot: Snapshot, test_risks: Mapping[str, HeldOut], wide: bool
) -> dict[str, np.ndarray | float]:
    """What is returned of one step, by name."""
    x, squared_norm, others = snapshot
    row = _observables(quadratic, study, x)
    row["gradient_norm_squared_mean"] = overflowed(squared_norm)
    for name, law in zip((*study.averages, *traced(study).points), others, strict=True):
        row |= _observables(quadratic, study, law, of=f"_of_{name}")
    row |= {f"{name}_mean": overflowed(risk.mean(x)) for name, risk in test_risks.items()}
    row["x_mean"] = quadratic.centre + quadratic.vectors @ x.mean
    if not wide:
        row["x_covariance"] = quadratic.vectors @ x.covariance @ quadratic.vectors.T
    return row


def _observables(
    quadratic: ShiftedQuadratic, study: Study, law: MeanAndCovariance, of: str = ""
) -> dict[str, np.ndarray | float]:
    """Means of the risk and, where the study has it, of the squared distance; NaN where not known."""
    squares = law.mean**2 + np.diag(law.covariance)
    values = {"risk": quadratic.value + quadratic.drift @ law.mean + quadratic.eigenvalues @ squares / 2}
    if f"distance_squared{of}" in study.built_in:
        values["distance_squared"] = squares.sum()
    return {f"{name}{of}_mean": overflowed(value) if law.known else np.nan for name, value in values.items()}


def _stability(examples: QuadraticExamples, study: Study) -> dict[str, bool | str]:
    """Attributes that warn of moments which grow although x may settle."""
    order = study.oracle.order
    if not study.method.plain or order is None or order.shuffled is not None:
        return {}
    return beyond(limit_of(examples, study.oracle), study)


def beyond(limit: float, study: Study) -> dict[str, bool | str]:
    """The attributes of a study of which a learning rate is not below the limit up to which second moments settle."""
    largest = float(study.learning_rates[: study.steps].max())
    if largest < limit:
        return {}
    return {
        "mean_square_stable": False,
        "mean_square_reason": (
            f"the largest learning rate, {largest:g}, is not below {limit:g}, up to which second moments settle: "
            "means are dominated by rare trajectories, and an average over simulated ones is far too small, with a "
            "standard error that does not show it"
        ),
    }
