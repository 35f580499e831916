"""Small tables of each task, with names that a team may well use, as ingest would leave them."""

from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import yaml

from contracts.params import Params

HOSTILE = {
    "a.b": "numeric",
    "a": "integer",
    "index": "categorical",
    "values": "boolean",
    "class": "datetime",
    '<script>alert("x")</script>': "numeric",
    "price in $ of $\\frac$": "numeric",
    "数量 é\n": "categorical",
}


@dataclass(frozen=True)
class Project:
    """A directory with a raw table, snapshots and params."""

    directory: Path
    params: Params

    @property
    def raw(self) -> Path:
        return self.directory / "data" / "raw.parquet"

    @property
    def outcomes(self) -> Path:
        return self.directory / "data" / "outcomes"


def make_table(rows: int = 600, task: str = "binary", seed: int = 0) -> pd.DataFrame:
    """Every kind of feature under a hostile name; the target goes with the first."""
    generator = np.random.default_rng(seed)
    first = generator.normal(size=rows).round(3)
    noisy = first + generator.normal(size=rows)
    answers = {
        "binary": np.where(noisy > 0, "yes", "no"),
        "multiclass": np.array(["low", "mid", "high"])[np.digitize(noisy, [-0.5, 0.5])],
        "regression": noisy,
    }
    days = pd.to_datetime("2024-01-01", utc=True) + pd.to_timedelta(np.arange(rows), unit="h")
    return pd.DataFrame(
        {
            "a.b": first,
            "a": generator.integers(0, 5000, rows),
            "index": generator.choice(["red", "green", "blue"], rows),
            "values": generator.choice(["yes", "no"], rows),
            "class": days - pd.to_timedelta(generator.integers(0, 900, rows), unit="D"),
            '<script>alert("x")</script>': np.where(
                generator.random(rows) < 0.2, np.nan, generator.gamma(2, size=rows)
            ),
            "price in $ of $\\frac$": [f"{v:.2f}".replace(".", ",") for v in first * 3],
            "数量 é\n": generator.choice(["一", "二", "<b>"], rows),
            "when": days,
            "who": [f"id {i}" for i in range(rows)],
            "answer & <i>": answers[task],
        }
    )


def make_params(task: str = "binary", **changes: dict[str, Any]) -> Params:
    """Params of `make_table`; `changes` are merged into their sections."""
    classes = {"binary": ["no", "yes"], "multiclass": ["low", "mid", "high"], "regression": []}
    content: dict[str, Any] = yaml.safe_load(Path("params.yaml").read_text())
    content["data"] = {"source": "a test", "until": "2030-01-01", "timestamp": "when",
                       "target": "answer & <i>", "task": task, "classes": classes[task],
                       "min_rows": 10}  # fmt: skip
    content["features"] = {name: {"kind": kind} for name, kind in HOSTILE.items()}
    content["features"]['<script>alert("x")</script>']["nullable"] = True
    content["features"]["price in $ of $\\frac$"]["decimal"] = ","
    content["evaluate"] = {"holdout_days": 5, "folds": 2}
    content["validation"] = {}
    for section, values in changes.items():
        content[section] = {**content[section], **values}
    return Params.model_validate(content)


def make_project(
    directory: Path, table: pd.DataFrame, params: Params, *snapshots: pd.DataFrame
) -> Project:
    """Write the files that the stage reads."""
    project = Project(directory, params)
    project.outcomes.mkdir(parents=True)
    table.to_parquet(project.raw)
    for i, snapshot in enumerate(snapshots):
        snapshot.to_parquet(project.outcomes / f"{i}.parquet")
    text = yaml.safe_dump(params.model_dump(mode="json"), sort_keys=False, allow_unicode=True)
    (directory / "params.yaml").write_text(text)
    return project
