"""The interface of a way to exact moments."""

import abc
from typing import ClassVar

import xarray as xr

from jaxsgd.study import Study


class Route(abc.ABC):
    """One way to the exact moments of a study; [`jaxsgd.theory.exact`][] takes the first that applies.

    - `title`: of which studies.
    - `sentence`, `reference`: what it rests on, in words, and where that stands.
    - `slow`: whether it can take seconds.
    """

    title: ClassVar[str]
    sentence: ClassVar[str]
    reference: ClassVar[str]
    slow: ClassVar[bool]

    @abc.abstractmethod
    def applies(self, study: Study) -> str | None:
        """Why it does not apply to a study; None where it does."""

    @abc.abstractmethod
    def moments(self, study: Study) -> xr.Dataset:
        """The moments at the recorded steps, as [`jaxsgd.theory.exact`][] describes them.

        **Raises** `NoExactSolution` with a reason that only shows in the course of the computation.
        """


def not_plain(study: Study) -> str | None:
    """Why a study is not known to run plain SGD; None where it is."""
    if study.method.plain:
        return None
    return f"methods.{type(study.method).__name__} does not state that it is plain SGD"
