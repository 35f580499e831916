"""Versions and their stages: register, promote, roll back, divide traffic, list."""

import argparse
import sys
from datetime import UTC, datetime
from pathlib import Path

from sqlalchemy import Engine

from contracts.bundle_files import BundleError
from contracts.database import DatabaseUrlError, make_engine, write_transaction
from contracts.lineage import retired
from contracts.migrate import DatabaseOutOfDateError, require_current
from contracts.person import user_name
from contracts.registry import champion, promote, register, roll_back, versions
from contracts.settings import Settings
from contracts.traffic import MODES, RefusedRuleError, Rule, TrafficChange, current_traffic
from contracts.traffic_rules import change_traffic, check_traffic


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(prog="python -m contracts.registry", description=__doc__)
    actions = parser.add_subparsers(dest="action", required=True)
    actions.add_parser("list", help="versions, newest first; * marks the champion; and traffic")
    add = actions.add_parser("register", help="verify a bundle and record it")
    add.add_argument("bundle", type=Path, nargs="?", default=Path("build/bundle"))
    move = actions.add_parser("promote", help="make a version champion; ends a rule for traffic")
    move.add_argument("version")
    back = actions.add_parser("rollback", help="return to the previous champion; ends a rule, too")
    divide = actions.add_parser("traffic", help="divide requests among the champion and another")
    divide.add_argument("mode", choices=MODES, help="champion = the champion answers everything")
    divide.add_argument("version", nargs="?", help="the other version")
    divide.add_argument("--share", type=float, help="of requests; 0.5 with ab, 1 with shadow")
    divide.add_argument("--entity", help="feature whose value decides; else each request anew")
    for changing in (move, back, divide):
        changing.add_argument("--reason", default="by hand")
    return parser


def _print_versions(engine: Engine) -> None:
    with engine.connect() as connection:
        current, traffic = champion(connection), current_traffic(connection)
        gone = retired(connection)
        for row in versions(connection):
            mark = "*" if current and row.version == current.version else " "
            sys.stdout.write(
                f"{mark} {row.version}  registered {row.registered_at:%Y-%m-%d %H:%M}  "
                f"learned {row.trained_from:%Y-%m-%d} to {row.trained_until:%Y-%m-%d}"
                f"{'  (files removed)' if row.version in gone else ''}\n"
            )
    if traffic is not None and traffic.rule.mode != "champion":
        sys.stdout.write(f"{_describe(traffic)}\n")


def _describe(traffic: TrafficChange) -> str:
    rule = traffic.rule
    by = f" by {rule.entity}" if rule.entity else ""
    return (
        f"traffic: {rule.mode} {rule.version}, {rule.share:.2%} of requests{by}, "
        f"since {traffic.changed_at:%Y-%m-%d %H:%M}: {traffic.reason}"
    )


def _run(arguments: argparse.Namespace, engine: Engine, settings: Settings, now: datetime) -> str:
    actor = user_name()
    if arguments.action == "register":
        made = {"made_at": now.isoformat(), "by": actor}
        return register(engine, settings.bundles_dir, arguments.bundle, now, made)
    if arguments.action == "traffic":
        return _divide(arguments, engine, settings, now)
    with write_transaction(engine) as connection:
        if arguments.action == "promote":
            reason = arguments.reason
            promote(connection, arguments.version, actor=actor, reason=reason, now=now)
            return str(arguments.version)
        return roll_back(connection, actor=actor, reason=arguments.reason, now=now)


def _divide(
    arguments: argparse.Namespace, engine: Engine, settings: Settings, now: datetime
) -> str:
    rule = Rule(arguments.mode, arguments.version, arguments.share, arguments.entity)
    with engine.connect() as connection:
        checked = check_traffic(connection, settings.bundles_dir, rule)
    with write_transaction(engine) as connection:
        reason = arguments.reason
        change_traffic(connection, checked, actor=user_name(), reason=reason, now=now)
        traffic = current_traffic(connection)
    if traffic is None or traffic.rule.mode == "champion":
        return "traffic: the champion answers everything"
    return _describe(traffic)


def main() -> None:
    arguments = _parser().parse_args()
    settings = Settings()
    try:
        engine = make_engine(settings.database_url, pooled=False)
        require_current(engine)
        if arguments.action == "list":
            _print_versions(engine)
        else:
            told = _run(arguments, engine, settings, datetime.now(UTC))
            sys.stdout.write(f"{told}\n")
    except (
        BundleError,
        DatabaseOutOfDateError,
        DatabaseUrlError,
        LookupError,
        RefusedRuleError,
    ) as error:
        sys.exit(f"{arguments.action} refused: {error}")
