"""Bring a database to this release, once, before its processes start: `python -m deploy.install`.

Makes the tables, records the bundle that the release carries, and lets in the keys that files hold.
The first bundle becomes champion; later ones wait for `--promote`, for a gate has to want them.
Doing it again changes nothing.
"""

import argparse
import sys
from collections.abc import Sequence
from datetime import UTC, datetime
from pathlib import Path

from pydantic import ValidationError
from sqlalchemy import Engine
from sqlalchemy.exc import SQLAlchemyError

from contracts.bundle_files import BundleError
from contracts.database import DatabaseUrlError, make_engine, write_transaction
from contracts.migrate import migrate
from contracts.registry import champion, promote, register
from contracts.settings import Settings
from service.access.caller import Scope
from service.access.key_store import ALL_SCOPES, NewKey, WeakKeyError, import_key

ACTOR = "deploy.install"
BUNDLE = Path("build/bundle")
KeyFile = tuple[str, tuple[Scope, ...], Path]


def install(
    engine: Engine, settings: Settings, bundle: Path, keys: Sequence[KeyFile], now: datetime,
    *, wanted: bool = False,
) -> tuple[str, str]:  # fmt: skip
    """Do what the module says.

    Args:
        keys: name, scopes and file of each.
        wanted: whether the bundle becomes champion although there is one.

    Returns:
        The champion's version, and that of the bundle.

    Raises:
        BundleError, OSError, WeakKeyError: what was done before stays, and harms nothing.
    """
    migrate(engine)
    version = register(engine, settings.bundles_dir, bundle, now, {"made_at": now.isoformat()})
    with write_transaction(engine) as connection:
        current = champion(connection)
        if current is None or (wanted and current.version != version):
            reason = "the first bundle" if current is None else "a release"
            promote(connection, version, actor=ACTOR, reason=reason, now=now)
            current = champion(connection)
    for name, scopes, file in keys:
        import_key(engine, file.read_text().strip(), NewKey(name, scopes), actor=ACTOR, now=now)
    return (current.version if current else version), version


def _key(text: str) -> KeyFile:
    """NAME:SCOPE,SCOPE:FILE."""
    name, _, rest = text.partition(":")
    names, _, file = rest.partition(":")
    scopes = tuple(scope for scope in ALL_SCOPES if scope in names.split(","))
    if not name or not file or set(names.split(",")) != set(scopes):
        raise argparse.ArgumentTypeError(f"{text!r} is not NAME:{','.join(ALL_SCOPES)}:FILE")
    return name, scopes, Path(file)


def main() -> None:
    parser = argparse.ArgumentParser(prog="python -m deploy.install", description=__doc__)
    parser.add_argument("--bundle", type=Path, default=BUNDLE, help="default: build/bundle")
    parser.add_argument("--promote", action="store_true", help="make it champion in any case")
    parser.add_argument("--key", type=_key, action="append", default=[], metavar="NAME:SCOPES:FILE")
    given = parser.parse_args()
    try:
        settings = Settings()
        engine = make_engine(settings.database_url, pooled=False)
        current, version = install(
            engine, settings, given.bundle, given.key, datetime.now(UTC), wanted=given.promote
        )
    except (BundleError, DatabaseUrlError, OSError, ValidationError, WeakKeyError) as error:
        sys.exit(f"install refused: {error}")
    except SQLAlchemyError as error:
        sys.exit(f"install failed: {str(getattr(error, 'orig', error)).splitlines()[0]}")
    print(f"champion {current}; this release carries {version}")


if __name__ == "__main__":
    main()
