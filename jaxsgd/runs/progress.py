"""A progress bar for long runs; silent when nobody watches."""

import sys
import time
from collections.abc import Sequence
from types import TracebackType
from typing import Any, Self

from jaxsgd.engine.ledger import Entry

_PATIENCE = 1.0  # seconds before a bar appears


class Progress:
    """Shows how far a run is, how fast it goes, and how long it will take.

    - `show`: True, False, or "auto": on a terminal, if it takes long.
    - `cells`: of a sweep, how many each job has; of a study, one.
    """

    def __init__(self, steps: int, show: bool | str, cells: Sequence[int] = (1,)) -> None:
        self._steps, self._cells = steps, cells
        self._wanted = sys.stderr.isatty() if show == "auto" else bool(show)
        self._patience = _PATIENCE if show == "auto" else 0.0
        self._started, self._total, self._finished, self._bar = time.monotonic(), 0, 0, None

    def __enter__(self) -> Self:
        return self

    def expect(self, trajectories: Sequence[int]) -> None:
        """So many more of each job are going to be run."""
        self._total += sum(count * cells for count, cells in zip(trajectories, self._cells, strict=True))
        if self._bar is not None:
            self._bar.update(self._task, total=self._total)

    def hear(self, job: int, entries: list[Entry]) -> None:
        """Some of them were run."""
        self._finished += sum(stop - start for (start, stop), _ in entries) * self._cells[job]
        elapsed = time.monotonic() - self._started
        if not self._wanted or elapsed < self._patience:
            return
        if self._bar is None:
            self._bar, self._task = self._open()
        speed = self._finished * self._steps / max(elapsed, 1e-9) / 1e6
        text = f"{speed:.0f} M steps/s"
        self._bar.update(self._task, completed=self._finished, note=" ".join([text, self.note()]).rstrip())

    def note(self) -> str:
        """What is said besides."""
        return ""

    def _open(self) -> tuple[Any, Any]:
        from rich.console import Console
        from rich.progress import BarColumn, MofNCompleteColumn, TextColumn, TimeRemainingColumn
        from rich.progress import Progress as Bar
        from rich.table import Column

        rest = Column(ratio=1, no_wrap=True)  # what room the others leave
        note = TextColumn("{task.fields[note]}", table_column=rest)
        columns = TextColumn("trajectories"), BarColumn(20), MofNCompleteColumn(), TimeRemainingColumn(), note
        bar = Bar(*columns, console=Console(stderr=True), expand=True)
        bar.start()
        return bar, bar.add_task("", total=self._total, note="")

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        if self._bar is not None:
            self._bar.stop()
