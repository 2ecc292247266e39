"""What ``jaxsgd run`` does with a study file: of one study, or of a sweep."""

from jaxsgd.cli.runs.of_study import RunOfStudy
from jaxsgd.cli.runs.of_sweep import RunOfSweep
from jaxsgd.cli.runs.run import Run

__all__ = ["Run", "RunOfStudy", "RunOfSweep"]
