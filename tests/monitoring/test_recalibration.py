"""Offsets follow a level that moved, and are refused where following has been shown to hurt."""

import numpy as np
import pandas as pd
import pytest

from contracts.losses import row_losses
from contracts.monitoring_params import Recalibrate
from contracts.recalibration import shift
from monitoring.recalibration import Labelled, follow, propose

PARAMS = Recalibrate()
DAYS, ROWS_A_DAY = 20, 600
NOW = pd.Timestamp("2013-01-21T06:00", tz="UTC")


def _binary(log_odds_of_day: np.ndarray, seed: int = 0) -> Labelled:
    """A model that knows each row's log-odds, but not how far the day has moved them."""
    rng = np.random.default_rng(seed)
    rows = DAYS * ROWS_A_DAY
    known = rng.normal(-1, 1, rows)
    chances = 1 / (1 + np.exp(-known - np.repeat(log_odds_of_day, ROWS_A_DAY)))
    answers = 1 / (1 + np.exp(-known))
    truths = (rng.random(rows) < chances).astype(float)
    return Labelled("binary", _times(rows), truths, np.column_stack([1 - answers, answers]))


def _times(rows: int) -> pd.Series:
    seconds = np.arange(rows) * 86_400 // ROWS_A_DAY
    return pd.Series(pd.Timestamp("2013-01-01", tz="UTC") + pd.to_timedelta(seconds, unit="s"))


def test_a_level_that_moved_is_followed() -> None:
    labelled = _binary(np.full(DAYS, 1.0))
    proposal = propose(labelled, (), NOW, PARAMS)

    assert proposal.change
    assert np.ptp(proposal.offsets) == pytest.approx(0.5, abs=0.2)  # 300 of ridge halve it
    assert proposal.saved is not None
    assert proposal.saved > 0.02
    assert "would have saved" in proposal.reason


def test_a_smaller_ridge_follows_further() -> None:
    labelled = _binary(np.full(DAYS, 1.0))
    proposal = propose(labelled, (), NOW, PARAMS.model_copy(update={"ridge": 1.0}))

    assert np.ptp(proposal.offsets) == pytest.approx(1.0, abs=0.15)


def test_a_calibrated_model_is_left_alone() -> None:
    proposal = propose(_binary(np.zeros(DAYS)), (), NOW, PARAMS)

    assert not proposal.change
    assert proposal.offsets == ()


def test_a_level_that_turns_every_few_days_is_not_followed() -> None:
    turning = np.where(np.arange(DAYS) // 3 % 2, 1.5, -1.5)
    proposal = propose(_binary(turning), (-0.5, 0.5), NOW, PARAMS)

    assert proposal.change
    assert proposal.offsets == ()  # and what was followed is taken back
    assert "would have cost" in proposal.reason


def test_younger_outcomes_than_mature_ones_are_not_learned() -> None:
    labelled = _binary(np.zeros(DAYS))
    immature = (labelled.times >= NOW - pd.Timedelta(hours=PARAMS.mature_hours)).to_numpy()
    quick = Labelled("binary", labelled.times, np.where(immature, 0.0, labelled.truths),
                     labelled.answers)  # fmt: skip

    assert propose(quick, (), NOW, PARAMS) == propose(labelled, (), NOW, PARAMS)


@pytest.mark.parametrize("rows", [0, 100])
def test_few_outcomes_leave_what_is(rows: int) -> None:
    labelled = _binary(np.full(DAYS, 1.0))
    few = Labelled("binary", labelled.times[:rows], labelled.truths[:rows], labelled.answers[:rows])
    proposal = propose(few, (-0.1, 0.1), NOW, PARAMS)

    assert (proposal.change, proposal.offsets) == (False, (-0.1, 0.1))
    assert "mature outcomes" in proposal.reason


def test_each_day_follows_only_the_days_before_it() -> None:
    labelled = _binary(np.full(DAYS, 1.0))
    whole = follow(labelled, PARAMS)
    half = DAYS // 2 * ROWS_A_DAY
    first = Labelled("binary", labelled.times[:half], labelled.truths[:half],
                     labelled.answers[:half])  # fmt: skip

    assert np.array_equal(follow(first, PARAMS), whole[:half])
    assert (row_losses("binary", labelled.truths, whole).mean()
            < row_losses("binary", labelled.truths, labelled.answers).mean() - 0.02)  # fmt: skip


def test_many_classes_and_numbers_are_followed_too() -> None:
    rng = np.random.default_rng(1)
    rows = DAYS * ROWS_A_DAY
    answers = rng.dirichlet([2, 2, 2], rows)
    moved = shift("multiclass", answers, (0.0, 0.0, 1.0))
    truths = (moved.cumsum(axis=1) < rng.random((rows, 1))).sum(axis=1).astype(float)
    classes = propose(Labelled("multiclass", _times(rows), truths, answers), (), NOW, PARAMS)
    values = rng.normal(0, 1, (rows, 1))
    truths = values[:, 0] + 2 + rng.normal(0, 0.5, rows)
    numbers = propose(Labelled("regression", _times(rows), truths, values), (), NOW, PARAMS)

    assert classes.change
    assert int(np.argmax(classes.offsets)) == 2
    assert numbers.change
    assert numbers.offsets[0] == pytest.approx(2 * 1800 / 2100, abs=0.1)
