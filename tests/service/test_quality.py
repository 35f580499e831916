import json
from datetime import timedelta
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from sqlalchemy import Engine, insert, update
from starlette.testclient import TestClient

from contracts.database import make_engine, write_transaction
from contracts.schema import Target
from contracts.settings import Settings
from contracts.tables import checks, outcomes, predictions
from service.app import create_app
from service.observe.metrics import Metrics
from service.observe.quality import Quality
from tests.bundles import EXAMPLE
from tests.conftest import NOW

BINARY = Target("late", (0, 1))
KINDS = Target("kind", ("a", "b", "c"), task="multiclass")
PRICE = Target("price", task="regression")
TARGETS = {"binary": BINARY, "kinds": KINDS, "price": PRICE}


def log(
    engine: Engine, version: str, rows: list[tuple[Any, float | None, Any, Any]], start: int = 0
) -> None:
    """Rows of (prediction, probability, scores, outcome); outcome None = not known yet."""
    with write_transaction(engine) as connection:
        for i, (prediction, probability, scores, outcome) in enumerate(rows, start):
            row = {
                "prediction_id": f"{version}-{i:05}", "predicted_at": NOW, "event_time": NOW,
                "model_version": version, "features": "{}", "prediction": json.dumps(prediction),
                "probability": probability, "scores": scores and json.dumps(scores),
            }  # fmt: skip
            connection.execute(insert(predictions).values(row))
            if outcome is not None:
                tell(connection, f"{version}-{i:05}", outcome)


def tell(connection: Any, prediction_id: str, outcome: Any) -> None:
    row = {"prediction_id": prediction_id, "outcome": json.dumps(outcome),
           "observed_at": NOW, "recorded_at": NOW}  # fmt: skip
    connection.execute(insert(outcomes).values(row))


def gauges(quality: Quality) -> dict[tuple[str, ...], float]:
    quality.look()
    return {
        (one.name.removeprefix("perennial_quality_"), *one.labels.values()): one.value
        for metric in quality.collect()
        for one in metric.samples
    }


@pytest.fixture
def quality(engine: Engine) -> Quality:
    return Quality(engine, Metrics(), TARGETS.get, lambda: NOW)


def test_a_binary_version_is_judged(engine: Engine, quality: Quality) -> None:
    log(engine, "binary", [(1, 0.8, None, 1), (0, 0.4, None, 1), (0, 0.1, None, None)])
    found = gauges(quality)
    assert found["rows", "binary"] == 2
    assert found["loss", "binary"] == pytest.approx(-np.log([0.8, 0.4]).mean())
    assert found["accuracy", "binary"] == 0.5
    assert found["bias", "binary"] == pytest.approx(0.6 - 1)
    assert found["prediction_share", "binary", "1"] == pytest.approx(1 / 3)


def test_a_multiclass_version_is_judged(engine: Engine, quality: Quality) -> None:
    log(engine, "kinds", [("a", 0.7, [0.7, 0.2, 0.1], "a"), ("b", 0.5, [0.3, 0.5, 0.2], "c")])
    found = gauges(quality)
    assert found["loss", "kinds"] == pytest.approx(-np.log([0.7, 0.2]).mean())
    assert found["accuracy", "kinds"] == 0.5
    assert found["bias", "kinds"] == pytest.approx(0.1)
    assert found["prediction_share", "kinds", "b"] == 0.5


def test_a_regression_is_judged(engine: Engine, quality: Quality) -> None:
    log(engine, "price", [(10.0, None, [8, 12], 13.0), (20.0, None, [18, 22], 19)])
    found = gauges(quality)
    assert found["loss", "price"] == 2.0
    assert found["bias", "price"] == -1.0
    assert found["prediction_mean", "price"] == 15.0
    assert ("accuracy", "price") not in found


def test_corrections_count_once_and_the_latest_wins(engine: Engine, quality: Quality) -> None:
    log(engine, "binary", [(1, 0.8, None, 0)])
    assert gauges(quality)["accuracy", "binary"] == 0.0
    with write_transaction(engine) as connection:
        tell(connection, "binary-00000", 1)
    found = gauges(quality)
    assert (found["rows", "binary"], found["accuracy", "binary"]) == (1, 1.0)


