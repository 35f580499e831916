"""People compare versions, and administrators change who answers, confirmed and with a reason."""

import csv
import io
import json
from collections.abc import Mapping
from datetime import timedelta
from typing import Any

import pytest
from sqlalchemy import Engine, insert, select, update
from starlette.testclient import TestClient

from contracts.database import write_transaction
from contracts.lineage import retire
from contracts.registry import champion as champion_of
from contracts.settings import Settings
from contracts.tables import audit_log, model_versions, retrains, stage_changes, traffic_changes
from contracts.traffic import current_traffic
from service.access.key_store import prefix_of
from tests.conftest import NOW
from tests.hostile import payloads
from tests.service.markup import odd_markup
from tests.service.test_sign_in import PAGE, Opener, csrf

SURE = {"reason": "better on golden rows", "sure": "yes"}


@pytest.fixture
def client_of(closed: TestClient) -> Opener:
    return Opener(closed)


@pytest.fixture
def boss(client_of: Opener, keys: dict[str, str]) -> TestClient:
    return client_of(keys["all"])


def page_of(browser: TestClient, path: str = "/models") -> str:
    answer = browser.get(path, headers=PAGE)
    assert answer.status_code == 200
    return answer.text


def act(browser: TestClient, action: str, **form: object) -> Any:
    return browser.post(f"/actions/{action}", data={**SURE, **form}, headers=csrf(browser))


def champion(engine: Engine) -> str:
    with engine.connect() as connection:
        current = champion_of(connection)
    assert current is not None
    return current.version


def add_version(engine: Engine, version: str, made: Mapping[str, Any], days: int = 1) -> None:
    with write_transaction(engine) as connection:
        connection.execute(
            insert(model_versions).values(
                version=version,
                registered_at=NOW + timedelta(days=days),
                trained_from=NOW,
                trained_until=NOW,
                metrics="{}",
                made=json.dumps(made),
            )
        )


def set_metrics(engine: Engine, version: str, **metrics: object) -> None:
    mine = model_versions.c.version == version
    with write_transaction(engine) as connection:
        connection.execute(update(model_versions).where(mine).values(metrics=json.dumps(metrics)))


def test_programs_get_what_they_got(client: TestClient) -> None:
    plain = client.get("/models")
    for accept in ("application/json", "*/*", ""):
        assert client.get("/models", headers={"Accept": accept}).content == plain.content
    assert plain.headers["content-type"] == "application/json"
    assert client.get("/models", headers=PAGE).headers["content-type"].startswith("text/html")


def test_versions_stand_beside_the_champion_in_words(
    client: TestClient, engine: Engine, registered: tuple[str, str]
) -> None:
    a, b = registered
    set_metrics(engine, a, log_loss=0.5, roc_auc=0.7)
    intervals = {"log_loss": [0.3, 0.45], "roc_auc": [0.6, 0.75]}
    set_metrics(engine, b, log_loss=0.4, roc_auc=0.65, rows=12345, intervals=intervals)
    found = page_of(client)

    assert ">champion</span>" in found
    assert ">never champion</span>" in found
    assert '<span class="pill good">better by 0.1000</span>' in found
    assert '<span class="pill quiet">worse by 0.0500</span>' in found
    assert "within its interval" in found
    one = page_of(client, f"/models/{b}")
    assert "better by 0.1000" in one
    assert "0.3 to 0.45" in one
    assert "12,345" in one


def test_recalibrations_are_folded_under_their_model(
    client: TestClient, engine: Engine, registered: tuple[str, str]
) -> None:
    a, _ = registered
    for number in range(30):
        add_version(
            engine, f"r{number:011}", {"recalibrates": a, "offsets": [-0.1, 0.1]}, days=number + 1
        )
    found = page_of(client)

    assert f"30 recalibrations of {a}" in found
    assert found.count("-0.1, +0.1") == 20
    assert "10 older ones are in the files below" in found
    one = page_of(client, "/models/r00000000029")
    assert "-0.1, +0.1" in one
    assert f'href="/models/{a}"' in one


def test_a_challenger_that_waits_says_so(
    client: TestClient, engine: Engine, registered: tuple[str, str]
) -> None:
    a, b = registered
    row = {"retrain_id": "r1", "started_at": NOW, "state": "awaiting", "reason": "drift",
           "champion_version": a, "challenger_version": b,
           "verdict": json.dumps({"reason": "it saves 0.01"})}  # fmt: skip
    with write_transaction(engine) as connection:
        connection.execute(insert(retrains).values(row))

    assert "awaits a person&#39;s word" in page_of(client)
    assert "it saves 0.01" in page_of(client, f"/models/{b}")


