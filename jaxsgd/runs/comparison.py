"""Which cells of a sweep may be the best, and which differences are real."""

import dataclasses
import os
from concurrent.futures import Executor

import numpy as np
import xarray as xr

from jaxsgd.errors import InvalidInput, InvalidType, nearest
from jaxsgd.inference import BestSet, best_set, best_set_independent, separate
from jaxsgd.results.same_study import check_is_of
from jaxsgd.results.sweep_result import Cell, SweepResult, with_error
from jaxsgd.runs.arrangement import study_of
from jaxsgd.runs.sweeps import run_cells

_SHOWN = 12


@dataclasses.dataclass(frozen=True, eq=False, repr=False)
class Comparison:
    """What compare returns.

    - `observable`, `step`, `trajectories`: what was compared, lower is better.
    - `cells`: the cells, in the order of the sweep.
    - `best`: the confidence set of the best, with differences to the leader; see [`jaxsgd.inference.BestSet`][].
    - `means`, `standard_errors`: of each cell; differences between cells have errors of their own, in `best`.
    - `without_errors`: why cells are known beforehand to have no standard error, each reason once. Such a cell is
      neither left out nor leaves another out, and its differences have no limits.
    """

    observable: str
    step: int
    trajectories: int
    cells: tuple[Cell, ...]
    best: BestSet
    means: np.ndarray
    standard_errors: np.ndarray
    without_errors: tuple[str, ...] = ()

    @property
    def leader(self) -> Cell:
        """The cell with the smallest mean."""
        return self.cells[self.best.leader]

    @property
    def members(self) -> tuple[Cell, ...]:
        """The cells that may be the best."""
        return tuple(cell for cell, member in zip(self.cells, self.best.members, strict=True) if member)

    @property
    def kept_by_tails(self) -> int:
        """How many cells may be the best only because their differences to the leader carry no test."""
        return int(np.sum(self.best.members & (self.best.takes > self.trajectories) & (self.best.difference > 0)))

    @property
    def to_separate(self) -> float:
        """How many more trajectories of each cell would separate the leaders; inf if no number would."""
        return max(float(np.max(separate(self.best))) - self.trajectories, 0.0)

    @property
    def dataset(self) -> xr.Dataset:
        """One row a cell: mean, difference to the leader with simultaneous limits, whether it may be the best."""
        best = self.best
        columns = {
            "mean": self.means,
            "difference": best.difference,
            "standard_error": best.standard_error,
            "lower": best.lower,
            "upper": best.upper,
            "variance_ratio": best.variance_ratio,
            "may_be_best": best.members,
            "diverged": best.divergent,
        }
        labels = [cell.label for cell in self.cells]
        return xr.Dataset({name: ("cell", values) for name, values in columns.items()}, {"cell": labels})

    def __repr__(self) -> str:
        best, order = self.best, np.argsort(np.where(self.best.divergent, np.inf, self.means))
        count = int(best.members.sum())
        lines = [
            f"{self.observable} at step {self.step}, {len(self.cells)} cells of {self.trajectories:,} trajectories: "
            f"{count} may be the best (confidence {best.confidence:g})"
        ]
        for i in order[: max(min(count + 3, _SHOWN), 1)]:
            mark = "*" if best.members[i] else " "
            against = (
                "leader"
                if i == best.leader
                else f"{best.difference[i]:+.4g} [{best.lower[i]:.4g}, {best.upper[i]:.4g}]"
            )
            mean = with_error(self.means[i], self.standard_errors[i])
            lines.append(f"  {mark} {mean}  {against}  {self.cells[i].label}")
        if len(self.cells) > _SHOWN:
            lines.append(f"    ... {len(self.cells)} cells in all")
        if best.divergent.any():
            lines.append(f"    {int(best.divergent.sum())} cells diverged and are left out")
        if self.kept_by_tails:
            lines.append(
                f"    {self.kept_by_tails} of them only because their differences carry no test: rare values that "
                "decide may be missing from the sample or are known to be, or float32 does not resolve the means"
            )
        lines += [f"    no limits of some cells: {reason}" for reason in self.without_errors]
        if count > 1:
            more = self.to_separate
            number = "no number of" if np.isinf(more) else f"{more:,.0f} more"
            lines.append(f"    {number} trajectories of each would separate the leader from its closest rival")
        return "\n".join(lines)


