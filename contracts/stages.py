"""The history of stages, which says who is and was champion: appended to, and read back."""

from datetime import datetime

from sqlalchemy import Connection, insert, select

from contracts.audit import record
from contracts.lineage import retired
from contracts.tables import stage_changes
from contracts.traffic import Rule, append_rule, current_traffic


def champions(connection: Connection) -> list[str]:
    """The champion and those before it, newest first; whoever was rolled back is not among them.

    A promotion puts a version on top, a rollback takes the top away: after A, B, A two rollbacks
    lead to B and to A. Versions whose files were removed are passed over.
    """
    gone = retired(connection)
    query = select(stage_changes.c.action, stage_changes.c.version)
    reigns: list[str] = []
    for action, version in connection.execute(query.order_by(stage_changes.c.change_id)):
        if action == "promote":
            reigns.append(version)
            continue
        reigns.pop()
        while reigns and reigns[-1] != version and reigns[-1] in gone:
            reigns.pop()
        if reigns[-1:] != [version]:  # written by a release that remembered one step only
            reigns.append(version)
    return [version for version in reversed(reigns) if version not in gone]


def append_change(
    connection: Connection,
    action: str,
    version: str,
    previous: str | None,
    actor: str,
    reason: str,
    now: datetime,
) -> None:
    """Make `version` champion from now on; a rule for traffic ends.

    Args:
        action: promote | rollback.
        previous: champion before it.
    """
    row = {"action": action, "version": version, "previous_version": previous,
           "actor": actor, "reason": reason, "changed_at": now}  # fmt: skip
    connection.execute(insert(stage_changes).values(row))
    traffic = current_traffic(connection)
    if traffic is not None and traffic.rule.mode != "champion":
        why = f"{action} of {version}"
        append_rule(connection, Rule(), actor=actor, reason=why, now=now)


def audit_change(
    connection: Connection,
    action: str,
    version: str,
    previous: str | None,
    actor: str,
    reason: str,
    now: datetime,
) -> None:
    """Record who asked for it; also where nothing changed."""
    detail = {"previous": previous, "reason": reason}
    record(connection, actor=actor, action=action, subject=version, detail=detail, now=now)
