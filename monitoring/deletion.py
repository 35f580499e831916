"""Deletes predictions with all that hangs on them, in transactions that hold nobody up.

On SQLite one writer at a time has the database, and the ledger waits for a commit for
PERENNIAL_COMMIT_PATIENCE_SECONDS only before it turns to its spool. So a transaction here takes
about LOCK_SECONDS, and the time after it belongs to the ledger.
"""

import time
from collections.abc import Callable, Iterable, Iterator, Sequence
from contextlib import suppress
from dataclasses import dataclass
from datetime import datetime
from itertools import islice

from sqlalchemy import Connection, Delete, Engine, delete, select, tuple_

from contracts.database import (
    checkpoint,
    hold_service_place,
    is_empty_log_wished,
    wish_for_empty_log,
    write_transaction,
)
from contracts.tables import (
    idempotency_keys,
    outcomes,
    predictions,
    scoring_parts,
    scorings,
    shadow_predictions,
    vitals,
)

# Far from what hurts: a commit on a slow disk takes its time on top, and who waits asks seldom.
LOCK_SECONDS = 0.02
REST_SECONDS = 0.05
FIRST_ROWS = 200
MOST_ROWS = 2000
STATEMENT_ROWS = 500
# So that SQLite's log stays at some megabytes, which the ledger copies in some milliseconds.
LOG_ROWS = 1000
EMPTY_SECONDS = 10.0  # of a ledger that cannot, because somebody reads for long
Sleep = Callable[[float], object]


@dataclass(frozen=True)
class Deleted:
    """How many rows are gone."""

    predictions: int = 0
    outcomes: int = 0
    shadow_predictions: int = 0

    def __add__(self, other: "Deleted") -> "Deleted":
        return Deleted(
            self.predictions + other.predictions,
            self.outcomes + other.outcomes,
            self.shadow_predictions + other.shadow_predictions,
        )


def delete_paced(
    engine: Engine,
    ids: Iterable[str],
    may_go_on: Callable[[Connection], bool],
    sleep: Sleep = time.sleep,
) -> Iterator[Deleted]:
    """Delete predictions, outcomes and shadow answers of these ids, a batch at a time.

    Args:
        may_go_on: asked inside every transaction, before it deletes; no = the end.

    Yields:
        What each transaction deleted, after its commit.
    """
    left, rows, since = iter(ids), FIRST_ROWS, 0
    while batch := list(islice(left, rows)):
        with write_transaction(engine) as connection:
            started = time.monotonic()  # waiting for the lock hurts nobody else
            if not may_go_on(connection):
                return
            deleted = delete_rows(connection, batch)
        seconds = time.monotonic() - started
        yield deleted
        since += len(batch)
        if since >= LOG_ROWS:
            _empty_log(engine, sleep)
            since = 0
        rows = next_size(rows, seconds)
        sleep(max(seconds, REST_SECONDS))


def delete_rows(connection: Connection, ids: Sequence[str]) -> Deleted:
    """Delete in the caller's transaction; ids of nothing change nothing."""
    total = Deleted()
    for start in range(0, len(ids), STATEMENT_ROWS):
        some = ids[start : start + STATEMENT_ROWS]
        total += Deleted(
            *(
                connection.execute(delete(table).where(table.c.prediction_id.in_(some))).rowcount
                for table in (predictions, outcomes, shadow_predictions)
            )
        )
    return total


def delete_old_keys(engine: Engine, before: datetime, sleep: Sleep = time.sleep) -> None:
    """Delete idempotency keys; the service does so after a day, if it runs."""
    table = idempotency_keys.c
    name = tuple_(table.owner, table.key)
    old = select(table.owner, table.key).where(table.created_at < before).limit(STATEMENT_ROWS)
    _delete_all(engine, delete(idempotency_keys).where(name.in_(old)), sleep)


def delete_old_vitals(engine: Engine, before: datetime, sleep: Sleep = time.sleep) -> int:
    """Delete what versions did before a moment; gives how many rows that were."""
    old = select(vitals.c.vital_id).where(vitals.c.since < before).limit(STATEMENT_ROWS)
    return _delete_all(engine, delete(vitals).where(vitals.c.vital_id.in_(old)), sleep)


def delete_old_scorings(engine: Engine, before: datetime, sleep: Sleep = time.sleep) -> int:
    """Delete what is kept of scored files, their predictions apart; gives how many files."""
    old = select(scorings.c.scoring_id).where(scorings.c.asked_at < before)
    part = tuple_(scoring_parts.c.scoring_id, scoring_parts.c.part)
    theirs = select(scoring_parts.c.scoring_id, scoring_parts.c.part).where(
        scoring_parts.c.scoring_id.in_(old)
    )
    _delete_all(engine, delete(scoring_parts).where(part.in_(theirs.limit(STATEMENT_ROWS))), sleep)
    some = scorings.c.scoring_id.in_(old.limit(STATEMENT_ROWS))
    return _delete_all(engine, delete(scorings).where(some), sleep)


def _delete_all(engine: Engine, some: Delete, sleep: Sleep) -> int:
    """Run a statement that deletes at most STATEMENT_ROWS until nothing is left for it."""
    total = 0
    while True:
        with write_transaction(engine) as connection:
            gone = connection.execute(some).rowcount
        total += gone
        if gone < STATEMENT_ROWS:
            return total
        sleep(REST_SECONDS)


def next_size(rows: int, seconds: float) -> int:
    """Rows of the next transaction, after one of so many took so long."""
    wanted = int(rows * LOCK_SECONDS / max(seconds, 1e-6))
    return max(1, min(wanted, 2 * rows, MOST_ROWS))


def _empty_log(engine: Engine, sleep: Sleep) -> None:
    """Without a service this may do it; with one only the ledger may (docs/adr/0003)."""
    if engine.dialect.name != "sqlite":
        return
    with suppress(BlockingIOError), hold_service_place(engine):
        checkpoint(engine, truncate=True)
        return
    wish_for_empty_log(engine)
    end = time.monotonic() + EMPTY_SECONDS
    while is_empty_log_wished(engine) and time.monotonic() < end:
        sleep(REST_SECONDS)
