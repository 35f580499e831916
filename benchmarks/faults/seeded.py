"""`python -m benchmarks.faults.seeded BUG`: the service with a bug that the suite must find.

The bugs are put in from outside, at start; the product itself has no switch for them.
"""

import argparse
import os
import sys
from collections.abc import Callable, Sequence
from typing import Any

from contracts import database
from service import __main__ as service
from service.ledger import answers, groups, insert, ledger, records, store


def no_sync() -> None:
    """SQLite believes that what it has written is on disk."""
    prepare = database._prepare_sqlite

    def prepare_and_forget(connection: Any, record: object) -> None:
        prepare(connection, record)
        connection.execute("PRAGMA synchronous=OFF")

    _replace(database, "_prepare_sqlite", prepare_and_forget)


def spool_no_sync() -> None:
    """The spool believes that what it has written is on disk."""
    _replace(os, "fdatasync", lambda _descriptor: None)


def spool_unchecked() -> None:
    """Whatever lies between two headers of the spool passes for a record."""

    def record(header: Any, start: int, payload: bytes) -> records.Record:
        end = start + records.HEADER_BYTES + header.length
        return records.Record(start, end, header.rows, header.keys, header.at, payload)

    _replace(records, "_record", record)


def answer_before_write() -> None:
    """Answers leave while their rows are still to be written."""
    commit_for = insert.commit_for

    def commit_late(engine: Any) -> Callable[[Any, Sequence[Any]], int]:
        commit = commit_for(engine)
        kept: list[Any] = []

        def commit_the_last(connection: Any, rows: Sequence[Any]) -> int:
            late, kept[:] = list(kept), rows
            if late:
                commit(connection, late)
            return len(rows)

        return commit_the_last

    _replace(store, "commit_for", commit_late)


def rows_rounded() -> None:
    """The row is not quite the answer."""
    rows_of = answers.rows_of

    def rows_of_less(job: Any, now: Any) -> list[Any]:
        return [(*row[:6], round(row[6] or 0.0, 3), row[7]) for row in rows_of(job, now)]

    _replace(ledger, "rows_of", rows_of_less)


def keys_forgotten() -> None:
    """A new process does not know which keys the old one has answered."""
    _replace(ledger, "recent_keys", lambda _connection, _now: [])


def answers_swapped() -> None:
    """Two requests of a group get each other's answers."""
    resolve = groups._resolve

    def resolve_crossed(group: list[Any]) -> None:
        if len(group) > 1 and group[0].rows == group[1].rows:
            group[0].answer, group[1].answer = group[1].answer, group[0].answer
        resolve(group)

    _replace(groups, "_resolve", resolve_crossed)


def _replace(module: Any, name: str, value: object) -> None:
    if not hasattr(module, name):
        sys.exit(f"{module.__name__} has no {name} any more; write this bug anew")
    setattr(module, name, value)


_ALL = (no_sync, spool_no_sync, spool_unchecked, answer_before_write, answers_swapped,
        rows_rounded, keys_forgotten)  # fmt: skip
BUGS = {bug.__name__: bug for bug in _ALL}


def main() -> None:
    parser = argparse.ArgumentParser(prog="python -m benchmarks.faults.seeded", description=__doc__)
    parser.add_argument("bug", choices=list(BUGS))
    BUGS[parser.parse_args().bug]()
    sys.argv[1:] = []
    service.main()


if __name__ == "__main__":
    main()
