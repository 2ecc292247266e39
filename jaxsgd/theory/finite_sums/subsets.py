"""Reshuffling examples of different Hessians: second moments by dynamic programming over subsets."""

import functools
import itertools
import math
from collections import Counter
from collections.abc import Iterator
from typing import NamedTuple

import numpy as np

from jaxsgd.errors import NoExactSolution
from jaxsgd.study import Study
from jaxsgd.theory.finite_sums.batches_of_an_epoch import Slots, slots_of
from jaxsgd.theory.finite_sums.cost_limit import OVERHEAD, check_cost
from jaxsgd.theory.finite_sums.moments_at_a_step import Snapshot
from jaxsgd.theory.finite_sums.quadratic_examples import QuadraticExamples
from jaxsgd.theory.recursion import DIGITS, EPS, MeanAndCovariance

MOST_EXAMPLES = 16
_MOST_NUMBERS = 4 * 10**7  # in the second moments of all subsets of one size

Rates = tuple[tuple[float, ...], tuple[float, ...] | None]
"""The learning rates of the updates of an epoch, and how much of the iterate an average takes at each."""


class Move(NamedTuple):
    """A batch, the subsets that it may follow and those that it leads to, by their numbers among those of a size."""

    batch: list[int]
    sources: np.ndarray
    targets: np.ndarray


class Level(NamedTuple):
    """Batch l of an epoch: its moves, each of the same probability, and how many subsets there are after it."""

    moves: list[Move]
    probability: float
    subsets: int


class Marginal(NamedTuple):
    """Before a batch: E zz' (k, m, m), and E||g||^2 of the gradient of the batch (k,), for k moments at the start."""

    moment: np.ndarray
    squared_norm: np.ndarray


def snapshots(examples: QuadraticExamples, study: Study) -> Iterator[Snapshot]:
    """The moments at the recorded steps of reshuffling.

    Update t with the batch J takes z = (e, 1) to F_J z, F_J = I - eta_t G_J. With S the set of the examples that the
    epoch has used, the second moment on the event that it is this set passes from batch to batch as

        Z_{S + J} += F_J Z_S F_J' / C(n - |S|, b),

    which takes all permutations of n examples in O(n 2^n) steps; the sum over S is E zz'. For an average it is
    z = (e, ebar, 1). Where the same learning rates come back often, the linear map of the epoch is found once.
    """
    slots, d = slots_of(study), study.dimension
    if slots.examples > MOST_EXAMPLES:
        raise NoExactSolution(
            f"with orders.RandomReshuffling and examples of different Hessians all subsets of the examples are gone "
            f"through, of at most {MOST_EXAMPLES}, got {slots.examples}; exact moments of more need equal Hessians"
        )
    rates = study.learning_rates[: study.steps]
    mixings = [None, *(average.mixing(rates) for average in study.averages.values())]
    runs = [_Epochs(examples, study, slots, mixing) for mixing in mixings]
    advice = "take fewer epochs, larger batches or fewer averages"
    check_cost(sum(run.multiplications for run in runs), advice)
    for found in zip(*(_second_moments(examples, study, run) for run in runs), strict=True):
        (Z, squared_norm, _), *averages = found
        laws = [_law(Z[d : 2 * d, d : 2 * d], Z[d : 2 * d, -1], known) for Z, _, known in averages]
        yield Snapshot(_law(Z[:d, :d], Z[:d, -1], True), squared_norm, laws)


def _law(moment: np.ndarray, mean: np.ndarray, known: bool) -> MeanAndCovariance:
    return MeanAndCovariance(mean, moment - np.outer(mean, mean), known)


def _second_moments(
    examples: QuadraticExamples, study: Study, epochs: "_Epochs"
) -> Iterator[tuple[np.ndarray, float, bool]]:
    """E zz', E||g||^2 and whether rounding leaves six digits of the average, at the recorded steps."""
    d, L, mixing = study.dimension, len(epochs.levels), epochs.mixing
    wanted, last = set(study.recorded_steps.tolist()), int(study.recorded_steps.max())
    e, covariance, _ = examples.start_of(study)
    z = np.concatenate([e, e[: 0 if mixing is None else d], [1.0]])
    Z, lost, of_average = np.outer(z, z), 0.0, slice(d, 2 * d)
    Z[:-1, :-1] += np.tile(covariance, (1 if mixing is None else 2,) * 2)
    for epoch, key in enumerate(epochs.keys):
        for slot, marginal in enumerate(epochs.follow(key, Z)):
            step, Z = epoch * L + slot, marginal.moment[0]
            if slot == L:
                break
            size = np.trace(Z[of_average, of_average])
            if step in wanted:
                yield Z, float(marginal.squared_norm[0]), mixing is None or not lost > DIGITS * size
            if mixing is not None and step < last:
                # Where rounding leaves nothing, even the sign of these may be wrong.
                c, root, of_x = float(mixing[step]), abs(size) ** 0.5, abs(np.trace(Z[:d, :d])) ** 0.5
                lost = (1 - c) ** 2 * lost + EPS * (abs(1 - c) * root + abs(c) * of_x) ** 2


