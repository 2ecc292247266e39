"""The chapter's second section: learning rates that change over time."""

from collections.abc import Mapping, Sequence
from typing import Any

import jax
import jax.numpy as jnp
import numpy as np

from jaxsgd import schedules
from jaxsgd.state import State, Update
from jaxsgd.study import Study
from jaxsgd.verification.chapter import drawing
from jaxsgd.verification.chapter import quadratic_studies as quadratic
from jaxsgd.verification.chapter.exact_values import exact, exactly, final_risk, moments, stationary_risk
from jaxsgd.verification.chapter.prose import Prose
from jaxsgd.verification.chapter.references import BOOK
from jaxsgd.verification.claim import Claim
from jaxsgd.verification.statement import Statement

PROSE = Prose.of("learning_rates")
LATE = 500
"""The update from which on the exponential run is watched for movement."""


def _figure(name: str) -> Statement:
    """One of the chapter's studies as coded: all moments at its end."""
    study = quadratic.study(name)
    values = {"updates": study.steps, "risk": final_risk(study)}
    return _with_figure(name, moments(name, study), values)


def _figure_with_counter(name: str) -> Statement:
    """One of the chapter's studies, as coded and as printed: the counters of the two differ."""
    coded, printed = quadratic.study(name), quadratic.study(name, as_printed=True)
    values = {"updates": coded.steps, "risk": final_risk(coded), "risk_as_printed": final_risk(printed)}
    return _with_figure(name, [*moments(name, coded), *moments(f"{name}-as-printed", printed)], values)


def _with_figure(name: str, claims: Sequence[Claim], values: Mapping[str, Any]) -> Statement:
    reference, figure = f"{BOOK}; theory.exact", drawing.risk_of(name)
    return PROSE.statement(f"figure-{name}", claims, values, reference=reference, figure=figure)


def figures() -> tuple[Statement, ...]:
    """The chapter's three figures, and piecewise constant rates, of which it prints the formula."""
    return (
        _figure("constant"),
        _figure_with_counter("exponential"),
        _figure_with_counter("polynomial"),
        _figure("piecewise"),
    )


def piecewise() -> Statement:
    """Each stage of a piecewise constant rate relaxes to its own stationary risk."""
    long = quadratic.with_rate(schedules.piecewise_constant([50, 100], [0.1, 0.05, 0.025]), 150)
    first, second = (stationary_risk(eta) for eta in (0.1, 0.05))
    return PROSE.statement(
        "piecewise-stages",
        claims=(
            exactly("stage-1", long, step=50),
            exactly("stage-2", long, step=100),
            exactly("stage-3", long, step=150),
            Claim(
                "stage-2-lower",
                "the second stage ends below the stationary risk of the first",
                long,
                "risk",
                "<",
                first,
                step=100,
                margin=0.005,
            ),
            Claim(
                "stage-3-lower",
                "the third stage ends below the stationary risk of the second",
                long,
                "risk",
                "<",
                second,
                step=150,
                margin=0.003,
            ),
        ),
        reference=BOOK,
    )


def _late_length(update: Update) -> jax.Array:
    return jnp.where(update.t >= LATE, jnp.linalg.norm(update.x_next - update.x), 0.0)


def freezes() -> Statement:
    """Exponential decay stops before the minimum: mostly bias, not noise."""
    exponential, constant = quadratic.study("exponential"), quadratic.study("constant", 1000)
    study = exponential.replace(path_sums={"late": _late_length})
    end, risk = exact(exponential).isel(step=-1), final_risk(exponential)
    mean, variance = end["x_mean"].values, np.diag(end["x_covariance"].values)
    bias = float(mean[0] ** 2 + 2 * mean[1] ** 2)
    limit = np.array([-5.0, -2.0]) * np.prod(
        [1 - 0.1 * np.exp(-0.1 * (t + 2)) * np.array([2.0, 4.0]) for t in range(2000)], axis=0
    )
    variance_limit = float(exact(constant).isel(step=-1)["x_covariance"].values[0, 0])

    def first_deviation(x: jax.Array) -> jax.Array:
        return (x[0] - mean[0]) ** 2

    def around_the_mean(x: jax.Array) -> jax.Array:
        return (x[0] - mean[0]) ** 2 + 2 * (x[1] - mean[1]) ** 2

    def late(state: State) -> jax.Array:
        return state.path_sums["late"]

    return PROSE.statement(
        "exponential-freezes",
        claims=(
            Claim(
                "frozen",
                f"the path after update {LATE} is shorter than a thousandth",
                study,
                late,
                "<",
                1e-3,
                margin=5e-4,
                magnitude=1.0,
            ),
            Claim(
                "frozen-mean-1",
                "where it stops on average, first coordinate",
                study,
                lambda x: x[0],
                "==",
                float(limit[0]),
                margin=0.005,
            ),
            Claim(
                "frozen-mean-2",
                "where it stops on average, second coordinate",
                study,
                lambda x: x[1],
                "==",
                float(limit[1]),
                margin=0.002,
            ),
            exactly("frozen-risk", study, moments=exact(exponential)),
            Claim(
                "frozen-variance-part",
                "the risk that is not that of the mean: the part of the variance",
                study,
                around_the_mean,
                "==",
                risk - bias,
                reference="theory.exact",
            ),
            Claim(
                "frozen-variance",
                "the variance of the first coordinate is below a quarter of that under the constant rate",
                study,
                first_deviation,
                "<",
                variance_limit / 4,
                margin=variance_limit / 50,
            ),
        ),
        values={
            "late": LATE,
            "limit_1": limit[0],
            "limit_2": limit[1],
            "risk": risk,
            "share_of_the_mean": bias / risk,
            "variance": variance[0],
            "variance_at_constant_rate": variance_limit,
        },
        reference=BOOK,
        figure=drawing.bias,
    )


