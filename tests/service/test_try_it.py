"""A question typed into a form is answered, logged, explained, and told as a command."""

import html
import json
import re
import shlex

import pytest
from sqlalchemy import Engine, func, select
from starlette.testclient import TestClient

from contracts.tables import predictions
from service.trying.form import TableError, rows_of
from tests.bundles import EXAMPLE, make_schema
from tests.service.test_sign_in import Opener, client_of, csrf

__all__ = ["client_of"]
NAMES = list(EXAMPLE)


def typed(**changed: str) -> dict[str, str]:
    values = {name: "" if value is None else str(value) for name, value in EXAMPLE.items()}
    return {f"f{i}": {**values, **changed}[name] for i, name in enumerate(NAMES)}


def test_the_form_has_a_control_for_each_feature_with_an_example(client: TestClient) -> None:
    page = client.get("/try").text
    for i, name in enumerate(NAMES):
        assert f'<label for="f{i}">{name}' in page
    assert "seen from" in page


def test_an_answer_is_a_logged_row_and_says_how_to_ask_again(
    client: TestClient, engine: Engine
) -> None:
    page = client.post("/try", data=typed()).text
    (name,) = re.findall(r'href="/predictions/([0-9a-f-]{36})"', page)
    with engine.connect() as connection:
        row = connection.execute(select(predictions)).one()
    assert row.prediction_id == name
    assert json.loads(row.features) == EXAMPLE
    assert f"{100 * row.probability:.1f}%" in page

    curl = html.unescape(re.search(r'<code id="curl">(.*?)</code>', page, re.S)[1])
    body = shlex.split(curl.replace("\\\n", " "))[2]
    again = client.post("/predict", content=body, headers={"Content-Type": "application/json"})
    assert again.json()["probability"] == [pytest.approx(row.probability)]


def test_a_wrong_value_is_told_beside_its_field_and_stays_typed(
    client: TestClient, engine: Engine
) -> None:
    number = next(name for name, value in EXAMPLE.items() if isinstance(value, int | float))
    answer = client.post("/try", data=typed(**{number: '"><script>alert(1)</script>'}))

    assert answer.status_code == 422
    assert "<script>alert" not in answer.text
    assert f'id="f{NAMES.index(number)}"' in answer.text
    assert "allowed:" in answer.text and 'aria-invalid="true"' in answer.text
    with engine.connect() as connection:
        assert connection.execute(select(func.count()).select_from(predictions)).scalar() == 0


def test_a_table_is_answered_row_by_row(client: TestClient, engine: Engine) -> None:
    line = ",".join("" if value is None else str(value) for value in EXAMPLE.values())
    table = ",".join(NAMES) + f"\n{line}\n{line}\n"
    page = client.post("/try/table", data={"table": table}).text

    assert "2 rows answered and logged" in page
    assert len(set(re.findall(r'href="/predictions/([0-9a-f-]{36})"', page))) == 2


@pytest.mark.parametrize(
    "table", ["", "nothing", "a,b\n1,2\n", ",".join(NAMES) + "\n1\n", "\x00\n\x00\n"]
)
def test_a_table_that_cannot_be_read_is_refused(client: TestClient, table: str) -> None:
    answer = client.post("/try/table", data={"table": table})

    assert answer.status_code == 422
    assert 'role="alert"' in answer.text


def test_more_rows_than_a_file_may_have_are_refused() -> None:
    with pytest.raises(TableError, match="at most 100000 in one file"):
        rows_of(make_schema(), ",".join(NAMES) + ("\n" + ",".join("1" for _ in NAMES)) * 100_001)


def test_reasons_are_shown_or_why_there_are_none(client: TestClient) -> None:
    (name,) = client.post("/predict", json={"features": EXAMPLE}).json()["prediction_id"]
    page = client.get(f"/try/{name}/reasons").text

    assert "Main reasons" in page or "No reasons:" in page
    assert client.get("/try/nothing/reasons").status_code == 404


def test_who_may_only_read_sees_the_form_and_may_not_ask(
    client_of: Opener, keys: dict[str, str]
) -> None:
    reader = client_of(keys["read"])
    assert reader.get("/try").status_code == 200
    assert reader.post("/try", data=typed(), headers=csrf(reader)).status_code == 403
