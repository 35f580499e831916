"""The last stage lets a good bundle pass, and says of any other which rule it breaks."""

import json
import re
import subprocess
import sys
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pytest
import yaml

from contracts.bundle import load_bundle
from contracts.params import Gates, ParamsError
from contracts.schema import ANSWER
from pipeline.evaluation.comparison import IncomparableError, compare, find_champion, summarise
from pipeline.evaluation.gate_rules import Evidence, Ruling, judge, verdict
from pipeline.frames import DatasetError
from pipeline.gate import gather, measure_latency
from tests.pipeline.holdouts import TARGETS, make_bundle, make_holdout, make_params, make_schema

TASKS = list(TARGETS)


@dataclass(frozen=True)
class Place:
    """A bundle, a champion's directory and a hold-out frame on disk."""

    bundle: Path
    champion: Path

    def judge(self, task: str, holdout: pd.DataFrame, **gates: Any) -> list[Ruling]:
        params = make_params(task, "time", gates=gates)
        champion = find_champion(self.champion)
        evidence = gather(load_bundle(self.bundle), 2_000_000, holdout, champion, params)
        return judge(evidence, params.gates)


@pytest.fixture
def place(tmp_path: Path) -> Place:
    (tmp_path / "champion").mkdir()
    (tmp_path / "champion" / ".gitkeep").touch()
    return Place(tmp_path / "bundle", tmp_path / "champion")


def _make(place: Place, task: str, *, champion: bool = True, **target: Any) -> None:
    make_bundle(place.bundle, task)
    if champion:
        make_bundle(place.champion / "theirs", task, seed=1, **target)


def _worsen(frame: pd.DataFrame, task: str, where: np.ndarray) -> pd.DataFrame:
    """The recipe's answers turned around, or a regression's three too high."""
    names = [ANSWER + output for output in TARGETS[task].outputs]
    values = frame[names].to_numpy()
    worse = values + 3 if task == "regression" else values[:, ::-1]
    return frame.assign(**dict(zip(names, np.where(where[:, None], worse, values).T, strict=True)))


@pytest.mark.parametrize("task", TASKS)
def test_good_bundle_passes_every_rule(place: Place, task: str) -> None:
    _make(place, task)
    gates = {"metrics": {"skill": {"min": 0.0}}, "champion_loss": 0.5, "segment_loss": 5.0,
             "latency_ms": 1000, "bundle_mb": 2}  # fmt: skip
    rulings = place.judge(task, make_holdout(task, 4000), **gates)

    assert [r.rule for r in rulings] == [
        "metrics.skill", "champion_loss", "segment_loss", "latency_ms", "bundle_mb"
    ]  # fmt: skip
    assert all(r.passed for r in rulings), rulings


@pytest.mark.parametrize("task", TASKS)
def test_larger_loss_than_the_champions_fails(place: Place, task: str) -> None:
    _make(place, task)
    frame = make_holdout(task, 4000)
    worse = _worsen(frame, task, np.ones(len(frame), bool))

    (ruling,) = place.judge(task, worse, champion_loss=0.05)

    assert not ruling.passed
    assert "against the champion" in ruling.reason


@pytest.mark.parametrize("task", TASKS)
def test_one_worse_segment_fails_its_rule_only(place: Place, task: str) -> None:
    _make(place, task)
    frame = make_holdout(task, 4000)
    champion = load_bundle(place.champion / "theirs").model().answers_of(frame)
    names = [ANSWER + output for output in TARGETS[task].outputs]
    equal = frame.assign(**dict(zip(names, champion.T.astype(float), strict=True)))
    hour = equal["hour of day"]
    one = ((hour >= 18) & (equal["index"] == 1)).to_numpy()
    worse = _worsen(equal, task, one)
    gates = {"champion_loss": 1.0, "segment_loss": 0.3}

    assert [r.passed for r in place.judge(task, equal, **gates)] == [True, True]
    rulings = place.judge(task, worse, **gates)

    assert [r.passed for r in rulings] == [True, False]
    assert "hour of day ≥ 18 and index = true" in rulings[1].reason


@pytest.mark.parametrize(
    ("metric", "limit", "passed", "reason"),
    [
        ("roc_auc", {"min": 0.6}, True, r"roc_auc is 0\.\d+$"),
        ("roc_auc", {"min": 0.999}, False, r"asked for is at least 0\.999"),
        ("log_loss", {"max": 0.01}, False, r"asked for is at most 0\.01"),
        ("brier", {"min": 0.0, "max": 1.0}, True, "brier is"),
    ],
)
def test_metrics_have_limits(
    place: Place, metric: str, limit: dict[str, float], passed: bool, reason: str
) -> None:
    _make(place, "binary", champion=False)
    (ruling,) = place.judge("binary", make_holdout("binary"), metrics={metric: limit})

    assert (ruling.rule, ruling.limit, ruling.passed) == (f"metrics.{metric}", limit, passed)
    assert re.search(reason, ruling.reason)


@pytest.mark.parametrize(
    "gates",
    [{"metrics": {"f2": {"min": 0}}}, {"metrics": {"intervals": {"min": 0}}}],
)
def test_unknown_metric_is_refused_with_the_known_ones(place: Place, gates: dict[str, Any]) -> None:
    _make(place, "binary", champion=False)
    with pytest.raises(ParamsError, match="no such metric; it has .*'roc_auc'"):
        place.judge("binary", make_holdout("binary"), **gates)


def test_regression_has_no_calibration_error(place: Place) -> None:
    _make(place, "regression", champion=False)
    with pytest.raises(ParamsError, match=r"gates\.calibration_error"):
        place.judge("regression", make_holdout("regression"), calibration_error=0.1)


