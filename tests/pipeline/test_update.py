"""An update is the same model gone on: newer rows learned, the newest held back, honestly told."""

import io
import json
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pytest

from contracts.bundle import UPDATE, UPDATES, Bundle, load_bundle, save_bundle
from contracts.bundle_files import digest
from contracts.losses import row_losses
from contracts.params import Params, Task
from contracts.schema import FeatureSchema
from contracts.skops_model import learner_of, load_model
from monitoring.recalibrate import save_recalibrated
from pipeline.describe import infer_schema
from pipeline.model_file import dump_model
from pipeline.onnx_export import to_onnx
from pipeline.prepare import prepare
from pipeline.reference import answer_unseen
from pipeline.search import Chosen
from pipeline.train import fit
from pipeline.update import UpdateError, make_update
from tests.monitoring.conftest import train_bundle
from tests.pipeline.tables import CLASSES, make_params, make_table

UNTIL = pd.Timestamp("2013-02-22", tz="UTC")
SGD = Chosen("sgd", {"alpha": 0.0001}, -0.5, "sigmoid")


@dataclass(frozen=True)
class Updated:
    base: Bundle
    snapshot: bytes
    bundle: Bundle
    holdout: pd.DataFrame


@pytest.fixture(scope="module")
def base(
    tmp_path_factory: pytest.TempPathFactory,
    january: pd.DataFrame,
    schema: FeatureSchema,
    params: Params,
) -> Bundle:
    directory = tmp_path_factory.mktemp("sgd") / "bundle"
    return load_bundle(train_bundle(directory, SGD, january, schema, params))


@pytest.fixture(scope="module")
def snapshot(year: pd.DataFrame) -> bytes:
    """February, on which flights of one carrier have begun to come late."""
    inside = (year.event_time >= "2013-02-01") & (year.event_time < "2013-03-01")
    rows = year[inside & year.late.notna()].iloc[::4]
    content: bytes = rows.assign(late=rows.late.where(rows.carrier != "UA", 1.0)).to_parquet()
    return content


@pytest.fixture(scope="module")
def updated(
    base: Bundle, snapshot: bytes, params: Params, tmp_path_factory: pytest.TempPathFactory
) -> Updated:
    files, facts, holdout = make_update(base, snapshot, UNTIL, params)
    directory = tmp_path_factory.mktemp("updated") / "bundle"
    save_bundle(directory, files, facts)
    return Updated(base, snapshot, load_bundle(directory), holdout)


def test_its_answers_follow_what_has_changed(updated: Updated) -> None:
    holdout, schema = updated.holdout, updated.base.schema
    truths = schema.target.truths(holdout["late"].tolist())
    losses = [
        row_losses("binary", truths, bundle.model().answers_of(holdout).astype(float)).mean()
        for bundle in (updated.base, updated.bundle)
    ]

    assert losses[1] < losses[0] - 0.02


def test_it_is_judged_on_rows_that_it_has_not_learned(updated: Updated) -> None:
    learned_until = pd.Timestamp(updated.bundle.manifest["trained_until"])

    assert learned_until < UNTIL <= updated.holdout.event_time.min()
    answers = updated.bundle.model().answers_of(updated.holdout)
    assert np.allclose(updated.holdout[updated.base.schema.answers], answers, atol=1e-5)
    assert updated.bundle.metrics["rows"] == len(updated.holdout)


def test_its_manifest_says_what_it_came_from(updated: Updated) -> None:
    manifest, told = updated.bundle.manifest, updated.bundle.manifest[UPDATE]
    rows = pd.read_parquet(io.BytesIO(updated.snapshot))

    assert manifest[UPDATES] == updated.base.version
    assert manifest["trained_from"] == updated.base.manifest["trained_from"]
    assert told["data"] == digest(updated.snapshot)
    assert told["until"] == manifest["trained_until"]
    assert told["rows"] == manifest["rows"] == (rows.event_time < UNTIL).sum()
    assert told["held_back"] == (rows.event_time >= UNTIL).sum()


def test_preparation_and_calibration_stay(updated: Updated) -> None:
    before, after = (
        load_model(each.files["model.skops"]) for each in (updated.base, updated.bundle)
    )

    assert dump_model(before.named_steps["columns"]) == dump_model(after.named_steps["columns"])
    kept = [each.named_steps["model"].calibrated_classifiers_[0].calibrators[0].a_
            for each in (before, after)]  # fmt: skip
    assert kept[0] == kept[1]
    assert not np.allclose(learner_of(before).coef_, learner_of(after).coef_)
    assert updated.bundle.schema == updated.base.schema


def test_its_references_gain_the_rows_that_were_held_back(updated: Updated) -> None:
    for name in ("reference.parquet", "unseen.parquet"):
        before, after = (
            pd.read_parquet(io.BytesIO(each.files[name])) for each in (updated.base, updated.bundle)
        )
        assert len(after) == len(before) + len(updated.holdout)
        assert after.dtypes.equals(before.dtypes)
        assert after[updated.base.schema.answers].notna().all(axis=None)


