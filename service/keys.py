"""`python -m service.keys`: make, list, rotate and revoke the keys of the API.

A new key is on stdout, alone and once: `export PERENNIAL_API_KEY=$(python -m service.keys create
--name me --scopes predict,outcomes)`. What was done is told on stderr and in the audit log.
"""

import argparse
import json
import sys
from datetime import UTC, datetime, timedelta
from typing import Any

import limits
from sqlalchemy import Engine, Row
from sqlalchemy.exc import SQLAlchemyError

from contracts.database import DatabaseUrlError, make_engine
from contracts.migrate import DatabaseOutOfDateError, require_current
from contracts.person import user_name
from contracts.settings import Settings
from service.access.caller import Scope
from service.access.key_store import (
    ALL_SCOPES,
    DeadKeyError,
    NewKey,
    UnknownKeyError,
    create_key,
    list_keys,
    prefix_of,
    revoke_key,
    rotate_key,
    state_of,
)

MAX_DAYS = 36_500  # so that no date overflows


def _scopes(text: str) -> list[Scope]:
    names = [name.strip() for name in text.split(",")]
    scopes = [scope for scope in ALL_SCOPES if scope in names]
    if set(names) != set(scopes):
        raise argparse.ArgumentTypeError(f"{text!r} is not of {','.join(ALL_SCOPES)}")
    return scopes


def _name(text: str) -> str:
    if not text.isprintable() or not 0 < len(text) <= 200:
        raise argparse.ArgumentTypeError("a name is 1 to 200 printable characters")
    return text


def _limit(text: str) -> str:
    try:
        limits.parse(text)
    except ValueError:
        raise argparse.ArgumentTypeError(f"{text!r} is not like 600/minute") from None
    return text


def _days(text: str) -> timedelta:
    return timedelta(days=_number(text, MAX_DAYS))


def _hours(text: str) -> timedelta:
    return timedelta(hours=_number(text, MAX_DAYS * 24))


def _number(text: str, most: int) -> float:
    number = float(text)
    if not 0 <= number <= most:
        raise argparse.ArgumentTypeError(f"{text} is not from 0 to {most}")
    return number


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(prog="python -m service.keys", description=__doc__)
    actions = parser.add_subparsers(dest="action", required=True)
    make = actions.add_parser("create", help="make a key and print it, once")
    make.add_argument("--name", type=_name, required=True, help="whose it is, or what for")
    make.add_argument("--scopes", type=_scopes, required=True, help=",".join(ALL_SCOPES))
    make.add_argument("--expires-days", type=_days, metavar="N", help="default: never")
    make.add_argument("--rate", type=_limit, help="in rows, like 600/minute")
    make.add_argument("--quota", type=_limit, help="in rows, like 1000000/day")
    actions.add_parser("list", help="prefix, name, scopes, dates and state of every key")
    turn = actions.add_parser("rotate", help="make a successor; the old key ends after a grace")
    turn.add_argument("key", metavar="KEY_ID|PREFIX")
    turn.add_argument("--grace-hours", type=_hours, default=timedelta(hours=24), metavar="N",
                      help="how long the old key stays valid; default 24")  # fmt: skip
    end = actions.add_parser("revoke", help="end a key now")
    end.add_argument("key", metavar="KEY_ID|PREFIX")
    return parser


def _create(engine: Engine, given: argparse.Namespace, actor: str, now: datetime) -> None:
    expires_at = None if given.expires_days is None else now + given.expires_days
    new = NewKey(given.name, given.scopes, expires_at, given.rate, given.quota)
    key = create_key(engine, new, actor=actor, now=now)
    _show(key, f"created {prefix_of(key)} for {given.name}: {', '.join(given.scopes)}; "
               f"expires {_day(expires_at)}")  # fmt: skip


def _rotate(engine: Engine, given: argparse.Namespace, actor: str, now: datetime) -> None:
    key, ends = rotate_key(engine, given.key, grace=given.grace_hours, actor=actor, now=now)
    _show(key, f"created {prefix_of(key)}; its predecessor stays valid until {_day(ends)}")


def _revoke(engine: Engine, given: argparse.Namespace, actor: str, now: datetime) -> None:
    row = revoke_key(engine, given.key, actor=actor, now=now)
    was = state_of(row, now)
    sys.stdout.write(f"revoked {row.prefix} ({row.name}), which was {was}\n")


def _list(engine: Engine, now: datetime) -> None:
    with engine.connect() as connection:
        rows = list_keys(connection)
    for row in rows:
        sys.stdout.write(_line(row, now) + "\n")
    if not rows:
        sys.stderr.write("no keys yet: python -m service.keys create --help\n")


def _line(row: Row[Any], now: datetime) -> str:
    scopes = ",".join(json.loads(row.scopes))
    caps = " ".join(f"{kind} {cap}" for kind, cap in (("rate", row.rate), ("quota", row.quota))
                    if cap)  # fmt: skip
    return (
        f"{row.prefix}  {state_of(row, now):7}  {scopes:29}  created {_day(row.created_at)}  "
        f"expires {_day(row.expires_at)}  {row.name}  {caps}"
    ).rstrip()


def _show(key: str, note: str) -> None:
    sys.stderr.write(f"{note}. The key is shown only now:\n")
    sys.stdout.write(f"{key}\n")


def _day(moment: datetime | None) -> str:
    return "never" if moment is None else f"{moment:%Y-%m-%d %H:%M}Z"


def main() -> None:
    given = _parser().parse_args()
    actor, now = user_name(), datetime.now(UTC)
    try:
        engine = make_engine(Settings().database_url, pooled=False)
        require_current(engine)
        if given.action == "list":
            _list(engine, now)
        else:
            act = {"create": _create, "rotate": _rotate, "revoke": _revoke}[given.action]
            act(engine, given, actor, now)
    except (DatabaseUrlError, DatabaseOutOfDateError, UnknownKeyError, DeadKeyError) as error:
        sys.exit(f"{given.action} refused: {error}")
    except SQLAlchemyError as error:
        sys.exit(f"{given.action} failed: {str(getattr(error, 'orig', error)).splitlines()[0]}")


if __name__ == "__main__":
    main()
