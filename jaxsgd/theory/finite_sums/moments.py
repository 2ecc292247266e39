"""Exact moments of SGD on a finite sum: which of the routes applies, and what they find."""

from collections.abc import Iterator, Mapping
from typing import Any, TypeGuard

import numpy as np
import xarray as xr

from jaxsgd.errors import NoExactSolution
from jaxsgd.oracles import ExampleSampling, FullGradient, Oracle
from jaxsgd.orders import ImportanceSampling, Incremental, RandomReshuffling, ShuffleOnce, WithReplacement
from jaxsgd.problems import EmpiricalRisk
from jaxsgd.study import Study
from jaxsgd.theory.eigenbasis import LARGEST_COVARIANCE, labelled
from jaxsgd.theory.finite_sums import arrangements, common_hessian, subsets, with_replacement
from jaxsgd.theory.finite_sums.examples import QuadraticExamples, examples_of
from jaxsgd.theory.finite_sums.held_out import HeldOut, held_out
from jaxsgd.theory.finite_sums.snapshot import Snapshot
from jaxsgd.theory.finite_sums.stationary import limit_of
from jaxsgd.theory.laws import Law


def applies(oracle: Oracle | None) -> TypeGuard[ExampleSampling | FullGradient]:
    """Whether the gradients of an oracle are those of examples, sampled or all of them."""
    return isinstance(oracle, ExampleSampling) or (
        isinstance(oracle, FullGradient) and isinstance(oracle.problem, EmpiricalRisk)
    )


def exact_moments(study: Study) -> xr.Dataset:
    """Means of observables, and mean and covariance of x, at the recorded steps; [`jaxsgd.theory.exact`][] says more.

    The method is taken to be plain SGD.
    """
    examples = examples_of(study.oracle.problem, study.x0)  # type: ignore[arg-type]
    test_risks = held_out(examples, study)
    wide = len(study.recorded_steps) * study.dimension**2 > LARGEST_COVARIANCE
    with np.errstate(over="ignore", invalid="ignore"):
        rows = [_row(examples, study, snapshot, test_risks, wide) for snapshot in _snapshots(examples, study)]
        moments = {name: np.array([row[name] for row in rows]) for name in rows[0]}
    for name, average in study.averages.items():
        unknown = average.undefined(study.recorded_steps, study.steps)
        for variable in ("risk", "distance_squared"):
            if f"{variable}_of_{name}_mean" in moments:
                moments[f"{variable}_of_{name}_mean"][unknown] = np.nan
    moments["learning_rate"] = study.learning_rates[study.recorded_steps]
    return labelled(moments, study.coordinates, step=study.recorded_steps).assign_attrs(_stability(examples, study))


def _snapshots(examples: QuadraticExamples, study: Study) -> Iterator[Snapshot]:
    oracle = study.oracle
    if isinstance(oracle, FullGradient) or isinstance(oracle.order, WithReplacement | ImportanceSampling):  # type: ignore[union-attr]
        return with_replacement.snapshots(examples, study)
    order = oracle.order  # type: ignore[union-attr]
    if isinstance(order, Incremental):
        return arrangements.snapshots(examples, study)
    if not isinstance(order, RandomReshuffling | ShuffleOnce):
        raise NoExactSolution(f"exact moments need an order of jaxsgd.orders, got {type(order).__name__}")
    if examples.common_hessian:
        return common_hessian.snapshots(examples, study)
    return (subsets if isinstance(order, RandomReshuffling) else arrangements).snapshots(examples, study)


def _row(
    examples: QuadraticExamples, study: Study, snapshot: Snapshot, test_risks: Mapping[str, HeldOut], wide: bool
) -> dict[str, np.ndarray | float]:
    """What is returned of one step, by name."""
    x, squared_norm, averages = snapshot
    row = _observables(examples, study, x)
    row["gradient_norm_squared_mean"] = _overflowed(squared_norm)
    for name, law in zip(study.averages, averages, strict=True):
        row |= _observables(examples, study, law, of=f"_of_{name}")
    row |= {f"{name}_mean": _overflowed(risk.mean(x)) for name, risk in test_risks.items()}
    row["x_mean"] = examples.centre + examples.vectors @ x.mean
    if not wide:
        row["x_covariance"] = examples.vectors @ x.covariance @ examples.vectors.T
    return row


def _observables(examples: QuadraticExamples, study: Study, law: Law, of: str = "") -> dict[str, np.ndarray | float]:
    """Means of the risk and, where the study has it, of the squared distance; NaN where not known."""
    squares = law.mean**2 + np.diag(law.covariance)
    values = {"risk": examples.value + examples.drift @ law.mean + examples.eigenvalues @ squares / 2}
    if f"distance_squared{of}" in study.built_in:
        values["distance_squared"] = squares.sum()
    return {f"{name}{of}_mean": _overflowed(value) if law.known else np.nan for name, value in values.items()}


def _overflowed(value: Any) -> float:
    """Only an overflow makes NaN of these sums, by inf - inf."""
    return np.inf if np.isnan(value) else float(value)


def _stability(examples: QuadraticExamples, study: Study) -> dict[str, bool | str]:
    """Attributes that warn of moments which grow although x may settle."""
    oracle, largest = study.oracle, float(study.learning_rates[: study.steps].max())
    order = getattr(oracle, "order", None)
    if not isinstance(order, WithReplacement | ImportanceSampling):
        return {}
    limit = limit_of(examples, oracle)  # type: ignore[arg-type]
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
