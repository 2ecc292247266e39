"""``jaxsgd run``: simulate study files and write what was found."""

import json
import pathlib
import time
from collections.abc import Mapping, Sequence
from typing import Any

import jaxsgd as js
from jaxsgd import config
from jaxsgd.cli import figures, summary
from jaxsgd.cli.folders import writable


def run_studies(
    paths: Sequence[pathlib.Path], out: pathlib.Path, overrides: Mapping[str, int | None], quiet: bool
) -> None:
    """Run each study. All files are read and all folders made before the first simulation starts.

    **Arguments**

    - `overrides`: arguments of ``simulate`` that replace those of the files, unless they are None.
    """
    files = [config.read(path) for path in paths]
    given = {key: value for key, value in overrides.items() if value is not None}
    arguments = [{"seed": 0, **file.arguments, **given} for file in files]
    for file, chosen in zip(files, arguments, strict=True):
        if "trajectories" not in chosen:
            raise js.errors.InvalidInput(f"{file.path}: trajectories: missing; write it there or give --trajectories")
    names = [file.path.stem for file in files]
    if len(set(names)) < len(names):
        raise js.errors.InvalidInput(f"study files need different names, since each names a folder; got {names}")
    folders = [writable(out / name if len(files) > 1 else out) for name in names]
    for file, chosen, folder in zip(files, arguments, folders, strict=True):
        _run_study(file, chosen, folder, quiet)


def _run_study(file: config.StudyFile, arguments: Mapping[str, Any], folder: pathlib.Path, quiet: bool) -> None:
    started = time.perf_counter()
    with config.located(str(file.path)):
        result = js.simulate(file.study, **arguments, progress=False if quiet else "auto")
    seconds = time.perf_counter() - started
    try:
        exact, reason = js.theory.exact(file.study), None
    except js.errors.NoExactSolution as error:
        exact, reason = None, str(error)
    result.save(folder / "result.nc")
    written = ["result.nc", "summary.json", *figures.write(file.study, result, exact, folder)]
    found = {
        "study_file": str(file.path),
        **summary.summarise(file.study, result, exact),
        "no_exact_solution": reason,
        "seconds": seconds,
        "folder": str(folder),
        "files": written,
    }
    (folder / "summary.json").write_text(json.dumps(found, indent=2, allow_nan=False) + "\n", encoding="utf-8")
    if not quiet:
        summary.show(found, result.divergence)
