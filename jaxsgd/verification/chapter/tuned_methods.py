"""Exercise 4: methods compared, each tuned; and rotated coordinates, where no diagonal method helps."""

from jaxsgd.study import Study
from jaxsgd.verification.chapter import scaled_figure
from jaxsgd.verification.chapter import scaled_studies as scaled
from jaxsgd.verification.chapter.exact_values import final_risk
from jaxsgd.verification.chapter.prose import Prose
from jaxsgd.verification.chapter.references import BOOK
from jaxsgd.verification.chapter.scaled_studies import KAPPA
from jaxsgd.verification.claim import Claim
from jaxsgd.verification.statement import Statement

PROSE = Prose.of("tuned_methods")
ADAPTIVE = ("Adagrad", "RMSProp", "Adam", "sign SGD")
WORST = scaled.CONDITION_NUMBERS[-1]
SHARE = {KAPPA: 1, WORST: 100}
"""By what SGD's risk is divided, at each condition number."""

WELL_SCALED = {
    **dict.fromkeys(("Adagrad", "RMSProp", "Adam"), ("within", "within 10% of SGD's")),
    "sign SGD": (">", "higher than SGD's"),
}
"""What the risk of each is where nothing is badly scaled, beside that of SGD."""


def tuned() -> Statement:
    """Seven methods, each tuned, at condition numbers from 1 to 10,000."""
    claims, risks = [], {}
    for kappa in (1, KAPPA, WORST):
        study = scaled.all_tuned(kappa)
        risks |= {f"{name}_{kappa}": final_risk(scaled.tuned(name, kappa)) for name in scaled.LINEAR}
        plain = risks[f"SGD_{kappa}"]
        claims += [_exactly(f"{name}-{kappa}", kappa, name, study, scaled.tuned(name, kappa)) for name in scaled.LINEAR]
        claims += [
            Claim(
                f"{name}-{kappa}",
                rf"$\kappa = {kappa:,}$: the mean risk of {name} is {WELL_SCALED[name][1]}",
                study,
                name,
                WELL_SCALED[name][0],
                plain,
                margin=0.1 * plain,
            )
            if kappa == 1
            else Claim(
                f"{name}-{kappa}",
                rf"$\kappa = {kappa:,}$: the mean risk of {name} is below SGD's{'' if SHARE[kappa] == 1 else ' / 100'}",
                study,
                name,
                "<",
                plain / SHARE[kappa],
                margin=0.05 * plain / SHARE[kappa],
            )
            for name in ADAPTIVE
        ]
        claims.append(
            Claim(
                f"Adam-Adagrad-{kappa}",
                rf"$\kappa = {kappa:,}$: Adam has a higher risk than Adagrad",
                study,
                "Adam - Adagrad",
                ">",
                0.0,
                margin=0.0004 if kappa == 1 else 0.001,
            )
        )
    values = {key: risks[key] for key in risks if not key.startswith("preconditioned")}
    return PROSE.statement(
        "exercise-4-tuned",
        claims=claims,
        values=values | {"updates": scaled.T, "preconditioned": risks["preconditioned_1"]},
        reference=f"{BOOK}; theory.exact; scripts/scaled_coordinates",
        figure=scaled_figure.tuned,
    )


def _exactly(claim: str, kappa: int, variable: str, study: Study, alone: Study) -> Claim:
    """The mean risk of one of the methods that a study runs side by side is the exact one of the study of it alone."""
    risk = final_risk(alone)
    text = rf"$\kappa = {kappa:,}$: the mean risk of {variable} is {risk:.6g}, by recursion of exact moments"
    return Claim(claim, text, study, variable, "==", risk, reference="theory.exact", margin=0.04 * risk)


def turned() -> Statement:
    """Rotated coordinates: no diagonal method helps."""
    same = scaled.run(scaled.in_other_units(WORST), "SGD", rate=2 / (1 + WORST) * scaled.BELOW)
    plain = final_risk(scaled.tuned("SGD", WORST))
    study = scaled.all_tuned(WORST, turned=True)
    return PROSE.statement(
        "exercise-4-rotated",
        claims=(
            _exactly("rotated-preconditioned", WORST, "preconditioned", study, same),
            Claim(
                "rotated-adagrad",
                rf"$\kappa = {WORST:,}$: rotated, Adagrad ends above the exact risk of tuned SGD, {plain:.4g}",
                study,
                "Adagrad",
                ">",
                plain,
                margin=0.3,
            ),
        ),
        values={
            "plain": plain,
            "same": final_risk(same),
            "rate": scaled.BELOW,
            "worst": WORST,
            **{f"SGD_{kappa}": final_risk(scaled.tuned("SGD", kappa)) for kappa in (KAPPA, 1000)},
        },
        reference="Van der Sluis (1969), Numer. Math. 14; theory.exact",
    )


def all_statements() -> tuple[Statement, ...]:
    """Which method, and what none of them can do."""
    return PROSE.section(tuned(), turned())
