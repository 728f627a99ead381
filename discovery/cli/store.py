"""`autotts store`: import, show, check and synthesize recorded trajectories."""

from pathlib import Path
from typing import Any

import click
import numpy as np

from discovery.cli.coverage import check
from discovery.cli.terminal import data_options, emit, percent, plain, progress, stderr, thousands
from discovery.evaluation import KeyedStore, load_keyed_store
from replay.errors import StoreError
from replay.importer import import_file, import_questions
from replay.scoring import single_branch_accuracies
from replay.store import AnswerKey, ReplayStore, save_store

STORES = Path("stores")

_to_folder = click.option(
    "--to", "folder", type=click.Path(path_type=Path), default=STORES, show_default=True, help="Folder of stores."
)


@click.group()
def store() -> None:
    """Import, show, check and synthesize recorded trajectories.

    A store is a folder: what branches of one model answered on one benchmark, and how long they ran.

    Example: autotts store show stores/*/*
    """


store.add_command(check)


@store.command("import", epilog="Example: autotts store import data/Qwen3-8B/aime24.json")
@click.argument("files", nargs=-1, required=True, type=click.Path(path_type=Path), metavar="FILE...")
@_to_folder
@click.option("--model", help="Name of the model.  [default: the file's folder]")
@click.option("--benchmark", help="Name of the benchmark.  [default: the file's name]")
def import_(files: tuple[Path, ...], folder: Path, model: str | None, benchmark: str | None) -> None:
    """Import recorded trajectories: JSON or JSON Lines, gzipped or not.

    Each FILE becomes the store FOLDER/MODEL/BENCHMARK.
    """
    for file in files:
        named_model = model or file.resolve().parent.name
        named_benchmark = benchmark or file.name.removesuffix("".join(file.suffixes))
        with progress(f"reading {file}", None) as report:
            read, key = import_file(file, model=named_model, benchmark=named_benchmark, on_question=report)
        _save(read, key, folder)


@store.command(epilog="Example: autotts store synthesize --model 4B --benchmark demo")
@click.option(
    "--model",
    "models",
    multiple=True,
    default=("1.7B",),
    show_default=True,
    type=click.Choice(["0.6B", "1.7B", "4B", "8B"]),
    help="Scale to simulate; can be repeated.",
)
@click.option("--benchmark", default="demo", show_default=True, help="Name of the benchmark.")
@click.option(
    "--questions", default=30, show_default=True, type=click.IntRange(1, 10_000), metavar="N", help="Questions."
)
@click.option(
    "--branches", default=128, show_default=True, type=click.IntRange(1, 100_000), metavar="N", help="Branches of each."
)
@click.option("--seed", default=0, show_default=True, type=click.IntRange(0), metavar="N", help="Random seed.")
@_to_folder
def synthesize(models: tuple[str, ...], benchmark: str, questions: int, branches: int, seed: int, folder: Path) -> None:
    """Make stores with the built-in simulator.

    Fit for trying things out, not for choosing constants that are to hold on a real model.
    """
    from replay.synthetic import simulate

    for model in models:
        rng = np.random.default_rng([seed, *benchmark.encode()])
        simulated = simulate(model, n_questions=questions, n_branches=branches, rng=rng, benchmark=benchmark)
        read, key = import_questions(simulated, source="the simulator", model=f"synthetic-{model}", benchmark=benchmark)
        _save(read, key, folder)


@store.command(epilog="Example: autotts store show stores/*/aime24")
@click.argument("stores", nargs=-1, required=True, type=click.Path(path_type=Path), metavar="STORE...")
@data_options
def show(stores: tuple[Path, ...], as_json: bool, as_csv: bool) -> None:
    """Show what is in stores."""
    columns = {
        "store": plain,
        "questions": plain,
        "branches": plain,
        "interval": plain,
        "branch_tokens": thousands,
        "single_branch": percent,
        "no_answer": percent,
        "digest": lambda digest: str(digest)[:12],
    }
    rows = [_described(load_keyed_store(path)) for path in stores]
    emit(rows, columns, as_json=as_json, as_csv=as_csv)


def _described(keyed: KeyedStore) -> dict[str, Any]:
    read = keyed.store
    questions = np.arange(len(read.questions))
    return {
        "store": read.name,
        "questions": len(questions),
        "branches": len(read.tokens),
        "interval": read.interval,
        "branch_tokens": float(read.tokens.mean()),
        "single_branch": float(single_branch_accuracies(read, keyed.key, questions).mean()),
        "no_answer": float(np.mean(read.answers < 0)),
        "digest": read.digest,
        "folder": str(keyed.folder),
    }


def _save(read: ReplayStore, key: AnswerKey, folder: Path) -> None:
    for part in (read.model, read.benchmark):
        if not part or part in {".", ".."} or "/" in part or "\\" in part:
            raise StoreError(f"{part!r} can't be the name of a model or benchmark", hint="use --model and --benchmark")
    place = folder / read.model / read.benchmark
    save_store(read, key, place)
    size = f"{len(read.questions)} questions, {len(read.tokens):,} branches"
    stderr().print(f"{place}: {size}, digest {read.digest[:12]}", markup=False)
    click.echo(place)
