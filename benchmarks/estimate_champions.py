"""Who answers the flights of a year: one model throughout, or one retrained now and then."""

import io
import json
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from datetime import timedelta
from pathlib import Path

import numpy as np
import pandas as pd

from contracts.bundle import Bundle
from contracts.params import Params
from contracts.schema import EVENT_TIME, OUTCOME, FeatureSchema
from pipeline import flights
from pipeline.frames import model_frame
from pipeline.prepare import prepare
from pipeline.reference import answer_unseen
from pipeline.search import Chosen, answer_rows
from pipeline.train import fit

CHOSEN = Path("build/chosen.json")
FIRST, LAST = pd.Timestamp("2013-04-01", tz="UTC"), pd.Timestamp("2014-01-01", tz="UTC")
STEP = 20_000


@dataclass(frozen=True)
class Champion:
    """One model's time.

    Attributes:
        unseen: as the bundle's unseen.parquet.
        rows: flights from `since` on, as the database would give them back with their outcome:
            features, schema.answers, EVENT_TIME, OUTCOME.
    """

    since: pd.Timestamp
    unseen: pd.DataFrame
    rows: pd.DataFrame


def first_champion(bundle: Bundle) -> Champion:
    """The bundle answers everything after its training."""
    rows, model = _flights(FIRST), bundle.model()
    parts = [model.answers_of(rows.iloc[at : at + STEP]) for at in range(0, len(rows), STEP)]
    unseen = pd.read_parquet(io.BytesIO(bundle.files["unseen.parquet"]))
    return Champion(FIRST, unseen, _answered(rows, np.concatenate(parts), bundle.schema))


def later_champions(bundle: Bundle, params: Params) -> Iterator[Champion]:
    """The bundle's recipe refitted on all the past every `policy.retrain_every_days`.

    What had happened by the day before counts: outcomes take as long.
    """
    every, schema = params.monitoring.policy.retrain_every_days, bundle.schema
    if every is None:
        return
    recipe = Chosen(**json.loads(CHOSEN.read_text())["recipe"])
    table = flights.read()
    for since in pd.date_range(FIRST, LAST, freq=f"{every}D", inclusive="neither"):
        known = table[table.event_time < since - timedelta(days=1)]
        original = known.event_time < FIRST
        prepared, _ = prepare([known[original], known[~original]], params)
        model = fit(recipe, prepared, schema, params)
        rows = _flights(since)
        answers = answer_rows(model, model_frame(rows, schema), schema)
        _, unseen = answer_unseen(prepared, schema, recipe, params)
        yield Champion(since, unseen, _answered(rows, answers, schema))


def serving(champions: Sequence[Champion], at: pd.Timestamp) -> Champion:
    """Whoever answers just before `at`."""
    return max((one for one in champions if one.since < at), key=lambda one: one.since)


def _flights(since: pd.Timestamp) -> pd.DataFrame:
    frame = flights.read()
    frame = frame[(frame.event_time >= since) & frame.late.notna()]
    return frame.reset_index(drop=True)


def _answered(rows: pd.DataFrame, answers: np.ndarray, schema: FeatureSchema) -> pd.DataFrame:
    columns = dict(zip(schema.answers, answers.astype(float).T, strict=True))
    frame = rows.rename(columns={"event_time": EVENT_TIME})
    return frame.assign(**columns, **{OUTCOME: frame["late"].astype(int)})
