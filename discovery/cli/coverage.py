"""`autotts store check`: whether there is anything to discover on a store."""

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import click

from discovery.cli.terminal import Format, data_options, emit, percent, plain, thousands
from discovery.evaluation import load_keyed_store
from replay.coverage import Coverage, coverage

COLUMNS: Mapping[str, Format] = {
    "store": plain,
    "questions": plain,
    "right_and_wrong": percent,
    "single_branch": percent,
    "median_tokens": thousands,
    "longest_tokens": thousands,
    "cut_off": percent,
    "silent_probes": percent,
    "silent_finals": percent,
}


@click.command(epilog="Example: autotts store check stores/*/aime24")
@click.argument("folders", nargs=-1, required=True, metavar="STORE...", type=click.Path(path_type=Path))
@click.option(
    "--limit-tokens",
    type=click.IntRange(1),
    help="Length at which branches were cut off.  [default: guessed from the longest]",
)
@data_options
def check(folders: tuple[Path, ...], limit_tokens: int | None, as_json: bool, as_csv: bool) -> None:
    """Tell whether there is anything to discover on stores.

    Shows the share of questions with both right and wrong branches, what one branch, the majority of n branches (SC)
    and the best of n (pass) are worth, how long branches are, how many were cut off or gave no answer.
    """
    found: list[tuple[str, Coverage]] = []
    for folder in folders:
        keyed = load_keyed_store(folder)
        found.append((keyed.store.name, coverage(keyed.store, keyed.key, limit_tokens=limit_tokens)))
    widths = sorted({width for _, each in found for width in each.votes})
    rows = [_row(name, each, widths) for name, each in found]
    if as_json or as_csv:
        emit(rows, {}, as_json=as_json, as_csv=as_csv)
        return
    emit(rows, COLUMNS, as_json=False, as_csv=False)
    click.echo()
    curves: dict[str, Format] = {"store": plain, "percent_right": plain, **{str(width): _share for width in widths}}
    emit(_curve_rows(found), curves, as_json=False, as_csv=False)
    click.echo()
    for name, each in found:
        click.echo(f"{name}: {each.meaning}")


def _share(share: float | None) -> str:
    """A percentage whose unit is said elsewhere."""
    return percent(share)


def _row(name: str, found: Coverage, widths: Sequence[int]) -> dict[str, Any]:
    """Everything, flat, with the same keys for all stores."""
    return {
        "store": name,
        "questions": found.n_questions,
        "right_and_wrong": found.mixed,
        "single_branch": found.single_branch,
        **{f"sc_{width}": found.votes.get(width) for width in widths},
        **{f"pass_{width}": found.passes.get(width) for width in widths},
        **{f"tokens_{100 * quantile:g}_percent": tokens for quantile, tokens in found.length_quantiles.items()},
        "median_tokens": found.length_quantiles[0.5],
        "longest_tokens": found.length_quantiles[1.0],
        "cut_off": found.cut,
        "silent_probes": found.silent_probes,
        "silent_finals": found.silent_finals,
        "meaning": found.meaning,
    }


def _curve_rows(found: Sequence[tuple[str, Coverage]]) -> Sequence[dict[str, Any]]:
    return [
        {"store": name, "percent_right": figure, **{str(width): share for width, share in shares.items()}}
        for name, each in found
        for figure, shares in (("majority of n", each.votes), ("any of n", each.passes))
    ]