def polynomial_better() -> Statement:
    """Polynomial decay beats the constant rate after 50 steps; it overtakes at update 23."""
    polynomial, constant = quadratic.study("polynomial"), quadratic.study("constant")
    ahead, behind = (
        float(exact(polynomial).sel(step=s)["risk_mean"] - exact(constant).sel(step=s)["risk_mean"]) for s in (23, 22)
    )
    average, average_at_constant_rate = (
        float(exact(study)["risk_of_eta_mean"][-1]) for study in (polynomial, constant)
    )

    def paired(name: str, text: str, relation: str, step: int, margin: float) -> Claim:
        return Claim(name, text, polynomial, "risk", relation, 0.0, step=step, against=constant, margin=margin)

    return PROSE.statement(
        "polynomial-better",
        claims=(
            paired("better-at-50", "polynomial decay is better after 50 updates", "<", 50, 0.01),
            paired("worse-at-22", "polynomial decay is still worse after 22 updates", ">", 22, behind / 2),
            paired("better-at-23", "polynomial decay is better after 23 updates", "<", 23, -ahead / 2),
        ),
        values={
            "at_22": behind,
            "at_23": ahead,
            "average": average,
            "average_at_constant_rate": average_at_constant_rate,
        },
        reference=BOOK,
        figure=drawing.overtaking,
    )


def how_fast() -> Statement:
    """How fast to decay: too fast stops too early, too slow wastes the noise."""
    claims = [exactly(f"decay-{rate:.3g}", quadratic.exponential(float(rate))) for rate in quadratic.DECAYS]
    claims += [exactly(f"power-{power:g}", quadratic.polynomial(float(power))) for power in quadratic.POWERS]
    power, decay = quadratic.polynomial(0.75), quadratic.exponential(0.03)
    square_root = quadratic.polynomial(0.5)

    def worse(name: str, text: str, study: Study, than: Study, margin: float) -> Claim:
        return Claim(name, text, study, "risk", ">", 0.0, against=than, margin=margin)

    claims += [
        worse("power-too-fast", "power 3 is worse than power 0.75", quadratic.polynomial(3.0), power, 0.1),
        worse("power-too-slow", "power 0, no decay, is worse than power 0.75", quadratic.polynomial(0.0), power, 0.01),
        worse("power-square-root", "power 1/2 is worse than power 0.75, at T = 50", square_root, power, 0.002),
        worse("decay-too-fast", "rate 0.2 is worse than rate 0.03", quadratic.exponential(0.2), decay, 0.1),
        worse("decay-too-slow", "rate 0.003 is worse than rate 0.03", quadratic.exponential(0.003), decay, 0.01),
        worse(
            "decay-beats-power",
            "power 1/2 is worse than exponential decay with rate 0.03, at T = 50",
            square_root,
            decay,
            0.003,
        ),
    ]
    return PROSE.statement(
        "how-fast-to-decay",
        claims=claims,
        values={
            "decays": len(quadratic.DECAYS),
            "powers": len(quadratic.POWERS),
            "square_root": final_risk(square_root),
            "power": final_risk(power),
            "decay": final_risk(decay),
        },
        reference=BOOK,
        figure=drawing.decays,
    )


def all_statements() -> tuple[Statement, ...]:
    """The statements of this section, in order."""
    return PROSE.section(*figures(), piecewise(), freezes(), polynomial_better(), how_fast())
