"""One writer per run: an advisory lock on a file in the run's folder, which the system frees when its process ends.

Says nothing about the archive itself, which several runs may share.
"""

import fcntl
import os
import re
from pathlib import Path
from types import TracebackType
from typing import Self

from discovery.errors import ArchiveError, RunLockedError

_NAME = re.compile(r"[A-Za-z0-9][A-Za-z0-9._-]{0,63}")


def check_run_name(name: str) -> str:
    """The name, if a run can have it: it is also the name of a folder.

    Raises:
        ArchiveError: If it can't.
    """
    if not _NAME.fullmatch(name) or ".sqlite" in name:
        raise ArchiveError(
            f"{name!r} can't be the name of a run",
            hint="use up to 64 letters, digits, dots, dashes and underscores, starting with a letter or digit",
        )
    return name


class RunLock:
    """The right to write to a run, held while the context is open and this process lives."""

    def __init__(self, folder: Path) -> None:
        """Args:
        folder: The run's folder; made when the lock is taken.
        """
        self.path = folder / "lock"
        self._descriptor: int | None = None

    def __enter__(self) -> Self:
        """Takes the lock without waiting.

        Raises:
            RunLockedError: If another process, or another part of this one, holds it.
            ArchiveError: If the folder can't be written.
        """
        try:
            self.path.parent.mkdir(parents=True, exist_ok=True)
            descriptor = os.open(self.path, os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o644)
        except OSError as error:
            raise ArchiveError(
                f"can't write to {self.path.parent}: {error.strerror}",
                hint="give yourself write access to the folder, or name another archive with --archive",
            ) from error
        try:
            fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except OSError as error:
            holder = _holder(descriptor)
            os.close(descriptor)
            raise _locked(self.path.parent.name, holder) from error
        os.ftruncate(descriptor, 0)
        os.pwrite(descriptor, f"{os.getpid()}\n".encode(), 0)
        self._descriptor = descriptor
        return self

    def is_held(self) -> bool:
        """Whether a process holds the lock at this moment."""
        try:
            descriptor = os.open(self.path, os.O_RDONLY | os.O_CLOEXEC)
        except OSError:
            return False
        try:
            fcntl.flock(descriptor, fcntl.LOCK_SH | fcntl.LOCK_NB)
        except OSError:
            return True
        finally:
            os.close(descriptor)
        return False

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        if self._descriptor is not None:
            os.close(self._descriptor)
            self._descriptor = None


def _holder(descriptor: int) -> int | None:
    text = os.pread(descriptor, 32, 0).decode("ascii", "replace").strip()
    return int(text) if text.isdecimal() else None


def _locked(run: str, holder: int | None) -> RunLockedError:
    who = f"process {holder}" if holder is not None else "another process"
    return RunLockedError(
        f"{who} is writing to run {run}", holder=holder, hint="wait until it has finished, or name a new run with --run"
    )
