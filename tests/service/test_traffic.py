"""Canary, A/B and shadow over HTTP: who answers, what is logged, what /models says of it."""

import http.client
import json
import math
from collections import Counter
from collections.abc import Callable
from typing import Any

import pytest
from sqlalchemy import Engine, Row, select
from starlette.testclient import TestClient

from contracts.database import write_transaction
from contracts.settings import Settings
from contracts.tables import predictions, shadow_predictions
from contracts.traffic import Rule, arm_of, entity_key
from contracts.traffic_rules import change_traffic, check_traffic
from service.app import create_app
from tests.bundles import EXAMPLE
from tests.conftest import NOW, make_champion
from tests.service.servers import Load, serving, wait_for
from tests.service.test_champion import answering, logged_versions
from tests.service.test_health import metric

Put = Callable[..., dict[str, Any]]


@pytest.fixture
def put(client: TestClient, admin: dict[str, str]) -> Put:
    """Puts a rule in force over HTTP."""

    def put(**rule: Any) -> dict[str, Any]:
        response = client.post("/models/traffic", headers=admin, json=rule)
        assert response.status_code == 200, response.text
        answer: dict[str, Any] = response.json()
        return answer

    return put


def ask(client: TestClient, **features: Any) -> dict[str, Any]:
    answer: dict[str, Any] = client.post("/predict", json={"features": EXAMPLE | features}).json()
    return answer


def put_directly(engine: Engine, settings: Settings, rule: Rule) -> None:
    with engine.connect() as connection:
        checked = check_traffic(connection, settings.bundles_dir, rule)
    with write_transaction(engine) as connection:
        change_traffic(connection, checked, actor="a test", reason="to try", now=NOW)


def logged(engine: Engine) -> list[Row[Any]]:
    with engine.connect() as connection:
        return list(connection.execute(select(predictions)))


def shadowed(engine: Engine) -> list[Row[Any]]:
    with engine.connect() as connection:
        return list(connection.execute(select(shadow_predictions)))


@pytest.mark.parametrize("share", [0.1, 0.5])
def test_a_canary_gets_its_share_by_prediction_id(
    client: TestClient, put: Put, registered: tuple[str, str], engine: Engine, share: float
) -> None:
    b = registered[1]
    put(mode="canary", version=b, share=share)
    requests = 600
    versions = [ask(client)["model_version"] for _ in range(requests)]
    sigma = math.sqrt(requests * share * (1 - share))
    assert abs(versions.count(b) - requests * share) < 5 * sigma
    rule = Rule("canary", b, share)
    for row in logged(engine):
        assert (row.model_version == b) == (arm_of(rule, row.prediction_id) == "other")


def test_an_entity_keeps_its_version_over_restarts(
    settings: Settings, registered: tuple[str, str], champion: str, engine: Engine
) -> None:
    b = registered[1]
    put_directly(engine, settings, Rule("ab", b, entity="temp"))
    temperatures = [20 + number / 4 for number in range(80)]
    runs = []
    for _ in range(2):
        with TestClient(create_app(settings)) as client:
            runs.append([ask(client, temp=one)["model_version"] for one in temperatures])
            whole = [ask(client, temp=int(one))["model_version"] for one in temperatures[::4]]
    assert runs[0] == runs[1]
    assert whole == runs[0][::4]  # 20 is 20.0
    assert 0 < runs[0].count(b) < len(temperatures)
    for row in logged(engine):
        key = entity_key(row.features, "temp")
        assert (row.model_version == b) == (arm_of(Rule("ab", b, 0.5), key) == "other")


def test_the_first_row_decides_for_the_whole_request(
    client: TestClient, put: Put, registered: tuple[str, str], engine: Engine
) -> None:
    put(mode="ab", version=registered[1])
    for _ in range(30):
        answer = client.post("/predict", json={"instances": [EXAMPLE] * 3}).json()
        arm = arm_of(Rule("ab", registered[1], 0.5), answer["prediction_id"][0])
        assert answer["model_version"] == registered[arm == "other"]
    assert len(logged(engine)) == 90


def test_rules_change_under_load_and_no_answer_differs_from_its_row(
    settings: Settings, registered: tuple[str, str], engine: Engine, admin: dict[str, str]
) -> None:
    a, b = registered
    make_champion(engine, a)
    with serving(settings) as port:
        load = Load(port, {"features": EXAMPLE})
        for rule in (
            {"mode": "ab", "version": b},
            {"mode": "canary", "version": b, "share": 0.1, "entity": "carrier"},
            {"mode": "shadow", "version": b},
            {"mode": "champion"},
            {"mode": "canary", "version": b, "share": 0.9},
        ):
            send(port, "/models/traffic", admin, rule)
            seen = len(load.statuses)
            wait_for(lambda seen=seen: len(load.statuses) > seen + 40)
        load.stop()
    assert set(load.statuses) == {200}
    assert set(load.ids.values()) == {a, b}
    assert logged_versions(engine) == load.ids


