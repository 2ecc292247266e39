"""The chapter's third section, second half: from one update to the bound on the average, and its rate."""

import math

import numpy as np

from jaxsgd import methods, theory
from jaxsgd.theory.bounds import WeightedAverage, tuned_value
from jaxsgd.verification.chapter import common, drawing
from jaxsgd.verification.chapter.common import ANALYSIS, LARGEST, PROOF
from jaxsgd.verification.claim import Claim
from jaxsgd.verification.statement import Statement

RADIUS = 6.0
"""Of the ball that the projected runs stay in."""
HORIZONS = (25, 100, 400, 1600)


def telescoped() -> Statement:
    """The telescoped inequality."""
    claims = []
    for name in ("constant", "polynomial"):
        one = common.study(name, sums=True)
        moments, eta = common.exact(one), one.learning_rates[: one.steps]
        left = 2 * eta @ moments["risk_mean"].values[:-1] - eta**2 @ moments["gradient_norm_squared_mean"].values[:-1]
        value = float(left) - common.START_DISTANCE_SQUARED
        claims += [
            Claim(
                f"telescoped-{name}",
                "the left side minus the right side is not positive on average",
                one,
                common.telescoped,
                "<=",
                0.0,
            ),
            Claim(f"telescoped-{name}-exact", "their difference is exact", one, common.telescoped, "==", value),
        ]
    return Statement(
        name="telescoped-bound",
        place=ANALYSIS,
        sentence="Summing the inequalities and dropping the final distance bounds the weighted sum of the gaps.",
        tested=(
            r"$2\sum_t\eta_t(\mathbb{E} R(x_t) - R^*) - \sum_t\eta_t^2\,\mathbb{E}\|g_t\|^2 \le r^2$, one variable "
            r"for each "
            "trajectory, under the constant and the polynomial rate; and the difference of the sides is exact."
        ),
        claims=claims,
        remark=(
            r"The chapter takes a bracket that depends on t out of the sum; the sum must stay: $r^2 \ge 2\sum_t \eta_t "
            r"(\mathbb{E} R(x_t) - R^*) - L^2 \sum_t \eta_t^2$."
        ),
        reference=PROOF,
    )


def jensen() -> Statement:
    """Jensen's inequality for the weighted average."""
    claims = []
    for name in ("constant", "polynomial"):
        one = common.study(name, sums=True)
        claims += [
            Claim(
                f"jensen-{name}", "the risk of the average is not above the average risk", one, common.jensen, "<=", 0.0
            ),
            Claim(
                f"jensen-{name}-exact",
                "by exactly as much as theory says",
                one,
                common.jensen,
                "==",
                -theory.slack(common.study(name)).jensen,
            ),
        ]
    return Statement(
        name="jensen",
        place=ANALYSIS,
        sentence="By Jensen's inequality the weighted mean of the risks is at least the risk of the weighted average.",
        tested=(
            r"$\mathbb{E} R(\bar x) \le \sum_t\eta_t\,\mathbb{E} R(x_t) / \sum_t\eta_t$ with $\bar x = \sum_t\eta_t "
            r"x_t/"
            r"\sum_t\eta_t$, and the difference is exact."
        ),
        claims=claims,
        remark=(
            r"The chapter sets the weighted mean of $\mathbb{E} R(x_t)$ equal to $\mathbb{E} R(x_t)$; it is the "
            r"$\eta$-weighted average over t, which no single t need attain."
        ),
        reference=PROOF,
    )


def bound() -> Statement:
    """The bound on the risk of the average, with its three legal constants and its slack."""
    claims = []
    for name in ("constant", "polynomial"):
        one = common.study(name, sums=True)
        parts = theory.slack(common.study(name))
        fixed = WeightedAverage().value(common.study(name), common.largest_gradient(common.study(name)))
        claims += [
            Claim(
                f"bound-{name}",
                r"with $\|g_t\|^2$ of the same trajectory",
                one,
                common.bound_gap,
                "<=",
                0.0,
                reference="theory.bounds.WeightedAverage",
            ),
            Claim(f"bound-{name}-slack", "the slack is exact", one, common.bound_gap, "==", parts.gap - parts.bound),
            Claim(
                f"bound-{name}-distance",
                "its part from the final distance",
                one,
                common.final_distance,
                "==",
                parts.distance,
            ),
            Claim(
                f"bound-{name}-convexity", "its part from convexity", one, common.mean_convexity, "==", parts.convexity
            ),
            Claim(f"bound-{name}-jensen", "its part from Jensen", one, common.jensen, "==", -parts.jensen),
            Claim(
                f"bound-{name}-largest",
                rf"with $L^2 = \max_t \mathbb{{E}}\|g_t\|^2 = 166$: {fixed:.4f}",
                one,
                common.average_risk,
                "<=",
                fixed,
            ),
        ]
    projected = common.study("constant").replace(method=methods.Projected(methods.Ball(RADIUS)))
    prior = 16 * RADIUS**2 + 2
    value = WeightedAverage().value(projected, prior)
    claims.append(
        Claim(
            "bound-projected",
            rf"with projection on the ball of radius {RADIUS:g} and the $L^2 = {prior:g}$ known "
            rf"before "
            rf"the run: {value:.4f}",
            projected,
            common.average_risk,
            "<=",
            value,
            reference="theory.bounds.WeightedAverage",
        )
    )
    return Statement(
        name="bound-on-the-average",
        place=ANALYSIS,
        sentence=(
            "The risk of the weighted average exceeds the minimum by at most the squared start distance plus L squared "
            "times the sum of the squared rates, over twice the sum of the rates."
        ),
        tested=(
            r"$$\mathbb{E} R(\bar x) - R^* \le \frac{r^2 + \sum_t\eta_t^2 G_t^2}{2\sum_t\eta_t}$$ for three legal "
            r"choices of "
            r"the gradient bound: $G_t^2 = \|g_t\|^2$ along the same trajectory (paired), their maximum over t, and, "
            r"for SGD "
            "projected on a ball, a number known before the run. The slack is the sum of three parts that are not "
            "negative, "
            "each of them exact: the final distance that the proof drops, the convexity inequality, and Jensen's."
        ),
        claims=claims,
        remark=(
            r"The chapter prints $E[\bar x] - R^*$, a vector minus a number; $\mathbb{E} R(\bar x) - R^*$ is meant. "
            r"Its "
            r"assumption that $\|g\| \le L$ fails for every L in its own example (a quadratic with Gaussian noise), "
            r"but the "
            r"proof uses only $\mathbb{E}\|g_t\|^2$ along the run. With constants measured in the same run the test "
            r"is of "
            r"internal consistency, not of a bound known in advance; r is the exact start distance."
        ),
        reference=PROOF,
        figure=drawing.bound,
    )