class _Epochs:
    """What the epochs of a study do to second moments of z (m,), which holds an average if there is a mixing."""

    def __init__(self, examples: QuadraticExamples, study: Study, slots: Slots, mixing: np.ndarray | None) -> None:
        L, last = len(slots.sizes), int(study.recorded_steps.max())
        self.mixing, self.size = mixing, study.dimension * (1 if mixing is None else 2) + 1
        self.levels, self.G = _levels(slots.examples, tuple(slots.sizes.tolist())), examples.maps()
        self.upper = np.triu_indices(self.size)
        parts = [slice(first, min(first + L, last)) for first in range(0, last + 1, L)]
        rates = study.learning_rates
        self.keys: list[Rates] = [
            (tuple(rates[some].tolist()), None if mixing is None else tuple(mixing[some].tolist())) for some in parts
        ]
        widest = max(level.subsets for level in self.levels) * self.size**2
        if widest > _MOST_NUMBERS:
            raise NoExactSolution(
                f"exact moments would need {widest:.1g} numbers at once, the second moments of all subsets of one size"
            )
        # The map of an epoch costs as much as one epoch for each column.
        counts, columns = Counter(self.keys), len(self.upper[0])
        fits = widest * columns <= _MOST_NUMBERS
        self.often = {key for key, count in counts.items() if fits and count > columns}
        self.maps: dict[Rates, list[Marginal]] = {}
        sweeps = len(self.keys) + sum(columns - counts[key] for key in self.often)
        moves = [move for level in self.levels for move in level.moves]
        transitions = sum(len(move.sources) for move in moves)
        self.multiplications = sweeps * (len(moves) * OVERHEAD + transitions * (2 * self.size**3 + 50))

    def follow(self, key: Rates, Z: np.ndarray) -> Iterator[Marginal]:
        """The marginals of an epoch that starts with the second moment Z: before each batch, and after the last."""
        if key not in self.often:
            yield from self._sweep(key, Z[None])
            return
        if key not in self.maps:
            self.maps[key] = list(self._sweep(key, _symmetric_units(*self.upper, self.size)))
        coordinates = Z[self.upper]
        for moment, squared_norm in self.maps[key]:
            yield Marginal(np.tensordot(coordinates, moment, 1)[None], np.array([coordinates @ squared_norm]))

    def _sweep(self, key: Rates, start: np.ndarray) -> Iterator[Marginal]:
        """For the second moments (k, m, m) at the start of an epoch; ends where there are no more learning rates."""
        rates, mixing = key
        inputs = np.append(np.arange(self.G.shape[1]), self.size - 1)
        moments = start[None]  # (subsets, k, m, m)
        for slot, (moves, probability, subsets) in enumerate(self.levels):
            gradients = [self.G[move.batch].mean(0) for move in moves]
            squared_norm = sum(
                np.tensordot(moments[move.sources].sum(0)[:, inputs[:, None], inputs], G.T @ G, 2)
                for move, G in zip(moves, gradients, strict=True)
            )
            yield Marginal(moments.sum(0), probability * np.asarray(squared_norm))
            if slot == len(rates):
                return
            after = np.zeros((subsets, *start.shape))
            for move, G in zip(moves, gradients, strict=True):
                F = _step(G, rates[slot], None if mixing is None else mixing[slot], self.size)
                # F Z F' in two products with F' from the right, as (Z F')' = F Z.
                half = moments[move.sources] @ F.T
                after[move.targets] += half.swapaxes(-1, -2) @ F.T
            moments = probability * after
        yield Marginal(moments.sum(0), np.zeros(len(start)))


def _step(G: np.ndarray, eta: float, c: float | None, size: int) -> np.ndarray:
    """F with z+ = F z for z = (e, 1), or (e, ebar, 1)."""
    d, F = len(G), np.eye(size)
    F[:d, :d] -= eta * G[:, :d]
    F[:d, -1] = -eta * G[:, -1]
    if c is not None:
        F[d : 2 * d, :d] = c * np.eye(d)
        F[d : 2 * d, d : 2 * d] *= 1 - c
    return F


def _symmetric_units(rows: np.ndarray, columns: np.ndarray, size: int) -> np.ndarray:
    """For each position the symmetric matrix with 1 there (k, size, size)."""
    units, each = np.zeros((len(rows), size, size)), np.arange(len(rows))
    units[each, rows, columns] = units[each, columns, rows] = 1.0
    return units


@functools.lru_cache(maxsize=4)
def _levels(n: int, sizes: tuple[int, ...]) -> list[Level]:
    """The moves of an epoch with batches of these sizes; subsets are numbered in the order of their bits."""
    levels, used, before = [], 0, np.zeros(1, np.int64)
    for size in sizes:
        used += size
        after = np.array(sorted(map(_bits, itertools.combinations(range(n), used))))
        moves = []
        for batch in itertools.combinations(range(n), size):
            sources = np.flatnonzero((before & _bits(batch)) == 0)
            if len(sources):
                moves.append(Move(list(batch), sources, np.searchsorted(after, before[sources] | _bits(batch))))
        levels.append(Level(moves, 1 / math.comb(n - used + size, size), len(after)))
        before = after
    return levels


def _bits(some: tuple[int, ...]) -> int:
    return sum(1 << i for i in some)
