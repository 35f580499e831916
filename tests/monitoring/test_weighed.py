"""What changed weighs as much as the champion looks at it."""

import pytest

from monitoring.drift_state import Drift
from monitoring.quality import Fault
from monitoring.significance import Compared
from monitoring.weighed import weigh_causes

FAULT = Fault("idle", "unseen", 0.9, 0.0)
MOVED = Compared("used", "values", 0.2, 0.05, 9.0)
QUIET = Compared("calm", "values", 0.01, 0.05, 0.1)
DRIFT = Drift("alarm", ("idle came new",), ("idle", "used", "(answer)"),
              faults=(FAULT,), compared=(MOVED, QUIET))  # fmt: skip


def test_causes_keep_their_rank_and_carry_their_weight() -> None:
    found = weigh_causes(DRIFT, {"used": 0.3, "calm": 0.1, "idle": 0.0})

    assert found is not None
    assert [each.column for each in found.causes] == ["idle", "used"]
    assert [each.importance for each in found.causes] == [0.0, 0.75]
    assert [each.weight for each in found.causes] == [0.0, 0.15]


def test_drift_weighs_nothing_where_the_champion_does_not_look() -> None:
    used = weigh_causes(DRIFT, {"used": 0.3, "calm": 0.1, "idle": 0.0})
    unused = weigh_causes(DRIFT, {"used": 0.0, "calm": 0.1, "idle": 0.0})

    assert used is not None and unused is not None
    assert used.drift == pytest.approx(0.15)
    assert unused.drift == 0


def test_an_infinite_distance_is_all_of_the_rows() -> None:
    far = Drift("alarm", (), ("a",), faults=(Fault("a", "unlike", 3.0, 0.1),))
    found = weigh_causes(far, {"a": 1.0})

    assert found is not None and found.drift == 1


def test_without_an_importance_nothing_is_weighed() -> None:
    assert weigh_causes(DRIFT, {}) is None
    assert weigh_causes(DRIFT, {"used": 0.0}) is None
