"""Requests and ledger rows in the archive: each is reserved, then closed once, in one transaction each.

Enforces the cap inside the reserving transaction; prices and waiting are the business of `budget`.
"""

from typing import Any

from sqlalchemy import Connection, Row, Select, and_, case, func, insert, select, update

from discovery import schema
from discovery.database import Database, now, storable
from discovery.errors import ArchiveError
from discovery.records import (
    Balance,
    Exchange,
    ExchangeResult,
    ExchangeState,
    LedgerKind,
    Place,
    Purpose,
    Reservation,
    Spending,
)

_reserve = schema.ledger.alias("reserve")
_closing = schema.ledger.alias("closing")
_booked = func.coalesce(_closing.c.microusd, _reserve.c.microusd)
_accounts = schema.exchange.join(
    _reserve, and_(_reserve.c.exchange_id == schema.exchange.c.id, _reserve.c.kind == LedgerKind.RESERVE)
).outerjoin(_closing, _closing.c.reserve_id == _reserve.c.id)


class Exchanges:
    """The archive's requests, replies and money. Safe to use from several threads and processes."""

    def __init__(self, database: Database) -> None:
        self._database = database

    def reserve(
        self, run_id: int, microusd: int, place: Place, *, model: str, request: dict[str, object]
    ) -> Reservation | Balance:
        """Makes room for a request under the run's cap, durably, or doesn't.

        Args:
            run_id: The run.
            microusd: The request's worst case.
            place: Where in the run it belongs.
            model: Model asked.
            request: What will be sent, as JSON values.

        Returns:
            The reservation; if settled, unconfirmed, open and this worst case are more than the cap, the balance.

        Raises:
            ArchiveError: If it can't be written. Nothing is reserved then.
        """
        with self._database.writing() as connection:
            balance = _balance(connection, run_id)
            if balance.committed + microusd > balance.cap:
                return balance
            attempt = _next_attempt(connection, run_id, place)
            exchange_id = _insert_exchange(connection, run_id, place, attempt, model, request)
            row = {"run_id": run_id, "exchange_id": exchange_id, "kind": LedgerKind.RESERVE, "microusd": microusd}
            reserve_id = _inserted(connection, schema.ledger, {**row, "booked": now()})
        return Reservation(reserve_id, run_id, exchange_id, attempt, microusd)

    def close(self, reservation: Reservation, kind: LedgerKind, microusd: int, result: ExchangeResult) -> None:
        """Stores what came of a request and closes its reservation, both or neither.

        Args:
            reservation: The reservation.
            kind: How it closes: `SETTLE`, `RELEASE` or `HOLD`.
            microusd: What is booked; 0 for a release.
            result: What came of the request.

        Raises:
            ArchiveError: If it is closed already, or can't be written. It stays as it was then.
        """
        with self._database.writing() as connection:
            _close(connection, reservation, kind, microusd, result)

    def hold_abandoned(self, run_id: int) -> int:
        """Holds in full what a dead process left open. Call it under the run's lock, before anything is reserved.

        Returns:
            How many calls there were.
        """
        left = ExchangeResult(state=ExchangeState.UNCONFIRMED, error="the process ended before the reply was stored")
        with self._database.writing() as connection:
            rows = connection.execute(
                select(_reserve, schema.exchange.c.attempt)
                .select_from(_accounts)
                .where(schema.exchange.c.run_id == run_id, _closing.c.id.is_(None))
            ).all()
            for row in rows:
                reservation = Reservation(row.id, run_id, row.exchange_id, row.attempt, row.microusd)
                _close(connection, reservation, LedgerKind.HOLD, row.microusd, left)
        return len(rows)

    def tell(self, exchange_id: int, became: str) -> None:
        """Notes what was made of a reply, in one word such as `unparsable`."""
        with self._database.writing() as connection:
            table = schema.exchange
            connection.execute(update(table).where(table.c.id == exchange_id).values(became=storable(became)))

    def balance(self, run_id: int) -> Balance:
        """The run's cap and what is taken of it."""
        with self._database.reading() as connection:
            return _balance(connection, run_id)

    def spending(self, run_id: int) -> tuple[Spending, ...]:
        """Where a run's money went, by purpose, model and what was made of the replies; in that order."""
        table = schema.exchange.c
        became = case((table.became == "", table.state), else_=table.became).label("became")
        keys = (table.purpose, table.model, became)
        query = (
            select(*keys, func.count().label("n_calls"), *_sums())
            .select_from(_accounts)
            .where(table.run_id == run_id)
            .group_by(*keys)
            .order_by(*keys)
        )
        with self._database.reading() as connection:
            rows = connection.execute(query).all()
        return tuple(
            Spending(Purpose(row.purpose), row.model, row.became, row.n_calls, row.settled, row.unconfirmed, row.open)
            for row in rows
        )

    def list(self, run_id: int) -> tuple[Exchange, ...]:
        """All requests of a run, by iteration, turn and attempt."""
        with self._database.reading() as connection:
            return tuple(map(_exchange, connection.execute(_select_exchanges(run_id)).all()))

    def answered(self, run_id: int, iteration: int, turn: int) -> Exchange | None:
        """The call at a place of a run that was answered, if one was."""
        table = schema.exchange.c
        query = _select_exchanges(run_id).where(
            table.iteration == iteration, table.turn == turn, table.state == ExchangeState.ANSWERED
        )
        with self._database.reading() as connection:
            row = connection.execute(query).first()
        return None if row is None else _exchange(row)


