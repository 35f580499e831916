"""Hostile values, column names and labels in real reports, in a real browser: nothing of them runs.

Every payload of tests/hostile.py is a category and the name of a column, and every fourth a class
of the target, in one of several tables. Of the first ones the service answers rows, outcomes come,
a check runs, and Chromium opens all pages: as they are served, and without the policy that
sandboxes them. Of the others it opens the report, without the policy.
"""

import json
import warnings
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import httpx
import numpy as np
import pandas as pd
import pytest
from sqlalchemy import Engine, select, update

from contracts.bundle import load_bundle
from contracts.database import make_engine, write_transaction
from contracts.migrate import migrate
from contracts.monitoring_params import Monitoring
from contracts.params import Kind, load_params
from contracts.registry import promote, register
from contracts.schema import EVENT_TIME, Feature, FeatureSchema, Target
from contracts.settings import Settings
from contracts.tables import checks, predictions
from monitoring.check import Check, run_check
from monitoring.reports import write_report
from tests.browser import Browser, browsing, find_chromium
from tests.conftest import OPEN
from tests.hostile import payloads
from tests.service.servers import serving
from tests.task_bundles import save_table_bundle

pytestmark = [
    pytest.mark.slow,
    pytest.mark.filterwarnings("ignore:::evidently", "ignore:::plotly", "ignore:::scipy"),
    pytest.mark.skipif(find_chromium() is None, reason="needs Chromium"),
]
PAYLOADS = payloads()
COLUMNS = 10  # of one table: as many as a report has
LABELS = 3
VALUES = 19  # of one column, fewer than a report shows
ROWS = 600
PLACES = list(range(0, len(PAYLOADS), COLUMNS))
WHOLE = 2  # tables that go all the way: what the others add are their payloads
FIRST = 5  # what comes behind is long
BARE = "bare"  # a query that leaves the policy out
MOST_BYTES = 5_000_000


def _pick(start: int, number: int) -> list[str]:
    """So many payloads from one on, going round."""
    return [PAYLOADS[(start + i) % len(PAYLOADS)] for i in range(number)]


def _schema(start: int) -> FeatureSchema:
    names = _pick(start, COLUMNS)
    labels = [name for name in names if "\0" not in name][:LABELS]  # outcomes have none
    kinds: list[Kind] = ["categorical"] * (COLUMNS - 1) + ["numeric"]
    features = tuple(Feature(n, kind, True) for n, kind in zip(names, kinds, strict=True))
    target = Target(_pick(start, 1)[0] + " ", tuple(labels), task="multiclass")
    return FeatureSchema(features, target, EVENT_TIME)


def _rows(schema: FeatureSchema, start: int, seed: int, rare: bool = False) -> pd.DataFrame:
    """Values of every column; the i-th of them decides the label, mostly."""
    random = np.random.default_rng(seed)
    columns: dict[str, Any] = {}
    for i, name in enumerate(schema.categorical):
        values = np.array(_pick(start + i * VALUES, VALUES), object)
        weights = np.arange(1, VALUES + 1, dtype=float)[:: -1 if rare else 1]
        columns[name] = random.choice(values, ROWS, p=weights / weights.sum())
    frame = pd.DataFrame(columns, dtype=object)
    frame[schema.numeric[0]] = random.normal(5 * rare, 1, ROWS)
    signal = frame[schema.names[0]].map({v: i for i, v in enumerate(_pick(start, VALUES))})
    label = (signal.to_numpy() + random.integers(0, 2, ROWS)) % LABELS
    frame[schema.target.name] = np.array(schema.target.classes, object)[label]
    return frame.assign(**{EVENT_TIME: pd.Timestamp("2026-01-01", tz="UTC")})


@dataclass(frozen=True)
class Place:
    """A service with a hostile champion that has answered, and a check of it."""

    url: str
    check: Check
    settings: Settings
    schema: FeatureSchema
    start: int


def _bare(app: Callable[..., Any]) -> Callable[..., Any]:
    """The app, without its policy for whoever asks with the query BARE."""

    async def answer(scope: Any, receive: Any, send: Any) -> None:
        async def pass_on(message: Any) -> None:
            if scope.get("query_string") == BARE.encode() and "headers" in message:
                kept = [(k, v) for k, v in message["headers"] if k != b"content-security-policy"]
                message = {**message, "headers": kept}
            await send(message)

        await app(scope, receive, pass_on)

    return answer


@contextmanager
def _place(directory: Path, start: int) -> Iterator[Place]:
    settings = Settings(
        _env_file=None,
        database_url=f"sqlite:///{directory}/perennial.db",
        bundles_dir=directory / "bundles",
        reports_dir=directory / "reports",
        work_dir=directory / "retrains",
        spool_dir=directory / "spool",
        **OPEN,
    )
    schema, now = _schema(start), datetime.now(UTC)
    engine = make_engine(settings.database_url)
    migrate(engine)
    save_table_bundle(directory / "made", schema, _rows(schema, start, 0))
    version = register(engine, settings.bundles_dir, directory / "made", now, {})
    with write_transaction(engine) as connection:
        promote(connection, version, actor="a test", reason="first", now=now)
    with serving(settings, wrap=_bare) as port:
        url = f"http://127.0.0.1:{port}"
        _answer_and_learn(url, schema, start)
        check = _check(engine, settings)
        yield Place(url, check, settings, schema, start)
    engine.dispose()


