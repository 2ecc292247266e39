"""The chapter's second section: learning rates that change over time, and the summary's words on them."""

import jax
import jax.numpy as jnp
import numpy as np

from jaxsgd import schedules
from jaxsgd.state import State, Update
from jaxsgd.study import Study
from jaxsgd.verification.chapter import common, drawing
from jaxsgd.verification.chapter.common import BOOK
from jaxsgd.verification.claim import Claim
from jaxsgd.verification.statement import Statement

PLACE = "Dynamic learning rate"
LATE = 500
"""The update from which on the exponential run is watched for movement."""


def _figure(name: str, title: str, sentence: str, remark: str) -> Statement:
    """One of the chapter's figures: all moments, as coded and as printed where that differs."""
    coded = common.study(name)
    claims = common.moments(name, coded)
    printed = ""
    if name in ("exponential", "polynomial"):
        literal = common.study(name, as_printed=True)
        claims += common.moments(f"{name}-as-printed", literal)
        printed = f" As printed, with t counted from 0, $\\mathbb{{E}} R(x_T) = {common.final_risk(literal):.6g}$."
    return Statement(
        name=f"figure-{name}",
        place=PLACE,
        sentence=sentence,
        tested=(
            rf"{title}, {coded.steps} updates: mean and variance of both coordinates, their covariance, mean and "
            rf"variance "
            rf"of the risk and the mean risk of the $\eta$-weighted average are those of the exact recursions. As "
            rf"coded, "
            rf"$\mathbb{{E}} R(x_T) = {common.final_risk(coded):.6g}$.{printed}"
        ),
        claims=claims,
        remark=remark,
        reference=f"{BOOK}; theory.exact",
        figure=drawing.risk_of(name),
    )


def figures() -> tuple[Statement, ...]:
    """The chapter's three figures, and piecewise constant rates, of which it prints the formula."""
    counter = (
        "The code starts its counter at 1 and increments it before use, so that its first factor is that of t = 2; the "
        "counter is a global variable, so that running the cell twice goes on where it stopped."
    )
    return (
        _figure(
            "constant",
            "Constant rate 0.1",
            "With a constant learning rate the trajectory stays noisy around the minimum (first figure).",
            "",
        ),
        _figure(
            "exponential",
            "Exponential decay, rate 0.1",
            "Exponential decay: the variance of the parameters is much "
            "reduced, and the run ends far from the optimum even after 1000 steps (second figure).",
            counter,
        ),
        _figure(
            "polynomial",
            "Polynomial decay, power 1/2",
            "Polynomial decay with the inverse square root of the number "
            "of steps: convergence is better after only 50 steps (third figure).",
            counter,
        ),
        _figure(
            "piecewise",
            "Piecewise constant rates: 0.1, then 0.05 from update 20, then 0.025 from update 40",
            "Piecewise constant: the learning rate is lowered in stages.",
            "The chapter prints the formula with closed intervals that overlap at their ends; they are read as "
            "half-open, eta_i for t_i <= t < t_{i+1}. It gives no numbers; these are ours.",
        ),
    )


