"""Estimated means over steps."""

import itertools
import reprlib
from collections.abc import Iterable, Mapping, Sequence

import numpy as np
import xarray as xr
from matplotlib.axes import Axes

from jaxsgd.errors import InvalidInput, InvalidType, nearest
from jaxsgd.plot import style
from jaxsgd.results.result import Result
from jaxsgd.results.same_study import check_is_of
from jaxsgd.study import Study

_POINTS = 16  # estimates drawn one by one


def curves(
    result: Result | Mapping[str, Result],
    observables: Sequence[str] = ("risk",),
    exact: xr.Dataset | Mapping[str, xr.Dataset] | None = None,
    ax: Axes | None = None,
) -> Axes:
    """The mean of each observable with a band of 2 standard errors, and the exact mean beside it.

    Where the sample carries no standard error the mean has no band.

    The result's quantiles are dotted lines on a lighter band. The scale of means is logarithmic if all
    are positive, that of steps if the records grow sparse.

    **Arguments**

    - `result`: one result, or several by label, whose curves carry markers.
    - `exact`: as of ``jaxsgd.theory.exact``, or several by label; drawn dashed for the observables that it has.

    **Raises** `InvalidInput` or `InvalidType` if a result lacks an observable, or labels do not match.
    """
    results, theory = _by_label(result, exact)
    names, positive = list(observables), True
    several = len(results) > 1
    _check(results.values(), names)
    ax = style.axes(ax)
    for index, ((title, result), name) in enumerate(itertools.product(results.items(), names)):
        parts = [title] * bool(title) + [_label(name)] * (not title or len(names) > 1)
        colour, marker = style.COLOURS[index % len(style.COLOURS)], style.MARKERS[index % len(style.MARKERS)]
        options = {"marker": marker, "markersize": 5, "markevery": 0.12} if several else {}
        _curve(ax, result.dataset, name, colour, label=": ".join(parts), **options)
        positive &= not (result.dataset[f"{name}_mean"].values <= 0).any()
    known = [(moments, f"{name}_mean") for moments in theory.values() for name in names if f"{name}_mean" in moments]
    for index, (moments, variable) in enumerate(known):
        ax.plot(moments["step"], moments[variable], "--", color="black", linewidth=1, label=None if index else "exact")
    drawn = [result.dataset["quantile"].values for result in results.values() if "quantile" in result.dataset]
    if drawn:
        label = f"quantiles {', '.join(f'{level:g}' for level in np.unique(np.concatenate(drawn)))}"
        ax.plot([], [], ":", color="0.4", linewidth=0.8, label=label)
    if positive:
        ax.set_yscale("log")
    style.over_steps(ax, max((result.dataset["step"].values for result in results.values()), key=len))
    counts = sorted({result.trajectories for result in results.values()})
    about = f"{_label(names[0])}\n" if several and len(names) == 1 else ""
    sizes = " to ".join(f"{count:,}" for count in (counts[0], *counts[1:][-1:]))
    ax.set_ylabel(f"{about}mean of {sizes} trajectories ± 2 standard errors")
    style.legend(ax)
    return ax


def thinned(study: Study, result: Result, variables: Iterable[str]) -> xr.Dataset:
    """The estimates of these means of a study at up to 16 of the recorded steps from 1 on, log-spaced.

    **Raises** `InvalidInput` or `InvalidType` if the result is of another study, or lacks one of them.
    """
    check_is_of(study, result)
    _check([result], variables)
    steps = result.dataset["step"].values
    updated = result.dataset.isel(step=steps > 0)
    if not updated.sizes["step"]:
        raise InvalidInput("the result holds step 0 only: record later steps")
    scale = np.log(updated["step"].values)
    wanted = np.linspace(0, scale[-1], _POINTS)
    return updated.isel(step=np.unique(np.abs(scale - wanted[:, None]).argmin(axis=1)))


def _curve(ax: Axes, dataset: xr.Dataset, name: str, colour: str, **options: object) -> None:
    step, mean = dataset["step"].values, dataset[f"{name}_mean"].values
    ax.plot(step, mean, color=colour, **options)  # type: ignore[arg-type]
    error = 2 * dataset[f"{name}_sem"].values
    ax.fill_between(step, mean - error, mean + error, color=colour, alpha=0.35, linewidth=0)
    if f"{name}_quantile" in dataset:
        quantiles = dataset[f"{name}_quantile"].transpose("quantile", "step").values
        ax.fill_between(step, quantiles.min(axis=0), quantiles.max(axis=0), color=colour, alpha=0.12, linewidth=0)
        ax.plot(step, quantiles.T, ":", color=colour, linewidth=0.8)


def _by_label(result: object, exact: object) -> tuple[Mapping[str, Result], Mapping[str, xr.Dataset]]:
    results = {"": result} if isinstance(result, Result) else result
    if not (
        isinstance(results, Mapping) and results and all(isinstance(result, Result) for result in results.values())
    ):
        raise InvalidType(f"curves draws a Result, or a dict of them by label, got {reprlib.repr(result)}")
    theory = {"": exact} if isinstance(exact, xr.Dataset) else {} if exact is None else exact
    if not (isinstance(theory, Mapping) and all(isinstance(moments, xr.Dataset) for moments in theory.values())):
        raise InvalidType(f"exact must be what theory.exact returns, or a dict of them, got {reprlib.repr(exact)}")
    if not set(theory) <= set(results):
        raise InvalidInput(f"exact must have the labels of the results, {list(results)}, got {list(theory)}")
    return results, theory


def _check(results: Iterable[Result], observables: Iterable[str]) -> None:
    observables = list(observables)
    if not observables:
        raise InvalidInput("observables must hold at least one name")
    for result in results:
        held = [str(name).removesuffix("_sem") for name in result.dataset if str(name).endswith("_sem")]
        for name in observables:
            if name not in held:
                raise InvalidInput(f"the result has no mean of {name!r}; {nearest(name, held)}")


def _label(name: str) -> str:
    quantity, of, average = name.partition("_of_")
    return quantity.replace("_", " ") + (f" of average {average}" if of else "")
