"""Estimates follow what inputs show and what outcomes have shown, and say what neither can."""

from datetime import UTC, datetime, timedelta

import numpy as np
import pandas as pd
import pytest

from contracts.monitoring_params import EstimateParams
from contracts.params import Task
from contracts.schema import EVENT_TIME, OUTCOME, Feature, FeatureSchema, Target
from monitoring.estimate import Estimated, estimate

NOW = datetime(2026, 3, 1, tzinfo=UTC)
PARAMS = EstimateParams()
CLASSES: dict[Task, tuple[str, ...]] = {
    "binary": ("no", "yes"), "multiclass": ("a", "b", "c"), "regression": (),
}  # fmt: skip
FEATURES = (Feature("x", "numeric", False), Feature("kind", "categorical", False))


def make_schema(task: Task, timestamp: str = "at") -> FeatureSchema:
    return FeatureSchema(FEATURES, Target("it", CLASSES[task], task=task), timestamp)


def make_rows(
    schema: FeatureSchema, first: int, last: int, seed: int = 0, *, centre: float = 0.0,
    more: float = 0.0, sure: float = 1.5, a_day: int = 300,
) -> pd.DataFrame:  # fmt: skip
    """Rows of the days from `first` to before `last`, counted from NOW.

    Args:
        centre: of x; far from 0 rows are easy, or a regression is far off.
        more: log-odds that the last class has more than x says, or a regression's error.
        sure: the answers are surer than they should be by this factor.
    """
    random = np.random.default_rng([seed, last + 1000])
    day = np.repeat(np.arange(first, last), a_day)
    x = random.normal(centre, 1, len(day))
    frame = pd.DataFrame({"x": x, "kind": random.choice(["p", "q"], len(day))})
    at = pd.Timestamp(NOW) + pd.to_timedelta(day * 86_400 + 3600, unit="s")
    if schema.target.task == "regression":
        noise = random.normal(0, 0.2 + np.abs(x) * (frame["kind"] == "q") + more)
        answers, truths = x[:, None], x + noise
    else:
        places = np.arange(len(schema.target.classes))
        scores = np.outer(x, places)
        true = softmax(scores + more * (places == places[-1]))
        number = (random.random((len(x), 1)) > true.cumsum(axis=1)[:, :-1]).sum(axis=1)
        answers, truths = softmax(sure * scores), np.array(schema.target.classes, object)[number]
    named = dict(zip(schema.answers, answers.T, strict=True))
    return frame.assign(at=at, it=truths, **named, **{EVENT_TIME: at, OUTCOME: truths})


def softmax(scores: np.ndarray) -> np.ndarray:
    powers = np.exp(scores - scores.max(axis=1, keepdims=True))
    return np.asarray(powers / powers.sum(axis=1, keepdims=True))


def look(
    schema: FeatureSchema, window: pd.DataFrame, live: pd.DataFrame | None = None, days: int = 60
) -> Estimated:
    reference = make_rows(schema, -100 - days, -100)
    live = window.head(0) if live is None else live
    asked = window.drop(columns=[OUTCOME, "it"])
    return estimate(schema, reference, live, asked, NOW, 7, PARAMS)


def realised(schema: FeatureSchema, window: pd.DataFrame) -> float:
    """Mean loss."""
    answers = window[schema.answers].to_numpy(float)
    truths = schema.target.truths(window[OUTCOME].tolist())
    if schema.target.task == "regression":
        return float(np.abs(truths - answers[:, 0]).mean())
    return float(-np.log(answers[np.arange(len(answers)), truths.astype(int)]).mean())


@pytest.mark.parametrize("task", CLASSES)
@pytest.mark.parametrize("centre", [0.0, 1.5], ids=["as before", "other rows"])
def test_what_the_inputs_show_is_estimated(task: Task, centre: float) -> None:
    schema = make_schema(task)
    window = make_rows(schema, -7, 0, 1, centre=centre)
    loss = look(schema, window).figures["loss"]

    true = realised(schema, window)
    assert loss.value == pytest.approx(true, rel=0.06)
    assert loss.usual is not None
    if centre:
        assert abs(loss.value - true) < 0.3 * abs(loss.usual - true)