def piecewise() -> Statement:
    """Each stage of a piecewise constant rate relaxes to its own stationary risk."""
    long = common.with_rate(schedules.piecewise_constant([50, 100], [0.1, 0.05, 0.025]), 150)
    first, second = (common.stationary_risk(eta) for eta in (0.1, 0.05))
    return Statement(
        name="piecewise-stages",
        place=PLACE,
        sentence="Lowering the rate whenever progress has stopped is a common strategy.",
        tested=(
            r"Rates 0.1, 0.05, 0.025 for 50 updates each: at the end of each stage $\mathbb{E} R$ is that of the exact "
            "recursion, close to the stationary value of the stage, and each stage ends lower than the one before."
        ),
        claims=(
            common.exactly("stage-1", long, step=50),
            common.exactly("stage-2", long, step=100),
            common.exactly("stage-3", long, step=150),
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
    one = common.study("exponential").replace(path_sums={"late": _late_length})
    constant = common.study("constant", 1000)
    end = common.exact(one).isel(step=-1)
    mean, variance = end["x_mean"].values, np.diag(end["x_covariance"].values)
    bias = float(mean[0] ** 2 + 2 * mean[1] ** 2)
    limit = np.array([-5.0, -2.0]) * np.prod(
        [1 - 0.1 * np.exp(-0.1 * (t + 2)) * np.array([2.0, 4.0]) for t in range(2000)], axis=0
    )
    variance_limit = float(common.exact(constant).isel(step=-1)["x_covariance"].values[0, 0])

    def first_deviation(x: jax.Array) -> jax.Array:
        return (x[0] - mean[0]) ** 2

    def around_the_mean(x: jax.Array) -> jax.Array:
        return (x[0] - mean[0]) ** 2 + 2 * (x[1] - mean[1]) ** 2

    def late(state: State) -> jax.Array:
        return state.path_sums["late"]

    return Statement(
        name="exponential-freezes",
        place=PLACE,
        sentence=(
            "Exponential decay often stops before the algorithm has converged: the variance falls, but even after 1000 "
            "steps the iterate is far from the optimum, to which it does not converge."
        ),
        tested=(
            rf"The iterate stops moving: the path after update {LATE} has length zero. It stops at "
            rf"$\prod_t (1 - h_i\eta_t)\, x_{{0,i}} = ({limit[0]:.5f}, {limit[1]:.5f})$ on average, not at 0, with "
            rf"$\mathbb{{E}} R = {float(end['risk_mean']):.6f}$, of which {bias / float(end['risk_mean']):.1%} is the "
            rf"risk of the mean. $\text{{Var}}\,x_1$ falls to {variance[0]:.5f}, from {variance_limit:.5f} under the "
            rf"constant rate."
        ),
        claims=(
            Claim(
                "frozen",
                f"the path after update {LATE} is shorter than a thousandth",
                one,
                late,
                "<",
                1e-3,
                margin=5e-4,
                magnitude=1.0,
            ),
            Claim(
                "frozen-mean-1",
                "where it stops on average, first coordinate",
                one,
                lambda x: x[0],
                "==",
                float(limit[0]),
                margin=0.005,
            ),
            Claim(
                "frozen-mean-2",
                "where it stops on average, second coordinate",
                one,
                lambda x: x[1],
                "==",
                float(limit[1]),
                margin=0.002,
            ),
            common.exactly("frozen-risk", one),
            Claim(
                "frozen-variance-part",
                "the risk that is not that of the mean: the part of the variance",
                one,
                around_the_mean,
                "==",
                float(end["risk_mean"]) - bias,
                reference="theory.exact",
            ),
            Claim(
                "frozen-variance",
                "the variance of the first coordinate is below a quarter of that under the constant rate",
                one,
                first_deviation,
                "<",
                variance_limit / 4,
                margin=variance_limit / 50,
            ),
        ),
        remark=(
            'The chapter says that the algorithm "fails to converge at all". The iterates do converge, almost surely '
            "and in mean square, since the sum of the learning rates is finite: to a random point that is not the "
            "minimiser. "
            "Gradient descent freezes at the same mean; noise is not the cause. The risk left over is 2% of that at "
            "the start."
        ),
        reference=BOOK,
        figure=drawing.bias,
    )


def polynomial_better() -> Statement:
    """Polynomial decay beats the constant rate after 50 steps; it overtakes at update 23."""
    polynomial, constant = common.study("polynomial"), common.study("constant")
    ahead, behind = (
        float(common.exact(polynomial).sel(step=s)["risk_mean"] - common.exact(constant).sel(step=s)["risk_mean"])
        for s in (23, 22)
    )
    averages = [float(common.exact(one).isel(step=-1)["risk_of_eta_mean"]) for one in (polynomial, constant)]

    def paired(name: str, text: str, relation: str, step: int, margin: float) -> Claim:
        return Claim(name, text, polynomial, "risk", relation, 0.0, step=step, against=constant, margin=margin)

    return Statement(
        name="polynomial-better",
        place=PLACE,
        sentence="With polynomial decay convergence becomes better after only 50 steps.",
        tested=(
            "As coded, trajectory against trajectory with the same draws: the risk of polynomial decay is below that "
            "of "
            rf"the constant rate after 50 updates. It overtakes at update 23 ($\mathbb{{E}}$ of the difference "
            rf"{behind:+.6f} at 22, {ahead:+.6f} at 23)."
        ),
        claims=(
            paired("better-at-50", "polynomial decay is better after 50 updates", "<", 50, 0.01),
            paired("worse-at-22", "polynomial decay is still worse after 22 updates", ">", 22, behind / 2),
            paired("better-at-23", "polynomial decay is better after 23 updates", "<", 23, -ahead / 2),
        ),
        remark=(
            f"This is about the last iterate. After 50 steps the average that the analysis bounds is worse under "
            f"polynomial decay ({averages[0]:.4f}) than under the constant rate ({averages[1]:.4f}): it remembers the "
            f"start."
        ),
        reference=BOOK,
        figure=drawing.overtaking,
    )


def how_fast() -> Statement:
    """How fast to decay: too fast stops too early, too slow wastes the noise."""
    claims = [common.exactly(f"decay-{rate:.3g}", common.exponential(float(rate))) for rate in common.DECAYS]
    claims += [common.exactly(f"power-{power:g}", common.polynomial(float(power))) for power in common.POWERS]
    power, decay = common.polynomial(0.75), common.exponential(0.03)
    square_root = common.polynomial(0.5)

    def worse(name: str, text: str, one: Study, than: Study, margin: float) -> Claim:
        return Claim(name, text, one, "risk", ">", 0.0, against=than, margin=margin)

    claims += [
        worse("power-too-fast", "power 3 is worse than power 0.75", common.polynomial(3.0), power, 0.1),
        worse("power-too-slow", "power 0, no decay, is worse than power 0.75", common.polynomial(0.0), power, 0.01),
        worse("power-square-root", "power 1/2 is worse than power 0.75, at T = 50", square_root, power, 0.002),
        worse("decay-too-fast", "rate 0.2 is worse than rate 0.03", common.exponential(0.2), decay, 0.1),
        worse("decay-too-slow", "rate 0.003 is worse than rate 0.03", common.exponential(0.003), decay, 0.01),
        worse(
            "decay-beats-power",
            "power 1/2 is worse than exponential decay with rate 0.03, at T = 50",
            square_root,
            decay,
            0.003,
        ),
    ]
    return Statement(
        name="how-fast-to-decay",
        place=PLACE,
        sentence=(
            "If the rate decreases too quickly, optimising stops prematurely; if it decreases too slowly, too much "
            "time "
            "is wasted. Polynomial decay with power 1/2 is a popular choice."
        ),
        tested=(
            rf"$\mathbb{{E}} R(x_{{50}})$ under $0.1\,e^{{-\lambda t}}$ for {len(common.DECAYS)} values of $\lambda$ "
            rf"and under "
            rf"$0.1\,(1 + 0.1 t)^{{-\alpha}}$ for {len(common.POWERS)} values of $\alpha$ is that of exact moments; "
            rf"too fast "
            r"and too slow are worse than $\lambda = 0.03$ and $\alpha = 0.75$, trajectory against trajectory."
        ),
        claims=claims,
        remark=(
            rf"What is best depends on the problem and on T. On this quadratic and at T = 50, $\mathbb{{E}} R$ is "
            rf"{common.final_risk(square_root):.4f} with power 1/2, {common.final_risk(power):.4f} with power 0.75 and "
            rf"{common.final_risk(decay):.4f} under exponential decay with rate 0.03, tuned to this T. Power 1/2 is "
            rf"the safe "
            "choice for convex problems in general, without strong convexity and without a known T."
        ),
        reference=BOOK,
        figure=drawing.decays,
    )


def wide_choice() -> Statement:
    """Which learning rates converge: the sum must diverge and the rate must vanish."""
    claims = []
    for name, (one, converges) in common.choices().items():
        claims.append(common.exactly(f"choice-{name}", one))
        earlier = float(common.exact(one).sel(step=one.steps // 10)["risk_mean"])
        if converges:
            claims.append(
                Claim(
                    f"choice-{name}-falls",
                    "tenfold steps at least halve the risk",
                    one,
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
                    one,
                    "risk",
                    "within",
                    earlier,
                    margin=0.01 * earlier,
                )
            )
    return Statement(
        name="wide-choice-converges",
        place="Summary",
        sentence="For convex problems a wide choice of learning rates makes SGD converge to the optimal solution.",
        tested=(
            r"On this quadratic $\mathbb{E} R(x_T) \to R^*$ exactly when $\sum_t \eta_t = \infty$ and $\eta_t \to 0$. "
            r"From $T = 100$ to $1000$ the risk at least halves under three rates that do both, $0.1(1 + "
            r"0.1t)^{-1/2}$, "
            r"$0.1/(1 + 0.05t)$, $0.25/\sqrt{t + 1}$, and stays within 1% under the constant rate (which does not "
            r"vanish) "
            "and exponential decay (whose sum is finite)."
        ),
        claims=claims,
        remark=(
            "Convergence is of the last iterate here. The averages converge under the constant rate too, to the order "
            "of "
            "1/T on a quadratic."
        ),
        proof=(
            r"In an eigendirection of curvature h > 0 the mean is $\prod_t (1 - \eta_t h)\, e_0$ and the variance "
            r"obeys "
            r"$v_{t+1} = (1 - \eta_t h)^2 v_t + \eta_t^2 s$, with noise s > 0.",
            r"Sufficient: if $\eta_t \to 0$ and $\sum_t\eta_t = \infty$, the product tends to 0, and eventually "
            r"$v_{t+1} \le "
            r"(1 - \eta_t h) v_t + \eta_t h \cdot (\eta_t s/h)$, a weighted mean of $v_t$ and a quantity that "
            r"vanishes, so that "
            r"$v_t \to 0$.",
            r"Necessary: $v_{t+1} \ge \eta_t^2 s$, so that $\eta_t$ must vanish. If it does and $\sum_t \eta_t < "
            r"\infty$, let $t_0$ "
            r"be an update with $\eta_{t_0} > 0$ after which all $\eta_t h < 1$: $v_T \ge \eta_{t_0}^2 s \prod_{t > "
            r"t_0} (1 - "
            r"\eta_t h)^2$, whose limit is positive.",
        ),
        reference="Robbins and Monro (1951); for quadratics square-summability is not needed",
        figure=drawing.choices,
    )


def all_statements() -> tuple[Statement, ...]:
    """The statements of this section, in order."""
    return *figures(), piecewise(), freezes(), polynomial_better(), how_fast()
