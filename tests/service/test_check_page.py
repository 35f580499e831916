"""A check's page says in sentences what was found, and shows whatever the row has."""

import json
from datetime import timedelta
from typing import Any

import pytest
from sqlalchemy import Engine, insert
from starlette.testclient import TestClient

from contracts.database import write_transaction
from contracts.settings import Settings
from contracts.tables import retrains
from tests.conftest import NOW
from tests.service.test_reports import add_check

REPORT = "check-20260101T000000-0000c1.html"
COMPARED = [
    {"column": "temp", "aspect": "values", "effect": 0.23, "usual": 0.11, "surprise": 12.0},
    {"column": "wind", "aspect": "missing", "effect": 0.03, "usual": 0.02, "surprise": 2.0},
]
FINDINGS: dict[str, Any] = {
    "inputs": {
        "state": "alarm",
        "reasons": ["hour: every value is the same; really", "temp: values changed"],
        "causes": ["hour", "temp"],
        "p": 0.0004,
        "rate": 0.008,
        "faults": [{"column": "hour", "kind": "stuck", "found": 1.0, "usual": 0.0}],
        "compared": COMPARED,
    },
    "harm": {
        "verdict": "harmful",
        "reasons": ["harmful, over 7 days with outcomes", "temp: costs 0.040 loss a row"],
        "signs": [
            {"what": "temp", "amount": 0.04, "z": 3.1},
            {"what": "origin = JFK", "amount": 0.01, "z": None},
        ],
        "amount": 0.04,
        "weights": {"temp": 0.0123, "hour": -0.00001},
    },
    "apart": {"auc": 0.93, "usual": 0.88, "columns": {"temp": 0.2, "hour": 0.31}},
    "drift": {
        "influence": {"temp": 0.02, "hour": 0.01},
        "versions": {"v0": 0.25, "v1": 0.75},
        "missing": {"wind": [0.01, 0.045]},
        "not_judged": {"origin": "all values missing in the current window"},
    },
    "performance": {
        "loss": 0.53, "loss_interval": [0.52, 0.54], "expected": 0.51, "excess": 0.02,
        "excess_interval": [0.01, 0.03], "roc_auc": 0.7, "roc_auc_interval": [0.68, 0.72],
    },
    "estimated": {
        "figures": {
            "loss": {"value": 0.525, "low": 0.515, "high": 0.535, "usual": 0.5},
            "roc_auc": {"value": 0.69, "low": None, "high": None, "usual": 0.71},
        },
        "reasons": ["no estimate sees what answers mean now"],
    },
    "realised": {"rows": 900, "figures": {"loss": 0.5321}},
}  # fmt: skip


def add(engine: Engine, number: int = 1, found: object = FINDINGS, **values: object) -> None:
    reasons = "hour: every value is the same; really; temp: values changed"
    row = {
        "check_id": f"c{number}", "checked_at": NOW + timedelta(days=number), "report": REPORT,
        "reason": f"the data has faults, nothing is learned: {reasons}; only 5 outcomes; "
        "harmful, over 7 days with outcomes; temp: costs 0.040 loss a row; estimated loss 0.525",
        "findings": json.dumps(found),
    }  # fmt: skip
    add_check(engine, **{**row, **values})


def test_the_page_says_what_was_found_and_decided(client: TestClient, engine: Engine) -> None:
    add(engine)
    page = client.get("/reports/c1")

    assert page.status_code == 200
    assert "<script>" not in page.text
    assert "script-src 'self';" in page.headers["content-security-policy"]
    assert page.headers["cache-control"] == "no-store"
    for told in (
        "the data has faults</span>",
        "The champion stays.",
        "<li>the data has faults, nothing is learned</li>",
        "<li>hour: every value is the same; really</li>",
        "<li>only 5 outcomes</li>",
        "<li>estimated loss 0.525</li>",
        "1,234",
        "<code>v1</code> 75%",
        "alarming: 0.008",
        "every value is the same</td>",
        "within what chance shows",
        "all values missing in the current window",
        "4.5%",
        "The log-loss is 0.0200 above what such answers promise (95 % interval +0.0100 to +0.0300)",
        "worse than expected",
        "0.5300 <span",
        "0.5200 to 0.5400",
        "0.5250 <span",
        "0.5150 to 0.5350",
        "0.6900</td>",
        "0.5321</td>",
        "no estimate sees what answers mean now.",
        "This is the first check",
        'href="/checks/c1"',
    ):
        assert told in page.text, told


def test_causes_are_ranked_and_what_did_not_change_is_not(
    client: TestClient, engine: Engine
) -> None:
    add(engine)
    rows = client.get("/reports/c1").text.split("<tr")
    names = ["hour", "temp", "wind"]
    found = [next(row for row in rows if f'class="name">{name}<' in row) for name in names]

    assert '<td class="number">1</td>' in found[0]
    assert '<td class="number">2</td>' in found[1]
    assert 'class="usual"' in found[2]
    assert 'width="50.0%"' in found[0]  # half the weight of the most important one


