"""A run of one study."""

import dataclasses
from collections.abc import Mapping, Sequence
from typing import Any

import jaxsgd as js
from jaxsgd.cli import run_figures, study_summary
from jaxsgd.cli.running.study_file_run import Run
from jaxsgd.cli.shard import Shard
from jaxsgd.runs.cost import Cost


@dataclasses.dataclass(frozen=True)
class RunOfStudy(Run):
    """The call of ``simulate``."""

    def cut(self, shard: Shard) -> Mapping[str, Any]:
        if "target" in self.arguments:
            raise js.errors.InvalidInput("target: parts of a run cannot stop together; remove it, or --shard")
        return shard.arguments(self.file.study, self.arguments["trajectories"])

    def call(self, **options: Any) -> js.Result:
        return js.simulate(self.file.study, **self.arguments, **options)

    def write(self, result: js.Result) -> dict[str, Any]:
        study = self.file.study
        try:
            exact, reason = js.theory.exact(study), None
        except js.errors.NoExactSolution as error:
            exact, reason = None, str(error)
        found = study_summary.summarise(study, result, exact) | {"no_exact_solution": reason}
        return found | {"files": run_figures.of_study(study, result, exact, self.folder)}

    def show(self, found: Mapping[str, Any], result: js.Result) -> None:
        study_summary.show(
            found,
            [*map(result.of_event, result.events), *filter(None, (result.look, result.divergence, result.underflow))],
        )

    def outline(self) -> Sequence[str]:
        target, study = self.arguments.get("target"), self.file.study
        most = "at most " if target else ""
        lines = [f"{most}{self._most:,} trajectories of {study.steps:,} steps, seed {self.arguments['seed']}"]
        if target:
            allowed = f"{100 * target.relative:g}%" if target.relative else f"{target.absolute:g}"
            lines.append(f"until {target.observable} is known to {allowed} at confidence {target.confidence:g}")
        return lines

    def cost(self) -> Cost:
        return self.file.study.cost(self._most)

    @property
    def _most(self) -> int:
        """How many trajectories there will be, or, with a target, can be."""
        target, given = self.arguments.get("target"), self.arguments.get("trajectories")
        return min(number for number in (given, target and target.limit) if number is not None)
