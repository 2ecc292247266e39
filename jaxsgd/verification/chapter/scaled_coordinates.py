"""Exercise 4: coordinates with gradients of very different size. What goes wrong, and what rescaling does."""

from typing import Any

import jax
import jax.numpy as jnp
import numpy as np

from jaxsgd import oracles, schedules, theory
from jaxsgd.methods import Preconditioned
from jaxsgd.study import Study
from jaxsgd.verification.chapter import scaled_studies as scaled
from jaxsgd.verification.chapter.exact_values import exactly, final_risk
from jaxsgd.verification.chapter.prose import Prose
from jaxsgd.verification.chapter.scaled_studies import KAPPA, UNITS
from jaxsgd.verification.claim import Claim
from jaxsgd.verification.statement import Statement

PROSE = Prose.of("scaled_coordinates")


def largest_curvature() -> Statement:
    """Plain SGD is stable below 2 / h_max only, and so slow where the curvature is small."""
    study = scaled.in_other_units(KAPPA, 50)
    limit = theory.stability_limit(study.oracle)
    below, above = (study.replace(schedule=schedules.constant(share * limit)) for share in (0.95, 1.05))
    start = study.x0[0]
    return PROSE.statement(
        "exercise-4-largest-curvature",
        claims=(
            exactly("limit-below", below, margin=0.03 * final_risk(below)),
            exactly("limit-above", above, margin=0.03 * final_risk(above)),
            Claim(
                "limit-grows",
                "above the limit the risk is more than a hundred times that of the start",
                above,
                "risk",
                ">",
                100 * scaled.START**2,
                margin=0.03 * final_risk(above),
            ),
            *(
                Claim(
                    f"limit-{where}-slow",
                    rf"{where} the limit the mean of the slow coordinate is $(1 - \eta)^{{50}}\, x_{{0,1}}$",
                    study,
                    _first,
                    "==",
                    float((1 - share * limit) ** study.steps * start),
                    margin=0.005,
                )
                for where, study, share in (("below", below, 0.95), ("above", above, 1.05))
            ),
            Claim(
                "limit-slowest",
                r"it has contracted by no more than $(1 - 2/\kappa)^{50}$",
                below,
                _first,
                ">",
                float((1 - 2 / KAPPA) ** below.steps * start),
                margin=0.02,
            ),
        ),
        values={"limit": limit, "kappa": KAPPA, "below": final_risk(below), "above": final_risk(above)},
        reference="Polyak (1987), Introduction to optimization, section 1.4; theory.exact",
    )


def _first(x: jax.Array) -> jax.Array:
    return x[0]


def _second_in_units(x: jax.Array) -> jax.Array:
    return x[1] / UNITS[1]


def _in_x_and_z(xi: jax.Array, x: Any) -> jax.Array:
    """The drawn loss at x, and at D z."""
    return jnp.sum(scaled.terms(xi, x["x"]) + scaled.terms(xi, UNITS * x["z"]))


def _stay_together(x: Any) -> jax.Array:
    """Whether x = D z to rounding, in units of D."""
    return jnp.max(jnp.abs(x["x"] / UNITS - x["z"])) < 1e-4


def _preconditioned(diagonal: np.ndarray) -> Study:
    """SGD with a preconditioner, at the constant rate 0.1."""
    return scaled.in_other_units(KAPPA).replace(method=Preconditioned(diagonal), schedule=schedules.constant(0.1))


def _stationary_risk(study: Study) -> float:
    """sum_i eta p_i s_i / (2 (2 - eta p_i h_i)) with s = h, at eta = 0.1."""
    h, p = scaled.curvatures(KAPPA), study.method.diagonal
    return float(np.sum(0.1 * p * h / (2 * (2 - 0.1 * p * h))))


def rescaling() -> Statement:
    """SGD in rescaled coordinates is preconditioned SGD, path by path."""
    h = scaled.curvatures(KAPPA)
    both = scaled.in_other_units(KAPPA).replace(
        oracle=oracles.RandomLoss(loss=_in_x_and_z, sampler=scaled.draw_noise),
        x0={"x": scaled.START * UNITS, "z": scaled.START * np.ones(2)},
        method=Preconditioned(np.concatenate([UNITS**2, np.ones(2)])),
        schedule=schedules.constant(0.1),
    )
    newton, root = _preconditioned(1 / h), _preconditioned(h**-0.5)

    def settles(name: str, text: str, study: Study) -> list[Claim]:
        value, factors = _stationary_risk(study), np.round(1 - 0.1 * study.method.diagonal * h, 12) + 0.0
        return [
            Claim(
                name, f"{text}: the risk settles at {value:.6g}", study, "risk", "within", value, margin=0.03 * value
            ),
            *(
                Claim(
                    f"{name}-mean-{i + 1}",
                    rf"{text}: the mean of $x_{i + 1}$, in its units, is multiplied by {factors[i]:.3g} in each update",
                    study,
                    in_units,
                    "==",
                    float(factors[i] ** 10 * scaled.START),
                    step=10,
                    margin=0.03,
                )
                for i, in_units in enumerate((_first, _second_in_units))
            ),
        ]

    return PROSE.statement(
        "exercise-4-rescaling",
        claims=(
            Claim(
                "units-same-path",
                "two iterates of one trajectory, SGD on z and preconditioned SGD on x, are the same at the end",
                both,
                _stay_together,
                "==",
                1.0,
                margin=0.001,
            ),
            *settles("units-newton", r"$P = \text{diag}(1/h)$", newton),
            *settles("units-root", r"$P = \text{diag}(h^{-1/2})$", root),
        ),
        values={
            "kappa": KAPPA,
            "newton": _stationary_risk(newton),
            "root": _stationary_risk(root),
        },
        reference="Nocedal and Wright (2006), Numerical optimization, section 5.1",
    )


def all_statements() -> tuple[Statement, ...]:
    """What goes wrong, and the cure if scales are known."""
    return PROSE.section(largest_curvature(), rescaling())
