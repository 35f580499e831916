"""People find a logged row and see where its answer comes from, however many rows there are."""

import csv
import json
from datetime import UTC, datetime, timedelta
from io import StringIO
from typing import Any
from urllib.parse import urlencode

import pytest
from sqlalchemy import Engine, insert
from starlette.testclient import TestClient
from uuid_utils import uuid7

from contracts.database import write_transaction
from contracts.settings import Settings
from contracts.tables import checks, predictions
from service.app import create_app
from service.finding.read import SCANNED, SHOWN
from service.finding.search import is_value
from service.finding.view import make_answer
from tests.bundles import EXAMPLE
from tests.conftest import bearer, make_champion
from tests.hostile import payloads
from tests.service.pages import Page, what_could_run
from tests.service.test_sign_in import PAGE, Opener, client_of

__all__ = ["client_of"]
START = datetime(2026, 5, 1, tzinfo=UTC)
UNKNOWN = "01a1fd10-fe88-726d-baae-03e524146a94"
# Turns text about, hides in it, is calculated by a spreadsheet, or ends an attribute or a tag.
ODD = ["=1+1", "+1", "-1+2", "@SUM(A1)", "\tx", "\rx", '=HYPERLINK("http://evil.example")',
       "\u202egpj.exe", "\u2066a\u2069", "\u200bzero", "\u061cmark", "\x1b[31mred",
       "'", '"', "`", "&amp;", "&lt;b&gt;", "</table>", "--", "{{ 7 * 7 }}", "%2e%2e/",
       "a" * 999]  # fmt: skip
INVISIBLE = "\u202e\u2066\u200b\u061c\x1b"
HOSTILE = [*ODD, *(text for text in payloads() if "\x00" not in text)]


def predict(client: TestClient, *rows: dict[str, Any], at: datetime = START) -> list[str]:
    body = {"instances": list(rows), "event_time": at.isoformat()}
    answer = client.post("/predict", json=body)
    assert answer.status_code == 200, answer.text
    return answer.json()["prediction_id"]


def look(client: TestClient, **query: str) -> Page:
    answer = client.get("/predictions", params=query, headers=PAGE)
    assert answer.status_code == 200, answer.text
    assert what_could_run(answer.text) == []
    return Page(answer.text)


def shown(page: Page) -> list[str]:
    return [link.rpartition("/")[2] for link in page.links("/predictions/")]


def write_rows(engine: Engine, version: str, number: int, **changed: Any) -> list[str]:
    """Rows as the service would log them, but many at once."""
    names = [str(uuid7()) for _ in range(number)]
    row = {"predicted_at": START, "event_time": START, "model_version": version,
           "features": json.dumps(EXAMPLE), "prediction": "1", "probability": 0.7}  # fmt: skip
    with write_transaction(engine) as connection:
        every = [{"prediction_id": name, **row, **changed} for name in names]
        connection.execute(insert(predictions), every)
    return names


def test_an_empty_database_says_how_to_fill_it(settings: Settings, engine: Engine) -> None:
    with TestClient(create_app(settings)) as client:
        page = look(client)
    assert "No prediction yet" in page.words
    assert page.links("/try")


def test_every_row_is_shown_once_the_newest_first(client: TestClient, engine: Engine) -> None:
    ids = predict(client, *[EXAMPLE] * (2 * SHOWN + 7))
    found, address = [], "/predictions"
    for _ in range(3):
        page = Page(client.get(address, headers=PAGE).text)
        found += shown(page)
        links = [link for link in page.links("/predictions?") if "format=" not in link]
        address = next((link for link in links if "before=" in link), "")

    assert found == sorted(ids, reverse=True)
    assert address == ""


def test_a_whole_id_leads_to_its_page(client: TestClient) -> None:
    (name,) = predict(client, EXAMPLE)
    answer = client.get("/predictions", params={"id": f" {name} "}, headers=PAGE)
    assert answer.url.path == f"/predictions/{name}"
    for other in (name[:-1], UNKNOWN, "\x00" * 36, "../models"):
        answer = client.get("/predictions", params={"id": other}, headers=PAGE)
        assert (answer.status_code, answer.url.path) == (422, "/predictions")
        assert "no prediction has this id" in answer.text


def test_rows_are_found_by_a_feature_s_value(client: TestClient) -> None:
    odd = predict(client, {**EXAMPLE, "carrier": "ZZ", "temp": 3})
    predict(client, EXAMPLE, EXAMPLE)

    assert shown(look(client, feature="carrier", value="ZZ")) == odd
    assert shown(look(client, feature="temp", value="3.0")) == odd
    assert shown(look(client, feature="carrier", value="zz")) == []
    assert shown(look(client, feature="nothing", value="zz")) == []


