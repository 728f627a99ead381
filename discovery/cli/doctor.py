"""`autotts doctor`: whether this machine has what a run needs."""

from dataclasses import asdict
from decimal import Decimal
from pathlib import Path

import click

from discovery.cli.amounts import USD
from discovery.cli.archive import archive_option
from discovery.cli.terminal import data_options, emit, plain
from discovery.diagnosis import diagnose


@click.command(epilog="Example: autotts doctor --model openai/gpt-5-mini")
@click.option("--model", default="", metavar="NAME", help="Look at this model's key and price too.")
@click.option("--base-url", default="", metavar="URL", help="Look whether this endpoint can be reached.")
@click.option("--price-input", type=USD, help="USD per million prompt tokens.")
@click.option("--price-output", type=USD, help="USD per million completion tokens.")
@archive_option
@data_options
def doctor(
    model: str,
    base_url: str,
    price_input: Decimal | None,
    price_output: Decimal | None,
    archive_path: Path,
    as_json: bool,
    as_csv: bool,
) -> None:
    """Look at Python, cores, the sandbox's layers, disk, keys and, with --model, its price: a line each.

    Sends nothing to a model and shows no key. Exit code 1 if something has to be done.
    """
    findings = list(diagnose(archive_path.parent, model, base_url, (price_input, price_output)))
    rows = [{**asdict(finding), "well": not finding.advice} for finding in findings]
    columns = {"well": lambda well: "ok" if well else "!!", "subject": plain, "state": plain, "advice": plain}
    emit(rows, columns, as_json=as_json, as_csv=as_csv)
    if not all(row["well"] for row in rows):
        raise click.exceptions.Exit(1)
