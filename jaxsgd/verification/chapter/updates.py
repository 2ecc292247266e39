"""The chapter's first section: stochastic gradients, their cost, and its first experiment."""

from collections.abc import Callable
from typing import Any

import jax
import jax.numpy as jnp
import numpy as np

from jaxsgd import averages, oracles, record, schedules
from jaxsgd.orders import ImportanceSampling, WithReplacement
from jaxsgd.state import Update
from jaxsgd.study import Study
from jaxsgd.verification.chapter import drawing, example_studies, path_sums
from jaxsgd.verification.chapter import quadratic_studies as quadratic
from jaxsgd.verification.chapter.exact_values import best_rate, exact, exactly, stationary_risk
from jaxsgd.verification.chapter.example_studies import ROWS, TARGETS
from jaxsgd.verification.chapter.prose import Prose
from jaxsgd.verification.chapter.references import BOOK
from jaxsgd.verification.claim import Claim
from jaxsgd.verification.statement import Statement

PROSE = Prose.of("updates")


def _noise(update: Update) -> jax.Array:
    return update.gradient - quadratic.gradient(update.x)


def _first(update: Update) -> jax.Array:
    return _noise(update)[0]


def _second(update: Update) -> jax.Array:
    return _noise(update)[1]


def _energy(update: Update) -> jax.Array:
    return jnp.sum(_noise(update) ** 2)


def unbiased() -> Statement:
    """Stochastic gradients are unbiased."""
    sums = {"first": _first, "second": _second, "energy": _energy, **path_sums.SUMS}
    study = quadratic.study("constant").replace(path_sums=sums, averages={})
    T = study.steps

    def claim(name: str, text: str, variable: Callable[[Any], Any], value: float = 0.0, **options: Any) -> Claim:
        return Claim(f"unbiased-{name}", text, study, variable, "==", value, **options)

    return PROSE.statement(
        "unbiased",
        claims=(
            claim("first", r"$\mathbb{E}\sum_t (g_t - \nabla R(x_t))_1 = 0$", lambda state: state.path_sums["first"]),
            claim("second", r"$\mathbb{E}\sum_t (g_t - \nabla R(x_t))_2 = 0$", lambda state: state.path_sums["second"]),
            claim(
                "martingale",
                r"$2\,\mathbb{E}\sum_t \eta_t\langle \nabla R(x_t) - g_t, x_t\rangle = 0$",
                path_sums.martingale,
            ),
            claim(
                "variance",
                r"$\mathbb{E}\frac1T\sum_t\|g_t - \nabla R(x_t)\|^2 = 2$",
                lambda state: state.path_sums["energy"] / T,
                2.0,
                margin=0.02,
            ),
        ),
        reference=BOOK,
    )


def descent() -> Statement:
    """Gradient descent beside SGD."""
    sgd = quadratic.study("constant")
    descent = sgd.replace(oracle=oracles.FullGradient(quadratic.PROBLEM), averages={"eta": averages.StepSizeWeighted()})
    path = np.array([-5.0, -2.0]) * (1 - 0.1 * np.array([2.0, 4.0])) ** sgd.steps
    spread = float(np.trace(exact(sgd).isel(step=-1)["x_covariance"].values))

    def from_descent(x: jax.Array) -> jax.Array:
        return (x[0] - path[0]) ** 2 + (x[1] - path[1]) ** 2

    return PROSE.statement(
        "noisier-than-descent",
        claims=(
            Claim(
                "descent-risk",
                "the risk of gradient descent after 50 updates is that of the closed form",
                descent,
                "risk",
                "==",
                float(path[0] ** 2 + 2 * path[1] ** 2),
                margin=1e-10,
            ),
            Claim(
                "descent-spread",
                r"$\mathbb{E}\|x_{50} - x_{50}^{GD}\|^2$ is the trace of the exact covariance",
                sgd,
                from_descent,
                "==",
                spread,
                reference="theory.exact",
            ),
            Claim(
                "descent-better",
                "the risk of SGD is higher than that of gradient descent",
                sgd,
                "risk",
                ">",
                0.0,
                against=descent,
                margin=0.01,
            ),
        ),
        reference=BOOK,
        figure=drawing.paths,
    )


