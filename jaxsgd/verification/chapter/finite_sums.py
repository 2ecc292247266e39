"""Finite sums, of which all parts of the chapter speak: gradients of examples, their cost, and orders of examples."""

import functools
from typing import Any

import jax
import jax.numpy as jnp
import numpy as np

from jaxsgd import record, schedules, theory
from jaxsgd.oracles import FullGradient
from jaxsgd.orders import ImportanceSampling, RandomReshuffling, WithReplacement
from jaxsgd.problems import FiniteSum
from jaxsgd.state import State, Update
from jaxsgd.study import Study
from jaxsgd.verification.chapter import drawing
from jaxsgd.verification.chapter.common import BOOK
from jaxsgd.verification.chapter.example_studies import (
    EPOCHS,
    MEANS,
    ORDERS,
    ROWS,
    TARGETS,
    T,
    at_rate,
    logistic,
    running_mean,
    squares,
    study,
    towards_mean,
)
from jaxsgd.verification.claim import Claim
from jaxsgd.verification.statement import Statement

UPDATES, SAMPLES = "Stochastic gradient updates", "Stochastic gradients and finite samples"
SHUFFLING = "Mishchenko, Khaled and Richtárik (2020), arXiv 2006.05988; theory.exact"


def exactly(name: str, text: str, one: Study, observable: str = "distance_squared", **options: Any) -> Claim:
    """E of an observable at the end is its exact value."""
    value = float(theory.exact(one)[f"{observable}_mean"][-1])
    return Claim(name, f"{text}: {value:.6g}", one, observable, "==", value, reference="theory.exact", **options)


def mean_of_examples() -> Statement:
    """E_i grad f_i = grad R."""
    cases = {
        "least-squares": (squares(), WithReplacement(), -ROWS.T @ TARGETS / 6),
        "logistic-regression": (logistic(), WithReplacement(), -ROWS.T @ (np.where(TARGETS > 0.2, 1, -1) / 2) / 6),
        "importance-sampling": (squares(), ImportanceSampling([0.1, 0.3, 0.1, 0.2, 0.2, 0.1]), -ROWS.T @ TARGETS / 6),
    }
    claims = []
    for name, (problem, order, gradient) in cases.items():
        one = at_rate(problem, order, 1.0, 1)
        claims += [
            Claim(
                f"mean-of-examples-{name}-{j + 1}",
                rf"{name.replace('-', ' ')}: $\mathbb{{E}}\,g_{{0,{j + 1}}}$ is the derivative of R at 0",
                one,
                lambda x, j=j: -x[j],
                "==",
                float(gradient[j]),
                margin=0.02,
            )
            for j in range(2)
        ]
    return Statement(
        name="mean-of-examples",
        place=UPDATES,
        sentence=r"Drawn from the examples, the stochastic gradient has the mean $\nabla f(x)$.",
        tested=(
            r"$\mathbb{E}_i \nabla f_i(0) = \frac1n \sum_i \nabla f_i(0)$, written out for six examples in "
            "two dimensions: least squares and logistic regression with equal probabilities, and least squares with "
            r"unequal ones and weights $1/(n p_i)$. The first update from 0 with learning rate 1 ends at $-g_0$."
        ),
        claims=claims,
        remark=(
            "It holds given the past if every example is drawn afresh. Without replacement it holds for the first "
            "update of an epoch only: then the examples that were used are excluded, and the noise of an epoch sums "
            "to 0."
        ),
        reference=BOOK,
    )


