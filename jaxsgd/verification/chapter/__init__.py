"""The claims of the SGD chapter of *Dive into Deep Learning*, sentence by sentence.

A section of the chapter, or half of one, is a file with the mathematics of its statements, and a Markdown file of the
same name with their words. `sentences.toml` lists what the chapter says, each sentence with the statements that test
it.
"""

from jaxsgd.verification.chapter import (
    adagrad,
    bound_on_the_average,
    draws_with_replacement,
    exercises,
    hidden_minimum,
    learning_rates,
    many_minima,
    non_convex,
    one_step,
    orders_of_examples,
    other_schedules,
    scaled_coordinates,
    summary,
    tuned_methods,
    updates,
)
from jaxsgd.verification.chapter.sentences import COMING, SENTENCES, Sentence
from jaxsgd.verification.statement import Statement

__all__ = ["COMING", "SENTENCES", "Sentence", "statements"]

_SECTIONS = (
    updates,
    learning_rates,
    other_schedules,
    non_convex,
    one_step,
    bound_on_the_average,
    draws_with_replacement,
    orders_of_examples,
    summary,
    exercises,
    scaled_coordinates,
    adagrad,
    tuned_methods,
    many_minima,
    hidden_minimum,
)


def statements() -> tuple[Statement, ...]:
    """All statements about the chapter, in its order."""
    return tuple(statement for section in _SECTIONS for statement in section.all_statements())
