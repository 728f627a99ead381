"""A run as JSON in a stable order, free of keys that differ from one archive to another.

Without times, two runs that did the same are the same text. Arrays of outcomes appear as digests.
"""

import hashlib
import json
from collections.abc import Mapping
from dataclasses import asdict
from typing import Any

from discovery.archive import Archive
from discovery.records import Candidate, Exchange, Outcome, Run

_TIMES = frozenset({"started", "ended", "committed", "sent", "made"})
_KEYS = frozenset({"id", "run_id"})


def dump_run(archive: Archive, run: Run, *, times: bool = True) -> dict[str, Any]:
    """A run with all that the archive holds of it, as JSON values.

    Args:
        archive: The archive.
        run: The run.
        times: Whether to keep what differs between two runs that do the same: the run's name, moments, and every
            value whose key ends in `_seconds`.
    """
    exchanges = archive.exchanges
    whole: dict[str, Any] = {
        "run": _without_keys(asdict(run)),
        "balance": asdict(exchanges.balance(run.id)),
        "spending": [asdict(line) for line in exchanges.spending(run.id)],
        "candidates": [_candidate(archive, candidate) for candidate in archive.candidates(run)],
        "exchanges": [_exchange(exchange) for exchange in exchanges.list(run.id)],
        "events": [asdict(event) for event in archive.events(run)],
    }
    if not times:
        del whole["run"]["name"]
        whole = {name: _timeless(part) for name, part in whole.items()}
    return whole


def to_text(dump: Mapping[str, Any]) -> str:
    """The dump as indented JSON, keys sorted, ending in a newline."""
    return json.dumps(dump, indent=1, sort_keys=True, ensure_ascii=False) + "\n"


def _candidate(archive: Archive, candidate: Candidate) -> dict[str, Any]:
    return _without_keys(asdict(candidate)) | {
        "points": [asdict(point) for point in archive.points(candidate)],
        "outcomes": [_outcome(outcome) for outcome in archive.outcomes(candidate)],
        "failures": [asdict(failure) for failure in archive.failures(candidate)],
        "audits": [asdict(audit) for audit in archive.audits(candidate)],
    }


def _exchange(exchange: Exchange) -> dict[str, Any]:
    return _without_keys(asdict(exchange))


def _outcome(outcome: Outcome) -> dict[str, Any]:
    """The outcome with the SHA-256 of each array's little-endian bytes."""
    arrays = {"correct": "|u1", "tokens": "<i8", "sequential_tokens": "<i8", "status": "|u1"}
    digests = {
        name: hashlib.sha256(getattr(outcome, name).astype(dtype).tobytes()).hexdigest()
        for name, dtype in arrays.items()
    }
    shape = list(outcome.correct.shape)
    return {"store": outcome.store, "split": outcome.split, "beta": outcome.beta, "shape": shape, **digests}


def _without_keys(record: dict[str, Any]) -> dict[str, Any]:
    return {name: value for name, value in record.items() if name not in _KEYS}


def _timeless(value: Any) -> Any:
    if isinstance(value, Mapping):
        kept = {name: item for name, item in value.items() if name not in _TIMES and not name.endswith("_seconds")}
        return {name: _timeless(item) for name, item in kept.items()}
    if isinstance(value, list | tuple):
        return [_timeless(item) for item in value]
    return value
