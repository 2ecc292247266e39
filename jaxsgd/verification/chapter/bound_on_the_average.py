"""The chapter's third section, second half: from one update to the bound on the average, and its rate."""

import math

import numpy as np

from jaxsgd import methods
from jaxsgd.theory.bounds import WeightedAverage, tuned_value
from jaxsgd.verification.chapter import drawing, path_sums
from jaxsgd.verification.chapter import quadratic_studies as quadratic
from jaxsgd.verification.chapter.exact_values import exact, exactly, largest_gradient, slack
from jaxsgd.verification.chapter.prose import Prose
from jaxsgd.verification.chapter.quadratic_studies import LARGEST, START_DISTANCE_SQUARED
from jaxsgd.verification.chapter.references import PROOF
from jaxsgd.verification.claim import Claim
from jaxsgd.verification.statement import Statement

PROSE = Prose.of("bound_on_the_average")
NAMES = ("constant", "polynomial")
"""The studies of the chapter that the statements look at."""
RADIUS = 6.0
"""The radius of the ball that the projected runs stay in."""
HORIZONS = (25, 100, 400, 1600)
"""Numbers of updates over which the rate is looked at, each with its tuned step."""


def telescoped() -> Statement:
    """The telescoped inequality."""
    claims = []
    for name in NAMES:
        study, moments = path_sums.with_sums(name), exact(quadratic.study(name))
        eta = study.learning_rates[: study.steps]
        left = 2 * eta @ moments["risk_mean"].values[:-1] - eta**2 @ moments["gradient_norm_squared_mean"].values[:-1]
        claims += [
            Claim(
                f"telescoped-{name}",
                "the left side minus the right side is not positive on average",
                study,
                path_sums.telescoped,
                "<=",
                0.0,
            ),
            Claim(
                f"telescoped-{name}-exact",
                "their difference is exact",
                study,
                path_sums.telescoped,
                "==",
                float(left) - START_DISTANCE_SQUARED,
            ),
        ]
    return PROSE.statement("telescoped-bound", claims, reference=PROOF)


def jensen() -> Statement:
    """Jensen's inequality for the weighted average."""
    claims = []
    for name in NAMES:
        study = path_sums.with_sums(name)
        claims += [
            Claim(
                f"jensen-{name}",
                "the risk of the average is not above the average risk",
                study,
                path_sums.jensen,
                "<=",
                0.0,
            ),
            Claim(
                f"jensen-{name}-exact",
                "by exactly as much as theory says",
                study,
                path_sums.jensen,
                "==",
                -slack(name).jensen,
            ),
        ]
    return PROSE.statement("jensen", claims, reference=PROOF)


def bound() -> Statement:
    """The bound on the risk of the average, with its three legal constants and its slack."""
    claims = [claim for name in NAMES for claim in _bounds(name)]
    projected = quadratic.study("constant").replace(method=methods.Projected(methods.Ball(RADIUS)))
    prior = 16 * RADIUS**2 + 2
    value = WeightedAverage().value(projected, prior)
    claims.append(
        Claim(
            "bound-projected",
            rf"with projection on the ball of radius {RADIUS:g} and the $L^2 = {prior:g}$ known before the run: "
            rf"{value:.4f}",
            projected,
            path_sums.average_risk,
            "<=",
            value,
            reference="theory.bounds.WeightedAverage",
        )
    )
    return PROSE.statement("bound-on-the-average", claims, reference=PROOF, figure=drawing.bound)


def _bounds(name: str) -> list[Claim]:
    """The bound with the gradients of the run and with the largest of them, its slack, and the three parts of that."""
    study, plain, parts = path_sums.with_sums(name), quadratic.study(name), slack(name)
    fixed = WeightedAverage().value(plain, largest_gradient(plain))
    exact_parts = (
        ("slack", "the slack is exact", path_sums.bound_gap, parts.gap - parts.bound),
        ("distance", "its part from the final distance", path_sums.final_distance, parts.distance),
        ("convexity", "its part from convexity", path_sums.mean_convexity, parts.convexity),
        ("jensen", "its part from Jensen", path_sums.jensen, -parts.jensen),
    )
    return [
        Claim(
            f"bound-{name}",
            r"with $\|g_t\|^2$ of the same trajectory",
            study,
            path_sums.bound_gap,
            "<=",
            0.0,
            reference="theory.bounds.WeightedAverage",
        ),
        *(Claim(f"bound-{name}-{part}", text, study, variable, "==", v) for part, text, variable, v in exact_parts),
        Claim(
            f"bound-{name}-largest",
            rf"with $L^2 = \max_t \mathbb{{E}}\|g_t\|^2 = 166$: {fixed:.4f}",
            study,
            path_sums.average_risk,
            "<=",
            fixed,
        ),
    ]


def tuned() -> Statement:
    """The tuned constant step and its value."""
    claims, largest = [], {}
    for steps in (50, 1000):
        study = quadratic.tuned(steps)
        value = tuned_value(math.sqrt(START_DISTANCE_SQUARED), math.sqrt(LARGEST), steps)
        largest[f"largest_at_{steps}"] = largest_gradient(study)
        claims += [
            Claim(
                f"tuned-{steps}",
                rf"$\mathbb{{E}} R(\bar x) \le rL/\sqrt{{T}} = {value:.5f}$ after T = {steps} updates",
                study,
                path_sums.average_risk,
                "<=",
                value,
                reference="schedules.tuned_constant",
            ),
            exactly(f"tuned-{steps}-exact", study, "risk_of_eta"),
        ]
    return PROSE.statement("tuned-step", claims, largest, reference=PROOF)


def rate() -> Statement:
    """The rate 1 / sqrt T."""
    r, L = math.sqrt(START_DISTANCE_SQUARED), math.sqrt(LARGEST)
    claims, risks = [], []
    for steps in HORIZONS:
        study = quadratic.tuned(steps)
        claims += [
            Claim(
                f"rate-{steps}",
                rf"$\sqrt T\,\mathbb{{E}} R(\bar x_T) \le rL$ at T = {steps}",
                study,
                path_sums.average_risk,
                "<=",
                tuned_value(r, L, steps),
            ),
            exactly(f"rate-{steps}-exact", study, "risk_of_eta"),
        ]
        risks.append(float(exact(study)["risk_of_eta_mean"][-1]))
    slope = float(np.polyfit(np.log(HORIZONS), np.log(risks), 1)[0])
    values = {"horizons": ", ".join(map(str, HORIZONS)), "slope": slope}
    return PROSE.statement("rate-one-over-sqrt-T", claims, values, reference=PROOF, figure=drawing.rate)


def all_statements() -> tuple[Statement, ...]:
    """The statements of this half, in order."""
    return PROSE.section(telescoped(), jensen(), bound(), tuned(), rate())
