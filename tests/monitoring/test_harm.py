"""Harm is what the loss of days shows, and before outcomes what changed columns were worth."""

from collections.abc import Mapping

import numpy as np
import pandas as pd
import pytest
from numpy.typing import NDArray

from contracts.schema import EVENT_TIME, Feature, FeatureSchema, Target
from monitoring.harm import Harm, judge_harm
from monitoring.unlike import unlike_before
from monitoring.worth import Answered, Daily, answer_without, by_days, level_of, segments_of

FEATURES = (
    Feature("signal", "numeric", True),
    Feature("idle", "numeric", True),
    Feature("shop", "categorical", True),
)
SCHEMA = FeatureSchema(FEATURES, Target("it", (0, 1)), EVENT_TIME)
ROWS, PAST, WINDOW = 300, 28, 7  # a day; days


class Line:
    """Answers by `signal` alone, and well."""

    def answers(self, numeric: NDArray[np.float32], text: object) -> NDArray[np.float32]:
        chance = 1 / (1 + np.exp(-np.nan_to_num(numeric[:, 0])))
        return np.column_stack([1 - chance, chance]).astype(np.float32)

    def answers_of(self, columns: pd.DataFrame) -> NDArray[np.float32]:
        return self.answers(*SCHEMA.to_matrices(columns))


@pytest.fixture(scope="module")
def rows() -> pd.DataFrame:
    return make_rows()


def make_rows() -> pd.DataFrame:
    """35 days; on some of them everything happens more often."""
    rng = np.random.default_rng(0)
    day = np.repeat(np.arange(PAST + WINDOW), ROWS)
    signal = rng.normal(0, 1.5, len(day))
    weather = rng.normal(0, 0.4, PAST + WINDOW)[day]
    chance = 1 / (1 + np.exp(-signal - weather))
    return pd.DataFrame(
        {"signal": signal, "idle": rng.normal(size=len(day)),
         "shop": rng.choice(["a", "b", "c"], len(day)), "day": day,
         "it": (rng.random(len(day)) < chance).astype(float)}
    )  # fmt: skip


def _judge(rows: pd.DataFrame, changed: pd.DataFrame, *, outcomes: bool = True) -> Harm:
    """The last days, `changed`, beside those before them."""
    past = _answer(rows[rows.day < PAST])
    after = _answer(changed, outcomes=outcomes)
    segments = segments_of(SCHEMA, past.rows)
    unlike = unlike_before(SCHEMA, (past.rows, past.days), (after.rows, after.days))
    weights = unlike.weights if outcomes else {}
    level = level_of(past, weights)
    before = by_days(SCHEMA, past, segments, level, weights)
    return judge_harm(before, by_days(SCHEMA, after, segments, level), unlike.strange)


def _answer(rows: pd.DataFrame, *, outcomes: bool = True) -> Answered:
    rng = np.random.default_rng(1)
    answers = answer_without(Line(), SCHEMA, SCHEMA.names, rows, make_rows(), rng)
    truths = rows.it.to_numpy() if outcomes else None
    return Answered(rows, rows.day.to_numpy(), truths, *answers)


def test_a_window_like_the_days_before_is_benign(rows: pd.DataFrame) -> None:
    harm = _judge(rows, rows[rows.day >= PAST])

    assert harm.verdict == "benign"
    assert harm.signs == ()
    assert "7 days with outcomes" in harm.reasons[0]


def test_a_used_column_in_another_unit_is_harmful_and_named(rows: pd.DataFrame) -> None:
    window = rows[rows.day >= PAST]
    harm = _judge(rows, window.assign(signal=window.signal * -3))

    assert harm.verdict == "harmful"
    assert "signal" in [sign.what for sign in harm.signs]
    assert harm.amount is not None and harm.amount > 0.1


def test_an_unused_column_in_another_unit_is_benign(rows: pd.DataFrame) -> None:
    window = rows[rows.day >= PAST]
    harm = _judge(rows, window.assign(idle=window.idle * 10 + 100))

    assert harm.verdict == "benign"
    assert harm.weights is not None
    assert harm.weights["signal"] > 0.1 > abs(harm.weights["idle"])


def test_another_mix_of_rows_is_benign(rows: pd.DataFrame) -> None:
    window = rows[rows.day >= PAST]
    harm = _judge(rows, window[(window.signal > 1) | (np.arange(len(window)) % 8 == 0)])

    assert harm.verdict == "benign"


def test_a_segment_whose_outcomes_turned_is_harmful_and_named(rows: pd.DataFrame) -> None:
    window = rows[rows.day >= PAST]
    turned = window.it.mask(window["shop"] == "b", 1 - window.it)
    harm = _judge(rows, window.assign(it=turned))

    assert harm.verdict == "harmful"
    assert harm.signs[0].what in ("shop = b", "all rows")
    assert "shop = b" in " ".join(harm.reasons)


def test_before_outcomes_a_changed_column_weighs_what_it_was_worth(rows: pd.DataFrame) -> None:
    window = rows[rows.day >= PAST]
    used = _judge(rows, window.assign(signal=window.signal + 9), outcomes=False)
    unused = _judge(rows, window.assign(idle=window.idle + 9), outcomes=False)

    assert used.verdict == "harmful"
    assert "expected before outcomes" in used.reasons[0]
    assert unused.verdict == "not known before outcomes"


def test_a_changed_target_is_not_known_before_outcomes_and_never_ok(rows: pd.DataFrame) -> None:
    window = rows[rows.day >= PAST]
    window = window.assign(it=1 - window.it)

    assert _judge(rows, window).verdict == "harmful"
    before = _judge(rows, window, outcomes=False)
    assert before.verdict == "not known before outcomes"
    assert "not detectable until they arrive" in before.reasons[0]


def test_a_bad_day_is_no_bad_column(rows: pd.DataFrame) -> None:
    """All rows of the window have it worse; what a column is worth has not changed."""
    rng = np.random.default_rng(2)
    window = rows[rows.day >= PAST]
    worse = window.it.mask(rng.random(len(window)) < 0.3, 1.0)
    harm = _judge(rows, window.assign(it=worse))

    assert "all rows" in [sign.what for sign in harm.signs]
    assert "idle" not in [sign.what for sign in harm.signs]


def test_too_few_days_before_the_window_are_not_enough_data() -> None:
    few: Mapping[str, NDArray[np.float64]] = {"a": np.zeros(3)}
    daily = Daily(np.zeros(3), few, few, {}, {})

    harm = judge_harm(daily, daily, {"a": 1.0})
    assert harm.verdict == "not enough data"
    assert "3 days before the window" in harm.reasons[0]
