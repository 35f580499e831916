"""Every prediction can be explained from what was kept, and answered again."""

import os
import subprocess
import sys
from datetime import timedelta
from pathlib import Path

import pandas as pd
import pytest
from sqlalchemy import update

from contracts.bundle_files import BundleError
from contracts.database import write_transaction
from contracts.params import Params
from contracts.tables import predictions
from monitoring.check import run_check
from monitoring.why import Reasons, UnknownPredictionError, describe, find_reasons
from tests.monitoring.conftest import FEBRUARY, World


def why(world: World, prediction_id: str) -> Reasons:
    with world.engine.connect() as connection:
        return find_reasons(connection, world.bundles, prediction_id)


def test_the_same_answer_comes_again(world: World, february: pd.DataFrame) -> None:
    for prediction_id in world.answer(february.head(20)):
        assert why(world, prediction_id).same


def test_what_was_changed_afterwards_is_seen(world: World, february: pd.DataFrame) -> None:
    prediction_id = world.answer(february.head(1))[0]
    with write_transaction(world.engine) as connection:
        connection.execute(update(predictions).values(probability=0.123))
    reasons = why(world, prediction_id)
    assert not reasons.same
    assert "NOT what was logged" in "\n".join(describe(reasons))


def test_everything_is_told(world: World, february: pd.DataFrame, params: Params) -> None:
    prediction_id = world.answer(february.head(3))[0]
    world.correct(prediction_id, 1)
    week = FEBRUARY + timedelta(days=7)
    check = run_check(world.engine, world.bundles, world.reports, params.monitoring, week)
    told = "\n".join(describe(why(world, prediction_id)))
    for part in (
        prediction_id, world.bundle.version, "sha256", "every file verified", "corrected 1 times",
        check.check_id, "not enough data: 3 predictions", "distance", ": the same",
    ):  # fmt: skip
        assert part in told, part


def test_before_any_check_that_is_told(world: World, february: pd.DataFrame) -> None:
    reasons = why(world, world.answer(february.head(1), with_outcomes=False)[0])
    told = "\n".join(describe(reasons))
    assert "no check has looked at them yet" in told
    assert "none yet" in told


def test_an_unknown_id_is_told_so(world: World) -> None:
    with pytest.raises(UnknownPredictionError, match="no prediction has the id 'nobody'"):
        why(world, "nobody")


def test_a_damaged_bundle_explains_nothing(world: World, february: pd.DataFrame) -> None:
    prediction_id = world.answer(february.head(1))[0]
    (world.bundles / world.bundle.version / "model.onnx").write_bytes(b"another model")
    with pytest.raises(BundleError, match="was altered"):
        why(world, prediction_id)


@pytest.mark.parametrize("known", [True, False], ids=["known", "unknown"])
def test_the_command_ends_with_what_it_found(
    world: World, february: pd.DataFrame, known: bool
) -> None:
    prediction_id = world.answer(february.head(1))[0] if known else "nobody"
    environment = {
        **os.environ,
        "PERENNIAL_DATABASE_URL": str(world.engine.url),
        "PERENNIAL_BUNDLES_DIR": str(world.bundles),
    }
    run = subprocess.run(
        [sys.executable, "-m", "monitoring.why", prediction_id],
        capture_output=True, text=True, env=environment, cwd=Path(__file__).parents[2], check=False,
    )  # fmt: skip
    assert run.returncode == (0 if known else 1), run.stderr
    assert (": the same" in run.stdout) == known
    assert "Traceback" not in run.stderr
