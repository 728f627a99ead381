"""The archive's tables, their version, and the steps from each version to the next. Holds no queries.

Types are portable; money is integer micro-dollars, times ISO 8601 text in UTC, arrays compressed little-endian bytes.
"""

from collections.abc import Callable

from sqlalchemy import (
    JSON,
    BigInteger,
    Boolean,
    CheckConstraint,
    Column,
    Connection,
    Float,
    ForeignKey,
    Index,
    Integer,
    LargeBinary,
    MetaData,
    String,
    Table,
    Text,
    UniqueConstraint,
)

VERSION = 1
"""Version of the schema that this software writes."""

MIGRATIONS: dict[int, Callable[[Connection], None]] = {}
"""Step from each earlier version to the next one, by the earlier version. A new archive is created at `VERSION`."""

metadata = MetaData()

_TIME = String(32)
_WORD = String(32)

schema_version = Table(
    "schema_version",
    metadata,
    Column("version", Integer, primary_key=True, autoincrement=False),
)

run = Table(
    "run",
    metadata,
    Column("id", Integer, primary_key=True),
    Column("name", String(64), nullable=False, unique=True),
    Column("config", JSON, nullable=False),
    Column("cap_microusd", BigInteger, nullable=False),
    Column("status", _WORD, nullable=False),
    Column("reason", Text, nullable=False),
    Column("started", _TIME, nullable=False),
    Column("ended", _TIME),
    CheckConstraint("cap_microusd >= 0", name="cap_not_negative"),
)

candidate = Table(
    "candidate",
    metadata,
    Column("id", Integer, primary_key=True),
    Column("run_id", ForeignKey("run.id"), nullable=False),
    Column("number", Integer, nullable=False),
    Column("iteration", Integer, nullable=False),
    Column("origin", _WORD, nullable=False),
    Column("name", String(200), nullable=False),
    Column("status", _WORD, nullable=False),
    Column("error", Text, nullable=False),
    Column("idea", Text, nullable=False),
    Column("source", Text, nullable=False),
    Column("source_digest", String(64), nullable=False),
    Column("recipe", Text, nullable=False),
    Column("parents", JSON, nullable=False),
    Column("duplicate_of", Integer),
    Column("analysis", JSON, nullable=False),
    Column("committed", _TIME, nullable=False),
    UniqueConstraint("run_id", "number"),
    Index("candidate_by_digest", "run_id", "source_digest"),
)

point = Table(
    "point",
    metadata,
    Column("candidate_id", ForeignKey("candidate.id"), primary_key=True),
    Column("store", String(200), primary_key=True),
    Column("split", _WORD, primary_key=True),
    Column("beta", Float, primary_key=True),
    Column("n_seeds", Integer, nullable=False),
    Column("n_episodes", Integer, nullable=False),
    Column("n_correct", Integer, nullable=False),
    Column("n_errors", Integer, nullable=False),
    Column("tokens", BigInteger, nullable=False),
    Column("sequential_tokens", BigInteger, nullable=False),
)

outcome = Table(
    "outcome",
    metadata,
    Column("candidate_id", ForeignKey("candidate.id"), primary_key=True),
    Column("store", String(200), primary_key=True),
    Column("split", _WORD, primary_key=True),
    Column("beta", Float, primary_key=True),
    Column("n_seeds", Integer, nullable=False),
    Column("n_questions", Integer, nullable=False),
    Column("correct", LargeBinary, nullable=False),
    Column("tokens", LargeBinary, nullable=False),
    Column("sequential_tokens", LargeBinary, nullable=False),
    Column("status", LargeBinary, nullable=False),
)

failure = Table(
    "failure",
    metadata,
    Column("candidate_id", ForeignKey("candidate.id"), primary_key=True),
    Column("kind", _WORD, primary_key=True),
    Column("share", Float, nullable=False),
    Column("mean_tokens", Float, nullable=False),
)

audit = Table(
    "audit",
    metadata,
    Column("id", Integer, primary_key=True),
    Column("candidate_id", ForeignKey("candidate.id"), nullable=False, index=True),
    Column("kind", _WORD, nullable=False),
    Column("passed", Boolean, nullable=False),
    Column("message", Text, nullable=False),
    Column("made", _TIME, nullable=False),
)

exchange = Table(
    "exchange",
    metadata,
    Column("id", Integer, primary_key=True),
    Column("run_id", ForeignKey("run.id"), nullable=False),
    Column("iteration", Integer, nullable=False),
    Column("turn", Integer, nullable=False),
    Column("attempt", Integer, nullable=False),
    Column("purpose", _WORD, nullable=False),
    Column("model", String(200), nullable=False),
    Column("request", JSON, nullable=False),
    Column("state", _WORD, nullable=False),
    Column("status_code", Integer),
    Column("reply", Text, nullable=False),
    Column("message", JSON, nullable=False),
    Column("finish_reason", _WORD, nullable=False),
    Column("usage", JSON, nullable=False),
    Column("raw", Text, nullable=False),
    Column("error", Text, nullable=False),
    Column("became", Text, nullable=False),
    Column("candidate_id", ForeignKey("candidate.id")),
    Column("sent", _TIME, nullable=False),
    Column("elapsed_seconds", Float, nullable=False),
    UniqueConstraint("run_id", "iteration", "turn", "attempt"),
)

ledger = Table(
    "ledger",
    metadata,
    Column("id", Integer, primary_key=True),
    Column("run_id", ForeignKey("run.id"), nullable=False, index=True),
    Column("exchange_id", ForeignKey("exchange.id"), nullable=False, index=True),
    Column("kind", _WORD, nullable=False),
    Column("microusd", BigInteger, nullable=False),
    Column("reserve_id", ForeignKey("ledger.id"), unique=True),
    Column("booked", _TIME, nullable=False),
    CheckConstraint("microusd >= 0", name="amount_not_negative"),
    CheckConstraint("(kind = 'reserve') = (reserve_id IS NULL)", name="closing_rows_name_their_reservation"),
    CheckConstraint("kind IN ('reserve', 'settle', 'release', 'hold')", name="known_kind"),
)

event = Table(
    "event",
    metadata,
    Column("id", Integer, primary_key=True),
    Column("run_id", ForeignKey("run.id"), nullable=False, index=True),
    Column("kind", _WORD, nullable=False),
    Column("payload", JSON, nullable=False),
    Column("made", _TIME, nullable=False),
)