def _answer_and_learn(url: str, schema: FeatureSchema, start: int) -> None:
    rows = _rows(schema, start, 1, rare=True)
    instances = [  # no request may have a NUL
        {name: None if "\0" in str(value) else value for name, value in row.items()}
        for row in rows[schema.names].to_dict("records")
    ]
    with httpx.Client(base_url=url, timeout=30) as client:
        answer = client.post("/predict", json={"instances": instances}).raise_for_status().json()
        truths = rows[schema.target.name].tolist()
        for found, truth in list(zip(answer["prediction_id"], truths, strict=True))[:50]:
            outcome = {"prediction_id": found, "outcome": truth}
            client.post("/outcomes", json=outcome).raise_for_status()


def _check(engine: Engine, settings: Settings) -> Check:
    """Of predictions that fall on two days."""
    now = datetime.now(UTC)
    with write_transaction(engine) as connection:
        half = predictions.c.prediction_id.endswith("8")
        earlier = update(predictions).where(half)
        connection.execute(earlier.values(event_time=now - timedelta(days=1)))
    monitoring: Monitoring = load_params(Path("params.yaml")).monitoring
    places = (settings.bundles_dir, settings.reports_dir)
    check = run_check(engine, *places, monitoring, now + timedelta(seconds=1))
    _tell_of_harm(engine, check)
    return check


def _tell_of_harm(engine: Engine, check: Check) -> None:
    """As if each column and segment hurt, which takes weeks of outcomes to find."""
    with write_transaction(engine) as connection:
        own = checks.c.check_id == check.check_id
        found = json.loads(connection.execute(select(checks.c.findings).where(own)).scalar_one())
        names = list(found["drift"]["influence"])
        told = [*names, *(f"{name} = {PAYLOADS[0]}" for name in names)]
        signs = [{"what": what, "amount": 0.1, "z": 3.0} for what in told]
        found["harm"] = {"verdict": told[0], "reasons": told, "signs": signs,
                         "weights": dict.fromkeys(names, 0.1),
                         "broken": {name: name for name in names}}  # fmt: skip
        found["apart"] = {"auc": 0.9, "usual": 0.8, "columns": dict.fromkeys(names, 0.2)}
        connection.execute(update(checks).where(own).values(findings=json.dumps(found)))


@pytest.fixture(scope="module")
def browser(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Browser]:
    with browsing(tmp_path_factory.mktemp("chromium")) as browser:
        yield browser


@pytest.mark.parametrize("start", PLACES[:WHOLE])
def test_nothing_of_a_hostile_table_runs(start: int, browser: Browser, tmp_path: Path) -> None:
    with _place(tmp_path, start) as place:
        assert place.check.report is not None
        report = place.settings.reports_dir / place.check.report
        assert report.stat().st_size < MOST_BYTES
        for query in ("", f"?{BARE}"):
            drawn = browser.visit(f"{place.url}/reports/{place.check.report}{query}")
            assert drawn.executions == []
            assert drawn.title == ""
            assert drawn.pictures > COLUMNS  # the page did draw
        ours = browser.visit(f"{place.url}/reports/{place.check.check_id}?{BARE}")
        assert ours.executions == []
        assert ours.title.startswith("Check of ")
        assert "The champion stays." in ours.text
        assert "what hurts" in ours.text and "it goes by" in ours.text
        listed = browser.visit(f"{place.url}/reports?{BARE}")
        assert listed.executions == []
        assert listed.title == "Reports - Perennial"


@pytest.mark.parametrize(
    "start",
    [*PLACES[WHOLE:FIRST], *(pytest.param(at, marks=pytest.mark.long) for at in PLACES[FIRST:])],
)
def test_nothing_of_a_hostile_report_runs(
    start: int, browser: Browser, settings: Settings, engine: Engine, tmp_path: Path
) -> None:
    schema = _schema(start)
    directory = tmp_path / "made"
    save_table_bundle(directory, schema, _rows(schema, start, 0))
    bundle, report = load_bundle(directory), settings.reports_dir / "hostile.html"
    current = _rows(schema, start, 1, rare=True)
    answers = pd.DataFrame(bundle.model().answers_of(current), columns=schema.answers)
    write_report(bundle, current.join(answers), schema.names, {}, report)
    assert report.stat().st_size < MOST_BYTES
    with serving(settings, wrap=_bare) as port:
        drawn = browser.visit(f"http://127.0.0.1:{port}/reports/hostile.html?{BARE}")

    assert drawn.executions == []
    assert drawn.title == ""
    assert drawn.pictures > COLUMNS


@pytest.mark.parametrize("place", ["values", "names"])
def test_the_same_would_run_if_they_were_not_made_plain(
    place: str, browser: Browser, settings: Settings, engine: Engine
) -> None:
    """So this file can fail. The policy leaves what runs no origin and no network."""
    random = np.random.default_rng(0)
    names = _pick(10, COLUMNS) if place == "names" else [f"column {i}" for i in range(COLUMNS)]
    values = _pick(0, VALUES) if place == "values" else ["a", "b"]
    reference, current = (
        pd.DataFrame({name: random.choice(np.array(values, object), ROWS) for name in names})
        for _ in range(2)
    )
    settings.reports_dir.mkdir()
    with warnings.catch_warnings():
        # Evidently's own imports warn and take seconds; monitoring runs it in its own process.
        warnings.simplefilter("ignore")
        from monitoring.drift import draw
    draw((reference, current), names, settings.reports_dir / "raw.html")
    with serving(settings, wrap=_bare) as port:
        url = f"http://127.0.0.1:{port}/reports/raw.html"
        bare, served = browser.visit(f"{url}?{BARE}"), browser.visit(url)

    assert bare.hooks and bare.asked and bare.origin == f"http://127.0.0.1:{port}"
    assert served.hooks  # it may run scripts, or nothing would be drawn
    assert served.asked == [] and served.opened == [] and served.dialogs == []
    assert served.origin == "null"
