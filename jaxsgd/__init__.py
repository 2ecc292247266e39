"""jaxsgd: the Monte Carlo laboratory for stochastic gradient descent.

    import jaxsgd as js

Every name is loaded on first use, so that importing the package, or asking the command line for
help, does not start JAX.
"""

import importlib
from typing import TYPE_CHECKING, Any

__version__ = "0.1.0"

_MODULES = (
    "averages", "chapter", "data", "errors", "inference", "methods", "noise", "oracles", "orders", "plot",
    "problems", "record", "schedules", "streams", "theory",
)  # fmt: skip
_NAMES = {
    "Study": "study",
    "State": "study",
    "Update": "study",
    "Plan": "engine",
    "Result": "result",
    "load": "assembly",
    "merge": "assembly",
    "Precision": "inference",
    "simulate": "simulation",
    "sample_paths": "simulation",
    "sample_coverage": "coverage",
    "Claim": "verification",
    "Report": "verification",
    "Statement": "verification",
    "verify": "verification",
    "sweep": "sweeps",
    "SweepResult": "sweep_result",
    "compare": "comparison",
    "tune": "comparison",
}
__all__ = ["__version__", *_MODULES, *_NAMES]

if TYPE_CHECKING:
    from jaxsgd import averages as averages
    from jaxsgd import chapter as chapter
    from jaxsgd import data as data
    from jaxsgd import errors as errors
    from jaxsgd import inference as inference
    from jaxsgd import methods as methods
    from jaxsgd import noise as noise
    from jaxsgd import oracles as oracles
    from jaxsgd import orders as orders
    from jaxsgd import plot as plot
    from jaxsgd import problems as problems
    from jaxsgd import record as record
    from jaxsgd import schedules as schedules
    from jaxsgd import streams as streams
    from jaxsgd import theory as theory
    from jaxsgd.assembly import load as load
    from jaxsgd.assembly import merge as merge
    from jaxsgd.comparison import compare as compare
    from jaxsgd.comparison import tune as tune
    from jaxsgd.coverage import sample_coverage as sample_coverage
    from jaxsgd.engine import Plan as Plan
    from jaxsgd.inference import Precision as Precision
    from jaxsgd.result import Result as Result
    from jaxsgd.simulation import sample_paths as sample_paths
    from jaxsgd.simulation import simulate as simulate
    from jaxsgd.study import State as State
    from jaxsgd.study import Study as Study
    from jaxsgd.study import Update as Update
    from jaxsgd.sweep_result import SweepResult as SweepResult
    from jaxsgd.sweeps import sweep as sweep
    from jaxsgd.verification import Claim as Claim
    from jaxsgd.verification import Report as Report
    from jaxsgd.verification import Statement as Statement
    from jaxsgd.verification import verify as verify


def __getattr__(name: str) -> Any:
    if name in _MODULES:
        return importlib.import_module(f"jaxsgd.{name}")
    if name in _NAMES:
        return getattr(importlib.import_module(f"jaxsgd.{_NAMES[name]}"), name)
    raise AttributeError(f"module 'jaxsgd' has no attribute {name!r}")


def __dir__() -> list[str]:
    return sorted(__all__)
