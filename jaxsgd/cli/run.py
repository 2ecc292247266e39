"""``jaxsgd run``: simulate study files and write what was found."""

import contextlib
import dataclasses
import json
import pathlib
import shlex
import shutil
import sys
import time
import warnings
from collections.abc import Iterator, Mapping, Sequence
from concurrent.futures import Executor
from typing import Any

import jaxsgd as js
from jaxsgd import config
from jaxsgd.cli import figures, summary
from jaxsgd.cli.cluster import dask_executor
from jaxsgd.cli.folders import writable
from jaxsgd.cli.shard import Shard
from jaxsgd.engine.checkpoint import DamagedPart, manifest_path


@dataclasses.dataclass(frozen=True)
class _Run:
    """One study file, the arguments of ``simulate`` for it, and where its results go."""

    file: config.StudyFile
    arguments: Mapping[str, Any]
    folder: pathlib.Path
    shard: Shard | None

    @property
    def suffix(self) -> str:
        """What tells the files of a shard from those of others."""
        return f"-{self.shard}" if self.shard else ""

    @property
    def checkpoint(self) -> pathlib.Path:
        return self.folder / f"checkpoint{self.suffix}"

    def simulate(self, quiet: bool, executor: Executor | None) -> js.Result:
        with config.located(str(self.file.path)), _warnings_in_one_line():
            return js.simulate(
                self.file.study,
                **self.arguments,
                progress=False if quiet else "auto",
                checkpoint=self.checkpoint,
                executor=executor,
            )


def run_studies(
    paths: Sequence[pathlib.Path],
    out: pathlib.Path,
    overrides: Mapping[str, int | None],
    quiet: bool,
    *,
    resume: bool = False,
    shard: str | None = None,
    dask: str | None = None,
) -> None:
    """Run each study. All files are read and all folders made before the first simulation starts.

    What is finished is kept in each study's folder while the command runs. It is removed when all
    studies are done, unless the command resumes: then it stays, for more trajectories.

    **Arguments**

    - `overrides`: arguments of ``simulate`` that replace those of the files, unless they are None.
    - `resume`: go on from what an earlier command has kept, if there is something.
    - `shard`: "i/n", to run only the i-th of n parts of the trajectories and write only its result.
    - `dask`: the address of a Dask scheduler, to run on its workers.
    """
    runs = _prepare(paths, out, overrides, None if shard is None else Shard.parse(shard))
    for run in runs:
        if not resume and manifest_path(run.checkpoint).exists():
            raise js.errors.InvalidInput(
                f"{run.checkpoint} holds a run that was not finished; to go on, type: {_resume_command()} "
                "- or remove that folder to start anew"
            )
    try:
        with dask_executor(dask) if dask else contextlib.nullcontext() as executor:
            for run in runs:
                _run_study(run, quiet, executor)
    except KeyboardInterrupt:
        if any(manifest_path(run.checkpoint).exists() for run in runs):
            print(f"to go on, type: {_resume_command()}", file=sys.stderr)
        raise
    if not resume:
        for run in runs:
            shutil.rmtree(run.checkpoint, ignore_errors=True)


def _prepare(
    paths: Sequence[pathlib.Path], out: pathlib.Path, overrides: Mapping[str, int | None], shard: Shard | None
) -> list[_Run]:
    files = [config.read(path) for path in paths]
    given = {key: value for key, value in overrides.items() if value is not None}
    arguments = [{"seed": 0, **file.arguments, **given} for file in files]
    for file, chosen in zip(files, arguments, strict=True):
        with config.located(str(file.path)):
            if "trajectories" not in chosen:
                raise js.errors.InvalidInput("trajectories: missing; write it there or give --trajectories")
            if shard is not None:
                chosen |= shard.arguments(file.study, chosen["trajectories"])
    names = [file.path.stem for file in files]
    if len(set(names)) < len(names):
        raise js.errors.InvalidInput(f"study files need different names, since each names a folder; got {names}")
    folders = [writable(out / name if len(files) > 1 else out) for name in names]
    return [_Run(*parts, shard) for parts in zip(files, arguments, folders, strict=True)]


def _run_study(run: _Run, quiet: bool, executor: Executor | None) -> None:
    started = time.perf_counter()
    result = run.simulate(quiet, executor)
    seconds = time.perf_counter() - started
    path = run.folder / f"result{run.suffix}.nc"
    result.save(path)
    if run.shard is None:
        _report(run, result, seconds, quiet)
    elif not quiet:
        first = run.arguments["first_trajectory"]
        print(f"{run.file.path}: trajectories {first} to {first + result.trajectories - 1} written to {path}")
        parts, whole = run.folder / f"result-*-of-{run.shard.count}.nc", run.folder / "result.nc"
        print(f"when all shards are there, type: jaxsgd merge {parts} --out {whole}")


def _report(run: _Run, result: js.Result, seconds: float, quiet: bool) -> None:
    """Write summary and figures of a result."""
    study, folder = run.file.study, run.folder
    try:
        exact, reason = js.theory.exact(study), None
    except js.errors.NoExactSolution as error:
        exact, reason = None, str(error)
    written = ["result.nc", "summary.json", *figures.write(study, result, exact, folder)]
    found = {
        "study_file": str(run.file.path),
        **summary.summarise(study, result, exact),
        "no_exact_solution": reason,
        "seconds": seconds,
        "folder": str(folder),
        "files": written,
    }
    (folder / "summary.json").write_text(json.dumps(found, indent=2, allow_nan=False) + "\n", encoding="utf-8")
    if not quiet:
        summary.show(found, result.divergence)


def _resume_command() -> str:
    given = sys.argv[1:]
    return shlex.join(["jaxsgd", *given, *([] if "--resume" in given else ["--resume"])])


@contextlib.contextmanager
def _warnings_in_one_line() -> Iterator[None]:
    """Print what jaxsgd warns of as the command prints errors."""
    with warnings.catch_warnings():
        warnings.simplefilter("always", DamagedPart)
        warnings.showwarning = lambda message, *_, **__: print("warning:", message, file=sys.stderr)
        yield
