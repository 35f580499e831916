"""Hostile names, categories, values, reasons and keys on every page: they stay text.

Every payload of tests/hostile.py that a database takes is the name of a feature and a category; is
asked about, given as a reason, and is somebody's name. With our policy, and in a browser that
ignores it.
"""

import json
from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from typing import Any
from urllib.parse import quote

import numpy as np
import pandas as pd
import pytest
from playwright.sync_api import Browser, Route
from sqlalchemy import Engine, insert
from uuid_utils import uuid7

from contracts.database import make_engine, write_transaction
from contracts.migrate import migrate
from contracts.registry import promote, register
from contracts.schema import EVENT_TIME, Feature, FeatureSchema, Target
from contracts.settings import Settings
from contracts.tables import checks, decisions, predictions, retrains, scorings
from service.access.key_store import ALL_SCOPES, NewKey, create_key
from tests.browser import CANARY, HOOK, find_chromium
from tests.hostile import payloads
from tests.pages.listed import PAGES
from tests.pages.places import Place, served
from tests.pages.watched import Tab, tab
from tests.task_bundles import save_table_bundle

pytestmark = [
    pytest.mark.slow,
    pytest.mark.skipif(find_chromium() is None, reason="needs Chromium"),
]
PAYLOADS = [text for text in payloads() if "\0" not in text]  # no request may have a NUL
ROWS = 200
VALUES = 4  # of one feature
ACTORS = 30
# Opens what is folded, and points at everything, as a reader would.
_EXPLORE = """() => {
  document.querySelectorAll('details').forEach((one) => one.open = true)
  for (const one of document.querySelectorAll('main *')) {
    const box = one.getBoundingClientRect()
    for (const kind of ['mouseover', 'mousemove', 'mouseenter', 'focus', 'toggle'])
      one.dispatchEvent(new MouseEvent(kind, {bubbles: true, clientX: box.x, clientY: box.y}))
  }
}"""


def _schema() -> FeatureSchema:
    features = []
    for i, name in enumerate(PAYLOADS):
        seen = tuple(_values(i))
        features.append(Feature(name, "categorical", True, categories=seen, example=seen[0]))
    features.append(Feature("number", "numeric", True, 0.0, 1.0, example=0.5))
    target = Target(PAYLOADS[0] + " ", tuple(PAYLOADS[1:4]), task="multiclass")
    return FeatureSchema(tuple(features), target, EVENT_TIME)


def _values(start: int) -> list[str]:
    return [PAYLOADS[(start + i) % len(PAYLOADS)] for i in range(VALUES)]


def _rows(schema: FeatureSchema) -> pd.DataFrame:
    random = np.random.default_rng(0)
    columns = {name: random.choice(np.array(_values(i), object), ROWS)
               for i, name in enumerate(schema.categorical)}  # fmt: skip
    frame = pd.DataFrame(columns, dtype=object).assign(number=random.random(ROWS))
    classes = np.array(schema.target.classes, object)
    frame[schema.target.name] = random.choice(classes, ROWS)
    times = pd.date_range("2026-01-01", periods=ROWS, freq="1h", tz="UTC").as_unit("us")
    return frame.assign(**{EVENT_TIME: times})


@pytest.fixture(scope="module")
def schema() -> FeatureSchema:
    return _schema()


