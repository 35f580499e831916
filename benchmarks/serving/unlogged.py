"""`python -m benchmarks.serving.unlogged`: the service, but for what the database would write.

It shows what durable logging costs; nobody should run it for anything else.
"""

from collections.abc import Sequence

from sqlalchemy import Connection

from service.__main__ import main
from service.ledger import insert


def commit_nothing(_connection: Connection, rows: Sequence[insert.Row]) -> int:
    return len(rows)


if __name__ == "__main__":
    insert.commit_sqlite = commit_nothing  # type: ignore[assignment]  # its answer is not used
    main()