def _balance(connection: Connection, run_id: int) -> Balance:
    cap = connection.execute(select(schema.run.c.cap_microusd).where(schema.run.c.id == run_id)).scalar_one()
    sums = connection.execute(select(*_sums()).select_from(_accounts).where(_reserve.c.run_id == run_id)).one()
    return Balance(cap, sums.settled or 0, sums.unconfirmed or 0, sums.open or 0)


def _sums() -> tuple[Any, ...]:
    of_kind = {
        "settled": _closing.c.kind == LedgerKind.SETTLE,
        "unconfirmed": _closing.c.kind == LedgerKind.HOLD,
        "open": _closing.c.id.is_(None),
    }
    return tuple(func.sum(case((test, _booked), else_=0)).label(name) for name, test in of_kind.items())


def _next_attempt(connection: Connection, run_id: int, place: Place) -> int:
    table = schema.exchange.c
    query = select(func.max(table.attempt)).where(
        table.run_id == run_id, table.iteration == place.iteration, table.turn == place.turn
    )
    last = connection.execute(query).scalar()
    return 0 if last is None else int(last) + 1


def _insert_exchange(
    connection: Connection, run_id: int, place: Place, attempt: int, model: str, request: dict[str, object]
) -> int:
    row = {
        "run_id": run_id,
        "iteration": place.iteration,
        "turn": place.turn,
        "attempt": attempt,
        "purpose": place.purpose,
        "model": model,
        "request": storable(request),
        "became": "",
        "sent": now(),
    }
    return _inserted(connection, schema.exchange, row | _result_row(ExchangeResult(state=ExchangeState.OPEN)))


def _inserted(connection: Connection, table: Any, row: dict[str, object]) -> int:
    key = connection.execute(insert(table).values(row)).inserted_primary_key
    assert key is not None
    return int(key[0])


def _close(
    connection: Connection, reservation: Reservation, kind: LedgerKind, microusd: int, result: ExchangeResult
) -> None:
    assert kind is not LedgerKind.RESERVE
    assert result.state is not ExchangeState.OPEN
    table = schema.exchange
    changed = connection.execute(
        update(table)
        .where(table.c.id == reservation.exchange_id, table.c.state == ExchangeState.OPEN)
        .values(_result_row(result))
    )
    if changed.rowcount != 1:
        raise ArchiveError(f"reservation {reservation.id} is closed already; each is closed once")
    closing = {"run_id": reservation.run_id, "exchange_id": reservation.exchange_id, "reserve_id": reservation.id}
    connection.execute(insert(schema.ledger).values(**closing, kind=kind, microusd=microusd, booked=now()))


def _result_row(result: ExchangeResult) -> dict[str, object]:
    return {
        "state": result.state,
        "status_code": result.status_code,
        "reply": storable(result.reply),
        "message": storable(result.message),
        "finish_reason": storable(result.finish_reason)[:32],
        "usage": storable(result.usage),
        "raw": storable(result.raw),
        "error": storable(result.error),
        "elapsed_seconds": result.elapsed_seconds,
    }


def _select_exchanges(run_id: int) -> Select[Any]:
    table = schema.exchange.c
    return (
        select(
            schema.exchange,
            schema.candidate.c.number.label("candidate"),
            _reserve.c.microusd.label("reserved_microusd"),
            _booked.label("booked_microusd"),
            _closing.c.kind.label("closed"),
        )
        .select_from(_accounts.outerjoin(schema.candidate, schema.candidate.c.id == table.candidate_id))
        .where(table.run_id == run_id)
        .order_by(table.iteration, table.turn, table.attempt)
    )


def _exchange(row: Row[Any]) -> Exchange:
    return Exchange(
        id=row.id,
        place=Place(row.iteration, row.turn, Purpose(row.purpose)),
        attempt=row.attempt,
        model=row.model,
        request=row.request,
        state=ExchangeState(row.state),
        status_code=row.status_code,
        reply=row.reply,
        message=row.message,
        finish_reason=row.finish_reason,
        usage=row.usage,
        raw=row.raw,
        error=row.error,
        elapsed_seconds=row.elapsed_seconds,
        became=row.became,
        candidate=row.candidate,
        reserved_microusd=row.reserved_microusd,
        booked_microusd=row.booked_microusd,
        closed=None if row.closed is None else LedgerKind(row.closed),
        sent=row.sent,
    )
