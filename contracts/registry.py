"""Versions and their stages: register, promote, roll back, who is champion.

`python -m contracts.registry --help` does the same from a terminal.
"""

import argparse
import getpass
import json
import sys
from collections.abc import Mapping
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

from sqlalchemy import Connection, Engine, Row, insert, select

from contracts.audit import record
from contracts.bundle import Bundle, BundleError, copy_bundle, load_bundle
from contracts.database import DatabaseUrlError, make_engine, write_transaction
from contracts.migrate import DatabaseOutOfDateError, require_current
from contracts.settings import Settings
from contracts.tables import model_versions, stage_changes


class UnknownVersionError(LookupError):
    """No bundle is registered under this version."""

    def __init__(self, version: str) -> None:
        super().__init__(f"no version {version!r}; `python -m contracts.registry list` shows all")


class NothingToRollBackError(LookupError):
    """The champion has no predecessor."""

    def __init__(self) -> None:
        super().__init__("the champion was the first one promoted; there is nothing to return to")


@dataclass(frozen=True)
class Champion:
    """The version that answers, and the change that made it so."""

    version: str
    change_id: int
    changed_at: datetime


def register(
    engine: Engine, bundles: Path, source: Path, now: datetime, made: Mapping[str, Any]
) -> str:
    """Verify a bundle, copy it into `bundles` and record it; a known version stays as it is.

    Args:
        made: when, where and from which commit it was made; JSON-able.

    Raises:
        BundleError: the bundle is incomplete or altered.
    """
    version = copy_bundle(source, bundles)
    bundle = load_bundle(bundles / version)
    with write_transaction(engine) as connection:
        if _find(connection, version) is None:
            connection.execute(insert(model_versions).values(_version_row(bundle, now, made)))
    return version


def champion(connection: Connection) -> Champion | None:
    """Who answers now; None before the first promotion."""
    newest = select(stage_changes).order_by(stage_changes.c.change_id.desc()).limit(1)
    row = connection.execute(newest).one_or_none()
    return None if row is None else Champion(row.version, row.change_id, row.changed_at)


def versions(connection: Connection) -> list[Row[Any]]:
    """Rows of model_versions, newest first."""
    newest_first = select(model_versions).order_by(model_versions.c.registered_at.desc())
    return list(connection.execute(newest_first))


def promote(
    connection: Connection, version: str, *, actor: str, reason: str, now: datetime
) -> None:
    """Make a registered version champion; already champion = no change.

    Raises:
        UnknownVersionError: it is not registered.
    """
    if _find(connection, version) is None:
        raise UnknownVersionError(version)
    current = champion(connection)
    previous = current.version if current else None
    if previous != version:
        _change(connection, "promote", version, previous, actor, reason, now)
    _audit(connection, "promote", version, previous, actor, reason, now)


def roll_back(connection: Connection, *, actor: str, reason: str, now: datetime) -> str:
    """Return to the champion before the current one's promotion; twice goes two back.

    Returns:
        The version that answers from now on.

    Raises:
        NothingToRollBackError: the champion has no predecessor.
    """
    current = champion(connection)
    previous = None if current is None else _predecessor(connection, current.version)
    if current is None or previous is None:
        raise NothingToRollBackError
    _change(connection, "rollback", previous, current.version, actor, reason, now)
    _audit(connection, "rollback", previous, current.version, actor, reason, now)
    return previous


def _predecessor(connection: Connection, version: str) -> str | None:
    promotion = (
        select(stage_changes.c.previous_version)
        .where(stage_changes.c.version == version, stage_changes.c.action == "promote")
        .order_by(stage_changes.c.change_id.desc())
        .limit(1)
    )
    return connection.execute(promotion).scalar_one_or_none()


def _find(connection: Connection, version: str) -> Row[Any] | None:
    query = select(model_versions).where(model_versions.c.version == version)
    return connection.execute(query).one_or_none()


def _version_row(bundle: Bundle, now: datetime, made: Mapping[str, Any]) -> dict[str, Any]:
    return {
        "version": bundle.version,
        "registered_at": now,
        "trained_from": datetime.fromisoformat(bundle.manifest["trained_from"]),
        "trained_until": datetime.fromisoformat(bundle.manifest["trained_until"]),
        "metrics": json.dumps(bundle.metrics),
        "made": json.dumps(dict(made)),
    }


def _change(
    connection: Connection,
    action: str,
    version: str,
    previous: str | None,
    actor: str,
    reason: str,
    now: datetime,
) -> None:
    row = {"action": action, "version": version, "previous_version": previous,
           "actor": actor, "reason": reason, "changed_at": now}  # fmt: skip
    connection.execute(insert(stage_changes).values(row))


def _audit(
    connection: Connection,
    action: str,
    version: str,
    previous: str | None,
    actor: str,
    reason: str,
    now: datetime,
) -> None:
    detail = {"previous": previous, "reason": reason}
    record(connection, actor=actor, action=action, subject=version, detail=detail, now=now)


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(prog="python -m contracts.registry", description=__doc__)
    actions = parser.add_subparsers(dest="action", required=True)
    actions.add_parser("list", help="versions, newest first; * marks the champion")
    add = actions.add_parser("register", help="verify a bundle and record it")
    add.add_argument("bundle", type=Path, nargs="?", default=Path("build/bundle"))
    move = actions.add_parser("promote", help="make a version champion")
    move.add_argument("version")
    back = actions.add_parser("rollback", help="return to the previous champion")
    for changing in (move, back):
        changing.add_argument("--reason", default="by hand")
    return parser


def _print_versions(engine: Engine) -> None:
    with engine.connect() as connection:
        current = champion(connection)
        for row in versions(connection):
            mark = "*" if current and row.version == current.version else " "
            sys.stdout.write(
                f"{mark} {row.version}  registered {row.registered_at:%Y-%m-%d %H:%M}  "
                f"learned {row.trained_from:%Y-%m-%d} to {row.trained_until:%Y-%m-%d}\n"
            )


def _run(arguments: argparse.Namespace, engine: Engine, settings: Settings, now: datetime) -> str:
    actor = getpass.getuser()
    if arguments.action == "register":
        made = {"made_at": now.isoformat(), "by": actor}
        return register(engine, settings.bundles_dir, arguments.bundle, now, made)
    with write_transaction(engine) as connection:
        if arguments.action == "promote":
            reason = arguments.reason
            promote(connection, arguments.version, actor=actor, reason=reason, now=now)
            return str(arguments.version)
        return roll_back(connection, actor=actor, reason=arguments.reason, now=now)


def main() -> None:
    arguments = _parser().parse_args()
    settings = Settings()
    try:
        engine = make_engine(settings.database_url)
        require_current(engine)
        if arguments.action == "list":
            _print_versions(engine)
        else:
            version = _run(arguments, engine, settings, datetime.now(UTC))
            sys.stdout.write(f"{version}\n")
    except (BundleError, DatabaseOutOfDateError, DatabaseUrlError, LookupError) as error:
        sys.exit(f"{arguments.action} refused: {error}")


if __name__ == "__main__":
    main()
