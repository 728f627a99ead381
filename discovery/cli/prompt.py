"""`autotts prompt`: what a model is, or would be, sent next on behalf of a run."""

import json
from dataclasses import replace
from pathlib import Path

import click

from discovery.archive import Archive
from discovery.cli.archive import archive_option
from discovery.cli.terminal import cores
from discovery.config import RunConfig, reopen_stores
from discovery.endpoint import Request
from discovery.evaluation import Evaluator
from discovery.grammar import GrammarExplorer
from discovery.loop import Search
from discovery.session import next_request


@click.command(epilog="Example: autotts prompt monday --templates my-templates")
@click.argument("run_name", metavar="[RUN]", required=False)
@click.option(
    "--templates",
    type=click.Path(path_type=Path, file_okay=False, exists=True),
    help="Folder of prompt templates that replace those of the run.",
)
@click.option("--advice/--no-advice", default=None, help="With or without advice.  [default: as the run has it]")
@archive_option
@click.option("--json", "as_json", is_flag=True, help="Print the request as it is sent.")
def prompt(
    run_name: str | None, templates: Path | None, advice: bool | None, archive_path: Path, as_json: bool
) -> None:
    """Print what the model is sent next on behalf of a run; of a grammar run, what one would be sent.

    Nothing is sent and nothing is written.  [default: the latest run]
    """
    with Archive(archive_path) as archive:
        run = archive.run(run_name)
        config = RunConfig.from_json(run.config)
        if templates is not None:
            config = replace(config, templates=str(templates))
        if advice is not None:
            config = replace(config, advice=advice)
        with Evaluator(reopen_stores(config), workers=cores(), require_layers=config.require_layers) as evaluator:
            search = Search(archive, run, config, evaluator, lambda _: GrammarExplorer())
            print_request(next_request(search), as_json=as_json)


def print_request(request: Request, *, as_json: bool = False) -> None:
    """Prints a request on stdout, each message under its role."""
    if as_json:
        click.echo(json.dumps(request.to_json(), indent=1, ensure_ascii=False))
        return
    for message in request.messages:
        click.echo(f"--- {message['role']} ---\n{str(message['content']).strip()}\n")
