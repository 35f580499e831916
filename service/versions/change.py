"""Changing who answers, for programs and for pages alike: promote, roll back, divide traffic.

Each is in force here when it returns; every other worker follows at its next look.
"""

import asyncio

from sqlalchemy import Connection

from contracts.registry import champion, promote, roll_back, take_turns
from contracts.traffic import Rule, TrafficChange, current_traffic
from contracts.traffic_rules import CheckedRule, change_traffic, check_traffic
from service.parts import Parts


class ChampionChangedError(RuntimeError):
    """Somebody else was faster."""

    def __init__(self, now: str | None) -> None:
        super().__init__(
            f"the champion has just changed, it is {now or 'nobody'} now; look at it and ask again"
        )


async def promote_version(parts: Parts, version: str, *, actor: str, reason: str) -> str | None:
    """Make a version champion; returns who was it before.

    Raises:
        UnknownVersionError: it is not registered, or its files were removed.
    """

    def task(connection: Connection) -> str | None:
        before = _champion(connection)
        promote(connection, version, actor=actor, reason=reason, now=parts.clock())
        return before

    before = await parts.ledger.run(task)
    await asyncio.to_thread(parts.watcher.look)
    return before


async def return_to_previous(
    parts: Parts, *, actor: str, reason: str, expected: str | None = None
) -> str | None:
    """Return to the champion before the current one; returns who it was until now.

    Args:
        expected: the champion that is to go; None = whoever it is.

    Raises:
        NothingToRollBackError: the champion has no predecessor.
        ChampionChangedError: it is not the champion any more.
    """

    def task(connection: Connection) -> str | None:
        take_turns(connection)
        before = _champion(connection)
        if expected is not None and before != expected:
            raise ChampionChangedError(before)
        roll_back(connection, actor=actor, reason=reason, now=parts.clock())
        return before

    before = await parts.ledger.run(task)
    await asyncio.to_thread(parts.watcher.look)
    return before


async def divide_traffic(
    parts: Parts, rule: Rule, *, actor: str, reason: str
) -> TrafficChange | None:
    """Put a rule for traffic in force, and return it.

    Raises:
        RefusedRuleError: the champion's requests cannot be divided so.
        UnknownVersionError, BundleError: as check_traffic.
    """
    checked = await asyncio.to_thread(_check, parts, rule)

    def task(connection: Connection) -> TrafficChange | None:
        change_traffic(connection, checked, actor=actor, reason=reason, now=parts.clock())
        return current_traffic(connection)

    traffic = await parts.ledger.run(task)
    await asyncio.to_thread(parts.watcher.look)
    return traffic


def _check(parts: Parts, rule: Rule) -> CheckedRule:
    with parts.engine.connect() as connection:
        return check_traffic(connection, parts.settings.bundles_dir, rule)


def _champion(connection: Connection) -> str | None:
    current = champion(connection)
    return current.version if current else None
