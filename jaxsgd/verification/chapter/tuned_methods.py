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


def tuned() -> Statement:
    """Seven methods, each tuned, at condition numbers from 1 to 10,000."""
    claims = [
        _exactly(f"{name}-{kappa}", scaled.tuned(name, kappa)) for name in scaled.LINEAR for kappa in (1, KAPPA, WORST)
    ]
    plain, badly = scaled.tuned("SGD", 1), final_risk(scaled.tuned("SGD", WORST))
    claims += [
        Claim(
            f"{name}-{WORST}",
            rf"{name} at $\kappa = {WORST:,}$: the mean risk is below a hundredth of SGD's",
            scaled.tuned(name, WORST),
            "risk",
            "<",
            badly / 100,
            margin=badly / 1000,
        )
        for name in ADAPTIVE
    ]
    claims += [
        Claim(
            f"{name}-no-gain",
            rf"{name} at $\kappa = 1$: the mean risk is not 10% below SGD's",
            scaled.tuned(name, 1),
            "risk",
            ">",
            0.9 * final_risk(plain),
            margin=0.04 * final_risk(plain),
        )
        for name in ("Adagrad", "RMSProp", "Adam")
    ]
    claims += [
        Claim(
            f"Adagrad-before-{name}",
            rf"Adagrad has a lower mean risk than {name} at $\kappa = {WORST:,}$",
            scaled.tuned("Adagrad", WORST),
            "risk",
            "<",
            0.0,
            against=scaled.tuned(name, WORST),
            margin=0.001,
        )
        for name in ("RMSProp", "Adam")
    ]
    risks = {
        f"{name}_{kappa}": final_risk(scaled.tuned(name, kappa))
        for name in ("SGD", "momentum")
        for kappa in (1, KAPPA, WORST)
    }
    return PROSE.statement(
        "exercise-4-tuned",
        claims=claims,
        values=risks | {"updates": scaled.T, "preconditioned": final_risk(scaled.tuned("preconditioned", 1))},
        reference=f"{BOOK}; theory.exact; scripts/scaled_coordinates",
        figure=scaled_figure.tuned,
    )


def _exactly(name: str, study: Study, value: float | None = None) -> Claim:
    """E R(x_T) is its exact value, to 3%."""
    risk = final_risk(study) if value is None else value
    text = rf"$\mathbb{{E}} R(x_T)$ is {risk:.6g}, by recursion of exact moments"
    return Claim(name, text, study, "risk", "==", risk, reference="theory.exact", margin=0.03 * risk)


def turned() -> Statement:
    """Rotated coordinates: no diagonal method helps."""
    diagonal = scaled.tuned("preconditioned", KAPPA, turned=True)
    plain = scaled.run(scaled.in_other_units(KAPPA), "SGD", rate=2 / (1 + KAPPA) * float(diagonal.schedule(0)))
    moved = scaled.tuned("momentum", KAPPA, turned=True)
    momentum = moved.replace(oracle=scaled.in_other_units(KAPPA).oracle, x0=scaled.in_other_units(KAPPA).x0)
    adagrad = scaled.tuned("Adagrad", WORST, turned=True)
    return PROSE.statement(
        "exercise-4-rotated",
        claims=(
            _exactly("rotated-preconditioned", diagonal, final_risk(plain)),
            _exactly("rotated-momentum", moved, final_risk(momentum)),
            Claim(
                "rotated-adagrad",
                rf"rotated, Adagrad ends no better than SGD at $\kappa = {WORST:,}$",
                adagrad,
                "risk",
                ">",
                0.9 * final_risk(scaled.tuned("SGD", WORST)),
                margin=0.5,
            ),
        ),
        values={"kappa": KAPPA, "plain": final_risk(plain), "worst": WORST},
        reference="Van der Sluis (1969), Numer. Math. 14; theory.exact",
    )


def all_statements() -> tuple[Statement, ...]:
    """Which method, and what none of them can do."""
    return PROSE.section(tuned(), turned())
