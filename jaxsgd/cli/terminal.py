"""Tables on a terminal, and of any width where the output is not one."""

from collections.abc import Iterable, Sequence

import rich.box
from rich.console import Console
from rich.table import Column, Table
from rich.text import Text


def number(name: str) -> Column:
    """A column of numbers."""
    return Column(name, justify="right")


def print_table(columns: Sequence[str | Column], rows: Iterable[Sequence[str | Text]]) -> None:
    """Print a table; markup in its cells is text like any other."""
    console = Console(markup=False, highlight=False)
    if not console.is_terminal:
        console = Console(markup=False, highlight=False, width=1000)
    headers = [Column(column) if isinstance(column, str) else column for column in columns]
    table = Table(*headers, box=rich.box.SIMPLE_HEAD if console.is_terminal else None, pad_edge=False)
    for row in rows:
        table.add_row(*(Text(cell) if isinstance(cell, str) else cell for cell in row))
    console.print(table)
