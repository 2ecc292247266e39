"""What ``jaxsgd run`` does with a study file: of one study, or of a sweep."""

from jaxsgd.cli.running.run_of_study import RunOfStudy
from jaxsgd.cli.running.run_of_sweep import RunOfSweep
from jaxsgd.cli.running.study_file_run import Run

__all__ = ["Run", "RunOfStudy", "RunOfSweep"]