def test_harm_is_said_beside_the_decision_and_told_in_full(
    client: TestClient, engine: Engine
) -> None:
    add(engine)
    box, _, rest = client.get("/reports/c1").text.partition("<dl")

    assert '<span class="pill bad">harmful</span>' in box
    assert "over 7 days with outcomes; gravest: temp, which adds 0.040 log-loss a row" in box
    assert "<li>temp: costs" not in box  # said once
    rows = rest[rest.index("what hurts") :].split("<tr")
    assert "+0.0400" in rows[1] and "column" in rows[1] and 'width="100.0%"' in rows[1]
    assert "rank 3.1 standard errors above" in rows[1]
    assert "+0.0100" in rows[2] and "segment" in rows[2] and 'width="25.0%"' in rows[2]
    assert "its outcomes have not come" in rows[2]


@pytest.mark.parametrize(
    ("verdict", "style"),
    [("benign", "good"), ("not known before outcomes", "quiet"), ("not enough data", "quiet")],
)
def test_that_nothing_is_known_to_hurt_is_said_too(
    client: TestClient, engine: Engine, verdict: str, style: str
) -> None:
    add(engine, 1, {"harm": {"verdict": verdict, "reasons": [f"{verdict}: why not"]}})
    page = client.get("/reports/c1").text

    assert f'<span class="pill {style}">{verdict}</span>' in page
    assert "why not." in page
    assert "what hurts" not in page


def test_causes_show_what_they_weigh_and_are_worth(client: TestClient, engine: Engine) -> None:
    add(engine)
    rows = client.get("/reports/c1").text.split("<tr")
    hour, temp = (next(r for r in rows if f'class="name">{n}<' in r) for n in ("hour", "temp"))

    assert "0.010</td>" in hour and ">0.0000</td>" in hour
    assert "0.020</td>" in temp and ">0.0123</td>" in temp


def test_drift_is_shown_weighed_and_broken_columns_named_where_a_check_knows(
    client: TestClient, engine: Engine
) -> None:
    add(engine, 1)
    weighed = {"drift": 0.123, "causes": [{"column": "temp", "weight": 0.0456}]}
    harm = {**FINDINGS["harm"], "broken": {"temp": "its <unit>"}, "cost": 0.04}
    add(engine, 2, {**FINDINGS, "weighed": weighed, "harm": harm})

    assert "weighed drift" not in client.get("/reports/c1").text
    page = client.get("/reports/c2").text
    assert "0.046</td>" in next(r for r in page.split("<tr") if 'class="name">temp<' in r)
    assert "the drift is 0.123:" in page
    assert "together +0.0400 log-loss a row" in page
    assert "<b>temp</b>: its &lt;unit&gt;</li>" in page


def test_the_classifier_explains_by_which_columns(client: TestClient, engine: Engine) -> None:
    add(engine)
    add(engine, 2, {"apart": {"auc": 0.7, "usual": 0.8, "columns": {}}})
    page = client.get("/reports/c1").text

    assert "Yes, better than usual: its cross-validated ROC AUC is <strong>0.93</strong>" in page
    assert "days of the reference among themselves reach 0.88" in page
    rows = page[page.index("it goes by") :].split("<tr")
    assert "hour" in rows[1] and "0.310" in rows[1] and "temp" in rows[2]
    assert "It explains, and decides nothing." in " ".join(page.split())
    assert "No better than usual" in client.get("/reports/c2").text


def test_a_window_that_was_judged_before_says_so_and_late_rows_are_counted(
    client: TestClient, engine: Engine
) -> None:
    add(engine, 1)
    late = [{"check_id": "c0", "rows": 1000}, {"check_id": "c1", "rows": 234}]
    add(engine, 2, {**FINDINGS, "window": {"kind": "tumbling", "by": "c1", "late": late}})

    assert "came after they were judged" not in client.get("/reports/c1").text
    page = client.get("/reports/c2").text
    assert 'was judged by <a href="/reports/c1">an earlier check</a>' in page
    assert "<dt>came after they were judged</dt><dd>1,234 <" in page


def test_past_checks_are_drawn_and_linked(client: TestClient, engine: Engine) -> None:
    for number in range(1, 60):
        found = {**FINDINGS, "performance": {"excess": number / 1000}} if number % 3 else {}
        add(engine, number, found)
    page = client.get("/reports/c50").text

    assert page.count("<circle cx=") == 40
    assert 'href="/reports/c11"' in page and 'href="/reports/c10"' not in page
    assert ">the check before</a>" in page
    assert '<a href="/reports/c51">the next check</a>' in page
    assert "log-loss above what the answers promise" in page
    assert "NaN" not in page