@pytest.mark.parametrize(
    ("logged", "typed", "same"),
    [(True, "TRUE", True), (True, "1", False), (None, "None", False), (2, "x", False),
     (2.5, "2.50", True), ("2.5", "2.50", False), ("é", "é", True)],
)  # fmt: skip
def test_a_typed_value_is_compared_in_its_kind(logged: object, typed: str, same: bool) -> None:
    assert is_value(logged, typed) is same


@pytest.mark.parametrize("query", [{}, {"from": "2026-04-01T00:00"}], ids=["by id", "by time"])
def test_a_search_looks_at_so_many_rows_and_goes_on_from_there(
    client: TestClient, engine: Engine, champion: str, query: dict[str, str]
) -> None:
    features = json.dumps({**EXAMPLE, "carrier": "old"})
    (old,) = write_rows(engine, champion, 1, features=features)
    write_rows(engine, champion, SCANNED + 5)

    page = look(client, feature="carrier", value="old", **query)
    assert shown(page) == []
    assert f"Looked at {SCANNED:,} predictions" in page.words
    (further,) = [link for link in page.links("/predictions?") if "before=" in link]
    assert shown(Page(client.get(further, headers=PAGE).text)) == [old]


def test_times_are_utc_and_the_end_is_not_part_of_a_range(client: TestClient) -> None:
    hours = [predict(client, EXAMPLE, at=START + timedelta(hours=hour))[0] for hour in range(4)]

    assert shown(look(client, **{"from": "2026-05-01T01:00", "to": "2026-05-01T03:00"})) == [
        hours[2], hours[1]
    ]  # fmt: skip
    assert shown(look(client, **{"from": "2026-05-01T05:00:00+02:00"})) == [hours[3]]
    assert shown(look(client, to="2026-05-01T00:00")) == []


def test_rows_of_one_moment_are_paged_through_too(client: TestClient) -> None:
    ids = predict(client, *[EXAMPLE] * (SHOWN + 3))
    page = look(client, **{"from": "2026-05-01T00:00"})
    (further,) = [link for link in page.links("/predictions?") if "format=" not in link]

    assert shown(page) + shown(Page(client.get(further, headers=PAGE).text)) == ids[::-1]


def test_a_version_that_answered_long_ago_is_found_by_its_reign(
    client: TestClient, engine: Engine, registered: tuple[str, str]
) -> None:
    first, second = registered
    at = datetime(2026, 1, 1, 12, tzinfo=UTC)  # its reign began at midnight
    (old,) = write_rows(engine, first, 1, event_time=at)
    write_rows(engine, second, SCANNED)
    make_champion(engine, second)

    assert shown(look(client, version=second))[0] != old
    page = look(client, version=first)
    assert shown(page) == []
    (reign,) = [link for link in page.links("/predictions?") if "from=2026-01-01" in link]
    assert f"version={first}" in reign


@pytest.mark.parametrize(
    ("query", "told"),
    [
        ({"from": "yesterday"}, "is no moment"),
        ({"from": "0001-01-01T00:00:00+14:00"}, "is no moment"),
        ({"from": "2026-02-01T00:00", "to": "2026-01-01T00:00"}, "has to be later"),
        ({"value": "UA"}, "choose whose value"),
        ({"feature": "carrier"}, "type the value"),
    ],
)
def test_a_search_that_makes_no_sense_is_told_beside_the_field(
    client: TestClient, query: dict[str, str], told: str
) -> None:
    answer = client.get("/predictions", params=query, headers=PAGE)
    assert answer.status_code == 422
    assert told in answer.text
    assert 'aria-invalid="true"' in answer.text


@pytest.mark.parametrize("query", ["before=x&at=y", "before=%00&at=2026-01-01", "version=%00%ff"])
def test_a_page_that_nobody_was_led_to_is_no_error(client: TestClient, query: str) -> None:
    assert client.get(f"/predictions?{query}", headers=PAGE).status_code == 200


def test_shown_rows_are_downloaded_as_csv_and_json(client: TestClient) -> None:
    (name,) = predict(client, EXAMPLE)
    client.post("/outcomes", json={"prediction_id": name, "outcome": 0})
    text = client.get("/predictions?format=csv")
    (row,) = csv.DictReader(StringIO(text.text))
    (same,) = client.get("/predictions?format=json").json()["predictions"]

    assert text.headers["content-disposition"] == 'attachment; filename="predictions.csv"'
    assert (row["prediction_id"], row["outcome"], row["features.temp"]) == (name, "0", "61.5")
    assert (same["prediction_id"], same["outcome"], same["features"]) == (name, 0, EXAMPLE)


def test_no_cell_of_a_download_is_a_formula(client: TestClient) -> None:
    predict(client, *({**EXAMPLE, "carrier": text, "temp": -5} for text in ODD))
    rows = list(csv.DictReader(StringIO(client.get("/predictions?format=csv").text, newline="")))

    assert len(rows) == len(ODD)
    for row in rows:
        assert row["features.carrier"][:1] not in tuple("=+-@\t\r")
        assert row["features.temp"] == "-5"  # a number is none


