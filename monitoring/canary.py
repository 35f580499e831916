"""The canary: a challenger that the gate let pass answers a share of the requests before the rest.

The gate judged it on the past; here both versions answer what was asked since again, and live
requests tell what no past row can. Then it is promoted, or ended, or it goes on; the scheduler
asks every few minutes. `python -m monitoring.canary` tells what it sees and does the same;
docs/versions.md has the rule.
"""

import argparse
import sys
from dataclasses import dataclass, replace
from datetime import UTC, datetime, timedelta
from pathlib import Path

from sqlalchemy import Connection, Engine

from contracts.bundle import load_bundle
from contracts.bundle_files import BundleError
from contracts.database import make_engine, write_transaction
from contracts.lineage import trained
from contracts.migrate import require_current
from contracts.monitoring_params import Monitoring, VitalsLimits
from contracts.params import load_params
from contracts.registry import champion, promote, take_turns
from contracts.settings import Settings
from contracts.tables import CANARY
from contracts.traffic import Rule
from contracts.traffic_rules import CheckedRule, change_traffic
from monitoring.canary_judge import Seen, decide, describe_live, describe_losses
from monitoring.canary_live import look
from monitoring.canary_rule import SUPERSEDED, Running, close, find
from monitoring.check import REFUSALS
from monitoring.side_by_side import compare
from monitoring.vitals import compare as compare_vitals
from monitoring.vitals import read_vitals

REJECTED = "rejected"
DECIDED = "decided meanwhile"  # by another process, which has written down how


@dataclass(frozen=True)
class Finding:
    """What came of a look at a canary.

    Attributes:
        state: of its retrain from now on; CANARY = it goes on.
        seen: what was looked at, in sentences.
    """

    version: str
    state: str
    reason: str
    seen: tuple[str, ...] = ()


def run_canary(
    engine: Engine, bundles: Path, params: Monitoring, now: datetime, *, dry: bool = False
) -> Finding | None:
    """Look at the canary that runs, and promote or end it if it is time.

    Args:
        dry: only tell.

    Returns:
        None: none runs.

    Raises:
        BundleError: the champion's bundle is damaged or gone.
    """
    with engine.connect() as connection:
        running = find(connection)
        if running is None:
            return None
        found = _look(connection, running, bundles, params, now)
    if dry or found.state == CANARY:
        return found
    return _carry_out(engine, running, found, now)


def _look(
    connection: Connection, running: Running, bundles: Path, params: Monitoring, now: datetime
) -> Finding:
    """What should become of it."""
    version, current = running.version, champion(connection)
    if running.ended_by is not None or running.traffic is None or current is None:
        return Finding(version, SUPERSEDED, running.ended_by or "nobody is champion any more")
    try:
        canary = load_bundle(bundles / version)
    except BundleError as error:
        return Finding(version, REJECTED, f"the canary's bundle cannot be read: {error}")
    before = load_bundle(bundles / trained(connection, current.version))
    tried, rule, since = params.promotion.canary, running.traffic.rule, running.traffic.changed_at
    until = now - timedelta(hours=tried.mature_hours)
    seen = Seen(
        hours=(now - since) / timedelta(hours=1),
        live=look(connection, rule, canary, since, now),
        losses=compare(
            connection, (before, canary), since, until, params.recalibrate, running.daily
        ),
        against=_ailing(connection, version, current.version, (since, now), params),
    )
    word = decide(seen, rule.share or 0.0, tried)
    states = {"promote": "promoted", "end": REJECTED, "wait": CANARY}
    told = (describe_live(seen.live), describe_losses(seen.losses), *seen.against)
    return Finding(version, states[word.act], word.reason, told)


def _ailing(
    connection: Connection,
    version: str,
    current: str,
    span: tuple[datetime, datetime],
    params: Monitoring,
) -> tuple[str, ...]:
    """Errors and times to answer that speak against it, beside the champion in the same time."""
    limits = params.probation.vitals if params.probation else VitalsLimits()
    old, new = (read_vitals(connection, each, *span) for each in (current, version))
    return tuple(sign.sentence for sign in compare_vitals(old, new, limits) if sign.worse)


def _carry_out(engine: Engine, running: Running, found: Finding, now: datetime) -> Finding:
    """Do it, unless somebody has decided while it was looked at; all of it or nothing."""
    retrain_id = running.retrain.retrain_id
    actor, reason = f"canary {retrain_id}", found.reason
    with write_transaction(engine) as connection:
        take_turns(connection)
        still, current = find(connection), champion(connection)
        if still is None or still.retrain.retrain_id != retrain_id:
            return replace(
                found, state=DECIDED, reason="another process decided while this looked at it"
            )
        if still.ended_by is not None or current is None:
            reason = still.ended_by or reason
            found = replace(found, state=SUPERSEDED, reason=reason)
        elif found.state == "promoted":
            promote(connection, found.version, actor=actor, reason=reason, now=now)
        else:
            ended = CheckedRule(Rule(), current.version)
            change_traffic(connection, ended, actor=actor, reason=reason, now=now)
        close(connection, still, found.state, reason, now, "; ".join(found.seen))
    return found


def main() -> None:
    parser = argparse.ArgumentParser(prog="python -m monitoring.canary", description=__doc__)
    parser.add_argument("--dry-run", action="store_true", help="only tell what would be done")
    arguments = parser.parse_args()
    settings, now = Settings(), datetime.now(UTC)
    try:
        engine = make_engine(settings.database_url, pooled=False)
        require_current(engine)
        params = load_params(settings.params_file).monitoring
        found = run_canary(engine, settings.bundles_dir, params, now, dry=arguments.dry_run)
    except REFUSALS as error:
        sys.exit(str(error))
    if found is None:
        sys.exit("no canary runs")
    seen = "".join(f"  {line}\n" for line in found.seen)
    would = "would be " if arguments.dry_run and found.state != CANARY else ""
    state = "goes on" if found.state == CANARY else f"{would}{found.state}"
    sys.stdout.write(f"canary {found.version}\n{seen}{state}: {found.reason}\n")


if __name__ == "__main__":
    main()