def test_undefined_metric_fails() -> None:
    evidence = Evidence(make_schema("regression"), {"mape": None}, "no champion", None, 0)
    (ruling,) = judge(evidence, Gates.model_validate({"metrics": {"mape": {"max": 1}}}))

    assert not ruling.passed
    assert "undefined" in ruling.reason


def test_slow_or_large_bundle_fails_without_its_time_in_the_verdict() -> None:
    gates = Gates(latency_ms=5, bundle_mb=1)
    texts = set()
    for latency in (6.25, 7.5):
        evidence = Evidence(make_schema("binary"), {}, "no champion", latency, 3_000_000)
        rulings = judge(evidence, gates)
        assert [r.passed for r in rulings] == [False, False]
        texts.add(json.dumps(verdict(rulings)))

    assert len(texts) == 1
    assert "3.00 MB" in texts.pop()


def test_latency_is_that_of_one_row(place: Place) -> None:
    _make(place, "binary", champion=False)
    bundle = load_bundle(place.bundle)

    assert 0 < measure_latency(bundle.model(), bundle.schema) < 100


@pytest.mark.parametrize(
    ("target", "days", "reason"),
    [
        ({"classes": ("n", "y")}, 20, r"answers 'late' \(binary, \['n', 'y'\]\)"),
        ({"name": "delayed"}, 20, "answers 'delayed'"),
        ({}, -20, "only 0 held-out rows are later"),
    ],
    ids=["other classes", "other target", "has learned from all"],
)
def test_champion_that_cannot_be_compared_is_said_to_be_so(
    place: Place, target: dict[str, Any], days: int, reason: str
) -> None:
    _make(place, "binary", **target)
    frame = make_holdout("binary")
    frame["event_time"] += pd.Timedelta(days=days)
    if days < 0:
        frame["event_time"] -= pd.Timedelta(days=20)

    (ruling,) = place.judge("binary", frame, champion_loss=0.0)

    assert ruling.passed
    assert re.search(f"not asked: .*{reason}", ruling.reason)


def test_champion_of_other_features_is_not_compared(place: Place) -> None:
    _make(place, "binary")
    champion = load_bundle(place.champion / "theirs")
    schema = replace(make_schema("binary"), features=make_schema("binary").features[1:])

    with pytest.raises(IncomparableError, match="lacks or holds as another kind.*hour of day"):
        compare(make_holdout("binary"), schema, champion, make_params("binary", "time").data)


@pytest.mark.parametrize("task", TASKS)
def test_comparison_is_summarised_for_the_card(place: Place, task: str) -> None:
    _make(place, task)
    champion, schema = load_bundle(place.champion / "theirs"), make_schema(task)
    found = compare(make_holdout(task), schema, champion, make_params(task, "time").data)
    summary = summarise(found, schema, champion.schema)

    assert summary["version"] == champion.version
    assert summary["low"] <= summary["excess"] <= summary["high"]
    own, theirs = summary["measures"]["loss"], summary["champion_measures"]["loss"]
    assert summary["excess"] == pytest.approx(own - theirs, abs=2e-6)


def test_only_rows_later_than_the_champions_count(place: Place) -> None:
    _make(place, "binary")
    champion, frame = load_bundle(place.champion / "theirs"), make_holdout("binary")
    until = pd.Timestamp(champion.manifest["trained_until"])
    found = compare(frame, make_schema("binary"), champion, make_params("binary", "time").data)

    assert 100 < len(found.fresh) < len(frame)
    assert (found.fresh["event_time"] > until).all()


def test_several_champions_are_refused(place: Place) -> None:
    for name in ("a", "b"):
        (place.champion / name).mkdir()

    with pytest.raises(DatasetError, match="leave the champion's bundle only"):
        find_champion(place.champion)


def _run_stage(place: Place, **gates: Any) -> tuple[subprocess.CompletedProcess[str], bytes]:
    root = place.bundle.parent
    params = make_params("binary", "time", gates=gates).model_dump(mode="json")
    (root / "params.yaml").write_text(yaml.safe_dump(params))
    make_holdout("binary").to_parquet(root / "holdout.parquet")
    paths = {"params": root / "params.yaml", "bundle": place.bundle, "champion": place.champion,
             "holdout": root / "holdout.parquet", "verdict": root / "gate.json"}  # fmt: skip
    options = [text for name, path in paths.items() for text in (f"--{name}", str(path))]
    command = [sys.executable, "-m", "pipeline.gate", *options]
    run = subprocess.run(command, capture_output=True, text=True, check=False)
    written = paths["verdict"]
    return run, written.read_bytes() if written.exists() else b""


@pytest.mark.slow
def test_stage_writes_its_verdict_and_fails_with_each_reason(place: Place) -> None:
    _make(place, "binary", champion=False)
    asked = {"metrics": {"skill": {"min": 0.99}}, "champion_loss": 0.01, "latency_ms": 500}
    run, written = _run_stage(place, **asked)

    assert run.returncode == 1
    found = json.loads(written)
    assert not found["passed"]
    assert [rule["passed"] for rule in found["rules"]] == [False, True, True]
    assert "no champion" in found["rules"][1]["reason"]
    assert "gates.metrics.skill is not met: skill is" in run.stderr
    assert "ms (median of" in run.stderr
    assert "Traceback" not in run.stderr

    passed, _ = _run_stage(place)
    assert passed.returncode == 0


def test_stage_says_in_one_line_what_is_wrong(place: Place) -> None:
    run, written = _run_stage(place)

    assert run.returncode == 1
    assert run.stderr.strip() == f"no bundle at {place.bundle}"
    assert not written
