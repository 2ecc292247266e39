"""How the sums of disjoint ranges of trajectories become one: always in the same order."""

from collections.abc import Iterator

import numpy as np

from jaxsgd.engine.statistics import Statistic, Sums
from jaxsgd.errors import InvalidInput

Range = tuple[int, int]
Entry = tuple[Range, Sums]


class Ledger:
    """Sums by range of ids [start, stop), merged along the binary tree over whole chunks.

    Two neighbouring ranges of chunk * 2^k trajectories that start at a multiple of chunk * 2^(k+1) are
    merged as soon as both are there. Which sums are ever added to which is thus a property of the set
    of ids, not of the order in which chunks end, nor of the parts in which they were run: the total is
    bitwise the same. Some 2 log2(chunks) entries remain. A part of a chunk stays an entry of its own.
    """

    def __init__(self, statistics: tuple[Statistic, ...], chunk: int) -> None:
        self.statistics, self.chunk = statistics, chunk
        self._by_name = {statistic.name: statistic for statistic in statistics}
        self._entries: dict[Range, Sums] = {}

    def __iter__(self) -> Iterator[Entry]:
        return iter(sorted(self._entries.items(), key=lambda entry: entry[0]))

    @property
    def count(self) -> int:
        """How many trajectories are in."""
        return sum(stop - start for start, stop in self._entries)

    @property
    def fragments(self) -> list[Range]:
        """Entries that are parts of a chunk."""
        return [entry for entry in sorted(self._entries) if not self._whole(*entry)]

    def empty(self) -> "Ledger":
        """One of the same kind with nothing in it."""
        return Ledger(self.statistics, self.chunk)

    def missing(self, start: int, stop: int) -> list[Range]:
        """The ranges of start .. stop - 1 that are not in; every entry lies inside."""
        edges = [start, *(edge for entry in sorted(self._entries) for edge in entry), stop]
        return [(low, high) for low, high in zip(edges[::2], edges[1::2], strict=True) if low < high]

    def add(self, start: int, stop: int, sums: Sums) -> None:
        """Put in the sums of the trajectories start .. stop - 1."""
        for low, high in self._entries:
            if start < high and low < stop:
                raise InvalidInput(f"trajectories {max(start, low)} to {min(stop, high) - 1} would be counted twice")
        if self._whole(start, stop):
            sums = self._condense(sums)
            while True:
                size = stop - start
                sibling = start - size if start // size % 2 else stop
                other = self._entries.pop((sibling, sibling + size), None)
                if other is None:
                    break
                sums = self._condense(self._merge(other, sums) if sibling < start else self._merge(sums, other))
                start, stop = min(start, sibling), max(stop, sibling + size)
        self._entries[start, stop] = sums

    def overlaps(self, start: int, stop: int) -> bool:
        """Whether some of the trajectories start .. stop - 1 are in."""
        return any(start < high and low < stop for low, high in self._entries)

    def total(self) -> Sums:
        """The sums of everything, entries folded in the order of ids."""
        entries = [sums for _, sums in self]
        total = entries[0]
        for sums in entries[1:]:
            total = self._merge(total, sums)
        return total

    def _whole(self, start: int, stop: int) -> bool:
        chunks, rest = divmod(stop - start, self.chunk)
        return rest == 0 and chunks & (chunks - 1) == 0 and start % (stop - start) == 0

    def _condense(self, sums: Sums) -> Sums:
        return {name: statistic.condense(sums[name]) for name, statistic in self._by_name.items()}

    def _merge(self, left: Sums, right: Sums) -> Sums:
        with np.errstate(over="ignore", invalid="ignore"):
            return {name: statistic.merge(left[name], right[name]) for name, statistic in self._by_name.items()}