def test_a_shadow_is_logged_and_never_returned(
    client: TestClient, put: Put, registered: tuple[str, str], engine: Engine
) -> None:
    a, b = registered
    put(mode="shadow", version=b)
    answers = [ask(client, temp=20 + number)["probability"][0] for number in range(40)]
    wait_for(lambda: len(shadowed(engine)) == 40)
    assert {row.model_version for row in logged(engine)} == {a}
    rows = {row.prediction_id: row for row in shadowed(engine)}
    assert {row.model_version for row in rows.values()} == {b}
    assert rows.keys() == {row.prediction_id for row in logged(engine)}
    assert [row.probability for row in logged(engine)] == pytest.approx(answers)
    wait_for(lambda: metric(client, "perennial_shadow_rows_total") == 40)


def test_a_shadow_answers_as_it_would_as_champion(
    client: TestClient, put: Put, registered: tuple[str, str], engine: Engine, admin: dict[str, str]
) -> None:
    b = registered[1]
    put(mode="shadow", version=b)
    ask(client)
    wait_for(lambda: shadowed(engine))
    client.post(f"/models/{b}/promote", headers=admin)
    assert shadowed(engine)[0].probability == pytest.approx(ask(client)["probability"][0])
    assert json.loads(shadowed(engine)[0].prediction) == ask(client)["prediction"][0]


def test_a_shadow_gets_its_share(
    client: TestClient, put: Put, registered: tuple[str, str], engine: Engine
) -> None:
    put(mode="shadow", version=registered[1], share=0.5)
    ids = {ask(client)["prediction_id"][0] for _ in range(100)}
    rule = Rule("shadow", registered[1], 0.5)
    expected = {one for one in ids if arm_of(rule, one) == "other"}
    wait_for(lambda: len(shadowed(engine)) == len(expected))
    assert {row.prediction_id for row in shadowed(engine)} == expected


def test_a_repeated_request_is_not_shadowed_twice(
    client: TestClient, put: Put, registered: tuple[str, str], engine: Engine
) -> None:
    put(mode="shadow", version=registered[1])
    key = {"Idempotency-Key": '"once"'}
    first, second = (
        client.post("/predict", headers=key, json={"features": EXAMPLE}).json() for _ in range(2)
    )
    assert first == second
    ask(client)
    wait_for(lambda: len(shadowed(engine)) == 2)
    assert metric(client, 'perennial_shadow_dropped_total{reason="failed"}') == 0


def test_models_compares_the_arms(
    client: TestClient, put: Put, registered: tuple[str, str]
) -> None:
    a, b = registered
    assert client.get("/models").json()["traffic"] is None
    ask(client)  # before the rule, so in no arm
    put(mode="ab", version=b, reason="is b better?")
    answers = [ask(client, hour=number % 24) for number in range(60)]
    for answer in answers[:50]:
        outcome = {"prediction_id": answer["prediction_id"][0], "outcome": 1}
        client.post("/outcomes", json=outcome)
    models = client.get("/models").json()
    assert models["traffic"] == models["traffic"] | {"mode": "ab", "version": b, "share": 0.5}
    assert models["traffic"]["reason"] == "is b better?"
    numbers = Counter(answer["model_version"] for answer in answers)
    judged = Counter(answer["model_version"] for answer in answers[:50])
    for arm, version in zip(models["arms"], (a, b), strict=True):
        own = [one for one in answers if one["model_version"] == version]
        known = [one for one in answers[:50] if one["model_version"] == version]
        assert (arm["version"], arm["rows"]) == (version, numbers[version])
        assert arm["outcomes"] == judged[version]
        losses = [-math.log(one["probability"][0]) for one in known]
        assert arm["loss"]["mean"] == pytest.approx(sum(losses) / len(losses))
        assert arm["loss"]["low"] < arm["loss"]["mean"] < arm["loss"]["high"]
        right = sum(one["prediction"][0] == 1 for one in known)
        assert arm["accuracy"] == pytest.approx(right / len(known))
        positive = sum(one["prediction"][0] == 1 for one in own)
        assert arm["predicted_positives"] == pytest.approx(positive / len(own))
    assert [arm["role"] for arm in models["arms"]] == ["champion", "ab"]