def compare(
    result: SweepResult, observable: str = "risk", confidence: float = 0.95, family: str | None = None
) -> Comparison:
    """The set of cells that contains the best one with the stated confidence, and differences to the leader.

    A cell is left out if some other one is better by more than a Bonferroni quantile of the paired standard
    error. The cell that is truly best is left out with probability at most 1 - confidence, although many are
    compared and the leader is chosen from the same data: see [`jaxsgd.inference.best_set`][]. What the sample cannot
    exclude stays in: a cell whose differences do not vary or have tails too heavy for so many trajectories, whose mean
    float32 does not resolve, or which is known to have no variance or no mean. No sample shows what is rarer than
    about five in its number of trajectories.

    **Arguments**

    - `result`: of [`jaxsgd.sweep`][] with this observable in `compare`; lower is better.
    - `family`: only the cells of this one are compared.

    **Raises** `ValueError` if the sweep kept no values of the observable, all cells diverged, or none has a mean.
    """
    _check(result)
    families = [name for name in dict.fromkeys(cell.family for cell in result.cells) if name is not None]
    if family is not None and family not in families:
        known = nearest(family, families) if families else "it has no families"
        raise InvalidInput(f"the sweep has no family {family!r}; {known}")
    chosen = [i for i, cell in enumerate(result.cells) if family in (None, cell.family)]
    means, variances, errors = (each[chosen] for each in _moments(result, observable))
    cells = tuple(result.cells[i] for i in chosen)
    tails = _why_without_errors(result, observable, chosen)
    known = _resolved(result, observable)[chosen] & np.array([not reason for reason in tails])
    deterministic = all(cell.study is not None and not cell.study.requests for cell in cells)
    if result.shares_draws:
        values = result.values(observable)
        values = values if len(chosen) == len(values) else values[chosen]
        best = best_set(values, confidence, result.group_sizes, deterministic, known)
    else:
        known &= ~np.isnan(errors)
        best = best_set_independent(means, variances, result.trajectories, confidence, known, deterministic)
    why = tuple(dict.fromkeys(filter(None, tails)))
    return Comparison(observable, result.compared_step, result.trajectories, cells, best, means, errors, why)


def tune(
    result: SweepResult,
    observable: str = "risk",
    by: str = "family",
    confidence: float = 0.95,
    *,
    progress: bool | str = "auto",
    checkpoint: str | os.PathLike[str] | None = None,
    executor: Executor | None = None,
) -> Comparison:
    """The best cell of each group, compared on fresh trajectories.

    The leader of each group is chosen on the trajectories of the sweep; then the leaders run on as many
    others, so that what is reported of them was not used to choose them.

    **Arguments**

    - `by`: "family", or the name of an axis: one leader for each of its values.
    - `progress`, `checkpoint`, `executor`: as for [`jaxsgd.sweep`][].
    """
    _check(result)
    means, *_ = _moments(result, observable)
    groups: dict[object, list[int]] = {}
    for i, cell in enumerate(result.cells):
        key = cell.family if by == "family" else cell.point.get(by)
        if key is None:
            raise InvalidInput(f'by must be an axis of the sweep, or "family" of one with families, got {by!r}')
        groups.setdefault(key, []).append(i)
    hopeless = np.isnan(means) | ~_has_mean(result, observable)
    rank = np.argsort(np.lexsort((means, hopeless)))
    leaders = [min(group, key=lambda i: rank[i]) for group in groups.values()]
    chosen = [result.cells[i] for i in leaders]
    _check_unchanged(result, leaders)
    fresh = run_cells(
        chosen,
        result.trajectories,
        result.seed,
        first=result.ranges[-1][1],
        compare=result.compared,  # all, so that every observable is compared by one program
        compare_at=result.compared_step,
        common_random_numbers=result.shares_draws,
        progress=progress,
        checkpoint=checkpoint,
        executor=executor,
    )
    return compare(fresh, observable, confidence)


def _check(result: object) -> None:
    if not isinstance(result, SweepResult):
        raise InvalidType(f"result must be what sweep returns, got {type(result).__name__}")
    if result.trajectories < 2:
        raise InvalidInput("a comparison takes two trajectories of each cell at least: run the sweep with more")


def _check_unchanged(result: SweepResult, positions: list[int]) -> None:
    """An error if the studies of some cells no longer compute what they did when the sweep was run."""
    for position in positions:
        check_is_of(study_of(result.cells[position]), result.result(position))


def _resolved(result: SweepResult, observable: str) -> np.ndarray:
    """Of which cells the precision resolves the mean of an observable at the compared step, (cells,)."""
    if not result.rounding:
        return np.ones(len(result.cells), bool)
    record = result.layout.steps.index(result.compared_step)
    columns = [result.dataset[f"{observable}_{what}"].values for what in ("mean", "variance")]
    mean, variance = (column.reshape(-1, column.shape[-1]) for column in columns)
    whole = zip(result.rounding, mean, variance, strict=True)
    return np.array([
        observable not in each or each[observable].is_settled(m, v, result.trajectories)[record] for each, m, v in whole
    ])  # fmt: skip


def _why_without_errors(result: SweepResult, observable: str, chosen: list[int]) -> list[str]:
    """Of each chosen cell, why it is known that no standard error goes with its mean; an error if none has a mean."""
    record, tails = result.layout.steps.index(result.compared_step), result.known_tails(observable)
    of_chosen = [tails[i] for i in chosen]
    if not _has_mean(result, observable)[chosen].any():
        reason = next(each.reason for each in of_chosen if each)
        raise InvalidInput(f"{observable} has no mean to compare in any cell; {reason}")
    return [each.reason if each and each.withheld(result.trajectories)[record] else "" for each in of_chosen]


def _has_mean(result: SweepResult, observable: str) -> np.ndarray:
    """Of which cells the mean of an observable at the compared step is not known to be infinite, (cells,)."""
    record = result.layout.steps.index(result.compared_step)
    return np.array([each is None or bool(each.has_mean[record]) for each in result.known_tails(observable)])


def _moments(result: SweepResult, observable: str) -> list[np.ndarray]:
    """Mean, variance and standard error of an observable at the compared step, of each cell."""
    result.check_kept(observable)
    at = result.dataset.sel(step=result.compared_step)
    return [at[f"{observable}_{what}"].values.ravel() for what in ("mean", "variance", "sem")]