def test_who_is_no_administrator_sees_why_not(client_of: Opener, keys: dict[str, str]) -> None:
    reader = client_of(keys["read"])
    found = page_of(reader)
    assert 'disabled aria-describedby="needs-admin"' in found
    assert 'id="needs-admin"' in found
    assert "<dialog" not in found
    for action in ("promote", "roll-back", "canary", "end-canary"):
        assert act(reader, action, version="x").status_code == 403


def test_a_promotion_asks_why_and_shows_the_new_champion(
    boss: TestClient, engine: Engine, registered: tuple[str, str], keys: dict[str, str]
) -> None:
    a, b = registered
    found = page_of(boss, f"/models/{b}")
    assert 'hx-post="/actions/promote"' in found
    assert "needs-admin" not in found
    answer = act(boss, "promote", version=b)

    assert (answer.status_code, answer.headers["hx-redirect"]) == (204, f"/models/{b}")
    assert champion(engine) == b
    found = page_of(boss)
    assert f'href="/models/{b}"' in found
    assert "better on golden rows" in found
    with engine.connect() as connection:
        last = connection.execute(select(audit_log).order_by(audit_log.c.entry_id.desc())).first()
    assert last is not None
    assert (last.actor, last.action, last.subject) == (prefix_of(keys["all"]), "promote", b)
    assert json.loads(last.detail) == {"previous": a, "reason": "better on golden rows"}


@pytest.mark.parametrize(
    ("form", "told"),
    [
        ({"reason": "  "}, "say why"),
        ({"sure": "no"}, "tick the box"),
        ({"reason": "x" * 1001}, "at most 1000 characters"),
        ({"reason": "a\0b"}, "plain text"),
        ({"version": "nope"}, "no version"),
        ({"version": ""}, "no version"),
        ({"version": "<script>"}, "&lt;script&gt;"),
        ({f"field{i}": "x" for i in range(30)}, "too many fields"),
    ],
    ids=["no reason", "not sure", "long", "NUL", "unknown", "none", "hostile", "many fields"],
)
def test_what_is_refused_is_told_and_changes_nothing(
    boss: TestClient, engine: Engine, registered: tuple[str, str], form: dict[str, str], told: str
) -> None:
    answer = act(boss, "promote", **{"version": registered[1], **form})

    assert answer.status_code == 422
    assert told in answer.text
    assert champion(engine) == registered[0]


def test_a_rollback_takes_the_champion_that_was_looked_at(
    boss: TestClient, engine: Engine, registered: tuple[str, str]
) -> None:
    a, b = registered
    answer = act(boss, "roll-back", version=a)
    assert answer.status_code == 422
    assert "nothing to return to" in answer.text
    act(boss, "promote", version=b)
    for _ in range(2):  # clicked twice
        answer = act(boss, "roll-back", version=b)
    assert answer.status_code == 422
    assert "the champion has just changed" in answer.text
    assert champion(engine) == a
    assert "rolled back" in page_of(boss)


def test_a_canary_begins_is_shown_and_ends(
    boss: TestClient, engine: Engine, registered: tuple[str, str]
) -> None:
    _, b = registered
    answer = act(boss, "canary", version=b, share="12.5", entity="carrier")
    assert (answer.status_code, answer.headers["hx-redirect"]) == (204, "/models")
    found = page_of(boss)
    assert "canary, 12%</span>" in found
    assert "drawn by <code>carrier</code>" in found
    assert "End the canary" in found
    assert f"<code>{b}</code>" in boss.get("/models/arms").text  # htmx accepts anything

    assert act(boss, "end-canary").status_code == 204
    with engine.connect() as connection:
        traffic = current_traffic(connection)
    assert traffic is not None
    assert (traffic.rule.mode, traffic.reason) == ("champion", SURE["reason"])
    assert "End the canary" not in page_of(boss)


@pytest.mark.parametrize(
    ("form", "told"),
    [
        ({"share": "0"}, "not between 0 and 1"),
        ({"share": "100"}, "not between 0 and 1"),
        ({"share": "nan"}, "not between 0 and 1"),
        ({"share": "many"}, "number of percent"),
        ({"share": "10", "entity": "nothing"}, "no feature"),
        ({"share": "10", "version": "nope"}, "no version"),
        ({"share": "10", "version": "champion"}, "champion already"),
    ],
    ids=lambda given: str(given)[:40],
)
def test_a_canary_that_cannot_be_is_told(
    boss: TestClient, engine: Engine, registered: tuple[str, str], form: dict[str, str], told: str
) -> None:
    given = {"version": registered[1], **form}
    if given["version"] == "champion":
        given["version"] = registered[0]
    answer = act(boss, "canary", **given)

    assert answer.status_code == 422
    assert told in answer.text
    with engine.connect() as connection:
        assert connection.execute(select(traffic_changes)).all() == []


