"""The root of the project's errors, and those of this package.

Every message says what happened, what was found and what was expected; `hint` says what to do.
"""


class AutoTTSError(Exception):
    """A mistake that a caller can handle or a person can mend.

    Attributes:
        hint: What to do about it, a sentence or a command. Empty when there is nothing to add.
    """

    def __init__(self, message: str, *, hint: str = "") -> None:
        super().__init__(message)
        self.hint = hint


class StoreError(AutoTTSError):
    """A store of trajectories, or a file to import, is missing, malformed or damaged."""


class EpisodeError(AutoTTSError):
    """A controller made an illegal call. It fails the episode for good."""


class TamperedLogError(AutoTTSError):
    """An action log that no controller can have produced on this store."""


class ControllerNameError(AutoTTSError):
    """No baseline, file or candidate answers to this name."""
