"""The chapter's first section: stochastic gradients, and its first experiment."""

from collections.abc import Callable
from typing import Any

import jax
import jax.numpy as jnp
import numpy as np

from jaxsgd import averages, oracles
from jaxsgd.state import Update
from jaxsgd.verification.chapter import common, drawing
from jaxsgd.verification.chapter.common import BOOK
from jaxsgd.verification.claim import Claim
from jaxsgd.verification.statement import Statement

PLACE = "Stochastic gradient updates"


def _noise(update: Update) -> jax.Array:
    return update.gradient - common.gradient(update.x)


def _first(update: Update) -> jax.Array:
    return _noise(update)[0]


def _second(update: Update) -> jax.Array:
    return _noise(update)[1]


def _energy(update: Update) -> jax.Array:
    return jnp.sum(_noise(update) ** 2)


def unbiased() -> Statement:
    """Stochastic gradients are unbiased."""
    sums = {"first": _first, "second": _second, "energy": _energy, **common.SUMS}
    study = common.study("constant").replace(path_sums=sums, averages={})
    T = study.steps

    def claim(name: str, text: str, variable: Callable[[Any], Any], value: float = 0.0, **options: Any) -> Claim:
        return Claim(f"unbiased-{name}", text, study, variable, "==", value, **options)

    return Statement(
        name="unbiased",
        place=PLACE,
        sentence="The stochastic gradient is an unbiased estimate of the full gradient: on average it is right.",
        tested=(
            r"Along trajectories of the first experiment, $\sum_t (g_t - \nabla R(x_t))$ has mean zero in both "
            r"coordinates, is uncorrelated with the point, $\mathbb{E}\sum_t \eta_t \langle g_t - \nabla R(x_t), x_t"
            r"\rangle = 0$, and has the variance of the noise that the code adds, $\mathbb{E}\|g_t - \nabla "
            r"R(x_t)\|^2 = 2$."
        ),
        claims=(
            claim("first", r"$\mathbb{E}\sum_t (g_t - \nabla R(x_t))_1 = 0$", lambda state: state.path_sums["first"]),
            claim("second", r"$\mathbb{E}\sum_t (g_t - \nabla R(x_t))_2 = 0$", lambda state: state.path_sums["second"]),
            claim(
                "martingale",
                r"$2\,\mathbb{E}\sum_t \eta_t\langle \nabla R(x_t) - g_t, x_t\rangle = 0$",
                common.martingale,
            ),
            claim(
                "variance",
                r"$\mathbb{E}\frac1T\sum_t\|g_t - \nabla R(x_t)\|^2 = 2$",
                lambda state: state.path_sums["energy"] / T,
                2.0,
                margin=0.02,
            ),
        ),
        remark=(
            "Here the noise is added to the gradient. That the mean over the examples of a data set is the full "
            "gradient is tested below."
        ),
        reference=BOOK,
    )


def descent() -> Statement:
    """Gradient descent beside SGD."""
    sgd = common.study("constant")
    descent = sgd.replace(oracle=oracles.FullGradient(common.PROBLEM), averages={"eta": averages.StepSizeWeighted()})
    path = np.array([-5.0, -2.0]) * (1 - 0.1 * np.array([2.0, 4.0])) ** sgd.steps
    spread = float(np.trace(common.exact(sgd).isel(step=-1)["x_covariance"].values))

    def from_descent(x: jax.Array) -> jax.Array:
        return (x[0] - path[0]) ** 2 + (x[1] - path[1]) ** 2

    return Statement(
        name="noisier-than-descent",
        place=PLACE,
        sentence="The trajectory of SGD is much noisier than that of gradient descent, even near the minimum.",
        tested=(
            r"After 50 updates gradient descent is at $(1 - 0.1\,h_i)^{50} x_{0,i}$ on every trajectory, with risk "
            r"below "
            r"$10^{-8}$. SGD is there on average, and away from it by $\mathbb{E}\|x_{50} - x_{50}^{GD}\|^2 = "
            r"\text{tr}\,"
            r"\text{Cov}\,x_{50}$; its risk is higher on average."
        ),
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
        remark=(
            "The mean of the SGD iterate is exactly the iterate of gradient descent here, because the gradient is "
            "linear: all of the difference is variance."
        ),
        reference=BOOK,
        figure=drawing.paths,
    )


