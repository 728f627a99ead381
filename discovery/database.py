"""Opens the archive's SQLite file and hands out transactions that are durable or leave no trace. Knows no queries.

Every database error leaves here as an `ArchiveError` that says what to do.
"""

import json
import math
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from datetime import UTC, datetime
from functools import partial
from pathlib import Path
from typing import Any, NoReturn

import numpy as np
from sqlalchemy import URL, Connection, create_engine, event, inspect, select
from sqlalchemy.exc import DBAPIError, IntegrityError

from discovery import schema
from discovery.errors import ArchiveError

BUSY_SECONDS = 60
"""How long a transaction waits for another process to finish its own."""

_HINTS: Mapping[str, str] = {
    "disk is full": "make room on the disk, then continue with `--resume RUN`: all that was committed is there",
    "disk i/o error": "check the disk and its room, then continue with `--resume RUN`: all that was committed is there",
    "locked": "another process is writing to this archive; try again when it has finished",
    "readonly": "give yourself write access to the file and its folder, or name another with --archive",
    "unable to open": "check that the folder exists and that you may write to it, or name another file with --archive",
    "not a database": "name an archive of this software with --archive, or a new file",
    "malformed": "restore the file from a copy, or start a new archive with --archive",
}


class Database:
    """One SQLite file at the current schema version. Safe to use from several threads and processes."""

    def __init__(self, path: Path, *, create: bool) -> None:
        """Opens the file, creates it if asked to, and brings an older schema up to date.

        Raises:
            ArchiveError: If it is missing, not an archive, damaged, of a newer version, or not writable.
        """
        self.path = path
        if not create and not path.is_file():
            raise ArchiveError(f"no archive at {path}", hint="`autotts discover` makes one; --archive names another")
        if create:
            _make_folder(path.parent)
        self._engine = create_engine(
            URL.create("sqlite", database=str(path)),
            connect_args={"timeout": BUSY_SECONDS},
            json_serializer=partial(json.dumps, sort_keys=True, allow_nan=False),
            pool_size=16,
            max_overflow=64,
        )
        event.listen(self._engine, "connect", _set_up_connection)
        event.listen(self._engine, "begin", _begin)
        try:
            self._check_schema(create=create)
        except ArchiveError:
            self.close()
            raise

    def close(self) -> None:
        """Closes all connections."""
        self._engine.dispose()

    @contextmanager
    def reading(self) -> Iterator[Connection]:
        """A transaction that sees one state of the archive.

        Raises:
            ArchiveError: If the file can't be read.
        """
        with self._errors("read"), self._engine.connect() as connection, connection.begin():
            yield connection

    @contextmanager
    def writing(self) -> Iterator[Connection]:
        """A transaction that no other writer can overlap. It is durable when the block ends, or all of it is undone.

        Raises:
            ArchiveError: If the file can't be written.
        """
        with self._errors("write"), self._engine.connect() as connection:
            exclusive = connection.execution_options(immediate=True)
            with exclusive.begin():
                yield exclusive

    @contextmanager
    def _errors(self, doing: str) -> Iterator[None]:
        try:
            yield
        except IntegrityError:
            raise
        except DBAPIError as error:
            _raise_archive_error(self.path, doing, str(error.orig), error)

    def _check_schema(self, *, create: bool) -> None:
        with self.reading() as connection:
            found = self._version(connection)
        if found == schema.VERSION:
            return
        if found == 0 and not create:
            raise ArchiveError(f"{self.path} is empty", hint="`autotts discover` makes an archive")
        with self.writing() as connection:
            self._upgrade(connection)

    def _upgrade(self, connection: Connection) -> None:
        found = self._version(connection)
        if found == 0:
            schema.metadata.create_all(connection)
        for version in range(found, schema.VERSION) if found else ():
            schema.MIGRATIONS[version](connection)
        connection.execute(schema.schema_version.delete())
        connection.execute(schema.schema_version.insert().values(version=schema.VERSION))

    def _version(self, connection: Connection) -> int:
        """Version of the file's schema; 0 for an empty file."""
        tables = inspect(connection).get_table_names()
        if not tables:
            return 0
        if schema.schema_version.name not in tables:
            raise ArchiveError(
                f"{self.path} is a database of something else: it has no table {schema.schema_version.name}",
                hint="name an archive of this software with --archive, or a new file",
            )
        found = connection.execute(select(schema.schema_version.c.version)).scalar()
        if found is None or found < 1:
            raise ArchiveError(f"{self.path} names no schema version", hint="restore the file from a copy")
        if found > schema.VERSION:
            raise ArchiveError(
                f"{self.path} has schema version {found}; this software knows versions up to {schema.VERSION}",
                hint="upgrade autotts, or name another file with --archive",
            )
        return int(found)


def _make_folder(folder: Path) -> None:
    try:
        folder.mkdir(parents=True, exist_ok=True)
    except OSError as error:
        raise ArchiveError(
            f"can't make the folder {folder}: {error.strerror}", hint="name another file with --archive"
        ) from error


def _set_up_connection(connection: Any, _record: object) -> None:
    connection.isolation_level = None
    for pragma in ("foreign_keys=ON", "synchronous=FULL", "journal_mode=WAL"):
        connection.execute(f"PRAGMA {pragma}")


def _begin(connection: Connection) -> None:
    immediate = connection.get_execution_options().get("immediate", False)
    connection.exec_driver_sql("BEGIN IMMEDIATE" if immediate else "BEGIN")


def _raise_archive_error(path: Path, doing: str, what: str, cause: Exception) -> NoReturn:
    hint = next((hint for mark, hint in _HINTS.items() if mark in what.lower()), "")
    raise ArchiveError(f"can't {doing} the archive {path}: {what}", hint=hint) from cause


def storable(value: Any) -> Any:
    """A copy of JSON-like `value` that any database takes: no lone surrogates, non-finite numbers or NumPy scalars."""
    if isinstance(value, str):
        return value.encode("utf-8", "replace").decode("utf-8")
    if isinstance(value, np.generic):
        return storable(value.item())
    if isinstance(value, float):
        return value if math.isfinite(value) else str(value)
    if isinstance(value, Mapping):
        return {storable(str(key)): storable(item) for key, item in value.items()}
    if isinstance(value, list | tuple):
        return [storable(item) for item in value]
    return value


def now() -> str:
    """This moment in UTC, as the archive writes it."""
    return datetime.now(UTC).isoformat(timespec="milliseconds")
