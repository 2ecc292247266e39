"""Exact moments of the chapter's studies, found once for each study, and the claims that simulations have them."""

import functools
from typing import Any

import jax
import numpy as np
import xarray as xr
from scipy.optimize import minimize_scalar

from jaxsgd import theory
from jaxsgd.study import Study
from jaxsgd.theory.bounds.weighted_average import Slack
from jaxsgd.verification.chapter import quadratic_studies as quadratic
from jaxsgd.verification.claim import Claim, Variable


@functools.cache
def exact(study: Study) -> xr.Dataset:
    """Exact moments at the recorded steps, which are all steps for the chapter's quadratic."""
    return theory.exact(study)


@functools.cache
def slack(name: str) -> Slack:
    """Where the bound on the risk of the average is loose, for a study of the chapter."""
    return theory.slack(quadratic.study(name))


def final_risk(study: Study) -> float:
    """The exact expected risk at the end, E R(x_T)."""
    return float(exact(study)["risk_mean"][-1])


def largest_gradient(study: Study) -> float:
    """The exact maximum along the run, max_t E||g_t||^2."""
    return float(exact(study)["gradient_norm_squared_mean"].values[:-1].max())


def stationary_risk(rate: float) -> float:
    """E R of the stationary law under a constant learning rate."""
    return float(theory.stationary(quadratic.study("constant").oracle, rate)["risk_mean"])


@functools.cache
def best_rate() -> float:
    """The constant learning rate with the least exact E R(x_50)."""

    def risk_at(rate: float) -> float:
        return final_risk(quadratic.at_rate(float(rate)))

    found: Any = minimize_scalar(risk_at, bounds=(0.01, 0.2), method="bounded")
    return float(found.x)


def exactly(
    name: str,
    study: Study,
    observable: str = "risk",
    step: int | None = None,
    text: str = "",
    moments: xr.Dataset | None = None,
    **options: Any,
) -> Claim:
    """E of an observable at a step is its exact value.

    - `text`: what that is, in words.
    - `moments`: the exact ones, where those of a study with the same law are known.
    """
    s = study.steps if step is None else step
    value = float((exact(study) if moments is None else moments)[f"{observable}_mean"].sel(step=s))
    if text:
        text = f"{text}: {value:.6g}"
    else:
        quantity = observable.replace("_", " ")
        text = rf"$\mathbb{{E}}$ of {quantity} at step {s} is {value:.6g}, by recursion of exact moments"
    return Claim(name, text, study, observable, "==", value, step=step, reference="theory.exact", **options)


def moments(prefix: str, study: Study) -> list[Claim]:
    """At the end of a study of the chapter: means and variances of risk and iterate, mean risk of the average."""
    end = exact(study).isel(step=-1)
    mean, covariance = end["x_mean"].values, end["x_covariance"].values
    mean_risk, variance = float(end["risk_mean"]), float(end["risk_variance"])

    def risk_deviation(x: jax.Array) -> jax.Array:
        return (quadratic.risk(x) - mean_risk) ** 2

    def central(name: str, text: str, variable: Variable, value: float, margin: float) -> Claim:
        return Claim(f"{prefix}-{name}", text, study, variable, "==", value, reference="theory.exact", margin=margin)

    def of_coordinate(i: int) -> tuple[Claim, Claim]:
        v = float(covariance[i, i])
        text = rf"$\mathbb{{E}}\,x_{{T,{i + 1}}}$, to a fiftieth of its standard deviation"
        deviation = rf"$\text{{Var}}\,x_{{T,{i + 1}}}$"
        return (
            central(f"mean-{i + 1}", text, lambda x: x[i], float(mean[i]), 0.02 * v**0.5),
            central(f"variance-{i + 1}", deviation, lambda x: (x[i] - mean[i]) ** 2, v, 0.02 * v),
        )

    return [
        exactly(f"{prefix}-risk", study),
        exactly(f"{prefix}-risk-of-average", study, "risk_of_eta"),
        central("risk-variance", r"$\text{Var}\,R(x_T)$", risk_deviation, variance, 0.03 * variance),
        central(
            "covariance",
            r"$\text{Cov}(x_{T,1}, x_{T,2})$, which is 0",
            lambda x: (x[0] - mean[0]) * (x[1] - mean[1]),
            float(covariance[0, 1]),
            0.02 * float(np.sqrt(covariance[0, 0] * covariance[1, 1])),
        ),
        *of_coordinate(0),
        *of_coordinate(1),
    ]
