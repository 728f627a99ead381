"""The errors of the search: archive, run lock, money and endpoint. Not those of stores, controllers or the sandbox."""

from decimal import Decimal

from replay.errors import AutoTTSError


class ArchiveError(AutoTTSError):
    """The archive can't be opened, read or written; what was being written is not there."""


class UnknownRunError(ArchiveError):
    """No run of this name, or none at all."""


class RunExistsError(ArchiveError):
    """A run of this name is in the archive already."""


class RunLockedError(AutoTTSError):
    """Another process writes to the run.

    Attributes:
        holder: Its process id; None if it can't be told.
    """

    def __init__(self, message: str, *, holder: int | None, hint: str = "") -> None:
        super().__init__(message, hint=hint)
        self.holder = holder


class BudgetReachedError(AutoTTSError):
    """The cap leaves no room for the next call, and no call in flight can give any back: a normal end.

    Attributes:
        cap_usd: The run's cap.
        committed_usd: Settled, unconfirmed and open together.
        asked_usd: Worst case of the call that was not made.
    """

    def __init__(self, *, cap_usd: Decimal, committed_usd: Decimal, asked_usd: Decimal) -> None:
        super().__init__(
            f"the next call could cost ${asked_usd:.4f}; ${committed_usd:.4f} of the cap of ${cap_usd:.2f} is taken",
            hint="`--resume RUN --budget X` continues the run under a new cap",
        )
        self.cap_usd = cap_usd
        self.committed_usd = committed_usd
        self.asked_usd = asked_usd


class OverclaimError(AutoTTSError):
    """A reply claimed more than its worst case; it is booked as claimed, and nothing more is sent.

    Attributes:
        reserved_usd: The call's worst case.
        claimed_usd: What the reply's usage comes to.
    """

    def __init__(self, *, reserved_usd: Decimal, claimed_usd: Decimal) -> None:
        super().__init__(
            f"a reply claimed ${claimed_usd}; at the known price its request could cost no more than ${reserved_usd}",
            hint="compare the price stored with the run with the endpoint's own, then resume with --price-input and"
            " --price-output; the claim stays booked",
        )
        self.reserved_usd = reserved_usd
        self.claimed_usd = claimed_usd


class StoppingError(AutoTTSError):
    """The run is being stopped; the call that was about to be made was not."""


class PriceError(AutoTTSError):
    """What a call can cost is not known, or the budget does not allow any."""


class EndpointError(AutoTTSError):
    """The endpoint did not answer, however often it was asked.

    Attributes:
        status_code: HTTP status of the last attempt; None without one.
    """

    def __init__(self, message: str, *, status_code: int | None = None, hint: str = "") -> None:
        super().__init__(message, hint=hint)
        self.status_code = status_code
