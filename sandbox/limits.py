"""What one job may use. Reaching any of these ends the whole job: nothing of it counts."""

from dataclasses import dataclass

MEBIBYTE = 1 << 20


@dataclass(frozen=True, slots=True)
class Limits:
    """Limits of a job. CPU is the process's own, so a busy machine makes nothing fail.

    Attributes:
        episode_cpu_seconds: CPU of one episode, of one call of `schedule`, and of compiling.
        operation_cpu_seconds: CPU of one operation that can't be interrupted, such as `sum(range(10 ** 10))`.
        job_cpu_seconds: CPU of the whole job.
        memory_bytes: Memory beyond what the template process has.
        result_bytes: Size of all action logs of a job.
        stall_seconds: Wall time without a finished episode after which the process's CPU is looked at from outside.
        silence_seconds: Wall time without a finished episode after which it is ended in any case.
    """

    episode_cpu_seconds: float = 1.0
    operation_cpu_seconds: float = 2.0
    job_cpu_seconds: int = 300
    memory_bytes: int = 512 * MEBIBYTE
    result_bytes: int = 128 * MEBIBYTE
    stall_seconds: float = 5.0
    silence_seconds: float = 60.0

    def __post_init__(self) -> None:
        for name in self.__slots__:
            if not getattr(self, name) > 0:
                raise ValueError(f"{name} is {getattr(self, name)}; it must be positive")
