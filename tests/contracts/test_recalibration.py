"""Offsets move answers by as much as they say, and nothing else."""

import numpy as np

from contracts.recalibration import shift


def test_log_odds_move_by_the_difference_of_the_offsets() -> None:
    answers = np.array([[0.8, 0.2], [0.5, 0.5]], np.float32)
    found = shift("binary", answers, (-0.25, 0.25))

    before, after = (np.log(each[:, 1] / each[:, 0]) for each in (answers, found))
    assert np.allclose(after - before, 0.5, atol=1e-6)
    assert np.allclose(found.sum(axis=1), 1)
    assert found.dtype == np.float32


def test_values_move_by_the_offset() -> None:
    assert shift("regression", np.array([[1.0], [2.0]]), (0.5,)).tolist() == [[1.5], [2.5]]


def test_without_offsets_nothing_is_touched() -> None:
    answers = np.array([[0.3, 0.7]], np.float32)

    assert shift("binary", answers, ()) is answers


def test_certain_answers_stay_certain() -> None:
    assert shift("binary", np.array([[0.0, 1.0]]), (2.0, -2.0)).tolist() == [[0.0, 1.0]]
