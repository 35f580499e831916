"""People say what became true: one, beside a wanted row, or as a table, by the rules of the API."""

import re
from datetime import UTC, datetime, timedelta

import pytest
from sqlalchemy import Engine, func, select
from starlette.testclient import TestClient

from contracts.schema import Target
from contracts.settings import Settings
from contracts.tables import outcomes
from service.app import create_app
from service.labels.typed import MOST_ROWS, label_of, row_of, rows_of
from service.routes.labels import SHOWN
from service.trying.form import TableError
from tests.bundles import EXAMPLE, make_schema
from tests.conftest import bearer
from tests.service.pages import Page, what_could_run
from tests.service.test_predictions_page import HOSTILE, UNKNOWN, predict
from tests.service.test_sign_in import PAGE, Opener, client_of, csrf

__all__ = ["client_of"]
TARGET = make_schema().target
CLASSES = Target("mood", ("good", "-1", "", "2"), task="multiclass")
NUMBER = Target("minutes", task="regression")


def yesterday() -> datetime:
    return datetime.now(UTC) - timedelta(hours=30)


def enter(client: TestClient, name: str, outcome: str, **more: str) -> tuple[int, str]:
    form = {"prediction_id": name, "outcome": outcome, **more}
    answer = client.post("/outcomes/enter", data=form, headers=PAGE)
    assert what_could_run(answer.text) == []
    return answer.status_code, " ".join(Page(answer.text).words.split())


def paste(client: TestClient, table: str) -> tuple[int, str]:
    answer = client.post("/outcomes/table", data={"table": table}, headers=PAGE)
    assert what_could_run(answer.text) == []
    return answer.status_code, " ".join(Page(answer.text).words.split())


def count(engine: Engine) -> int:
    with engine.connect() as connection:
        return connection.execute(select(func.count()).select_from(outcomes)).scalar_one()


def test_a_service_without_a_champion_says_what_comes_first(
    settings: Settings, engine: Engine
) -> None:
    with TestClient(create_app(settings)) as client:
        answer = client.get("/outcomes", headers=PAGE)
    assert answer.status_code == 200
    assert "No model answers yet" in answer.text


def test_the_most_wanted_have_a_form_each_until_they_have_an_outcome(client: TestClient) -> None:
    rows = [{**EXAMPLE, "hour": hour} for hour in range(SHOWN + 4)]
    ids = predict(client, *rows, at=yesterday())
    young = predict(client, EXAMPLE, at=datetime.now(UTC))
    page = client.get("/outcomes", headers=PAGE).text
    wanted = re.findall(r'name="prediction_id" value="([^"]+)"', page)

    assert len(wanted) == SHOWN and set(wanted) <= set(ids)
    assert what_could_run(page) == []
    assert page.count('<option value="1">1</option>') == SHOWN + 1
    for name in ids:
        assert enter(client, name, "1")[0] == 200
    assert "None is wanted" in client.get("/outcomes", headers=PAGE).text
    found = client.get("/outcomes?hours=0", headers=PAGE).text
    assert re.findall(r'name="prediction_id" value="([^"]+)"', found) == young


@pytest.mark.parametrize("hours", ["-1", "x", "nan", "1e9", "inf"])
def test_an_age_that_makes_no_sense_is_told(client: TestClient, hours: str) -> None:
    answer = client.get("/outcomes", params={"hours": hours}, headers=PAGE)
    assert answer.status_code == 422
    assert 'aria-invalid="true"' in answer.text


def test_entering_records_repeats_and_corrects(client: TestClient, engine: Engine) -> None:
    (name,) = predict(client, EXAMPLE)
    assert enter(client, f" {name} ", "1", observed_at="2026-05-02T10:30") == (
        200, f"recorded outcome 1 of {name}"
    )  # fmt: skip
    assert enter(client, name, "1")[1].startswith("unchanged")
    assert enter(client, name, "0")[1].startswith("corrected")
    row = client.get(f"/predictions/{name}").json()

    assert [one["outcome"] for one in row["outcomes"]] == [1, 0]
    assert row["outcomes"][0]["observed_at"] == "2026-05-02T10:30:00Z"
    assert count(engine) == 2


