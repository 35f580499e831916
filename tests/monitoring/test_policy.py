"""An alarm leads to a retrain, unless it cannot help yet; noise leads to nothing."""

import re
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest

from contracts.params import Policy, load_params
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
    drift_share=0.1,
    performance=GOOD,
    last_retrain=None,
)


@pytest.fixture(scope="module")
def policy() -> Policy:
    return load_params(Path("params.yaml")).monitoring.policy


@pytest.mark.parametrize(
    ("changes", "action", "alarm", "reason"),
    [
        ({}, "keep", False, "no drift, performance as expected"),
        ({"drift_share": 0.5}, "retrain", True, "50% of the columns drifted"),
        ({"drift_share": 0.49}, "keep", False, "no drift"),
        ({"drift_share": None}, "keep", False, "drift not judged"),
        (
            {"performance": WORSE},
            "retrain",
            True,
            r"0.100 above expectation over 28 days \(t",
        ),
        ({"performance": replace(WORSE, days=6)}, "keep", False, "not judged: 6 days"),
        ({"performance": replace(WORSE, t=None)}, "keep", False, "as expected"),
        ({"rows": 499, "drift_share": None}, "keep", False, "not enough data: 499 predictions"),
        ({"performance": WORSE, "outcome_days": 27}, "keep", True, "fall on only 27 days"),
        ({"performance": WORSE, "outcomes": 499}, "keep", True, "but only 499 new outcomes"),
        (
            {"drift_share": 0.9, "last_retrain": NOW - timedelta(days=27)},
            "keep",
            True,
            "but the last retrain was on 2013-05-05",
        ),
        ({"drift_share": 0.9, "last_retrain": NOW - timedelta(days=28)}, "retrain", True, "90%"),
        ({"drift_share": 0.9, "performance": WORSE}, "retrain", True, "expectation.* and 90%"),
    ],
)
def test_decision(
    policy: Policy, changes: dict[str, object], action: str, alarm: bool, reason: str
) -> None:
    decision = decide(replace(QUIET, **changes), policy)

    assert (decision.action, decision.alarm) == (action, alarm)
    assert re.search(reason, decision.reason), decision.reason