def test_both_cards_say_that_it_is_an_update(updated: Updated) -> None:
    lines = updated.bundle.files["model_card.md"].decode().splitlines()
    page = updated.bundle.files["model_card.html"].decode()

    assert lines[0] == "# January"
    assert "## An update" in lines
    for text in (updated.base.version, "2013-02-01", "2013-02-21", "which it has not learned"):
        assert text in "\n".join(lines)
        assert text in page
    assert page.startswith("<h1>January</h1>\n<section>\n<h2>An update</h2>")


def test_the_same_rows_make_the_same_bundle(
    updated: Updated, params: Params, tmp_path: Path
) -> None:
    files, facts, _ = make_update(updated.base, updated.snapshot, UNTIL, params)

    assert save_bundle(tmp_path / "again", files, facts) == updated.bundle.version


def test_a_recalibration_of_it_still_says_so(updated: Updated, tmp_path: Path) -> None:
    save_recalibrated(updated.bundle, (-0.1, 0.1), tmp_path / "other")

    assert load_bundle(tmp_path / "other").manifest[UPDATES] == updated.base.version


def test_it_can_go_on_again(updated: Updated, year: pd.DataFrame, params: Params) -> None:
    march = year[(year.event_time >= "2013-02-22") & (year.event_time < "2013-03-15")]
    snapshot = march[march.late.notna()].iloc[::4].to_parquet()
    until = pd.Timestamp("2013-03-08", tz="UTC")
    _, facts, _ = make_update(updated.bundle, snapshot, until, params)

    assert facts[UPDATES] == updated.bundle.version
    assert facts["rows"] == updated.bundle.manifest["rows"] + facts[UPDATE]["rows"]


def test_a_model_without_partial_fit_is_refused(
    january: pd.DataFrame, schema: FeatureSchema, params: Params, snapshot: bytes, tmp_path: Path
) -> None:
    recipe = Chosen("gradient_boosting", {"max_iter": 5}, -0.5, "sigmoid")
    base = load_bundle(train_bundle(tmp_path / "bundle", recipe, january, schema, params))

    with pytest.raises(UpdateError, match="HistGradientBoostingClassifier has no partial_fit"):
        make_update(base, snapshot, UNTIL, params)


def test_another_question_is_refused(base: Bundle, snapshot: bytes, params: Params) -> None:
    features = {name: f for name, f in params.features.items() if name != "temp"}
    other = params.model_copy(update={"features": features})

    with pytest.raises(UpdateError, match="asks for other features"):
        make_update(base, snapshot, UNTIL, other)


@pytest.mark.parametrize("until", ["2013-01-15", "2013-03-15"])
def test_an_empty_part_is_refused(
    base: Bundle, snapshot: bytes, params: Params, until: str
) -> None:
    with pytest.raises(UpdateError, match=f"no outcome (before|from) {until} that"):
        make_update(base, snapshot, pd.Timestamp(until, tz="UTC"), params)


@pytest.mark.parametrize("task", CLASSES)
def test_every_task_goes_on_and_answers_from_onnx(task: Task, tmp_path: Path) -> None:
    params = make_params(task)
    base = _table_bundle(tmp_path / "base", task, params)
    later = make_table(task, 600, seed=1)
    days = pd.date_range("2026-02-01", periods=60, tz="UTC")
    later["__event_time"] = np.repeat(days, 10)
    files, _, holdout = make_update(
        base, later.to_parquet(), pd.Timestamp("2026-03-10", tz="UTC"), params
    )
    bundle = replace(base, files=files)

    assert "model.onnx" in files
    assert len(holdout) == 230
    answers = bundle.model().answers_of(holdout).astype(float)
    assert np.allclose(answers, holdout[base.schema.answers], rtol=1e-4, atol=1e-4)


def _table_bundle(directory: Path, task: Task, params: Params) -> Bundle:
    frame, _ = prepare([make_table(task, 1200)], params)
    schema = infer_schema(frame, params)
    recipe = Chosen("sgd", {"alpha": 0.001}, 0.0, "none")
    model: Any = fit(recipe, frame, schema, params)
    reference, unseen = answer_unseen(frame, schema, recipe, params)
    files = {
        "schema.json": schema.to_json().encode(),
        "model.onnx": to_onnx(model, schema),
        "model.skops": dump_model(model),
        "reference.parquet": reference.to_parquet(),
        "unseen.parquet": unseen.to_parquet(),
        "metrics.json": json.dumps({"rows": 1}).encode(),
        "model_card.md": b"# A table\n",
        "model_card.html": b"<h1>A table</h1>\n",
    }
    facts = {"trained_from": "2026-01-01T00:00Z", "trained_until": "2026-01-01T00:00Z"}
    save_bundle(directory, files, facts)
    return load_bundle(directory)
