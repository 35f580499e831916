"""A file of many rows is scored beside the requests, shown while it runs, and found again."""

import asyncio
import csv
import io
import re
import time
from datetime import UTC, datetime, timedelta
from types import SimpleNamespace

import pytest
from sqlalchemy import Engine, delete, func, insert, select
from starlette.testclient import TestClient
from uuid_utils import uuid7

from contracts.database import write_transaction
from contracts.settings import Settings
from contracts.tables import predictions, scoring_parts, scorings
from monitoring.deletion import delete_old_scorings
from service.access.access import ANYBODY
from service.app import create_app
from service.downloads import cell
from service.ledger.groups import QueueFullError
from service.trying.scoring import Scorings
from tests.bundles import EXAMPLE
from tests.conftest import NOW

ROWS = 1_203
VALUES = ["" if value is None else str(value) for value in EXAMPLE.values()]


def table(rows: int = ROWS, **wrong: int) -> str:
    """A CSV; `wrong` names a feature and the row, from 1, that has text there."""
    lines = [",".join(EXAMPLE)]
    for number in range(1, rows + 1):
        changed = {list(EXAMPLE).index(name): "far" for name, at in wrong.items() if at == number}
        lines.append(",".join(changed.get(i, value) for i, value in enumerate(VALUES)))
    return "\n".join(lines)


def send(client: TestClient, text: str) -> str:
    """The page of the file."""
    answer = client.post("/try/table", data={"table": text})
    assert answer.status_code == 204, answer.text
    return str(answer.headers["HX-Redirect"])


def wait(client: TestClient, page: str) -> str:
    """The page's part once nothing runs any more."""
    for _ in range(600):
        part = client.get(f"{page}?part=live").text
        if "hx-get" not in part:
            return part
        time.sleep(0.05)
    raise AssertionError(part)


def test_a_file_is_scored_logged_and_found_again(client: TestClient, engine: Engine) -> None:
    page = send(client, table())
    told = wait(client, page)

    assert f"<strong>{ROWS:,}</strong> of {ROWS:,} rows" in told and "done" in told
    with engine.connect() as connection:
        assert connection.execute(select(func.count()).select_from(predictions)).scalar() == ROWS
    assert f"A file of {ROWS:,} rows" in client.get(page).text
    assert f'href="{page}"' in client.get("/try").text

    rows = list(csv.DictReader(io.StringIO(client.get(f"{page}.csv").text)))
    assert [int(row["row"]) for row in rows] == list(range(1, ROWS + 1))
    assert rows[0]["features.carrier"] == EXAMPLE["carrier"]
    listed = client.get(f"{page}.json").json()["rows"]
    assert [row["prediction_id"] for row in listed] == [row["prediction_id"] for row in rows]
    assert listed[7]["features"] == EXAMPLE
    asked = client.get(f"/predictions/{listed[-1]['prediction_id']}").json()
    assert asked["prediction"] == listed[-1]["prediction"]


def test_a_wrong_row_is_named_and_those_before_it_stay(client: TestClient, engine: Engine) -> None:
    told = wait(client, send(client, table(hour=1_100)))

    assert "failed" in told and "row 1,100, hour: not " in told
    assert "far" not in told  # what was typed may be somebody's, and this is kept
    assert "<strong>1,000</strong> of 1,203 rows" in told  # whole parts
    with engine.connect() as connection:
        assert connection.execute(select(func.count()).select_from(predictions)).scalar() == 1_000


def test_a_file_keeps_to_the_rows_of_one_request(
    settings: Settings, champion: str, engine: Engine
) -> None:
    with TestClient(create_app(settings.model_copy(update={"max_rows": 400}))) as client:
        told = wait(client, send(client, table()))

    assert f"<strong>{ROWS:,}</strong> of {ROWS:,} rows" in told and "done" in told


def test_few_rows_are_answered_at_once(client: TestClient, engine: Engine) -> None:
    answer = client.post("/try/table", data={"table": table(1_000)})

    assert "1000 rows answered and logged" in answer.text
    with engine.connect() as connection:
        assert connection.execute(select(scorings)).first() is None


def test_too_many_rows_are_refused_before_any_is_answered(client: TestClient) -> None:
    answer = client.post("/try/table", data={"table": "hour\n" + "1\n" * 100_001})

    assert answer.status_code == 422
    assert "100001 rows; at most 100000 in one file" in answer.text


def test_a_deleted_prediction_is_gone_from_the_answers_too(
    client: TestClient, engine: Engine
) -> None:
    page = send(client, table())
    wait(client, page)
    gone = client.get(f"{page}.json").json()["rows"][3]["prediction_id"]
    with write_transaction(engine) as connection:
        connection.execute(delete(predictions).where(predictions.c.prediction_id == gone))

    lines = list(csv.DictReader(io.StringIO(client.get(f"{page}.csv").text)))
    assert (lines[3]["prediction"], lines[4]["features.carrier"]) == ("", EXAMPLE["carrier"])
    row = client.get(f"{page}.json").json()["rows"][3]
    assert row == {"row": 4, "prediction_id": gone, "prediction": None, "probability": None,
                   "model_version": None, "features": {}}  # fmt: skip


