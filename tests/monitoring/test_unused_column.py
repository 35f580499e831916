"""Through whole checks and the governor: drift that the model does not see never retrains.

The target of a small table hangs on `signal` alone. `idle`, which was always 0 when the champion
learned, has no weight in its answers. The reference has `idle` as it was afterwards.
"""

import json
import threading
from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pytest
import yaml
from sqlalchemy import Engine, Row, insert, select
from uuid_utils import uuid7

from contracts.bundle import Bundle, load_bundle, save_bundle
from contracts.database import make_engine, write_transaction
from contracts.migrate import migrate
from contracts.registry import promote, register
from contracts.schema import EVENT_TIME, Feature, FeatureSchema, Target
from contracts.settings import Settings
from contracts.tables import checks, decisions, outcomes, predictions, retrains
from monitoring.alerts import Alerts
from monitoring.jobs import check_and_retrain
from tests.task_bundles import save_table_bundle

pytestmark = [
    pytest.mark.slow,
    pytest.mark.filterwarnings("ignore:::evidently", "ignore:::plotly", "ignore:::scipy"),
]
SCHEMA = FeatureSchema(
    (
        Feature("signal", "numeric", True),
        Feature("idle", "numeric", True),
        Feature("group", "categorical", True),
    ),
    Target("it", ("no", "yes"), task="binary"),
    EVENT_TIME,
)
START = datetime(2013, 4, 2, tzinfo=UTC)  # the champion has learned until the day before
CHANGED = START + timedelta(days=21)
DAYS, A_DAY = 42, 150


def _rows(start: datetime, days: int, seed: int) -> pd.DataFrame:
    """`it` is likely where `signal` is high."""
    random = np.random.default_rng(seed)
    signal, idle = random.normal(size=(2, days * A_DAY))
    group = random.choice(["a", "b"], len(idle))
    yes = random.random(days * A_DAY) < 1 / (1 + np.exp(-1.5 * signal))
    minutes = np.sort(random.integers(0, days * 1440, days * A_DAY))
    return pd.DataFrame(
        {"signal": signal, "idle": idle, "group": group, "it": np.where(yes, "yes", "no"),
         EVENT_TIME: pd.Timestamp(start) + pd.to_timedelta(minutes, unit="min")}
    )  # fmt: skip


@pytest.fixture
def settings(tmp_path: Path) -> Settings:
    """Without a project to train in, so that a retrain ends as soon as it has begun."""
    params = yaml.safe_load(Path("params.yaml").read_text())
    policy = params["monitoring"]["policy"]
    policy |= {"retrain_every_days": None, "min_outcome_days": 7, "cooldown_days": 0}
    (tmp_path / "params.yaml").write_text(yaml.safe_dump(params))
    return Settings(
        _env_file=None,
        database_url=f"sqlite:///{tmp_path}/perennial.db",
        bundles_dir=tmp_path / "bundles",
        reports_dir=tmp_path / "reports",
        work_dir=tmp_path / "work",
        project_dir=tmp_path / "no repository",
        params_file=tmp_path / "params.yaml",
    )


@pytest.fixture
def engine(settings: Settings) -> Iterator[Engine]:
    engine = make_engine(settings.database_url)
    migrate(engine)
    yield engine
    engine.dispose()


@pytest.fixture
def blind(engine: Engine, settings: Settings, tmp_path: Path) -> Bundle:
    """The champion, whose answers take no notice of `idle`."""
    learned = _rows(START - timedelta(days=60), 60, seed=1)
    made = save_table_bundle(tmp_path / "made", SCHEMA, learned.assign(idle=0.0))
    assert np.allclose(
        made.model().answers_of(learned), made.model().answers_of(learned.assign(idle=1e6))
    )
    before = pd.read_parquet(tmp_path / "made" / "reference.parquet")
    files = {**made.files, "reference.parquet": before.assign(idle=learned.idle).to_parquet()}
    facts = {key: made.manifest[key] for key in ("trained_from", "trained_until")}
    save_bundle(tmp_path / "blind", files, facts)
    version = register(engine, settings.bundles_dir, tmp_path / "blind", START, {})
    with write_transaction(engine) as connection:
        promote(connection, version, actor="a test", reason="first", now=START)
    return load_bundle(settings.bundles_dir / version)