def test_models_compares_a_shadow(
    client: TestClient, put: Put, registered: tuple[str, str], engine: Engine
) -> None:
    put(mode="shadow", version=registered[1])
    answer = ask(client)
    client.post("/outcomes", json={"prediction_id": answer["prediction_id"][0], "outcome": 0})
    wait_for(lambda: shadowed(engine))
    champion, shadow = client.get("/models").json()["arms"]
    assert (
        (champion["rows"], champion["outcomes"]) == (shadow["rows"], shadow["outcomes"]) == (1, 1)
    )
    chance = shadowed(engine)[0].probability
    assert shadow["loss"] == {"mean": pytest.approx(-math.log(1 - chance)), "low": None,
                              "high": None}  # fmt: skip


def test_metrics_tell_the_shares(
    client: TestClient, put: Put, registered: tuple[str, str], admin: dict[str, str]
) -> None:
    a, b = registered
    series = 'perennial_traffic_share{role="%s",version="%s"}'
    assert metric(client, series % ("champion", a)) == 1
    put(mode="canary", version=b, share=0.25)
    assert metric(client, series % ("canary", b)) == 0.25
    assert metric(client, series % ("champion", a)) == 0.75
    put(mode="shadow", version=b)
    assert metric(client, series % ("shadow", b)) == metric(client, series % ("champion", a)) == 1
    client.post(f"/models/{b}/promote", headers=admin)  # which ends the rule
    assert metric(client, series % ("champion", b)) == 1
    assert client.get("/models").json()["traffic"]["mode"] == "champion"


def test_the_kill_switch_is_one_call(
    client: TestClient, put: Put, registered: tuple[str, str]
) -> None:
    put(mode="canary", version=registered[1], share=0.99)
    assert registered[1] in {answering(client) for _ in range(10)}
    put(mode="champion")
    assert {answering(client) for _ in range(30)} == {registered[0]}


def test_a_damaged_canary_leaves_everything_to_the_champion(
    settings: Settings, registered: tuple[str, str], champion: str, engine: Engine
) -> None:
    b = registered[1]
    put_directly(engine, settings, Rule("canary", b, 0.99))
    damaged = settings.bundles_dir / b / "model.onnx"
    whole = damaged.read_bytes()
    damaged.write_bytes(whole[:-1])
    with TestClient(create_app(settings)) as client:
        assert {answering(client) for _ in range(20)} == {champion}
        problem = client.get("/health/ready").json()["problem"]
        assert "the canary version gets no requests" in problem
        damaged.write_bytes(whole)
        wait_for(lambda: answering(client) == b)
        assert client.get("/health/ready").json()["problem"] is None


@pytest.mark.parametrize(
    ("rule", "status", "why"),
    [
        ({"mode": "ab", "version": "nope"}, 404, "no version 'nope'"),
        ({"mode": "ab", "version": "A"}, 409, "champion already"),
        ({"mode": "ab", "version": "B", "entity": "age"}, 409, "choose one of hour"),
        ({"mode": "canary", "version": "B"}, 422, "share"),
        ({"mode": "canary", "version": "B", "share": 1}, 422, "share"),
        ({"mode": "canary", "version": "B", "share": 0}, 422, "share"),
        ({"mode": "champion", "version": "B"}, 422, "version"),
        ({"mode": "blue"}, 422, "mode"),
        ({}, 422, "mode"),
    ],
    ids=str,
)
def test_a_rule_that_cannot_hold_is_refused(
    client: TestClient, registered: tuple[str, str], admin: dict[str, str],
    rule: dict[str, Any], status: int, why: str,
) -> None:  # fmt: skip
    named = dict(zip("AB", registered, strict=True))
    if "version" in rule:
        rule = rule | {"version": named.get(rule["version"], rule["version"])}
    response = client.post("/models/traffic", headers=admin, json=rule)
    assert response.status_code == status
    assert why in response.text
    assert client.get("/models").json()["traffic"] is None


def test_only_administrators_divide_traffic(client: TestClient) -> None:
    assert client.post("/models/traffic", json={"mode": "champion"}).status_code == 401


def send(port: int, path: str, headers: dict[str, str], body: object) -> None:
    connection = http.client.HTTPConnection("127.0.0.1", port, timeout=15)
    connection.request(
        "POST", path, json.dumps(body), {"Content-Type": "application/json", **headers}
    )
    response = connection.getresponse()
    assert response.status == 200, response.read()
    connection.close()
