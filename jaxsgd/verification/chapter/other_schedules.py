"""The chapter's second section, its last paragraph: rates that go up and down, and which family is best once tuned."""

import functools
from collections.abc import Callable
from typing import Any

import numpy as np

from jaxsgd import noise, oracles, problems, record, schedules
from jaxsgd.study import Study
from jaxsgd.verification.chapter import drawing_of_families
from jaxsgd.verification.chapter import quadratic_studies as quadratic
from jaxsgd.verification.chapter.exact_values import exactly, final_risk
from jaxsgd.verification.chapter.prose import Prose
from jaxsgd.verification.chapter.schedule_families import (
    PAIRS,
    PROBLEMS,
    Difference,
    T,
    at_end,
    base,
    differences,
    tuned,
)
from jaxsgd.verification.claim import Claim
from jaxsgd.verification.statement import Statement

PROSE = Prose.of("other_schedules")

START_RISK = 33.0
"""R(-5, -2)."""
SCALES = {"quadratic": 1.0, "absolute value": 3.0, "iris": 20.0}
"""What the rates of a problem are multiplied with, where the same rates are used in several orders."""
MARGINS = {
    "alternating": {"quadratic": 0.02, "absolute value": 0.1, "iris": 0.015},
    "warm-up": {"quadratic": 0.0005, "absolute value": 0.001, "iris": 0.0006},
}
"""By how much, at least, the falling order of these rates is claimed to be better: a third of what it is, about."""


@functools.cache
def _in_order(problem: str, rates: str, order: str) -> Study:
    """Alternating rates, or rates that warm up and fall to zero, as they are, or sorted to fall or to rise."""
    given: Callable[[Any], Any] = {
        "alternating": schedules.alternating(0.05, 0.15),
        "warm-up": schedules.wsd(0.11, T, 0.2 * T, 0.8 * T),
    }[rates]
    values = SCALES[problem] * np.asarray(schedules.learning_rates(given, T))
    values = {"given": values, "falling": np.sort(values)[::-1], "rising": np.sort(values)}[order]
    return base(problem).replace(schedule=schedules.table(values))


def _risen(problem: str, relation: str, margin: float) -> Claim:
    """The tuned polynomial decay after a warm-up against the same rates in falling order."""
    study = tuned(problem)["warm-up, polynomial"]
    falling = study.replace(schedule=schedules.table(np.sort(study.learning_rates[:T])[::-1]))
    ends = {">": "higher than", "within": "as low as"}[relation]
    return Claim(
        f"warm-up-tuned-on-{problem.replace(' ', '-')}",
        f"{problem}: tuned polynomial decay after a warm-up ends {ends} the same rates in falling order",
        study,
        "risk",
        relation,
        against=falling,
        margin=margin,
    )


def _dearer(name: str, text: str, study: Study, than: Study, margin: float) -> Claim:
    return Claim(name, text, study, "risk", ">", 0.0, against=than, margin=margin)


def _best_of_all() -> tuple[Study, float]:
    """The best learning rates for two coordinates of one curvature, noise and start, and E R(x_T) under them."""
    h, start = 2.0, -5.0
    c = 1 + 1 / (h * start) ** 2
    problem = problems.Quadratic(curvature=[h, h])
    study = base("quadratic").replace(
        oracle=oracles.AdditiveNoise(problem, noise.Gaussian(std=1.0)),
        x0=[start, start],
        schedule=schedules.inverse_time(1 / (h * c), 1 / c),
    )
    return study, h * start**2 / (1 + T * (h * start) ** 2)


def order_of_rates() -> Statement:
    """Of all orders of the same learning rates the falling one is best on a quadratic."""
    claims, values = [], {}
    for rates in ("alternating", "warm-up"):
        of_order = {order: _in_order("quadratic", rates, order) for order in ("given", "falling", "rising")}
        claims += [
            exactly(f"{rates}-{order}", study, text=rf"{rates} rates, order {order}, $\mathbb{{E}} R(x_T)$")
            for order, study in of_order.items()
        ]
        values |= {f"{rates.replace('-', '_')}_{order}": final_risk(study) for order, study in of_order.items()}
        for problem, margin in MARGINS[rates].items():
            given, falling = (_in_order(problem, rates, order) for order in ("given", "falling"))
            text = f"{problem}: {rates} rates end with a higher risk than the same rates in falling order"
            claims.append(_dearer(f"{rates}-on-{problem.replace(' ', '-')}", text, given, falling, margin))
    claims += [_risen(*each) for each in (("iris", "within", 0.00015), ("absolute value", ">", 0.0005))]
    best, least = _best_of_all()
    text = rf"two coordinates of one curvature, $\mathbb{{E}} R(x_T)$ under the best of all learning rates: {least:.6g}"
    claims.append(Claim("best-of-all", text, best, "risk", "==", least, reference="the proof below"))
    return PROSE.statement("order-of-rates", claims, values, reference="the proof below; theory.exact")