def _log(engine: Engine, bundle: Bundle, rows: pd.DataFrame) -> None:
    """As the service would have, with an outcome of each row."""
    chances = bundle.model().answers_of(rows)[:, 1]
    logged: list[dict[str, Any]] = []
    known: list[dict[str, Any]] = []
    for row, chance in zip(rows.to_dict("records"), chances, strict=True):
        at, name = row[EVENT_TIME].to_pydatetime(), str(uuid7())
        features = json.dumps({column: row[column] for column in SCHEMA.names})
        logged.append({"prediction_id": name, "predicted_at": at, "event_time": at,
                       "model_version": bundle.version, "features": features,
                       "prediction": '"no"', "probability": float(chance)})  # fmt: skip
        known.append({"prediction_id": name, "outcome": json.dumps(row["it"]),
                      "observed_at": at, "recorded_at": at})  # fmt: skip
    with write_transaction(engine) as connection:
        connection.execute(insert(predictions), logged)
        connection.execute(insert(outcomes), known)


def _check(engine: Engine, settings: Settings, *days: int) -> list[Row[Any]]:
    """Let the scheduler's job run on these days after the change; the checks' rows."""
    for day in days:
        now = CHANGED + timedelta(days=day)
        check_and_retrain(engine, settings, threading.Event(), Alerts([]), lambda now=now: now)
    with engine.connect() as connection:
        return list(connection.execute(select(checks).order_by(checks.c.checked_at)))


def _asked(engine: Engine) -> tuple[int, set[str]]:
    """Retrains that were begun, and what the governor answered."""
    with engine.connect() as connection:
        begun = connection.execute(select(retrains)).all()
        answers = connection.execute(select(decisions.c.answer)).scalars()
        return len(begun), set(answers)


@pytest.mark.parametrize(
    ("shift", "days"),
    [pytest.param(0.3, (7,), marks=pytest.mark.long), (3.0, (2, 7, 14, 20)),
     pytest.param(1e6, (7,), marks=pytest.mark.long)],
    ids=["mild", "strong, for weeks", "another unit"],
)  # fmt: skip
def test_drift_in_an_unused_column_never_retrains(
    engine: Engine, settings: Settings, blind: Bundle, shift: float, days: tuple[int, ...]
) -> None:
    rows = _rows(START, DAYS, seed=2)
    _log(engine, blind, rows.assign(idle=rows.idle + shift * (rows[EVENT_TIME] >= CHANGED)))
    found = [json.loads(row.findings) for row in _check(engine, settings, *days)]

    assert [each["inputs"]["state"] for each in found] == ["watch"] * len(days)
    assert [each["inputs"]["causes"][0] for each in found] == ["idle"] * len(days)
    assert {each["harm"]["verdict"] for each in found} <= {"benign", "not known before outcomes"}
    assert {each["wish"] for each in found} == {None}
    assert _asked(engine) == (0, {"no"})


def test_harmful_drift_in_a_used_column_retrains(
    engine: Engine, settings: Settings, blind: Bundle
) -> None:
    rows = _rows(START, DAYS, seed=2)
    _log(engine, blind, rows.assign(signal=rows.signal - 2.5 * (rows[EVENT_TIME] >= CHANGED)))
    (row,) = _check(engine, settings, 14)
    found = json.loads(row.findings)

    assert found["inputs"]["state"] == "watch"
    assert found["harm"]["verdict"] == "harmful"
    assert (found["wish"], row.decision) == ("performance", "retrain")
    assert _asked(engine) == (1, {"yes"})


def test_a_target_that_changed_alone_retrains_once_outcomes_show_it(
    engine: Engine, settings: Settings, blind: Bundle
) -> None:
    rows = _rows(START, DAYS, seed=2)
    turned = rows.it.map({"yes": "no", "no": "yes"})
    _log(engine, blind, rows.assign(it=rows.it.mask(rows[EVENT_TIME] >= CHANGED, turned)))
    (row,) = _check(engine, settings, 7)
    found = json.loads(row.findings)

    assert found["inputs"]["state"] == "ok"
    assert found["harm"]["verdict"] == "harmful"
    assert (found["wish"], row.decision) == ("performance", "retrain")
    assert _asked(engine) == (1, {"yes"})
