"""People see what monitoring found and decided, and ask it for a check or a retrain."""

import csv
import io
import json
from datetime import UTC, datetime, timedelta
from html import unescape
from typing import Any

import pytest
from sqlalchemy import Engine, insert, select, update
from starlette.testclient import TestClient

from contracts.audit import verify
from contracts.database import write_transaction
from contracts.errands import lease_of
from contracts.tables import SCHEDULER, audit_log, decisions, errands, leases, retrains
from service.access.key_store import prefix_of
from service.monitoring_page.view import make_trends
from tests.conftest import NOW
from tests.hostile import payloads
from tests.service.markup import odd_markup
from tests.service.test_check_page import FINDINGS, add
from tests.service.test_models_page import act, page_of
from tests.service.test_sign_in import PAGE, Opener, csrf

MONITORING = "/monitoring"
LIVE = "/monitoring?part=live"


@pytest.fixture
def client_of(closed: TestClient) -> Opener:
    return Opener(closed)


@pytest.fixture
def boss(client_of: Opener, keys: dict[str, str]) -> TestClient:
    return client_of(keys["all"])


def add_decision(engine: Engine, number: int, **values: object) -> None:
    row = {
        "decision_id": f"d{number:05}", "decided_at": NOW + timedelta(hours=number),
        "trigger": "check", "trigger_id": "c1", "actor": "host:1", "action": "keep",
        "answer": "no", "seen": f"seen {number}.", "reason": f"why {number}.",
    }  # fmt: skip
    with write_transaction(engine) as connection:
        connection.execute(insert(decisions).values({**row, **values}))


def add_retrain(engine: Engine, number: int, **values: object) -> None:
    row = {
        "retrain_id": f"r{number:05}", "started_at": NOW + timedelta(days=number),
        "finished_at": NOW + timedelta(days=number), "state": "promoted", "reason": "drift",
        "champion_version": "v1", "challenger_version": f"v{number}.",
        "verdict": json.dumps({"reason": f"it saves {number}.", "t": 1.5}),
    }  # fmt: skip
    with write_transaction(engine) as connection:
        connection.execute(insert(retrains).values({**row, **values}))


def set_lease(engine: Engine, name: str, until: datetime) -> None:
    row = {"name": name, "holder": "host:1", "fencing_token": 1, "expires_at": until}
    with write_transaction(engine) as connection:
        connection.execute(insert(leases).values(row))


def all_errands(engine: Engine) -> list[Any]:
    with engine.connect() as connection:
        return list(connection.execute(select(errands).order_by(errands.c.asked_at)))


def set_errand(engine: Engine, **values: object) -> None:
    with write_transaction(engine) as connection:
        connection.execute(update(errands).values(values))


def test_an_empty_database_says_what_will_be_here(client: TestClient) -> None:
    found = page_of(client, MONITORING)
    for told in ("monitoring has never run", "No check has run yet", "Nothing has been decided",
                 "No retrain yet"):  # fmt: skip
        assert told in found
    assert client.get(MONITORING).text == found  # programs have /checks and /decisions


def test_the_newest_check_and_the_ones_before_are_shown(client: TestClient, engine: Engine) -> None:
    add(engine, 1, {})
    add(engine, 2, decision="retrain")
    found = page_of(client, MONITORING)

    assert 'href="/reports/c2"' in found
    assert "the data has faults</span>" in found
    assert ">R</text>" in found  # a retrain was asked for
    assert "hour, temp" in found
    assert "harmful" in found
    assert "States of 2 checks" in found
    assert 'href="/reports"' in found
    assert "every value is the same" in found  # in the table of columns
    assert "4.5%" in found  # missing now


def test_a_column_is_followed_over_the_checks() -> None:
    quiet = {"inputs": {"compared": [{"column": "temp", "aspect": "values", "effect": 0.115,
                                      "usual": 0.11}]}}  # fmt: skip
    past = [{"findings": {}}, {"findings": quiet}, {"findings": FINDINGS}]
    trends = make_trends(past)

    assert [trend.column for trend in trends] == ["hour", "temp", "wind"]
    temp = trends[1]
    assert temp.bars == [(None, "quiet"), (0.5, "quiet"), (1.0, "bad")]
    assert (temp.named, temp.compared) == (1, 2)
    assert trends[2].missing == (0.01, 0.045)
    assert make_trends([]) == []


