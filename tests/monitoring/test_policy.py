"""An alarm leads to a retrain, unless it cannot help yet; noise leads to nothing."""

import re
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest

from contracts.monitoring_params import Policy
from contracts.params import load_params
from monitoring.drift_state import Drift
from monitoring.performance import Performance
from monitoring.policy import Evidence, decide

NOW = datetime(2013, 6, 1, tzinfo=UTC)
GOOD = Performance(rows=9000, days=28, loss=0.5, roc_auc=0.7, excess=0.001, t=0.3)
WORSE = replace(GOOD, excess=0.1, t=3.5)
QUIET = Evidence(
    NOW,
    rows=7000,
    outcomes=9000,
    outcome_days=28,
    inputs=Drift("ok", ("no more change than usual",), ()),
    performance=GOOD,
    last_retrain=None,
    fruitless=0,
    learned_until=NOW - timedelta(days=27),
)
WATCH = Drift("watch", ("the inputs changed (p = 0.001)",), ("temp",))
FAULT = Drift("alarm", ("distance: a changed unit?",), ("distance",))
FEW = Drift("not enough data", ("too few blocks",), ())
OLD = {"learned_until": NOW - timedelta(days=28)}


@pytest.fixture(scope="module")
def policy() -> Policy:
    shipped = load_params(Path("params.yaml")).monitoring.policy
    return shipped.model_copy(update={"retrain_every_days": 28})


@pytest.mark.parametrize(
    ("changes", "action", "alarm", "reason"),
    [
        ({}, "keep", False, "no drift; performance as expected"),
        ({"inputs": WATCH}, "keep", False, "watch: the inputs changed .* performance as expected"),
        ({"inputs": FEW}, "keep", False, "not enough data: too few blocks"),
        ({"inputs": FAULT}, "keep", True, "nothing is learned: distance: a changed unit"),
        ({"inputs": FAULT, "performance": WORSE}, "keep", True, "nothing is learned"),
        ({"inputs": FAULT, **OLD}, "keep", True, "nothing is learned"),
        (OLD, "retrain", False, "nothing since 2013-05-04 .policy.retrain_every_days: 28"),
        ({"due": "it is Monday"}, "retrain", False, "it is Monday"),
        ({"due": "it is Monday", "inputs": FAULT}, "keep", True, "nothing is learned"),
        ({"due": "it is Monday", "outcomes": 499}, "keep", False, "but only 499 new outcomes"),
        (
            {"due": "it is Monday", "last_retrain": NOW - timedelta(days=1)},
            "keep",
            False,
            "cool-down",
        ),
        ({"due": "it is Monday", "performance": WORSE}, "retrain", True, "above expectation"),
        (
            {"performance": WORSE},
            "retrain",
            True,
            r"0.100 above expectation over 28 days \(t",
        ),
        ({"performance": replace(WORSE, days=6)}, "keep", False, "not judged: 6 days"),
        ({"performance": replace(WORSE, t=None)}, "keep", False, "as expected"),
        ({"rows": 499, "inputs": None}, "keep", False, "not enough data: 499 predictions"),
        ({"performance": WORSE, "outcome_days": 27}, "keep", True, "fall on only 27 days"),
        ({"performance": WORSE, "outcomes": 499}, "keep", True, "but only 499 new outcomes"),
        (
            {"performance": WORSE, "last_retrain": NOW - timedelta(days=27)},
            "keep",
            True,
            "but the last attempt was on 2013-05-05",
        ),
        (
            {"performance": WORSE, "last_retrain": NOW - timedelta(days=28)},
            "retrain",
            True,
            "expectation",
        ),
        (
            {"performance": WORSE, "last_retrain": NOW - timedelta(days=28), "fruitless": 1},
            "keep",
            True,
            "cool-down of 56 days; the last 1 did not help",
        ),
        (
            {"performance": WORSE, "last_retrain": NOW - timedelta(days=112), "fruitless": 2},
            "retrain",
            True,
            "expectation",
        ),
        (
            {"performance": WORSE, "last_retrain": NOW - timedelta(days=224), "fruitless": 99},
            "retrain",
            True,
            "expectation",
        ),
        ({**OLD, "outcomes": 499}, "keep", False, "no drift; .*nothing since .*, but only 499"),
        ({**OLD, "performance": WORSE}, "retrain", True, "expectation"),
    ],
)
def test_decision(
    policy: Policy, changes: dict[str, object], action: str, alarm: bool, reason: str
) -> None:
    decision = decide(replace(QUIET, **changes), policy)

    assert (decision.action, decision.alarm) == (action, alarm)
    assert re.search(reason, decision.reason), decision.reason
