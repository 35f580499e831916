"""Month by month: the live champion against a model never retrained and one retrained monthly."""

import json
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
from sklearn.metrics import log_loss, roc_auc_score
from sqlalchemy import Engine, select
from tqdm import tqdm

from contracts.bundle import Bundle
from contracts.params import Params
from contracts.tables import checks, outcomes, predictions, retrains, stage_changes
from monitoring.recalibrate import ACTOR
from pipeline.frames import model_frame
from pipeline.prepare import prepare
from pipeline.search import Chosen
from pipeline.train import fit

Months = list[dict[str, Any]]


def read_live(engine: Engine, start: pd.Timestamp, end: pd.Timestamp) -> pd.DataFrame:
    """What the service logged and was told: event_time, probability, late (NaN = no outcome)."""
    within = (predictions.c.event_time >= start) & (predictions.c.event_time < end)
    query = (
        select(predictions.c.prediction_id, predictions.c.event_time, predictions.c.probability,
               outcomes.c.outcome)
        .join(outcomes, outcomes.c.prediction_id == predictions.c.prediction_id, isouter=True)
        .where(within)
        .order_by(outcomes.c.outcome_id)
    )  # fmt: skip
    with engine.connect() as connection:
        rows = connection.execute(query).all()
    frame = pd.DataFrame(rows, columns=["prediction_id", "event_time", "probability", "late"])
    newest = frame.drop_duplicates("prediction_id", keep="last")
    return newest.assign(late=newest.late.map(json.loads, na_action="ignore").astype(float))


def compare(
    engine: Engine, flights: pd.DataFrame, first: Bundle, chosen: Path, params: Params
) -> Months:
    """One entry per month of the replayed flights.

    Args:
        flights: the whole source table up to the end of the replay.
        first: the bundle that served when the replay began.
        chosen: build/chosen.json, the recipe that the monthly oracle refits on all the past.
    """
    start = pd.Timestamp(params.data.until, tz="UTC")
    choice = json.loads(chosen.read_text())
    recipe = Chosen(**choice["recipe"])
    replayed = flights[flights.event_time >= start]
    live = read_live(engine, start, replayed.event_time.max() + pd.Timedelta(hours=1))
    events = _events(engine)
    months: Months = []
    for month in tqdm(sorted(replayed.event_time.dt.strftime("%Y-%m").unique()), "oracle"):
        begin = pd.Timestamp(f"{month}-01", tz="UTC")
        rows = replayed[_in_month(replayed, month) & replayed.late.notna()]
        mine = live[_in_month(live, month)]
        labelled = mine[mine.late.notna()]
        never = first.model().answers_of(rows)[:, 1]
        oracle = _oracle(flights[flights.event_time < begin], rows, first, recipe, params)
        months.append(
            {
                "month": month,
                "requests": len(mine),
                "outcomes": len(labelled),
                "log_loss": {},
                "roc_auc": {},
                **{name: times.count(month) for name, times in events.items()},
            }
        )
        for name, target, probability in (
            ("live", labelled.late, labelled.probability),
            ("never", rows.late, never),
            ("monthly", rows.late, oracle),
        ):
            months[-1]["log_loss"][name] = round(float(log_loss(target, probability)), 4)
            months[-1]["roc_auc"][name] = round(float(roc_auc_score(target, probability)), 4)
    return months


def _in_month(frame: pd.DataFrame, month: str) -> "pd.Series[bool]":
    inside: pd.Series[bool] = frame.event_time.dt.strftime("%Y-%m") == month
    return inside


def _oracle(
    past: pd.DataFrame, rows: pd.DataFrame, first: Bundle, recipe: Chosen, params: Params
) -> np.ndarray:
    """The first bundle's recipe, refitted on every outcome before the month."""
    fed = past.event_time >= pd.Timestamp(params.data.until, tz="UTC")
    tables = [past[~fed], past[fed]] if fed.any() else [past]  # golden days are of the first
    prepared, _ = prepare(tables, params)
    model = fit(recipe, prepared, first.schema, params)
    probability: np.ndarray = model.predict_proba(model_frame(rows, first.schema))[:, 1]
    return probability


def _events(engine: Engine) -> dict[str, list[str]]:
    """The months in which each kind of thing happened, on the replay's clock."""
    with engine.connect() as connection:
        checked = connection.execute(select(checks)).all()
        retrained = connection.execute(select(retrains)).all()
        moved = select(stage_changes.c.changed_at).where(stage_changes.c.actor == ACTOR)
        recalibrated = connection.execute(moved).scalars().all()
    return {
        "checks": [f"{row.checked_at:%Y-%m}" for row in checked],
        "alarms": [f"{row.checked_at:%Y-%m}" for row in checked
                   if json.loads(row.findings)["alarm"]],
        "recalibrations": [f"{at:%Y-%m}" for at in recalibrated],
        "retrains": [f"{row.started_at:%Y-%m}" for row in retrained],
        "promotions": [f"{row.started_at:%Y-%m}" for row in retrained if row.state == "promoted"],
    }  # fmt: skip