def test_a_change_without_the_pages_token_is_refused(
    boss: TestClient, engine: Engine, registered: tuple[str, str]
) -> None:
    answer = boss.post("/actions/promote", data={**SURE, "version": registered[1]})

    assert answer.status_code == 403
    assert champion(engine) == registered[0]


def test_a_model_card_can_run_nothing(client: TestClient, registered: tuple[str, str]) -> None:
    answer = client.get(f"/models/{registered[1]}/card")

    assert answer.text == "<h1>A model for tests</h1>\n"
    policy = answer.headers["content-security-policy"]
    assert policy.startswith("sandbox; default-src 'none'")
    assert "script" not in policy
    assert answer.headers["x-content-type-options"] == "nosniff"


@pytest.mark.parametrize("how", ["altered", "removed"])
def test_files_that_are_not_what_was_registered_are_not_shown(
    client: TestClient, registered: tuple[str, str], settings: Settings, engine: Engine, how: str
) -> None:
    _, b = registered
    card = settings.bundles_dir / b / "model_card.html"
    if how == "altered":
        card.write_text("<h1>Forged</h1>")
    else:
        with write_transaction(engine) as connection:
            retire(connection, b, "it is old", NOW)
        for file in (settings.bundles_dir / b).iterdir():
            file.unlink()

    assert client.get(f"/models/{b}/card").status_code == 404
    found = page_of(client, f"/models/{b}")
    assert ("files removed" in found) == (how == "removed")
    assert ("it is old" in found) == (how == "removed")


@pytest.mark.parametrize(
    "path", ["/models/nope", "/models/nope/card", "/models/%00", "/models/a%0Ab", "/models/é"]
)
def test_an_unknown_version_is_404(client: TestClient, path: str) -> None:
    assert client.get(path, headers=PAGE).status_code == 404


def test_older_changes_are_on_pages_of_their_own(client: TestClient, engine: Engine) -> None:
    with write_transaction(engine) as connection:
        for number in range(40):
            row = {"changed_at": NOW, "action": "promote", "version": f"v{number}",
                   "previous_version": None, "actor": "me", "reason": f"why {number}."}  # fmt: skip
            connection.execute(insert(stage_changes).values(row))
    found = page_of(client)
    assert "why 39." in found
    assert "why 14." not in found
    older = found.split('href="/models?before=')[1].split('"')[0]
    assert "why 14." in page_of(client, f"/models?before={older}")
    for odd in ("x", "-1", "9" * 40, "1;2", ""):
        assert "why 39." in page_of(client, f"/models?before={odd}")


def test_hostile_names_and_reasons_stay_text(client: TestClient, engine: Engine) -> None:
    for number, payload in enumerate(payloads()):
        name = f"{payload[:60]}{number:04}"  # of the list
        made = {"host": payload, "commit": payload, "recalibrates": payload}
        add_version(engine, name, made, days=number)
        with write_transaction(engine) as connection:
            row = {"changed_at": NOW, "action": "promote", "version": name,
                   "previous_version": payload[:64], "actor": payload[:200],
                   "reason": payload}  # fmt: skip
            connection.execute(insert(stage_changes).values(row))
        add_version(engine, f"h{number}", made, days=number)
        assert odd_markup(page_of(client, f"/models/h{number}")) == [], payload
    for before in range(len(payloads()) + 2, 1, -20):
        assert odd_markup(page_of(client, f"/models?before={before}")) == []


def test_tables_are_files_too(
    client: TestClient, engine: Engine, registered: tuple[str, str]
) -> None:
    with write_transaction(engine) as connection:
        row = {"changed_at": NOW, "action": "promote", "version": registered[1],
               "previous_version": None, "actor": "=cmd()", "reason": "+1, -1"}  # fmt: skip
        connection.execute(insert(stage_changes).values(row))
    answer = client.get("/models/history.csv")
    assert answer.headers["content-type"] == "text/csv; charset=utf-8"
    assert answer.headers["content-disposition"] == 'attachment; filename="history.csv"'
    (newest, *_) = csv.DictReader(io.StringIO(answer.text))
    assert (newest["actor"], newest["reason"]) == ("'=cmd()", "'+1, -1")
    assert client.get("/models/history.json").json()["history"][0]["actor"] == "=cmd()"

    versions = client.get("/models/versions.json").json()["versions"]
    assert {one["version"]: one["stage"] for one in versions} == {
        registered[0]: "former champion", registered[1]: "champion",
    }  # fmt: skip
    assert len(list(csv.reader(io.StringIO(client.get("/models/versions.csv").text)))) == 3
