"""``jaxsgd run``: simulate study files and write what was found."""

import contextlib
import pathlib
import shlex
import shutil
import sys
from collections.abc import Mapping, Sequence

from jaxsgd import config
from jaxsgd.cli.cluster import dask_executor
from jaxsgd.cli.folders import writable
from jaxsgd.cli.running import Run, RunOfStudy, RunOfSweep
from jaxsgd.cli.shard import Shard
from jaxsgd.engine.checkpoint import manifest_path
from jaxsgd.errors import InvalidInput


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
    """Run each study, or sweep. All files are read and all folders made before the first simulation starts.

    What is finished is kept in each study's folder while the command runs. It is removed when all
    studies are done, unless the command resumes: then it stays, for more trajectories.

    **Arguments**

    - `overrides`: arguments of ``simulate`` that replace those of the files, unless they are None.
    - `resume`: go on from what an earlier command has kept, if there is something.
    - `shard`: "i/n", to run only the i-th of n parts of the trajectories and write only its result.
    - `dask`: the address of a Dask scheduler, to run on its workers.
    """
    runs = _prepare(paths, out, overrides, shard)
    for run in runs:
        writable(run.folder)
    for run in runs:
        if not resume and manifest_path(run.checkpoint).exists():
            raise InvalidInput(
                f"{run.checkpoint} holds a run that was not finished; to go on, type: {_resume_command()} "
                "- or remove that folder to start anew"
            )
    try:
        with dask_executor(dask) if dask else contextlib.nullcontext() as executor:
            for run in runs:
                run.run(quiet, executor)
    except KeyboardInterrupt:
        if any(manifest_path(run.checkpoint).exists() for run in runs):
            print(f"to go on, type: {_resume_command()}", file=sys.stderr)
        raise
    if not resume:
        for run in runs:
            shutil.rmtree(run.checkpoint, ignore_errors=True)


def preview_studies(
    paths: Sequence[pathlib.Path], overrides: Mapping[str, int | None], *, shard: str | None = None
) -> None:
    """Print what would be run and what it would cost."""
    for run in _prepare(paths, pathlib.Path(), overrides, shard):
        run.preview()


def _prepare(
    paths: Sequence[pathlib.Path], out: pathlib.Path, overrides: Mapping[str, int | None], shard: str | None
) -> list[Run]:
    """What there is to run, checked as far as possible without running; nothing is written."""
    part = None if shard is None else Shard.parse(shard)
    files = config.read_all(paths)
    names = [file.path.stem for file in files]
    if len(set(names)) < len(names):
        raise InvalidInput(f"study files need different names, since each names a folder; got {names}")
    given = {key: value for key, value in overrides.items() if value is not None}
    runs = []
    for file, name in zip(files, names, strict=True):
        arguments = {"seed": 0, **file.arguments, **given}
        if not arguments.keys() & {"trajectories", "target"}:
            raise InvalidInput(f"{file.path}: trajectories: missing; write it there or give --trajectories")
        kind = RunOfStudy if file.axes is None else RunOfSweep
        run = kind(file, arguments, out / name if len(files) > 1 else out)
        runs.append(run if part is None else run.part(part))
    return runs


def _resume_command() -> str:
    given = sys.argv[1:]
    return shlex.join(["jaxsgd", *given, *([] if "--resume" in given else ["--resume"])])