@pytest.fixture(scope="module")
def place(tmp_path_factory: pytest.TempPathFactory, schema: FeatureSchema) -> Place:
    directory = tmp_path_factory.mktemp("hostile")
    settings = Settings(
        _env_file=None,
        database_url=f"sqlite:///{directory}/perennial.db",
        bundles_dir=directory / "bundles",
        reports_dir=directory / "reports",
        spool_dir=directory / "spool",
        metrics_dir=directory / "metrics",
    )
    engine, now = make_engine(settings.database_url), datetime.now(UTC)
    migrate(engine)
    save_table_bundle(directory / "made", schema, _rows(schema))
    version = register(engine, settings.bundles_dir, directory / "made", now, {"by": PAYLOADS[0]})
    with write_transaction(engine) as connection:
        for text in PAYLOADS:
            promote(connection, version, actor=text[:200], reason=text, now=now)
    keys = {name: create_key(engine, NewKey(name, ALL_SCOPES), actor=name, now=now)
            for name in [text[:200] for text in PAYLOADS][:: len(PAYLOADS) // ACTORS]}  # fmt: skip
    known = {"check": _tell(engine, version, now), "version": version,
             "prediction": _ask(engine, schema, version, now),
             "scoring": _send(engine, now)}  # fmt: skip
    engine.dispose()
    return Place(settings, keys, known)


def _ask(engine: Engine, schema: FeatureSchema, version: str, now: datetime) -> str:
    """As if each payload had been a category of each feature."""
    names = [str(uuid7()) for _ in PAYLOADS]
    rows = [{"prediction_id": name, "predicted_at": now, "event_time": now,
             "model_version": version,
             "features": json.dumps({**dict.fromkeys(schema.categorical, text), "number": 0.5}),
             "prediction": json.dumps(text), "scores": "[0.5, 0.3, 0.2]", "probability": 0.5}
            for name, text in zip(names, PAYLOADS, strict=True)]  # fmt: skip
    with write_transaction(engine) as connection:
        connection.execute(insert(predictions), rows)
    return names[-1]


def _send(engine: Engine, now: datetime) -> str:
    """As if each payload had sent a file, and been its end."""
    rows = [{"scoring_id": str(uuid7()), "asked_at": now, "actor": text[:200], "rows": 5_000,
             "state": "failed", "told": text} for text in PAYLOADS]  # fmt: skip
    with write_transaction(engine) as connection:
        connection.execute(insert(scorings), rows)
    return str(rows[-1]["scoring_id"])


def _tell(engine: Engine, version: str, now: datetime) -> str:
    """As if each payload were a cause, a reason, a state: of checks, retrains and decisions."""
    told: list[dict[str, Any]] = []
    for i, text in enumerate(PAYLOADS):
        at = now - timedelta(hours=len(PAYLOADS) - i)
        inputs = {"state": text, "causes": PAYLOADS, "columns": {}, "faults": PAYLOADS}
        findings = {"inputs": inputs, "report": {"error": text},
                    "harm": {"verdict": text, "reasons": PAYLOADS, "signs": []}}  # fmt: skip
        told.append({"check_id": str(uuid7()), "checked_at": at, "window_from": at,
                     "window_to": at, "model_version": version, "rows": 1, "outcomes": 1,
                     "decision": "keep", "reason": "; ".join(PAYLOADS[i:] + PAYLOADS[:i]),
                     "findings": json.dumps(findings)})  # fmt: skip
    with write_transaction(engine) as connection:
        connection.execute(insert(checks), told)
        connection.execute(
            insert(retrains), [_retrain(c, t) for c, t in zip(told, PAYLOADS, strict=True)]
        )
        connection.execute(
            insert(decisions), [_decision(c, t) for c, t in zip(told, PAYLOADS, strict=True)]
        )
    return str(told[-1]["check_id"])


def _retrain(check: dict[str, Any], text: str) -> dict[str, Any]:
    return {"retrain_id": str(uuid7()), "check_id": check["check_id"],
            "started_at": check["checked_at"], "state": "failed", "reason": text,
            "champion_version": text[:64], "challenger_version": text[:64],
            "verdict": json.dumps({"error": text, text: text})}  # fmt: skip


def _decision(check: dict[str, Any], text: str) -> dict[str, Any]:
    return {"decision_id": str(uuid7()), "decided_at": check["checked_at"], "trigger": "person",
            "trigger_id": check["check_id"], "actor": text[:200], "action": "retrain",
            "answer": "no", "seen": text, "reason": text}  # fmt: skip


@pytest.fixture(scope="module")
def url(place: Place, tmp_path_factory: pytest.TempPathFactory) -> Iterator[str]:
    with served(place, tmp_path_factory.mktemp("log") / "service.log") as url:
        yield url


@pytest.fixture(params=[False, True], ids=["with our policy", "without it"])
def person(
    request: pytest.FixtureRequest, chromium: Browser, place: Place, url: str
) -> Iterator[Tab]:
    """Signed in with a key of a hostile name; what runs tells of it."""
    (who, *_) = place.keys.values()
    heeds = not request.param
    with tab(chromium, url, "desktop", who, heeds_policy=heeds) as person:
        person.page.expose_function(HOOK, lambda *told: person.wrong.append(f"ran: {told}"))
        yield person


def _explore(person: Tab) -> None:
    person.page.evaluate(_EXPLORE)
    person.page.wait_for_timeout(300)


@pytest.mark.parametrize("path", PAGES)
def test_nothing_runs_on_a_page(path: str, person: Tab, place: Place) -> None:
    person.open(place.fill(path) or path)
    _explore(person)

    assert person.page.locator("h1").count() == 1
    assert person.wrong == []


def test_nothing_runs_whoever_has_signed_in(place: Place, url: str, chromium: Browser) -> None:
    assert len(place.keys) >= ACTORS
    for name, key in place.keys.items():
        with tab(chromium, url, "desktop", key, heeds_policy=False) as person:
            person.page.expose_function(HOOK, lambda *told: person.wrong.append(f"ran: {told}"))
            person.open("/sign-in")
            _explore(person)
            assert person.wrong == [], name


def test_nothing_runs_of_what_is_typed_and_answered(person: Tab, schema: FeatureSchema) -> None:
    page = person.page
    person.open("/try")
    page.get_by_role("button", name="Predict", exact=True).click()
    page.locator("#answer h2").wait_for()
    _explore(person)
    for text in PAYLOADS[::10]:
        page.locator("#table").fill(f"{text}\n{text}")
        with page.expect_response("**/try/table"):
            page.get_by_role("button", name="Predict all").click()
        _explore(person)

    refusals = [told for told in person.wrong if "422" in told]  # of tables that make no sense
    assert [told for told in person.wrong if told not in refusals] == []


def test_nothing_runs_of_an_address(person: Tab) -> None:
    for text in PAYLOADS[::7]:
        for path in ("/reports/", "/try/", "/predictions/", "/sign-in?next=/", "/?part="):
            person.page.goto(f"{person.url}{path}{quote(text, safe='')}")
    statuses = [told for told in person.wrong if " 40" in told or "status of 4" in told]
    assert [told for told in person.wrong if told not in statuses] == []


def test_the_same_would_run_if_it_were_not_made_plain(person: Tab) -> None:
    """So this file can fail."""

    def spoil(route: Route) -> None:
        answer = route.fetch()
        body = answer.text().replace("<main", "".join(PAYLOADS[:30]) + "<main")
        route.fulfill(response=answer, body=body)

    person.page.route(f"{person.url}/reports", spoil)
    person.open("/reports")
    person.page.wait_for_timeout(500)

    assert any(told.startswith("ran") or CANARY in told for told in person.wrong)
