"""Only one holder at a time, and a token that tells an old holder from the new one."""

from datetime import timedelta

import pytest

from contracts.database import write_transaction
from monitoring.leases import LeaseTakenError, holds, release, take
from tests.monitoring.conftest import FEBRUARY, World

HOUR = timedelta(hours=1)


def test_second_taker_is_told_who_holds_it(world: World) -> None:
    with write_transaction(world.engine) as connection:
        take(connection, "retrain", "first", FEBRUARY, HOUR)
        with pytest.raises(LeaseTakenError, match="already running at first"):
            take(connection, "retrain", "second", FEBRUARY + HOUR / 2, HOUR)


def test_expired_lease_is_taken_over_with_a_larger_token(world: World) -> None:
    with write_transaction(world.engine) as connection:
        old = take(connection, "retrain", "first", FEBRUARY, HOUR)
        new = take(connection, "retrain", "second", FEBRUARY + HOUR, HOUR)

        assert new > old
        assert holds(connection, "retrain", new)
        assert not holds(connection, "retrain", old)


def test_released_lease_is_free_at_once(world: World) -> None:
    with write_transaction(world.engine) as connection:
        token = take(connection, "retrain", "first", FEBRUARY, HOUR)
        release(connection, "retrain", token)

        assert take(connection, "retrain", "second", FEBRUARY, HOUR) == token + 1


def test_released_lease_is_free_on_an_older_clock_too(world: World) -> None:
    with write_transaction(world.engine) as connection:
        token = take(connection, "retrain", "live", FEBRUARY + 1000 * HOUR, HOUR)
        release(connection, "retrain", token)

        assert take(connection, "retrain", "replay", FEBRUARY, HOUR) == token + 1


def test_old_holder_cannot_release_the_new_ones_lease(world: World) -> None:
    with write_transaction(world.engine) as connection:
        old = take(connection, "retrain", "first", FEBRUARY, HOUR)
        take(connection, "retrain", "second", FEBRUARY + HOUR, HOUR)
        release(connection, "retrain", old)

        with pytest.raises(LeaseTakenError):
            take(connection, "retrain", "third", FEBRUARY + HOUR, HOUR)
