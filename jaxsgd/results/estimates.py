"""What the results of one study and of a sweep have in common: sums by ranges of ids, and where they are from."""

import abc
import functools
import json
import os
import warnings
from collections.abc import Mapping, Sequence
from typing import Any, Self

import xarray as xr

from jaxsgd.engine.ledger import Ledger, Range
from jaxsgd.errors import InexactMerge, InvalidInput
from jaxsgd.module import AbstractOrFinal
from jaxsgd.results.storage import FORMAT

# Results that are the same in these can be merged. The fingerprint covers them all: what has a name is named first.
_SAME = ("kind", "seed", "precision", "chunks", "jax", "jaxlib", "xla_flags", "study", "sweep", "compare", "compare_at",
         "asked",
         "fingerprint")  # fmt: skip


_IN_WORDS = {
    "asked": "the statistics that were asked for",
    "fingerprint": "what the functions of their studies compute, or in numbers that the repr of a study does not show",
}


class Estimates(AbstractOrFinal, abc.ABC):
    """Estimates, with the sums that they were made of.

    - `ledgers`: the sums of each job, over the same trajectories: a study is one job, a sweep has several.
    - `attributes`: how they were made.
    """

    kind: str
    dataset: functools.cached_property[xr.Dataset]

    def __init__(self, ledgers: Sequence[Ledger], attributes: Mapping[str, Any]) -> None:
        self._ledgers = list(ledgers)
        own = {
            "kind": self.kind,
            "trajectories": self.trajectories,
            "chunks": json.dumps([ledger.chunk for ledger in ledgers]),
            "file_format": FORMAT,
        }
        self._attributes: dict[str, Any] = {"merge_is_bitwise": 1} | dict(attributes) | own

    @property
    def trajectories(self) -> int:
        """How many there are, of each study."""
        return self._ledgers[0].count

    @property
    def seed(self) -> int:
        return int(self._attributes["seed"])

    @property
    def ranges(self) -> list[Range]:
        """The ids of the trajectories, as ranges [start, stop)."""
        joined: list[Range] = []
        for (start, stop), _ in self._ledgers[0]:
            if joined and joined[-1][1] == start:
                start, _ = joined.pop()
            joined.append((start, stop))
        return joined

    @abc.abstractmethod
    def save(self, path: str | os.PathLike[str]) -> None:
        """Write a netCDF file that `load` reads back exactly, with the sums that `merge` needs.

        The file appears whole or not at all: it is written beside its place and renamed.
        """

    @abc.abstractmethod
    def with_sums(self, ledgers: Sequence[Ledger], attributes: Mapping[str, Any]) -> Self:
        """The same of other trajectories."""

    def merged(self, others: Sequence["Estimates"]) -> Self:
        """The estimates of the union; see [`jaxsgd.merge`][]."""
        for other in others:
            for name in _SAME:
                mine, its = self._attributes.get(name), other._attributes.get(name)
                if mine != its:
                    what = _IN_WORDS.get(name, f"{name} ({mine} and {its})")
                    raise InvalidInput(f"these results cannot be merged: they differ in {what}")
        ledgers = [ledger.empty() for ledger in self._ledgers]
        for result in (self, *others):
            for ledger, its in zip(ledgers, result._ledgers, strict=True):
                for (start, stop), sums in its:
                    ledger.add(start, stop, sums)
        apart = next((ledger for ledger in ledgers if not _meets_at_chunks(ledger)), None)
        if apart:
            warnings.warn(
                f"the ranges {apart.fragments} do not meet at multiples of the chunk, {apart.chunk} trajectories: "
                "the merged result is right to rounding, not bitwise that of one run",
                InexactMerge,
                stacklevel=3,
            )
        bitwise = not apart and all(result._attributes["merge_is_bitwise"] for result in (self, *others))
        return self.with_sums(ledgers, self._attributes | {"merge_is_bitwise": int(bitwise)})


def _meets_at_chunks(ledger: Ledger) -> bool:
    """Whether no two parts of one chunk are apart."""
    chunks = [start // ledger.chunk for start, _ in ledger.fragments]
    return len(set(chunks)) == len(chunks)
