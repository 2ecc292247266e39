"""What makes tests cheap whose point is neither the speed of compiled programs nor how figures look."""

import functools
import inspect
import pathlib
import sys
from collections.abc import Callable
from typing import Any

import pytest
from matplotlib.figure import Figure

from jaxsgd.cli import main
from jaxsgd.engine import plan

_OPTIONS = plan._CPU_OPTIONS
OLDER_EMITTER = (("xla_cpu_use_fusion_emitters", False),)
"""For the compiler: optimised code that takes half the time to compile, and some fifth more to run."""

QUICK = (("xla_backend_optimization_level", 0), *OLDER_EMITTER)
"""For the compiler: code that is not optimised, which takes a third of the time."""


def compile_without_optimising(patch: pytest.MonkeyPatch) -> None:
    """Programs of trajectories are compiled in a third of the time, and run some fifteen times as long.

    They are kept by their options, so that other tests do not get them.
    """
    patch.setattr(plan, "_CPU_OPTIONS", (*_OPTIONS, *QUICK))


def compile_for_long_runs(patch: pytest.MonkeyPatch) -> None:
    """Programs are compiled in half the time, and run nearly as fast."""
    patch.setattr(plan, "_CPU_OPTIONS", (*_OPTIONS, *OLDER_EMITTER))


def quick(plan_: plan.Plan) -> plan.Plan:
    """The same plan, for programs that are compiled without optimising."""
    return plan_.replace(compiler_options=(*plan_.compiler_options, *QUICK))


def leave_figures_blank(patch: pytest.MonkeyPatch) -> None:
    """Figures are made, but not rendered: their files are empty."""
    patch.setattr(Figure, "savefig", lambda _, path, **__: pathlib.Path(path).touch())


def run_command(patch: pytest.MonkeyPatch, *arguments: object) -> int:
    """The exit status of the command with these arguments, in this process."""
    patch.setattr(sys, "argv", ["jaxsgd", *map(str, arguments)])
    with pytest.raises(SystemExit) as exit_:
        main()
    return exit_.value.code or 0


def at_most(most: int, function: Callable[..., Any]) -> Callable[..., Any]:
    """The function with no more than so many `trajectories`."""

    @functools.wraps(function)
    def fewer(*arguments: Any, **options: Any) -> Any:
        given = inspect.signature(function).bind(*arguments, **options)
        if given.arguments.get("trajectories"):
            given.arguments["trajectories"] = min(most, given.arguments["trajectories"])
        return function(*given.args, **given.kwargs)

    return fewer