def cost_per_update() -> Statement:
    """An update costs one gradient of an example, whatever n; one of gradient descent n."""
    few, many = (at_rate(squares(copies), WithReplacement(), 0.2, T) for copies in (1, 100))
    n = squares(100).examples
    descent = Study(
        oracle=FullGradient(squares()), schedule=schedules.constant(0.2), steps=1, record=record.at([1]), x0=[0.0, 0.0]
    )
    after_one = 0.5 * np.mean((ROWS @ (0.2 * ROWS.T @ TARGETS / 6) - TARGETS) ** 2)
    return Statement(
        name="cost-per-update",
        place=UPDATES,
        sentence=(
            "Gradient descent costs O(n) for each update, SGD O(1): with more examples gradient descent becomes "
            "dearer, SGD does not."
        ),
        tested=(
            f"Least squares with n = 6 examples and with each of them 100 times, n = {n}: the same risk. SGD, learning "
            f"rate 0.2, {T} updates: {few.oracle.example_gradients(T)} and {many.oracle.example_gradients(T)} "
            r"gradients of examples, and the same $\mathbb{E} R(x_T)$, the exact value of a recursion. "
            f"Gradient descent with this learning rate has taken {n} gradients of examples after its first update, and "
            "its risk is larger."
        ),
        claims=(
            exactly("cost-few", r"$\mathbb{E} R(x_{200})$ for n = 6", few, "risk"),
            exactly("cost-many", r"$\mathbb{E} R(x_{200})$ for n = 600", many, "risk"),
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
        remark=(
            "Cost is counted in gradients of examples; results carry it as `example_gradients`. For how long SGD stays "
            "ahead depends on the noise: it ends above R*, with a constant rate, and gradient descent does not."
        ),
        reference=BOOK,
    )


def four_orders() -> Statement:
    """The exact squared distance of four orders."""
    texts = {
        "with-replacement": "with replacement",
        "reshuffled": "a fresh permutation for every epoch",
        "shuffled-once": "one permutation for all epochs",
        "incremental": "in the order of the data",
    }
    claims = [
        exactly(f"order-{name}", rf"{texts[name]}, $\mathbb{{E}}(x_{{50}} - x^*)^2$", towards_mean(order))
        for name, order in ORDERS.items()
    ]
    return Statement(
        name="four-orders",
        place=SAMPLES,
        sentence="In practice every example is used once in an epoch, in random order.",
        tested=(
            r"Ten epochs on $f_i(x) = (x - a_i)^2/2$ with a = (-2, -0.5, 0.3, 1.2, 3), from 2 with rate 0.1. "
            r"With $c_t = \eta_t \prod_{u>t} (1 - \eta_u)$ the end is $x_T - x^* = P e_0 + \sum_t c_t (a_{i_t} - x^*)$"
            ", whose second moment is known for every order."
        ),
        claims=claims,
        remark="Which order is best depends on the learning rate and on the number of epochs, see below.",
        reference=SHUFFLING,
        figure=drawing.orders,
    )


def data_efficiency() -> Statement:
    """With replacement: more variance, less efficiency."""
    drawn, shuffled = (running_mean(order) for order in (WithReplacement(), RandomReshuffling()))
    variance, n = float(MEANS.var()), len(MEANS)

    def noise(update: Update) -> jax.Array:
        return jnp.sum(update.x - update.gradient)

    summed = shuffled.replace(path_sums={"noise": noise}, steps=n, record=record.at([n]))
    rows = [at_rate(squares(), order, 0.2, EPOCHS * len(ROWS)) for order in (WithReplacement(), RandomReshuffling())]
    return Statement(
        name="data-efficiency",
        place=SAMPLES,
        sentence="Drawing with replacement has more variance and uses the data less efficiently.",
        tested=(
            r"On the mean of five numbers with $\eta_t = 1/(t + 1)$, after ten epochs: with replacement "
            r"$\mathbb{E}(x_T - x^*)^2 = s^2/(nK)$, $s^2$ the variance of the numbers; without, $x_T$ is their mean, "
            r"on every trajectory. The stochastic gradients of an epoch without replacement sum to the full one. On "
            "least squares with different Hessians, ten epochs at learning rate 0.2: exact values of both, and their "
            "difference with the same random numbers."
        ),
        claims=(
            Claim(
                "running-mean-drawn",
                rf"with replacement $\mathbb{{E}}(x_T - x^*)^2 = s^2/(nK)$: {variance / (n * EPOCHS):.6g}",
                drawn,
                "distance_squared",
                "==",
                variance / (n * EPOCHS),
                reference="theory.exact",
            ),
            Claim(
                "running-mean-reshuffled",
                "without replacement the iterate is the mean of the numbers",
                shuffled,
                lambda x: x[0],
                "==",
                float(MEANS.mean()),
                magnitude=2.0,
            ),
            Claim(
                "noise-of-an-epoch",
                r"$\sum_t (x_t - g_t)$ over an epoch without replacement is the sum of the numbers",
                summed,
                _noise_sum,
                "==",
                float(MEANS.sum()),
                magnitude=7.0,
            ),
            exactly("squares-drawn", r"least squares with replacement, $\mathbb{E} R(x_{60})$", rows[0], "risk"),
            exactly("squares-reshuffled", r"least squares reshuffled, $\mathbb{E} R(x_{60})$", rows[1], "risk"),
            Claim(
                "squares-difference",
                "reshuffled, the risk is smaller than with replacement",
                rows[1],
                "risk",
                "<",
                against=rows[0],
                margin=0.005,
            ),
        ),
        remark=(
            "It is so in these examples; it need not be so early, see the condition number below. The figure: an epoch "
            "with replacement never sees 37% of the examples."
        ),
        reference=SHUFFLING,
        figure=drawing.coverage,
    )


def _noise_sum(state: State) -> jax.Array:
    return state.path_sums["noise"]


KAPPA, SIGNS = 20.0, np.repeat([1.0, -1.0], 10)


def _tilted(x: jax.Array, sign: jax.Array) -> jax.Array:
    return x[0] ** 2 / 2 + KAPPA * x[1] ** 2 / 2 - sign * x[1] / 2


@functools.cache
def tilted() -> FiniteSum:
    """f_i(x) = x_1^2/2 + kappa x_2^2/2 - s_i x_2/2 with signs s_i that sum to 0."""
    return FiniteSum(_tilted, SIGNS, start=np.zeros(2), strong_convexity=1.0, smoothness=KAPPA)


def shuffling_needs_epochs() -> Statement:
    """No gain from shuffling until the number of epochs is well above the condition number."""
    claims, n = [], len(SIGNS)
    for epochs in (4, 100):
        rate = np.log(n * epochs) / (n * epochs)
        runs = {
            name: study(tilted(), ORDERS[name], schedules.constant(rate), n * epochs, (-0.5, -0.5 / KAPPA))
            for name in ("with-replacement", "reshuffled")
        }
        claims += [
            exactly(
                f"epochs-{epochs}-{name}",
                rf"{name.replace('-', ' ')}, {epochs} epochs, $\mathbb{{E}} R(x_T) - R^*$",
                one,
                "risk",
                margin=0.03 * float(theory.exact(one)["risk_mean"][-1]),
            )
            for name, one in runs.items()
        ]
    return Statement(
        name="shuffling-needs-epochs",
        place=SAMPLES,
        sentence="(Beyond the chapter) when is it that shuffling pays?",
        tested=(
            rf"$f_i(x) = x_1^2/2 + {KAPPA:g}\,x_2^2/2 - s_i x_2/2$ with n = {n} signs that sum to 0: condition number "
            rf"{KAPPA:g}, K epochs with the constant learning rate $\ln(nK)/(nK)$. At K = 4 the exact risk reshuffled "
            "is 1.01 times that with replacement; at K = 100, five times the condition number, 0.18 times."
        ),
        claims=claims,
        reference='Safran and Shamir (2021), "Random shuffling beats SGD only after many epochs on ill-conditioned '
        'problems", arXiv 2106.06880; theory.exact',
    )


def importance_can_hurt() -> Statement:
    """Importance sampling proportional to smoothness may be worse than equal probabilities."""
    smoothness = np.sum(ROWS**2, 1)
    probabilities = smoothness / smoothness.sum()
    runs = {
        "equal": ImportanceSampling(np.full(6, 1 / 6)),
        "smoothness": ImportanceSampling(probabilities),
        "half-half": ImportanceSampling((probabilities + 1 / 6) / 2),
    }
    texts = {
        "equal": "equal probabilities",
        "smoothness": r"$p_i \propto L_i$",
        "half-half": "the mean of both probabilities",
    }
    return Statement(
        name="importance-can-hurt",
        place=SAMPLES,
        sentence="(Beyond the chapter) does it help to draw examples with larger gradients more often?",
        tested=(
            rf"Least squares with six examples, learning rate 0.2, {T} updates: $\mathbb{{E}} R(x_T)$ with equal "
            r"probabilities, with $p_i$ proportional to the smoothness $L_i = \|a_i\|^2$, and with the mean of both, "
            "against the recursion of second moments. Proportional to the smoothness is worse than equal here; half of "
            "it is better."
        ),
        claims=[
            exactly(f"importance-{name}", texts[name], at_rate(squares(), order, 0.2, T), "risk", margin=0.0008)
            for name, order in runs.items()
        ],
        remark=(
            r"Sampling by smoothness allows larger learning rates, but $\frac1n\sum_i \|\nabla f_i(x^*)\|^2/(n p_i)$ "
            "may grow."
        ),
        reference="Needell, Srebro and Ward (2014), arXiv 1310.5715; theory.exact",
    )


def exercise() -> Statement:
    """Exercise 3: with and without replacement."""
    drawn, shuffled = (
        at_rate(logistic(), order, 0.5, EPOCHS * len(ROWS)) for order in (WithReplacement(), RandomReshuffling())
    )
    mean_drawn, mean_shuffled = (towards_mean(ORDERS[name]) for name in ("with-replacement", "reshuffled"))
    return Statement(
        name="exercise-3-orders",
        place="Exercises",
        sentence="Exercise 3: compare SGD that draws with replacement and without.",
        tested=(
            "Ten epochs, differences of the two orders with the same random numbers: the mean of five numbers at "
            "learning rate 0.1 (squared distance), logistic regression with six examples at 0.5 (risk). Least squares "
            'is tested with the sentence on efficiency, and four orders with that on practice ("four-orders").'
        ),
        claims=(
            exactly("exercise-3-exact", r"the mean reshuffled, $\mathbb{E}(x_T - x^*)^2$", mean_shuffled),
            Claim(
                "exercise-3-means",
                r"$\mathbb{E}(x_T - x^*)^2$ is smaller without replacement",
                mean_shuffled,
                "distance_squared",
                "<",
                against=mean_drawn,
                margin=0.05,
            ),
            Claim(
                "exercise-3-logistic",
                r"$\mathbb{E} R(x_T)$ of logistic regression is smaller without replacement",
                shuffled,
                "risk",
                "<",
                against=drawn,
                margin=0.0005,
            ),
        ),
        reference=BOOK,
    )


def of_updates() -> tuple[Statement, ...]:
    """The statements of the section on updates, in order."""
    return mean_of_examples(), cost_per_update()


def of_samples() -> tuple[Statement, ...]:
    """The statements of the section on finite samples, in order."""
    return four_orders(), data_efficiency(), shuffling_needs_epochs(), importance_can_hurt()
