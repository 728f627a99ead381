"""The corpus of hostile and natural controllers, as this user and as an unprivileged one, and what it leaves behind.

The corpus lies beside the project and is not part of it; `test_sandbox_attacks` holds what is.
"""

import json
import os
import shutil
import socket
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.sandbox_corpus import Specimen, endings_of, read_specimens

PROJECT = Path(__file__).parents[1]
CORPUS = PROJECT.parent / "shared" / "sandbox-corpus"
LEAKS = Path("/tmp/autotts-sandbox-leaks")
PORT = 18_999

CORRECTED = {
    "a148_prune_twice": ("harmless",),
    "a419_tuple__range__set__dict__dict_view_and_g": ("harmless", "error", "killed"),
}
"""Expectations beyond the contract: pruning a branch again does nothing; `spent` is a sum of depths, not of tokens."""

pytestmark = pytest.mark.skipif(
    not CORPUS.is_dir(), reason="needs the sandbox corpus, which is not part of the project"
)


def expected_of(specimen: Specimen) -> tuple[str, ...]:
    expected = CORRECTED.get(specimen.name, specimen.expected)
    return ("harmless",) if expected == ("accepted",) else expected


@pytest.fixture
def quiet_surroundings() -> Iterator[None]:
    """Fails if anything was written or sent meanwhile, or a process was left."""
    LEAKS.mkdir(exist_ok=True)
    before = own_children()
    with socket.socket() as tcp, socket.socket(type=socket.SOCK_DGRAM) as udp:
        tcp.bind(("127.0.0.1", PORT))
        tcp.listen()
        udp.bind(("127.0.0.1", PORT))
        tcp.setblocking(False)
        udp.setblocking(False)
        yield
        for receive in (tcp.accept, lambda: udp.recv(1)):
            with pytest.raises(BlockingIOError):
                receive()
    assert list(LEAKS.iterdir()) == []
    LEAKS.rmdir()
    assert own_children() == before


def own_children() -> set[int]:
    """Ids of the processes that this one started, where that can be told."""
    path = Path(f"/proc/self/task/{os.getpid()}/children")
    return set(map(int, path.read_text().split())) if path.exists() else set()


@pytest.mark.parametrize("folder", ["attacks", "benign"])
@pytest.mark.usefixtures("quiet_surroundings")
def test_every_specimen_ends_as_its_first_line_says(folder: str) -> None:
    specimens = read_specimens(CORPUS / folder)
    endings = endings_of(specimens)
    assert specimens
    unexpected = {s.name: (endings[s.name], s.expected) for s in specimens if endings[s.name] not in expected_of(s)}
    assert not unexpected


def as_nobody(command: list[str]) -> list[str] | None:
    """A command as an unprivileged user; None if that can't be had.

    Where the interpreter lies in a folder of root's, the user may read all files, and nothing else.
    """
    drop = ["setpriv", "--reuid=65534", "--regid=65534", "--clear-groups"]
    may_read = ["--inh-caps=+dac_read_search", "--ambient-caps=+dac_read_search"]
    clean = ["env", "-i", f"PATH={os.environ['PATH']}"]
    for prefix in ([*drop, *clean], [*drop, *may_read, *clean]):
        probe = [*prefix, sys.executable, "-B", "-c", "import sandbox"]
        if subprocess.run(probe, cwd=PROJECT, capture_output=True, check=False).returncode == 0:
            return [*prefix, *command]
    return None


@pytest.mark.parametrize("folder", ["attacks", "benign"])
@pytest.mark.usefixtures("quiet_surroundings")
def test_an_unprivileged_user_is_held_and_served_the_same(folder: str) -> None:
    if os.getuid() != 0 or not shutil.which("setpriv"):
        pytest.skip("needs root and setpriv to become another user; as any other user the test above says the same")
    command = as_nobody([sys.executable, "-B", "-m", "tests.sandbox_corpus", str(CORPUS / folder)])
    if command is None:
        pytest.skip("no unprivileged user can read this interpreter and project")
    answer = subprocess.run(command, cwd=PROJECT, capture_output=True, text=True, check=True)
    endings = json.loads(answer.stdout)
    specimens = read_specimens(CORPUS / folder)
    unexpected = {s.name: (endings[s.name], s.expected) for s in specimens if endings[s.name] not in expected_of(s)}
    assert not unexpected
