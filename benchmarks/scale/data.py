"""A model of 50 columns, and a database in which it has answered any number of rows."""

import json
from datetime import UTC, datetime
from pathlib import Path

import numpy as np
import pandas as pd
from sqlalchemy import Engine, text

from contracts.bundle import Bundle, load_bundle, save_bundle
from contracts.database import make_engine, write_transaction
from contracts.migrate import migrate
from contracts.params import load_params
from contracts.registry import promote, register
from contracts.schema import Feature, FeatureSchema, Target
from pipeline.model_file import dump_model
from pipeline.onnx_export import to_onnx
from pipeline.reference import answer_unseen
from pipeline.search import Chosen
from pipeline.train import fit

NUMBERS, TEXTS = 40, 10
LEARNED = 60_000  # rows of 90 days
POOL = 20_000  # different rows that are logged again and again
PART = 500_000  # rows of one statement
UNTIL = datetime(2026, 6, 1, tzinfo=UTC)  # end of the window
WINDOW_SECONDS = 7 * 86_400
LABELLED = 2  # one of so many rows has an outcome

_TIMES = """
SELECT :first + g AS i, md5((:first + g)::text) AS h,
       CAST(:start AS timestamptz) + (:first + g) * CAST(:step AS interval) AS at
FROM generate_series(0, :part - 1) AS g
"""
# As a version 7 UUID: 48 bits of milliseconds, then what is random.
_ID = """
substr(lpad(to_hex(floor(extract(epoch FROM at) * 1000)::bigint), 12, '0'), 1, 8) || '-' ||
substr(lpad(to_hex(floor(extract(epoch FROM at) * 1000)::bigint), 12, '0'), 9, 4) || '-7' ||
substr(h, 1, 3) || '-8' || substr(h, 4, 3) || '-' || substr(h, 7, 12)
"""
_PLACE = f"('x' || substr(h, 20, 7))::bit(28)::int % {POOL}"
_PREDICTIONS = f"""
INSERT INTO predictions
SELECT {_ID}, at, at, :version, pool.features, pool.prediction, pool.probability, NULL
FROM ({_TIMES}) AS times JOIN pool ON pool.place = {_PLACE} ORDER BY i
"""
_OUTCOMES = f"""
INSERT INTO outcomes (prediction_id, outcome, observed_at, recorded_at)
SELECT {_ID}, pool.outcome, at + interval '1 hour', at + interval '1 hour'
FROM ({_TIMES}) AS times JOIN pool ON pool.place = {_PLACE} WHERE i % {LABELLED} = 0 ORDER BY i
"""


def make_schema() -> FeatureSchema:
    numbers = [Feature(f"number_{i:02d}", "numeric", i % 4 == 0) for i in range(NUMBERS)]
    texts = [Feature(f"text_{i:02d}", "categorical", False) for i in range(TEXTS)]
    return FeatureSchema((*numbers, *texts), Target("it", (0, 1)), "event_time")


def make_rows(rows: int, rng: np.random.Generator) -> pd.DataFrame:
    """Independent rows without any change; the target depends on a few columns."""
    columns: dict[str, object] = {}
    for i in range(NUMBERS):
        values = rng.lognormal(size=rows) if i % 3 == 0 else rng.normal(size=rows)
        values = np.round(10 * values, i % 4)
        columns[f"number_{i:02d}"] = (
            np.where(rng.random(rows) < 0.05, np.nan, values) if i % 4 == 0 else values
        )
    for i in range(TEXTS):
        names = np.array([f"code {n}" for n in range(3 + 3 * i)], object)
        columns[f"text_{i:02d}"] = rng.choice(names, rows)
    frame = pd.DataFrame(columns)
    score = 0.08 * (frame.number_01 + frame.number_02) - 0.05 * frame.number_05
    score += 0.7 * (frame.text_00 == "code 0")
    return frame.assign(it=(rng.random(rows) < 1 / (1 + np.exp(-score))).astype(int))


def make_bundle(directory: Path, rng: np.random.Generator) -> Bundle:
    """A logistic regression that has learned from 90 days before the rows that are logged."""
    schema, rows = make_schema(), make_rows(LEARNED, rng)
    start = pd.Timestamp(UNTIL) - pd.Timedelta(days=100)
    rows["event_time"] = pd.Series(pd.date_range(start, periods=LEARNED, freq="130s")).astype(
        "datetime64[us, UTC]"
    )
    params = load_params(Path("params.yaml"))
    recipe = Chosen("logistic_regression", {"C": 0.1}, -0.5, "none")
    model = fit(recipe, rows, schema, params)
    reference, unseen = answer_unseen(rows, schema, recipe, params)
    files = {
        "schema.json": schema.to_json().encode(),
        "model.onnx": to_onnx(model, schema),
        "model.skops": dump_model(model),
        "reference.parquet": reference.to_parquet(),
        "unseen.parquet": unseen.to_parquet(),
        "metrics.json": b"{}",
        "model_card.md": b"# A wide table\n",
        "model_card.html": b"<h1>A wide table</h1>\n",
    }
    times = rows.event_time
    facts = {"trained_from": times.min().isoformat(), "trained_until": times.max().isoformat()}
    save_bundle(directory, files, facts)
    return load_bundle(directory)


def fill(url: str, bundles: Path, bundle: Path, rows: int, rng: np.random.Generator) -> None:
    """Migrate a PostgreSQL, promote the bundle, and log rows over seven days, half with outcomes.

    The statistics are then as autovacuum would leave them.
    """
    engine = make_engine(url)
    migrate(engine)
    version = register(engine, bundles, bundle, UNTIL, {})
    with write_transaction(engine) as connection:
        promote(connection, version, actor="benchmark", reason="first", now=UNTIL)
    _log_pool(engine, load_bundle(bundles / version), rng)
    facts = {"start": UNTIL - pd.Timedelta(seconds=WINDOW_SECONDS), "version": version,
             "step": f"{WINDOW_SECONDS / rows:.6f} seconds"}  # fmt: skip
    for first in range(0, rows, PART):
        part = {**facts, "first": first, "part": min(PART, rows - first)}
        with write_transaction(engine) as connection:
            connection.execute(text("SET LOCAL work_mem = '256MB'"))
            connection.execute(text(_PREDICTIONS), part)
            part.pop("version")
            connection.execute(text(_OUTCOMES), part)
    with engine.connect().execution_options(isolation_level="AUTOCOMMIT") as connection:
        connection.execute(text("DROP TABLE pool"))
        connection.execute(text("VACUUM ANALYZE"))
        connection.execute(text("CHECKPOINT"))
    engine.dispose()


def _log_pool(engine: Engine, bundle: Bundle, rng: np.random.Generator) -> None:
    rows = make_rows(POOL, rng)
    chances = bundle.model().answers_of(rows)[:, 1]
    features = rows[bundle.schema.names].astype(object).where(rows.notna(), None)
    pool = [
        {"place": i, "features": json.dumps(row), "prediction": str(int(p >= 0.5)),
         "probability": float(p), "outcome": str(it)}
        for i, (row, p, it) in enumerate(
            zip(features.to_dict("records"), chances, rows["it"], strict=True))
    ]  # fmt: skip
    with write_transaction(engine) as connection:
        connection.execute(
            text(
                "CREATE TABLE pool (place int PRIMARY KEY, features text, prediction text, "
                "probability float, outcome text)"
            )
        )
        names = "place, features, prediction, probability, outcome"
        values = ", ".join(f":{name}" for name in names.split(", "))
        connection.execute(text(f"INSERT INTO pool ({names}) VALUES ({values})"), pool)
