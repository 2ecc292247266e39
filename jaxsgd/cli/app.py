"""What can be asked on the command line.

Each command imports its answer when it is called, so that ``--help`` and a misspelt option do not
wait for JAX.
"""

import sys
from pathlib import Path
from typing import Annotated, Any

import typer

import jaxsgd as js
from jaxsgd import compiler

# typer >= 0.26 brings its own copy of click, before that it used click: this is UsageError in both.
_UsageError: Any = typer.BadParameter.__base__
_INTERRUPTED = 130  # 128 + SIGINT, as shells count

app = typer.Typer(add_completion=False, pretty_exceptions_enable=False)


@app.callback()
def about() -> None:
    """Monte Carlo laboratory for stochastic gradient descent."""


@app.command()
def run(
    studies: Annotated[list[Path], typer.Argument(metavar="STUDY.toml", help="Study files.", show_default=False)],
    out: Annotated[
        Path | None,
        typer.Option(help="Folder to write to, needed unless --dry-run; of several studies, each has its own inside."),
    ] = None,
    trajectories: Annotated[
        int | None, typer.Option(min=1, help="Number of trajectories, in place of the file's.")
    ] = None,
    seed: Annotated[int | None, typer.Option(min=0, help="Seed, in place of the file's.")] = None,
    resume: Annotated[
        bool, typer.Option("--resume", help="Go on with a run that was interrupted, or with more trajectories.")
    ] = False,
    shard: Annotated[
        str | None, typer.Option(metavar="I/N", help="Run the I-th of N parts of the trajectories, to be merged.")
    ] = None,
    dask: Annotated[
        str | None, typer.Option(metavar="ADDRESS", help="Run on the workers of the Dask scheduler there.")
    ] = None,
    dry_run: Annotated[
        bool, typer.Option("--dry-run", help="Show what would be run and what it would cost; write nothing.")
    ] = False,
    quiet: Annotated[bool, typer.Option("--quiet", help="Print errors only.")] = False,
) -> None:
    """Simulate studies, or sweeps; write their results, summaries and figures."""
    if out is None and not dry_run:
        raise _UsageError("Missing option '--out': the folder to write to.")
    from jaxsgd.cli.run_command import preview_studies, run_studies

    overrides = {"trajectories": trajectories, "seed": seed}
    if out is None or dry_run:
        preview_studies(studies, overrides, shard=shard)
        return
    run_studies(studies, out, overrides, quiet, resume=resume, shard=shard, dask=dask)


@app.command()
def verify(
    study: Annotated[
        Path | None,
        typer.Argument(metavar="STUDY.toml", help="Study file; of its run, only the seed is used.", show_default=False),
    ] = None,
    out: Annotated[Path, typer.Option(help="Folder to write the report to.")] = Path("verification"),
    only: Annotated[str | None, typer.Option(metavar="PATTERN", help="Statements with names like 'figure-*'.")] = None,
    listed: Annotated[bool, typer.Option("--list", help="Show the statements; simulate nothing.")] = False,
    resolution: Annotated[float, typer.Option(help="Smallest relative departure that matters.")] = 0.01,
    seed: Annotated[int | None, typer.Option(min=0, help="Seed; default 0, or the file's.")] = None,
    trajectories: Annotated[
        int | None, typer.Option(min=1000, help="Number of trajectories; default as many as the resolution asks for.")
    ] = None,
    quiet: Annotated[bool, typer.Option("--quiet", help="Print errors only.")] = False,
) -> int:
    """Verify the statements of the SGD chapter, or those that apply to a study; write a report.

    Exit status: 1 if a statement is refuted, otherwise 0.
    """
    from jaxsgd.cli.verify import list_statements, verify_statements

    if listed:
        list_statements(study, only)
        return 0
    return verify_statements(
        study, out, only=only, resolution=resolution, seed=seed, trajectories=trajectories, quiet=quiet
    )


@app.command()
def merge(
    results: Annotated[list[Path], typer.Argument(metavar="RESULT.nc", help="Results of one study, in any order.")],
    out: Annotated[Path, typer.Option(help="File to write to.")],
) -> None:
    """Merge results of one study over disjoint ranges of trajectories."""
    from jaxsgd.cli.merge_command import merge_files

    merge_files(results, out)


@app.command()
def bench(
    trajectories: Annotated[int | None, typer.Option(min=1, help="Number of trajectories.")] = None,
    json: Annotated[Path | None, typer.Option(help="File to write the measurements to.")] = None,
) -> None:
    """Measure the throughput of this machine."""
    from jaxsgd.bench import main

    main(trajectories=trajectories, json=json)


@app.command()
def info() -> None:
    """Show versions, devices and precision: what a report of a problem needs."""
    from jaxsgd.cli.info_command import show

    show()


def main() -> None:
    """The console script. Exit status: 0; 1 if a statement is refuted; 2 after a user's error; 130 if interrupted."""
    compiler.interleave()
    try:
        status = app(standalone_mode=False)
    except _UsageError as error:
        status = _fail(error.format_message())
    except typer.Abort:  # how typer before 0.26 reports an interrupt
        status = _INTERRUPTED
    except (js.errors.InvalidInput, js.errors.InvalidType) as error:
        status = _fail(str(error))
    except OSError as error:
        status = _fail(f"{error.filename}: {error.strerror}" if error.filename else str(error))
    if status == _INTERRUPTED:
        print("interrupted", file=sys.stderr)
    sys.exit(status)


def _fail(message: str) -> int:
    print("error:", " ".join(message.split()), file=sys.stderr)
    return 2
