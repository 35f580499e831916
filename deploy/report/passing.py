"""Days of rows for the tour, dated forward so that they end now; and sending them."""

from dataclasses import dataclass
from datetime import datetime, timedelta
from pathlib import Path
from typing import Any

import pandas as pd

from client import Client, Outcome
from contracts.params import Params
from contracts.schema import FeatureSchema

DAYS = 21
ROWS_A_DAY = 110
SEED = 7
ONE_DAY = timedelta(days=1)


@dataclass(frozen=True)
class Hour:
    """Questions of an hour, and what became true of each when; None = it never did."""

    at: datetime
    rows: list[list[Any]]
    outcomes: list[tuple[Any, datetime] | None]


def recent_hours(root: Path, params: Params, schema: FeatureSchema, now: datetime) -> list[Hour]:
    """Hours of DAYS days, the newest one of the last 24; moved by whole days.

    Of the flights the first ones after the training period; of another table its newest rows.
    """
    table, time = _rows(root, params), params.data.time_column
    shift = (now - table[time].max()) // ONE_DAY * ONE_DAY
    chosen = table.groupby(table[time].dt.floor("D"), group_keys=False).apply(_some)
    chosen = chosen.assign(**{time: chosen[time] + shift}).sort_values(time, kind="stable")
    if "known_at" in chosen:
        chosen["known_at"] += shift
    else:
        chosen["known_at"] = chosen[time] + ONE_DAY
    return [_hour(rows[time].iloc[0], rows, schema) for _, rows in chosen.groupby(time)]


def _rows(root: Path, params: Params) -> pd.DataFrame:
    time = params.data.time_column
    if params.data.source == "flights":
        from pipeline.flights import read

        table: pd.DataFrame = read()
        start = pd.Timestamp(params.data.until, tz="UTC")
        return table[(table[time] >= start) & (table[time] < start + timedelta(days=DAYS))]
    table = pd.read_parquet(root / "build" / "prepared.parquet")
    newest: pd.DataFrame = table[table[time] > table[time].max() - timedelta(days=DAYS)]
    return newest


def _some(rows: pd.DataFrame) -> pd.DataFrame:
    return rows.sample(min(ROWS_A_DAY, len(rows)), random_state=SEED)


def _hour(at: pd.Timestamp, rows: pd.DataFrame, schema: FeatureSchema) -> Hour:
    columns = rows[list(schema.names)].astype(object)
    truths = rows[schema.target.name]
    outcomes = [
        None if pd.isna(truth) else (_label(truth), known.to_pydatetime())
        for truth, known in zip(truths, rows.known_at, strict=True)
    ]
    values = columns.where(columns.notna(), None).to_numpy().tolist()
    return Hour(at.to_pydatetime(), values, outcomes)


def _label(truth: Any) -> Any:
    """A class as the service takes it: a column with gaps holds whole numbers as floats."""
    return int(truth) if isinstance(truth, float) else truth


def ask(client: Client, hours: list[Hour], now: datetime) -> tuple[int, int]:
    """Ask all rows and tell the outcomes that are known by now; how many of each."""
    asked, known = 0, []
    for hour in hours:
        answers = client.predict(hour.rows, hour.at)
        asked += len(answers)
        known += [
            Outcome(answer.prediction_id, outcome[0], outcome[1])
            for answer, outcome in zip(answers, hour.outcomes, strict=True)
            if outcome is not None and outcome[1] <= now
        ]
    return asked, len(client.send_outcomes(known))
