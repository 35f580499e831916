"""What bench-gate makes of its trials, and that its sabotage does what it says."""

from typing import Any

import numpy as np
import pandas as pd
import pytest

from benchmarks.gate.sabotage import HONEST, KINDS, Sabotage
from benchmarks.gate.tables import as_tables, missed, summarise


def trial(at: str, kind: str, promote: bool, gained: float, t: float = 1.0) -> dict[str, Any]:
    verdict = {"promote": promote, "t": t, "asked_t": 0.5, "hurt": [], "reason": "saves",
               "golden": {"passed": promote, "forgotten": []}}  # fmt: skip
    return {"at": at, "kind": kind, "champion": "x", "gained": gained, "verdict": verdict}


GOOD = [
    trial("2013-05-01", "noise", False, -0.02),
    trial("2013-09-01", "noise", True, 0.01),  # sabotaged, and better all the same
    trial("2013-09-01", "noise", False, -0.03, t=0.1),
    *(trial("2013-09-01", HONEST.name, promote, 0.01) for promote in (True, True, True, False)),
    trial("2013-05-01", HONEST.name, True, 0.01),
]


def test_trials_are_counted_by_stretch_and_kind() -> None:
    found = summarise(GOOD)

    whole, late = found["May to December"], found["August to December"]
    assert whole["sabotaged"] == {"trials": 3, "promoted": 1}
    assert whole["sabotaged_and_worse"] == {"trials": 2, "promoted": 0}
    assert (whole["better"]["trials"], late["better"]["trials"]) == (5, 4)
    assert whole["kinds"]["noise"]["by"] == {
        "outcomes": 1, "segments": 0, "golden": 2, "forgotten": 0, "belief": 0
    }  # fmt: skip
    table = as_tables({"summary": found, "seconds": 60})
    assert "| May to December | 0 of 2 | 4 of 5 | 1 of 5 | 1 of 3 |" in table


def test_every_bar_that_is_missed_is_named() -> None:
    bad = [*GOOD, trial("2013-10-01", "noise", True, -0.01)]

    assert missed(summarise([each for each in GOOD if each["at"] < "2013-08"])) == []
    told = "; ".join(missed(summarise(bad)))
    assert "1 of 3 sabotaged promoted, May to December" in told
    assert "3 of 4 better promoted, August to December" in told


@pytest.fixture
def rows() -> pd.DataFrame:
    rng = np.random.default_rng(0)
    return pd.DataFrame(
        {
            "late": rng.integers(0, 2, 1000), "carrier": rng.choice(["UA", "AA"], 1000),
            "origin": rng.choice(["EWR", "JFK"], 1000), "dewp": rng.normal(50, 5, 1000),
            "distance": rng.integers(100, 900, 1000).astype("float32"),
            "sched_dep": rng.integers(0, 1440, 1000).astype("float32"),
        }
    )  # fmt: skip


@pytest.mark.parametrize("kind", KINDS, ids=lambda kind: kind.name)
def test_sabotage_leaves_its_input_and_what_was_not_fed(kind: Sabotage, rows: pd.DataFrame) -> None:
    before, fed = rows.copy(), np.arange(len(rows)) >= 500
    spoiled = kind.spoil(rows, fed, np.random.default_rng(1))

    pd.testing.assert_frame_equal(rows, before)
    assert (spoiled.late[:500] == rows.late[:500]).all(), "labels of the table cannot be reached"
    if "flipped" in kind.name or kind.name.startswith("backdoor"):
        assert (spoiled.late[500:] != rows.late[500:]).any()
