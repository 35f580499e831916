"""Through a whole check: drift in an unused column asks for nothing, harmful drift retrains."""

import json
from dataclasses import replace
from datetime import timedelta
from pathlib import Path

import numpy as np
import pandas as pd
import pytest
from sqlalchemy import select

from contracts.bundle import load_bundle, save_bundle
from contracts.database import write_transaction
from contracts.params import Params
from contracts.registry import promote, register
from contracts.schema import FeatureSchema
from contracts.tables import checks
from monitoring.check import Check, run_check
from pipeline.model_file import dump_model
from pipeline.onnx_export import to_onnx
from pipeline.search import Chosen
from pipeline.train import fit
from tests.monitoring.conftest import FEBRUARY, World, blank_page

FIFTEENTH = FEBRUARY + timedelta(days=15)
CHANGED = pd.Timestamp(FEBRUARY + timedelta(days=8))


@pytest.fixture
def blind(
    world: World, january: pd.DataFrame, schema: FeatureSchema, params: Params, tmp_path: Path
) -> World:
    """The champion has learned nothing from pressure, which never changed in its training."""
    recipe = Chosen("logistic_regression", {"C": 0.1}, -0.5, "sigmoid")
    model = fit(recipe, january.assign(pressure=1013.0), schema, params)
    files = dict(world.bundle.files)
    files |= {"model.onnx": to_onnx(model, schema), "model.skops": dump_model(model)}
    facts = {key: world.bundle.manifest[key] for key in ("trained_from", "trained_until")}
    save_bundle(tmp_path / "blind", files, facts)
    version = register(world.engine, world.bundles, tmp_path / "blind", FEBRUARY, {})
    with write_transaction(world.engine) as connection:
        promote(connection, version, actor="test", reason="blind", now=FEBRUARY)
    return replace(world, bundle=load_bundle(world.bundles / version))


def _check(world: World, params: Params) -> Check:
    policy = params.monitoring.policy.model_copy(update={"min_outcome_days": 7})
    monitoring = params.monitoring.model_copy(update={"policy": policy})
    places = world.engine, world.bundles, world.reports
    return run_check(*places, monitoring, FIFTEENTH, draw=blank_page)


def test_drift_in_an_unused_column_never_retrains(
    blind: World, february: pd.DataFrame, params: Params
) -> None:
    after = february.event_time >= CHANGED
    blind.answer(february.assign(pressure=february.pressure + 60.0 * after))
    check = _check(blind, params)

    assert check.inputs is not None and check.harm is not None
    assert check.inputs.state in ("watch", "alarm")
    assert "pressure" in check.inputs.causes
    assert "pressure" not in [sign.what for sign in check.harm.signs]
    assert check.decision.wish is None
    assert check.decision.action == "keep"


def test_harmful_drift_retrains_once_outcomes_show_it(
    blind: World, february: pd.DataFrame, params: Params
) -> None:
    rng = np.random.default_rng(0)
    hit = (february.event_time >= CHANGED) & (rng.random(len(february)) < 0.5)
    blind.answer(february.assign(late=february.late.mask(hit & february.late.notna(), 1.0)))
    check = _check(blind, params)

    assert check.harm is not None and check.harm.verdict == "harmful"
    assert check.decision.wish is not None and check.decision.wish.kind == "performance"
    assert check.decision.action == "retrain"
    with blind.engine.connect() as connection:
        found = json.loads(connection.execute(select(checks)).one().findings)
    assert found["harm"]["verdict"] == "harmful"
    assert found["harm"]["signs"][0]["amount"] > 0.01
