"""Harm is what repaired rows, and the days before, show of the loss."""

import numpy as np
import pandas as pd
import pytest
from numpy.typing import NDArray

from contracts.schema import EVENT_TIME, Feature, FeatureSchema, Target
from monitoring.cost import Cost, calibrated
from monitoring.daily import NOTHING, Daily
from monitoring.harm import Harm, judge_harm
from monitoring.hurt import Seen, judge_window
from monitoring.worth import measure_worth

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
    past = _see(rows[rows.day < PAST])
    after = _see(changed, outcomes=outcomes)
    return judge_window(Line(), SCHEMA, SCHEMA.names, past, after, np.random.default_rng(1))


def _see(rows: pd.DataFrame, *, outcomes: bool = True) -> Seen:
    truths = rows.it.to_numpy() if outcomes else np.empty(0)
    answers = Line().answers(*SCHEMA.to_matrices(rows)).astype(float)
    return Seen(rows, rows.day.to_numpy(), answers, truths)


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
    assert harm.broken is not None and "idle" in harm.broken
    assert harm.cost == pytest.approx(0, abs=0.001)
    assert "idle broke, but cost" in harm.reasons[0]


def test_the_used_column_is_worth_more(rows: pd.DataFrame) -> None:
    labelled = (rows, rows.it.to_numpy())
    worth = measure_worth(Line(), SCHEMA, SCHEMA.names, labelled, rows, np.random.default_rng(1))

    assert worth["signal"] > 0.1 > abs(worth["idle"])


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


def test_before_outcomes_a_broken_column_weighs_what_it_moves(
    rows: pd.DataFrame,
) -> None:
    window = rows[rows.day >= PAST]
    used = _judge(rows, window.assign(signal=window.signal + 9), outcomes=False)
    unused = _judge(rows, window.assign(idle=window.idle + 9), outcomes=False)

    assert used.verdict == "harmful"
    assert "expected before outcomes" in used.reasons[0]
    assert unused.verdict == "not known before outcomes"


def test_answers_that_had_come_to_say_nothing_lose_nothing(rows: pd.DataFrame) -> None:
    """What is expected follows the days before, not the champion's own word."""
    shuffled = rows.assign(it=np.random.default_rng(2).permutation(rows.it))
    stuck = rows[rows.day >= PAST].assign(signal=0.0)
    informed, pointless = (_judge(each, stuck, outcomes=False) for each in (rows, shuffled))

    assert informed.broken and pointless.broken
    assert informed.verdict == "harmful"
    assert pointless.verdict == "not known before outcomes"


@pytest.mark.parametrize("classes", [2, 3])
def test_chances_are_calibrated_by_what_came_before(classes: int) -> None:
    rng = np.random.default_rng(0)
    scores = rng.normal(0, 1, (6000, classes))
    likely, sure = (np.exp(s) / np.exp(s).sum(axis=1, keepdims=True) for s in (scores, 3 * scores))
    truths = (rng.random(6000)[:, None] > likely.cumsum(axis=1)[:, :-1]).sum(axis=1).astype(float)

    found = calibrated(truths[:3000], sure[:3000], sure[3000:])

    assert np.abs(found - likely[3000:]).mean() < 0.04
    assert np.abs(sure - likely).mean() > 0.1


def test_without_a_class_answers_stay_as_they_are() -> None:
    answers = np.tile([0.3, 0.7], (100, 1))

    assert calibrated(np.ones(100), answers, answers) is answers


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
    harm = judge_harm(Daily(np.zeros(3), {}, {}), NOTHING, Cost({"a": "new"}, None, 1.0))

    assert harm.verdict == "not enough data"
    assert "3 days before the window" in harm.reasons[0]


def test_of_a_number_harm_is_a_share_of_its_usual_loss() -> None:
    """Ten minutes' error, of which one more minute is harm, and a second is not."""
    usual = Daily(np.full(10, 600.0), {}, {})
    for more, verdict in ((60.0, "harmful"), (1.0, "not known before outcomes")):
        cost = Cost({"a": "new"}, None, more)
        assert judge_harm(usual, NOTHING, cost, numbers=True).verdict == verdict
