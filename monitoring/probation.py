"""Probation: a champion that a retrain has promoted goes back if what came since speaks against it.

The gate judged it on the past; here it is judged beside the champion that it replaced: first by
its errors, times and answers (early_signs.py), later by outcomes, for which that one answers the
same logged rows again. `python -m monitoring.probation` judges now.
"""

import argparse
import json
import sys
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from pathlib import Path

import numpy as np
import pandas as pd
from sqlalchemy import Connection, Engine, Row, select, update

from contracts.bundle import Bundle, load_bundle
from contracts.database import make_engine, write_transaction
from contracts.lineage import trained
from contracts.migrate import require_current
from contracts.monitoring_params import Monitoring, Probation
from contracts.params import load_params
from contracts.registry import champion, family, roll_back, take_turns
from contracts.schema import EVENT_TIME
from contracts.settings import Settings
from contracts.tables import retrains
from monitoring.check import REFUSALS
from monitoring.early_signs import early_signs
from monitoring.performance import t_over_days
from monitoring.side_by_side import losses_of
from monitoring.vitals import Sign
from monitoring.windows import read_labelled

ACTOR = "probation"
ROLLED_BACK = "rolled back"  # the state of its retrain
MAX_ROWS = 200_000


@dataclass(frozen=True)
class Finding:
    """What probation found.

    Attributes:
        reason: what speaks against the champion; where nothing does, all that was seen.
        rolled_back_to: who answers from now on, None = nobody new.
        signs: all that was seen.
    """

    reason: str
    rolled_back_to: str | None = None
    signs: tuple[Sign, ...] = ()


def run_probation(
    engine: Engine, bundles: Path, params: Monitoring, now: datetime, *, outcomes: bool = True
) -> Finding | None:
    """Judge the champion, if a retrain promoted it lately; roll back if it does worse.

    Args:
        outcomes: judge by them too; without, it is quick.

    Returns:
        None: nobody is on probation.

    Raises:
        BundleError: the champion's bundle, or its predecessor's, is damaged or gone.
    """
    if params.probation is None:
        return None
    with engine.connect() as connection:
        retrain = _on_probation(connection, params.probation, now)
        if retrain is None:
            return None
        base, since = retrain.challenger_version, retrain.finished_at
        signs = early_signs(connection, bundles, base, since, params.probation, now)
        broken = any(sign.worse for sign in signs)
        until = now - timedelta(hours=params.probation.mature_hours)
        both = (retrain.champion_version, base)
        versions = [] if broken or not outcomes else [trained(connection, each) for each in both]
        rows = read_labelled(connection, until, since, MAX_ROWS) if versions else None
    if rows is not None:
        before, current = (load_bundle(bundles / version) for version in versions)
        signs.insert(0, _judge(_costs(rows, before, current, params), params.probation))
    return _act(engine, retrain, signs, now)


def _act(
    engine: Engine, retrain: Row[tuple[str, ...]], signs: list[Sign], now: datetime
) -> Finding:
    against = [sign for sign in signs if sign.worse]
    reason = "; ".join(sign.sentence for sign in against or signs)
    if not against:
        return Finding(reason, None, tuple(signs))
    reason = f"the champion is on probation: {reason}"
    back = _return(engine, retrain.challenger_version, retrain.retrain_id, reason, now)
    return Finding(reason, back, tuple(signs))


def _on_probation(
    connection: Connection, params: Probation, now: datetime
) -> Row[tuple[str, ...]] | None:
    """The retrain whose challenger is the champion, itself or recalibrated."""
    current = champion(connection)
    newest = (
        select(retrains)
        .where(retrains.c.state == "promoted", retrains.c.finished_at <= now)
        .order_by(retrains.c.finished_at.desc())
        .limit(1)
    )
    retrain = connection.execute(newest).one_or_none()
    if current is None or retrain is None:
        return None
    if now > retrain.finished_at + timedelta(days=params.days):
        return None
    base = trained(connection, current.version)
    return retrain if base == retrain.challenger_version else None


def _costs(
    rows: pd.DataFrame, before: Bundle, now: Bundle, params: Monitoring
) -> "pd.Series[float]":
    """Mean loss a row that the champion adds to its predecessor's, by day."""
    if rows.empty:
        return pd.Series(np.empty(0))
    losses = [losses_of(bundle, rows, params.recalibrate) for bundle in (before, now)]
    added: pd.Series[float] = pd.Series(losses[1] - losses[0])
    daily = added.groupby(rows[EVENT_TIME].dt.floor("D").to_numpy()).mean()
    return pd.Series(daily.to_numpy(float))


def _judge(daily: "pd.Series[float]", params: Probation) -> Sign:
    if len(daily) < params.min_days:
        return Sign(f"on probation: {len(daily)} days with outcomes, {params.min_days} asked for")
    t = t_over_days(daily) or 0.0
    verb = "costs" if daily.mean() > 0 else "saves"
    reason = (
        f"the champion {verb} {abs(daily.mean()):.4f} loss a row against its predecessor, mean of "
        f"{len(daily)} days (t = {t:.2f}, beyond {params.max_t:g} it goes back)"
    )
    return Sign(reason, bool(np.isfinite(t) and t > params.max_t))


def _return(engine: Engine, base: str, retrain_id: str, reason: str, now: datetime) -> str | None:
    """Roll back past the champion and its recalibrations; None if somebody else was quicker."""
    with write_transaction(engine) as connection:
        take_turns(connection)  # two looks at once take it back once
        versions, current = family(connection, base), champion(connection)
        if current is None or current.version not in versions:
            return None
        version = current.version
        while version in versions:
            version = roll_back(connection, actor=ACTOR, reason=reason, now=now)
        mine = retrains.c.retrain_id == retrain_id
        verdict = json.dumps({"promote": True, "reason": f"promoted, then rolled back: {reason}"})
        connection.execute(update(retrains).where(mine).values(state=ROLLED_BACK, verdict=verdict))
    return version


def main() -> None:
    argparse.ArgumentParser(prog="python -m monitoring.probation", description=__doc__).parse_args()
    settings = Settings()
    try:
        engine = make_engine(settings.database_url, pooled=False)
        require_current(engine)
        params = load_params(settings.params_file).monitoring
        found = run_probation(engine, settings.bundles_dir, params, datetime.now(UTC))
    except REFUSALS as error:
        sys.exit(str(error))
    if found is None:
        sys.exit("nobody is on probation")
    verb = f"rolled back to {found.rolled_back_to}" if found.rolled_back_to else "kept"
    marks = {True: "against it", False: "seen"}
    lines = [f"{marks[sign.worse]}: {sign.sentence}" for sign in found.signs]
    sys.stdout.write("\n".join([verb, *lines]) + "\n")


if __name__ == "__main__":
    main()
