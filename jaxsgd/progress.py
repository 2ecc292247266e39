"""A progress bar for long runs; silent when nobody watches."""

import sys
import time
from types import TracebackType
from typing import Any, Self

_PATIENCE = 1.0  # seconds before a bar appears


class Progress:
    """Shows how far a run is. ``show`` is True, False, or "auto": on a terminal, if it takes long."""

    def __init__(self, trajectories: int, steps: int, show: bool | str) -> None:
        self._total, self._steps = trajectories, steps
        self._wanted = sys.stderr.isatty() if show == "auto" else bool(show)
        self._patience = _PATIENCE if show == "auto" else 0.0
        self._started, self._finished, self._bar = time.monotonic(), 0, None

    def __enter__(self) -> Self:
        return self

    def advance(self, trajectories: int) -> None:
        """Some more trajectories are done."""
        self._finished += trajectories
        elapsed = time.monotonic() - self._started
        if not self._wanted or elapsed < self._patience:
            return
        if self._bar is None:
            self._bar, self._task = self._open()
        speed = self._finished * self._steps / max(elapsed, 1e-9) / 1e6
        self._bar.update(self._task, completed=self._finished, speed=f"{speed:.0f} M steps/s")

    def _open(self) -> tuple[Any, Any]:
        from rich.console import Console
        from rich.progress import BarColumn, MofNCompleteColumn, TextColumn, TimeRemainingColumn
        from rich.progress import Progress as Bar

        columns = (BarColumn(), MofNCompleteColumn(), TextColumn("{task.fields[speed]}"), TimeRemainingColumn())
        bar = Bar(TextColumn("trajectories"), *columns, console=Console(stderr=True))
        bar.start()
        return bar, bar.add_task("", total=self._total, speed="")

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        if self._bar is not None:
            self._bar.stop()