def test_an_open_page_of_the_row_is_told_of_a_new_outcome(client: TestClient) -> None:
    (name,) = predict(client, EXAMPLE)
    form = {"prediction_id": name, "outcome": "1"}
    assert client.post("/outcomes/enter", data=form).headers["hx-trigger"] == "entered"
    assert 'hx-trigger="entered from:body"' in client.get(f"/predictions/{name}", headers=PAGE).text
    assert "Outcome: 1" in Page(client.get(f"/predictions/{name}/outcomes").text).words


@pytest.mark.parametrize(
    ("outcome", "observed_at", "told"),
    [
        ("2", "", "is not a class of the target; allowed: one of 0, 1"),
        ("", "", "is not a class"),
        ("true", "", "is not a class"),
        ("1", "tomorrow", "observed_at"),
        ("1", "2026-13-45T00:00", "observed_at"),
    ],
)
def test_what_cannot_be_an_outcome_is_told_and_not_recorded(
    client: TestClient, engine: Engine, outcome: str, observed_at: str, told: str
) -> None:
    (name,) = predict(client, EXAMPLE)
    status, text = enter(client, name, outcome, observed_at=observed_at)

    assert status == 422
    assert told in text and "Nothing was recorded" in text
    assert count(engine) == 0


def test_an_outcome_of_nothing_is_told(client: TestClient) -> None:
    assert enter(client, UNKNOWN, "1")[0] == 422
    assert "no prediction has this id" in enter(client, "\x00", "1")[1]
    assert client.post("/outcomes/enter").status_code == 422


def test_each_row_of_a_table_has_its_result(client: TestClient, engine: Engine) -> None:
    first, second, third = predict(client, *[EXAMPLE] * 3)
    enter(client, second, "1")
    enter(client, third, "1")
    status, text = paste(
        client,
        f"prediction_id,outcome,observed_at,note\n{first},1,2026-05-02,a\n{second},1.0,,b\n"
        f"{UNKNOWN},0,,c\n\n{first},,,nothing yet\n{third},0,2026-05-02T10:00+02:00,d\n",
    )

    assert status == 200
    assert "1 recorded 1 corrected 1 unchanged 1 unknown 1 without an outcome" in text
    assert [re.search(rf"{name} \S+ (\w+)", text)[1] for name in (first, second, UNKNOWN, third)] \
        == ["recorded", "unchanged", "unknown", "corrected"]  # fmt: skip
    assert f"5 {third}" in text  # the number of its row in the table
    assert count(engine) == 4


def test_a_download_comes_back_with_its_outcomes_filled_in(client: TestClient) -> None:
    ids = predict(client, EXAMPLE, EXAMPLE)
    table = client.get("/predictions?format=csv").text.splitlines()
    at = table[0].split(",").index("outcome")
    filled = [line.split(",") for line in table]
    for line in filled[1:]:
        line[at] = "1"

    status, text = paste(client, "\n".join(",".join(line) for line in filled))
    assert (status, "2 recorded" in text) == (200, True)
    assert client.get(f"/predictions/{ids[0]}").json()["outcome"] == 1


@pytest.mark.parametrize(
    ("table", "told"),
    [
        ("", "has to name prediction_id and outcome"),
        ("a,b\n1,2", "has to name prediction_id and outcome"),
        ("prediction_id,outcome", "no row has an outcome"),
        ("prediction_id,outcome\nx,1,2", "row 1 has 3 values"),
        ("prediction_id,outcome\n" + "x,1\n" * (MOST_ROWS + 1), "at most 1000 here"),
        ("prediction_id,outcome\nx,\nx,1\nx,7", "row 3, outcome: is not a class"),
        ("prediction_id,outcome\n" + "x" * 200_000 + ",1", "this is no CSV"),
        ("prediction_id,outcome\nx,\x00", "Nothing was recorded"),
    ],
    ids=range(8),
)
def test_a_table_that_cannot_be_read_is_told_and_nothing_recorded(
    client: TestClient, engine: Engine, table: str, told: str
) -> None:
    status, text = paste(client, table)

    assert status == 422
    assert told in text
    assert count(engine) == 0