def test_findings_of_another_form_leave_the_page_whole(client: TestClient, engine: Engine) -> None:
    odd = ({"inputs": {"state": 3, "causes": "x", "compared": [1]}}, {"inputs": None},
           {"drift": [], "harm": "?"}, {"inputs": {"causes": [1, None]}})  # fmt: skip
    for number, found in enumerate(odd):
        add(engine, number, found)
    assert odd_markup(page_of(client, MONITORING)) == []


def test_older_checks_are_on_pages_of_their_own(client: TestClient, engine: Engine) -> None:
    for number in range(45):
        add(engine, number, {})
    found = page_of(client, MONITORING)
    assert found.count('<td class="time"><a href="/reports/c') == 20
    older = page_of(client, "/monitoring?before=c25")
    assert 'href="/reports/c24"' in older
    assert 'href="/reports/c25"' not in older
    assert "older checks" in older
    assert "older checks" not in page_of(client, "/monitoring?before=c5")
    for odd in ("nope", "%00", "é", ""):
        assert 'href="/reports/c44"' in page_of(client, f"/monitoring?before={odd}")


def test_every_yes_and_no_has_its_reason(client: TestClient, engine: Engine) -> None:
    add_decision(engine, 1, answer="yes", action="retrain", trigger="person")
    for number in range(2, 40):
        add_decision(engine, number, action="recalibrate", trigger="recalibration")
    add_decision(engine, 40)
    found = page_of(client, MONITORING)
    assert ["why 1." in found, "why 20." in found, "why 40." in found] == [True, False, True]
    assert '<span class="pill good">yes</span>' in found

    every = page_of(client, "/monitoring?every=true")
    assert ["why 1." in every, "why 20." in every] == [False, True]
    older = every.split('href="/monitoring?decided=')[1].split('"')[0]
    assert older.endswith("&amp;every=true")
    assert "why 1." in page_of(client, f"/monitoring?decided={unescape(older)}")


def test_retrains_tell_their_state_and_the_gate_s_word(client: TestClient, engine: Engine) -> None:
    for number in range(12):
        add_retrain(engine, number)
    add_retrain(engine, 12, state="failed", verdict=json.dumps({"error": "it broke"}))
    found = page_of(client, MONITORING)

    assert "it broke" in found
    assert "it saves 11." in found
    assert "it saves 2." not in found
    assert "it saves 2." in page_of(client, "/monitoring?retrained=r00003")
    assert 'href="/models/v11."' in found


def test_a_check_is_asked_for_and_followed(
    boss: TestClient, engine: Engine, keys: dict[str, str]
) -> None:
    answer = act(boss, "errand", kind="check")
    assert (answer.status_code, answer.headers["hx-redirect"]) == (204, MONITORING)
    (errand,) = all_errands(engine)
    assert (errand.kind, errand.state, errand.actor) == ("check", "waiting", prefix_of(keys["all"]))
    live = page_of(boss, LIVE)
    assert "Nobody takes it while monitoring does not run" in live

    set_lease(engine, SCHEDULER, datetime.now(UTC) + timedelta(minutes=1))
    live = page_of(boss, LIVE)
    assert "Monitoring takes it within seconds" in live
    assert "<progress" in live
    set_errand(engine, state="running", started_at=NOW)
    assert "You can leave this page" in page_of(boss, LIVE)
    set_errand(engine, state="done", result_id="c7", told="keep: no drift", finished_at=NOW)
    live = page_of(boss, LIVE)
    assert "keep: no drift" in live
    assert 'href="/reports/c7"' in live
    assert "<progress" not in live
    with engine.connect() as connection:
        acts = connection.execute(select(audit_log.c.action)).scalars().all()
        assert "ask for a check" in acts
        assert verify(connection) == []


def test_one_of_a_kind_is_open_at_a_time(boss: TestClient, engine: Engine) -> None:
    act(boss, "errand", kind="check")
    answer = act(boss, "errand", kind="check")
    assert answer.status_code == 422
    assert "a check is waiting already" in answer.text
    assert act(boss, "errand", kind="retrain").status_code == 204
    assert len(all_errands(engine)) == 2


