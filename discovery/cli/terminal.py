"""What commands print: tables and their JSON and CSV forms on stdout, progress on stderr."""

import csv
import json
import math
import os
import sys
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from datetime import datetime
from decimal import Decimal
from typing import Any

import click
from rich import box
from rich.console import Console, JustifyMethod
from rich.markup import escape
from rich.progress import BarColumn, MofNCompleteColumn, Progress, TextColumn, TimeElapsedColumn, TimeRemainingColumn
from rich.table import Table

from discovery.price import to_usd

Row = Mapping[str, Any]
Format = Callable[[Any], str]

PIPE_WIDTH = 250
"""Columns of a table off a terminal, at most."""

_GAP = 2
_EDGES = 3
_LEAST_TEXT = 16


def stderr() -> Console:
    """The console for everything that is not data."""
    return Console(stderr=True, highlight=False)


def percent(share: float | None) -> str:
    """A share as a percentage with one digit."""
    return "-" if share is None or math.isnan(share) else f"{100 * share:.1f}"


def thousands(tokens: float | None) -> str:
    """Tokens in thousands with one digit."""
    return "-" if tokens is None else f"{tokens / 1000:,.1f}"


def ratio(value: float | None) -> str:
    """A ratio with three digits."""
    return "-" if value is None else f"{value:.3f}"


def plain(value: Any) -> str:
    """Any value, without control characters."""
    return "-" if value is None else safe(str(value))


def clipped(text: str, n_characters: int) -> str:
    """Untrusted text on one line, no longer than told."""
    line = safe(text)
    return line if len(line) <= n_characters else line[: max(1, n_characters - 1)].rstrip() + "\N{HORIZONTAL ELLIPSIS}"


def safe(text: str) -> str:
    """Untrusted text on one line of a terminal: control and direction marks replaced."""
    return "".join(char if char.isprintable() else "\N{REPLACEMENT CHARACTER}" for char in text.replace("\n", " "))


def moment(time: Any) -> str:
    """A stored time, to the minute, by the clock of this machine."""
    return f"{datetime.fromisoformat(str(time)).astimezone():%Y-%m-%d %H:%M}"


def dollars(amount: Decimal | float | None) -> str:
    """An amount of dollars: with cents, or to the hundredth of a cent where it has such."""
    if amount is None:
        return "-"
    exact = Decimal(str(amount))
    return f"${exact:,.2f}" if exact == round(exact, 2) else f"${exact:,.4f}"


def usd(micro: int | None) -> str:
    """Micro-dollars as dollars."""
    return dollars(None if micro is None else to_usd(micro))


UNITS: Mapping[Format, str] = {percent: "%", thousands: "k"}
"""What the heading of a column adds to its name."""


def emit(rows: Sequence[Row], columns: Mapping[str, Format], *, as_json: bool, as_csv: bool, title: str = "") -> None:
    """Prints rows as a table on a terminal or a pipe, or as JSON or CSV.

    Args:
        rows: All values, unformatted; JSON and CSV hold every key.
        columns: The keys that the table shows, each with its format; the key is the heading.
        as_json: Print a JSON list instead.
        as_csv: Print CSV instead.
        title: Above the table.
    """
    if as_json:
        click.echo(json.dumps(rows, indent=1, ensure_ascii=False, default=str))
    elif as_csv:
        writer = csv.DictWriter(sys.stdout, list(rows[0]) if rows else list(columns), lineterminator="\n")
        writer.writeheader()
        writer.writerows(rows)
    else:
        _print_table(rows, columns, title)


def _print_table(rows: Sequence[Row], columns: Mapping[str, Format], title: str) -> None:
    """As wide as the terminal; off a terminal, as wide as it comes."""
    console = Console(highlight=False) if sys.stdout.isatty() else Console(highlight=False, width=PIPE_WIDTH)
    with console.capture() as captured:
        console.print(_table(rows, columns, console.width))
    lines = [line.rstrip() for line in captured.get().splitlines()]
    text = "\n".join(line for line in lines if line)
    click.echo(f"{title}\n\n{text}" if title else text)


def _table(rows: Sequence[Row], columns: Mapping[str, Format], width: int) -> Table:
    """The last column is cut to what the others leave of a line, if it is text."""
    table = Table(box=box.SIMPLE_HEAD, pad_edge=False, padding=(0, 1, 0, 0))
    cells = {key: [form(row.get(key)) for row in rows] for key, form in columns.items()}
    headings = {key: f"{key.replace('_', ' ')} {UNITS.get(form, '')}".strip() for key, form in columns.items()}
    last = list(columns)[-1]
    taken = sum(_width([*cells[key], headings[key]]) + _GAP for key in columns if key != last)
    room = max(_LEAST_TEXT, width - taken - _EDGES)
    if not _is_numeric(rows, last):
        cells[last] = [clipped(cell, room) for cell in cells[last]]
    for key in columns:
        justify: JustifyMethod = "right" if _is_numeric(rows, key) else "left"
        table.add_column(headings[key], justify=justify, overflow="fold", min_width=_width(cells[key]))
    for row in zip(*cells.values(), strict=True):
        table.add_row(*map(escape, row))
    return table


def _is_numeric(rows: Sequence[Row], key: str) -> bool:
    return any(isinstance(row.get(key), int | float | Decimal) for row in rows)


def _width(texts: Sequence[str]) -> int:
    return max(map(len, texts), default=0)


@contextmanager
def progress(description: str, total: int | None) -> Iterator[Callable[[int, int | None], None]]:
    """A progress bar on stderr; none off a terminal. Yields a function of the steps done so far, and of how many."""
    console = stderr()
    with Progress(
        TextColumn("{task.description}"),
        BarColumn(),
        MofNCompleteColumn(),
        TimeElapsedColumn(),
        TimeRemainingColumn(),
        console=console,
        transient=True,
        disable=not console.is_terminal,
    ) as bar:
        task = bar.add_task(escape(description), total=total)
        yield lambda done, of: bar.update(task, completed=done, total=of)


def data_options(command: Callable[..., Any]) -> Callable[..., Any]:
    """Adds --json and --csv."""
    command = click.option("--csv", "as_csv", is_flag=True, help="Print CSV.")(command)
    return click.option("--json", "as_json", is_flag=True, help="Print JSON.")(command)


def cores() -> int:
    """Cores that this process may use."""
    return len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count() or 1
