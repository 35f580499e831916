"""A check's word on the inputs: which of the four, and the sentences behind it."""

import pytest

from monitoring.drift_state import MOST_FAULTS, TEST_SHARE, Limits, assess
from monitoring.quality import Fault
from monitoring.significance import Compared, Significance

LIMITS = Limits(false_alarm_rate=0.05, false_discovery_rate=0.05, least_effect=0.02)
UNIT = Fault("distance", "unlike", 0.5, 0.1)
CALM = Compared("wind", "values", 0.01, 0.03, 0.5)
MOVED = Compared("shop", "values", 0.2, 0.05, 12.0)
HOLES = Compared("temp", "missing", 0.06, 0.01, 9.0)
LITTLE = Compared("shop", "values", 0.01, 0.005, 12.0)


def result(p: float | None, *compared: Compared, smallest: float = 0.001) -> Significance:
    return Significance(p, smallest, compared)


def test_no_more_change_than_usual_is_ok() -> None:
    drift = assess(result(0.4, CALM), [], LIMITS)
    assert (drift.state, drift.causes) == ("ok", ())
    assert "p = 0.4" in drift.reasons[0]


def test_a_change_is_to_be_watched_and_its_columns_are_named() -> None:
    drift = assess(result(0.001, MOVED, HOLES, CALM), [], LIMITS)
    assert (drift.state, drift.causes) == ("watch", ("shop", "temp"))
    assert drift.reasons[1].startswith("shop: values changed by 20% of the rows")
    assert drift.reasons[2].startswith("temp: the share of missing values changed by 6%")
    assert len(drift.reasons) == 3


def test_a_fault_of_the_data_is_an_alarm_whatever_the_test_says() -> None:
    for p in (None, 0.4, 0.001):
        drift = assess(result(p, MOVED), [UNIT], LIMITS)
        assert drift.state == "alarm"
        assert drift.causes[0] == "distance"
        assert drift.reasons == (str(UNIT),)


def test_the_test_has_its_share_of_the_declared_rate() -> None:
    just = TEST_SHARE * LIMITS.false_alarm_rate
    assert assess(result(just, MOVED), [], LIMITS).state == "watch"
    assert assess(result(just + 1e-6, MOVED), [], LIMITS).state == "ok"


@pytest.mark.parametrize(
    ("given", "said"),
    [
        (result(None), "too few blocks to compare"),
        (result(0.3, CALM, smallest=0.2), "so few blocks show no p-value below 0.2"),
    ],
    ids=["nothing", "few"],
)
def test_too_little_data_is_never_ok(given: Significance, said: str) -> None:
    drift = assess(given, [], LIMITS)
    assert drift.state == "not enough data"
    assert said in drift.reasons[0]


def test_a_change_of_many_columns_by_little_is_still_told() -> None:
    drift = assess(result(0.001, LITTLE), [], LIMITS)
    assert (drift.state, drift.causes) == ("watch", ("shop",))
    assert "each column by little" in drift.reasons[0]


def test_what_the_page_shows_is_kept() -> None:
    drift = assess(result(0.001, MOVED, HOLES, CALM), [UNIT], LIMITS)
    assert (drift.p, drift.faults, drift.compared) == (0.001, (UNIT,), (MOVED, HOLES, CALM))
    assert drift.rate == pytest.approx(TEST_SHARE * LIMITS.false_alarm_rate)


def test_of_thousands_of_faults_the_gravest_are_told() -> None:
    faults = [Fault(f"column {i}", "stuck", 1.0, 0.0) for i in range(3000)]
    drift = assess(result(0.4, CALM), faults, LIMITS)
    assert len(drift.causes) == 3000
    assert len(drift.faults) == MOST_FAULTS
    assert drift.reasons[:1] == (str(faults[0]),)
    assert drift.reasons[MOST_FAULTS:] == (f"and {3000 - MOST_FAULTS} more faults of the data",)
