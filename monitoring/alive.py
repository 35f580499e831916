"""Ask the database whether a scheduler lives: `python -m monitoring.alive`, for containers.

Of several schedulers any one is enough, as for the alarm that watches the same row.
"""

import argparse
import sys
from datetime import UTC, datetime

from sqlalchemy import select
from sqlalchemy.exc import SQLAlchemyError

from contracts.database import DatabaseUrlError, make_engine
from contracts.settings import Settings
from contracts.tables import SCHEDULER, leases


def main() -> None:
    argparse.ArgumentParser(prog="python -m monitoring.alive", description=__doc__).parse_args()
    try:
        engine = make_engine(Settings().database_url, pooled=False)
        with engine.connect() as connection:
            query = select(leases.c.expires_at).where(leases.c.name == SCHEDULER)
            until = connection.scalar(query)
    except (DatabaseUrlError, SQLAlchemyError) as error:
        sys.exit(f"the database does not answer: {str(error).splitlines()[0]}")
    if until is None or until < datetime.now(UTC):
        sys.exit(f"no scheduler has shown life since {until}: see the log of monitoring.scheduler")


if __name__ == "__main__":
    main()