def test_the_intervals_hold_what_comes_true() -> None:
    schema = make_schema("binary")
    held = []
    for seed in range(20):
        window = make_rows(schema, -7, 0, seed, a_day=100)
        loss = look(schema, window).figures["loss"]
        assert loss.low is not None and loss.high is not None
        held.append(loss.low <= realised(schema, window) <= loss.high)

    assert sum(held) >= 16
    assert loss.high - loss.low < 0.3


def test_a_change_of_the_target_alone_is_not_seen_and_that_is_said() -> None:
    schema = make_schema("binary")
    window = make_rows(schema, -7, 0, 1, more=1.5)
    found = look(schema, window)

    assert found.figures["loss"].value == pytest.approx(found.figures["loss"].usual, abs=0.05)
    assert found.seen_until is None
    assert "not detectable until outcomes arrive; none of any row has come" in found.reasons[-1]


@pytest.mark.parametrize("task", CLASSES)
def test_mature_outcomes_move_the_estimate(task: Task) -> None:
    schema = make_schema(task)
    more = 1.5 if task == "regression" else -3
    window = make_rows(schema, -7, 0, 1, more=more)
    live = make_rows(schema, -21, -7, 2, more=more)
    before, after = look(schema, window), look(schema, window, live)

    true = realised(schema, window)
    gap = abs(before.figures["loss"].value - true)
    assert gap > 0.1
    assert abs(after.figures["loss"].value - true) < 0.5 * gap
    assert "none of rows after 2026-02-21T01:00 has come" in after.reasons[-1]


def test_what_was_passing_long_ago_says_less() -> None:
    schema = make_schema("binary")
    window = make_rows(schema, -1, 0, 1)
    calm = make_rows(schema, -31, -15, 2)
    unlike = {gap: make_rows(schema, -gap - 3, -gap, 3, more=-2) for gap in (1, 12)}
    moved = [
        look(schema, window, pd.concat([calm, rows])).figures["brier"].value
        - look(schema, window, calm).figures["brier"].value
        for rows in unlike.values()
    ]

    assert abs(moved[1]) < 0.7 * abs(moved[0])


def test_a_champion_of_few_days_is_known_less_well() -> None:
    schema = make_schema("binary")
    rows = make_rows(schema, -28, 0, 1)
    late = rows[rows[EVENT_TIME] >= pd.Timestamp(NOW) - timedelta(days=2)]
    days = [
        make_rows(schema, d, d + 1, more=d * 7 % 5 / 2 - 1, a_day=60) for d in range(-300, -100)
    ]
    reference = pd.concat(days)  # some days are unlike others
    whole, young = (
        estimate(schema, reference, rows.head(0), window, NOW, 28, PARAMS).figures["loss"]
        for window in (rows, late)
    )

    assert young.high is not None and whole.high is not None
    assert young.high - young.value > 1.5 * (whole.high - whole.value)


def test_outcomes_of_the_last_day_do_not_count_yet() -> None:
    schema = make_schema("binary")
    window = make_rows(schema, -7, 0, 1)
    early = window[window[EVENT_TIME] >= pd.Timestamp(NOW) - timedelta(days=1)]
    early = early.assign(**{OUTCOME: "yes"})  # what comes first may not be like the rest

    assert look(schema, window, early) == look(schema, window)


def test_a_short_past_gives_no_interval_and_says_so() -> None:
    schema = make_schema("binary")
    found = look(schema, make_rows(schema, -7, 0, 1), days=5)

    assert found.figures["loss"].low is None
    assert "how far off the estimate of loss, brier, roc_auc is cannot be known" in found.reasons[0]


def test_few_rows_are_not_estimated() -> None:
    schema = make_schema("binary")
    found = look(schema, make_rows(schema, -7, 0, 1).head(50))

    assert found.figures == {}
    assert "only 50 rows of the champion" in found.reasons[0]


@pytest.mark.parametrize("task", CLASSES)
def test_rows_without_a_time_have_an_interval_too(task: Task) -> None:
    schema = make_schema(task, EVENT_TIME)
    at = pd.Timestamp(NOW) - timedelta(days=200)
    reference = make_rows(schema, -40, -20).assign(**{EVENT_TIME: at})
    window = make_rows(schema, -7, 0, 1)
    found = estimate(schema, reference, window.head(0), window, NOW, 7, PARAMS,
                     independent_rows=True)  # fmt: skip

    loss = found.figures["loss"]
    assert loss.low is not None and loss.high is not None
    assert loss.low <= realised(schema, window) <= loss.high
    assert loss.high - loss.low < 0.2