@pytest.mark.parametrize(
    "found",
    [
        {},
        {"inputs": None, "drift": {"error": "the drift report failed: <b>x</b>"}},
        {"inputs": {"state": "new"}, "performance": {"loss": None, "excess": float("nan")}},
        {"inputs": {"state": "ok", "causes": 5, "compared": "x", "faults": [1]}, "drift": []},
        {"inputs": {"state": "ok", "compared": [{}], "reasons": [1]}, "estimated": None},
        {
            "estimated": {"figures": {"loss": {"value": 3, "low": None, "high": None}}},
            "realised": None,
        },
        {"performance": {"excess": 0.0, "excess_interval": [None, 1], "loss": 1e300}},
        {"harm": {"verdict": 3}, "apart": {"auc": "<b>x", "columns": [1]}},
        {"harm": {"verdict": "<b>x", "signs": [{}, 1, {"amount": 0}], "weights": [], "reasons": 2}},
        {"harm": {"verdict": "harmful", "signs": [{"what": ["<b>x"], "amount": -1e300}]}},
        {"window": {"by": "<b>x", "late": [{}, {"rows": "x"}, 3]}},
        {"window": {"by": 3, "late": 4}},
        {"weighed": {"drift": "<b>x", "causes": [1, {}]}, "harm": {"broken": [1]}},
        {"harm": {"verdict": "harmful", "broken": {"<b>x": ["<b>x"]}, "cost": None}},
        {"apart": {"auc": 7, "usual": None, "columns": {"<b>x": float("nan"), "a": 1}}},
        {"drift": {"influence": {"a": "x"}, "versions": {"v": None}, "missing": {"a": 3}}},
    ],
)
def test_whatever_a_row_lacks_is_left_out(
    client: TestClient, engine: Engine, found: dict[str, Any]
) -> None:
    add(engine, 1, found)
    add(engine, 2, found, decision="recalibrate", model_version="nobody knows")
    add(engine, 3, found, decision="something new")
    for number in (1, 2, 3):
        page = client.get(f"/reports/c{number}")
        assert page.status_code == 200, page.text
        assert "<b>x" not in page.text


def test_the_evidently_report_is_linked_while_it_is_there(
    client: TestClient, engine: Engine, settings: Settings
) -> None:
    add(engine)
    assert "The Evidently report was deleted" in client.get("/reports/c1").text
    gone = client.get(f"/reports/{REPORT}")
    assert gone.status_code == 410
    assert "monitoring.reports in params.yaml" in gone.text
    assert 'href="/reports/c1"' in client.get("/reports").text

    settings.reports_dir.mkdir()
    (settings.reports_dir / REPORT).write_text("<h1>drift</h1>")
    assert f'href="/reports/{REPORT}"' in client.get("/reports/c1").text
    assert client.get(f"/reports/{REPORT}").status_code == 200
    assert client.get("/reports/check-20200101T000000-ffffff.html").status_code == 404


def test_retrains_that_a_check_led_to_are_on_its_page(client: TestClient, engine: Engine) -> None:
    add(engine, decision="retrain")
    with write_transaction(engine) as connection:
        connection.execute(
            insert(retrains).values(
                retrain_id="r1", check_id="c1", started_at=NOW, state="promoted", reason="worse",
                champion_version="v1", challenger_version="v2", verdict=json.dumps({"t": 2.5}),
            )
        )  # fmt: skip
    page = client.get("/reports/c1").text
    assert "A retrain was asked for." in page
    assert "<strong>promoted</strong>, version <code>v2</code>. t 2.5" in page


def test_no_name_can_turn_text_about_or_be_markup(client: TestClient, engine: Engine) -> None:
    name = "<img src=x onerror=alert(1)>\u202e\x00gnp.exe" + "x" * 5000
    inputs = {**FINDINGS["inputs"], "causes": [name], "reasons": [f"{name}: values changed"]}
    hurt = {"verdict": "harmful", "signs": [{"what": name, "amount": 1}], "weights": {name: 1}}
    told = {"inputs": inputs, "harm": {**hurt, "reasons": [name]}}
    apart = {"auc": 1, "usual": 0.5, "columns": {name: 0.5}}
    found = {**FINDINGS, **told, "apart": apart}
    add(engine, 1, found, reason=f"watch: {name}: values changed")
    for path in ("/reports/c1", "/reports"):
        page = client.get(path).text
        assert "<img" not in page
        assert "&lt;img src=x onerror=alert(1)&gt;\\u202e\\x00gnp.exe" in page
        assert "\u202e" not in page and "\x00" not in page


@pytest.mark.parametrize("name", ["nobody", "%00", "%E2%80%A8", "x" * 500, "-", "'"])
def test_an_unknown_check_has_no_page(client: TestClient, engine: Engine, name: str) -> None:
    add(engine)
    assert client.get(f"/reports/{name}").status_code == 404


def test_pages_stay_small_whatever_was_found(client: TestClient, engine: Engine) -> None:
    long = "x" * 1000
    many = [f"{long} {i}" for i in range(3000)]
    found = {
        "inputs": {"state": "alarm", "reasons": many[:51], "causes": many},
        "drift": {"influence": dict.fromkeys(many[:12], 0.1)},
        "harm": {"verdict": "harmful", "reasons": many, "weights": dict.fromkeys(many, 0.1),
                 "signs": [{"what": one, "amount": 0.1} for one in many]},
        "apart": {"auc": 0.9, "columns": dict.fromkeys(many, 0.1)},
        "performance": FINDINGS["performance"],
    }  # fmt: skip
    for number in range(3):
        add(engine, number, found, reason="; ".join(many[:51]))
    assert len(client.get("/reports/c2").content) < 200_000
    assert len(client.get("/reports").content) < 20_000
