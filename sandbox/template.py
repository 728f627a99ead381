"""The parent's end of one template process: starts it, has it fork and reap.

Knows nothing of jobs; see `sandbox.child` for what a child does with one.
"""

import contextlib
import json
import socket
import subprocess
import sys
import tempfile
import threading
from collections.abc import Collection, Iterator, Sequence
from dataclasses import asdict, dataclass
from pathlib import Path

from sandbox import wire
from sandbox.errors import SandboxError
from sandbox.limits import Limits
from sandbox.worker import READY

START_SECONDS = 60.0
CLOSE_SECONDS = 5.0


class TemplateDiedError(Exception):
    """The template process is gone; another has to be started."""


@dataclass(frozen=True, slots=True)
class Switches:
    """What tests switch off, to see the other layers hold alone. Nothing in the product sets these.

    Attributes:
        guarded: Whether the language layer is on.
        skipped_layers: Layers of the operating system that are not entered.
    """

    guarded: bool = True
    skipped_layers: tuple[str, ...] = ()


class TemplateProcess:
    """A running template; several threads may use it at once."""

    def __init__(
        self, tables: Sequence[bytes], limits: Limits, required: Collection[str], hash_seed: int, switches: Switches
    ) -> None:
        """Starts the process and waits until it is ready.

        Raises:
            SandboxError: If it does not get ready.
        """
        self._lock = threading.Lock()
        self._control, theirs = socket.socketpair(socket.AF_UNIX, socket.SOCK_STREAM)
        with tempfile.TemporaryFile() as complaints:
            environment = {"PYTHONHASHSEED": str(hash_seed), "PYTHONPATH": str(Path(__file__).parents[1])}
            self._process = subprocess.Popen(
                [sys.executable, "-s", "-P", "-W", "ignore", "-m", "sandbox.worker", str(theirs.fileno())],
                env=environment,
                cwd="/",
                pass_fds=[theirs.fileno()],
                stdin=subprocess.DEVNULL,
                stdout=subprocess.DEVNULL,
                stderr=complaints,
                start_new_session=True,
            )
            theirs.close()
            try:
                self._set_up(tables, limits, required, switches)
            except OSError as error:
                self.close()
                complaints.seek(0)
                last = complaints.read()[-2000:].decode("utf-8", "replace").strip()
                raise SandboxError(
                    f"the sandbox did not start: {error}\n{last}".strip(),
                    hint="autotts doctor shows what the sandbox needs",
                ) from error

    @property
    def process_id(self) -> int:
        """Id of the template process."""
        return self._process.pid

    def _set_up(self, tables: Sequence[bytes], limits: Limits, required: Collection[str], switches: Switches) -> None:
        options = {
            "tables": [len(table) for table in tables],
            "limits": asdict(limits),
            "required": sorted(required),
            "guarded": switches.guarded,
            "skipped_layers": switches.skipped_layers,
        }
        content = json.dumps(options).encode()
        self._control.settimeout(START_SECONDS)
        self._control.sendall(b"".join([wire.LENGTH.pack(len(content)), content, *tables]))
        if self._control.recv(1) != READY:
            raise OSError("its process ended")

    def fork(self, states_layers: bool, descriptors: list[int]) -> int:
        """Has the template fork a child that is given these descriptors; returns its process id.

        Raises:
            TemplateDiedError: If the template is gone.
        """
        command = wire.COMMAND.pack(wire.STATE if states_layers else wire.FORK, 0)
        with self._lock, _noticing_death():
            socket.send_fds(self._control, [command], descriptors)
            process: int = wire.FORKED.unpack(self._receive(wire.FORKED.size))[0]
            return process

    def reap(self, process: int) -> tuple[int, float]:
        """Ends a child that may still run and collects it; returns its wait status and its CPU seconds.

        Raises:
            TemplateDiedError: If the template is gone; its children end with it.
        """
        with self._lock, _noticing_death():
            self._control.sendall(wire.COMMAND.pack(wire.REAP, process))
            _, status, cpu_seconds = wire.REAPED.unpack(self._receive(wire.REAPED.size))
            return status, cpu_seconds

    def _receive(self, size: int) -> bytes:
        content = b""
        while len(content) < size:
            part = self._control.recv(size - len(content))
            if not part:
                raise ConnectionError("the template process ended")
            content += part
        return content

    def close(self) -> None:
        """Ends the process and, with it, all its children."""
        self._control.close()
        try:
            self._process.wait(CLOSE_SECONDS)
        except subprocess.TimeoutExpired:
            self._process.kill()
            self._process.wait()


@contextlib.contextmanager
def _noticing_death() -> Iterator[None]:
    try:
        yield
    except OSError as error:
        raise TemplateDiedError(str(error)) from error
