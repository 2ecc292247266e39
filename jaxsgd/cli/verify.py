"""``jaxsgd verify``: put the chapter's statements to the test, or those that apply to a study."""

import dataclasses
import fnmatch
import pathlib
import shlex
import sys
from collections.abc import Mapping, Sequence

from rich.console import Console
from rich.progress import BarColumn, MofNCompleteColumn, Progress, TextColumn, TimeElapsedColumn
from rich.text import Text

from jaxsgd import config
from jaxsgd.cli.folders import writable
from jaxsgd.cli.terminal import print_table
from jaxsgd.errors import InvalidInput, nearest
from jaxsgd.inference import Verdict
from jaxsgd.verification import Report, Section, Statement, verify
from jaxsgd.verification.report import line

_STYLES = {Verdict.CONSISTENT: "green", Verdict.REFUTED: "bold red", Verdict.INCONCLUSIVE: "yellow"}
_TELLING = (Verdict.CONSISTENT, Verdict.INCONCLUSIVE, Verdict.REFUTED)


@dataclasses.dataclass(frozen=True)
class _Subject:
    """What is verified.

    - `not_tested`: by name, why.
    - `seed`: where none is given.
    - `command`: what verifies it on the command line.
    """

    title: str
    statements: Sequence[Statement]
    not_tested: Mapping[str, str]
    seed: int
    command: str

    def only(self, pattern: str) -> "_Subject":
        """The part with names like a glob pattern."""
        chosen = [one for one in self.statements if fnmatch.fnmatchcase(one.name, pattern)]
        if not chosen:
            names = [one.name for one in self.statements]
            reason = (
                f"it is not tested: {self.not_tested[pattern]}"
                if pattern in self.not_tested
                else nearest(pattern, names)
            )
            raise InvalidInput(f"no statement is named {pattern!r}; {reason}")
        return dataclasses.replace(self, statements=chosen, not_tested={})


def verify_statements(
    study: pathlib.Path | None,
    out: pathlib.Path,
    *,
    only: str | None,
    resolution: float,
    seed: int | None,
    trajectories: int | None,
    quiet: bool,
) -> int:
    """Verify, write the report and show what was found. All that was given is checked before.

    **Arguments**

    - `study`: a study file; None for the chapter.
    - `out`: the folder to write to.
    - `only`: a glob pattern for the names of statements.
    - `resolution`, `seed`, `trajectories`: as in ``jaxsgd.verify``; the seed is by default that of the file.
    - `quiet`: print nothing.

    **Returns** the exit status: 1 if a statement was refuted, otherwise 0.
    """
    subject = _subject(study, only)
    folder = writable(out)
    with _bar(sys.stderr.isatty() and not quiet) as bar:
        task = bar.add_task("claims", total=None)
        report = verify(
            subject.statements,
            trajectories,
            subject.seed if seed is None else seed,
            resolution=resolution,
            title=subject.title,
            progress=lambda done, total: bar.update(task, completed=done, total=total),
        )
        command = subject.command + ("" if trajectories is None else f" --trajectories {trajectories}")
        report = dataclasses.replace(report, not_tested=subject.not_tested, facts={**report.facts, "command": command})
        bar.update(task, description="report")
        written = report.save(folder)
    if not quiet:
        _show(report)
        print(f"written to {folder}: {', '.join(path.name for path in written)}")
    return int(report.verdict is Verdict.REFUTED)


def list_statements(study: pathlib.Path | None, only: str | None) -> None:
    """Print names, places and sentences of what would be verified, and what is not tested, and why."""
    subject = _subject(study, only)
    rows = [(one.name, one.place, one.sentence) for one in subject.statements]
    rows += [(name, "not tested", why) for name, why in subject.not_tested.items()]
    print_table(("statement", "place", "sentence"), rows)


def _subject(study: pathlib.Path | None, only: str | None) -> _Subject:
    subject = _chapter() if study is None else _of_file(study)
    return subject if only is None else subject.only(only)


def _chapter() -> _Subject:
    from jaxsgd.verification.chapter import COMING, statements

    title = "Stochastic gradient descent: the statements of the chapter, put to the test"
    return _Subject(title, statements(), COMING, 0, "jaxsgd verify")


def _of_file(path: pathlib.Path) -> _Subject:
    from jaxsgd.verification.of_study import statements_of

    file = config.read(path)
    with config.located(str(path)):
        statements, not_tested = statements_of(file.study)
        if not statements:
            reasons = "; ".join(f"{name}: {why}" for name, why in not_tested.items())
            raise InvalidInput(f"there is nothing to verify: {reasons}")
    seed = file.arguments.get("seed", 0)
    return _Subject(
        f"Verification of {path.name}", statements, not_tested, seed, f"jaxsgd verify {shlex.quote(str(path))}"
    )


def _bar(wanted: bool) -> Progress:
    columns = (TextColumn("{task.description}"), BarColumn(), MofNCompleteColumn(), TimeElapsedColumn())
    return Progress(*columns, console=Console(stderr=True), transient=True, disable=not wanted)


def _show(report: Report) -> None:
    """A table with the most telling finding of each statement, and how many have which verdict."""
    rows = []
    for section in report.sections:
        verdict = Text(section.verdict, style=_STYLES[section.verdict])
        rows.append((section.statement.name, verdict, _most_telling(section)))
    print_table(("statement", "verdict", "most telling claim"), rows)
    claims, steps, seconds = (report.facts[name] for name in ("claims", "trajectory-steps", "seconds"))
    print(f"{report.summary}: {claims} claims, seed {report.seed}, {steps:.3g} trajectory-steps, {seconds} s")


def _most_telling(section: Section) -> str:
    """The finding with the worst verdict, of several the one closest to being refuted."""
    if not section.findings:
        return "no claim"
    finding = max(section.findings, key=lambda one: (_TELLING.index(one.verdict), -one.measurement.p_value))
    return line(finding).removesuffix(f" {finding.verdict}")
