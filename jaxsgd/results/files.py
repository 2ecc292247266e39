"""Results from files, and from parts."""

import os
from collections.abc import Sequence
from typing import TypeVar

from jaxsgd.errors import InvalidInput, InvalidType
from jaxsgd.results import storage
from jaxsgd.results.estimates import Estimates
from jaxsgd.results.result import Result
from jaxsgd.results.sweep_result import SweepResult

Results = TypeVar("Results", bound=Estimates)


def load(path: str | os.PathLike[str]) -> Result | SweepResult:
    """Read a result that `Result.save` or `SweepResult.save` wrote. Nothing in the file is executed.

    **Raises** `ValueError` if it is not there, or is not such a file, or was damaged.
    """
    kinds = {kind.kind: kind for kind in (Result, SweepResult)}
    try:
        saved = storage.read(path)
        return kinds[saved.attributes["kind"]].restored(saved)
    except (OSError, KeyError, ValueError, TypeError, AttributeError, RuntimeError) as error:  # as damage may have it
        if isinstance(error, InvalidInput):
            raise
        raise InvalidInput(f"{path} is not a result of jaxsgd: {error}") from error


def merge(results: Sequence[Results]) -> Results:
    """One result of several runs of the same study, or sweep, and seed over disjoint ranges of trajectories.

    Bitwise equal to one run over the union when the ranges meet at multiples of the plan's chunk;
    otherwise right to rounding, with an [`jaxsgd.errors.InexactMerge`][] warning: to 1e-12 when they
    meet at multiples of a block, 1024, and to that of the state's precision inside a block.

    **Raises** `ValueError` when the results are of different studies, seeds, precisions or versions, or
    when trajectories would be counted twice.
    """
    if isinstance(results, Estimates) or not all(isinstance(result, Estimates) for result in results):
        raise InvalidType(f"merge takes a list of results, got {results!r}")
    if not results:
        raise InvalidInput("merge needs at least one result")
    return results[0].merged(results[1:])