def tuned() -> Statement:
    """The tuned constant step and its value."""
    claims, largest = [], []
    for steps in (50, 1000):
        one = common.tuned(steps)
        value = tuned_value(math.sqrt(common.START_DISTANCE_SQUARED), math.sqrt(LARGEST), steps)
        largest.append(f"{common.largest_gradient(one):.6g}")
        claims += [
            Claim(
                f"tuned-{steps}",
                rf"$\mathbb{{E}} R(\bar x) \le rL/\sqrt{{T}} = {value:.5f}$ after T = {steps} "
                rf"updates",
                one,
                common.average_risk,
                "<=",
                value,
                reference="schedules.tuned_constant",
            ),
            common.exactly(f"tuned-{steps}-exact", one, "risk_of_eta"),
        ]
    return Statement(
        name="tuned-step",
        place=ANALYSIS,
        sentence=r"With r, L and T known, the choice $\eta = r/(L\sqrt T)$ gives the bound $rL/\sqrt T$.",
        tested=(
            r"With $r^2 = 29$ and $L^2 = 166$ the bound holds at T = 50 and 1000, and $\mathbb{E} R(\bar x)$ is "
            r"exact. The "
            rf"maximum of $\mathbb{{E}}\|g_t\|^2$ along these runs, by exact moments, is {' and '.join(largest)}."
        ),
        claims=claims,
        remark="The bound is a worst case over convex functions; on this quadratic it is far from tight, and no "
        "recommendation.",
        proof=(
            r"$(r^2 + L^2 T\eta^2)/(2T\eta)$ has the derivative $(L^2 T\eta^2 - r^2)/(2T\eta^2)$, zero at $\eta = "
            r"r/(L\sqrt T)$, where it is $rL/\sqrt T$.",
        ),
        reference=PROOF,
    )


def rate() -> Statement:
    """The rate 1 / sqrt T."""
    r, L = math.sqrt(common.START_DISTANCE_SQUARED), math.sqrt(LARGEST)
    claims, exact = [], []
    for steps in HORIZONS:
        one = common.tuned(steps)
        claims.append(
            Claim(
                f"rate-{steps}",
                rf"$\sqrt T\,\mathbb{{E}} R(\bar x_T) \le rL$ at T = {steps}",
                one,
                common.average_risk,
                "<=",
                tuned_value(r, L, steps),
            )
        )
        claims.append(common.exactly(f"rate-{steps}-exact", one, "risk_of_eta"))
        exact.append(float(common.exact(one).isel(step=-1)["risk_of_eta_mean"]))
    slope = float(np.polyfit(np.log(HORIZONS), np.log(exact), 1)[0])
    return Statement(
        name="rate-one-over-sqrt-T",
        place=ANALYSIS,
        sentence=r"So we converge at the rate $O(1/\sqrt T)$ to the optimal solution.",
        tested=(
            rf"With the tuned step for each of T = {', '.join(map(str, HORIZONS))}: "
            r"$\sqrt T\,\mathbb{E} R(\bar x_T) \le rL$, and $\mathbb{E} R(\bar x_T)$ is exact."
        ),
        claims=claims,
        remark=(
            rf"The rate is an upper bound. On this quadratic $\mathbb{{E}} R(\bar x_T)$ falls faster: over these T "
            rf"the slope "
            rf"of the exact values is {slope:.2f} on logarithmic scales, where that of the bound is -0.50."
        ),
        reference=PROOF,
        figure=drawing.rate,
    )


def all_statements() -> tuple[Statement, ...]:
    """The statements of this half, in order."""
    return telescoped(), jensen(), bound(), tuned(), rate()
