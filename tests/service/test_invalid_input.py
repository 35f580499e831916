"""Every rule of the decoder over HTTP: 422 names row, field, problem and what is allowed."""

import json
from collections.abc import Iterator
from typing import Any

import pytest
from hypothesis import HealthCheck, given
from hypothesis import settings as hypothesis_settings
from hypothesis import strategies as st
from sqlalchemy import Engine, func, select
from starlette.testclient import TestClient

from contracts.registry import register
from contracts.settings import Settings
from contracts.tables import predictions
from service.answer.decoder import MAX_PROBLEMS
from service.app import create_app
from tests.bundles import EXAMPLE
from tests.conftest import NOW, OPEN, MadeBundle, make_champion
from tests.migrated import migrated_engine

VALUES = list(EXAMPLE.values())
SURROGATE = json.loads('"\\ud800"')


def row(**change: Any) -> dict:
    return {**EXAMPLE, **change}


def without(name: str) -> dict:
    return {key: value for key, value in EXAMPLE.items() if key != name}


VALUE_RULES = [
    ("text for a number", row(temp="61.5"), "temp", "is text '61.5'", "a number"),
    ("true for a number", row(temp=True), "temp", "is true", "a number"),
    ("object for a number", row(temp={}), "temp", "is an object", "a number"),
    ("array for a number", row(temp=[]), "temp", "is an array", "a number"),
    ("null where required", row(temp=None), "temp", "is null", "required"),
    ("absent where required", without("temp"), "temp", "is missing", "required"),
    ("beyond the limit", row(temp=1.1e30), "temp", "is beyond 1e+30", "10 to 100"),
    ("a huge integer", row(temp=10**400), "temp", "is beyond 1e+30", "a number"),
    ("NaN", row(temp=float("nan")), "temp", "is NaN", "a number"),
    ("Infinity", row(temp=float("inf")), "temp", "is Infinity", "a number"),
    ("minus Infinity", row(wind=-float("inf")), "wind", "is Infinity", "null or absent"),
    ("fraction for an integer", row(hour=1.5), "hour", "is 1.5, not an integer", "an integer"),
    ("number for text", row(carrier=7), "carrier", "is a number, 7", "AA, DL, UA"),
    ("null for required text", row(carrier=None), "carrier", "is null", "required"),
    ("empty required text", row(carrier=""), "carrier", "is empty", "required"),
    ("text with NUL", row(carrier="U\0A"), "carrier", "holds a NUL", "text"),
    ("long text", row(carrier="U" * 1001), "carrier", "has 1001 characters", "text"),
    ("half a surrogate", row(origin=SURROGATE), "origin", "half a surrogate", "text"),
    ("unknown name", row(speed=1), "speed", "unknown feature", "hour, temp, wind"),
    ("unknown odd name", {**EXAMPLE, SURROGATE: 1}, "\\ud800", "unknown feature", "hour"),
    ("too short", VALUES[:4], "features", "has 4 values", "5 values in this order: hour"),
    ("too long", [*VALUES, 1], "features", "has 6 values", "5 values in this order: hour"),
    ("wrong place", ["UA", *VALUES[1:]], "hour", "is text 'UA'", "an integer"),
    ("a row of text", "UA", "features", "the row is text 'UA'", "an object, or an array"),
    ("a row of null", None, "features", "the row is null", "an object, or an array"),
]

REQUEST_RULES = [
    ("nothing", b"", None, "the body is not JSON", "features"),
    ("not JSON", b"{", None, "the body is not JSON", "features"),
    ("not UTF-8", b'{"features": "\xff"}', None, "not UTF-8", "features"),
    ("UTF-16", '{"features": []}'.encode("utf-16"), None, "not UTF-8", "features"),
    ("nested too deeply", b"[" * 100_000, None, "nested too deeply", "features"),
    ("deep but closed", b"[" * 50_000 + b"]" * 50_000, None, "nested too deeply", "features"),
    ("an array", b"[1]", None, "the body is an array", "instances"),
    ("NaN alone", b"NaN", None, "the body is", "instances"),
    ("neither form", b"{}", None, "exactly one of", "instances"),
    ("both forms", b'{"features": [], "instances": []}', None, "exactly one of", "instances"),
    ("unknown key", b'{"features": [], "x": 1}', "x", "unknown field", "event_time"),
    ("no rows", b'{"instances": []}', "instances", "has 0 rows", "1 to 10000"),
    ("instances of text", b'{"instances": "a"}', "instances", "is text", "1 to 10000"),
    (
        "event time without zone",
        b'{"features": [], "event_time": "2013-04-01T12:00:00"}',
        "event_time",
        "has no time zone",
        "ISO 8601",
    ),
    (
        "event time of text",
        b'{"features": [], "event_time": "noon"}',
        "event_time",
        "is not a moment",
        "ISO 8601",
    ),
    (
        "event time of a number",
        b'{"features": [], "event_time": 5}',
        "event_time",
        "is a number",
        "ISO 8601",
    ),
    (
        "event time before all calendars",
        b'{"features": [], "event_time": "0001-01-01T00:00:00+14:00"}',
        "event_time",
        "is not a moment",
        "ISO 8601",
    ),
]


def send(client: TestClient, body: object) -> list[dict]:
    content = body if isinstance(body, bytes) else json.dumps(body).encode()
    response = client.post("/predict", content=content)
    assert response.status_code == 422, response.text
    return response.json()["detail"]


