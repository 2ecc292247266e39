"""At which steps a study is recorded. Step s means after s updates: 0 is the start, T the end."""

import abc
import dataclasses
from collections.abc import Sequence

import numpy as np

from jaxsgd.errors import InvalidInput, InvalidType, integer
from jaxsgd.module import AbstractOrFinal


@dataclasses.dataclass(frozen=True)
class Grid(AbstractOrFinal, abc.ABC):
    """A rule that gives the recorded steps of a study."""

    @abc.abstractmethod
    def steps(self, last: int, epoch: int | None = None) -> np.ndarray:
        """The recorded steps, increasing, for a study of ``last`` updates; an epoch has ``epoch`` of them."""


@dataclasses.dataclass(frozen=True)
class every(Grid):  # noqa: N801 - spelled as it is called
    """Steps 0, k, 2k, ... and the last one."""

    k: int

    def __post_init__(self) -> None:
        integer("every(k): k", self.k, at_least=1)

    def steps(self, last: int, epoch: int | None = None) -> np.ndarray:
        return np.union1d(np.arange(0, last + 1, self.k), [last])


@dataclasses.dataclass(frozen=True)
class every_epoch(Grid):  # noqa: N801
    """The ends of epochs 0, k, 2k, ... and the last step, where an oracle samples examples."""

    k: int = 1

    def __post_init__(self) -> None:
        integer("every_epoch(k): k", self.k, at_least=1)

    def steps(self, last: int, epoch: int | None = None) -> np.ndarray:
        if epoch is None:
            raise InvalidInput("every_epoch(k) needs an oracle that samples examples: use every(k)")
        return every(self.k * epoch).steps(last)


@dataclasses.dataclass(frozen=True)
class log_spaced(Grid):  # noqa: N801
    """Step 0 and the distinct rounded points of a geometric grid of m points from 1 to the last step."""

    m: int = 100

    def __post_init__(self) -> None:
        integer("log_spaced(m): m", self.m, at_least=1)

    def steps(self, last: int, epoch: int | None = None) -> np.ndarray:
        points = np.rint(np.geomspace(1, last, self.m)).astype(np.int64) if self.m > 1 else []
        return np.union1d([0, last], points).astype(np.int64)


@dataclasses.dataclass(frozen=True)
class at(Grid):  # noqa: N801
    """Exactly these steps."""

    points: tuple[int, ...]

    def __init__(self, points: Sequence[int]) -> None:
        if np.ndim(points) != 1:
            raise InvalidType(f"at(points) takes a list of steps, got {points!r}")
        if len(points) == 0:
            raise InvalidInput("at(points) needs at least one step")
        checked = {integer("at(points): a step", point, at_least=0) for point in points}
        object.__setattr__(self, "points", tuple(sorted(checked)))

    def steps(self, last: int, epoch: int | None = None) -> np.ndarray:
        if self.points[-1] > last:
            raise InvalidInput(f"recorded steps must lie in 0..{last} (the number of updates), got {self.points[-1]}")
        return np.array(self.points, np.int64)