def levels_off() -> Statement:
    """The constant learning rate does not improve with more steps; its average does."""
    short, long = common.study("constant"), common.study("constant", 1000)
    stationary = common.stationary_risk(0.1)
    average, later = (float(common.exact(one).isel(step=-1)["risk_of_eta_mean"]) for one in (short, long))
    return Statement(
        name="constant-levels-off",
        place=PLACE,
        sentence="After 50 steps the quality is still not good, and it does not improve with more steps.",
        tested=(
            r"$\mathbb{E} R(x_{50})$ and $\mathbb{E} R(x_{1000})$ both equal the stationary value "
            rf"$\sum_i \frac{{\eta}}{{2(2 - \eta h_i)}} = {stationary:.6g}$ within 0.5%. The average $\bar x$ of the "
            "same trajectories does improve: from "
            rf"$\mathbb{{E}} R(\bar x_{{50}}) = {average:.4g}$ to $\mathbb{{E}} R(\bar x_{{1000}}) = {later:.4g}$."
        ),
        claims=(
            Claim(
                "levels-off-50",
                r"$\mathbb{E} R(x_{50})$ is the stationary value within 0.5%",
                short,
                "risk",
                "within",
                stationary,
                margin=0.005 * stationary,
                reference="theory.stationary",
            ),
            Claim(
                "levels-off-1000",
                r"$\mathbb{E} R(x_{1000})$ is the stationary value within 0.5%",
                long,
                "risk",
                "within",
                stationary,
                margin=0.005 * stationary,
                reference="theory.stationary",
            ),
            common.exactly("levels-off-average", long, "risk_of_eta"),
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
        remark=(
            "The sentence is right for the last iterate. It is not for the average of the iterates, whose expected "
            "risk "
            "goes on falling like 1/T with a constant learning rate on this quadratic."
        ),
        reference=BOOK,
        figure=drawing.constant,
    )


def too_small_too_large() -> Statement:
    """The risk after 50 steps over the learning rate is U-shaped."""
    rates, T = common.RATES, common.T
    best = common.best_rate()
    claims = [common.exactly(f"rate-{rate:.3g}", common.at_rate(float(rate), T)) for rate in rates]
    at_best = common.at_rate(best, T)
    wrong = {"small": (rates[0], 0.1), "large": (rates[-1], 0.1)}
    wrong |= {"smaller": (0.7 * best, 0.002), "larger": (1.5 * best, 0.002)}
    for name, (rate, margin) in wrong.items():
        other = common.at_rate(float(rate), T)
        claims.append(
            Claim(
                f"rate-too-{name}",
                f"a rate of {rate:.3g} is worse than the best, {best:.3g}",
                other,
                "risk",
                ">",
                0.0,
                against=at_best,
                margin=margin,
            )
        )
    return Statement(
        name="too-small-too-large",
        place=PLACE,
        sentence=(
            "A learning rate that is too small makes no meaningful progress at first; one that is too large gives no "
            "good solution."
        ),
        tested=(
            rf"$\mathbb{{E}} R(x_{{50}})$ at {len(rates)} constant learning rates from {rates[0]:.3g} to "
            rf"{rates[-1]:.3g} "
            rf"is that of exact moments, with its minimum at $\eta = {best:.4f}$ (found on the exact curve); both "
            rf"ends are "
            "worse than the minimum, trajectory against trajectory with the same draws."
        ),
        claims=claims,
        remark=r"Above $\eta = 2/h_{\max} = 0.5$ the iterates diverge.",
        reference=BOOK,
        figure=drawing.rates,
    )


def all_statements() -> tuple[Statement, ...]:
    """The statements of this section, in order."""
    return unbiased(), descent(), levels_off(), too_small_too_large()
