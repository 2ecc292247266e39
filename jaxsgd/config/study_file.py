"""What a study file says: a study, or the studies of a sweep, and how to run them."""

import dataclasses
import functools
import pathlib
import tomllib
from collections.abc import Callable, Mapping, Sequence
from typing import Any

from jaxsgd.config.constructors import study_keys
from jaxsgd.config.places import UnknownKey, located
from jaxsgd.config.reader import Reader
from jaxsgd.config.sharing import Shared
from jaxsgd.config.sweep_table import path_of, place, read_axes, with_value
from jaxsgd.errors import InvalidInput, InvalidType, nearest
from jaxsgd.inference import Precision
from jaxsgd.runs.axes import make_cells
from jaxsgd.study import Study

RUN = {
    "trajectories": int,
    "seed": int,
    "statistics": Sequence[str],
    "quantiles": Sequence[float],
    "probabilities": Mapping[str, Callable],
    "target": Precision,
}
"""The arguments of ``simulate`` that a study file may give, at its top level. A sweep has all but `target`."""

SWEEP = {"compare": Sequence[str], "compare_at": int, "common_random_numbers": bool}
"""The arguments of ``sweep`` that a file with a table `sweep` may give besides."""


@dataclasses.dataclass(frozen=True)
class StudyFile:
    """What a study file says.

    - `path`: the file.
    - `make`: makes the study, of a sweep with the values of its axes: ``make(**{"schedule.initial": 0.1})``. What is
      made is kept.
    - `axes`: the values of each path that is swept; None for a file of one study.
    - `arguments`: those arguments of ``simulate``, or of ``sweep``, that the file gives.
    """

    path: pathlib.Path
    make: Callable[..., Study]
    axes: Mapping[str, Sequence[Any]] | None
    arguments: Mapping[str, Any]

    @property
    def study(self) -> Study:
        """The study of a file of one; an error if it sweeps."""
        if self.axes is not None:
            raise InvalidInput("sweep: one study is needed here; remove this table")
        return self.make()


def read(path: str | pathlib.Path) -> StudyFile:
    """The study in a TOML file, or the sweep, and how to run it. All studies of a sweep are made.

    **Raises** `InvalidInput` or `InvalidType`; the message is ``file: path.to.key: what is wrong``.
    """
    return read_all([path])[0]


def read_all(paths: Sequence[str | pathlib.Path]) -> list[StudyFile]:
    """What several files say, as [`read`][jaxsgd.config.read] does; they share what they describe alike."""
    shared = Shared()
    return [_read(pathlib.Path(path), shared) for path in paths]


def _read(path: pathlib.Path, shared: Shared) -> StudyFile:
    with located(str(path)):
        try:
            content = tomllib.loads(path.read_text(encoding="utf-8"))
        except OSError as error:
            raise InvalidInput(error.strerror) from error
        except ValueError as error:  # not TOML, or not UTF-8
            raise InvalidInput(f"not a TOML file: {error}") from error
        return _study_file(path, content, shared)


def _study_file(path: pathlib.Path, content: Mapping[str, Any], shared: Shared) -> StudyFile:
    reader, sweeps = Reader(path.parent, shared), "sweep" in content
    allowed = {*RUN, *SWEEP, "sweep", *study_keys()}
    for key in content:
        if key not in allowed:
            raise InvalidInput(f"{key}: unknown key; {nearest(key, allowed)}")
        if key in SWEEP and not sweeps:
            raise InvalidInput(f"{key}: belongs to a sweep; add a table [sweep]")
        if key == "target" and sweeps:
            raise InvalidInput("target: a sweep has none; give trajectories")
    axes = read_axes(content["sweep"]) if sweeps else None
    arguments = {
        key: reader.value(content[key], hint, key) for key, hint in (RUN | SWEEP).items() if key in content
    }  # fmt: skip
    of_study = {key: item for key, item in content.items() if key in study_keys()}

    @functools.cache
    def make(**point: Any) -> Study:
        return reader.study(_at(point, of_study))

    if axes is None:
        make()
    else:
        _check_paths(axes, make, of_study)
        with located("sweep"):
            make_cells(make, axes)
    return StudyFile(path, make, axes, arguments)


def _at(point: Mapping[str, Any], content: Mapping[str, Any]) -> Mapping[str, Any]:
    """The content with the values of a cell."""
    for name, value in point.items():
        with located(place(name)):
            content = with_value(content, path_of(name), value)
    return content


def _check_paths(axes: Mapping[str, Sequence[Any]], make: Callable[..., Study], content: Mapping[str, Any]) -> None:
    """An error at the axis whose path leads to no key of the study."""
    point = {name: values[0] for name, values in axes.items()}
    _at(point, content)
    try:
        make(**point)
    except UnknownKey as error:
        for name in axes:
            if name == error.where or name.startswith((f"{error.where}.", f"{error.where}[")):
                raise InvalidInput(f"{place(name)}: {error.reason}") from error
        raise
    except (InvalidInput, InvalidType):
        pass  # of a value, which is said of its cell
