"""Which of many cells may be the best: the confidence set of the cell with the smallest mean."""

import math
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any, NamedTuple

import numpy as np
from scipy.special import ndtri, stdtrit

from jaxsgd.errors import InvalidInput, finite_array
from jaxsgd.inference.checks import level, real
from jaxsgd.inference.skewed import skewed_quantile
from jaxsgd.inference.tails import SKEWNESS_RULE, carries_standard_error, share_limit

RIVALS = 16
"""Each cell is tested against so many cells with smaller means."""


class Differences(NamedTuple):
    """Mean differences of some cells to a rival, cell - rival.

    - `variance`: for one trajectory; `error`: the standard error of the mean.
    - `takes`: trajectories from which on the tails let a mean that lies above 0 say so; inf where none vary.
    - `skewness`: of the differences, 0 where it is not known.
    - `carried`: whether the tails of both sides let the mean have a standard error, and so limits.
    """

    mean: np.ndarray
    variance: np.ndarray
    error: np.ndarray
    takes: np.ndarray
    skewness: np.ndarray
    carried: np.ndarray


Comparison = Callable[[np.ndarray, int], Differences]
"""(cells, rival) -> the differences of these cells to the rival."""


@dataclass(frozen=True, eq=False, repr=False)
class BestSet:
    """The cells that may be the best. Arrays have shape (K,); NaN stands where a cell diverged.

    - `leader`: the cell with the smallest measured mean.
    - `members`: the confidence set of the best; holds the leader.
    - `divergent`: cells with a value that is not finite (or whose square is not). They are left out.
    - `difference`, `standard_error`: of mean_i - mean_leader.
    - `lower`, `upper`: limits for all these differences at once. They allow for the choice of the leader, and are
      therefore wider than what decides membership: a cell may be left out although `lower` is below 0. Infinite where
      the tails of the difference, on either side, carry none.
    - `variance`: of the difference for one trajectory of each cell; Var(i) + Var(leader) if samples are independent.
    - `variance_ratio`: (Var(i) + Var(leader)) / `variance`, how many times more trajectories independent samples
      would need; NaN for the leader.
    - `takes`: trajectories from which on the tails of the difference would let a cell be left out: more than there are,
      of members that are so for that reason only, and inf where no trajectory showed a variation.
    - `confidence`: of `members`, and of `lower` and `upper` together.
    """

    leader: int
    members: np.ndarray
    divergent: np.ndarray
    difference: np.ndarray
    standard_error: np.ndarray
    lower: np.ndarray
    upper: np.ndarray
    variance: np.ndarray
    variance_ratio: np.ndarray
    takes: np.ndarray
    confidence: float

    def __repr__(self) -> str:
        return (
            f"BestSet(leader={self.leader}, {self.members.sum()} of {self.members.size} cells may be the best at "
            f"confidence {self.confidence:g}, {self.divergent.sum()} divergent)"
        )


