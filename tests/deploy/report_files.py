"""A made-up project's files for the report; a seed gives other numbers everywhere."""

import json
import shutil
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import yaml

ROOT = Path(__file__).parent.parent.parent
HOSTILE = "<script>alert(1)</script>"
SYSTEMS = ("live", "never", "monthly")


def write_project(root: Path, seed: int) -> Path:
    """Every file of deploy.report.sources, in a directory of its own."""
    rng = np.random.default_rng(seed)
    (root / "build").mkdir(parents=True)
    (root / "benchmarks" / "results").mkdir(parents=True)
    for name in ("params.yaml", "dvc.yaml", "docker-compose.yml"):
        shutil.copy(ROOT / name, root / name)
    (root / "dvc.lock").write_text(
        yaml.safe_dump(
            {
                "stages": {
                    "ingest": {
                        "deps": [{"path": "x"}] * (seed + 3),
                        "outs": [{"path": "y", "size": 4321 + seed}],
                    }
                }
            }
        )
    )
    _write_rows(root, rng)
    for name, content in _figures(seed).items():
        (root / name).write_text(json.dumps(content))
    for name, frame in _tables(rng).items():
        frame.to_csv(root / "build" / name, index=False)
    return root


def _write_rows(root: Path, rng: np.random.Generator) -> None:
    rows = 1500 + int(rng.integers(400))
    times = pd.date_range("2013-01-01", "2013-03-31", periods=rows, tz="UTC")
    numbers = ("sched_arr", "distance", "weekday", "temp", "dewp", "humid", "wind_dir",
               "wind_speed", "wind_gust", "precip", "pressure", "visib")  # fmt: skip
    frame = pd.DataFrame({name: rng.normal(10, 2, rows) for name in numbers})
    frame.loc[rng.random(rows) < 0.3, "wind_gust"] = np.nan
    frame["sched_dep"] = rng.integers(300, 1400, rows)
    frame["carrier"] = rng.choice(["AA", "UA", HOSTILE], rows)
    frame["origin"], frame["dest"] = rng.choice(["EWR", "JFK"], rows), "ORD"
    frame["late"] = (rng.random(rows) < 0.1 + 0.5 * rng.random()).astype(int)
    frame["event_time"] = times
    frame.to_parquet(root / "build" / "prepared.parquet")
    frame.iloc[::20].to_parquet(root / "build" / "golden.parquet")
    frame.tail(rows // 4).to_parquet(root / "build" / "holdout.parquet")


def _figures(seed: int) -> dict[str, Any]:
    """The JSON files, by their paths."""
    auc, loss = 0.6 + seed / 100, 0.5 + seed / 100
    measures = {
        "roc_auc": auc,
        "log_loss": loss,
        "brier": 0.2 + seed / 100,
        "recall": 0.3 + seed / 100,
        "precision": 0.2 + seed / 50,
        "skill": 0.1 + seed / 100,
    }
    months = [
        {"month": f"2014-0{number}", "requests": 1000 + seed, "outcomes": 900 + seed,
         "log_loss": {name: 0.4 + i / 10 + seed / 1000 for i, name in enumerate(SYSTEMS)},
         "roc_auc": {name: 0.7 - i / 100 for i, name in enumerate(SYSTEMS)}, "checks": 2,
         "alarms": 1, "retrains": 1, "promotions": number % 2, "recalibrations": 3}
        for number in (1, 2, 3)
    ]  # fmt: skip
    quiet = {"declared": 0.05, "ours": 0.01 * seed, "windows": 500 + seed,
             "evidently_default": 0.9, "evidently_windows": 10}  # fmt: skip
    return {
        "build/schema.json": {"features": [
            {"name": "sched_dep", "kind": "integer", "nullable": False, "low": 300 + seed,
             "high": 1439, "categories": []},
            {"name": "carrier", "kind": "categorical", "nullable": False, "low": None,
             "high": None, "categories": ["AA"] * (seed + 2)}]},
        "build/prepare.json": {"rows": 5000 + seed, "without_outcome": 40 + seed,
                               "of_ignored_classes": 0, "golden": 70 + seed, "kept": 4800 + seed},
        "build/validation.json": {"rows": 5000 + seed, "fail": 0, "warn": seed, "info": 0,
                                  "findings": []},
        "build/chosen.json": {"recipe": {"candidate": "gradient_boosting", "score": -0.54,
                                         "values": {"max_iter": 80}, "calibration": "sigmoid"},
                              "losses": {"none": 0.54, "sigmoid": 0.53}},
        "build/metrics.json": {**measures, "rows": 2000 + seed, "calibration_error": 0.03,
                               "positive_rate": 0.2, "threshold": 0.2 + seed / 100,
                               "baseline_log_loss": 0.55, "baseline_brier": 0.18,
                               "confusion_matrix": [[800 + seed, 200], [50, 150 + seed]],
                               "intervals": {name: [x - 0.05, x + 0.05]
                                             for name, x in measures.items()}},
        "build/gate.json": {"passed": True, "rules": [
            {"rule": "latency_ms", "passed": True, "reason": f"answered within {seed + 3} ms"}]},
        "benchmarks/results/replay.json": {
            "requests_answered": 7000 + seed, "rows_logged": 7000 + seed, "seconds": 600,
            "answered_but_not_logged": 0, "failed_requests": 0, "outcomes_accepted": 6000 + seed,
            "recalibrations": 9, "retrains": 3, "promotions": 2, "checks": 6, "months": months},
        "benchmarks/results/bench-drift.json": {
            "false_alarm_rate": {"1000 rows": quiet},
            "power": {"a swap": {"1 days": {"detected": 0.5}, "7 days": {"detected": 0.95}}}},
    }  # fmt: skip


def _tables(rng: np.random.Generator) -> dict[str, pd.DataFrame]:
    """The CSV files of build/."""
    rates = np.linspace(0, 1, 30)
    means = rng.random(4) / 100
    return {
        "search.csv": pd.DataFrame({
            "candidate": ["logistic_regression", "gradient_boosting"],
            "values": ['{"C": 0.1}', '{"max_iter": 80}'], "mean_score": [-0.53, -0.54],
            "std_score": [0.01, 0.02], "rows": 4000}),
        "roc.csv": pd.DataFrame({"class": 1, "false_positive_rate": rates,
                                 "true_positive_rate": rates**0.5}),
        "calibration.csv": pd.DataFrame({"predicted": rates[:5], "observed": rates[:5] ** 1.1}),
        "segments.csv": pd.DataFrame({"segment": ["carrier = EV"], "rows": [rng.integers(50, 90)],
                                      "share": [0.02], "loss": [0.7], "loss_rest": [0.5],
                                      "difference": [0.2]}),
        "importance.csv": pd.DataFrame({"feature": ["sched_dep", "carrier", "humid", "temp"],
                                        "mean": means, "std": means / 5}),
    }  # fmt: skip
