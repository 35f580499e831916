"""The scheduler's sign of life: a row of `leases` that it moves on; the service shows it.

Whoever looks (monitoring/prometheus/rules.yml) notices a scheduler that is gone or hangs.
"""

import logging
from datetime import datetime, timedelta

from sqlalchemy import Engine, insert, update
from sqlalchemy.exc import OperationalError

from contracts.database import write_transaction
from contracts.registry import take_turns
from contracts.tables import SCHEDULER, leases
from monitoring.leases import this_process

EVERY_SECONDS = 10
# Longer than a beat and the half minute between two looks of the service.
ALIVE = timedelta(seconds=90)
log = logging.getLogger(__name__)


def beat(engine: Engine, now: datetime) -> None:
    """Say that a scheduler lives; of several any one is enough.

    A database that is away is logged only: whoever waits for the next beat will notice.
    """
    values = {"holder": this_process(), "expires_at": now + ALIVE}
    try:
        with write_transaction(engine) as connection:
            take_turns(connection)
            mine = leases.c.name == SCHEDULER
            if connection.execute(update(leases).where(mine).values(values)).rowcount == 0:
                row = {"name": SCHEDULER, "fencing_token": 1, **values}
                connection.execute(insert(leases).values(row))
    except OperationalError as error:
        log.warning("no sign of life could be written: %s", error.orig)
