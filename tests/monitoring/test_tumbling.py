"""Tumbling windows are judged once each, and rows that come afterwards are counted and seen."""

import json
from collections.abc import Mapping
from datetime import UTC, datetime, timedelta
from typing import Any

import pandas as pd
import pytest
from pydantic import ValidationError
from sqlalchemy import select

from contracts.bundle import save_bundle
from contracts.database import write_transaction
from contracts.monitoring_params import Monitoring
from contracts.params import Params
from contracts.registry import promote, register
from contracts.tables import checks
from monitoring.check import Check, run_check
from monitoring.hindrance import hindrance
from monitoring.span import find_span
from tests.monitoring.conftest import World

FOURTH, ELEVENTH, EIGHTEENTH = (datetime(2013, 2, day, tzinfo=UTC) for day in (4, 11, 18))
MORNING = timedelta(hours=6)
DAY = timedelta(days=1)


@pytest.fixture
def tumbling(params: Params) -> Monitoring:
    return params.monitoring.model_copy(update={"window": "tumbling"})


@pytest.fixture
def counting(tumbling: Monitoring) -> Monitoring:
    """Too few rows to judge the inputs, which takes most of a check's time."""
    policy = tumbling.policy.model_copy(update={"min_rows": 100_000})
    return tumbling.model_copy(update={"policy": policy})


def _check(world: World, params: Monitoring, now: datetime, **options: Any) -> Check:
    return run_check(world.engine, world.bundles, world.reports, params, now, **options)


def _findings(world: World, check: Check) -> Mapping[str, Any]:
    with world.engine.connect() as connection:
        own = select(checks.c.findings).where(checks.c.check_id == check.check_id)
        found: dict[str, Any] = json.loads(connection.execute(own).scalar_one())
    return found


@pytest.mark.parametrize(
    ("days", "now", "end"),
    [
        (7, ELEVENTH + MORNING, ELEVENTH),
        (7, EIGHTEENTH - timedelta(seconds=1), ELEVENTH),
        (7, EIGHTEENTH, EIGHTEENTH),
        (1, FOURTH + 2 * DAY + MORNING, FOURTH + 2 * DAY),
        (14, EIGHTEENTH - MORNING, FOURTH),
        (7, datetime(1969, 1, 1, tzinfo=UTC), datetime(1968, 12, 30, tzinfo=UTC)),
    ],
    ids=["a week", "its last second", "its end", "days", "fortnights", "before the first"],
)
def test_tumbling_windows_end_at_whole_multiples_since_a_monday(
    world: World, tumbling: Monitoring, days: int, now: datetime, end: datetime
) -> None:
    params = tumbling.model_copy(update={"window_days": days})
    with world.engine.connect() as connection:
        span = find_span(connection, now, params)
        sliding = find_span(connection, now, params.model_copy(update={"window": "sliding"}))

    assert (span.start, span.end) == (end - days * DAY, end)
    assert (sliding.start, sliding.end) == (now - days * DAY, now)


def test_a_tumbling_window_is_judged_once(
    world: World, february: pd.DataFrame, tumbling: Monitoring
) -> None:
    new = (february.event_time >= ELEVENTH - 2 * DAY) & (february.index % 3 == 0)
    world.answer(february.assign(carrier=february.carrier.mask(new, "a new code")))
    first = _check(world, tumbling, ELEVENTH + MORNING)
    second = _check(world, tumbling, ELEVENTH + DAY + MORNING)
    third = _check(world, tumbling, ELEVENTH + 2 * DAY + MORNING)

    assert (first.window.span.start, first.window.span.end) == (FOURTH, ELEVENTH)
    assert first.window.by is None
    assert second.window.by == third.window.by == first.check_id
    assert [path.name for path in world.reports.iterdir()] == [first.report]
    one, other = _findings(world, first), _findings(world, third)
    for part in ("inputs", "harm", "apart", "drift", "estimated"):
        assert one[part] == other[part]
    # What is known of the data holds until the next window is judged; outcomes go on.
    assert third.inputs is not None and third.inputs.state == "alarm"
    assert third.decision.action == "keep" and third.decision.alarm
    assert third.facts["causes"] == first.facts["causes"]
    with world.engine.connect() as connection:
        assert "the data has faults" in (hindrance(connection, FOURTH) or "")
    assert third.performance.days == first.performance.days + 2
    assert f"check {first.check_id} has judged the window until 2013-02-11" in third.decision.reason
    assert "the next one ends at 2013-02-18" in third.decision.reason


