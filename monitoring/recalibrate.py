"""Recalibrates the champion: the same model with other offsets, registered and promoted.

`python -m monitoring.recalibrate now` does so at once; the scheduler does it by
params.monitoring.recalibrate. A rollback takes it back, as any other promotion.
"""

import argparse
import platform
import sys
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, replace
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pandas as pd
from sqlalchemy import Connection, Engine
from uuid_utils import uuid7

from contracts.bundle import OFFSETS, RECALIBRATES, Bundle, base_of, load_bundle, save_bundle
from contracts.database import make_engine, write_transaction
from contracts.migrate import require_current
from contracts.monitoring_params import Recalibrate
from contracts.params import load_params
from contracts.registry import champion, promote, register, take_turns
from contracts.schema import EVENT_TIME, OUTCOME
from contracts.settings import Settings
from monitoring import decisions, leases
from monitoring.attempts import LEASE
from monitoring.check import REFUSALS, NoChampionError
from monitoring.governor import Answer, Trigger
from monitoring.hindrance import divided_traffic, hindrance
from monitoring.recalibration import Labelled, Proposal, propose
from monitoring.windows import read_labelled

ACTOR = "recalibration"
MAX_ROWS = 200_000
# Share of the rows: what fewer of them say moves an offset by less than the shipped `least_change`,
# unless their own answers are off by two in log-odds.
LEAST_CONCERNED = 0.05


@dataclass(frozen=True)
class Recalibration:
    """What came of it: the champion from now on, and why."""

    changed: bool
    version: str
    reason: str


def run_recalibration(
    engine: Engine, settings: Settings, params: Recalibrate, now: datetime, *, dry: bool = False
) -> Recalibration:
    """Fit the champion's offsets to the newest mature outcomes; promote them if they changed.

    Nothing is changed while the rows have faults, traffic is divided, or a retrain is running.

    Args:
        dry: only tell what would be done.

    Raises:
        NoChampionError: nothing was ever promoted.
        BundleError: the champion's bundle, or the one it recalibrates, is damaged or gone.
    """
    with engine.connect() as connection:
        current = champion(connection)
        if current is None:
            raise NoChampionError
        hindered = hindrance(connection, _since(now, params), LEAST_CONCERNED)
        bundle = load_bundle(settings.bundles_dir / current.version)
        base = base_of(bundle, settings.bundles_dir)
        labelled = _labelled(connection, base, now, params)

    def kept(why: str) -> Recalibration:
        if not dry:
            with write_transaction(engine) as connection:
                _record(connection, False, why, now)
        return Recalibration(False, current.version, why)

    if not base.answers_unseen:  # its files are not those of a bundle written today
        hindered = f"the champion's bundle has format {base.manifest['format']}; retrain first"
    if hindered is not None:
        return kept(hindered)
    proposal = propose(labelled, bundle.schema.target.offsets, pd.Timestamp(now), params)
    if dry or not proposal.change:
        return kept(proposal.reason)
    try:
        with _lease(engine):
            return _adopt(engine, settings, bundle, base, proposal, now)
    except leases.LeaseTakenError as taken:
        return kept(str(taken))


def _since(now: datetime, params: Recalibrate) -> datetime:
    """Time of the earliest row that the offsets of now are fitted to."""
    return now - timedelta(days=params.days, hours=params.mature_hours)


def _labelled(connection: Connection, base: Bundle, now: datetime, params: Recalibrate) -> Labelled:
    """Rows of the judged days with their outcomes, answered by the model as it was trained."""
    target = base.schema.target
    start = _since(now, params) - timedelta(days=params.judged_days)
    rows = read_labelled(connection, now, start, MAX_ROWS)
    if rows.empty:
        times = pd.Series([], dtype="datetime64[us, UTC]")
        nothing = pd.DataFrame(columns=target.outputs, dtype=float).to_numpy()
        return Labelled(target.task, times, target.truths([]), nothing)
    answers = base.model().answers_of(rows).astype(float)
    return Labelled(target.task, rows[EVENT_TIME], target.truths(rows[OUTCOME].tolist()), answers)


@contextmanager
def _lease(engine: Engine) -> Iterator[None]:
    """Keeps retrains out, which would find another champion than they set out to beat."""
    now = leases.utc_now()
    with write_transaction(engine) as connection:
        take_turns(connection)
        token = leases.take(connection, LEASE, leases.this_process(), now, leases.LENGTH)
    try:
        yield
    finally:
        with write_transaction(engine) as connection:
            leases.release(connection, LEASE, token)


def _adopt(
    engine: Engine,
    settings: Settings,
    bundle: Bundle,
    base: Bundle,
    proposal: Proposal,
    now: datetime,
) -> Recalibration:
    version = base.version
    if proposal.offsets:
        with tempfile.TemporaryDirectory(prefix="perennial-") as directory:
            source = Path(directory) / "bundle"
            save_recalibrated(base, proposal.offsets, source)
            made = {"made_at": now.isoformat(), "host": platform.node(),
                    RECALIBRATES: base.version, OFFSETS: proposal.offsets}  # fmt: skip
            version = register(engine, settings.bundles_dir, source, now, made)
    with write_transaction(engine) as connection:
        take_turns(connection)
        current = champion(connection)
        if current is None or current.version != bundle.version:
            return Recalibration(False, bundle.version, "somebody else has promoted meanwhile")
        if divided := divided_traffic(connection):
            return Recalibration(False, bundle.version, divided)
        promote(connection, version, actor=ACTOR, reason=proposal.reason, now=now)
        _record(connection, True, proposal.reason, now)
    return Recalibration(True, version, proposal.reason)


def _record(connection: Connection, changed: bool, why: str, now: datetime) -> None:
    seen = "the newest mature outcomes"
    trigger = Trigger(ACTOR, str(uuid7()), now, seen, leases.this_process())
    decisions.record(connection, trigger, Answer(changed, why), now, action="recalibrate")


def save_recalibrated(base: Bundle, offsets: tuple[float, ...], directory: Path) -> str:
    """Write `base` with offsets on its answers; gives the version."""
    schema = base.schema
    shifted = replace(schema, target=replace(schema.target, offsets=offsets))
    files = {**base.files, "schema.json": shifted.to_json().encode()}
    own = {"format", "files", "sizes"}  # of the base's files
    facts = {name: value for name, value in base.manifest.items() if name not in own}
    return save_bundle(directory, files, {**facts, RECALIBRATES: base.version})


def main() -> None:
    parser = argparse.ArgumentParser(prog="python -m monitoring.recalibrate", description=__doc__)
    parser.add_argument("now", nargs="?", choices=["now"], help="said or not, it is done at once")
    parser.add_argument("--dry-run", action="store_true", help="tell what would be done")
    arguments = parser.parse_args()
    settings = Settings()
    try:
        engine = make_engine(settings.database_url, pooled=False)
        require_current(engine)
        params = load_params(settings.params_file).monitoring.recalibrate or Recalibrate()
        found = run_recalibration(
            engine, settings, params, datetime.now(UTC), dry=arguments.dry_run
        )
    except REFUSALS as error:
        sys.exit(str(error))
    verb = "promoted" if found.changed else "kept"
    sys.stdout.write(f"{verb} {found.version}: {found.reason}\n")


if __name__ == "__main__":
    main()
