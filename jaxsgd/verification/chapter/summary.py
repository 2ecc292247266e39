"""The chapter's summary, as far as it says what is not said before: which learning rates converge."""

from jaxsgd.verification.chapter import drawing
from jaxsgd.verification.chapter import quadratic_studies as quadratic
from jaxsgd.verification.chapter.exact_values import exact, exactly
from jaxsgd.verification.chapter.prose import Prose
from jaxsgd.verification.claim import Claim
from jaxsgd.verification.statement import Statement

PROSE = Prose.of("summary")


def wide_choice() -> Statement:
    """Which learning rates converge: the sum must diverge and the rate must vanish."""
    claims = []
    for name, (study, converges) in quadratic.choices().items():
        claims.append(exactly(f"choice-{name}", study))
        earlier = float(exact(study).sel(step=study.steps // 10)["risk_mean"])
        if converges:
            claims.append(
                Claim(
                    f"choice-{name}-falls",
                    "tenfold steps at least halve the risk",
                    study,
                    "risk",
                    "<",
                    earlier / 2,
                    margin=0.05 * earlier,
                )
            )
        else:
            claims.append(
                Claim(
                    f"choice-{name}-stays",
                    "tenfold steps change the risk by less than 1%",
                    study,
                    "risk",
                    "within",
                    earlier,
                    margin=0.01 * earlier,
                )
            )
    return PROSE.statement(
        "wide-choice-converges",
        claims,
        reference="Robbins and Monro (1951); for quadratics square-summability is not needed",
        figure=drawing.choices,
    )


def all_statements() -> tuple[Statement, ...]:
    """The one statement of the summary."""
    return PROSE.section(wide_choice())
