"""The layers of the operating system around a worker, and the statement of which are on. No dependency, ctypes only.

The template enters those that its children inherit; each child adds those that would keep the template from working.
"""

import ctypes
import os
import resource
import signal
import struct
import sys
from collections.abc import Callable, Collection
from dataclasses import dataclass, field

from sandbox.limits import Limits
from sandbox.seccomp import install_filter

LINUX = sys.platform == "linux"
MACOS = sys.platform == "darwin"
MAX_DESCRIPTORS = 64
"""The template lowers its own ceiling to this, so that closing all descriptors is quick."""

TEMPLATE_LAYERS = ("no_new_privs", "namespaces", "landlock")
CHILD_LAYERS = ("descriptors", "session", "pdeathsig", "not_dumpable", "rlimits", "seccomp", "seatbelt")
LAYERS = ("language", *TEMPLATE_LAYERS, *CHILD_LAYERS)

_libc = ctypes.CDLL(None, use_errno=True)
_libc.syscall.restype = ctypes.c_long

_PR_SET_PDEATHSIG, _PR_SET_DUMPABLE, _PR_SET_NO_NEW_PRIVS = 1, 4, 38
_CLONE_NEWUSER, _CLONE_NEWNET, _CLONE_NEWIPC = 0x10000000, 0x40000000, 0x08000000
_LANDLOCK_CREATE_RULESET, _LANDLOCK_RESTRICT_SELF = 444, 446
_LANDLOCK_VERSION = 1
_LANDLOCK_FILES = {1: 13, 2: 14, 3: 15, 5: 16}
"""From this version on: number of rights over files that can be denied."""


@dataclass(slots=True)
class Statement:
    """Which layers are on.

    Attributes:
        skipped: Layers left out on purpose, in tests.
        layers: Layer -> "on", "on (detail)" or "off (reason)".
    """

    skipped: Collection[str] = ()
    layers: dict[str, str] = field(default_factory=dict)

    def enter(self, name: str, action: Callable[[], str | None], available: bool = True) -> None:
        """Enters a layer and notes how that went; a layer that can't be had is not an error here."""
        if name in self.skipped:
            self.layers[name] = "off (switched off)"
        elif not available:
            self.layers[name] = f"off (not available on {sys.platform})"
        else:
            try:
                detail = action()
                self.layers[name] = f"on ({detail})" if detail else "on"
            except (OSError, ValueError, AttributeError) as error:
                self.layers[name] = f"off ({error})"

    def missing(self, required: Collection[str]) -> list[str]:
        """Those of the required layers that are not on."""
        return [name for name in required if not self.layers.get(name, "off").startswith("on")]

    def to_text(self) -> str:
        """One line per layer: `name: state`."""
        return "\n".join(f"{name}: {state}" for name, state in self.layers.items())


def enter_template_layers(statement: Statement) -> None:
    """What the template can do once it has read all files: its children inherit it."""
    statement.enter("no_new_privs", lambda: _prctl(_PR_SET_NO_NEW_PRIVS, 1), LINUX)
    statement.enter("namespaces", _leave_namespaces, LINUX)
    statement.enter("landlock", _deny_files, LINUX)


def enter_child_layers(
    statement: Statement, keep: Collection[int], template_process: int, template_memory: int, limits: Limits
) -> None:
    """What only the child can do; afterwards it can compute, read and write `keep`, and end."""
    statement.enter("descriptors", lambda: _close_descriptors(keep))
    statement.enter("session", os.setsid)
    statement.enter("pdeathsig", lambda: _die_with(template_process), LINUX)
    statement.enter("not_dumpable", lambda: _prctl(_PR_SET_DUMPABLE, 0), LINUX)
    statement.enter("rlimits", lambda: _set_limits(template_memory, limits))
    statement.enter("seatbelt", _enter_seatbelt, MACOS)
    statement.enter("seccomp", lambda: install_filter(_libc), LINUX)


def address_space_bytes() -> int:
    """Address space of this process; 0 where it can't be told."""
    if not LINUX:
        return 0
    with open("/proc/self/statm") as file:  # noqa: PTH123
        return int(file.read().split()[0]) * resource.getpagesize()


def lower_descriptor_ceiling() -> None:
    """Keeps the descriptors of this process below `MAX_DESCRIPTORS`."""
    _, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    resource.setrlimit(resource.RLIMIT_NOFILE, (MAX_DESCRIPTORS, hard))