def best_set(
    values: Any, confidence: float = 0.95, sizes: Any = None, deterministic: bool = False, known: Any = True
) -> BestSet:
    """The set of cells that may have the smallest mean, from values with common random numbers.

    Cell i is left out if some cell j has

        mean_i - mean_j > q_{1 - alpha / (K - 1)} SE_ij,    SE_ij^2 = Var(i - j) / N,    alpha = 1 - confidence,

    q a quantile of Student's law with N - 1 degrees of freedom, larger where a long lower tail of the difference
    endangers the test (`jaxsgd.inference.skewed`).

    The true best b is a fixed cell, and mean_b - mean_j has expectation at most 0 for every j. Each j thus leaves b
    out with probability at most alpha / (K - 1), and all K - 1 together with at most alpha, whatever their
    dependence. Nothing in this depends on which cell leads, and testing against fewer j leaves out less; so the
    data may choose the j (the `RIVALS` smallest means), and no fresh trajectories are needed. Of several best
    cells, each is kept with that probability. `lower` and `upper` are Bonferroni limits over all K (K - 1) / 2
    pairs of cells, which hold for the pairs with the leader, whichever it is.

    The level is exact for normal differences, and otherwise asymptotic: it takes N large enough for the normal law of
    each difference as far out as q, which is 3.9 for 1000 cells. A cell therefore stays in, too, where the tails of
    its difference do not carry that test (`jaxsgd.inference.tails`) on the side that counts: where rare low values of
    cell i, or high ones of cell j, may be missing from the sample. Long tails of the other side only make the test
    cautious. A difference that does not vary at all shows nothing of what it may be in other trajectories, unless
    `deterministic`. Divergent cells do not count for K; one that diverges so rarely that no trajectory shows it is
    judged by those that do not.

    **Arguments**

    - `values`: lower is better, shape (K, N), N >= 2; column n is the same trajectory in every cell. Neither
      copied nor widened as a whole. A step takes N operations; there are K of them, and up to 15 for each cell that
      the leader does not leave out.
    - `confidence`: 1 - alpha, in (0, 1).
    - `sizes`: where columns are means of groups of trajectories, how many each has, shape (G,). Means are then
      weighted by n_g, and Var(i - j) = sum_g n_g (d_g - mean d)^2 / (G - 1) is still that of one trajectory.
    - `deterministic`: nothing is drawn, so that one trajectory says all.
    - `known`: of each cell, whether its values are those of the mathematics, and not of rounding. One of which that is
      not known is neither left out nor leaves another out.

    **Raises** `InvalidInput` or `InvalidType` if an argument is not as stated, or every cell diverged.

    Source: Gupta (1965), "On some multiple decision (selection and ranking) rules", Technometrics 7; Hsu (1981),
    "Simultaneous confidence intervals for all distances from the 'best'", Ann. Stat. 9; Hsu (1996), Multiple
    Comparisons: Theory and Methods. They take normal cells of equal variance, where q can be smaller; the
    union bound takes any dependence.

    >>> best_set([[1.0, 2.0, 3.0, 4.0], [1.1, 2.2, 2.9, 3.9], [2.0, 3.1, 3.9, 5.0]])
    BestSet(leader=0, 2 of 3 cells may be the best at confidence 0.95, 0 divergent)
    """
    values = np.asarray(values)
    if values.dtype not in (np.float32, np.float64):
        values = real("values", values)
    if values.ndim != 2 or values.shape[0] == 0 or values.shape[1] < 2:
        raise InvalidInput(f"values must have shape (cells, trajectories), 1 and 2 at least, got {values.shape}")
    weights = None if sizes is None or np.all(np.equal(sizes, 1)) else finite_array("sizes", sizes)
    if weights is not None and (weights.shape != values.shape[1:] or weights.min() < 1):
        raise InvalidInput(f"sizes must be at least 1, one for each of the {values.shape[1]} columns")
    count = values.shape[1] if weights is None else weights.sum()

    with np.errstate(over="ignore", invalid="ignore"):  # of divergent cells
        means, variances, *_ = np.array([_moments(row.astype(np.float64), weights) for row in values]).T
    shown = known & ((variances > 0) | deterministic)
    rounding = 4 * np.finfo(values.dtype).eps * (np.abs(means) + np.sqrt(np.maximum(variances, 0)))

    def compare(cells: np.ndarray, rival: int) -> Differences:
        moments = [_moments(np.subtract(values[cell], values[rival], dtype=np.float64), weights) for cell in cells]
        difference, variance, skewness, low, share = np.array(moments).reshape(-1, 5).T
        takes = np.zeros(len(cells)) if deterministic else _takes(values.shape[1], skewness, low)
        varies = deterministic | (np.sqrt(variance) > rounding[cells] + rounding[rival])
        takes = np.where(shown[cells] & shown[rival] & varies, takes, np.inf)
        takes *= count / values.shape[1]  # of groups, the trajectories that they are of
        carried = deterministic | carries_standard_error(values.shape[1], share, skewness)
        return Differences(difference, variance, np.sqrt(variance / count), takes, np.nan_to_num(skewness), carried)

    return _best_set(means, variances, compare, confidence, values.shape[1] - 1, count)