def test_the_next_window_follows_without_a_gap(
    world: World, february: pd.DataFrame, counting: Monitoring
) -> None:
    world.answer(february)
    first = _check(world, counting, ELEVENTH + MORNING)
    second = _check(world, counting, EIGHTEENTH + MORNING)

    assert second.window.by is None
    assert second.window.span.start == first.window.span.end
    times = february.event_time
    assert second.evidence.rows == ((times >= ELEVENTH) & (times < EIGHTEENTH)).sum()


def test_another_champion_judges_the_window_itself(
    world: World, february: pd.DataFrame, counting: Monitoring, tmp_path: Any
) -> None:
    world.answer(february)
    _check(world, counting, ELEVENTH + MORNING)
    facts = {key: world.bundle.manifest[key] for key in ("trained_from", "trained_until")}
    files = {**world.bundle.files, "model_card.md": b"# another\n"}
    save_bundle(tmp_path / "other", files, facts)
    other = register(world.engine, world.bundles, tmp_path / "other", ELEVENTH, {})
    with write_transaction(world.engine) as connection:
        promote(connection, other, actor="test", reason="better", now=ELEVENTH)

    assert _check(world, counting, ELEVENTH + DAY).window.by is None
    assert _check(world, counting, ELEVENTH + 2 * DAY).window.by is not None


def test_each_check_of_a_window_gets_what_came_true(
    world: World, february: pd.DataFrame, counting: Monitoring
) -> None:
    world.answer(february)
    first = _check(world, counting, ELEVENTH + MORNING)
    assert _findings(world, first)["realised"] is None
    second = _check(world, counting, ELEVENTH + DAY + MORNING)
    third = _check(world, counting, ELEVENTH + 2 * DAY + MORNING)

    realised = [_findings(world, each)["realised"] for each in (first, second, third)]
    assert realised[0]["figures"]["loss"] > 0
    assert realised[0] == realised[1] == realised[2]


def test_rows_that_come_late_are_counted_and_seen_when_asked_for(
    world: World, february: pd.DataFrame, counting: Monitoring
) -> None:
    inside = (february.event_time >= FOURTH) & (february.event_time < ELEVENTH)
    late = inside & (february.index % 10 == 0)
    world.answer(february[~late])
    first = _check(world, counting, ELEVENTH + MORNING)
    assert _findings(world, first)["window"] == {"kind": "tumbling", "by": None, "late": []}

    world.answer(february[late])
    second = _check(world, counting, ELEVENTH + DAY)
    assert second.evidence.rows == first.evidence.rows == (inside & ~late).sum()
    assert _findings(world, second)["window"]["late"] == [
        {"check_id": first.check_id, "window_to": ELEVENTH.isoformat(),
         "judged": first.evidence.rows, "rows": late.sum()}
    ]  # fmt: skip
    following = _check(world, counting, EIGHTEENTH)
    assert _findings(world, following)["window"]["late"][0]["rows"] == late.sum()

    again = _check(world, counting, EIGHTEENTH - DAY, again=True)
    assert again.window.by is None
    assert (again.window.span.end, again.evidence.rows) == (ELEVENTH, inside.sum())
    # The newest check of that window has seen them all.
    assert _findings(world, _check(world, counting, EIGHTEENTH + DAY))["window"]["late"] == []


def test_sliding_windows_count_late_rows_too(
    world: World, february: pd.DataFrame, counting: Monitoring
) -> None:
    sliding = counting.model_copy(update={"window": "sliding"})
    old = (february.event_time < FOURTH) & (february.index % 5 == 0)
    world.answer(february[~old])
    first = _check(world, sliding, ELEVENTH - DAY)
    world.answer(february[old])
    second = _check(world, sliding, EIGHTEENTH)

    assert second.window.by is None
    seen = old & (february.event_time >= ELEVENTH - 8 * DAY)
    (late,) = _findings(world, second)["window"]["late"]
    assert (late["check_id"], late["rows"]) == (first.check_id, seen.sum())


def test_a_tumbling_window_is_kept_until_the_next_has_ended(params: Params) -> None:
    values = params.monitoring.model_dump()
    values |= {"window": "tumbling", "window_days": 21, "retention": {"days": 35}}
    with pytest.raises(ValidationError, match=r"retention\.days 35 is less than 70"):
        Monitoring.model_validate(values)
    with pytest.raises(ValidationError, match="window"):
        Monitoring.model_validate({**values, "window": "hopping"})
