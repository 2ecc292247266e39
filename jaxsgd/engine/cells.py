"""Many studies of one program at once: what varies between them is stacked, the draws are shared."""

import dataclasses
from collections.abc import Sequence
from typing import Any

import jax
import numpy as np

from jaxsgd.engine.driver import Task
from jaxsgd.engine.kernel import CompiledTile, compiled
from jaxsgd.engine.ledger import Sums
from jaxsgd.engine.program import Inputs
from jaxsgd.engine.statistics import Diverged, Statistic

MOST = 64
"""Cells of one launch: more of them leave the cache."""


def stack(inputs: Sequence[Inputs]) -> tuple[Inputs, tuple[bool, ...]]:
    """The inputs of several cells as one, and which of its leaves vary; these have a leading axis of cells."""
    flat = [jax.tree.flatten(one) for one in inputs]
    columns = list(zip(*(leaves for leaves, _ in flat), strict=True))
    varied = tuple(
        any(not np.array_equal(column[0], leaf, equal_nan=True) for leaf in column[1:]) for column in columns
    )
    if not any(varied):  # one cell, or the same one again: something has to say how many there are
        varied = (True,) * len(columns)
    leaves = [np.stack(column) if varies else column[0] for column, varies in zip(columns, varied, strict=True)]
    return jax.tree.unflatten(flat[0][1], leaves), varied


@dataclasses.dataclass(frozen=True)
class CellsTask(Task):
    """A task whose inputs are those of several cells.

    Its sums are those of one study with the records of all cells one after the other: statistics treat
    records independently, so that they fold and merge unchanged.
    """

    varied: tuple[bool, ...] = ()
    cells: int = 1

    @property
    def statistics(self) -> tuple[Statistic, ...]:
        """The statistics of so many records."""
        return tuple(
            dataclasses.replace(one, records=one.records * self.cells) if isinstance(one, Diverged) else one
            for one in self.program.statistics
        )

    def tile(self, careful: bool) -> CompiledTile:
        plan = self.plan
        return compiled(self.program, plan.form, plan.tile, careful, plan.compiler_options, self.varied)

    def look(self, kept: dict[str, Any]) -> dict[str, Any]:
        """(cells, records, ...) to (cells * records, ...)."""
        joined = {
            one.name: {key: array.reshape(-1, *array.shape[2:]) for key, array in kept[one.name].items()}
            for one in self.program.statistics
        }
        return joined | {"counts": kept["counts"], "valid": kept["valid"], "finite": kept["finite"].all()}


def of_cell(sums: Sums, cell: int, cells: int) -> Sums:
    """The sums of one cell of several."""

    def part(array: Any) -> Any:
        records = len(array) // cells if np.ndim(array) else 0
        return array[cell * records : (cell + 1) * records] if records else array

    return {name: {key: part(array) for key, array in arrays.items()} for name, arrays in sums.items()}
