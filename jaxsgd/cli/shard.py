"""One part of a study's trajectories, for runs on several machines that do not talk to each other."""

import dataclasses
import re
from typing import Any

import jaxsgd as js


@dataclasses.dataclass(frozen=True)
class Shard:
    """The ``index``-th of ``count`` parts, counted from 1."""

    index: int
    count: int

    @classmethod
    def parse(cls, text: str) -> "Shard":
        """A shard as it is written on the command line, such as 3/16."""
        found = re.fullmatch(r"(\d+)/(\d+)", text)
        if not found or not 1 <= int(found[1]) <= int(found[2]):
            raise js.errors.InvalidInput(f"--shard must be i/n with 1 <= i <= n, such as 3/16, got {text!r}")
        return cls(int(found[1]), int(found[2]))

    def arguments(self, study: js.Study, trajectories: int) -> dict[str, Any]:
        """The arguments of ``simulate`` that make it run this part.

        Parts are cut at chunk bounds and run the program of the whole: then they merge bitwise.
        """
        trajectories = js.errors.integer("trajectories", trajectories, at_least=1)
        plan = js.Plan.choose(study.width, study.steps, trajectories, products=study.products)
        return self.ids(trajectories, plan.chunk, "study") | {"plan": plan}

    def ids(self, trajectories: int, chunk: int, what: str) -> dict[str, int]:
        """The ids of this part, cut at multiples of a chunk of a study, or of what it is."""
        trajectories = js.errors.integer("trajectories", trajectories, at_least=1)
        chunks = -(-trajectories // chunk)
        if self.count > chunks:
            raise js.errors.InvalidInput(
                f"{trajectories} trajectories of this {what} are {chunks} chunks of {chunk}, which cannot be cut "
                f"in {self.count} shards: use at most {chunks}"
            )
        start, stop = (chunks * i // self.count * chunk for i in (self.index - 1, self.index))
        return {"trajectories": min(stop, trajectories) - start, "first_trajectory": start}

    def __str__(self) -> str:
        return f"{self.index}-of-{self.count}"