def best_set_independent(
    means: Any, variances: Any, counts: Any, confidence: float = 0.95, known: Any = True, deterministic: bool = False
) -> BestSet:
    """As `best_set`, for cells with draws of their own: SE_ij^2 = Var_i / N_i + Var_j / N_j.

    Degrees of freedom are those of the cell with the fewest trajectories, which is on the safe side.

    **Arguments**

    - `means`, `variances`: over the trajectories of each cell, shape (K,); not finite where a cell diverged.
    - `counts`: trajectories of each cell, at least 2: one number, or shape (K,).
    - `confidence`: in (0, 1).
    - `known`: of each cell, whether its values are those of the mathematics, and its sample carries a standard error of
      the mean. One of which that is not known is neither left out nor leaves another out.
    - `deterministic`: nothing is drawn.

    **Raises** `InvalidInput` or `InvalidType` if an argument is not as stated, or every cell diverged.

    >>> best_set_independent([1.0, 1.1, 1.2], [1.0, 1.0, 1.0], counts=1000).members.tolist()
    [True, False, False]
    """
    means, variances, counts = real("means", means), real("variances", variances), finite_array("counts", counts)
    if means.ndim != 1 or means.size == 0 or variances.shape != means.shape or counts.shape not in ((), means.shape):
        raise InvalidInput(
            f"means, variances and counts must have one number for each cell, got shapes {means.shape}, "
            f"{variances.shape} and {counts.shape}"
        )
    if np.any(variances < 0) or np.any(counts < 2):
        raise InvalidInput(
            f"variances must be at least 0 and counts at least 2, got {np.nanmin(variances):g} and {counts.min():g}"
        )
    errors = variances / counts

    shown = known & ((variances > 0) | deterministic)

    def compare(cells: np.ndarray, rival: int) -> Differences:
        error = np.sqrt(errors[cells] + errors[rival])
        takes = np.where(shown[cells] & shown[rival], 0.0, np.inf)
        difference, variance = means[cells] - means[rival], variances[cells] + variances[rival]
        return Differences(difference, variance, error, takes, 0 * error, takes == 0)

    return _best_set(means, variances, compare, confidence, int(counts.min()) - 1, counts.min())


def separate(best: BestSet, power: float = 0.9) -> np.ndarray:
    """Trajectories of every cell, N in all, at which the leader would leave each other member out.

        N_i = ceil(((z_{1 - alpha / (K - 1)} + z_power) / (mean_i - mean_leader))^2 Var(i - leader)),

    the N with probability `power` if the measured difference and variance were the true ones. Of cells that are
    nearly equal the leader was lucky, so that the true difference is smaller, and N larger, than measured.

    It is no less than the tails of the difference take.

    **Returns** N_i, shape (K,): 0 for the leader and for cells already left out, inf where the difference is 0. The
    closest rival is the argmax, and the leader stands alone after the maximum.

    **Raises** `InvalidInput` if power is outside (0, 1).

    >>> separate(best_set_independent([1.0, 1.1], [1.0, 1.0], counts=100)).tolist()
    [0.0, 1713.0]
    """
    rivals_of_best = max(int((~best.divergent).sum()) - 1, 1)
    quantile = float(ndtri(level("power", power)) - ndtri((1 - best.confidence) / rivals_of_best))
    rivals = best.members.copy()
    rivals[best.leader] = False
    with np.errstate(divide="ignore", invalid="ignore"):
        needed = np.ceil(np.square(max(quantile, 0.0) / best.difference) * best.variance)
    needed[best.difference == 0] = np.inf
    return np.where(rivals, np.fmax(needed, np.ceil(best.takes)), 0.0)


