"""What goes into the archive and comes out of it: frozen records and their words. No queries, no decisions.

Times are ISO 8601 text in UTC, set by the archive; money is integer micro-dollars.
"""

from collections.abc import Mapping
from dataclasses import dataclass, field
from enum import StrEnum

import numpy as np
import numpy.typing as npt

from discovery.proposal import Origin
from replay.split import Split


class RunStatus(StrEnum):
    """How far a run is."""

    RUNNING = "running"
    """In progress, or its process died."""
    DONE = "done"
    """Ended by its own limits: budget, iterations, time, no progress."""
    STOPPED = "stopped"
    """Ended by a person."""
    FAILED = "failed"
    """Ended by an error."""


class CandidateStatus(StrEnum):
    """What became of a candidate."""

    OK = "ok"
    DUPLICATE = "duplicate"
    """The same source, or the same actions, as a candidate before it."""
    REJECTED = "rejected"
    """Not in the dialect."""
    FAILED = "failed"
    """Its module or its schedule raised."""
    LIMIT = "limit"
    """It met a limit on CPU, memory or wall time."""
    ERROR = "error"
    """Some episode ended in an error."""
    TAMPERED = "tampered"
    """Its action log is not one that a controller can have left."""
    AUDIT = "audit"
    """It acted on what it was not shown, or differently from one time to the next."""


class Purpose(StrEnum):
    """What a call to a model is for."""

    PROPOSAL = "proposal"
    REPAIR = "repair"
    TOOL = "tool"


class LedgerKind(StrEnum):
    """Kinds of ledger rows. All but the first close a reservation."""

    RESERVE = "reserve"
    SETTLE = "settle"
    RELEASE = "release"
    HOLD = "hold"


class ExchangeState(StrEnum):
    """What is known of a request."""

    OPEN = "open"
    """Reserved; perhaps sent."""
    ANSWERED = "answered"
    """A reply came."""
    REFUSED = "refused"
    """The endpoint declined it, without charge."""
    UNSENT = "unsent"
    """It never left."""
    UNCONFIRMED = "unconfirmed"
    """It may have been charged; no usable account of it came back."""


@dataclass(frozen=True, slots=True)
class Run:
    """One discovery run.

    Attributes:
        id: Key in the archive.
        name: Unique name.
        config: All that is needed to repeat it.
        cap_microusd: Its budget.
        status: How far it is.
        reason: Why it ended; empty while it runs.
        started: When.
        ended: When; None while it runs.
    """

    id: int
    name: str
    config: Mapping[str, object]
    cap_microusd: int
    status: RunStatus
    reason: str
    started: str
    ended: str | None


@dataclass(frozen=True, slots=True, kw_only=True)
class CandidateDraft:
    """A candidate before it has a number.

    Attributes:
        source: Its source; empty where a reply held none.
        origin: Who proposed it.
        iteration: Iteration that proposed it; 0 for baselines.
        status: What became of it.
        idea: One sentence on what it tries.
        name: Name of a baseline; empty for others.
        parents: Numbers of the candidates it was built on.
        recipe: How the grammar composed it, as JSON; empty for other origins.
        error: What went wrong; empty if nothing did.
        duplicate_of: Number of the candidate that it repeats.
        analysis: Further figures, as JSON values; keys ending in `_seconds` are left out of dumps without times.
    """

    source: str
    origin: Origin
    iteration: int
    status: CandidateStatus
    idea: str = ""
    name: str = ""
    parents: tuple[int, ...] = ()
    recipe: str = ""
    error: str = ""
    duplicate_of: int | None = None
    analysis: Mapping[str, object] = field(default_factory=dict)


@dataclass(frozen=True, slots=True, kw_only=True)
class Candidate(CandidateDraft):
    """A committed candidate.

    Attributes:
        id: Key in the archive.
        run_id: Its run.
        number: Its number in the run, from 0, in commit order.
        source_digest: SHA-256 of the source, hexadecimal.
        committed: When.
    """

    id: int
    run_id: int
    number: int
    source_digest: str
    committed: str


@dataclass(frozen=True, slots=True, eq=False)
class Outcome:
    """Episodes of a candidate on some questions of one store at one beta. All arrays are (seeds, questions).

    Attributes:
        store: Name of the store.
        split: Which questions.
        beta: The beta.
        correct: Whether the answer was right.
        tokens: Tokens decoded.
        sequential_tokens: Tokens along the critical path.
        status: 0 answered, 2 no answer; any other is an error.
    """

    store: str
    split: Split
    beta: float
    correct: npt.NDArray[np.bool_]
    tokens: npt.NDArray[np.int64]
    sequential_tokens: npt.NDArray[np.int64]
    status: npt.NDArray[np.uint8]


