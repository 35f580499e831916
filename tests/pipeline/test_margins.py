"""Prediction intervals hold on fresh rows for the share that was asked for."""

import numpy as np
import pytest

from pipeline.evaluation.margins import choose_margin
from pipeline.frames import DatasetError


@pytest.mark.parametrize("coverage", [0.5, 0.8, 0.9, 0.95])
@pytest.mark.parametrize("rows", [30, 1000])
def test_coverage_holds_on_fresh_rows(coverage: float, rows: int) -> None:
    rng = np.random.default_rng(11)
    repetitions, fresh, covered = 400, 50, 0
    for _ in range(repetitions):
        learned, new = rng.standard_t(3, rows), rng.standard_t(3, fresh)  # heavy tails
        margin = choose_margin(learned, np.zeros(rows), coverage)
        covered += int((np.abs(new) <= margin).sum())

    share, n = covered / (repetitions * fresh), repetitions * fresh
    # Rows that share a margin are not independent: its own spread is that of a beta variable.
    error = np.sqrt(coverage * (1 - coverage) * (1 / n + 1 / (repetitions * rows)))
    assert coverage - 4 * error <= share <= coverage + 1 / (rows + 1) + 4 * error


def test_margin_of_a_known_case() -> None:
    truths = np.arange(1.0, 10.0)

    assert choose_margin(truths, np.zeros(9), 0.9) == 9
    assert choose_margin(truths, np.zeros(9), 0.5) == 5


def test_too_few_rows_are_refused() -> None:
    with pytest.raises(DatasetError, match="at least 99 rows"):
        choose_margin(np.ones(98), np.zeros(98), 0.99)
    assert choose_margin(np.ones(99), np.zeros(99), 0.99) == 1