def _best_set(
    means: np.ndarray, variances: np.ndarray, compare: Comparison, confidence: float, freedom: int, count: float
) -> BestSet:
    alpha = 1 - level("confidence", confidence)
    finite = np.isfinite(means) & np.isfinite(variances)
    if not finite.any():
        raise InvalidInput("every cell has diverged: none can be the best; give at least one with finite values only")
    order = np.flatnonzero(finite)
    order = order[np.argsort(means[order], kind="stable")]
    leader, others, cells = int(order[0]), order[1:], order.size
    difference, variance, error, takes = np.where(finite, 0.0, np.nan) * np.ones((4, 1))
    against_leader = compare(others, leader)
    difference[others], variance[others], error[others], takes[others], *_ = against_leader
    with np.errstate(divide="ignore", invalid="ignore"):
        ratio = (variances + variances[leader]) / variance
    ratio[leader] = np.nan

    tail = alpha / max(cells - 1, 1)
    members = finite.copy()
    members[others] = ~_above(against_leader, tail, freedom, count)
    for rank in range(1, min(RIVALS, cells)):
        tested = order[rank + 1 :]
        tested = tested[members[tested]]
        members[tested] = ~_above(compare(tested, order[rank]), tail, freedom, count)

    half_width = -float(stdtrit(freedom, alpha / (2 * max(math.comb(cells, 2), 1)))) * error
    half_width[others[(against_leader.takes > count) | ~against_leader.carried]] = np.inf
    return BestSet(
        leader=leader,
        members=members,
        divergent=~finite,
        difference=difference,
        standard_error=error,
        lower=difference - half_width,
        upper=difference + half_width,
        variance=variance,
        variance_ratio=ratio,
        takes=takes,
        confidence=confidence,
    )


def _above(differences: Differences, tail: float, freedom: int, count: float) -> np.ndarray:
    """Which mean differences are shown to be above 0, each wrongly with probability ``tail`` at most."""
    found = differences.mean > -float(stdtrit(freedom, tail)) * differences.error
    found &= differences.takes <= count
    for i in np.flatnonzero(found & (differences.skewness < 0)):
        needed = skewed_quantile(tail, freedom + 1, -differences.skewness[i])
        found[i] = differences.mean[i] > needed * differences.error[i]
    return found


def _takes(count: int, skewness: np.ndarray, share: np.ndarray) -> np.ndarray:
    """Values from which on a mean above 0 can be shown to be so, if low values have this share and skewness."""
    needed = np.where(skewness < 0, SKEWNESS_RULE * skewness**2, 0.0)
    takes = np.where(share > share_limit(count), np.maximum(needed, 2 * count), needed)
    return np.where(np.isnan(skewness), np.inf, takes)


def _moments(values: np.ndarray, weights: np.ndarray | None) -> tuple[float, float, float, float, float]:
    """Mean, variance, skewness and the largest shares, of low and of all values, of a float64 vector.

    It is overwritten. Weighted by how many each entry is the mean of. Skewness and shares of what does not vary are
    NaN.
    """
    origin = values[0]  # seen from there, what does not vary has variance 0 exactly
    values -= origin
    mean = values.mean() if weights is None else weights @ values / weights.sum()
    values -= mean
    squares = values * values if weights is None else weights * values * values
    m2 = float(squares.sum())
    if not 0 < m2 < np.inf:
        return float(origin + mean), m2 / (values.size - 1), np.nan, np.nan, np.nan
    scale = np.sqrt(m2 / values.size)
    skewness = float(squares @ (values / scale)) / m2
    if weights is not None:
        skewness *= np.sqrt(weights.mean())
    low, high = (float(squares[i]) / m2 for i in (np.argmin(values), np.argmax(values)))
    return float(origin + mean), m2 / (values.size - 1), skewness, low, max(low, high)