def test_columns_are_named_although_the_first_rows_are_gone(
    client: TestClient, engine: Engine
) -> None:
    page = send(client, table())
    wait(client, page)
    gone = [row["prediction_id"] for row in client.get(f"{page}.json").json()["rows"][:3]]
    with write_transaction(engine) as connection:
        connection.execute(delete(predictions).where(predictions.c.prediction_id.in_(gone)))
    lines = list(csv.DictReader(io.StringIO(client.get(f"{page}.csv").text)))

    assert [int(line["row"]) for line in lines] == list(range(1, ROWS + 1))
    assert lines[0]["features.carrier"] == ""
    assert lines[3]["features.carrier"] == EXAMPLE["carrier"]


def test_who_stops_the_service_is_told_so(
    settings: Settings, champion: str, engine: Engine
) -> None:
    with TestClient(create_app(settings)) as client:
        page = send(client, table(60_000))
        client.get(page)
    with engine.connect() as connection:
        row = connection.execute(select(scorings)).one()
        answered = connection.execute(select(func.sum(scoring_parts.c.rows))).scalar() or 0
        logged = connection.execute(select(func.count()).select_from(predictions)).scalar()

    assert row.state == "failed" and "the service was stopped" in row.told
    assert 0 <= logged - answered <= 500  # the part whose note the end has cut off


def test_a_fifth_file_has_to_wait(client: TestClient) -> None:
    for _ in range(4):
        send(client, table(20_000))
    answer = client.post("/try/table", data={"table": table()})

    assert answer.status_code == 422
    assert "4 files are being scored; send this one when one is done" in answer.text


class Moody:
    """Answers at once; its ledger has no room for every other write."""

    def __init__(self) -> None:
        self.asked = 0
        self.written: list[object] = []

    async def answer_rows(self, rows: list[object], _question: object) -> SimpleNamespace:
        return SimpleNamespace(prediction_id=[str(uuid7()) for _ in rows])

    async def run(self, task: object) -> None:
        self.asked += 1
        if self.asked > 1 and self.asked % 2 == 0:  # the first one is the file itself
            raise QueueFullError
        self.written.append(task)


def test_a_ledger_without_room_costs_time_and_no_id() -> None:
    moody = Moody()

    async def score() -> None:
        scorings = Scorings(moody, moody.run, lambda: NOW, 10_000)  # type: ignore[arg-type]  # a fake
        await scorings.begin([{}] * ROWS, ANYBODY)
        while scorings.running:
            await asyncio.sleep(0.1)

    asyncio.run(score())
    assert len(moody.written) == 1 + 3 + 1  # the file, its parts, its end


def test_what_is_kept_of_old_files_goes_with_retention(client: TestClient, engine: Engine) -> None:
    wait(client, send(client, table()))

    assert delete_old_scorings(engine, datetime.now(UTC) - timedelta(days=1)) == 0
    assert delete_old_scorings(engine, datetime.now(UTC) + timedelta(days=1)) == 1
    with engine.connect() as connection:
        assert connection.execute(select(scoring_parts)).first() is None
        assert connection.execute(select(func.count()).select_from(predictions)).scalar() == ROWS


@pytest.mark.parametrize(("minutes", "state"), [(1, "running"), (3, "failed")])
def test_a_process_that_died_is_noticed_by_its_silence(
    client: TestClient, engine: Engine, minutes: int, state: str
) -> None:
    row = {"scoring_id": "s", "asked_at": datetime.now(UTC) - timedelta(minutes=minutes),
           "actor": "<b>Ada</b>", "rows": 5_000, "state": "running"}  # fmt: skip
    with write_transaction(engine) as connection:
        connection.execute(insert(scorings).values(row))
    page = client.get("/try/files/s").text

    assert re.search(rf'<span class="pill \w+">{state}</span>', page)
    assert ("interrupted" in page) is (state == "failed")
    assert "&lt;b&gt;Ada" in page and "<b>Ada" not in page


@pytest.mark.parametrize(
    ("text", "shown"),
    [("-2+3+cmd|' /C calc'!A0", "'-2+3+cmd|' /C calc'!A0"), ("=1+1", "'=1+1"), ("@x", "'@x"),
     ("+SUM(1)", "'+SUM(1)"), ("-2.5", "-2.5"), ("+7", "+7"), ("EV", "EV")],
)  # fmt: skip
def test_no_text_of_a_file_is_a_formula_in_its_answers(text: str, shown: str) -> None:
    assert cell(text) == shown


def test_an_unknown_file_is_a_404(client: TestClient) -> None:
    assert client.get("/try/files/nothing").status_code == 404
    assert client.get("/try/files/nothing.csv").status_code == 404
