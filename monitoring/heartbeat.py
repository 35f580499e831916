"""The scheduler's sign of life and its next check: rows of `leases` that it moves on.

The service shows them. Whoever looks (monitoring/prometheus/rules.yml) notices a scheduler that is
gone or hangs.
"""

import logging
from datetime import datetime, timedelta

from sqlalchemy import Connection, Engine, insert, update
from sqlalchemy.exc import OperationalError

from contracts.database import write_transaction
from contracts.registry import take_turns
from contracts.tables import NEXT_CHECK, SCHEDULER, leases
from monitoring.leases import this_process

EVERY_SECONDS = 10
# Longer than a beat and the half minute between two looks of the service.
ALIVE = timedelta(seconds=90)
log = logging.getLogger(__name__)


def beat(engine: Engine, now: datetime, next_check: datetime | None = None) -> None:
    """Say that a scheduler lives, and when it checks; of several any one is enough.

    A database that is away is logged only: whoever waits for the next beat will notice.
    """
    try:
        with write_transaction(engine) as connection:
            take_turns(connection)
            _move(connection, SCHEDULER, now + ALIVE)
            if next_check is not None:
                _move(connection, NEXT_CHECK, next_check)
    except OperationalError as error:
        log.warning("no sign of life could be written: %s", error.orig)


def _move(connection: Connection, name: str, until: datetime) -> None:
    values = {"holder": this_process(), "expires_at": until}
    mine = leases.c.name == name
    if connection.execute(update(leases).where(mine).values(values)).rowcount == 0:
        connection.execute(insert(leases).values({"name": name, "fencing_token": 1, **values}))