def test_a_row_s_page_tells_answer_row_outcomes_and_lineage(
    client: TestClient, champion: str, engine: Engine
) -> None:
    (name,) = predict(client, {**EXAMPLE, "temp": 1000, "carrier": "ZZ"})
    for outcome in (1, 0):
        client.post("/outcomes", json={"prediction_id": name, "outcome": outcome})
    check_id = str(uuid7())
    check = {"check_id": check_id, "checked_at": START, "model_version": champion, "rows": 1,
             "window_from": START - timedelta(days=1), "window_to": START + timedelta(days=1),
             "outcomes": 1, "decision": "keep", "reason": "calm",
             "findings": json.dumps({"inputs": {"state": "watch"}})}  # fmt: skip
    with write_transaction(engine) as connection:
        connection.execute(insert(checks).values(check))
    answer = client.get(f"/predictions/{name}", headers=PAGE)
    page = Page(answer.text)

    assert answer.status_code == 200
    assert what_could_run(answer.text) == []
    assert page.words.count("new to the model") == 2
    assert "10 to 100" in page.words and "3 values" in page.words
    assert "corrected" in page.words and "Outcome: 0" in page.words
    assert f"python -m monitoring.why {name}" in page.words
    assert page.links(f"/reports/{check_id}") and "inputs changed" in page.words
    assert ("div", f"/try/{name}/reasons") in [(t, a.get("hx-get")) for t, a in page.tags]
    assert page.words.count(champion) >= 2  # the bundle's digest begins with it
    assert "2013-01-01T00:00:00Z to 2013-04-01T00:00:00Z" in page.words


def test_a_row_whose_bundle_is_gone_still_has_a_page(
    client: TestClient, settings: Settings, champion: str, engine: Engine
) -> None:
    (name,) = write_rows(engine, "0" * 12, 1)
    page = Page(client.get(f"/predictions/{name}", headers=PAGE).text)

    assert "cannot be read here" in page.words
    assert "git commit" in page.words


@pytest.mark.parametrize("name", [UNKNOWN, "x", "%3Cscript%3Ealert(1)", "%F0%9F%98"])
def test_an_unknown_id_has_a_friendly_page(client: TestClient, name: str) -> None:
    answer = client.get(f"/predictions/{name}", headers=PAGE)

    assert answer.status_code == 404
    assert "Look for it" in answer.text
    assert what_could_run(answer.text) == []


def test_programs_get_json_where_people_get_a_page(client: TestClient) -> None:
    (name,) = predict(client, EXAMPLE)
    for headers in ({}, {"Accept": "application/json"}, {"Accept": "*/*"}):
        answer = client.get(f"/predictions/{name}", headers=headers)
        assert answer.json()["features"] == EXAMPLE
    assert client.get(f"/predictions/{UNKNOWN}").json()["detail"].startswith("no prediction")


def test_no_value_becomes_more_than_text(client: TestClient) -> None:
    ids = predict(client, *({**EXAMPLE, "carrier": text} for text in HOSTILE))
    assert len(HOSTILE) > 100

    for name, text in zip(ids, HOSTILE, strict=True):
        answer = client.get(f"/predictions/{name}", headers=PAGE)
        assert (answer.status_code, what_could_run(answer.text)) == (200, []), text
        assert not any(mark in answer.text for mark in INVISIBLE)
    for text in HOSTILE:
        query = urlencode({"feature": text, "value": text, "version": text, "from": text})
        answer = client.get(f"/predictions?{query}", headers=PAGE)
        assert (answer.status_code, what_could_run(answer.text)) == (422, []), text
        assert not any(mark in answer.text for mark in INVISIBLE)


def test_whoever_may_not_read_sees_no_rows(
    closed: TestClient, keys: dict[str, str], client_of: Opener
) -> None:
    for path in ("/predictions", f"/predictions/{UNKNOWN}", f"/predictions/{UNKNOWN}/outcomes"):
        assert closed.get(path, headers={**PAGE, **bearer(keys["predict"])}).status_code == 403
        assert client_of(None).get(path, headers=PAGE).url.path == "/sign-in"


def test_many_classes_and_numbers_are_answers_of_their_own_kind() -> None:
    row = {"prediction_id": UNKNOWN, "prediction": "b", "probability": 0.5}
    assert make_answer({**row, "scores": [0.2, 0.5, 0.3]})["probability"] == [0.2, 0.5, 0.3]
    number = make_answer({**row, "prediction": 3.5, "probability": None, "scores": [2.0, 5.0]})
    assert (number["interval"], number["probability"]) == ([2.0, 5.0], None)
