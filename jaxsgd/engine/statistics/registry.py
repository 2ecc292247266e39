"""The statistics that can be asked for."""

from collections.abc import Mapping, Sequence
from typing import Any, TypeVar

from jaxsgd.engine.statistics.diverged_counts import DivergedCounts
from jaxsgd.engine.statistics.event_counts import EventCounts
from jaxsgd.engine.statistics.extremes import Extremes
from jaxsgd.engine.statistics.histograms import Histograms
from jaxsgd.engine.statistics.iterate_moments import IterateMoments
from jaxsgd.engine.statistics.observable_moments import ObservableMoments
from jaxsgd.engine.statistics.statistic import Statistic
from jaxsgd.engine.statistics.step_covariance import StepCovariance
from jaxsgd.errors import InvalidInput, InvalidType, nearest
from jaxsgd.study import Study

Kind = TypeVar("Kind", bound=type[Statistic])

# In the order in which they are observed, and in which their estimates stand in a dataset.
REGISTERED: dict[str, type[Statistic]] = {
    kind.name: kind
    for kind in (
        DivergedCounts,
        ObservableMoments,
        Extremes,
        IterateMoments,
        Histograms,
        EventCounts,
        StepCovariance,
    )
}


def register(kind: Kind) -> Kind:
    """Make a statistic one that can be asked for, by its `words`; a decorator of its class.

    A result that holds it can be read from a file where it is registered, too.
    """
    if kind.name in REGISTERED:
        raise InvalidInput(f"there is a statistic {kind.name!r} already: choose another name")
    REGISTERED[kind.name] = kind
    return kind


def wanted(study: Study, **arguments: Any) -> tuple[Statistic, ...]:
    """The statistics that arguments of ``simulate`` ask for: `statistics`, names, and those that have their own.

    **Raises** `InvalidInput` or `InvalidType`.
    """
    kinds = list(REGISTERED.values())
    allowed = {"statistics", *(kind.argument for kind in kinds)}
    for argument in arguments:
        if argument not in allowed:
            raise InvalidType(f"there is no argument {argument!r}; {nearest(argument, allowed)}")
    _check_names(arguments.get("statistics", ()), [word for kind in kinds for word in kind.words])
    asked = (
        kind.asked(study, arguments[kind.argument]) if kind.argument in arguments else kind.asked(study)
        for kind in kinds
    )
    return tuple(statistic for statistic in asked if statistic is not None)


def restored(saved: Mapping[str, Mapping[str, Any]]) -> tuple[Statistic, ...]:
    """The statistics that a file holds, by name what was written of each."""
    for name in saved:
        if name not in REGISTERED:
            raise InvalidInput(
                f"the result holds the statistic {name!r}, which is not registered: import the module that registers it"
            )
    return tuple(REGISTERED[name].restored(fields) for name, fields in saved.items())


def dimensions() -> tuple[str, ...]:
    """Those that estimates may have besides "step"."""
    return tuple(dimension for kind in REGISTERED.values() for dimension in kind.dimensions)


def _check_names(names: Sequence[str], allowed: list[str]) -> None:
    if isinstance(names, str):
        raise InvalidType(f"statistics must be a list of names, got the string {names!r}")
    for name in names:
        if name not in allowed:
            raise InvalidInput(f"statistics has no {name!r}; {nearest(name, allowed)}")
