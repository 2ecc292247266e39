"""The claims of the SGD chapter of *Dive into Deep Learning*, sentence by sentence.

One file holds the statements of one section. `sentences.py` lists what the chapter says, each sentence
with the statements that test it.
"""

from jaxsgd.verification.chapter import bounds, exercises, finite_sums, learning_rates, one_step, sampling, updates
from jaxsgd.verification.chapter.sentences import COMING, SENTENCES, Sentence
from jaxsgd.verification.statement import Statement

__all__ = ["COMING", "SENTENCES", "Sentence", "statements"]


def statements() -> tuple[Statement, ...]:
    """All statements about the chapter, in its order."""
    return (
        *updates.all_statements(),
        *finite_sums.of_updates(),
        *learning_rates.all_statements(),
        *one_step.all_statements(),
        *bounds.all_statements(),
        *sampling.all_statements(),
        *finite_sums.of_samples(),
        learning_rates.wide_choice(),
        *exercises.all_statements(),
        finite_sums.exercise(),
    )