def test_what_a_dead_process_left_does_not_block_the_next(boss: TestClient, engine: Engine) -> None:
    act(boss, "errand", kind="check")
    set_errand(engine, state="running", started_at=NOW)
    set_lease(engine, lease_of("check"), datetime.now(UTC) + timedelta(seconds=20))
    assert "a check is running already" in act(boss, "errand", kind="check").text
    with write_transaction(engine) as connection:
        connection.execute(update(leases).values(expires_at=NOW))
    assert act(boss, "errand", kind="check").status_code == 204

    assert [one.state for one in all_errands(engine)] == ["failed", "waiting"]
    assert "interrupted" in page_of(boss, LIVE)


def test_what_waits_can_be_withdrawn(boss: TestClient, engine: Engine) -> None:
    act(boss, "errand", kind="retrain")
    (errand,) = all_errands(engine)
    assert errand.errand_id in page_of(boss, LIVE)
    form = {"errand": errand.errand_id}
    answer = boss.post("/actions/withdraw", data=form, headers=csrf(boss))
    assert answer.status_code == 204
    assert all_errands(engine)[0].state == "withdrawn"
    answer = boss.post("/actions/withdraw", data=form, headers=csrf(boss))
    assert answer.status_code == 422
    assert "does not wait any more" in answer.text


@pytest.mark.parametrize(
    ("form", "told"),
    [
        ({"kind": "update"}, "check or retrain"),
        ({"kind": "check", "sure": ""}, "tick the box"),
        ({"kind": "check", "reason": ""}, "say why"),
    ],
    ids=["kind", "not sure", "no reason"],
)
def test_what_is_wrong_is_told(
    boss: TestClient, engine: Engine, form: dict[str, str], told: str
) -> None:
    answer = act(boss, "errand", **form)
    assert answer.status_code == 422
    assert told in answer.text
    assert all_errands(engine) == []


def test_who_is_no_administrator_asks_for_nothing(
    client_of: Opener, keys: dict[str, str], engine: Engine
) -> None:
    reader = client_of(keys["read"])
    found = page_of(reader, MONITORING)
    assert 'disabled aria-describedby="needs-admin"' in found
    assert "<dialog" not in found
    assert act(reader, "errand", kind="check").status_code == 403
    stranger = client_of(None)
    assert stranger.get(MONITORING, headers=PAGE).url.path == "/sign-in"
    assert stranger.get("/monitoring/checks.csv").status_code == 401
    assert all_errands(engine) == []


def test_hostile_names_and_reasons_stay_text(client: TestClient, engine: Engine) -> None:
    for number, payload in enumerate(payloads()):
        column = {"column": payload, "aspect": "values", "effect": 0.5, "usual": 0.1}
        inputs = {"state": payload, "causes": [payload], "compared": [column]}
        missing = {"missing": {payload: [0.1, 0.2]}}
        found = {"inputs": inputs, "harm": {"verdict": payload}, "drift": missing}
        add(engine, number, found, reason=payload, decision=payload[:16])
        add_decision(engine, number, seen=payload, reason=payload, actor=payload[:200])
        add_retrain(engine, number, reason=payload, verdict=json.dumps({"reason": payload}),
                    challenger_version=payload[:64])  # fmt: skip
        with write_transaction(engine) as connection:
            connection.execute(
                insert(errands).values(
                    errand_id=f"e{number}",
                    kind="check",
                    asked_at=NOW + timedelta(days=number),
                    actor=payload[:200],
                    reason=payload,
                    state="done",
                    told=payload,
                )  # fmt: skip
            )
    for number in range(len(payloads()), 0, -10):
        place = f"before=c{number}&decided=d{number:05}&retrained=r{number:05}"
        assert odd_markup(page_of(client, f"/monitoring?{place}")) == []


def test_tables_are_files_too(client: TestClient, engine: Engine) -> None:
    add(engine, 1)
    add_decision(engine, 1, actor="@cmd", reason="+later")
    add_retrain(engine, 1)
    (row,) = csv.DictReader(io.StringIO(client.get("/monitoring/decisions.csv").text))
    assert (row["actor"], row["reason"]) == ("'@cmd", "'+later")
    (check,) = client.get("/monitoring/checks.json").json()["checks"]
    assert check["check_id"] == "c1"
    assert "findings" not in check
    assert client.get("/monitoring/retrains.json").json()["retrains"][0]["state"] == "promoted"
    assert client.get("/monitoring/outcomes.csv").status_code == 422
    assert client.get("/monitoring/checks.xml").status_code == 422
