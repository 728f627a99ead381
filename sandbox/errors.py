"""The error of this package: the sandbox can't do what it should. A candidate's failure is a result, not this."""

from replay.errors import AutoTTSError


class SandboxError(AutoTTSError):
    """The sandbox can't be started, a required layer is off, or a job makes no sense."""
