"""Enumeration: plain SGD on every arrangement of the examples at once."""

import itertools
from collections.abc import Iterator

import numpy as np

from jaxsgd.errors import NoExactSolution
from jaxsgd.study import Study
from jaxsgd.theory.finite_sums.batches_of_an_epoch import Slots, slots_of
from jaxsgd.theory.finite_sums.cost_limit import OVERHEAD, check_cost
from jaxsgd.theory.finite_sums.moments_at_a_step import Snapshot
from jaxsgd.theory.finite_sums.quadratic_examples import QuadraticExamples
from jaxsgd.theory.recursion import DIGITS, EPS, MeanAndCovariance
from jaxsgd.theory.starts import drawn_start

MOST_ARRANGEMENTS = 50_000
"""8! = 40,320 and no more."""


def snapshots(examples: QuadraticExamples, study: Study) -> Iterator[Snapshot]:
    """The moments at the recorded steps: of the data in their order, or means over one permutation for all epochs.

    All arrangements of the examples into batches are equally likely; with one of them the iterates are not random.
    There is no shorter way known to the second moment of one permutation for all epochs: that of the map of an epoch
    is a mean over subsets (`jaxsgd.theory.finite_sums.subsets`), but its K-th power under the same permutation is not.
    """
    slots = slots_of(study)
    n, d, last = slots.examples, study.dimension, int(study.recorded_steps.max())
    if study.oracle.order.shuffled == "never":  # type: ignore[union-attr]
        arrangements = np.arange(slots.ends[-1])[None]
    else:
        if slots.arrangements > np.log10(MOST_ARRANGEMENTS):
            raise NoExactSolution(
                f"with orders.ShuffleOnce and examples of different Hessians all arrangements of the {n} examples into "
                f"batches are gone through, at most {MOST_ARRANGEMENTS} of them, and there are "
                f"10^{slots.arrangements:.1f}; take at most 8 examples, or orders.RandomReshuffling"
            )
        arrangements = _arrangements(slots)
    rates = study.learning_rates[: study.steps]
    mixings = np.array([average.mixing(rates) for average in study.averages.values()]).reshape(-1, study.steps)
    check_cost(last * (OVERHEAD + len(arrangements) * (4 * d * (d * int(slots.sizes[0]) + 3 * len(mixings)) + 100)))
    wanted = set(study.recorded_steps.tolist())
    reason = drawn_start(study)
    if reason:
        raise NoExactSolution(f"all arrangements of the examples are gone through from one start, and {reason}")
    e = np.repeat(examples.enter(study.x0)[None], len(arrangements), 0)
    averages = np.repeat(e[None], len(mixings), 0)
    lost = np.zeros_like(averages)
    for step in range(last + 1):
        batch = arrangements[:, slots.positions(step % len(slots.sizes))]
        gradient = examples.batch_gradients(batch, e)
        if step in wanted:
            laws = [_law(*average) for average in zip(averages, lost, strict=True)]
            yield Snapshot(_law(e, np.zeros_like(e)), float(np.mean(np.sum(gradient**2, 1))), laws)
        if step == last:
            return
        take = mixings[:, step, None, None]
        lost = np.abs(1 - take) * lost + EPS * (np.abs((1 - take) * averages) + np.abs(take * e))
        averages = (1 - take) * averages + take * e
        e = e - rates[step] * gradient


def _law(e: np.ndarray, lost: np.ndarray) -> MeanAndCovariance:
    """Mean and covariance of equally likely vectors (p, d), known where `lost` leaves six digits of E e'e."""
    mean = e.mean(0)
    deviation = e - mean
    error, size = np.sum((2 * np.abs(e) + lost) * lost), np.sum(e**2)
    return MeanAndCovariance(mean, deviation.T @ deviation / len(e), not error > DIGITS * size)


def _arrangements(slots: Slots) -> np.ndarray:
    """Every way to fill the batches, one row each: (p, used)."""

    def fill(left: tuple[int, ...], sizes: list[int]) -> Iterator[tuple[int, ...]]:
        if not sizes:
            yield ()
            return
        for batch in itertools.combinations(left, sizes[0]):
            rest = tuple(i for i in left if i not in batch)
            for others in fill(rest, sizes[1:]):
                yield *batch, *others

    return np.array(list(fill(tuple(range(slots.examples)), slots.sizes.tolist())))
