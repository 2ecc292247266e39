"""jaxsgd: the Monte Carlo laboratory for stochastic gradient descent.

    import jaxsgd as js

Every name is loaded on first use, so that importing the package, or asking the command line for
help, does not start JAX.
"""

import importlib
from typing import TYPE_CHECKING, Any

__version__ = "0.1.0"

_MODULES = (
    "averages", "chapter", "data", "errors", "folds", "inference", "methods", "noise", "oracles", "orders", "plot",
    "problems", "record", "schedules", "start", "streams", "theory",
)  # fmt: skip
_NAMES = {
    "Study": "study",
    "State": "state",
    "Update": "state",
    "Plan": "engine",
    "Result": "results.result",
    "load": "results.files",
    "merge": "results.files",
    "Precision": "inference",
    "simulate": "runs.simulation",
    "sample_paths": "runs.trajectories",
    "sample_examples_used": "runs.examples_used",
    "sample_coverage": "runs.examples_used",
    "Claim": "verification",
    "Report": "verification",
    "Statement": "verification",
    "verify": "verification",
    "weak_order": "verification",
    "sweep": "runs.sweeps",
    "SweepResult": "results.sweep_result",
    "partition": "regions",
    "compare": "runs.comparison",
    "tune": "runs.comparison",
}
__all__ = ["__version__", *_MODULES, *_NAMES]

if TYPE_CHECKING:
    from jaxsgd import averages as averages
    from jaxsgd import chapter as chapter
    from jaxsgd import data as data
    from jaxsgd import errors as errors
    from jaxsgd import folds as folds
    from jaxsgd import inference as inference
    from jaxsgd import methods as methods
    from jaxsgd import noise as noise
    from jaxsgd import oracles as oracles
    from jaxsgd import orders as orders
    from jaxsgd import plot as plot
    from jaxsgd import problems as problems
    from jaxsgd import record as record
    from jaxsgd import schedules as schedules
    from jaxsgd import start as start
    from jaxsgd import streams as streams
    from jaxsgd import theory as theory
    from jaxsgd.engine import Plan as Plan
    from jaxsgd.inference import Precision as Precision
    from jaxsgd.regions import partition as partition
    from jaxsgd.results.files import load as load
    from jaxsgd.results.files import merge as merge
    from jaxsgd.results.result import Result as Result
    from jaxsgd.results.sweep_result import SweepResult as SweepResult
    from jaxsgd.runs.comparison import compare as compare
    from jaxsgd.runs.comparison import tune as tune
    from jaxsgd.runs.examples_used import sample_coverage as sample_coverage
    from jaxsgd.runs.examples_used import sample_examples_used as sample_examples_used
    from jaxsgd.runs.simulation import simulate as simulate
    from jaxsgd.runs.sweeps import sweep as sweep
    from jaxsgd.runs.trajectories import sample_paths as sample_paths
    from jaxsgd.state import State as State
    from jaxsgd.state import Update as Update
    from jaxsgd.study import Study as Study
    from jaxsgd.verification import Claim as Claim
    from jaxsgd.verification import Report as Report
    from jaxsgd.verification import Statement as Statement
    from jaxsgd.verification import verify as verify
    from jaxsgd.verification import weak_order as weak_order


def __getattr__(name: str) -> Any:
    if name in _MODULES:
        return importlib.import_module(f"jaxsgd.{name}")
    if name in _NAMES:
        return getattr(importlib.import_module(f"jaxsgd.{_NAMES[name]}"), name)
    raise AttributeError(f"module 'jaxsgd' has no attribute {name!r}")


def __dir__() -> list[str]:
    return sorted(__all__)