@pytest.fixture(scope="module")
def shared(
    tmp_path_factory: pytest.TempPathFactory, bundle_a: MadeBundle
) -> Iterator[tuple[TestClient, Engine]]:
    """One service for all rules: nothing here changes it."""
    place = tmp_path_factory.mktemp("shared")
    settings = Settings(
        _env_file=None,
        database_url=f"sqlite:///{place}/p.db",
        bundles_dir=place / "bundles",
        **OPEN,
    )
    engine = migrated_engine(settings.database_url)
    register(engine, settings.bundles_dir, bundle_a.directory, NOW, {})
    make_champion(engine, bundle_a.version)
    with TestClient(create_app(settings)) as client:
        yield client, engine
    engine.dispose()


@pytest.mark.parametrize(
    ("value", "field", "problem", "allowed"),
    [rule[1:] for rule in VALUE_RULES],
    ids=[rule[0] for rule in VALUE_RULES],
)
@pytest.mark.parametrize("many", [False, True], ids=["features", "instances"])
def test_a_wrong_row_is_named(
    shared: tuple[TestClient, Engine],
    value: object,
    field: str,
    problem: str,
    allowed: str,
    many: bool,
) -> None:
    body = {"instances": [EXAMPLE, value]} if many else {"features": value}
    (found,) = send(shared[0], body)
    assert found["row"] == (1 if many else 0)
    assert found["field"] == field
    assert problem in found["problem"]
    assert allowed in found["allowed"]


@pytest.mark.parametrize(
    ("body", "field", "problem", "allowed"),
    [rule[1:] for rule in REQUEST_RULES],
    ids=[rule[0] for rule in REQUEST_RULES],
)
def test_a_wrong_request_is_named(
    shared: tuple[TestClient, Engine], body: bytes, field: str | None, problem: str, allowed: str
) -> None:
    found = send(shared[0], body)[0]
    assert problem in found["problem"]
    assert allowed in found["allowed"]
    assert found["field"] == field


def test_every_problem_is_told_at_once(shared: tuple[TestClient, Engine]) -> None:
    found = send(shared[0], {"instances": [row(temp="a", hour=0.5), EXAMPLE, row(x=1)]})
    assert [(p["row"], p["field"]) for p in found] == [(0, "hour"), (0, "temp"), (2, "x")]


def test_the_list_of_problems_is_capped(shared: tuple[TestClient, Engine]) -> None:
    assert len(send(shared[0], {"instances": [[]] * 5000})) == MAX_PROBLEMS
    assert len(send(shared[0], {"features": {f"x{i}": 1 for i in range(500)}})) == MAX_PROBLEMS


def test_too_many_rows_are_refused(shared: tuple[TestClient, Engine]) -> None:
    (found,) = send(shared[0], {"instances": [VALUES] * 10_001})
    assert found["field"] == "instances"
    assert "10001 rows" in found["problem"]


def test_nothing_is_logged_for_a_request_with_one_wrong_row(
    shared: tuple[TestClient, Engine],
) -> None:
    client, engine = shared
    count = select(func.count()).select_from(predictions)
    with engine.connect() as connection:
        before = connection.execute(count).scalar()
    send(client, {"instances": [EXAMPLE, row(temp=None)]})
    with engine.connect() as connection:
        assert connection.execute(count).scalar() == before


def test_a_large_body_is_413_on_every_route(
    settings: Settings, champion: str, admin: dict[str, str]
) -> None:
    small = settings.model_copy(update={"max_body_bytes": 1000})
    with TestClient(create_app(small)) as client:
        for path in ("/predict", "/outcomes", "/models/rollback"):
            response = client.post(path, content=b" " * 1001, headers=admin)
            assert response.status_code == 413, path
            assert "PERENNIAL_MAX_BODY_BYTES" in response.json()["detail"]
        assert client.post("/predict", json={"features": VALUES}).status_code == 200


def test_a_body_in_pieces_is_counted(settings: Settings, champion: str) -> None:
    small = settings.model_copy(update={"max_body_bytes": 1000})
    with TestClient(create_app(small)) as client:
        pieces = (b"x" * 300 for _ in range(10))
        assert client.post("/predict", content=pieces).status_code == 413


_json = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats() | st.text(),
    lambda inner: st.lists(inner, max_size=6) | st.dictionaries(st.text(), inner, max_size=6),
    max_leaves=20,
)
_row = (
    st.fixed_dictionaries({}, optional={name: _json | st.just(v) for name, v in EXAMPLE.items()})
    | st.lists(_json, min_size=5, max_size=5)
    | _json
)
_request = st.fixed_dictionaries(
    {},
    optional={
        "features": _row,
        "instances": st.lists(_row, max_size=4) | _json,
        "event_time": _json | st.datetimes(timezones=st.timezones()).map(str),
    },
)


@hypothesis_settings(
    max_examples=300, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture]
)
@given(body=st.binary(max_size=200) | (_request | _json).map(lambda b: json.dumps(b).encode()))
def test_no_body_makes_an_internal_error(shared: tuple[TestClient, Engine], body: bytes) -> None:
    for path in ("/predict", "/outcomes"):
        assert shared[0].post(path, content=body).status_code in (200, 404, 413, 422)