def test_what_came_since_is_read_and_what_is_old_is_left_out(engine: Engine) -> None:
    now = [NOW]
    quality = Quality(engine, Metrics(), TARGETS.get, lambda: now[0])
    log(engine, "binary", [(1, 0.8, None, 1)] * 700)
    assert gauges(quality)["rows", "binary"] == 700
    log(engine, "binary", [(1, 0.8, None, 1)] * 2, start=700)
    assert gauges(quality)["rows", "binary"] == 702
    now[0] += timedelta(days=8)
    assert gauges(quality) == {}


def test_unknown_versions_and_impossible_outcomes_are_left_out(
    engine: Engine, quality: Quality
) -> None:
    log(engine, "nobody's", [(1, 0.8, None, 1)])
    log(engine, "binary", [(1, 0.8, None, "perhaps"), (1, 0.8, None, 1)])
    found = gauges(quality)
    assert found["rows", "binary"] == 1
    assert not [key for key in found if "nobody's" in key]


def test_a_database_that_is_away_leaves_what_was_known(tmp_path: Path) -> None:
    engine = make_engine(f"sqlite:///{tmp_path}/empty.db")  # has no tables
    metrics = Metrics()
    assert gauges(Quality(engine, metrics, TARGETS.get, lambda: NOW)) == {}
    assert 'perennial_errors_total{kind="quality"} 1.0' in metrics.render().decode()
    engine.dispose()


def test_the_service_shows_them(settings: Settings, champion: str, engine: Engine) -> None:
    with TestClient(create_app(settings)) as client:
        (one,) = client.post("/predict", json={"features": EXAMPLE}).json()["prediction_id"]
        client.post("/outcomes", json={"prediction_id": one, "outcome": 1})
    with TestClient(create_app(settings)) as client:  # looks as it starts
        while f'perennial_quality_rows{{version="{champion}"}} 1.0' not in (
            text := client.get("/metrics").text
        ):
            pass
    assert f'perennial_quality_loss{{version="{champion}"}}' in text


def test_estimates_are_shown_and_what_became_of_them(engine: Engine, quality: Quality) -> None:
    def estimate(value: float, low: float | None) -> dict[str, Any]:
        return {"figures": {"loss": {"value": value, "low": low, "high": low, "usual": 0.5}}}

    settled = {"estimated": estimate(0.5, None), "realised": {"figures": {"loss": 0.75}}}
    found = [{}, settled, {"estimated": estimate(0.25, 0.125), "realised": None}]
    for day, findings in enumerate(found):
        add_check(engine, day, findings)
    shown = gauges(quality)

    assert shown["perennial_check_estimated", "loss"] == 0.25
    assert shown["perennial_check_estimated_low", "loss"] == 0.125
    assert shown["perennial_check_realised", "loss"] == 0.75
    assert shown["perennial_check_estimate_error", "loss"] == 0.25


def add_check(engine: Engine, day: int, findings: dict[str, Any]) -> None:
    row = {
        "check_id": str(day), "checked_at": NOW + timedelta(days=day), "window_from": NOW,
        "window_to": NOW, "model_version": "v", "rows": 1, "outcomes": 0, "decision": "keep",
        "reason": "none", "findings": json.dumps(findings),
    }  # fmt: skip
    with write_transaction(engine) as connection:
        connection.execute(insert(checks).values(row))


@pytest.mark.parametrize("alarm", [True, False], ids=["alarm", "quiet"])
def test_the_newest_check_is_shown(engine: Engine, quality: Quality, alarm: bool) -> None:
    assert ("perennial_check_timestamp_seconds",) not in gauges(quality)
    for day, found in ((1, not alarm), (2, alarm)):
        add_check(engine, day, {"alarm": found})
    shown = gauges(quality)
    assert shown["perennial_check_timestamp_seconds",] == (NOW + timedelta(days=2)).timestamp()
    assert shown["perennial_check_alarm",] == float(alarm)


def test_what_the_newest_check_judged_is_shown(engine: Engine, quality: Quality) -> None:
    add_check(engine, 1, {})
    shown = gauges(quality)
    assert shown["perennial_check_rows",] == 1
    assert shown["perennial_check_outcomes",] == 0
    assert ("perennial_check_drift_share",) not in shown  # it was not judged
    with write_transaction(engine) as connection:
        connection.execute(update(checks).values(drift_share=0.25, performance_t=1.5))
    shown = gauges(quality)
    assert shown["perennial_check_drift_share",] == 0.25
    assert shown["perennial_check_performance_t",] == 1.5
