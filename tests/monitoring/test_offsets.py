"""One fit of offsets serves estimates and recalibrations, each with the belief of its own."""

import numpy as np
import pandas as pd
import pytest
from numpy.typing import NDArray

from contracts.monitoring_params import Recalibrate
from contracts.params import Task
from monitoring.offsets import fit_offset
from monitoring.recalibration import Labelled, propose

ROWS = 3000
NOW = pd.Timestamp("2026-03-01", tz="UTC")
# Measured when each had a fit of its own: Newton's steps, and BFGS on the loss.
FIGURES: list[tuple[Task, list[float], tuple[float, ...]]] = [
    ("binary", [-0.5011938974, 0.5011938974], (-0.48, 0.48)),
    (
        "multiclass",
        [-0.4408062438, -0.2069021219, 0.1502453759, 0.5006168517],
        (-0.3888, -0.1575, 0.1271, 0.4192),
    ),
]


def _sample(task: Task) -> tuple[NDArray[np.float64], NDArray[np.int64]]:
    """Beliefs (n, classes), and classes that are other than believed."""
    rng, outputs = np.random.default_rng(0), 2 if task == "binary" else 4
    beliefs = np.exp(rng.normal(0, 1, (ROWS, outputs)))
    beliefs /= beliefs.sum(axis=1, keepdims=True)
    true = beliefs * np.exp(np.linspace(-0.6, 0.6, outputs))
    true /= true.sum(axis=1, keepdims=True)
    drawn = (rng.random(ROWS)[:, None] > true.cumsum(axis=1)).sum(axis=1)
    return beliefs, drawn.clip(max=outputs - 1)


@pytest.mark.parametrize(("task", "expected", "_"), FIGURES)
def test_estimates_shift_as_they_did(task: Task, expected: list[float], _: object) -> None:
    beliefs, classes = _sample(task)
    found = fit_offset(task, beliefs, np.eye(beliefs.shape[1])[classes], 5)

    np.testing.assert_allclose(found, expected, atol=1e-9)


@pytest.mark.parametrize(("task", "_", "expected"), FIGURES)
def test_recalibrations_propose_what_they_did(
    task: Task, _: object, expected: tuple[float, ...]
) -> None:
    beliefs, classes = _sample(task)
    times = pd.Series(pd.date_range(NOW - pd.Timedelta(days=10), NOW, periods=ROWS))
    labelled = Labelled(task, times, classes.astype(float), beliefs)
    proposal = propose(labelled, (), NOW, Recalibrate(min_rows=100, ridge=50))

    assert proposal.offsets == expected


def test_offsets_of_a_class_that_never_comes_stay_finite() -> None:
    beliefs = np.tile([0.5, 0.5], (1000, 1))
    truths = np.tile([1.0, 0.0], (1000, 1))
    found = fit_offset("binary", beliefs, truths, 1000)

    assert np.isfinite(found).all()
    assert found[0] == pytest.approx(-found[1])
    assert 3 < found[0] - found[1] < 20
