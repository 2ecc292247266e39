"""The numbers at the end of a study, for people and for programs."""

import math
from collections.abc import Iterable, Mapping
from typing import Any

import xarray as xr

import jaxsgd as js
from jaxsgd.cli.terminal import number, print_table


def summarise(study: js.Study, result: js.Result, exact: xr.Dataset | None) -> dict[str, Any]:
    """What `summary.json` says of a result; None (null) where a number is not known or not finite.

    - `study`, `steps`, `trajectories`, `seed`, `device`, `precision`, `versions`: what was run, and on what.
    - `observables`: for each one, over all trajectories at the last recorded step (`step`), the
      `estimate` of its mean with its `standard_error`, the `exact` mean, `z` = (estimate - exact) /
      standard error, and the smallest and largest value, `min` and `max`. The standard error of values that are
      all 0 is not known: they may have underflowed. In `z` the standard error is
      that of the exact variance where that is known. There is no z above the limit of mean-square stability.
    - `events`: for each one, at the last recorded step, its `count` among the `finite` trajectories, the `probability`,
      unknown while some trajectories are not finite, and its exact limits `lower` and `upper` at confidence 0.95,
      which allow for these.
    - `unstable`: why SGD on sampled examples is not stable in mean square; None where it is, or nobody knows.
    - `no_standard_error`: of which observables the sample carries none, and why; None if it carries all.
    - `target`: whether the target of the run was reached, in words; None without one.
    - `diverged`, `first_diverged_step`: how many trajectories were not finite at the last recorded
      step, and the first recorded step at which one was not.

    The command adds the `study_file`, why there is `no_exact_solution`, how many `seconds` the
    simulation took, and the `folder` and the `files` in it.
    """
    end = result.dataset.isel(step=-1)
    exact_end = xr.Dataset() if exact is None else exact.sel(step=end["step"])
    attributes, diverged = result.dataset.attrs, result.dataset["diverged"]
    first = diverged["step"].values[diverged.values > 0][:1]
    return {
        "study": repr(study),
        "steps": study.steps,
        "trajectories": result.trajectories,
        "seed": result.seed,
        **{name: attributes[name] for name in ("device", "precision")},
        "versions": {name: attributes[name] for name in ("jaxsgd", "python", "jax", "jaxlib", "numpy", "equinox")},
        "step": int(end["step"]),
        "observables": {name: _estimate(name, end, exact_end, result.trajectories) for name in study.observed},
        "events": {name: _event(name, end) for name in result.events},
        "unstable": exact_end.attrs.get("mean_square_reason"),
        "no_standard_error": result.heavy_tails or None,
        "target": result.look or None,
        "diverged": int(end["diverged"]),
        "first_diverged_step": int(first[0]) if len(first) else None,
    }


def _estimate(name: str, end: xr.Dataset, exact: xr.Dataset, trajectories: int) -> dict[str, float | None]:
    estimate, error = _number(end, f"{name}_mean"), _number(end, f"{name}_sem")
    error = None if not estimate and not error else error
    mean, variance = _number(exact, f"{name}_mean"), _number(exact, f"{name}_variance")
    scale = error if variance is None else math.sqrt(variance / trajectories)
    z = None
    if estimate is not None and mean is not None and error is not None and scale:
        z = (estimate - mean) / scale if exact.attrs.get("mean_square_stable", True) else None
    return {
        "estimate": estimate,
        "standard_error": error,
        "exact": mean,
        "z": z,
        "min": _number(end, f"{name}_min"),
        "max": _number(end, f"{name}_max"),
    }


def _event(name: str, end: xr.Dataset) -> dict[str, float | int | None]:
    return {
        "count": int(end[f"{name}_count"]),
        "finite": int(end[f"{name}_count_finite"]),
        "probability": _number(end, f"{name}_probability"),
        "lower": _number(end, f"{name}_probability_lower"),
        "upper": _number(end, f"{name}_probability_upper"),
    }


def _number(dataset: xr.Dataset, name: str) -> float | None:
    value = float(dataset[name]) if name in dataset else math.nan
    return value if math.isfinite(value) else None


def show(found: Mapping[str, Any], notes: Iterable[str]) -> None:
    """Print a summary: a table and a few lines, among them the notes."""
    count, steps = found["trajectories"], found["steps"]
    columns = [f"mean at step {found['step']}", *map(number, ("estimate", "standard error", "exact", "z"))]
    rows = []
    for name, row in found["observables"].items():
        cells = (row["estimate"], ".6g"), (row["standard_error"], ".2g"), (row["exact"], ".6g"), (row["z"], "+.2f")
        rows.append([name, *("-" if value is None else format(value, style) for value, style in cells)])
    lines = [f"no exact values: {found['no_exact_solution']}"] if found["no_exact_solution"] else []
    lines += [f"no z: {found['unstable']}"] if found["unstable"] else []
    lines += [f"no standard error: {found['no_standard_error']}"] if found["no_standard_error"] else []
    lines += notes
    if "paths.png" not in found["files"]:
        lines.append("no paths.png: paths are drawn for studies of two coordinates")
    rate = count * steps / found["seconds"]
    lines.append(f"{found['seconds']:.2f} s, {rate:.3g} trajectory-steps per second, compilation included")
    lines.append(f"written to {found['folder']}: {', '.join(found['files'])}")
    print(f"{found['study_file']}: {count:,} trajectories of {steps:,} steps, seed {found['seed']}")
    print_table(columns, rows)
    for line in lines:
        print(line)