def _at(schedule: Callable[[Any], Any]) -> Study:
    """The chapter's problem under a learning rate."""
    return base("quadratic").replace(schedule=schedule)


def _four_without_noise(schedule: Callable[[Any], Any]) -> Study:
    return _at(schedule).replace(oracle=oracles.FullGradient(quadratic.PROBLEM), steps=4, record=record.at([4]))


def alternating() -> Statement:
    """Alternating rates: what they cost in noise, the limit of stability, and what they gain without noise."""
    constant = _at(schedules.constant(0.1))
    ends = {
        "large": _in_order("quadratic", "alternating", "given"),
        "small": _at(schedules.alternating(0.15, 0.05)),
    }
    beyond, unstable = _at(schedules.alternating(0.2, 0.6)), _at(schedules.constant(0.6))
    inverse = 3 + np.array([1, -1]) / np.sqrt(2)
    claims = [
        claim
        for end, study in ends.items()
        for claim in (
            exactly(f"alternating-after-{end}", study, text=rf"the {end} rate last, $\mathbb{{E}} R(x_T)$"),
            _dearer(
                f"alternating-dearer-after-{end}",
                f"alternating rates that end on the {end} one end with a higher risk than the constant rate",
                study,
                constant,
                0.005,
            ),
        )
    ]
    claims += [
        exactly("alternating-beyond-the-limit", beyond, text=r"alternating 0.2 and 0.6, $\mathbb{E} R(x_T)$"),
        exactly("constant-beyond-the-limit", unstable, text=r"constant 0.6, $\mathbb{E} R(x_T)$"),
        *(
            Claim(
                f"{name}-without-noise",
                f"$R(x_4) = R(x_0)/{divisor}^4$",
                _four_without_noise(schedule),
                "risk",
                "==",
                START_RISK / divisor**4,
            )
            for name, divisor, schedule in (
                ("pair", 17, schedules.alternating(*(1 / inverse))),
                ("constant", 9, schedules.constant(1 / 3)),
            )
        ),
    ]
    return PROSE.statement(
        "alternating-rates",
        claims,
        values={
            "after_large": final_risk(ends["large"]),
            "after_small": final_risk(ends["small"]),
            "constant": final_risk(constant),
            "beyond": final_risk(beyond),
            "unstable": final_risk(unstable),
        },
        reference="Young (1953), J. Math. Phys. 32, for the pair without noise; theory.exact",
    )


RESOLUTIONS = {"quadratic": 0.01, "absolute value": 0.02}
"""How near to the exact ones the risks of tuned families must be; those of the latter problem have heavy tails."""
UNTESTED = {("on plateau", "absolute value"), ("on plateau", "iris")}
"""What is drawn and not tested, since a method that compares losses is compiled in both precisions for a test."""
REAL = 4.0
"""A difference that was found is claimed where it is so many times its standard error, and then at least half of it."""


def _named(family: str, problem: str) -> str:
    return f"{family}-on-{problem}".replace(",", "").replace(" ", "-")


def _is_claimed(family: str, problem: str, found: Difference) -> bool:
    """Whether a difference is real, and between families that are tuned inside of their grids."""
    is_real = abs(found.mean) > REAL * (found.high - found.low) / 3.92
    at_ends = at_end(problem, family) or at_end(problem, PAIRS[family])
    return is_real and not at_ends and (family, problem) not in UNTESTED


def other_families() -> Statement:
    """Nine families, each tuned: exact risks, and differences that are real."""
    claims, values = [], {}
    for problem in ("quadratic", "absolute value"):
        for family, study in tuned(problem).items():
            if study.method.plain:
                text = rf"{problem}, {family}, tuned, $\mathbb{{E}} R(x_{{{T}}})$"
                margin = RESOLUTIONS[problem] * final_risk(study)
                claims.append(exactly(f"tuned-{_named(family, problem)}", study, text=text, margin=margin))
    for problem in PROBLEMS:
        for family, found in differences(problem).items():
            values[_named(family, problem).replace("-", "_")] = found.share
            if _is_claimed(family, problem, found):
                ends = "lower" if found.mean < 0 else "higher"
                claims.append(
                    Claim(
                        f"difference-{_named(family, problem)}",
                        f"{problem}: {family}, tuned, ends {ends} than {PAIRS[family]}",
                        tuned(problem)[family],
                        "risk",
                        "<" if found.mean < 0 else ">",
                        against=tuned(problem)[PAIRS[family]],
                        margin=abs(found.mean) / 2,
                    )
                )
    return PROSE.statement(
        "other-schedules",
        claims,
        values,
        reference="Loshchilov and Hutter (2017), arXiv 1608.03983, for restarts; scripts/schedules/README.md",
        figure=drawing_of_families.families,
    )


def all_statements() -> tuple[Statement, ...]:
    """The statements of this half, in order."""
    return PROSE.section(other_families(), order_of_rates(), alternating())
