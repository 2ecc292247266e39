"""Exercise 5, second half: many coordinates, and a function that asks for a visit of every minimum."""

import functools

from jaxsgd import theory
from jaxsgd.verification.chapter import hidden_studies as hidden
from jaxsgd.verification.chapter import rippled_studies as rippled
from jaxsgd.verification.chapter.prose import Prose
from jaxsgd.verification.claim import Claim
from jaxsgd.verification.statement import Statement

PROSE = Prose.of("hidden_minimum")


def dimensions() -> Statement:
    """In d separable dimensions there are k^d minima, and the best one is found with probability p^d."""
    study, largest = rippled.cosine(max(rippled.DIMENSIONS)), max(rippled.DIMENSIONS)
    alone = rippled.cosine(1)
    p = float(theory.markov_kernel(alone).probabilities({"best": rippled.best_cell()}, [alone.steps])[0, 0])
    return PROSE.statement(
        "exercise-5-dimensions",
        claims=[
            Claim(
                f"dimensions-{d}",
                f"in d = {d} coordinates the end is in the cell of the global minimum with probability {p**d:.6g}",
                study,
                functools.partial(rippled.all_best, d),
                "==",
                p**d,
                reference="theory.markov_kernel",
                margin=min(0.01, 0.2 * p**d),
            )
            for d in rippled.DIMENSIONS
        ],
        values={"p": p, "largest": largest, "least": p**largest, "minima": 3**largest},
        reference="theory.markov_kernel; the proof below",
    )


def hidden_minimum() -> Statement:
    """A dent at an unknown minimum is found by visiting that minimum only."""
    study, k, steps = hidden.search(), hidden.COUNT, hidden.STEPS
    kernel = theory.markov_kernel(rippled.noisy(0.0, hidden.RATE, hidden.STD, steps))
    left, _, right = hidden.places()
    around = {name: (place - hidden.WIDTH, place + hidden.WIDTH) for name, place in (("left", left), ("right", right))}
    visits = [float(kernel.entry_probability({name: ends}, [steps])[0]) for name, ends in around.items()]
    only_one = 1 - float(kernel.entry_probability(around, [steps])[0])
    # The start lies in the dent at 0.
    among_two, found = (2 - only_one) / k, (1 + sum(visits)) / k
    return PROSE.statement(
        "exercise-5-hidden",
        claims=(
            Claim(
                "hidden-same-path",
                "two functions, their dents at different minima, the same draws: after the last update the iterates "
                "are equal, bit by bit, or one has been in its dent",
                study,
                hidden.same_until_seen,
                "==",
                1.0,
                margin=0.001,
            ),
            Claim(
                "hidden-visits",
                f"within {steps} updates the dent is found as one of the first 2 minima that are visited with "
                f"probability {among_two:.6g}, which is 2/{k} but for runs that visit one only",
                study,
                functools.partial(hidden.found_among, 2),
                "==",
                among_two,
                reference="the proof below; theory.markov_kernel",
            ),
            Claim(
                "hidden-found",
                f"the dent is found within {steps} updates with probability {found:.6g}",
                study,
                functools.partial(hidden.found_among, k),
                "==",
                found,
                reference="theory.markov_kernel",
            ),
        ),
        values={
            "depth": hidden.DEPTH,
            "width": hidden.WIDTH,
            "steps": steps,
            "std": hidden.STD,
            "k": k,
            "left": visits[0],
            "right": visits[1],
            "found": found,
            "only_one": only_one,
            "among_two": among_two,
            "half": (k + 1) / 2,
        },
        reference="the proof below; Nemirovski and Yudin (1983), Problem complexity, chapter 1, for such arguments",
    )


def all_statements() -> tuple[Statement, ...]:
    """Many coordinates, and a hidden minimum."""
    return PROSE.section(dimensions(), hidden_minimum())