def test_typed_labels_become_those_of_the_target() -> None:
    assert label_of(TARGET, "1") == 1 and type(label_of(TARGET, "1.0")) is int
    assert label_of(CLASSES, "2") == "2" and label_of(CLASSES, "-1") == "-1"
    assert label_of(CLASSES, "2.0") == "2.0"  # a text, and none of its classes
    assert label_of(NUMBER, "3") == 3 and label_of(NUMBER, "-2.5e3") == -2500.0
    assert label_of(NUMBER, "soon") == "soon"
    assert label_of(Target("x", (False, True)), "True") is True
    assert "observed_at" not in row_of(TARGET, {"observed_at": " "})
    assert rows_of(TARGET, "outcome\tprediction_id\n1\tx").rows == [
        {"prediction_id": "x", "outcome": 1}
    ]
    with pytest.raises(TableError, match="at most 1"):
        rows_of(TARGET, "prediction_id,outcome\nx,1\ny,1", 1)


def test_a_reader_is_refused_and_told_what_it_takes(
    client_of: Opener, closed: TestClient, keys: dict[str, str], engine: Engine
) -> None:
    reader = client_of(keys["read"])
    form = {"prediction_id": UNKNOWN, "outcome": "1", "table": "x"}
    page = reader.get("/outcomes", headers=PAGE)
    assert page.status_code == 200
    assert "takes a key with the scope" in page.text and "/outcomes/enter" not in page.text
    for path in ("/outcomes/enter", "/outcomes/table"):
        answer = reader.post(path, data=form, headers=csrf(reader))
        assert (answer.status_code, "scope outcomes" in answer.text) == (403, True)
        assert closed.post(path, data=form, headers=bearer(keys["predict"])).status_code == 403
        assert client_of(None).post(path, data=form).status_code == 401
    assert count(engine) == 0


def test_whoever_may_is_let_in_with_the_page_s_token_alone(
    client_of: Opener, keys: dict[str, str], engine: Engine
) -> None:
    browser = client_of(keys["all"])
    token = csrf(browser)
    name = browser.post("/predict", json={"features": EXAMPLE}, headers=token).json()
    form = {"prediction_id": name["prediction_id"][0], "outcome": "1"}

    assert "/outcomes/enter" in browser.get("/outcomes", headers=PAGE).text
    assert browser.post("/outcomes/enter", data=form).status_code == 403
    foreign = {**token, "Origin": "https://evil.example"}
    assert browser.post("/outcomes/enter", data=form, headers=foreign).status_code == 403
    assert count(engine) == 0
    assert browser.post("/outcomes/enter", data=form, headers=token).status_code == 200


def test_programs_are_still_told_that_outcomes_are_posted(client: TestClient) -> None:
    answer = client.get("/outcomes")
    assert (answer.status_code, answer.headers["allow"]) == (405, "POST")


def test_no_typed_text_becomes_more_than_text(client: TestClient) -> None:
    ids = predict(client, *({**EXAMPLE, "carrier": text} for text in HOSTILE), at=yesterday())
    page = client.get("/outcomes", headers=PAGE)
    assert (page.status_code, what_could_run(page.text)) == (200, [])
    for text in HOSTILE:
        enter(client, text, "1")
        enter(client, ids[0], text, observed_at=text)
        quoted = text.replace('"', '""')
        paste(client, f'prediction_id,outcome\n"{quoted}",1\n{ids[0]},"{quoted}"')
        status, told = paste(client, f'prediction_id,outcome\n"{quoted}",1')
        assert status == 200 and "unknown" in told or status == 422, text
