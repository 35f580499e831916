"""Erases a subject: rows, outcomes, what waits in the spool, pages and working copies.

`python -m monitoring.erase --entity ID` or `--prediction-id ID`; `--dry-run` only counts. Run it
again after a crash: what is gone is gone, and the rest follows. docs/data-life.md says what stays.
"""

import argparse
import secrets
import sys
from collections.abc import Callable, Iterator
from dataclasses import asdict
from datetime import UTC, datetime, timedelta

from sqlalchemy import Engine

from contracts.audit import record
from contracts.database import make_engine, write_transaction
from contracts.migrate import require_current
from contracts.params import Params, load_params
from contracts.person import user_name
from contracts.registry import take_turns
from contracts.settings import Settings
from contracts.subject import Subject
from contracts.traffic import current_traffic
from monitoring import leases
from monitoring.attempts import LEASE as RETRAIN
from monitoring.bundles import remove_bundles
from monitoring.check import REFUSALS
from monitoring.erasure import BEGAN, Erasure, erase
from monitoring.whereabouts import Found, SpoolError, look_for

LENGTH = timedelta(hours=2)  # after which one that hangs loses the lease
Clock = Callable[[], datetime]


class NoColumnError(ValueError):
    """Nobody said which feature names a subject, or said one that no row has."""


def subject_of(engine: Engine, params: Params, given: argparse.Namespace) -> Subject:
    """Who is meant.

    Raises:
        NoColumnError: an entity is given, and no column of rows for it.
    """
    ids = frozenset(given.prediction_id)
    if given.entity is None:
        return Subject(ids=ids)
    with engine.connect() as connection:
        change = current_traffic(connection)
    routed = change.rule.entity if change else None
    column = given.column or params.data.entity or routed
    if column is None:
        raise NoColumnError(
            "which feature names an entity? say --column NAME, or data.entity in params.yaml"
        )
    if column not in params.features:
        raise NoColumnError(
            f"{column!r} is no feature, so no row holds it; choose one of "
            f"{', '.join(params.features)}, or erase by --prediction-id"
        )
    return Subject(column, given.entity, ids)


def run_erasure(
    engine: Engine,
    settings: Settings,
    subject: Subject,
    clock: Clock,
    *,
    actor: str,
    wait_seconds: float = 60,
    retired_bundles: bool = False,
) -> tuple[Found, Erasure]:
    """Erase and write into the audit log that it was done, of whom only as a salted digest.

    Args:
        wait_seconds: how long a running service is given to replay its spool.
        retired_bundles: delete also bundles that hold the subject and do not answer.

    Raises:
        LeaseTakenError: a retrain is running, which has read its rows already.
        SpoolError: the spool could not be erased from; nothing else was done.
    """
    with write_transaction(engine) as connection:
        take_turns(connection)
        now = leases.utc_now()
        token = leases.take(connection, RETRAIN, leases.this_process(), now, leases.LENGTH)
    with leases.kept(engine, RETRAIN, token, LENGTH) as lost:
        found = look_for(engine, settings, subject)
        who = _who(subject)
        wanted = bool(found.learned or found.referenced)
        detail = {**found.counts(), "versions": found.versions, "retrain": wanted}
        _note(engine, actor, BEGAN, who, detail, clock())
        done = erase(
            engine, settings, subject, found,
            may_go_on=lambda _: not lost.is_set(),
            wait_seconds=wait_seconds,
        )  # fmt: skip
        if retired_bundles:
            why = "it held somebody who was erased"
            done.bundles = remove_bundles(
                engine, settings.bundles_dir, found.referenced, why, clock(), actor
            )
        _note(engine, actor, "erasure ended", who, asdict(done), clock())
    return found, done


def _who(subject: Subject) -> str:
    salt = secrets.token_bytes(8)
    return f"{subject.column or 'prediction_id'} scrypt:{salt.hex()}:{subject.digest(salt)}"


def _note(
    engine: Engine, actor: str, action: str, who: str, detail: dict[str, object], now: datetime
) -> None:
    with write_transaction(engine) as connection:
        record(connection, actor=actor, action=action, subject=who, detail=detail, now=now)


def describe(found: Found, done: Erasure | None) -> Iterator[str]:
    """What a person is told; `done` None = a dry run."""
    verb = "would erase" if done is None else "erased"
    counts = found.counts() if done is None else done.counts()
    yield f"{verb} " + ", ".join(f"{number} {name}" for name, number in counts.items())
    for name, versions in (("learned from it", found.learned), ("reference", found.referenced)):
        if versions:
            yield f"versions ({name}): {', '.join(versions)}"
    for path in found.tracked:
        yield f"not ours to change, it holds them too: {path}"
    if found.tracked:
        yield "while training reads them from there, every retrain learns from them again"
    if found.versions:
        queued = "would be queued" if done is None else "is queued"
        yield (f"a retrain without them {queued} for the next check; or at once: "
               'python -m monitoring.retrain now --reason "erasure"')  # fmt: skip
    if done is not None:
        yield from done.remarks


def main() -> None:
    parser = argparse.ArgumentParser(prog="python -m monitoring.erase", description=__doc__)
    parser.add_argument("--entity", metavar="ID", help="the value that names the subject")
    parser.add_argument("--column", help="the feature that holds it; default: data.entity")
    parser.add_argument("--prediction-id", metavar="ID", action="append", default=[])
    parser.add_argument("--dry-run", action="store_true", help="count only")
    parser.add_argument("--wait", type=float, default=60, metavar="SECONDS",
                        help="for a running service to replay its spool")  # fmt: skip
    parser.add_argument("--retired-bundles", action="store_true",
                        help="delete bundles that hold the subject and do not answer")  # fmt: skip
    given = parser.parse_args()
    if given.entity is None and not given.prediction_id:
        parser.error("say --entity ID or --prediction-id ID")
    settings = Settings()
    done: Erasure | None = None
    try:
        engine = make_engine(settings.database_url, pooled=False)
        require_current(engine)
        subject = subject_of(engine, load_params(settings.params_file), given)
        if given.dry_run:
            found = look_for(engine, settings, subject)
        else:
            found, done = run_erasure(
                engine, settings, subject, lambda: datetime.now(UTC), actor=user_name(),
                wait_seconds=given.wait, retired_bundles=given.retired_bundles,
            )  # fmt: skip
    except (*REFUSALS, NoColumnError, SpoolError, leases.LeaseTakenError) as error:
        sys.exit(str(error))
    sys.stdout.write("\n".join(describe(found, done)) + "\n")
    sys.exit(done is not None and not done.finished)


if __name__ == "__main__":
    main()
