"""What commands print: tables and their JSON and CSV forms on stdout, progress on stderr."""

import csv
import json
import math
import os
import sys
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from typing import Any

import click
from rich import box
from rich.console import Console
from rich.markup import escape
from rich.progress import BarColumn, MofNCompleteColumn, Progress, TextColumn, TimeElapsedColumn, TimeRemainingColumn
from rich.table import Table

Row = Mapping[str, Any]
Format = Callable[[Any], str]


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


def safe(text: str) -> str:
    """Untrusted text on one line of a terminal: control and direction marks replaced."""
    return "".join(char if char.isprintable() else "\N{REPLACEMENT CHARACTER}" for char in text.replace("\n", " "))


def usd(micro: int | None) -> str:
    """Micro-dollars as dollars."""
    return "-" if micro is None else f"${micro / 1_000_000:,.4f}"


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
        Console(highlight=False, width=None if sys.stdout.isatty() else 160).print(_table(rows, columns, title))


def _table(rows: Sequence[Row], columns: Mapping[str, Format], title: str) -> Table:
    table = Table(box=box.SIMPLE_HEAD, title=escape(title) or None, title_justify="left", pad_edge=False)
    for key in columns:
        numeric = any(isinstance(row.get(key), int | float) for row in rows)
        table.add_column(key.replace("_", " "), justify="right" if numeric else "left", overflow="fold")
    for row in rows:
        table.add_row(*(escape(form(row.get(key))) for key, form in columns.items()))
    return table


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