def levels_off() -> Statement:
    """The constant learning rate does not improve with more steps; its average does."""
    short, long = quadratic.study("constant"), quadratic.study("constant", 1000)
    stationary = stationary_risk(0.1)
    average, later = (float(exact(study)["risk_of_eta_mean"][-1]) for study in (short, long))

    def stays(study: Study) -> Claim:
        return Claim(
            f"levels-off-{study.steps}",
            rf"$\mathbb{{E}} R(x_{{{study.steps}}})$ is the stationary value within 0.5%",
            study,
            "risk",
            "within",
            stationary,
            margin=0.005 * stationary,
            reference="theory.stationary",
        )

    return PROSE.statement(
        "constant-levels-off",
        claims=(
            stays(short),
            stays(long),
            exactly("levels-off-average", long, "risk_of_eta"),
            Claim(
                "levels-off-average-improves",
                "the average after 1000 steps is better than the average after 50",
                long,
                "risk_of_eta",
                "<",
                average,
                margin=0.01,
            ),
        ),
        values={"stationary": stationary, "average_at_50": average, "average_at_1000": later},
        reference=BOOK,
        figure=drawing.constant,
    )


def too_small_too_large() -> Statement:
    """The risk after 50 steps over the learning rate is U-shaped."""
    rates, best = quadratic.RATES, best_rate()
    claims = [exactly(f"rate-{rate:.3g}", quadratic.at_rate(float(rate))) for rate in rates]
    wrong = {"small": (rates[0], 0.1), "large": (rates[-1], 0.1)}
    wrong |= {"smaller": (0.7 * best, 0.002), "larger": (1.5 * best, 0.002)}
    claims += [
        Claim(
            f"rate-too-{name}",
            f"a rate of {rate:.3g} is worse than the best, {best:.3g}",
            quadratic.at_rate(float(rate)),
            "risk",
            ">",
            0.0,
            against=quadratic.at_rate(best),
            margin=margin,
        )
        for name, (rate, margin) in wrong.items()
    ]
    return PROSE.statement(
        "too-small-too-large",
        claims=claims,
        values={"rates": len(rates), "smallest": rates[0], "largest": rates[-1], "best": best},
        reference=BOOK,
        figure=drawing.rates,
    )


def mean_of_examples() -> Statement:
    """The mean of the gradients of examples is the full gradient, E_i grad f_i = grad R."""
    squares, logistic = example_studies.squares(), example_studies.logistic()
    of_squares, of_logistic = -ROWS.T @ TARGETS / 6, -ROWS.T @ (np.where(TARGETS > 0.2, 1, -1) / 2) / 6
    cases = {
        "least-squares": (squares, WithReplacement(), of_squares),
        "logistic-regression": (logistic, WithReplacement(), of_logistic),
        "importance-sampling": (squares, ImportanceSampling([0.1, 0.3, 0.1, 0.2, 0.2, 0.1]), of_squares),
    }
    claims = []
    for name, (problem, order, gradient) in cases.items():
        study = example_studies.at_rate(problem, order, 1.0, 1)
        claims += [
            Claim(
                f"mean-of-examples-{name}-{j + 1}",
                rf"{name.replace('-', ' ')}: $\mathbb{{E}}\,g_{{0,{j + 1}}}$ is the derivative of R at 0",
                study,
                lambda x, j=j: -x[j],
                "==",
                float(gradient[j]),
                margin=0.02,
            )
            for j in range(2)
        ]
    return PROSE.statement("mean-of-examples", claims=claims, reference=BOOK)


def cost_per_update() -> Statement:
    """An update costs one gradient of an example, whatever n; one of gradient descent n."""
    squares, T = example_studies.squares, example_studies.T
    few, many = (example_studies.at_rate(squares(copies), WithReplacement(), 0.2, T) for copies in (1, 100))
    n = squares(100).examples
    descent = Study(
        oracle=oracles.FullGradient(squares()),
        schedule=schedules.constant(0.2),
        steps=1,
        record=record.at([1]),
        x0=[0.0, 0.0],
    )
    after_one = 0.5 * np.mean((ROWS @ (0.2 * ROWS.T @ TARGETS / 6) - TARGETS) ** 2)
    return PROSE.statement(
        "cost-per-update",
        claims=(
            exactly("cost-few", few, text=r"$\mathbb{E} R(x_{200})$ for n = 6"),
            exactly("cost-many", many, text=r"$\mathbb{E} R(x_{200})$ for n = 600"),
            Claim(
                "cost-descent", "the risk of gradient descent after one update", descent, "risk", "==", float(after_one)
            ),
            Claim(
                "cost-less",
                f"after {T} gradients of examples SGD is below gradient descent after {n}",
                many,
                "risk",
                "<",
                float(after_one),
                margin=0.05,
            ),
        ),
        values={
            "examples": n,
            "updates": T,
            "cost_of_few": few.oracle.example_gradients(T),
            "cost_of_many": many.oracle.example_gradients(T),
        },
        reference=BOOK,
    )


def all_statements() -> tuple[Statement, ...]:
    """The statements of this section, in order."""
    return PROSE.section(
        unbiased(), descent(), levels_off(), too_small_too_large(), mean_of_examples(), cost_per_update()
    )
