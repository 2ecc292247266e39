"""The chapter's fourth section, second half: in which order the examples of a finite sum are used."""

import jax
import jax.numpy as jnp
import numpy as np

from jaxsgd import record, schedules
from jaxsgd.orders import ImportanceSampling
from jaxsgd.state import State, Update
from jaxsgd.verification.chapter import drawing, example_studies
from jaxsgd.verification.chapter.exact_values import exactly, final_risk
from jaxsgd.verification.chapter.example_studies import EPOCHS, KAPPA, MEANS, ORDERS, ROWS, SIGNS, T, squares
from jaxsgd.verification.chapter.prose import Prose
from jaxsgd.verification.claim import Claim
from jaxsgd.verification.statement import Statement

PROSE = Prose.of("orders_of_examples")
SHUFFLING = "Mishchenko, Khaled and Richtárik (2020), arXiv 2006.05988; theory.exact"


def four_orders() -> Statement:
    """The exact squared distance of four orders."""
    texts = {
        "with-replacement": "with replacement",
        "reshuffled": "a fresh permutation for every epoch",
        "shuffled-once": "one permutation for all epochs",
        "incremental": "in the order of the data",
    }
    claims = [
        exactly(
            f"order-{name}",
            example_studies.towards_mean(name),
            "distance_squared",
            text=rf"{text}, $\mathbb{{E}}(x_{{50}} - x^*)^2$",
        )
        for name, text in texts.items()
    ]
    return PROSE.statement("four-orders", claims, reference=SHUFFLING, figure=drawing.orders)


def data_efficiency() -> Statement:
    """With replacement: more variance, less efficiency."""
    names = ("with-replacement", "reshuffled")
    drawn, shuffled = (example_studies.running_mean(name) for name in names)
    squares_drawn, squares_shuffled = (example_studies.epochs(squares(), name, 0.2) for name in names)
    variance, n = float(MEANS.var()), len(MEANS)

    def noise(update: Update) -> jax.Array:
        return jnp.sum(update.x - update.gradient)

    summed = shuffled.replace(path_sums={"noise": noise}, steps=n, record=record.at([n]))
    return PROSE.statement(
        "data-efficiency",
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
            exactly("squares-drawn", squares_drawn, text=r"least squares with replacement, $\mathbb{E} R(x_{60})$"),
            exactly("squares-reshuffled", squares_shuffled, text=r"least squares reshuffled, $\mathbb{E} R(x_{60})$"),
            Claim(
                "squares-difference",
                "reshuffled, the risk is smaller than with replacement",
                squares_shuffled,
                "risk",
                "<",
                against=squares_drawn,
                margin=0.005,
            ),
        ),
        reference=SHUFFLING,
        figure=drawing.examples_used,
    )


def _noise_sum(state: State) -> jax.Array:
    return state.path_sums["noise"]


def shuffling_needs_epochs() -> Statement:
    """No gain from shuffling until the number of epochs is well above the condition number."""
    claims, ratios, n = [], {}, len(SIGNS)
    for epochs in (4, 100):
        rate = schedules.constant(np.log(n * epochs) / (n * epochs))
        start = (-0.5, -0.5 / KAPPA)
        runs = {
            name: example_studies.sampled(example_studies.tilted(), ORDERS[name], rate, n * epochs, start)
            for name in ("with-replacement", "reshuffled")
        }
        claims += [
            exactly(
                f"epochs-{epochs}-{name}",
                study,
                text=rf"{name.replace('-', ' ')}, {epochs} epochs, $\mathbb{{E}} R(x_T) - R^*$",
                margin=0.03 * final_risk(study),
            )
            for name, study in runs.items()
        ]
        ratios[f"after_{epochs}"] = final_risk(runs["reshuffled"]) / final_risk(runs["with-replacement"])
    return PROSE.statement(
        "shuffling-needs-epochs",
        claims,
        {"condition": KAPPA, "examples": n, **ratios},
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
    claims = [
        exactly(
            f"importance-{name}",
            example_studies.at_rate(squares(), order, 0.2, T),
            text=texts[name],
            margin=0.0008,
        )
        for name, order in runs.items()
    ]
    return PROSE.statement(
        "importance-can-hurt",
        claims,
        {"updates": T},
        reference="Needell, Srebro and Ward (2014), arXiv 1310.5715; theory.exact",
    )


def all_statements() -> tuple[Statement, ...]:
    """The statements of this half, in order."""
    return PROSE.section(four_orders(), data_efficiency(), shuffling_needs_epochs(), importance_can_hurt())