@dataclass(frozen=True, slots=True)
class Point:
    """Sums over the episodes of an outcome.

    Attributes:
        store: Name of the store.
        split: Which questions.
        beta: The beta.
        n_seeds: Seeds played.
        n_episodes: Episodes.
        n_correct: Right answers.
        n_errors: Episodes that ended in an error.
        tokens: Tokens decoded, sum.
        sequential_tokens: Tokens along the critical path, sum.
    """

    store: str
    split: Split
    beta: float
    n_seeds: int
    n_episodes: int
    n_correct: int
    n_errors: int
    tokens: int
    sequential_tokens: int


@dataclass(frozen=True, slots=True)
class Audit:
    """The result of an audit.

    Attributes:
        kind: `causality` or `determinism`.
        passed: Whether it was passed.
        message: What was found.
    """

    kind: str
    passed: bool
    message: str = ""


@dataclass(frozen=True, slots=True)
class Place:
    """Where in a run a call belongs.

    Attributes:
        iteration: The iteration.
        turn: Which call of the iteration, from 0; attempts at the same call share it.
        purpose: What it is for.
    """

    iteration: int
    turn: int
    purpose: Purpose


@dataclass(frozen=True, slots=True, kw_only=True)
class ExchangeResult:
    """What is known once a call has ended.

    Attributes:
        state: Never `OPEN`.
        status_code: HTTP status; None where none came.
        reply: Text of the reply.
        message: The reply's message as JSON, tool calls included.
        finish_reason: As reported, for example `stop` or `length`.
        usage: Counts and costs as reported.
        raw: The whole reply as it came.
        error: What went wrong.
        elapsed_seconds: From sending to the end.
    """

    state: ExchangeState
    status_code: int | None = None
    reply: str = ""
    message: Mapping[str, object] = field(default_factory=dict)
    finish_reason: str = ""
    usage: Mapping[str, object] = field(default_factory=dict)
    raw: str = ""
    error: str = ""
    elapsed_seconds: float = 0.0


@dataclass(frozen=True, slots=True, kw_only=True)
class Exchange(ExchangeResult):
    """A request with what came of it.

    Attributes:
        id: Key in the archive.
        place: Where it belongs.
        attempt: From 0.
        model: Model asked.
        request: What was sent.
        became: What was made of the reply, one word; empty until told.
        candidate: Number of the candidate that it led to.
        reserved_microusd: Its worst case.
        booked_microusd: What it takes of the cap: charged, held, or reserved while open.
        closed: Kind of the closing row; None while open.
        sent: When it was reserved.
    """

    id: int
    place: Place
    attempt: int
    model: str
    request: Mapping[str, object]
    became: str
    candidate: int | None
    reserved_microusd: int
    booked_microusd: int
    closed: LedgerKind | None
    sent: str


@dataclass(frozen=True, slots=True)
class Balance:
    """A run's money, in micro-dollars.

    Attributes:
        cap: The budget.
        settled: Charged.
        unconfirmed: Held, because nobody knows whether it was charged.
        open: Reserved for calls in flight.
    """

    cap: int
    settled: int
    unconfirmed: int
    open: int

    @property
    def committed(self) -> int:
        """All that the cap has to cover."""
        return self.settled + self.unconfirmed + self.open


@dataclass(frozen=True, slots=True)
class Reservation:
    """Room under the cap for one request.

    Attributes:
        id: Its ledger row.
        run_id: The run.
        exchange_id: The request.
        attempt: Which attempt at the call this is, from 0.
        microusd: The worst case.
    """

    id: int
    run_id: int
    exchange_id: int
    attempt: int
    microusd: int


@dataclass(frozen=True, slots=True)
class Spending:
    """What calls of one kind came to, in micro-dollars.

    Attributes:
        purpose: What they were for.
        model: Model asked.
        became: What was made of the replies; the state of the calls where that was not told.
        n_calls: Requests reserved.
        settled: Charged.
        unconfirmed: Held.
        open: In flight.
    """

    purpose: Purpose
    model: str
    became: str
    n_calls: int
    settled: int
    unconfirmed: int
    open: int


@dataclass(frozen=True, slots=True)
class Event:
    """Something that happened in a run.

    Attributes:
        kind: What.
        payload: Its figures, as JSON values.
        made: When.
    """

    kind: str
    payload: Mapping[str, object]
    made: str
