"""The system calls that a worker may make, as a seccomp filter: Linux on x86-64 and aarch64.

An interpreter that only computes needs some twenty calls. Everything else is refused, and what only an escaped
program would try ends the process, so that the parent sees it. No page may become executable.
"""

import ctypes
import platform
import struct

ALLOW, KILL, REFUSE = 0x7FFF0000, 0x80000000, 0x00050001
"""What the filter answers; REFUSE is EPERM."""

_ALLOWED = {
    "read": (0, 63),
    "write": (1, 64),
    "close": (3, 57),
    "munmap": (11, 215),
    "brk": (12, 214),
    "rt_sigaction": (13, 134),
    "rt_sigprocmask": (14, 135),
    "rt_sigreturn": (15, 139),
    "sched_yield": (24, 124),
    "mremap": (25, 216),
    "madvise": (28, 233),
    "setitimer": (38, 103),
    "getpid": (39, 172),
    "exit": (60, 93),
    "getrusage": (98, 165),
    "sigaltstack": (131, 132),
    "gettid": (186, 178),
    "futex": (202, 98),
    "restart_syscall": (219, 128),
    "clock_gettime": (228, 113),
    "exit_group": (231, 94),
}
"""Name -> number on x86-64 and on aarch64."""

_ALLOWED_UNLESS_EXECUTABLE = {"mmap": (9, 222), "mprotect": (10, 226)}

_FATAL = {
    "socket": (41, 198),
    "connect": (42, 203),
    "fork": (57, None),
    "vfork": (58, None),
    "execve": (59, 221),
    "ptrace": (101, 117),
    "mount": (165, 40),
    "init_module": (175, 105),
    "kexec_load": (246, 104),
    "unshare": (272, 97),
    "perf_event_open": (298, 241),
    "setns": (308, 268),
    "process_vm_readv": (310, 270),
    "process_vm_writev": (311, 271),
    "bpf": (321, 280),
    "execveat": (322, 281),
    "userfaultfd": (323, 282),
    "io_uring_setup": (425, 425),
}

_COLUMNS = {"x86_64": 0, "aarch64": 1}
_AUDIT_ARCHITECTURES = {"x86_64": 0xC000003E, "aarch64": 0xC00000B7}
_SECCOMP_CALL = {"x86_64": 317, "aarch64": 277}
_SET_MODE_FILTER = 1
_ALL_THREADS, _ALLOW_SPECULATION = 1, 4
_LOAD, _IF_EQUAL, _IF_AT_LEAST, _IF_BITS, _RETURN = 0x20, 0x15, 0x35, 0x45, 0x06
_NUMBER_OFFSET, _ARCHITECTURE_OFFSET, _PROTECTION_OFFSET = 0, 4, 16 + 8 * 2
_EXECUTABLE = 4
_X32_CALLS = 0x40000000

Instruction = tuple[int, int, int, int]
"""Operation, jump if true, jump if false, operand."""


def filter_program(machine: str) -> list[Instruction]:
    """The filter for an architecture."""
    column = _COLUMNS[machine]
    program: list[Instruction] = [
        (_LOAD, 0, 0, _ARCHITECTURE_OFFSET),
        (_IF_EQUAL, 1, 0, _AUDIT_ARCHITECTURES[machine]),
        (_RETURN, 0, 0, KILL),
        (_LOAD, 0, 0, _NUMBER_OFFSET),
    ]
    if machine == "x86_64":
        program += [(_IF_AT_LEAST, 0, 1, _X32_CALLS), (_RETURN, 0, 0, KILL)]
    for numbers in _ALLOWED.values():
        program += [(_IF_EQUAL, 0, 1, numbers[column]), (_RETURN, 0, 0, ALLOW)]
    for numbers in _ALLOWED_UNLESS_EXECUTABLE.values():
        program += [
            (_IF_EQUAL, 0, 4, numbers[column]),
            (_LOAD, 0, 0, _PROTECTION_OFFSET),
            (_IF_BITS, 1, 0, _EXECUTABLE),
            (_RETURN, 0, 0, ALLOW),
            (_RETURN, 0, 0, KILL),
        ]
    fatal = (numbers[column] for numbers in _FATAL.values())
    for number in fatal:
        if number is not None:
            program += [(_IF_EQUAL, 0, 1, number), (_RETURN, 0, 0, KILL)]
    program.append((_RETURN, 0, 0, REFUSE))
    return program


class _Program(ctypes.Structure):
    _fields_ = (("length", ctypes.c_ushort), ("filter", ctypes.c_void_p))


def install_filter(libc: ctypes.CDLL) -> None:
    """Confines all threads of this process, for good.

    Raises:
        OSError: If the kernel refuses, or the architecture is none of the two.
    """
    machine = platform.machine()
    if machine not in _COLUMNS:
        raise OSError(f"no filter for {machine}")
    program = filter_program(machine)
    # struct sock_filter: u16 operation, u8 jump if true, u8 jump if false, u32 operand.
    packed = b"".join(struct.pack("<HBBI", *instruction) for instruction in program)
    buffer = ctypes.create_string_buffer(packed, len(packed))
    argument = _Program(len(program), ctypes.addressof(buffer))
    flags = ctypes.c_uint(_ALL_THREADS | _ALLOW_SPECULATION)
    number = ctypes.c_long(_SECCOMP_CALL[machine])
    if libc.syscall(number, ctypes.c_uint(_SET_MODE_FILTER), flags, ctypes.byref(argument)) != 0:
        raise OSError(ctypes.get_errno(), "seccomp refused")