def _prctl(option: int, value: int) -> None:
    zero = ctypes.c_ulong(0)
    if _libc.prctl(ctypes.c_int(option), ctypes.c_ulong(value), zero, zero, zero) != 0:
        raise OSError(ctypes.get_errno(), f"prctl {option} refused")


def _close_descriptors(keep: Collection[int]) -> None:
    first = 0
    for kept in [*sorted(keep), MAX_DESCRIPTORS]:
        # os.closerange(0, 0) would close everything on CPython 3.11.
        if first < kept:
            os.closerange(first, kept)
        first = kept + 1


def _die_with(process: int) -> None:
    _prctl(_PR_SET_PDEATHSIG, signal.SIGKILL)
    if os.getppid() != process:
        os._exit(1)


def _leave_namespaces() -> None:
    """User, network and IPC namespaces of its own: a network without interfaces."""
    if _libc.unshare(ctypes.c_int(_CLONE_NEWUSER | _CLONE_NEWNET | _CLONE_NEWIPC)) != 0:
        raise OSError(ctypes.get_errno(), f"unshare: {os.strerror(ctypes.get_errno())}")


def _deny_files() -> str:
    """Landlock with no exception: no path, and from newer kernels on no TCP, no signal and no abstract socket outside.

    Returns:
        The version of the interface.
    """
    create = ctypes.c_long(_LANDLOCK_CREATE_RULESET)
    version = _libc.syscall(create, None, ctypes.c_size_t(0), ctypes.c_uint32(_LANDLOCK_VERSION))
    if version < 1:
        raise OSError(ctypes.get_errno(), f"landlock: {os.strerror(ctypes.get_errno())}")
    n_rights = max(rights for since, rights in _LANDLOCK_FILES.items() if since <= version)
    ruleset = struct.pack("<QQQ", (1 << n_rights) - 1, 3 if version >= 4 else 0, 3 if version >= 6 else 0)
    size = 24 if version >= 6 else 16 if version >= 4 else 8
    descriptor = _libc.syscall(create, ruleset, ctypes.c_size_t(size), ctypes.c_uint32(0))
    if descriptor < 0:
        raise OSError(ctypes.get_errno(), f"landlock: {os.strerror(ctypes.get_errno())}")
    try:
        restrict = ctypes.c_long(_LANDLOCK_RESTRICT_SELF)
        if _libc.syscall(restrict, ctypes.c_int(descriptor), ctypes.c_uint32(0)) != 0:
            raise OSError(ctypes.get_errno(), f"landlock: {os.strerror(ctypes.get_errno())}")
    finally:
        os.close(descriptor)
    return f"ABI {version}"


def _set_limits(template_memory: int, limits: Limits) -> str | None:
    if template_memory:
        _limit(resource.RLIMIT_AS, template_memory + limits.memory_bytes)
    else:
        _limit(resource.RLIMIT_DATA, limits.memory_bytes)
    _limit(resource.RLIMIT_CPU, limits.job_cpu_seconds, limits.job_cpu_seconds + 1)
    _limit(resource.RLIMIT_STACK, 8 << 20)
    for nothing in (resource.RLIMIT_FSIZE, resource.RLIMIT_CORE, resource.RLIMIT_NPROC, resource.RLIMIT_NOFILE):
        _limit(nothing, 0)
    return None if LINUX else "memory is watched by the parent"


def _limit(what: int, soft: int, hard: int | None = None) -> None:
    _, ceiling = resource.getrlimit(what)
    wanted = soft if hard is None else hard
    hard = wanted if ceiling == resource.RLIM_INFINITY else min(wanted, ceiling)
    resource.setrlimit(what, (min(soft, hard), hard))


def _enter_seatbelt() -> None:
    """sandbox_init(3) of macOS: deprecated, and what browsers still use."""
    library = ctypes.CDLL("/usr/lib/libsandbox.dylib")
    message = ctypes.c_char_p()
    profile = b"(version 1)(deny default)(allow signal (target self))"
    if library.sandbox_init(profile, ctypes.c_uint64(0), ctypes.byref(message)) != 0:
        raise OSError((message.value or b"sandbox_init refused").decode("utf-8", "replace"))
