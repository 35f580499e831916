"""Checking a rule for traffic and putting it in force; a rule itself is in traffic.py."""

from dataclasses import dataclass
from datetime import datetime
from pathlib import Path

from sqlalchemy import Connection

from contracts.audit import record
from contracts.bundle import load_bundle
from contracts.registry import champion, require_version, take_turns
from contracts.traffic import RefusedRuleError, Rule, append_rule, complete, difference


@dataclass(frozen=True)
class CheckedRule:
    """A rule, and the champion that it was checked against."""

    rule: Rule
    champion: str | None


def check_traffic(connection: Connection, bundles: Path, rule: Rule) -> CheckedRule:
    """Check a rule against the champion; reads two bundles, so not while others wait.

    Raises:
        RefusedRuleError: the champion's requests cannot be divided so.
        UnknownVersionError: its version is not registered.
        BundleError: one of both bundles is incomplete or altered.
    """
    rule = complete(rule)
    current = champion(connection)
    if rule.version is None:
        return CheckedRule(rule, current.version if current else None)
    require_version(connection, rule.version)
    if current is None:
        raise RefusedRuleError("no version has been promoted yet; promote one first")
    if rule.version == current.version:
        raise RefusedRuleError(f"{rule.version} is champion already; name another version")
    schemas = [load_bundle(bundles / name).schema for name in (current.version, rule.version)]
    if (why := difference(*schemas)) is not None:
        raise RefusedRuleError(f"{rule.version} cannot take {current.version}'s requests: {why}")
    if rule.entity is not None and rule.entity not in schemas[0].names:
        raise RefusedRuleError(
            f"entity {rule.entity!r} is no feature; choose one of {', '.join(schemas[0].names)}"
        )
    return CheckedRule(rule, current.version)


def change_traffic(
    connection: Connection, checked: CheckedRule, *, actor: str, reason: str, now: datetime
) -> None:
    """Put a rule in force.

    Raises:
        RefusedRuleError: the champion has changed since it was checked.
    """
    take_turns(connection)
    current = champion(connection)
    if checked.rule.version and (current is None or current.version != checked.champion):
        raise RefusedRuleError("the champion has just changed; look at it and ask again")
    append_rule(connection, checked.rule, actor=actor, reason=reason, now=now)
    rule = checked.rule
    detail = {"share": rule.share, "entity": rule.entity, "reason": reason, "mode": rule.mode}
    subject = rule.version or checked.champion or ""
    record(connection, actor=actor, action="traffic", subject=subject, detail=detail, now=now)
