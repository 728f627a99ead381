"""`autotts export`: a candidate as a Python module."""

from pathlib import Path

import click

from discovery.archive import Archive
from discovery.cli.archive import OpenRun, archive_option, find_candidate
from discovery.cli.terminal import stderr
from discovery.export import Plain, render_module, software, write_module
from discovery.records import Candidate


@click.command(epilog="Example: autotts export -o winner.py")
@click.argument("candidate", required=False)
@click.option("-o", "--output", type=click.Path(path_type=Path), required=True, help="The file to write.")
@archive_option
def export(candidate: str | None, output: Path, archive_path: Path) -> None:
    """Write a candidate as a Python module: [RUN:]NUMBER.  [default: the latest run's winner]

    The module needs nothing but the standard library. It is a controller itself: `autotts evaluate` takes it.
    """
    with Archive(archive_path) as archive:
        opened, found = find_candidate(archive, candidate)
        text = render_module(found.source, found.idea, _provenance(opened, found))
    write_module(text, output)
    stderr().print(f"wrote candidate {found.number} of run {opened.run.name} to {output}", markup=False)
    stderr().print(f"evaluate it with: autotts evaluate STORE... {output} cmc sc", markup=False)


def _provenance(opened: OpenRun, candidate: Candidate) -> dict[str, Plain]:
    standing = opened.standings.get(candidate.number)
    stores: list[Plain] = [
        {"name": used.name, "folder": used.folder, "digest": used.digest} for used in opened.config.stores
    ]
    curve: list[Plain] = [dict(row) for row in opened.curve_rows(candidate)]
    return {
        "run": opened.run.name,
        "candidate": candidate.number,
        "origin": candidate.origin.value,
        "model": opened.config.model,
        "source_digest": candidate.source_digest,
        "stores": stores,
        "seeds": opened.config.n_seeds,
        "area_search": standing.area if standing else None,
        "area_all": standing.area_all if standing else None,
        "curve": curve,
        "software": dict(software()),
    }
