"""Measure jaxsgd against its peers, and what its speed depends on.

    python scripts/benchmark/run.py [--quick] [--out DIR]

Writes benchmark.json and throughput.png to DIR. Quote ratios of one run: absolute speeds move with
the machine and with what else it does. Peers that are not installed are left out; for all of them:
pip install torch numba, and a C compiler.
"""

# ruff: noqa: E402 - the compiler's setting comes first

from jaxsgd import compiler

compiler.interleave()  # as the command line of jaxsgd does; it holds for the JAX peers too

import json
import sys
import time
from pathlib import Path
from typing import Annotated

import compare
import networks
import own
import processes
import report
import sampling
import typer
from measure import FULL, QUICK, Section, machine
from peers import available
from rich.console import Console

from jaxsgd.cli.folders import writable
from jaxsgd.errors import InvalidInput

_WIDTH = 160  # columns, where the output is not a terminal


def main(
    quick: Annotated[bool, typer.Option("--quick", help="Measure little, to see that it works.")] = False,
    out: Annotated[Path, typer.Option(help="Folder to write to.")] = Path("benchmark-results"),
) -> None:
    """Measure jaxsgd against its peers, and what its speed depends on."""
    try:
        writable(out)
    except InvalidInput as error:
        raise typer.BadParameter(str(error), param_hint="--out") from error
    began, scale = time.perf_counter(), QUICK if quick else FULL
    console = Console() if sys.stdout.isatty() else Console(width=_WIDTH)
    facts = machine()
    for name, fact in facts.items():
        console.print(f"{name:<12} {fact}", highlight=False)
    peers, left_out = available()
    for line in left_out:
        console.print(line, highlight=False)
    sections: list[Section] = []

    def show(section: Section) -> None:
        sections.append(section)
        console.print()
        console.print(report.table(section))
        for note in section.notes:
            console.print(note, highlight=False)

    table, speeds = compare.throughput(peers, scale)
    show(table)
    table, curves = compare.over_trajectories(peers, speeds, scale)
    show(table)
    report.figure(curves, facts).savefig(out / "throughput.png", dpi=200)
    show(compare.a_thousand(peers, scale))
    for measure in (sampling.throughput, sampling.many_examples):
        show(measure(scale))
    for measure in (
        own.steps,
        own.dimensions,
        own.gradients,
        own.methods,
        own.kept,
        own.precision,
        own.sweeps,
        networks.adam,
    ):
        show(measure(scale))
    for measure in (processes.start, processes.first_call, processes.memory, processes.settings):
        show(measure(scale))
    facts["seconds of the benchmark"] = round(time.perf_counter() - began)
    found = {"machine": facts, "quick": quick, "left out": left_out}
    found["sections"] = [section._asdict() for section in sections]
    (out / "benchmark.json").write_text(json.dumps(found, indent=1) + "\n")
    console.print(f"\n{facts['seconds of the benchmark']} s; written to {out}: benchmark.json, throughput.png")


if __name__ == "__main__":
    typer.run(main)
