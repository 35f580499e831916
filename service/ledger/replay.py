"""From the spool into the database, in order: each record's effects once, however often tried.

The position moves in the transaction that writes the rows. Rows that are there already, because
the commit that seemed to fail had landed, change nothing.
"""

import logging
from collections.abc import Callable, Iterator, Sequence
from contextlib import AbstractContextManager
from dataclasses import dataclass

import msgspec
from sqlalchemy import Connection, insert, select, update
from sqlalchemy.exc import DataError, IntegrityError

from contracts.tables import spool_positions
from service.ledger.batch import Batch, decode, encode
from service.ledger.idempotency import take_keys
from service.ledger.insert import insert_rows
from service.ledger.outcomes import record_outcomes
from service.ledger.records import Record
from service.ledger.spool import Position, Spool

log = logging.getLogger(__name__)

Transaction = Callable[[], AbstractContextManager[Connection]]
# What the database says of the values themselves: the same again would be refused again.
REFUSED = (IntegrityError, DataError)


@dataclass
class Replayed:
    """What became of records.

    Attributes:
        rows: in the database now; `repeated` of them were before.
        quarantined: rows that are in the quarantine instead; 1 for a record whose rows nobody
            can count.
        unknown_outcomes: outcomes whose prediction is not there yet; they are kept.
    """

    rows: int = 0
    repeated: int = 0
    quarantined: int = 0
    unknown_outcomes: int = 0

    def add(self, other: "Replayed") -> None:
        self.rows += other.rows
        self.repeated += other.repeated
        self.quarantined += other.quarantined
        self.unknown_outcomes += other.unknown_outcomes


def replay(spool: Spool, transaction: Transaction) -> Replayed:
    """Write what waits longest into the database and forget it.

    Raises:
        SQLAlchemyError, OSError: the rest waits on; try again.
    """
    replayed = Replayed()
    chunk = spool.read()
    if chunk.records:
        _replay(spool, transaction, chunk.segment, chunk.records, replayed)
    return replayed


def _replay(
    spool: Spool,
    transaction: Transaction,
    segment: int,
    records: Sequence[Record],
    replayed: Replayed,
) -> None:
    """Halve what is refused until one record is left, then look at its parts one by one."""
    done = Replayed()
    try:
        with transaction() as connection:
            batches = []
            for record in _new(connection, spool, segment, records):
                batch = _open(record)
                if batch is None:
                    _quarantine(spool, segment, record, done)
                else:
                    batches.append(batch)
            done.add(_write(connection, batches))
            _move(connection, spool, Position(segment, records[-1].end))
    except REFUSED as error:
        if len(records) == 1:
            log.error("the database refuses a record of the spool: %s", _first_line(error))
            done = _replay_parts(spool, transaction, segment, records[0])
        else:
            half = len(records) // 2
            _replay(spool, transaction, segment, records[:half], replayed)
            _replay(spool, transaction, segment, records[half:], replayed)
            return
    spool.forget(Position(segment, records[-1].end))
    replayed.add(done)


def _replay_parts(spool: Spool, transaction: Transaction, segment: int, record: Record) -> Replayed:
    """Write what can be written of a record; the rest goes to the quarantine."""
    done = Replayed()
    refused: list[bytes] = []
    with transaction() as connection:
        for whole in _new(connection, spool, segment, [record]):
            for part in _parts(_open(whole)):
                try:
                    with connection.begin_nested():
                        written = _write(connection, [part])
                except REFUSED as error:
                    refused.append(encode(part) + b" " + _first_line(error).encode())
                    done.quarantined += len(part.rows)
                else:
                    done.add(written)
        if refused:
            spool.quarantine(f"{segment}-{record.start}.refused", b"\n".join(refused))
        _move(connection, spool, Position(segment, record.end))
    return done


def _new(
    connection: Connection, spool: Spool, segment: int, records: Sequence[Record]
) -> list[Record]:
    """The records that the database does not have yet."""
    table = spool_positions.c
    query = select(table.segment, table.position).where(table.spool_id == spool.id)
    known = connection.execute(query).one_or_none()
    if known is None:
        connection.execute(insert(spool_positions).values((spool.id, 0, 0)))
        return list(records)
    return [record for record in records if Position(segment, record.end) > Position(*known)]


def _move(connection: Connection, spool: Spool, end: Position) -> None:
    own = update(spool_positions).where(spool_positions.c.spool_id == spool.id)
    connection.execute(own.values(segment=end.segment, position=end.offset))


def _open(record: Record) -> Batch | None:
    """What a record holds; None = it is damaged."""
    if record.payload is None:
        return None
    try:
        return decode(record.payload)
    except msgspec.MsgspecError:
        log.exception("a sound record of the spool cannot be understood")
        return None


def _quarantine(spool: Spool, segment: int, record: Record, done: Replayed) -> None:
    log.error("a damaged record of the spool goes to the quarantine")
    spool.quarantine(f"{segment}-{record.start}.damaged", spool.raw(segment, record))
    done.quarantined += max(record.rows, 1)


def _write(connection: Connection, batches: Sequence[Batch]) -> Replayed:
    """All rows in one statement, for a batch may be a single one."""
    rows = [row for batch in batches for row in batch.rows]
    done = Replayed(len(rows), len(rows) - insert_rows(connection, rows))
    for batch in batches:
        take_keys(connection, batch.keys, batch.at)
        done.unknown_outcomes += _record_outcomes(connection, batch)
    return done


def _record_outcomes(connection: Connection, batch: Batch) -> int:
    """Gives how many outcomes have no prediction."""
    if not batch.outcomes:
        return 0
    results = record_outcomes(connection, batch.outcomes, batch.at, keep_unknown=True)
    unknown = [result.prediction_id for result in results if result.status == "unknown"]
    if unknown:
        log.warning(
            "%d accepted outcomes have no prediction yet, like %s", len(unknown), unknown[0]
        )
    return len(unknown)


def _parts(batch: Batch | None) -> Iterator[Batch]:
    """Each row, answer and outcome on its own."""
    if batch is not None:
        yield from (Batch(batch.at, [row]) for row in batch.rows)
        yield from (Batch(batch.at, [], [kept]) for kept in batch.keys)
        yield from (Batch(batch.at, [], [], [outcome]) for outcome in batch.outcomes)


def _first_line(error: Exception) -> str:
    return str(getattr(error, "orig", error)).strip().split("\n")[0]
